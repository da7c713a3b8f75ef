//! Every operator in its forms: the value against the ONNX reference evaluator (`tests/data/operators.json`), first and
//! second derivatives with respect to every input against central differences; and the generated support table.

use breakeven::curvature::{Block, Objective, Precision, SymmetricOperator, prepare};
use breakeven::graph::lower::support;
use breakeven::parallel::Threads;
use breakeven::snapshot::array::{Array, Dtype, Values};
use breakeven::snapshot::loss::{LossKind, LossSpec, Reduction};
use breakeven::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue};
use breakeven::snapshot::placing::Binding;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn array(v: &Value) -> Array {
    let shape = v["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let data = v["data"].as_array().unwrap();
    let (dtype, values) = match v["kind"].as_str().unwrap_or("float") {
        "int" => (Dtype::I64, Values::Int(data.iter().map(|x| x.as_i64().unwrap()).collect())),
        "bool" => (Dtype::Bool, Values::Bool(data.iter().map(|x| x.as_bool().unwrap()).collect())),
        _ => (Dtype::F64, Values::Float(data.iter().map(|x| x.as_f64().unwrap()).collect())),
    };
    Array { dtype, shape, values }
}

fn attribute(v: &Value) -> Attribute {
    match v {
        Value::Number(n) if n.is_i64() => Attribute::Int(n.as_i64().unwrap()),
        Value::Number(n) => Attribute::Float(n.as_f64().unwrap() as f32),
        Value::String(s) => Attribute::String(s.clone()),
        Value::Array(a) => Attribute::Ints(a.iter().map(|x| x.as_i64().unwrap()).collect()),
        other => Attribute::Tensor(array(&other["tensor"])),
    }
}

fn strings(v: &Value) -> Vec<String> {
    v.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_string()).collect()
}

/// A case as a model whose parameters are its floating-point inputs.
struct Case {
    name: String,
    model: OnnxModel,
    bindings: Vec<Binding>,
    params: Vec<(String, Array)>,
    value: Vec<f64>,
    shape: Vec<usize>,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/operators.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all.as_array()
        .unwrap()
        .iter()
        .map(|c| {
            let named = |key: &str| -> Vec<(String, Array)> {
                c[key].as_object().unwrap().iter().map(|(n, a)| (n.clone(), array(a))).collect()
            };
            let params = named("params");
            let nodes = c["nodes"].as_array().unwrap().iter().map(|n| OnnxNode {
                name: String::new(),
                op_type: n["op"].as_str().unwrap().to_string(),
                domain: String::new(),
                inputs: strings(&n["inputs"]),
                outputs: strings(&n["outputs"]),
                attributes: n["attributes"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(k, v)| (k.clone(), attribute(v)))
                    .collect(),
                metadata: Vec::new(),
            });
            let output = &c["output"];
            let name = output["name"].as_str().unwrap().to_string();
            let model = OnnxModel {
                ir_version: 8,
                opset: c["opset"].as_i64().unwrap(),
                nodes: nodes.collect(),
                initializers: params.iter().cloned().chain(named("constants")).collect(),
                inputs: Vec::new(),
                outputs: vec![OnnxValue { name, elem: None, shape: None }],
                metadata: Vec::new(),
            };
            let bind = |n: &String| Binding { parameter: n.clone(), initializer: n.clone(), transposed: false };
            let stored = array(output);
            let Values::Float(value) = stored.values else { panic!("float output") };
            Case {
                name: c["name"].as_str().unwrap().to_string(),
                model,
                bindings: params.iter().map(|(n, _)| bind(n)).collect(),
                params,
                value,
                shape: stored.shape,
            }
        })
        .collect()
}

