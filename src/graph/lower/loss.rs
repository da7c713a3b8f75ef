//! The loss on top of the graph's output.
//!
//! | kind | per element or position | normaliser under `mean` |
//! |---|---|---|
//! | cross-entropy | −Σ_c q_c ln softmax(z)_c over the last axis, q = (1 − s)·onehot(y) + s/C | positions whose target is not `ignore_index` |
//! | mse | (z − y)² | elements |
//! | bce with logits | y·softplus(−z) + (1 − y)·softplus(z) | elements |
//! | output | the graph's scalar output | — |
//!
//! A sample is an entry of the first axis of the targets; the contributions of the samples add up to the loss.

use super::value::Value;
use super::{Lowering, Source, TARGETS};
use crate::error::{Error, Result};
use crate::graph::{Func, NodeId};
use crate::snapshot::array::{Array, Values};
use crate::snapshot::loss::{LossKind, Reduction};
use crate::tensor::strides::{MAX_RANK, size};

pub(super) struct Head {
    pub output: NodeId,
    pub loss: NodeId,
    pub samples: Option<NodeId>,
    pub weights: Vec<f64>,
}

/// The losses of the positions and what they are of.
struct Terms {
    /// The output as the loss reads it: the node through which all derivatives go. (A reshape of the graph's output may
    /// be folded with reshapes before it, which would leave the graph's own output beside the path.)
    output: NodeId,
    /// Weighted losses of the positions, \[positions\].
    rows: NodeId,
    /// The weights.
    weights: Vec<f64>,
}

const CODE: &str = "loss::misfit";

/// Appends the loss.
pub(super) fn apply(l: &mut Lowering, source: &Source<'_>) -> Result<Head> {
    let (name, output) = output(l, source)?;
    let place = format!("graph output `{name}`");
    if source.loss.kind == LossKind::Output {
        if l.program.size(output) != 1 {
            return Err(Error::input(
                CODE,
                place,
                format!("has extents {:?}, but the loss `output` takes a scalar", l.program.shape(output)),
                "export a graph that ends in its loss, or name a loss in loss.json",
            ));
        }
        let loss = l.program.reshape(output, &[]);
        return Ok(Head { output, loss, samples: None, weights: Vec::new() });
    }
    let (target_name, target) = target(source)?;
    let shape = l.program.shape(output).to_vec();
    if shape.is_empty() {
        return Err(Error::input(
            CODE,
            place,
            "is a scalar, but the loss takes one output per sample",
            "set \"kind\": \"output\" in loss.json if the graph computes its loss itself",
        ));
    }
    let target_place = format!("batch array `{target_name}`");
    let samples = target.shape.first().copied().unwrap_or(0);
    if samples == 0 || size(&target.shape) == 0 {
        return Err(Error::input("batch::empty", target_place, "the batch is empty", "store at least one sample"));
    }
    let Terms { output, rows, weights } = match source.loss.kind {
        LossKind::CrossEntropy => cross_entropy(l, source, output, target, &place, &target_place)?,
        LossKind::Mse | LossKind::BceWithLogits => elements(l, source, output, target, &place, &target_place)?,
        LossKind::Output => return Err(Error::input(CODE, place, "is no loss", "")),
    };
    // [positions] → [samples, positions per sample] → [samples]
    let count = l.program.size(rows);
    if !count.is_multiple_of(samples) {
        return Err(Error::input(CODE, place, format!("{count} positions do not divide into {samples} samples"), ""));
    }
    let grid = l.program.reshape(rows, &[samples, count / samples]);
    let each = l.program.sum_axis(grid, 1);
    let total = l.program.sum_axis(each, 0);
    let loss = l.program.reshape(total, &[]);
    let samples = l.program.reshape(each, &[samples]);
    Ok(Head { output, loss, samples: Some(samples), weights })
}

/// The only floating-point output of the graph.
fn output<'a>(l: &Lowering, source: &Source<'a>) -> Result<(&'a str, NodeId)> {
    let mut found: Vec<(&str, NodeId)> = Vec::new();
    for output in &source.model.outputs {
        match l.values.get(&output.name) {
            Some(Value::Float(node)) => found.push((&output.name, *node)),
            Some(_) => {}
            None => {
                return Err(Error::input(
                    "graph::dangling",
                    format!("graph output `{}`", output.name),
                    "is produced by no node",
                    "export the model again",
                ));
            }
        }
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(Error::input(
            "graph::output",
            "graph outputs",
            "none is floating point",
            "export the logits or the loss",
        )),
        _ => {
            let names: Vec<&str> = found.iter().map(|f| f.0).collect();
            Err(Error::input(
                "graph::output",
                "graph outputs",
                format!("there are {}: {}", names.len(), names.join(", ")),
                "export a graph whose only output is the one that the loss takes",
            ))
        }
    }
}

/// The targets of the batch: an array of an agreed name that is no graph input.
fn target<'a>(source: &Source<'a>) -> Result<(&'a str, &'a Array)> {
    let free = |name: &str| !source.model.inputs.iter().any(|i| i.name == name);
    let found: Vec<&(String, Array)> =
        source.batch.iter().filter(|(name, _)| TARGETS.contains(&name.as_str()) && free(name)).collect();
    match found[..] {
        [(name, array)] => Ok((name, array)),
        [] => Err(Error::input(
            "batch::missing",
            "batch",
            "holds no targets",
            "add an array named y, labels or target, or set \"kind\": \"output\" in loss.json",
        )),
        _ => {
            let names: Vec<&str> = found.iter().map(|f| f.0.as_str()).collect();
            Err(Error::input(
                "batch::targets",
                "batch",
                format!("holds several targets: {}", names.join(", ")),
                "keep one",
            ))
        }
    }
}

