//! Products and columns of a linear map given by programs with tangents: blocks of lanes and chunks of samples over
//! threads.
//!
//! The map is the sum of its pieces (chunks of samples). Lane blocks, pieces and the groups in which pieces are added up
//! have fixed sizes, whatever the number of threads; each piece is evaluated by one thread with sequential kernels and
//! sums run in a fixed order: results have the same bits for any number of threads. Buffers are kept between calls, so
//! that a loop of products allocates nothing.

use super::prepared::finite;
use crate::error::Result;
use crate::graph::execute::{Leaves, Primal, Workspace};
use crate::graph::{NodeId, Op, Program, Schedule};
use crate::parallel::Threads;
use crate::tensor::Real;
use faer::{MatMut, MatRef, Par};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers of one worker should stay within this many elements, so that they live in its caches.
const ELEMENTS: usize = 160 << 10;
/// Sums of pieces that are added up at the end, for few and for many vectors.
const GROUPS: (usize, usize) = (8, 4);

/// A part of a vector: a tangent that is read or an output that is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// The node; `None` for an output that is identically zero.
    pub node: Option<NodeId>,
    /// First element in the vector.
    pub offset: usize,
    /// Number of elements.
    pub size: usize,
}

/// What a piece of a map is made of.
pub(super) struct Source {
    pub program: Program,
    pub leaves: Leaves<f64>,
    pub inputs: Vec<Part>,
    pub outputs: Vec<Part>,
}

/// One term of a map, evaluated at one snapshot.
#[derive(Debug)]
struct Piece<T> {
    schedule: Schedule,
    primal: Primal<T>,
    inputs: Vec<(usize, Part)>,
    outputs: Vec<Part>,
}

/// A linear map evaluated at one snapshot: the sum of its pieces.
#[derive(Debug)]
pub(super) struct Linear<T> {
    pieces: Vec<Piece<T>>,
    lanes: usize,
    pool: Mutex<Vec<Workspace<T>>>,
    sums: Mutex<Vec<f64>>,
}

impl<T: Real> Piece<T> {
    fn new(source: Source, par: Par) -> Self {
        let Source { program, leaves, inputs, outputs } = source;
        let inputs = inputs
            .iter()
            .filter_map(|part| match program.node(part.node?).op {
                Op::Tangent(n) => Some((n, *part)),
                _ => None,
            })
            .collect();
        let wanted: Vec<NodeId> = outputs.iter().filter_map(|o| o.node).collect();
        let schedule = Schedule::new(Arc::new(program), &wanted);
        let mut primal = Primal::<f64>::new(&schedule, leaves);
        primal.run(&schedule, par);
        let primal = primal.rounded();
        Piece { schedule, primal, inputs, outputs }
    }

    /// Hands the outputs of `k` lanes to `write(lane, offset, values)`.
    fn read(&self, ws: &Workspace<T>, k: usize, mut write: impl FnMut(usize, usize, &[T])) -> Result<()> {
        let mut n = 0;
        for part in &self.outputs {
            if part.node.is_none() {
                continue;
            }
            let values = ws.output(&self.schedule, &self.primal, n, k);
            n += 1;
            finite("product with the curvature matrix", values)?;
            for (lane, values) in values.chunks_exact(part.size.max(1)).take(k).enumerate() {
                write(lane, part.offset, values);
            }
        }
        Ok(())
    }
}

impl<T: Real> Linear<T> {
    /// Plans the map and evaluates what does not depend on tangents.
    pub fn new(sources: Vec<Source>, threads: &Threads) -> Self {
        let par = if sources.len() == 1 { threads.faer() } else { Par::Seq };
        let pieces: Vec<Piece<T>> = threads.run(|| sources.into_par_iter().map(|s| Piece::new(s, par)).collect());
        let largest = pieces.iter().map(|p| p.schedule.lane_elements()).max().unwrap_or(0);
        let lanes = (ELEMENTS / largest.max(1)).clamp(4, 64);
        Linear { pieces, lanes, pool: Mutex::default(), sums: Mutex::default() }
    }

    /// Columns that are evaluated together.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Floating-point operations of one product.
    pub fn flops(&self) -> u64 {
        self.pieces.iter().map(|p| p.schedule.lane_flops()).sum()
    }

