//! SGD and Adam to the same loss: updates from a run's own series, or trained for, times the price of a gradient.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::opened::open;
use super::plan::{Plan, Precision};
use super::progress::Progress;
use super::scheduling::is_first_order;
use crate::curvature::{Network, Prepared};
use crate::error::Result;
use crate::parallel::Threads;
use crate::schedule::{PolicyRow, Pricing};
use crate::snapshot::{Input, RunInput};
use crate::train::{Config, Optimizer, Problem, Trainer, Unobserved};

/// The first-order rules.
pub const FIRST_ORDER: [&str; 2] = ["sgd", "adam"];
/// Learning rates that are tried where a rule is trained for; the one with the fewest updates counts.
const RATES: [[f64; 3]; 2] = [[0.03, 0.1, 0.3], [1e-3, 5e-3, 2e-2]];
/// Work that training for a missing series may take, in flops per learning rate, and its most and least updates.
const BUDGET: f64 = 2e10;
const UPDATES: [f64; 2] = [50.0, 2000.0];

/// Arithmetic of an update beside the gradient, per parameter: θ ← θ − ηg, and Adam's two moments.
fn arithmetic(id: &str) -> f64 {
    if id == "adam" { 14.0 } else { 2.0 }
}

/// A first-order rule trained to a loss.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FirstOrder {
    /// `sgd` or `adam`.
    pub id: String,
    /// Learning rate.
    pub rate: f64,
    /// Updates until the loss was reached.
    pub updates: Option<u64>,
    /// The lowest loss; absent where not even the start has one.
    pub loss: Option<f64>,
    /// Updates until the loss was at most 1, 0.1, …, as far as it came.
    #[serde(default)]
    pub decades: Vec<(f64, u64)>,
}

/// Writes down the first update at which a loss lies below each power of ten.
#[derive(Debug, Default)]
pub struct Decades(pub Vec<(f64, u64)>);

impl Decades {
    /// The loss after `step` updates.
    pub fn reach(&mut self, step: u64, loss: f64) {
        while self.0.len() < 20 {
            let next = 10f64.powi(-(self.0.len() as i32));
            if loss.is_nan() || loss > next {
                break;
            }
            self.0.push((next, step));
        }
    }
}

/// Trains a rule with every learning rate until the loss is at most `target`, and keeps the quickest (or, where none
/// gets there in `most` updates, the one that comes nearest).
///
/// # Errors
/// A problem that cannot be trained.
pub fn fastest(problem: &Problem, id: &str, target: f64, most: u64, threads: &Threads) -> Result<FirstOrder> {
    let mut best: Option<FirstOrder> = None;
    let rates = if id == "adam" { RATES[1] } else { RATES[0] };
    for rate in rates {
        let cap = best.as_ref().and_then(|b| b.updates).unwrap_or(most);
        let found = to_loss(problem, id, rate, target, cap, threads)?;
        let better = best.as_ref().is_none_or(|b| match (found.updates, b.updates) {
            (Some(a), Some(b)) => a < b,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => found.loss.unwrap_or(f64::INFINITY) < b.loss.unwrap_or(f64::INFINITY),
        });
        if better {
            best = Some(found);
        }
    }
    Ok(best.unwrap_or_default())
}

fn to_loss(problem: &Problem, id: &str, rate: f64, target: f64, cap: u64, threads: &Threads) -> Result<FirstOrder> {
    let optimizer = if id == "adam" { Optimizer::adam(rate) } else { Optimizer::sgd(rate) };
    let mut trainer = Trainer::new(problem.clone(), Config::new(optimizer, cap), threads)?;
    let mut row = FirstOrder { id: id.into(), rate, ..FirstOrder::default() };
    let mut decades = Decades::default();
    for step in 0..=cap {
        // Divergence ends the attempt, not the comparison.
        let Ok(now) = trainer.evaluate() else { break };
        row.loss = Some(row.loss.map_or(now.loss, |l| l.min(now.loss)));
        decades.reach(step, now.loss);
        if now.loss <= target {
            row.updates = Some(step);
            break;
        }
        if step < cap && trainer.advance(&mut Unobserved).is_err() {
            break;
        }
    }
    row.decades = decades.0;
    Ok(row)
}

/// The row of a rule that was trained for.
pub fn trained_row(f: &FirstOrder, gradient_flops: f64, parameters: usize, pricing: &Pricing<'_>) -> PolicyRow {
    let each = pricing.work(gradient_flops + arithmetic(&f.id) * parameters as f64, 0.0);
    let seconds = f.updates.map(|n| n as f64 * each);
    PolicyRow {
        id: f.id.clone(),
        seconds,
        overhead_seconds: seconds.map(|_| 0.0),
        steps: f.updates,
        final_loss: f.loss,
        why: match f.updates {
            Some(n) => format!("trained with learning rate {}: the loss of the schedule after {n} updates", f.rate),
            None => format!("no learning rate tried comes to the loss of the schedule; {} comes nearest", f.rate),
        },
    }
}