/// Weighted losses of the positions, \[positions\], and the weights.
fn cross_entropy(
    l: &mut Lowering,
    source: &Source<'_>,
    output: NodeId,
    target: &Array,
    place: &str,
    target_place: &str,
) -> Result<Terms> {
    let shape = l.program.shape(output).to_vec();
    let classes = shape.last().copied().unwrap_or(0);
    let positions = size(&shape[..shape.len() - 1]);
    let smoothing = source.loss.label_smoothing;
    let misfit = |what: String| {
        Error::input(CODE, target_place, what, format!("the class axis is the last axis of {place}, extents {shape:?}"))
    };
    let mut q = vec![0.0; positions * classes];
    let mut weight = vec![0.0; positions];
    match &target.values {
        Values::Int(y) => {
            let same = target.shape == shape[..shape.len() - 1];
            // a graph may flatten samples and positions to rows
            let flat = y.len() == positions && shape.len() == 2;
            if !same && !flat {
                return Err(misfit(format!("targets of extents {:?} do not fit the output", target.shape)));
            }
            for (p, &class) in y.iter().enumerate() {
                if Some(class) == source.loss.ignore_index {
                    continue;
                }
                let Some(c) = usize::try_from(class).ok().filter(|&c| c < classes) else {
                    return Err(misfit(format!("target {class} at position {p} is outside the {classes} classes")));
                };
                weight[p] = 1.0;
                for slot in &mut q[p * classes..(p + 1) * classes] {
                    *slot = smoothing / classes as f64;
                }
                q[p * classes + c] += 1.0 - smoothing;
            }
        }
        Values::Float(y) if target.shape == shape => {
            for (p, row) in y.chunks_exact(classes.max(1)).enumerate() {
                let total: f64 = row.iter().sum();
                if (total - 1.0).abs() > 1e-6 || row.iter().any(|&x| x.is_nan() || x < 0.0) {
                    return Err(misfit(format!("class probabilities at position {p} sum to {total}, not to 1")));
                }
                weight[p] = 1.0;
                for (slot, &x) in q[p * classes..(p + 1) * classes].iter_mut().zip(row) {
                    *slot = (1.0 - smoothing) * x / total + smoothing / classes as f64;
                }
            }
        }
        _ => {
            return Err(misfit(format!(
                "cross_entropy takes integer targets (or class probabilities of the output's extents), not {:?}",
                target.dtype
            )));
        }
    }
    let counted = weight.iter().sum::<f64>();
    if counted == 0.0 {
        return Err(misfit("every target is ignored".to_string()));
    }
    if source.loss.reduction == Reduction::Mean {
        for w in &mut weight {
            *w /= counted;
        }
    }
    let p = &mut l.program;
    let z = p.reshape(output, &[positions, classes]);
    let q = p.constant(q, &[positions, classes]);
    let rows = p.cross_entropy(z, q);
    let column = p.constant(weight.clone(), &[positions, 1]);
    Ok(Terms { output: z, rows: p.mul(rows, column), weights: weight })
}

/// Losses of the elements, divided by their number under `mean`, and their weights.
fn elements(
    l: &mut Lowering,
    source: &Source<'_>,
    output: NodeId,
    target: &Array,
    place: &str,
    target_place: &str,
) -> Result<Terms> {
    let shape = l.program.shape(output).to_vec();
    let squeeze = |s: &[usize]| s.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    // [samples] fits [samples, 1]; anything else must agree exactly, nothing is broadcast
    let fits =
        target.shape == shape || (squeeze(&target.shape) == squeeze(&shape) && target.shape.first() == shape.first());
    if !fits || target.shape.len() > MAX_RANK {
        return Err(Error::input(
            CODE,
            target_place,
            format!("targets of extents {:?} do not fit {place}, extents {shape:?}", target.shape),
            "store one target per element of the output",
        ));
    }
    let y: Vec<f64> = match &target.values {
        Values::Float(y) => y.clone(),
        Values::Int(y) => y.iter().map(|&v| v as f64).collect(),
        Values::Bool(y) => y.iter().map(|&v| f64::from(v)).collect(),
    };
    if let Some(i) = y.iter().position(|v| !v.is_finite()) {
        return Err(Error::input(
            "batch::not_finite",
            target_place,
            format!("element {i} is {}", y[i]),
            "repair the data",
        ));
    }
    if source.loss.kind == LossKind::BceWithLogits && y.iter().any(|v| !(0.0..=1.0).contains(v)) {
        return Err(Error::input(CODE, target_place, "bce_with_logits takes targets in [0, 1]", ""));
    }
    let count = y.len();
    let p = &mut l.program;
    let z = p.reshape(output, &[count]);
    let each = if source.loss.kind == LossKind::Mse {
        let y = p.constant(y, &[count]);
        let r = p.sub(z, y);
        p.mul(r, r)
    } else {
        let rest: Vec<f64> = y.iter().map(|v| 1.0 - v).collect();
        let (y, rest) = (p.constant(y, &[count]), p.constant(rest, &[count]));
        let minus = p.neg(z);
        let (on, off) = (p.map_func(Func::Softplus, minus), p.map_func(Func::Softplus, z));
        let (on, off) = (p.mul(y, on), p.mul(rest, off));
        p.add(on, off)
    };
    Ok(match source.loss.reduction {
        Reduction::Mean => {
            Terms { output: z, rows: p.scale(1.0 / count as f64, each), weights: vec![1.0 / count as f64; count] }
        }
        Reduction::Sum => Terms { output: z, rows: each, weights: vec![1.0; count] },
    })
}
