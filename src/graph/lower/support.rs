//! The list of ONNX operators that lowering takes, and the refusals of the others.

use super::context::{Node, place};
use super::{elementwise, layout, linear, normal, reduce, sequence, window};
use crate::error::{Error, Result};
use crate::snapshot::onnx_graph::{OnnxModel, OnnxNode};

pub(super) type Rule = fn(&mut Node<'_, '_>) -> Result<()>;

/// The operators of the default domain and their rules, by name.
const RULES: &[(&str, Rule)] = &[
    ("Abs", elementwise::unary),
    ("Add", elementwise::arithmetic),
    ("And", elementwise::logic),
    ("AveragePool", window::pool),
    ("BatchNormalization", normal::batch),
    ("Cast", elementwise::cast),
    ("CastLike", elementwise::cast),
    ("Ceil", elementwise::unary),
    ("Clip", elementwise::clip),
    ("Concat", layout::concat),
    ("Constant", layout::constant),
    ("ConstantOfShape", layout::constant_of_shape),
    ("Conv", window::conv),
    ("Cos", elementwise::unary),
    ("CumSum", layout::cum_sum),
    ("Div", elementwise::arithmetic),
    ("Dropout", elementwise::identity),
    ("Einsum", linear::einsum),
    ("Elu", elementwise::unary),
    ("Equal", elementwise::compare),
    ("Erf", elementwise::unary),
    ("Exp", elementwise::unary),
    ("Expand", layout::expand),
    ("Flatten", layout::flatten),
    ("Floor", elementwise::unary),
    ("Gather", layout::gather),
    ("GatherElements", layout::gather_elements),
    ("Gelu", elementwise::unary),
    ("Gemm", linear::gemm),
    ("GlobalAveragePool", window::global),
    ("GlobalMaxPool", window::global),
    ("Greater", elementwise::compare),
    ("GreaterOrEqual", elementwise::compare),
    ("GroupNormalization", normal::group),
    ("HardSigmoid", elementwise::unary),
    ("HardSwish", elementwise::unary),
    ("Identity", elementwise::identity),
    ("InstanceNormalization", normal::group),
    ("IsNaN", elementwise::is_nan),
    ("LayerNormalization", normal::layer),
    ("LeakyRelu", elementwise::unary),
    ("Less", elementwise::compare),
    ("LessOrEqual", elementwise::compare),
    ("Log", elementwise::unary),
    ("LogSoftmax", reduce::softmax),
    ("MatMul", linear::matmul),
    ("Max", elementwise::arithmetic),
    ("MaxPool", window::pool),
    ("Mean", elementwise::arithmetic),
    ("Min", elementwise::arithmetic),
    ("Mish", elementwise::unary),
    ("Mod", elementwise::arithmetic),
    ("Mul", elementwise::arithmetic),
    ("Neg", elementwise::unary),
    ("Not", elementwise::logic),
    ("OneHot", layout::one_hot),
    ("Or", elementwise::logic),
    ("PRelu", elementwise::prelu),
    ("Pad", layout::pad),
    ("Pow", elementwise::arithmetic),
    ("Range", layout::range),
    ("Reciprocal", elementwise::unary),
    ("ReduceL1", reduce::reduce),
    ("ReduceL2", reduce::reduce),
    ("ReduceLogSumExp", reduce::reduce),
    ("ReduceMax", reduce::reduce),
    ("ReduceMean", reduce::reduce),
    ("ReduceMin", reduce::reduce),
    ("ReduceProd", reduce::reduce),
    ("ReduceSum", reduce::reduce),
    ("ReduceSumSquare", reduce::reduce),
    ("Relu", elementwise::unary),
    ("Reshape", layout::reshape),
    ("Round", elementwise::unary),
    ("Selu", elementwise::unary),
    ("SequenceAt", sequence::at),
    ("Shape", layout::shape),
    ("Sigmoid", elementwise::unary),
    ("Sign", elementwise::unary),
    ("Sin", elementwise::unary),
    ("Size", layout::size_of),
    ("Slice", layout::slice),
    ("Softmax", reduce::softmax),
    ("Softplus", elementwise::unary),
    ("Softsign", elementwise::unary),
    ("Split", layout::split),
    ("SplitToSequence", sequence::split),
    ("Sqrt", elementwise::unary),
    ("Squeeze", layout::squeeze),
    ("Sub", elementwise::arithmetic),
    ("Sum", elementwise::arithmetic),
    ("Tanh", elementwise::unary),
    ("Tile", layout::tile),
    ("Transpose", layout::transpose),
    ("Trilu", layout::trilu),
    ("Unsqueeze", layout::unsqueeze),
    ("Where", elementwise::select),
    ("Xor", elementwise::logic),
];

