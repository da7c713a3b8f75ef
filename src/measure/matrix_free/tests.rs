//! Tests of `matrix_free`.

use super::*;
use crate::measure::{measure as measure_dense, measure_operator};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::spectrum::dense_eigen::tests::with_spectrum;
use crate::spectrum::lanczos::Dense;

fn both(h: &Mat<f64>, damping: DampingRule, curvature: &str) -> (Measurement, Measurement) {
    let threads = Threads::new(1).unwrap();
    let system = |h: Mat<f64>| SystemInput { damping, curvature: curvature.into(), ..SystemInput::matrix("case", h) };
    let a = measure_dense(system(h.clone()), &threads, &|_, _| ()).unwrap();
    let operator = Dense(h.as_ref(), Par::Seq);
    let b = measure_operator(system(Mat::new()), &operator, &threads, &|_, _| ()).unwrap();
    let text = serde_json::to_string(&b).unwrap();
    assert_eq!(serde_json::from_str::<Measurement>(&text).unwrap(), b);
    (a, b)
}

#[test]
fn a_definite_matrix_agrees_with_the_dense_measurement() {
    let values: Vec<f64> = (0..150).map(|i| 0.02 + (f64::from(i) / 60.0).exp()).collect();
    let h = with_spectrum(&values, 2);
    for rule in [DampingRule::None, DampingRule::PAPER, DampingRule::Absolute(0.5)] {
        let (a, b) = both(&h, rule, "hessian");
        assert!((b.kappa.value.unwrap() / a.kappa.value.unwrap() - 1.0).abs() < 1e-6, "{:?} {:?}", b.kappa, a.kappa);
        assert!(b.kappa.low <= a.kappa.high && a.kappa.low <= b.kappa.high);
        assert!(b.kappa.method.starts_with("Lanczos"));
        assert_eq!((b.row_sparsity.value, b.nonzeros), (a.row_sparsity.value, a.nonzeros));
        for (x, y) in b.row_sparsity.curve.iter().zip(&a.row_sparsity.curve) {
            assert_eq!((x.d, x.nonzeros), (y.d, y.nonzeros));
            assert!((x.frobenius_error - y.frobenius_error).abs() < 1e-12);
        }
        assert!((b.damping.lambda - a.damping.lambda).abs() <= 1e-14 * a.damping.lambda);
        assert!((b.frobenius_norm / a.frobenius_norm - 1.0).abs() < 1e-12);
        assert!((b.max_abs / a.max_abs - 1.0).abs() < 1e-12);
        assert!((b.x_norm.unwrap() / a.x_norm.unwrap() - 1.0).abs() < 1e-6);
        assert_eq!(b.inertia_solved.negative, 0);
        for (x, y) in b.classical_runs.iter().zip(&a.classical_runs) {
            assert!(x.iterations.unwrap().abs_diff(y.iterations.unwrap()) <= 1, "{x:?} {y:?}");
        }
    }
}

#[test]
fn an_indefinite_matrix_has_a_certified_low_and_no_value() {
    let values: Vec<f64> = (0..120).map(|i| (f64::from(i) - 40.3) * 0.1).collect();
    let h = with_spectrum(&values, 2);
    let (a, b) = both(&h, DampingRule::None, "hessian");
    assert_eq!((b.kappa.value, b.kappa.high), (None, None));
    let low = b.kappa.low.unwrap();
    assert!(low > 1.0 && low <= a.kappa.value.unwrap(), "{low}");
    assert!(b.sigma_min.high.unwrap() >= a.sigma_min.value.unwrap());
    assert!((b.sigma_max.value.unwrap() / a.sigma_max.value.unwrap() - 1.0).abs() < 1e-8);
    // estimated counts
    assert!(b.inertia.positive.abs_diff(a.inertia.positive) < 20, "{:?} {:?}", b.inertia, a.inertia);
    assert!(b.kappa.method.contains("indefinite"));
}

#[test]
fn a_damped_semidefinite_matrix_has_its_lambda_below() {
    let mut values = vec![0.0; 90];
    values.extend((1..=10).map(f64::from));
    let h = with_spectrum(&values, 7);
    let (a, b) = both(&h, DampingRule::PAPER, "ggn");
    assert!(b.sigma_min.low.unwrap() >= b.damping.lambda * (1.0 - 1e-12));
    assert!((b.kappa.value.unwrap() / a.kappa.value.unwrap() - 1.0).abs() < 1e-6);
    assert_eq!(b.inertia_solved.positive, 100);
}

#[test]
fn epsilon_agrees_with_the_dense_route_on_a_real_loss() {
    struct Loss(Mat<f64>, Vec<f64>);
    impl crate::curvature::Objective for Loss {
        fn dim(&self) -> usize {
            self.1.len()
        }
        fn loss_at(&self, step: &[f64]) -> Result<f64> {
            self.gradient_at(step).map(|x| x.0)
        }
        fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
            let hs = crate::measure::trust_region::product(self.0.as_ref(), step, Par::Seq);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            Ok((dot(&self.1, step) + 0.5 * dot(step, &hs), hs.iter().zip(&self.1).map(|(a, b)| a + b).collect()))
        }
    }
    let values: Vec<f64> = (0..60).map(|i| 0.05 + 1.1f64.powi(i) * 0.1).collect();
    let h = with_spectrum(&values, 2);
    let g: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.3).sin() + 0.1).collect();
    let loss = Loss(h.clone(), g.clone());
    let threads = Threads::new(1).unwrap();
    let system = |h: Mat<f64>| SystemInput {
        damping: DampingRule::PAPER,
        gradient: Some(g.clone()),
        objective: Some(&loss),
        ..SystemInput::matrix("case", h)
    };
    let a = measure_dense(system(h.clone()), &threads, &|_, _| ()).unwrap().tolerance;
    let b = measure_operator(system(Mat::new()), &Dense(h.as_ref(), Par::Seq), &threads, &|_, _| ()).unwrap().tolerance;
    for (x, y) in [(a.value, b.value), (a.low, b.low), (a.high, b.high)] {
        assert!((x / y - 1.0).abs() < 1e-4, "{a:?} {b:?}");
    }
}

#[test]
fn rules_that_need_the_entries_are_refused() {
    let h = Mat::<f64>::identity(3, 3);
    let threads = Threads::new(1).unwrap();
    let operator = Dense(h.as_ref(), Par::Seq);
    for system in [
        SystemInput { prune: PruneRule::RowCount(2), ..SystemInput::matrix("case", Mat::new()) },
        SystemInput { damping: DampingRule::SaddleFree(1.0), ..SystemInput::matrix("case", Mat::new()) },
        SystemInput { damping: DampingRule::LevenbergMarquardt(1.0), ..SystemInput::matrix("case", Mat::new()) },
    ] {
        assert_eq!(measure_operator(system, &operator, &threads, &|_, _| ()).unwrap_err().class.exit_code(), 2);
    }
}
