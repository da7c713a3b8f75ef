//! Kernel reflection, the "shortcut" of Dalzell (arXiv:2406.12086): one even polynomial of G maps |e⟩ to |x⟩.
//!
//! The system is extended by one dimension, A_t = A ⊕ 1/t and b_t = (b ⊕ 1)/√2, so that (x ⊕ t) spans the kernel of
//! G_t = (1 − |b_t⟩⟨b_t|) A_t. A reflection about that kernel sends the extra basis state |e⟩ to
//! sin 2θ|x⟩ + cos 2θ|e⟩, tan θ = ‖x‖/t: to the solution itself when t = ‖x‖. The reflection is the polynomial
//! K = (2F − 1 + η)/(1 + η) of degree 2ℓ, F(g) = T_ℓ(u(g²))/T_ℓ(u(0)), η = 1/T_ℓ(u(0)) (Eqs. 52 and 62).

use super::instance::Instance;
use super::kernel_spectrum::KernelSpectrum;
use super::oracle::{Counts, SpectralOracle};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// Order × nodes up to which a single circuit is run call by call; above it the polynomial is taken at the eigenvalues
/// of G†G, which costs the same for every order. Both give the same state (tests/simulate/kernel_reflection.rs).
pub const CALL_BY_CALL: f64 = 4e6;

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

/// Kernel reflections and projections of one system, with the spectra that were found for its norm guesses.
#[derive(Debug)]
pub struct Shortcut<'a> {
    /// The system.
    pub instance: &'a Instance,
    call_by_call: f64,
    extended: RefCell<Vec<(u64, Rc<KernelSpectrum>)>>,
    projected: OnceCell<KernelSpectrum>,
}

impl<'a> Shortcut<'a> {
    /// Runs circuits of up to `call_by_call` order × nodes call by call, longer ones by the spectrum of G†G.
    pub fn new(instance: &'a Instance, call_by_call: f64) -> Self {
        Shortcut { instance, call_by_call, extended: RefCell::default(), projected: OnceCell::new() }
    }

    /// Whether a circuit of this order is run call by call.
    pub fn by_calls(&self, order: u64) -> bool {
        order as f64 * self.instance.nodes.len() as f64 <= self.call_by_call
    }

    /// The spectrum of G_t†G_t for the norm guess t.
    fn extended(&self, norm_guess: f64) -> Rc<KernelSpectrum> {
        let key = norm_guess.to_bits();
        if let Some((_, found)) = self.extended.borrow().iter().find(|(k, _)| *k == key) {
            return found.clone();
        }
        let half = std::f64::consts::FRAC_1_SQRT_2;
        let mut diagonal = self.instance.nodes.clone();
        diagonal.push(1.0 / norm_guess);
        let mut b: Vec<f64> = self.instance.amplitudes.iter().map(|b| b * half).collect();
        b.push(half);
        let found = Rc::new(KernelSpectrum::new(&diagonal, &b));
        self.extended.borrow_mut().push((key, found.clone()));
        found
    }

    /// One kernel reflection of order ℓ with a norm guess t, with its calls.
    pub fn reflect(&self, norm_guess: f64, order: u64) -> (Reflected, Counts) {
        let n = self.instance.nodes.len();
        if self.by_calls(order) {
            return reflect(self.instance, norm_guess, order);
        }
        let eta = eta_of(self.instance, order);
        let mut start = vec![0.0; n + 1];
        start[n] = 1.0;
        let spectrum = self.extended(norm_guess);
        let filtered = spectrum.apply(&start, gap(self.instance), 1.0, filter(order, eta));
        let counts = Counts { state_preparation: 2 * order + 1, ..calls(order) };
        (reflected(self.instance, order, &filtered[..n], 1.0, eta), counts)
    }

    /// Kernel projection: the filter F of order ℓ on a normalised state; (state, success probability, calls).
    pub fn project(&self, state: &[f64], order: u64) -> (Vec<f64>, f64, Counts) {
        if self.by_calls(order) {
            return super::norm_search::project(self.instance, state, order);
        }
        let spectrum =
            self.projected.get_or_init(|| KernelSpectrum::new(&self.instance.nodes, &self.instance.amplitudes));
        let eta = eta_of(self.instance, order);
        let mut out = spectrum.apply(state, gap(self.instance), 1.0, filter(order, eta));
        let size = super::instance::norm(&out);
        out.iter_mut().for_each(|x| *x /= size);
        (out, (size * size).min(1.0), calls(order))
    }
}

/// Calls of a polynomial of degree 2ℓ of G: U_A and U_A† in turn, a reflection about |b⟩ after each pair.
fn calls(order: u64) -> Counts {
    Counts {
        block_encoding: order,
        block_encoding_adjoint: order,
        state_preparation: 2 * order,
        reflections: order,
        ancillas: 3,
        ..Counts::default()
    }
}

/// Δ = 1/κ_eff, kept below 1.
fn gap(instance: &Instance) -> f64 {
    instance.kappa_eff().powi(-2).min(0.999_999_999).sqrt()
}

/// F beyond the kernel as a function of ½·arccos u(λ).
fn filter(order: u64, eta: f64) -> impl Fn(f64) -> f64 + Sync {
    move |half_angle| (2.0 * order as f64 * half_angle).cos() * eta
}

