//! What every rank but the first does: it answers for its shard until the program ends.

use super::question::{Words, unexpected};
use super::{columns, read};
use crate::curvature::block::Block;
use crate::curvature::hessian::Hessian;
use crate::curvature::network::Network;
use crate::curvature::objective::BlockObjective;
use crate::curvature::prepared::{Pass, Precision, Prepared};
use crate::curvature::{Objective, SymmetricOperator};
use crate::error::Result;
use crate::graph::wire;
use crate::parallel::Threads;
use crate::parallel::ranks::{Asked, Ranks};
use faer::{Mat, MatMut, MatRef};
use std::sync::Arc;

/// Answers the questions of rank 0 until it ends the program; returns at once on rank 0.
///
/// # Errors
/// When a rank is gone or a message is damaged; what goes wrong in the work itself is an answer.
pub fn serve(ranks: &Ranks) -> Result<()> {
    let mut next = ranks.next()?;
    while let Some(asked) = next {
        next = match Words::from_bytes(&asked.body)? {
            Words::Shard { threads, params } => {
                let bytes = ranks.own()?;
                let taken = || {
                    let network = match bytes.is_empty() {
                        true => None,
                        false => Some(Arc::new(Network::part(wire::from_bytes(&bytes)?, &params))),
                    };
                    Ok((network, Threads::new(threads)?))
                };
                match taken() {
                    Err(e) => refuse(ranks, &asked, e)?,
                    Ok((network, threads)) => {
                        ranks.reply(&asked, Ok(Vec::new()))?;
                        drop(bytes);
                        match network {
                            None => idle(ranks)?,
                            Some(network) => with_network(ranks, &network, &threads)?,
                        }
                    }
                }
            }
            _ => refuse(ranks, &asked, unexpected("comes before a shard"))?,
        };
    }
    Ok(())
}

/// Answers with a failure; the next question.
fn refuse(ranks: &Ranks, asked: &Asked, e: crate::error::Error) -> Result<Option<Asked>> {
    ranks.reply(asked, Err(e))?;
    ranks.next()
}

/// Without samples: adds nothing until another network comes.
fn idle(ranks: &Ranks) -> Result<Option<Asked>> {
    while let Some(asked) = ranks.next()? {
        if matches!(Words::from_bytes(&asked.body)?, Words::Shard { .. }) {
            return Ok(Some(asked));
        }
        ranks.reply(&asked, Ok(Vec::new()))?;
    }
    Ok(None)
}

/// Holds a network; the first question that is not about it.
fn with_network(ranks: &Ranks, network: &Arc<Network>, threads: &Threads) -> Result<Option<Asked>> {
    let mut next = ranks.next()?;
    while let Some(asked) = next {
        next = match Words::from_bytes(&asked.body)? {
            Words::Shard { .. } => return Ok(Some(asked)),
            Words::Prepare { precision, params } => match Prepared::part(network.clone(), params, precision, threads) {
                Err(e) => refuse(ranks, &asked, e)?,
                Ok((prepared, pass)) => {
                    let mut all = vec![pass.loss, pass.total() as f64, pass.zero() as f64];
                    all.extend_from_slice(&pass.gradient);
                    ranks.reply(&asked, Ok(all))?;
                    At { prepared: &prepared, threads, pass: Some(pass), hessian: None, objective: None, matrix: None }
                        .answer(ranks)?
                }
            },
            _ => refuse(ranks, &asked, unexpected("comes before a snapshot"))?,
        };
    }
    Ok(None)
}

/// A block by the positions of its tensors, and what was made for it.
type Made<T> = Option<(Vec<usize>, T)>;

/// The shard at a snapshot; only what belongs to the last block is kept.
struct At<'p> {
    prepared: &'p Prepared<'p>,
    threads: &'p Threads,
    pass: Option<Pass>,
    hessian: Made<Hessian<'p>>,
    objective: Made<BlockObjective<'p>>,
    matrix: Option<Matrix>,
}

/// An assembled matrix in the scalar of the products.
enum Matrix {
    F64(Mat<f64>),
    F32(Vec<f32>, usize),
}

impl<'p> At<'p> {
    /// Answers; the first question that is about another snapshot or network.
    fn answer(mut self, ranks: &Ranks) -> Result<Option<Asked>> {
        while let Some(asked) = ranks.next()? {
            let words = Words::from_bytes(&asked.body)?;
            if matches!(words, Words::Shard { .. } | Words::Prepare { .. }) {
                return Ok(Some(asked));
            }
            let mine = self.one(words, asked.len);
            ranks.reply(&asked, mine)?;
        }
        Ok(None)
    }

