//! Operators whose products come from tangents of parameters, and their assembly column by column.

mod stage;

pub(super) use self::stage::Desks;
use super::SymmetricOperator;
use super::block::{Block, BlockTensor};
use super::checkpoint::Ledger;
use super::chunks::Chunk;
use super::lanes::{Draft, Linear, Part, Plan, Source};
use super::mirror;
use super::prepared::{Precision, Prepared};
use super::sweep::sweep;
use crate::autodiff::jvp;
use crate::error::{Error, Result};
use crate::graph::execute::Leaves;
use crate::graph::{NodeId, Program};
use crate::tensor::Real;
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Appends the products with the tangents of some parameters: given (parameter, tangent) pairs and the parameters whose
/// rows are wanted, the rows as nodes.
pub(super) type Rows = fn(&Prepared<'_>, &mut Program, &[(NodeId, NodeId)], &[usize]) -> Vec<Option<NodeId>>;

/// The same, bound to a piece of the network.
type RowsOf<'a> = dyn Fn(&mut Program, &[(NodeId, NodeId)], &[usize]) -> Vec<Option<NodeId>> + 'a;

/// What the products are.
#[derive(Clone, Copy)]
pub(super) enum Products {
    /// Tangents of the gradient, summed over chunks of samples.
    Gradients,
    /// Others, of the program of the whole batch.
    Of(Rows),
}

/// A linear map in the scalar of the program.
enum Map {
    F64(Linear<f64>),
    F32(Linear<f32>),
}

/// A symmetric matrix over a block, known by its products with tangents.
pub(super) struct Columns<'p> {
    prepared: &'p Prepared<'p>,
    block: Block,
    products: Products,
    whole: OnceLock<Map>,
    flops: OnceLock<u64>,
}

impl<'p> Columns<'p> {
    pub fn new(prepared: &'p Prepared<'p>, block: &Block, products: Products) -> Self {
        Columns { prepared, block: block.clone(), products, whole: OnceLock::new(), flops: OnceLock::new() }
    }

    pub fn dim(&self) -> usize {
        self.block.len
    }

    pub fn prepared(&self) -> &'p Prepared<'p> {
        self.prepared
    }

    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The pieces of the map from tangents of the tensors `from` to the rows of the tensors `to` (positions in the
    /// block), planned.
    fn plans(&self, from: &[usize], to: &[usize]) -> Vec<Arc<Plan>> {
        let (prepared, block) = (self.prepared, &self.block);
        if let Products::Of(products) = self.products {
            let lowered = &prepared.network.lowered;
            let rows =
                |p: &mut Program, seeds: &[(NodeId, NodeId)], wanted: &[usize]| products(prepared, p, seeds, wanted);
            return Plan::each(vec![draft(block, lowered.program.clone(), &lowered.params, (from, to), &rows)]);
        }
        let own = |chunk: &Chunk| {
            let rows = |p: &mut Program, seeds: &[(NodeId, NodeId)], wanted: &[usize]| {
                let gradients: Vec<Option<NodeId>> = wanted.iter().map(|&i| chunk.gradients[i]).collect();
                let present: Vec<NodeId> = gradients.iter().copied().flatten().collect();
                let mut tangents = jvp(p, seeds, &present).into_iter();
                gradients.iter().map(|g| g.and_then(|_| tangents.next().flatten())).collect()
            };
            draft(block, chunk.program.clone(), &chunk.params, (from, to), &rows)
        };
        let all = || prepared.threads.run(|| Plan::each(prepared.network.chunks().par_iter().map(own).collect()));
        prepared.network.planned.map(block, (from, to), all)
    }

    /// What the pieces that were planned are evaluated at.
    fn sources(&self, plans: Vec<Arc<Plan>>) -> Vec<Source> {
        let prepared = self.prepared;
        let inputs: Vec<_> = match self.products {
            Products::Gradients => prepared.network.chunks().iter().map(|chunk| chunk.inputs.clone()).collect(),
            Products::Of(_) => vec![prepared.leaves.inputs.clone()],
        };
        let leaves = |inputs| Leaves { params: prepared.leaves.params.clone(), inputs };
        plans.into_iter().zip(inputs).map(|(plan, inputs)| Source { plan, leaves: leaves(inputs) }).collect()
    }

    fn whole(&self) -> &Map {
        self.whole.get_or_init(|| {
            let all: Vec<usize> = (0..self.block.tensors.len()).collect();
            let sources = self.sources(self.plans(&all, &all));
            match self.prepared.precision {
                Precision::F64 => Map::F64(Linear::new(sources, self.prepared.threads)),
                Precision::F32 => Map::F32(Linear::new(sources, self.prepared.threads)),
            }
        })
    }

    /// Floating-point operations of one product.
    pub fn flops(&self) -> u64 {
        *self.flops.get_or_init(|| match self.whole.get() {
            Some(Map::F64(map)) => map.flops(),
            Some(Map::F32(map)) => map.flops(),
            None => {
                let all: Vec<usize> = (0..self.block.tensors.len()).collect();
                self.plans(&all, &all).iter().map(|plan| plan.flops()).sum()
            }
        })
    }

    pub fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        let n = self.dim();
        if x.nrows() != n || y.nrows() != n || x.ncols() != y.ncols() {
            return Err(Error::usage(
                "curvature::shape",
                format!("block `{}`", self.block.name),
                format!(
                    "a product of {}×{} into {}×{} with a matrix of {n} rows",
                    x.nrows(),
                    x.ncols(),
                    y.nrows(),
                    y.ncols()
                ),
                "",
            ));
        }
        match self.whole() {
            Map::F64(map) => map.apply(x, y, self.prepared.threads),
            Map::F32(map) => map.apply(x, y, self.prepared.threads),
        }
    }

