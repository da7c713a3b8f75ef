//! Row sparsity d, the sparsification curve, and the subnormalization α of the cheapest encoding.

use crate::error::Result;
use crate::measurement::{SparsityPoint, Subnormalization};
use crate::spectrum::lanczos::{Dropped, spectral_norm};
use crate::spectrum::scale::{frobenius, max_abs};
use faer::MatRef;
use rayon::prelude::*;

/// Entries at most this times the largest count as zero.
pub const ZERO: f64 = 1e-12;

/// Relative thresholds of the curve.
pub const THRESHOLDS: [f64; 8] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-12];

/// d, entries, and ‖dropped‖_F at one threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Largest number of entries above the threshold in a row.
    pub d: usize,
    /// Entries above the threshold.
    pub nonzeros: u64,
    /// Frobenius norm of the others.
    pub dropped: f64,
}

/// Counts entries with |a_ij| > t·max|a_ij| for every t of `thresholds`, in one pass.
pub fn kept(a: MatRef<'_, f64>, thresholds: &[f64]) -> Vec<Kept> {
    let n = a.nrows();
    let max = max_abs(a);
    let mut order: Vec<usize> = (0..thresholds.len()).collect();
    order.sort_by(|&x, &y| thresholds[x].total_cmp(&thresholds[y]));
    let cuts: Vec<f64> = order.iter().map(|&i| thresholds[i] * max).collect();
    let levels = cuts.len() + 1;
    // per level: entries that exceed exactly that many cuts, by row, and their squares
    let mut rows = vec![0u32; n * levels];
    let mut squares = vec![0.0; levels];
    for j in 0..a.ncols() {
        for (i, &x) in a.col(j).iter().enumerate() {
            let x = x.abs();
            let level = cuts.iter().filter(|&&cut| x > cut).count();
            rows[i * levels + level] += 1;
            squares[level] += x * x;
        }
    }
    let mut out = vec![Kept { d: 0, nonzeros: 0, dropped: 0.0 }; thresholds.len()];
    for (rank, &place) in order.iter().enumerate() {
        let counts = (0..n).map(|i| rows[i * levels + rank + 1..(i + 1) * levels].iter().map(|&c| c as usize).sum());
        let counts: Vec<usize> = counts.collect();
        out[place] = Kept {
            d: counts.iter().copied().max().unwrap_or(0),
            nonzeros: counts.iter().map(|&c| c as u64).sum(),
            dropped: squares[..=rank].iter().sum::<f64>().sqrt(),
        };
    }
    out
}

/// The curve of H over [`THRESHOLDS`]; `sigma_max` is ‖H‖₂. Spectral errors are Lanczos values (from below, converged
/// to a relative residual of 1e-4).
///
/// # Errors
/// When Lanczos fails on a dropped part.
pub fn curve(h: MatRef<'_, f64>, sigma_max: f64, seed: u64) -> Result<Vec<SparsityPoint>> {
    let norm = frobenius(h);
    let max = max_abs(h);
    let relative = |x: f64, of: f64| if of > 0.0 { x / of } else { 0.0 };
    let kept = kept(h, &THRESHOLDS);
    // each threshold on its own thread; the result does not depend on the order
    let point = |(&threshold, kept): (&f64, &Kept)| -> Result<SparsityPoint> {
        let spectral =
            if kept.dropped == 0.0 { 0.0 } else { spectral_norm(&Dropped { matrix: h, cut: threshold * max }, seed)? };
        Ok(SparsityPoint {
            threshold,
            d: kept.d,
            nonzeros: kept.nonzeros,
            frobenius_error: relative(kept.dropped, norm),
            // ‖·‖₂ ≤ ‖·‖_F in exact arithmetic
            spectral_error: Some(relative(spectral.min(kept.dropped), sigma_max)),
        })
    };
    THRESHOLDS.par_iter().zip(kept.par_iter()).map(point).collect()
}

/// The better of the d-sparse encoding, α = d·max|a_ij|, and the dense one, α = ‖A‖_F
/// (Gilyén, Su, Low and Wiebe, arXiv:1806.01838, Lemmas 48 and 50). Both are ≥ ‖A‖₂.
pub fn subnormalization(d: usize, max: f64, frobenius: f64, sigma_max: f64) -> Subnormalization {
    let sparse = d as f64 * max;
    let (absolute, encoding) = if sparse <= frobenius { (sparse, "sparse") } else { (frobenius, "frobenius") };
    let relative = if sigma_max > 0.0 { (absolute / sigma_max).max(1.0) } else { 1.0 };
    Subnormalization { absolute, relative, encoding: encoding.to_string() }
}

#[cfg(test)]
mod tests;
