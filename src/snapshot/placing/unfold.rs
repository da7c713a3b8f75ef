//! BatchNormalizations that an exporter merged into the weights before them, taken apart again.
//!
//! With s = γ/√(σ² + ε) both exporters store W·s and (b − μ)·s + β in place of W and b. Which tensors these are is
//! certain in two ways only: the newer exporter notes the call that it merged, with the names of all four and ε; for
//! the older one, some snapshot of the folder must reproduce both stored values to single precision, with one
//! normalisation and one usual ε alone. The graph then gets its BatchNormalization back, fed by the tensors' names.

use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode};
use crate::snapshot::placing::Others;
use crate::snapshot::placing::names::{Prefix, same_extents};
use crate::snapshot::placing::trace::{Placeholder, folded_for, module_paths, traced_call};
use std::collections::{HashMap, HashSet};

type Tensors = [(String, Array)];

/// Values of ε that frameworks use.
const EPSILONS: [f64; 6] = [1e-5, 1e-3, 1e-6, 1e-4, 1e-2, 1e-8];

/// What was merged at one node, by names of the snapshot.
struct Merged {
    weight: String,
    bias: Option<String>,
    /// γ, β, μ, σ².
    statistics: [String; 4],
    epsilon: f64,
    /// Values that reproduce what is stored, where a snapshot has them.
    reference: Option<usize>,
}

/// Undoes the merging for the tensors of the `chosen` snapshots.
///
/// # Errors
/// When a normalisation in training mode was merged, or the other snapshots, read only if something was merged, cannot
/// be read.
pub(super) fn unfold(
    model: &mut OnnxModel,
    chosen: &[&Tensors],
    prefix: &Prefix,
    signature: &HashMap<String, Placeholder>,
    others: &mut Others<'_>,
    place: &str,
) -> Result<()> {
    let Some(&snapshot) = chosen.first() else { return Ok(()) };
    if !snapshot.iter().any(|(name, _)| name.ends_with(".running_var")) {
        return Ok(());
    }
    let suspects: Vec<usize> = (0..model.nodes.len()).filter(|&i| is_suspect(&model.nodes[i])).collect();
    if suspects.is_empty() {
        return Ok(());
    }
    if let Some(&index) = suspects.iter().find(|&&i| is_in_training(&model.nodes[i])) {
        let node = &model.nodes[index];
        return Err(Error::input(
            "placing::training",
            format!("{place}: node {index} '{}' ({})", node.name, node.op_type),
            "a BatchNormalization in training mode was merged into it: batch statistics couple the samples",
            "call model.eval() before the export",
        ));
    }
    let read = others()?;
    let all: Vec<&Tensors> = chosen.iter().copied().chain(read.iter().map(Vec::as_slice)).collect();
    // from the last node, so that the indices stay right
    for index in suspects.into_iter().rev() {
        let traced = by_trace(model, index, snapshot, prefix, signature, &all);
        if let Some(merged) = traced.or_else(|| by_value(model, index, prefix, &all)) {
            restore(model, index, &merged, merged.reference.map_or(snapshot, |r| all[r]), prefix);
        }
    }
    Ok(())
}

/// A node whose weight and bias may hold a normalisation.
fn is_suspect(node: &OnnxNode) -> bool {
    let noted = node.metadata.iter().any(|(k, v)| k.ends_with("rule_name") && v.contains("FuseBatchNormInto"));
    let folded = |i: usize| node.inputs.get(i).is_some_and(|name| folded_for(name) == Some("Conv"));
    node.inputs.len() == 3
        && match node.op_type.as_str() {
            "Conv" => noted || folded(1) && folded(2),
            "Gemm" => noted,
            _ => false,
        }
}

/// Whether the merged call normalised by the statistics of the batch.
fn is_in_training(node: &OnnxNode) -> bool {
    let Some(call) = traced_call(node) else { return false };
    // (x, γ, β, μ, σ², training, momentum, ε)
    let training = call.arguments.get(5) == Some(&"True");
    match call.operator.strip_prefix("aten.").unwrap_or(call.operator).split('.').next() {
        Some(base) => base.contains("batch_norm") && !base.ends_with("no_training") && training,
        None => false,
    }
}

