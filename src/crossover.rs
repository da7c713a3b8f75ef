//! Where a quantum and a classical cost cross, and the verdict that follows.
//!
//! | module | holds |
//! |---|---|
//! | `curve` | a cost along one variable |
//! | `certify` | every crossing in a range, proven |
//! | `case` | a measured case as curves: estimates, rivals, couplings |
//! | `find` | break-even points of a case |
//! | `verdict`, `lever` | the outcome, and what would turn it |
//! | `relevant` | which cases are worth simulating |
//! | `surface` | two costs over two variables |
//! | `band` | break-even points under uncertainty: ends of intervals, distributions |

mod band;
mod case;
mod certify;
mod curve;
mod find;
mod lever;
mod relevant;
mod surface;
mod verdict;

#[cfg(test)]
mod tests;

pub use band::{Uncertain, Uncertainty, break_even_band};
pub use case::{Estimate, coupling, of_kind, quantum, rivals};
pub use certify::{Crossing, Search, Side, search};
pub use curve::{Cheapest, Coupling, Curve, Over};
pub use find::{VARIABLES, find};
pub use relevant::{Relevance, crossover_relevant};
pub use surface::{Cost, Surface, surface};
pub use verdict::{headline, verdicts};

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
    /// `quantum` or `classical`: the cheaper one just below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cheaper_below: Option<String>,
    /// `quantum` or `classical`: the cheaper one just above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cheaper_above: Option<String>,
    /// Quantum machine whose gate time was used (also named where the gate time itself is solved for).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_quantum: Option<String>,
    /// Classical machine whose rates were used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_classical: Option<String>,
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
    /// `as published` in `paper`; empty elsewhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub badge: String,
    /// The comparisons behind the class; in `paper` against the paper's rival and against the best one.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
    /// The nearest crossing in each variable, nearest first.
    #[serde(default)]
    pub levers: Vec<Lever>,
}

/// One comparison of two times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Its class.
    pub class: VerdictClass,
    /// Quantum model.
    pub quantum: String,
    /// Classical model.
    pub against: String,
    /// Time of the quantum side.
    pub quantum_seconds: f64,
    /// Time of the classical side.
    pub classical_seconds: f64,
}

/// A variable that turns a verdict when it reaches a value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Lever {
    /// `gate_time`, `n`, `kappa`, `d`, `eps`.
    pub variable: String,
    /// Its value in the case.
    pub now: f64,
    /// Its value at the crossing.
    pub at: f64,
    /// |log10(at/now)|.
    pub decades: f64,
    /// The crossing is proven.
    pub certified: bool,
}

impl VerdictClass {
    /// As written in reports.
    pub fn name(self) -> &'static str {
        match self {
            VerdictClass::Excluded => "excluded",
            VerdictClass::Unfavourable => "unfavourable",
            VerdictClass::Undecided => "undecided",
            VerdictClass::BreaksEven => "breaks-even",
        }
    }
}
