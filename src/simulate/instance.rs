//! One linear system in the eigenbasis of its matrix: what every level-1 simulation starts from.

use super::lanczos_measure;
use super::row::{Encoding, Options};
use crate::error::{Error, Result};
use crate::spectrum::dense_eigen::decompose;
use crate::spectrum::symmetric_product;
use faer::{Mat, MatRef};

/// A relative asymmetry above this is an error (as for matrix files).
const ASYMMETRY: f64 = 1e-8;

/// Where the nodes came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Spectrum {
    /// All eigenvalues; eigenvectors in columns for the levels that work in coordinates.
    Full(Mat<f64>),
    /// All eigenvalues, those that agree to rounding as one node.
    Joined {
        /// Size of the matrix.
        of: usize,
    },
    /// Ritz values of a Lanczos run of that many steps on a matrix of size `of`.
    Lanczos {
        /// Size of the matrix.
        of: usize,
        /// Steps made.
        nodes: usize,
    },
}

/// A system A x = b with A encoded as A/α, in the eigenbasis of A.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Size of the matrix.
    pub n: usize,
    /// Eigenvalues μ_i of A/α, in [−1, 1].
    pub nodes: Vec<f64>,
    /// ⟨v_i|b⟩ for the normalised right-hand side.
    pub amplitudes: Vec<f64>,
    /// The normalised solution ⟨v_i|x⟩.
    pub target: Vec<f64>,
    /// ‖(A/α)⁻¹b‖, in [α/σ_max, κ_eff].
    pub x_norm: f64,
    /// α, absolute.
    pub alpha: f64,
    /// σ_max of A.
    pub sigma_max: f64,
    /// σ_min of A.
    pub sigma_min: f64,
    /// Where the nodes came from.
    pub spectrum: Spectrum,
}

impl Instance {
    /// The instance of a dense symmetric matrix and a right-hand side under the encoding of `options`.
    ///
    /// # Errors
    /// Input errors for a non-square, non-finite, non-symmetric or singular matrix, for a right-hand side that is
    /// zero or does not fit; usage errors for an α below ‖A‖.
    pub fn new(matrix: MatRef<'_, f64>, rhs: &[f64], options: &Options) -> Result<Self> {
        check(matrix, rhs)?;
        let n = matrix.nrows();
        if n > options.full_spectrum_up_to {
            return Self::from_dense_products(matrix, rhs, options);
        }
        let eigen = decompose(matrix, parallelism(n))?;
        let (values, vectors) = (eigen.values, eigen.vectors);
        let b = normalised(rhs)?;
        let amplitudes: Vec<f64> = vectors.col_iter().map(|v| v.iter().zip(&b).map(|(v, b)| v * b).sum()).collect();
        let sigma_max = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let alpha = alpha_of(matrix, sigma_max, options)?;
        Self::from_spectrum(&values, &amplitudes, alpha, Spectrum::Full(vectors), n)
    }

    /// The instance of the Lanczos measure of (A, b), from products with A alone; α = σ_max when `alpha` is `None`.
    ///
    /// # Errors
    /// Resource ("not verifiable") when the measure does not settle within the caps; as [`Instance::new`] otherwise.
    pub fn from_products(
        apply: impl FnMut(&[f64], &mut [f64]) -> Result<()>,
        rhs: &[f64],
        alpha: Option<f64>,
        options: &Options,
    ) -> Result<Self> {
        let b = normalised(rhs)?;
        let measure = lanczos_measure::measure(apply, &b, options.max_nodes, options.max_bytes)?;
        let sigma_max = measure.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let spectrum = Spectrum::Lanczos { of: rhs.len(), nodes: measure.values.len() };
        let alpha = alpha.or(options.alpha).unwrap_or(sigma_max);
        Self::from_spectrum(&measure.values, &measure.amplitudes, alpha, spectrum, rhs.len())
    }

    fn from_dense_products(matrix: MatRef<'_, f64>, rhs: &[f64], options: &Options) -> Result<Self> {
        let alpha = match (options.encoding, options.alpha) {
            (Encoding::Dilation, None) => None,
            _ => Some(alpha_of(matrix, 0.0, options)?),
        };
        let product = |x: &[f64], y: &mut [f64]| {
            symmetric_product::product(matrix, x, y);
            Ok(())
        };
        Self::from_products(product, rhs, alpha, options)
    }

