//! Bars over random parts of the batch.

use std::fs;
use std::path::Path;

use breakeven::measure::confidence::parts;
use breakeven::snapshot::array::Values;
use breakeven::snapshot::write::{Width, npy, npy_ints, npz};
use serde_json::Value;

use super::{fixture, run};
use crate::numerics::fixture::tensors;

const ARGS: [&str; 8] =
    ["--graph", "model_dynamo18.onnx", "--snapshots", "sgd_0010.safetensors", "--format", "json", "--quiet", "--seed"];

fn measured(folder: &Path, more: &[&str]) -> Value {
    let mut args = vec!["measure", folder.to_str().expect("utf-8")];
    args.extend(ARGS);
    args.extend(more);
    let ended = run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut all: Value = serde_json::from_str(&ended.out).expect("json");
    all["cases"].as_array_mut().expect("cases").remove(0)
}

fn bar(case: &Value, name: &str) -> [f64; 3] {
    ["low", "value", "high"].map(|end| case["subsample"][name][end].as_f64().expect("a number"))
}

/// Every bar is what the program measures on those samples alone.
#[test]
fn bars_are_the_measurements_of_the_parts() {
    let source = fixture("mlp_relu_small");
    let case = measured(&source, &["7", "--subsample", "3:0.4"]);
    assert_eq!((&case["subsample"]["halves"], &case["subsample"]["fraction"]), (&3.into(), &0.4.into()));
    assert_eq!(case, measured(&source, &["7", "--subsample", "3:0.4"]), "the same seed gives the same bars");
    assert_ne!(bar(&case, "kappa"), bar(&measured(&source, &["8", "--subsample", "3:0.4"]), "kappa"));

    let folder = tempfile::tempdir().expect("folder");
    for name in ["model_dynamo18.onnx", "sgd_0010.safetensors", "loss.json"] {
        fs::copy(source.join(name), folder.path().join(name)).expect("copied");
    }
    let mut found: [Vec<f64>; 3] = Default::default();
    for rows in parts(200, 3, 0.4, 7) {
        assert_eq!(rows.len(), 80);
        let members: Vec<(String, Vec<u8>)> = tensors(&source.join("batch.npz"))
            .into_iter()
            .map(|(name, array)| {
                let width: usize = array.shape[1..].iter().product();
                let mut shape = array.shape.clone();
                shape[0] = rows.len();
                let bytes = match array.values {
                    Values::Float(v) => {
                        let chosen: Vec<f64> =
                            rows.iter().flat_map(|r| v[r * width..(r + 1) * width].to_vec()).collect();
                        npy(&shape, &chosen, Width::F32)
                    }
                    Values::Int(v) => npy_ints(&shape, &rows.iter().map(|r| v[*r]).collect::<Vec<i64>>()),
                    Values::Bool(_) => panic!("no flags in this batch"),
                };
                (name, bytes)
            })
            .collect();
        let members: Vec<(&str, Vec<u8>)> = members.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
        fs::write(folder.path().join("batch.npz"), npz(&members).expect("npz")).expect("written");
        let alone = measured(folder.path(), &["7"]);
        found[0].push(alone["kappa"]["value"].as_f64().expect("κ"));
        found[1].push(alone["row_sparsity"]["value"].as_f64().expect("d"));
        found[2].push(alone["tolerance"]["value"].as_f64().expect("ε"));
    }
    for (name, mut values) in ["kappa", "row_sparsity", "tolerance"].into_iter().zip(found) {
        values.sort_by(f64::total_cmp);
        assert_eq!(bar(&case, name).to_vec(), values, "{name}");
    }
}

