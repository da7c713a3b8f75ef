//! Kernel reflection when ‖x‖ is not known: a random guess, or a path along which the norm is followed.
//!
//! Both end with a kernel projection: the filter F on (1 − |b⟩⟨b|)A, whose kernel is |x⟩ alone, cleans what the
//! reflection left. Success probabilities are worked out, not sampled, so that the expected calls are exact for the
//! instance.

use super::instance::{Instance, norm};
use super::kernel_reflection::{Shortcut, order};
use super::noise::{error_of, infidelity_of};
use super::oracle::{Counts, SpectralOracle};

/// A state and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Normalised state.
    pub state: Vec<f64>,
    /// Error of the mixed state over the guesses: √(2 − 2√F), F their mean fidelity.
    pub error: f64,
    /// Expected calls.
    pub counts: Counts,
    /// Probability that one attempt succeeds.
    pub probability: f64,
}

/// Kernel projection call by call: F of order ℓ on a normalised state; (state, success probability, calls).
pub fn project(instance: &Instance, state: &[f64], order: u64) -> (Vec<f64>, f64, Counts) {
    let mut oracle = SpectralOracle::new(&instance.nodes, &instance.amplitudes);
    oracle.counts.ancillas = 3;
    let gap2 = instance.kappa_eff().powi(-2).min(0.999_999_999);
    let u0 = (1.0 + gap2) / (1.0 - gap2);
    let mut map = |v: &[f64]| -> Vec<f64> {
        let mut out = v.to_vec();
        oracle.apply(&mut out);
        let overlap: f64 = out.iter().zip(oracle.amplitudes()).map(|(x, b)| x * b).sum();
        oracle.counts.state_preparation += 2;
        oracle.counts.reflections += 1;
        out.iter_mut().zip(oracle.amplitudes()).for_each(|(x, b)| *x -= overlap * b);
        oracle.apply_adjoint(&mut out);
        out.iter_mut().zip(v).for_each(|(o, v)| *o = ((1.0 + gap2) * v - 2.0 * *o) / (1.0 - gap2));
        out
    };
    let (mut previous, mut current) = (state.to_vec(), map(state));
    let (mut t0, mut t1) = (1.0, u0);
    for _ in 1..order {
        let mut next = map(&current);
        next.iter_mut().zip(&previous).for_each(|(x, p)| *x = 2.0 * *x - p);
        (previous, current) = (current, next);
        (t0, t1) = (t1, 2.0 * u0 * t1 - t0);
        if t1 > 1e100 {
            previous.iter_mut().chain(current.iter_mut()).for_each(|x| *x /= t1);
            (t0, t1) = (t0 / t1, 1.0);
        }
    }
    let size = norm(&current);
    current.iter_mut().for_each(|x| *x /= size);
    (current, (size / t1).powi(2).min(1.0), oracle.counts)
}

/// Parameters of the random-guess algorithm (arXiv:2406.12086, Eq. 118): orders of reflection and projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuessPlan {
    /// Order of the kernel reflection; its degree is twice that.
    pub reflection: u64,
    /// Order of the kernel projection.
    pub projection: u64,
}

/// η = μ/(√S + μ), η_KP = ε√(1−μ²)/(μ√(1−ε²)), S = 3 + 2 ln((κ²+1)/2), μ = ¼.
pub fn guess_plan(kappa: f64, eps: f64) -> GuessPlan {
    let mu = 0.25;
    let s = 3.0 + 2.0 * ((kappa * kappa + 1.0) / 2.0).ln();
    GuessPlan { reflection: order(kappa, mu / (s.sqrt() + mu)), projection: order(kappa, projection_error(mu, eps)) }
}

fn projection_error(mu: f64, eps: f64) -> f64 {
    (eps * (1.0 - mu * mu).sqrt() / (mu * (1.0 - eps * eps).sqrt())).min(1.0)
}

/// t drawn log-uniformly from [1, κ] until a reflection succeeds, then a projection; all again when that fails.
///
/// The expectation over t is a midpoint rule with `points` guesses.
pub fn random_guess(shortcut: &Shortcut<'_>, plan: GuessPlan, points: usize) -> Found {
    let instance = shortcut.instance;
    let kappa = instance.kappa_eff();
    // Guesses with their reflected state: success probability q(t), then projection's p(t).
    let (mut q, mut kept, mut missed) = (0.0, 0.0, 0.0);
    let mut calls = (Counts::default(), Counts::default());
    let mut best: (f64, Vec<f64>) = (-1.0, Vec::new());
    for i in 0..points {
        let t = kappa.powf((i as f64 + 0.5) / points as f64);
        let (reflected, first) = shortcut.reflect(t, plan.reflection);
        let size = norm(&reflected.state);
        if size == 0.0 {
            continue;
        }
        let state: Vec<f64> = reflected.state.iter().map(|x| x / size).collect();
        let (state, p, second) = shortcut.project(&state, plan.projection);
        q += reflected.probability / points as f64;
        kept += reflected.probability * p / points as f64;
        calls = (first, second);
        missed += reflected.probability * p / points as f64 * infidelity_of(instance.error_of(&state));
        if reflected.probability > best.0 {
            best = (reflected.probability, state);
        }
    }
    // 1/q reflections to reach one projection, which succeeds with kept/q.
    let mut counts = calls.0.expected(1.0 / kept);
    counts.add(&calls.1.expected(q / kept), 1);
    Found { state: best.1, error: error_of(missed / kept), counts, probability: kept }
}

