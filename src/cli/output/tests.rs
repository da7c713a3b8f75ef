//! Tests of the writers, against literal text.

use super::*;
use serde_json::json;

fn sample() -> Output {
    let mut table = Table::new(&["model", "kappa", "queries"]);
    table.push(vec!["cg".into(), 0.1.into(), Some(1234567.891).into()]);
    table.push(vec!["a|b, \"c\"".into(), 1e300.into(), None.into()]);
    Output::table(json!({ "rows": [0.1, null] }), table)
}

#[test]
fn csv_keeps_every_digit_and_quotes() {
    let text = sample().render(Format::Csv).expect("csv");
    assert_eq!(text, "model,kappa,queries\ncg,0.1,1234567.891\n\"a|b, \"\"c\"\"\",1e+300,\n");
}

#[test]
fn markdown_escapes_bars() {
    let text = sample().render(Format::Markdown).expect("markdown");
    let expected =
        "| model | kappa | queries |\n| --- | --- | --- |\n| cg | 0.1 | 1234567.891 |\n| a\\|b, \"c\" | 1e+300 |  |\n";
    assert_eq!(text, expected);
}

#[test]
fn text_is_aligned_and_short() {
    let text = sample().render(Format::Text).expect("text");
    assert_eq!(text, "model     kappa   queries\ncg          0.1  1.2346e6\na|b, \"c\"  1e300\n");
}

#[test]
fn numbers_round_trip() {
    for x in [0.1, 1e-300, 1.0 / 3.0, 123456789.123, 5e-324, f64::MAX] {
        assert_eq!(number(x).parse::<f64>(), Ok(x));
    }
    assert_eq!(number(f64::NAN), "");
}

#[test]
fn prose_has_no_table() {
    let error = Output::text(json!({}), "words").render(Format::Csv).expect_err("no table");
    assert_eq!(error.class, Class::Usage);
}

#[test]
fn an_export_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("out.csv");
    let file = ExportFile::create(&path).expect("created");
    assert!(!path.exists());
    file.write(&sample()).expect("written");
    assert!(std::fs::read_to_string(&path).expect("text").starts_with("model,"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("entries").count(), 1);

    let refused = ExportFile::create(&folder.path().join("prose.csv")).expect("created");
    refused.write(&Output::text(json!({}), "words")).expect_err("no table");
    assert_eq!(std::fs::read_dir(folder.path()).expect("entries").count(), 1);
}

#[test]
fn an_export_needs_a_known_extension_and_an_existing_folder() {
    assert_eq!(ExportFile::create(Path::new("x.exe")).expect_err("extension").class, Class::Usage);
    assert_eq!(ExportFile::create(Path::new("/nonexistent/x.csv")).expect_err("folder").class, Class::Io);
}
