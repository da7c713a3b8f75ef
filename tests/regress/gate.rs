//! The gate: no false alarm on unchanged inputs, for any number of threads; tolerances, names, explicit acceptance.

use std::fs;
use std::path::PathBuf;

use breakeven::parallel::Threads;
use breakeven::pipeline::market::Market;
use breakeven::pipeline::plan::{Input, Plan};
use breakeven::pipeline::progress::Silent;
use breakeven::pipeline::{cost_table, cost_table_in};
use breakeven::regress::compare::compare;
use breakeven::regress::table::CostTable;
use breakeven::regress::tolerance::Tolerances;
use serde_json::Value;

use super::{BASELINE, BRANCHES, EXAMPLES, MEASURED, argument, repository};
use crate::cli::{breakeven, fixture, run};

fn plan(paths: &[PathBuf]) -> Plan {
    Plan { input: Input::Paths(paths.to_vec()), ..Plan::default() }
}

/// Runs the chain behind `check` again and again; returns how many runs raised an alarm.
fn false_alarms(runs: usize, paths: &[PathBuf], baseline: &str) -> usize {
    let golden = CostTable::read(&repository(baseline)).expect("golden table");
    let plan = plan(paths);
    let market = Market::open(&plan, &Threads::new(1).expect("threads")).expect("market");
    let bytes = cost_table(&plan, &Silent).expect("table").to_bytes().expect("bytes");
    (0..runs)
        .filter(|_| {
            let table = cost_table_in(&market, &plan, &Silent).expect("table");
            let same = table.to_bytes().expect("bytes") == bytes;
            !same || !compare(&golden, &table, &Tolerances::default(), baseline).expect("compares").passed()
        })
        .count()
}

#[test]
fn unchanged_runs_raise_no_alarm() {
    assert_eq!(false_alarms(1000, &["examples".into(), repository(BRANCHES)], EXAMPLES), 0);
    assert_eq!(false_alarms(20, &[repository(MEASURED)], BASELINE), 0);
}

#[test]
#[ignore = "a thousand tables of the embedded sample take minutes"]
fn a_thousand_unchanged_runs_raise_no_alarm() {
    assert_eq!(false_alarms(1000, &[repository(MEASURED)], BASELINE), 0);
}

#[test]
fn a_baseline_of_one_thread_passes_on_two() {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let run_folder = fixture("mlp_relu_small").display().to_string();
    let what = [run_folder.as_str(), "--graph", "model_legacy17.onnx", "--snapshots", "sgd_00*.safetensors"];
    let made = run(&[&["check"], &what[..], &["--threads", "1", "--update", "--baseline", &file("one.json")]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    // Made anew on two threads: the same bytes. Measured on two threads and stored: within the tolerance.
    let made = run(&[&["table"], &what[..], &["--threads", "2", "--export", &file("two.json")]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(fs::read(file("one.json")).expect("file") == fs::read(file("two.json")).expect("file"));
    let made = run(&[&["measure"], &what[..], &["--threads", "2", "--export", &file("measured.json")]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    let checked = run(&["check", &file("measured.json"), "--baseline", &file("one.json")]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
}

#[test]
fn tolerances_by_quantity_are_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let mut table: Value = serde_json::from_slice(&fs::read(repository(BASELINE)).expect("golden")).expect("json");
    for row in table["rows"].as_array_mut().expect("rows") {
        if row["quantity"] == "seconds" && row["model"] == "ldlt" {
            for key in ["value", "low", "high"] {
                if let Some(x) = row[key].as_f64() {
                    row[key] = (x * 1.0005).into();
                }
            }
        }
    }
    fs::write(file("golden.json"), table.to_string()).expect("written");
    let check = |rules: Option<&str>| {
        let mut arguments = vec!["check".to_owned(), argument(MEASURED), "--baseline".into(), file("golden.json")];
        if let Some(rules) = rules {
            fs::write(file("rules.toml"), rules).expect("written");
            arguments.extend(["--tolerances".into(), file("rules.toml")]);
        }
        run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).code
    };
    assert_eq!(check(None), 1);
    assert_eq!(check(Some("[[rule]]\nquantity = \"seconds\"\nmodel = \"ldlt\"\nrelative = 1e-3\n")), 0);
    assert_eq!(check(Some("[[rule]]\nquantity = \"seconds\"\nmodel = \"ldlt\"\nrelative = 1e-4\n")), 1);
    assert_eq!(check(Some("[[rule]]\nquantity = \"flops\"\nrelative = 1e-3\n")), 1);
    assert_eq!(check(Some("relativ = 1\n")), 2, "an unknown key is a faulty configuration");
}

#[test]
fn baselines_have_names_and_are_accepted_explicitly() {
    let folder = tempfile::tempdir().expect("folder");
    fs::create_dir_all(folder.path().join("reports/golden")).expect("folder");
    let golden = folder.path().join("reports/golden/nightly.json");
    let check = |more: &[&str]| {
        let output = breakeven()
            .current_dir(folder.path())
            .args(["check", "examples", "--baseline", "nightly"])
            .args(more)
            .output()
            .expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(check(&[]).0, Some(3), "there is no baseline of this name yet");
    assert_eq!(check(&["--update"]).0, Some(0));
    assert_eq!(check(&[]).0, Some(0));
    let whole = fs::read_to_string(&golden).expect("baseline");
    let mut table: Value = serde_json::from_str(&whole).expect("json");
    let row = &mut table["rows"][3];
    let key = row["key"].as_str().expect("key").to_owned();
    row["value"] = (row["value"].as_f64().expect("number") * 2.0).into();
    fs::write(&golden, table.to_string()).expect("written");
    let before = fs::read(&golden).expect("baseline");
    assert_eq!(check(&[]).0, Some(1));
    assert_eq!(fs::read(&golden).expect("baseline"), before, "a check alone writes nothing");
    let (code, shown) = check(&["--update"]);
    assert!(code == Some(0) && shown.contains(&key), "the accepted difference is not shown: {shown}");
    assert_eq!(fs::read_to_string(&golden).expect("baseline"), whole);
}
