//! The rules beyond names: traces, values, unique shapes. Each binds only what is certain.

use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode};
use crate::snapshot::placing::names::{equality, is_constant};
use crate::snapshot::placing::slots::{Role, Stored, Use};
use crate::snapshot::placing::state::State;
use crate::snapshot::placing::trace::{
    Placeholder, folded_for, is_placeholder, is_rearranged, module_paths, traced_call, traced_input,
};
use crate::snapshot::placing::{PlacedBy, orientation};
use std::collections::HashMap;

/// Rule 2: the traced argument behind a use, then the module scope of its node.
pub(super) fn by_trace(model: &OnnxModel, signature: &HashMap<String, Placeholder>, state: &mut State<'_>) {
    for value in state.free() {
        let traced: Vec<(&str, Option<bool>, String)> = value
            .uses
            .iter()
            .filter_map(|used| traced_input(&model.nodes[used.node], used.role))
            .filter_map(|input| {
                let target = &signature.get(&input.token)?.target;
                let (name, array) = state.tensor(target)?;
                Some((name.as_str(), settle(array, value, input.transposed)?, input.token))
            })
            .map(|(name, transposed, token)| (name, Some(transposed), token))
            .collect();
        let agreed = traced.iter().all(|t| t.0 == traced[0].0 && t.1 == traced[0].1);
        if let (true, Some((name, Some(transposed), token))) = (agreed, traced.first()) {
            let (name, _) = match state.snapshot.iter().find(|(n, _)| n == name) {
                Some((n, a)) => (n.as_str(), a),
                None => continue,
            };
            state.bind(name, value.name, *transposed, PlacedBy::Trace);
            state.tokens.insert(token.clone(), name);
        }
    }
    by_scope(model, signature, state);
    // A tied weight is traced under one placeholder at all its uses, whatever the snapshot calls it.
    for value in state.free() {
        let Some(used) = value.uses.first() else { continue };
        let Some(input) = traced_input(&model.nodes[used.node], used.role) else { continue };
        let Some(&name) = state.tokens.get(&input.token) else { continue };
        if let Some(transposed) = state.array(name).and_then(|array| settle(array, value, input.transposed)) {
            state.bind(name, value.name, transposed, PlacedBy::Trace);
        }
    }
}

/// The orientation that shapes and trace agree on.
fn settle(parameter: &Array, value: &Stored<'_>, traced: Option<bool>) -> Option<bool> {
    let square = matches!(parameter.shape[..], [a, b] if a == b);
    match (orientation(&parameter.shape, &value.array.shape)?, traced) {
        (_, traced) if square => traced,
        (by_shape, Some(traced)) if parameter.shape.len() == 2 => (by_shape == traced).then_some(by_shape),
        (by_shape, _) => Some(by_shape),
    }
}

fn by_scope(model: &OnnxModel, signature: &HashMap<String, Placeholder>, state: &mut State<'_>) {
    // Parameter to the values that claim it, and how.
    let mut claims: Vec<(&str, &Stored<'_>, bool, Option<String>)> = Vec::new();
    for value in state.free() {
        let Some(used) = value.uses.first() else { continue };
        let node = &model.nodes[used.node];
        // A traced call that does not name a parameter directly computed something first.
        let token = match traced_call(node) {
            None => None,
            Some(_) => match traced_input(node, used.role) {
                Some(input) if signature.contains_key(&input.token) && is_placeholder(&format!("%{}", input.token)) => {
                    Some(input.token)
                }
                _ => continue,
            },
        };
        let mut found: Vec<(&str, bool)> = Vec::new();
        for path in module_paths(node) {
            for leaf in leaves(node, used) {
                let Some((name, array)) = state.tensor(&format!("{path}.{leaf}")) else { continue };
                if state.placed_by.contains_key(name.as_str()) || found.iter().any(|(n, _)| n == name) {
                    continue;
                }
                if let Some(transposed) = scope_orientation(array, value, node, used) {
                    found.push((name, transposed));
                }
            }
        }
        if let [(name, transposed)] = found[..] {
            claims.push((name, value, transposed, token));
        }
    }
    for index in 0..claims.len() {
        let (name, value, transposed, token) = &claims[index];
        // Several values may stand for one parameter only if they are the same: a weight used twice.
        let rivals = claims.iter().filter(|(n, _, _, _)| n == name);
        let agree = rivals.into_iter().all(|(_, other, orientation, _)| {
            orientation == transposed && other.array.first_difference(value.array).is_none()
        });
        if agree {
            state.bind(name, value.name, *transposed, PlacedBy::Trace);
            if let Some(token) = token {
                state.tokens.insert(token.clone(), name);
            }
        }
    }
}

/// What a module may call the parameter that stands at this input.
fn leaves(node: &OnnxNode, used: &Use) -> &'static [&'static str] {
    match (node.op_type.as_str(), used.role) {
        ("MatMul" | "Gemm", Role::Weight) => &["weight", "in_proj_weight"],
        (_, Role::Weight) => &["weight"],
        (_, Role::Bias) => &["bias", "in_proj_bias"],
        (_, Role::RunningMean) => &["running_mean"],
        (_, Role::RunningVariance) => &["running_var"],
        ("Add", Role::Elementwise) => &["bias", "in_proj_bias"],
        ("Mul", Role::Elementwise) => &["weight"],
        _ => &[],
    }
}

