//! The scheduler itself: asked before each solve, it estimates, prices both sides, chooses, and logs why.
//!
//! Plugged into a training loop of one's own it needs a matrix and ε, nothing else:
//!
//! ```
//! use breakeven::cost::Scenario;
//! use breakeven::schedule::{Choice, Estimator, Label, Pricing, Scheduler, Settings};
//!
//! let catalog = breakeven::catalog::load(None)?;
//! let settings = Settings::new(Scenario::Paper, "a100", 1e-9);
//! let mut scheduler = Scheduler::new(Pricing::new(&catalog, settings)?, Estimator::Auto, 0);
//! let hessian = faer::Mat::from_fn(64, 64, |i, j| if i == j { 1.0 + i as f64 } else { 0.01 });
//! let decision = scheduler.consider(Label::new(0, "layers.0.weight"), hessian.as_ref(), 1e-2, faer::Par::Seq)?;
//! assert_eq!(decision.choice, Choice::Classical);
//! assert!(decision.why.starts_with("inverse"), "{}", decision.why);
//! # Ok::<(), breakeven::error::Error>(())
//! ```

use faer::{MatRef, Par};
use serde::{Deserialize, Serialize};

use super::estimator::{Estimator, KappaEstimate, estimate};
use super::pricing::{Price, Pricing, Subject};
use crate::catalog::{Point, Spread, short};
use crate::error::Result;
use crate::measure::sparsity::{ZERO, kept, subnormalization};
use crate::measurement::Measurement;
use crate::spectrum::scale::{frobenius, max_abs};

/// Where a solve is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// To the quantum solver.
    Quantum,
    /// To the classical one.
    Classical,
}

/// Which solve of a training run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Label {
    /// Training step.
    pub step: Option<u64>,
    /// Block of the curvature matrix.
    pub block: String,
    /// Snapshot, where the solve is one of a run directory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub snapshot: String,
    /// Series of the snapshot.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub series: String,
}

impl Label {
    /// A solve of a training loop.
    pub fn new(step: u64, block: impl Into<String>) -> Self {
        Label { step: Some(step), block: block.into(), ..Label::default() }
    }
}

/// One decision of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Which solve.
    #[serde(flatten)]
    pub label: Label,
    /// Unknowns.
    pub n: usize,
    /// κ: measured where a measurement is at hand, else the estimate; `null` when the matrix is singular.
    pub kappa: Option<f64>,
    /// The estimate that the choice rests on.
    pub kappa_estimate: Option<f64>,
    /// ln of it: bounds by determinants exceed the range of numbers.
    pub ln_kappa_estimate: Option<f64>,
    /// Row sparsity of the solved matrix.
    pub d: usize,
    /// Tolerance of the solve.
    pub eps: f64,
    /// Quantum model.
    pub quantum: String,
    /// Classical model.
    pub classical: String,
    /// Seconds of the quantum solve at κ; `null` out of the model's domain.
    pub quantum_seconds: Option<f64>,
    /// The same at the estimate.
    pub quantum_seconds_estimated: Option<f64>,
    /// Seconds of the classical solve.
    pub classical_seconds: Option<f64>,
    /// Where it goes.
    pub choice: Choice,
    /// Why.
    pub why: String,
    /// Seconds that the estimate of κ costs on the classical machine.
    pub estimate_seconds: f64,
    /// Seconds that counting d costs there: one pass over the entries.
    pub sparsity_seconds: f64,
    /// Which estimator, and what it said.
    pub estimator: String,
}

impl Decision {
    /// The price of what was chosen.
    pub fn seconds(&self) -> Option<f64> {
        match self.choice {
            Choice::Quantum => self.quantum_seconds,
            Choice::Classical => self.classical_seconds,
        }
    }

    /// What deciding cost.
    pub fn overhead_seconds(&self) -> f64 {
        self.estimate_seconds + self.sparsity_seconds
    }
}

/// Decides solve by solve and keeps the log.
#[derive(Debug, Clone)]
pub struct Scheduler<'c> {
    pricing: Pricing<'c>,
    estimator: Estimator,
    seed: u64,
    log: Vec<Decision>,
}

impl<'c> Scheduler<'c> {
    /// A scheduler with an empty log; `seed` starts the Lanczos estimators.
    pub fn new(pricing: Pricing<'c>, estimator: Estimator, seed: u64) -> Self {
        Scheduler { pricing, estimator, seed, log: Vec::new() }
    }

