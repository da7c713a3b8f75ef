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
//!
//! [`Scheduler::consider`] takes any damped matrix, as the example of [`scheduler`] shows. Here every system that a
//! Q-Newton training solves is put before it:
//!
//! ```
//! use breakeven::cost::Scenario;
//! use breakeven::error::Result;
//! use breakeven::parallel::Threads;
//! use breakeven::schedule::{Choice, Estimator, Label, Pricing, Scheduler, Settings};
//! use breakeven::train::{BlockSolve, Observer, Request, Trainer};
//!
//! struct Asking<'c>(Scheduler<'c>);
//!
//! impl Observer for Asking<'_> {
//!     fn solved(&mut self, s: &BlockSolve<'_>) -> Result<()> {
//!         let label = Label::new(s.step, s.block.name.clone());
//!         self.0.consider(label, s.damped()?.as_ref(), 1e-2, s.threads.faer())?;
//!         Ok(())
//!     }
//! }
//!
//! let catalog = breakeven::catalog::load(None)?;
//! let pricing = Pricing::new(&catalog, Settings::new(Scenario::Paper, "a100", 1e-13))?;
//! let mut asking = Asking(Scheduler::new(pricing, Estimator::Auto, 0));
//!
//! let request = Request { samples: Some(100), ..Request::new("digits", "mlp:64-4-10", "q-newton", 2) };
//! let threads = Threads::new(1)?;
//! let mut trainer = Trainer::new(request.problem()?, request.config(310, None)?, &threads)?;
//! for _ in 0..2 {
//!     trainer.advance(&mut asking)?;
//! }
//!
//! let log = asking.0.log();
//! assert_eq!(log.len(), 8); // two steps, four tensors
//! for decision in log {
//!     let (quantum, classical) = (decision.quantum_seconds.unwrap(), decision.classical_seconds.unwrap());
//!     assert_eq!(decision.choice == Choice::Quantum, quantum < classical, "{}", decision.why);
//!     assert!(decision.overhead_seconds() > 0.0); // estimating κ is not free
//! }
//! # Ok::<(), breakeven::error::Error>(())
//! ```

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