/// The loss is the mean square of value − target with target = reference + pattern, so that its value tells the output
/// and its derivatives do not vanish.
#[test]
fn values_and_derivatives() {
    let threads = Threads::new(1).unwrap();
    let loss = LossSpec { kind: LossKind::Mse, reduction: Reduction::Mean, ignore_index: None, label_smoothing: 0.0 };
    let mut failures: Vec<String> = Vec::new();
    for case in cases() {
        let name = &case.name;
        let pattern = |i: usize| 0.3 + 0.2 * ((i * 5 % 7) as f64);
        let target: Vec<f64> = case.value.iter().enumerate().map(|(i, v)| v + pattern(i)).collect();
        let expected = (0..target.len()).map(|i| pattern(i).powi(2)).sum::<f64>() / target.len() as f64;
        // a scalar has no axis of samples
        let shape = if case.shape.is_empty() { vec![1] } else { case.shape.clone() };
        let mut model = case.model.clone();
        if case.shape.is_empty() {
            model.outputs[0].name = "line".into();
            model
                .initializers
                .push(("line_shape".into(), Array { dtype: Dtype::I64, shape: vec![1], values: Values::Int(vec![1]) }));
            model.nodes.push(OnnxNode {
                name: String::new(),
                op_type: "Reshape".into(),
                domain: String::new(),
                inputs: vec!["y".into(), "line_shape".into()],
                outputs: vec!["line".into()],
                attributes: Vec::new(),
                metadata: Vec::new(),
            });
        }
        let batch = [("y".to_string(), Array { dtype: Dtype::F64, shape, values: Values::Float(target) })];
        let prepared = match prepare(&model, &case.bindings, &case.params, &batch, &loss, Precision::F64, &threads) {
            Ok(p) => p,
            Err(e) => {
                failures.push(format!("{name}: {e}"));
                continue;
            }
        };
        let (value, gradient) = prepared.loss_and_gradient();
        if (value - expected).abs() > 1e-12 * expected.max(1.0) {
            failures.push(format!("{name}: loss {value} instead of {expected}"));
        }

        let full = Block::full(prepared.network().params());
        let objective = prepared.objective(&full);
        let h = prepared.hessian(&full).to_dense().unwrap();
        let n = full.len;
        let step = 1e-5;
        let top = gradient.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if top <= 1e-3 {
            failures.push(format!("{name}: the gradient says nothing"));
        }
        let scale = (0..n).fold(top, |m, i| (0..n).fold(m, |m, j| m.max(h[(i, j)].abs())));
        for j in 0..n {
            let mut s = vec![0.0; n];
            s[j] = step;
            let (up, g_up) = objective.gradient_at(&s).unwrap();
            s[j] = -step;
            let (down, g_down) = objective.gradient_at(&s).unwrap();
            let slope = (up - down) / (2.0 * step);
            if (slope - gradient[j]).abs() > 1e-7 * scale.max(1.0) {
                failures.push(format!("{name}: slope {j} {slope} against {}", gradient[j]));
            }
            for i in 0..n {
                let numeric = (g_up[i] - g_down[i]) / (2.0 * step);
                let error = (numeric - h[(i, j)]).abs();
                if error > 1e-7 * scale.max(1.0) {
                    failures.push(format!("{name}: H[{i}, {j}] = {} against {numeric}", h[(i, j)]));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The table in docs/operators.md, made from the rules and the cases above. Set BREAKEVEN_WRITE_DOCS to rewrite it.
#[test]
fn support_table_is_up_to_date() {
    let mut tested: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases() {
        for node in &case.model.nodes {
            let list = tested.entry(node.op_type.clone()).or_default();
            if list.last() != Some(&case.name) {
                list.push(case.name.clone());
            }
        }
    }
    let mut text = String::from(include_str!("operators_head.md"));
    for op in support::operators() {
        let Some(cases) = tested.get(op) else { panic!("{op} has no case in tests/data/operators.json") };
        let kind = support::kind(op);
        let (first, second) = match kind {
            support::Kind::Smooth => ("yes", "yes"),
            support::Kind::Kinked => ("yes, 0 or one-sided at the kink", "yes, 0 across the kink"),
            support::Kind::Linear => ("yes", "zero"),
            support::Kind::Flat => ("zero", "zero"),
            support::Kind::Folded => ("no derivative", "no derivative"),
        };
        // the operator's own cases first
        let mut names: Vec<&String> = cases.iter().filter(|c| c.starts_with(op)).collect();
        if names.is_empty() {
            names = cases.iter().collect();
        }
        let shown: Vec<&str> = names.iter().take(4).map(|s| s.as_str()).collect();
        text.push_str(&format!("| {op} | yes | {first} | {second} | {} |\n", shown.join("; ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operators.md");
    if std::env::var_os("BREAKEVEN_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "docs/operators.md is out of date; run this test with BREAKEVEN_WRITE_DOCS=1");
}