/// One kernel reflection run call by call.
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
    1.0 / (order as f64 * 2.0 * gap(instance).atanh()).cosh()
}

/// Orders × eigenvalues up to which every order is tried.
pub const EVERY_ORDER: f64 = 1e8;

/// The smallest order whose state is within ε of the solution, and how it was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smallest {
    /// The order ℓ.
    pub order: u64,
    /// Every smaller order was tried and missed; otherwise bisection, then every order in the 2 % below.
    pub exhaustive: bool,
}

/// The smallest order up to `limit` whose state is within `eps` of the solution.
///
/// The error of an order needs no state: with weights p_j = ⟨φ_j|e⟩²/sin²θ over the eigenvalues beside the kernel's,
/// the part of the solution's register across |x⟩ is sin θ·√Var F and the part along it sin θ cos θ·(1 − mean F).
pub fn smallest_order(instance: &Instance, norm_guess: f64, eps: f64, limit: u64) -> Option<Smallest> {
    let spectrum = Shortcut::new(instance, 0.0).extended(norm_guess);
    let measure = spectrum.measure_of(instance.nodes.len(), gap(instance));
    let total: f64 = measure.iter().map(|(_, p)| p).sum();
    let cosine = norm_guess / instance.x_norm.hypot(norm_guess);
    let measure: Vec<(f64, f64)> = measure.into_iter().map(|(a, p)| (a, p / total)).collect();
    let search = OrderSearch { measure, cosine, instance, eps };
    if limit as f64 * search.measure.len() as f64 <= EVERY_ORDER {
        return search.first_in(1, limit).map(|order| Smallest { order, exhaustive: true });
    }
    let order = super::qsvt::smallest(limit, |order| search.good(order))?;
    let from = order - order / 50;
    let order = search.first_in(from.max(1), order).unwrap_or(order);
    Some(Smallest { order, exhaustive: false })
}

struct OrderSearch<'a> {
    /// (½·arccos u(λ), weight) of the eigenvalues beside the kernel's.
    measure: Vec<(f64, f64)>,
    cosine: f64,
    instance: &'a Instance,
    eps: f64,
}

/// Steps after which the recurrence of the cosines is started anew.
const RESTART: u64 = 2048;

impl OrderSearch<'_> {
    /// Whether mean and mean square of cos(2ℓa) leave the state within ε.
    fn within(&self, order: u64, mean: f64, square: f64) -> bool {
        let eta = eta_of(self.instance, order);
        let across = eta * (square - mean * mean).max(0.0).sqrt();
        let along = self.cosine * (1.0 - eta * mean).abs();
        2.0 * (0.5 * across.atan2(along)).sin() <= self.eps
    }

    fn good(&self, order: u64) -> bool {
        let (mut mean, mut square) = (0.0, 0.0);
        for (a, p) in &self.measure {
            let c = (2.0 * order as f64 * a).cos();
            mean += p * c;
            square += p * c * c;
        }
        self.within(order, mean, square)
    }

    /// The first good order in from..=to, every one tried.
    fn first_in(&self, from: u64, to: u64) -> Option<u64> {
        let weights: Vec<f64> = self.measure.iter().map(|(_, p)| *p).collect();
        let twice: Vec<f64> = self.measure.iter().map(|(a, _)| 2.0 * (2.0 * a).cos()).collect();
        let at =
            |order: u64| -> Vec<f64> { self.measure.iter().map(|(a, _)| (2.0 * order as f64 * a).cos()).collect() };
        let mut start = from;
        while start <= to {
            let (mut previous, mut current) = (at(start - 1), at(start));
            for order in start..=to.min(start + RESTART - 1) {
                let (mean, square) = moments_and_step(&mut previous, &mut current, &weights, &twice);
                if self.within(order, mean, square) {
                    return Some(order);
                }
                std::mem::swap(&mut previous, &mut current);
            }
            start += RESTART;
        }
        None
    }
}

/// Σ p·c and Σ p·c² of the current cosines; `previous` becomes the next ones. Eight sums, so that it vectorises.
fn moments_and_step(previous: &mut [f64], current: &mut [f64], weights: &[f64], twice: &[f64]) -> (f64, f64) {
    const LANES: usize = 8;
    let (mut mean, mut square) = ([0.0; LANES], [0.0; LANES]);
    let mut one = |lane: usize, p: &mut f64, c: f64, w: f64, t: f64| {
        mean[lane] += w * c;
        square[lane] += w * c * c;
        *p = t * c - *p;
    };
    let blocks = current.len() / LANES * LANES;
    for k in (0..blocks).step_by(LANES) {
        let (p, c) = (&mut previous[k..k + LANES], &current[k..k + LANES]);
        let (w, t) = (&weights[k..k + LANES], &twice[k..k + LANES]);
        for lane in 0..LANES {
            one(lane, &mut p[lane], c[lane], w[lane], t[lane]);
        }
    }
    for k in blocks..current.len() {
        one(k - blocks, &mut previous[k], current[k], weights[k], twice[k]);
    }
    (mean.iter().sum(), square.iter().sum())
}
