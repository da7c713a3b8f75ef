//! Tests of the pieces; whole commands are tested in `tests/regress`.

use super::compare::compare;
use super::table::{CostTable, TableProvenance, TableRow};
use super::tolerance::{Tolerances, glob, ulp_distance};
use super::{bencher, diff, github, junit, markdown, sarif};
use crate::cost::CostRow;
use crate::error::Class;

fn row(case: &str, model: &str, value: Option<f64>) -> TableRow {
    TableRow::from_cost(
        case,
        &CostRow {
            model: model.into(),
            scenario: "oracle".into(),
            hardware: Some("h/w".into()),
            quantity: "seconds".into(),
            unit: "s".into(),
            value,
            low: value.map(|v| v * 0.5),
            high: value.map(|v| v * 2.0),
            ..CostRow::default()
        },
    )
}

fn table(rows: Vec<TableRow>) -> CostTable {
    let mut provenance = TableProvenance { version: "0.1.0".into(), ..TableProvenance::default() };
    provenance.models.insert("cg".into(), "aa".into());
    CostTable::new(provenance, rows).unwrap()
}

#[test]
fn bytes_round_trip_and_are_sorted() {
    let t = table(vec![row("b/c", "cg", Some(0.1 + 0.2)), row("a", "cg", None)]);
    assert_eq!(t.rows[0].key, "a/cg/oracle/h/w/seconds");
    assert_eq!(t.rows[1].case(), "b/c");
    let bytes = t.to_bytes().unwrap();
    assert_eq!(CostTable::from_bytes(&bytes, "x").unwrap(), t);
    assert_eq!(bytes.last(), Some(&b'\n'));
}

#[test]
fn hostile_baselines_are_refused_with_the_row() {
    let good = String::from_utf8(table(vec![row("a", "cg", Some(1.0)), row("b", "cg", Some(2.0))]).to_bytes().unwrap())
        .unwrap();
    let cases = [
        ("truncated", good[..good.len() / 2].to_owned(), "regress::malformed-baseline"),
        ("version", good.replace("\"1.0\"", "\"2.0\""), "regress::schema-version"),
        ("no version", "{}".into(), "regress::schema-version"),
        ("duplicate", good.replace("\"b/cg", "\"a/cg"), "regress::duplicate-key"),
        ("unsorted", good.replace("\"a/cg", "\"c/cg"), "regress::unsorted"),
        ("nan", good.replace("2.0", "NaN"), "regress::malformed-baseline"),
        ("overflow", good.replace("2.0", "1e999"), "regress::malformed-baseline"),
        ("empty", String::new(), "regress::malformed-baseline"),
    ];
    for (name, text, code) in cases {
        let error = CostTable::from_bytes(text.as_bytes(), "base.json").unwrap_err();
        assert_eq!((error.code, error.class), (code, Class::Input), "{name}: {error}");
        assert!(error.place.starts_with("base.json") && !error.remedy.is_empty(), "{name}");
    }
}

#[test]
fn a_thousandth_is_found_and_a_billionth_is_not() {
    let old = table(vec![row("a", "cg", Some(3.0)), row("b", "cg", Some(4.0)), row("c", "cg", None)]);
    let mut new = old.clone();
    assert!(compare(&old, &new, &Tolerances::default(), "x").unwrap().passed());
    new.rows[0].value = Some(3.0 * (1.0 + 1e-9));
    assert!(compare(&old, &new, &Tolerances::default(), "x").unwrap().passed());
    new.rows[0].value = Some(3.003);
    new.rows[2].value = Some(1.0);
    let c = compare(&old, &new, &Tolerances::default(), "x").unwrap();
    assert_eq!((c.compared, c.unchanged, c.drifted.len()), (3, 1, 2));
    assert!((c.drifted[0].relative.unwrap() - 1e-3).abs() < 1e-12);
    assert!(c.drifted[0].why.contains("program"));
    new.rows[1].low = Some(2.1);
    assert_eq!(compare(&old, &new, &Tolerances::default(), "x").unwrap().drifted[1].field, "low");
}

#[test]
fn why_names_the_digest_that_changed() {
    let old = table(vec![row("a", "cg", Some(3.0))]);
    let mut new = table(vec![row("a", "cg", Some(4.0))]);
    new.provenance.models.insert("cg".into(), "bb".into());
    new.provenance.measurements.insert("a".into(), "cc".into());
    let why = compare(&old, &new, &Tolerances::default(), "x").unwrap().drifted[0].why.clone();
    assert!(why.contains("model cg changed (aa → bb)") && why.contains("measurement a changed (none → cc)"), "{why}");
}

