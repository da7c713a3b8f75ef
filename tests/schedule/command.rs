//! `breakeven schedule` through the program.

use serde_json::Value;

use crate::cli::{fixture, run};

fn json(args: &[&str]) -> Value {
    let ended = run(args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(&ended.out).expect("JSON")
}

fn small() -> String {
    fixture("mlp_relu_small").display().to_string()
}

#[test]
fn the_contract_of_the_json() {
    let path = small();
    let graph = fixture("mlp_relu_small/model_dynamo18.onnx").display().to_string();
    let common = ["--graph", &graph, "--snapshots", "newton_*", "--format", "json", "--quiet"];
    let mut args = vec!["schedule", &path, "--set", "gate_time=1e-6", "--set", "gate_time=1e-9", "--hardware", "a100"];
    args.extend(common);
    let found = json(&args);
    assert_eq!(found["gate_time"], 1e-9);
    let ids: Vec<&str> = found["policies"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    let all =
        ["sgd", "adam", "all-classical", "all-quantum", "q-newton", "q-newton-kappa", "oracle", "cg-hvp", "woodbury"];
    assert_eq!(ids, all);
    for p in found["policies"].as_array().unwrap() {
        for key in ["id", "seconds", "overhead_seconds", "steps", "final_loss"] {
            assert!(p.get(key).is_some(), "{p}");
        }
    }
    let solves = found["solves"].as_array().unwrap();
    // One for every parameter tensor.
    assert_eq!(solves.len(), 4);
    let mut chosen = 0.0;
    for s in solves {
        for key in ["step", "block", "n", "kappa", "d", "quantum_seconds", "classical_seconds", "choice", "why"] {
            assert!(s.get(key).is_some(), "{s}");
        }
        let (q, c) = (s["quantum_seconds"].as_f64().unwrap(), s["classical_seconds"].as_f64().unwrap());
        assert_eq!(s["choice"] == "quantum", q < c);
        chosen += q.min(c);
        // The default estimator is as good as the measurement.
        let ratio = s["kappa_estimate"].as_f64().unwrap() / s["kappa"].as_f64().unwrap();
        assert!((ratio - 1.0).abs() < 1e-6, "{s}");
    }
    let seconds =
        |id: &str| found["policies"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap()["seconds"].as_f64();
    assert_eq!(seconds("q-newton"), Some(chosen));
    // SGD's own series comes to the loss of newton_0005.
    let sgd = &found["policies"][0];
    assert!(sgd["final_loss"].as_f64().unwrap() <= found["target_loss"].as_f64().unwrap() || sgd["seconds"].is_null());

    // The classical times are the rows of the cost table, and their sum is all-classical, to the last bit.
    let mut args = vec!["table", &path, "--scope", "layers", "--scenario", "paper", "--hardware", "a100"];
    args.extend(common);
    let table = json(&args);
    let mut sum = 0.0;
    for s in solves {
        let case = format!(
            "{}/hessian/layer:{}/inverse/paper/a100/seconds",
            s["snapshot"].as_str().unwrap(),
            s["block"].as_str().unwrap()
        );
        let row = table["rows"].as_array().unwrap().iter().find(|r| r["key"] == case.as_str());
        let value = row.unwrap_or_else(|| panic!("no row {case}"))["value"].as_f64().unwrap();
        assert_eq!(s["classical_seconds"].as_f64().unwrap().to_bits(), value.to_bits());
        sum += value;
    }
    assert_eq!(seconds("all-classical").unwrap().to_bits(), f64::to_bits(sum));
}

#[test]
fn every_form_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let path = small();
    let graph = fixture("mlp_relu_small/model_dynamo18.onnx").display().to_string();
    let base =
        ["schedule", &path, "--graph", &graph, "--snapshots", "sgd_0100*", "--set", "gate_time=1e-12", "--quiet"];
    let target = out.display().to_string();
    let export = folder.path().join("solves.csv").display().to_string();
    let mut args = base.to_vec();
    args.extend(["--estimator", "published", "--scenario", "oracle", "--out", &target, "--export", &export]);
    let text = run(&args);
    assert_eq!(text.code, 0, "{}", text.err);
    assert!(text.out.contains("all-classical") && text.out.contains("90 %"), "{}", text.out);
    for file in
        ["report.html", "report.md", "report.json", "measurements.csv", "plots/gate-time.svg", "plots/decisions.png"]
    {
        assert!(out.join(file).exists(), "{file}");
    }
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(html.contains("default-src 'none'") && !html.contains("<script") && !html.contains("http://localhost"));
    assert!(std::fs::read_to_string(&export).unwrap().starts_with("step,snapshot,block,n,kappa"));
    let again = std::fs::read(out.join("report.json")).unwrap();
    assert_eq!(run(&args).code, 0);
    assert_eq!(again, std::fs::read(out.join("report.json")).unwrap(), "the same bytes");
    let mut args = base.to_vec();
    args.extend(["--format", "markdown"]);
    assert!(run(&args).out.contains("| all-quantum |"));
}

#[test]
fn bad_input_is_one_clear_error() {
    let path = small();
    let graph = fixture("mlp_relu_small/model_dynamo18.onnx").display().to_string();
    let base = ["schedule", &path, "--graph", &graph, "--quiet"];
    for (more, code, word) in [
        (&["--set", "gate_time=0"][..], 2, "gate_time"),
        (&["--set", "gate_time=-1e-9"], 2, "gate_time"),
        (&["--set", "kapa=3"], 2, "kappa"),
        (&["--hardware", "a1000"], 2, "a100"),
        (&["--hardware", "a100,a100"], 2, "second machine"),
        (&["--scenario", "end-to-end"], 2, "paper or oracle"),
        (&["--scenario", "oracle", "--quantum", "q-newton"], 2, "no proven constant"),
        (&["--estimator", "magic"], 2, "lanczos:30"),
        (&["--estimator", "lanczos:0"], 2, "products"),
        (&["--damping", "levenberg-marquardt"], 2, "--estimator given"),
        (&["--snapshots", "nothing_*"], 3, "nothing_*"),
    ] {
        let mut args = base.to_vec();
        args.extend(more);
        let ended = run(&args);
        assert_eq!(ended.code, code, "{more:?}: {}", ended.err);
        assert!(ended.err.contains(word), "{more:?}: {}", ended.err);
        assert!(ended.out.is_empty());
    }
    assert_ne!(run(&["schedule", "no/such/run", "--quiet"]).code, 0);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "x").unwrap();
    let foreign = folder.path().display().to_string();
    let mut args = base.to_vec();
    args.extend(["--out", &foreign]);
    let ended = run(&args);
    assert_eq!(ended.code, 6, "{}", ended.err);
    assert!(folder.path().join("mine.txt").exists());
}

#[test]
fn a_fisher_matrix_has_woodbury_as_its_rival() {
    let path = small();
    let graph = fixture("mlp_relu_small/model_dynamo18.onnx").display().to_string();
    let found = json(&[
        "schedule",
        &path,
        "--graph",
        &graph,
        "--snapshots",
        "sgd_0010*",
        "--curvature",
        "empirical-fisher",
        "--scope",
        "full",
        "--set",
        "gate_time=1e-9",
        "--classical",
        "best",
        "--format",
        "json",
        "--quiet",
    ]);
    assert_eq!(found["solves"].as_array().unwrap().len(), 1);
    assert!(found["solves"][0]["why"].as_str().unwrap().len() > 10);
}
