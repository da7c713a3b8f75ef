//! Lanczos with full reorthogonalisation: both ends of a spectrum, a bound on σ_min and a density, from products alone.
//!
//! Several start vectors run in lockstep as lanes of one block product. Ritz values lie inside the spectrum, so they
//! bound its ends from within for certain; the residual says that *an* eigenvalue lies that near, not which one.
//! σ_min(A) ≤ σ_min(T̲) holds for the rectangular (k+1) × k tridiagonal matrix T̲, because ‖AVy‖ = ‖T̲y‖.

use super::dense_eigen::decompose;
use super::scale::{dot, norm};
use crate::curvature::SymmetricOperator;
use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Start vectors that run side by side.
    pub lanes: usize,
    /// Most steps, that is products per lane.
    pub max_steps: usize,
    /// Stops when the residuals of the wanted ends are below this times the largest |Ritz value|.
    pub tolerance: f64,
    /// Seed of the Gaussian start vectors.
    pub seed: u64,
    /// Wait for both ends of the spectrum, or only for the end of larger magnitude.
    pub both_ends: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { lanes: 1, max_steps: 200, tolerance: 1e-8, seed: 0, both_ends: true }
    }
}

/// A Ritz value with its residual ‖Av − θv‖.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ritz {
    /// θ: inside the spectrum for certain.
    pub value: f64,
    /// An eigenvalue lies within this of θ.
    pub residual: f64,
}

/// What the lanes found together.
#[derive(Debug, Clone)]
pub struct Extremes {
    /// Least Ritz value: an upper bound on λ_min.
    pub min: Ritz,
    /// Greatest Ritz value: a lower bound on λ_max.
    pub max: Ritz,
    /// σ_min(T̲): an upper bound on σ_min.
    pub sigma_min_above: f64,
    /// Steps of the longest lane.
    pub steps: usize,
    /// Whether the wanted residuals passed.
    pub converged: bool,
    /// (θ, weight) with weights summing to 1: the stochastic Lanczos quadrature of the spectral density.
    pub nodes: Vec<(f64, f64)>,
}

/// A dense symmetric matrix as an operator.
pub struct Dense<'a>(pub MatRef<'a, f64>, pub Par);

impl SymmetricOperator for Dense<'_> {
    fn dim(&self) -> usize {
        self.0.nrows()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        matmul(y, Accum::Replace, self.0, x, 1.0, self.1);
        Ok(())
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        Ok(self.0.to_owned())
    }
}

/// The entries of a dense symmetric matrix with |a_ij| ≤ `cut`, the others read as zero.
pub struct Dropped<'a> {
    /// The matrix.
    pub matrix: MatRef<'a, f64>,
    /// Entries above this are left out.
    pub cut: f64,
}

impl SymmetricOperator for Dropped<'_> {
    fn dim(&self) -> usize {
        self.matrix.nrows()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) -> Result<()> {
        y.fill(0.0);
        let n = self.dim();
        let mut sum = vec![0.0; n];
        for lane in 0..x.ncols() {
            sum.fill(0.0);
            for j in 0..n {
                let f = x[(j, lane)];
                let column = self.matrix.col(j);
                for (s, &a) in sum.iter_mut().zip(column.iter()) {
                    *s += if a.abs() <= self.cut { a * f } else { 0.0 };
                }
            }
            y.as_mut().col_mut(lane).iter_mut().zip(&sum).for_each(|(y, s)| *y = *s);
        }
        Ok(())
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        let keep = |x: f64| if x.abs() <= self.cut { x } else { 0.0 };
        Ok(Mat::from_fn(self.dim(), self.dim(), |i, j| keep(self.matrix[(i, j)])))
    }
}

/// Standard normal vector of length n from a seeded stream (Box-Muller).
pub fn gaussian(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut v = Vec::with_capacity(n + 1);
    while v.len() < n {
        let (u, w): (f64, f64) = (rng.random(), rng.random());
        let radius = (-2.0 * (1.0 - u).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * w).sin_cos();
        v.push(radius * cos);
        v.push(radius * sin);
    }
    v.truncate(n);
    v
}

/// Ritz pairs of a Krylov space.
#[derive(Debug, Clone)]
pub struct Krylov {
    /// Ritz values in ascending order.
    pub values: Vec<f64>,
    /// Orthonormal Ritz vectors (n × k).
    pub vectors: Mat<f64>,
    /// ‖A·v − θ·v‖ of each.
    pub residuals: Vec<f64>,
}

