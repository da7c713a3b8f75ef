//! Tangents of the leaves, as the lane passes read them.

use crate::graph::schedule::{Operand, Place, Schedule, Work};
use crate::tensor::lines::Lines;
use crate::tensor::{Real, layout};
use std::ops::Range;

/// Most lanes of a block.
pub const MOST: usize = 32;
/// Elements of all lanes that are interleaved together.
const TILE: usize = 64;

/// How products of matrices read a tangent as their right operand.
#[derive(Debug, Clone, Copy, Default)]
struct Turned {
    /// Extents as stored.
    extents: (usize, usize),
    /// Whether one lane, and whether several, are read with the axes exchanged.
    one: bool,
    many: bool,
}

impl Turned {
    fn kept(self, lanes: usize) -> bool {
        if lanes == 1 { self.one } else { self.many }
    }
}

/// Tangents of the leaves, lanes innermost, for all programs that read the same leaves.
#[derive(Debug, Default)]
pub struct Seeds<T> {
    pub(super) lanes: usize,
    pub(super) plain: Vec<Lines<T>>,
    /// Those that products of matrices read so, with their two axes exchanged.
    turned: Vec<Lines<T>>,
    reads: Vec<Turned>,
}

impl<T: Real> Seeds<T> {
    /// No tangents yet.
    pub fn new() -> Self {
        Seeds { lanes: 1, plain: Vec::new(), turned: Vec::new(), reads: Vec::new() }
    }

    /// Makes room for the tangents that a schedule reads.
    pub fn include(&mut self, schedule: &Schedule) {
        let count = self.plain.len().max(schedule.order.tangent_sizes.len());
        self.plain.resize_with(count, Lines::new);
        self.turned.resize_with(count, Lines::new);
        self.reads.resize_with(count, Turned::default);
        for step in &schedule.order.lanes {
            let Work::MatMul { gemm: g, batch_b: 1, .. } = &step.work else { continue };
            let Some(Operand { place: Place::Tangent(n), .. }) = step.args[1] else { continue };
            let read = &mut self.reads[n];
            read.extents = if g.tb { (g.n, g.k) } else { (g.k, g.n) };
            // one lane wants the columns of the product side by side, several the lanes of a column
            read.one |= g.tb;
            read.many |= !g.tb;
        }
    }

    /// The number of lanes of what is set next, at most [`MOST`].
    pub fn set_lanes(&mut self, lanes: usize) {
        self.lanes = lanes.clamp(1, MOST);
    }

    /// The number of lanes.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Sets the n-th tangent, of `size` elements: `fill(l, elements, to)` writes some elements of lane l, or returns false
    /// where the lane is zero.
    pub fn set(&mut self, n: usize, size: usize, mut fill: impl FnMut(usize, Range<usize>, &mut [T]) -> bool) {
        let k = self.lanes;
        let (Some(plain), Some(turned)) = (self.plain.get_mut(n), self.turned.get_mut(n)) else { return };
        let plain = plain.room(size * k);
        if k == 1 {
            if !fill(0, 0..size, plain) {
                plain.fill(T::ZERO);
            }
        } else {
            let mut lanes = [T::ZERO; TILE * MOST];
            for (tile, first) in plain.chunks_mut(TILE * k).zip((0..).step_by(TILE)) {
                let count = tile.len() / k;
                for (l, lane) in lanes.chunks_exact_mut(count).take(k).enumerate() {
                    if !fill(l, first..first + count, lane) {
                        lane.fill(T::ZERO);
                    }
                }
                layout::transpose(tile, &lanes[..count * k], 1, k, count);
            }
        }
        let read = self.reads.get(n).copied().unwrap_or_default();
        if read.kept(k) {
            let (rows, cols) = read.extents;
            layout::transpose_lanes(turned.room(size * k), plain, 1, rows, cols, k);
        }
    }

    /// The n-th tangent with its axes exchanged, if it is kept so.
    pub(super) fn turned(&self, n: usize) -> Option<&[T]> {
        let read = self.reads.get(n)?;
        let (rows, cols) = read.extents;
        read.kept(self.lanes).then(|| &self.turned[n].all()[..rows * cols * self.lanes])
    }
}
