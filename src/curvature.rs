//! Hessian, Gauss-Newton and Fisher operators, whole or by block; damping and pruning.

pub mod damping;
pub mod pruning;

use crate::error::Result;
use faer::{Mat, MatMut, MatRef};

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
