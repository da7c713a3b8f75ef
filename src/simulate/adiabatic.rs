//! The adiabatic solver: discrete walk, then an eigenstate filter, repeated until the filter's flag says yes.
//!
//! Costs follow Costa, An, Babbush and Berry (arXiv:2312.07690): T steps, then ℓ steps of a Dolph-Chebyshev filter
//! whose failures are noticed half-way on average, T/p + ½ℓ(1/p + 1) steps for a success probability p.

use super::instance::Instance;
use super::oracle::Counts;
use super::walk::{Combination, Form, SCHEDULE_P, WalkResult, WalkSystem, run};

/// Which power of the success probability the published total uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessPower {
    /// S = [1 − δ(1 − ε_f²)]²: as published.
    Squared,
    /// S = 1 − δ(1 − ε_f²): the success probability of the filter.
    Single,
}

/// A circuit: how many steps, which filter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Walk steps, a multiple of 4.
    pub steps: u64,
    /// Filter error ε_f.
    pub filter_error: f64,
    /// Filter length ℓ in walk steps, even.
    pub filter_degree: u64,
    /// Assumed 2-norm error Δ of the walk.
    pub delta: f64,
    /// The published total, in walk steps.
    pub total: f64,
}

/// The plan that minimises the published total for the constant α of "error = α·κ/T" and an allowed error ε.
pub fn plan(kappa: f64, eps: f64, alpha: f64, power: SuccessPower) -> Plan {
    let total = |delta: f64| cost_per_kappa(eps, alpha, delta, power).0;
    // Unimodal in ln Δ between the extremes.
    let best = argmin(|t: f64| total(t.exp()), (1e-3_f64).ln(), (1.2_f64).ln()).exp();
    let (cost, filter_error) = cost_per_kappa(eps, alpha, best, power);
    let steps = 4 * ((alpha * kappa / best / 4.0).ceil().max(1.0) as u64);
    let filter_degree = filter_degree(kappa, filter_error);
    Plan { steps, filter_error, filter_degree, delta: best, total: cost * kappa }
}

/// (C/κ, ε_f) for a walk error Δ.
fn cost_per_kappa(eps: f64, alpha: f64, delta: f64, power: SuccessPower) -> (f64, f64) {
    let lost = delta * delta - delta.powi(4) / 4.0;
    let filter_error =
        (eps * ((1.0 - lost) * (1.0 - eps * eps / 4.0)).sqrt() / ((1.0 - eps * eps / 2.0) * lost.sqrt())).min(1.0);
    let single = 1.0 - lost * (1.0 - filter_error * filter_error);
    let s = match power {
        SuccessPower::Squared => single * single,
        SuccessPower::Single => single,
    };
    (0.5 * (2.0 / filter_error).ln() * (1.0 / s + 1.0) + alpha / (delta * s), filter_error)
}

/// Where a unimodal function is smallest.
fn argmin(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let (mut a, mut b) = (low, high);
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    for _ in 0..100 {
        let (c, d) = (b - ratio * (b - a), a + ratio * (b - a));
        if f(c) < f(d) { b = d } else { a = c }
    }
    0.5 * (a + b)
}

/// ℓ = acosh(1/ε_f)/acosh(1/cos(1/κ)) ≤ κ·ln(2/ε_f), rounded up to an even number (arXiv:2111.08152, filter).
pub fn filter_degree(kappa: f64, filter_error: f64) -> u64 {
    let gap = 1.0 / kappa;
    // acosh(1/cos x) = 2·atanh(tan(x/2)).
    let degree = (1.0 / filter_error.min(1.0)).acosh() / (2.0 * (0.5 * gap).tan().atanh());
    2 * ((degree / 2.0).ceil() as u64)
}

