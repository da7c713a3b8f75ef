//! Columns of a map: a block of lanes at a time, each block by one thread.

use super::{Linear, Plan, clear, lanes_for, lanes_of, lock};
use crate::curvature::prepared::finite;
use crate::curvature::sweep::Pool;
use crate::error::Result;
use crate::graph::tangents::{Buffers, Seeds};
use crate::parallel::Threads;
use crate::tensor::Real;
use crate::tensor::lines::Lines;
use faer::MatMut;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Buffers of a thread, for any map.
#[derive(Debug, Default)]
pub(in crate::curvature) struct Desk<T> {
    buffers: Buffers<T>,
    sums: Vec<Lines<T>>,
    tangents: Vec<Vec<T>>,
}

impl Plan {
    /// Cuts columns into the blocks that a map of these pieces, with scalars of so many bytes, evaluates together.
    pub fn blocks(plans: &[Arc<Plan>], columns: usize, bytes: usize) -> Vec<Range<usize>> {
        cut(columns, lanes_of(plans.iter().map(|plan| &*plan.schedule), bytes), bytes)
    }
}

/// Blocks of columns, at most `most` in each.
fn cut(columns: usize, most: usize, bytes: usize) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < columns {
        let end = columns.min(first + lanes_for(columns - first, most, bytes));
        blocks.push(first..end);
        first = end;
    }
    blocks
}

impl<T: Real> Linear<T> {
    /// The products with the tangents of one of the [blocks](Plan::blocks): `fill` writes the tangent (the only input) of a column,
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
        // the last block may be partly empty
        let lanes = if k == 1 { 1 } else { lanes_for(k, self.lanes, size_of::<T>()) };
        assert!(k <= lanes, "{k} columns are no block of `Plan::blocks`");
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
                seeds.set(slot, input.size, |l, elements, to| {
                    if l < k {
                        to.copy_from_slice(&tangents[l][elements]);
                    }
                    l < k
                });
            }
            clear(sums, &self.outputs, lanes);
            for piece in self.pieces.iter() {
                buffers.run(&piece.evaluated, &seeds, sums, &piece.plan.wanted);
            }
            for (output, sums) in sums.iter().enumerate() {
                finite("product with the curvature matrix", sums.all())?;
                write(output, sums.all(), lanes);
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
        let block = |(columns, mut out): (Range<usize>, MatMut<'_, U>)| {
            let k = columns.len();
            self.block(columns, &desks, fill, |output, sums, lanes| {
                let part = self.outputs[output];
                for l in 0..k {
                    let column = out.as_mut().col_mut(l).subrows_mut(part.offset, part.size);
                    for (c, v) in column.iter_mut().zip(sums.iter().skip(l).step_by(lanes)) {
                        *c = U::of(v.wide());
                    }
                }
            })
        };
        let mut blocks = Vec::new();
        let mut rest = out;
        for columns in cut(rest.ncols(), self.lanes, size_of::<T>()) {
            let (own, others) = rest.split_at_col_mut(columns.len());
            blocks.push((columns, own));
            rest = others;
        }
        threads.run(|| blocks.into_par_iter().try_for_each(block))
    }

    fn seeds(&self) -> Seeds<T> {
        let mut seeds = Seeds::new();
        self.pieces.iter().for_each(|p| seeds.include(p.schedule()));
        seeds
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_fills_less_than_half_a_block_goes_one_by_one() {
        let lengths = |columns, most, bytes| cut(columns, most, bytes).iter().map(|b| b.len()).collect::<Vec<_>>();
        assert_eq!(lengths(36, 32, 4), [32, 1, 1, 1, 1]);
        assert_eq!(lengths(41, 32, 4), [32, 9]);
        assert_eq!(lengths(24, 32, 4), [16, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(lengths(25, 32, 4), [25]);
        assert_eq!(lengths(25, 16, 4), [16, 9]);
        assert_eq!(lengths(14, 16, 8), [14]);
        assert_eq!(lengths(12, 16, 8), [8, 1, 1, 1, 1]);
        assert_eq!(lengths(0, 16, 8), [0; 0]);
        for (columns, most) in [(100, 32), (77, 16)] {
            let blocks = cut(columns, most, 4);
            assert!(blocks.windows(2).all(|b| b[0].end == b[1].start));
            assert_eq!((blocks[0].start, blocks.last().unwrap().end), (0, columns));
        }
    }
}
