//! The stage's one public function: runs the circuit behind a model id on one system and judges the claim.

use super::instance::Instance;
use super::levels;
use super::noise::Clean;
use super::oracle::Counts;
use super::refinement::refine;
use super::row::{Level, Options, SimulationRow};
use super::solvers::{self, Ask, Circuit};
use crate::error::{Error, Result};
use faer::MatRef;

/// What running a model's circuit gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Calls of the circuit that was run.
    pub counts: Counts,
    /// The same in the model's unit.
    pub queries: u64,
    /// Queries of one coherent attempt.
    pub depth: u64,
    /// Error reached.
    pub error: f64,
    /// Success probability of the flag.
    pub probability: f64,
    /// Fewest queries that reach the target.
    pub needed: Option<u64>,
    /// `queries` or `sparse_queries`.
    pub unit: &'static str,
    /// The kept amplitudes in the eigenbasis, for comparing levels.
    pub state: Vec<f64>,
    /// The circuit, for running it at another level.
    pub circuit: Circuit,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// Runs the circuit of the model `model_id` on A x = b and compares it with what was claimed.
///
/// `matrix` is dense and symmetric, `rhs` has its length, `eps` is the 2-norm error of the normalised solution state
/// that is asked for. `claim` runs with that many queries instead of the model's own choice; `predicted` is the
/// model's formula at this instance, worked out by the caller (costs are another stage's). The row's `passed` says
/// whether the error reached, with the noise of `options`, is at most `eps`.
///
/// # Errors
/// Usage for an unknown model, one that names no algorithm, a level it is not built at, an ε outside (0, 1), an α
/// below ‖A‖; input for a matrix that is not square, finite, symmetric and regular, for a zero right-hand side, for a
/// κ outside the model's domain; resource where the run would exceed the caps ("not verifiable"); certificate when two
/// levels disagree.
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
    check_ask(model_id, eps, level, options)?;
    levels::check_size(level, matrix.nrows())?;
    let instance = Instance::new(matrix, rhs, options)?;
    verify_built(model_id, Some(matrix), &instance, eps, claim, predicted, level, options)
}

/// [`verify`] for an instance that was built before. Without a `matrix` (a system known by its spectrum or its Lanczos
/// measure) only level 1 can be run.
///
/// # Errors
/// As [`verify`].
#[allow(clippy::too_many_arguments)]
pub fn verify_built(
    model_id: &str,
    matrix: Option<MatRef<'_, f64>>,
    instance: &Instance,
    eps: f64,
    claim: Option<u64>,
    predicted: Option<f64>,
    level: Level,
    options: &Options,
) -> Result<SimulationRow> {
    check_ask(model_id, eps, level, options)?;
    levels::check_size(level, instance.n)?;
    let mut outcome = at_level_one(model_id, instance, eps, claim, level, options)?;
    if level != Level::L1 && outcome.queries > 0 {
        let Some(matrix) = matrix else {
            return Err(Error::usage("simulate::level", level, "without the matrix only level L1 can be run", ""));
        };
        deepen(&mut outcome, level, matrix, instance, options)?;
    }
    Ok(row(model_id, instance, eps, predicted, level, options, outcome))
}

fn check_ask(model_id: &str, eps: f64, level: Level, options: &Options) -> Result<()> {
    solvers::known(model_id, level)?;
    let unit = |x: f64| x > 0.0 && x < 1.0;
    if !unit(eps) {
        return Err(Error::usage(
            "simulate::eps",
            format!("--eps {eps}"),
            "ε must lie in (0, 1)",
            "give a tolerance such as 1e-2",
        ));
    }
    if options.refine.is_some_and(|inner| !unit(inner)) {
        return Err(Error::usage("simulate::refine", "--refine", "the inner ε must lie in (0, 1)", "try 1e-2"));
    }
    if options.refine.is_some() && level != Level::L1 {
        return Err(Error::usage("simulate::refine", format!("--refine at {level}"), "refinement runs at L1", ""));
    }
    if !(0.0..1.0).contains(&options.error_rate) {
        return Err(Error::usage(
            "simulate::error_rate",
            format!("{}", options.error_rate),
            "an error rate lies in [0, 1)",
            "try 1e-9",
        ));
    }
    if !unit(options.headroom) {
        return Err(Error::usage("simulate::headroom", "headroom", "it must lie in (0, 1)", "try 0.99"));
    }
    Ok(())
}

