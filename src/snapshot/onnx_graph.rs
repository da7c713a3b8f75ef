//! An ONNX graph as plain data: what is written in the file, nothing interpreted.

mod check;
mod read;
mod tensor;
#[cfg(test)]
mod tests;

pub use read::{ExternalFiles, read};

use crate::snapshot::array::{Array, Dtype};

/// A model file: the graph of its forward pass and what the exporter noted beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxModel {
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of the default operator set (13 to 21).
    pub opset: i64,
    /// Operators in an order in which every input is known before its use.
    pub nodes: Vec<OnnxNode>,
    /// Stored tensors by name, in file order.
    pub initializers: Vec<(String, Array)>,
    /// Graph inputs without those that name an initializer.
    pub inputs: Vec<OnnxValue>,
    /// Graph outputs.
    pub outputs: Vec<OnnxValue>,
    /// The model's own key-value notes.
    pub metadata: Vec<(String, String)>,
}

/// One operator of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxNode {
    /// Name given by the exporter; may be empty.
    pub name: String,
    /// Operator, e.g. `MatMul`.
    pub op_type: String,
    /// Operator set; empty for the default one.
    pub domain: String,
    /// Names of the input values; an empty string marks an absent optional input.
    pub inputs: Vec<String>,
    /// Names of the output values; an empty string marks an output that is not wanted.
    pub outputs: Vec<String>,
    /// Attributes by name, in file order.
    pub attributes: Vec<(String, Attribute)>,
    /// Notes of the exporter (module scopes, stack traces).
    pub metadata: Vec<(String, String)>,
}

/// The value of a node's attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// A single-precision number.
    Float(f32),
    /// A string (invalid UTF-8 is refused).
    String(String),
    /// A dense tensor.
    Tensor(Array),
    /// Integers.
    Ints(Vec<i64>),
    /// Single-precision numbers.
    Floats(Vec<f32>),
    /// Strings.
    Strings(Vec<String>),
    /// A subgraph (control flow), recorded but not read.
    Graph,
}

/// The declared type of a graph input or output.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxValue {
    /// Name of the value.
    pub name: String,
    /// Element type, when declared and known.
    pub elem: Option<Dtype>,
    /// Extents, when declared; `None` for a dynamic one.
    pub shape: Option<Vec<Option<usize>>>,
}
