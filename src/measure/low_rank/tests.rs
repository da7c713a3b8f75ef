//! Tests of `low_rank`.

use super::*;
use crate::curvature::damping::DampingRule;
use crate::spectrum::lanczos::gaussian;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn factor(rank: usize, n: usize) -> Mat<f64> {
    let noise = gaussian(rank * n, &mut ChaCha8Rng::seed_from_u64(3));
    Mat::from_fn(n, rank, |i, j| noise[i + j * n] * 0.1f64.powi(j as i32 % 4))
}

fn dense(g: &Mat<f64>) -> Mat<f64> {
    let n = g.nrows();
    Mat::from_fn(n, n, |i, j| (0..g.ncols()).map(|k| g[(i, k)] * g[(j, k)]).sum())
}

#[test]
fn the_gram_route_agrees_with_the_whole_matrix() {
    for (rank, n) in [(5usize, 40usize), (40, 40), (60, 40), (1, 3)] {
        for scale in [1e-100, 1.0, 1e100] {
            let g = factor(rank, n);
            let g = Mat::from_fn(n, rank, |i, j| g[(i, j)] * scale);
            let c = dense(&g);
            let found = gram(g.as_ref(), n, Par::Seq, "test").unwrap();
            let back = |x: f64| times_pow2(x, -2 * found.exponent);
            assert!((back(found.max_abs) / max_abs(c.as_ref()) - 1.0).abs() < 1e-13);
            let eigen = dense_eigen::decompose(c.as_ref(), Par::Seq).unwrap();
            let mut values = found.spectrum.values.clone();
            values.sort_by(f64::total_cmp);
            let top = eigen.values[n - 1];
            for (x, y) in values.iter().zip(&eigen.values) {
                assert!((back(*x) - y).abs() <= 1e-13 * top, "{rank} {n} {scale}");
            }
            for rule in [DampingRule::Relative(5e-3), DampingRule::Absolute(scale * scale * 0.01)] {
                let kappa = kappa("EF", &g, n, rule, Par::Seq, "test").unwrap();
                let lambda = rule.lambda(max_abs(c.as_ref()));
                let expected = (top + lambda) / (eigen.values[0].max(0.0) + lambda);
                assert!((kappa.value.unwrap() / expected - 1.0).abs() < 1e-10, "{rank} {n} {scale}");
                // The dense eigenvalues have an error of their own.
                let e = eigen.certificate.value_error;
                let low = (top - e + lambda) / (eigen.values[0].max(0.0) + e + lambda);
                let high = (top + e + lambda) / ((eigen.values[0] - e).max(0.0) + lambda);
                assert!(kappa.low.unwrap() <= high && low <= kappa.high.unwrap(), "{kappa:?} {expected}");
            }
        }
    }
}

#[test]
fn undamped_and_rank_deficient_is_singular() {
    let found = kappa("EF", &factor(5, 40), 40, DampingRule::None, Par::Seq, "test").unwrap();
    assert_eq!((found.value, found.high, found.of.as_deref()), (None, None, Some("EF")));
}

#[test]
fn a_factor_of_the_wrong_height_is_refused() {
    assert_eq!(gram(factor(5, 40).as_ref(), 39, Par::Seq, "test").err().unwrap().class.exit_code(), 3);
    let mut g = factor(2, 3);
    g[(1, 1)] = f64::NAN;
    assert!(gram(g.as_ref(), 3, Par::Seq, "test").is_err());
}
