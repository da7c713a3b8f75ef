//! A run that is killed while it assembles goes on where it was, and yields the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{fixture, run};

fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

/// The one unfinished matrix of a folder, as it lies there whole.
fn unfinished(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "assembly"))
}

#[test]
fn a_killed_run_goes_on_and_yields_the_same_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let (kept, graph) = (folder.path().join("kept"), fixture("mlp_relu_small"));
    let out = |name: &str| folder.path().join(name);
    let args = |matrix: &Path, snapshot: &str| -> Vec<String> {
        let words = ["measure", text(&graph), "--graph", "model_legacy17.onnx", "--snapshots", snapshot];
        let more = ["--checkpoint", text(&kept), "--checkpoint-every", "0", "--export-hessian", text(matrix)];
        words.iter().chain(&more).map(|w| (*w).to_owned()).collect()
    };
    let whole = out("whole.npy");
    let plain = ["measure", text(&graph), "--graph", "model_legacy17.onnx", "--snapshots", "sgd_0010"];
    let ended = run(&[&plain[..], &["--export-hessian", text(&whole)]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);

    // killed as soon as something is kept
    let deadline = Instant::now() + Duration::from_secs(60);
    let file = loop {
        assert!(Instant::now() < deadline, "never caught in time");
        let mut child = Command::new(env!("CARGO_BIN_EXE_breakeven"))
            .args(args(&out("killed.npy"), "sgd_0010"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        while unfinished(&kept).is_none() && child.try_wait().expect("a state").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        if let Some(file) = unfinished(&kept) {
            break file;
        }
    };
    assert!(!out("killed.npy").exists());
    let bytes = fs::read(&file).expect("kept");

    let go_on = |name: &str, snapshot: &str| {
        let words = args(&out(name), snapshot);
        let ended = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.err
    };
    let matrix = |name: &str| fs::read(out(name)).expect("a matrix");
    let err = go_on("again.npy", "sgd_0010");
    assert!(err.contains("going on after"), "{err}");
    assert_eq!(matrix("again.npy"), fs::read(&whole).expect("a matrix"));
    assert!(unfinished(&kept).is_none(), "removed at the end");

    // damaged, cut off, of another snapshot under this one's name: not used, and said so
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, &damaged).expect("written");
    let err = go_on("damaged.npy", "sgd_0010");
    assert!(err.contains("is not used: its contents are damaged"), "{err}");
    assert_eq!(matrix("damaged.npy"), matrix("again.npy"));
    fs::write(&file, &bytes[..bytes.len() - 40]).expect("written");
    assert!(go_on("cut.npy", "sgd_0010").contains("is not used: it is cut off"));
    let name = file.file_stem().and_then(|s| s.to_str()).expect("a key");
    let foreign = String::from_utf8_lossy(&bytes[..120]).replacen(name, &name.replace(&name[..4], "0000"), 1);
    fs::write(&file, [foreign.as_bytes(), &bytes[120..]].concat()).expect("written");
    let err = go_on("foreign.npy", "sgd_0010");
    assert!(err.contains("it belongs to another"), "{err}");
    assert_eq!(matrix("foreign.npy"), matrix("again.npy"));
    // another snapshot does not look at it at all
    fs::write(&file, &bytes).expect("written");
    assert!(!go_on("other.npy", "sgd_0000").contains("going on"));
    assert_ne!(matrix("other.npy"), matrix("again.npy"));
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_the_run() {
    let (graph, folder) = (fixture("mlp_relu_small"), tempfile::tempdir().expect("folder"));
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    let ended = run(&["measure", text(&graph), "--graph", "model_legacy17.onnx", "--checkpoint", text(&file)]);
    assert_eq!(ended.code, 6, "{}", ended.err);
    let ended = run(&["measure", "--checkpoint-every", "soon"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
}
