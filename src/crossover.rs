//! Where a quantum and a classical cost cross, and the verdict that follows.
//!
//! | module | holds |
//! |---|---|
//! | `curve` | a cost along one variable |
//! | `certify` | every crossing in a range, proven |

mod certify;
mod curve;

#[cfg(test)]
mod tests;

pub use certify::{Crossing, Search, Side, search};
pub use curve::{Cheapest, Coupling, Curve, Over};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One crossing of two costs in one variable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CrossoverRow {
    /// Quantum model id.
    pub quantum: String,
    /// Classical model id.
    pub classical: String,
    /// Scenario id.
    pub scenario: String,
    /// `gate_time`, `n`, `kappa`, `d`, `eps`.
    pub variable: String,
    /// The crossing; `null` when there is none in the examined range.
    pub at: Option<f64>,
    /// Lower end of the interval that contains it.
    pub low: Option<f64>,
    /// Upper end of the interval that contains it.
    pub high: Option<f64>,
    /// Proven by interval arithmetic.
    pub certified: bool,
    /// Range examined and what "none" means, in words.
    #[serde(default)]
    pub note: String,
}

/// The class of a verdict; definitions in `docs/verdicts.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictClass {
    /// A quantum lower bound exceeds a classical cost.
    Excluded,
    /// Every quantum estimate exceeds the cheapest rival.
    Unfavourable,
    /// None of the others.
    #[default]
    Undecided,
    /// A proven quantum upper bound is below every rival's cheapest estimate.
    BreaksEven,
}

/// The outcome of one scenario on one pair of machines.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Scenario id.
    pub scenario: String,
    /// Quantum hardware id.
    pub hardware_quantum: String,
    /// Classical hardware id.
    pub hardware_classical: String,
    /// The class.
    pub class: VerdictClass,
    /// The classical rival it was taken against.
    pub against: String,
    /// Why, in one sentence with numbers.
    pub reason: String,
    /// Which variable is nearest to turning the verdict, and how far it is.
    pub nearest_lever: String,
}