    /// What the prices rest on.
    pub fn pricing(&self) -> &Pricing<'c> {
        &self.pricing
    }

    /// Every decision so far.
    pub fn log(&self) -> &[Decision] {
        &self.log
    }

    /// Decides on a matrix (symmetric, N × N, damped as it will be solved): estimates κ, counts d, prices, chooses.
    ///
    /// # Errors
    /// As [`estimate`].
    pub fn consider(&mut self, label: Label, a: MatRef<'_, f64>, eps: f64, par: Par) -> Result<&Decision> {
        let found = estimate(a, self.estimator, self.seed, par)?;
        let point = describe(a, &found, eps);
        Ok(self.decide(label, Subject::Point(&point), found))
    }

    /// Decides on a measured system; the price that is paid is that of the measured κ, the choice rests on the estimate.
    pub fn consider_measured(&mut self, label: Label, m: &Measurement, estimate: KappaEstimate) -> &Decision {
        self.decide(label, Subject::Measured(m), estimate)
    }

    /// Decides on what is known of a system.
    pub fn decide(&mut self, label: Label, subject: Subject<'_>, estimate: KappaEstimate) -> &Decision {
        let decision = self.weigh(label, subject, &estimate);
        self.log.push(decision);
        // Just pushed.
        &self.log[self.log.len() - 1]
    }

    fn weigh(&self, label: Label, subject: Subject<'_>, estimate: &KappaEstimate) -> Decision {
        let (n, d, eps, measured) = match subject {
            Subject::Measured(m) => (m.n, m.row_sparsity.value, m.tolerance.value, m.kappa.value),
            Subject::Point(p) => {
                let at = |name: &str| p.get(name).map(|s| s.value);
                let count = |name: &str| at(name).unwrap_or(0.0) as usize;
                (count("n"), count("d"), at("eps").unwrap_or(0.0), at("kappa"))
            }
        };
        let set = |name: &str| self.pricing.settings().set.iter().rev().find(|(n, _)| n == name).map(|(_, x)| *x);
        let eps = set("eps").unwrap_or(eps);
        let classical = self.pricing.classical(subject);
        let quantum = self.pricing.quantum(subject, None);
        let expected = match (estimate.kappa(), set("kappa")) {
            (_, Some(_)) => quantum.clone(),
            (Some(kappa), None) => self.pricing.quantum(subject, Some(kappa)),
            (None, None) => Price { seconds: None, model: quantum.model.clone(), why: beyond(estimate) },
        };
        let (choice, why) = choose(&expected, &classical, &quantum);
        let (dense, stored) = (estimate.dense_flops, estimate.stored_flops);
        Decision {
            label,
            n,
            kappa: set("kappa").or(measured),
            kappa_estimate: estimate.kappa(),
            ln_kappa_estimate: estimate.ln_kappa,
            d,
            eps,
            quantum: quantum.model,
            classical: classical.model,
            quantum_seconds: quantum.seconds,
            quantum_seconds_estimated: expected.seconds,
            classical_seconds: classical.seconds,
            choice,
            why,
            estimate_seconds: self.pricing.work(dense, stored),
            sparsity_seconds: self.pricing.work(0.0, (n as f64).powi(2)),
            estimator: format!("{}: {}", estimate.estimator, estimate.why),
        }
    }
}

fn beyond(estimate: &KappaEstimate) -> String {
    match estimate.ln_kappa {
        Some(ln) => format!("κ is estimated at 10^{:.0}, beyond any number", ln / std::f64::consts::LN_10),
        None => format!("κ is not known: {}", estimate.why),
    }
}

/// The cheaper side by the estimated price; a solve without a quantum price goes classical.
fn choose(expected: &Price, classical: &Price, real: &Price) -> (Choice, String) {
    match (expected.seconds, classical.seconds) {
        // What cannot be priced at the true κ cannot be run either.
        (Some(_), _) if real.seconds.is_none() => {
            (Choice::Classical, format!("outside the domain of {}: {}", real.model, real.why))
        }
        (Some(q), Some(c)) if q < c => (
            Choice::Quantum,
            format!("{} {} s < {} {} s, by {}", expected.model, short(q), classical.model, short(c), factor(c / q)),
        ),
        (Some(q), Some(c)) => (
            Choice::Classical,
            format!("{} {} s < {} {} s, by {}", classical.model, short(c), expected.model, short(q), factor(q / c)),
        ),
        (Some(_), None) => {
            (Choice::Quantum, format!("the classical side has no price: {}: {}", classical.model, classical.why))
        }
        (None, _) if expected.why.starts_with('κ') => (Choice::Classical, expected.why.clone()),
        (None, _) => (Choice::Classical, format!("outside the domain of {}: {}", expected.model, expected.why)),
    }
}

fn factor(x: f64) -> String {
    if x < 10.0 { format!("a factor {x:.2}") } else { format!("a factor {}", short(x.round())) }
}

/// The variables of a matrix that nobody has measured: counts, and sizes relative to the estimated ‖A‖₂; κ is the
/// estimate.
pub fn describe(a: MatRef<'_, f64>, found: &KappaEstimate, eps: f64) -> Point {
    let n = a.nrows();
    let (d, nonzeros) = kept(a, &[ZERO]).first().map_or((n, n as u64 * n as u64), |k| (k.d.max(1), k.nonzeros));
    let mut point = Point::of([("n", n as f64), ("d", d as f64), ("nnz", nonzeros as f64), ("eps", eps)]);
    match found.kappa() {
        Some(kappa) => point.set("kappa", Spread::exact(kappa)),
        None => point.without("kappa", &beyond(found)),
    }
    let (max, norm) = (max_abs(a), frobenius(a));
    if let Some(sigma) = found.sigma_max.filter(|s| *s > 0.0) {
        point.set("a_max", Spread::exact((max / sigma).min(1.0)));
        point.set("frobenius", Spread::exact((norm / sigma).clamp(1.0, (n as f64).sqrt().max(1.0))));
        point.set("alpha", Spread::exact(subnormalization(d, max, norm, sigma).relative));
    }
    if let Some(definite) = found.definite {
        point.set("definite", Spread::exact(f64::from(u8::from(definite))));
    }
    point.without("rank", "this curvature is not low-rank plus lambda*I by construction");
    point.without("hvp_flops", "no program gives Hessian-vector products of this matrix");
    point
}