    /// The whole matrix; see [`Columns::stages`].
    pub fn to_dense(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Mat<f64>> {
        let mut h = Mat::<f64>::zeros(self.dim(), self.dim());
        // between two tensors the columns of the smaller one
        let size = |p: usize| (self.block.tensors[p].size, p);
        let seeded = |p: usize, q: usize| size(q) >= size(p);
        let (spent, total) = (AtomicU64::new(0), (self.dim() as u64).pow(2));
        let mut entries = vec![0u64; self.block.tensors.len()];
        for (p, entries) in entries.iter_mut().enumerate() {
            let rows: usize =
                (0..self.block.tensors.len()).filter(|&q| seeded(p, q)).map(|q| self.block.tensors[q].size).sum();
            *entries = rows as u64;
        }
        let done = |some: u64| progress(spent.fetch_add(some, Ordering::Relaxed) + some, total);
        let mut ledger = Ledger::open(None, h.as_mut());
        let desks = Desks::new();
        let stages = self.stages(&seeded, &|p| entries[p], &desks);
        sweep(stages, h.as_mut(), self.prepared.threads, &mut ledger, &done)?;
        self.complete(h.as_mut(), &seeded);
        Ok(h)
    }

    /// What [`Columns::stages`] wrote, made symmetric: mirror images of the blocks between two tensors, and of the block
    /// of a tensor with itself the symmetric part.
    pub fn complete<U: Real>(&self, mut h: MatMut<'_, U>, seeded: &dyn Fn(usize, usize) -> bool) {
        let tensors = &self.block.tensors;
        let pairs = (0..tensors.len()).flat_map(|p| (0..tensors.len()).map(move |q| (p, q)));
        let pairs: Vec<(usize, usize)> = pairs.filter(|&(p, q)| seeded(p, q)).collect();
        if pairs.is_empty() {
            return;
        }
        self.prepared.threads.run(|| pairs.iter().for_each(|&(p, q)| complete(h.as_mut(), &tensors[p], &tensors[q])));
    }
}

/// One piece of a map: the program with its tangents and the rows that they give.
fn draft(
    block: &Block,
    mut program: Program,
    params: &[NodeId],
    (from, to): (&[usize], &[usize]),
    rows: &RowsOf<'_>,
) -> Draft {
    let tensors = &block.tensors;
    let mut seeds = Vec::new();
    let mut inputs = Vec::new();
    for t in from.iter().map(|&i| &tensors[i]) {
        let tangent = program.tangent(&t.shape);
        seeds.push((params[t.index], tangent));
        inputs.push(Part { node: Some(tangent), offset: t.offset, size: t.size });
    }
    let wanted: Vec<usize> = to.iter().map(|&i| tensors[i].index).collect();
    let rows = rows(&mut program, &seeds, &wanted);
    let outputs =
        to.iter().zip(rows).map(|(&i, node)| Part { node, offset: tensors[i].offset, size: tensors[i].size }).collect();
    Draft { program, inputs, outputs }
}

/// Copies the computed block (rows of q, columns of p) to its mirror image; averages where they are the same.
fn complete<U: Real>(h: MatMut<'_, U>, p: &BlockTensor, q: &BlockTensor) {
    // a cut between the two tensors divides the block from its mirror image
    let cut = p.offset.max(q.offset);
    if p.offset == q.offset {
        mirror::symmetrise(h.submatrix_mut(p.offset, p.offset, p.size, p.size));
        return;
    }
    let (_, above, below, _) = h.split_at_mut(cut, cut);
    if p.offset < q.offset {
        mirror::transpose(
            below.submatrix_mut(0, p.offset, q.size, p.size).as_ref(),
            above.submatrix_mut(p.offset, 0, p.size, q.size),
        );
    } else {
        mirror::transpose(
            above.submatrix_mut(q.offset, 0, q.size, p.size).as_ref(),
            below.submatrix_mut(0, q.offset, p.size, q.size),
        );
    }
}

impl SymmetricOperator for Columns<'_> {
    fn dim(&self) -> usize {
        self.dim()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        self.apply_many(x, y)
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        self.to_dense(&|_, _| {})
    }
}
