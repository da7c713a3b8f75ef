//! A batch spread over ranks: each holds a run of the samples as a network of its own and answers for it.
//!
//! Loss, gradient and Hessian of the batch are the sums of those of its shards (module `chunks`), whatever the
//! reduction: a sample's contribution has the normaliser of the whole batch in it. Rank 0 cuts the network, sends every
//! other rank its shard, and asks; the others read no file ([`serve()`]).

mod question;
mod serve;

#[cfg(test)]
mod tests;

pub use serve::serve;

use super::block::Block;
use super::chunks;
use super::mirror;
use super::network::Network;
use super::prepared::{Kinks, Pass, Precision, finite};
use crate::error::Result;
use crate::graph::wire;
use crate::parallel::Threads;
use crate::parallel::ranks::{Join, Question, Ranks};
use crate::tensor::Real;
use faer::{MatMut, MatRef};
use question::Words;
use std::sync::Arc;

/// Elements of a matrix that are added up together: their copies stay in a core's caches.
const ELEMENTS: usize = 128 << 10;

/// A network whose batch is spread over ranks.
#[derive(Debug, Clone)]
pub struct Shards {
    pub(super) whole: Arc<Network>,
    /// The samples of rank 0.
    pub(super) own: Arc<Network>,
    ranks: Arc<Ranks>,
    count: usize,
    /// Arguments of kinks that every shard has.
    kinks: usize,
}

impl Shards {
    /// Cuts the batch for the ranks of `threads` and sends them their shards. `None` where there is one rank, and where
    /// the network cannot be cut: where samples influence each other (batch statistics), or the graph computes its loss
    /// itself.
    ///
    /// # Errors
    /// When a rank is gone or cannot take its shard.
    pub fn new(network: &Arc<Network>, threads: &Threads) -> Result<Option<Self>> {
        let Some(ranks) = threads.ranks().cloned() else { return Ok(None) };
        let whole = &**network;
        let Some(cut) = chunks::shards(&whole.lowered, &whole.gradients, &whole.inputs, ranks.size()) else {
            return Ok(None);
        };
        let (count, kinks) = (cut.len(), cut.last().map_or(0, |shard| shard.kinks.len()));
        let mut apart = vec![Vec::new(); ranks.size()];
        for (bytes, shard) in apart.iter_mut().zip(&cut).skip(1) {
            *bytes = wire::to_bytes(shard)?;
        }
        let body = Words::Shard { threads: threads.asked(), params: whole.params.clone() }.to_bytes();
        let question = ranks.ask(&body, Join::Sum, 0, &apart)?;
        ranks.answer(question, &mut [])?;
        let own = cut.into_iter().next().map(|shard| Arc::new(Network::part(shard, &whole.params)));
        Ok(own.map(|own| Shards { whole: network.clone(), own, ranks, count, kinks }))
    }

    /// How many ranks hold samples.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Loss, gradient and kinks of the whole batch at `leaves`, the parameters of all ranks.
    pub(super) fn evaluate(
        &self,
        params: &[Vec<f64>],
        precision: Precision,
        own: impl FnOnce() -> Result<Pass>,
    ) -> Result<(Evaluation, Remote)> {
        let remote = Remote(self.ranks.clone());
        let n = self.whole.len();
        let question = remote.ask(&Words::Prepare { precision, params: params.to_vec() }, Join::Sum, n + 3)?;
        let pass = own()?;
        let mut all = vec![pass.loss, pass.total() as f64, pass.zero() as f64];
        all.extend_from_slice(&pass.gradient);
        remote.answer(question, &mut all)?;
        finite("loss", &all[..1])?;
        finite("gradient", &all[3..])?;
        let mut kinks = Kinks { total: all[1] as usize, near: 0, zero: all[2] as usize };
        if kinks.total > 0 {
            let mut tops = pass.tops();
            let shared = self.kinks.min(tops.len());
            let question = remote.ask(&Words::Tops, Join::Max, shared)?;
            remote.answer(question, &mut tops[..shared])?;
            let question = remote.ask(&Words::Near(tops[..shared].to_vec()), Join::Sum, 1)?;
            let mut near = [pass.near(&tops) as f64];
            remote.answer(question, &mut near)?;
            kinks.near = near[0] as usize;
        }
        Ok((Evaluation { loss: all[0], gradient: all.split_off(3), kinks }, remote))
    }
}

/// What one evaluation of a network finds.
pub(super) struct Evaluation {
    pub loss: f64,
    pub gradient: Vec<f64>,
    pub kinks: Kinks,
}

/// The other ranks, at the snapshot that they were told last.
#[derive(Debug, Clone)]
pub(super) struct Remote(Arc<Ranks>);

impl Remote {
    fn ask(&self, words: &Words, join: Join, len: usize) -> Result<Question> {
        self.0.ask(&words.to_bytes(), join, len, &[])
    }

    fn answer(&self, question: Question, mine: &mut [f64]) -> Result<()> {
        self.0.answer(question, mine)
    }

