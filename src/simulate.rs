//! The verifying simulator: takes a matrix, a right-hand side and a claim; counts queries and measures the error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One verified claim.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SimulationRow {
    /// Model whose formula is checked.
    pub model: String,
    /// `L1`, `L2`, `L3`.
    pub level: String,
    /// Size of the system.
    pub n: usize,
    /// κ of the system.
    pub kappa: f64,
    /// α of the encoding, absolute.
    pub alpha: f64,
    /// Where the right-hand side came from.
    pub rhs: String,
    /// Queries made by the circuit that was run.
    pub queries_counted: u64,
    /// The formula at this instance's κ_eff.
    pub queries_predicted: Option<f64>,
    /// Fewest queries that reach the target.
    pub queries_needed: Option<u64>,
    /// ε asked.
    pub error_target: f64,
    /// ε reached: 2-norm distance of the normalised, sign-aligned, post-selected states.
    pub error_reached: Option<f64>,
    /// Probability of the flag.
    pub success_probability: Option<f64>,
    /// The claim held.
    pub passed: bool,
    /// What the reader should know.
    pub notes: Vec<String>,
}
