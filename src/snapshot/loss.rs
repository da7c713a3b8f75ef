//! The loss that is applied to the graph's output, as `loss.json` declares it.

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
