//! Hessian, Gauss-Newton and Fisher operators, whole or by block; damping and pruning.
//!
//! [`Network::new`] lowers a graph with one batch and one loss and differentiates it, once for all snapshots of a run;
//! [`Prepared::new`] evaluates it at one snapshot and opens the operators: [`Prepared::hessian`],
//! [`Prepared::gauss_newton`], [`Prepared::empirical_fisher`], and [`Prepared::objective`] for real losses around the
//! snapshot. All of them act on a [`Block`] of parameters.
//!
//! | file | what |
//! |---|---|
//! | `block` | which parameters a matrix is about |
//! | `network`, `prepared` | a program for a run, its values at a snapshot |
//! | `chunks` | the network in runs of samples |
//! | `planned` | plans that are kept from one snapshot to the next |
//! | `lanes` | products and columns by blocks of tangents over threads |
//! | `assembly` | structured assembly of Hessians: tangents seeded at pre-activations |
//! | `columns`, `mirror` | assembly column by column, exactly symmetric |
//! | `sweep`, `shared` | their tasks over threads, into one matrix |
//! | `checkpoint` | unfinished matrices on disk |
//! | `hessian`, `gauss_newton`, `empirical_fisher` | the three curvatures |
//! | `sample_gradients` | the gradients of all samples in one pass |
//! | `objective` | losses and gradients around a snapshot |
//! | `evaluator` | losses and gradients at changing parameters, for training |
//! | `spread` | the batch over the ranks of an MPI program |
//! | `damping`, `pruning` | λ and sparsification |

mod assembly;
pub mod block;
pub mod checkpoint;
mod chunks;
mod columns;
pub mod damping;
pub mod empirical_fisher;
pub mod evaluator;
pub mod gauss_newton;
pub mod hessian;
mod lanes;
mod mirror;
pub mod network;
pub mod objective;
mod planned;
pub mod prepared;
pub mod pruning;
mod sample_gradients;
mod shared;
pub mod spread;
mod sweep;
#[cfg(test)]
mod tests;

pub use assembly::PairPlan;
pub use block::{Block, BlockTensor, Scope};
pub use checkpoint::Checkpoint;
pub use empirical_fisher::EmpiricalFisher;
pub use evaluator::Evaluator;
pub use gauss_newton::GaussNewton;
pub use hessian::Hessian;
pub use network::Network;
pub use objective::BlockObjective;
pub use prepared::{Kinks, Precision, Prepared};
pub use spread::{Shards, serve};

use crate::error::Result;
use crate::parallel::Threads;
use crate::snapshot::array::Array;
use crate::snapshot::loss::LossSpec;
use crate::snapshot::onnx_graph::OnnxModel;
use crate::snapshot::placing::Binding;
use faer::{Mat, MatMut, MatRef};
use std::sync::Arc;

/// Lowers a graph and evaluates it at one snapshot. For several snapshots of a run keep the [`Network`] and call
/// [`Prepared::new`] for each.
///
/// # Errors
/// See [`Network::new`] and [`Prepared::new`].
pub fn prepare<'t>(
    model: &OnnxModel,
    bindings: &[Binding],
    params: &[(String, Array)],
    batch: &[(String, Array)],
    loss: &LossSpec,
    precision: Precision,
    threads: &'t Threads,
) -> Result<Prepared<'t>> {
    let shapes: Vec<(String, Vec<usize>)> = params.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
    let network = Arc::new(Network::new(model, bindings, &shapes, batch, loss)?);
    Prepared::new(network, params, precision, threads)
}

/// A real symmetric matrix known by its products.
pub trait SymmetricOperator: Sync {
    /// Number of rows.
    fn dim(&self) -> usize;

    /// Y ← A·X for k columns at once; `x` and `y` are `dim × k`.
    ///
    /// # Errors
    /// When a product is not finite.
    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()>;

    /// The whole matrix, exactly symmetric.
    ///
    /// # Errors
    /// When an entry is not finite.
    fn to_dense(&self) -> Result<Mat<f64>>;

    /// F (`dim × r`) with A = F·Fᵀ where the matrix is known to have a rank r below its dimension.
    ///
    /// # Errors
    /// When an entry is not finite.
    fn low_rank(&self) -> Result<Option<Mat<f64>>> {
        Ok(None)
    }
}

/// A loss that can really be evaluated around the snapshot; steps are restricted to the block of the case.
pub trait Objective: Sync {
    /// Number of parameters of the block.
    fn dim(&self) -> usize;

    /// L(θ + step).
    ///
    /// # Errors
    /// When the loss is not finite.
    fn loss_at(&self, step: &[f64]) -> Result<f64>;

    /// L and its gradient over the block at θ + step.
    ///
    /// # Errors
    /// When the loss or the gradient is not finite.
    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)>;
}
