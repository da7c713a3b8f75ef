//! What is measured: the undamped matrix, its right-hand side, the loss around the snapshot, the rules, the identity.

use crate::curvature::Objective;
use crate::curvature::damping::DampingRule;
use crate::curvature::pruning::PruneRule;
use crate::error::{Error, Result};
use crate::spectrum::scale::{max_abs, norm};
use faer::{Mat, MatRef};

/// Called with the stage's name and the fraction done of the whole measurement.
pub type Progress<'a> = &'a (dyn Fn(&str, f64) + Sync);

/// Another curvature of the same loss, for the list of condition numbers.
#[derive(Debug, Clone)]
pub enum Companion {
    /// The N × N matrix.
    Dense(Mat<f64>),
    /// C = FFᵀ by its factor F (N × rank): weights of the samples are already in the columns.
    Factor(Mat<f64>),
}

/// One system to measure.
pub struct SystemInput<'a> {
    /// Stable identifier of the case.
    pub id: String,
    /// Snapshot stem, or the matrix file's name.
    pub snapshot: String,
    /// The stem without its last digits.
    pub series: String,
    /// The last digits of the stem.
    pub step: Option<u64>,
    /// `hessian`, `ggn`, `empirical-fisher` or `matrix`.
    pub curvature: String,
    /// `full`, `layer:NAME`, `module:NAME`.
    pub scope: String,
    /// The curvature matrix before pruning and damping, N × N.
    pub h: Mat<f64>,
    /// Gradient of the loss over the block; absent for a plain matrix.
    pub gradient: Option<Vec<f64>>,
    /// Right-hand side of a plain matrix; absent: a seeded Gaussian vector.
    pub rhs: Option<Vec<f64>>,
    /// The loss around the snapshot; absent: ε is assumed.
    pub objective: Option<&'a dyn Objective>,
    /// How H is damped.
    pub damping: DampingRule,
    /// Which entries of H are kept; λ is added after pruning.
    pub prune: PruneRule,
    /// Generalised Gauss-Newton matrix of the same block.
    pub ggn: Option<Companion>,
    /// Empirical Fisher matrix of the same block.
    pub empirical_fisher: Option<Companion>,
    /// Samples in the batch.
    pub batch: Option<usize>,
    /// Rank by construction, for a curvature that is low-rank.
    pub low_rank: Option<usize>,
    /// Flops of one Hessian-vector product.
    pub hvp_flops: Option<f64>,
    /// Loss at the snapshot.
    pub loss: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
}

impl SystemInput<'_> {
    /// A plain matrix: no loss, no damping, a seeded right-hand side.
    pub fn matrix(name: impl Into<String>, h: Mat<f64>) -> Self {
        let name = name.into();
        SystemInput {
            id: name.clone(),
            snapshot: name.clone(),
            series: name,
            step: None,
            curvature: "matrix".to_string(),
            scope: "full".to_string(),
            h,
            gradient: None,
            rhs: None,
            objective: None,
            damping: DampingRule::None,
            prune: PruneRule::None,
            ggn: None,
            empirical_fisher: None,
            batch: None,
            low_rank: None,
            hvp_flops: None,
            loss: None,
            seed: 0,
        }
    }
}

/// The matrix made exactly symmetric, after checking that it very nearly is.
///
/// # Errors
/// Not square, empty, not finite, or asymmetric by more than 1e-8·max|h_ij|.
pub fn symmetric(h: Mat<f64>, place: &str) -> Result<Mat<f64>> {
    let n = h.nrows();
    if n == 0 || h.ncols() != n {
        let what = format!("{n} × {} is not a square, non-empty matrix", h.ncols());
        return Err(Error::input("measure::shape", place, what, "give a symmetric matrix"));
    }
    let max = max_abs(h.as_ref());
    if !max.is_finite() {
        let what = "an entry is NaN or infinite";
        return Err(Error::input("measure::not_finite", place, what, "check the snapshot and the batch"));
    }
    let asymmetry = asymmetry(h.as_ref());
    if asymmetry > 1e-8 * max {
        let what = format!("relative asymmetry {:.3e} is above 1e-8", asymmetry / max);
        return Err(Error::input("measure::asymmetric", place, what, "give a symmetric matrix"));
    }
    if asymmetry == 0.0 {
        return Ok(h);
    }
    Ok(Mat::from_fn(n, n, |i, j| h[(i, j)] / 2.0 + h[(j, i)] / 2.0))
}

fn asymmetry(h: MatRef<'_, f64>) -> f64 {
    let n = h.nrows();
    let mut worst = 0.0f64;
    // in tiles, because one of the two accesses is strided
    for j0 in (0..n).step_by(64) {
        for i0 in (j0..n).step_by(64) {
            for j in j0..(j0 + 64).min(n) {
                for i in i0.max(j)..(i0 + 64).min(n) {
                    worst = worst.max((h[(i, j)] - h[(j, i)]).abs());
                }
            }
        }
    }
    worst
}

/// Checks a right-hand side of length n.
///
/// # Errors
/// Wrong length, not finite, or zero.
pub fn right_hand_side(b: &[f64], n: usize, place: &str) -> Result<()> {
    let wrong = |code, what: String, remedy: &str| Err(Error::input(code, place, what, remedy));
    if b.len() != n {
        return wrong("measure::rhs_length", format!("{} entries for a matrix of size {n}", b.len()), "give N entries");
    }
    if !b.iter().all(|x| x.is_finite()) {
        return wrong("measure::rhs_not_finite", "an entry is NaN or infinite".to_string(), "check the input");
    }
    if norm(b) == 0.0 {
        let remedy =
            "the snapshot is a stationary point of this batch: choose another snapshot or batch, or pass --rhs";
        return wrong("measure::zero_rhs", "it is exactly zero: there is no system to solve".to_string(), remedy);
    }
    Ok(())
}
