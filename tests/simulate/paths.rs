//! Norm search and randomised paths against exact propagation and their formulas.

use super::support::*;
use breakeven::simulate::kernel_reflection::Shortcut;
use breakeven::simulate::norm_search::{follow_path, guess_plan, path_plan, random_guess};
use breakeven::simulate::randomisation::{evolution_calls, path, traverse};
use breakeven::simulate::{Level, verify};
use faer::Mat;

#[test]
fn a_random_guess_of_the_norm_costs_no_more_than_its_formula() {
    let mut rng = rng(81);
    for (kappa, eps) in [(10.0, 1e-2), (30.0, 1e-4), (100.0, 1e-2)] {
        let plan = guess_plan(kappa, eps);
        let (s, mu) = (3.0 + 2.0 * ((kappa * kappa + 1.0) / 2.0_f64).ln(), 0.25);
        let eta = mu / (s.sqrt() + mu);
        let q0 = ((1.0 - eta) / (1.0 + eta)).powi(2) / (kappa.ln() + 1.0);
        let formula = 2.0 * plan.reflection as f64 / q0 + 2.0 * plan.projection as f64 / (1.0 - mu * mu);
        for trial in 0..6 {
            let instance = instance(&eigenvalues(32, kappa, trial % 2 == 0, true, &mut rng), 1.0, &mut rng);
            let found = random_guess(&Shortcut::new(&instance, f64::INFINITY), plan, 32);
            assert!(found.error <= eps, "κ {kappa}: {}", found.error);
            let calls = found.counts.queries() as f64;
            assert!(calls <= 1.05 * formula && calls > 0.1 * formula, "κ {kappa}: {calls} against {formula}");
        }
    }
    // Worked values of Eq. 118 at (10, 1e-2): degrees 34 and 40.
    let plan = guess_plan(10.0, 1e-2);
    assert_eq!((2 * plan.reflection, 2 * plan.projection), (34, 40));
}

#[test]
fn a_followed_norm_is_linear_in_kappa() {
    let mut rng = rng(82);
    let mut per_kappa = Vec::new();
    for kappa in [16.0, 64.0, 256.0] {
        let instance = instance(&eigenvalues(48, kappa, true, true, &mut rng), 1.0, &mut rng);
        let found = follow_path(&Shortcut::new(&instance, f64::INFINITY), path_plan(kappa, 1e-3));
        assert!(found.error <= 1e-3, "κ {kappa}: {}", found.error);
        assert!(found.probability > 0.2);
        per_kappa.push(found.counts.queries() as f64 / kappa);
    }
    println!("followed norm: queries/κ {per_kappa:?}");
    assert!(per_kappa[2] / per_kappa[0] < 1.6 && per_kappa[2] < 200.0, "{per_kappa:?}");
}

#[test]
fn evolution_has_the_calls_of_its_bessel_tail() {
    // Σ_{k>K} 2|J_k(t)| ≤ error: a little above t, and (e/2)t + ln(1/error) bounds it.
    for (t, error) in [(1.0, 1e-6), (20.0, 1e-6), (200.0, 1e-10)] {
        let calls = evolution_calls(t, error) as f64;
        assert!(calls > t && calls < 0.5 * std::f64::consts::E * t + (1.0_f64 / error).ln() + 4.0, "{t}: {calls}");
    }
}

#[test]
fn the_path_ends_where_it_should() {
    let kappa: f64 = 20.0;
    let r = (1.0 + kappa * kappa).sqrt();
    let c = 2f64.sqrt() * kappa / r;
    assert!(path(kappa, c * (kappa * (r - kappa)).ln()).abs() < 1e-9);
    assert!((path(kappa, c * (r + 1.0).ln()) - 1.0).abs() < 1e-12);
}

#[test]
fn one_random_step_agrees_with_a_dense_exponential() {
    // A single step ends at s = 1; its fidelity by diagonalising the dense H(1).
    let mut rng = rng(83);
    let instance = instance(&eigenvalues(3, 3.0, false, true, &mut rng), 1.0, &mut rng);
    let found = traverse(&instance, 1, 1, 5, 1e-6);
    let n = 3;
    // Index: h, d, i. H = |0⟩⟨1| ⊗ AQ + h.c., A = X ⊗ diag(μ).
    let at = |h: usize, d: usize, i: usize| (2 * h + d) * n + i;
    let mut dense = Mat::zeros(4 * n, 4 * n);
    for i in 0..n {
        for j in 0..n {
            let q = f64::from(i == j) - instance.amplitudes[i] * instance.amplitudes[j];
            // ⟨0, 1, i|AQ|1, 0, j⟩ = μ_i Q_ij; ⟨0, 0, i|AQ|1, 1, j⟩ = μ_i δ_ij.
            for (row, column, value) in [
                (at(0, 1, i), at(1, 0, j), instance.nodes[i] * q),
                (at(0, 0, i), at(1, 1, j), instance.nodes[i] * f64::from(i == j)),
            ] {
                dense[(row, column)] = value;
                dense[(column, row)] = value;
            }
        }
    }
    let eigen = breakeven::spectrum::dense_eigen::decompose(dense.as_ref(), faer::Par::Seq).unwrap();
    let mut start = vec![0.0; 4 * n];
    start[..n].copy_from_slice(&instance.amplitudes);
    let (mut re, mut im) = (0.0, 0.0);
    for k in 0..4 * n {
        let from: f64 = (0..4 * n).map(|i| eigen.vectors[(i, k)] * start[i]).sum();
        let to: f64 = (0..n).map(|i| eigen.vectors[(at(0, 1, i), k)] * instance.target[i]).sum();
        re += from * to * (eigen.values[k] * found.time).cos();
        im -= from * to * (eigen.values[k] * found.time).sin();
    }
    assert!((found.fidelity - (re * re + im * im)).abs() < 1e-11, "{} {}", found.fidelity, re * re + im * im);
}

#[test]
fn randomised_paths_improve_with_steps() {
    let mut rng = rng(84);
    let instance = instance(&eigenvalues(8, 10.0, false, true, &mut rng), 1.0, &mut rng);
    let fidelity = |steps: u64| traverse(&instance, steps, 12, 1, 1e-6).fidelity;
    let (few, many) = (fidelity(6), fidelity(60));
    println!("randomised path: fidelity {few:.3} with 6 steps, {many:.3} with 60");
    assert!(many > 0.8 && many > few, "{few} {many}");
    assert_eq!(fidelity(6).to_bits(), few.to_bits());
}

#[test]
fn unknown_norms_and_paths_pass_the_gate() {
    let mut rng = rng(85);
    let h = matrix(&eigenvalues(10, 8.0, false, true, &mut rng), &mut rng);
    let g = vector(10, &mut rng);
    for model in ["dalzell2024", "dalzell2024-alg3", "costa2026", "jennings2023", "jennings2025"] {
        let run = |claim| verify(model, h.as_ref(), &g, 1e-2, claim, None, Level::L1, &options()).unwrap();
        let row = run(None);
        assert!(row.passed, "{model}: {row:?}");
        let needed = row.queries_needed.unwrap();
        assert!(needed <= row.queries_counted, "{model}: {row:?}");
        assert!(!run(Some(needed / 3)).passed, "{model}");
    }
}
