//! Run directories: what is found, compared, chosen, and refused.

use super::make::*;
use breakeven::error::{Class, Error};
use breakeven::snapshot::loss::{LossKind, Reduction};
use breakeven::snapshot::placing::PlacedBy;
use breakeven::snapshot::{Input, OpenOptions, RunInput, open_embedded};
use std::path::Path;

fn open_with(path: &Path, options: OpenOptions) -> Result<RunInput, Error> {
    match breakeven::snapshot::open(path, &options)? {
        Input::Run(run) => Ok(*run),
        Input::Matrix(_) => panic!("a matrix"),
    }
}

fn open_run(files: &[(&str, Vec<u8>)]) -> Result<RunInput, Error> {
    open_with(run_folder(files).path(), OpenOptions::default())
}

fn refused(what: &str, files: &[(&str, Vec<u8>)], needles: &[&str]) {
    let error = open_run(files).expect_err(what);
    assert_eq!(error.class, Class::Input, "{what}: {error}");
    let text = error.to_string();
    for needle in needles {
        assert!(text.contains(needle), "{what}: '{needle}' is not in {text}");
    }
}

/// A snapshot of the linear model with any weight and bias.
fn snapshot(weight: &[f32], bias: &[f32]) -> Vec<u8> {
    npz(&[("fc.weight", npy("<f4", "(2, 2)", &le(weight))), ("fc.bias", npy("<f4", "(2,)", &le(bias)))])
}

fn safetensors_of(weight: &[f32], bias: &[f32]) -> Vec<u8> {
    let header = "{\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[8,24]}}";
    safetensors(header, &[le(bias), le(weight)].concat())
}

