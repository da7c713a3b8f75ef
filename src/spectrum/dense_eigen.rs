//! The one door to the dense symmetric eigensolver: scale by a power of two, solve, scale back, certify.
//!
//! faer 0.24's divide and conquer is not scale-invariant (its deflation threshold mixes the matrix's scale with that
//! of unit vectors) and then returns wrong pairs with status Ok. So the matrix is brought to max|a| ∈ [1, 2) by an exact
//! power of two, and nothing leaves this module before its residuals were measured as LAPACK's own tests do
//! (`dsyt21`: ‖AV − VΛ‖₁/(‖A‖₁·N·2⁻⁵²) and ‖VᵀV − I‖₁/(N·2⁻⁵²), both below 30).

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

/// The largest residual ratio that passes, LAPACK's own threshold.
pub const RATIO_LIMIT: f64 = 30.0;

/// The algorithm for matrices too small for blocks to pay.
const SMALL: &str = "implicit QR by plain loops";

const UNIT: f64 = f64::EPSILON / 2.0;

/// What was checked about a decomposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// ‖AV − VΛ‖₁/(‖A‖₁·N·2⁻⁵²); for values alone the trace and Frobenius identities on the same scale.
    pub residual_ratio: f64,
    /// ‖VᵀV − I‖₁/(N·2⁻⁵²); 0 for values alone.
    pub orthogonality_ratio: f64,
    /// Measured backward error ‖AV − VΛ‖_F (for values alone N·2⁻⁵²·σ_max, the customary size).
    pub backward_error: f64,
    /// Every eigenvalue of A, in order, lies within this of the computed one.
    pub value_error: f64,
    /// Which algorithm answered.
    pub algorithm: &'static str,
}

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
    let work = scaled(a, k);
    let mut worst = String::new();
    let small = (n <= small_eigen::LARGEST).then_some((SMALL, None));
    let blocked = [("divide and conquer", None), ("implicit QR", Some(usize::MAX))];
    for (algorithm, threshold) in small.into_iter().chain(blocked) {
        let found = if algorithm == SMALL { small_call(work.as_ref()) } else { call(work.as_ref(), par, threshold) };
        let Some((values, vectors)) = found else {
            worst = format!("{algorithm} did not converge");
            continue;
        };
        let found = certify(work.as_ref(), &values, vectors.as_ref(), par, algorithm);
        if found.residual_ratio < RATIO_LIMIT && found.orthogonality_ratio < RATIO_LIMIT {
            let back = |x: f64| times_pow2(x, -k);
            return Ok(Eigen {
                values: values.iter().map(|&x| back(x)).collect(),
                vectors,
                certificate: Certificate {
                    backward_error: back(found.backward_error),
                    value_error: back(found.value_error),
                    ..found
                },
            });
        }
        worst = format!(
            "{algorithm} left residual ratio {:.3e} and orthogonality ratio {:.3e}, limit {RATIO_LIMIT}",
            found.residual_ratio, found.orthogonality_ratio
        );
    }
    Err(uncertified(n, &worst))
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

fn small_call(a: MatRef<'_, f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let n = a.nrows();
    let (values, columns) = small_eigen::decompose(a)?;
    let vectors = MatRef::from_column_major_slice(&columns, n, n).to_owned();
    Some((values, vectors))
}

/// C ← A·B.
fn product(c: &mut Mat<f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>, par: Par) {
    let n = a.nrows();
    if n > small_eigen::LARGEST {
        matmul(c.as_mut(), Accum::Replace, a, b, 1.0, par);
        return;
    }
    for j in 0..n {
        c.col_mut(j).fill(0.0);
        for (a, &x) in a.col_iter().zip(b.col(j).iter()) {
            c.col_mut(j).iter_mut().zip(a.iter()).for_each(|(c, a)| *c += a * x);
        }
    }
}

/// C ← VᵀV.
fn gram(c: &mut Mat<f64>, v: MatRef<'_, f64>, par: Par) {
    let n = v.nrows();
    if n > small_eigen::LARGEST {
        matmul(c.as_mut(), Accum::Replace, v.transpose(), v, 1.0, par);
        return;
    }
    for j in 0..n {
        for i in 0..=j {
            let sum: f64 = v.col(i).iter().zip(v.col(j).iter()).map(|(x, y)| x * y).sum();
            (c[(i, j)], c[(j, i)]) = (sum, sum);
        }
    }
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

fn certify(a: MatRef<'_, f64>, values: &[f64], v: MatRef<'_, f64>, par: Par, algorithm: &'static str) -> Certificate {
    let n = a.nrows();
    let size = n as f64;
    let gamma = (size + 2.0) * UNIT / (1.0 - (size + 2.0) * UNIT);
    let slack = 1.0 + size * size * UNIT;
    let mut r = Mat::zeros(n, n);
    product(&mut r, a, v, par);
    for (j, value) in values.iter().enumerate() {
        r.col_mut(j).iter_mut().zip(v.col(j).iter()).for_each(|(r, v)| *r -= value * v);
    }
    let norm_a = norm_one(a);
    let residual = frobenius(r.as_ref()) * slack;
    let residual_ratio = norm_one(r.as_ref()) / (norm_a * size * f64::EPSILON);
    gram(&mut r, v, par);
    for j in 0..n {
        r[(j, j)] -= 1.0;
    }
    let orthogonality_ratio = norm_one(r.as_ref()) / (size * f64::EPSILON);
    let v_norm = frobenius(v) * slack;
    let skew = frobenius(r.as_ref()) * slack + gamma * v_norm * v_norm;
    let sigma = values.first().map_or(0.0, |x| x.abs()).max(values.last().map_or(0.0, |x| x.abs()));
    let rounding = gamma * frobenius(a) * slack * v_norm + 2.0 * UNIT * sigma * v_norm;
    let value_error = if skew < 1.0 { (residual + rounding) / (1.0 - skew).sqrt() } else { f64::INFINITY };
    // NaN must not pass for small
    let ratio = |x: f64| if x.is_finite() { x } else { f64::INFINITY };
    Certificate {
        residual_ratio: ratio(residual_ratio),
        orthogonality_ratio: ratio(orthogonality_ratio),
        backward_error: residual,
        value_error,
        algorithm,
    }
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
