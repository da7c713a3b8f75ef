//! The Q-Newton scheduler: estimate, price both sides, choose, log why.
//!
//! | module | holds |
//! |---|---|
//! | [`estimator`] | κ before the solve: the paper's formula, the bound it comes from, and better ones; their cost |
//! | [`pricing`] | both sides' prices of one solve: those of the cost table |
//! | [`scheduler`] | the decision and its log; the type to plug into a training loop |
//! | [`policy`] | a whole run under each policy |
//! | [`saving`] | the gate times at which scheduling saves 10, 50, 90 %, certified |
//! | [`mod@timeline`] | all of it as one plain document: what `schedule` prints |

pub mod estimator;
pub mod policy;
pub mod pricing;
pub mod saving;
pub mod scheduler;
pub mod timeline;

pub use estimator::{Estimator, KappaEstimate, estimate, estimate_factor, estimate_semidefinite};
pub use policy::{KAPPA_LIMIT, PolicyRow, Run, Solve, policies};
pub use pricing::{Price, Pricing, Settings, Side, Subject};
pub use saving::{LEVELS, Race, SavingRow};
pub use scheduler::{Choice, Decision, Label, Scheduler, describe};
pub use timeline::{PolicyCurve, Schedule, timeline};
