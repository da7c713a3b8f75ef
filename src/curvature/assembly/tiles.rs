//! The products of matrices of the structured assembly, and where their entries go.
//!
//! Every tile is computed once by one thread with sequential kernels and written to all its places at once.
#![allow(unsafe_code)]

use super::shared::Shared;
use super::sites::Site;
use crate::curvature::prepared::finite;
use crate::error::Result;
use crate::tensor::Real;
use faer::{MatMut, MatRef, Par};

/// Columns of a product computed together.
const PANEL: usize = 112;

/// The rows and columns of the matrix that belong to one site.
pub(super) struct Target<'a, 'm, T> {
    pub matrix: &'a Shared<'m, T>,
    pub site: &'a Site,
    /// First row of the site's tensor.
    pub offset: usize,
}

impl<T> Target<'_, '_, T> {
    fn row(&self, a: usize, i: usize) -> usize {
        self.offset + self.site.at(a, i)
    }
}

/// X with the inputs left out that are zero in the whole batch, row-major.
pub(super) struct Activations<T> {
    data: Vec<T>,
    /// Inputs kept.
    columns: Vec<usize>,
    rows: usize,
}

impl<T: Real> Activations<T> {
    pub fn new(x: &[T], rows: usize, fan_in: usize) -> Self {
        let mut live = vec![false; fan_in];
        for row in x.chunks_exact(fan_in.max(1)) {
            for (live, &v) in live.iter_mut().zip(row) {
                *live |= v != T::ZERO;
            }
        }
        let columns: Vec<usize> = (0..fan_in).filter(|&i| live[i]).collect();
        let data = x.chunks_exact(fan_in.max(1)).flat_map(|row| columns.iter().map(move |&i| row[i])).collect();
        Activations { data, columns, rows }
    }

    fn width(&self) -> usize {
        self.columns.len()
    }

    /// Copies some rows.
    fn pick(&self, rows: &[u32], out: &mut Vec<T>) {
        let width = self.width();
        out.clear();
        out.reserve(rows.len() * width);
        for &r in rows {
            let at = r as usize * width;
            out.extend_from_slice(&self.data[at..at + width]);
        }
    }
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Scratch<T> {
    live: Vec<u32>,
    picked: Vec<T>,
    factor: Vec<T>,
    product: Vec<T>,
    run: Vec<T>,
}

/// What the lane of a unit of layer l gives for a later layer m; all row-major with one row per sample.
pub(super) struct Factors<'a, T> {
    pub s: Option<&'a [T]>,
    pub j: Option<&'a [T]>,
    pub x: &'a [T],
    pub delta: Option<&'a [T]>,
}

/// Tiles (a, b) for all b ≥ a of one site: Σ_n S[n, b]·x[n]·x[n]ᵀ.
pub(super) fn diagonal<T: Real>(
    target: &Target<'_, '_, T>,
    a: usize,
    x: &Activations<T>,
    s: &[T],
    scratch: &mut Scratch<T>,
) -> Result<()> {
    let (site, width) = (target.site, x.width());
    if width == 0 {
        return Ok(());
    }
    for b in a..site.fan_out {
        let weight = |n: usize| s[n * site.fan_out + b];
        scratch.live.clear();
        scratch.live.extend((0..x.rows).filter(|&n| weight(n) != T::ZERO).map(|n| n as u32));
        let count = scratch.live.len();
        if count == 0 {
            continue;
        }
        x.pick(&scratch.live, &mut scratch.picked);
        let left = MatRef::from_row_major_slice(&scratch.picked, count, width);
        for first in (0..width).step_by(PANEL) {
            let columns = PANEL.min(width - first);
            let rows = width - first;
            scratch.factor.clear();
            for (n, row) in scratch.live.iter().zip(scratch.picked.chunks_exact(width)) {
                let d = weight(*n as usize);
                scratch.factor.extend(row[first..first + columns].iter().map(|&v| d * v));
            }
            let right = MatRef::from_row_major_slice(&scratch.factor, count, columns);
            scratch.product.resize(PANEL * width, T::ZERO);
            let product = &mut scratch.product[..rows * columns];
            let out = MatMut::from_column_major_slice_mut(&mut *product, rows, columns);
            T::product(out, false, left.subcols(first, rows).transpose(), right, Par::Seq);
            finite("Hessian tile", product)?;
            symmetric_panel(target, (a, b), &x.columns[first..], product, columns, &mut scratch.run);
        }
    }
    Ok(())
}

