//! Kernel reflection against its formula on more than three hundred systems.

use super::support::*;
use breakeven::simulate::kernel_reflection::{order_known_norm, reflect, smallest_order};

#[test]
fn queries_needed_stay_below_the_formula_on_over_three_hundred_systems() {
    let mut rng = rng(7);
    let (mut systems, mut low, mut high) = (0, f64::INFINITY, 0.0_f64);
    for kappa in [10.0, 20.0, 50.0, 100.0] {
        for eps in [1e-2, 1e-3, 1e-6] {
            for log in [false, true] {
                let formula = order_known_norm(kappa, eps);
                let mut ratios: Vec<f64> = (0..13)
                    .map(|trial| {
                        let values = eigenvalues(256, kappa, log, trial % 3 != 0, &mut rng);
                        let instance = instance(&values, 1.0, &mut rng);
                        let needed = smallest_order(&instance, instance.x_norm, eps, formula);
                        needed.unwrap_or_else(|| panic!("κ {kappa} ε {eps}: above the formula")) as f64 / formula as f64
                    })
                    .collect();
                ratios.sort_by(f64::total_cmp);
                assert!((0.85..=1.0).contains(&ratios[6]), "κ {kappa} ε {eps}: median {}", ratios[6]);
                (low, high, systems) = (low.min(ratios[0]), high.max(ratios[12]), systems + ratios.len());
            }
        }
    }
    println!("{systems} systems, needed/formula {low:.3} to {high:.3}");
    assert!(systems > 300 && low >= 0.8 && high <= 1.0, "needed/formula {low} to {high}");
}

#[test]
fn the_median_needed_matches_the_reference() {
    // Reference rows: medians over random systems of the same two families.
    let reference = reference();
    let mut rng = rng(3);
    let mut compared = 0;
    for row in reference["queries_needed_vs_formula"].as_array().unwrap() {
        let (kappa, eps) = (row["kappa"].as_f64().unwrap(), row["eps"].as_f64().unwrap());
        if kappa > 50.0 {
            continue;
        }
        let log = row["kind"] == "log";
        let mut needed: Vec<u64> = (0..9)
            .map(|_| {
                let instance = instance(&eigenvalues(200, kappa, log, true, &mut rng), 1.0, &mut rng);
                2 * smallest_order(&instance, instance.x_norm, eps, order_known_norm(kappa, eps)).unwrap()
            })
            .collect();
        needed.sort_unstable();
        let expected = row["dalzell_med"].as_f64().unwrap();
        let median = needed[4] as f64;
        assert!((median / expected - 1.0).abs() < 0.06, "κ {kappa} ε {eps}: {median} against {expected}");
        compared += 1;
    }
    assert!(compared >= 12);
}

#[test]
fn a_wrong_norm_costs_success_as_the_sine_says() {
    // tan θ = ‖x‖/t and success sin²2θ (up to the filter's error).
    let mut rng = rng(5);
    let instance = instance(&eigenvalues(16, 20.0, false, true, &mut rng), 1.0, &mut rng);
    for factor in [0.5, 1.0, 2.0] {
        let t = factor * instance.x_norm;
        let (reflected, counts) = reflect(&instance, t, order_known_norm(20.0, 1e-8));
        let theta = (1.0 / factor).atan();
        assert!((reflected.probability - (2.0 * theta).sin().powi(2)).abs() < 1e-7, "{}", reflected.probability);
        assert!(reflected.error < 2e-8);
        assert_eq!(counts.queries(), 2 * reflected.order);
        assert_eq!(counts.block_encoding, counts.block_encoding_adjoint);
    }
}

#[test]
fn a_larger_alpha_enters_once() {
    // The same matrix encoded with α = 3σ_max needs three times the queries, and the formula at κ_eff covers it.
    let mut rng = rng(9);
    let values = eigenvalues(64, 10.0, true, true, &mut rng);
    let b = vector(64, &mut rng);
    let at = |alpha: f64| {
        let spectrum = breakeven::simulate::Spectrum::Lanczos { of: 64, nodes: 64 };
        let instance = breakeven::simulate::Instance::from_spectrum(&values, &b, alpha, spectrum, 64).unwrap();
        let formula = order_known_norm(instance.kappa_eff(), 1e-3);
        assert!((instance.kappa_eff() / (10.0 * alpha) - 1.0).abs() < 1e-12);
        smallest_order(&instance, instance.x_norm, 1e-3, formula).unwrap() as f64
    };
    let ratio = at(3.0) / at(1.0);
    assert!((ratio / 3.0 - 1.0).abs() < 0.08, "{ratio}");
}

#[test]
fn a_forgotten_alpha_fails_loudly() {
    // α = 4σ_max, but the filter is built as long as κ = α/σ_min were κ of the matrix.
    let mut rng = rng(13);
    for trial in 0..10 {
        let values = eigenvalues(32, 10.0, trial % 2 == 0, true, &mut rng);
        let instance = instance(&values, 4.0, &mut rng);
        let (forgotten, _) = reflect(&instance, instance.x_norm, order_known_norm(10.0, 1e-3));
        let (right, _) = reflect(&instance, instance.x_norm, order_known_norm(instance.kappa_eff(), 1e-3));
        assert!(right.error <= 1e-3 && forgotten.error > 1e-2, "{} {}", right.error, forgotten.error);
    }
}