    /// The same system with fewer nodes: to an algorithm that sees A and b only, an eigenspace is one vector, so
    /// eigenvalues that agree to the rounding of the eigensolver (√N·2⁻⁵⁰ of α) are joined, and nodes that hold less
    /// than 1e-18 of b and of the solution are left out unless they end the spectrum. Eigenvectors are dropped.
    pub fn joined(&self) -> Self {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by(|&i, &j| self.nodes[i].total_cmp(&self.nodes[j]));
        let width = (self.n as f64).sqrt() * 4.0 * f64::EPSILON;
        // (first eigenvalue, Σ weight, Σ weight·eigenvalue, Σ eigenvalue, members) of each cluster.
        let mut clusters: Vec<(f64, f64, f64, f64, f64)> = Vec::new();
        for i in order {
            let (node, weight) = (self.nodes[i], self.amplitudes[i] * self.amplitudes[i]);
            match clusters.last_mut() {
                Some(c) if node - c.0 <= width => {
                    *c = (c.0, c.1 + weight, c.2 + weight * node, c.3 + node, c.4 + 1.0);
                }
                _ => clusters.push((node, weight, weight * node, node, 1.0)),
            }
        }
        let value = |c: &(f64, f64, f64, f64, f64)| if c.1 > 0.0 { c.2 / c.1 } else { c.3 / c.4 };
        let smallest = clusters.iter().map(|c| value(c).abs()).fold(f64::INFINITY, f64::min);
        let last = clusters.len().saturating_sub(1);
        let kept: Vec<(f64, f64)> = clusters
            .iter()
            .enumerate()
            .map(|(k, c)| (k, value(c), c.1.sqrt()))
            .filter(|&(k, node, amplitude)| {
                let ends = k == 0 || k == last || node.abs() <= smallest;
                ends || amplitude > 1e-18 || (amplitude / node).abs() > 1e-18 * self.x_norm
            })
            .map(|(_, node, amplitude)| (node, amplitude))
            .collect();
        let (nodes, amplitudes): (Vec<f64>, Vec<f64>) = kept.into_iter().unzip();
        let solution: Vec<f64> = amplitudes.iter().zip(&nodes).map(|(b, m)| b / m).collect();
        let x_norm = norm(&solution);
        let target = solution.iter().map(|x| x / x_norm).collect();
        let spectrum = match self.spectrum {
            // Still a measure, whose polynomials alias.
            Spectrum::Lanczos { of, nodes } => Spectrum::Lanczos { of, nodes },
            Spectrum::Full(_) | Spectrum::Joined { .. } => Spectrum::Joined { of: self.n },
        };
        Instance { nodes, amplitudes, target, x_norm, spectrum, ..*self }
    }

    /// The same matrix with another right-hand side, given in the eigenbasis.
    ///
    /// # Errors
    /// Input when it is zero.
    pub fn with_rhs(&self, amplitudes: &[f64]) -> Result<Self> {
        let amplitudes = normalised(amplitudes)?;
        let solution: Vec<f64> = amplitudes.iter().zip(&self.nodes).map(|(b, m)| b / m).collect();
        let x_norm = norm(&solution);
        let target = solution.iter().map(|x| x / x_norm).collect();
        Ok(Instance { amplitudes, target, x_norm, ..self.clone() })
    }

    /// The instance of a spectrum: eigenvalues and ⟨v_i|b⟩ (normalised here), encoded with `alpha`.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub fn from_spectrum(
        values: &[f64],
        amplitudes: &[f64],
        alpha: f64,
        spectrum: Spectrum,
        size: usize,
    ) -> Result<Self> {
        let sigma_max = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let sigma_min = values.iter().fold(f64::INFINITY, |m, v| m.min(v.abs()));
        let tolerance = size as f64 * f64::EPSILON * sigma_max;
        if sigma_min.is_nan() || sigma_min <= tolerance {
            return Err(Error::input(
                "simulate::singular",
                format!("matrix of size {size}"),
                format!(
                    "not verifiable: it is singular (σ_min = {sigma_min:.3e} within the tolerance {tolerance:.3e})"
                ),
                "damp it (--damping) so that a solution exists",
            ));
        }
        if alpha.is_nan() || alpha < sigma_max * (1.0 - 1e-12) {
            return Err(Error::usage(
                "simulate::alpha",
                format!("α = {alpha:e}"),
                format!("a block encoding needs α ≥ ‖A‖ = {sigma_max:e}"),
                "leave α out to use the encoding's own",
            ));
        }
        let alpha = alpha.max(sigma_max);
        let nodes: Vec<f64> = values.iter().map(|v| (v / alpha).clamp(-1.0, 1.0)).collect();
        let amplitudes = normalised(amplitudes)?;
        let mut target: Vec<f64> = amplitudes.iter().zip(&nodes).map(|(b, m)| b / m).collect();
        let x_norm = norm(&target);
        target.iter_mut().for_each(|x| *x /= x_norm);
        Ok(Instance { n: size, nodes, amplitudes, target, x_norm, alpha, sigma_max, sigma_min, spectrum })
    }

    /// κ of the matrix.
    pub fn kappa(&self) -> f64 {
        self.sigma_max / self.sigma_min
    }

    /// κ_eff = α/σ_min: the κ of the encoded matrix, α entering once.
    pub fn kappa_eff(&self) -> f64 {
        self.alpha / self.sigma_min
    }

    /// Every eigenvalue is positive.
    pub fn positive_definite(&self) -> bool {
        self.nodes.iter().all(|&m| m > 0.0)
    }

    /// 2-norm distance between the normalised `state` and the solution, sign-aligned.
    pub fn error_of(&self, state: &[f64]) -> f64 {
        distance(state, &self.target)
    }
}

