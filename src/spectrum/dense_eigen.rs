//! The one door to the dense symmetric eigensolver: scale by a power of two, solve, scale back, certify.
//!
//! faer 0.24's divide and conquer is not scale-invariant (its deflation threshold mixes the matrix's scale with that
//! of unit vectors) and then returns wrong pairs with status Ok. So the matrix is brought to max|a| ∈ [1, 2) by an exact
//! power of two, and nothing leaves this module before its residuals were measured as LAPACK's own tests do
//! (`dsyt21`: ‖AV − VΛ‖₁/(‖A‖₁·N·2⁻⁵²) and ‖VᵀV − I‖₁/(N·2⁻⁵²), both below 30).

pub use super::certificate::{Certificate, RATIO_LIMIT};
use super::certificate::{Norms, UNIT};
use super::inertia::Factorization;
use super::scale::{exponent, frobenius, max_abs, norm_one, scaled, times_pow2};
use super::small_eigen;
use crate::error::{Error, Result};
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Auto, Mat, MatRef, Par, Spec};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The algorithm for matrices too small for blocks to pay.
const SMALL: &str = "implicit QR by plain loops";

/// A = V·diag(values)·Vᵀ with its certificate.
#[derive(Debug, Clone)]
pub struct Eigen {
    /// Eigenvalues in ascending order.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors, one per column, in the order of the values.
    pub vectors: Mat<f64>,
    /// What was checked.
    pub certificate: Certificate,
}

/// Eigenvalues and eigenvectors of a dense symmetric matrix (N × N, both triangles filled).
///
/// The value bound is Kahan's in the form of Cao, Xie and Li (SIAM J. Matrix Anal. 17, 1996): the sorted eigenvalues
/// differ by at most ‖AV − VΛ‖₂/σ_min(V); the residual's own rounding is added a priori.
/// `Par::Seq` gives bits that do not depend on the number of threads.
///
/// # Errors
/// A matrix that is not square or not finite (input), and a decomposition whose residuals do not pass (certificate).
pub fn decompose(a: MatRef<'_, f64>, par: Par) -> Result<Eigen> {
    let (n, max) = check(a)?;
    if max == 0.0 {
        return Ok(Eigen { values: vec![0.0; n], vectors: Mat::identity(n, n), certificate: exact_certificate() });
    }
    let k = -exponent(max);
    let mut worst = String::new();
    if n <= small_eigen::LARGEST {
        match small_eigen::decompose(a, k) {
            Some(found) => {
                match accept(found.norms.certificate(&found.values, SMALL), found.values, found.vectors, k) {
                    Ok(eigen) => return Ok(eigen),
                    Err(why) => worst = why,
                }
            }
            None => worst = format!("{SMALL} did not converge"),
        }
    }
    let work = scaled(a, k);
    for (algorithm, threshold) in [("divide and conquer", None), ("implicit QR", Some(usize::MAX))] {
        let Some((values, vectors)) = call(work.as_ref(), par, threshold) else {
            worst = format!("{algorithm} did not converge");
            continue;
        };
        let norms = norms(work.as_ref(), &values, vectors.as_ref(), par);
        match accept(norms.certificate(&values, algorithm), values, vectors, k) {
            Ok(eigen) => return Ok(eigen),
            Err(why) => worst = why,
        }
    }
    Err(uncertified(n, &worst))
}

/// The decomposition of A from that of A·2ᵏ, or why it is refused.
fn accept(found: Certificate, mut values: Vec<f64>, vectors: Mat<f64>, k: i32) -> std::result::Result<Eigen, String> {
    if !(found.residual_ratio < RATIO_LIMIT && found.orthogonality_ratio < RATIO_LIMIT) {
        return Err(format!(
            "{} left residual ratio {:.3e} and orthogonality ratio {:.3e}, limit {RATIO_LIMIT}",
            found.algorithm, found.residual_ratio, found.orthogonality_ratio
        ));
    }
    let back = |x: f64| times_pow2(x, -k);
    values.iter_mut().for_each(|x| *x = back(*x));
    let certificate =
        Certificate { backward_error: back(found.backward_error), value_error: back(found.value_error), ..found };
    Ok(Eigen { values, vectors, certificate })
}

/// Eigenvalues alone, ascending, with a certificate.
///
/// Checked by the trace and Frobenius identities and by counting eigenvalues (Sylvester) below the least, above the
/// greatest and in the widest gap. The value bound is the a-priori 30·N·2⁻⁵³·σ_max of a backward stable reduction.
///
/// # Errors
/// As [`decompose`].
pub fn values(a: MatRef<'_, f64>, par: Par) -> Result<(Vec<f64>, Certificate)> {
    let (n, max) = check(a)?;
    if max == 0.0 {
        return Ok((vec![0.0; n], exact_certificate()));
    }
    let k = -exponent(max);
    let work = scaled(a, k);
    let solved = solve(work.as_ref(), None, par, None);
    if let Some(found) = solved
        && let Some(certificate) = certify_values(work.as_ref(), &found, par)?
    {
        let back = |x: f64| times_pow2(x, -k);
        let certificate = Certificate {
            backward_error: back(certificate.backward_error),
            value_error: back(certificate.value_error),
            ..certificate
        };
        return Ok((found.into_iter().map(back).collect(), certificate));
    }
    decompose(a, par).map(|e| (e.values, e.certificate))
}

