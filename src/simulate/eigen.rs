//! The spectral decomposition the simulator works in.

use crate::error::{Error, Result};
use faer::{Mat, MatRef, Side};

/// Eigenvalues in increasing order with orthonormal eigenvectors in columns.
///
/// # Errors
/// When the eigensolver fails.
pub fn symmetric_eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let n = matrix.nrows();
    let mut largest = 0.0_f64;
    for j in 0..n {
        for i in 0..n {
            largest = largest.max(matrix[(i, j)].abs());
        }
    }
    let scale = if largest > 0.0 { (-largest.log2().floor()).exp2() } else { 1.0 };
    let scaled = Mat::from_fn(n, n, |i, j| matrix[(i, j)] * scale);
    let eigen = scaled.self_adjoint_eigen(Side::Lower).map_err(|e| {
        Error::certificate("simulate::eigen", format!("matrix of size {n}"), format!("{e:?}"), "check its entries")
    })?;
    let values = (0..n).map(|i| eigen.S()[i] / scale).collect();
    Ok((values, eigen.U().to_owned()))
}
