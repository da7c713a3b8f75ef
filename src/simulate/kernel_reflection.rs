//! Kernel reflection, the "shortcut" of Dalzell (arXiv:2406.12086): one even polynomial of G maps |e⟩ to |x⟩.
//!
//! The system is extended by one dimension, A_t = A ⊕ 1/t and b_t = (b ⊕ 1)/√2, so that (x ⊕ t) spans the kernel of
//! G_t = (1 − |b_t⟩⟨b_t|) A_t. A reflection about that kernel sends the extra basis state |e⟩ to
//! sin 2θ|x⟩ + cos 2θ|e⟩, tan θ = ‖x‖/t: to the solution itself when t = ‖x‖. The reflection is the polynomial
//! K = (2F − 1 + η)/(1 + η) of degree 2ℓ, F(g) = T_ℓ(u(g²))/T_ℓ(u(0)), η = 1/T_ℓ(u(0)) (Eqs. 52 and 62).

use super::instance::{Instance, distance};
use super::oracle::{Counts, SpectralOracle};

/// Order ℓ = ⌈κ·ln(2/η)/2⌉ of the filter with |F| ≤ η beyond the gap 1/κ (Eqs. 6, 51); the degree is 2ℓ.
pub fn order(kappa: f64, eta: f64) -> u64 {
    (0.5 * kappa * (2.0 / eta).ln()).ceil().max(1.0) as u64
}

/// ℓ for a known norm and the error ε: η = ε/√2, hence 2ℓ = 2⌈κ·ln(2√2/ε)/2⌉ (Eq. 7).
pub fn order_known_norm(kappa: f64, eps: f64) -> u64 {
    order(kappa, eps / std::f64::consts::SQRT_2)
}

/// The state after a kernel reflection of some order.
#[derive(Debug, Clone, PartialEq)]
pub struct Reflected {
    /// Order ℓ.
    pub order: u64,
    /// Component along |x⟩'s register, not normalised.
    pub state: Vec<f64>,
    /// Probability that the block-encoding flags are 0 and the extra state is left.
    pub probability: f64,
    /// Error of the normalised state.
    pub error: f64,
}

/// Runs the three-term recurrence of T_ℓ(u(G†G)) on |e⟩, calling `each` with every order from 1 to `orders` until it
/// returns false.
pub fn scan(
    instance: &Instance,
    norm_guess: f64,
    orders: u64,
    counts: &mut Counts,
    mut each: impl FnMut(u64, &[f64], f64) -> bool,
) {
    let mut oracle = SpectralOracle::new(&instance.nodes, &instance.amplitudes);
    oracle.counts.ancillas = 3;
    let gap2 = instance.kappa_eff().powi(-2).min(0.999_999_999);
    let n = instance.nodes.len();
    let extra = 1.0 / norm_guess;
    let half = std::f64::consts::FRAC_1_SQRT_2;
    // u(G†G)·v = ((1 + Δ²)v − 2G†Gv)/(1 − Δ²), G†G = A_t(1 − |b_t⟩⟨b_t|)A_t: one U_A and one U_A†.
    let mut step = |v: &[f64], out: &mut [f64]| {
        out.copy_from_slice(v);
        oracle.apply(&mut out[..n]);
        out[n] *= extra;
        let overlap = half * (out[n] + out[..n].iter().zip(oracle.amplitudes()).map(|(x, b)| x * b).sum::<f64>());
        oracle.counts.state_preparation += 2;
        oracle.counts.reflections += 1;
        for (x, b) in out[..n].iter_mut().zip(oracle.amplitudes()) {
            *x -= overlap * half * b;
        }
        out[n] -= overlap * half;
        oracle.apply_adjoint(&mut out[..n]);
        out[n] *= extra;
        for (o, v) in out.iter_mut().zip(v) {
            *o = ((1.0 + gap2) * v - 2.0 * *o) / (1.0 - gap2);
        }
        *counts = oracle.counts;
    };
    let u0 = (1.0 + gap2) / (1.0 - gap2);
    let mut previous = vec![0.0; n + 1];
    previous[n] = 1.0;
    let mut current = vec![0.0; n + 1];
    step(&previous, &mut current);
    let (mut t_previous, mut t_current) = (1.0, u0);
    let mut next = vec![0.0; n + 1];
    for l in 1..=orders {
        if l > 1 {
            step(&current, &mut next);
            for ((x, c), p) in next.iter_mut().zip(&current).zip(&previous) {
                *x = 2.0 * *x - p;
                debug_assert!(c.is_finite());
            }
            std::mem::swap(&mut previous, &mut current);
            std::mem::swap(&mut current, &mut next);
            (t_previous, t_current) = (t_current, 2.0 * u0 * t_current - t_previous);
            if t_current > 1e100 {
                // Keep the recurrence in range: only ratios to T_ℓ(u(0)) are used.
                for v in previous.iter_mut().chain(current.iter_mut()) {
                    *v /= t_current;
                }
                t_previous /= t_current;
                t_current = 1.0;
            }
        }
        if !each(l, &current[..n], t_current) {
            return;
        }
    }
}

/// F_ℓ|e⟩ to the reflected state: K|e⟩ = (2F|e⟩ − (1 − η)|e⟩)/(1 + η), restricted to the solution's register.
fn reflected(instance: &Instance, order: u64, filtered: &[f64], t: f64, eta: f64) -> Reflected {
    let state: Vec<f64> = filtered.iter().map(|w| 2.0 * w / t / (1.0 + eta)).collect();
    let probability = state.iter().map(|x| x * x).sum::<f64>().min(1.0);
    let error = instance.error_of(&state);
    Reflected { order, state, probability, error }
}

/// One kernel reflection of order ℓ with a norm guess t, with its calls.
pub fn reflect(instance: &Instance, norm_guess: f64, order: u64) -> (Reflected, Counts) {
    let mut counts = Counts::default();
    let mut last = None;
    scan(instance, norm_guess, order, &mut counts, |l, w, t| {
        if l == order {
            last = Some(reflected(instance, l, w, t, eta_of(instance, l)));
        }
        true
    });
    counts.state_preparation += 1;
    let empty = Reflected { order: 0, state: vec![], probability: 0.0, error: std::f64::consts::SQRT_2 };
    (last.unwrap_or(empty), counts)
}

/// 1/T_ℓ(u(0)).
pub fn eta_of(instance: &Instance, order: u64) -> f64 {
    1.0 / (order as f64 * 2.0 * instance.kappa_eff().recip().min(0.999_999_999_5).atanh()).cosh()
}

/// The smallest order up to `limit` whose state is within `eps` of the solution.
pub fn smallest_order(instance: &Instance, norm_guess: f64, eps: f64, limit: u64) -> Option<u64> {
    let mut found = None;
    scan(instance, norm_guess, limit, &mut Counts::default(), |l, w, _| {
        if distance(w, &instance.target) <= eps {
            found = Some(l);
        }
        found.is_none()
    });
    found
}