/// The orientation of a value found by its module's scope.
fn scope_orientation(parameter: &Array, value: &Stored<'_>, node: &OnnxNode, used: &Use) -> Option<bool> {
    let by_shape = orientation(&parameter.shape, &value.array.shape)?;
    let folded = folded_for(value.name);
    // The older exporter keeps the names of weights it only passes on; of those it transposes for a product it
    // computes the transpose; the slope of a PReLU it lays along the channels. A constant that it computed for any
    // other operator holds arithmetic.
    if let Some(operator) = folded
        && !matches!(operator, "MatMul" | "Gemm" | "PRelu")
    {
        return None;
    }
    let square = matches!(parameter.shape[..], [a, b] if a == b);
    if parameter.shape.len() != 2 || used.role != Role::Weight {
        return Some(by_shape);
    }
    let transposes = node.attributes.iter().any(|(n, v)| n == "transB" && *v == Attribute::Int(1));
    match (node.op_type.as_str(), folded.is_some()) {
        ("MatMul" | "Gemm", true) if used.input == 1 && !transposes => (by_shape || square).then_some(true),
        (_, true) => None,
        ("Gemm", false) if transposes => (!by_shape).then_some(false),
        (_, false) if square && node.op_type != "Gather" => {
            // The newer exporter says which operator it was; else a square matrix may be either way round.
            traced_input(node, used.role).and_then(|t| t.transposed)
        }
        _ => Some(by_shape),
    }
}

/// A value that equals another one of the graph, plain or transposed, is the same tied weight.
///
/// Trained numbers do not agree by accident, so the graph's own values show the tie whatever the snapshots hold.
pub(super) fn by_twin(state: &mut State<'_>) {
    for value in state.free() {
        // Layers that begin as copies of each other are no tie: a tensor without a place may want this value.
        let wanted = state.unplaced().iter().any(|(_, a)| orientation(&a.shape, &value.array.shape).is_some());
        if wanted || value.array.len() < 2 || is_constant(value.array) {
            continue;
        }
        let mut twins: Vec<(&str, bool)> = Vec::new();
        for other in state.stored {
            let Some(&(parameter, transposed, _)) = state.bound.get(other.name) else { continue };
            match equality(other.array, value.array) {
                (false, false) => {}
                // A symmetric square fits both ways round.
                (true, true) if value.array.shape.len() == 2 => twins.extend([(parameter, true), (parameter, false)]),
                (plain, _) => twins.push((parameter, transposed == plain)),
            }
        }
        twins.dedup();
        if let [(parameter, transposed)] = twins[..] {
            state.bind(parameter, value.name, transposed, PlacedBy::Value);
        }
    }
}

