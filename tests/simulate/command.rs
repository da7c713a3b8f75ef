//! `breakeven simulate` as a user types it: keys, exit codes, refusals.

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn breakeven() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakeven"));
    for name in ["BREAKEVEN_FORMAT", "BREAKEVEN_MODELS", "BREAKEVEN_SEED", "BREAKEVEN_CONFIG"] {
        command.env_remove(name);
    }
    command
}

/// A symmetric Matrix Market file: tridiagonal with the given diagonal, −1/4 beside it.
fn market(folder: &Path, name: &str, diagonal: &[f64]) -> PathBuf {
    let n = diagonal.len();
    let mut text = format!("%%MatrixMarket matrix coordinate real symmetric\n{n} {n} {}\n", 2 * n - 1);
    for (i, d) in diagonal.iter().enumerate() {
        text += &format!("{} {} {d}\n", i + 1, i + 1);
        if i + 1 < n {
            text += &format!("{} {} -0.25\n", i + 2, i + 1);
        }
    }
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn json(arguments: &[&str], code: i32) -> Value {
    let output = breakeven().arg("simulate").args(arguments).args(["--format", "json"]).assert().code(code);
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn a_matrix_is_verified_and_a_false_claim_exits_5() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "h.mtx", &[2.0, -1.5, 3.0, 1.0, -0.8, 2.5]);
    let path = path.to_str().unwrap();
    let row = json(&["dalzell2024-known-norm", path, "--eps", "1e-2"], 0);
    for key in [
        "model",
        "level",
        "n",
        "kappa",
        "alpha",
        "rhs",
        "error_target",
        "error_reached",
        "queries_counted",
        "queries_predicted",
        "queries_needed",
        "success_probability",
        "passed",
        "notes",
    ] {
        assert!(row.get(key).is_some(), "{key} is missing: {row}");
    }
    // The formula of this model is an exact count: 2⌈κ·ln(2√2/ε)/2⌉.
    let kappa = row["kappa"].as_f64().unwrap();
    let formula = 2.0 * (kappa * (2.0 * 2f64.sqrt() / 1e-2).ln() / 2.0).ceil();
    assert_eq!(row["queries_counted"].as_f64().unwrap(), formula);
    assert_eq!(row["queries_predicted"].as_f64().unwrap(), formula);
    assert_eq!(row["passed"], true);
    let needed = row["queries_needed"].as_u64().unwrap().to_string();
    assert_eq!(json(&["dalzell2024-known-norm", path, "--eps", "1e-2", "--claim", &needed], 0)["passed"], true);
    let failed = json(&["dalzell2024-known-norm", path, "--eps", "1e-2", "--claim", "4"], 5);
    assert_eq!((failed["passed"].clone(), failed["queries_counted"].clone()), (Value::Bool(false), Value::from(4)));
    for (level, encoding) in [("L2", "sparse"), ("L2", "frobenius"), ("L3", "dilation")] {
        let row = json(&["qsvt", path, "--eps", "0.05", "--level", level, "--encoding", encoding], 0);
        assert_eq!(row["level"], level);
    }
    let text = breakeven().args(["simulate", "qsvt", path, "--eps", "0.05"]).assert().success();
    let text = String::from_utf8(text.get_output().stdout.clone()).unwrap();
    assert!(text.contains("counted") && text.contains("predicted") && text.contains("needed"), "{text}");
}

#[test]
fn a_snapshot_is_verified_on_its_own_hessian() {
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mlp_relu_small/sgd_1000.safetensors");
    let row = json(
        &[
            "dalzell2024-known-norm",
            run,
            "--eps",
            "0.1",
            "--scope",
            "layer:layers.1.bias",
            "--graph",
            "model_dynamo18.onnx",
        ],
        0,
    );
    assert_eq!(row["n"], 10);
    assert!(row["rhs"].as_str().unwrap().contains("gradient"), "{row}");
    assert!(row["queries_needed"].as_u64().unwrap() <= row["queries_counted"].as_u64().unwrap());
}

#[test]
fn what_cannot_be_verified_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "h.mtx", &[2.0, 1.5, 3.0]);
    let path = path.to_str().unwrap();
    // [[1/4, −1/4], [−1/4, 1/4]].
    let singular = market(folder.path(), "singular.mtx", &[0.25, 0.25]);
    let cases: [(&[&str], i32, &str); 8] = [
        (&["qsvt", singular.to_str().unwrap(), "--eps", "1e-2"], 3, "singular"),
        (&["q-newton", path, "--eps", "1e-2"], 2, "names no algorithm"),
        (&["grover", path, "--eps", "1e-2"], 2, "models with a circuit"),
        (&["qsvt", path, "--eps", "2"], 2, "(0, 1)"),
        (&["qsvt", path, "--eps", "1e-2", "--alpha", "0.1"], 2, "α ≥ ‖A‖"),
        (&["qsvt", path, "--eps", "1e-2", "--level", "L4"], 2, "L1, L2 or L3"),
        (&["hhl", path, "--eps", "1e-2", "--level", "L3"], 2, "level L1 only"),
        (&["qsvt", path, "--eps", "1e-2", "--claim", "1.5"], 2, "whole number"),
    ];
    for (arguments, code, words) in cases {
        let output = breakeven().arg("simulate").args(arguments).assert().code(code);
        let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert!(output.get_output().stdout.is_empty());
    }
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mlp_relu_small");
    let output =
        breakeven().args(["simulate", "qsvt", run, "--eps", "1e-2", "--graph", "model_dynamo18.onnx"]).assert().code(2);
    assert!(String::from_utf8_lossy(&output.get_output().stderr).contains("--case"));
}

