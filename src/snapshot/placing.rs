//! Which tensor of the snapshot feeds which initializer of the graph; never a guess.

pub mod names;
mod own;
mod rules;
pub mod slots;
#[cfg(test)]
mod tests;
pub mod trace;
mod undo;

use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::OnnxModel;
use names::Prefix;
pub use own::own_weights;
use rules::{by_shape, by_trace, by_twin, by_value};
use slots::{Role, Stored, constant_origins, stored_values};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use trace::Placeholder;
use undo::undo;

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
/// it dropped are put back, and bound `Constant` and `Identity` outputs become initializers.
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
    by_value(&mut state, &all, place)?;
    by_shape(model, &mut state);
    by_twin(&mut state);
    if let Some(&(name, array)) = state.unplaced().first() {
        return Err(unplaced(&state, name, array, place));
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

/// What has been settled so far.
struct State<'a> {
    stored: &'a [Stored<'a>],
    snapshot: &'a [(String, Array)],
    prefix: Prefix,
    /// Parameter to the rule that placed it first.
    placed_by: HashMap<&'a str, PlacedBy>,
    /// Value of the graph to parameter, orientation and rule.
    bound: BTreeMap<&'a str, (&'a str, bool, PlacedBy)>,
    /// Second names of tied tensors to their first.
    aliases: HashMap<&'a str, &'a str>,
    /// Placeholders of the traces whose parameter is known.
    tokens: HashMap<String, &'a str>,
}