/// Rule 3: some snapshot of the folder equals the graph's own weights, so values tell the places.
///
/// # Errors
/// An input error when the values contradict what a trace said.
pub(super) fn by_value(
    model: &OnnxModel,
    state: &mut State<'_>,
    all: &[&[(String, Array)]],
    place: &str,
) -> Result<()> {
    let Some(reference) = all.iter().find(|s| is_reference(state, s)) else {
        return check_contradiction(state, all, place);
    };
    let array = |name: &str| reference.iter().find(|(n, _)| n == name).map(|(_, a)| a);
    // Values settle which way round a square matrix is stored.
    let bound: Vec<(&str, (&str, bool, PlacedBy))> = state.bound.iter().map(|(v, b)| (*v, *b)).collect();
    for (value, (parameter, transposed, by)) in bound {
        let stored = state.stored.iter().find(|v| v.name == value);
        if let (Some(stored), Some(own)) = (stored, array(parameter)) {
            let (plain, turned) = equality(own, stored.array);
            if plain != turned && turned != transposed {
                state.bind(parameter, value, turned, by);
            }
        }
    }
    let open: Vec<&str> = state.unplaced().iter().map(|(n, _)| *n).collect();
    let free = state.free();
    let mut settled: Vec<(&str, &str, bool)> = Vec::new();
    for value in &free {
        let mut candidates: Vec<(&str, bool, bool)> = Vec::new();
        for (name, _) in state.snapshot.iter().filter(|(n, _)| !state.aliases.contains_key(n.as_str())) {
            if let Some(own) = array(name) {
                let (plain, turned) = equality(own, value.array);
                if plain || turned {
                    candidates.push((name, plain, turned));
                }
            }
        }
        let certain = |(_, plain, turned): &(&str, bool, bool)| plain != turned || value.array.shape.len() < 2;
        if value.array.len() > 1 && !is_constant(value.array) {
            // Trained numbers do not agree by accident: every value that equals a tensor is fed by it.
            if let [one] = candidates.as_slice()
                && certain(one)
            {
                settled.push((one.0, value.name, !one.1));
            }
        } else if value.uses.iter().any(|u| u.role.is_slot() || u.role == Role::Elementwise) {
            // Equal constants prove nothing, unless one tensor and one value are left for each other, or the value stands
            // in the tensor's own module: the older exporter lays the gain and shift of a group norm along the channels
            // and loses their names, and fresh ones are ones and zeros.
            candidates.retain(|(name, _, _)| open.contains(name));
            let at_home: Vec<&str> = candidates
                .iter()
                .filter(|(name, plain, _)| *plain && array(name).is_some_and(|own| own.shape.len() < 2))
                .map(|(name, _, _)| *name)
                .filter(|name| is_at_home(model, state, value, name))
                .collect();
            if let [name] = at_home[..] {
                settled.push((name, value.name, false));
            } else if let [(name, plain, _)] = candidates[..]
                && array(name).is_some_and(|own| only_match(own, &free, value))
                && (plain || value.array.shape.len() < 2)
                && value.array.shape.len() < 2
            {
                settled.push((name, value.name, false));
            }
        }
    }
    for (name, value, transposed) in settled {
        let known = state.snapshot.iter().find(|(n, _)| n == name).map(|(n, _)| n.as_str());
        let stored = state.stored.iter().find(|v| v.name == value).map(|v| v.name);
        if let (Some(name), Some(value)) = (known, stored) {
            state.bind(name, value, transposed, PlacedBy::Value);
        }
    }
    Ok(())
}

/// Whether the one use of a value is where its module has the tensor `name`.
fn is_at_home(model: &OnnxModel, state: &State<'_>, value: &Stored<'_>, name: &str) -> bool {
    let [used] = value.uses.as_slice() else { return false };
    let node = &model.nodes[used.node];
    let leads = |path: &String, leaf: &&str| state.tensor(&format!("{path}.{leaf}")).is_some_and(|(n, _)| n == name);
    module_paths(node).iter().any(|path| leaves(node, used).iter().any(|leaf| leads(path, leaf)))
}