/// Writes a panel of a symmetric tile: `columns` columns from the diagonal down, to (a, b) and (b, a).
fn symmetric_panel<T: Real>(
    target: &Target<'_, '_, T>,
    (a, b): (usize, usize),
    inputs: &[usize],
    product: &[T],
    columns: usize,
    run: &mut Vec<T>,
) {
    let rows = inputs.len();
    let write = |column: (usize, usize), unit: usize, inputs: &[usize], values: &[T]| {
        let column = target.row(column.0, column.1);
        runs(target, unit, inputs, |row, at, n| {
            // SAFETY: row and column belong to units a and b of this site, a pair that this task owns.
            unsafe { target.matrix.write(column, row, &values[at..at + n]) }
        });
    };
    // what the panel holds below the diagonal, column by column
    for c in 0..columns {
        let values = &product[c * rows + c..(c + 1) * rows];
        write((b, inputs[c]), a, &inputs[c..], values);
        if a != b {
            write((a, inputs[c]), b, &inputs[c..], values);
        }
    }
    // and its mirror image, row by row
    for r in 1..rows {
        let n = columns.min(r);
        run.clear();
        run.extend((0..n).map(|c| product[c * rows + r]));
        write((b, inputs[r]), a, &inputs[..n], run);
        if a != b {
            write((a, inputs[r]), b, &inputs[..n], run);
        }
    }
}

/// Calls `each(row, position, length)` for the runs of consecutive rows that some inputs of a unit occupy.
fn runs<T>(target: &Target<'_, '_, T>, unit: usize, inputs: &[usize], mut each: impl FnMut(usize, usize, usize)) {
    let step = target.site.strides.1;
    let mut at = 0;
    while at < inputs.len() {
        let mut n = 1;
        while step == 1 && at + n < inputs.len() && inputs[at + n] == inputs[at] + n {
            n += 1;
        }
        each(target.row(unit, inputs[at]), at, n);
        at += n;
    }
}

/// Tiles (a, b) between unit a of site l and all units b of a later site m.
pub(super) fn off_diagonal<T: Real>(
    l: &Target<'_, '_, T>,
    m: &Target<'_, '_, T>,
    a: usize,
    x: &Activations<T>,
    factors: &Factors<'_, T>,
    scratch: &mut Scratch<T>,
) -> Result<()> {
    let (fan_in, fan_out, width) = (m.site.fan_in, m.site.fan_out, x.width());
    let row_of = |data: Option<&[T]>, n: usize, cols: usize| data.map(|_| n * cols..(n + 1) * cols);
    let zero = |data: Option<&[T]>, range: Option<std::ops::Range<usize>>| match (data, range) {
        (Some(d), Some(r)) => d[r].iter().all(|&v| v == T::ZERO),
        _ => true,
    };
    scratch.live.clear();
    scratch.live.extend(
        (0..x.rows)
            .filter(|&n| {
                !zero(factors.s, row_of(factors.s, n, fan_out)) || !zero(factors.j, row_of(factors.j, n, fan_in))
            })
            .map(|n| n as u32),
    );
    let count = scratch.live.len();
    if count == 0 || width == 0 || fan_in == 0 {
        return Ok(());
    }
    x.pick(&scratch.live, &mut scratch.picked);
    let right = MatRef::from_row_major_slice(&scratch.picked, count, width);
    // whole units of m together, so that a panel is a few hundred columns
    let units = (256 / fan_in).clamp(1, fan_out);
    let inputs: Vec<usize> = (0..fan_in).collect();
    for first in (0..fan_out).step_by(units) {
        let units = units.min(fan_out - first);
        let rows = units * fan_in;
        scratch.factor.clear();
        for &n in &scratch.live {
            let n = n as usize;
            let xm = &factors.x[n * fan_in..(n + 1) * fan_in];
            for b in first..first + units {
                let s = factors.s.map_or(T::ZERO, |s| s[n * fan_out + b]);
                match (factors.j, factors.delta) {
                    (Some(j), Some(delta)) => {
                        let d = delta[n * fan_out + b];
                        let j = &j[n * fan_in..(n + 1) * fan_in];
                        scratch.factor.extend(xm.iter().zip(j).map(|(&x, &j)| s * x + d * j));
                    }
                    _ => scratch.factor.extend(xm.iter().map(|&x| s * x)),
                }
            }
        }
        let left = MatRef::from_row_major_slice(&scratch.factor, count, rows);
        scratch.product.resize((rows * width).max(PANEL * width), T::ZERO);
        let product = &mut scratch.product[..rows * width];
        let out = MatMut::from_column_major_slice_mut(&mut *product, rows, width);
        T::product(out, false, left.transpose(), right, Par::Seq);
        finite("Hessian tile", product)?;
        for (c, &i) in x.columns.iter().enumerate() {
            for b in 0..units {
                let values = &product[c * rows + b * fan_in..c * rows + (b + 1) * fan_in];
                runs(m, first + b, &inputs, |row, at, n| {
                    // SAFETY: the row belongs to unit first + b of site m, the column to unit a of site l: a pair that
                    // this task owns.
                    unsafe { l.matrix.write(l.row(a, i), row, &values[at..at + n]) }
                });
            }
        }
        for b in 0..units {
            for j in 0..fan_in {
                scratch.run.clear();
                scratch.run.extend((0..width).map(|c| product[c * rows + b * fan_in + j]));
                let column = m.row(first + b, j);
                let run = &scratch.run;
                runs(l, a, &x.columns, |row, at, n| {
                    // SAFETY: as above, with the roles of row and column exchanged.
                    unsafe { l.matrix.write(column, row, &run[at..at + n]) }
                });
            }
        }
    }
    Ok(())
}
