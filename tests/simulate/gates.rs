//! The algorithms that the program runs at level 1, once each gate by gate on all amplitudes.

use super::support::*;
use breakeven::simulate::circuit::{self, coordinates};
use breakeven::simulate::cks::{ChebyshevInverse, combine, proof_parameters};
use breakeven::simulate::encoding::{Counted, Dilation};
use breakeven::simulate::hhl::Clock;
use breakeven::simulate::kernel_reflection::{eta_of, order, reflect};
use breakeven::simulate::norm_search::project;
use breakeven::simulate::operator::{Projected, series};
use breakeven::simulate::state_vector::{HADAMARD, StateVector};
use breakeven::simulate::{Instance, Spectrum, chebyshev, levels};
use faer::Mat;
use std::f64::consts::PI;

fn system(seed: u64, n: usize, kappa: f64) -> (Mat<f64>, Instance, Dilation, Vec<f64>) {
    let mut rng = rng(seed);
    let h = matrix(&eigenvalues(n, kappa, false, true, &mut rng), &mut rng);
    let instance = Instance::new(h.as_ref(), &vector(n, &mut rng), &options()).unwrap();
    let Spectrum::Full(vectors) = &instance.spectrum else { unreachable!("a small matrix has a full spectrum") };
    let dilation = Dilation::new(vectors.as_ref(), &instance.nodes);
    let b = coordinates(&instance, &instance.amplitudes);
    (h, instance, dilation, b)
}

fn gap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn scaled(factor: f64, m: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| factor * m[(i, j)])
}

/// (cos, sin) of a symmetric matrix by its power series: no eigenvalues.
fn turn(a: &Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    let n = a.nrows();
    let (mut even, mut odd) = (Mat::<f64>::identity(n, n), Mat::<f64>::zeros(n, n));
    let mut power = Mat::<f64>::identity(n, n);
    for k in 1..60 {
        power = scaled(1.0 / f64::from(k), &(&power * a));
        let term = scaled(if k / 2 % 2 == 0 { 1.0 } else { -1.0 }, &power);
        if k % 2 == 0 { even += term } else { odd += term }
    }
    (even, odd)
}

/// e^{±iA} on the system where clock bit `bit` is set.
fn evolve(state: &mut StateVector, (c, s): &(Mat<f64>, Mat<f64>), bit: usize, forward: bool) {
    let n = c.nrows();
    for start in (0..state.re.len()).step_by(n).filter(|i| i >> bit & 1 == 1) {
        let column = |v: &[f64]| Mat::from_fn(n, 1, |i, _| v[start + i]);
        let (re, im) = (column(&state.re), column(&state.im));
        let sign = if forward { 1.0 } else { -1.0 };
        let (x, y) = (c * &re - scaled(sign, &(s * &im)), c * &im + scaled(sign, &(s * &re)));
        for i in 0..n {
            (state.re[start + i], state.im[start + i]) = (x[(i, 0)], y[(i, 0)]);
        }
    }
}

#[test]
fn phase_estimation_gate_by_gate() {
    // System (2 qubits), clock (6 qubits), flag: Hadamards, controlled powers of e^{iθA}, Fourier transform by gates,
    // rotation by the clock's value, and all of it undone.
    let (n, q, c) = (4_usize, 2_usize, 6_usize);
    let (_, instance, _, b) = system(401, n, 4.0);
    let clock = Clock::new(c as u32, 0.25);
    let Spectrum::Full(vectors) = &instance.spectrum else { unreachable!("a small matrix has a full spectrum") };
    let encoded = Mat::from_fn(n, n, |i, j| {
        (0..n).map(|k| vectors[(i, k)] * instance.nodes[k] * vectors[(j, k)]).sum::<f64>() * 2.0 * PI * clock.turn
    });
    let mut powers = vec![turn(&encoded)];
    for k in 1..c {
        let (x, y) = &powers[k - 1];
        // (cos + i sin)².
        powers.push((x * x - y * y, scaled(2.0, &(x * y))));
    }
    let mut state = StateVector::new(q + c + 1, 1 << 20).unwrap();
    state.load(&b);
    let size = 1_usize << c;
    // Bit j of the clock as the Fourier transform leaves it: reversed.
    let reversed = |k: usize| (0..c).fold(0, |r, j| r | (k >> j & 1) << (c - 1 - j));
    let fourier = |state: &mut StateVector, inverse: bool| {
        let sign = if inverse { -1.0 } else { 1.0 };
        let stage = |state: &mut StateVector, j: usize| {
            for k in 0..j {
                let angle = sign * PI / (1 << (j - k)) as f64;
                state.phase(q, |index| if index >> j & 1 == 1 && index >> k & 1 == 1 { angle } else { 0.0 });
            }
        };
        if inverse {
            // Highest bit first: H, then the phases towards lower bits.
            for j in (0..c).rev() {
                state.gate(q + j, HADAMARD);
                stage(state, j);
            }
        } else {
            for j in 0..c {
                stage(state, j);
                state.gate(q + j, HADAMARD);
            }
        }
    };
    for (j, power) in powers.iter().enumerate().take(c) {
        state.gate(q + j, HADAMARD);
        evolve(&mut state, power, q + j, true);
    }
    fourier(&mut state, true);
    for k in 0..size {
        let g = clock.rotation(k as u64);
        let s = (1.0 - g * g).sqrt();
        let place = reversed(k);
        let controls: Vec<(usize, bool)> = (0..c).map(|j| (q + j, place >> j & 1 == 1)).collect();
        state.controlled(q + c, [[(g, 0.0), (-s, 0.0)], [(s, 0.0), (g, 0.0)]], &controls);
    }
    fourier(&mut state, false);
    for j in (0..c).rev() {
        evolve(&mut state, &powers[j], q + j, false);
        state.gate(q + j, HADAMARD);
    }
    assert!((state.norm() - 1.0).abs() < 1e-12);
    let spectral = coordinates(&instance, &clock.run(&instance));
    let found = gap(&spectral, &state.re[..n]);
    println!("HHL gate by gate against spectral: {found:.2e}");
    assert!(found < levels::tolerance(clock.uses(), 0.0), "{found:e}");
    assert!(state.im[..n].iter().all(|x| x.abs() < 1e-13));
}

