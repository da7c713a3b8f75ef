//! Linear combinations of unitaries and phase estimation against closed forms and independent circuits.

use super::support::*;
use breakeven::simulate::cks::{ChebyshevInverse, FourierInverse, proof_parameters, sparse_parameters};
use breakeven::simulate::hhl::{Clock, proven_time, simulation_calls};
use breakeven::simulate::{Level, verify};
use std::f64::consts::PI;

#[test]
fn the_cks_series_sums_to_its_closed_form() {
    // With all b terms the series is (1 − (1−x²)^b)/x.
    for b in [1, 2, 7, 60, 400] {
        let g = ChebyshevInverse::new(b, b);
        for x in [0.01, 0.1, 0.5, 0.9, 1.0, -0.3_f64] {
            let closed = -(b as f64 * (-x * x).ln_1p()).exp_m1() / x;
            assert!(
                (g.value(x) - closed).abs() < 1e-12 * closed.abs().max(1.0),
                "b {b} x {x}: {} {closed}",
                g.value(x)
            );
        }
    }
    // Large b, where binomials come from Stirling's series.
    let g = ChebyshevInverse::new(2_000_000, 60_000);
    for x in [2e-3, 1e-2, 0.3_f64] {
        let closed = -(2e6 * (-x * x).ln_1p()).exp_m1() / x;
        assert!((g.value(x) / closed - 1.0).abs() < 1e-9, "x {x}: {} {closed}", g.value(x));
    }
}

#[test]
fn the_truncated_series_keeps_its_promise() {
    for (kappa, eps) in [(5.0, 1e-2), (20.0, 1e-4)] {
        let (b, j0) = proof_parameters(kappa, eps);
        let g = ChebyshevInverse::new(b, j0);
        let worst = (0..=2000)
            .map(|i| 1.0 / kappa + (1.0 - 1.0 / kappa) * f64::from(i) / 2000.0)
            .map(|x| (g.value(x) - 1.0 / x).abs())
            .fold(0.0, f64::max);
        assert!(worst <= 2.0 * eps, "κ {kappa}: {worst}");
    }
    // Worked values of the sparse-query parameters.
    for (kappa, eps, s, j0) in [(40.0, 1e-8, 51036, 1503), (100.0, 1e-6, 265755, 3259), (48.0, 1e-10, 89405, 2150)] {
        assert_eq!(sparse_parameters(kappa, eps), (s, j0));
    }
}

#[test]
fn the_fourier_sum_has_its_published_norm_and_inverts() {
    // α_F = 4√π κ/(κ+1) Σ u e^{−u²/2}: published regression values.
    for (kappa, eps, expected) in [(50.0, 1e-8, 334.810993), (10.0, 1e-3, 45.463135), (100.0, 1e-6, 613.643239)] {
        let h = FourierInverse::for_error(kappa, eps);
        // (Their spacing is √2 wider, which the 1-norm hardly feels.)
        assert!((h.one_norm() / expected - 1.0).abs() < 2e-3, "{kappa} {eps}: {}", h.one_norm());
        for x in [1.0 / kappa, 0.3, 1.0, -0.7] {
            assert!((h.value(x) - 1.0 / x).abs() < eps * kappa, "x {x}: {} {}", h.value(x), 1.0 / x);
        }
        let l = (1.0 + 8.0 * kappa / eps).log2();
        assert!((h.longest_time() / (2.0 * 2f64.sqrt() * kappa * l) - 1.0).abs() < 0.02);
    }
}

#[test]
fn phase_estimation_agrees_with_an_explicit_circuit() {
    // Clock register written out: uniform start, controlled powers, inverse Fourier transform, rotation, and back.
    let clock = Clock::new(5, 0.1);
    let size = 32_usize;
    let rotations: Vec<f64> = (0..size as u64).map(|k| clock.rotation(k)).collect();
    for mu in [1.0, 0.1, -0.37, 0.813, -1.0_f64] {
        let phase = |y: usize| 2.0 * PI * clock.turn * mu * y as f64;
        // After the inverse transform: α_k = (1/size) Σ_y e^{i phase(y)} e^{−2πi k y/size}.
        let mut back = (0.0, 0.0);
        for (k, g) in rotations.iter().enumerate() {
            let (mut re, mut im) = (0.0, 0.0);
            for y in 0..size {
                let angle = phase(y) - 2.0 * PI * (k * y % size) as f64 / size as f64;
                re += angle.cos() / size as f64;
                im += angle.sin() / size as f64;
            }
            // Undoing phase estimation and projecting the clock on its start multiplies by the conjugate of α_k.
            back.0 += g * (re * re + im * im);
            back.1 += 0.0;
        }
        let found = clock.amplitude(mu, &rotations);
        assert!((found - back.0).abs() < 1e-12, "μ {mu}: {found} {}", back.0);
    }
    assert_eq!(clock.uses(), 62);
}