/// The Hermitian dilation M = [[0, A], [Aᵀ, 0]] of a square matrix that need not be symmetric, with (b, 0): the solution
/// of M y = (b, 0) is (0, A⁻¹b). Its spectrum is ± the singular values of A, its norm that of A.
pub fn hermitian_dilation(matrix: MatRef<'_, f64>, rhs: &[f64]) -> (Mat<f64>, Vec<f64>) {
    let n = matrix.nrows();
    let dilated = Mat::from_fn(2 * n, 2 * n, |i, j| match (i < n, j < n) {
        (true, false) => matrix[(i, j - n)],
        (false, true) => matrix[(j, i - n)],
        _ => 0.0,
    });
    let mut b = rhs.to_vec();
    b.resize(2 * n, 0.0);
    (dilated, b)
}

/// 2-norm distance of the normalised `state` from the unit vector `target`, up to the sign; √2 for a zero state.
pub fn distance(state: &[f64], target: &[f64]) -> f64 {
    let size = norm(state);
    if size == 0.0 || !size.is_finite() {
        return std::f64::consts::SQRT_2;
    }
    let overlap: f64 = state.iter().zip(target).map(|(s, t)| s * t).sum();
    let scale = if overlap < 0.0 { -1.0 / size } else { 1.0 / size };
    state.iter().zip(target).map(|(s, t)| (s * scale - t).powi(2)).sum::<f64>().sqrt()
}

/// Euclidean norm.
pub fn norm(v: &[f64]) -> f64 {
    let square: f64 = v.iter().map(|x| x * x).sum();
    if (1e-280..1e280).contains(&square) {
        return square.sqrt();
    }
    let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * v.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

/// `v` with norm 1.
fn normalised(v: &[f64]) -> Result<Vec<f64>> {
    let size = norm(v);
    if !size.is_finite() {
        return Err(Error::input("simulate::rhs", "right-hand side", "it holds NaN or infinity", "check the gradient"));
    }
    if size == 0.0 {
        return Err(Error::input(
            "simulate::rhs",
            "right-hand side",
            "it is zero: there is nothing to solve",
            "the snapshot is at a stationary point; take another, or give --rhs",
        ));
    }
    Ok(v.iter().map(|x| x / size).collect())
}

/// Shape, finiteness, symmetry.
fn check(matrix: MatRef<'_, f64>, rhs: &[f64]) -> Result<()> {
    let n = matrix.nrows();
    let place = || format!("matrix {} × {}", matrix.nrows(), matrix.ncols());
    if n == 0 || matrix.ncols() != n {
        return Err(Error::input("simulate::shape", place(), "a square matrix is needed", "check the file"));
    }
    if rhs.len() != n {
        return Err(Error::input(
            "simulate::rhs",
            format!("right-hand side of {} entries", rhs.len()),
            format!("the matrix has {n} rows"),
            "give a right-hand side of that length",
        ));
    }
    let (mut largest, mut worst) = (0.0_f64, 0.0_f64);
    for j in 0..n {
        for i in 0..n {
            let a = matrix[(i, j)];
            if !a.is_finite() {
                return Err(Error::input(
                    "simulate::not_finite",
                    place(),
                    format!("entry ({i}, {j}) is {a}"),
                    "check the file",
                ));
            }
            largest = largest.max(a.abs());
            worst = worst.max((a - matrix[(j, i)]).abs());
        }
    }
    if worst > ASYMMETRY * largest {
        return Err(Error::input(
            "simulate::not_symmetric",
            place(),
            format!("relative asymmetry {:.3e} exceeds {ASYMMETRY:e}", worst / largest),
            "a Hessian is symmetric; symmetrise it if it is meant to be one",
        ));
    }
    Ok(())
}

/// The threads of the pool this runs in; one for systems too small to share.
pub(crate) fn parallelism(n: usize) -> faer::Par {
    match rayon::current_num_threads() {
        0 | 1 => faer::Par::Seq,
        _ if n < 128 => faer::Par::Seq,
        threads => faer::Par::rayon(threads),
    }
}

/// α of the chosen encoding.
pub(crate) fn alpha_of(matrix: MatRef<'_, f64>, sigma_max: f64, options: &Options) -> Result<f64> {
    if let Some(alpha) = options.alpha {
        return Ok(alpha);
    }
    let n = matrix.nrows();
    let entries = || (0..n).flat_map(|j| (0..n).map(move |i| (i, j)));
    Ok(match options.encoding {
        Encoding::Dilation => sigma_max,
        Encoding::Frobenius => norm(&entries().map(|(i, j)| matrix[(i, j)]).collect::<Vec<_>>()),
        Encoding::Sparse => {
            let largest = entries().fold(0.0_f64, |m, (i, j)| m.max(matrix[(i, j)].abs()));
            let kept = |i: usize| (0..n).filter(|&j| matrix[(i, j)].abs() > 1e-12 * largest).count();
            (0..n).map(kept).max().unwrap_or(0) as f64 * largest
        }
    })
}
