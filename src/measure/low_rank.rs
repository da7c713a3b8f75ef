//! Curvatures C = FFᵀ of rank ≪ N by their factor F (N × rank): the spectrum through the Gram matrix FᵀF, never N².

use crate::curvature::damping::DampingRule;
use crate::error::{Error, Result};
use crate::measurement::Measured;
use crate::spectrum::condition::Eigenvalues;
use crate::spectrum::dense_eigen;
use crate::spectrum::scale::{exponent, frobenius, max_abs, scaled, times_pow2};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

/// The spectrum of C = FFᵀ and max|c_ij|, both of the matrix times 2^(2k).
pub struct Gram {
    /// Eigenvalues of FᵀF, with N − rank exact zeros added when N exceeds the rank.
    pub spectrum: Eigenvalues,
    /// max|c_ij| = max c_ii, since C is positive semidefinite.
    pub max_abs: f64,
    /// The factor was multiplied by 2ᵏ, the matrix by 2²ᵏ.
    pub exponent: i32,
}

/// Spectrum of FFᵀ through FᵀF.
///
/// # Errors
/// A factor that is empty, of the wrong height, or not finite.
pub fn gram(f: MatRef<'_, f64>, n: usize, par: Par, place: &str) -> Result<Gram> {
    let rank = f.ncols();
    let max = max_abs(f);
    if f.nrows() != n || n == 0 || !max.is_finite() {
        let what = format!("a factor of {} × {rank} for a matrix of size {n}, largest entry {max}", f.nrows());
        return Err(Error::input("measure::factor", place, what, "give a finite factor of N rows"));
    }
    let k = -exponent(max);
    let f = scaled(f, k);
    let mut diagonal = vec![0.0; n];
    for j in 0..rank {
        diagonal.iter_mut().zip(f.col(j).iter()).for_each(|(d, x)| *d += x * x);
    }
    let max_abs = diagonal.iter().copied().fold(0.0, f64::max);
    // the smaller of the two Gram matrices has every non-zero eigenvalue
    let product = if rank <= n { gram_matrix(f.as_ref(), par) } else { gram_matrix(f.transpose(), par) };
    let (mut values, certificate) = dense_eigen::values(product.as_ref(), par)?;
    // rounding of the Gram product itself: γ·‖F‖_F²
    let inner = rank.max(n) as f64;
    let fro = frobenius(f.as_ref());
    let rounding = inner * f64::EPSILON * fro * fro;
    // FFᵀ has no negative eigenvalue
    values.iter_mut().for_each(|x| *x = x.max(0.0));
    values.resize(n, 0.0);
    let spectrum = Eigenvalues {
        values,
        value_error: certificate.value_error + rounding,
        backward_error: certificate.backward_error,
    };
    Ok(Gram { spectrum, max_abs, exponent: k })
}

/// FᵀF, exactly symmetric.
pub fn gram_matrix(f: MatRef<'_, f64>, par: Par) -> Mat<f64> {
    let rank = f.ncols();
    let mut product = Mat::<f64>::zeros(rank, rank);
    matmul(product.as_mut(), Accum::Replace, f.transpose(), f, 1.0, par);
    Mat::from_fn(rank, rank, |i, j| product[(i.max(j), i.min(j))])
}

/// κ of FFᵀ + λI; when N exceeds the rank, σ_min is λ exactly.
///
/// # Errors
/// As [`gram`].
pub fn kappa(name: &str, f: &Mat<f64>, n: usize, rule: DampingRule, par: Par, place: &str) -> Result<Measured> {
    let gram = gram(f.as_ref(), n, par, &format!("{place}, {name}"))?;
    let lambda = match rule {
        DampingRule::Absolute(x) => times_pow2(x, 2 * gram.exponent),
        _ => rule.lambda(gram.max_abs),
    };
    let rank = f.ncols();
    let method = format!(
        "Gram matrix of the rank-{} factor of the {name}, λ = {:.6e}",
        rank.min(n),
        times_pow2(lambda, -2 * gram.exponent)
    );
    if lambda == 0.0 {
        return Ok(gram.spectrum.condition(name, &method).kappa);
    }
    let of = format!("{name}+λI");
    if rank < n {
        let max = gram.spectrum.sigma_max();
        let e = gram.spectrum.value_error;
        let at = |max: f64| ((max.max(0.0) + lambda) / lambda).max(1.0);
        return Ok(Measured::new(
            at(max),
            at(max - e) * (1.0 - 4.0 * f64::EPSILON),
            at(max + e) * (1.0 + 4.0 * f64::EPSILON),
            method,
        )
        .of(of));
    }
    Ok(gram.spectrum.map(|x| x + lambda).condition(&of, &method).kappa)
}

#[cfg(test)]
mod tests;
