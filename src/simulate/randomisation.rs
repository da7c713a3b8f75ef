//! Eigenpath traversal by randomisation (Subasi, Somma, Orsucci, arXiv:1805.10549): evolve under H(s_j) for random times.
//!
//! H(s) = |0⟩⟨1| ⊗ A(s)Q + |1⟩⟨0| ⊗ QA(s), A(s) = (1−s)Z ⊗ 1 + sX ⊗ A, the path in the natural parameter v, times
//! uniform on [0, 2π/Δ(s)], Δ(s) = √((1−s)² + (s/κ)²). In the eigenbasis H(s) costs O(N); e^{−iHt} is summed by its
//! Jacobi-Anger series, whose length is the number of calls of a qubitised simulation.

use super::instance::Instance;
use super::oracle::Counts;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What an ensemble of runs gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Traversed {
    /// Steps q of the path.
    pub steps: u64,
    /// Mean over runs of the fidelity with the solution.
    pub fidelity: f64,
    /// Standard error of that mean.
    pub fidelity_error: f64,
    /// Mean total evolution time.
    pub time: f64,
    /// Mean calls of one run.
    pub counts: Counts,
    /// Overlap-weighted final states are not pure; this is the last run's solution register, for the filter.
    pub state: Vec<(f64, f64)>,
}

/// The natural parameter's ends (Eqs. of the supplement): v in [v_a, v_b].
fn ends(kappa: f64) -> (f64, f64) {
    let r = (1.0 + kappa * kappa).sqrt();
    let c = std::f64::consts::SQRT_2 * kappa / r;
    // ln(κ√(1+κ²) − κ²) without cancellation: κ(√(1+κ²) − κ) = κ/(√(1+κ²) + κ).
    (c * (kappa / (r + kappa)).ln(), c * (r + 1.0).ln())
}

/// s(v).
pub fn path(kappa: f64, v: f64) -> f64 {
    let r = (1.0 + kappa * kappa).sqrt();
    let w = v * r / (std::f64::consts::SQRT_2 * kappa);
    let k2 = kappa * kappa;
    ((w.exp() + 2.0 * k2 - k2 * (-w).exp()) / (2.0 * (1.0 + k2))).clamp(0.0, 1.0)
}

/// The state: (h, d) blocks of complex amplitudes over the nodes.
struct State {
    re: [Vec<f64>; 4],
    im: [Vec<f64>; 4],
}

/// out ← H(s)·x for the real amplitudes of the four blocks (index 2h + d).
fn hamiltonian(instance: &Instance, s: f64, x: &[Vec<f64>; 4], out: &mut [Vec<f64>; 4]) {
    let b = &instance.amplitudes;
    // h = 1 → 0: A(s)Q; Q acts on d = 0.
    let project = |v: &[f64]| v.iter().zip(b).map(|(x, b)| x * b).sum::<f64>();
    let overlap = project(&x[2]);
    for i in 0..b.len() {
        let m = instance.nodes[i];
        let (p, q) = (x[2][i] - overlap * b[i], x[3][i]);
        out[0][i] = (1.0 - s) * p + s * m * q;
        out[1][i] = s * m * p - (1.0 - s) * q;
    }
    // h = 0 → 1: QA(s).
    for i in 0..b.len() {
        let m = instance.nodes[i];
        let (p, q) = (x[0][i], x[1][i]);
        out[2][i] = (1.0 - s) * p + s * m * q;
        out[3][i] = s * m * p - (1.0 - s) * q;
    }
    let overlap = project(&out[2]);
    out[2].iter_mut().zip(b).for_each(|(x, b)| *x -= overlap * b);
}

/// Bessel functions J_0 … J_k of a positive argument, by Miller's downward recurrence.
fn bessel(t: f64, count: usize) -> Vec<f64> {
    let start = count + 20 + (40.0 * (count as f64 + 1.0)).sqrt() as usize;
    let start = start + start % 2;
    let mut values = vec![0.0; start + 2];
    values[start] = 1e-30;
    for k in (1..=start).rev() {
        values[k - 1] = 2.0 * k as f64 / t * values[k] - values[k + 1];
        if values[k - 1].abs() > 1e200 {
            values.iter_mut().for_each(|v| *v *= 1e-200);
        }
    }
    let total = values[0] + 2.0 * values.iter().skip(2).step_by(2).sum::<f64>();
    values.truncate(count + 1);
    values.iter_mut().for_each(|v| *v /= total);
    values
}

/// Terms of the Jacobi-Anger series for e^{−iHt}, ‖H‖ ≤ 1, to `error`: the calls of a qubitised simulation.
pub fn evolution_calls(t: f64, error: f64) -> u64 {
    let j = bessel(t.max(1e-9), (1.4 * t + 60.0) as usize);
    let mut tail = 0.0;
    let mut k = j.len() - 1;
    while k > 0 && tail + 2.0 * j[k].abs() < error {
        tail += 2.0 * j[k].abs();
        k -= 1;
    }
    k as u64
}

