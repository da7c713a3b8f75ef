//! Columns of a map: a block of lanes at a time, each block by one thread.

use super::{Linear, Plan, clear, lanes_for, lanes_of, lock};
use crate::curvature::prepared::finite;
use crate::curvature::sweep::Pool;
use crate::error::Result;
use crate::graph::tangents::{Buffers, Seeds};
use crate::parallel::Threads;
use crate::tensor::Real;
use faer::MatMut;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Buffers of a thread, for any map.
#[derive(Debug, Default)]
pub(in crate::curvature) struct Desk<T> {
    buffers: Buffers<T>,
    sums: Vec<Vec<T>>,
    tangents: Vec<Vec<T>>,
}

impl Plan {
    /// Columns that are evaluated together by a map of these pieces with scalars of so many bytes.
    pub fn lanes(plans: &[Arc<Plan>], bytes: usize) -> usize {
        lanes_of(plans.iter().map(|plan| &*plan.schedule), bytes)
    }
}

impl<T: Real> Linear<T> {
    /// The products with some tangents, at most [`Plan::lanes`]: `fill` writes the tangent (the only input) of a column,
    /// `write` is given the number of each output and its elements, those of all columns (and perhaps more) side by side,
    /// and how many that are.
    ///
    /// # Errors
    /// When an element is not finite.
    pub fn block(
        &self,
        columns: Range<usize>,
        desks: &Pool<Desk<T>>,
        fill: &dyn Fn(usize, &mut [T]),
        mut write: impl FnMut(usize, &[T], usize),
    ) -> Result<()> {
        let k = columns.len();
        // the last block may be mostly empty
        let lanes = lanes_for(k, self.lanes);
        let kept = lock(&self.seeds).pop();
        let mut seeds = kept.unwrap_or_else(|| self.seeds());
        let result = desks.with(|Desk { buffers, sums, tangents }| {
            seeds.set_lanes(lanes);
            if let Some(&(slot, input)) = self.pieces.first().and_then(|p| p.plan.inputs.first()) {
                tangents.resize_with(lanes.max(tangents.len()), Vec::new);
                for (column, tangent) in columns.zip(&mut *tangents) {
                    tangent.resize(input.size, T::ZERO);
                    fill(column, tangent);
                }
                seeds.set(slot, input.size, |l| (l < k).then(|| tangents[l].iter().copied()));
            }
            clear(sums, &self.outputs, lanes);
            for piece in self.pieces.iter() {
                buffers.run(&piece.evaluated, &seeds, sums, &piece.plan.wanted);
            }
            for (output, sums) in sums.iter().enumerate() {
                finite("product with the curvature matrix", sums)?;
                write(output, sums, lanes);
            }
            Ok(())
        });
        lock(&self.seeds).push(seeds);
        result
    }

    /// One product for each column of `out`, of which the rows of the outputs are written: `fill` writes the tangent
    /// (the only input) of column i.
    ///
    /// # Errors
    /// When an element is not finite.
    pub fn each<U: Real>(
        &self,
        out: MatMut<'_, U>,
        threads: &Threads,
        fill: &(dyn Fn(usize, &mut [T]) + Sync),
    ) -> Result<()> {
        let desks = Pool::new();
        let block = |(at, mut out): (usize, MatMut<'_, U>)| {
            let (first, k) = (at * self.lanes, out.ncols());
            self.block(first..first + k, &desks, fill, |output, sums, lanes| {
                let part = self.outputs[output];
                for l in 0..k {
                    let column = out.as_mut().col_mut(l).subrows_mut(part.offset, part.size);
                    for (c, v) in column.iter_mut().zip(sums.iter().skip(l).step_by(lanes)) {
                        *c = U::of(v.wide());
                    }
                }
            })
        };
        threads.run(|| out.par_col_chunks_mut(self.lanes).enumerate().try_for_each(block))
    }

    fn seeds(&self) -> Seeds<T> {
        let mut seeds = Seeds::new();
        self.pieces.iter().for_each(|p| seeds.include(p.schedule()));
        seeds
    }
}
