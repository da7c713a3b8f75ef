//! Where constants enter the graph: which initializer reaches which input of which live node, and in what role.

use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode};
use std::collections::{HashMap, HashSet};

/// What a constant does at one input of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A module's weight: MatMul, Gemm, Conv, Gather, or the scale of a normalization.
    Weight,
    /// A module's bias: Gemm, Conv, or the shift of a normalization.
    Bias,
    /// The running mean of a BatchNormalization.
    RunningMean,
    /// The running variance of a BatchNormalization.
    RunningVariance,
    /// An operand of Add or Mul, which may be a bias, a gain, or a plain constant.
    Elementwise,
    /// Anything else (shapes, masks, bounds).
    Other,
}

impl Role {
    /// Whether only a parameter can stand there.
    pub fn is_slot(self) -> bool {
        matches!(self, Role::Weight | Role::Bias | Role::RunningMean | Role::RunningVariance)
    }
}

/// One use of a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Index of the node.
    pub node: usize,
    /// Index among the node's inputs.
    pub input: usize,
    /// Role there.
    pub role: Role,
}

/// A float value that is stored in the graph: an initializer, a `Constant` node's output, or an `Identity` of one.
#[derive(Debug, Clone)]
pub struct Stored<'a> {
    /// Name of the value.
    pub name: &'a str,
    /// Its content.
    pub array: &'a Array,
    /// Whether it is an initializer, not the output of a node.
    pub initializer: bool,
    /// The stored value that an `Identity` repeats.
    pub copy_of: Option<&'a str>,
    /// Its uses by live nodes, in node order.
    pub uses: Vec<Use>,
}

/// The float constants of the graph that reach an output, in order of their first use.
///
/// Exporters merge equal initializers and leave `Identity` nodes that carry the lost names; each such name counts
/// as a value of its own.
pub fn stored_values(model: &OnnxModel) -> Vec<Stored<'_>> {
    let live = live_nodes(model);
    let count = model.initializers.len();
    let mut found: HashMap<&str, (&Array, Option<&str>)> =
        model.initializers.iter().map(|(name, array)| (name.as_str(), (array, None))).collect();
    let mut names: Vec<&str> = model.initializers.iter().map(|(name, _)| name.as_str()).collect();
    for node in &model.nodes {
        let Some(output) = node.outputs.first().map(String::as_str).filter(|o| !o.is_empty()) else {
            continue;
        };
        if !node.domain.is_empty() {
            continue;
        }
        match node.op_type.as_str() {
            "Constant" => {
                if let Some((_, Attribute::Tensor(array))) = node.attributes.iter().find(|(name, _)| name == "value") {
                    found.insert(output, (array, None));
                    names.push(output);
                }
            }
            "Identity" => {
                let source = node.inputs.first().and_then(|i| found.get_key_value(i.as_str()));
                if let Some((&source, &(array, _))) = source {
                    found.insert(output, (array, Some(source)));
                    names.push(output);
                }
            }
            _ => {}
        }
    }
    let mut uses: HashMap<&str, Vec<Use>> = HashMap::new();
    for (index, node) in model.nodes.iter().enumerate().filter(|(i, _)| live.contains(i)) {
        // The copies that exporters leave are no uses: what uses the copy counts.
        let copies = node.op_type == "Identity" && node.outputs.iter().any(|o| found.contains_key(o.as_str()));
        for (input, name) in node.inputs.iter().enumerate() {
            if !copies && found.contains_key(name.as_str()) {
                uses.entry(name).or_default().push(Use {
                    node: index,
                    input,
                    role: role_of(node, input, name, found[name.as_str()].0),
                });
            }
        }
    }
    let outputs: HashSet<&str> = model.outputs.iter().map(|o| o.name.as_str()).collect();
    // What is only copied is used where its copies are.
    let mut first: HashMap<&str, (usize, usize)> =
        uses.iter().filter_map(|(name, uses)| uses.first().map(|u| (*name, (u.node, u.input)))).collect();
    for name in outputs {
        first.entry(name).or_insert((usize::MAX, 0));
    }
    for name in names.iter().rev() {
        let source = found.get(name).and_then(|(_, source)| *source);
        if let (Some(source), Some(&at)) = (source, first.get(name)) {
            first.entry(source).or_insert(at);
        }
    }
    let mut values: Vec<Stored<'_>> = names
        .into_iter()
        .enumerate()
        .filter(|(_, name)| first.contains_key(name))
        .filter_map(|(index, name)| {
            let &(array, copy_of) = found.get(name)?;
            array.floats()?;
            Some(Stored {
                name,
                array,
                initializer: index < count,
                copy_of,
                uses: uses.get(name).cloned().unwrap_or_default(),
            })
        })
        .collect();
    values.sort_by_key(|v| first.get(v.name).copied());
    values
}

