//! Fills a [`Measurement`]: size, condition, sparsity, subnormalization, tolerance, classical runs.
//!
//! | part | what |
//! |---|---|
//! | [`input`] | what is measured: the matrix, the gradient, the loss, the rules |
//! | [`dense`] | a matrix that fits: one certified eigendecomposition serves every number |
//! | [`low_rank`] | curvatures of rank ≪ N by their factor |
//! | [`sparsity`] | d, its curve over thresholds, α |
//! | [`tolerance`] | ε: what error of the Newton step the loss stands |
//! | [`trust_region`] | the maximiser of a quadratic over a sphere, which ε needs |
//! | [`solved`] | pruning and damping, the solved matrix, direct solutions |
//! | [`runs`] | CG and MINRES really run |

pub mod dense;
pub mod input;
pub mod low_rank;
pub mod runs;
pub mod solved;
pub mod sparsity;
pub mod tolerance;
pub mod trust_region;

use crate::error::Result;
use crate::measurement::Measurement;
use crate::parallel::Threads;
pub use input::{Companion, Progress, SystemInput};

/// Measures one linear system A p = g of a snapshot, or a plain matrix.
///
/// The result is complete: every quantity of `docs/quantities.md`, with its interval and method. It is the same for
/// every run with the same input, seed and number of threads.
///
/// # Errors
/// A matrix that is not square, not finite or not symmetric to 1e-8, a right-hand side of the wrong length, not finite
/// or zero (input); numbers whose certificate fails (certificate).
pub fn measure(system: SystemInput<'_>, threads: &Threads, progress: Progress<'_>) -> Result<Measurement> {
    threads.run(|| dense::measure(system, threads.faer(), progress))
}