#[test]
fn missing_and_added_rows_fail_and_foreign_tables_are_refused() {
    let old = table(vec![row("a", "cg", Some(3.0)), row("b", "cg", Some(3.0))]);
    let new = table(vec![row("a", "cg", Some(3.0)), row("c", "cg", Some(3.0))]);
    let c = compare(&old, &new, &Tolerances::default(), "x").unwrap();
    assert_eq!((c.missing.len(), c.added.len(), c.passed()), (1, 1, false));
    let foreign = table(vec![row("z", "cg", Some(3.0))]);
    assert_eq!(compare(&old, &foreign, &Tolerances::default(), "x").unwrap_err().code, "regress::other-inputs");
}

#[test]
fn tolerances_by_rule() {
    let text =
        "relative = 1e-9\n[[rule]]\nmodel = \"c*\"\nrelative = 0.5\n[[rule]]\nkey = \"b/*\"\nulp = 4\nrelative = 0.0\n";
    let t = Tolerances::parse(text, "t.toml").unwrap();
    assert_eq!(t.of(&row("a", "cg", None)).relative, 0.5);
    assert_eq!(t.of(&row("a", "lu", None)).relative, 1e-9);
    let b = t.of(&row("b", "cg", None));
    assert!(b.accepts(1.0, 1.0 + 4.0 * f64::EPSILON) && !b.accepts(1.0, 1.0 + 5.0 * f64::EPSILON));
    for bad in ["relativ = 1", "relative = -1", "[[rule]]\nrelative=1", "[[rule]]\nkey=\"a\"\nulp=-1", "relative = nan"]
    {
        assert_eq!(Tolerances::parse(bad, "t.toml").unwrap_err().class, Class::Usage, "{bad}");
    }
}

#[test]
fn globs_and_ulps() {
    assert!(glob("a*b*c", "a--b--c") && glob("*", "") && glob("abc", "abc") && glob("*c", "abc"));
    assert!(!glob("a*b", "a") && !glob("ab", "abc") && !glob("a*a", "a"));
    assert_eq!(ulp_distance(1.0, 1.0 + f64::EPSILON), 1);
    assert_eq!(ulp_distance(-0.0, 0.0), 0);
    assert_eq!(ulp_distance(-f64::from_bits(1), f64::from_bits(1)), 2);
}

#[test]
fn ci_formats_carry_every_finding() {
    let old = table(vec![row("a", "cg", Some(3.0)), row("b<&\"", "cg", Some(3.0))]);
    let mut new = old.clone();
    new.rows[1].value = Some(3.5);
    let c = compare(&old, &new, &Tolerances::default(), "x").unwrap();
    let xml = junit::junit(&new, &c);
    assert!(xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("b&lt;&amp;&quot;"), "{xml}");
    let locate = |model: &str, _: &str| Some((format!("models/solvers/{model}.json"), 7));
    let log = sarif::sarif(&c, "0.1.0", "reports/golden/x.json", &locate);
    let at = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(at["artifactLocation"]["uri"], "models/solvers/cg.json");
    assert_eq!(at["region"]["startLine"], 7);
    assert!(
        github::annotations(&c, &locate).starts_with("::error file=models/solvers/cg.json,line=7,title=cost drift::")
    );
    assert_eq!(github::benchmark(&new).as_array().unwrap().len(), 2);
    let metrics = bencher::bencher(&new);
    assert_eq!(metrics["a/cg/oracle/h/w"]["seconds (s)"]["value"], 3.0);
    assert_eq!(metrics["a/cg/oracle/h/w"]["seconds (s)"]["lower_value"], 1.5);
    assert!(markdown::markdown(&c).contains("16.6667 %") && markdown::text(&c).contains("1 drifted"));
}

#[test]
fn reports_differ_by_path_and_inserted_rows_stay_one_difference() {
    let left = serde_json::json!({"schema_version":"1.0","cases":[{"id":"a","kappa":{"value":10.0},
        "costs":[{"model":"cg","quantity":"seconds","value":1.0},{"model":"lu","quantity":"seconds","value":2.0}]}]});
    let mut right = left.clone();
    right["cases"][0]["kappa"]["value"] = 11.0.into();
    right["cases"][0]["costs"].as_array_mut().unwrap().remove(0);
    let d = diff::diff(&left, &right, ["l", "r"], 0.0).unwrap();
    let paths: Vec<&str> = d.iter().map(|d| d.path.as_str()).collect();
    assert!(paths.contains(&"kappa.value"));
    assert!(paths.iter().filter(|p| p.starts_with("costs[")).all(|p| p.starts_with("costs[cg/seconds]")), "{paths:?}");
    assert!(diff::diff(&left, &right, ["l", "r"], 0.2).unwrap().iter().all(|d| d.path != "kappa.value"));
    assert!(diff::html(&d, ["<l>", "r"]).contains("&lt;l&gt;") && diff::markdown(&d).contains("kappa.value"));
    assert_eq!(diff::diff(&serde_json::json!({}), &right, ["l", "r"], 0.0).unwrap_err().class, Class::Input);
}