#[test]
fn hhl_has_the_reference_statistics() {
    // Reference: uses of U, error falling as 2^{−clock}, success ‖x‖²C² independent of the clock.
    let reference = reference();
    let rows = reference["hhl"].as_array().unwrap();
    let mut rng = rng(71);
    for kappa in [10.0, 20.0, 50.0] {
        // κ varies by a tenth around the row's, so that 1/κ falls into no particular bin.
        let instances: Vec<_> = (0..25)
            .map(|i| kappa * (0.9 + 0.2 * f64::from(i) / 24.0))
            .map(|kappa| instance(&eigenvalues(16, kappa, false, true, &mut rng), 1.0, &mut rng))
            .collect();
        let mut medians = Vec::new();
        for clock_qubits in [7_u32, 9, 11, 13] {
            let clock = Clock::new(clock_qubits, 1.0 / kappa);
            let row = rows.iter().find(|r| r["kappa"] == kappa as i64 && r["clock"] == clock_qubits).unwrap();
            assert_eq!(clock.uses(), row["U_uses"].as_u64().unwrap());
            let at = |i: &breakeven::simulate::Instance| Clock::new(clock_qubits, 1.0 / i.kappa());
            let mut errors: Vec<f64> = instances.iter().map(|i| i.error_of(&at(i).run(i))).collect();
            errors.sort_by(f64::total_cmp);
            medians.push(errors[12]);
            if clock_qubits == 13 {
                for i in &instances {
                    let p: f64 = at(i).run(i).iter().map(|x| x * x).sum();
                    assert!((p / (i.x_norm / i.kappa()).powi(2) - 1.0).abs() < 0.02, "κ {kappa}: {p}");
                }
            }
        }
        println!("κ {kappa}: median HHL errors at 7, 9, 11, 13 clock qubits {medians:?}");
        // Four qubits more: the error falls by about 16.
        let fall = (medians[0] * medians[1] / (medians[2] * medians[3])).sqrt();
        assert!((6.0..=40.0).contains(&fall), "κ {kappa}: fell by {fall}");
        let from_reference = rows
            .iter()
            .find(|r| r["kappa"] == kappa as i64 && r["clock"] == 13)
            .and_then(|r| r["err"].as_f64())
            .unwrap();
        assert!((0.1..=10.0).contains(&(medians[3] / from_reference)), "{} {from_reference}", medians[3]);
    }
    // Worked value: 2·n_QAA·Q_sim at d = 4, κ = 10, ε = 1e-8, ‖x‖ = 1.
    let t = proven_time(10.0, 1e-8);
    let uses = breakeven::simulate::amplification::expected_uses_unknown(1.0 / 400.0, 1.0 / 400.0);
    assert!((2.0 * uses * simulation_calls(4.0 * t, 1e-8) / 2.9167062492955395e15 - 1.0).abs() < 1e-9);
}

#[test]
fn combinations_and_phase_estimation_pass_the_gate() {
    let mut rng = rng(72);
    let h = matrix(&eigenvalues(10, 6.0, false, true, &mut rng), &mut rng);
    let g = vector(10, &mut rng);
    for model in ["cks-chebyshev", "cks-fourier", "hhl"] {
        let run = |claim| verify(model, h.as_ref(), &g, 5e-2, claim, None, Level::L1, &options()).unwrap();
        let row = run(None);
        assert!(row.passed && row.unit == "sparse_queries", "{model}: {row:?}");
        let needed = row.queries_needed.unwrap();
        assert!(needed <= row.queries_counted, "{model}: {row:?}");
        assert!(!run(Some(needed / 3)).passed, "{model}");
        assert!(!run(Some(1)).passed, "{model}");
    }
}