    fn one(&mut self, words: Words, len: usize) -> Result<Vec<f64>> {
        match words {
            Words::Shard { .. } | Words::Prepare { .. } => Err(unexpected("is about another snapshot")),
            Words::Tops => {
                let mut tops = self.pass.as_ref().map_or(Vec::new(), Pass::tops);
                tops.resize(len, 0.0);
                Ok(tops)
            }
            Words::Near(tops) => Ok(vec![self.pass.take().map_or(0.0, |pass| pass.near(&tops) as f64)]),
            Words::Products { block, vectors } => {
                let hessian = self.hessian(block)?;
                let n = hessian.dim();
                let mut all = vec![0.0; vectors.len()];
                if let Some(k) = vectors.len().checked_div(n) {
                    let x = MatRef::from_column_major_slice(&vectors[..n * k], n, k);
                    hessian.apply_many(x, MatMut::from_column_major_slice_mut(&mut all[..n * k], n, k))?;
                }
                Ok(all)
            }
            Words::At { block, gradient, step } => {
                let objective = self.objective(block)?;
                if !gradient {
                    return objective.loss_at(&step).map(|loss| vec![loss]);
                }
                let (loss, mut gradient) = objective.gradient_at(&step)?;
                gradient.insert(0, loss);
                Ok(gradient)
            }
            Words::Assemble { block } => {
                self.matrix = None;
                let precision = self.prepared.precision();
                let hessian = self.hessian(block)?;
                let n = hessian.dim();
                let (matrix, flops) = match precision {
                    Precision::F64 => {
                        let mut h = Mat::<f64>::zeros(n, n);
                        let flops = hessian.assemble(h.as_mut(), None, &|_, _| {})?;
                        (Matrix::F64(h), flops)
                    }
                    Precision::F32 => {
                        let mut h = vec![0.0f32; n * n];
                        let out = MatMut::from_column_major_slice_mut(&mut h, n, n);
                        let flops = hessian.assemble(out, None, &|_, _| {})?;
                        (Matrix::F32(h, n), flops)
                    }
                };
                self.matrix = Some(matrix);
                Ok(vec![flops as f64])
            }
            Words::Columns { from, count } => {
                let n = match &self.matrix {
                    None => return Err(unexpected("comes before a matrix")),
                    Some(Matrix::F64(h)) => h.nrows(),
                    Some(Matrix::F32(_, n)) => *n,
                };
                if from >= n || count != columns(n, from) {
                    return Err(unexpected("is about another matrix"));
                }
                let mut all = vec![0.0; (n - from) * count];
                match &self.matrix {
                    Some(Matrix::F64(h)) => read(h.as_ref(), from, count, &mut all, self.threads),
                    Some(Matrix::F32(h, n)) => {
                        read(MatRef::from_column_major_slice(h, *n, *n), from, count, &mut all, self.threads);
                    }
                    None => {}
                }
                Ok(all)
            }
            Words::Release => {
                self.matrix = None;
                Ok(Vec::new())
            }
        }
    }

    fn block(&self, tensors: &[usize]) -> Result<Block> {
        let params = self.prepared.network().params();
        if tensors.iter().any(|&t| t >= params.len()) {
            return Err(unexpected("is about another network"));
        }
        Ok(Block::of(params, tensors))
    }

    fn hessian(&mut self, tensors: Vec<usize>) -> Result<&Hessian<'p>> {
        if self.hessian.as_ref().is_none_or(|(of, _)| *of != tensors) {
            let block = self.block(&tensors)?;
            self.hessian = None;
            self.hessian = Some((tensors, self.prepared.hessian(&block)));
        }
        self.hessian.as_ref().map(|(_, made)| made).ok_or_else(|| unexpected("has no block"))
    }

    fn objective(&mut self, tensors: Vec<usize>) -> Result<&BlockObjective<'p>> {
        if self.objective.as_ref().is_none_or(|(of, _)| *of != tensors) {
            let block = self.block(&tensors)?;
            self.objective = None;
            self.objective = Some((tensors, self.prepared.objective(&block)));
        }
        self.objective.as_ref().map(|(_, made)| made).ok_or_else(|| unexpected("has no block"))
    }
}
