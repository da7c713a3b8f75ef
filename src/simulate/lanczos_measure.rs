//! The spectral measure of (A, b) from a few matrix-vector products, for matrices too large for a full spectrum.
//!
//! m Lanczos steps with full reorthogonalisation give m nodes and weights that integrate every polynomial of degree
//! below 2m exactly (Golub and Welsch): to an algorithm that sees A and b only, this is the same system. About 6√κ
//! nodes do for a positive definite matrix, about κ for an indefinite one.

use super::instance::norm;
use crate::error::{Error, Result};
use crate::spectrum::dense_eigen::decompose;
use crate::spectrum::symmetric_product::{dot, subtract};
use faer::{Mat, Par};

/// Nodes (Ritz values) and amplitudes (first components, sign free) with the change seen at the last check.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Ritz values in increasing order.
    pub values: Vec<f64>,
    /// |⟨e_1|y_i⟩|.
    pub amplitudes: Vec<f64>,
    /// Relative change of ‖A⁻¹b‖ over the last third of the steps; 0 when an invariant subspace was found.
    pub change: f64,
}

/// A measure counts as converged below this relative change of ‖A⁻¹b‖.
pub const CONVERGED: f64 = 1e-10;

/// Runs Lanczos on `apply` (y ← A x) from `b` until ‖A⁻¹b‖ stands still, at most `max_nodes` steps.
///
/// # Errors
/// Resource ("not verifiable") when the cap is reached first, with what is missing; input when a product is not
/// finite.
pub fn measure(
    mut apply: impl FnMut(&[f64], &mut [f64]) -> Result<()>,
    b: &[f64],
    max_nodes: usize,
    max_bytes: u64,
) -> Result<Measure> {
    let n = b.len();
    let cap = max_nodes.min(n).min((max_bytes / 8 / n.max(1) as u64).max(1) as usize);
    let size = norm(b);
    let mut basis: Vec<Vec<f64>> = vec![b.iter().map(|x| x / size).collect()];
    let (mut diagonal, mut off) = (Vec::new(), Vec::new());
    let mut image = vec![0.0; n];
    let (mut last, mut next_check) = (f64::NAN, 24);
    let mut scale = 0.0_f64;
    loop {
        let k = basis.len();
        apply(&basis[k - 1], &mut image)?;
        if image.iter().any(|x| !x.is_finite()) {
            return Err(Error::input(
                "simulate::not_finite",
                format!("product {k} of the Lanczos measure"),
                "it is not finite",
                "check the matrix",
            ));
        }
        // The three-term recurrence first: what one pass over the whole basis then takes away is rounding, and a second
        // pass is due only where the image shrank by it (Daniel, Gragg, Kaufman and Stewart, Math. Comp. 30, 1976).
        let overlap = dot(&image, &basis[k - 1]);
        subtract(&mut image, overlap, &basis[k - 1]);
        if let (Some(q), Some(&last)) = (basis.iter().rev().nth(1), off.last()) {
            subtract(&mut image, last, q);
        }
        diagonal.push(overlap);
        scale = scale.max(overlap.abs());
        let mut beta = norm(&image);
        loop {
            for q in &basis {
                let part = dot(&image, q);
                subtract(&mut image, part, q);
            }
            let before = std::mem::replace(&mut beta, norm(&image));
            if beta >= std::f64::consts::FRAC_1_SQRT_2 * before || beta <= 1e-14 * scale {
                break;
            }
        }
        scale = scale.max(beta);
        let invariant = k == n || beta <= 1e-14 * scale;
        if invariant || k >= next_check || k >= cap {
            let x = inverse_norm(&diagonal, &off);
            let change = if invariant { 0.0 } else { ((x - last) / x).abs() };
            if change <= CONVERGED {
                let (values, amplitudes) = ritz(&diagonal, &off)?;
                return Ok(Measure { values, amplitudes, change });
            }
            if k >= cap {
                return Err(Error::resource(
                    "simulate::not_verifiable",
                    format!("matrix of size {n}"),
                    format!(
                        "not verifiable: after {k} Lanczos nodes ‖A⁻¹b‖ still moves by {change:.1e} (an indefinite \
                         matrix needs about κ of them)"
                    ),
                    "raise the cap on nodes, damp the matrix, or verify |H| or the Gauss-Newton matrix",
                ));
            }
            last = x;
            next_check = (k * 3 / 2).max(k + 8);
        }
        off.push(beta);
        basis.push(image.iter().map(|x| x / beta).collect());
    }
}

/// ‖A⁻¹b‖ by the measure: ‖T⁻¹e₁‖, by elimination with row exchanges.
fn inverse_norm(diagonal: &[f64], off: &[f64]) -> f64 {
    let m = diagonal.len();
    // Rows of U: (pivot, next, next but one) and the right-hand side.
    let mut rows: Vec<([f64; 3], f64)> = Vec::with_capacity(m);
    let upper = |k: usize| off.get(k).copied().filter(|_| k + 1 < m).unwrap_or(0.0);
    let (mut row, mut right) = ([diagonal[0], upper(0), 0.0], 1.0);
    for k in 1..m {
        let (mut below, mut below_right) = ([off[k - 1], diagonal[k], upper(k)], 0.0);
        if below[0].abs() > row[0].abs() {
            std::mem::swap(&mut row, &mut below);
            std::mem::swap(&mut right, &mut below_right);
        }
        let factor = if row[0] == 0.0 { 0.0 } else { below[0] / row[0] };
        rows.push((row, right));
        row = [below[1] - factor * row[1], below[2] - factor * row[2], 0.0];
        right = below_right - factor * right;
    }
    rows.push((row, right));
    let mut x = vec![0.0; m + 2];
    for (k, (row, right)) in rows.iter().enumerate().rev() {
        x[k] = (right - row[1] * x[k + 1] - row[2] * x[k + 2]) / row[0];
    }
    norm(&x)
}

/// Eigenvalues and first components of the tridiagonal matrix.
fn ritz(diagonal: &[f64], off: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let m = diagonal.len();
    let t = Mat::from_fn(m, m, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => off[i.min(j)],
        _ => 0.0,
    });
    let eigen = decompose(t.as_ref(), Par::Seq)?;
    let amplitudes = (0..m).map(|k| eigen.vectors[(0, k)].abs()).collect();
    Ok((eigen.values, amplitudes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_norm_is_that_of_the_spectrum() {
        for m in [2, 3, 10, 57] {
            let diagonal: Vec<f64> = (0..m).map(|k| if k == 0 { 0.0 } else { (k as f64 * 1.7).sin() }).collect();
            let off: Vec<f64> = (0..m - 1).map(|k| 0.3 + (k as f64 * 0.9).cos().abs()).collect();
            let (values, amplitudes) = ritz(&diagonal, &off).unwrap();
            let x: Vec<f64> = values.iter().zip(&amplitudes).map(|(v, a)| a / v).collect();
            let (direct, spectral) = (inverse_norm(&diagonal, &off), norm(&x));
            assert!((direct / spectral - 1.0).abs() < 1e-11, "m {m}: {direct} {spectral}");
        }
    }
}
