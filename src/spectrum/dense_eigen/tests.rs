//! Tests of `dense_eigen`.

use super::*;
use crate::spectrum::lanczos::gaussian;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIZES: [usize; 11] = [0, 1, 2, 3, 5, 10, 33, 50, 100, 130, 200];

/// Q·diag(values)·Qᵀ with Q a product of Householder reflections.
pub(crate) fn with_spectrum(values: &[f64], seed: u64) -> Mat<f64> {
    let n = values.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut a = Mat::from_fn(n, n, |i, j| if i == j { values[i] } else { 0.0 });
    for _ in 0..3 {
        let v = gaussian(n, &mut rng);
        let vv: f64 = v.iter().map(|x| x * x).sum();
        if vv == 0.0 {
            continue;
        }
        // (I − 2vvᵀ/vᵀv) A (I − 2vvᵀ/vᵀv)
        let w: Vec<f64> = (0..n).map(|i| (0..n).map(|j| a[(i, j)] * v[j]).sum::<f64>() * 2.0 / vv).collect();
        let vw: f64 = v.iter().zip(&w).map(|(a, b)| a * b).sum::<f64>() / vv;
        let u: Vec<f64> = w.iter().zip(&v).map(|(w, v)| w - vw * v).collect();
        a = Mat::from_fn(n, n, |i, j| a[(i, j)] - (v[i] * u[j] + u[i] * v[j]));
    }
    Mat::from_fn(n, n, |i, j| a[(i.max(j), i.min(j))])
}

/// The structured types of LAPACK's symmetric eigenvalue tests, at unit scale.
fn structured(n: usize) -> Vec<(&'static str, Mat<f64>)> {
    let at = |i: usize| i as f64 / n.max(1) as f64;
    let graded: Vec<f64> = (0..n).map(|i| 10f64.powf(-12.0 * at(i)) * if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let clustered: Vec<f64> = (0..n).map(|i| if i == 0 { 1.0 } else { 1e-14 }).collect();
    let two: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let arithmetic: Vec<f64> = (0..n).map(|i| at(i) - 0.5).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
    let noise = gaussian(n * n, &mut rng);
    let sign = |i: usize| if i.is_multiple_of(3) { 1.0 } else { -0.7 };
    vec![
        ("zero", Mat::zeros(n, n)),
        ("identity", Mat::identity(n, n)),
        ("diagonal", Mat::from_fn(n, n, |i, j| if i == j { 1.0 - at(i) } else { 0.0 })),
        ("rank one", Mat::from_fn(n, n, |i, j| sign(i) * sign(j))),
        ("laplacian", Mat::from_fn(n, n, |i, j| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)])),
        (
            "arrow",
            Mat::from_fn(n, n, |i, j| {
                if i == j {
                    at(i)
                } else if i * j == 0 {
                    1.0
                } else {
                    0.0
                }
            }),
        ),
        ("blocks", Mat::from_fn(n, n, |i, j| if i / 2 == j / 2 { 1.0 } else { 0.0 })),
        ("graded entries", Mat::from_fn(n, n, |i, j| 10f64.powf(-8.0 * (at(i) + at(j))))),
        ("dense", Mat::from_fn(n, n, |i, j| noise[i.max(j) * n + i.min(j)])),
        ("graded spectrum", with_spectrum(&graded, 1)),
        ("clustered", with_spectrum(&clustered, 2)),
        ("two values", with_spectrum(&two, 3)),
        ("arithmetic", with_spectrum(&arithmetic, 4)),
    ]
}

#[test]
fn residuals_pass_for_every_structure_size_and_scale() {
    for n in SIZES {
        for (name, a) in structured(n) {
            let reference = decompose(a.as_ref(), Par::Seq).unwrap();
            for scale in [1e-300, 1e-150, 1e-20, 1e-10, 1.0, 1e10, 1e150, 1e300] {
                // an exact power of two near the scale: the bits of the vectors and mantissas must not change
                let k = exponent(scale);
                let moved = scaled(a.as_ref(), k);
                // entries below the smallest normal number would be rounded
                let rounded = (0..n).any(|j| moved.col(j).iter().any(|x| *x != 0.0 && x.abs() < f64::MIN_POSITIVE));
                let found = decompose(moved.as_ref(), Par::Seq).unwrap();
                assert!(found.certificate.residual_ratio < RATIO_LIMIT, "{name} {n} {scale}");
                assert!(found.certificate.orthogonality_ratio < RATIO_LIMIT, "{name} {n} {scale}");
                if !rounded {
                    let back: Vec<f64> = found.values.iter().map(|&x| times_pow2(x, -k)).collect();
                    // an eigenvalue itself may be subnormal at this scale
                    let same = back.iter().zip(&reference.values).all(|(a, b)| {
                        a == b || times_pow2(*b, k).abs() < f64::MIN_POSITIVE && (a - b).abs() <= times_pow2(1e-307, -k)
                    });
                    assert!(same, "{name} {n} {scale}");
                    assert_eq!(found.vectors, reference.vectors, "{name} {n} {scale}");
                }
            }
        }
    }
}