fn check(a: MatRef<'_, f64>) -> Result<(usize, f64)> {
    let n = a.nrows();
    if n != a.ncols() {
        return Err(Error::input(
            "spectrum::not_square",
            "matrix",
            format!("{n} × {} is not square", a.ncols()),
            "give a symmetric matrix",
        ));
    }
    let max = max_abs(a);
    if !max.is_finite() {
        return Err(Error::input("spectrum::not_finite", "matrix", "an entry is NaN or infinite", "check the input"));
    }
    Ok((n, max))
}

fn exact_certificate() -> Certificate {
    Certificate {
        residual_ratio: 0.0,
        orthogonality_ratio: 0.0,
        backward_error: 0.0,
        value_error: 0.0,
        algorithm: "zero matrix",
    }
}

fn uncertified(n: usize, why: &str) -> Error {
    Error::certificate(
        "spectrum::residual",
        format!("eigendecomposition, N = {n}"),
        why,
        "run with --threads 1, and report the matrix: no number was taken from it",
    )
}

fn call(a: MatRef<'_, f64>, par: Par, threshold: Option<usize>) -> Option<(Vec<f64>, Mat<f64>)> {
    let mut vectors = Mat::zeros(a.nrows(), a.nrows());
    let values = solve(a, Some(&mut vectors), par, threshold)?;
    Some((values, vectors))
}

/// The call itself; `None` when the library failed, panicked, or returned something unordered.
fn solve(a: MatRef<'_, f64>, vectors: Option<&mut Mat<f64>>, par: Par, threshold: Option<usize>) -> Option<Vec<f64>> {
    let n = a.nrows();
    let want = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut params = <SelfAdjointEvdParams as Auto<f64>>::auto();
    if let Some(threshold) = threshold {
        params.recursion_threshold = threshold;
    }
    let params: Spec<SelfAdjointEvdParams, f64> = params.into();
    let mut values = vec![0.0; n];
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(n, want, par, params));
        self_adjoint_evd(
            a,
            DiagMut::from_slice_mut(&mut values),
            vectors.map(|v| v.as_mut()),
            par,
            MemStack::new(&mut memory),
            params,
        )
    }));
    let sound = values.iter().all(|x| x.is_finite()) && values.windows(2).all(|w| w[0] <= w[1]);
    matches!(outcome, Ok(Ok(()))).then_some(values).filter(|_| sound)
}

fn norms(a: MatRef<'_, f64>, values: &[f64], v: MatRef<'_, f64>, par: Par) -> Norms {
    let n = a.nrows();
    let mut r = Mat::zeros(n, n);
    matmul(r.as_mut(), Accum::Replace, a, v, 1.0, par);
    for (j, value) in values.iter().enumerate() {
        r.col_mut(j).iter_mut().zip(v.col(j).iter()).for_each(|(r, v)| *r -= value * v);
    }
    let (residual_one, residual_frobenius) = (norm_one(r.as_ref()), frobenius(r.as_ref()));
    matmul(r.as_mut(), Accum::Replace, v.transpose(), v, 1.0, par);
    for j in 0..n {
        r[(j, j)] -= 1.0;
    }
    let (skew_one, skew_frobenius) = (norm_one(r.as_ref()), frobenius(r.as_ref()));
    Norms { residual_one, residual_frobenius, skew_one, skew_frobenius, ..Norms::of(a, v) }
}

/// `None` when a check of the values fails.
fn certify_values(a: MatRef<'_, f64>, values: &[f64], par: Par) -> Result<Option<Certificate>> {
    let n = a.nrows();
    let size = n as f64;
    let sigma = values[0].abs().max(values[n - 1].abs());
    let fro = frobenius(a);
    let trace: f64 = (0..n).map(|i| a[(i, i)]).sum();
    let sum: f64 = values.iter().sum();
    let squares = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let off = ((trace - sum).abs() / size.sqrt()).max((fro - squares).abs());
    let residual_ratio = off / (fro * size * f64::EPSILON);
    let value_error = RATIO_LIMIT * size * UNIT * sigma;
    if residual_ratio.is_nan() || residual_ratio >= RATIO_LIMIT {
        return Ok(None);
    }
    let mut shifts = vec![(values[0] - 2.0 * value_error, 0), (values[n - 1] + 2.0 * value_error, n)];
    if let Some((below, _)) = values.windows(2).map(|w| w[1] - w[0]).enumerate().max_by(|x, y| x.1.total_cmp(&y.1)) {
        let (low, high) = (values[below], values[below + 1]);
        if high - low > 4.0 * value_error {
            shifts.push((low + (high - low) / 2.0, below + 1));
        }
    }
    for (shift, below) in shifts {
        if Factorization::new(a, -shift, par)?.signs().negative != below {
            return Ok(None);
        }
    }
    Ok(Some(Certificate {
        residual_ratio,
        orthogonality_ratio: 0.0,
        backward_error: size * f64::EPSILON * sigma,
        value_error,
        algorithm: "values alone",
    }))
}

#[cfg(test)]
pub(crate) mod tests;
