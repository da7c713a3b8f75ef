//! The published schemas are those of the types, and the files that the program reads and writes fit them.

use std::fs;
use std::path::Path;

use breakeven::pipeline::schemas::Document;
use serde_json::Value;

use super::{BASELINE, EXAMPLES, MEASURED, argument, repository};
use crate::cli::{fixture, run};

/// Every violation of a schema, with its place.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

fn published(document: Document) -> Value {
    let path = repository("models/schema").join(format!("{document}.json"));
    serde_json::from_slice(&fs::read(path).expect("a published schema")).expect("json")
}

fn fits(document: Document, value: &Value, what: &str) {
    let found = violations(&published(document), value);
    assert!(found.is_empty(), "{what} does not fit {document}.json: {found:#?}");
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("file")).expect("json")
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    for document in Document::ALL {
        let path = repository("models/schema").join(format!("{document}.json"));
        let bytes = fs::read(&path).expect("a published schema");
        assert!(
            bytes == document.bytes().expect("bytes"),
            "{} drifted: run `breakeven schema --all models/schema` and review the difference",
            path.display()
        );
        let printed = run(&["schema", document.name()]);
        assert_eq!((printed.code, printed.out.as_bytes()), (0, bytes.as_slice()), "{}", printed.err);
    }
}

#[test]
fn every_model_and_machine_fits_its_schema() {
    let mut seen = 0;
    for (folder, document) in [
        ("models/solvers", Document::Model),
        ("models/encodings", Document::Model),
        ("models/hardware", Document::Hardware),
    ] {
        for entry in fs::read_dir(repository(folder)).expect("folder") {
            let path = entry.expect("entry").path();
            fits(document, &json(&path), &path.display().to_string());
            seen += 1;
        }
    }
    assert!(seen > 30);
}

#[test]
fn what_the_commands_write_fits_its_schema() {
    let folder = tempfile::tempdir().expect("folder");
    let matrix = fixture("matrices/LFAT5.mtx").display().to_string();
    let out = folder.path().join("report");
    let analyzed = run(&["analyze", &matrix, "--out", out.to_str().expect("utf-8"), "--quiet"]);
    assert_eq!(analyzed.code, 0, "{}", analyzed.err);
    fits(Document::Report, &json(&out.join("report.json")), "report.json");
    let measured = run(&["measure", &matrix, "--format", "json"]);
    fits(Document::Measurement, &serde_json::from_str(&measured.out).expect("json"), "measure");
    let stored = argument(MEASURED);
    let table = run(&["table", &stored, "--format", "json"]);
    fits(Document::CostTable, &serde_json::from_str(&table.out).expect("json"), "table");
    let baseline = argument(BASELINE);
    let checked = run(&["check", &stored, "--baseline", &baseline, "--format", "json"]);
    fits(Document::Check, &serde_json::from_str(&checked.out).expect("json"), "check");
    for golden in [BASELINE, EXAMPLES] {
        fits(Document::CostTable, &json(&repository(golden)), golden);
    }
    fits(Document::Measurement, &json(&repository(MEASURED)), MEASURED);
}

#[test]
fn files_that_do_not_fit_are_found() {
    let schema = published(Document::CostTable);
    let good = json(&repository(EXAMPLES));
    for (what, change) in [
        (
            "a text for a number",
            Box::new(|v: &mut Value| v["rows"][0]["value"] = "1".into()) as Box<dyn Fn(&mut Value)>,
        ),
        (
            "a row without its key",
            Box::new(|v: &mut Value| {
                v["rows"][0].as_object_mut().expect("row").remove("key");
            }),
        ),
        (
            "no provenance",
            Box::new(|v: &mut Value| {
                v.as_object_mut().expect("table").remove("provenance");
            }),
        ),
    ] {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(!violations(&schema, &bad).is_empty(), "{what}");
    }
    let mut model = json(&repository("models/solvers/cg.json"));
    model["famly"] = "classical".into();
    assert!(!violations(&published(Document::Model), &model).is_empty(), "an unknown key");
}

#[test]
fn an_unknown_kind_is_a_usage_error() {
    let ended = run(&["schema", "nothing"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("cost-table"), "{}", ended.err);
    assert_eq!(run(&["schema"]).code, 2);
}