/// What the newer exporter notes of a merged call.
fn by_trace(
    model: &OnnxModel,
    index: usize,
    snapshot: &Tensors,
    prefix: &Prefix,
    signature: &HashMap<String, Placeholder>,
    all: &[&Tensors],
) -> Option<Merged> {
    let node = &model.nodes[index];
    let call = traced_call(node)?;
    let base = call.operator.strip_prefix("aten.").unwrap_or(call.operator).split('.').next()?;
    let epsilon = match base {
        "_native_batch_norm_legit_no_training" => call.arguments.get(6)?,
        "batch_norm" | "native_batch_norm" => call.arguments.get(7)?,
        _ => return None,
    };
    let epsilon: f64 = epsilon.parse().ok()?;
    let named = |target: &str| snapshot.iter().find(|(n, _)| prefix.apply(n) == target).map(|(n, _)| n.clone());
    let at = |i: usize| named(&signature.get(call.arguments.get(i)?.strip_prefix('%')?)?.target);
    let statistics = [at(1)?, at(2)?, at(3)?, at(4)?];
    let weight = named(&node.inputs[1])?;
    let bias = sibling(snapshot, &weight);
    let mut merged = Merged { weight, bias, statistics, epsilon, reference: None };
    merged.reference = all.iter().position(|s| reproduces(model, index, s, &merged));
    (epsilon.is_finite() && epsilon >= 0.0).then_some(merged)
}

/// The one normalisation and ε by which a snapshot reproduces the stored values.
fn by_value(model: &OnnxModel, index: usize, prefix: &Prefix, all: &[&Tensors]) -> Option<Merged> {
    let paths = module_paths(&model.nodes[index]);
    let mut found: Option<Merged> = None;
    for (reference, tensors) in all.iter().enumerate() {
        let wanted = |name: &str| paths.iter().any(|p| prefix.apply(name) == format!("{p}.weight"));
        for (weight, _) in tensors.iter().filter(|(n, _)| wanted(n)) {
            for module in tensors.iter().filter_map(|(n, _)| n.strip_suffix("running_var")) {
                for epsilon in EPSILONS {
                    let statistics =
                        ["weight", "bias", "running_mean", "running_var"].map(|leaf| format!("{module}{leaf}"));
                    let bias = sibling(tensors, weight);
                    let one = Merged { weight: weight.clone(), bias, statistics, epsilon, reference: Some(reference) };
                    if !reproduces(model, index, tensors, &one) {
                        continue;
                    }
                    match &found {
                        Some(known) if known.statistics != one.statistics || known.epsilon != one.epsilon => {
                            return None;
                        }
                        Some(_) => {}
                        None => found = Some(one),
                    }
                }
            }
        }
    }
    found
}

/// The bias of the module that has this weight.
fn sibling(tensors: &Tensors, weight: &str) -> Option<String> {
    let bias = format!("{}bias", weight.strip_suffix("weight")?);
    tensors.iter().any(|(n, _)| *n == bias).then_some(bias)
}

fn floats<'a>(tensors: &'a Tensors, name: &str) -> Option<(&'a [usize], &'a [f64])> {
    let (_, array) = tensors.iter().find(|(n, _)| n == name)?;
    Some((&array.shape, array.floats()?))
}