#[test]
fn every_bad_input_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let path = market(folder.path(), "h.mtx", &[2.0, 1.5, 3.0]);
    let path = path.to_str().unwrap();
    let large = market(folder.path(), "large.mtx", &(0..40).map(|i| 1.0 + f64::from(i)).collect::<Vec<_>>());
    let large = large.to_str().unwrap();
    std::fs::write(
        at("general.mtx"),
        "%%MatrixMarket matrix coordinate real general\n2 2 3\n1 1 1.0\n2 2 1.0\n1 2 0.5\n",
    )
    .unwrap();
    // A version-1 array of three zeros.
    let mut header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }".to_owned();
    header += &" ".repeat(117 - header.len());
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend([0_u8; 24]);
    std::fs::write(at("zero.npy"), bytes).unwrap();
    let (general, zero) = (at("general.mtx"), at("zero.npy"));
    let cases: [(&[&str], i32, &str); 9] = [
        (&["qsvt", &general, "--eps", "1e-2"], 3, "symm"),
        (&["qsvt", path, "--rhs", &zero, "--eps", "1e-2"], 3, "zero"),
        (&["jennings2023", path, "--eps", "1e-2"], 3, "√12"),
        (&["jennings2023", large, "--eps", "0.3"], 3, "0.24"),
        (&["costa2022", large, "--eps", "1e-2", "--seconds", "1e-6"], 4, "not verifiable"),
        (&["qsvt", large, "--eps", "1e-2", "--max-memory", "1KiB"], 4, "limit of 1024"),
        (&["qsvt", path, "--eps", "1e-2", "--seconds", "-1"], 2, "positive"),
        (&["qsvt", path, "--eps", "1e-2", "--refine", "2"], 2, "(0, 1)"),
        (&["qsvt", path, "--eps", "1e-2", "--error-rate", "1.5"], 2, "[0, 1)"),
    ];
    for (arguments, code, words) in cases {
        let output = breakeven().arg("simulate").args(arguments).assert().code(code);
        let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert!(output.get_output().stdout.is_empty());
    }
}

/// `analyze` of a matrix with some simulation options; the report.
fn analyzed(path: &str, out: &Path, options: &[&str], code: i32) -> (Value, String) {
    let output = breakeven()
        .args(["analyze", path, "--format", "json", "--out", out.to_str().unwrap()])
        .args(options)
        .assert()
        .code(code);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    (serde_json::from_slice(&output.get_output().stdout).unwrap(), page)
}

#[test]
fn the_gate_runs_lists_and_calibrates() {
    let folder = tempfile::tempdir().unwrap();
    let path = market(folder.path(), "h.mtx", &[2.0, -1.5, 3.0, 1.0, -0.8, 2.5]);
    let path = path.to_str().unwrap();
    let out = folder.path().join("all");
    let (report, page) = analyzed(path, &out, &["--simulate", "all", "--simulate-seconds", "3"], 0);
    let case = &report["cases"][0];
    let rows = case["simulation"].as_array().unwrap();
    let row = |id: &str| rows.iter().find(|r| r["model"] == id).unwrap_or_else(|| panic!("{id} was not run"));
    for id in ["dalzell2024-known-norm", "qsvt", "dalzell2024-alg3", "costa2023-consistent", "cks-chebyshev"] {
        assert_eq!(row(id)["passed"], true, "{id}");
        assert!(row(id)["queries_needed"].as_u64().unwrap() <= row(id)["queries_counted"].as_u64().unwrap());
    }
    assert!(rows.iter().all(|r| r["passed"] == true));
    let calibration = report["calibration"].as_array().unwrap();
    let known = calibration.iter().find(|c| c["model"] == "dalzell2024-known-norm").unwrap();
    assert_eq!(known["median"], row("dalzell2024-known-norm")["calibration"]);
    assert!(page.contains("Formulas checked by simulation"));
    // Costs are those of the formulas, whatever was needed.
    let (plain, _) = analyzed(path, &folder.path().join("none"), &["--simulate", "none"], 0);
    assert_eq!(plain["cases"][0]["costs"], case["costs"]);
    assert!(plain["cases"][0]["simulation"].as_array().unwrap().is_empty() && plain.get("calibration").is_none());
    // Too little time: every model is listed with what it would have taken.
    let out = folder.path().join("little");
    let (report, page) = analyzed(path, &out, &["--simulate", "all", "--simulate-seconds", "1e-9"], 0);
    let left = report["cases"][0]["simulation_left_out"].as_array().unwrap();
    assert!(left.len() >= 13 && left[0]["why"].as_str().unwrap().contains("--simulate-seconds"), "{left:?}");
    assert!(page.contains("Models not simulated on this case"));
    breakeven().args(["analyze", path, "--simulate-seconds", "0"]).assert().code(2);
    let plan = breakeven().args(["analyze", path, "--dry-run"]).assert().success();
    let plan = String::from_utf8(plan.get_output().stdout.clone()).unwrap();
    assert!(plan.contains("simulation: ") && plan.contains("at most about 0.5 s"), "{plan}");
}