    fn with_workspace<R>(&self, work: impl FnOnce(&mut Workspace<T>) -> R) -> R {
        let kept = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut ws = kept.unwrap_or_default();
        let result = work(&mut ws);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(ws);
        result
    }

    /// y ← A·x for all columns.
    pub fn apply(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>, threads: &Threads) -> Result<()> {
        let (rows, columns) = (y.nrows(), x.ncols());
        if columns == 0 || rows == 0 {
            return Ok(());
        }
        let groups = if columns <= 4 { GROUPS.0 } else { GROUPS.1 }.min(self.pieces.len()).max(1);
        let mut sums = std::mem::take(&mut *self.sums.lock().unwrap_or_else(PoisonError::into_inner));
        if sums.len() < groups * rows * columns {
            sums.resize(groups * rows * columns, 0.0);
        }
        let group = |(g, sum): (usize, &mut [f64])| -> Result<()> {
            sum.fill(0.0);
            let pieces = &self.pieces[g * self.pieces.len() / groups..(g + 1) * self.pieces.len() / groups];
            self.with_workspace(|ws| {
                for piece in pieces {
                    for first in (0..columns).step_by(self.lanes) {
                        let k = self.lanes.min(columns - first);
                        ws.fit(&piece.schedule, self.lanes.min(columns));
                        for &(slot, part) in &piece.inputs {
                            let tangent = ws.tangent_mut(slot);
                            for (lane, tangent) in tangent.chunks_exact_mut(part.size.max(1)).take(k).enumerate() {
                                let x = x.col(first + lane).subrows(part.offset, part.size);
                                for (t, x) in tangent.iter_mut().zip(x.iter()) {
                                    *t = T::of(*x);
                                }
                            }
                        }
                        ws.run(&piece.schedule, &piece.primal, k, Par::Seq);
                        piece.read(ws, k, |lane, offset, values| {
                            let at = (first + lane) * rows + offset;
                            for (s, v) in sum[at..at + values.len()].iter_mut().zip(values) {
                                *s += v.wide();
                            }
                        })?;
                    }
                }
                Ok(())
            })
        };
        let each = rows * columns;
        let result = threads.run(|| {
            let used = &mut sums[..groups * each];
            used.par_chunks_exact_mut(each).enumerate().map(group).collect::<Result<Vec<()>>>()
        });
        result?;
        for j in 0..columns {
            let (first, rest) = sums.split_at(each);
            let mut column = y.as_mut().col_mut(j);
            for i in 0..rows {
                let at = j * rows + i;
                column[i] = (1..groups).fold(first[at], |sum, g| sum + rest[(g - 1) * each + at]);
            }
        }
        *self.sums.lock().unwrap_or_else(PoisonError::into_inner) = sums;
        Ok(())
    }

    /// One product for each column of `out`, which holds zeros in the rows of the outputs: `fill` writes the tangent
    /// (the only input) of column i; `done` is told the number of columns of each finished block.
    pub fn each<U: Real>(
        &self,
        out: MatMut<'_, U>,
        threads: &Threads,
        fill: &(dyn Fn(usize, &mut [T]) + Sync),
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<()> {
        let lanes = self.lanes;
        let block = |(at, mut out): (usize, MatMut<'_, U>)| -> Result<()> {
            let k = out.ncols();
            self.with_workspace(|ws| {
                for piece in &self.pieces {
                    let Some(&(slot, part)) = piece.inputs.first() else { continue };
                    ws.fit(&piece.schedule, lanes);
                    let tangent = ws.tangent_mut(slot);
                    if tangent.is_empty() {
                        continue;
                    }
                    for (lane, tangent) in tangent.chunks_exact_mut(part.size.max(1)).take(k).enumerate() {
                        fill(at * lanes + lane, tangent);
                    }
                    ws.run(&piece.schedule, &piece.primal, k, Par::Seq);
                    piece.read(ws, k, |lane, offset, values| {
                        let column = out.as_mut().col_mut(lane).subrows_mut(offset, values.len());
                        for (c, v) in column.iter_mut().zip(values) {
                            *c += U::of(v.wide());
                        }
                    })?;
                }
                done(k);
                Ok(())
            })
        };
        threads.run(|| out.par_col_chunks_mut(lanes).enumerate().map(block).collect::<Result<Vec<()>>>()).map(|_| ())
    }
}
