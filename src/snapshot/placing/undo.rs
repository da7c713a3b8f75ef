//! What the newer exporter did to parameters because of their values when it ran, undone: equal initializers that
//! it merged are taken apart, biases that it dropped because they were zero come back.

use crate::snapshot::array::{Array, Values};
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode};
use crate::snapshot::placing::names::Prefix;
use crate::snapshot::placing::slots::{Role, stored_values};
use crate::snapshot::placing::trace::{Placeholder, traced_input};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Undoes both for the tensors of `snapshot`.
pub fn undo(
    model: &mut OnnxModel,
    snapshot: &[(String, Array)],
    prefix: &Prefix,
    signature: &HashMap<String, Placeholder>,
) {
    let known: HashSet<String> = snapshot.iter().map(|(name, _)| prefix.apply(name)).collect();
    restore_biases(model, &known, signature);
    split_named(model, &known, signature);
}

/// Gives a Gemm or Conv its third input back where the exporter says that it removed a zero bias, and which.
pub fn restore_biases(model: &mut OnnxModel, known: &HashSet<String>, signature: &HashMap<String, Placeholder>) {
    let mut taken: HashSet<String> = model.initializers.iter().map(|(name, _)| name.clone()).collect();
    taken.extend(model.nodes.iter().flat_map(|n| n.outputs.iter().cloned()));
    taken.extend(model.inputs.iter().map(|v| v.name.clone()));
    for node in &mut model.nodes {
        let removed = node.metadata.iter().any(|(k, v)| k.ends_with("rule_name") && v.contains("RemoveOptionalBias"));
        if !removed || node.inputs.len() != 2 {
            continue;
        }
        let weight = model.initializers.iter().find(|(name, _)| *name == node.inputs[1]).map(|(_, array)| array);
        let target = traced_input(node, Role::Bias).and_then(|t| signature.get(&t.token)).map(|p| p.target.clone());
        let (Some(weight), Some(target)) = (weight, target.filter(|t| known.contains(t))) else {
            continue;
        };
        let Some(length) = output_features(node, weight) else {
            continue;
        };
        let zeros = Array { dtype: weight.dtype, shape: vec![length], values: Values::Float(vec![0.0; length]) };
        if taken.insert(target.clone()) {
            model.initializers.push((target.clone(), zeros));
            node.inputs.push(target);
        }
    }
}

fn output_features(node: &OnnxNode, weight: &Array) -> Option<usize> {
    let turned = node.attributes.iter().any(|(n, v)| n == "transB" && *v == Attribute::Int(1));
    match (node.op_type.as_str(), &weight.shape[..]) {
        ("Gemm", [rows, columns]) => Some(if turned { *rows } else { *columns }),
        ("Conv", [channels, ..]) => Some(*channels),
        _ => None,
    }
}

/// Gives each parameter an initializer of its own where the traces name several parameters for one initializer.
///
/// Fresh biases are all zero and fresh gains all one, so a graph exported from a fresh model has one initializer
/// for many parameters, which differ as soon as training begins.
pub fn split_named(model: &mut OnnxModel, known: &HashSet<String>, signature: &HashMap<String, Placeholder>) {
    let mut taken: HashSet<String> = model.initializers.iter().map(|(name, _)| name.clone()).collect();
    taken.extend(model.nodes.iter().flat_map(|n| n.outputs.iter().cloned()));
    taken.extend(model.inputs.iter().map(|v| v.name.clone()));
    let mut rewired: Vec<(usize, usize, String)> = Vec::new();
    let mut copies: Vec<(String, Array)> = Vec::new();
    for value in stored_values(model) {
        // Parameter to the inputs it feeds; only exact traces of parameters that the snapshot holds count.
        let mut by_parameter: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
        for used in &value.uses {
            let token = traced_input(&model.nodes[used.node], used.role).map(|t| t.token);
            let target = token.and_then(|t| signature.get(&t)).map(|p| p.target.as_str());
            if let Some(target) = target.filter(|t| known.contains(*t)) {
                by_parameter.entry(target).or_default().push((used.node, used.input));
            }
        }
        if by_parameter.len() < 2 {
            continue;
        }
        for (parameter, inputs) in by_parameter {
            if parameter == value.name || taken.contains(parameter) {
                continue;
            }
            taken.insert(parameter.to_owned());
            copies.push((parameter.to_owned(), value.array.clone()));
            rewired.extend(inputs.into_iter().map(|(node, input)| (node, input, parameter.to_owned())));
        }
    }
    model.initializers.extend(copies);
    for (node, input, name) in rewired {
        if let Some(slot) = model.nodes.get_mut(node).and_then(|n| n.inputs.get_mut(input)) {
            *slot = name;
        }
    }
}