/// Ritz pairs of the Krylov space of `start` after at most `steps` products; `start` lies in the span of the vectors.
///
/// # Errors
/// As [`extremes`], and for a start vector that is zero.
pub fn krylov(operator: &dyn SymmetricOperator, start: &[f64], steps: usize) -> Result<Krylov> {
    let n = operator.dim();
    let length = norm(start);
    if start.len() != n || length == 0.0 || !length.is_finite() {
        let what = "the start vector is zero, not finite or of another length";
        return Err(Error::input("spectrum::start", "Krylov space", what, "give a non-zero vector of length N"));
    }
    let first = start.iter().map(|x| x / length).collect();
    let mut lane = Lane { basis: vec![first], alpha: Vec::new(), beta: Vec::new(), exhausted: false };
    let mut scale = 0.0;
    let mut y = Mat::<f64>::zeros(n, 1);
    for _ in 0..steps.clamp(1, n) {
        let Some(v) = lane.basis.last() else { break };
        operator.apply_many(MatRef::from_column_major_slice(v, n, 1), y.as_mut())?;
        let w: Vec<f64> = y.col(0).iter().copied().collect();
        check_finite(&w)?;
        lane.advance(w, &mut scale);
        if lane.exhausted {
            break;
        }
    }
    let k = lane.alpha.len();
    let eigen = decompose(lane.tridiagonal().as_ref(), Par::Seq)?;
    let q = Mat::from_fn(n, k, |i, j| lane.basis[j][i]);
    let mut vectors = Mat::<f64>::zeros(n, k);
    matmul(vectors.as_mut(), Accum::Replace, q.as_ref(), eigen.vectors.as_ref(), 1.0, Par::Seq);
    let last = if lane.exhausted { 0.0 } else { lane.beta[k - 1] };
    let residuals = (0..k).map(|i| (last * eigen.vectors[(k - 1, i)]).abs()).collect();
    Ok(Krylov { values: eigen.values, vectors, residuals })
}

fn check_finite(w: &[f64]) -> Result<()> {
    if w.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::input(
        "spectrum::not_finite",
        "matrix-vector product",
        "the product is NaN or infinite",
        "check the snapshot and the batch",
    ))
}

struct Lane {
    basis: Vec<Vec<f64>>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    exhausted: bool,
}

impl Lane {
    fn new(n: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut v = gaussian(n, rng);
        let length = norm(&v);
        v.iter_mut().for_each(|x| *x /= length);
        Lane { basis: vec![v], alpha: Vec::new(), beta: Vec::new(), exhausted: false }
    }

    /// One step with w = A·v.
    fn advance(&mut self, mut w: Vec<f64>, scale: &mut f64) {
        let Some(v) = self.basis.last() else { return };
        self.alpha.push(dot(v, &w));
        // two passes make the basis orthogonal to working precision ("twice is enough")
        for _ in 0..2 {
            for q in &self.basis {
                let c = dot(q, &w);
                w.iter_mut().zip(q).for_each(|(w, q)| *w -= c * q);
            }
        }
        let beta = norm(&w);
        self.beta.push(beta);
        *scale = scale.max(self.alpha.last().map_or(0.0, |a| a.abs())).max(beta);
        if beta <= *scale * f64::EPSILON * (w.len() as f64).sqrt() || self.basis.len() == w.len() {
            self.exhausted = true;
            return;
        }
        w.iter_mut().for_each(|x| *x /= beta);
        self.basis.push(w);
    }

    fn tridiagonal(&self) -> Mat<f64> {
        let k = self.alpha.len();
        Mat::from_fn(k, k, |i, j| match i.abs_diff(j) {
            0 => self.alpha[i],
            1 => self.beta[i.min(j)],
            _ => 0.0,
        })
    }

