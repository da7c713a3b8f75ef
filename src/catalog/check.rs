//! The lint of the catalogue and its report card.

mod examples;
mod growth;
mod monotone;
mod sample;
mod units;

pub use growth::{derive as derived_growth, growing};
pub(super) use sample::points as sample_points;

use super::model::Model;
use super::source::Family;
use super::{Bibliography, Catalog};
use crate::error::{Error, Result};
use serde::Serialize;

/// The mark of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mark {
    /// Every check holds and the formula is confirmed by a second source.
    Pass,
    /// Every check holds, but the formula stands on one source.
    Unverified,
    /// A check fails.
    Fail,
}

impl Mark {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Mark::Pass => "PASS",
            Mark::Unverified => "UNVERIFIED",
            Mark::Fail => "FAIL",
        }
    }
}

/// One thing a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// `examples`, `units`, `growth`, `positive`, `domain`, `monotone`, `citations`.
    pub check: &'static str,
    /// Whether it makes the model fail.
    pub fails: bool,
    /// What was found.
    pub what: String,
}

/// The report card of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// Model id.
    pub model: String,
    /// Its file.
    pub file: String,
    /// The mark.
    pub mark: Mark,
    /// Examples that were reproduced, of how many.
    pub examples: [usize; 2],
    /// Points at which the formulas were evaluated.
    pub points: usize,
    /// Failures first, then remarks.
    pub findings: Vec<Finding>,
}

/// Checks every model of the catalogue.
pub fn check(catalog: &Catalog) -> Vec<Card> {
    catalog.models.iter().map(|model| card(model, &catalog.bibliography)).collect()
}

fn card(model: &Model, bibliography: &Bibliography) -> Card {
    let mut findings = citations(model, bibliography);
    let (reproduced, missed) = examples::reproduce(model);
    let total = reproduced + missed.len();
    findings.extend(missed);
    if total < 2 {
        findings.push(Finding {
            check: "examples",
            fails: true,
            what: format!("{total} worked examples, 2 are needed"),
        });
    }
    findings.extend(units::examine(model));
    findings.extend(growth::examine(model));
    let points = sample::points(model);
    findings.extend(sample::examine(model, &points));
    findings.extend(monotone::examine(model, &points));
    if model.family() == Family::Encoding {
        findings.retain(|f| f.check != "monotone");
    }
    findings.sort_by_key(|f| !f.fails);
    let mark = if findings.iter().any(|f| f.fails) {
        Mark::Fail
    } else if model.unverified() {
        Mark::Unverified
    } else {
        Mark::Pass
    };
    Card {
        model: model.id().to_string(),
        file: model.file.clone(),
        mark,
        examples: [reproduced, total],
        points: points.len(),
        findings,
    }
}

fn citations(model: &Model, bibliography: &Bibliography) -> Vec<Finding> {
    let fail = |what: String| Finding { check: "citations", fails: true, what };
    let mut findings = Vec::new();
    for quantity in &model.quantities {
        if quantity.cite.is_empty() {
            findings.push(fail(format!("`{}` cites nothing", quantity.name())));
        }
        for cite in &quantity.cite {
            if !bibliography.contains_key(&cite.key) {
                findings.push(fail(format!("`{}` is not in the bibliography", cite.key)));
            }
        }
    }
    findings
}

/// The part of the lint that a user's model must pass to be loaded: citations, units, examples.
///
/// # Errors
/// The first finding that fails.
pub(super) fn on_load(model: &Model, bibliography: &Bibliography) -> Result<()> {
    let mut findings = citations(model, bibliography);
    findings.extend(units::examine(model));
    findings.extend(examples::reproduce(model).1);
    match findings.into_iter().find(|f| f.fails) {
        None => Ok(()),
        Some(f) => {
            let help = match f.check {
                "citations" => "add the work to bibliography.json in the same folder",
                "units" => "state the conversion as a variable in a unit such as seconds/queries",
                _ => "correct the formula or the example",
            };
            Err(Error::input("catalog::lint", format!("{}: {}", model.file, f.check), f.what, help))
        }
    }
}
