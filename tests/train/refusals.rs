//! What cannot be trained is said with file, place and remedy; nothing that was written before is lost.

use std::path::Path;

use crate::cli::{Ended, run};

fn train(out: &Path, rest: &str) -> Ended {
    let out = out.display().to_string();
    let mut args = vec!["train", "--out", &out];
    args.extend(rest.split_whitespace());
    run(&args)
}

fn refuse(out: &Path, rest: &str, code: i32, words: &[&str]) {
    let ended = train(out, rest);
    assert_eq!(ended.code, code, "{rest}: {}", ended.err);
    for word in words {
        assert!(ended.err.contains(word), "{rest}: `{word}` is not in\n{}", ended.err);
    }
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}

#[test]
fn wrong_options_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let base = "--data digits --network mlp:64-4-10 --steps 2";
    for (rest, code, words) in [
        (format!("{base} --optimizer q-newton --keep 0"), 2, &["--keep", "(0, 1]"][..]),
        (format!("{base} --optimizer q-newton --keep 1.5"), 2, &["--keep"]),
        (format!("{base} --optimizer q-newton --keep -0.1"), 2, &["--keep"]),
        (format!("{base} --optimizer sgd --keep 0.5"), 2, &["--keep", "sgd"]),
        (format!("{base} --optimizer sgd --lr -1"), 2, &["--lr"]),
        (format!("{base} --optimizer sgd --lr nan"), 2, &["--lr"]),
        (format!("{base} --optimizer sgd --momentum 1"), 2, &["--momentum"]),
        (format!("{base} --optimizer adam --momentum 0.9"), 2, &["--momentum"]),
        (format!("{base} --optimizer lion"), 2, &["--optimizer lion", "q-newton"]),
        (format!("{base} --optimizer newton --damping relative:-1"), 2, &["--damping"]),
        (format!("{base} --optimizer newton --scope layer:x"), 2, &["--scope"]),
        (format!("{base} --optimizer newton --clip 0"), 2, &["--clip"]),
        (format!("{base} --optimizer sgd --batch 5000"), 2, &["--batch 5000", "1618"]),
        (format!("{base} --optimizer sgd --batch 0"), 2, &["--batch"]),
        (format!("{base} --optimizer sgd --samples 5000"), 2, &["--samples"]),
        (format!("{base} --optimizer sgd --held-out 1797"), 2, &["--held-out"]),
        (format!("{base} --optimizer sgd --snapshot-every 0"), 2, &["--snapshot-every"]),
        (format!("{base} --optimizer sgd --precision f16"), 2, &["--precision"]),
        ("--data digits --network mlp:63-10 --optimizer sgd".into(), 2, &["64 features"]),
        ("--data imagenet --network mlp:64-10 --optimizer sgd".into(), 2, &["imagenet", "mnist:DIR"]),
        ("--network mlp:64-10 --optimizer sgd".into(), 2, &["--data"]),
        ("--data digits --optimizer sgd".into(), 2, &["--network"]),
        ("--data text --network mlp:64-10 --optimizer sgd".into(), 2, &["tokens"]),
        ("--data mnist:/no/such/folder --network mlp:784-10 --optimizer sgd".into(), 3, &["train-images-idx3-ubyte"]),
        ("--data npz:/no/such.npz --network mlp:784-10 --optimizer sgd".into(), 3, &["/no/such.npz"]),
        ("--from /no/such/run --optimizer sgd".into(), 3, &["/no/such/run"]),
        (format!("{base} --optimizer sgd --start /no/such.npz"), 3, &["/no/such.npz"]),
        (format!("{base} --optimizer sgd --resume"), 3, &["train"]),
        (format!("{base} --optimizer newton --max-memory 1MiB"), 4, &["MiB"]),
    ] {
        if rest.contains("--max-memory") {
            // the limit is met at the first block
            refuse(&out, &rest, code, words);
            continue;
        }
        refuse(&out, &rest, code, words);
        assert!(!out.exists(), "{rest} left something behind");
    }
}

