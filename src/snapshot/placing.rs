//! Which tensor of the snapshot feeds which initializer of the graph; never a guess.

use std::fmt;

/// One initializer fed by one parameter. A tied parameter has several bindings.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Name of the tensor in the snapshot.
    pub parameter: String,
    /// Name of the initializer (or of the output of a `Constant` node) in the graph.
    pub initializer: String,
    /// True when the initializer is the transpose of the (2-D) parameter.
    pub transposed: bool,
}

/// The rule by which a parameter was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlacedBy {
    /// The initializer bears the parameter's name.
    Name,
    /// The exporter's traces (node scope names, metadata) lead to the module.
    Trace,
    /// Some snapshot of the folder equals the graph's own weights there.
    Value,
    /// Only one parameter and only one slot have this shape.
    Shape,
}

impl fmt::Display for PlacedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlacedBy::Name => "name",
            PlacedBy::Trace => "trace",
            PlacedBy::Value => "value",
            PlacedBy::Shape => "shape",
        })
    }
}
