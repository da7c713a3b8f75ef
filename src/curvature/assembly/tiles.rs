//! The products of matrices of the structured assembly, and where their entries go.
//!
//! Every tile is computed once by one thread with sequential kernels and written to all its places at once.
#![allow(unsafe_code)]

use super::sites::{Run, Site};
use crate::curvature::prepared::finite;
use crate::curvature::shared::Writer;
use crate::error::Result;
use crate::graph::execute::room;
use crate::tensor::Real;
use crate::tensor::panels::{Panels, Wanted, product};
use std::ops::Range;

/// The rows and columns of the matrix that belong to one site.
pub(super) struct Target<'a, 'm, T> {
    pub matrix: &'a Writer<'a, 'm, T>,
    pub site: &'a Site,
}

/// X and the constant 1 of a bias, with the inputs left out that are zero in the whole batch, row-major.
pub(super) struct Activations<T> {
    data: Vec<T>,
    /// Inputs kept.
    columns: Vec<usize>,
    /// Runs of them (positions in that list) in consecutive rows of the matrix.
    runs: Vec<Range<usize>>,
    rows: usize,
}

impl<T: Real> Activations<T> {
    pub fn new(x: &[T], site: &Site) -> Self {
        let fan_in = site.fan_in;
        let mut live = vec![false; fan_in];
        for row in x.chunks_exact(fan_in.max(1)) {
            for (live, &v) in live.iter_mut().zip(row) {
                *live |= v != T::ZERO;
            }
        }
        let columns: Vec<usize> = (0..site.inputs()).filter(|&i| i == fan_in || live[i]).collect();
        let mut data = Vec::with_capacity(site.rows * columns.len());
        for n in 0..site.rows {
            let row = &x[n * fan_in..(n + 1) * fan_in];
            data.extend(columns.iter().map(|&i| if i < fan_in { row[i] } else { T::ONE }));
        }
        let runs = site.runs(&columns);
        Activations { data, columns, runs, rows: site.rows }
    }

    fn width(&self) -> usize {
        self.columns.len()
    }

    /// The parts of the runs between two positions.
    fn runs_in(&self, inputs: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let Range { start, end } = *inputs;
        self.runs.iter().map(move |r| r.start.max(start)..r.end.min(end)).filter(|r| !r.is_empty())
    }

    fn row(&self, n: usize) -> &[T] {
        &self.data[n * self.width()..(n + 1) * self.width()]
    }
}

/// Writes zeros to the entries between unit a of one site and unit b of another, and to their mirror images.
fn clear<T: Real>(l: &Target<'_, '_, T>, a: usize, m: &Target<'_, '_, T>, b: usize, zeros: &mut Vec<T>) {
    let zeros = room(zeros, l.site.inputs().max(m.site.inputs()));
    let fill = |from: &Site, a: usize, to: &Site, b: usize| {
        let runs = to.runs(&(0..to.inputs()).collect::<Vec<_>>());
        for i in 0..from.inputs() {
            for run in &runs {
                // SAFETY: row and column belong to units a and b, a pair that the caller's task owns.
                unsafe { l.matrix.write(from.row(a, i), to.row(b, run.start), &zeros[..run.len()]) }
            }
        }
    };
    fill(l.site, a, m.site, b);
    fill(m.site, b, l.site, a);
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch<T> {
    live: Vec<u32>,
    /// The rows of X in `left`.
    packed: Vec<u32>,
    left: Panels<T>,
    right: Panels<T>,
    row: Vec<T>,
    product: Vec<T>,
    strip: Vec<T>,
    zeros: Vec<T>,
    /// Operations done so far.
    pub flops: u64,
}

impl<T> Scratch<T> {
    /// To be called before another unit, or site, on the left.
    pub fn forget(&mut self) {
        self.packed.clear();
    }
}

/// What the lanes of a unit of layer l, one for each position, give for a later layer m; all row-major with one row per
/// position of m, `s` and `j` lane by lane.
pub(super) struct Factors<'a, T> {
    pub s: Option<&'a [T]>,
    pub j: Option<&'a [T]>,
    pub x: &'a [T],
    pub delta: Option<&'a [T]>,
}