#[test]
fn values_alone_agree_with_the_pairs_within_both_bounds() {
    for n in SIZES {
        for (name, a) in structured(n) {
            for scale in [1e-300, 1e-10, 1.0, 1e10, 1e300] {
                let moved = scaled(a.as_ref(), exponent(scale));
                let pairs = decompose(moved.as_ref(), Par::Seq).unwrap();
                let (alone, certificate) = values(moved.as_ref(), Par::Seq).unwrap();
                let limit = certificate.value_error + pairs.certificate.value_error;
                for (x, y) in alone.iter().zip(&pairs.values) {
                    assert!((x - y).abs() <= limit, "{name} {n} {scale}: {x} {y} {limit}");
                }
            }
        }
    }
}

#[test]
fn closed_forms_lie_within_the_bound() {
    for n in [1usize, 2, 7, 33, 64, 200] {
        let laplacian = Mat::from_fn(n, n, |i, j| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
        let found = decompose(laplacian.as_ref(), Par::Seq).unwrap();
        let e = found.certificate.value_error;
        assert!(e < 1e-10, "the bound is useless: {e}");
        for (k, x) in found.values.iter().enumerate() {
            let exact = 4.0 * (std::f64::consts::PI * (k + 1) as f64 / (2.0 * (n + 1) as f64)).sin().powi(2);
            assert!((x - exact).abs() <= e + 4e-16, "{n} {k}: {x} {exact} {e}");
        }
        // ones: N once, 0 otherwise
        let ones = decompose(Mat::from_fn(n, n, |_, _| 1.0).as_ref(), Par::Seq).unwrap();
        assert!((ones.values[n - 1] - n as f64).abs() <= ones.certificate.value_error + 1e-15);
        assert!(ones.values[..n - 1].iter().all(|x| x.abs() <= ones.certificate.value_error));
    }
}

#[test]
fn one_and_two_threads_agree_to_the_bound_and_one_thread_repeats_bits() {
    let a = structured(400).remove(8).1;
    let threads = crate::parallel::Threads::new(2).unwrap();
    let one = decompose(a.as_ref(), Par::Seq).unwrap();
    let again = decompose(a.as_ref(), Par::Seq).unwrap();
    let two = threads.run(|| decompose(a.as_ref(), threads.faer())).unwrap();
    assert_eq!(one.values, again.values);
    assert_eq!(one.vectors, again.vectors);
    let worst = one.values.iter().zip(&two.values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= one.certificate.value_error + two.certificate.value_error);
}

#[test]
fn bad_matrices_are_refused_with_a_type() {
    let mut a = Mat::<f64>::identity(3, 3);
    a[(2, 1)] = f64::NAN;
    assert_eq!(decompose(a.as_ref(), Par::Seq).unwrap_err().class.exit_code(), 3);
    a[(2, 1)] = f64::INFINITY;
    assert_eq!(values(a.as_ref(), Par::Seq).unwrap_err().class.exit_code(), 3);
    assert_eq!(decompose(Mat::zeros(2, 3).as_ref(), Par::Seq).unwrap_err().class.exit_code(), 3);
    // not symmetric: the pairs of the lower triangle do not belong to this matrix
    let skew = Mat::from_fn(20, 20, |i, j| i as f64 - j as f64);
    let error = decompose(skew.as_ref(), Par::Seq).unwrap_err();
    assert_eq!((error.class.exit_code(), error.code), (5, "spectrum::residual"));
}

#[test]
fn a_wrong_pair_does_not_pass() {
    let a = structured(50).remove(8).1;
    let good = decompose(a.as_ref(), Par::Seq).unwrap();
    let mut values = good.values.clone();
    values[7] *= 1.0 + 1e-9;
    let found = norms(a.as_ref(), &values, good.vectors.as_ref(), Par::Seq).certificate(&values, "spoilt");
    assert!(found.residual_ratio > RATIO_LIMIT);
    let mut vectors = good.vectors.clone();
    let twin = vectors.col(3).to_owned();
    vectors.col_mut(4).copy_from(&twin);
    let found = norms(a.as_ref(), &good.values, vectors.as_ref(), Par::Seq).certificate(&good.values, "spoilt");
    assert!(found.orthogonality_ratio > RATIO_LIMIT && found.value_error.is_infinite());
    values[7] = good.values[8] + (good.values[9] - good.values[8]) / 2.0;
    assert!(certify_values(a.as_ref(), &values, Par::Seq).unwrap().is_none());
}
