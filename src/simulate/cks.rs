//! The polynomial and the Fourier sum of Childs, Kothari and Somma (arXiv:1511.02306), as linear combinations of
//! unitaries and as a QSVT polynomial.
//!
//! Polynomial (Lemmas 17-19): f(x) = (1 − (1−x²)^b)/x = 4 Σ_j (−1)^j [2^{−2b} Σ_{i>j} C(2b, b+i)] T_{2j+1}(x),
//! truncated at j₀. Fourier (Lemma 11): 1/x as a double sum over e^{−ixyz}, whose inner sum over y is taken to its
//! limit, an integral.

use super::amplification::expected_uses_unknown;
use super::instance::Instance;
use super::inversion::maximise;
use std::f64::consts::PI;

/// Truncated Chebyshev series of f: odd coefficients c_1, c_3, … (index j for T_{2j+1}).
#[derive(Debug, Clone, PartialEq)]
pub struct ChebyshevInverse {
    /// b of f.
    pub b: u64,
    /// Coefficients of T_1, T_3, ….
    pub coefficients: Vec<f64>,
}

impl ChebyshevInverse {
    /// With b and j₀: j₀ + 1 terms, degree 2j₀ + 1.
    pub fn new(b: u64, j0: u64) -> Self {
        // Tail weights of the binomial distribution: p_i = C(2b, b+i)/4^b, from p_0 by ratios, summed from the far end.
        let bf = b as f64;
        // Beyond this the weights are below 1e-22 of the largest (Hoeffding: exp(−i²/b)).
        let far = ((51.0 * bf).sqrt().ceil() as u64 + 1).min(b);
        let mut weights = Vec::with_capacity(far as usize + 1);
        let mut p = central_binomial(b);
        for i in 0..=far {
            weights.push(p);
            p *= (bf - i as f64) / (bf + i as f64 + 1.0);
        }
        let mut tails = vec![0.0; far as usize + 2];
        for i in (0..=far as usize).rev() {
            tails[i] = tails[i + 1] + weights[i];
        }
        let coefficients = (0..=j0.min(b.saturating_sub(1)))
            .map(|j| {
                let tail = tails.get(j as usize + 1).copied().unwrap_or(0.0);
                if j % 2 == 0 { 4.0 * tail } else { -4.0 * tail }
            })
            .collect();
        ChebyshevInverse { b, coefficients }
    }

    /// Degree 2j₀ + 1.
    pub fn degree(&self) -> u64 {
        2 * self.coefficients.len() as u64 - 1
    }

    /// g(x) with `terms` terms.
    pub fn value_of(&self, x: f64, terms: usize) -> f64 {
        // Clenshaw for Σ c_j T_{2j+1}(x) = x·Σ c_j (odd recurrence in u = 2(2x² − 1)).
        let u = 2.0 * (2.0 * x * x - 1.0);
        let (mut b1, mut b2) = (0.0, 0.0);
        for &c in self.coefficients[..terms.min(self.coefficients.len())].iter().rev() {
            (b1, b2) = (u * b1 - b2 + c, b1);
        }
        x * (b1 - b2)
    }

    /// g(x).
    pub fn value(&self, x: f64) -> f64 {
        self.value_of(x, self.coefficients.len())
    }

    /// Σ|c_j|: the 1-norm of the linear combination of unitaries.
    pub fn one_norm(&self) -> f64 {
        self.coefficients.iter().map(|c| c.abs()).sum()
    }

    /// max|g| on [−1, 1]; it lies near x ≈ 1.1/√b.
    pub fn largest(&self) -> f64 {
        let scale = (self.b as f64).sqrt().recip();
        maximise(|x| self.value(x).abs(), 0.0, (6.0 * scale).min(1.0))
    }
}

/// C(2b, b)/4^b.
fn central_binomial(b: u64) -> f64 {
    if b < 1000 {
        return (1..=b).fold(1.0, |p, i| p * (2 * i - 1) as f64 / (2 * i) as f64);
    }
    // Stirling's series: 1/√(πb)·(1 − 1/(8b) + 1/(128b²) + 5/(1024b³) − …), relative error below 1e-13.
    let r = 1.0 / b as f64;
    (r / PI).sqrt() * (1.0 - r / 8.0 + r * r / 128.0 + 5.0 * r.powi(3) / 1024.0)
}

