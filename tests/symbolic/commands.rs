//! The commands that price without measuring, as a user types them.

use serde_json::Value;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_breakeven")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    let output = run(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("NaN") && !text.contains("inf"));
    serde_json::from_str(&text).unwrap()
}

fn refused(arguments: &[&str], code: i32, words: &str) {
    let output = run(arguments);
    let message = String::from_utf8_lossy(&output.stderr).to_string();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(message.contains(words), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty() || code == 2, "{arguments:?}");
}

#[test]
fn cost_at_a_point() {
    let all = json(&[
        "cost",
        "q-newton",
        "--set",
        "d=8",
        "--set",
        "kappa=1",
        "--set",
        "kappa=100",
        "--set",
        "n=1024",
        "--set",
        "eps=1e-3",
    ]);
    assert_eq!(all["model"], "q-newton");
    assert_eq!(all["at"]["kappa"], 100.0);
    let gates = &all["quantities"][0];
    assert_eq!((gates["id"].as_str(), gates["unit"].as_str()), (Some("gates"), Some("gates")));
    assert!((gates["value"].as_f64().unwrap() - 14755.5178).abs() < 1e-3);
    assert_eq!(gates["domain"]["ok"], true);
    let seconds = &all["quantities"][1];
    assert!(seconds["value"].is_null() && seconds["domain"]["why"].as_str().unwrap().contains("gate_time"));
    let timed = json(&[
        "cost",
        "q-newton",
        "--set",
        "d=8",
        "--set",
        "kappa=100",
        "--set",
        "n=1024",
        "--set",
        "eps=1e-3",
        "--hardware",
        "qubit_gate_ns_e3",
    ]);
    let seconds = timed["quantities"][1]["value"].as_f64().unwrap();
    assert!((seconds - 14755.517816455744 * 5e-8).abs() < 1e-12);
}

#[test]
fn cost_along_sweeps() {
    let output =
        run(&["cost", "cg", "--set", "n=100", "--set", "eps=1e-2", "--sweep", "kappa=1:1e4:log:5", "--format", "csv"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("kappa,quantity,unit,value,low,high,bound,domain"), "{}", rows[0]);
    // iterations, flops and seconds at five places.
    assert_eq!(rows.len(), 1 + 15);
    assert!(rows.iter().any(|r| r.starts_with("10000.0,iterations,iterations,265.0,")), "{text}");
    let product = json(&["cost", "dalzell2024", "--sweep", "kappa=2:4:lin:3", "--sweep", "eps=0.1:0.2:lin:2"]);
    assert_eq!(product["points"].as_array().unwrap().len(), 6);
    refused(&["cost", "cg", "--sweep", "d=1:2", "--set", "n=3"], 2, "does not use `d`");
    for sweep in ["kappa=1:2:log:1", "kappa=0:2:log:5", "kappa=2:1", "kappa=1:2:cubic", "kappa", "kappa=1:inf:log:5"] {
        refused(&["cost", "cg", "--sweep", sweep], 2, "--sweep");
    }
    refused(
        &["cost", "dalzell2024", "--sweep", "kappa=1:9:log:100000", "--sweep", "eps=0.1:0.2:lin:100"],
        4,
        "more than",
    );
}

/// A long sweep takes time in proportion to its points.
#[test]
fn long_sweeps_are_not_quadratic() {
    let seconds = |points: u32| {
        let sweep = format!("n=4:1e8:log:{points}");
        let start = std::time::Instant::now();
        let output = run(&["cost", "ldlt", "--sweep", &sweep, "--format", "csv"]);
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1 + 3 * points as usize);
        start.elapsed().as_secs_f64()
    };
    let (few, many) = (seconds(2_000), seconds(16_000));
    assert!(many < 24.0 * few + 1.0, "{few} s and {many} s");
}

