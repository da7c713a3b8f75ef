//! What a whole training run costs under each policy.

use serde::{Deserialize, Serialize};

use super::pricing::{Pricing, Subject};
use super::scheduler::{Choice, Decision};
use crate::error::Result;

/// The paper's threshold: a solve with κ above it is sent to the classical solver.
pub const KAPPA_LIMIT: f64 = 1e4;

/// The modelled time of a training run under one policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PolicyRow {
    /// `sgd`, `adam`, `all-classical`, `all-quantum`, `q-newton`, `q-newton-kappa`, `oracle`, `cg-hvp`, `woodbury`.
    pub id: String,
    /// Seconds of the solves alone (of the gradients, for `sgd` and `adam`); `null` where one of them has no price.
    pub seconds: Option<f64>,
    /// Seconds of estimating and scheduling.
    pub overhead_seconds: Option<f64>,
    /// Updates.
    pub steps: Option<u64>,
    /// Loss after them.
    pub final_loss: Option<f64>,
    /// What it does, or why it has no time.
    pub why: String,
}

/// A solve with what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Solve<'a> {
    /// The scheduler's decision.
    pub decision: &'a Decision,
    /// The system.
    pub subject: Subject<'a>,
}

/// The loss after the run, and its steps: the same for every policy that solves the same systems.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Run {
    /// Updates.
    pub steps: u64,
    /// Loss after them.
    pub final_loss: Option<f64>,
}

/// The policies that solve systems, in the contract's order.
///
/// # Errors
/// When the catalogue lacks `cg-hvp`, `woodbury` or `ldlt`.
pub fn policies(solves: &[Solve<'_>], run: Run, pricing: &Pricing<'_>) -> Result<Vec<PolicyRow>> {
    let sum = |id: &str, why: &str, overhead: f64, price: &dyn Fn(&Solve<'_>) -> (Option<f64>, String)| {
        let mut seconds = Some(0.0);
        let mut reason = why.to_string();
        for solve in solves {
            let (one, missing) = price(solve);
            if one.is_none() && seconds.is_some() {
                let label = &solve.decision.label;
                let step = label.step.map_or(String::new(), |s| format!("step {s}, "));
                reason = format!("no price for {step}{}: {missing}", label.block);
            }
            seconds = seconds.zip(one).map(|(a, b)| a + b);
        }
        PolicyRow {
            id: id.into(),
            seconds,
            overhead_seconds: seconds.map(|_| overhead),
            steps: Some(run.steps),
            final_loss: run.final_loss,
            why: reason,
        }
    };
    let classical =
        |s: &Solve<'_>| (s.decision.classical_seconds, "the classical model has no value there".to_string());
    let quantum = |s: &Solve<'_>| (s.decision.quantum_seconds, why_not(s, pricing));
    let estimates: f64 = solves.iter().map(|s| s.decision.estimate_seconds).sum();
    let overhead: f64 = solves.iter().map(|s| s.decision.overhead_seconds()).sum();
    let mut rows = vec![
        sum("all-classical", "every solve goes to the classical model", 0.0, &classical),
        sum("all-quantum", "every solve goes to the quantum model", 0.0, &quantum),
        sum("q-newton", "the cheaper side by the estimated prices", overhead, &|s| {
            (s.decision.seconds(), "neither side has a price".to_string())
        }),
        sum(
            "q-newton-kappa",
            "the paper's rule: quantum up to an estimated κ of 1e4, else classical",
            estimates,
            &|s| {
                let small = s.decision.kappa_estimate.is_some_and(|k| k <= KAPPA_LIMIT);
                match s.decision.quantum_seconds.filter(|_| small) {
                    Some(seconds) => (Some(seconds), String::new()),
                    None => classical(s),
                }
            },
        ),
        sum("oracle", "the cheaper side by the true prices, known for nothing", 0.0, &|s| {
            (cheaper(s.decision.quantum_seconds, s.decision.classical_seconds), "neither side has a price".to_string())
        }),
    ];
    for (id, why) in [
        ("cg-hvp", "CG or MINRES with Hessian-vector products: iterations of real runs, else the bound"),
        ("woodbury", "the low-rank form where a block has one, LDLᵀ for blocks smaller than their rank"),
    ] {
        let mut prices = Vec::with_capacity(solves.len());
        for solve in solves {
            prices.push(pricing.by_id(id, solve.subject)?);
        }
        if id == "woodbury" && prices.iter().any(|p| p.seconds.is_some()) {
            for (price, solve) in prices.iter_mut().zip(solves).filter(|(p, _)| p.seconds.is_none()) {
                *price = pricing.by_id("ldlt", solve.subject)?;
            }
        }
        let mut at = prices.iter();
        let row = std::cell::RefCell::new(&mut at);
        rows.push(sum(id, why, 0.0, &|_| match row.borrow_mut().next() {
            Some(price) => (price.seconds, price.why.clone()),
            None => (None, String::new()),
        }));
    }
    Ok(rows)
}

fn why_not(solve: &Solve<'_>, pricing: &Pricing<'_>) -> String {
    pricing.quantum(solve.subject, None).why
}

fn cheaper(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// How many of the choices are quantum.
pub fn quantum_share(decisions: &[Decision]) -> f64 {
    let quantum = decisions.iter().filter(|d| d.choice == Choice::Quantum).count();
    quantum as f64 / decisions.len().max(1) as f64
}
