//! Sums of outer products Σ_k a_k·b_kᵀ over chosen rows.
//!
//! The tiles of a Hessian are products XᵀDX over the samples in which two units are active, a different choice for every
//! pair of units. Handed to a general product the rows would be gathered, gathered once more scaled, and packed by it. Here
//! they are packed at once, in panels of one register of columns, from which either side of a product reads; a symmetric
//! product Σ ±y_k·y_kᵀ, y = √|d|·x, reads both sides from the same panels, and only its tiles on and above the diagonal are
//! computed. A tile stays in registers over the rows of one part. Sums run in the order of the rows.

use super::lines::Lines;
use super::real::Real;
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;
use std::ops::Range;

/// Most columns of a tile, read one by one.
const ACROSS: usize = 8;
/// Most rows of a part: two panels of it stay in the first cache.
const DEPTH: usize = 256;
/// Bytes of the right operand in a block of columns, and most bytes of its tiles: either stays in the second cache.
const BLOCK: usize = 384 << 10;
const TILES: usize = 640 << 10;
/// Elements between panels, so that the same rows of all panels do not meet in one set of a cache.
const APART: usize = 16;

/// Rows in panels of columns, part after part.
#[derive(Debug, Default)]
pub struct Panels<T> {
    data: Lines<T>,
    parts: Vec<Part>,
    /// Columns.
    width: usize,
    /// Columns of a panel, those of a register.
    panel: usize,
}

/// Up to [`DEPTH`] rows, added or subtracted.
#[derive(Debug, Clone, Copy)]
struct Part {
    rows: usize,
    negative: bool,
}

impl<T: Real> Panels<T> {
    /// Forgets all rows; those to come have `width` columns.
    pub fn start(&mut self, width: usize) {
        self.width = width;
        self.panel = pulp::Arch::new().dispatch(Width::<T>(PhantomData));
        self.parts.clear();
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.parts.iter().map(|p| p.rows).sum()
    }

    /// Adds a row, multiplied by a number; what a `negative` row contributes is subtracted. Two operands of one product are
    /// given the same signs.
    pub fn push(&mut self, row: &[T], scale: T, negative: bool) {
        if self.parts.last().is_none_or(|p| p.rows == DEPTH || p.negative != negative) {
            self.parts.push(Part { rows: 0, negative });
        }
        let (size, stride, width) = (self.panels() * self.stride(), self.stride(), self.width);
        let end = self.parts.len() * size;
        self.data.grow(end);
        let Some(part) = self.parts.last_mut() else { return };
        let (at, data) = (part.rows, &mut self.data.all_mut()[end - size..end]);
        part.rows += 1;
        match self.panel {
            16 => spread::<T, 16>(&row[..width], scale, data, stride, at),
            8 => spread::<T, 8>(&row[..width], scale, data, stride, at),
            4 => spread::<T, 4>(&row[..width], scale, data, stride, at),
            2 => spread::<T, 2>(&row[..width], scale, data, stride, at),
            _ => spread::<T, 1>(&row[..width], scale, data, stride, at),
        }
    }

    /// Elements from one column of a product to the next where this is its left operand.
    pub fn distance(&self) -> usize {
        self.panels() * self.panel
    }

    /// Columns that are worth multiplying together, as the right operand of a product whose columns are so far apart.
    pub fn blocks(&self, distance: usize) -> impl Iterator<Item = Range<usize>> + use<T> {
        let (width, panel) = (self.width, self.panel);
        let most = |bytes: usize, rows: usize| bytes / size_of::<T>() / rows.max(1);
        let columns = most(BLOCK, self.rows()).min(most(TILES, distance));
        let columns = (columns / panel).max(1) * panel;
        (0..width).step_by(columns).map(move |first| first..(first + columns).min(width))
    }

    /// Elements from one panel of the same rows to the next.
    fn stride(&self) -> usize {
        DEPTH * self.panel + APART
    }

    fn panels(&self) -> usize {
        self.width.div_ceil(self.panel.max(1))
    }

    /// The rows of a part in a panel.
    fn part(&self, part: usize, panel: usize) -> &[T] {
        let start = (part * self.panels() + panel) * self.stride();
        &self.data.all()[start..][..self.parts[part].rows * self.panel]
    }
}