#[test]
fn strict_makes_an_out_of_domain_point_exit_2() {
    let point = ["cost", "costa2026", "--set", "kappa=1e7", "--set", "eps=1e-3"];
    let output = run(&point);
    assert!(output.status.success());
    let strict: Vec<&str> = point.iter().copied().chain(["--strict", "--format", "json"]).collect();
    let output = run(&strict);
    assert_eq!(output.status.code(), Some(2));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(all["quantities"][0]["value"].is_null());
    assert!(all["quantities"][0]["domain"]["why"].as_str().unwrap().contains("1e6"));
    // Inside, a missing gate time is no domain failure.
    assert!(run(&["cost", "costa2026", "--set", "kappa=10", "--set", "eps=1e-3", "--strict"]).status.success());
}

#[test]
fn names_that_nobody_knows() {
    refused(&["cost", "dalzel2024", "--set", "kappa=2"], 2, "did you mean `dalzell2024`");
    refused(&["cost", "dalzell2024", "--set", "kapa=2"], 2, "did you mean `kappa`");
    refused(&["cost", "dalzell2024", "--set", "kappa=2", "--hardware", "a200"], 2, "did you mean `a100`");
    refused(&["cost", "dalzell2024", "--set", "kappa=nan"], 2, "finite");
    let unused = run(&["cost", "dalzell2024", "--set", "kappa=2", "--set", "eps=0.1", "--set", "d=3"]);
    assert!(unused.status.success() && String::from_utf8_lossy(&unused.stderr).contains("not used"));
}

#[test]
fn crossover_as_json() {
    let common =
        ["--set", "kappa=100", "--set", "eps=1e-3", "--set", "gate_time=1e-6", "--set", "flops_per_second=1e13"];
    let mut line =
        vec!["crossover", "--quantum", "dalzell2024", "--classical", "ldlt", "--solve-for", "n", "--range", "10:1e12"];
    line.extend(common);
    let all = json(&line);
    let queries = 5600.0 + 105.0 * ((1.0f64 - 1e-6).sqrt() / 1e-3).ln() + 2.78 * 100f64.ln().powi(3) + 3.17;
    let crossing = &all["crossovers"][0];
    let at = crossing["at"].as_f64().unwrap();
    let classical = (at.powi(3) / 3.0 + 2.0 * at * at) / 1e13;
    assert!((classical / (queries * 1e-6) - 1.0).abs() < 1e-12);
    assert!(crossing["low"].as_f64().unwrap() <= at && at <= crossing["high"].as_f64().unwrap());
    assert_eq!(crossing["certified"], true);
    assert_eq!((&crossing["cheaper_below"], &crossing["cheaper_above"]), (&"classical".into(), &"quantum".into()));
    assert_eq!((all["variable"].as_str(), &all["range"]), (Some("n"), &serde_json::json!([10.0, 1e12])));
    // An empty list is an answer.
    line[8] = "1e6:1e12";
    let none = json(&line);
    assert_eq!(none["crossovers"].as_array().unwrap().len(), 0);
    assert!(none["note"].as_str().unwrap().contains("proven"));
    refused(&line[..9], 2, "no value for");
    // Where a cost leaves f64 there is no value, and the reason is said.
    line[8] = "1e5:1e150";
    let far = json(&line);
    assert_eq!(far["crossovers"].as_array().unwrap().len(), 0, "{far}");
    let note = far["note"].as_str().unwrap();
    assert!(note.contains("no value on") && note.contains("beyond the range of f64"), "{note}");
    line[6] = "batch";
    refused(&line, 2, "neither model uses it");
    refused(
        &["crossover", "--quantum", "ldlt", "--classical", "ldlt", "--solve-for", "n", "--range", "1:2"],
        2,
        "no quantum solver",
    );
}