impl<T: Real> Factors<'_, T> {
    /// Whether row (n, t) of the left layer has anything to multiply.
    fn live(&self, m: &Site, lane_rows: usize, n: usize, t: usize) -> bool {
        let some = |data: Option<&[T]>, cols: usize| {
            data.is_some_and(|d| {
                let at = (t * lane_rows + n * m.positions) * cols;
                d[at..at + m.positions * cols].iter().any(|&v| v != T::ZERO)
            })
        };
        some(self.s, m.fan_out) || some(self.j, m.fan_in)
    }

    /// Row (n, t) of D for some units, Σ over positions t′ of S·x + δ·J, in the order of [`Site::rows_of`].
    fn row(&self, m: &Site, (n, t): (usize, usize), units: Range<usize>, out: &mut [T]) {
        let (fan_in, fan_out, count) = (m.fan_in, m.fan_out, units.len());
        let (weights, biases) = out.split_at_mut(count * fan_in);
        let none = T::ZERO;
        for p in n * m.positions..(n + 1) * m.positions {
            let (lane, first) = (t * m.rows + p, p == n * m.positions);
            let s = self.s.map(|s| &s[lane * fan_out..][units.clone()]);
            let x = &self.x[p * fan_in..(p + 1) * fan_in];
            let j = match (self.j, self.delta) {
                (Some(j), Some(delta)) => {
                    Some((&j[lane * fan_in..(lane + 1) * fan_in], &delta[p * fan_out..][units.clone()]))
                }
                _ => None,
            };
            let s = |b: usize| s.map_or(none, |s| s[b]);
            if !m.unit_by_unit() {
                for (i, (row, &x)) in weights.chunks_exact_mut(count).zip(x).enumerate() {
                    for (b, o) in row.iter_mut().enumerate() {
                        let product = s(b) * x + j.map_or(none, |(j, d)| d[b] * j[i]);
                        *o = if first { product } else { *o + product };
                    }
                }
            } else {
                for (b, row) in weights.chunks_exact_mut(fan_in.max(1)).enumerate() {
                    let s = s(b);
                    match j {
                        Some((j, d)) if first => {
                            row.iter_mut().zip(x).zip(j).for_each(|((o, &x), &j)| *o = s * x + d[b] * j);
                        }
                        None if first => row.iter_mut().zip(x).for_each(|(o, &x)| *o = s * x),
                        Some((j, d)) if s != none || d[b] != none => {
                            row.iter_mut().zip(x).zip(j).for_each(|((o, &x), &j)| *o += s * x + d[b] * j);
                        }
                        None if s != none => row.iter_mut().zip(x).for_each(|(o, &x)| *o += s * x),
                        _ => {}
                    }
                }
            }
            for (b, o) in biases.iter_mut().enumerate() {
                *o = if first { s(b) } else { *o + s(b) };
            }
        }
    }
}

/// Tiles (a, b) for all b ≥ a of one site with one position per sample: Σ_n S[n, b]·x[n]·x[n]ᵀ.
pub(super) fn diagonal<T: Real>(
    target: &Target<'_, '_, T>,
    a: usize,
    x: &Activations<T>,
    s: &[T],
    scratch: &mut Scratch<T>,
) -> Result<()> {
    let (site, width) = (target.site, x.width());
    for b in a..site.fan_out {
        let panels = &mut scratch.left;
        panels.start(width);
        for negative in [false, true] {
            for (n, s) in s.chunks_exact(site.fan_out).enumerate() {
                let s = s[b];
                if s != T::ZERO && (s < T::ZERO) == negative {
                    panels.push(x.row(n), s.abs().sqrt(), negative);
                }
            }
        }
        let count = panels.rows();
        if count == 0 || width < site.inputs() {
            clear(target, a, target, b, &mut scratch.zeros);
        }
        if count == 0 || width == 0 {
            continue;
        }
        scratch.flops += (width * (width + 1) * count) as u64;
        let distance = panels.distance();
        for block in panels.blocks(distance) {
            let tile = room(&mut scratch.product, block.len() * distance);
            product(panels, panels, Wanted::Upper, &block, tile);
            symmetric(target, (a, b), x, &block, (tile, distance), &mut scratch.strip)?;
        }
    }
    Ok(())
}

/// Rows that are transposed together.
const STRIP: usize = 16;

/// Writes some columns of the tile of units a and b of one site, given down to the diagonal, and their mirror images.
fn symmetric<T: Real>(
    target: &Target<'_, '_, T>,
    (a, b): (usize, usize),
    x: &Activations<T>,
    columns: &Range<usize>,
    (tile, distance): (&mut [T], usize),
    strip: &mut Vec<T>,
) -> Result<()> {
    let count = columns.len();
    for (c, column) in tile.chunks(distance).take(count).enumerate() {
        finite("Hessian tile", &column[..=columns.start + c])?;
    }
    mirror(&mut tile[columns.start..], distance, count);
    let write = |input: usize, inputs: Range<usize>, values: &[T]| {
        for (first, second) in [(a, b), (b, a)].into_iter().take(1 + usize::from(a != b)) {
            let column = target.site.row(second, x.columns[input]);
            for run in x.runs_in(&inputs) {
                let row = target.site.row(first, x.columns[run.start]);
                let values = &values[run.start - inputs.start..run.end - inputs.start];
                // SAFETY: row and column belong to units a and b of this site, a pair that the caller's task owns.
                unsafe { target.matrix.write(column, row, values) }
            }
        }
    };
    for (c, column) in tile.chunks(distance).take(count).enumerate() {
        write(columns.start + c, 0..columns.end, &column[..columns.end]);
    }
    for first in (0..columns.start).step_by(STRIP) {
        let rows = first..(first + STRIP).min(columns.start);
        transpose(tile, distance, count, &rows, strip);
        for (row, values) in rows.zip(strip.chunks(count)) {
            write(row, columns.clone(), values);
        }
    }
    Ok(())
}