/// One row into row `at` of its panels of `P` columns, the last one filled up with zeros.
fn spread<T: Real, const P: usize>(row: &[T], scale: T, data: &mut [T], stride: usize, at: usize) {
    let (whole, rest) = row.as_chunks::<P>();
    let mut panels = data.chunks_exact_mut(stride);
    for (from, to) in whole.iter().zip(&mut panels) {
        let to = &mut to[at * P..][..P];
        for i in 0..P {
            to[i] = scale * from[i];
        }
    }
    if let Some(to) = panels.next() {
        let to = &mut to[at * P..][..P];
        to.fill(T::ZERO);
        for (to, &x) in to.iter_mut().zip(rest) {
            *to = scale * x;
        }
    }
}

/// Elements of a register.
struct Width<T>(PhantomData<T>);

impl<T: Real> WithSimd for Width<T> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        T::width::<S>()
    }
}

/// Which entries of a product are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// Those (i, j) with i ≤ j.
    Upper,
}

/// Some columns, one of [`Panels::blocks`], of Σ_k ±left_k·right_kᵀ into a column-major matrix of as many columns, each
/// [`Panels::distance`] of the left operand from the next. What is not wanted of it is meaningless afterwards.
pub fn product<T: Real>(left: &Panels<T>, right: &Panels<T>, wanted: Wanted, columns: &Range<usize>, out: &mut [T]) {
    let distance = left.distance();
    let out = &mut out[..columns.len() * distance];
    if right.parts.is_empty() {
        out.fill(T::ZERO);
    } else {
        pulp::Arch::new().dispatch(Product { left, right, wanted, columns: columns.clone(), distance, out });
    }
}

struct Product<'a, T> {
    left: &'a Panels<T>,
    right: &'a Panels<T>,
    wanted: Wanted,
    columns: Range<usize>,
    distance: usize,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match T::width::<S>() {
            1 => self.run::<S, 1>(s),
            2 => self.run::<S, 2>(s),
            4 => self.run::<S, 4>(s),
            _ => self.run::<S, ACROSS>(s),
        }
    }
}

impl<T: Real> Product<'_, T> {
    /// Tiles of N columns. No closures here: they would not be compiled for the registers.
    #[inline(always)]
    fn run<S: Simd, const N: usize>(mut self, s: S) {
        let (width, rows) = (T::width::<S>(), self.left.panels());
        let Range { start, end } = self.columns;
        for i in (0..rows).step_by(2) {
            // the first columns that reach the rows of these two panels, in whole tiles
            let (one, two) = match self.wanted {
                Wanted::All => (start, start),
                Wanted::Upper => (start.max(i * width), ((i + 1) * width).clamp(start, end)),
            };
            let single = if i + 1 == rows { end } else { two };
            for part in 0..self.right.parts.len() {
                let top = self.left.part(part, i);
                for j in (one..single).step_by(N) {
                    self.tile::<S, 1, N>(s, [top], part, i, j);
                }
                if single < end {
                    let pair = [top, self.left.part(part, i + 1)];
                    for j in (single..end).step_by(N) {
                        self.tile::<S, 2, N>(s, pair, part, i, j);
                    }
                }
            }
        }
    }

    /// Panels i, i + 1, … of the left operand and columns j, j + 1, … of the right one.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &mut self,
        s: S,
        left: [&[T]; M],
        part: usize,
        i: usize,
        j: usize,
    ) {
        let width = T::width::<S>();
        let right = &self.right.part(part, j / width)[j % width..];
        let at = (j - self.columns.start) * self.distance + i * width;
        let to = To {
            out: &mut self.out[at..],
            distance: self.distance,
            add: part > 0,
            negative: self.right.parts[part].negative,
        };
        // the last columns are often one or two, the constant input of a bias among them
        match self.columns.end - j {
            1 if N > 1 => tile::<T, S, M, 1>(s, left, right, to),
            2 if N > 2 => tile::<T, S, M, 2>(s, left, right, to),
            3 | 4 if N > 4 => tile::<T, S, M, 4>(s, left, right, to),
            _ => tile::<T, S, M, N>(s, left, right, to),
        }
    }
}

/// Where a tile goes: set or added, itself or its negative.
struct To<'a, T> {
    out: &'a mut [T],
    distance: usize,
    add: bool,
    negative: bool,
}

