//! Products of matrices one side of which is a few registers wide: one layer's tangents, or one unit's lanes.
//!
//! A general product packs both operands first; where one of them is read only once or twice that costs more than the
//! product. Here nothing is packed: a tile of the result stays in registers while the right operand's rows are read as
//! they lie and the left operand's elements are broadcast. Rows that are known to be zero, or not wanted, are skipped.

use super::real::Real;
use pulp::{Simd, WithSimd};

/// For each of several units the rows that count: those where a mask is not zero.
#[derive(Debug, Clone, Default)]
pub struct Live {
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Live {
    /// The nonzero rows of each column of a row-major mask; `None` where most entries are nonzero, so that skipping the
    /// others does not pay.
    pub fn of<T: Real>(mask: &[T], units: usize) -> Option<Self> {
        let nonzero = mask.iter().filter(|&&m| m != T::ZERO).count();
        if units == 0 || nonzero * 10 > mask.len() * 9 || mask.len() >= u32::MAX as usize {
            return None;
        }
        let mut live = Live { starts: vec![0], rows: Vec::with_capacity(nonzero) };
        for unit in 0..units {
            let column = mask.iter().skip(unit).step_by(units).enumerate();
            live.rows.extend(column.filter(|(_, m)| **m != T::ZERO).map(|(row, _)| row as u32));
            live.starts.push(live.rows.len() as u32);
        }
        Some(live)
    }

    /// The rows of a unit.
    pub fn rows(&self, unit: usize) -> &[u32] {
        match (self.starts.get(unit), self.starts.get(unit + 1)) {
            (Some(&a), Some(&b)) => &self.rows[a as usize..b as usize],
            _ => &[],
        }
    }
}

/// How the left operand is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Element (i, p) at i·stride + p.
    Rows,
    /// Element (i, p) at p·stride + i.
    Columns,
}

/// C (m × n) ← A (m × k)·B (k × n), or C + A·B: extents and distances between rows (columns of A where [`Left::Columns`]).
#[derive(Debug, Clone, Copy)]
pub struct Skinny {
    /// Rows of the product.
    pub m: usize,
    /// Length of the inner sums.
    pub k: usize,
    /// Columns of the product.
    pub n: usize,
    /// How A is stored.
    pub left: Left,
    /// Distance of A's rows.
    pub lda: usize,
    /// Distance of B's rows.
    pub ldb: usize,
    /// Distance of C's rows.
    pub ldc: usize,
    /// Number of products.
    pub repeat: usize,
    /// Distances of the operands of successive products: C, A, B.
    pub next: [usize; 3],
    /// Whether the product is added to what C holds, or takes its place (in the rows that are computed).
    pub add: bool,
}

/// All products; with `live` those rows alone: of A and C where A is stored by rows, of A in the inner sums where it is
/// stored by columns (B holding nothing but those).
pub fn products<T: Real>(c: &mut [T], a: &[T], b: &[T], shape: &Skinny, live: Option<&[u32]>) {
    if shape.k == 0 && !shape.add {
        c.fill(T::ZERO);
    }
    if shape.m > 0 && shape.n > 0 && shape.k > 0 {
        pulp::Arch::new().dispatch(Call { c, a, b, shape, live });
    }
}

struct Call<'a, T> {
    c: &'a mut [T],
    a: &'a [T],
    b: &'a [T],
    shape: &'a Skinny,
    live: Option<&'a [u32]>,
}

impl<T: Real> WithSimd for Call<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Call { c, a, b, shape, live } = self;
        for unit in 0..shape.repeat {
            let [to, from_a, from_b] = shape.next.map(|step| unit * step);
            let (c, a, b) = (&mut c[to..], &a[from_a..], &b[from_b..]);
            let tile = Tile { s, a, b, shape };
            match (shape.left, live) {
                (Left::Rows, None) => rows(&tile, c, shape.m, |i| i),
                (Left::Rows, Some(live)) => rows(&tile, c, live.len(), |i| live[i] as usize),
                (Left::Columns, None) => columns(&tile, c, shape.k, |p| p),
                (Left::Columns, Some(live)) => columns(&tile, c, live.len(), |p| live[p] as usize),
            }
        }
    }
}

/// What the tiles of one product share.
struct Tile<'a, T, S> {
    s: S,
    a: &'a [T],
    b: &'a [T],
    shape: &'a Skinny,
}

/// A panel of columns: its first, and its width where it is less than one register.
#[derive(Clone, Copy)]
struct Panel {
    first: usize,
    part: usize,
}

/// Calls `$tile` for the rows of one panel, as many at a time as the list says.
macro_rules! panel {
    ($tile:ident, $t:expr, $c:expr, $m:expr, $at:expr, $panel:expr, $registers:literal, $part:literal, [$($rows:literal),*]) => {{
        let mut i = 0;
        $(
            while $m - i >= $rows {
                $tile::<T, S, _, $rows, $registers, $part>($t, $c, i, $panel, $at);
                i += $rows;
            }
        )*
    }};
}

