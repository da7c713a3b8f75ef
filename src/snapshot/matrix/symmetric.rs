//! Square, finite, symmetric: what every matrix must be; the small rounding asymmetry of a file is averaged away.

use crate::error::{Error, Result};
use crate::snapshot::matrix::{Entries, RawMatrix, damaged};
use nalgebra_sparse::{CooMatrix, CsrMatrix};

/// Largest `max|a_ij − a_ji| / max|a|` that counts as rounding.
pub const ASYMMETRY_LIMIT: f64 = 1e-8;

/// A checked matrix.
pub struct Checked {
    pub n: usize,
    pub nnz: usize,
    pub max_abs: f64,
    pub asymmetry: f64,
    pub entries: Entries,
}

/// Checks and symmetrises.
pub fn check(raw: RawMatrix, place: &str) -> Result<Checked> {
    if raw.rows != raw.columns {
        return Err(damaged(place, format!("a matrix of {} rows and {} columns is not square", raw.rows, raw.columns)));
    }
    if raw.rows == 0 {
        return Err(damaged(place, "a matrix without rows"));
    }
    match raw.entries {
        Entries::Dense(matrix) => dense(matrix, place),
        Entries::Sparse(matrix) => sparse(matrix, place),
    }
}

/// Running maxima of |a| and |a_ij − a_ji|.
#[derive(Default)]
struct Extremes {
    max_abs: f64,
    gap: f64,
    at: (usize, usize),
}

impl Extremes {
    fn pair(&mut self, i: usize, j: usize, a: f64, b: f64, place: &str) -> Result<()> {
        for (i, j, value) in [(i, j, a), (j, i, b)] {
            if !value.is_finite() {
                return Err(Error::input(
                    "matrix::not_finite",
                    format!("{place}, entry [{i}, {j}]"),
                    format!("the value is {value}"),
                    "compute the matrix again; every entry must be finite",
                ));
            }
            self.max_abs = self.max_abs.max(value.abs());
        }
        // Halves first: the difference of two finite numbers may overflow.
        let gap = (a * 0.5 - b * 0.5).abs();
        if gap > self.gap {
            self.gap = gap;
            self.at = (i, j);
        }
        Ok(())
    }

    fn asymmetry(&self, place: &str) -> Result<f64> {
        if self.gap == 0.0 {
            return Ok(0.0);
        }
        let asymmetry = self.gap / self.max_abs * 2.0;
        if asymmetry > ASYMMETRY_LIMIT {
            let (i, j) = self.at;
            return Err(Error::input(
                "matrix::asymmetric",
                format!("{place}, entries [{i}, {j}] and [{j}, {i}]"),
                format!("the matrix is not symmetric: relative asymmetry {asymmetry:.3e}, at most {ASYMMETRY_LIMIT:e}"),
                "a Hessian is symmetric; store (H + H.T) / 2 if the difference is rounding",
            ));
        }
        Ok(asymmetry)
    }
}

fn mean(a: f64, b: f64) -> f64 {
    if a == b { a } else { 0.5 * a + 0.5 * b }
}

fn dense(mut matrix: faer::Mat<f64>, place: &str) -> Result<Checked> {
    let n = matrix.nrows();
    let mut extremes = Extremes::default();
    for j in 0..n {
        for i in j..n {
            extremes.pair(i, j, matrix[(i, j)], matrix[(j, i)], place)?;
        }
    }
    let asymmetry = extremes.asymmetry(place)?;
    let mut nnz = 0;
    for j in 0..n {
        for i in j..n {
            let value = mean(matrix[(i, j)], matrix[(j, i)]);
            matrix[(i, j)] = value;
            matrix[(j, i)] = value;
            if value != 0.0 {
                nnz += if i == j { 1 } else { 2 };
            }
        }
    }
    Ok(Checked { n, nnz, max_abs: extremes.max_abs, asymmetry, entries: Entries::Dense(matrix) })
}

fn sparse(matrix: CsrMatrix<f64>, place: &str) -> Result<Checked> {
    let n = matrix.nrows();
    let transpose = matrix.transpose();
    let mut extremes = Extremes::default();
    let mut mirrored = CooMatrix::new(n, n);
    let mut nnz = 0;
    for i in 0..n {
        // Rows of the matrix and of its transpose, merged by column.
        let (row, other) = (matrix.row(i), transpose.row(i));
        let mut left = row.col_indices().iter().copied().zip(row.values().iter().copied()).peekable();
        let mut right = other.col_indices().iter().copied().zip(other.values().iter().copied()).peekable();
        loop {
            let (j, a, b) = match (left.peek().copied(), right.peek().copied()) {
                (None, None) => break,
                (Some((j, a)), None) => (j, a, 0.0),
                (None, Some((k, b))) => (k, 0.0, b),
                (Some((j, a)), Some((k, _))) if j < k => (j, a, 0.0),
                (Some((j, _)), Some((k, b))) if k < j => (k, 0.0, b),
                (Some((j, a)), Some((_, b))) => (j, a, b),
            };
            left.next_if(|(k, _)| *k == j);
            right.next_if(|(k, _)| *k == j);
            extremes.pair(i, j, a, b, place)?;
            let value = mean(a, b);
            if value != 0.0 {
                nnz += 1;
                mirrored.push(i, j, value);
            }
        }
    }
    let asymmetry = extremes.asymmetry(place)?;
    Ok(Checked { n, nnz, max_abs: extremes.max_abs, asymmetry, entries: Entries::Sparse(CsrMatrix::from(&mirrored)) })
}
