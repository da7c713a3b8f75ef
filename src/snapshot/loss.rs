//! The loss that is applied to the graph's output, as `loss.json` declares it.

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Values};
use serde::Deserialize;
use std::fmt;

/// Which loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LossKind {
    /// Softmax cross-entropy over the last axis.
    CrossEntropy,
    /// Mean squared error.
    Mse,
    /// Binary cross-entropy on logits.
    BceWithLogits,
    /// The graph's scalar output is the loss.
    Output,
}

/// How the losses of the samples are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Mean (over the elements that are not ignored).
    Mean,
    /// Sum.
    Sum,
}

/// A loss with its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct LossSpec {
    /// Which loss.
    pub kind: LossKind,
    /// How samples are joined.
    pub reduction: Reduction,
    /// Target value that marks an element to leave out.
    pub ignore_index: Option<i64>,
    /// Label smoothing in [0, 1].
    pub label_smoothing: f64,
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LossKind::CrossEntropy => "cross_entropy",
            LossKind::Mse => "mse",
            LossKind::BceWithLogits => "bce_with_logits",
            LossKind::Output => "output",
        })
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reduction::Mean => "mean",
            Reduction::Sum => "sum",
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    kind: Option<String>,
    reduction: Option<String>,
    #[serde(alias = "ignore-index")]
    ignore_index: Option<i64>,
    #[serde(alias = "label-smoothing")]
    label_smoothing: Option<f64>,
    #[serde(default, rename = "note")]
    _note: serde::de::IgnoredAny,
}

/// Reads `loss.json` (`None` when there is none) and fills what it leaves out from the kind of `target`:
/// cross-entropy for integers, mean squared error for floats, mean reduction.
///
/// # Errors
/// Input errors for unknown keys and values, settings that the loss does not have, and a missing or unfit target.
pub fn read(json: Option<&[u8]>, place: &str, target: Option<&Array>) -> Result<LossSpec> {
    let refuse = |what: String| {
        Error::input(
            "loss::json",
            place,
            what,
            "write { \"kind\": \"cross_entropy\" | \"mse\" | \"bce_with_logits\" | \"output\", \"reduction\": \"mean\" | \"sum\", \"ignore_index\": int, \"label_smoothing\": x, \"note\": any }",
        )
    };
    let file: File = match json {
        // A byte order mark is how some editors begin a file.
        Some(bytes) => serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .map_err(|cause| refuse(format!("not a loss description: {cause}")))?,
        None => File::default(),
    };
    let kind = match file.kind.as_deref().map(|k| k.replace('-', "_")).as_deref() {
        Some("cross_entropy") => LossKind::CrossEntropy,
        Some("mse") => LossKind::Mse,
        Some("bce_with_logits") => LossKind::BceWithLogits,
        Some("output") => LossKind::Output,
        Some(other) => return Err(refuse(format!("the loss kind '{other}' is unknown"))),
        None => match target.map(|t| &t.values) {
            Some(Values::Int(_)) => LossKind::CrossEntropy,
            Some(Values::Float(_)) => LossKind::Mse,
            Some(Values::Bool(_)) => return Err(refuse("boolean targets do not tell the loss".into())),
            None => return Err(refuse("neither a loss nor a target that would tell it".into())),
        },
    };
    let reduction = match file.reduction.as_deref() {
        Some("mean") | None => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some(other) => return Err(refuse(format!("the reduction '{other}' is unknown"))),
    };
    let label_smoothing = file.label_smoothing.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(refuse(format!("label_smoothing {label_smoothing} is outside [0, 1]")));
    }
    if kind != LossKind::CrossEntropy && (file.ignore_index.is_some() || label_smoothing != 0.0) {
        return Err(refuse(format!("{kind} has neither ignore_index nor label_smoothing")));
    }
    if kind != LossKind::Output && target.is_none() {
        return Err(Error::input(
            "loss::target",
            place,
            format!("the loss {kind} needs a target, and the batch has none"),
            "add an array 'y', 'labels' or 'target' to the batch",
        ));
    }
    Ok(LossSpec { kind, reduction, ignore_index: file.ignore_index, label_smoothing })
}
