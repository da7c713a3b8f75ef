//! What a verification is asked and what it answers: plain data.

use super::oracle::Counts;
use crate::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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
    /// Queries made by the circuit that was run (its expectation, rounded up, where it repeats until success).
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
    /// Unit of the three query numbers: `queries` (calls of U_A and its adjoint) or `sparse_queries`.
    #[serde(default)]
    pub unit: String,
    /// needed / predicted: the measured end of the model's band, never a replacement for the proven one.
    #[serde(default)]
    pub calibration: Option<f64>,
    /// Calls by kind, as the oracle objects of the run counted them.
    #[serde(default)]
    pub calls: Counts,
    /// Largest depolarising error per query at which the claim still stands, in closed form from the run.
    #[serde(default)]
    pub largest_error_rate: Option<f64>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// How much of the machine is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Spectrum and flags.
    #[default]
    L1,
    /// Block encoding as a real matrix, N ≤ 1,024.
    L2,
    /// Gates and phases on the full state, N ≤ 64.
    L3,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
        })
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_uppercase().as_str() {
            "L1" => Ok(Level::L1),
            "L2" => Ok(Level::L2),
            "L3" => Ok(Level::L3),
            "L0" => Err(Error::usage("simulate::level", "L0", "L0 is the formula itself", "use the command `cost`")),
            _ => Err(Error::usage("simulate::level", text, "no such level", "use L1, L2 or L3")),
        }
    }
}

/// Which block encoding carries the matrix, and with it which α (formulas: `docs/simulator.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Unitary dilation, α = σ_max: the best that any encoding can do.
    #[default]
    Dilation,
    /// Sparse access, α = d·max|a_ij| (Gilyén et al., arXiv:1806.01838, Lemma 48).
    Sparse,
    /// Dense data, α = ‖A‖_F (Clader et al., arXiv:2206.03505).
    Frobenius,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encoding::Dilation => "dilation",
            Encoding::Sparse => "sparse",
            Encoding::Frobenius => "frobenius",
        })
    }
}

impl FromStr for Encoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "dilation" => Ok(Encoding::Dilation),
            "sparse" => Ok(Encoding::Sparse),
            "frobenius" => Ok(Encoding::Frobenius),
            _ => Err(Error::usage("simulate::encoding", text, "no such encoding", "use dilation, sparse or frobenius")),
        }
    }
}

/// How a verification runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Block encoding assumed.
    pub encoding: Encoding,
    /// α by hand, absolute; at least σ_max. `None`: the encoding's own.
    pub alpha: Option<f64>,
    /// Seed of everything random (times of the randomisation method, sampled repetitions).
    pub seed: u64,
    /// Cap on elementary operations (one multiply-add on one state component); beyond it: not verifiable.
    pub max_work: f64,
    /// Cap on memory in bytes.
    pub max_bytes: u64,
    /// Where the right-hand side came from, in words.
    pub rhs: String,
    /// Largest |P| of the polynomials that are turned into phases at L3; below 1, see `docs/simulator.md`.
    pub headroom: f64,
    /// Inner tolerance of iterative refinement; `None`: one solve.
    pub refine: Option<f64>,
    /// Depolarising probability per query; 0: noiseless.
    pub error_rate: f64,
    /// Above this size the spectrum is replaced by a Lanczos measure.
    pub full_spectrum_up_to: usize,
    /// Cap on the nodes of a Lanczos measure; beyond it: not verifiable.
    pub max_nodes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            encoding: Encoding::Dilation,
            alpha: None,
            seed: 0,
            max_work: 4e11,
            max_bytes: 8 << 30,
            rhs: "given".to_owned(),
            headroom: 0.99,
            refine: None,
            error_rate: 0.0,
            full_spectrum_up_to: 4096,
            max_nodes: 2000,
        }
    }
}
