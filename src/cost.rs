//! Costs of solving one measured system under every model and scenario.
//!
//! | module | holds |
//! |---|---|
//! | `scenario` | what each scenario counts, and which models have a value in it |
//! | `variables` | the models' variables from a measurement |
//! | `machine` | a machine's times and rates as variables |
//! | `assumption` | what a number rests on, in words |
//! | `tabulate` | one row per model, scenario, quantity and machine |
//! | `uncertainty` | distributions of the measured quantities and of the break-even points |

mod assumption;
mod machine;
mod scenario;
mod tabulate;
mod uncertainty;
mod variables;

#[cfg(test)]
mod tests;

pub use machine::{on_machine, prices};
pub use scenario::{SCENARIOS, Scenario, check_scenarios};
pub use tabulate::tabulate;
pub use uncertainty::{Band, draw};
pub use variables::{point, point_for};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a point lies in a model's domain, and if not, why.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DomainCheck {
    /// Inside the domain.
    pub ok: bool,
    /// The reason, when outside; empty otherwise.
    #[serde(default)]
    pub why: String,
}

/// One priced quantity of one model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CostRow {
    /// Model id, the file name under `models/solvers/` without extension.
    pub model: String,
    /// `paper`, `oracle`.
    pub scenario: String,
    /// Hardware id that turned operations into seconds; `null` for bare counts.
    pub hardware: Option<String>,
    /// `gates`, `queries`, `flops`, `seconds`, …
    pub quantity: String,
    /// Unit of `value`.
    pub unit: String,
    /// The cost; `null` out of the domain or outside the scenario.
    pub value: Option<f64>,
    /// Cheapest cost over the measured intervals of the variables.
    pub low: Option<f64>,
    /// Dearest cost over the measured intervals of the variables.
    pub high: Option<f64>,
    /// `exact`, `proven-upper`, `proven-lower`, `measured`, `leading-order`, `run`.
    pub bound: String,
    /// Domain verdict.
    pub domain: DomainCheck,
    /// What the number rests on.
    pub assumptions: Vec<String>,
}
