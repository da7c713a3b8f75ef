//! Kernel reflection against its formula on more than three hundred systems.

use super::support::*;
use breakeven::simulate::kernel_reflection::{Shortcut, order_known_norm, reflect, scan, smallest_order};
use breakeven::simulate::norm_search::project;
use breakeven::simulate::{Counts, hermitian_dilation};

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
                        let needed = needed.unwrap_or_else(|| panic!("κ {kappa} ε {eps}: above the formula"));
                        assert!(needed.exhaustive);
                        needed.order as f64 / formula as f64
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
                2 * smallest_order(&instance, instance.x_norm, eps, order_known_norm(kappa, eps)).unwrap().order
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
        smallest_order(&instance, instance.x_norm, 1e-3, formula).unwrap().order as f64
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

#[test]
fn the_polynomial_on_the_spectrum_is_the_circuit_call_by_call() {
    // Two algorithms for one state: a recurrence of oracle calls, and the eigenvalues of G†G from a secular equation.
    let mut rng = rng(17);
    for (trial, (n, kappa)) in [(1, 1.0), (2, 3.0), (9, 20.0), (40, 300.0), (120, 5e3)].into_iter().enumerate() {
        let mut values = eigenvalues(n, kappa, trial % 2 == 0, true, &mut rng);
        if n > 8 {
            // A pair ±λ, a double eigenvalue, two that nearly agree.
            (values[3], values[5], values[7]) = (-values[2], values[4], values[6] * (1.0 + 1e-12));
        }
        let instance = instance(&values, 1.0 + trial as f64 / 10.0, &mut rng);
        let spectral = Shortcut::new(&instance, 0.0);
        for (factor, eps) in [(1.0, 1e-3), (0.4, 1e-2), (1.0, 1e-9)] {
            // 1/t is a singular value of the extended matrix: at most 1.
            let t = (factor * instance.x_norm).max(1.0);
            let order = order_known_norm(instance.kappa_eff(), eps);
            // Beside the levels' tolerance, the recurrence's own rounding: U_ℓ amplifies each step's by up to κ (in
            // extended precision the same recurrence moves by 3e-9 at κ = 5,000, ℓ = 26,500).
            let rounding = 1e-16 * instance.kappa_eff() * order as f64;
            let allowed = (1e-15 * 2.0 * order as f64).max(1e-13) + rounding;
            let ((one, calls), (two, counted)) = (reflect(&instance, t, order), spectral.reflect(t, order));
            let gap = one.state.iter().zip(&two.state).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(gap < allowed, "N {n} κ {kappa} ε {eps}: {gap:e}, allowed {allowed:e}");
            assert!((one.error - two.error).abs() < allowed);
            assert_eq!(calls, counted);
            let start: Vec<f64> = one.state.iter().map(|x| x / one.probability.sqrt()).collect();
            let ((x, p, calls), (y, q, counted)) = (project(&instance, &start, order), spectral.project(&start, order));
            let gap = x.iter().zip(&y).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(gap < allowed && (p - q).abs() < allowed, "N {n} κ {kappa}: {gap:e} {p} {q}");
            assert_eq!(calls, counted);
        }
        // The fewest queries: the first order of the recurrence that is within ε.
        for eps in [3e-2, 1e-4] {
            let limit = order_known_norm(instance.kappa_eff(), eps);
            let mut first = None;
            scan(&instance, instance.x_norm, limit, &mut Counts::default(), |l, w, _| {
                if instance.error_of(w) <= eps {
                    first = Some(l);
                }
                first.is_none()
            });
            let found = smallest_order(&instance, instance.x_norm, eps, limit).unwrap();
            assert!(found.exhaustive);
            let slack = if kappa > 1e3 { 2 } else { 0 };
            let first = first.unwrap();
            assert!(found.order.abs_diff(first) <= slack, "N {n} κ {kappa} ε {eps}: {} {first}", found.order);
        }
    }
}

#[test]
fn a_condition_number_of_a_million_costs_no_more_than_a_small_one() {
    // The formula covers what is needed, and the state is within ε, at orders that no recurrence would reach in a test.
    let mut rng = rng(19);
    for kappa in [1e5, 1e6] {
        let instance = instance(&eigenvalues(300, kappa, true, true, &mut rng), 1.0, &mut rng);
        let formula = order_known_norm(kappa, 1e-3);
        let found = smallest_order(&instance, instance.x_norm, 1e-3, formula).unwrap();
        let ratio = found.order as f64 / formula as f64;
        assert!((0.7..=1.0).contains(&ratio), "κ {kappa}: {ratio}");
        let (at, counts) = Shortcut::new(&instance, 0.0).reflect(instance.x_norm, found.order);
        let (below, _) = Shortcut::new(&instance, 0.0).reflect(instance.x_norm, found.order - found.order / 50);
        assert!(at.error <= 1e-3 * (1.0 + 1e-6) && below.error > 1e-3, "κ {kappa}: {} {}", at.error, below.error);
        assert_eq!(counts.queries(), 2 * found.order);
    }
}

#[test]
fn joining_equal_eigenvalues_changes_nothing() {
    let mut rng = rng(23);
    let mut values = eigenvalues(60, 40.0, false, true, &mut rng);
    // A damped null space: thirty eigenvalues that differ by rounding only.
    for (i, v) in values.iter_mut().skip(20).take(30).enumerate() {
        *v = 0.1 + 1e-17 * i as f64;
    }
    let whole = instance(&values, 1.0, &mut rng);
    let joined = whole.joined();
    assert!(joined.nodes.len() <= 31, "{}", joined.nodes.len());
    assert!((joined.x_norm / whole.x_norm - 1.0).abs() < 1e-14);
    assert_eq!((joined.kappa_eff(), joined.n), (whole.kappa_eff(), 60));
    let order = order_known_norm(40.0, 1e-4);
    let ((one, _), (two, _)) = (reflect(&whole, whole.x_norm, order), reflect(&joined, joined.x_norm, order));
    assert!((one.error - two.error).abs() < 1e-12 && (one.probability - two.probability).abs() < 1e-12);
}

#[test]
fn the_dilation_of_a_matrix_that_is_not_symmetric_holds_its_solution() {
    let mut rng = rng(29);
    let a = faer::Mat::from_fn(7, 7, |i, j| gaussian(&mut rng) + if i == j { 3.0 } else { 0.0 });
    let x = vector(7, &mut rng);
    let b: Vec<f64> = (0..7).map(|i| (0..7).map(|j| a[(i, j)] * x[j]).sum()).collect();
    let (m, rhs) = hermitian_dilation(a.as_ref(), &b);
    for i in 0..14 {
        let image: f64 = (0..7).map(|j| m[(i, j + 7)] * x[j]).sum();
        assert!((image - rhs[i]).abs() < 1e-12);
    }
}