#[test]
fn a_report_counts_the_verdicts_of_the_parts() {
    let folder = tempfile::tempdir().expect("folder");
    let source = fixture("mlp_relu_small");
    let read = |out: &Path, name: &str| fs::read_to_string(out.join(name)).expect(name);
    let mut reports = Vec::new();
    for name in ["a", "b"] {
        let out = folder.path().join(name);
        let mut args = vec!["analyze", source.to_str().expect("utf-8")];
        args.extend(&ARGS[..4]);
        args.extend(["--subsample", "4", "--simulate", "none", "--scenario", "oracle", "--quiet", "--out"]);
        args.push(out.to_str().expect("utf-8"));
        let ended = run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.out.contains("4 random parts of the batch, 0.5 of its samples each"), "{}", ended.out);
        assert!(ended.out.contains(" 4×") || ended.out.contains("×, "), "the verdicts: {}", ended.out);
        reports.push(["report.json", "report.md", "report.html"].map(|n| read(&out, n)));
    }
    assert_eq!(reports[0], reports[1], "the same bytes twice");
    let json: Value = serde_json::from_str(&reports[0][0]).expect("json");
    let counts = json["cases"][0]["verdict_subsample"].as_array().expect("counts");
    assert_eq!(counts.iter().map(|c| c["count"].as_u64().expect("count")).sum::<u64>(), 4);
    assert_eq!(json["provenance"]["options"]["subsample"], "4:0.5");
    for text in &reports[0][1..] {
        assert!(text.contains("verdict over parts of the batch") && text.contains("κ over parts of the batch"));
    }
}

/// What is read on the screen, and what a spreadsheet gets, is what the JSON says.
#[test]
fn tables_show_the_bars() {
    let source = fixture("mlp_relu_small");
    let case = measured(&source, &["7", "--subsample", "3:0.4"]);
    let printed = |form: &str| {
        let mut args = vec!["measure", source.to_str().expect("utf-8")];
        args.extend(&ARGS[..4]);
        args.extend(["--seed", "7", "--subsample", "3:0.4", "--quiet", "--format", form]);
        let ended = run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out
    };
    let text = printed("text");
    let (_, bars) = text.split_once("3 random parts of the batch, 0.4 of its samples each").expect("a table of bars");
    let [low, median, high] = bar(&case, "row_sparsity");
    assert!(bars.contains(&format!("{median} ({low} to {high})")), "{bars}");
    let csv = printed("csv");
    let mut lines = csv.lines().map(|l| l.split(',').collect::<Vec<_>>());
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    for (column, name) in [("kappa", "kappa"), ("d", "row_sparsity"), ("eps", "tolerance")] {
        let found = ["low", "median", "high"].map(|end| {
            let at = names.iter().position(|n| *n == format!("{column}_parts_{end}")).expect("a column");
            values[at].parse::<f64>().expect("a number")
        });
        assert_eq!(found, bar(&case, name), "{name}");
    }
    let plain = run(&[
        "measure",
        source.to_str().expect("utf-8"),
        "--snapshots",
        "sgd_0010*",
        "--graph",
        "model_dynamo18.onnx",
        "--format",
        "csv",
        "--quiet",
    ]);
    assert!(!plain.out.contains("parts"), "no bars unless asked for");
}

#[test]
fn what_has_no_parts_is_refused() {
    let source = fixture("mlp_relu_small");
    for (bad, part) in [("0", "between 1 and 1000"), ("4:1", "(0, 1)"), ("x", "K:FRACTION"), ("4:nan", "(0, 1)")] {
        let ended = run(&["measure", source.to_str().expect("utf-8"), "--subsample", bad]);
        assert_eq!(ended.code, 2, "{bad}: {}", ended.err);
        assert!(ended.err.contains(part), "{bad}: {}", ended.err);
    }
    let matrix = tempfile::tempdir().expect("folder");
    let path = matrix.path().join("m.npy");
    fs::write(&path, npy(&[2, 2], &[2.0, 1.0, 1.0, 2.0], Width::F64)).expect("written");
    let ended = run(&["measure", path.to_str().expect("utf-8"), "--subsample", "3"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("--subsample"), "{}", ended.err);
}
