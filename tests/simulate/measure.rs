//! The Lanczos measure against the full spectrum; refinement and calibration.

use super::support::*;
use breakeven::error::Class;
use breakeven::simulate::walk::{Combination, Form, SCHEDULE_P, WalkSystem, run};
use breakeven::simulate::{
    Encoding, Instance, Level, Options, SimulationRow, Spectrum, calibrate, verify, verify_built,
};
use faer::Mat;

fn diagonal(values: &[f64]) -> Mat<f64> {
    Mat::from_fn(values.len(), values.len(), |i, j| if i == j { values[i] } else { 0.0 })
}

#[test]
fn a_lanczos_measure_replaces_the_spectrum() {
    let mut rng = rng(91);
    let values = eigenvalues(400, 60.0, false, false, &mut rng);
    let g = vector(400, &mut rng);
    let h = diagonal(&values);
    let full = Instance::new(h.as_ref(), &g, &options()).unwrap();
    let short = Options { full_spectrum_up_to: 100, ..options() };
    let lanczos = Instance::new(h.as_ref(), &g, &short).unwrap();
    let Spectrum::Lanczos { of, nodes } = lanczos.spectrum else { panic!("no measure") };
    println!("Lanczos measure: {nodes} nodes for N = {of}, κ = 60");
    assert!(of == 400 && nodes < 120);
    assert!((lanczos.x_norm / full.x_norm - 1.0).abs() < 1e-9);
    let walk = |i: &Instance| {
        let s = WalkSystem::symmetric(&i.nodes, &i.amplitudes, &i.target, Form::PositiveDefinite, 60.0);
        run(&s, 120, SCHEDULE_P, Combination::Published).error_whole()
    };
    assert!((walk(&full) - walk(&lanczos)).abs() < 1e-9, "{} {}", walk(&full), walk(&lanczos));
    // Kernel reflection aliases at such degrees: the row says so and does not claim a search.
    let row = verify("dalzell2024-known-norm", h.as_ref(), &g, 1e-3, None, None, Level::L1, &short).unwrap();
    assert!(row.passed && row.queries_needed.is_none() && row.notes.iter().any(|n| n.contains("aliases")), "{row:?}");
    // So does an inversion polynomial, with joined nodes too; its bound is at least what the full spectrum gives.
    let exact = verify_built("qsvt", None, &full, 1e-3, None, None, Level::L1, &short).unwrap();
    let row = verify_built("qsvt", None, &lanczos.joined(), 1e-3, None, None, Level::L1, &short).unwrap();
    assert!(row.passed && row.queries_needed.is_none() && row.notes.iter().any(|n| n.contains("aliases")), "{row:?}");
    assert!(row.notes.iter().any(|n| n.contains("in place of 400")), "{row:?}");
    assert!(row.error_reached.unwrap() >= exact.error_reached.unwrap() - 1e-12, "{row:?}");
}

#[test]
fn beyond_the_cap_it_is_not_verifiable() {
    let mut rng = rng(92);
    let values = eigenvalues(300, 1e5, true, true, &mut rng);
    let g = vector(300, &mut rng);
    let options = Options { full_spectrum_up_to: 10, max_nodes: 60, ..options() };
    let error = Instance::new(diagonal(&values).as_ref(), &g, &options).unwrap_err();
    assert_eq!((error.class, error.code), (Class::Resource, "simulate::not_verifiable"));
    assert!(error.what.contains("not verifiable"));
}

fn lanczos_small(values: &[f64]) -> Instance {
    let product = |x: &[f64], y: &mut [f64]| {
        y.iter_mut().zip(x).zip(values).for_each(|((y, x), v)| *y = v * x);
        Ok(())
    };
    Instance::from_products(product, &vec![1.0; values.len()], None, &options()).unwrap()
}

#[test]
fn an_operator_is_enough() {
    let mut rng = rng(93);
    let values = eigenvalues(2000, 20.0, false, false, &mut rng);
    let g = vector(2000, &mut rng);
    let product = |x: &[f64], y: &mut [f64]| {
        y.iter_mut().zip(x).zip(&values).for_each(|((y, x), v)| *y = v * x);
        Ok(())
    };
    let instance = Instance::from_products(product, &g, None, &options()).unwrap();
    let row = verify_built("costa2023-consistent", None, &instance, 1e-2, None, None, Level::L1, &options()).unwrap();
    assert!(row.passed && row.n == 2000, "{row:?}");
    let deep = verify_built("qsvt", None, &lanczos_small(&values[..50]), 1e-1, None, None, Level::L2, &options());
    assert_eq!(deep.unwrap_err().class, Class::Usage);
    // An eigenvector as right-hand side: one node, an invariant subspace.
    let mut e = vec![0.0; 2000];
    e[7] = 2.0;
    let one = Instance::from_products(product, &e, None, &options()).unwrap();
    assert_eq!(one.nodes.len(), 1);
}

#[test]
fn refinement_reaches_a_fine_tolerance_with_coarse_solves() {
    let mut rng = rng(94);
    let h = matrix(&eigenvalues(16, 10.0, false, true, &mut rng), &mut rng);
    let g = vector(16, &mut rng);
    for model in ["dalzell2024-known-norm", "qsvt", "costa2023-consistent", "cks-chebyshev", "dalzell2024-alg3"] {
        let options = Options { refine: Some(1e-2), ..options() };
        let row = verify(model, h.as_ref(), &g, 1e-9, None, None, Level::L1, &options).unwrap();
        assert!(row.passed && row.notes.iter().any(|n| n.contains("rounds")), "{model}: {row:?}");
    }
    // Around every encoding, whose α lengthens the circuits.
    for encoding in [Encoding::Sparse, Encoding::Frobenius] {
        let options = Options { refine: Some(1e-2), encoding, ..options() };
        let row = verify("dalzell2024-known-norm", h.as_ref(), &g, 1e-9, None, None, Level::L1, &options).unwrap();
        assert!(row.passed && row.alpha > 1.5, "{encoding}: {row:?}");
    }
    let wrong = Options { refine: Some(2.0), ..options() };
    let error = verify("qsvt", h.as_ref(), &g, 1e-2, None, None, Level::L1, &wrong).unwrap_err();
    assert_eq!(error.class, Class::Usage);
}

#[test]
fn calibration_collects_ratios_per_model() {
    let row = |model: &str, calibration: Option<f64>| SimulationRow {
        model: model.to_owned(),
        calibration,
        ..SimulationRow::default()
    };
    let rows = [row("b", Some(0.9)), row("a", Some(0.5)), row("b", Some(0.7)), row("b", Some(1.1)), row("c", None)];
    let bands = calibrate(&rows);
    assert_eq!(bands.len(), 2);
    assert_eq!((bands[0].model.as_str(), bands[0].systems, bands[0].median), ("a", 1, 0.5));
    assert_eq!((bands[1].low, bands[1].median, bands[1].high), (0.7, 0.9, 1.1));
}