impl<'a> State<'a> {
    fn new(stored: &'a [Stored<'a>], snapshot: &'a [(String, Array)], prefix: Prefix) -> Self {
        State {
            stored,
            snapshot,
            prefix,
            placed_by: HashMap::new(),
            bound: BTreeMap::new(),
            aliases: HashMap::new(),
            tokens: HashMap::new(),
        }
    }

    /// The tensor that the graph calls `name`.
    fn tensor(&self, name: &str) -> Option<&'a (String, Array)> {
        self.snapshot.iter().find(|(n, _)| self.prefix.apply(n) == name)
    }

    fn array(&self, parameter: &str) -> Option<&'a Array> {
        self.snapshot.iter().find(|(n, _)| n == parameter).map(|(_, a)| a)
    }

    fn bind(&mut self, parameter: &'a str, value: &'a str, transposed: bool, by: PlacedBy) {
        self.bound.insert(value, (parameter, transposed, by));
        self.placed_by.entry(parameter).or_insert(by);
    }

    /// Parameters without a place; a tied tensor is placed when its twin is.
    fn unplaced(&self) -> Vec<(&'a str, &'a Array)> {
        let open = |name: &str| !self.placed_by.contains_key(name) && !self.aliases.contains_key(name);
        self.snapshot.iter().map(|(n, a)| (n.as_str(), a)).filter(|(n, _)| open(n)).collect()
    }

    /// Values that no parameter feeds.
    fn free(&self) -> Vec<&'a Stored<'a>> {
        self.stored.iter().filter(|v| !self.is_claimed(v)).collect()
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

    /// Joins tensors that are one under several names: the first name takes all places.
    ///
    /// Equal in every snapshot while they moved, they are tied. Equal where nothing moved yet, they are tied only if
    /// the graph runs the module of one without giving it a place, or uses one as an embedding and the other in a
    /// product: layers that began as copies of each other are not, nor is a copy that the graph does not know.
    fn merge_aliases(&mut self, model: &OnnxModel, all: &[&[(String, Array)]]) {
        for (alias, first) in names::aliases(all) {
            let find = |name: &str| self.snapshot.iter().find(|(n, _)| n == name).map(|(n, _)| n.as_str());
            let (Some(alias), Some(first)) = (find(alias), find(first)) else {
                continue;
            };
            let homeless = [alias, first].iter().any(|p| !self.placed_by.contains_key(p) && self.is_run(model, p));
            let embeds = self.is_looked_up(model, alias) != self.is_looked_up(model, first);
            if !(names::has_moved(all, first) || homeless || embeds) || self.stored_apart(alias, first) {
                continue;
            }
            self.aliases.insert(alias, first);
            if let Some(by) = self.placed_by.remove(alias) {
                self.placed_by.entry(first).or_insert(by);
            }
            for (parameter, _, _) in self.bound.values_mut().filter(|(p, _, _)| *p == alias) {
                *parameter = first;
            }
            for parameter in self.tokens.values_mut().filter(|p| **p == alias) {
                *parameter = first;
            }
        }
    }

    fn values_of(&self, parameter: &str) -> impl Iterator<Item = (&'a Stored<'a>, bool)> {
        self.stored.iter().filter_map(move |v| match self.bound.get(v.name) {
            Some((p, transposed, _)) if *p == parameter => Some((v, *transposed)),
            _ => None,
        })
    }

    /// Whether the exporter's traces mention the parameter, or a node runs in its module.
    fn is_run(&self, model: &OnnxModel, parameter: &str) -> bool {
        let name = self.prefix.apply(parameter);
        let module = name.rsplit_once('.').map_or("", |(module, _)| module);
        trace::signature(model).values().any(|p| p.target == name)
            || model.nodes.iter().any(|n| trace::module_paths(n).iter().any(|path| path == module))
    }

    fn is_looked_up(&self, model: &OnnxModel, parameter: &str) -> bool {
        self.values_of(parameter).any(|(v, _)| v.uses.iter().any(|u| model.nodes[u.node].op_type == "Gather"))
    }

    /// Two initializers with different values show that the graph does not tie the tensors.
    fn stored_apart(&self, a: &str, b: &str) -> bool {
        self.values_of(a).any(|(x, turned_x)| {
            self.values_of(b).any(|(y, turned_y)| {
                let (plain, turned) = names::equality(x.array, y.array);
                if turned_x == turned_y { !plain } else { !turned }
            })
        })
    }

    fn finish(self) -> Placement {
        let mut parameters: Vec<(String, PlacedBy)> = Vec::new();
        // Stored values come in order of first use.
        for value in self.stored {
            if let Some(&(name, _, _)) = self.bound.get(value.name)
                && let Some(&by) = self.placed_by.get(name)
                && !parameters.iter().any(|(n, _)| n == name)
            {
                parameters.push((name.to_owned(), by));
            }
        }
        let mut bindings: Vec<Binding> = Vec::new();
        for (parameter, _) in &parameters {
            for value in self.stored {
                if let Some(&(name, transposed, _)) = self.bound.get(value.name)
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
        let constants =
            self.stored.iter().filter(|v| v.initializer && !self.is_claimed(v)).map(|v| v.name.to_owned()).collect();
        let mut aliases: Vec<(String, String)> =
            self.aliases.iter().map(|(alias, first)| ((*alias).to_owned(), (*first).to_owned())).collect();
        aliases.sort();
        Placement { parameters, bindings, constants, aliases }
    }
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

/// The first slot that only a parameter may fill and none does: node, input, and the stored value it comes from.
fn open_slot<'a>(
    model: &OnnxModel,
    state: &State<'a>,
    signature: &HashMap<String, Placeholder>,
    all: &[&[(String, Array)]],
) -> Option<(usize, usize, &'a Stored<'a>)> {
    let origins = constant_origins(model, state.stored);
    let live = slots::live_nodes(model);
    for (index, node) in model.nodes.iter().enumerate().filter(|(i, _)| live.contains(i)) {
        for (input, name) in node.inputs.iter().enumerate() {
            let Some(from) = origins.get(name.as_str()) else {
                continue;
            };
            let role = slots::role(node, input);
            let open = state.stored.iter().find(|v| {
                let parameter_like = match role {
                    Role::Elementwise => {
                        !v.array.shape.is_empty() && (is_parameter_name(v.name, signature) || repeats(v, all))
                    }
                    role => role.is_slot(),
                };
                parameter_like
                    && from.contains(v.name)
                    && !state.is_claimed(v)
                    && !is_plain_buffer(node, role, v.name, signature)
            });
            if let Some(value) = open {
                return Some((index, input, value));
            }
        }
    }
    None
}

/// Whether a constant could be a parameter's values: an operand of Add or Mul with more than one value.
fn may_repeat(value: &Stored<'_>) -> bool {
    value.uses.iter().any(|u| u.role == Role::Elementwise) && !names::is_constant(value.array)
}

/// Whether a constant equals a tensor of some snapshot, so that it can only be a parameter.
fn repeats(value: &Stored<'_>, all: &[&[(String, Array)]]) -> bool {
    let equal = |own: &Array| names::equality(own, value.array) != (false, false);
    may_repeat(value) && all.iter().any(|s| s.iter().any(|(_, own)| equal(own)))
}

/// Whether the newer exporter says that the value is a buffer which no state_dict holds.
fn is_plain_buffer(
    node: &crate::snapshot::onnx_graph::OnnxNode,
    role: Role,
    name: &str,
    signature: &HashMap<String, Placeholder>,
) -> bool {
    let by_name = signature.values().any(|p| p.target == name && !p.persistent);
    let traced = trace::traced_input(node, role).and_then(|t| signature.get(&t.token));
    by_name || traced.is_some_and(|p| !p.persistent)
}

/// A parameter of the exported model that a live node uses and the snapshot lacks (also one folded into others).
fn lacking_parameter(
    model: &OnnxModel,
    signature: &HashMap<String, Placeholder>,
    state: &State<'_>,
    place: &str,
) -> Option<Error> {
    let live = slots::live_nodes(model);
    for (index, node) in model.nodes.iter().enumerate().filter(|(i, _)| live.contains(i)) {
        for token in trace::placeholders(node) {
            let Some(placeholder) = signature.get(token).filter(|p| p.persistent) else {
                continue;
            };
            if state.tensor(&placeholder.target).is_none() && !state.tokens.contains_key(token) {
                return Some(Error::input(
                    "placing::lacking",
                    format!("{place}: node {index} '{}' ({})", node.name, node.op_type),
                    format!("the graph was exported with '{}', which the snapshot lacks", placeholder.target),
                    "save the whole state_dict of the exported model",
                ));
            }
        }
    }
    None
}

/// Whether a name ends as the parameters of modules do (`layers.0.bias`), and not as buffers (`rotary.cos`).
fn is_parameter_name(name: &str, signature: &HashMap<String, Placeholder>) -> bool {
    if signature.values().any(|p| p.persistent && p.target == name) {
        return true;
    }
    let leaf = name.rsplit(['.', '/']).next().unwrap_or(name);
    let known = ["weight", "bias", "in_proj_weight", "in_proj_bias", "gamma", "beta"];
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
         so that names survive: torch.onnx.export(..., dynamo=True, optimize=False), or with dynamo=False \
         do_constant_folding=False and training=torch.onnx.TrainingMode.PRESERVE",
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
