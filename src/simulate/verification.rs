//! The stage's one public function: runs the circuit behind a model id on one system and judges the claim.

use super::instance::Instance;
use super::oracle::Counts;
use super::row::{Level, Options, SimulationRow};
use super::solvers;
use crate::error::{Error, Result};
use faer::MatRef;

/// What running a model's circuit gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Calls of the circuit that was run.
    pub counts: Counts,
    /// The same in the model's unit.
    pub queries: u64,
    /// Error reached.
    pub error: f64,
    /// Success probability of the flag.
    pub probability: f64,
    /// Fewest queries that reach the target.
    pub needed: Option<u64>,
    /// `queries` or `sparse_queries`.
    pub unit: &'static str,
    /// The kept, normalised state in the eigenbasis, for comparing levels.
    pub state: Vec<f64>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// Runs the circuit of the model `model_id` on A x = b and compares it with what was claimed.
///
/// `matrix` is dense and symmetric, `rhs` has its length, `eps` is the 2-norm error of the normalised solution state
/// that is asked for. `claim` runs with that many queries instead of the model's own choice; `predicted` is the
/// model's formula at this instance, worked out by the caller (costs are another stage's). The row's `passed` says
/// whether the error reached is at most `eps`.
///
/// # Errors
/// Usage for an unknown model, one that names no algorithm, an ε outside (0, 1), an α below ‖A‖; input for a matrix
/// that is not square, finite, symmetric and regular, for a zero right-hand side, for a κ outside the model's domain;
/// resource where the run would exceed the caps ("not verifiable").
#[allow(clippy::too_many_arguments)]
pub fn verify(
    model_id: &str,
    matrix: MatRef<'_, f64>,
    rhs: &[f64],
    eps: f64,
    claim: Option<u64>,
    predicted: Option<f64>,
    level: Level,
    options: &Options,
) -> Result<SimulationRow> {
    solvers::known(model_id)?;
    check_eps(eps)?;
    let instance = Instance::new(matrix, rhs, options)?;
    let outcome = solvers::run(model_id, &instance, eps, claim, options)?;
    let _ = level;
    Ok(row(model_id, &instance, eps, predicted, level, options, outcome))
}

fn check_eps(eps: f64) -> Result<()> {
    if eps > 0.0 && eps < 1.0 {
        return Ok(());
    }
    Err(Error::usage("simulate::eps", format!("--eps {eps}"), "ε must lie in (0, 1)", "give a tolerance such as 1e-2"))
}

fn row(
    model_id: &str,
    instance: &Instance,
    eps: f64,
    predicted: Option<f64>,
    level: Level,
    options: &Options,
    outcome: Outcome,
) -> SimulationRow {
    let predicted = predicted.filter(|p| p.is_finite());
    let finite = |x: f64| x.is_finite().then_some(x);
    let calibration = match (outcome.needed, predicted) {
        (Some(needed), Some(predicted)) if predicted > 0.0 => finite(needed as f64 / predicted),
        _ => None,
    };
    SimulationRow {
        model: model_id.to_owned(),
        level: level.to_string(),
        n: instance.n,
        kappa: instance.kappa(),
        alpha: instance.alpha,
        rhs: options.rhs.clone(),
        queries_counted: outcome.queries,
        queries_predicted: predicted,
        queries_needed: outcome.needed,
        error_target: eps,
        error_reached: finite(outcome.error),
        success_probability: finite(outcome.probability),
        passed: outcome.error <= eps,
        unit: outcome.unit.to_owned(),
        calibration,
        calls: outcome.counts,
        largest_error_rate: None,
        notes: outcome.notes,
    }
}
