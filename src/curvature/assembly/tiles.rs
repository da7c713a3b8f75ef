//! The products of matrices of the structured assembly, and where their entries go.
//!
//! Every tile is computed once by one thread with sequential kernels and written to all its places at once.
#![allow(unsafe_code)]

use super::shared::Writer;
use super::sites::Site;
use crate::curvature::prepared::finite;
use crate::error::Result;
use crate::tensor::Real;
use faer::{MatMut, MatRef, Par};

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
    /// Runs of them in consecutive rows of the matrix.
    runs: Vec<(usize, usize)>,
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

/// Writes zeros to the entries between unit a of one site and unit b of another, and to their mirror images.
fn clear<T: Real>(l: &Target<'_, '_, T>, a: usize, m: &Target<'_, '_, T>, b: usize, zeros: &mut Vec<T>) {
    let largest = l.site.inputs().max(m.site.inputs());
    zeros.resize(largest.max(zeros.len()), T::ZERO);
    let fill = |from: &Site, a: usize, to: &Site, b: usize| {
        let runs = to.runs(&(0..to.inputs()).collect::<Vec<_>>());
        for i in 0..from.inputs() {
            for &(at, n) in &runs {
                // SAFETY: row and column belong to units a and b, a pair that the caller's task owns.
                unsafe { l.matrix.write(from.row(a, i), to.row(b, at), &zeros[..n]) }
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
    picked: Vec<T>,
    factor: Vec<T>,
    product: Vec<T>,
    run: Vec<T>,
    zeros: Vec<T>,
    /// Operations done so far.
    pub flops: u64,
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

    /// Row (n, t) of D for units `units`: Σ over positions t′ of S·x + δ·J, appended unit by unit.
    fn row(&self, m: &Site, (n, t): (usize, usize), units: std::ops::Range<usize>, out: &mut Vec<T>) {
        let (fan_in, fan_out, inputs) = (m.fan_in, m.fan_out, m.inputs());
        for b in units {
            let start = out.len();
            for p in n * m.positions..(n + 1) * m.positions {
                let lane = t * m.rows + p;
                let s = self.s.map_or(T::ZERO, |s| s[lane * fan_out + b]);
                let x = &self.x[p * fan_in..(p + 1) * fan_in];
                let j = match (self.j, self.delta) {
                    (Some(j), Some(delta)) => Some((&j[lane * fan_in..(lane + 1) * fan_in], delta[p * fan_out + b])),
                    _ => None,
                };
                if p == n * m.positions {
                    match j {
                        Some((j, d)) => out.extend(x.iter().zip(j).map(|(&x, &j)| s * x + d * j)),
                        None => out.extend(x.iter().map(|&x| s * x)),
                    }
                    if inputs > fan_in {
                        out.push(s);
                    }
                    continue;
                }
                let row = &mut out[start..];
                if s != T::ZERO {
                    for (o, &x) in row.iter_mut().zip(x) {
                        *o += s * x;
                    }
                    if inputs > fan_in {
                        row[fan_in] += s;
                    }
                }
                if let Some((j, d)) = j.filter(|(_, d)| *d != T::ZERO) {
                    for (o, &j) in row.iter_mut().zip(j) {
                        *o += d * j;
                    }
                }
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
        let weight = |n: usize| s[n * site.fan_out + b];
        scratch.live.clear();
        scratch.live.extend((0..x.rows).filter(|&n| weight(n) != T::ZERO).map(|n| n as u32));
        let count = scratch.live.len();
        if count == 0 || width < site.inputs() {
            clear(target, a, target, b, &mut scratch.zeros);
        }
        if count == 0 || width == 0 {
            continue;
        }
        scratch.picked.clear();
        scratch.factor.clear();
        for &n in &scratch.live {
            let n = n as usize;
            let (d, row) = (weight(n), &x.data[n * width..(n + 1) * width]);
            scratch.picked.extend_from_slice(row);
            scratch.factor.extend(row.iter().map(|&v| d * v));
        }
        let left = MatRef::from_row_major_slice(&scratch.picked, count, width);
        let right = MatRef::from_row_major_slice(&scratch.factor, count, width);
        scratch.product.resize((width * width).max(scratch.product.len()), T::ZERO);
        let product = &mut scratch.product[..width * width];
        T::lower_product(
            MatMut::from_column_major_slice_mut(&mut *product, width, width),
            false,
            left.transpose(),
            right,
        );
        scratch.flops += (width * (width + 1) * count) as u64;
        for (c, column) in product.chunks_exact(width).enumerate() {
            finite("Hessian tile", &column[c..])?;
        }
        mirror(product, width);
        for (c, &input) in x.columns.iter().enumerate() {
            let values = &product[c * width..(c + 1) * width];
            for &(at, n) in &x.runs {
                // SAFETY: row and column belong to units a and b of this site, a pair that this task owns.
                unsafe { target.matrix.write(site.row(b, input), site.row(a, x.columns[at]), &values[at..at + n]) }
                if a != b {
                    // SAFETY: as above.
                    unsafe { target.matrix.write(site.row(a, input), site.row(b, x.columns[at]), &values[at..at + n]) }
                }
            }
        }
    }
    Ok(())
}

/// Rows of a tile transposed together.
const STRIP: usize = 16;

/// Copies the lower triangle of a column-major n × n tile to the upper one.
fn mirror<T: Real>(tile: &mut [T], n: usize) {
    for first in (0..n).step_by(STRIP) {
        let columns = STRIP.min(n - first);
        // entries (i, first .. first + columns) become a run of column i
        for i in first + 1..n {
            for c in 0..columns.min(i - first) {
                tile[i * n + first + c] = tile[(first + c) * n + i];
            }
        }
    }
}

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
    x.pick(&scratch.live, &mut scratch.picked);
    let right = MatRef::from_row_major_slice(&scratch.picked, count, width);
    // whole units of m together, so that a panel is a few hundred columns
    let units = (256 / inputs).clamp(1, fan_out);
    let all = m.site.runs(&(0..inputs).collect::<Vec<_>>());
    for first in (if same { a } else { 0 }..fan_out).step_by(units) {
        let units = units.min(fan_out - first);
        let rows = units * inputs;
        scratch.factor.clear();
        for &r in &scratch.live {
            let r = r as usize;
            factors.row(m.site, (r / positions, r % positions), first..first + units, &mut scratch.factor);
        }
        let left = MatRef::from_row_major_slice(&scratch.factor, count, rows);
        scratch.product.resize((rows * width).max(scratch.product.len()), T::ZERO);
        let product = &mut scratch.product[..rows * width];
        let out = MatMut::from_column_major_slice_mut(&mut *product, rows, width);
        T::product(out, false, left.transpose(), right, Par::Seq);
        scratch.flops += 2 * (rows * width * count) as u64;
        finite("Hessian tile", product)?;
        if same && first == a {
            // the tile of a unit with itself is symmetric but for rounding
            for (c, &i) in x.columns.iter().enumerate() {
                for (d, &j) in x.columns[..c].iter().enumerate() {
                    product[c * rows + j] = product[d * rows + i];
                }
            }
        }
        for (c, &i) in x.columns.iter().enumerate() {
            let column = l.site.row(a, i);
            for b in 0..units {
                let values = &product[c * rows + b * inputs..c * rows + (b + 1) * inputs];
                for &(at, n) in &all {
                    // SAFETY: the row belongs to unit first + b of site m, the column to unit a of site l: a pair that
                    // this task owns.
                    unsafe { l.matrix.write(column, m.site.row(first + b, at), &values[at..at + n]) }
                }
            }
        }
        for b in usize::from(same && first == a)..units {
            for strip in (0..inputs).step_by(STRIP) {
                let height = STRIP.min(inputs - strip);
                scratch.run.resize((STRIP * width).max(scratch.run.len()), T::ZERO);
                for c in 0..width {
                    let at = c * rows + b * inputs + strip;
                    for (r, &v) in product[at..at + height].iter().enumerate() {
                        scratch.run[r * width + c] = v;
                    }
                }
                for r in 0..height {
                    let column = m.site.row(first + b, strip + r);
                    let run = &scratch.run[r * width..(r + 1) * width];
                    for &(at, n) in &x.runs {
                        // SAFETY: as above, with the roles of row and column exchanged.
                        unsafe { l.matrix.write(column, l.site.row(a, x.columns[at]), &run[at..at + n]) }
                    }
                }
            }
        }
    }
    Ok(())
}
