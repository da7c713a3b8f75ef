//! The cost models, encodings and machines: loaded, linted, evaluated.
//!
//! | module | holds |
//! |---|---|
//! | `source` | the shape of a model file |
//! | `variable` | the vocabulary of variables |
//! | `model` | a model with its formulas read |
//! | `hardware` | machines |
//! | `read`, `embedded` | files into models |
//! | `evaluate` | a quantity at a point, with its domain and its interval |
//! | `check` | the lint and the report card |
//! | `compare` | whether two models are equal |

mod check;
mod compare;
mod embedded;
mod evaluate;
mod hardware;
mod model;
mod read;
mod source;
mod variable;

#[cfg(test)]
mod tests;

pub use check::{Card, Finding, Mark, check, derived_growth, growing};
pub use compare::{Comparison, compare};
pub(crate) use evaluate::short;
pub use evaluate::{Outcome, Point, Resolved, Spread};
pub use hardware::{Hardware, HardwareKind, Rate};
pub use model::{Model, ModelVariable, Quantity, Rule};
pub use read::model as read_model;
pub use source::{Bound, CiteSource, Family, KappaConvention, ModelSource, Ordered, Status};
pub use variable::{Variable, Vocabulary};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The scenarios that model files may name; a build prices those of [`crate::cost::SCENARIOS`].
pub const SCENARIOS: [&str; 4] = ["paper", "oracle", "end-to-end", "fault-tolerant"];

/// A work that models cite.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Who.
    pub authors: String,
    /// When.
    pub year: u32,
    /// What.
    pub title: String,
    /// Journal or place.
    #[serde(rename = "where")]
    pub place: String,
}

/// Works by key.
pub type Bibliography = BTreeMap<String, Work>;

/// Everything under `models/`.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Solvers and encodings, in the order of their files.
    pub models: Vec<Model>,
    /// Machines; the default ones come first.
    pub hardware: Vec<Hardware>,
    /// Known variables.
    pub vocabulary: Vocabulary,
    /// Known works.
    pub bibliography: Bibliography,
}

/// The built-in catalogue, and a user's folder added to it.
///
/// # Errors
/// A malformed or unreadable file of the folder, a lint that fails, an id that is taken.
pub fn load(folder: Option<&Path>) -> Result<Catalog> {
    let mut catalog = read::embedded()?;
    if let Some(folder) = folder {
        read::add_folder(&mut catalog, folder)?;
    }
    Ok(catalog)
}

impl Catalog {
    /// A model by id.
    ///
    /// # Errors
    /// When there is none; the nearest id is suggested.
    pub fn model(&self, id: &str) -> Result<&Model> {
        self.models.iter().find(|m| m.id() == id).ok_or_else(|| {
            let near = nearest(id, self.models.iter().map(Model::id));
            Error::usage("catalog::no_model", id, "no such model", with_hint(near, "see `breakeven models list`"))
        })
    }

    /// A machine by id.
    ///
    /// # Errors
    /// When there is none; the nearest id is suggested.
    pub fn machine(&self, id: &str) -> Result<&Hardware> {
        self.hardware.iter().find(|h| h.id == id).ok_or_else(|| {
            let near = nearest(id, self.hardware.iter().map(|h| h.id.as_str()));
            let all: Vec<&str> = self.hardware.iter().map(|h| h.id.as_str()).collect();
            let hint = with_hint(near, &format!("machines are {}, this-machine", all.join(", ")));
            Error::usage("catalog::no_hardware", id, "no such hardware", hint)
        })
    }

    /// The machines of these ids, in order; none: the default ones.
    ///
    /// # Errors
    /// As for [`Catalog::machine`].
    pub fn machines(&self, ids: &[String]) -> Result<Vec<&Hardware>> {
        if ids.is_empty() {
            return Ok(self.hardware.iter().take(embedded::HARDWARE.len()).collect());
        }
        ids.iter().map(|id| self.machine(id)).collect()
    }

    /// Adds a machine, such as the one that was just calibrated; one of the same id is replaced.
    pub fn add_machine(&mut self, machine: Hardware) {
        self.hardware.retain(|h| h.id != machine.id);
        self.hardware.push(machine);
    }

    /// Every file that the catalogue was read from, with its BLAKE3.
    pub fn files(&self) -> Vec<(&str, &str)> {
        let models = self.models.iter().map(|m| (m.file.as_str(), m.digest.as_str()));
        models.chain(self.hardware.iter().map(|h| (h.file.as_str(), h.digest.as_str()))).collect()
    }
}

/// The nearest of `known` within a third of the letters.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.len() / 3).max(1);
    known.map(|k| (distance(word, k), k)).filter(|(far, _)| *far <= limit).min().map(|(_, k)| k)
}

fn with_hint(near: Option<&str>, otherwise: &str) -> String {
    near.map_or(otherwise.to_string(), |near| format!("did you mean `{near}`?"))
}

/// Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, slot) in b.iter().zip(row.iter_mut().skip(1)) {
            let next = (*slot + 1).min(left + 1).min(corner + usize::from(x != *y));
            corner = *slot;
            *slot = next;
            left = next;
        }
    }
    row.last().copied().unwrap_or(0)
}
