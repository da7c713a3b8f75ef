//! The JSON of each command as the contract has it, the files of a report, and that nothing depends on the run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::bad_input::Run;
use super::{fixture, run};

fn json(args: &[&str]) -> Value {
    let ended = run(args);
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
    serde_json::from_str(&ended.out).expect("json on stdout, and nothing else")
}

fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no `{key}` in {value}");
    }
}

fn path(p: &Path) -> &str {
    p.to_str().expect("utf-8")
}

#[test]
fn inspect_tells_everything_that_was_read() {
    for (run, graph, operators) in
        [("mlp_relu_small", "model_legacy17.onnx", "Relu"), ("mlp_tanh_digits", "model_dynamo18.onnx", "Tanh")]
    {
        let folder = fixture(run);
        let told =
            json(&["inspect", path(&folder), "--graph", graph, "--snapshots", "*.safetensors", "--format", "json"]);
        has_keys(&told, &["graph", "parameters", "constants", "n", "batch", "loss", "snapshots"]);
        has_keys(&told["graph"], &["nodes", "operators", "unsupported"]);
        assert!(told["graph"]["operators"][operators].as_u64().expect("a count") >= 1);
        assert_eq!(told["graph"]["unsupported"], serde_json::json!([]));
        let truth: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("truth/truth.json")).expect("truth")).expect("json");
        assert_eq!(told["n"], truth["N"]);
        let parameters = told["parameters"].as_array().expect("list");
        assert_eq!(parameters.len(), truth["parameters"].as_array().expect("list").len());
        for p in parameters {
            has_keys(p, &["name", "shape", "dtype", "placed_by", "initialisers"]);
        }
        for s in told["snapshots"].as_array().expect("list") {
            has_keys(s, &["file", "series", "step", "blake3"]);
            let bytes = fs::read(folder.join(s["file"].as_str().expect("file"))).expect("bytes");
            assert_eq!(s["blake3"], blake3::hash(&bytes).to_hex().to_string());
        }
    }
}

const CASE: [&str; 18] = [
    "id",
    "snapshot",
    "series",
    "step",
    "curvature",
    "scope",
    "damping",
    "n",
    "loss",
    "gradient_norm",
    "kappa",
    "kappas",
    "sigma_max",
    "sigma_min",
    "rank",
    "inertia",
    "inertia_solved",
    "row_sparsity",
];

const CASE_TOO: [&str; 3] = ["subnormalization", "tolerance", "classical_runs"];

fn check_case(case: &Value) {
    has_keys(case, &CASE);
    has_keys(case, &CASE_TOO);
    has_keys(&case["kappa"], &["value", "low", "high", "method", "of"]);
    has_keys(&case["damping"], &["rule", "lambda"]);
    has_keys(&case["inertia"], &["positive", "negative", "zero", "tolerance"]);
    has_keys(&case["row_sparsity"], &["value", "threshold", "frobenius_error", "spectral_error", "curve"]);
    has_keys(&case["subnormalization"], &["absolute", "relative", "encoding"]);
    has_keys(&case["tolerance"], &["value", "low", "high", "method", "loss_fraction"]);
    for r in case["classical_runs"].as_array().expect("list") {
        has_keys(r, &["solver", "iterations", "bound", "relative_residual"]);
    }
}

#[test]
fn measure_agrees_with_the_truth_of_the_fixture() {
    let folder = fixture("mlp_relu_small");
    let args = ["measure", path(&folder), "--graph", "model_legacy17.onnx", "--snapshots", "sgd_0100.safetensors"];
    let told = json(&[&args[..], &["--format", "json"]].concat());
    has_keys(&told, &["schema_version", "cases"]);
    let case = &told["cases"][0];
    check_case(case);
    assert!(case.get("costs").is_none() && case.get("verdicts").is_none());
    let truth: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("truth/truth.json")).expect("truth")).expect("json");
    let truth = &truth["snapshots"]["sgd_0100"];
    let close = |a: &Value, b: &Value, relative: f64| {
        let (a, b) = (a.as_f64().expect("number"), b.as_f64().expect("number"));
        assert!((a - b).abs() <= relative * b.abs(), "{a} against {b}");
    };
    close(&case["loss"], &truth["loss"], 1e-10);
    close(&case["gradient_norm"], &truth["grad_norm"], 1e-10);
    close(&case["kappa"]["value"], &truth["spectrum"]["kappa_damped"], 1e-6);
    assert_eq!(case["series"], "sgd_");
    assert_eq!(case["step"], 100);
}

#[test]
fn a_graph_of_the_other_exporter_gives_the_same_bits() {
    let folder = fixture("mlp_relu_small");
    let measure = |graph: &str| {
        json(&["measure", path(&folder), "--graph", graph, "--snapshots", "sgd_0010.safetensors", "--format", "json"])
    };
    let (a, b) = (measure("model_legacy17.onnx"), measure("model_dynamo18.onnx"));
    assert_eq!(a["cases"][0]["kappa"]["value"], b["cases"][0]["kappa"]["value"]);
}