/// Calls `$tile` for all panels, as many registers wide as the list says, the last one narrower than a register.
macro_rules! sweep {
    ($tile:ident, $t:expr, $c:expr, $m:expr, $at:expr, [$($registers:literal),*], $rows:tt) => {{
        let width = T::width::<S>();
        let mut first = 0;
        $(
            while first + $registers * width <= $t.shape.n {
                panel!($tile, $t, $c, $m, $at, Panel { first, part: 0 }, $registers, false, $rows);
                first += $registers * width;
            }
        )*
        if first < $t.shape.n {
            let part = $t.shape.n - first;
            panel!($tile, $t, $c, $m, $at, Panel { first, part }, 1, true, $rows);
        }
    }};
}

/// Whether the instruction set has 32 registers of 64 bytes instead of 16 of 32: larger tiles fit.
#[inline(always)]
fn large<T: Real, S: Simd>() -> bool {
    T::width::<S>() * size_of::<T>() >= 64
}

#[inline(always)]
fn rows<T: Real, S: Simd>(t: &Tile<'_, T, S>, c: &mut [T], m: usize, at: impl Fn(usize) -> usize + Copy) {
    if large::<T, S>() {
        sweep!(row_tile, t, c, m, at, [2, 1], [8, 4, 2, 1]);
    } else {
        sweep!(row_tile, t, c, m, at, [2, 1], [6, 4, 2, 1]);
    }
}

#[inline(always)]
fn columns<T: Real, S: Simd>(t: &Tile<'_, T, S>, c: &mut [T], k: usize, at: impl Fn(usize) -> usize + Copy) {
    let m = t.shape.m;
    let at = (k, at);
    if large::<T, S>() {
        sweep!(column_tile, t, c, m, at, [2, 1], [8, 4, 2, 1]);
    } else if t.shape.n <= 2 * T::width::<S>() {
        sweep!(column_tile, t, c, m, at, [2, 1], [6, 4, 2, 1]);
    } else {
        sweep!(column_tile, t, c, m, at, [3, 2, 1], [4, 2, 1]);
    }
}

#[inline(always)]
fn load<T: Real, S: Simd, const C: usize, const PART: bool>(s: S, row: &[T], part: usize) -> [T::Register<S>; C] {
    if PART {
        [T::load_part(s, &row[..part]); C]
    } else {
        let registers = T::split::<S>(&row[..C * T::width::<S>()]).0;
        std::array::from_fn(|j| registers[j])
    }
}

#[inline(always)]
fn put<T: Real, S: Simd, const C: usize, const PART: bool>(
    s: S,
    row: &mut [T],
    (part, add): (usize, bool),
    sums: [T::Register<S>; C],
) {
    if PART {
        let row = &mut row[..part];
        let sum = if add { T::plus(s, T::load_part(s, row), sums[0]) } else { sums[0] };
        T::store_part(s, row, sum);
    } else {
        let registers = T::split_mut::<S>(&mut row[..C * T::width::<S>()]).0;
        for j in 0..C {
            registers[j] = if add { T::plus(s, registers[j], sums[j]) } else { sums[j] };
        }
    }
}

