//! GitHub: workflow annotations, and the custom JSON of github-action-benchmark.

use serde_json::{Value, json};

use super::compare::Comparison;
use super::sarif::Locate;
use super::table::CostTable;

/// Workflow commands, one line per finding; they show up as annotations in the changed files.
pub fn annotations(comparison: &Comparison, locate: Locate<'_>) -> String {
    let mut out = String::new();
    for d in &comparison.drifted {
        let at = locate(&d.model, &d.quantity)
            .map_or_else(String::new, |(file, line)| format!(" file={},line={line},", property(&file)));
        let at = if at.is_empty() { " ".to_owned() } else { at };
        let number = |v: Option<f64>| v.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
        let text = format!("{}: {} {} → {}. {}", d.key, d.field, number(d.old), number(d.new), d.why);
        out.push_str(&format!("::error{at}title=cost drift::{}\n", message(&text)));
    }
    for key in &comparison.missing {
        out.push_str(&format!("::error title=cost missing::{}\n", message(key)));
    }
    for key in &comparison.added {
        out.push_str(&format!("::warning title=cost added::{}\n", message(key)));
    }
    out
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// `customSmallerIsBetter` input of github-action-benchmark: an array of `{ name, unit, value, range?, extra? }`.
pub fn benchmark(table: &CostTable) -> Value {
    let rows = table.rows.iter().filter_map(|row| {
        let value = row.value?;
        let mut entry = json!({ "name": row.key, "unit": row.unit, "value": value });
        if let (Some(low), Some(high)) = (row.low, row.high) {
            entry["range"] = json!(format!("{low:?} … {high:?}"));
        }
        Some(entry)
    });
    Value::Array(rows.collect())
}
