//! Which tensor of the snapshot feeds which initializer of the graph; never a guess.

pub mod slots;

use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::OnnxModel;
use slots::{Role, Stored, constant_origins, stored_values};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// One value of the graph fed by one parameter. A tied parameter has several bindings.
///
/// `initializer` names an initializer or the output of a `Constant` or `Identity` node; a node all of whose
/// outputs are bound need not be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Name of the tensor in the snapshot.
    pub parameter: String,
    /// Name of the value in the graph.
    pub initializer: String,
    /// True when the value is the transpose of the (2-D) parameter.
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

/// Every parameter with its places.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// Parameters in order of their first use by the graph, with the rule that placed each.
    pub parameters: Vec<(String, PlacedBy)>,
    /// Bindings, grouped by parameter in the same order.
    pub bindings: Vec<Binding>,
    /// Float initializers that are constants of the graph.
    pub constants: Vec<String>,
}

/// Places the tensors of `snapshot` in `model`. `place` names the graph in errors.
///
/// # Errors
/// An input error that names the tensor that has no place, or the weight slot that no tensor fills.
pub fn place(model: &OnnxModel, snapshot: &[(String, Array)], place: &str) -> Result<Placement> {
    let stored = stored_values(model);
    let mut state = State::new(&stored, snapshot);
    by_name(&mut state, place)?;
    if let Some(&(name, array)) = state.unplaced().first() {
        return Err(unplaced(&state, name, array, place));
    }
    check_slots(model, &state, place)?;
    Ok(state.finish())
}

/// What has been settled so far.
struct State<'a> {
    stored: &'a [Stored<'a>],
    snapshot: &'a [(String, Array)],
    placed_by: HashMap<&'a str, PlacedBy>,
    /// Value of the graph to parameter and orientation.
    bound: BTreeMap<&'a str, (&'a str, bool)>,
}

impl<'a> State<'a> {
    fn new(stored: &'a [Stored<'a>], snapshot: &'a [(String, Array)]) -> Self {
        State { stored, snapshot, placed_by: HashMap::new(), bound: BTreeMap::new() }
    }

    fn bind(&mut self, parameter: &'a str, value: &'a str, transposed: bool, by: PlacedBy) {
        self.bound.insert(value, (parameter, transposed));
        self.placed_by.entry(parameter).or_insert(by);
    }

    fn unplaced(&self) -> Vec<(&'a str, &'a Array)> {
        let open = |name: &&str| !self.placed_by.contains_key(*name);
        self.snapshot.iter().map(|(n, a)| (n.as_str(), a)).filter(|(n, _)| open(n)).collect()
    }

    /// Whether a value, or the one it repeats, is fed by a parameter.
    fn is_claimed(&self, value: &Stored<'_>) -> bool {
        let mut name = value.name;
        loop {
            if self.bound.contains_key(name) {
                return true;
            }
            match self.stored.iter().find(|v| v.name == name).and_then(|v| v.copy_of) {
                Some(source) => name = source,
                None => return false,
            }
        }
    }

    fn finish(self) -> Placement {
        let mut parameters: Vec<(String, PlacedBy)> = Vec::new();
        let mut bindings: Vec<Binding> = Vec::new();
        // Stored values come in order of first use.
        for value in self.stored {
            if let Some(&(name, _)) = self.bound.get(value.name)
                && let Some(&by) = self.placed_by.get(name)
                && !parameters.iter().any(|(n, _)| n == name)
            {
                parameters.push((name.to_owned(), by));
            }
        }
        for (parameter, _) in &parameters {
            for value in self.stored {
                if let Some(&(name, transposed)) = self.bound.get(value.name)
                    && name == parameter
                {
                    bindings.push(Binding {
                        parameter: name.to_owned(),
                        initializer: value.name.to_owned(),
                        transposed,
                    });
                }
            }
        }
        let constants = self
            .stored
            .iter()
            .filter(|v| v.copy_of.is_none() && !self.is_claimed(v))
            .map(|v| v.name.to_owned())
            .collect();
        Placement { parameters, bindings, constants }
    }
}

fn by_name(state: &mut State<'_>, place: &str) -> Result<()> {
    for value in state.stored {
        let Some((name, array)) = state.snapshot.iter().find(|(name, _)| name == value.name) else {
            continue;
        };
        let Some(transposed) = orientation(&array.shape, &value.array.shape) else {
            return Err(Error::input(
                "placing::shape",
                format!("{place}: initializer '{name}'"),
                format!("shape {:?}, but the snapshot's tensor has {:?}", value.array.shape, array.shape),
                "the snapshot belongs to another model than the graph: export the graph again",
            ));
        };
        state.bind(name, value.name, transposed, PlacedBy::Name);
    }
    Ok(())
}