fn at_level_one(
    model_id: &str,
    instance: &Instance,
    eps: f64,
    claim: Option<u64>,
    level: Level,
    options: &Options,
) -> Result<Outcome> {
    // Phases exist only below |P| = 1, so at L3 the polynomial is scaled, and compared with the same scaling.
    let scale = if level == Level::L3 { options.headroom } else { 1.0 };
    let ask = Ask { eps, claim, scale, search: true, options };
    match options.refine {
        Some(inner) => refine(model_id, instance, ask, inner),
        None => solvers::run(model_id, instance, ask),
    }
}

/// Runs the outcome's circuit at a deeper level, compares, and keeps the deeper level's state and error.
fn deepen(
    outcome: &mut Outcome,
    level: Level,
    matrix: MatRef<'_, f64>,
    instance: &Instance,
    options: &Options,
) -> Result<()> {
    let replay = levels::replay(level, &outcome.circuit, matrix, instance, options)?;
    let difference = replay.state.iter().zip(&outcome.state).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let allowed = levels::tolerance(outcome.depth, replay.residual);
    outcome.error = replay.error(instance);
    outcome.notes.extend(replay.notes);
    if replay.comparable {
        if difference.is_nan() || difference > allowed {
            return Err(Error::certificate(
                "simulate::levels",
                format!("{level}, N = {}", instance.n),
                format!("the state differs from level 1 by {difference:.1e} (allowed {allowed:.1e})"),
                "this is a defect of the simulator; report it with the matrix",
            ));
        }
        outcome.notes.push(format!("agrees with level 1 to {difference:.1e} (allowed {allowed:.1e})"));
    } else {
        outcome.notes.push(format!("differs from level 1's dilation by {difference:.1e}"));
    }
    let repeated = matches!(outcome.circuit, Circuit::Walk { .. });
    if !repeated && replay.counts.queries() != outcome.counts.queries() {
        return Err(Error::certificate(
            "simulate::levels",
            format!("{level}, N = {}", instance.n),
            format!("{} calls were counted, level 1 counted {}", replay.counts.queries(), outcome.counts.queries()),
            "this is a defect of the simulator; report it with the matrix",
        ));
    }
    if !repeated {
        outcome.counts = replay.counts;
    }
    outcome.counts.ancillas = outcome.counts.ancillas.max(replay.counts.ancillas);
    outcome.state = replay.state;
    Ok(())
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
    let optimistic = outcome.needed.zip(predicted).filter(|(needed, predicted)| *needed as f64 > *predicted + 1.0);
    let clean = Clean {
        error: outcome.error,
        probability: outcome.probability,
        depth: outcome.depth,
        n: instance.n,
        ancillas: outcome.counts.ancillas,
    };
    let (mut error, mut probability, mut notes) = (outcome.error, outcome.probability, outcome.notes);
    if let Some((needed, predicted)) = optimistic {
        notes.push(format!(
            "the formula is optimistic here: the fewest found are {needed}, {:.0} % above it",
            100.0 * (needed as f64 / predicted - 1.0)
        ));
    }
    if options.error_rate > 0.0 {
        let noisy = clean.with_noise(options.error_rate);
        notes.push(format!(
            "depolarising probability {:e} per query over {} queries: error {:.3e} → {:.3e}",
            options.error_rate, clean.depth, error, noisy.error
        ));
        (error, probability) = (noisy.error, noisy.probability);
    }
    match instance.spectrum {
        super::Spectrum::Lanczos { of, nodes } => {
            notes.push(format!("Lanczos measure of {nodes} nodes in place of {of} eigenvalues"));
            if outcome.depth > 2 * nodes as u64 && !notes.iter().any(|n| n.contains("aliases")) {
                notes.push(format!(
                    "polynomials of degree above {} alias there: error and fewest queries are those of the measure",
                    2 * nodes
                ));
            }
        }
        super::Spectrum::Joined { of } if instance.nodes.len() < of => {
            notes.push(format!("{} nodes: equal eigenvalues of {of} joined", instance.nodes.len()));
        }
        _ => {}
    }
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
        error_reached: finite(error),
        success_probability: finite(probability),
        passed: error <= eps,
        unit: outcome.unit.to_owned(),
        calibration,
        calls: outcome.counts,
        largest_error_rate: clean.largest_rate(eps),
        notes,
    }
}
