//! Bad input: one clear error that names file, place and remedy, the right exit code, nothing written, and quickly.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use breakeven::snapshot::array::{Array, Dtype, Values};
use breakeven::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue};
use breakeven::snapshot::write::{self, Tensor, Width};
use breakeven::train::onnx_writer;

use super::{Ended, breakeven};

/// A small file is refused within a second; the margin is for a loaded machine.
const PROMPT: Duration = Duration::from_secs(5);

/// A run of a linear model with 8 parameters: y = W·x + b, mean squared error, four samples.
pub struct Run {
    pub folder: tempfile::TempDir,
    pub model: OnnxModel,
}

fn floats(shape: &[usize], values: Vec<f64>) -> Array {
    Array { dtype: Dtype::F32, shape: shape.to_vec(), values: Values::Float(values) }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<(String, Attribute)>) -> OnnxNode {
    OnnxNode {
        name: format!("/{op}"),
        op_type: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|s| (*s).to_string()).collect(),
        outputs: outputs.iter().map(|s| (*s).to_string()).collect(),
        attributes,
        metadata: Vec::new(),
    }
}

fn value(name: &str, width: usize) -> OnnxValue {
    OnnxValue { name: name.into(), elem: Some(Dtype::F32), shape: Some(vec![None, Some(width)]) }
}

const WEIGHTS: [f64; 6] = [0.5, -1.0, 2.0, 0.25, 0.75, -0.5];