fn labels(values: &[i64]) -> Vec<u8> {
    npy("<i8", &format!("({},)", values.len()), &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

fn x3() -> Vec<u8> {
    npy("<f4", "(3, 2)", &le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
}

#[test]
fn a_run_is_put_together() {
    let run = open_run(&[
        ("sgd_0010.npz", snapshot(&[5.0, 6.0, 7.0, 8.0], &[9.0, 10.0])),
        ("sgd_0002.npz", good_npz()),
        ("best.npz", good_npz()),
        ("adam_0001.safetensors", safetensors_of(&[1.0; 4], &[0.0; 2])),
        ("notes.txt", b"hello".to_vec()),
        (".hidden.npz", b"broken".to_vec()),
        ("loss.json", br#"{"kind": "cross-entropy", "reduction": "sum", "note": {"any": [1]}}"#.to_vec()),
    ])
    .unwrap();
    let trail: Vec<(&str, Option<u64>, &str)> =
        run.snapshots.iter().map(|s| (s.series.as_str(), s.step, s.name.as_str())).collect();
    assert_eq!(
        trail,
        [
            ("adam_", Some(1), "adam_0001"),
            ("best", None, "best"),
            ("sgd_", Some(2), "sgd_0002"),
            ("sgd_", Some(10), "sgd_0010")
        ]
    );
    assert_eq!((run.loss.kind, run.loss.reduction), (LossKind::CrossEntropy, Reduction::Sum));
    assert_eq!(run.batch.samples, 3);
    assert_eq!(run.batch.target.as_ref().unwrap().0, "y");
    let names: Vec<&str> = run.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["fc.weight", "fc.bias"]);
    assert_eq!((run.n, run.operators["Gemm"]), (6, 1));
    assert!(run.parameters.iter().all(|p| p.placed_by == PlacedBy::Name));
    // Every file that was read has its digest, and no other.
    let read: Vec<&str> = run.digests.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(
        read,
        ["adam_0001.safetensors", "batch.npz", "best.npz", "loss.json", "model.onnx", "sgd_0002.npz", "sgd_0010.npz"]
    );
}

#[test]
fn steps_and_series_of_stems() {
    use breakeven::snapshot::manifest::series_and_step;
    for (stem, series, step) in [
        ("adam_0300", "adam_", Some(300)),
        ("best", "best", None),
        ("7", "", Some(7)),
        ("run2_adam", "run_adam", Some(2)),
        ("run2_step10.final", "run2_step.final", Some(10)),
        ("é0005", "é", Some(5)),
        ("s18446744073709551615", "s", Some(u64::MAX)),
        ("s18446744073709551616", "s18446744073709551616", None),
        ("", "", None),
    ] {
        assert_eq!(series_and_step(stem), (series.to_owned(), step), "{stem}");
    }
}

#[test]
fn globs() {
    use breakeven::snapshot::manifest::glob;
    for (pattern, name, matches) in [
        ("*", "anything", true),
        ("adam_*", "adam_0300.pt", true),
        ("adam_*", "sgd_0300.pt", false),
        ("*.npz", "a.npz", true),
        ("*.npz", "a.npz.bak", false),
        ("s?d_00[0-4]0*", "sgd_0030.npz", true),
        ("s?d_00[0-4]0*", "sgd_0050.npz", false),
        ("[!a]*", "b", true),
        ("[!a]*", "a", false),
        ("*.{pt,npz}", "x.pt", true),
        ("*.{pt,npz}", "x.safetensors", false),
        ("a*b*c*d", "aXXbXXcXXd", true),
        ("a*b*c*d", "aXXbXXdXXc", false),
        ("[", "[", false),
        ("", "", true),
    ] {
        assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
    }
    // Many stars take no exponential time.
    assert!(!glob(&"*a".repeat(100), &"a".repeat(99)));
}

#[test]
fn the_same_stem_in_several_formats_is_one_snapshot() {
    let weights = ([1.0, 2.0, 3.0, 4.0], [0.5, -0.5]);
    let same = [("s_1.npz", good_npz()), ("s_1.safetensors", safetensors_of(&weights.0, &weights.1))];
    let run = open_run(&same).unwrap();
    assert_eq!(run.snapshots.len(), 1);
    assert_eq!(run.snapshots[0].file, "s_1.safetensors");
    assert_eq!(run.snapshots[0].formats.len(), 2);
    // A difference is named with its tensor and position; minus zero differs from zero.
    let other = safetensors_of(&[1.0, 2.0, 3.5, 4.0], &weights.1);
    refused("a value", &[("s_1.npz", good_npz()), ("s_1.safetensors", other)], &["fc.weight", "[1, 0]", "s_1.npz"]);
    let zero = [("z.npz", snapshot(&[0.0; 4], &[0.0; 2])), ("z.safetensors", safetensors_of(&[0.0; 4], &[0.0, -0.0]))];
    refused("a sign", &zero, &["fc.bias", "[1]"]);
    let less = npz(&[("fc.weight", npy("<f4", "(2, 2)", &le(&weights.0)))]);
    let files = [("s_1.npz", less), ("s_1.safetensors", safetensors_of(&weights.0, &weights.1))];
    refused("a missing tensor", &files, &["fc.bias", "only in s_1.safetensors"]);
}

#[test]
fn snapshots_of_different_models_are_refused() {
    let other =
        npz(&[("fc.weight", npy("<f4", "(2, 2)", &le(&[1.0; 4]))), ("bias", npy("<f4", "(2,)", &le(&[1.0; 2])))]);
    refused("names", &[("a_1.npz", good_npz()), ("a_2.npz", other)], &["'bias' is only in a_2.npz"]);
    let other =
        npz(&[("fc.weight", npy("<f4", "(2, 3)", &le(&[1.0; 6]))), ("fc.bias", npy("<f4", "(2,)", &le(&[1.0; 2])))]);
    refused("shapes", &[("a_1.npz", good_npz()), ("a_2.npz", other)], &["fc.weight", "[2, 3]"]);
}

#[test]
fn bad_snapshots_are_refused_by_name() {
    let one = |name: &str, array: Vec<u8>| {
        npz(&[
            ("fc.weight", npy("<f4", "(2, 2)", &le(&[1.0; 4]))),
            ("fc.bias", npy("<f4", "(2,)", &le(&[0.0; 2]))),
            (name, array),
        ])
    };
    refused("an extra tensor", &[("a.npz", one("gate", npy("<f4", "(3,)", &le(&[1.0; 3]))))], &["gate"]);
    refused("an integer", &[("a.npz", one("steps", labels(&[3])))], &["steps", "int64"]);
    refused("an empty tensor", &[("a.npz", one("none", npy("<f4", "(0,)", &[])))], &["none"]);
    refused("no tensor", &[("a.npz", npz(&[("x", labels(&[1]))]))], &["'x'"]);
    refused("NaN", &[("a.npz", snapshot(&[1.0, f32::NAN, 3.0, 4.0], &[0.0; 2]))], &["fc.weight", "[0, 1]", "NaN"]);
    refused("infinity", &[("a.npz", snapshot(&[1.0; 4], &[0.0, f32::INFINITY]))], &["fc.bias", "[1]", "inf"]);
    refused("broken", &[("a.npz", b"PK\x03\x04".to_vec())], &["a.npz"]);
    let missing = npz(&[("fc.weight", npy("<f4", "(2, 2)", &le(&[1.0; 4])))]);
    refused("a slot that nothing fills", &[("a.npz", missing)], &["fc.bias", "no tensor of the snapshot"]);
    let shaped =
        npz(&[("fc.weight", npy("<f4", "(2, 3)", &le(&[1.0; 6]))), ("fc.bias", npy("<f4", "(2,)", &le(&[0.0; 2])))]);
    refused("a wrong shape", &[("a.npz", shaped)], &["fc.weight", "[2, 2]", "[2, 3]"]);
    let empty = zip(&[], false);
    refused("an empty archive", &[("a.npz", empty)], &["a.npz"]);
}

/// BatchNorm's step counter is in every state_dict; other integers are refused.
#[test]
fn step_counters_of_batch_norm_are_no_parameters() {
    let with = |name: &str| {
        npz(&[
            ("fc.weight", npy("<f4", "(2, 2)", &le(&[1.0; 4]))),
            ("fc.bias", npy("<f4", "(2,)", &le(&[0.0; 2]))),
            (name, npy("<i8", "()", &7i64.to_le_bytes())),
        ])
    };
    let run = open_run(&[("a.npz", with("bn.num_batches_tracked"))]).unwrap();
    assert_eq!(run.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["fc.weight", "fc.bias"]);
    refused("another counter", &[("a.npz", with("bn.steps"))], &["bn.steps", "int64"]);
}

#[test]
fn batches_are_checked_against_the_graph() {
    let batch = |arrays: &[(&str, Vec<u8>)]| [("a.npz", good_npz()), ("batch.npz", npz(arrays))];
    let ok = |arrays: &[(&str, Vec<u8>)]| open_run(&batch(arrays)).unwrap();
    for name in ["y", "labels", "target"] {
        assert_eq!(ok(&[("x", x3()), (name, labels(&[0, 1, 1]))]).batch.target.unwrap().0, name);
    }
    // Doubles for a float input are taken exactly.
    let doubles: Vec<u8> = [0.1f64, 0.2].iter().flat_map(|v| v.to_le_bytes()).collect();
    let run = ok(&[("x", npy("<f8", "(1, 2)", &doubles)), ("y", labels(&[0]))]);
    assert_eq!(run.batch.inputs[0].1.floats().unwrap(), [0.1, 0.2]);
    // Float targets mean squared errors by default.
    assert_eq!(ok(&[("x", x3()), ("y", x3())]).loss.kind, LossKind::Mse);
    let y = || ("y", labels(&[0, 1, 1]));
    refused("no input", &batch(&[y()]), &["'x'"]);
    refused("a wrong name", &batch(&[("inputs", x3()), y()]), &["'x'"]);
    refused("an extra array", &batch(&[("x", x3()), y(), ("mask", x3())]), &["'mask'"]);
    refused("two targets", &batch(&[("x", x3()), y(), ("labels", labels(&[0, 1, 1]))]), &["several targets"]);
    refused("no target", &batch(&[("x", x3())]), &["target"]);
    refused(
        "integers for floats",
        &batch(&[("x", npy("<i4", "(1, 2)", &[0; 8])), ("y", labels(&[0]))]),
        &["float32", "int32"],
    );
    refused(
        "a wrong width",
        &batch(&[("x", npy("<f4", "(2, 3)", &le(&[0.0; 6]))), ("y", labels(&[0, 1]))]),
        &["[2, 3]", "[?, 2]"],
    );
    refused(
        "a wrong rank",
        &batch(&[("x", npy("<f4", "(2,)", &le(&[0.0; 2]))), ("y", labels(&[0, 1]))]),
        &["[2]", "[?, 2]"],
    );
    refused("empty", &batch(&[("x", npy("<f4", "(0, 2)", &[])), ("y", labels(&[]))]), &["no sample"]);
    refused("fewer labels", &batch(&[("x", x3()), ("y", labels(&[0, 1]))]), &["3 samples", "has 2"]);
    let mut holes = [1.0f32; 6];
    holes[3] = f32::NAN;
    refused("NaN", &batch(&[("x", npy("<f4", "(3, 2)", &le(&holes))), y()]), &["'x'", "[1, 1]", "NaN"]);
    refused("a negative label", &batch(&[("x", x3()), ("y", labels(&[0, -1, 1]))]), &["'y'", "[1]", "ignore_index"]);
    // Two equal batches in two formats are one; different ones are listed.
    let header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},\"y\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[24,48]}}";
    let twin = |last: i64| {
        let data =
            [le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [0i64, 1, last].iter().flat_map(|v| v.to_le_bytes()).collect()];
        safetensors(header, &data.concat())
    };
    assert!(open_run(&[("a.npz", good_npz()), ("batch.safetensors", twin(1))]).is_ok());
    refused(
        "two batches",
        &[("a.npz", good_npz()), ("batch.safetensors", twin(0))],
        &["batch.npz and batch.safetensors", "'y'", "[2]"],
    );
}

#[test]
fn losses() {
    let with = |json: &str| open_run(&[("a.npz", good_npz()), ("loss.json", json.as_bytes().to_vec())]);
    let loss = with(r#"{"kind":"cross_entropy","ignore_index":-100,"label_smoothing":0.1}"#).unwrap().loss;
    assert_eq!((loss.ignore_index, loss.label_smoothing), (Some(-100), 0.1));
    assert_eq!(with("{}").unwrap().loss.kind, LossKind::CrossEntropy);
    assert_eq!(with(r#"{"kind":"bce-with-logits"}"#).unwrap().loss.kind, LossKind::BceWithLogits);
    assert_eq!(with(r#"{"kind":"output","note":null}"#).unwrap().loss.kind, LossKind::Output);
    assert_eq!(with("\u{feff}{\"kind\":\"mse\"}").unwrap().loss.reduction, Reduction::Mean);
    for (json, needle) in [
        ("", "loss description"),
        ("[]", "loss description"),
        ("{\"kind\":\"mse\"", "loss description"),
        (r#"{"kind":"hinge"}"#, "hinge"),
        (r#"{"kind":3}"#, "loss description"),
        (r#"{"kind":"mse","weight":2}"#, "weight"),
        (r#"{"kind":"mse","kind":"mse"}"#, "kind"),
        (r#"{"kind":"mse","reduction":"none"}"#, "none"),
        (r#"{"kind":"mse","ignore_index":0}"#, "ignore_index"),
        (r#"{"kind":"output","label_smoothing":0.1}"#, "label_smoothing"),
        (r#"{"label_smoothing":1.5}"#, "1.5"),
        (r#"{"label_smoothing":-0.1}"#, "-0.1"),
        (r#"{"label_smoothing":1e999}"#, "loss description"),
        (r#"{"ignore_index":1.5}"#, "loss description"),
    ] {
        let error = with(json).expect_err(json);
        assert_eq!(error.class, Class::Input);
        assert!(error.what.contains(needle), "{json}: {error}");
    }
    let all_ignored = [
        ("a.npz", good_npz()),
        ("batch.npz", npz(&[("x", x3()), ("y", labels(&[-1, -1, -1]))])),
        ("loss.json", br#"{"ignore_index":-1}"#.to_vec()),
    ];
    refused("nothing counts", &all_ignored, &["every label"]);
    let no_target =
        [("a.npz", good_npz()), ("batch.npz", npz(&[("x", x3())])), ("loss.json", br#"{"kind":"mse"}"#.to_vec())];
    refused("no target", &no_target, &["mse needs a target"]);
    let flags = npy("|b1", "(3,)", &[1, 0, 1]);
    refused("flags", &[("a.npz", good_npz()), ("batch.npz", npz(&[("x", x3()), ("y", flags)]))], &["boolean"]);
}

#[test]
fn options_choose_files() {
    let folder = run_folder(&[
        ("a_1.npz", good_npz()),
        ("a_2.npz", snapshot(&[0.5; 4], &[0.0; 2])),
        ("other.onnx", model(&linear(), 18)),
        ("batch2.npz", npz(&[("x", npy("<f4", "(1, 2)", &le(&[0.0; 2]))), ("y", labels(&[0]))])),
    ]);
    let error = open_with(folder.path(), OpenOptions::default()).unwrap_err();
    assert!(error.what.contains("model.onnx, other.onnx") && error.remedy.contains("--graph"), "{error}");
    let graph = Some("other.onnx".into());
    // Without --batch, batch2.npz looks like a snapshot and does not fit.
    let error = open_with(folder.path(), OpenOptions { graph: graph.clone(), ..Default::default() }).unwrap_err();
    assert!(error.place.contains("batch2.npz") && error.remedy.contains("--batch"), "{error}");
    let batch = Some("batch2.npz".into());
    let options = OpenOptions { graph: graph.clone(), batch, ..Default::default() };
    let run = open_with(folder.path(), options.clone()).unwrap();
    assert_eq!((run.model.opset, run.batch.samples, run.snapshots.len()), (18, 1, 2));
    let options = OpenOptions { snapshots: Some("a_2*".into()), ..options };
    assert_eq!(open_with(folder.path(), options.clone()).unwrap().snapshots[0].name, "a_2");
    // A path from elsewhere is as good; the report calls the file the same.
    let full = OpenOptions { graph: Some(folder.path().join("other.onnx")), ..options.clone() };
    assert_eq!(open_with(folder.path(), full).unwrap().graph_file, "other.onnx");
    let none = OpenOptions { snapshots: Some("b_*".into()), ..options.clone() };
    let error = open_with(folder.path(), none).unwrap_err();
    assert!(error.remedy.contains("a_1"), "{error}");
    for bad in ["no.onnx", "."] {
        let options = OpenOptions { graph: Some(bad.into()), ..options.clone() };
        assert_eq!(open_with(folder.path(), options).unwrap_err().class, Class::Input);
    }
    // One file takes graph and batch from its folder.
    let options = OpenOptions { snapshots: None, ..options };
    let run = open_with(&folder.path().join("a_1.npz"), options).unwrap();
    assert_eq!(run.snapshots.len(), 1);
}

#[test]
fn folders_that_are_no_runs() {
    let empty = tempfile::tempdir().unwrap();
    let open = |path: &Path| breakeven::snapshot::open(path, &OpenOptions::default());
    assert!(open(empty.path()).unwrap_err().what.contains("no ONNX graph"));
    std::fs::write(empty.path().join("model.onnx"), model(&linear(), 17)).unwrap();
    assert!(open(empty.path()).unwrap_err().what.contains("batch"));
    let missing = open(&empty.path().join("nothing")).unwrap_err();
    assert_eq!((missing.class, missing.code), (Class::Input, "file::missing"));
    std::fs::write(empty.path().join("x.txt"), "hello").unwrap();
    assert_eq!(open(&empty.path().join("x.txt")).unwrap_err().class, Class::Input);
    // Sub-folders are not read.
    let folder = run_folder(&[("a.npz", good_npz())]);
    std::fs::create_dir(folder.path().join("b_1.npz")).unwrap();
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    std::fs::write(folder.path().join("deep/c_1.npz"), "broken").unwrap();
    let Input::Run(run) = open(folder.path()).unwrap() else { panic!() };
    assert_eq!(run.snapshots.len(), 1);
}

#[test]
fn memory_is_refused_before_it_is_taken() {
    let folder = run_folder(&[("a.npz", good_npz())]);
    let error = open_with(folder.path(), OpenOptions { max_memory: Some(100), ..Default::default() }).unwrap_err();
    assert_eq!(error.class, Class::Resource);
    let enough = open_with(folder.path(), OpenOptions { max_memory: Some(4096), ..Default::default() });
    assert_eq!(enough.unwrap().n, 6);
}

#[test]
fn wrapped_names_are_recognised() {
    for prefix in ["module.", "_orig_mod.", "module._orig_mod."] {
        let weight = format!("{prefix}fc.weight");
        let bias = format!("{prefix}fc.bias");
        let wrapped = npz(&[
            (weight.as_str(), npy("<f4", "(2, 2)", &le(&[1.0; 4]))),
            (bias.as_str(), npy("<f4", "(2,)", &le(&[0.0; 2]))),
        ]);
        let run = open_run(&[("a.npz", wrapped)]).unwrap();
        assert_eq!(run.parameters[0].name, weight);
        assert_eq!(run.parameters[0].initializers, ["fc.weight"]);
    }
}

#[test]
fn embedded_runs_are_read_like_folders() {
    let folder = run_folder(&[("a_1.npz", good_npz())]);
    let from_disk = open_with(folder.path(), OpenOptions::default()).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (graph, batch, weights) = (read("model.onnx"), read("batch.npz"), read("a_1.npz"));
    let files = [("a_1.npz", weights.as_slice()), ("batch.npz", &batch), ("model.onnx", &graph)];
    let Input::Run(embedded) = open_embedded(&files).unwrap() else { panic!() };
    assert_eq!(RunInput { name: from_disk.name.clone(), ..*embedded }, from_disk);
    assert!(open_embedded(&[]).is_err());
}