/// ψ ← e^{−iH(s)t}ψ = Σ_k (2 − δ_k0)(−i)^k J_k(t) T_k(H)ψ; returns the terms used.
fn evolve(instance: &Instance, s: f64, t: f64, state: &mut State) -> u64 {
    if t <= 0.0 {
        return 0;
    }
    let terms = evolution_calls(t, 1e-14);
    let j = bessel(t, terms as usize);
    let n = instance.nodes.len();
    let zero = || -> [Vec<f64>; 4] { std::array::from_fn(|_| vec![0.0; n]) };
    let mut results = [zero(), zero()];
    // H is real: real and imaginary parts evolve under T_k(H) alike and are mixed by (−i)^k.
    for (part, source) in [(0, &state.re), (1, &state.im)] {
        let (mut previous, mut current, mut next) = (source.clone(), zero(), zero());
        hamiltonian(instance, s, &previous, &mut current);
        let mut add = |k: u64, v: &[Vec<f64>; 4]| {
            let weight = j[k as usize] * if k == 0 { 1.0 } else { 2.0 };
            // (−i)^k times a real (part 0) or an imaginary (part 1) vector.
            let (target, sign) = match (k % 4, part) {
                (0, p) => (p, 1.0),
                (1, 0) => (1, -1.0),
                (1, _) => (0, 1.0),
                (2, p) => (p, -1.0),
                (_, 0) => (1, 1.0),
                (_, _) => (0, -1.0),
            };
            for (r, v) in results[target].iter_mut().zip(v) {
                for (x, y) in r.iter_mut().zip(v) {
                    *x += sign * weight * y;
                }
            }
        };
        add(0, &previous);
        for k in 1..=terms {
            add(k, &current);
            hamiltonian(instance, s, &current, &mut next);
            for (x, p) in next.iter_mut().zip(&previous) {
                x.iter_mut().zip(p).for_each(|(x, p)| *x = 2.0 * *x - p);
            }
            std::mem::swap(&mut previous, &mut current);
            std::mem::swap(&mut current, &mut next);
        }
    }
    let [re, im] = results;
    (state.re, state.im) = (re, im);
    terms
}

/// Expected operations of [`traverse`].
pub fn work(instance: &Instance, steps: u64, runs: u64) -> f64 {
    let kappa = instance.kappa_eff();
    let (low, high) = ends(kappa);
    let time: f64 = (1..=steps.min(10_000))
        .map(|j| {
            let s = path(kappa, low + (high - low) * j as f64 / steps.min(10_000) as f64);
            std::f64::consts::PI / (1.0 - s).hypot(s / kappa)
        })
        .sum();
    let scale = steps as f64 / steps.clamp(1, 10_000) as f64;
    60.0 * instance.nodes.len() as f64 * runs as f64 * (time * scale * 1.3 + 40.0 * steps as f64)
}

/// `runs` traversals of `steps` steps with times from `seed`; calls are counted for a simulation error of
/// `simulation_error` a step.
pub fn traverse(instance: &Instance, steps: u64, runs: u64, seed: u64, simulation_error: f64) -> Traversed {
    let kappa = instance.kappa_eff();
    let (low, high) = ends(kappa);
    let n = instance.nodes.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut fidelities, mut time, mut calls) = (Vec::new(), 0.0, 0_u64);
    let mut last = Vec::new();
    for _ in 0..runs {
        let mut state = State { re: std::array::from_fn(|_| vec![0.0; n]), im: std::array::from_fn(|_| vec![0.0; n]) };
        state.re[0].copy_from_slice(&instance.amplitudes);
        for j in 1..=steps {
            let s = path(kappa, low + (high - low) * j as f64 / steps as f64);
            let gap = (1.0 - s).hypot(s / kappa);
            let t = rng.random::<f64>() * 2.0 * std::f64::consts::PI / gap;
            evolve(instance, s, t, &mut state);
            time += t;
            calls += evolution_calls(t, simulation_error);
        }
        let overlap = |v: &[f64]| v.iter().zip(&instance.target).map(|(x, t)| x * t).sum::<f64>();
        fidelities.push(overlap(&state.re[1]).powi(2) + overlap(&state.im[1]).powi(2));
        last = state.re[1].iter().copied().zip(state.im[1].iter().copied()).collect();
    }
    let count = fidelities.len() as f64;
    let mean = fidelities.iter().sum::<f64>() / count;
    let variance = fidelities.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    // One call of the walk for H(s) is one U_A and one U_A† and four preparations of b.
    let per_run = calls as f64 / count;
    let one = Counts {
        block_encoding: 1,
        block_encoding_adjoint: 1,
        state_preparation: 4,
        walk_steps: 1,
        ancillas: 6,
        ..Counts::default()
    };
    let mut counts = one.expected(per_run);
    counts.simulated_time = time / count;
    Traversed {
        steps,
        fidelity: mean,
        fidelity_error: (variance / count).sqrt(),
        time: time / count,
        counts,
        state: last,
    }
}