/// Walk and filter run once.
#[derive(Debug, Clone, PartialEq)]
pub struct Solved {
    /// Walk steps made.
    pub steps: u64,
    /// Filter length.
    pub filter_degree: u64,
    /// Success probability of walk and filter.
    pub probability: f64,
    /// Error of the kept, normalised state (register d included).
    pub error: f64,
    /// The kept amplitudes in the basis v_i, as the flags leave them (norm² = probability, less the d = 0 part).
    pub state: Vec<f64>,
    /// Expected walk steps until success.
    pub expected_steps: f64,
    /// Expected calls until success.
    pub counts: Counts,
}

/// The filter's recurrence on the flagged part of a walked state.
struct Filter<'a> {
    system: &'a WalkSystem,
    gap2: f64,
    previous: (Vec<f64>, Vec<f64>),
    current: (Vec<f64>, Vec<f64>),
    t: (f64, f64),
}

impl<'a> Filter<'a> {
    fn new(system: &'a WalkSystem, walked: &WalkResult) -> Self {
        let gap2 = (1.0 / system.kappa).sin().powi(2);
        let start = (walked.left.clone(), walked.right.clone());
        let mut filter =
            Filter { system, gap2, previous: start.clone(), current: start, t: (1.0, (1.0 + gap2) / (1.0 - gap2)) };
        filter.current = filter.map(&filter.previous);
        filter
    }

