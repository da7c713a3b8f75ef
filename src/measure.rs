//! Fills a [`Measurement`]: size, condition, sparsity, subnormalization, tolerance, classical runs.
//!
//! | part | what |
//! |---|---|
//! | [`input`] | what is measured: the matrix, the gradient, the loss, the rules |
//! | [`confidence`] | bars over random halves of the batch |
//! | `dense` | a matrix that fits: one certified eigendecomposition serves every number |
//! | [`low_rank`], `factored` | curvatures of rank ≪ N by their factor |
//! | [`sparsity`] | d, its curve over thresholds, α |
//! | [`tolerance`] | ε: what error of the Newton step the loss stands |
//! | [`trust_region`] | the maximiser of a quadratic over a sphere, which ε needs |
//! | [`solved`] | pruning and damping, the solved matrix, direct solutions |
//! | `matrix_free` | a matrix known by its products alone |
//! | [`runs`] | CG and MINRES really run |

pub mod confidence;
mod dense;
mod factored;
pub mod input;
pub mod low_rank;
mod matrix_free;
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

/// Measures C = FFᵀ (+ λI) by its factor F (N × rank), for an empirical Fisher or Gauss-Newton matrix of rank ≪ N;
/// `system.h` is not read. Memory is a few times that of F.
///
/// d comes from products of row blocks of F; where that would take more than about ten seconds, d = N is reported as an
/// upper bound with a note. The errors of the sparsity curve in the 2-norm are left out.
///
/// # Errors
/// As [`measure`]; a pruning rule other than none (usage), because it needs all N² entries.
pub fn measure_low_rank(
    system: SystemInput<'_>,
    factor: faer::Mat<f64>,
    threads: &Threads,
    progress: Progress<'_>,
) -> Result<Measurement> {
    threads.run(|| factored::measure(system, factor, threads.faer(), progress))
}

/// Measures a system whose matrix is known by its products alone (N too large for N² numbers); `system.h` is not read.
///
/// The ends of the spectrum come from Lanczos; σ_min of an indefinite matrix is only bounded from above, so κ then has a
/// low end and no value. Entries (max|h_ij|, d, the curve) are streamed column by column up to N = 50,000. Every method
/// says so.
///
/// # Errors
/// As [`measure`]; a rule that needs all entries or eigenvalues (pruning, saddle-free and Levenberg-Marquardt damping,
/// relative damping above N = 50,000) is refused (usage).
pub fn measure_operator(
    system: SystemInput<'_>,
    operator: &dyn crate::curvature::SymmetricOperator,
    threads: &Threads,
    progress: Progress<'_>,
) -> Result<Measurement> {
    threads.run(|| matrix_free::measure(system, operator, threads.faer(), progress))
}
