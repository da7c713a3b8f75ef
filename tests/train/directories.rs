//! Run directories: read by every command, the same bytes for the same seed, resumed as if never stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use breakeven::parallel::Threads;
use breakeven::snapshot::write::{Width, npy, npy_ints, npz};
use breakeven::snapshot::{Input, OpenOptions, open};
use breakeven::train::{Observer, Request, RunOptions, StepEvent, Summary, Unobserved, run};

use crate::cli::{breakeven, run as command};

const QUIET: RunOptions<'static> = RunOptions { max_memory: None, progress: &|_, _| {} };

fn begin(request: &Request, out: &Path, threads: usize) -> Summary {
    let threads = Threads::new(threads).unwrap();
    run::begin(request, out, &QUIET, &threads, &mut Unobserved).unwrap()
}

/// All files of a run by name, those of the sub-folder included.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    for folder in [root.to_owned(), root.join("train")] {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                out.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    out
}

fn same(a: &Path, b: &Path, except: &[&str]) {
    let (a, b) = (files(a), files(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(except.contains(&name.as_str()) || *bytes == b[name], "{name} differs");
    }
}

/// MNIST in the IDX format with `n` images of 8×8.
fn idx(folder: &Path, part: &str, n: usize) {
    let mut images = vec![0, 0, 8, 3];
    let mut labels = vec![0, 0, 8, 1];
    labels.extend((n as u32).to_be_bytes());
    for extent in [n, 8, 8] {
        images.extend((extent as u32).to_be_bytes());
    }
    for i in 0..n {
        images.extend((0..64).map(|p| ((i * 37 + p * p * 11) % 256) as u8));
        labels.push((i % 10) as u8);
    }
    std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
    std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
}

#[test]
fn every_network_and_data_set_makes_a_run_that_is_read_without_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 60);
    idx(folder.path(), "t10k", 20);
    let x: Vec<f64> = (0..90).map(|k| (k as f64 * 0.37).sin()).collect();
    let y: Vec<i64> = (0..30).map(|i| i % 3).collect();
    let table = npz(&[("x", npy(&[30, 3], &x, Width::F64)), ("labels", npy_ints(&[30], &y))]).unwrap();
    std::fs::write(folder.path().join("table.npz"), table).unwrap();
    let mnist = format!("mnist:{}", folder.path().display());
    let table = format!("npz:{}", folder.path().join("table.npz").display());
    for (i, (data, network, optimizer, precision)) in [
        ("digits", "mlp:64-6-10:gelu", "q-newton", "f64"),
        ("digits", "cnn", "sgd", "f32"),
        ("text", "bert:8,1,2,12", "adam", "f32"),
        ("text", "gpt:8,1,2,12", "q-newton", "f32"),
        ("text:causal", "bert:8,1,2,12", "sgd", "f64"),
        (mnist.as_str(), "mlp:64-5-10", "newton", "f64"),
        (mnist.as_str(), "cnn", "adam", "f64"),
        (table.as_str(), "mlp:3-4-3:tanh", "newton", "f64"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder.path().join(format!("run{i}"));
        let mut request = Request::new(data, network, optimizer, 2);
        request.batch = Some(12);
        request.precision = Some(precision.into());
        request.snapshot_every = Some(1);
        if optimizer == "q-newton" && network.starts_with("gpt") {
            request.curvature = Some("empirical-fisher".into());
        }
        let summary = begin(&request, &out, 2);
        assert_eq!(summary.snapshots.len(), 3, "{network}");
        let read = command(&["inspect", out.to_str().unwrap(), "--format", "json"]);
        assert_eq!(read.code, 0, "{network}: {}", read.err);
        let Input::Run(run) = open(&out, &OpenOptions::default()).unwrap() else { panic!("a run") };
        assert_eq!(run.snapshots.len(), 3);
        assert_eq!(run.n, summary.n);
        // the graph holds the weights of the last snapshot
        let last = run.snapshots.iter().find(|s| s.step == Some(2)).unwrap();
        for (name, array) in &last.params {
            let (_, stored) = run.model.initializers.iter().find(|(n, _)| n == name).unwrap();
            let rounded = |x: &f64| f64::from(*x as f32);
            assert!(
                stored.floats().unwrap().iter().eq(array
                    .floats()
                    .unwrap()
                    .iter()
                    .map(rounded)
                    .collect::<Vec<_>>()
                    .iter())
            );
        }
    }
    let out = folder.path().join("run0");
    let measured = command(&["measure", out.to_str().unwrap(), "--scope", "layer:layers.1.bias", "--format", "json"]);
    assert_eq!(measured.code, 0, "{}", measured.err);
    let json: serde_json::Value = serde_json::from_str(&measured.out).unwrap();
    assert_eq!(json["cases"].as_array().unwrap().len(), 3);
}

