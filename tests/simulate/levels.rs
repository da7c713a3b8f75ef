//! The three levels run the same circuits and must agree; wrong circuits must not.

use super::support::*;
use breakeven::error::Class;
use breakeven::simulate::circuit::{coordinates, odd_series};
use breakeven::simulate::encoding::{BlockEncoding, Dilation};
use breakeven::simulate::inversion::BestRelative;
use breakeven::simulate::kernel_reflection::{Shortcut, order_known_norm, reflect};
use breakeven::simulate::walk::{Combination, Form, SCHEDULE_P, WalkSystem, run};
use breakeven::simulate::walk_circuit::{Flags, WalkCircuit};
use breakeven::simulate::{Encoding, Instance, Level, Options, Spectrum, VERIFIABLE, amplification, circuit};
use breakeven::simulate::{hermitian_dilation, levels, qsvt, verify};
use faer::Mat;

fn note_of(row: &breakeven::simulate::SimulationRow, text: &str) -> bool {
    row.notes.iter().any(|note| note.contains(text))
}

#[test]
fn operator_level_agrees_for_every_encoding() {
    let mut rng = rng(51);
    let h = matrix(&eigenvalues(10, 8.0, false, true, &mut rng), &mut rng);
    let g = vector(10, &mut rng);
    for encoding in [Encoding::Dilation, Encoding::Sparse, Encoding::Frobenius] {
        let options = Options { encoding, ..options() };
        for model in ["qsvt", "qsvt-cks", "dalzell2024-known-norm"] {
            let run = |level| verify(model, h.as_ref(), &g, 1e-2, None, None, level, &options).unwrap();
            let (one, two) = (run(Level::L1), run(Level::L2));
            assert!(two.passed && note_of(&two, "agrees with level 1"), "{model} {encoding}: {two:?}");
            assert_eq!(one.queries_counted, two.queries_counted);
            assert_eq!(one.calls.queries(), two.calls.queries());
            assert_eq!(two.calls.sparse_access > 0, encoding == Encoding::Sparse);
        }
    }
}

#[test]
fn the_walk_agrees_at_operator_level() {
    let mut rng = rng(52);
    for indefinite in [false, true] {
        let h = matrix(&eigenvalues(8, 6.0, false, indefinite, &mut rng), &mut rng);
        let g = vector(8, &mut rng);
        let run = |level| verify("costa2023-consistent", h.as_ref(), &g, 1e-3, None, None, level, &options()).unwrap();
        let (one, two) = (run(Level::L1), run(Level::L2));
        assert!(two.passed && note_of(&two, "agrees with level 1"), "{two:?}");
        assert!((one.error_reached.unwrap() - two.error_reached.unwrap()).abs() < 1e-11);
        let three = run(Level::L3);
        assert!(three.passed && note_of(&three, "gate by gate"), "{three:?}");
    }
    // With another completion of the encoding the flagged state moves a little, and the solver still works.
    let h = matrix(&eigenvalues(6, 5.0, false, true, &mut rng), &mut rng);
    let g = vector(6, &mut rng);
    let options = Options { encoding: Encoding::Frobenius, ..options() };
    let row = verify("costa2023-consistent", h.as_ref(), &g, 1e-2, None, None, Level::L2, &options).unwrap();
    assert!(row.passed && note_of(&row, "differs from level 1's dilation"), "{row:?}");
}

#[test]
fn gate_level_agrees_with_phases_and_amplification() {
    let mut rng = rng(53);
    // N = 6 pads to 8, N = 7 leaves room for the extra state of the reflection.
    for (n, kappa) in [(6, 4.0), (7, 3.0)] {
        let h = matrix(&eigenvalues(n, kappa, false, true, &mut rng), &mut rng);
        let g = vector(n, &mut rng);
        for model in ["qsvt", "qsvt-cks", "dalzell2024-known-norm"] {
            let row = verify(model, h.as_ref(), &g, 1e-2, None, None, Level::L3, &options()).unwrap();
            assert!(row.passed && note_of(&row, "agrees with level 1"), "{model}: {row:?}");
            assert!(note_of(&row, "phases rebuilt"), "{model}");
        }
    }
}

