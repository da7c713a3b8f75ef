//! The exporters' own traces: node scope names of the older one, `metadata_props` of the newer one.

use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode};
use crate::snapshot::placing::slots::Role;
use std::collections::HashMap;

/// What the newer exporter's graph signature says of one of its placeholders.
#[derive(Debug, Clone, PartialEq)]
pub struct Placeholder {
    /// Name of the parameter or buffer in the module.
    pub target: String,
    /// False for buffers that no state_dict holds.
    pub persistent: bool,
}

/// The graph signature: placeholder (`p_h_0_ln1_weight`) to parameter or buffer.
pub fn signature(model: &OnnxModel) -> HashMap<String, Placeholder> {
    let mut found = HashMap::new();
    let texts = model.metadata.iter().filter(|(key, _)| key.ends_with("graph_signature")).map(|(_, text)| text);
    for line in texts.flat_map(|text| text.lines()) {
        let Some((token, rest)) = line.split_once(": ") else {
            continue;
        };
        let kind = rest.split(' ').next().unwrap_or("");
        let target = rest.split_once("target='").and_then(|(_, t)| t.split_once('\'')).map(|(t, _)| t);
        if let (true, Some(target)) = (matches!(kind, "PARAMETER" | "BUFFER"), target) {
            let persistent = !rest.contains("persistent=False");
            found.insert(token.trim().to_owned(), Placeholder { target: target.to_owned(), persistent });
        }
    }
    found
}

/// The traced call behind a node, as the newer exporter notes it.
#[derive(Debug, PartialEq)]
pub struct Call<'a> {
    /// Operator, e.g. `aten.linear.default`.
    pub operator: &'a str,
    /// Positional arguments as written, e.g. `%x`, `[8]`, `None`.
    pub arguments: Vec<&'a str>,
}

/// Reads `%linear : […] = call_function[target=torch.ops.aten.linear.default](args = (%x, %p_w, %p_b), kwargs = {})`.
pub fn traced_call(node: &OnnxNode) -> Option<Call<'_>> {
    let (_, text) = node.metadata.iter().find(|(key, _)| key.ends_with("fx_node"))?;
    let (_, rest) = text.split_once("[target=")?;
    let (operator, rest) = rest.split_once(']')?;
    let (_, rest) = rest.split_once("(args = (")?;
    let (mut depth, mut from) = (0usize, 0usize);
    let mut arguments = Vec::new();
    for (at, symbol) in rest.char_indices() {
        match symbol {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                arguments.push(rest[from..at].trim());
                break;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(rest[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    arguments.retain(|a| !a.is_empty());
    Some(Call { operator: operator.strip_prefix("torch.ops.").unwrap_or(operator), arguments })
}

/// A traced argument that feeds one input of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct TracedInput {
    /// The argument without `%`.
    pub token: String,
    /// Whether the stored value is the transpose of that argument, when the operator tells.
    pub transposed: Option<bool>,
}

/// Which traced argument the stored value in `role` at `node` stands for.
pub fn traced_input(node: &OnnxNode, role: Role) -> Option<TracedInput> {
    let call = traced_call(node)?;
    let name = call.operator.strip_prefix("aten.").unwrap_or(call.operator);
    let base = name.split('.').next().unwrap_or(name);
    let position = |weight: usize, bias: usize| match role {
        Role::Weight => Some(weight),
        Role::Bias | Role::Elementwise => Some(bias),
        _ => None,
    };
    // A norm written out as products and sums: its gain is multiplied, its shift added; what an InstanceNormalization
    // inside a group norm holds is neither.
    let written_out = match (node.op_type.as_str(), role) {
        ("Mul", Role::Elementwise) => Some(Role::Weight),
        ("Add", Role::Elementwise) => Some(Role::Bias),
        _ => None,
    };
    let index = match base {
        "group_norm" | "native_group_norm" if node.op_type == "InstanceNormalization" => return None,
        "layer_norm" | "native_layer_norm" | "group_norm" | "native_group_norm" if written_out.is_some() => {
            // native_group_norm(x, weight, bias, …), the others (x, shape or groups, weight, bias, …)
            let first = if base == "native_group_norm" { 1 } else { 2 };
            if written_out == Some(Role::Weight) { first } else { first + 1 }
        }
        "batch_norm" | "_native_batch_norm_legit_no_training" | "native_batch_norm" if written_out.is_some() => {
            // Scale and shift alone cannot be told from the statistics when they are folded together.
            return None;
        }
        "linear" => position(1, 2)?,
        "embedding" => position(0, usize::MAX)?,
        "conv1d" | "conv2d" | "conv3d" | "convolution" | "conv_transpose1d" | "conv_transpose2d" => position(1, 2)?,
        "layer_norm" | "native_layer_norm" | "group_norm" => position(2, 3)?,
        "native_group_norm" => position(1, 2)?,
        "rms_norm" | "_fused_rms_norm" => 2,
        "batch_norm" | "_native_batch_norm_legit_no_training" | "native_batch_norm" => match role {
            Role::Weight => 1,
            Role::Bias => 2,
            Role::RunningMean => 3,
            Role::RunningVariance => 4,
            _ => return None,
        },
        "addmm" => position(2, 0)?,
        "prelu" => 1,
        _ => {
            // Any other operator: the one placeholder among its arguments.
            let mut placeholders = call.arguments.iter().filter(|a| is_placeholder(a));
            let (Some(one), None) = (placeholders.next(), placeholders.next()) else {
                return None;
            };
            let plain = matches!(base, "matmul" | "mm" | "bmm" | "add" | "sub" | "mul" | "div" | "index_select");
            return Some(TracedInput {
                token: one.trim_start_matches('%').to_owned(),
                transposed: plain.then(|| is_gemm_transposed(node, role)),
            });
        }
    };
    let token = call.arguments.get(index)?.strip_prefix('%')?.to_owned();
    let transposed = match base {
        // aten.linear multiplies by the transpose of its weight.
        "linear" if role == Role::Weight => Some(!is_gemm_transposed(node, role)),
        "addmm" if role == Role::Weight => Some(is_gemm_transposed(node, role)),
        _ => Some(false),
    };
    Some(TracedInput { token, transposed })
}

/// Whether the node transposes the stored value itself.
fn is_gemm_transposed(node: &OnnxNode, role: Role) -> bool {
    role == Role::Weight
        && node.op_type == "Gemm"
        && node.attributes.iter().any(|(name, value)| name == "transB" && *value == Attribute::Int(1))
}

/// Whether a traced argument is a parameter or a buffer.
pub fn is_placeholder(argument: &str) -> bool {
    argument.starts_with("%p_") || argument.starts_with("%b_")
}

/// All placeholders that the traced call of a node mentions.
pub fn placeholders(node: &OnnxNode) -> Vec<&str> {
    let text = node.metadata.iter().find(|(key, _)| key.ends_with("fx_node")).map_or("", |(_, text)| text);
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '%'))
        .filter(|word| is_placeholder(word))
        .map(|word| &word[1..])
        .collect()
}