/// Rows i .. i + R (through `at`) of a panel, A stored by rows.
#[inline(always)]
fn row_tile<T: Real, S: Simd, F: Fn(usize) -> usize + Copy, const R: usize, const C: usize, const PART: bool>(
    t: &Tile<'_, T, S>,
    c: &mut [T],
    i: usize,
    panel: Panel,
    at: F,
) {
    let Tile { s, a, b, shape } = *t;
    let mut sums = [[T::splat(s, T::ZERO); C]; R];
    let a: [&[T]; R] = std::array::from_fn(|r| &a[at(i + r) * shape.lda..][..shape.k]);
    for (p, b) in b.chunks(shape.ldb).enumerate().take(shape.k) {
        let b = load::<T, S, C, PART>(s, &b[panel.first..], panel.part);
        for r in 0..R {
            let x = T::splat(s, a[r][p]);
            for j in 0..C {
                sums[r][j] = T::fused(s, x, b[j], sums[r][j]);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        put::<T, S, C, PART>(s, &mut c[at(i + r) * shape.ldc + panel.first..], (panel.part, shape.add), sums);
    }
}

/// The same with A stored by columns; `at` names the columns that are summed, as many as its first part says.
#[inline(always)]
fn column_tile<T: Real, S: Simd, F: Fn(usize) -> usize + Copy, const R: usize, const C: usize, const PART: bool>(
    t: &Tile<'_, T, S>,
    c: &mut [T],
    i: usize,
    panel: Panel,
    (count, at): (usize, F),
) {
    let Tile { s, a, b, shape } = *t;
    let mut sums = [[T::splat(s, T::ZERO); C]; R];
    for (p, b) in b.chunks(shape.ldb).enumerate().take(count) {
        let b = load::<T, S, C, PART>(s, &b[panel.first..], panel.part);
        let a = &a[at(p) * shape.lda + i..][..R];
        for r in 0..R {
            let x = T::splat(s, a[r]);
            for j in 0..C {
                sums[r][j] = T::fused(s, x, b[j], sums[r][j]);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        put::<T, S, C, PART>(s, &mut c[(i + r) * shape.ldc + panel.first..], (panel.part, shape.add), sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 101) as f64 / 50.0 - 1.0).collect()
    }

    /// Against sums written out, for extents around the widths of tiles and registers.
    #[test]
    fn products_of_all_extents() {
        for (m, k, n) in [(1, 1, 1), (6, 5, 16), (13, 7, 19), (3, 64, 8), (16, 9, 5), (11, 2, 40), (7, 3, 24)] {
            for left in [Left::Rows, Left::Columns] {
                let (a, b, c) = (values(m * k, 1), values(k * n, 2), values(m * n, 3));
                let at = |i: usize, p: usize| if left == Left::Rows { i * k + p } else { p * m + i };
                let lda = if left == Left::Rows { k } else { m };
                let shape = Skinny { m, k, n, left, lda, ldb: n, ldc: n, repeat: 1, next: [0; 3], add: true };
                let mut out = c.clone();
                products(&mut out, &a, &b, &shape, None);
                let (mut from_zero, mut over) = (vec![0.0; m * n], c.clone());
                products(&mut from_zero, &a, &b, &shape, None);
                products(&mut over, &a, &b, &Skinny { add: false, ..shape }, None);
                assert_eq!(over, from_zero);
                products(&mut over, &a, &b, &Skinny { k: 0, add: false, ..shape }, None);
                assert!(over.iter().all(|&v| v == 0.0));
                let narrow = |x: &[f64]| x.iter().map(|&v| v as f32).collect::<Vec<f32>>();
                let mut single = narrow(&c);
                products(&mut single, &narrow(&a), &narrow(&b), &shape, None);
                for i in 0..m {
                    for j in 0..n {
                        let sum = c[i * n + j] + (0..k).map(|p| a[at(i, p)] * b[p * n + j]).sum::<f64>();
                        assert!((out[i * n + j] - sum).abs() < 1e-13 * k as f64, "{m} {k} {n} {left:?} {i} {j}");
                        assert!((f64::from(single[i * n + j]) - sum).abs() < 1e-6 * k as f64);
                    }
                }
            }
        }
    }

    /// Rows that a mask leaves: as many products as with zeros in place of the others.
    #[test]
    fn masked_rows_are_skipped() {
        let (m, k, n, units) = (20, 9, 16, 3);
        let mask: Vec<f64> = values(m * units, 5).iter().map(|&v| f64::from(v > 0.0)).collect();
        let live = Live::of(&mask, units).expect("many zeros");
        assert!(Live::of(&[1.0; 12], 3).is_none());
        for unit in 0..units {
            let kept: Vec<usize> = (0..m).filter(|i| mask[i * units + unit] != 0.0).collect();
            assert_eq!(live.rows(unit).iter().map(|&r| r as usize).collect::<Vec<_>>(), kept);
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let shape =
                Skinny { m, k, n, left: Left::Rows, lda: k, ldb: n, ldc: n, repeat: 1, next: [0; 3], add: true };
            let (mut all, mut some) = (vec![0.0; m * n], vec![0.0; m * n]);
            products(&mut all, &a, &b, &shape, None);
            products(&mut some, &a, &b, &shape, Some(live.rows(unit)));
            for i in 0..m {
                let want = if kept.contains(&i) { &all[i * n..(i + 1) * n] } else { &[0.0; 16][..] };
                assert_eq!(&some[i * n..(i + 1) * n], want);
            }
            // Σ over the kept rows of aᵀb, b packed
            let (a, b) = (values(m * k, 3), values(m * n, 4));
            let packed: Vec<f64> = kept.iter().flat_map(|&p| b[p * n..(p + 1) * n].to_vec()).collect();
            let shape = Skinny { m: k, k: m, left: Left::Columns, ..shape };
            let mut sums = vec![0.0; k * n];
            products(&mut sums, &a, &packed, &shape, Some(live.rows(unit)));
            for i in 0..k {
                for j in 0..n {
                    let want: f64 = kept.iter().map(|&p| a[p * k + i] * b[p * n + j]).sum();
                    assert!((sums[i * n + j] - want).abs() < 1e-13);
                }
            }
        }
    }
}
