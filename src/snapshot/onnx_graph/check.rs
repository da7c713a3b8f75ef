//! What makes a list of nodes a graph: unique names, every input defined, no cycle. Sorts the nodes if need be.

use crate::error::{Error, Result};
use crate::snapshot::onnx_graph::{OnnxModel, OnnxNode};
use std::collections::{HashMap, HashSet, VecDeque};

/// Checks `model`, drops inputs that name an initializer, and puts the nodes in an executable order.
pub fn check(model: &mut OnnxModel, place: &str) -> Result<()> {
    let mut known: HashSet<&str> = HashSet::new();
    for (name, _) in &model.initializers {
        if name.is_empty() {
            return Err(graph_error(place, "an initializer without a name".into()));
        }
        if !known.insert(name) {
            return Err(graph_error(place, format!("two initializers are named '{name}'")));
        }
    }
    // Files of IR version 3 list the initializers among the inputs as well.
    let initializers = known.clone();
    let mut seen = HashSet::new();
    for input in &model.inputs {
        if !seen.insert(input.name.as_str()) {
            return Err(graph_error(place, format!("two graph inputs are named '{}'", input.name)));
        }
    }
    let real_inputs: Vec<_> =
        model.inputs.iter().filter(|v| !initializers.contains(v.name.as_str())).cloned().collect();
    known.extend(real_inputs.iter().map(|v| v.name.as_str()));
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (index, node) in model.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            if known.contains(output.as_str()) || producer.insert(output, index).is_some() {
                return Err(graph_error(
                    place,
                    format!("two values are named '{output}' (again at {})", label(index, node)),
                ));
            }
        }
    }
    for (index, node) in model.nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|i| !i.is_empty()) {
            if !known.contains(input.as_str()) && !producer.contains_key(input.as_str()) {
                return Err(graph_error(
                    place,
                    format!("{} takes '{input}', which nothing in the graph defines", label(index, node)),
                ));
            }
        }
    }
    if model.outputs.is_empty() {
        return Err(graph_error(place, "the graph has no output".into()));
    }
    for output in &model.outputs {
        if !known.contains(output.name.as_str()) && !producer.contains_key(output.name.as_str()) {
            return Err(graph_error(place, format!("nothing in the graph defines its output '{}'", output.name)));
        }
    }
    let order = sorted(&model.nodes, &producer, place)?;
    let in_order = order.iter().enumerate().all(|(i, j)| i == *j);
    if !in_order {
        let mut slots: Vec<Option<OnnxNode>> = std::mem::take(&mut model.nodes).into_iter().map(Some).collect();
        model.nodes = order.into_iter().filter_map(|i| slots.get_mut(i).and_then(Option::take)).collect();
    }
    model.inputs = real_inputs;
    Ok(())
}

/// Kahn's algorithm, first in file first out.
fn sorted(nodes: &[OnnxNode], producer: &HashMap<&str, usize>, place: &str) -> Result<Vec<usize>> {
    let mut waiting = vec![0usize; nodes.len()];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut ordered_already = true;
    for (index, node) in nodes.iter().enumerate() {
        for &from in node.inputs.iter().filter_map(|i| producer.get(i.as_str())) {
            waiting[index] += 1;
            users[from].push(index);
            ordered_already &= from < index;
        }
    }
    if ordered_already {
        return Ok((0..nodes.len()).collect());
    }
    let mut ready: VecDeque<usize> = (0..nodes.len()).filter(|i| waiting[*i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_front() {
        order.push(index);
        for &user in &users[index] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push_back(user);
            }
        }
    }
    if order.len() < nodes.len() {
        let stuck = (0..nodes.len()).find(|i| waiting[*i] > 0).unwrap_or(0);
        return Err(graph_error(place, format!("the nodes form a cycle through {}", label(stuck, &nodes[stuck]))));
    }
    Ok(order)
}

fn label(index: usize, node: &OnnxNode) -> String {
    format!("node {index} '{}' ({})", node.name, node.op_type)
}

fn graph_error(place: &str, what: String) -> Error {
    Error::input("onnx::graph", place, what, "the file is damaged: export the model again")
}
