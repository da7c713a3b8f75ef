//! κ, σ_max, σ_min and the inertia from eigenvalues whose error is bounded: every number with a certified bracket.

use crate::measurement::{Inertia, Measured};

/// Eigenvalues of a symmetric matrix, with the bounds that came with them.
#[derive(Debug, Clone)]
pub struct Eigenvalues {
    /// The eigenvalues, in any order.
    pub values: Vec<f64>,
    /// Every true eigenvalue, in order, lies within this of the computed one.
    pub value_error: f64,
    /// The backward error that widens the inertia's tolerance.
    pub backward_error: f64,
}

/// Extreme singular values, κ, rank and inertia of one matrix.
#[derive(Debug, Clone)]
pub struct Condition {
    /// σ_max/σ_min.
    pub kappa: Measured,
    /// Largest singular value.
    pub sigma_max: Measured,
    /// Smallest singular value.
    pub sigma_min: Measured,
    /// Eigenvalues outside the inertia's tolerance.
    pub rank: usize,
    /// Signs of the eigenvalues.
    pub inertia: Inertia,
}

impl Eigenvalues {
    /// The eigenvalues of f(A), for an f that moves no eigenvalue by more than it moved (|f(x) − f(y)| ≤ |x − y|):
    /// A + λI and |A| + λI. The rounding of the shift is added to the bounds.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let values: Vec<f64> = self.values.iter().map(|&x| f(x)).collect();
        let largest = self.values.iter().chain(&values).fold(0.0f64, |m, x| m.max(x.abs()));
        let rounding = if values == self.values { 0.0 } else { largest * f64::EPSILON };
        Eigenvalues { values, value_error: self.value_error + rounding, backward_error: self.backward_error }
    }

    /// σ_max.
    pub fn sigma_max(&self) -> f64 {
        self.values.iter().fold(0.0f64, |m, x| m.max(x.abs()))
    }

    /// The inertia's tolerance N·2⁻⁵²·σ_max plus the backward error.
    pub fn tolerance(&self) -> f64 {
        self.values.len() as f64 * f64::EPSILON * self.sigma_max() + self.backward_error
    }

    /// Counts of positive, negative and numerically zero eigenvalues.
    pub fn inertia(&self) -> Inertia {
        let tolerance = self.tolerance();
        let positive = self.values.iter().filter(|&&x| x > tolerance).count();
        let negative = self.values.iter().filter(|&&x| x < -tolerance).count();
        Inertia { positive, negative, zero: self.values.len() - positive - negative, tolerance }
    }

    /// κ of the whole matrix. Singular by the inertia's count: value and high are `None`, low stays certified.
    pub fn condition(&self, of: &str, method: &str) -> Condition {
        let inertia = self.inertia();
        let e = self.value_error;
        let max = self.sigma_max();
        let min = self.values.iter().fold(f64::INFINITY, |m, x| m.min(x.abs()));
        let min = if min.is_finite() { min } else { 0.0 };
        let singular = inertia.zero > 0 || self.values.is_empty();
        let kappa = if singular {
            let low = (max - e) / (min + e);
            Measured {
                value: None,
                low: Some(if low.is_finite() { low.max(1.0) } else { 1.0 }),
                high: None,
                method: format!(
                    "{method}; singular: {} of {} eigenvalues within {:.3e} of zero",
                    inertia.zero,
                    self.values.len(),
                    inertia.tolerance
                ),
                of: None,
            }
        } else {
            ratio(max, min, e, method)
        };
        Condition {
            kappa: kappa.of(of),
            sigma_max: Measured::new(max, (max - e).max(0.0), max + e, method).of(of),
            sigma_min: Measured::new(min, (min - e).max(0.0), min + e, method).of(of),
            rank: inertia.positive + inertia.negative,
            inertia,
        }
    }

    /// κ on the numerical range: over the eigenvalues outside the inertia's tolerance.
    pub fn range_kappa(&self, of: &str, method: &str) -> Measured {
        let tolerance = self.tolerance();
        let kept = self.values.iter().map(|x| x.abs()).filter(|&x| x > tolerance);
        let min = kept.fold(f64::INFINITY, f64::min);
        let method = format!("{method}; over |λ| > {tolerance:.3e}");
        if !min.is_finite() {
            return Measured { method, of: Some(of.to_string()), ..Measured::default() };
        }
        ratio(self.sigma_max(), min, self.value_error, &method).of(of)
    }
}

/// max/min with both within `e`.
fn ratio(max: f64, min: f64, e: f64, method: &str) -> Measured {
    let value = (max / min).max(1.0);
    let low = ((max - e) / (min + e)).max(1.0);
    let high = if min > e { (max + e) / (min - e) } else { f64::INFINITY };
    let method = if high.is_finite() {
        method.to_string()
    } else {
        format!("{method}; no upper end: the smallest singular value is within the error bound {e:.3e} of zero")
    };
    Measured::new(value, low.min(value), high.max(value), method)
}

#[cfg(test)]
mod tests;