    fn look(&self) -> Result<Extremes> {
        let k = self.alpha.len();
        let t = self.tridiagonal();
        let eigen = decompose(t.as_ref(), Par::Seq)?;
        let last = if self.exhausted { 0.0 } else { self.beta[k - 1] };
        let ritz = |i: usize| Ritz { value: eigen.values[i], residual: (last * eigen.vectors[(k - 1, i)]).abs() };
        let mut square = Mat::<f64>::zeros(k, k);
        matmul(square.as_mut(), Accum::Replace, t.as_ref(), t.as_ref(), 1.0, Par::Seq);
        square[(k - 1, k - 1)] += last * last;
        let squares = decompose(square.as_ref(), Par::Seq)?;
        // upwards by the bound on the eigenvalue, so that it stays an upper bound
        let sigma_min_above = (squares.values[0].max(0.0) + squares.certificate.value_error).sqrt();
        let nodes = (0..k).map(|i| (eigen.values[i], eigen.vectors[(0, i)].powi(2))).collect();
        Ok(Extremes { min: ritz(0), max: ritz(k - 1), sigma_min_above, steps: k, converged: false, nodes })
    }
}

/// Both ends of the spectrum of `operator`.
///
/// # Errors
/// When a product fails or is not finite, or the operator is empty.
pub fn extremes(operator: &dyn SymmetricOperator, options: Options) -> Result<Extremes> {
    let n = operator.dim();
    if n == 0 {
        return Err(Error::input("spectrum::empty", "operator", "it has no rows", "give a non-empty matrix"));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut lanes: Vec<Lane> = (0..options.lanes.max(1)).map(|_| Lane::new(n, &mut rng)).collect();
    let limit = options.max_steps.clamp(1, n);
    let mut next_look = 8;
    let mut scale = 0.0;
    for step in 1..=limit {
        let active: Vec<usize> = (0..lanes.len()).filter(|&i| !lanes[i].exhausted).collect();
        if active.is_empty() {
            break;
        }
        let mut x = Mat::<f64>::zeros(n, active.len());
        for (c, &lane) in active.iter().enumerate() {
            if let Some(v) = lanes[lane].basis.last() {
                x.col_mut(c).iter_mut().zip(v).for_each(|(x, v)| *x = *v);
            }
        }
        let mut y = Mat::<f64>::zeros(n, active.len());
        operator.apply_many(x.as_ref(), y.as_mut())?;
        for (c, &lane) in active.iter().enumerate() {
            let w: Vec<f64> = y.col(c).iter().copied().collect();
            check_finite(&w)?;
            lanes[lane].advance(w, &mut scale);
        }
        let all_exhausted = lanes.iter().all(|l| l.exhausted);
        if step == next_look || step == limit || all_exhausted {
            next_look = step + (step / 4).max(2);
            let found = together(&lanes, &options)?;
            if found.converged || step == limit || all_exhausted {
                return Ok(found);
            }
        }
    }
    together(&lanes, &options)
}

fn together(lanes: &[Lane], options: &Options) -> Result<Extremes> {
    let mut all: Option<Extremes> = None;
    for lane in lanes {
        let one = lane.look()?;
        let share = 1.0 / lanes.len() as f64;
        let nodes = one.nodes.iter().map(|&(theta, weight)| (theta, weight * share));
        all = Some(match all {
            None => Extremes { nodes: nodes.collect(), ..one },
            Some(mut all) => {
                if one.min.value < all.min.value {
                    all.min = one.min;
                }
                if one.max.value > all.max.value {
                    all.max = one.max;
                }
                all.sigma_min_above = all.sigma_min_above.min(one.sigma_min_above);
                all.steps = all.steps.max(one.steps);
                all.nodes.extend(nodes);
                all
            }
        });
    }
    let mut all = all.ok_or_else(|| Error::input("spectrum::empty", "operator", "no lanes", "ask for one"))?;
    let limit = options.tolerance * all.min.value.abs().max(all.max.value.abs());
    let larger = if all.max.value.abs() >= all.min.value.abs() { all.max } else { all.min };
    all.converged = if options.both_ends {
        all.min.residual <= limit && all.max.residual <= limit
    } else {
        larger.residual <= limit
    };
    all.nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(all)
}

/// ‖A‖₂ as the largest |Ritz value|, to a relative residual of 1e-4 or 200 steps: a value from below, whose error is
/// of the order of the residual squared over the gap.
///
/// # Errors
/// As [`extremes`].
pub fn spectral_norm(operator: &dyn SymmetricOperator, seed: u64) -> Result<f64> {
    if operator.dim() == 0 {
        return Ok(0.0);
    }
    let options = Options { max_steps: 200, tolerance: 1e-4, seed, both_ends: false, ..Options::default() };
    let found = extremes(operator, options)?;
    Ok(found.max.value.abs().max(found.min.value.abs()))
}

#[cfg(test)]
mod tests;
