//! The paper's claims, each with a verdict that a stated rule makes of the measurements.
//!
//! | part | claims about |
//! |---|---|
//! | `time` | what is saved, against whom, and how that grows |
//! | `condition` | κ |
//! | `sweeps` | pruning and regularisation |
//! | `statistics` | what the rules compute |

mod condition;
mod statistics;
mod sweeps;
mod time;

use super::prices::PAIRS;
use super::sizes::Training;
use super::stages::{Measured, Seen};
use crate::report::dossier::Claim;
use crate::schedule::Schedule;

pub use condition::{DEFINITIONS, FLOORED, Fall, bound_use, error_decades, falls, kappa_of};
pub use statistics::{exponent, rank_correlation};
pub use sweeps::median_kappa;
pub use time::{agreement, gate_times, tried};

/// Gate times of the published presets: superconducting and ion trap.
pub const PRESETS: [f64; 2] = [5e-8, 1e-4];

/// Blocks smaller than this are biases: their κ says little.
pub const WEIGHTS: usize = 100;

/// Everything priced.
pub struct Prices {
    /// The main run under each of [`PAIRS`].
    pub run: Vec<Schedule>,
    /// The sweeps under the paper's own pair.
    pub keeps: Vec<(f64, Schedule)>,
    /// The same over η.
    pub etas: Vec<(f64, Schedule)>,
    /// Over h: against the inverse, and against the best rival.
    pub widths: Vec<(usize, Schedule, Schedule)>,
    /// The paper's smallest MLP with exact blocks: against the inverse, and against the best rival.
    pub published: Option<(Schedule, Schedule)>,
    /// By kind: against the inverse, and against the best rival.
    pub families: Vec<(String, Schedule, Schedule)>,
}

impl Prices {
    fn pair(&self, name: &str) -> Option<&Schedule> {
        PAIRS.iter().position(|p| p.name == name).and_then(|i| self.run.get(i))
    }
}

/// All claims.
pub fn claims(m: &Measured, p: &Prices) -> Vec<Claim> {
    vec![
        time::saving(p),
        condition::kappa_falls(m),
        time::threshold(p),
        time::rival(p),
        sweeps::pruning(m, p),
        sweeps::regularisation(m, p),
        condition::estimator(m),
        time::growth(p),
        time::families(p),
    ]
}

fn claim(id: &str, claim: &str, paper: &str) -> Claim {
    Claim { id: id.into(), claim: claim.into(), paper: paper.into(), ..Claim::default() }
}

/// `N parameters, batch B, K updates` of a training.
pub fn described(t: &Training, seen: &Seen) -> String {
    format!("{} on {}, {} parameters, batch {}, {} updates", t.network, t.kind(), seen.parameters, t.batch, t.steps)
}