/// The rule of an operator.
pub(super) fn rule(op: &str) -> Option<Rule> {
    RULES.binary_search_by(|(name, _)| (*name).cmp(op)).ok().map(|i| RULES[i].1)
}

/// The operators that lowering takes, sorted.
pub fn operators() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}

/// How an operator behaves under differentiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Differentiable wherever it is defined.
    Smooth,
    /// Smooth but for kinks or ties.
    Kinked,
    /// Linear in each argument or moving elements only.
    Linear,
    /// Piecewise constant.
    Flat,
    /// Evaluated at load, or a mask.
    Folded,
}

/// How a supported operator behaves under differentiation.
pub fn kind(op: &str) -> Kind {
    match op {
        "Abs" | "Clip" | "Elu" | "GlobalMaxPool" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "Max" | "MaxPool"
        | "Min" | "PRelu" | "ReduceL1" | "ReduceMax" | "ReduceMin" | "Relu" | "Selu" | "Softsign" | "Where" => {
            Kind::Kinked
        }
        "Add" | "AveragePool" | "Cast" | "CastLike" | "Concat" | "CumSum" | "Dropout" | "Expand" | "Flatten"
        | "Gather" | "GatherElements" | "GlobalAveragePool" | "Identity" | "Mean" | "Neg" | "Pad" | "ReduceMean"
        | "ReduceSum" | "Reshape" | "SequenceAt" | "Slice" | "Split" | "SplitToSequence" | "Squeeze" | "Sub"
        | "Sum" | "Tile" | "Transpose" | "Trilu" | "Unsqueeze" => Kind::Linear,
        "Ceil" | "Floor" | "Round" | "Sign" => Kind::Flat,
        "And" | "Constant" | "ConstantOfShape" | "Equal" | "Greater" | "GreaterOrEqual" | "IsNaN" | "Less"
        | "LessOrEqual" | "Mod" | "Not" | "OneHot" | "Or" | "Range" | "ReduceProd" | "Shape" | "Size" | "Xor" => {
            Kind::Folded
        }
        _ => Kind::Smooth,
    }
}

/// The operators of a graph that lowering refuses, sorted, without repeats.
pub fn unsupported(model: &OnnxModel) -> Vec<String> {
    let known = |n: &&OnnxNode| !(matches!(n.domain.as_str(), "" | "ai.onnx") && rule(&n.op_type).is_some());
    let name = |n: &OnnxNode| match n.domain.as_str() {
        "" | "ai.onnx" => n.op_type.clone(),
        domain => format!("{domain}.{}", n.op_type),
    };
    let mut found: Vec<String> = model.nodes.iter().filter(known).map(name).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Why an operator without a rule is refused.
pub(super) fn refusal(node: &OnnxNode) -> Error {
    let (what, remedy) = match node.op_type.as_str() {
        "If" | "Loop" | "Scan" | "SequenceMap" => (
            "control flow is not supported",
            "export the model with fixed control flow (torch.onnx.export traces it away)",
        ),
        "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike" | "Bernoulli" | "Multinomial" => {
            ("a random operator: two passes would give two losses", "call model.eval() before the export")
        }
        "NonZero" | "Unique" | "NonMaxSuppression" | "Compress" | "TopK" => {
            ("the extents of its result depend on values (a dynamic shape)", "rewrite the model without it")
        }
        "LSTM" | "GRU" | "RNN" => ("recurrent operators are not supported", "unroll the recurrence before the export"),
        _ if !matches!(node.domain.as_str(), "" | "ai.onnx") => {
            ("operators outside the default domain are not supported", "export with the standard operators only")
        }
        _ => ("this operator is not supported", "see docs/operators.md for the supported ones, or export another way"),
    };
    Error::input("graph::unsupported", place(node), what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_sorted_for_the_search() {
        assert!(RULES.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