impl Run {
    pub fn new() -> Self {
        let gemm = node("Gemm", &["x", "w", "b"], &["out"], vec![("transB".into(), Attribute::Int(1))]);
        let model = OnnxModel {
            ir_version: 8,
            opset: 17,
            nodes: vec![gemm],
            initializers: vec![
                ("w".into(), floats(&[2, 3], WEIGHTS.to_vec())),
                ("b".into(), floats(&[2], vec![0.0, 0.0])),
            ],
            inputs: vec![value("x", 3)],
            outputs: vec![value("out", 2)],
            metadata: Vec::new(),
        };
        let run = Run { folder: tempfile::tempdir().expect("folder"), model };
        run.write_graph();
        run.write_batch(&[4, 3], &[4, 2]);
        run.write_snapshot("sgd_0001", &WEIGHTS);
        run
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_graph(&self) {
        fs::write(self.file("model.onnx"), onnx_writer::to_bytes(&self.model, "tiny")).expect("written");
    }

    fn write_batch(&self, x: &[usize], y: &[usize]) {
        let fill = |shape: &[usize], seed: f64| -> Vec<f64> {
            (0..shape.iter().product::<usize>()).map(|i| (seed + i as f64 * 1.7).sin()).collect()
        };
        let members =
            [("x", write::npy(x, &fill(x, 0.3), Width::F32)), ("y", write::npy(y, &fill(y, 1.1), Width::F32))];
        fs::write(self.file("batch.npz"), write::npz(&members).expect("npz")).expect("written");
    }

    fn write_snapshot(&self, stem: &str, w: &[f64]) {
        let tensors: [Tensor<'_>; 2] = [("w", &[2, 3], w), ("b", &[2], &[0.1, -0.2])];
        let bytes = write::safetensors(&tensors, Width::F32).expect("safetensors");
        fs::write(self.file(&format!("{stem}.safetensors")), bytes).expect("written");
    }
}

/// Runs the program inside an empty folder; checks that nothing was written there and that it was prompt.
fn refuse(args: &[&str], code: i32) -> Ended {
    let folder = tempfile::tempdir().expect("folder");
    let start = Instant::now();
    let output = breakeven().current_dir(folder.path()).args(args).output().expect("the program starts");
    let took = start.elapsed();
    let ended = Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_eq!(ended.code, code, "{args:?}: {}{}", ended.err, ended.out);
    assert!(ended.out.is_empty(), "{args:?} printed {}", ended.out);
    assert_eq!(ended.err.matches("error: ").count(), 1, "{args:?}: {}", ended.err);
    assert!(ended.err.contains("\n  code: "), "{args:?}: {}", ended.err);
    assert!(!ended.err.contains("panicked"), "{args:?}: {}", ended.err);
    assert_eq!(fs::read_dir(folder.path()).expect("entries").count(), 0, "{args:?} left something behind");
    assert!(took < PROMPT, "{args:?} took {took:?}");
    ended
}

fn refuse_run(run: &Run, code: i32, words: &[&str]) {
    let path = run.path().to_str().expect("utf-8");
    for command in COMMANDS {
        let ended = refuse(&[command, path], code);
        for word in words {
            assert!(ended.err.contains(word), "`{word}` is not in: {}", ended.err);
        }
    }
}

/// The commands that measure.
const COMMANDS: [&str; 1] = ["measure"];

#[test]
fn the_tiny_run_itself_is_fine() {
    let run = Run::new();
    let output = breakeven().args(["measure", run.path().to_str().expect("utf-8")]).output().expect("starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn missing_files() {
    refuse(&["measure", "/nonexistent/run"], 3);
    refuse(&["inspect", "/nonexistent/run.safetensors"], 3);
    for part in ["model.onnx", "batch.npz", "sgd_0001.safetensors"] {
        let run = Run::new();
        fs::remove_file(run.file(part)).expect("removed");
        if part == "sgd_0001.safetensors" {
            // Without any snapshot the graph's own weights are the case.
            continue;
        }
        refuse_run(&run, 3, &[run.path().to_str().expect("utf-8"), "help: "]);
    }
    let empty = tempfile::tempdir().expect("folder");
    refuse(&["measure", empty.path().to_str().expect("utf-8")], 3);
}

#[test]
fn truncated_files() {
    for part in ["model.onnx", "batch.npz", "sgd_0001.safetensors"] {
        let run = Run::new();
        let bytes = fs::read(run.file(part)).expect("bytes");
        for keep in [0, 1, 7, bytes.len() / 2, bytes.len() - 1] {
            fs::write(run.file(part), &bytes[..keep]).expect("written");
            refuse_run(&run, 3, &[part]);
        }
    }
}

#[test]
fn values_that_are_not_finite() {
    for bad in [f64::NAN, f64::INFINITY] {
        let run = Run::new();
        let mut weights = WEIGHTS;
        weights[4] = bad;
        run.write_snapshot("sgd_0001", &weights);
        refuse_run(&run, 3, &["sgd_0001.safetensors", "'w'"]);
    }
}

#[test]
fn a_batch_that_does_not_fit() {
    let run = Run::new();
    run.write_batch(&[4, 5], &[4, 2]);
    refuse_run(&run, 3, &["batch.npz"]);
    run.write_batch(&[4, 3], &[3, 2]);
    refuse_run(&run, 3, &["batch.npz"]);
    run.write_batch(&[0, 3], &[0, 2]);
    refuse_run(&run, 3, &["batch.npz"]);
}

#[test]
fn weights_of_another_shape_or_type() {
    let run = Run::new();
    let tensors: [Tensor<'_>; 2] = [("w", &[2, 4], &[0.0; 8]), ("b", &[2], &[0.1, -0.2])];
    fs::write(run.file("sgd_0001.safetensors"), write::safetensors(&tensors, Width::F32).expect("bytes"))
        .expect("written");
    refuse_run(&run, 3, &["w"]);

    let run = Run::new();
    fs::remove_file(run.file("sgd_0001.safetensors")).expect("removed");
    let members =
        [("w", write::npy_ints(&[2, 3], &[1, 2, 3, 4, 5, 6])), ("b", write::npy(&[2], &[0.0, 1.0], Width::F32))];
    fs::write(run.file("sgd_0001.npz"), write::npz(&members).expect("npz")).expect("written");
    refuse_run(&run, 3, &["sgd_0001.npz", "'w'"]);
}

/// A safetensors file with a header of our own.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(std::iter::repeat_n(0u8, data));
    bytes
}

#[test]
fn hostile_safetensors_headers() {
    let b = r#""b":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}"#;
    let w = r#""w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#;
    let files = [
        // The same tensor twice.
        safetensors(&format!("{{{w},{w},{b}}}"), 32),
        // Offsets beyond the file, overlapping, reversed, with a hole.
        safetensors(&format!("{{{w},{b}}}"), 28),
        safetensors(
            r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}"#,
            24,
        ),
        safetensors(r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[24,0]}}"#, 24),
        safetensors(r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}}"#, 32),
        // A shape whose product overflows, or does not fit the offsets.
        safetensors(r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,24]}}"#, 24),
        safetensors(r#"{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,24]}}"#, 24),
        // A header longer than the file.
        u64::MAX.to_le_bytes().to_vec(),
        {
            let mut bytes = 1_000_000_000u64.to_le_bytes().to_vec();
            bytes.extend_from_slice(b"{}");
            bytes
        },
    ];
    for bytes in files {
        let run = Run::new();
        fs::write(run.file("sgd_0001.safetensors"), bytes).expect("written");
        refuse_run(&run, 3, &["sgd_0001.safetensors"]);
    }
}

/// A .npy file with a header of our own.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut padded = header.to_string();
    while !(10 + padded.len() + 1).is_multiple_of(64) {
        padded.push(' ');
    }
    padded.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(padded.len() as u16).to_le_bytes());
    bytes.extend_from_slice(padded.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn refuse_matrix(name: &str, bytes: &[u8], code: i32) -> Ended {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("written");
    let ended = refuse(&["measure", path.to_str().expect("utf-8")], code);
    assert!(ended.err.contains(name), "{}", ended.err);
    ended
}

#[test]
fn hostile_npy_headers() {
    for header in [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2, 2), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': '<c16', 'fortran_order': False, 'shape': (1, 2), }",
        "{'descr': '<f8', 'fortran_order': False}",
        "",
    ] {
        refuse_matrix("H.npy", &npy(header, &[0; 32]), 3);
    }
}

