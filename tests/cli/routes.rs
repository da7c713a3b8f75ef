//! How a matrix is held: dense, by its low-rank factor, by products alone.

use breakeven::snapshot::array::{Array, Dtype, Values};
use breakeven::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue};
use breakeven::snapshot::write::{self, Width};
use breakeven::train::onnx_writer;
use serde_json::Value;
use std::fs;
use std::path::Path;

use super::run;

/// tanh(x·Wᵀ)·Vᵀ, cross-entropy over 3 classes: W has `hidden × inputs` entries.
fn network(folder: &Path, inputs: usize, hidden: usize, samples: usize) {
    let wave = |count: usize, seed: f64, scale: f64| -> Vec<f64> {
        (0..count).map(|i| f64::from(((i as f64 * 1.7 + seed).sin() * scale) as f32)).collect()
    };
    let array = |shape: &[usize], values: &[f64]| Array {
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        values: Values::Float(values.to_vec()),
    };
    let node = |op: &str, from: &[&str], to: &str, attributes: Vec<(String, Attribute)>| OnnxNode {
        name: op.to_lowercase(),
        op_type: op.into(),
        domain: String::new(),
        inputs: from.iter().map(|s| (*s).to_string()).collect(),
        outputs: vec![to.into()],
        attributes,
        metadata: Vec::new(),
    };
    let value = |name: &str, width: usize| OnnxValue {
        name: name.into(),
        elem: Some(Dtype::F32),
        shape: Some(vec![None, Some(width)]),
    };
    let turned = || vec![("transB".to_string(), Attribute::Int(1))];
    let (w, v) = (wave(hidden * inputs, 0.3, 0.4), wave(3 * hidden, 0.9, 0.5));
    let model = OnnxModel {
        ir_version: 8,
        opset: 17,
        nodes: vec![
            node("Gemm", &["x", "w"], "h", turned()),
            node("Tanh", &["h"], "t", Vec::new()),
            node("Gemm", &["t", "v"], "z", turned()),
        ],
        initializers: vec![("w".into(), array(&[hidden, inputs], &w)), ("v".into(), array(&[3, hidden], &v))],
        inputs: vec![value("x", inputs)],
        outputs: vec![value("z", 3)],
        metadata: Vec::new(),
    };
    fs::write(folder.join("model.onnx"), onnx_writer::to_bytes(&model, "m")).expect("written");
    let tensors = [("w", &[hidden, inputs][..], &w[..]), ("v", &[3, hidden][..], &v[..])];
    fs::write(folder.join("sgd_0001.safetensors"), write::safetensors(&tensors, Width::F32).expect("weights"))
        .expect("written");
    let labels: Vec<i64> = (0..samples as i64).map(|i| (i * i + 1) % 3).collect();
    let x = wave(samples * inputs, 2.1, 1.0);
    let members = [("x", write::npy(&[samples, inputs], &x, Width::F32)), ("y", write::npy_ints(&[samples], &labels))];
    fs::write(folder.join("batch.npz"), write::npz(&members).expect("npz")).expect("written");
}

fn measured(folder: &Path, more: &[&str]) -> Value {
    let mut args = vec!["measure", folder.to_str().expect("utf-8"), "--format", "json", "--quiet"];
    args.extend(more);
    let ended = run(&args);
    assert_eq!(ended.code, 0, "{more:?}: {}", ended.err);
    let mut all: Value = serde_json::from_str(&ended.out).expect("json");
    all["cases"].as_array_mut().expect("cases").remove(0)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The factor's measurement against the dense one of the same matrix (pruning to d = N keeps everything, and is dense).
#[test]
fn factored_and_dense_measurements_agree() {
    let folder = tempfile::tempdir().expect("folder");
    network(folder.path(), 16, 12, 6);
    for curvature in ["ggn", "empirical-fisher"] {
        let factored = measured(folder.path(), &["--curvature", curvature]);
        let dense = measured(folder.path(), &["--curvature", curvature, "--prune", "d:228"]);
        assert_eq!(factored["n"], 228);
        let method = |case: &Value| case["kappa"]["method"].as_str().expect("text").to_string();
        assert!(method(&factored).contains("Gram matrix"), "{}", method(&factored));
        assert!(method(&dense).contains("dense eigendecomposition"), "{}", method(&dense));
        for key in ["kappa", "sigma_max", "sigma_min"] {
            let (a, b) = (number(&factored[key]["value"]), number(&dense[key]["value"]));
            assert!((a / b - 1.0).abs() < 1e-9, "{curvature} {key}: {a} {b}");
        }
        assert_eq!(factored["row_sparsity"]["value"], dense["row_sparsity"]["value"]);
        let curve = |case: &Value| -> Vec<(u64, f64)> {
            let points = case["row_sparsity"]["curve"].as_array().expect("curve");
            points.iter().map(|p| (p["d"].as_u64().expect("d"), number(&p["frobenius_error"]))).collect()
        };
        for ((d, e), (other_d, other_e)) in curve(&factored).into_iter().zip(curve(&dense)) {
            assert_eq!(d, other_d);
            assert!((e - other_e).abs() <= 1e-9);
        }
        let (a, b) = (number(&factored["tolerance"]["value"]), number(&dense["tolerance"]["value"]));
        assert!((a / b - 1.0).abs() < 1e-3, "{curvature} ε: {a} {b}");
    }
}

/// A block whose dense matrix does not fit is measured by its factor, and refused as a Hessian unless by products.
#[test]
fn low_rank_curvatures_never_take_n_squared() {
    let folder = tempfile::tempdir().expect("folder");
    network(folder.path(), 80, 50, 8);
    let few = ["--scope", "layer:w", "--max-memory", "160MiB"];
    let with = |more: &[&'static str]| [&few[..], more].concat();
    // 4,000² doubles are 122 MiB, and a dense measurement takes a dozen of them.
    let mut args = vec!["measure", folder.path().to_str().expect("utf-8")];
    args.extend(few);
    let refused = run(&args);
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("4000") && refused.err.contains("--matrix-free"), "{}", refused.err);
    for curvature in ["ggn", "empirical-fisher"] {
        let case = measured(folder.path(), &with(&["--curvature", curvature]));
        assert_eq!((&case["n"], case["low_rank"].as_u64().expect("rank") <= 24), (&4000.into(), true));
        assert!(number(&case["kappa"]["value"]) > 1.0);
        assert_eq!(case["inertia"]["negative"], 0);
    }
}

/// By products alone: the ends of the spectrum as the dense measurement has them.
#[test]
fn products_alone_bound_what_the_dense_measurement_finds() {
    let folder = tempfile::tempdir().expect("folder");
    network(folder.path(), 8, 6, 5);
    let products = measured(folder.path(), &["--matrix-free"]);
    let dense = measured(folder.path(), &[]);
    assert!(products["kappa"]["method"].as_str().expect("text").contains("Lanczos"));
    let (a, b) = (number(&products["sigma_max"]["value"]), number(&dense["sigma_max"]["value"]));
    assert!((a / b - 1.0).abs() < 1e-8, "{a} {b}");
    let kappa = number(&dense["kappa"]["value"]);
    assert!(number(&products["kappa"]["low"]) <= kappa * (1.0 + 1e-9));
    assert_eq!(products["damping"]["rule"], dense["damping"]["rule"]);
    // columns and tiles are summed in different orders
    let (a, b) = (number(&products["damping"]["lambda"]), number(&dense["damping"]["lambda"]));
    assert!((a / b - 1.0).abs() < 1e-13, "{a} {b}");
    assert_eq!(products["row_sparsity"]["value"], dense["row_sparsity"]["value"]);
}
