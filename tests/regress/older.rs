//! Files that earlier programs of this major version wrote are read, and keep their meaning.
//!
//! `tests/data/older/1.0` was written by version 0.1.0; its files are never written again.

use std::fs;

use breakeven::regress::{stored, table::CostTable};
use breakeven::report::document::Report;

use super::{argument, repository};
use crate::cli::run;

#[test]
fn a_table_of_1_0_is_a_baseline() {
    let path = repository("tests/data/older/1.0/table.json");
    let table = CostTable::read(&path).expect("reads");
    assert!(table.rows.len() > 50);
    // Later programs may add rows and digests, but the rows of then are all there, in order.
    assert!(table.rows.windows(2).all(|w| w[0].key < w[1].key));
    let ended = run(&[
        "check",
        &argument("tests/data/older/1.0/measurement.json"),
        "--baseline",
        &path.display().to_string(),
        "--format",
        "json",
    ]);
    assert!(matches!(ended.code, 0 | 1), "{}", ended.err);
    let told: serde_json::Value = serde_json::from_str(&ended.out).expect("json");
    assert_eq!(told["compared"], table.rows.len(), "rows of 1.0 are gone: {}", told["missing"]);
}

#[test]
fn measurements_and_reports_of_1_0_are_read() {
    for file in ["measurement.json", "report.json"] {
        let bytes = fs::read(repository("tests/data/older/1.0").join(file)).expect("file");
        let cases = stored::read(&bytes, file).expect("reads");
        assert_eq!(cases.len(), 1, "{file}");
        let m = &cases[0].measurement;
        assert_eq!((m.n, m.id.is_empty()), (14, false), "{file}");
        assert!(m.kappa.value.is_some_and(|k| k > 1.0), "{file}");
    }
    let report: Report =
        serde_json::from_slice(&fs::read(repository("tests/data/older/1.0/report.json")).expect("file"))
            .expect("a report of 1.0");
    assert_eq!(report.schema_version, "1.0");
    assert!(!report.cases[0].costs.is_empty() && !report.cases[0].verdicts.is_empty());
}

#[test]
fn a_report_of_1_0_stands_beside_itself() {
    let path = argument("tests/data/older/1.0/report.json");
    let ended = run(&["diff", &path, &path, "--format", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&ended.out).expect("json")["differences"],
        serde_json::json!([])
    );
}
