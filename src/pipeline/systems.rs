//! The solved systems of a run, kept in memory for the simulator as far as a budget goes.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef};

use super::plan::{DampingRule, PruneRule};
use crate::curvature::pruning::prune;
use crate::error::Result;
use crate::parallel::Threads;
use crate::spectrum::decompose;

/// One system A p = b.
#[derive(Debug, Clone)]
pub struct System {
    /// The solved matrix A, N × N.
    pub matrix: Mat<f64>,
    /// The right-hand side b.
    pub rhs: Vec<f64>,
    /// Where b comes from.
    pub source: String,
}

/// Keeps systems in the order of the cases until the budget is spent.
#[derive(Debug, Default)]
pub struct Systems {
    /// One entry per case; `None` where it was not kept.
    pub kept: Vec<Option<System>>,
    bytes_left: u64,
}

impl Systems {
    /// A store of at most `bytes`.
    pub fn new(bytes: u64) -> Self {
        Systems { kept: Vec::new(), bytes_left: bytes }
    }

    /// Whether a system of size `n` would be kept.
    pub fn takes(&self, n: usize) -> bool {
        8 * (n as u64).saturating_mul(n as u64) <= self.bytes_left
    }

    /// Adds the next case.
    pub fn push(&mut self, system: Option<System>) {
        if let Some(system) = &system {
            let n = system.rhs.len() as u64;
            self.bytes_left = self.bytes_left.saturating_sub(8 * n.saturating_mul(n));
        }
        self.kept.push(system);
    }
}

/// How H becomes the solved matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Entries dropped first.
    pub prune: PruneRule,
    /// What is added then.
    pub damping: DampingRule,
}

/// The matrix that the rules with the measured λ make of H.
///
/// # Errors
/// When the eigendecomposition that |H| needs fails its certificate.
pub fn solved(mut h: Mat<f64>, rules: Rules, lambda: f64, threads: &Threads) -> Result<Mat<f64>> {
    if rules.prune != PruneRule::None {
        h = prune(h.as_ref(), rules.prune);
    }
    if let DampingRule::SaddleFree(_) = rules.damping {
        h = threads.run(|| absolute(h.as_ref(), threads))?;
    }
    for i in 0..h.nrows() {
        h[(i, i)] += lambda;
    }
    Ok(h)
}

/// |H| = V·|Λ|·Vᵀ, exactly symmetric.
fn absolute(h: MatRef<'_, f64>, threads: &Threads) -> Result<Mat<f64>> {
    let n = h.nrows();
    let eigen = decompose(h, threads.faer())?;
    let scaled = Mat::from_fn(n, n, |i, j| eigen.vectors[(i, j)] * eigen.values[j].abs());
    let mut out = Mat::<f64>::zeros(n, n);
    matmul(out.as_mut(), Accum::Replace, scaled.as_ref(), eigen.vectors.transpose(), 1.0, threads.faer());
    Ok(Mat::from_fn(n, n, |i, j| out[(i, j)] / 2.0 + out[(j, i)] / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damping_adds_lambda_to_h_or_to_its_absolute_value() {
        let threads = Threads::new(1).expect("threads");
        // Eigenvalues 3 and −1 along (1, 1) and (1, −1).
        let h = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 2.0 });
        let rules = |damping| Rules { prune: PruneRule::None, damping };
        let plain = solved(h.clone(), rules(DampingRule::Relative(0.1)), 0.2, &threads).expect("solved");
        assert_eq!((plain[(0, 0)], plain[(0, 1)]), (1.2, 2.0));
        let free = solved(h, rules(DampingRule::SaddleFree(0.1)), 0.5, &threads).expect("solved");
        assert!((free[(0, 0)] - 2.5).abs() < 1e-14 && (free[(0, 1)] - 1.0).abs() < 1e-14);
    }

    #[test]
    fn the_budget_is_kept() {
        let mut systems = Systems::new(8 * 5);
        assert!(systems.takes(2) && !systems.takes(3));
        systems.push(Some(System { matrix: Mat::zeros(2, 2), rhs: vec![0.0; 2], source: String::new() }));
        assert!(systems.takes(1) && !systems.takes(2));
    }
}
