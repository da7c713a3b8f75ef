//! Products and columns of a linear map given by a program with tangents: blocks of lanes over threads.
//!
//! The lane blocks have a fixed size, whatever the number of threads, and each is evaluated by one thread with
//! sequential kernels: results have the same bits for any number of threads.

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
const ELEMENTS: usize = 1 << 20;

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

/// A linear map evaluated at one snapshot.
#[derive(Debug)]
pub(super) struct Linear<T> {
    schedule: Schedule,
    primal: Primal<T>,
    inputs: Vec<(usize, Part)>,
    outputs: Vec<Part>,
    lanes: usize,
    pool: Mutex<Vec<Workspace<T>>>,
}

impl<T: Real> Linear<T> {
    /// Plans the map from the tangents `inputs` to `outputs` and evaluates what does not depend on tangents.
    pub fn new(program: Program, leaves: &Leaves<f64>, inputs: &[Part], outputs: Vec<Part>, threads: &Threads) -> Self {
        let slots = inputs
            .iter()
            .filter_map(|part| match program.node(part.node?).op {
                Op::Tangent(n) => Some((n, *part)),
                _ => None,
            })
            .collect();
        let wanted: Vec<NodeId> = outputs.iter().filter_map(|o| o.node).collect();
        let schedule = Schedule::new(Arc::new(program), &wanted);
        let mut primal = Primal::<f64>::new(&schedule, leaves.clone());
        threads.run(|| primal.run(&schedule, threads.faer()));
        let primal = primal.rounded();
        let lanes = (ELEMENTS / schedule.lane_elements().max(1)).clamp(4, 64);
        Linear { schedule, primal, inputs: slots, outputs, lanes, pool: Mutex::default() }
    }

    /// Floating-point operations of one product.
    pub fn flops(&self) -> u64 {
        self.schedule.lane_flops()
    }

    fn with_workspace<R>(&self, lanes: usize, work: impl FnOnce(&mut Workspace<T>) -> R) -> R {
        let kept = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut ws = match kept {
            Some(ws) if ws.lanes() >= lanes => ws,
            _ => Workspace::new(&self.schedule, lanes),
        };
        let result = work(&mut ws);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(ws);
        result
    }

    /// y ← A·x for all columns.
    pub fn apply(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>, threads: &Threads) -> Result<()> {
        let columns = x.ncols();
        if columns == 0 {
            return Ok(());
        }
        let lanes = self.lanes.min(columns);
        let alone = columns <= lanes;
        let block = |(at, mut y): (usize, MatMut<'_, f64>)| -> Result<()> {
            let k = y.ncols();
            self.with_workspace(lanes, |ws| {
                for &(slot, part) in &self.inputs {
                    let tangent = ws.tangent_mut(slot);
                    if tangent.is_empty() {
                        continue;
                    }
                    for (lane, tangent) in tangent.chunks_exact_mut(part.size.max(1)).take(k).enumerate() {
                        let x = x.col(at * lanes + lane).subrows(part.offset, part.size);
                        for (i, t) in tangent.iter_mut().enumerate() {
                            *t = T::of(x[i]);
                        }
                    }
                }
                let par = if alone { threads.faer() } else { Par::Seq };
                ws.run(&self.schedule, &self.primal, k, par);
                self.read(ws, k, |lane, offset, values| {
                    let mut y = y.as_mut().col_mut(lane);
                    for (i, v) in values.iter().enumerate() {
                        y[offset + i] = v.wide();
                    }
                })
            })
        };
        y.fill(0.0);
        if alone {
            return threads.run(|| block((0, y)));
        }
        threads.run(|| y.par_col_chunks_mut(lanes).enumerate().map(block).collect::<Result<Vec<()>>>()).map(|_| ())
    }

    /// One product for each column of `out`: `fill` writes the tangent (the only input) of column i; `done` is told the
    /// number of columns of each finished block.
    pub fn each<U: Real>(
        &self,
        out: MatMut<'_, U>,
        threads: &Threads,
        fill: &(dyn Fn(usize, &mut [T]) + Sync),
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<()> {
        let Some(&(slot, part)) = self.inputs.first() else { return Ok(()) };
        let lanes = self.lanes;
        let block = |(at, mut out): (usize, MatMut<'_, U>)| -> Result<()> {
            let k = out.ncols();
            self.with_workspace(lanes, |ws| {
                let tangent = ws.tangent_mut(slot);
                if tangent.is_empty() {
                    done(k);
                    return Ok(());
                }
                for (lane, tangent) in tangent.chunks_exact_mut(part.size.max(1)).take(k).enumerate() {
                    fill(at * lanes + lane, tangent);
                }
                ws.run(&self.schedule, &self.primal, k, Par::Seq);
                self.read(ws, k, |lane, offset, values| {
                    let mut column = out.as_mut().col_mut(lane);
                    for (i, v) in values.iter().enumerate() {
                        column[offset + i] = U::of(v.wide());
                    }
                })?;
                done(k);
                Ok(())
            })
        };
        threads.run(|| out.par_col_chunks_mut(lanes).enumerate().map(block).collect::<Result<Vec<()>>>()).map(|_| ())
    }

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
