//! The exact Hessian of the loss over a block: forward over reverse.

use super::SymmetricOperator;
use super::block::Block;
use super::columns::Columns;
use super::prepared::Prepared;
use crate::autodiff::jvp;
use crate::error::Result;
use crate::graph::{NodeId, Program};
use faer::{Mat, MatMut, MatRef};

/// ∂²L/∂θ² over a block.
pub struct Hessian<'p> {
    columns: Columns<'p>,
}

impl<'p> Hessian<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Self {
        Hessian { columns: Columns::new(prepared, block, products) }
    }

    /// Floating-point operations of one product with a vector, the primal pass (kept) not counted.
    pub fn product_flops(&self) -> u64 {
        self.columns.flops()
    }

    /// The whole matrix, exactly symmetric; `progress` is told the work done and the whole work.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn to_dense_with(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Mat<f64>> {
        self.columns.to_dense(progress)
    }
}

/// Rows of H·v: tangents of the gradient.
fn products(
    prepared: &Prepared<'_>,
    program: &mut Program,
    seeds: &[(NodeId, NodeId)],
    rows: &[usize],
) -> Vec<Option<NodeId>> {
    let gradients: Vec<Option<NodeId>> = rows.iter().map(|&i| prepared.network.gradients[i]).collect();
    let present: Vec<NodeId> = gradients.iter().copied().flatten().collect();
    let mut tangents = jvp(program, seeds, &present).into_iter();
    gradients.iter().map(|g| if g.is_some() { tangents.next().flatten() } else { None }).collect()
}

impl SymmetricOperator for Hessian<'_> {
    fn dim(&self) -> usize {
        self.columns.dim()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        self.columns.apply_many(x, y)
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        self.to_dense_with(&|_, _| {})
    }
}