/// Indices of the nodes from which an output of the graph can be reached.
pub fn live_nodes(model: &OnnxModel) -> HashSet<usize> {
    let mut wanted: HashSet<&str> = model.outputs.iter().map(|o| o.name.as_str()).collect();
    let mut live = HashSet::new();
    for (index, node) in model.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|o| wanted.contains(o.as_str())) {
            live.insert(index);
            wanted.extend(node.inputs.iter().map(String::as_str));
        }
    }
    live
}

/// The role of input `input` of `node`.
pub fn role(node: &OnnxNode, input: usize) -> Role {
    if !node.domain.is_empty() {
        return Role::Other;
    }
    match (node.op_type.as_str(), input) {
        ("Gemm", 0 | 1) | ("MatMul", 0 | 1) | ("Gather", 0) => Role::Weight,
        ("Gemm", 2) => Role::Bias,
        ("Conv" | "ConvTranspose", 1) => Role::Weight,
        ("Conv" | "ConvTranspose", 2) => Role::Bias,
        (
            "LayerNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "BatchNormalization"
            | "RMSNormalization"
            | "SimplifiedLayerNormalization",
            1,
        ) => Role::Weight,
        ("LayerNormalization" | "InstanceNormalization" | "GroupNormalization" | "BatchNormalization", 2) => Role::Bias,
        ("BatchNormalization", 3) => Role::RunningMean,
        ("BatchNormalization", 4) => Role::RunningVariance,
        ("PRelu", 1) => Role::Weight,
        ("Add" | "Mul", 0 | 1) => Role::Elementwise,
        _ => Role::Other,
    }
}

/// Role of the stored value `name` at an input of a node.
///
/// Exporters write a group norm as an InstanceNormalization by ones and zeros, followed by the module's own gain and
/// shift; those ones and zeros are constants, whatever parameter has their extents.
pub fn role_of(node: &OnnxNode, input: usize, name: &str, array: &Array) -> Role {
    let role = role(node, input);
    let neutral = match role {
        Role::Weight => 1.0,
        Role::Bias => 0.0,
        _ => return role,
    };
    let leaf = name.rsplit(['.', '/']).next().unwrap_or(name);
    let named = matches!(leaf, "weight" | "bias" | "gamma" | "beta");
    let neutral = array.floats().is_some_and(|v| v.iter().all(|x| *x == neutral));
    if node.op_type == "InstanceNormalization" && neutral && !named { Role::Other } else { role }
}

/// For every value that is computed from stored float constants alone, the constants it comes from.
///
/// A weight that an unfolded graph transposes, reshapes or scales before its MatMul still sits in the MatMul's slot.
pub fn constant_origins<'a>(model: &'a OnnxModel, stored: &[Stored<'a>]) -> HashMap<&'a str, HashSet<&'a str>> {
    let mut origins: HashMap<&str, HashSet<&str>> = HashMap::new();
    for value in stored {
        origins.insert(value.name, HashSet::from([value.name]));
    }
    let mut constant: HashSet<&str> = model.initializers.iter().map(|(name, _)| name.as_str()).collect();
    for node in &model.nodes {
        let all_constant = node.inputs.iter().all(|i| i.is_empty() || constant.contains(i.as_str()));
        if !all_constant {
            continue;
        }
        constant.extend(node.outputs.iter().map(String::as_str));
        let from: HashSet<&str> =
            node.inputs.iter().filter_map(|i| origins.get(i.as_str())).flatten().copied().collect();
        // The shape of a weight carries none of its values.
        if from.is_empty() || matches!(node.op_type.as_str(), "Shape" | "Size") {
            continue;
        }
        for output in &node.outputs {
            origins.entry(output).or_insert_with(|| from.clone());
        }
    }
    origins
}