#[test]
fn crossover_under_uncertainty() {
    let line = [
        "crossover",
        "--quantum",
        "costa2023-measured",
        "--classical",
        "ldlt",
        "--solve-for",
        "n",
        "--range",
        "10:1e9",
        "--set",
        "kappa=300",
        "--uncertain",
        "kappa=100:900",
        "--set",
        "eps=1e-3",
        "--hardware",
        "qubit_gate_ns_e3,a100",
        "--samples",
        "400",
    ];
    let all = json(&line);
    let crossing = &all["crossovers"][0];
    let number = |v: &Value| v.as_f64().unwrap();
    let (low, high) = (number(&crossing["ends"][0]), number(&crossing["ends"][1]));
    let band = &crossing["sampled"];
    let at = number(&crossing["at"]);
    assert!(low < number(&band["low"]) && number(&band["low"]) < at, "{all}");
    assert!(at < number(&band["high"]) && number(&band["high"]) < high, "{all}");
    // The machine's rate and the measured constant have intervals of their own.
    let varied: Vec<&str> =
        all["uncertain"]["variables"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(varied.contains(&"kappa") && varied.contains(&"flops_per_second"), "{varied:?}");
    assert_eq!(all, json(&line), "the same seed gives the same draws");
    let mut csv = line.to_vec();
    csv.extend(["--format", "csv"]);
    let text = String::from_utf8(run(&csv).stdout).unwrap();
    assert!(text.starts_with("at,low,high,certified,cheaper_below,cheaper_above,ends_low,ends_high,q05,median,q95"));
    let with = |interval: &'static str| {
        let mut all = line.to_vec();
        all[12] = interval;
        all
    };
    refused(&with("n=10:20"), 2, "solved for");
    refused(&with("kappa=400:900"), 2, "outside");
    refused(&with("kappa=900:400"), 2, "rise");
    refused(&with("kapa=100:900"), 2, "did you mean `kappa`");
}

