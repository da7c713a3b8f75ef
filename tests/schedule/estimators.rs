//! The estimators of κ against closed forms and known spectra.

use breakeven::schedule::{Estimator, estimate, estimate_factor};
use faer::{Mat, Par};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn diagonal(values: &[f64]) -> Mat<f64> {
    Mat::from_fn(values.len(), values.len(), |i, j| if i == j { values[i] } else { 0.0 })
}

/// A symmetric matrix of a given spectrum: two random reflections around the diagonal.
fn rotated(values: &[f64], seed: u64) -> Mat<f64> {
    let n = values.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut a = diagonal(values);
    for _ in 0..2 {
        let v: Vec<f64> = (0..n).map(|_| rng.random::<f64>() - 0.5).collect();
        let length: f64 = v.iter().map(|x| x * x).sum();
        let q = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / length);
        a = &q * &a * &q;
    }
    Mat::from_fn(n, n, |i, j| 0.5 * (a[(i, j)] + a[(j, i)]))
}

fn kappa(values: &[f64]) -> f64 {
    let size = |f: fn(f64, f64) -> f64, start: f64| values.iter().map(|x| x.abs()).fold(start, f);
    size(f64::max, 0.0) / size(f64::min, f64::INFINITY)
}

#[test]
fn the_corrected_bound_has_its_published_values() {
    // Singular values of [[1, 2], [3, 4]], the example of the published code: the bound is κ itself for n = 2.
    let s = [5.464_985_704_219_043, 0.365_966_190_626_257_9];
    let found = estimate(diagonal(&s).as_ref(), Estimator::Merikoski, 0, Par::Seq).unwrap();
    approx::assert_relative_eq!(found.kappa().unwrap(), 14.933_034_373_659_28, max_relative = 1e-12);
    for (values, bound) in [(&[1.0, 0.1][..], 10.0), (&[1.0, 0.5, 0.1], 10.795_009)] {
        let found = estimate(diagonal(values).as_ref(), Estimator::Merikoski, 0, Par::Seq).unwrap();
        approx::assert_relative_eq!(found.kappa().unwrap(), bound, max_relative = 1e-7);
    }
}

#[test]
fn the_corrected_bound_holds_and_is_loose() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for trial in 0..200 {
        let n = 2 + trial % 20;
        let values: Vec<f64> = (0..n).map(|_| 10f64.powf(2.0 * rng.random::<f64>() - 1.0)).collect();
        let found = estimate(diagonal(&values).as_ref(), Estimator::Merikoski, 0, Par::Seq).unwrap();
        assert!(found.ln_kappa.unwrap() >= kappa(&values).ln() - 1e-9, "{values:?}");
    }
    // {0.01, …, 1}: κ = 100, where the related bound by Guggenheimer, Edelman and Johnson gives 6.30e18.
    let spread: Vec<f64> = (1..=100).map(|i| f64::from(i) / 100.0).collect();
    let found = estimate(diagonal(&spread).as_ref(), Estimator::Merikoski, 0, Par::Seq).unwrap();
    let decades = found.ln_kappa.unwrap() / std::f64::consts::LN_10;
    assert!((16.0..19.5).contains(&decades), "{decades}");
}

#[test]
fn the_published_formula_has_no_value_on_its_own_example() {
    let s = [5.464_985_704_219_043, 0.365_966_190_626_257_9];
    let found = estimate(diagonal(&s).as_ref(), Estimator::Published, 0, Par::Seq).unwrap();
    assert_eq!(found.ln_kappa, None);
    assert!(found.why.contains("NaN"), "{}", found.why);
    // Where it has one it is what the formula says: 1 − (1 − n/‖A‖_F)ⁿ·det².
    let (a, b): (f64, f64) = (0.3, 0.5);
    let y = (1.0 - 2.0 / (a * a + b * b).sqrt()).powi(2) * (a * b).powi(2);
    let t = (1.0 - y).sqrt();
    let found = estimate(diagonal(&[a, b]).as_ref(), Estimator::Published, 0, Par::Seq).unwrap();
    approx::assert_relative_eq!(found.kappa().unwrap(), ((1.0 + t) / (1.0 - t)).sqrt(), max_relative = 1e-12);
    // A hundred small eigenvalues underflow the determinant.
    let small = vec![1e-5; 100];
    let found = estimate(diagonal(&small).as_ref(), Estimator::Published, 0, Par::Seq).unwrap();
    assert_eq!(found.ln_kappa, None);
}

#[test]
fn a_factorisation_gives_kappa_and_the_counts_enclose_it() {
    for (seed, values) in [
        (1, (0..60).map(|i| 1.3f64.powi(i)).collect::<Vec<f64>>()),
        (2, (0..80).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 } * (0.5 + f64::from(i))).collect()),
        (3, std::iter::once(1e4).chain((0..40).map(|_| 1.0)).collect()),
    ] {
        let a = rotated(&values, seed);
        let truth = kappa(&values);
        let quick = estimate(a.as_ref(), Estimator::Factored, 0, Par::Seq).unwrap();
        approx::assert_relative_eq!(quick.kappa().unwrap(), truth, max_relative = 1e-6);
        let whole = estimate(a.as_ref(), Estimator::Auto, 0, Par::Seq).unwrap();
        approx::assert_relative_eq!(whole.kappa().unwrap(), truth, max_relative = 1e-10);
        assert_eq!(whole.definite, quick.definite);
        let checked = estimate(a.as_ref(), Estimator::Inertia, 0, Par::Seq).unwrap();
        let (low, high) = (checked.low.unwrap(), checked.high.unwrap());
        assert!(low <= truth * (1.0 + 1e-6) && truth <= high, "{low} {truth} {high}");
        assert!(high / low < 1.01);
        assert_eq!(checked.definite, Some(values.iter().all(|x| *x > 0.0)));
        assert!(checked.dense_flops > 4.9 * quick.dense_flops);
    }
}

#[test]
fn products_alone_bound_kappa_from_below() {
    let values: Vec<f64> = (0..120).map(|i| 10f64.powf(f64::from(i) / 30.0)).collect();
    let a = rotated(&values, 5);
    let mut last = 0.0;
    for products in [5, 20, 60, 120] {
        let found = estimate(a.as_ref(), Estimator::Lanczos(products), 0, Par::Seq).unwrap().kappa().unwrap();
        assert!(found <= kappa(&values) * (1.0 + 1e-6) && found >= 0.99 * last, "{found} after {products}");
        last = found;
    }
}

#[test]
fn a_singular_matrix_has_no_kappa() {
    for estimator in [Estimator::Factored, Estimator::Inertia, Estimator::Merikoski, Estimator::Eigen] {
        let found = estimate(diagonal(&[1.0, 2.0, 0.0]).as_ref(), estimator, 0, Par::Seq).unwrap();
        assert_eq!(found.kappa(), None, "{estimator}");
        assert!(!found.why.is_empty());
    }
}

#[test]
fn a_low_rank_matrix_needs_its_factor_alone() {
    let (n, r) = (300, 7);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let f = Mat::from_fn(n, r, |_, _| rng.random::<f64>() - 0.5);
    let lambda = 1e-3;
    let found = estimate_factor(f.as_ref(), lambda, 60, 0, Par::Seq).unwrap();
    let gram = f.transpose() * &f;
    let largest = breakeven::spectrum::decompose(gram.as_ref(), Par::Seq).unwrap().values[r - 1];
    approx::assert_relative_eq!(found.kappa().unwrap(), 1.0 + largest / lambda, max_relative = 1e-9);
}
