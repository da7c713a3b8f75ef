//! The formats of CI systems, each read by its published schema or by a real consumer's reader.

use std::fs;

use serde_json::Value;

use super::schemas::violations;
use super::{BASELINE, MEASURED, argument, repository};
use crate::cli::run;

/// A check whose baseline has one moved, one missing and one added row.
struct Failed {
    folder: tempfile::TempDir,
    moved: String,
}

impl Failed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let text = fs::read_to_string(repository(BASELINE)).expect("golden");
        let mut table: Value = serde_json::from_str(&text).expect("json");
        let rows = table["rows"].as_array_mut().expect("rows");
        let at = rows
            .iter()
            .position(|r| r["model"] == "costa2022" && r["quantity"] == "queries" && r["value"].is_number())
            .expect("a number");
        let moved = rows[at]["key"].as_str().expect("key").to_owned();
        rows[at]["value"] = (rows[at]["value"].as_f64().expect("number") * 1.001).into();
        let mut gone = rows[0].clone();
        gone["key"] = "AAA <&\"'> ünder|pipe/x".into();
        rows.insert(0, gone);
        rows.pop();
        fs::write(folder.path().join("golden.json"), table.to_string()).expect("written");
        Failed { folder, moved }
    }

    fn check(&self, format: &str) -> String {
        let baseline = self.folder.path().join("golden.json");
        let ended =
            run(&["check", &argument(MEASURED), "--baseline", baseline.to_str().expect("utf-8"), "--format", format]);
        assert_eq!(ended.code, 1, "{format}: {}", ended.err);
        ended.out
    }

    fn json(&self, format: &str) -> Value {
        serde_json::from_str(&self.check(format)).expect("json")
    }
}

fn schema(name: &str) -> Value {
    let text = fs::read_to_string(repository("tests/data/schemas").join(name)).expect("schema");
    // One pattern of the published SARIF schema (a run's language, which we do not write) has a stray bracket.
    serde_json::from_str(&text.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}?$")).expect("json")
}

#[test]
fn sarif_fits_the_published_schema_and_points_into_the_model_file() {
    let failed = Failed::new();
    let log = failed.json("sarif");
    let found = violations(&schema("sarif-2.1.0.json"), &log);
    assert!(found.is_empty(), "{found:#?}");
    let results = log["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 3);
    let rules: Vec<&str> = results.iter().map(|r| r["ruleId"].as_str().expect("rule")).collect();
    assert_eq!(rules, ["cost-drift", "cost-missing", "cost-added"]);
    let at = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(at["artifactLocation"]["uri"], "models/solvers/costa2022.json");
    let line = at["region"]["startLine"].as_u64().expect("line") as usize;
    let text = fs::read_to_string(repository("models/solvers/costa2022.json")).expect("model");
    let shown = text.lines().nth(line - 1).expect("a line of the file");
    assert!(shown.contains("\"id\": \"queries\""), "line {line}: {shown}");
    assert!(results[0]["message"]["text"].as_str().expect("text").starts_with(&failed.moved));
    // A log with a fault is refused, so the validation can fail.
    let mut bad = log.clone();
    bad["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!violations(&schema("sarif-2.1.0.json"), &bad).is_empty());
}

#[test]
fn junit_is_read_by_the_reader_of_a_test_runner() {
    let failed = Failed::new();
    let report = quick_junit::Report::deserialize_from_str(&failed.check("junit")).expect("a JUnit report");
    assert_eq!((report.tests, report.failures, report.errors), (report.test_suites[0].test_cases.len(), 3, 0));
    let table: Value = serde_json::from_slice(&fs::read(repository(BASELINE)).expect("golden")).expect("json");
    // One test case per gated row, and one for the row that is gone.
    assert_eq!(report.tests, table["rows"].as_array().expect("rows").len() + 1);
    let unsuccessful: Vec<&str> = report.test_suites[0]
        .test_cases
        .iter()
        .filter(|c| !matches!(c.status, quick_junit::TestCaseStatus::Success { .. }))
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(unsuccessful.len(), 3);
    assert!(unsuccessful.contains(&failed.moved.as_str()));
    assert!(unsuccessful.contains(&"AAA <&\"'> ünder|pipe/x"), "{unsuccessful:?}");
}

#[test]
fn bencher_metrics_fit_the_published_schema() {
    let metrics = Failed::new().json("bencher");
    let found = violations(&schema("bmf.json"), &metrics);
    assert!(found.is_empty(), "{found:#?}");
    let mut numbers = 0;
    for (name, measures) in metrics.as_object().expect("object") {
        assert!(name.len() <= 1024 && !name.is_empty());
        for (measure, metric) in measures.as_object().expect("measures") {
            assert!(measure.chars().count() <= 64, "{measure}");
            let value = metric["value"].as_f64().expect("number");
            assert!(metric["lower_value"].as_f64().is_none_or(|low| low <= value));
            assert!(metric["upper_value"].as_f64().is_none_or(|high| high >= value));
            numbers += 1;
        }
    }
    let table: Value = serde_json::from_slice(&fs::read(repository(BASELINE)).expect("golden")).expect("json");
    let gated = table["rows"].as_array().expect("rows").iter().filter(|r| r["value"].is_number()).count();
    assert_eq!(numbers, gated, "each number of the table is one metric");
    assert!(!violations(&schema("bmf.json"), &serde_json::json!({ "a": { "b": { "value": "1" } } })).is_empty());
}

#[test]
fn github_action_benchmark_takes_its_entries() {
    // Its reader takes an array of { name, unit, value, range?, extra? } and draws by name.
    let entries = Failed::new().json("github-benchmark");
    let mut names = std::collections::BTreeSet::new();
    for entry in entries.as_array().expect("an array") {
        let object = entry.as_object().expect("an object");
        for (key, value) in object {
            match key.as_str() {
                "value" => assert!(value.is_f64() || value.is_u64(), "{value}"),
                "name" | "unit" | "range" | "extra" => assert!(value.is_string(), "{key}: {value}"),
                other => panic!("unknown key {other}"),
            }
        }
        assert!(names.insert(entry["name"].as_str().expect("name").to_owned()), "two entries of one name");
        assert!(entry["unit"].is_string());
    }
    assert!(names.len() > 500);
}

#[test]
fn annotations_are_workflow_commands() {
    let failed = Failed::new();
    let text = failed.check("github");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("::error file=models/solvers/costa2022.json,line="), "{}", lines[0]);
    assert!(
        lines.iter().all(|l| l.matches("::").count() >= 2 && (l.starts_with("::error") || l.starts_with("::warning")))
    );
}

#[test]
fn the_summary_is_a_table_with_the_reason() {
    let failed = Failed::new();
    let text = failed.check("markdown");
    let row = text.lines().find(|l| l.contains(&failed.moved)).expect("a row for what moved");
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let head = text.lines().find(|l| l.starts_with('|')).expect("a head");
    assert_eq!(columns(row), columns(head), "{row}");
    assert!(row.contains("changed"), "no reason in {row}");
}