/// What the formula language refuses, in a user's own model: exit 3 with the place, and nothing on stdout.
#[test]
fn broken_models_of_a_user_are_refused() {
    let good = std::fs::read_to_string(super::catalog::user_folder().join("solvers/calls-quantum.json")).unwrap();
    let nested = format!("{}n{}", "(".repeat(100_000), ")".repeat(100_000));
    for (expression, words) in [
        ("n*opps", "did you mean `ops`"),
        ("n + rate", "unit"),
        ("log(n)*ops", "base"),
        ("n*ops/(2 - 2)", "division by zero"),
        ("1e308*1e308*n*ops", "range"),
        ("gates", "gates"),
        (nested.as_str(), "limit"),
        (&format!("{}n{}", "(".repeat(300), ")".repeat(300)), "200 levels"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = good.replacen("\"expression\": \"n*ops\"", &format!("\"expression\": \"{expression}\""), 1);
        assert_ne!(text, good);
        std::fs::write(folder.path().join("calls-quantum.json"), text).unwrap();
        let path = folder.path().to_str().unwrap();
        refused(&["models", "check", "--models", path], 3, "calls-quantum.json");
        refused(&["models", "list", "--models", path], 3, words);
    }
}

#[test]
fn models_show_check_and_diff() {
    let shown = json(&["models", "show", "jennings2023"]);
    for key in ["id", "title", "family", "status", "variables", "quantities", "domain", "omits", "examples"] {
        assert!(!shown[key].is_null(), "{key}");
    }
    let queries = &shown["quantities"][0];
    for key in ["id", "unit", "bound", "expression", "latex", "growth", "elasticity", "cite"] {
        assert!(!queries[key].is_null(), "{key}");
    }
    assert_eq!(queries["cite"][0]["arxiv"], "2305.11352");
    // The elasticity is a formula: checked against a difference quotient.
    let elasticity = breakeven::expr::parse(queries["elasticity"]["kappa"].as_str().unwrap()).unwrap();
    let at = |kappa: f64| {
        move |n: &str| {
            Some(match n {
                "kappa" => kappa,
                "eps" => 1e-3,
                _ => 1.0,
            })
        }
    };
    let catalog = super::catalog::catalog();
    let value = |kappa: f64| {
        super::catalog::value(&catalog, "jennings2023", "queries", &[("kappa", kappa), ("eps", 1e-3)]).unwrap()
    };
    let slope = (value(500.5) / value(499.5)).ln() / (500.5f64 / 499.5).ln();
    assert!((elasticity.evaluate(&at(500.0)).unwrap() / slope - 1.0).abs() < 1e-6);
    let check = json(&["models", "check"]);
    assert_eq!(check["fail"], 0);
    let same = json(&["models", "diff", "ldlt", "cholesky"]);
    assert_eq!(same["quantities"][0]["quantity"], "flops");
    assert_eq!(same["quantities"][0]["answer"], "equal");
    let differ = json(&["models", "diff", "dalzell2024", "costa2026"]);
    assert_eq!(differ["quantities"][0]["answer"], "different");
    let list = json(&["models", "list"]);
    assert!(list["models"].as_array().unwrap().len() >= 27);
}

#[test]
fn a_failing_users_model_makes_check_fail() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(super::catalog::user_folder().join("solvers/calls-quantum.json")).unwrap();
    // The claim of growth is only examined by the lint.
    let text = text.replacen("\"growth\": \"n\"", "\"growth\": \"n^2\"", 1);
    std::fs::write(folder.path().join("calls-quantum.json"), text).unwrap();
    let output = run(&["models", "check", "--models", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("claims n^2"));
}

#[test]
fn figures_of_crossovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let common =
        ["--quantum", "dalzell2024", "--classical", "ldlt", "--set", "eps=1e-3", "--hardware", "qubit_gate_ns_e3,a100"];
    let (curve, map) = (path("curve.svg"), path("map.png"));
    let mut line = vec!["plot", "crossover", "--over", "n", "--range", "10:1e8", "--set", "kappa=100", "--out", &curve];
    line.extend(common);
    let output = run(&line);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = std::fs::read_to_string(&curve).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("dalzell2024") && svg.contains("ldlt"));
    let mut line =
        vec!["plot", "map", "--over", "kappa", "--over", "n", "--range", "2:1e8", "--range", "10:1e8", "--out", &map];
    line.extend(common);
    assert!(run(&line).status.success());
    assert!(std::fs::read(&map).unwrap().starts_with(b"\x89PNG"));
    refused(&["plot", "pie"], 2, "no figure `pie`");
    refused(&["plot", "crossover", "--over", "n"], 2, "--quantum");
}

#[test]
fn explain_topics_and_models() {
    for (name, words) in [
        ("kappa_eff", "alpha*kappa"),
        ("costa2026", "6*ln(kappa)"),
        ("kappa", "condition number"),
        ("queries", "costa2026"),
        ("a100", "6790000000000"),
        ("unfavourable", "most optimistic"),
    ] {
        let output = run(&["explain", name]);
        let text = String::from_utf8_lossy(&output.stdout).to_string();
        assert!(output.status.success() && text.contains(words), "{name}: {text}");
    }
    let formula = run(&["explain", "cg", "flops"]);
    assert!(formula.status.success() && String::from_utf8_lossy(&formula.stdout).contains("iterations*step_flops"));
    refused(&["explain", "kapa_eff"], 2, "did you mean `kappa_eff`");
}

#[test]
fn this_machine_is_measured_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hardware/this-machine.json");
    let saved = run(&["models", "calibrate", "--out", file.to_str().unwrap(), "--threads", "1"]);
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let machine: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let rate = machine["flops_per_second"]["value"].as_f64().unwrap();
    assert!(rate > 1e6 && rate < 1e15);
    let line =
        ["cost", "ldlt", "--set", "n=3000", "--hardware", "this-machine", "--models", folder.path().to_str().unwrap()];
    let all = json(&line);
    let seconds = all["quantities"][2]["value"].as_f64().unwrap();
    assert!((seconds * rate / (9e9 + 18e6) - 1.0).abs() < 1e-12);
}
