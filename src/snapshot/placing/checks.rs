//! What must hold once the rules are through: no slot filled from the graph, no parameter of the export missing.

use crate::error::Error;
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::{OnnxModel, OnnxNode};
use crate::snapshot::placing::slots::{self, Role, Stored, constant_origins};
use crate::snapshot::placing::state::State;
use crate::snapshot::placing::trace::{self, Placeholder};
use crate::snapshot::placing::{names, orientation};
use std::collections::HashMap;

/// The first slot that only a parameter may fill and none does: node, input, and the stored value it comes from.
pub(super) fn open_slot<'a>(
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
                let role = if v.name == name { slots::role_of(node, input, v.name, v.array) } else { role };
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
pub(super) fn may_repeat(value: &Stored<'_>) -> bool {
    value.uses.iter().any(|u| u.role == Role::Elementwise) && !names::is_constant(value.array)
}

/// Whether a constant equals a tensor of some snapshot, so that it can only be a parameter.
fn repeats(value: &Stored<'_>, all: &[&[(String, Array)]]) -> bool {
    let equal = |own: &Array| names::equality(own, value.array) != (false, false);
    may_repeat(value) && all.iter().any(|s| s.iter().any(|(_, own)| equal(own)))
}

/// Whether the newer exporter says that the value is a buffer which no state_dict holds.
fn is_plain_buffer(node: &OnnxNode, role: Role, name: &str, signature: &HashMap<String, Placeholder>) -> bool {
    let by_name = signature.values().any(|p| p.target == name && !p.persistent);
    let traced = trace::traced_input(node, role).and_then(|t| signature.get(&t.token));
    by_name || traced.is_some_and(|p| !p.persistent)
}

/// A parameter of the exported model that a live node uses and the snapshot lacks (also one folded into others).
pub(super) fn lacking_parameter(
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
pub(super) fn is_parameter_name(name: &str, signature: &HashMap<String, Placeholder>) -> bool {
    if signature.values().any(|p| p.persistent && p.target == name) {
        return true;
    }
    let leaf = name.rsplit(['.', '/']).next().unwrap_or(name);
    let known = ["weight", "bias", "in_proj_weight", "in_proj_bias", "gamma", "beta"];
    known.contains(&leaf) && (leaf != name || matches!(leaf, "weight" | "bias"))
}

/// The error for a tensor that no rule placed.
pub(super) fn unplaced(model: &OnnxModel, state: &State<'_>, name: &str, array: &Array, place: &str) -> Error {
    if let Some(error) = swallowed(model, name, place) {
        return error;
    }
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

/// The error where a node that cannot be analysed has swallowed the tensor: control flow with graphs of its own, or a
/// recurrence with packed weights. To name the tensor alone would send the user after the wrong cause.
fn swallowed(model: &OnnxModel, name: &str, place: &str) -> Option<Error> {
    let live = slots::live_nodes(model);
    let of = |node: &OnnxNode| match node.op_type.as_str() {
        "If" | "Loop" | "Scan" | "SequenceMap" => Some((
            "control flow is not supported",
            "export the model with fixed control flow (torch.onnx.export traces it away)",
        )),
        "LSTM" | "GRU" | "RNN" => {
            Some(("recurrent operators are not supported", "unroll the recurrence before the export"))
        }
        _ => None,
    };
    let mut nodes = model.nodes.iter().enumerate().filter(|(i, _)| live.contains(i));
    let (index, node, (what, remedy)) = nodes.find_map(|(i, n)| of(n).map(|why| (i, n, why)))?;
    Some(Error::input(
        "placing::operator",
        format!("{place}: node {index} '{}' ({})", node.name, node.op_type),
        format!("{what}; so the tensor '{name}' has no place"),
        remedy,
    ))
}
