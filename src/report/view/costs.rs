//! The costs of one case, grouped by scenario and model; rows without a number are listed with their reason.

use serde::Serialize;

use crate::cost::CostRow;
use crate::report::document::{Case, Report};
use crate::report::figure_data::Side;
use crate::report::{number, words};

/// The costs of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioCosts {
    /// Scenario id.
    pub id: String,
    /// Its badge.
    pub badge: String,
    /// Rows with a number.
    pub rows: Vec<CostView>,
    /// Models without one.
    pub left_out: Vec<LeftOut>,
    /// Assumptions, numbered from 1; rows refer to them.
    pub assumptions: Vec<String>,
}

/// One priced quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostView {
    /// Model id.
    pub model: String,
    /// The row above is of the same model.
    pub again: bool,
    /// Its side, as a CSS class.
    pub side: String,
    /// Its formula is not verified.
    pub unverified: bool,
    /// Source, for the tooltip.
    pub cite: String,
    /// Quantity.
    pub quantity: String,
    /// Value with unit.
    pub value: String,
    /// All digits.
    pub exact: String,
    /// Interval.
    pub interval: String,
    /// Unit.
    pub unit: String,
    /// Kind of bound.
    pub bound: String,
    /// Hardware; empty for bare counts.
    pub hardware: String,
    /// Numbers of its assumptions.
    pub assumptions: String,
    /// A warning although the point is in the domain.
    pub why: String,
}

/// A model without a number here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    /// Model id.
    pub model: String,
    /// Quantities concerned.
    pub quantities: String,
    /// Reason.
    pub why: String,
}

/// Groups the costs of a case.
pub fn scenario_costs(report: &Report, case: &Case) -> Vec<ScenarioCosts> {
    let mut groups: Vec<ScenarioCosts> = Vec::new();
    for row in &case.costs {
        let at = match groups.iter().position(|g| g.id == row.scenario) {
            Some(at) => at,
            None => {
                groups.push(ScenarioCosts {
                    id: row.scenario.clone(),
                    badge: words::badge(&row.scenario).into(),
                    rows: Vec::new(),
                    left_out: Vec::new(),
                    assumptions: Vec::new(),
                });
                groups.len() - 1
            }
        };
        if let Some(group) = groups.get_mut(at) {
            add(report, group, row);
        }
    }
    groups
}

fn add(report: &Report, group: &mut ScenarioCosts, row: &CostRow) {
    let Some(value) = row.value else {
        let why =
            if row.domain.why.is_empty() { "not part of this scenario".to_string() } else { row.domain.why.clone() };
        match group.left_out.iter_mut().find(|l| l.model == row.model && l.why == why) {
            Some(known) if !known.quantities.split(", ").any(|q| q == row.quantity) => {
                known.quantities.push_str(&format!(", {}", row.quantity));
            }
            Some(_) => {}
            None => group.left_out.push(LeftOut { model: row.model.clone(), quantities: row.quantity.clone(), why }),
        }
        return;
    };
    let mut numbers = Vec::new();
    for text in &row.assumptions {
        let at = group.assumptions.iter().position(|a| a == text).unwrap_or_else(|| {
            group.assumptions.push(text.clone());
            group.assumptions.len() - 1
        });
        numbers.push((at + 1).to_string());
    }
    let note = report.models.iter().find(|m| m.id == row.model);
    let tight = row.low == Some(value) && row.high == Some(value);
    group.rows.push(CostView {
        again: group.rows.last().is_some_and(|above| above.model == row.model),
        model: row.model.clone(),
        side: match note.map(|m| m.side) {
            Some(Side::Quantum) => "quantum",
            Some(Side::Classical) => "classical",
            _ => "other",
        }
        .into(),
        unverified: super::is_unverified(report, &row.model),
        cite: note.map_or(String::new(), |m| m.cite.clone()),
        quantity: row.quantity.clone(),
        value: number::with_unit(value, &row.unit),
        exact: format!("{} {}", number::exact(value), row.unit),
        interval: if tight { String::new() } else { number::interval(row.low, row.high) },
        unit: row.unit.clone(),
        bound: row.bound.clone(),
        hardware: row.hardware.clone().unwrap_or_default(),
        assumptions: numbers.join(", "),
        why: row.domain.why.clone(),
    });
}