/// Copies the upper triangle of the square at the front of a column-major matrix to its lower triangle.
fn mirror<T: Real>(square: &mut [T], distance: usize, n: usize) {
    for first in (0..n).step_by(STRIP) {
        // a run of column i becomes entries of row i
        for i in first + 1..n {
            for c in first..i.min(first + STRIP) {
                square[c * distance + i] = square[i * distance + c];
            }
        }
    }
}

/// Some rows of a column-major matrix, one after the other.
fn transpose<T: Real>(from: &[T], distance: usize, columns: usize, rows: &Range<usize>, to: &mut Vec<T>) {
    let to = room(to, rows.len() * columns);
    for (e, column) in from.chunks(distance).take(columns).enumerate() {
        for (r, &v) in column[rows.clone()].iter().enumerate() {
            to[r * columns + e] = v;
        }
    }
}

/// Columns of a product between a unit and several others, about.
const COLUMNS: usize = 128;

/// Tiles (a, b) between unit a of site l and all units b of a later site m, or units b ≥ a of l itself.
pub(super) fn off_diagonal<T: Real>(
    l: &Target<'_, '_, T>,
    m: &Target<'_, '_, T>,
    a: usize,
    x: &Activations<T>,
    factors: &Factors<'_, T>,
    scratch: &mut Scratch<T>,
) -> Result<()> {
    let (inputs, fan_out, width) = (m.site.inputs(), m.site.fan_out, x.width());
    let same = l.site.z == m.site.z;
    let positions = l.site.positions;
    let rows = (0..x.rows).filter(|&r| factors.live(m.site, m.site.rows, r / positions, r % positions));
    scratch.live.clear();
    scratch.live.extend(rows.map(|r| r as u32));
    let count = scratch.live.len();
    if count == 0 || width < l.site.inputs() {
        for b in if same { a } else { 0 }..fan_out {
            clear(l, a, m, b, &mut scratch.zeros);
        }
    }
    if count == 0 || width == 0 || inputs == 0 {
        return Ok(());
    }
    if scratch.packed != scratch.live {
        scratch.packed.clone_from(&scratch.live);
        scratch.left.start(width);
        scratch.live.iter().for_each(|&r| scratch.left.push(x.row(r as usize), T::ONE, false));
    }
    // whole units of m together, so that rows of the tile are long
    let units = (COLUMNS / inputs).clamp(1, fan_out);
    for first in (if same { a } else { 0 }..fan_out).step_by(units) {
        let units = first..(first + units).min(fan_out);
        let columns = units.len() * inputs;
        scratch.right.start(columns);
        let row = room(&mut scratch.row, columns);
        for &r in &scratch.live {
            let r = r as usize;
            factors.row(m.site, (r / positions, r % positions), units.clone(), row);
            scratch.right.push(row, T::ONE, false);
        }
        scratch.flops += 2 * (columns * width * count) as u64;
        let distance = scratch.left.distance();
        let tile = room(&mut scratch.product, columns * distance);
        for block in scratch.right.blocks(distance) {
            let part = &mut tile[block.start * distance..block.end * distance];
            product(&scratch.left, &scratch.right, Wanted::All, &block, part);
        }
        finite("Hessian tile", tile)?;
        let runs = m.site.rows_of(units);
        if same && first == a {
            // the tile of a unit with itself is symmetric but for rounding
            let at: Vec<usize> = x.columns.iter().map(|&i| m.site.place(&runs, a, i) * distance).collect();
            for c in 0..width {
                for d in 0..c {
                    tile[at[d] + c] = tile[at[c] + d];
                }
            }
        }
        rectangle(l, a, x, &runs, (tile, distance), &mut scratch.strip);
    }
    Ok(())
}

/// Writes the product of unit a with the units that `runs` lists, one column for each of their inputs, and its mirror image.
fn rectangle<T: Real>(
    l: &Target<'_, '_, T>,
    a: usize,
    x: &Activations<T>,
    runs: &[Run],
    (tile, distance): (&[T], usize),
    strip: &mut Vec<T>,
) {
    for run in runs {
        for (e, column) in tile[run.at * distance..].chunks(distance).take(run.count).enumerate() {
            for inputs in &x.runs {
                let row = l.site.row(a, x.columns[inputs.start]);
                // SAFETY: the column belongs to one of these units, the row to unit a: a pair that the caller's task owns.
                unsafe { l.matrix.write(run.row + e, row, &column[inputs.clone()]) }
            }
        }
    }
    let columns = tile.len() / distance;
    for first in (0..x.width()).step_by(STRIP) {
        let rows = first..(first + STRIP).min(x.width());
        transpose(tile, distance, columns, &rows, strip);
        for (row, values) in rows.zip(strip.chunks(columns)) {
            let column = l.site.row(a, x.columns[row]);
            for run in runs {
                // SAFETY: as above, with the roles of row and column exchanged.
                unsafe { l.matrix.write(column, run.row, &values[run.at..run.at + run.count]) }
            }
        }
    }
}
