//! The batch: one array per graph input and the target, checked against the graph.

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::loss::{LossKind, LossSpec};
use crate::snapshot::onnx_graph::{OnnxModel, OnnxValue};

/// Names under which a batch may carry its target.
pub const TARGET_NAMES: [&str; 3] = ["y", "labels", "target"];

/// The samples on which the loss is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// One array per graph input, in the graph's order.
    pub inputs: Vec<(String, Array)>,
    /// The target and the name it has in the file.
    pub target: Option<(String, Array)>,
    /// Length of the leading axis.
    pub samples: usize,
}

/// Fits the arrays of a batch file to the graph's inputs.
///
/// # Errors
/// Input errors for missing, superfluous, empty or non-finite arrays and for shapes or types that do not fit.
pub fn fit(arrays: Vec<(String, Array)>, model: &OnnxModel, place: &str) -> Result<Batch> {
    let mut arrays: Vec<Option<(String, Array)>> = arrays.into_iter().map(Some).collect();
    let mut take = |wanted: &str| {
        arrays.iter_mut().find(|a| a.as_ref().is_some_and(|(name, _)| name == wanted)).and_then(Option::take)
    };
    let wanted: Vec<&str> = model.inputs.iter().map(|v| v.name.as_str()).collect();
    let mut inputs = Vec::new();
    for input in &model.inputs {
        let Some((name, array)) = take(&input.name) else {
            return Err(Error::input(
                "batch::missing",
                place,
                format!("no array '{}', which the graph takes as an input", input.name),
                format!("save the batch with the arrays {} and the target 'y'", wanted.join(", ")),
            ));
        };
        check_input(&array, input, place)?;
        inputs.push((name, array));
    }
    let mut target = None;
    for name in TARGET_NAMES {
        if let Some(found) = take(name)
            && target.replace(found).is_some()
        {
            return Err(Error::input(
                "batch::target",
                place,
                "several targets (of 'y', 'labels', 'target')",
                "keep one of them",
            ));
        }
    }
    if let Some((name, _)) = arrays.iter().flatten().next() {
        return Err(Error::input(
            "batch::extra",
            place,
            format!("the array '{name}' is neither an input of the graph ({}) nor a target", wanted.join(", ")),
            "leave it out, or name the target 'y', 'labels' or 'target'",
        ));
    }
    for (name, array) in inputs.iter().chain(&target) {
        check_content(name, array, place)?;
    }
    let leading = |a: &Array| a.shape.first().copied().unwrap_or(1);
    let samples = inputs.first().map_or_else(|| target.as_ref().map_or(1, |(_, t)| leading(t)), |(_, a)| leading(a));
    if let (Some((name, first)), Some((target_name, t))) = (inputs.first(), &target)
        && leading(first) != leading(t)
    {
        return Err(Error::input(
            "batch::samples",
            place,
            format!("'{name}' has {} samples, '{target_name}' has {}", leading(first), leading(t)),
            "save inputs and targets of the same samples",
        ));
    }
    Ok(Batch { inputs, target, samples })
}

/// Targets that the loss cannot take whatever the graph computes.
pub fn check_target(batch: &Batch, loss: &LossSpec, place: &str) -> Result<()> {
    let (LossKind::CrossEntropy, Some((name, target))) = (loss.kind, &batch.target) else {
        return Ok(());
    };
    let Some(labels) = target.ints() else {
        return Ok(());
    };
    let kept = |label: &&i64| Some(**label) != loss.ignore_index;
    if let Some(position) = labels.iter().position(|label| *label < 0 && kept(&label)) {
        return Err(Error::input(
            "batch::label",
            format!("{place}: array '{name}', index {:?}", target.index_of(position)),
            format!("the label {} is negative and not the ignored one", labels[position]),
            "labels count from 0; set \"ignore_index\" in loss.json to leave some out",
        ));
    }
    if !labels.iter().any(|label| kept(&label)) {
        return Err(Error::input(
            "batch::empty",
            format!("{place}: array '{name}'"),
            "every label is the ignored one, so no loss is left",
            "give at least one label that counts",
        ));
    }
    Ok(())
}

fn check_input(array: &Array, input: &OnnxValue, place: &str) -> Result<()> {
    let place = format!("{place}: array '{}'", input.name);
    if let Some(elem) = input.elem {
        let fits = match &array.values {
            Values::Float(_) => elem.is_float(),
            Values::Int(_) => !elem.is_float() && elem != Dtype::Bool,
            Values::Bool(_) => elem == Dtype::Bool,
        };
        if !fits {
            return Err(Error::input(
                "batch::dtype",
                place,
                format!("elements of type {}, but the graph takes {elem}", array.dtype),
                format!("convert the array to {elem} before saving it"),
            ));
        }
    }
    if let Some(shape) = &input.shape {
        let fits = shape.len() == array.shape.len()
            && shape.iter().zip(&array.shape).all(|(want, have)| want.is_none_or(|w| w == *have));
        if !fits {
            let want: Vec<String> = shape.iter().map(|w| w.map_or("?".into(), |w| w.to_string())).collect();
            return Err(Error::input(
                "batch::shape",
                place,
                format!("shape {:?}, but the graph takes [{}]", array.shape, want.join(", ")),
                "save the batch in the shape the model was exported with (or export with a dynamic batch axis)",
            ));
        }
    }
    Ok(())
}

fn check_content(name: &str, array: &Array, place: &str) -> Result<()> {
    let place = format!("{place}: array '{name}'");
    if array.is_empty() {
        return Err(Error::input(
            "batch::empty",
            place,
            format!("shape {:?} holds no sample", array.shape),
            "save at least one sample",
        ));
    }
    check_finite(&place, array, "leave that sample out")
}

/// Refuses NaN and infinity, naming the index.
pub fn check_finite(place: &str, array: &Array, remedy: &str) -> Result<()> {
    match (array.first_not_finite(), array.floats()) {
        (Some(flat), Some(values)) => Err(Error::input(
            "snapshot::not_finite",
            format!("{place}, index {:?}", array.index_of(flat)),
            format!("the value is {}", values[flat]),
            remedy,
        )),
        _ => Ok(()),
    }
}