/// Parameters of the path search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathPlan {
    /// Filter error η of the reflections along the path.
    pub eta: f64,
    /// Trials per guess at the last level; levels below make `growth` more for each step down.
    pub trials: u64,
    /// Extra trials for each level below the last.
    pub growth: u64,
    /// Order of the last kernel projection.
    pub projection: u64,
    /// Order of the last kernel reflection.
    pub reflection: u64,
}

/// The plan for κ and ε: one projection that takes a reflected state (error at most μ = 0.22) to ε.
pub fn path_plan(kappa: f64, eps: f64) -> PathPlan {
    let eta = 0.1;
    PathPlan {
        eta,
        trials: 3,
        growth: 2,
        projection: order(kappa, projection_error(0.22, eps)),
        reflection: order(kappa, eta),
    }
}

/// ‖x_σ‖ of the family Ā_σ = f·Z ⊗ 1 + √(1−f²)·X ⊗ A: Σ β²/(f² + (1−f²)μ²) (Eqs. 31-36, κ rounded to 2^J).
fn path_norm(instance: &Instance, sigma: f64, kappa: f64) -> f64 {
    let f2 = ((sigma * sigma * kappa * kappa - 1.0) / (kappa * kappa - 1.0)).clamp(0.0, 1.0);
    let terms = instance.amplitudes.iter().zip(&instance.nodes);
    terms.map(|(b, m)| b * b / (f2 + (1.0 - f2) * m * m)).sum::<f64>().sqrt()
}

/// Follows the norm along σ = 1, ½, … 1/κ, doubling the guess where a majority of reflections says so, then reflects
/// and projects at the end until both flags agree.
///
/// The distribution of the guess over the ladder 1, 2, 4, … is carried exactly from level to level; a reflection with
/// guess t succeeds with sin²2θ, tan θ = ‖x_σ‖/t (Eqs. 7, 17).
pub fn follow_path(shortcut: &Shortcut<'_>, plan: PathPlan) -> Found {
    let instance = shortcut.instance;
    let kappa = instance.kappa_eff();
    let levels = kappa.log2().ceil().max(0.0) as usize;
    let top = (levels as f64).exp2();
    let mut chance = vec![0.0; levels + 2];
    chance[0] = 1.0;
    let (mut calls, mut preparations) = (0.0, 0.0);
    for level in 1..=levels {
        let size = path_norm(instance, (-(level as f64)).exp2(), top);
        let trials = plan.trials + plan.growth * (levels - level) as u64;
        let degree = 2.0 * order((level as f64).exp2(), plan.eta) as f64;
        calls += 2.0 * trials as f64 * degree;
        preparations += 4.0 * trials as f64 * degree;
        let mut next = vec![0.0; levels + 2];
        for (i, &p) in chance.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            // As many trials with t as with 2t: the guess with more successes is kept, ties keep t.
            let here = success(size, (i as f64).exp2());
            let there = success(size, (i as f64 + 1.0).exp2());
            let double = more_successes(trials, there, here);
            let up = (i + 1).min(levels);
            next[up] += p * double;
            next[i.min(levels)] += p * (1.0 - double);
        }
        chance = next;
    }
    let (mut reflections, mut projections, mut missed, mut total) = (0.0, 0.0, 0.0, 0.0);
    let mut best: (f64, Vec<f64>) = (-1.0, Vec::new());
    let mut each = (Counts::default(), Counts::default());
    for (i, &p) in chance.iter().enumerate().filter(|(_, p)| **p > 1e-9) {
        let (reflected, first) = shortcut.reflect((i as f64).exp2().min(kappa), plan.reflection);
        let size = norm(&reflected.state);
        if size == 0.0 {
            continue;
        }
        let state: Vec<f64> = reflected.state.iter().map(|x| x / size).collect();
        let (state, kept, second) = shortcut.project(&state, plan.projection);
        // The guess stays: reflect until that succeeds, project, begin again when the projection fails.
        reflections += p / (reflected.probability * kept);
        projections += p / kept;
        total += p * reflected.probability * kept;
        missed += p * infidelity_of(instance.error_of(&state));
        each = (first, second);
        if p > best.0 {
            best = (p, state);
        }
    }
    let mut counts = each.0.expected(reflections);
    counts.add(&each.1.expected(projections), 1);
    let search = Counts {
        block_encoding: (calls / 2.0).ceil() as u64,
        block_encoding_adjoint: (calls / 2.0).ceil() as u64,
        state_preparation: preparations.ceil() as u64,
        ..Counts::default()
    };
    counts.add(&search, 1);
    Found { state: best.1, error: error_of(missed), counts, probability: total }
}

/// sin²(2·atan(‖x‖/t)).
fn success(size: f64, t: f64) -> f64 {
    (2.0 * (size / t).atan()).sin().powi(2)
}

/// P(Binomial(n, p) > Binomial(n, q)).
fn more_successes(n: u64, p: f64, q: f64) -> f64 {
    let distribution = |p: f64| -> Vec<f64> {
        let mut d = vec![1.0];
        for _ in 0..n {
            let mut next = vec![0.0; d.len() + 1];
            for (k, x) in d.iter().enumerate() {
                next[k] += x * (1.0 - p);
                next[k + 1] += x * p;
            }
            d = next;
        }
        d
    };
    let (a, b) = (distribution(p), distribution(q));
    let mut below = 0.0;
    let mut total = 0.0;
    for k in 0..a.len() {
        total += a[k] * below;
        below += b[k];
    }
    total
}