#[test]
fn the_loss_of_the_log_is_the_one_that_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut request = Request::new("digits", "mlp:64-6-10", "q-newton", 3);
    request.samples = Some(100);
    request.snapshot_every = Some(1);
    begin(&request, &out, 1);
    let log = std::fs::read_to_string(out.join("train/q-newton.jsonl")).unwrap();
    let measured = command(&["measure", out.to_str().unwrap(), "--scope", "layer:layers.0.bias", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&measured.out).unwrap();
    for (line, case) in log.lines().zip(json["cases"].as_array().unwrap()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["step"], case["step"]);
        let (a, b) = (line["loss"].as_f64().unwrap(), case["loss"].as_f64().unwrap());
        assert!((a - b).abs() < 1e-13 * b, "{a} {b}");
        assert_eq!(line["solves"].as_array().unwrap().len(), if line["step"] == 0 { 0 } else { 4 });
    }
    assert_eq!(log.lines().count(), 4);
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for (i, (network, optimizer, curvature)) in [
        ("mlp:64-12-10", "q-newton", Some("hessian")),
        ("mlp:64-6-10:tanh", "newton", Some("hessian")),
        ("mlp:64-8-10", "q-newton", Some("empirical-fisher")),
        ("cnn", "adam", None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = Request::new("digits", network, optimizer, 3);
        request.batch = Some(50);
        request.samples = Some(120);
        request.seed = 7;
        request.curvature = curvature.map(str::to_owned);
        let outs = [1, 2, 3].map(|threads| {
            let out = folder.path().join(format!("run{i}-{threads}"));
            begin(&request, &out, threads);
            out
        });
        same(&outs[0], &outs[1], &[]);
        same(&outs[0], &outs[2], &[]);
        let other = folder.path().join(format!("run{i}-other"));
        request.seed = 8;
        begin(&request, &other, 1);
        assert_ne!(files(&outs[0])["batch.npz"], files(&other)["batch.npz"]);
    }
}

/// Stops a run at a step, as an error of the observer does.
struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, event: &StepEvent) -> breakeven::error::Result<()> {
        if event.step < self.0 {
            return Ok(());
        }
        Err(breakeven::error::Error::usage("test::stop", "test", "stopped", ""))
    }
}

#[test]
fn a_resumed_run_ends_with_the_same_bytes() {
    let threads = Threads::new(2).unwrap();
    for (optimizer, momentum, stop) in
        [("sgd", Some(0.9), 7), ("adam", None, 11), ("q-newton", None, 4), ("newton", None, 9)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
        let mut request = Request::new("digits", "mlp:64-4-10", optimizer, 12);
        request.batch = Some(40);
        request.samples = Some(130);
        request.momentum = momentum;
        request.snapshot_every = Some(3);
        begin(&request, &whole, 2);
        run::begin(&request, &cut, &QUIET, &threads, &mut StopAt(stop)).unwrap_err();
        let summary = run::resume(&cut, None, None, &QUIET, &threads, &mut Unobserved).unwrap();
        assert_eq!(summary.resumed_from, Some((stop - 1) / 3 * 3), "{optimizer}");
        same(&whole, &cut, &[]);
        // a finished run has nothing to add
        let summary = run::resume(&cut, Some(optimizer), None, &QUIET, &threads, &mut Unobserved).unwrap();
        assert!(summary.snapshots.is_empty());
        same(&whole, &cut, &[]);
    }
}