fn only_match(own: &Array, free: &[&Stored<'_>], value: &Stored<'_>) -> bool {
    free.iter().all(|v| v.name == value.name || equality(own, v.array) == (false, false))
}

/// Whether a snapshot equals the graph's own weights as far as places are known, and can fill the rest.
fn is_reference(state: &State<'_>, snapshot: &[(String, Array)]) -> bool {
    let array = |name: &str| snapshot.iter().find(|(n, _)| n == name).map(|(_, a)| a);
    let bound = state.bound.iter().all(|(value, (parameter, _, _))| {
        let stored = state.stored.iter().find(|v| v.name == *value);
        match (stored, array(parameter)) {
            (Some(stored), Some(own)) => {
                let (plain, turned) = equality(own, stored.array);
                plain || turned
            }
            _ => false,
        }
    });
    let free = state.free();
    bound
        && state.unplaced().iter().all(|(name, _)| {
            array(name).is_some_and(|own| free.iter().any(|v| equality(own, v.array) != (false, false)))
        })
}

/// A snapshot that agrees with every trained tensor placed by name, but not with one placed by a trace, shows that
/// the exporter computed something (a scaled weight, a merged normalization) where the trace saw a weight.
fn check_contradiction(state: &State<'_>, all: &[&[(String, Array)]], place: &str) -> Result<()> {
    for snapshot in all {
        let array = |name: &str| snapshot.iter().find(|(n, _)| n == name).map(|(_, a)| a);
        let mut trained = false;
        let mut named_agree = true;
        let mut odd = None;
        for (value, (parameter, _, by)) in &state.bound {
            let stored = state.stored.iter().find(|v| v.name == *value);
            let (Some(stored), Some(own)) = (stored, array(parameter)) else { continue };
            let (plain, turned) = equality(own, stored.array);
            if *by == PlacedBy::Name {
                named_agree &= plain || turned;
                trained |= !is_constant(own);
            } else if !plain && !turned {
                odd.get_or_insert((*parameter, *value));
            }
        }
        if let (true, true, Some((parameter, value))) = (named_agree, trained, odd) {
            return Err(Error::input(
                "placing::contradiction",
                format!("{place}: initializer '{value}'"),
                format!(
                    "the trace leads to '{parameter}', but in the snapshot that equals the graph's other weights it \
                     is neither that tensor nor its transpose"
                ),
                "the exporter folded arithmetic into the weight: export with do_constant_folding=False, or with \
                 dynamo=True and optimize=False",
            ));
        }
    }
    Ok(())
}

/// Rule 4: one tensor and one value are left of a shape.
pub(super) fn by_shape(model: &OnnxModel, state: &mut State<'_>) {
    let open = state.unplaced();
    let free: Vec<&Stored<'_>> = state.free().into_iter().filter(|v| may_be_parameter(model, v)).collect();
    let fits = |own: &Array, value: &Stored<'_>| orientation(&own.shape, &value.array.shape).is_some();
    let mut settled = Vec::new();
    for &(name, own) in &open {
        let values: Vec<&&Stored<'_>> = free.iter().filter(|v| fits(own, v)).collect();
        let [value] = values[..] else { continue };
        let alone = open.iter().filter(|(_, other)| fits(other, value)).count() == 1;
        let square = matches!(own.shape[..], [a, b] if a == b && a > 1);
        let turned = if square { gathered(model, value) } else { orientation(&own.shape, &value.array.shape) };
        if let (true, Some(turned)) = (alone, turned) {
            settled.push((name, value.name, turned));
        }
    }
    for (name, value, transposed) in settled {
        state.bind(name, value, transposed, PlacedBy::Shape);
    }
}

/// A square table that the newer exporter looked up ahead of time (`embedding_1`) keeps its orientation.
fn gathered(model: &OnnxModel, value: &Stored<'_>) -> Option<bool> {
    let call = traced_call(&model.nodes[value.uses.first()?.node])?;
    let traced = call.arguments.iter().any(|a| a.strip_prefix('%') == Some(value.name));
    (traced && value.name.starts_with("embedding")).then_some(false)
}

/// Whether a value stands where a parameter may stand and was not computed by the exporter.
fn may_be_parameter(model: &OnnxModel, value: &Stored<'_>) -> bool {
    let Some(used) = value.uses.first() else {
        return false;
    };
    let node = &model.nodes[used.node];
    let rearranged = match (folded_for(value.name), traced_call(node)) {
        (Some("MatMul" | "Gemm" | "PRelu"), _) => true,
        (Some("Add"), _) => value.array.shape.len() == 2,
        (Some(_), _) => false,
        (None, None) => true,
        (None, Some(call)) => {
            let token = traced_input(node, used.role).map(|t| t.token);
            let token = token.unwrap_or_else(|| value.name.to_owned());
            let mentioned = call.arguments.iter().any(|a| a.strip_prefix('%') == Some(token.as_str()));
            mentioned && (is_rearranged(&token) || is_placeholder(&format!("%{token}")))
        }
    };
    let plausible = match used.role {
        // Masks and tables have few distinct or unbounded values; weights do not.
        Role::Elementwise => !value.array.shape.is_empty() && looks_trained(value.array),
        role => role.is_slot(),
    };
    rearranged && plausible
}

fn looks_trained(array: &Array) -> bool {
    let Some(values) = array.floats() else {
        return false;
    };
    let mut distinct: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    values.iter().all(|v| v.is_finite()) && distinct.len() > 2.min(values.len() - 1)
}
