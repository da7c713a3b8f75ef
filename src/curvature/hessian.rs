//! The exact Hessian of the loss over a block: forward over reverse.

use super::SymmetricOperator;
use super::assembly::{Assembly, PairPlan, Tools};
use super::block::Block;
use super::checkpoint::{Checkpoint, Ledger};
use super::columns::{Columns, Desks, Products};
use super::prepared::{Precision, Prepared};
use super::spread::Remote;
use super::sweep::sweep;
use crate::error::{Error, Result};
use crate::tensor::Real;
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// ∂²L/∂θ² over a block.
pub struct Hessian<'p> {
    /// Over the samples of this rank.
    columns: Columns<'p>,
    /// Over all samples, where other ranks hold some: for counting alone.
    whole: Option<Columns<'p>>,
    remote: Option<&'p Remote>,
}

impl<'p> Hessian<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Self {
        let columns = |prepared| Columns::new(prepared, block, Products::Gradients);
        let remote = prepared.remote();
        Hessian { columns: columns(prepared.own()), whole: remote.map(|_| columns(prepared)), remote }
    }

    fn whole(&self) -> &Columns<'p> {
        self.whole.as_ref().unwrap_or(&self.columns)
    }

    /// Floating-point operations of one product with a vector, the primal pass (kept) not counted.
    pub fn product_flops(&self) -> u64 {
        self.whole().flops()
    }

    /// The whole matrix, exactly symmetric; `progress` is told the operations done and the whole work by the plan; an
    /// unfinished matrix is kept where `kept` says.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn to_dense_with(
        &self,
        kept: Option<&Checkpoint<'_>>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Mat<f64>> {
        let n = self.columns.dim();
        let mut h = Mat::<f64>::zeros(n, n);
        match self.columns.prepared().precision() {
            Precision::F64 => self.assemble(h.as_mut(), kept, progress)?,
            Precision::F32 => {
                let mut narrow = vec![0.0f32; n * n];
                let flops = self.assemble(MatMut::from_column_major_slice_mut(&mut narrow, n, n), kept, progress)?;
                self.columns.prepared().threads.run(|| {
                    h.as_mut().par_col_chunks_mut(1).zip(narrow.par_chunks_exact(n.max(1))).for_each(
                        |(wide, narrow)| {
                            wide.col_mut(0).iter_mut().zip(narrow).for_each(|(wide, &v)| *wide = f64::from(v));
                        },
                    );
                });
                flops
            }
        };
        Ok(h)
    }

    /// Writes the whole matrix, exactly symmetric, into `out`, which is column-major and may hold anything: memory that
    /// is kept from one matrix to the next saves the operating system clearing it. `T` is the scalar of the products of
    /// matrices. Beside the output it needs little more than one copy of the activations. Returns
    /// the floating-point operations that were done, zeros that were left out not counted. Over ranks each assembles the
    /// matrix of its samples, and `progress` is that of this one.
    ///
    /// # Errors
    /// When an entry is not finite; when work is to be kept over ranks.
    pub fn assemble<T: Real>(
        &self,
        out: MatMut<'_, T>,
        kept: Option<&Checkpoint<'_>>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<u64> {
        let Some(remote) = self.remote else { return self.assemble_own(out, kept, progress) };
        if kept.is_some() {
            return Err(Error::usage(
                "curvature::checkpoint",
                "--checkpoint",
                "an unfinished matrix is not kept where the batch is spread over ranks",
                "leave --checkpoint out, or start one rank",
            ));
        }
        let (block, threads) = (self.columns.block(), self.columns.prepared().threads);
        remote.assemble(block, threads, out, |out| self.assemble_own(out, None, progress))
    }

    /// The matrix of the samples of this rank.
    fn assemble_own<T: Real>(
        &self,
        mut out: MatMut<'_, T>,
        kept: Option<&Checkpoint<'_>>,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<u64> {
        let (prepared, block) = (self.columns.prepared(), self.columns.block());
        let assembly = planned(&self.columns);
        let tensors = block.tensors.len();
        let seeded = |p: usize, q: usize| !assembly.covers(p, q) && assembly.seeds_at(p, q) == p;
        let rows = |p: usize| (0..tensors).filter(|&q| seeded(p, q)).map(|q| block.tensors[q].size).sum::<usize>();
        let columns: Vec<u64> = match (0..tensors).any(|p| rows(p) > 0) {
            true => (0..tensors).map(|p| self.columns.flops() * rows(p) as u64 / block.len as u64).collect(),
            false => vec![0; tensors],
        };
        let by_columns: u64 = columns.iter().zip(&block.tensors).map(|(flops, t)| flops * t.size as u64).sum();
        let all = assembly.total_flops() + by_columns;
        let spent = AtomicU64::new(0);
        let done = |flops: u64| progress((spent.fetch_add(flops, Ordering::Relaxed) + flops).min(all), all);
        let mut ledger = Ledger::open(kept, out.as_mut());
        let (tools, desks) = (Tools::new(), Desks::new());
        let mut stages = assembly.stages(&prepared.leaves, &tools);
        stages.extend(self.columns.stages(&seeded, &|p| columns[p], &desks));
        sweep(stages, out.as_mut(), prepared.threads, &mut ledger, &done)?;
        self.columns.complete(out, &seeded);
        Ok(tools.spent() + by_columns)
    }

    /// How each pair of tensors will be assembled, with its floating-point operations and bytes.
    pub fn plan(&self) -> Vec<PairPlan> {
        let columns = self.whole();
        let (prepared, tensors) = (columns.prepared(), &columns.block().tensors);
        let assembly = planned(columns);
        let flops = columns.flops() as f64;
        let scalar = if prepared.precision() == Precision::F32 { 4.0 } else { 8.0 };
        let len = columns.block().len as f64;
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

    /// The whole matrix column by column, by this rank alone: the oracle of the structured assembly.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn to_dense_by_columns(&self) -> Result<Mat<f64>> {
        self.whole().to_dense(&|_, _| {})
    }
}

/// The structured assembly of the block, planned once for a network.
fn planned(columns: &Columns<'_>) -> Arc<Assembly> {
    let (network, block) = (columns.prepared().network(), columns.block());
    network.planned.assembly(block, || Assembly::plan(network, block))
}

impl SymmetricOperator for Hessian<'_> {
    fn dim(&self) -> usize {
        self.columns.dim()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        match self.remote {
            // extents that do not fit are refused before anyone is asked
            Some(remote) if x.nrows() == self.dim() && y.nrows() == self.dim() && x.ncols() == y.ncols() => {
                remote.products(self.columns.block(), x, y, |y| self.columns.apply_many(x, y))
            }
            _ => self.columns.apply_many(x, y),
        }
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        self.to_dense_with(None, &|_, _| {})
    }
}
