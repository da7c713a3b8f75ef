//! Two reports side by side: every scalar that differs, by case and path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::junit::escape;
use super::markdown::cell;
use crate::error::{Error, Result};

/// One difference between two reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Case id, or `report` for what stands outside the cases.
    pub case: String,
    /// Path of the scalar inside the case, `kappa.value`.
    pub path: String,
    /// Left value; `null` when absent there.
    pub left: Value,
    /// Right value; `null` when absent there.
    pub right: Value,
    /// (right − left)/|left| for two numbers.
    pub relative: Option<f64>,
}

/// The differences of two parsed `report.json`s; numbers within `tolerance` (relative) are equal.
///
/// # Errors
/// When either document is not a report, or the major schema versions differ: exit 3.
pub fn diff(left: &Value, right: &Value, places: [&str; 2], tolerance: f64) -> Result<Vec<Difference>> {
    let (a, b) = (flatten(left, places[0])?, flatten(right, places[1])?);
    let version = |v: &Value| v["schema_version"].as_str().unwrap_or("").split('.').next().unwrap_or("").to_owned();
    if version(left) != version(right) {
        return Err(Error::input(
            "regress::schema-version",
            format!("{} and {}", places[0], places[1]),
            "the two reports have different major schema versions",
            "write both with the same version of the program",
        ));
    }
    let keys: std::collections::BTreeSet<&(String, String)> = a.keys().chain(b.keys()).collect();
    let mut out = Vec::new();
    for key in keys {
        let (x, y) = (a.get(key).cloned().unwrap_or(Value::Null), b.get(key).cloned().unwrap_or(Value::Null));
        let relative = match (x.as_f64(), y.as_f64()) {
            (Some(p), Some(q)) if (p - q).abs() <= tolerance * p.abs().max(q.abs()) => continue,
            (Some(p), Some(q)) => Some((q - p) / p.abs()).filter(|r| r.is_finite()),
            _ => None,
        };
        if x != y {
            out.push(Difference { case: key.0.clone(), path: key.1.clone(), left: x, right: y, relative });
        }
    }
    Ok(out)
}

type Scalars = BTreeMap<(String, String), Value>;

fn flatten(report: &Value, place: &str) -> Result<Scalars> {
    let Some(cases) = report["cases"].as_array() else {
        return Err(Error::input("regress::not-a-report", place, "there is no list of cases", "give a report.json"));
    };
    let mut out = Scalars::new();
    for (i, case) in cases.iter().enumerate() {
        let id = case["id"].as_str().map_or_else(|| format!("case {}", i + 1), str::to_owned);
        walk(case, &id, String::new(), &mut out);
    }
    for key in ["schema_version", "tool", "provenance"] {
        walk(&report[key], "report", key.to_owned(), &mut out);
    }
    Ok(out)
}

/// Elements of an array are named by what identifies them, so that an inserted row is one difference, not all.
fn name_of(element: &Value, position: usize) -> String {
    let ids = [
        "id",
        "model",
        "scenario",
        "hardware",
        "hardware_quantum",
        "quantum",
        "classical",
        "variable",
        "quantity",
        "solver",
        "path",
        "of",
        "threshold",
    ];
    let name: Vec<String> = ids
        .iter()
        .filter_map(|id| match &element[*id] {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) if *id == "threshold" => Some(n.to_string()),
            _ => None,
        })
        .collect();
    if name.is_empty() { position.to_string() } else { name.join("/") }
}

fn walk(value: &Value, case: &str, path: String, out: &mut Scalars) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let next = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(inner, case, next, out);
            }
        }
        Value::Array(list) => {
            let mut seen = std::collections::BTreeSet::new();
            for (i, inner) in list.iter().enumerate() {
                let name = name_of(inner, i);
                let next =
                    if seen.insert(name.clone()) { format!("{path}[{name}]") } else { format!("{path}[{name}#{i}]") };
                walk(inner, case, next, out);
            }
        }
        scalar => {
            out.insert((case.to_owned(), path), scalar.clone());
        }
    }
}

/// Plain text: a line per difference.
pub fn text(differences: &[Difference]) -> String {
    let mut out: String = differences
        .iter()
        .map(|d| format!("{} {}: {} -> {}{}\n", d.case, d.path, d.left, d.right, percent(d)))
        .collect();
    out.push_str(&format!("{} differences\n", differences.len()));
    out
}

/// A Markdown table.
pub fn markdown(differences: &[Difference]) -> String {
    let mut out = String::from("| case | path | left | right | change |\n|---|---|---:|---:|---:|\n");
    for d in differences {
        let (l, r) = (cell(&d.left.to_string()), cell(&d.right.to_string()));
        out.push_str(&format!("| {} | {} | {l} | {r} |{} |\n", cell(&d.case), cell(&d.path), percent(d)));
    }
    out
}

/// One self-contained page, light and dark, no scripts, no network.
pub fn html(differences: &[Difference], places: [&str; 2]) -> String {
    let mut rows = String::new();
    for d in differences {
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>\n",
            escape(&d.case),
            escape(&d.path),
            escape(&d.left.to_string()),
            escape(&d.right.to_string()),
            percent(d)
        ));
    }
    let body = if differences.is_empty() {
        "<p>No difference.</p>".to_owned()
    } else {
        format!(
            "<table><thead><tr><th>case</th><th>path</th><th>left</th><th>right</th><th>change</th></tr></thead><tbody>\n{rows}</tbody></table>"
        )
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Breakeven: two reports</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}}\
         table{{border-collapse:collapse;width:100%}}td,th{{border-bottom:1px solid #8886;padding:.25rem .6rem;text-align:left;overflow-wrap:anywhere}}\
         .n{{text-align:right;font-variant-numeric:tabular-nums}}</style></head>\n\
         <body><h1>Two reports side by side</h1><p>Left: {}. Right: {}. {} differences.</p>\n{body}\n</body></html>\n",
        escape(places[0]),
        escape(places[1]),
        differences.len()
    )
}

fn percent(d: &Difference) -> String {
    d.relative.map_or_else(String::new, |r| format!(" {:+.4} %", 100.0 * r))
}
