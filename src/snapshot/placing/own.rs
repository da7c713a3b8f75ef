//! The graph's own weights as a case, for a folder without any snapshot.

use crate::snapshot::array::{Array, Values};
use crate::snapshot::onnx_graph::OnnxModel;
use crate::snapshot::placing::checks::is_parameter_name;
use crate::snapshot::placing::names::{equality, is_constant};
use crate::snapshot::placing::slots::{Role, constant_origins, live_nodes, role, role_of, stored_values};
use crate::snapshot::placing::undo::{restore_biases, split_named};
use crate::snapshot::placing::{Binding, PlacedBy, Placement, materialize, trace};
use std::collections::HashSet;

/// Takes the constants that sit in weight and bias slots as parameters, in order of their first use.
///
/// A value that equals an earlier one (also transposed) and is not constant is the same parameter: exporters store
/// tied weights twice when they fold a transpose.
pub fn own_weights(model: &mut OnnxModel) -> (Vec<(String, Array)>, Placement) {
    let signature = trace::signature(model);
    let targets: HashSet<String> = signature.values().filter(|p| p.persistent).map(|p| p.target.clone()).collect();
    restore_biases(model, &targets, &signature);
    split_named(model, &targets, &signature);
    let stored = stored_values(model);
    let origins = constant_origins(model, &stored);
    let live = live_nodes(model);
    let mut in_slots: HashSet<&str> = HashSet::new();
    for node in model.nodes.iter().enumerate().filter(|(i, _)| live.contains(i)).map(|(_, n)| n) {
        for (input, name) in node.inputs.iter().enumerate() {
            let Some(from) = origins.get(name.as_str()) else { continue };
            let own = stored.iter().find(|v| v.name == name.as_str());
            match own.map_or_else(|| role(node, input), |v| role_of(node, input, v.name, v.array)) {
                Role::Elementwise => {
                    in_slots.extend(from.iter().filter(|n| is_parameter_name(n, &signature)));
                }
                role if role.is_slot() => in_slots.extend(from),
                _ => {}
            }
        }
    }
    let mut params: Vec<(String, Array)> = Vec::new();
    let mut placement =
        Placement { parameters: Vec::new(), bindings: Vec::new(), constants: Vec::new(), aliases: Vec::new() };
    for value in &stored {
        let sits = in_slots.contains(value.name)
            // What an Identity repeats under another parameter's name is that parameter.
            || value.copy_of.is_some() && is_parameter_name(value.name, &signature);
        if !sits || value.copy_of.is_some() && !is_parameter_name(value.name, &signature) {
            if value.initializer {
                placement.constants.push(value.name.to_owned());
            }
            continue;
        }
        let twin = params.iter().find_map(|(name, array)| {
            let (plain, turned) = equality(array, value.array);
            (!is_constant(array) && (plain || turned)).then(|| (name.clone(), !plain))
        });
        let (parameter, transposed) = match twin {
            Some(found) => found,
            None => {
                let traced = value
                    .uses
                    .first()
                    .and_then(|u| trace::traced_input(&model.nodes[u.node], u.role))
                    .and_then(|t| Some((signature.get(&t.token)?.target.clone(), t.transposed?)))
                    .filter(|(target, _)| !params.iter().any(|(n, _)| n == target));
                let (name, transposed) = match traced {
                    Some((target, transposed)) if !is_parameter_name(value.name, &signature) => (target, transposed),
                    _ => (value.name.to_owned(), false),
                };
                let transposed = transposed && value.array.shape.len() == 2;
                let array = if transposed { transpose(value.array) } else { value.array.clone() };
                params.push((name.clone(), array));
                placement.parameters.push((name.clone(), PlacedBy::Name));
                (name, transposed)
            }
        };
        placement.bindings.push(Binding { parameter, initializer: value.name.to_owned(), transposed });
    }
    let order = |name: &str| placement.parameters.iter().position(|(n, _)| n == name);
    let mut bindings = std::mem::take(&mut placement.bindings);
    bindings.sort_by_key(|b| order(&b.parameter));
    placement.bindings = bindings;
    materialize(model, &placement.bindings);
    (params, placement)
}

fn transpose(array: &Array) -> Array {
    let (&[rows, columns], Values::Float(values)) = (&array.shape[..], &array.values) else {
        return array.clone();
    };
    let turned = (0..columns).flat_map(|j| (0..rows).map(move |i| values[i * columns + j])).collect();
    Array { dtype: array.dtype, shape: vec![columns, rows], values: Values::Float(turned) }
}
