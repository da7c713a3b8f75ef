//! Random parts of the batch: the same network over fewer samples, for the bars of `--subsample`.

use super::plan::Plan;
use crate::curvature::Network;
use crate::error::{Error, Result};
use crate::measure::confidence;
use crate::snapshot::RunInput;
use crate::snapshot::array::{Array, Values};
use std::sync::Arc;

/// The network over each random part of the batch, in the plan's order; empty unless the plan asks for parts.
///
/// # Errors
/// A batch of one sample; a graph that was exported for one size of batch alone.
pub fn networks(plan: &Plan, run: &RunInput) -> Result<Vec<Arc<Network>>> {
    let Some(asked) = plan.subsample else { return Ok(Vec::new()) };
    let samples = run.batch.samples;
    if samples < 2 {
        return Err(Error::usage(
            "pipeline::subsample",
            "--subsample",
            format!("the batch of {} has {samples} sample", run.name),
            "give a batch of several samples, or leave --subsample out",
        ));
    }
    let params: Vec<_> = run.parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
    let fixed = |name: &str| {
        let declared = run.model.inputs.iter().find(|i| i.name == name).and_then(|i| i.shape.as_ref());
        declared.and_then(|s| s.first().copied().flatten()).is_some()
    };
    let mut networks = Vec::new();
    for rows in confidence::parts(samples, asked.count, asked.fraction, plan.seed) {
        let arrays = run.batch.inputs.iter().chain(run.batch.target.iter());
        // An input without a batch axis (positions, masks) stays whole: its leading extent is fixed in the graph.
        let whole = run.batch.inputs.iter().any(|(name, _)| !fixed(name));
        let part: Vec<(String, Array)> = arrays
            .map(|(name, array)| {
                let keep = array.shape.first() != Some(&samples) || (whole && fixed(name));
                (name.clone(), if keep { array.clone() } else { select(array, &rows) })
            })
            .collect();
        let network = Network::new(&run.model, &run.bindings, &params, &part, &run.loss).map_err(|e| Error {
            what: format!("on {} of {samples} samples: {}", rows.len(), e.what),
            remedy: "--subsample needs a graph with a dynamic batch axis (torch.onnx.export(…, dynamic_axes=…)) and \
                     a loss that some sample of every part counts in"
                .into(),
            ..e
        })?;
        networks.push(Arc::new(network));
    }
    Ok(networks)
}

/// The chosen entries of the first axis.
fn select(array: &Array, rows: &[usize]) -> Array {
    let width: usize = array.shape.iter().skip(1).product();
    fn pick<T: Copy>(values: &[T], rows: &[usize], width: usize) -> Vec<T> {
        rows.iter().flat_map(|r| values.iter().skip(r * width).take(width)).copied().collect()
    }
    let values = match &array.values {
        Values::Float(v) => Values::Float(pick(v, rows, width)),
        Values::Int(v) => Values::Int(pick(v, rows, width)),
        Values::Bool(v) => Values::Bool(pick(v, rows, width)),
    };
    let mut shape = array.shape.clone();
    if let Some(first) = shape.first_mut() {
        *first = rows.len();
    }
    Array { shape, values, ..array.clone() }
}