/// b and j₀ of the sparse-query count (base-2 logarithms, as its source has them; arXiv:2604.24362, Lemma 1).
pub fn sparse_parameters(kappa: f64, eps: f64) -> (u64, u64) {
    let s = (kappa * kappa * (kappa / eps).log2()).ceil();
    (s as u64, (s * (4.0 * s / eps).log2()).sqrt().ceil() as u64)
}

/// b and j₀ of the polynomial's own proof (natural logarithms; arXiv:1511.02306).
pub fn proof_parameters(kappa: f64, eps: f64) -> (u64, u64) {
    let b = (kappa * kappa * (kappa / eps).ln()).ceil().max(1.0);
    (b as u64, (b * (4.0 * b / eps).ln()).sqrt().ceil() as u64)
}

/// The Fourier sum: h(x) = (1/(x√2π)) Σ_l Δz e^{−z_l²/2} (1 − cos(x z_l y_max)) over both signs of l.
#[derive(Debug, Clone, PartialEq)]
pub struct FourierInverse {
    nodes: Vec<f64>,
    spacing: f64,
    y_max: f64,
}

impl FourierInverse {
    /// Δz = 2π/((κ+1)√(2L)), z ≤ 2√L, y_max = κ√(2L), L = log₂(1 + 8κ/ε): longest evolution 2√2·κ·L.
    ///
    /// The spacing must keep x·y_max·Δz below 2π; √L in place of √(2L), as one source has it, lets the sum alias
    /// near x = 1/√2. The 1-norm does not depend on it.
    pub fn for_error(kappa: f64, eps: f64) -> Self {
        Self::with(kappa, (1.0 + 8.0 * kappa / eps).log2())
    }

    /// With L given.
    pub fn with(kappa: f64, l: f64) -> Self {
        let spacing = 2.0 * PI / ((kappa + 1.0) * (2.0 * l).sqrt());
        let count = (2.0 * l.sqrt() / spacing).floor() as u64;
        FourierInverse {
            nodes: (1..=count).map(|k| k as f64 * spacing).collect(),
            spacing,
            y_max: kappa * (2.0 * l).sqrt(),
        }
    }

    /// Terms with z > 0.
    pub fn terms(&self) -> usize {
        self.nodes.len()
    }

    /// h(x).
    pub fn value(&self, x: f64) -> f64 {
        let sum: f64 = self.nodes.iter().map(|z| (-0.5 * z * z).exp() * (1.0 - (x * z * self.y_max).cos())).sum();
        2.0 * self.spacing * sum / (x * (2.0 * PI).sqrt())
    }

    /// Σ of the absolute weights: (2/√2π)·y_max·Δz Σ z e^{−z²/2}.
    pub fn one_norm(&self) -> f64 {
        let sum: f64 = self.nodes.iter().map(|z| z * (-0.5 * z * z).exp()).sum();
        2.0 * self.y_max * self.spacing * sum / (2.0 * PI).sqrt()
    }

    /// Longest simulated time y_max·z_max.
    pub fn longest_time(&self) -> f64 {
        self.y_max * self.nodes.last().copied().unwrap_or(0.0)
    }
}

/// A linear combination of unitaries run on an instance: flagged state, probability and expected uses.
#[derive(Debug, Clone, PartialEq)]
pub struct Combination {
    /// Kept part, not normalised.
    pub state: Vec<f64>,
    /// Success probability of one use.
    pub probability: f64,
    /// Expected uses with amplitude amplification of an unknown probability (lower bound 1/‖c‖₁²).
    pub uses: f64,
    /// Error of the normalised state.
    pub error: f64,
}

/// Applies values g(μ_i) of a combination with 1-norm `one_norm`.
pub fn combine(instance: &Instance, values: &[f64], one_norm: f64) -> Combination {
    let state: Vec<f64> = values.iter().zip(&instance.amplitudes).map(|(g, b)| g * b / one_norm).collect();
    let probability = state.iter().map(|x| x * x).sum::<f64>().min(1.0);
    let uses = expected_uses_unknown(probability, one_norm.powi(-2).min(1.0));
    let error = instance.error_of(&state);
    Combination { state, probability, uses, error }
}