/// Paths of the module in which a node runs, likeliest readings only; empty when nothing tells.
///
/// `/layers.0/q_proj/MatMul` runs in `layers.0.q_proj`; in `/net/net.2/net.2.0/MatMul` each scope repeats its
/// parent, unless a child bears its parent's name.
pub fn module_paths(node: &OnnxNode) -> Vec<String> {
    if let Some((_, scopes)) = node.metadata.iter().find(|(key, _)| key.ends_with("name_scopes")) {
        let names: Vec<&str> = scopes.split('\'').skip(1).step_by(2).collect();
        return match names.as_slice() {
            [.., module, _] => vec![(*module).to_owned()],
            _ => Vec::new(),
        };
    }
    let Some(name) = node.name.strip_prefix('/') else {
        return Vec::new();
    };
    let mut scopes: Vec<&str> = name.split('/').collect();
    scopes.pop();
    let mut paths = vec![String::new()];
    for (depth, scope) in scopes.iter().enumerate() {
        let parent = depth.checked_sub(1).map_or("", |d| scopes[d]);
        let repeats = scope.strip_prefix(parent).is_some_and(|rest| !parent.is_empty() && rest.starts_with('.'));
        let mut next = Vec::new();
        for path in &paths {
            if let (true, Some(head)) = (repeats, path.strip_suffix(parent)) {
                next.push(format!("{head}{scope}"));
            }
            next.push(if path.is_empty() { (*scope).to_owned() } else { format!("{path}.{scope}") });
        }
        // Two readings per repeated scope; deeper ambiguity tells nothing.
        next.truncate(16);
        paths = next;
    }
    // A module that runs twice gets a numbered scope the second time.
    let again: Vec<String> = paths
        .iter()
        .filter_map(|p| p.rsplit_once('_'))
        .filter(|(_, digits)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .map(|(head, _)| head.to_owned())
        .collect();
    paths.extend(again);
    paths.retain(|p| !p.is_empty());
    paths
}

/// The operator in the name that the older exporter gives to constants it computed (`onnx::MatMul_229`).
pub fn folded_for(name: &str) -> Option<&str> {
    let (operator, digits) = name.strip_prefix("onnx::")?.rsplit_once('_')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(operator)
}

/// Whether a traced value (`embedding_1`, `permute`, `mul_3`) only rearranges its argument.
pub fn is_rearranged(token: &str) -> bool {
    let base = match token.rsplit_once('_') {
        Some((head, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => head,
        _ => token,
    };
    let layout = [
        "embedding",
        "permute",
        "transpose",
        "t",
        "numpy_t",
        "view",
        "reshape",
        "clone",
        "alias",
        "detach",
        "contiguous",
        "squeeze",
        "unsqueeze",
        "val",
    ];
    layout.contains(&base)
}
