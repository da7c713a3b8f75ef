//! Curvature matrices written with `--export-hessian`, read by others, measured again and reused by their hash.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::bad_input::Run;
use super::{Ended, fixture, run};

const SMALL: &str = "mlp_relu_small";

fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// `measure` on one snapshot of the small network.
fn measure(snapshot: &str, more: &[&str]) -> Ended {
    let folder = fixture(SMALL);
    let mut args = vec!["measure", text(&folder), "--graph", "model_legacy17.onnx", "--snapshots", snapshot];
    args.extend(["--format", "json"]);
    args.extend(more);
    run(&args)
}

fn case(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut all: Value = serde_json::from_str(&ended.out).expect("json");
    let cases = all["cases"].as_array_mut().expect("cases");
    assert_eq!(cases.len(), 1);
    cases.remove(0)
}

fn sidecar(path: &Path) -> Value {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    serde_json::from_slice(&fs::read(PathBuf::from(name)).expect("a sidecar")).expect("json")
}

/// A version 1.0 `.npy` of doubles in C order, read from its documented layout.
pub(super) fn npy(path: &Path) -> (String, Vec<f64>) {
    let bytes = fs::read(path).expect("npy");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((10 + length) % 64, 0);
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).expect("ascii");
    let values = bytes[10 + length..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")));
    (header, values.collect())
}

#[test]
fn an_exported_matrix_is_the_true_hessian_and_measures_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let truth = crate::numerics::fixture::Fixture::open(SMALL, "model_legacy17.onnx");
    let mut first: Option<Value> = None;
    for name in ["H.npy", "H.safetensors", "H.mtx"] {
        let path = folder.path().join(name);
        let from_run = case(&measure("sgd_0010", &["--export-hessian", text(&path)]));
        let about = sidecar(&path);
        assert_eq!(about["seed"], 0);
        assert_eq!(about["loss"], from_run["loss"]);
        assert_eq!(about["n"], 310);
        assert_eq!(about["case"], from_run["id"]);
        assert_eq!(about["curvature"], "hessian");
        assert!(about["vec"].as_str().expect("text").contains("row-major"));
        assert_eq!(about["block"][0]["name"], "layers.0.weight");
        let tensors = about["block"].as_array().expect("tensors");
        assert_eq!(tensors.iter().map(|t| t["size"].as_u64().expect("size")).sum::<u64>(), 310);
        assert_eq!(about["blake3"], blake3::hash(&fs::read(&path).expect("matrix")).to_hex().to_string());

        let again = run(&["measure", text(&path), "--damping", "relative:5e-3", "--format", "json"]);
        let again = case(&again);
        for key in ["kappa", "sigma_max", "sigma_min", "inertia", "row_sparsity", "gradient_norm", "loss", "x_norm"] {
            assert_eq!(again[key], from_run[key], "{name}: {key}");
        }
        for key in ["snapshot", "series", "step", "curvature", "scope", "damping"] {
            assert_eq!(again[key], from_run[key], "{name}: {key}");
        }
        if name == "H.npy" {
            let (header, values) = npy(&path);
            assert!(header.contains("'<f8'") && header.contains("(310, 310)") && header.contains("False"), "{header}");
            let h = truth.truth("sgd_0010").hessian();
            if let Some(h) = h {
                let top = crate::numerics::fixture::top(&h);
                for (k, x) in values.iter().enumerate() {
                    assert!((x - h[(k / 310, k % 310)]).abs() <= 1e-11 * top);
                }
            } else {
                for (j, column) in truth.truth("sgd_0010").columns() {
                    for (i, x) in column.iter().enumerate() {
                        assert!((values[i * 310 + j] - x).abs() <= 1e-11);
                    }
                }
            }
        }
        match &first {
            None => first = Some(again["kappa"].clone()),
            Some(kappa) => assert_eq!(&again["kappa"], kappa),
        }
        let other_rhs = folder.path().join("g.npy");
        fs::write(
            &other_rhs,
            breakeven::snapshot::write::npy(&[310], &[1.0; 310], breakeven::snapshot::write::Width::F64),
        )
        .expect("written");
        let plain = case(&run(&["measure", text(&path), "--rhs", text(&other_rhs), "--format", "json"]));
        assert_eq!((&plain["damping"]["rule"], plain["gradient_norm"].is_null()), (&Value::from("none"), true));
    }
}

