//! Comparison of a table with its baseline: what drifted, by how much, and why.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::{CostTable, TableProvenance, TableRow};
use super::tolerance::Tolerances;
use crate::error::{Error, Result};

/// The outcome of a check; `breakeven check --format json` is exactly this.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Rows present on both sides.
    pub compared: usize,
    /// Rows within their tolerance.
    pub unchanged: usize,
    /// Rows outside it.
    pub drifted: Vec<Drift>,
    /// Keys of the baseline that are gone.
    pub missing: Vec<String>,
    /// Keys that the baseline does not have.
    pub added: Vec<String>,
}

/// One number that moved.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The row's key.
    pub key: String,
    /// Which of `value`, `low`, `high`, `unit` moved.
    pub field: String,
    /// The baseline's number.
    pub old: Option<f64>,
    /// Today's number.
    pub new: Option<f64>,
    /// (new − old)/|old|; `null` when either side is missing or old is 0.
    pub relative: Option<f64>,
    /// Which input, model, measurement or version changed, by digest.
    pub why: String,
    /// The model, so that a format can point into its file.
    pub model: String,
    /// The quantity inside the model.
    pub quantity: String,
}

impl Comparison {
    /// Nothing drifted, nothing is missing, nothing was added.
    pub fn passed(&self) -> bool {
        self.drifted.is_empty() && self.missing.is_empty() && self.added.is_empty()
    }
}

/// Compares `new` with the baseline `old`.
///
/// # Errors
/// When the two tables were made from other inputs altogether (no common key, or other input names): exit 3.
pub fn compare(old: &CostTable, new: &CostTable, tolerances: &Tolerances, place: &str) -> Result<Comparison> {
    let index: BTreeMap<&str, &TableRow> = new.rows.iter().map(|row| (row.key.as_str(), row)).collect();
    let mut comparison = Comparison::default();
    for before in &old.rows {
        let Some(after) = index.get(before.key.as_str()) else {
            comparison.missing.push(before.key.clone());
            continue;
        };
        comparison.compared += 1;
        match drift(before, after, tolerances) {
            None => comparison.unchanged += 1,
            Some((field, from, to)) => comparison.drifted.push(Drift {
                key: before.key.clone(),
                field: field.into(),
                old: from,
                new: to,
                relative: relative(from, to),
                why: why(before, &old.provenance, &new.provenance),
                model: before.model.clone(),
                quantity: before.quantity.clone(),
            }),
        }
    }
    let known: std::collections::BTreeSet<&str> = old.rows.iter().map(|row| row.key.as_str()).collect();
    comparison.added = new.rows.iter().filter(|r| !known.contains(r.key.as_str())).map(|r| r.key.clone()).collect();
    if comparison.compared == 0 && !old.rows.is_empty() && !new.rows.is_empty() {
        return Err(Error::input(
            "regress::other-inputs",
            format!("{place}, row 1 ({})", old.rows.first().map_or("", |r| r.key.as_str())),
            "the baseline has no row in common with this table: it was made from other inputs",
            "give the baseline of these inputs, or accept the new table with --update",
        ));
    }
    Ok(comparison)
}

/// The first field that moved too far; `value` is looked at first.
fn drift(old: &TableRow, new: &TableRow, tolerances: &Tolerances) -> Option<(&'static str, Option<f64>, Option<f64>)> {
    if old.unit != new.unit {
        return Some(("unit", old.value, new.value));
    }
    let tolerance = tolerances.of(old);
    let moved = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => !tolerance.accepts(a, b),
        (None, None) => false,
        _ => true,
    };
    [("value", old.value, new.value), ("low", old.low, new.low), ("high", old.high, new.high)]
        .into_iter()
        .find(|&(_, a, b)| moved(a, b))
}

fn relative(old: Option<f64>, new: Option<f64>) -> Option<f64> {
    let (old, new) = (old?, new?);
    let relative = (new - old) / old.abs();
    relative.is_finite().then_some(relative)
}

/// Names every digest in the row's ancestry that differs.
fn why(row: &TableRow, old: &TableProvenance, new: &TableProvenance) -> String {
    let mut causes = Vec::new();
    let mut look = |kind: &str, id: &str, a: Option<&String>, b: Option<&String>| {
        if a != b {
            let short = |d: Option<&String>| d.map_or("none", |d| d.get(..12).unwrap_or(d)).to_owned();
            causes.push(format!("{kind} {id} changed ({} → {})", short(a), short(b)));
        }
    };
    look("model", &row.model, old.models.get(&row.model), new.models.get(&row.model));
    if let Some(hardware) = &row.hardware {
        look("hardware", hardware, old.hardware.get(hardware), new.hardware.get(hardware));
    }
    let case = row.case();
    look("measurement", case, old.measurements.get(case), new.measurements.get(case));
    let names: std::collections::BTreeSet<&String> = old.inputs.keys().chain(new.inputs.keys()).collect();
    for name in names {
        look("input", name, old.inputs.get(name), new.inputs.get(name));
    }
    let options: std::collections::BTreeSet<&String> = old.options.keys().chain(new.options.keys()).collect();
    for name in options {
        look("option", name, old.options.get(name), new.options.get(name));
    }
    if (old.seed, &old.precision) != (new.seed, &new.precision) {
        causes.push(format!(
            "seed or precision changed ({} {} → {} {})",
            old.seed, old.precision, new.seed, new.precision
        ));
    }
    if old.version != new.version {
        causes.push(format!("version changed ({} → {})", old.version, new.version));
    }
    if causes.is_empty() { "no input, model or measurement changed: the program did".into() } else { causes.join("; ") }
}