#[test]
fn gate_level_runs_as_in_the_reference() {
    // Reference rows: N, κ, ε → degree used, distance from the spectral evaluation below 1e-14·(degree).
    let reference = reference();
    let mut rng = rng(54);
    for row in reference["gate_level_qsvt"].as_array().unwrap().iter().take(3) {
        let get = |name: &str| row[name].as_f64().unwrap();
        let (n, kappa) = (get("N") as usize, get("kappa"));
        let h = matrix(&eigenvalues(n, kappa, false, true, &mut rng), &mut rng);
        let instance = Instance::new(h.as_ref(), &vector(n, &mut rng), &options()).unwrap();
        let p = BestRelative::for_error(instance.kappa_eff(), get("eps"));
        assert_eq!(p.degree() as f64, get("queries_used"));
        let scale = 0.5 / p.largest();
        let run = circuit::inversion(&instance, &odd_series(p.degree(), scale, |x| p.value(x)), 0, &options()).unwrap();
        assert_eq!(run.counts.queries(), p.degree());
        let values = qsvt::best_relative_values(&instance, &p, 0.5);
        let spectral: Vec<f64> = values.iter().zip(&instance.amplitudes).map(|(p, b)| p * b).collect();
        let gap =
            coordinates(&instance, &spectral).iter().zip(&run.state).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        println!("N {n} κ {kappa}: gate level against spectral {gap:.2e}, reference {:.2e}", get("vs_spectral"));
        assert!(gap < 1e-13 && run.imaginary < 1e-13, "{gap} {}", run.imaginary);
        assert!((get("eps") - instance.error_of(&circuit::eigenbasis(&instance, &run.state))) > 0.0);
    }
}

#[test]
fn amplification_gate_by_gate_rotates_as_it_should() {
    let mut rng = rng(55);
    let h = matrix(&eigenvalues(4, 5.0, false, true, &mut rng), &mut rng);
    let instance = Instance::new(h.as_ref(), &vector(4, &mut rng), &options()).unwrap();
    let p = BestRelative::for_error(instance.kappa_eff(), 1e-2);
    let series = odd_series(p.degree(), 0.9 / p.largest(), |x| p.value(x));
    let once = circuit::inversion(&instance, &series, 0, &options()).unwrap().probability;
    let m = amplification::rounds(once);
    assert!(m >= 1);
    let run = circuit::inversion(&instance, &series, m, &options()).unwrap();
    let expected = ((2 * m + 1) as f64 * once.sqrt().asin()).sin().powi(2);
    assert!((run.probability - expected).abs() < 1e-11, "{} {expected}", run.probability);
    assert_eq!(run.counts.queries(), p.degree() * (2 * m + 1));
}

/// A system with its dilation, in coordinates.
fn system(seed: u64, indefinite: bool, kappa: f64, n: usize) -> (Instance, Dilation, Vec<f64>, WalkSystem) {
    let mut rng = rng(seed);
    let h = matrix(&eigenvalues(n, kappa, false, indefinite, &mut rng), &mut rng);
    let instance = Instance::new(h.as_ref(), &vector(n, &mut rng), &options()).unwrap();
    let Spectrum::Full(vectors) = &instance.spectrum else { unreachable!("a small matrix has a full spectrum") };
    let dilation = Dilation::new(vectors.as_ref(), &instance.nodes);
    let b = coordinates(&instance, &instance.amplitudes);
    let form = if indefinite { Form::General } else { Form::PositiveDefinite };
    let walk = WalkSystem::symmetric(&instance.nodes, &instance.amplitudes, &instance.target, form, kappa);
    (instance, dilation, b, walk)
}

