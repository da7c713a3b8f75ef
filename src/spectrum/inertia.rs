//! Inertia by the LBLᵀ factorisation (Bunch-Kaufman) and Sylvester's law, at any shift.

use super::scale::{exponent, frobenius, max_abs, times_pow2};
use crate::error::{Error, Result};
use faer::diag::{DiagMut, DiagRef};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::lblt::factor::{LbltParams, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::lblt::solve::{solve_in_place, solve_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::perm::PermRef;
use faer::{Accum, Auto, Mat, MatMut, MatRef, Par, Spec};

/// Numbers of positive, negative and exactly zero pivots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Positive eigenvalues of the factored matrix.
    pub positive: usize,
    /// Negative eigenvalues of the factored matrix.
    pub negative: usize,
    /// Exactly zero pivots.
    pub zero: usize,
}

/// P(A + sI)Pᵀ = LBLᵀ with B of 1 × 1 and 2 × 2 blocks.
#[derive(Debug, Clone)]
pub struct Factorization {
    /// Unit lower triangle with the diagonal of B on its diagonal, of the scaled matrix.
    factor: Mat<f64>,
    below: Vec<f64>,
    forward: Vec<usize>,
    inverse: Vec<usize>,
    exponent: i32,
    par: Par,
}

impl Factorization {
    /// Factors A + shift·I (A symmetric, N × N; the lower triangle is read).
    ///
    /// # Errors
    /// When an entry of the matrix or of the factors is not finite.
    pub fn new(a: MatRef<'_, f64>, shift: f64, par: Par) -> Result<Self> {
        let n = a.nrows();
        let mut max = max_abs(a);
        let finite = max.is_finite() && shift.is_finite() && a.ncols() == n;
        if finite {
            max = (0..n).fold(max, |m, i| m.max((a[(i, i)] + shift).abs()));
        }
        if !finite || !max.is_finite() {
            return Err(Error::input(
                "spectrum::not_finite",
                "matrix",
                "not square, or an entry is NaN or infinite",
                "check the input",
            ));
        }
        let k = -exponent(max);
        let mut factor = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => times_pow2(a[(i, i)] + shift, k),
            std::cmp::Ordering::Greater => times_pow2(a[(i, j)], k),
        });
        let mut below = vec![0.0; n];
        let mut forward = vec![0usize; n];
        let mut inverse = vec![0usize; n];
        if n > 0 {
            let params: Spec<LbltParams, f64> = <LbltParams as Auto<f64>>::auto().into();
            let mut memory = MemBuffer::new(cholesky_in_place_scratch::<usize, f64>(n, par, params));
            cholesky_in_place(
                factor.as_mut(),
                DiagMut::from_slice_mut(&mut below),
                &mut forward,
                &mut inverse,
                par,
                MemStack::new(&mut memory),
                params,
            );
        }
        let sound = below.iter().all(|x| x.is_finite()) && (0..n).all(|j| factor.col(j).iter().all(|x| x.is_finite()));
        if !sound {
            return Err(Error::certificate(
                "spectrum::factorisation",
                format!("LBLᵀ, N = {n}"),
                "the factors are not finite",
                "damp the matrix",
            ));
        }
        Ok(Factorization { factor, below, forward, inverse, exponent: k, par })
    }

    /// Signs of the eigenvalues of A + shift·I (Sylvester's law of inertia), up to the backward error.
    pub fn signs(&self) -> Signs {
        let mut signs = Signs { positive: 0, negative: 0, zero: 0 };
        let mut count = |x: f64| match x.partial_cmp(&0.0) {
            Some(std::cmp::Ordering::Greater) => signs.positive += 1,
            Some(std::cmp::Ordering::Less) => signs.negative += 1,
            _ => signs.zero += 1,
        };
        let n = self.below.len();
        let mut i = 0;
        while i < n {
            let b = self.below[i];
            if b == 0.0 || i + 1 == n {
                count(self.factor[(i, i)]);
                i += 1;
                continue;
            }
            // divided by the off-diagonal entry, so that the determinant cannot overflow
            let (p, q) = (self.factor[(i, i)] / b, self.factor[(i + 1, i + 1)] / b);
            let determinant = p * q - 1.0;
            let trace = self.factor[(i, i)] + self.factor[(i + 1, i + 1)];
            match determinant.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Less) => {
                    count(1.0);
                    count(-1.0);
                }
                Some(std::cmp::Ordering::Greater) => {
                    count(trace);
                    count(trace);
                }
                _ => {
                    count(trace);
                    count(0.0);
                }
            }
            i += 2;
        }
        signs
    }

    /// Smallest over largest |eigenvalue| of the pivot blocks of B: near the unit roundoff the matrix is singular to
    /// working precision.
    pub fn pivot_ratio(&self) -> f64 {
        let n = self.below.len();
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        let mut i = 0;
        while i < n {
            let (p, b) = (self.factor[(i, i)], self.below[i]);
            if b == 0.0 || i + 1 == n {
                (low, high) = (low.min(p.abs()), high.max(p.abs()));
                i += 1;
                continue;
            }
            let q = self.factor[(i + 1, i + 1)];
            let (mean, half) = ((p + q) / 2.0, ((p - q) / 2.0).hypot(b));
            let large = mean.abs() + half;
            // the product of the eigenvalues is the determinant
            let small = if large > 0.0 { (p * (q / large) - b * (b / large)).abs() } else { 0.0 };
            (low, high) = (low.min(small), high.max(large));
            i += 2;
        }
        if high > 0.0 { low / high } else { f64::from(u8::from(n == 0)) }
    }

    /// Solves (A + shift·I) x = b in place; the result is not finite when a pivot is exactly zero.
    pub fn solve(&self, b: &mut [f64]) {
        let n = self.below.len();
        if n == 0 || b.len() != n {
            return;
        }
        let diagonal: Vec<f64> = (0..n).map(|i| self.factor[(i, i)]).collect();
        let mut memory = MemBuffer::new(solve_in_place_scratch::<usize, f64>(n, 1, self.par));
        solve_in_place(
            self.factor.as_ref(),
            DiagRef::from_slice(&diagonal),
            DiagRef::from_slice(&self.below),
            PermRef::new_checked(&self.forward, &self.inverse, n),
            MatMut::from_column_major_slice_mut(b, n, 1),
            self.par,
            MemStack::new(&mut memory),
        );
        b.iter_mut().for_each(|x| *x = times_pow2(*x, self.exponent));
    }

    /// ln|det(A + shift·I)|; −∞ when a pivot is exactly zero.
    pub fn ln_abs_determinant(&self) -> f64 {
        let n = self.below.len();
        let mut sum = -(n as f64) * f64::from(self.exponent) * std::f64::consts::LN_2;
        let mut i = 0;
        while i < n {
            let b = self.below[i];
            if b == 0.0 || i + 1 == n {
                sum += self.factor[(i, i)].abs().ln();
                i += 1;
            } else {
                // divided by the off-diagonal entry, so that the block's determinant cannot overflow
                let (p, q) = (self.factor[(i, i)] / b, self.factor[(i + 1, i + 1)] / b);
                sum += (p * q - 1.0).abs().ln() + 2.0 * b.abs().ln();
                i += 2;
            }
        }
        sum
    }

    /// Measured backward error ‖P(A + shift·I)Pᵀ − LBLᵀ‖_F.
    pub fn backward_error(&self, a: MatRef<'_, f64>, shift: f64) -> f64 {
        let n = self.below.len();
        let lower = Mat::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => self.factor[(i, j)],
        });
        // L·B, column by column
        let mut lb = Mat::<f64>::zeros(n, n);
        for j in 0..n {
            for i in 0..n {
                let mut x = lower[(i, j)] * self.factor[(j, j)];
                if j > 0 && self.below[j - 1] != 0.0 {
                    x += lower[(i, j - 1)] * self.below[j - 1];
                }
                if j + 1 < n && self.below[j] != 0.0 {
                    x += lower[(i, j + 1)] * self.below[j];
                }
                lb[(i, j)] = x;
            }
        }
        let mut r = Mat::from_fn(n, n, |i, j| {
            let (p, q) = (self.forward[i], self.forward[j]);
            times_pow2(a[(p, q)] + if p == q { shift } else { 0.0 }, self.exponent)
        });
        matmul(r.as_mut(), Accum::Add, lb.as_ref(), lower.transpose(), -1.0, self.par);
        times_pow2(frobenius(r.as_ref()), -self.exponent)
    }
}

/// Eigenvalues of A above `tolerance`, below −`tolerance`, and between: two factorisations, at ∓`tolerance`.
///
/// # Errors
/// As [`Factorization::new`].
pub fn count(a: MatRef<'_, f64>, tolerance: f64, par: Par) -> Result<Signs> {
    let n = a.nrows();
    let positive = Factorization::new(a, -tolerance, par)?.signs().positive;
    let negative = Factorization::new(a, tolerance, par)?.signs().negative;
    Ok(Signs { positive, negative, zero: n.saturating_sub(positive + negative) })
}

#[cfg(test)]
mod tests;