#[test]
fn a_folder_takes_every_case_and_gives_them_back() {
    let folder = tempfile::tempdir().expect("folder");
    let kept = folder.path().join("kept");
    let run_folder = fixture(SMALL);
    let args = |more: &[&str]| -> Vec<Value> {
        let mut args = vec!["measure", text(&run_folder), "--graph", "model_legacy17.onnx", "--scope", "layers"];
        args.extend(["--snapshots", "sgd_00*", "--format", "json"]);
        args.extend(more);
        let ended = run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let all: Value = serde_json::from_str(&ended.out).expect("json");
        all["cases"].as_array().expect("cases").clone()
    };
    let made = args(&["--export-hessian", text(&kept)]);
    assert_eq!(made.len(), 8);
    assert_eq!(fs::read_dir(&kept).expect("folder").count(), 16);
    let mut reused = args(&["--reuse-hessian", text(&kept)]);
    for (made, reused) in made.iter().zip(&mut reused) {
        let notes = reused["notes"].as_array_mut().expect("notes");
        let note = notes.pop().expect("a note that names the file");
        assert!(note.as_str().expect("text").contains("was read from sgd_00"), "{note}");
        assert_eq!(made, reused, "nothing but the note differs");
    }
    // Another rule on the same matrices; weights in another format are the same snapshot.
    let pruned = args(&["--reuse-hessian", text(&kept), "--prune", "d:8"]);
    assert!(pruned.iter().all(|c| c["row_sparsity"]["value"].as_u64().expect("d") <= 8));
}

#[test]
fn a_matrix_of_other_inputs_is_refused_by_what_differs() {
    let folder = tempfile::tempdir().expect("folder");
    let run_folder = Run::new();
    let kept = folder.path().join("kept");
    let path = run_folder.path();
    let ended = run(&["measure", text(path), "--format", "json", "--export-hessian", text(&kept)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let reuse = || run(&["measure", text(path), "--format", "json", "--reuse-hessian", text(&kept)]);
    assert_eq!(reuse().code, 0);
    fs::write(path.join("loss.json"), r#"{"kind": "mse", "reduction": "sum"}"#).expect("written");
    let ended = reuse();
    assert_eq!(ended.code, 3, "{}", ended.err);
    for part in ["sgd_0001__hessian__full.safetensors", "loss differ", "--export-hessian"] {
        assert!(ended.err.contains(part), "{part} in {}", ended.err);
    }
    assert!(ended.out.is_empty());
    fs::remove_file(path.join("loss.json")).expect("removed");
    // The same weights in another format are the same snapshot.
    let (weights, bias) = ([0.5, -1.0, 2.0, 0.25, 0.75, -0.5], [0.1, -0.2]);
    let members = [
        ("w", breakeven::snapshot::write::npy(&[2, 3], &weights, breakeven::snapshot::write::Width::F32)),
        ("b", breakeven::snapshot::write::npy(&[2], &bias, breakeven::snapshot::write::Width::F32)),
    ];
    let npz = breakeven::snapshot::write::npz(&members).expect("npz");
    for entry in fs::read_dir(path).expect("run").flatten() {
        let file = entry.path();
        if file.file_stem().is_some_and(|s| s == "sgd_0001") {
            fs::remove_file(file).expect("removed");
        }
    }
    fs::write(path.join("sgd_0001.npz"), npz).expect("written");
    let ended = reuse();
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("was read from"), "{}", ended.out);
    // A matrix that is not what its sidecar says.
    let file = kept.join("sgd_0001__hessian__full.safetensors");
    let mut bytes = fs::read(&file).expect("matrix");
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&file, bytes).expect("written");
    for ended in [reuse(), run(&["measure", text(&file)])] {
        assert_eq!(ended.code, 3, "{}", ended.err);
        assert!(ended.err.contains("is not the matrix that"), "{}", ended.err);
    }
    // A sidecar that lost its facts.
    fs::write(kept.join("sgd_0001__hessian__full.safetensors.json"), r#"{"kind": "breakeven-hessian", "n": 8}"#)
        .expect("written");
    for ended in [reuse(), run(&["measure", text(&file)])] {
        assert_eq!(ended.code, 3, "{}", ended.err);
        assert!(ended.err.contains("sidecar"), "{}", ended.err);
    }
}

#[test]
fn what_cannot_be_stored_is_refused_before_the_work() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("utf-8").to_owned();
    let run_folder = Run::new();
    let matrix = at("m.npy");
    fs::write(&matrix, breakeven::snapshot::write::npy(&[1, 1], &[2.0], breakeven::snapshot::write::Width::F64))
        .expect("written");
    let (file, archive, nowhere) = (at("H.npy"), at("H.npz"), at("no/H.npy"));
    let own = text(run_folder.path()).to_owned();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["measure", &own, "--scope", "layers", "--export-hessian", &file], 2, "2 cases"),
        (&["measure", &own, "--export-hessian", &archive], 2, ".npz"),
        (&["measure", &own, "--export-hessian", &own], 2, "run directory"),
        (&["measure", &own, "--export-hessian", &nowhere], 6, "no"),
        (&["measure", &matrix, "--export-hessian", &file], 2, "plain matrix"),
        (&["measure", &own, "--reuse-hessian", &nowhere], 3, "no such file"),
        (&["measure", &own, "--reuse-hessian", &matrix], 3, "no sidecar"),
        (&["measure", &own, "--matrix-free", "--export-hessian", &file], 2, "--matrix-free"),
    ];
    for (args, code, part) in cases {
        let ended = run(args);
        assert_eq!(ended.code, code, "{args:?}: {}", ended.err);
        assert!(ended.err.contains(part) && ended.out.is_empty(), "{args:?}: {}", ended.err);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["m.npy"], "nothing was written");
}