    /// u(H²)·v, H at the end of the path: two walk steps. On the right, H² = A†(1 − |b⟩⟨b|)A; on the left, AA†.
    fn map(&self, v: &(Vec<f64>, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
        let (s, b) = (&self.system.values, &self.system.rhs);
        let overlap: f64 = v.1.iter().zip(s).zip(b).map(|((x, s), b)| s * x * b).sum();
        let (a, c) = ((1.0 + self.gap2) / (1.0 - self.gap2), 2.0 / (1.0 - self.gap2));
        let right = v.1.iter().zip(s).zip(b).map(|((x, s), b)| a * x - c * s * (s * x - overlap * b)).collect();
        let left = v.0.iter().zip(s).map(|(x, s)| a * x - c * s * s * x).collect();
        (left, right)
    }

    /// From T_m to T_{m+1}.
    fn advance(&mut self) {
        let u0 = (1.0 + self.gap2) / (1.0 - self.gap2);
        let mut next = self.map(&self.current);
        for (x, p) in next.0.iter_mut().zip(&self.previous.0).chain(next.1.iter_mut().zip(&self.previous.1)) {
            *x = 2.0 * *x - p;
        }
        self.previous = std::mem::replace(&mut self.current, next);
        self.t = (self.t.1, 2.0 * u0 * self.t.1 - self.t.0);
        if self.t.1 > 1e100 {
            let scale = 1.0 / self.t.1;
            let parts = [&mut self.previous.0, &mut self.previous.1, &mut self.current.0, &mut self.current.1];
            for v in parts.into_iter().flat_map(|v| v.iter_mut()) {
                *v *= scale;
            }
            self.t = (self.t.0 * scale, 1.0);
        }
    }

    /// Probability and error of the state filtered with the current degree.
    fn outcome(&self) -> (f64, f64) {
        let size2: f64 = self.current.0.iter().chain(&self.current.1).map(|x| x * x).sum();
        let size = size2.sqrt();
        let overlap: f64 = self.current.1.iter().zip(&self.system.target).map(|(x, t)| x * t).sum();
        let sign = if overlap < 0.0 { -1.0 } else { 1.0 };
        let right: f64 =
            self.current.1.iter().zip(&self.system.target).map(|(x, t)| (sign * x / size - t).powi(2)).sum();
        let left: f64 = self.current.0.iter().map(|x| (x / size).powi(2)).sum();
        (size2 / (self.t.1 * self.t.1), (left + right).sqrt())
    }

    /// The kept amplitudes of the solution's register.
    fn amplitudes(&self) -> Vec<f64> {
        self.current.1.iter().map(|x| x / self.t.1).collect()
    }
}

/// Even Chebyshev series of the filter F(h) = T_m(u(h²))/T_m(u(0)) of length 2m for the gap sin(1/κ).
pub fn filter_series(kappa: f64, degree: u64) -> Vec<f64> {
    let gap2 = (1.0 / kappa).sin().powi(2);
    let (m, rate) = (degree as f64 / 2.0, 2.0 * gap2.sqrt().atanh());
    let mut c = super::chebyshev::coefficients(degree as usize, |h| {
        let s2 = (gap2 - h * h) / (1.0 - gap2);
        if s2 >= 0.0 {
            let a = 2.0 * m * s2.sqrt().asinh();
            (a - m * rate).exp() * (1.0 + (-2.0 * a).exp()) / (1.0 + (-2.0 * m * rate).exp())
        } else {
            (2.0 * m * (-s2).min(1.0).sqrt().asin()).cos() / (m * rate).cosh()
        }
    });
    c.iter_mut().skip(1).step_by(2).for_each(|c| *c = 0.0);
    c
}

/// Expected walk steps until success.
fn expected_steps(steps: u64, degree: u64, probability: f64) -> f64 {
    steps as f64 / probability + 0.5 * degree as f64 * (1.0 / probability + 1.0)
}

fn calls(form: Form, steps: f64) -> Counts {
    let one = Counts {
        block_encoding: 1,
        block_encoding_adjoint: form.calls_per_step() - 1,
        state_preparation: 4,
        reflections: 3,
        walk_steps: 1,
        ancillas: if form == Form::General { 6 } else { 5 },
        ..Counts::default()
    };
    one.expected(steps)
}

/// Runs `steps` walk steps and a filter of length `degree` (even; 0 for none).
pub fn solve(system: &WalkSystem, steps: u64, degree: u64) -> Solved {
    let walked = run(system, steps, SCHEDULE_P, Combination::Published);
    solve_walked(system, &walked, steps, degree)
}

fn solve_walked(system: &WalkSystem, walked: &WalkResult, steps: u64, degree: u64) -> Solved {
    let mut filter = Filter::new(system, walked);
    let (probability, error, state) = if degree < 2 {
        let w2 = walked.flagged_norm.powi(2);
        filter.current = filter.previous.clone();
        filter.t = (1.0, 1.0);
        (w2, filter.outcome().1, filter.amplitudes())
    } else {
        for _ in 1..degree / 2 {
            filter.advance();
        }
        let (p, e) = filter.outcome();
        (p, e, filter.amplitudes())
    };
    let expected = expected_steps(steps, degree, probability);
    Solved {
        steps,
        filter_degree: degree,
        probability,
        error,
        state,
        expected_steps: expected,
        counts: calls(system.form, expected),
    }
}

/// The cheapest run of T steps with the shortest filter that reaches `eps`; `None` when no filter up to
/// `longest` does.
pub fn shortest_filter(system: &WalkSystem, steps: u64, eps: f64, longest: u64) -> Option<Solved> {
    let walked = run(system, steps, SCHEDULE_P, Combination::Published);
    let mut filter = Filter::new(system, &walked);
    for m in 1..=longest / 2 {
        if m > 1 {
            filter.advance();
        }
        let (probability, error) = filter.outcome();
        if error <= eps {
            let degree = 2 * m;
            let expected = expected_steps(steps, degree, probability);
            return Some(Solved {
                steps,
                filter_degree: degree,
                probability,
                error,
                state: filter.amplitudes(),
                expected_steps: expected,
                counts: calls(system.form, expected),
            });
        }
    }
    None
}

/// The cheapest (T, ℓ) found: T over a ladder of multiples of 4 up to `most`, then around its best rung.
pub fn cheapest(system: &WalkSystem, eps: f64, most: u64) -> Option<Solved> {
    let longest = filter_degree(system.kappa, eps * 1e-3).max(4);
    let mut ladder: Vec<u64> = Vec::new();
    let mut t = (system.kappa / 4.0).max(4.0);
    while (t as u64) < most {
        ladder.push(4 * ((t / 4.0).ceil() as u64));
        t *= 1.4;
    }
    ladder.push(most - most % 4);
    ladder.dedup();
    let mut best: Option<Solved> = None;
    let consider = |best: &mut Option<Solved>, steps: u64| {
        if steps < 4 {
            return;
        }
        if let Some(found) = shortest_filter(system, steps, eps, longest)
            && best.as_ref().is_none_or(|b| found.expected_steps < b.expected_steps)
        {
            *best = Some(found);
        }
    };
    for &t in &ladder {
        // T alone already costs more than the best found.
        if best.as_ref().is_some_and(|b| b.expected_steps <= t as f64) {
            break;
        }
        consider(&mut best, t);
    }
    let centre = best.as_ref().map(|b| b.steps)?;
    for factor in [0.8, 0.9, 1.1, 1.2] {
        let t = 4 * ((centre as f64 * factor / 4.0).round() as u64);
        if t >= 4 && t != centre && t <= most {
            consider(&mut best, t);
        }
    }
    best
}

/// Largest 2-norm error over a set of steps, as a check of "error ∝ 1/T" in the tests: α = error·T/κ.
pub fn measured_alpha(system: &WalkSystem, steps: u64) -> f64 {
    run(system, steps, SCHEDULE_P, Combination::Published).error_whole() * steps as f64 / system.kappa
}

/// The longest filter after T steps whose expected total stays within `budget` walk steps.
pub fn longest_filter(system: &WalkSystem, steps: u64, budget: u64) -> Option<Solved> {
    let walked = run(system, steps, SCHEDULE_P, Combination::Published);
    let mut filter = Filter::new(system, &walked);
    let mut best = None;
    for m in 1..=budget / 2 {
        if m > 1 {
            filter.advance();
        }
        let (probability, error) = filter.outcome();
        let expected = expected_steps(steps, 2 * m, probability);
        if expected > budget as f64 {
            break;
        }
        best = Some(Solved {
            steps,
            filter_degree: 2 * m,
            probability,
            error,
            state: filter.amplitudes(),
            expected_steps: expected,
            counts: calls(system.form, expected),
        });
    }
    best
}

/// The filter of length `degree` on complex amplitudes of the solution's register (d = 1, h = 0 measured): the state
/// turned to be as real as it can be, and its error when normalised.
pub fn filter_complex(instance: &Instance, state: &[(f64, f64)], degree: u64) -> (Vec<f64>, f64) {
    let system = WalkSystem::symmetric(
        &instance.nodes,
        &instance.amplitudes,
        &instance.target,
        Form::PositiveDefinite,
        instance.kappa_eff(),
    );
    let part = |pick: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let walked = WalkResult {
            left: Vec::new(),
            right: state.iter().map(pick).collect(),
            overlap: 0.0,
            flagged_norm: 0.0,
            counts: Counts::default(),
        };
        if degree < 2 {
            return walked.right;
        }
        let mut filter = Filter::new(&system, &walked);
        for _ in 1..degree / 2 {
            filter.advance();
        }
        filter.amplitudes()
    };
    let (re, im) = (part(|z| z.0), part(|z| z.1));
    let dot = |v: &[f64]| v.iter().zip(&instance.target).map(|(x, t)| x * t).sum::<f64>();
    let (cr, ci) = (dot(&re), dot(&im));
    let (size, length) = (re.iter().chain(&im).map(|x| x * x).sum::<f64>().sqrt(), cr.hypot(ci));
    if size == 0.0 || length == 0.0 {
        return (re, std::f64::consts::SQRT_2);
    }
    let (c, s) = (cr / length, ci / length);
    let turned: Vec<f64> = re.iter().zip(&im).map(|(x, y)| x * c + y * s).collect();
    let off: f64 = re.iter().zip(&im).map(|(x, y)| (y * c - x * s).powi(2)).sum();
    let near: f64 = turned.iter().zip(&instance.target).map(|(x, t)| (x / size - t).powi(2)).sum();
    (turned, (near + off / (size * size)).sqrt())
}
