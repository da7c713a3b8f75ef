//! The program under `mpirun`, beside one rank. Needs a launcher on the machine (`.ci/mpi`).

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stored::npy;
use super::{Ended, fixture, run};

/// Agreement asked of sums over ranks, relative to the largest entry.
const BOUND: f64 = 1e-12;

fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// The program with these arguments on so many ranks of one thread, within a minute or two.
fn ranks(size: usize, args: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("folder");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path: &Path| std::fs::File::create(path).expect("a file");
    let mut child = Command::new("mpirun")
        .args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none", "-n", &size.to_string()])
        .arg(env!("CARGO_BIN_EXE_breakeven"))
        .args(args)
        .env("NO_COLOR", "1")
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .expect("mpirun");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if start.elapsed() > Duration::from_secs(180) {
            let _ = child.kill();
            panic!("{size} ranks hang: {args:?}\n{}", std::fs::read_to_string(&err).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |path: &Path| std::fs::read_to_string(path).expect("text");
    Ended { code: status.code().unwrap_or(-1), out: read(&out), err: read(&err) }
}

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", ended.out, ended.err))
}

fn near(a: &Value, b: &Value, what: &str) {
    let (a, b) = (a.as_f64().expect(what), b.as_f64().expect(what));
    assert!((a - b).abs() <= BOUND * b.abs(), "{what}: {a} and {b}");
}

/// `measure` with the matrices exported, on one rank and on `size`.
fn compare(name: &str, snapshot: &str, scope: &str, size: usize) {
    let folder = tempfile::tempdir().expect("folder");
    let (one, many) = (folder.path().join("one.npy"), folder.path().join("many.npy"));
    let run_folder = fixture(name);
    let args = |matrix| -> Vec<String> {
        let words = ["measure", text(&run_folder), "--graph", "model_legacy17.onnx", "--snapshots", snapshot];
        let more = ["--scope", scope, "--threads", "1", "--format", "json", "--export-hessian", matrix];
        words.iter().chain(&more).map(|w| (*w).to_owned()).collect()
    };
    let (words, others) = (args(text(&one)), args(text(&many)));
    let a = json(&run(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    let ended = ranks(size, &others.iter().map(String::as_str).collect::<Vec<_>>());
    let b = json(&ended);
    assert!(ended.err.contains(&format!("spread over {size} of {size} ranks")), "{}", ended.err);
    let (a, b) = (&a["cases"][0], &b["cases"][0]);
    for key in ["loss", "gradient_norm"] {
        near(&b[key], &a[key], &format!("{name}: {key}"));
    }
    for key in ["n", "batch", "hvp_flops", "rank", "id"] {
        assert_eq!(a[key], b[key], "{name}: {key}");
    }
    for key in ["positive", "negative", "zero"] {
        assert_eq!(a["inertia"][key], b["inertia"][key], "{name}: {key}");
    }
    let ((_, h), (_, g)) = (npy(&one), npy(&many));
    assert_eq!(h.len(), g.len());
    let top = h.iter().fold(0.0f64, |t, x| t.max(x.abs()));
    let far = h.iter().zip(&g).fold(0.0f64, |t, (x, y)| t.max((x - y).abs()));
    assert!(far <= BOUND * top, "{name}: {far:e} beside {top:e}");
    println!("{name} {scope}, {size} ranks: matrices differ by {:e} of the largest entry", far / top);
}

#[test]
fn two_and_three_ranks_give_the_matrices_of_one() {
    compare("mlp_relu_small", "sgd_0010", "full", 2);
    // 3 does not divide the batch
    compare("mlp_relu_small", "sgd_0100", "full", 3);
    compare("cnn_digits", "adam_0100", "full", 2);
    compare("cnn_digits", "sgd_0050", "full", 3);
}

#[test]
fn a_transformer_over_two_ranks() {
    compare("bert_char", "sgd_0300", "layer:layer.0.query.weight", 2);
}

#[test]
fn products_alone_over_two_ranks() {
    let folder = fixture("cnn_digits");
    let args = [
        "measure",
        text(&folder),
        "--graph",
        "model_legacy17.onnx",
        "--snapshots",
        "adam_0100",
        "--matrix-free",
        "--threads",
        "1",
        "--format",
        "json",
    ];
    let (a, b) = (json(&run(&args)), json(&ranks(2, &args)));
    let (a, b) = (&a["cases"][0], &b["cases"][0]);
    near(&b["loss"], &a["loss"], "loss");
    near(&b["gradient_norm"], &a["gradient_norm"], "gradient norm");
    near(&b["sigma_max"]["value"], &a["sigma_max"]["value"], "largest singular value");
    near(&b["frobenius_norm"], &a["frobenius_norm"], "Frobenius norm");
    near(&b["max_abs"], &a["max_abs"], "largest entry");
}

#[test]
fn one_rank_under_the_launcher_gives_the_same_bytes() {
    let folder = fixture("mlp_relu_small");
    let args =
        ["measure", text(&folder), "--graph", "model_legacy17.onnx", "--snapshots", "sgd_0010", "--format", "json"];
    assert_eq!(json(&ranks(1, &args)), json(&run(&args)));
}

#[test]
fn only_the_first_rank_prints_and_any_command_works() {
    let ended = ranks(3, &["models", "list"]);
    assert_eq!((ended.code, ended.out), (0, run(&["models", "list"]).out), "{}", ended.err);
    let help = ranks(2, &["--help"]);
    assert_eq!((help.code, help.out), (0, run(&["--help"]).out), "{}", help.err);
}

#[test]
fn an_error_is_said_once_with_its_exit_code_and_nothing_hangs() {
    let folder = tempfile::tempdir().expect("folder");
    for entry in std::fs::read_dir(fixture("mlp_relu_small")).expect("fixture").flatten() {
        let name = entry.file_name().into_string().expect("utf-8");
        if ["model_legacy17.onnx", "batch.npz", "loss.json", "sgd_0010.safetensors"].contains(&name.as_str()) {
            std::fs::copy(entry.path(), folder.path().join(&name)).expect("a copy");
        }
    }
    let at = text(folder.path());
    assert_eq!(ranks(2, &["measure", at, "--format", "json"]).code, 0);
    let kept = folder.path().join("kept");
    let cases: [(&[&str], i32); 3] = [
        (&["measure", at, "--scope", "layer:none"], 2),
        (&["measure", at, "--checkpoint", text(&kept)], 2),
        (&["frobnicate"], 2),
    ];
    for (args, code) in cases {
        let ended = ranks(3, args);
        assert_eq!(ended.code, code, "{args:?}: {}", ended.err);
        assert_eq!(ended.err.matches("error:").count(), 1, "{}", ended.err);
        assert!(ended.out.is_empty(), "{}", ended.out);
    }
    std::fs::write(folder.path().join("sgd_0010.safetensors"), b"no weights at all").expect("a bad file");
    let ended = ranks(2, &["measure", at]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(ended.err.matches("error:").count(), 1, "{}", ended.err);
}