#[test]
fn a_run_that_is_given_more_steps_is_the_longer_run() {
    let threads = Threads::new(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (long, short) = (folder.path().join("long"), folder.path().join("short"));
    let mut request = Request::new("digits", "mlp:64-4-10", "adam", 8);
    request.samples = Some(60);
    request.snapshot_every = Some(2);
    begin(&request, &long, 1);
    request.steps = 4;
    begin(&request, &short, 1);
    run::resume(&short, None, Some(8), &QUIET, &threads, &mut Unobserved).unwrap();
    same(&long, &short, &[]);
    assert_eq!(run::requested(&short, None).unwrap().steps, 8);
}

#[test]
fn a_killed_program_is_resumed_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let args = |out: &Path| -> Vec<String> {
        let fixed = "train --data digits --network mlp:64-8-10 --optimizer q-newton --steps 40 --samples 150 \
                     --snapshot-every 2 --out";
        fixed.split_whitespace().map(str::to_owned).chain([out.display().to_string()]).collect()
    };
    breakeven().args(args(&whole)).assert().success();
    let mut child = Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(args(&cut))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !cut.join("q-newton_0006.safetensors").exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    // SIGKILL
    child.kill().unwrap();
    child.wait().unwrap();
    breakeven().args(["train", "--resume", "--out"]).arg(&cut).assert().success();
    let left: Vec<String> = files(&cut).into_keys().filter(|n| n.contains(".partial-")).collect();
    for name in left {
        std::fs::remove_file(cut.join(name)).unwrap();
    }
    same(&whole, &cut, &[]);
}

#[test]
fn several_optimisers_share_a_folder_and_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    for optimizer in ["sgd", "adam", "q-newton"] {
        let mut request = Request::new("digits", "mlp:64-4-10", optimizer, 2);
        request.samples = Some(50);
        begin(&request, &out, 1);
    }
    let Input::Run(read) = open(&out, &OpenOptions::default()).unwrap() else { panic!("a run") };
    let mut series: Vec<&str> = read.snapshots.iter().map(|s| s.series.as_str()).collect();
    series.dedup();
    assert_eq!(series, ["adam_", "q-newton_", "sgd_"]);
    // all from the same start
    let starts: Vec<_> = read.snapshots.iter().filter(|s| s.step == Some(0)).map(|s| &s.params).collect();
    assert!(starts.iter().all(|params| *params == starts[0]));
}

#[test]
fn a_run_of_another_exporter_is_trained_further() {
    let folder = tempfile::tempdir().unwrap();
    let threads = Threads::new(2).unwrap();
    for (fixture, snapshot) in [
        ("mlp_relu_small", "sgd_0100.safetensors"),
        ("cnn_digits", "sgd_0050.safetensors"),
        ("bert_char", "adam_0200.npz"),
        ("gpt_char", "adam_0200.npz"),
    ] {
        let source = folder.path().join(format!("{fixture}-source"));
        std::fs::create_dir(&source).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(fixture);
        // one of the two graphs, and all snapshots: the exporters' traces need them
        for entry in std::fs::read_dir(&from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_file() && name != "model_dynamo18.onnx" {
                std::fs::copy(&path, source.join(name)).unwrap();
            }
        }
        let mut request = Request::new("", "", "sgd", 2);
        (request.data, request.network) = (None, None);
        request.from = Some(source.join(snapshot));
        request.snapshot_every = Some(1);
        let out = folder.path().join(fixture);
        let summary = run::begin(&request, &out, &QUIET, &threads, &mut Unobserved).unwrap();
        let Input::Run(read) = open(&out, &OpenOptions::default()).unwrap() else { panic!("a run") };
        assert_eq!((read.snapshots.len(), read.n), (3, summary.n), "{fixture}");
        // the loss at the start is that of the source
        let Input::Run(old) = open(&source.join(snapshot), &OpenOptions::default()).unwrap() else { panic!("a run") };
        assert_eq!(old.n, summary.n);
        let measured = command(&[
            "measure",
            out.to_str().unwrap(),
            "--snapshots",
            "sgd_0000*",
            "--curvature",
            "empirical-fisher",
            "--scope",
            &format!("layer:{}", read.parameters[0].name),
            "--format",
            "json",
        ]);
        assert_eq!(measured.code, 0, "{fixture}: {}", measured.err);
        let json: serde_json::Value = serde_json::from_str(&measured.out).unwrap();
        let loss = json["cases"][0]["loss"].as_f64().unwrap();
        assert!((loss - summary.start_loss).abs() < 1e-12 * loss, "{fixture}");
    }
}