    /// y ← the products of all shards with x; `own` writes those of rank 0.
    pub fn products(
        &self,
        block: &Block,
        x: MatRef<'_, f64>,
        mut y: MatMut<'_, f64>,
        own: impl FnOnce(MatMut<'_, f64>) -> Result<()>,
    ) -> Result<()> {
        let vectors: Vec<f64> = x.col_iter().flat_map(|column| column.iter().copied().collect::<Vec<f64>>()).collect();
        let len = y.nrows() * y.ncols();
        let question = self.ask(&Words::Products { block: tensors(block), vectors }, Join::Sum, len)?;
        own(y.as_mut())?;
        let mut all: Vec<f64> = y.as_ref().col_iter().flat_map(|c| c.iter().copied().collect::<Vec<f64>>()).collect();
        self.answer(question, &mut all)?;
        for (column, all) in y.col_iter_mut().zip(all.chunks_exact(x.nrows().max(1))) {
            column.iter_mut().zip(all).for_each(|(y, v)| *y = *v);
        }
        finite("product with the curvature matrix", &all)
    }

    /// Loss of the whole batch at a step over a block, and its gradient if asked for; `own` are those of rank 0.
    pub fn at(
        &self,
        block: &Block,
        step: &[f64],
        gradient: bool,
        own: impl FnOnce() -> Result<Vec<f64>>,
    ) -> Result<(f64, Vec<f64>)> {
        let len = if gradient { 1 + block.len } else { 1 };
        let words = Words::At { block: tensors(block), gradient, step: step.to_vec() };
        let question = self.ask(&words, Join::Sum, len)?;
        let mut all = own()?;
        self.answer(question, &mut all)?;
        finite("loss at a step", &all[..1])?;
        finite("gradient at a step", &all[1..])?;
        Ok((all[0], all.split_off(1)))
    }

    /// Writes the sum of the matrices of all shards into `out`; `own` writes that of rank 0. Returns the operations of
    /// all ranks.
    pub fn assemble<T: Real>(
        &self,
        block: &Block,
        threads: &Threads,
        mut out: MatMut<'_, T>,
        own: impl FnOnce(MatMut<'_, T>) -> Result<u64>,
    ) -> Result<u64> {
        let question = self.ask(&Words::Assemble { block: tensors(block) }, Join::Sum, 1)?;
        let mut flops = [own(out.as_mut())? as f64];
        self.answer(question, &mut flops)?;
        let n = out.nrows();
        let mut from = 0;
        while from < n {
            let count = columns(n, from);
            let question = self.ask(&Words::Columns { from, count }, Join::Sum, (n - from) * count)?;
            let mut all = vec![0.0; (n - from) * count];
            read(out.as_ref(), from, count, &mut all, threads);
            self.answer(question, &mut all)?;
            finite("sum of curvature matrices", &all)?;
            write(out.as_mut(), from, count, &all, threads);
            from += count;
        }
        // buffers and matrices of the other ranks are not needed any more
        let question = self.ask(&Words::Release, Join::Sum, 0)?;
        self.answer(question, &mut [])?;
        Ok(flops[0] as u64)
    }
}

/// Positions of the block's tensors among the parameters.
fn tensors(block: &Block) -> Vec<usize> {
    block.tensors.iter().map(|t| t.index).collect()
}

/// How many columns from `from` on are added up together.
fn columns(n: usize, from: usize) -> usize {
    (ELEMENTS / (n - from)).clamp(1, n - from)
}

/// The rows from `from` on of `count` columns from `from` on, one column after the other.
fn read<T: Real>(matrix: MatRef<'_, T>, from: usize, count: usize, to: &mut [f64], threads: &Threads) {
    use rayon::prelude::*;
    let rows = matrix.nrows() - from;
    threads.run(|| {
        to.par_chunks_exact_mut(rows).enumerate().take(count).for_each(|(j, to)| {
            let column = matrix.col(from + j).subrows(from, rows);
            to.iter_mut().zip(column.iter()).for_each(|(to, x)| *to = x.wide());
        });
    });
}

/// The inverse of [`read`], and the same columns as rows: the matrix is symmetric.
fn write<T: Real>(mut matrix: MatMut<'_, T>, from: usize, count: usize, values: &[f64], threads: &Threads) {
    use rayon::prelude::*;
    let rows = matrix.nrows() - from;
    threads.run(|| {
        let columns = matrix.as_mut().submatrix_mut(from, from, rows, count);
        columns.par_col_chunks_mut(1).zip(values.par_chunks_exact(rows)).for_each(|(mut column, values)| {
            column.as_mut().col_mut(0).iter_mut().zip(values).for_each(|(to, &x)| *to = T::of(x));
        });
        let (_, right, below, _) = matrix.as_mut().submatrix_mut(from, from, rows, rows).split_at_mut(count, count);
        mirror::transpose(below.as_ref(), right);
    });
}