/// Whether W·s and (b − μ)·s + β are what the node has, to a few roundings of single precision.
fn reproduces(model: &OnnxModel, index: usize, tensors: &Tensors, merged: &Merged) -> bool {
    let check = || {
        let stored = |i: usize| {
            let (_, array) = model.initializers.iter().find(|(n, _)| *n == model.nodes[index].inputs[i])?;
            Some((array.shape.as_slice(), array.floats()?))
        };
        let ((shape, weight), (_, bias)) = (stored(1)?, stored(2)?);
        let (own_shape, own) = floats(tensors, &merged.weight)?;
        let [gain, shift, mean, variance] = &merged.statistics;
        let channels = bias.len();
        let of = |name: &String| floats(tensors, name).map(|(_, v)| v).filter(|v| v.len() == channels);
        let (gain, shift, mean, variance) = (of(gain)?, of(shift)?, of(mean)?, of(variance)?);
        if channels == 0 || shape.first() != Some(&channels) || !same_extents(shape, own_shape) {
            return None;
        }
        let own_bias = match &merged.bias {
            Some(name) => of(name)?.to_vec(),
            None => vec![0.0; channels],
        };
        const ROUNDING: f64 = 8.0 / (1u64 << 24) as f64;
        let each = weight.len() / channels;
        let fits = (0..channels).all(|c| {
            let s = gain[c] / (variance[c] + merged.epsilon).sqrt();
            let product = (own_bias[c] - mean[c]) * s;
            let size = own_bias[c].abs().max(mean[c].abs()) * s.abs() + shift[c].abs();
            let weights =
                (c * each..(c + 1) * each).all(|i| (weight[i] - own[i] * s).abs() <= ROUNDING * (own[i] * s).abs());
            weights && (bias[c] - (product + shift[c])).abs() <= ROUNDING * size
        });
        Some(fits)
    };
    check().unwrap_or(false)
}

/// Puts the BatchNormalization back behind the node, both fed by initializers with the tensors' names.
fn restore(model: &mut OnnxModel, index: usize, merged: &Merged, values: &Tensors, prefix: &Prefix) {
    let node = &model.nodes[index];
    let (weight, bias) = (node.inputs[1].clone(), node.inputs[2].clone());
    let used = |name: &str| model.nodes.iter().flat_map(|n| &n.inputs).filter(|i| *i == name).count();
    let names: Vec<String> = std::iter::once(&merged.weight)
        .chain(merged.bias.as_ref())
        .chain(&merged.statistics)
        .map(|n| prefix.apply(n))
        .collect();
    let taken: HashSet<&str> =
        model.initializers.iter().map(|(n, _)| n.as_str()).filter(|n| *n != weight && *n != bias).collect();
    let Some(output) = node.outputs.first().cloned() else { return };
    if used(&weight) != 1 || used(&bias) != 1 || names.iter().any(|n| taken.contains(n.as_str())) {
        return;
    }
    let array = |name: &str| values.iter().find(|(n, _)| n == name).map(|(_, a)| a.clone());
    let mut made = Vec::new();
    for (name, tensor) in
        names.iter().zip(std::iter::once(&merged.weight).chain(merged.bias.as_ref()).chain(&merged.statistics))
    {
        let Some(mut array) = array(tensor) else { return };
        if *tensor == merged.weight {
            // the weight keeps the extents it has in the graph
            let stored = model.initializers.iter().find(|(n, _)| *n == weight).map(|(_, a)| a.shape.clone());
            match stored {
                Some(shape) if same_extents(&shape, &array.shape) => array.shape = shape,
                _ => return,
            }
        }
        made.push((name.clone(), array));
    }
    model.initializers.retain(|(n, _)| *n != weight && *n != bias);
    model.initializers.extend(made);
    let inner = format!("{output} before {}", names[names.len() - 4]);
    let first = names.len() - 4;
    let mut inputs = vec![inner.clone()];
    inputs.extend(names[first..].iter().cloned());
    let normalised = OnnxNode {
        name: format!("{} (BatchNormalization)", model.nodes[index].name),
        op_type: "BatchNormalization".into(),
        domain: String::new(),
        inputs,
        outputs: vec![output],
        attributes: vec![("epsilon".into(), Attribute::Float(merged.epsilon as f32))],
        metadata: Vec::new(),
    };
    let node = &mut model.nodes[index];
    node.inputs.truncate(1);
    node.inputs.extend(names[..first].iter().cloned());
    node.outputs[0] = inner;
    // its metadata speaks of the merged call
    node.metadata.clear();
    model.nodes.insert(index + 1, normalised);
}
