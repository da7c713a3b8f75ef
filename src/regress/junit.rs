//! JUnit XML: one test suite, one test case per gated row.
//!
//! The dialect is the one that Jenkins, GitLab and GitHub's reporters read (`testsuites/testsuite/testcase/failure`).

use super::compare::Comparison;
use super::table::CostTable;
use std::fmt::Write;

/// The XML of a check of `table`; failures are drifted, missing and added rows.
pub fn junit(table: &CostTable, comparison: &Comparison) -> String {
    let failures = comparison.drifted.len() + comparison.missing.len() + comparison.added.len();
    let tests = table.rows.len() + comparison.missing.len();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"breakeven\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">");
    let _ = writeln!(
        out,
        "  <testsuite name=\"cost-table\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">"
    );
    let drifted: std::collections::BTreeMap<&str, _> = comparison.drifted.iter().map(|d| (d.key.as_str(), d)).collect();
    let added: std::collections::BTreeSet<&str> = comparison.added.iter().map(String::as_str).collect();
    for row in &table.rows {
        let failure = match drifted.get(row.key.as_str()) {
            Some(d) => Some(("drift", format!("{} moved from {} to {}: {}", d.field, show(d.old), show(d.new), d.why))),
            None if added.contains(row.key.as_str()) => Some(("added", "not in the baseline".to_owned())),
            None => None,
        };
        case(&mut out, &row.model, &row.key, failure);
    }
    for key in &comparison.missing {
        case(&mut out, "missing", key, Some(("missing", "in the baseline, not in this table".to_owned())));
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn case(out: &mut String, class: &str, name: &str, failure: Option<(&str, String)>) {
    let head = format!("    <testcase classname=\"{}\" name=\"{}\" time=\"0\"", escape(class), escape(name));
    let _ = match failure {
        None => writeln!(out, "{head}/>"),
        Some((kind, message)) => writeln!(
            out,
            "{head}>\n      <failure type=\"{kind}\" message=\"{}\"></failure>\n    </testcase>",
            escape(&message)
        ),
    };
}

fn show(value: Option<f64>) -> String {
    value.map_or_else(|| "none".into(), |v| format!("{v:?}"))
}

/// XML 1.0 text: the five special characters as entities, characters that XML forbids as U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(' '),
            c if (c < ' ') || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
