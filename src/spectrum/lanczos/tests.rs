//! Tests of `lanczos`.

use super::*;
use crate::spectrum::dense_eigen::tests::with_spectrum;

#[test]
fn both_ends_and_the_density_agree_with_the_spectrum() {
    let values: Vec<f64> = (0..150).map(|i| (f64::from(i) * 0.9).sin() + if i == 3 { 8.0 } else { 0.0 }).collect();
    let a = with_spectrum(&values, 4);
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    let least = values.iter().copied().fold(f64::MAX, f64::min);
    for lanes in [1, 3] {
        let options = Options { lanes, tolerance: 1e-10, seed: 5, ..Options::default() };
        let found = extremes(&Dense(a.as_ref(), Par::Seq), options).unwrap();
        assert!(found.converged);
        assert!((found.max.value - most).abs() < 1e-9 && found.max.value <= most + 1e-12);
        assert!((found.min.value - least).abs() < 1e-9 && found.min.value >= least - 1e-12);
        let weight: f64 = found.nodes.iter().map(|x| x.1).sum();
        assert!((weight - 1.0).abs() < 1e-12);
        // the quadrature's mean is vᵀAv, near the trace over N
        let mean: f64 = found.nodes.iter().map(|(t, w)| t * w).sum();
        let trace = values.iter().sum::<f64>() / 150.0;
        assert!((mean - trace).abs() < 0.5, "{mean} {trace}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i * i)).collect();
    let a = with_spectrum(&values, 4);
    let options = Options { seed: 9, ..Options::default() };
    let one = extremes(&Dense(a.as_ref(), Par::Seq), options).unwrap();
    let two = extremes(&Dense(a.as_ref(), Par::Seq), options).unwrap();
    assert_eq!((one.max, one.min, one.nodes), (two.max, two.min, two.nodes));
}

#[test]
fn sigma_min_is_bounded_from_above_and_reached_in_the_end() {
    let values: Vec<f64> = (0..60).map(|i| (f64::from(i) - 29.7) * 0.1).collect();
    let a = with_spectrum(&values, 8);
    let sigma = values.iter().fold(f64::INFINITY, |m, x| m.min(x.abs()));
    for max_steps in [5, 20, 40] {
        let options = Options { max_steps, tolerance: 0.0, ..Options::default() };
        let found = extremes(&Dense(a.as_ref(), Par::Seq), options).unwrap();
        assert!(found.sigma_min_above >= sigma, "{max_steps}");
    }
    let options = Options { max_steps: 60, tolerance: 0.0, ..Options::default() };
    let found = extremes(&Dense(a.as_ref(), Par::Seq), options).unwrap();
    assert!((found.sigma_min_above - sigma).abs() < 1e-6, "{} {sigma}", found.sigma_min_above);
}

#[test]
fn spectral_norms_of_dropped_parts() {
    let values: Vec<f64> = (0..50).map(|i| f64::from(i) - 31.0).collect();
    let a = with_spectrum(&values, 8);
    let whole = Dropped { matrix: a.as_ref(), cut: f64::INFINITY };
    assert!((spectral_norm(&whole, 1).unwrap() - 31.0).abs() < 1e-6);
    for cut in [0.1, 0.5, 2.0] {
        let part = Dropped { matrix: a.as_ref(), cut };
        let dense = part.to_dense().unwrap();
        let eigen = decompose(dense.as_ref(), Par::Seq).unwrap();
        let norm = eigen.values[0].abs().max(eigen.values[49].abs());
        assert!((spectral_norm(&part, 1).unwrap() / norm - 1.0).abs() < 1e-5, "{cut}");
    }
    assert_eq!(spectral_norm(&Dropped { matrix: a.as_ref(), cut: -1.0 }, 1).unwrap(), 0.0);
}

#[test]
fn degenerate_operators_end() {
    let one = Mat::<f64>::identity(1, 1);
    let found = extremes(&Dense(one.as_ref(), Par::Seq), Options::default()).unwrap();
    assert!((found.max.value - 1.0).abs() < 1e-15 && found.steps == 1);
    let identity = Mat::<f64>::identity(30, 30);
    let found = extremes(&Dense(identity.as_ref(), Par::Seq), Options::default()).unwrap();
    assert!((found.max.value - 1.0).abs() < 1e-14 && (found.min.value - 1.0).abs() < 1e-14 && found.steps < 4);
    let empty = Mat::<f64>::zeros(0, 0);
    assert!(extremes(&Dense(empty.as_ref(), Par::Seq), Options::default()).is_err());
    let mut bad = Mat::<f64>::identity(4, 4);
    bad[(0, 0)] = f64::NAN;
    assert!(extremes(&Dense(bad.as_ref(), Par::Seq), Options::default()).is_err());
}

#[test]
fn a_krylov_space_holds_its_start_and_its_ritz_pairs_have_their_residuals() {
    let values: Vec<f64> = (0..40).map(|i| (f64::from(i) * 1.3).sin()).collect();
    let a = with_spectrum(&values, 8);
    let start: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i % 3)).collect();
    for steps in [1, 6, 40, 99] {
        let found = krylov(&Dense(a.as_ref(), Par::Seq), &start, steps).unwrap();
        let k = found.values.len();
        assert!(k <= steps.min(40));
        let inside: f64 =
            (0..k).map(|j| found.vectors.col(j).iter().zip(&start).map(|(v, s)| v * s).sum::<f64>().powi(2)).sum();
        assert!((inside.sqrt() / norm(&start) - 1.0).abs() < 1e-12);
        let mut av = Mat::<f64>::zeros(40, k);
        matmul(av.as_mut(), Accum::Replace, a.as_ref(), found.vectors.as_ref(), 1.0, Par::Seq);
        for j in 0..k {
            let r = (0..40).map(|i| (av[(i, j)] - found.values[j] * found.vectors[(i, j)]).powi(2)).sum::<f64>().sqrt();
            assert!((r - found.residuals[j]).abs() < 1e-12, "{steps} {j}");
        }
    }
    assert!(krylov(&Dense(a.as_ref(), Par::Seq), &[0.0; 40], 3).is_err());
    assert!(krylov(&Dense(a.as_ref(), Par::Seq), &[1.0; 39], 3).is_err());
}
