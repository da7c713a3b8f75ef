//! The spectral measure of (A, b) from a few matrix-vector products, for matrices too large for a full spectrum.
//!
//! m Lanczos steps with full reorthogonalisation give m nodes and weights that integrate every polynomial of degree
//! below 2m exactly (Golub and Welsch): to an algorithm that sees A and b only, this is the same system. About 6√κ
//! nodes do for a positive definite matrix, about κ for an indefinite one.

use super::instance::norm;
use crate::error::{Error, Result};
use crate::spectrum::dense_eigen::decompose;
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
        diagonal.push(image.iter().zip(&basis[k - 1]).map(|(x, q)| x * q).sum::<f64>());
        for _ in 0..2 {
            for q in &basis {
                let overlap: f64 = image.iter().zip(q).map(|(x, q)| x * q).sum();
                image.iter_mut().zip(q).for_each(|(x, q)| *x -= overlap * q);
            }
        }
        let beta = norm(&image);
        scale = scale.max(diagonal[k - 1].abs()).max(beta);
        let invariant = k == n || beta <= 1e-14 * scale;
        if invariant || k >= next_check || k >= cap {
            let (values, amplitudes) = ritz(&diagonal, &off)?;
            let x = inverse_norm(&values, &amplitudes);
            let change = if invariant { 0.0 } else { ((x - last) / x).abs() };
            if change <= CONVERGED {
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

/// ‖A⁻¹b‖ by the measure.
fn inverse_norm(values: &[f64], amplitudes: &[f64]) -> f64 {
    norm(&values.iter().zip(amplitudes).map(|(v, a)| a / v).collect::<Vec<_>>())
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
