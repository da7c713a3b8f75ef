//! Which tensor of the snapshot feeds which initializer of the graph; never a guess.

mod checks;
pub mod names;
mod own;
mod rules;
pub mod slots;
mod state;
#[cfg(test)]
mod tests;
pub mod trace;
mod undo;
mod unfold;

use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::OnnxModel;
use checks::{lacking_parameter, may_repeat, open_slot, unplaced};
pub use own::own_weights;
use rules::{by_shape, by_trace, by_twin, by_value};
use slots::stored_values;
use state::State;
use std::collections::{HashMap, HashSet};
use std::fmt;
use undo::undo;
use unfold::unfold;

/// One initializer fed by one parameter. A tied parameter has several bindings.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Name of the tensor in the snapshot.
    pub parameter: String,
    /// Name of the initializer.
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
    /// Second names of tied tensors, each with the name that takes its places.
    pub aliases: Vec<(String, String)>,
}

/// Snapshots of the folder that were not chosen, read only when their values are needed to find places.
pub type Others<'a> = dyn FnMut() -> Result<Vec<Vec<(String, Array)>>> + 'a;

/// Places the tensors of the `chosen` snapshots in `model`. `place` names the graph in errors.
///
/// In `model`, initializers that an exporter merged because their values were equal are taken apart, zero biases that
/// it dropped and normalisations that it merged into weights are put back, and bound `Constant` and `Identity` outputs become initializers.
///
/// # Errors
/// An input error that names the tensor that has no certain place, or the weight slot that no tensor fills.
pub fn place(
    model: &mut OnnxModel,
    chosen: &[&[(String, Array)]],
    others: &mut Others<'_>,
    place: &str,
) -> Result<Placement> {
    let Some(&snapshot) = chosen.first() else {
        return Err(Error::input("run::snapshots", place, "no snapshot to place", "choose one"));
    };
    let names: Vec<&str> = snapshot.iter().map(|(name, _)| name.as_str()).collect();
    let signature = trace::signature(model);
    let prefix = {
        let stored = stored_values(model);
        let known: HashSet<&str> =
            stored.iter().map(|v| v.name).chain(signature.values().map(|p| p.target.as_str())).collect();
        names::prefix(&names, &known)
    };
    unfold(model, chosen, &prefix, &signature, others, place)?;
    undo(model, snapshot, &prefix, &signature);
    let stored = stored_values(model);
    let mut state = State::new(&stored, snapshot, prefix);
    by_name(&mut state, place)?;
    by_trace(model, &signature, &mut state);
    by_twin(&mut state);
    // The values of other snapshots matter only where names and traces leave something open.
    let twins = !names::aliases(chosen).is_empty();
    let certain = state.unplaced().is_empty() && state.placed_by.values().all(|by| *by == PlacedBy::Name);
    let settled = certain && !twins && open_slot(model, &state, &signature, &[]).is_none();
    let read = if settled && !state.free().iter().any(|v| may_repeat(v)) { Vec::new() } else { others()? };
    let mut all: Vec<&[(String, Array)]> = chosen.to_vec();
    all.extend(read.iter().map(Vec::as_slice).filter(|s| same_shapes(snapshot, s)));
    state.merge_aliases(model, &all);
    by_value(model, &mut state, &all, place)?;
    by_shape(model, &mut state);
    by_twin(&mut state);
    if let Some(&(name, array)) = state.unplaced().first() {
        return Err(unplaced(model, &state, name, array, place));
    }
    if let Some(error) = lacking_parameter(model, &signature, &state, place) {
        return Err(error);
    }
    if let Some((index, input, value)) = open_slot(model, &state, &signature, &all) {
        let node = &model.nodes[index];
        return Err(Error::input(
            "placing::slot",
            format!("{place}: node {index} '{}' ({}), input {input} '{}'", node.name, node.op_type, value.name),
            format!(
                "a weight of shape {:?} that no tensor of the snapshot fills; it is never taken from the graph",
                value.array.shape
            ),
            "save the whole state_dict of the exported model, or export again so that the names agree",
        ));
    }
    let placement = state.finish();
    materialize(model, &placement.bindings);
    Ok(placement)
}

/// Makes initializers of bound values that `Constant` and `Identity` nodes give, and takes those nodes away.
fn materialize(model: &mut OnnxModel, bindings: &[Binding]) {
    let known: HashSet<&str> = model.initializers.iter().map(|(name, _)| name.as_str()).collect();
    let wanted: HashSet<&str> =
        bindings.iter().map(|b| b.initializer.as_str()).filter(|name| !known.contains(name)).collect();
    if wanted.is_empty() {
        return;
    }
    // In first-use order, so that the result does not depend on hashing.
    let made: Vec<(String, Array)> = stored_values(model)
        .iter()
        .filter(|v| wanted.contains(v.name))
        .map(|v| (v.name.to_owned(), v.array.clone()))
        .collect();
    model.nodes.retain(|node| !node.outputs.iter().any(|o| wanted.contains(o.as_str())));
    model.initializers.extend(made);
}

/// Rule 1: the initializer bears the tensor's name.
fn by_name(state: &mut State<'_>, place: &str) -> Result<()> {
    for value in state.stored {
        let Some((name, array)) = state.tensor(value.name) else {
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

fn same_shapes(a: &[(String, Array)], b: &[(String, Array)]) -> bool {
    a.len() == b.len()
        && a.iter().all(|(name, array)| b.iter().any(|(n, other)| n == name && other.shape == array.shape))
}

/// `Some(false)` for equal shapes, `Some(true)` when only the transpose fits. Axes of extent 1, which exporters add
/// and drop when they fold, do not count.
fn orientation(parameter: &[usize], value: &[usize]) -> Option<bool> {
    if names::same_extents(parameter, value) {
        return Some(false);
    }
    match (parameter, value) {
        ([a, b], [c, d]) if a == d && b == c => Some(true),
        _ => None,
    }
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