/// `Some(false)` for equal shapes, `Some(true)` when only the transpose fits.
fn orientation(parameter: &[usize], value: &[usize]) -> Option<bool> {
    if parameter == value {
        return Some(false);
    }
    match (parameter, value) {
        ([a, b], [c, d]) if a == d && b == c => Some(true),
        _ => None,
    }
}

/// A slot that only a parameter may fill is never filled from the graph.
fn check_slots(model: &OnnxModel, state: &State<'_>, place: &str) -> Result<()> {
    let origins = constant_origins(model, state.stored);
    let live = slots::live_nodes(model);
    for (index, node) in model.nodes.iter().enumerate().filter(|(i, _)| live.contains(i)) {
        for (input, name) in node.inputs.iter().enumerate() {
            let Some(from) = origins.get(name.as_str()) else {
                continue;
            };
            let mut open: Vec<&Stored<'_>> =
                state.stored.iter().filter(|v| from.contains(v.name) && !state.is_claimed(v)).collect();
            let in_slot = match slots::role(node, input) {
                Role::Elementwise => {
                    open.retain(|v| is_parameter_name(v.name) && !v.array.shape.is_empty());
                    true
                }
                role => role.is_slot(),
            };
            if let (true, Some(value)) = (in_slot, open.first()) {
                return Err(Error::input(
                    "placing::slot",
                    format!("{place}: node {index} '{}' ({}), input '{}'", node.name, node.op_type, value.name),
                    format!(
                        "a weight of shape {:?} that no tensor of the snapshot fills; it is never taken from the graph",
                        value.array.shape
                    ),
                    "save the whole state_dict of the exported model, or export again so that the names agree",
                ));
            }
        }
    }
    Ok(())
}

/// Whether a name ends as the parameters of modules do (`layers.0.bias`), and not as buffers (`rotary.cos`).
fn is_parameter_name(name: &str) -> bool {
    let leaf = name.rsplit(['.', '/']).next().unwrap_or(name);
    let known = ["weight", "bias", "gamma", "beta", "scale", "kernel", "embedding"];
    known.contains(&leaf) && leaf != name
}

fn unplaced(state: &State<'_>, name: &str, array: &Array, place: &str) -> Error {
    let candidates: Vec<&str> = state
        .stored
        .iter()
        .filter(|v| !state.is_claimed(v) && orientation(&array.shape, &v.array.shape).is_some())
        .map(|v| v.name)
        .take(8)
        .collect();
    let hint = if candidates.is_empty() {
        "no free initializer of the graph has its shape".to_owned()
    } else {
        format!("free initializers of its shape: {}", candidates.join(", "))
    };
    Error::input(
        "placing::unplaced",
        place,
        format!("the tensor '{name}' of shape {:?} has no certain place in the graph; {hint}", array.shape),
        "put the snapshot that the graph was exported from into the folder (its values tell the places), or export \
         so that names survive: torch.onnx.export(..., do_constant_folding=False) or, with dynamo=True, optimize=False",
    )
}

/// Refuses two snapshots that differ in their tensors' names or shapes.
pub fn check_same_tensors(
    first: &[(String, Array)],
    first_name: &str,
    other: &[(String, Array)],
    other_name: &str,
) -> Result<()> {
    let shapes: HashMap<&str, &[usize]> = first.iter().map(|(n, a)| (n.as_str(), a.shape.as_slice())).collect();
    let names: HashSet<&str> = other.iter().map(|(n, _)| n.as_str()).collect();
    let odd = |what: String| {
        Error::input(
            "snapshot::tensors",
            format!("{other_name} and {first_name}"),
            what,
            "keep one model's snapshots in a folder, or choose some with --snapshots GLOB",
        )
    };
    for (name, array) in other {
        match shapes.get(name.as_str()) {
            None => return Err(odd(format!("'{name}' is only in {other_name}"))),
            Some(shape) if *shape != array.shape => {
                return Err(odd(format!(
                    "'{name}' has shape {:?} in the one and {:?} in the other",
                    array.shape, shape
                )));
            }
            Some(_) => {}
        }
    }
    match first.iter().find(|(n, _)| !names.contains(n.as_str())) {
        Some((name, _)) => Err(odd(format!("'{name}' is only in {first_name}"))),
        None => Ok(()),
    }
}
