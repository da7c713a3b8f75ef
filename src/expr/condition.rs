//! Conditions: the domains of models.

use super::graph::Graph;
use super::interval::Interval;
use super::scope::Scope;
use super::span::{EvalError, ParseError};
use super::{enclose, evaluate, latex, text};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A condition such as `kappa >= sqrt(12) && eps <= 0.24`.
#[derive(Clone, PartialEq)]
pub struct Condition {
    pub(crate) graph: Arc<Graph>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.to_text())
    }
}

/// The truth of a condition over a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// False at every point.
    False,
    /// Not decided: some points may satisfy it, some may not.
    Maybe,
    /// True at every point.
    True,
}

/// Reads a condition; every free name is a variable.
///
/// # Errors
/// With the place in `source`.
pub fn parse_condition(source: &str) -> Result<Condition, ParseError> {
    Scope::new().parse_condition(source)
}

impl Condition {
    /// The variables it mentions.
    pub fn variables(&self) -> BTreeSet<String> {
        self.graph.names.iter().cloned().collect()
    }

    /// Text that [`parse_condition`] reads as the same condition.
    pub fn to_text(&self) -> String {
        text::print(&self.graph)
    }

    /// LaTeX for a mathematics environment.
    pub fn to_latex(&self) -> String {
        latex::print(&self.graph)
    }

    /// Whether it holds at a point.
    ///
    /// # Errors
    /// When a variable has no value or an operation is undefined there.
    pub fn check(&self, env: &dyn Fn(&str) -> Option<f64>) -> Result<bool, EvalError> {
        evaluate::evaluate(&self.graph, env).map(|value| value != 0.0)
    }

    /// Whether it holds over a box.
    ///
    /// # Errors
    /// As for [`Condition::check`], over the box.
    pub fn check_interval(&self, env: &dyn Fn(&str) -> Option<Interval>) -> Result<Truth, EvalError> {
        let truth = enclose::enclose(&self.graph, env)?;
        Ok(match (truth.lo != 0.0, truth.hi != 0.0) {
            (true, _) => Truth::True,
            (false, true) => Truth::Maybe,
            (false, false) => Truth::False,
        })
    }
}