#[test]
fn explicit_registers_agree_with_the_spectral_walk() {
    for (indefinite, steps) in [(false, 40), (true, 60), (true, 61), (false, 13)] {
        let (instance, dilation, b, walk) = system(61, indefinite, 8.0, 6);
        let spectral = run(&walk, steps, SCHEDULE_P, Combination::Published);
        let mut circuit = WalkCircuit::new(&dilation, &b, walk.form, Flags::One);
        let mut state = circuit.start();
        circuit.walk(&mut state, 8.0, SCHEDULE_P, steps);
        let flagged = circuit::eigenbasis(&instance, state.flagged(indefinite, steps % 2 == 1));
        let gap = flagged.iter().zip(&spectral.right).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(gap < 1e-13, "T = {steps}: {gap}");
        assert!((state.norm() - 1.0).abs() < 1e-13);
        let (found, counted) = (circuit.encoding.counts, spectral.counts);
        assert_eq!(found.block_encoding, counted.block_encoding);
        assert_eq!(found.block_encoding_adjoint, counted.block_encoding_adjoint);
        assert_eq!(found.state_preparation, counted.state_preparation);
        // Gate by gate on the padded register.
        let gates = circuit::walk(&instance, walk.form, SCHEDULE_P, steps, &options()).unwrap();
        let gap =
            gates.state.iter().zip(&coordinates(&instance, &flagged)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(gap < 1e-13 && gates.imaginary == 0.0, "T = {steps}: {gap}");
        assert_eq!(gates.counts.queries(), counted.queries());
    }
}

#[test]
fn the_walk_operator_is_hermitian_and_holds_its_hamiltonian() {
    // U(f)² = 1 and, on flagged states, U(f) = H/(√2·√((1−f)² + f²)).
    for indefinite in [false, true] {
        let (instance, dilation, b, walk) = system(62, indefinite, 5.0, 3);
        for f in [0.0, 0.3, 1.0] {
            let mut circuit = WalkCircuit::new(&dilation, &b, walk.form, Flags::One);
            let mut state = circuit.start();
            circuit.walk(&mut state, 5.0, SCHEDULE_P, 3);
            let before = state.flagged(false, true).to_vec();
            circuit.unitary(&mut state, f, true);
            circuit.unitary(&mut state, f, true);
            let gap = before.iter().zip(state.flagged(false, true)).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(gap < 1e-14, "U² ≠ 1: {gap}");
            // H|h=0, d=0, b⟩ = 0 at f = 0, where A(0) = 1 (or Z) and Q kills b.
            let mut state = circuit.start();
            circuit.unitary(&mut state, 0.0, true);
            assert!(state.flagged(false, true).iter().all(|x| x.abs() < 1e-14));
            let _ = &instance;
        }
    }
}

#[test]
fn a_missing_flag_swap_fails_loudly() {
    let error = |flags: Flags, steps: u64, indefinite: bool| {
        let (instance, dilation, b, walk) = system(63, indefinite, 10.0, 6);
        let mut circuit = WalkCircuit::new(&dilation, &b, walk.form, flags);
        let mut state = circuit.start();
        circuit.walk(&mut state, 10.0, SCHEDULE_P, steps);
        let w = circuit::eigenbasis(&instance, state.flagged(indefinite, false));
        let overlap: f64 = w.iter().zip(&instance.target).map(|(a, b)| a * b).sum();
        (2.0 - 2.0 * overlap.abs()).sqrt()
    };
    for indefinite in [false, true] {
        for steps in [160, 320, 640] {
            let (one, two, missing) = (
                error(Flags::One, steps, indefinite),
                error(Flags::TwoSwapped, steps, indefinite),
                error(Flags::TwoUnswapped, steps, indefinite),
            );
            println!("T {steps} indefinite {indefinite}: one flag {one:.4}, two {two:.4}, SWAP missing {missing:.4}");
            assert!(one < 0.3 && two < 0.3, "{one} {two}");
            assert!(missing > 0.9, "T = {steps}: {missing}");
        }
    }
}

#[test]
fn levels_refuse_what_they_cannot_hold() {
    let big = Mat::from_fn(65, 65, |i, j| if i == j { 1.0 + i as f64 } else { 0.0 });
    let g = vec![1.0; 65];
    let at = |model: &str, level: Level| verify(model, big.as_ref(), &g, 1e-1, None, None, level, &options());
    assert_eq!(at("qsvt", Level::L3).unwrap_err().class, Class::Resource);
    assert_eq!(at("hhl", Level::L2).unwrap_err().class, Class::Usage);
    let huge = Mat::<f64>::identity(1025, 1025);
    let error = verify("qsvt", huge.as_ref(), &vec![1.0; 1025], 1e-1, None, None, Level::L2, &options()).unwrap_err();
    assert_eq!(error.class, Class::Resource);
    let tight = Options { max_bytes: 200, ..options() };
    let small = Mat::from_fn(8, 8, |i, j| if i == j { 1.0 + i as f64 } else { 0.0 });
    let at = |level| verify("qsvt", small.as_ref(), &[1.0; 8], 1e-1, None, None, level, &tight).unwrap_err();
    assert_eq!((at(Level::L2).class, at(Level::L3).class), (Class::Resource, Class::Resource));
    assert!("L4".parse::<Level>().is_err() && "l2".parse::<Level>().unwrap() == Level::L2);
    let dilation = Dilation::new(Mat::<f64>::identity(2, 2).as_ref(), &[1.0, 0.5]);
    assert_eq!((dilation.system(), dilation.flags()), (2, 2));
}

#[test]
fn gate_level_stays_with_the_spectral_level_up_to_a_thousand_queries() {
    let mut rng = rng(57);
    for (n, kappa, eps) in [(12, 20.0, 1e-2), (20, 60.0, 1e-3), (48, 110.0, 1e-4)] {
        let h = matrix(&eigenvalues(n, kappa, false, true, &mut rng), &mut rng);
        let instance = Instance::new(h.as_ref(), &vector(n, &mut rng), &options()).unwrap();
        let gap = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        // Inversion: one use of the polynomial.
        let p = BestRelative::for_error(instance.kappa_eff(), eps);
        let series = odd_series(p.degree(), 0.9 / p.largest(), |x| p.value(x));
        let run = circuit::inversion(&instance, &series, 0, &options()).unwrap();
        let values = qsvt::best_relative_values(&instance, &p, 0.9);
        let spectral: Vec<f64> = values.iter().zip(&instance.amplitudes).map(|(p, b)| p * b).collect();
        let found = gap(&coordinates(&instance, &spectral), &run.state);
        let allowed = levels::tolerance(p.degree(), run.residual);
        println!("QSVT, {} queries, N {n}: {found:.2e} of {allowed:.2e}", p.degree());
        assert!(found <= allowed, "QSVT, {} queries: {found:e}", p.degree());
        // Kernel reflection.
        let order = order_known_norm(instance.kappa_eff(), eps);
        let run = circuit::kernel_reflection(&instance, instance.x_norm, order, &options()).unwrap();
        // At the eigenvalues: call by call the recurrence itself rounds to up to κ·√ℓ·2⁻⁵⁰.
        let (spectral, _) = Shortcut::new(&instance, 0.0).reflect(instance.x_norm, order);
        let scaled: Vec<f64> = spectral.state.iter().map(|x| x * options().headroom).collect();
        let found = gap(&coordinates(&instance, &scaled), &run.state);
        let allowed = levels::tolerance(2 * order, run.residual);
        let (calls, _) = reflect(&instance, instance.x_norm, order);
        let rounding = gap(&calls.state, &spectral.state);
        let bound = 4.0 * f64::EPSILON * instance.kappa_eff() * (order as f64).sqrt();
        assert!(rounding <= bound, "reflection, {} queries: {rounding:e} of {bound:e}", 2 * order);
        println!("kernel reflection, {} queries, N {n}: {found:.2e} of {allowed:.2e}", 2 * order);
        assert!(found <= allowed, "reflection, {} queries: {found:e}", 2 * order);
        // The walk, two calls a step.
        let steps = 4 * ((4.0 * kappa) as u64 / 4);
        let walk = WalkSystem::symmetric(
            &instance.nodes,
            &instance.amplitudes,
            &instance.target,
            Form::General,
            instance.kappa_eff(),
        );
        let spectral = run_walk(&walk, steps);
        let gates = circuit::walk(&instance, Form::General, SCHEDULE_P, steps, &options()).unwrap();
        let found = gap(&coordinates(&instance, &spectral), &gates.state);
        println!("walk, {} queries, N {n}: {found:.2e}", 2 * steps);
        assert!(found <= levels::tolerance(2 * steps, 0.0), "walk, {} queries: {found:e}", 2 * steps);
    }
}

fn run_walk(walk: &WalkSystem, steps: u64) -> Vec<f64> {
    run(walk, steps, SCHEDULE_P, Combination::Published).right
}

#[test]
fn matrices_that_are_not_symmetric_are_solved_by_their_dilation() {
    // Every algorithm, on the Hermitian dilation of a general matrix.
    let mut rng = rng(58);
    let (u, v) = (orthogonal(4, &mut rng), orthogonal(4, &mut rng));
    let s = [1.0, 0.7, 0.4, 0.25];
    let a = Mat::from_fn(4, 4, |i, j| (0..4).map(|k| u[(i, k)] * s[k] * v[(j, k)]).sum::<f64>());
    let (m, b) = hermitian_dilation(a.as_ref(), &vector(4, &mut rng));
    for model in VERIFIABLE {
        let row = verify(model, m.as_ref(), &b, 5e-2, None, None, Level::L1, &options()).unwrap();
        assert!((row.kappa - 4.0).abs() < 1e-9);
        assert!(row.passed, "{model}: {row:?}");
    }
    for level in [Level::L2, Level::L3] {
        for model in ["qsvt", "dalzell2024-known-norm", "costa2023-consistent"] {
            let row = verify(model, m.as_ref(), &b, 5e-2, None, None, level, &options()).unwrap();
            assert!(row.passed && note_of(&row, "level"), "{model} {level}: {row:?}");
        }
    }
}

#[test]
fn deep_levels_say_when_they_would_take_too_long() {
    let mut rng = rng(59);
    let h = matrix(&eigenvalues(30, 2e4, true, true, &mut rng), &mut rng);
    let g = vector(30, &mut rng);
    let short = Options { max_work: 1e8, ..options() };
    for level in [Level::L2, Level::L3] {
        let error = verify("dalzell2024-known-norm", h.as_ref(), &g, 1e-3, None, None, level, &short).unwrap_err();
        assert_eq!((error.class, error.code), (Class::Resource, "simulate::not_verifiable"), "{error}");
    }
}