/// The rows of `sgd` and `adam`.
///
/// # Errors
/// Whatever opening or evaluating meets.
pub fn first_order(
    plan: &Plan,
    target: Option<f64>,
    pricing: &Pricing<'_>,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Vec<PolicyRow>> {
    let none = |why: &str| {
        FIRST_ORDER.iter().map(|id| PolicyRow { id: (*id).into(), why: why.into(), ..PolicyRow::default() }).collect()
    };
    let Some(target) = target else { return Ok(none("there is no loss to reach")) };
    // Every snapshot counts here, not only those that are scheduled.
    let opened = open(&Plan { snapshots: None, ..plan.clone() })?;
    let [one] = opened.as_slice() else { return Ok(none("several inputs: there is no common loss to reach")) };
    let Input::Run(run) = &one.input else { return Ok(none("a matrix has no loss")) };
    progress.update(1.0, "losses of the first-order series");
    let params: Vec<_> = run.parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
    let batch: Vec<_> = run.batch.inputs.iter().chain(run.batch.target.iter()).cloned().collect();
    let network = Arc::new(Network::new(&run.model, &run.bindings, &params, &batch, &run.loss)?);
    let gradient = network.gradient_flops() as f64;
    let mut rows = Vec::new();
    for id in FIRST_ORDER {
        let losses = losses(run, id, &network, threads)?;
        if losses.is_empty() {
            progress.update(1.0, &format!("the run has no series {id}_*: training for it"));
            let most = (BUDGET / gradient.max(1.0)).clamp(UPDATES[0], UPDATES[1]);
            let found = fastest(&start_of(run)?, id, target, most as u64, threads)?;
            rows.push(trained_row(&found, gradient, network.len(), pricing));
            continue;
        }
        let flops = gradient + arithmetic(id) * network.len() as f64;
        rows.push(row(id, &losses, target, pricing.work(flops, 0.0)));
    }
    Ok(rows)
}

/// The training that a run began with: its graph, batch and loss, from its earliest snapshot.
fn start_of(run: &RunInput) -> Result<Problem> {
    let mut run = run.clone();
    run.snapshots.sort_by_key(|s| s.step.unwrap_or(u64::MAX));
    run.snapshots.truncate(1);
    Problem::of_run(run)
}

/// Step and loss of a series' snapshots, by step.
fn losses(run: &RunInput, id: &str, network: &Arc<Network>, threads: &Threads) -> Result<Vec<(u64, f64)>> {
    let mut losses = Vec::new();
    for snapshot in &run.snapshots {
        let name = snapshot.series.to_ascii_lowercase();
        let (true, Some(step)) = (is_first_order(&name) && name.starts_with(id), snapshot.step) else { continue };
        let prepared = Prepared::new(network.clone(), &snapshot.params, Precision::F64, threads)?;
        losses.push((step, prepared.loss_and_gradient().0));
    }
    losses.sort_by_key(|(step, _)| *step);
    // Adam may share SGD's start, which is then stored once.
    Ok(losses)
}

/// The first snapshot whose loss is at most `target`.
pub fn row(id: &str, losses: &[(u64, f64)], target: f64, seconds_per_step: f64) -> PolicyRow {
    let empty = PolicyRow { id: id.into(), ..PolicyRow::default() };
    let Some((_, lowest)) = losses.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return PolicyRow { why: format!("the run has no series {id}_*"), ..empty };
    };
    let Some(at) = losses.iter().position(|(_, loss)| *loss <= target) else {
        let last = losses.last().map_or(0, |(step, _)| *step);
        let why = format!("its {last} steps come to a loss of {lowest:.4e}, not to {target:.4e}");
        return PolicyRow { why, final_loss: losses.last().map(|(_, loss)| *loss), ..empty };
    };
    let (step, loss) = losses.get(at).copied().unwrap_or_default();
    let before = at.checked_sub(1).and_then(|i| losses.get(i)).map(|(step, _)| *step);
    PolicyRow {
        seconds: Some(step as f64 * seconds_per_step),
        overhead_seconds: Some(0.0),
        steps: Some(step),
        final_loss: Some(loss),
        why: match before {
            Some(before) => format!("the loss of the schedule is reached between steps {before} and {step}"),
            None => format!("the loss of the schedule is reached at step {step}"),
        },
        ..empty
    }
}