#[test]
fn a_matrix_is_a_case_without_loss() {
    let told = json(&["measure", path(&fixture("matrices/LFAT5.mtx")), "--format", "json"]);
    let case = &told["cases"][0];
    check_case(case);
    assert_eq!(case["n"], 14);
    assert!(case["loss"].is_null() && case["gradient_norm"].is_null());
    assert_eq!(case["damping"]["rule"], "none");
    assert_eq!(case["tolerance"]["value"], 0.01);
    // Positive definite, and so are its counts.
    assert_eq!(case["inertia"]["positive"], 14);
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("entries") {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        if path.is_dir() {
            out.extend(files(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            out.insert(name);
        }
    }
    out
}

#[test]
fn a_report_has_its_files_and_its_schema() {
    let tiny = Run::new();
    let out = tempfile::tempdir().expect("folder");
    let report = |name: &str| {
        let target = out.path().join(name);
        let ended = run(&["analyze", path(tiny.path()), "--out", path(&target), "--threads", "1"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.out.contains("report.html"), "{}", ended.out);
        target
    };
    let first = report("first");
    let listed = files(&first);
    for name in ["report.html", "report.md", "report.json", "cases.csv"] {
        assert!(listed.contains(name), "{name} is not in {listed:?}");
    }
    let plots = |extension: &str| listed.iter().filter(|f| f.starts_with("plots/") && f.ends_with(extension)).count();
    assert!(plots(".svg") >= 4, "{listed:?}");
    assert_eq!(plots(".svg"), plots(".png"));

    let text = fs::read_to_string(first.join("report.json")).expect("report");
    let value: Value = serde_json::from_str(&text).expect("json");
    has_keys(&value, &["schema_version", "tool", "provenance", "cases"]);
    has_keys(&value["provenance"], &["inputs", "seed", "threads", "precision", "hardware"]);
    for input in value["provenance"]["inputs"].as_array().expect("list") {
        assert_eq!(input["blake3"].as_str().expect("digest").len(), 64);
    }
    let case = &value["cases"][0];
    check_case(case);
    has_keys(case, &["costs", "crossovers", "verdicts", "verdict", "simulation"]);

    // Every model of the catalogue has its row in every scenario; out of the domain or scenario it says why.
    let catalog = breakeven::catalog::load(None).expect("catalogue");
    let costs = case["costs"].as_array().expect("list");
    for model in catalog.models.iter().filter(|m| m.family() != breakeven::catalog::Family::Encoding) {
        for scenario in breakeven::cost::SCENARIOS {
            let rows: Vec<&Value> =
                costs.iter().filter(|r| r["model"] == model.id() && r["scenario"] == scenario).collect();
            assert!(!rows.is_empty(), "{} has no row in {scenario}", model.id());
            for row in rows {
                has_keys(row, &["quantity", "unit", "value", "low", "high", "bound", "domain", "assumptions"]);
                if row["value"].is_null() {
                    assert!(!row["domain"]["why"].as_str().expect("why").is_empty(), "{row}");
                }
            }
        }
    }

    // The same inputs, options and seed give the same bytes.
    let second = report("second");
    assert_eq!(listed, files(&second));
    for name in listed {
        assert_eq!(fs::read(first.join(&name)).expect("bytes"), fs::read(second.join(&name)).expect("bytes"), "{name}");
    }
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let tiny = Run::new();
    let out = tempfile::tempdir().expect("folder");
    fs::write(out.path().join("thesis.txt"), "precious").expect("written");
    let ended = run(&["analyze", path(tiny.path()), "--out", path(out.path())]);
    assert_eq!(ended.code, 6, "{}", ended.err);
    assert_eq!(files(out.path()), BTreeSet::from(["thesis.txt".to_string()]));
}

#[test]
fn a_dry_run_measures_and_writes_nothing() {
    let tiny = Run::new();
    let out = tempfile::tempdir().expect("folder");
    let target = out.path().join("report");
    let told = json(&["analyze", path(tiny.path()), "--dry-run", "--out", path(&target), "--format", "json"]);
    has_keys(&told, &["cases", "peak_bytes", "seconds"]);
    assert_eq!(told["cases"][0]["n"], 8);
    assert_eq!(told["cases"][0]["id"], "sgd_0001/hessian/full");
    assert!(!target.exists());
}

#[test]
fn scopes_name_their_cases() {
    let tiny = Run::new();
    let ids = |scope: &str| -> Vec<String> {
        let told = json(&["measure", path(tiny.path()), "--scope", scope, "--format", "json"]);
        let list = told["cases"].as_array().expect("list");
        list.iter().map(|c| c["scope"].as_str().expect("scope").to_string()).collect()
    };
    assert_eq!(ids("full"), ["full"]);
    assert_eq!(ids("layers"), ["layer:w", "layer:b"]);
    assert_eq!(ids("layer:b"), ["layer:b"]);
}

#[test]
fn a_table_is_checked_against_its_baseline() {
    let folder = tempfile::tempdir().expect("folder");
    let tiny = Run::new();
    let file = |name: &str| folder.path().join(name);
    let (golden, stored) = (file("golden.json"), file("measured.json"));
    let table = |out: &Path, threads: &str| {
        let ended = run(&["table", path(tiny.path()), "--threads", threads, "--export", path(out), "--quiet"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        fs::read(out).expect("table")
    };
    let bytes = table(&golden, "1");
    assert_eq!(bytes, table(&file("again.json"), "2"), "the table depends on the threads");
    let value: Value = serde_json::from_slice(&bytes).expect("json");
    has_keys(&value, &["schema_version", "provenance", "rows"]);
    let rows = value["rows"].as_array().expect("rows");
    let keys: Vec<&str> = rows.iter().map(|r| r["key"].as_str().expect("key")).collect();
    assert!(keys.windows(2).all(|w| w[0] < w[1]), "the rows are not sorted by unique keys");
    has_keys(&rows[0], &["key", "model", "scenario", "hardware", "quantity", "unit", "value", "low", "high"]);

    // From stored measurements, without weights: the same numbers.
    let ended = run(&["measure", path(tiny.path()), "--threads", "1", "--export", path(&stored), "--quiet"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told = json(&["check", path(&stored), "--baseline", path(&golden), "--format", "json"]);
    assert_eq!(told["compared"], rows.len());
    assert_eq!(told["unchanged"], rows.len());
    for list in ["drifted", "missing", "added"] {
        assert_eq!(told[list], serde_json::json!([]), "{list}");
    }

    // A number moved by a tenth of a per cent is found, and --update accepts it.
    let mut drifted = value.clone();
    let position = rows.iter().position(|r| r["value"].as_f64().is_some_and(|x| x > 0.0)).expect("a number");
    let old = rows[position]["value"].as_f64().expect("number");
    drifted["rows"][position]["value"] = (old * 1.001).into();
    fs::write(&golden, drifted.to_string()).expect("written");
    let ended = run(&["check", path(&stored), "--baseline", path(&golden), "--format", "json"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    let told: Value = serde_json::from_str(&ended.out).expect("json");
    assert_eq!(told["drifted"].as_array().expect("list").len(), 1);
    has_keys(&told["drifted"][0], &["key", "old", "new", "relative", "why"]);
    for format in ["junit", "sarif", "bencher", "github", "github-benchmark", "markdown", "csv"] {
        let ended = run(&["check", path(&stored), "--baseline", path(&golden), "--format", format]);
        assert_eq!((ended.code, ended.out.is_empty()), (1, false), "{format}: {}", ended.err);
    }
    assert_eq!(run(&["check", path(&stored), "--baseline", path(&golden), "--tolerance", "0.01"]).code, 0);
    assert_eq!(run(&["check", path(&stored), "--baseline", path(&golden), "--update"]).code, 0);
    assert_eq!(run(&["check", path(&stored), "--baseline", path(&golden)]).code, 0);
}

#[test]
fn a_broken_baseline_is_an_input_error() {
    let folder = tempfile::tempdir().expect("folder");
    let tiny = Run::new();
    let golden = folder.path().join("golden.json");
    let row = r#"{"key":"a/b/c/-/q","model":"b","scenario":"c","hardware":null,"quantity":"q","unit":"1","value":1,"low":1,"high":1}"#;
    let head = r#""provenance":{"version":"0","seed":0,"precision":"f64"}"#;
    for text in [
        String::new(),
        "{".into(),
        "{\"rows\": []}".into(),
        format!("{{\"schema_version\":\"9.0\",{head},\"rows\":[{row}]}}"),
        format!("{{\"schema_version\":\"1.0\",{head},\"rows\":[{row},{row}]}}"),
        format!("{{\"schema_version\":\"1.0\",{head},\"rows\":[{}]}}", row.replace("\"value\":1", "\"value\":NaN")),
        // Of other inputs altogether.
        format!("{{\"schema_version\":\"1.0\",{head},\"rows\":[{row}]}}"),
    ] {
        fs::write(&golden, &text).expect("written");
        let ended = run(&["check", path(tiny.path()), "--baseline", path(&golden)]);
        assert_eq!(ended.code, 3, "{text}: {}", ended.err);
        assert_eq!(fs::read_to_string(&golden).expect("text"), text);
    }
    let missing = folder.path().join("nothing.json");
    assert_eq!(run(&["check", path(tiny.path()), "--baseline", path(&missing)]).code, 3);
}