#[test]
fn unreadable_data_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("data.npz"), folder.path().join("run"));
    std::fs::write(&file, b"PK\x03\x04 not an archive").unwrap();
    let source = format!("--data npz:{} --network mlp:2-1 --optimizer sgd", file.display());
    refuse(&out, &source, 3, &["data.npz"]);
    use breakeven::snapshot::write::{Width, npy, npz};
    let write = |x: &[usize], y: &[usize], bad: f64| {
        let values = |shape: &[usize]| vec![bad; shape.iter().product()];
        let bytes = npz(&[("x", npy(x, &values(x), Width::F64)), ("y", npy(y, &values(y), Width::F64))]).unwrap();
        std::fs::write(&file, bytes).unwrap();
    };
    write(&[4, 2], &[3], 1.0);
    refuse(&out, &source, 3, &["[4, 2]", "[3]"]);
    write(&[4, 2], &[4], f64::NAN);
    refuse(&out, &source, 3, &["'x'", "NaN"]);
    write(&[4, 3], &[4], 1.0);
    refuse(&out, &source, 2, &["3 features"]);
    std::fs::write(&file, npz(&[("a", npy(&[1], &[1.0], Width::F64))]).unwrap()).unwrap();
    refuse(&out, &source, 3, &["no array named x", "a"]);
    std::fs::write(folder.path().join("train-images-idx3-ubyte"), [0, 0, 8, 3, 0, 0]).unwrap();
    refuse(
        &out,
        &format!("--data mnist:{} --network mlp:4-10 --optimizer sgd", folder.path().display()),
        3,
        &["header"],
    );
    let mnist = format!("--data mnist:{} --network mlp:4-10 --optimizer sgd", folder.path().display());
    let images = |bytes: &[u8]| std::fs::write(folder.path().join("train-images-idx3-ubyte"), bytes).unwrap();
    let head = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2];
    images(&[&head[..], &[7; 11]].concat());
    refuse(&out, &mnist, 3, &["train-images-idx3-ubyte", "[3, 2, 2]", "11 follow"]);
    images(&[&[0, 0, 13, 3][..], &head[4..], &[7; 12]].concat());
    refuse(&out, &mnist, 3, &["train-images-idx3-ubyte", "magic number [00, 00, 0d, 03]"]);
    images(&[&head[..4], &[255; 12]].concat());
    refuse(&out, &mnist, 3, &["train-images-idx3-ubyte", "0 follow"]);
    images(&[&head[..], &[7; 12]].concat());
    std::fs::write(folder.path().join("train-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 10]).unwrap();
    refuse(&out, &mnist, 3, &["train-labels-idx1-ubyte", "label 2 is 10"]);
    assert!(!out.exists());
}

#[test]
fn a_training_that_diverges_keeps_its_good_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    refuse(
        &out,
        "--data digits --network mlp:64-16-16-10:gelu --optimizer sgd --lr 1e30 --steps 40 --snapshot-every 1",
        5,
        &["step", "diverged", "last good snapshot", "sgd_000", "code: train::diverged"],
    );
    let read = run(&["inspect", out.to_str().unwrap()]);
    assert_eq!(read.code, 0, "{}", read.err);
    assert!(std::fs::read_to_string(out.join("train/sgd.jsonl")).unwrap().lines().count() >= 1);
}

#[test]
fn a_singular_block_stops_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let rest = "--data digits --network mlp:64-4-10 --optimizer q-newton --damping none --steps 3";
    refuse(&out, rest, 5, &["step 0", "layers.0.weight", "singular", "--damping"]);
    // the start stays and is readable
    assert!(out.join("q-newton_0000.safetensors").exists());
    assert_eq!(run(&["inspect", out.to_str().unwrap()]).code, 0);
}

#[test]
fn another_run_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let base = "--data digits --network mlp:64-4-10 --optimizer sgd --steps 2 --samples 40";
    assert_eq!(train(&out, base).code, 0);
    let before = std::fs::read(out.join("sgd_0002.safetensors")).unwrap();
    refuse(&out, base, 2, &["--resume"]);
    refuse(&out, "--data digits --network mlp:64-4-10 --optimizer adam --steps 2 --samples 41", 2, &["batch.npz"]);
    refuse(&out, "--data digits --network mlp:64-5-10 --optimizer adam --steps 2 --samples 40", 2, &["model.onnx"]);
    refuse(&out, "--resume --lr 0.5", 2, &["--lr"]);
    refuse(&out, "--resume --steps 1", 2, &["--steps"]);
    refuse(&out, "--resume --optimizer adam", 2, &["sgd"]);
    assert_eq!(std::fs::read(out.join("sgd_0002.safetensors")).unwrap(), before);
    assert_eq!(train(&out, "--resume --steps 3").code, 0);
    // a folder with a graph of another exporter
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("exported.onnx"), b"?").unwrap();
    refuse(&foreign, base, 2, &["exported.onnx"]);
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1);
    // changed data are noticed
    std::fs::write(out.join("batch.npz"), b"other").unwrap();
    refuse(&out, "--resume --steps 5", 3, &["batch.npz"]);
}
