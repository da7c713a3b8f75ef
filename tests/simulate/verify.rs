//! The gate: claims that hold, claims that fail, inputs that are refused.

use super::support::*;
use breakeven::error::Class;
use breakeven::simulate::{Level, Options, SimulationRow, verify};
use faer::Mat;

fn check(model: &str, matrix: &Mat<f64>, rhs: &[f64], eps: f64, claim: Option<u64>) -> SimulationRow {
    verify(model, matrix.as_ref(), rhs, eps, claim, None, Level::L1, &options()).unwrap()
}

#[test]
fn claims_hold_and_false_claims_fail() {
    let mut rng = rng(31);
    let h = matrix(&eigenvalues(20, 25.0, true, true, &mut rng), &mut rng);
    let g = vector(20, &mut rng);
    for model in ["qsvt", "dalzell2024-known-norm", "costa2023-consistent"] {
        let row = check(model, &h, &g, 1e-3, None);
        assert!(row.passed && row.error_reached.unwrap() <= 1e-3, "{model}: {row:?}");
        let needed = row.queries_needed.unwrap();
        assert!(needed <= row.queries_counted, "{model}: {row:?}");
        assert!((row.kappa / 25.0 - 1.0).abs() < 1e-9);
        let at_claim = check(model, &h, &g, 1e-3, Some(row.queries_counted));
        assert!(at_claim.passed, "{model}: {at_claim:?}");
        let false_claim = check(model, &h, &g, 1e-3, Some(needed / 2));
        assert!(!false_claim.passed && false_claim.queries_counted <= needed / 2, "{model}: {false_claim:?}");
        assert!(false_claim.error_reached.unwrap() > 1e-3);
        assert!(!check(model, &h, &g, 1e-3, Some(1)).passed, "{model}");
    }
}

#[test]
fn the_prediction_is_carried_and_calibrated() {
    let mut rng = rng(32);
    let h = matrix(&eigenvalues(12, 15.0, false, true, &mut rng), &mut rng);
    let g = vector(12, &mut rng);
    let formula = 2.0 * (15.0 * (2.0 * 2f64.sqrt() / 1e-2).ln() / 2.0).ceil();
    let row =
        verify("dalzell2024-known-norm", h.as_ref(), &g, 1e-2, None, Some(formula), Level::L1, &options()).unwrap();
    assert_eq!(row.queries_predicted, Some(formula));
    assert_eq!(row.queries_counted as f64, formula);
    let ratio = row.calibration.unwrap();
    assert!((0.8..=1.0).contains(&ratio), "{ratio}");
    let text = serde_json::to_string(&row).unwrap();
    let back: SimulationRow = serde_json::from_str(&text).unwrap();
    assert_eq!(back, row);
}

#[test]
fn the_answer_does_not_depend_on_the_scale() {
    let mut rng = rng(33);
    let h = matrix(&eigenvalues(10, 12.0, false, true, &mut rng), &mut rng);
    let g = vector(10, &mut rng);
    let base = check("dalzell2024-known-norm", &h, &g, 1e-3, None);
    for scale in [1e-150, 1e-12, 1e12, 1e150] {
        let scaled = Mat::from_fn(10, 10, |i, j| h[(i, j)] * scale);
        let row = check("dalzell2024-known-norm", &scaled, &g, 1e-3, None);
        assert_eq!(row.queries_needed, base.queries_needed, "scale {scale}");
        assert!((row.alpha / scale / base.alpha - 1.0).abs() < 1e-9);
    }
}

#[test]
fn bad_input_is_refused_with_the_reason() {
    let good = Mat::<f64>::identity(3, 3);
    let g = [1.0, 2.0, 3.0];
    let run = |model: &str, h: &Mat<f64>, g: &[f64], eps: f64, options: &Options| {
        verify(model, h.as_ref(), g, eps, None, None, Level::L1, options).unwrap_err()
    };
    let with = |i: usize, j: usize, value: f64| {
        let mut h = good.clone();
        h[(i, j)] = value;
        h
    };
    let o = options();
    let singular = run("qsvt", &with(1, 1, 0.0), &g, 1e-2, &o);
    assert_eq!((singular.class, singular.code), (Class::Input, "simulate::singular"));
    assert!(singular.what.contains("not verifiable"));
    assert_eq!(run("qsvt", &with(0, 1, 0.5), &g, 1e-2, &o).code, "simulate::not_symmetric");
    assert_eq!(run("qsvt", &with(0, 0, f64::NAN), &g, 1e-2, &o).code, "simulate::not_finite");
    assert_eq!(run("qsvt", &Mat::zeros(2, 3), &g, 1e-2, &o).code, "simulate::shape");
    assert_eq!(run("qsvt", &Mat::zeros(0, 0), &[], 1e-2, &o).code, "simulate::shape");
    assert_eq!(run("qsvt", &Mat::zeros(3, 3), &g, 1e-2, &o).code, "simulate::singular");
    assert_eq!(run("qsvt", &good, &[0.0; 3], 1e-2, &o).code, "simulate::rhs");
    assert_eq!(run("qsvt", &good, &[f64::INFINITY, 0.0, 0.0], 1e-2, &o).code, "simulate::rhs");
    assert_eq!(run("qsvt", &good, &[1.0], 1e-2, &o).code, "simulate::rhs");
    for eps in [0.0, -1.0, 1.0, f64::NAN] {
        let error = run("qsvt", &good, &g, eps, &o);
        assert_eq!((error.class, error.code), (Class::Usage, "simulate::eps"));
    }
    assert_eq!(run("q-newton", &good, &g, 1e-2, &o).code, "simulate::no_circuit");
    assert_eq!(run("grover", &good, &g, 1e-2, &o).code, "simulate::unknown_model");
    let small = Options { alpha: Some(0.5), ..options() };
    assert_eq!(run("qsvt", &good, &g, 1e-2, &small).code, "simulate::alpha");
    let tight = Options { max_work: 10.0, ..options() };
    let error = run("dalzell2024-known-norm", &with(2, 2, 1e-3), &g, 1e-2, &tight);
    assert_eq!((error.class, error.code), (Class::Resource, "simulate::not_verifiable"));
}

#[test]
fn the_smallest_systems_work() {
    for model in ["qsvt", "dalzell2024-known-norm", "costa2023-consistent"] {
        for h in [Mat::from_fn(1, 1, |_, _| -3.0), Mat::from_fn(2, 2, |i, j| if i == j { 5.0 } else { 0.0 })] {
            let g = vec![1.0; h.nrows()];
            let row = check(model, &h, &g, 1e-2, None);
            assert!(row.passed, "{model}: {row:?}");
        }
    }
}
