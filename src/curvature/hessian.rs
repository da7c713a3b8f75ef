//! The exact Hessian of the loss over a block: forward over reverse.

use super::SymmetricOperator;
use super::assembly::{Assembly, PairPlan};
use super::block::Block;
use super::columns::{Columns, Products};
use super::prepared::{Precision, Prepared};
use crate::error::Result;
use crate::tensor::Real;
use faer::{Mat, MatMut, MatRef};
use std::sync::atomic::{AtomicU64, Ordering};

/// ∂²L/∂θ² over a block.
pub struct Hessian<'p> {
    columns: Columns<'p>,
}

impl<'p> Hessian<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Self {
        Hessian { columns: Columns::new(prepared, block, Products::Gradients) }
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
        let n = self.columns.dim();
        let mut h = Mat::<f64>::zeros(n, n);
        match self.columns.prepared().precision() {
            Precision::F64 => self.assemble(h.as_mut(), progress)?,
            Precision::F32 => {
                let mut narrow = vec![0.0f32; n * n];
                self.assemble(MatMut::from_column_major_slice_mut(&mut narrow, n, n), progress)?;
                for (j, column) in narrow.chunks_exact(n.max(1)).enumerate() {
                    for (i, &v) in column.iter().enumerate() {
                        h[(i, j)] = f64::from(v);
                    }
                }
            }
        }
        Ok(h)
    }

    /// Writes the whole matrix, exactly symmetric, into `out`, which is column-major and holds zeros; `T` is the scalar
    /// of the products of matrices. Beside the output it needs little more than one copy of the activations.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn assemble<T: Real>(&self, mut out: MatMut<'_, T>, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
        let (prepared, block) = (self.columns.prepared(), self.columns.block());
        let assembly = Assembly::plan(prepared, block);
        let all = (block.len as u64).pow(2);
        let spent = AtomicU64::new(0);
        let done = |entries: u64| progress(spent.fetch_add(entries, Ordering::Relaxed) + entries, all);
        assembly.run(&prepared.leaves, out.as_mut(), prepared.threads, &done)?;
        let base = spent.load(Ordering::Relaxed);
        let seeded = |p: usize, q: usize| !assembly.covers(p, q) && assembly.seeds_at(p, q) == p;
        self.columns.fill(out, &seeded, &|some, total| {
            let rest = all.saturating_sub(base) as f64 * some as f64 / (total as f64).max(1.0);
            progress(base + rest as u64, all);
        })
    }

    /// How each pair of tensors will be assembled, with its floating-point operations and bytes.
    pub fn plan(&self) -> Vec<PairPlan> {
        let (prepared, tensors) = (self.columns.prepared(), &self.columns.block().tensors);
        let assembly = Assembly::plan(prepared, self.columns.block());
        let flops = self.columns.flops() as f64;
        let scalar = if prepared.precision() == Precision::F32 { 4.0 } else { 8.0 };
        let len = self.columns.block().len as f64;
        let mut pairs = Vec::new();
        for p in 0..tensors.len() {
            for q in p..tensors.len() {
                let (p, q) = if assembly.order(p) <= assembly.order(q) { (p, q) } else { (q, p) };
                let both = tensors[p].size as f64 * tensors[q].size as f64;
                let bytes = scalar * if p == q { both } else { 2.0 * both };
                let names = |p: usize, q: usize| (tensors[p].name.clone(), tensors[q].name.clone());
                pairs.push(if assembly.covers(p, q) {
                    PairPlan {
                        tensors: names(p, q),
                        route: "outputs",
                        flops: assembly.flops(p, q),
                        bytes,
                        why: "weights used once in products, fewer positions per sample than inputs",
                    }
                } else {
                    let at = assembly.seeds_at(p, q);
                    let to = if at == p { q } else { p };
                    PairPlan {
                        tensors: names(at, to),
                        route: "columns",
                        flops: flops * tensors[at].size as f64 * tensors[to].size as f64 / len,
                        bytes,
                        why: assembly.why(at),
                    }
                });
            }
        }
        pairs
    }

    /// The whole matrix column by column: the oracle of the structured assembly.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn to_dense_by_columns(&self) -> Result<Mat<f64>> {
        self.columns.to_dense(&|_, _| {})
    }
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