#[test]
fn a_combination_of_walks_gate_by_gate() {
    // Preparation of √|c_j|, powers of the walk selected bit by bit, signs, and the preparation undone.
    let (n, q) = (4_usize, 2_usize);
    let (_, instance, dilation, b) = system(402, n, 3.0);
    let (order, j0) = proof_parameters(instance.kappa_eff(), 1e-2);
    let g = ChebyshevInverse::new(order, j0);
    let p = (usize::BITS - (g.coefficients.len() - 1).leading_zeros()) as usize;
    let amplitude = |j: usize| g.coefficients.get(j).map_or(0.0, |c| (c.abs() / g.one_norm()).sqrt());
    let mut state = StateVector::new(q + 1 + p, 1 << 24).unwrap();
    for j in 0..1 << p {
        for (i, value) in b.iter().enumerate().take(n) {
            state.re[(j << (q + 1)) + i] = amplitude(j) * value;
        }
    }
    let walk = |state: &mut StateVector, control: Option<usize>| {
        let controls: Vec<(usize, bool)> = control.into_iter().map(|bit| (bit, true)).collect();
        state.dense(dilation.columns(), &controls);
        state.negate(q, |k| k & 1 == 1 && control.is_none_or(|bit| k >> (bit - q) & 1 == 1));
    };
    walk(&mut state, None);
    let mut calls = 1_u64;
    for bit in 0..p {
        for _ in 0..2_usize << bit {
            walk(&mut state, Some(q + 1 + bit));
            calls += 1;
        }
    }
    state.negate(q + 1, |j| g.coefficients.get(j).is_some_and(|c| *c < 0.0));
    let kept: Vec<f64> =
        (0..n).map(|i| (0..1 << p).map(|j| amplitude(j) * state.re[(j << (q + 1)) + i]).sum()).collect();
    let values: Vec<f64> = instance.nodes.iter().map(|&x| g.value(x)).collect();
    let spectral = combine(&instance, &values, g.one_norm());
    let found = gap(&coordinates(&instance, &spectral.state), &kept);
    println!("Chebyshev LCU, {calls} walk steps, gate by gate against spectral: {found:.2e}");
    assert!(found < levels::tolerance(calls, 0.0), "{found:e}");
}

#[test]
fn a_wrong_guess_and_its_projection_gate_by_gate() {
    // The unknown-norm algorithms: a reflection with a guess that is off, then a projection.
    let (_, instance, dilation, b) = system(403, 7, 4.0);
    // 1/t is a singular value of the extended matrix: t lies in [1, κ].
    let t = (1.8 * instance.x_norm).min(instance.kappa_eff());
    let (first, second) = (order(instance.kappa_eff(), 0.1), order(instance.kappa_eff(), 1e-3));
    let run = circuit::kernel_reflection(&instance, t, first, &options()).unwrap();
    let (reflected, _) = reflect(&instance, t, first);
    let scaled: Vec<f64> = reflected.state.iter().map(|x| x * options().headroom).collect();
    let found = gap(&coordinates(&instance, &scaled), &run.state);
    assert!(found <= levels::tolerance(2 * first, run.residual), "reflection: {found:e}");
    let size = reflected.probability.sqrt();
    let start: Vec<f64> = reflected.state.iter().map(|x| x / size).collect();
    let (state, probability, calls) = project(&instance, &start, second);
    // F as a Chebyshev series of (1 − |b⟩⟨b|)A, run with explicit flags.
    let (gap2, eta) = (instance.kappa_eff().powi(-2), eta_of(&instance, second));
    let filter = |x: f64| {
        let u = (1.0 + gap2 - 2.0 * x * x) / (1.0 - gap2);
        let l = second as f64;
        eta * if u > 1.0 { (l * u.acosh()).cosh() } else { (l * u.max(-1.0).acos()).cos() }
    };
    let mut coefficients = chebyshev::coefficients(2 * second as usize, filter);
    coefficients.iter_mut().skip(1).step_by(2).for_each(|c| *c = 0.0);
    let projected = Projected::new(&dilation, b);
    let mut counted = Counted::new(&projected);
    let kept = series(&mut counted, &coefficients, &coordinates(&instance, &start));
    let expected: Vec<f64> = coordinates(&instance, &state).iter().map(|x| x * probability.sqrt()).collect();
    let found = gap(&expected, &kept);
    println!("projection with explicit flags against spectral: {found:.2e}");
    assert!(found < levels::tolerance(2 * second, 0.0), "projection: {found:e}");
    assert_eq!(counted.counts.queries(), calls.queries());
}
