//! SGD and Adam to the same loss: steps from a run's own series, times the price of a gradient.

use std::sync::Arc;

use super::opened::open;
use super::plan::{Plan, Precision};
use super::progress::Progress;
use super::scheduling::is_first_order;
use crate::curvature::{Network, Prepared};
use crate::error::Result;
use crate::parallel::Threads;
use crate::schedule::{PolicyRow, Pricing};
use crate::snapshot::{Input, RunInput};

/// Arithmetic of an update beside the gradient, per parameter: θ ← θ − ηg, and Adam's two moments.
const UPDATE: [(&str, f64); 2] = [("sgd", 2.0), ("adam", 14.0)];

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
        UPDATE.iter().map(|(id, _)| PolicyRow { id: (*id).into(), why: why.into(), ..PolicyRow::default() }).collect()
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
    let mut rows = Vec::new();
    for (id, update) in UPDATE {
        let losses = losses(run, id, &network, threads)?;
        let flops = network.gradient_flops() as f64 + update * network.len() as f64;
        rows.push(row(id, &losses, target, pricing.work(flops, 0.0)));
    }
    Ok(rows)
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