#[test]
fn matrices_that_cannot_be_solved_with() {
    let npy = |n: usize, m: usize, values: &[f64]| write::npy(&[n, m], values, Width::F64);
    refuse_matrix("H.npy", &npy(2, 3, &[0.0; 6]), 3);
    refuse_matrix("H.npy", &npy(0, 0, &[]), 3);
    refuse_matrix("H.npy", &npy(2, 2, &[1.0, f64::NAN, f64::NAN, 1.0]), 3);
    let ended = refuse_matrix("H.npy", &npy(2, 2, &[1.0, 0.5, 0.5 + 1e-6, 1.0]), 3);
    assert!(ended.err.contains("symmetr"), "{}", ended.err);
    refuse_matrix("H.mtx", b"%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n2 1 1.0\n", 3);
    refuse_matrix("H.mtx", b"%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 1.0\n2 2 1.0\n", 3);
    refuse_matrix("H.mtx", b"%%MatrixMarket matrix coordinate real symmetric\n99999999999 99999999999 1\n1 1 1.0\n", 4);
    refuse_matrix("H.mtx", b"%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n3 1 1.0\n", 3);
    refuse_matrix("H.mtx", b"not a matrix\n", 3);
}

#[test]
fn a_right_hand_side_of_zero() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        path.to_str().expect("utf-8").to_string()
    };
    let matrix = write("H.npy", write::npy(&[2, 2], &[2.0, 0.0, 0.0, 1.0], Width::F64));
    for (values, shape) in [(vec![0.0, 0.0], 2), (vec![1.0, f64::NAN], 2), (vec![1.0, 2.0, 3.0], 3)] {
        let rhs = write("g.npy", write::npy(&[shape], &values, Width::F64));
        refuse(&["measure", &matrix, "--rhs", &rhs], 3);
    }
}

#[test]
fn a_gradient_of_zero() {
    let run = Run::new();
    // Without weights and targets the loss is 0, and so is its gradient.
    let zeros = [("x", write::npy(&[4, 3], &[1.0; 12], Width::F32)), ("y", write::npy(&[4, 2], &[0.0; 8], Width::F32))];
    fs::write(run.file("batch.npz"), write::npz(&zeros).expect("npz")).expect("written");
    let tensors: [Tensor<'_>; 2] = [("w", &[2, 3], &[0.0; 6]), ("b", &[2], &[0.0; 2])];
    fs::write(run.file("sgd_0001.safetensors"), write::safetensors(&tensors, Width::F32).expect("bytes"))
        .expect("written");
    refuse_run(&run, 3, &["gradient", "zero"]);
}

#[test]
fn an_operator_that_is_not_supported() {
    let mut run = Run::new();
    run.model.nodes = vec![
        node("Gemm", &["x", "w", "b"], &["h"], vec![("transB".into(), Attribute::Int(1))]),
        node("NonMaxSuppression", &["h"], &["out"], Vec::new()),
    ];
    run.write_graph();
    refuse_run(&run, 3, &["NonMaxSuppression", "/NonMaxSuppression", "help: "]);
    // `inspect` says so instead of failing.
    let output = breakeven()
        .args(["inspect", run.path().to_str().expect("utf-8"), "--format", "json"])
        .output()
        .expect("starts");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert!(json["graph"]["unsupported"].to_string().contains("NonMaxSuppression"), "{json}");
}

#[test]
fn several_graphs_are_listed() {
    let run = Run::new();
    fs::copy(run.file("model.onnx"), run.file("other.onnx")).expect("copied");
    refuse_run(&run, 3, &["model.onnx", "other.onnx", "--graph"]);
}

#[test]
fn two_formats_that_differ() {
    let run = Run::new();
    let members =
        [("w", write::npy(&[2, 3], &[9.0; 6], Width::F32)), ("b", write::npy(&[2], &[0.1, -0.2], Width::F32))];
    fs::write(run.file("sgd_0001.npz"), write::npz(&members).expect("npz")).expect("written");
    refuse_run(&run, 3, &["sgd_0001.npz", "sgd_0001.safetensors"]);
}

#[test]
fn a_loss_file_with_an_unknown_key() {
    for text in ["{\"kind\": \"mse\", \"reduce\": \"sum\"}", "{\"kind\": \"hinge\"}", "{", "[]"] {
        let run = Run::new();
        fs::write(run.file("loss.json"), text).expect("written");
        refuse_run(&run, 3, &["loss.json"]);
    }
}

#[test]
fn a_limit_of_memory_names_what_would_fit() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("H.npy");
    let n = 200;
    let values: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    fs::write(&path, write::npy(&[n, n], &values, Width::F64)).expect("written");
    let ended = refuse(&["measure", path.to_str().expect("utf-8"), "--max-memory", "1MiB"], 4);
    for word in ["N = 200", "bytes", "largest N that fits is 128", "--max-memory"] {
        assert!(ended.err.contains(word), "`{word}` is not in: {}", ended.err);
    }
}

#[test]
fn scopes_and_globs_that_name_nothing() {
    let run = Run::new();
    let path = run.path().to_str().expect("utf-8");
    let ended = refuse(&["measure", path, "--scope", "layer:nothing"], 2);
    assert!(ended.err.contains("w, b"), "{}", ended.err);
    let ended = refuse(&["measure", path, "--snapshots", "adam_*"], 3);
    assert!(ended.err.contains("sgd_0001"), "{}", ended.err);
}