/// M registers of rows and N columns.
#[inline(always)]
fn tile<T: Real, S: Simd, const M: usize, const N: usize>(s: S, left: [&[T]; M], right: &[T], to: To<'_, T>) {
    let zero = T::splat(s, T::ZERO);
    let mut sums = [[zero; M]; N];
    let rows = left[0].len() / T::width::<S>();
    let left: [&[T::Register<S>]; M] = std::array::from_fn(|m| &T::split::<S>(left[m]).0[..rows]);
    for (k, b) in right.chunks(T::width::<S>()).take(rows).enumerate() {
        let mut a = [zero; M];
        for m in 0..M {
            a[m] = left[m][k];
        }
        let b = &b[..N];
        for n in 0..N {
            let b = T::splat(s, b[n]);
            for m in 0..M {
                sums[n][m] = T::fused(s, a[m], b, sums[n][m]);
            }
        }
    }
    let sign = T::splat(s, if to.negative { -T::ONE } else { T::ONE });
    for (sums, column) in sums.iter().zip(to.out.chunks_mut(to.distance)) {
        let column = &mut T::split_mut::<S>(column).0[..M];
        for m in 0..M {
            column[m] = T::fused(s, sums[m], sign, if to.add { column[m] } else { zero });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, width: usize, seed: usize) -> Vec<Vec<f64>> {
        let value = |i: usize| ((i * 37 + seed * 11) % 101) as f64 / 50.0 - 1.0;
        (0..count).map(|r| (0..width).map(|c| value(r * width + c + r)).collect()).collect()
    }

    /// Every third row is subtracted, and in runs of different lengths.
    fn negative(k: usize) -> bool {
        (k / 100).is_multiple_of(3)
    }

    fn scale(k: usize) -> f64 {
        1.0 + (k % 3) as f64
    }

    fn packed<T: Real>(rows: &[Vec<f64>], width: usize) -> Panels<T> {
        let mut panels = Panels::default();
        panels.start(width);
        for (k, row) in rows.iter().enumerate() {
            let row: Vec<T> = row.iter().map(|&x| T::of(x)).collect();
            panels.push(&row, T::of(scale(k)), negative(k));
        }
        assert_eq!(panels.rows(), rows.len());
        panels
    }

    fn check<T: Real>(count: usize, m: usize, n: usize, wanted: Wanted, bound: f64) -> usize {
        let (a, b) = (rows(count, m, 1), rows(count, n, 2));
        let (left, right) = (packed::<T>(&a, m), packed::<T>(&b, n));
        // what an earlier product left must not matter
        let distance = left.distance();
        let mut out = vec![T::of(7.0); n * distance];
        let mut next = 0;
        for block in right.blocks(distance) {
            assert_eq!(block.start, next);
            next = block.end;
            product::<T>(&left, &right, wanted, &block, &mut out);
            for j in block.clone() {
                for i in 0..(if wanted == Wanted::All { m } else { m.min(j + 1) }) {
                    let signed = |k: usize| if negative(k) { -scale(k) * scale(k) } else { scale(k) * scale(k) };
                    let sum: f64 = (0..count).map(|k| signed(k) * a[k][i] * b[k][j]).sum();
                    let got = out[(j - block.start) * distance + i].wide();
                    assert!((got - sum).abs() <= bound * (1 + count) as f64, "{count} {m} {n} {wanted:?} {i} {j}");
                }
            }
        }
        assert_eq!(next, n);
        right.blocks(distance).count()
    }

    /// Against sums written out, for extents around the widths of panels and the depth of a part.
    #[test]
    fn products_of_all_extents() {
        for count in [0, 1, 7, 100, 101, 300 + DEPTH, 2 * DEPTH + 5] {
            for (m, n) in [(1, 1), (17, 9), (16, 8), (33, 10), (50, 51), (5, 130), (65, 65), (20, 20)] {
                for wanted in [Wanted::All, Wanted::Upper] {
                    check::<f64>(count, m, n, wanted, 1e-14);
                    check::<f32>(count, m, n, wanted, 4e-6);
                }
            }
        }
    }

    #[test]
    fn products_of_several_blocks() {
        let columns = BLOCK / size_of::<f64>() / 500;
        assert!(check::<f64>(500, 9, 2 * columns + 11, Wanted::All, 1e-14) >= 3);
        assert!(check::<f64>(500, columns + 30, columns + 30, Wanted::Upper, 1e-14) >= 2);
    }

    #[test]
    fn operands_are_used_again() {
        let (wide, narrow) = (rows(300, 40, 3), rows(5, 9, 4));
        let mut panels: Panels<f64> = packed(&wide, 40);
        panels.start(9);
        narrow.iter().for_each(|row| panels.push(row, 1.0, false));
        let distance = panels.distance();
        let mut out = vec![0.0; 9 * distance];
        product(&panels, &panels, Wanted::Upper, &(0..9), &mut out);
        let sum: f64 = narrow.iter().map(|row| row[2] * row[8]).sum();
        assert!((out[8 * distance + 2] - sum).abs() < 1e-14);
    }
}
