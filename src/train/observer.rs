//! What a training tells whoever watches: every step, every solved block.

use super::config::{CurvatureKind, NewtonRule};
use super::newton::matrix::Matrix;
use super::newton::solve::Method;
use crate::curvature::damping::DampingRule;
use crate::curvature::{Block, Prepared};
use crate::error::Result;
use crate::parallel::Threads;
use crate::spectrum::decompose;
use crate::tensor::Real;
use faer::{Mat, MatRef, Par};
use serde::Serialize;

/// Watches a training. An error stops it; what was written before stays.
pub trait Observer {
    /// The parameters θ_s were evaluated: before the update that starts from them, and once for the last.
    ///
    /// # Errors
    /// To stop the training.
    fn step(&mut self, event: &StepEvent) -> Result<()> {
        let _ = event;
        Ok(())
    }

    /// A block of a Newton step was solved, before the update; blocks come in state_dict order.
    ///
    /// # Errors
    /// To stop the training.
    fn solved(&mut self, solve: &BlockSolve<'_>) -> Result<()> {
        let _ = solve;
        Ok(())
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Loss and hits over some samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Loss.
    pub loss: f64,
    /// Fraction of the scored positions whose largest output is the target; `None` where targets are not classes.
    pub accuracy: Option<f64>,
}

/// θ_s evaluated, and the update that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepEvent {
    /// s, the number of updates made.
    pub step: u64,
    /// Which batch: 0, 1, … in the order of the data.
    pub batch: usize,
    /// Loss on that batch.
    pub loss: f64,
    /// Accuracy on that batch.
    pub accuracy: Option<f64>,
    /// ‖g‖₂ on that batch.
    pub gradient_norm: f64,
    /// Score on the samples held out, where it was asked for at this step.
    pub held_out: Option<Score>,
    /// η of the update from θ_{s−1}.
    pub step_length: Option<f64>,
    /// Whether that update went along −g because the Newton direction did not descend.
    pub gradient_instead: bool,
    /// The systems that were solved for it.
    pub solves: Vec<SolveRecord>,
}

/// One solved system in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SolveRecord {
    /// Name of the block.
    pub block: String,
    /// Unknowns.
    pub n: usize,
    /// Columns of the factor, where the matrix was never formed.
    pub rank: Option<usize>,
    /// λ.
    pub lambda: f64,
    /// cholesky, ldlt, eigen or woodbury.
    pub method: String,
    /// ‖p‖₂ of the block's direction, before clipping.
    pub direction_norm: f64,
}

/// A solved block of a Newton step.
pub struct BlockSolve<'a> {
    /// Number of the updates made before.
    pub step: u64,
    /// The parameters.
    pub block: &'a Block,
    /// Unknowns.
    pub n: usize,
    /// g over the block.
    pub gradient: &'a [f64],
    /// p = −A⁻¹g, before clipping and line search.
    pub direction: &'a [f64],
    /// What was added to the diagonal.
    pub lambda: f64,
    /// The settings.
    pub rule: &'a NewtonRule,
    /// How the system was solved.
    pub method: Method,
    /// The pruned, undamped matrix.
    pub matrix: &'a Matrix,
    /// The network at θ_s: operators, losses around it.
    pub prepared: &'a Prepared<'a>,
    /// The thread pool.
    pub threads: &'a Threads,
}

impl BlockSolve<'_> {
    /// The pruned, undamped matrix, dense (n × n).
    pub fn curvature(&self) -> Mat<f64> {
        self.matrix.to_dense(self.threads.faer())
    }

    /// F (n × r) of F·Fᵀ, where the matrix was never formed.
    pub fn factor(&self) -> Option<MatRef<'_, f64>> {
        match self.matrix {
            Matrix::Factor(f) => Some(f.as_ref()),
            Matrix::Double(_) | Matrix::Single(_) => None,
        }
    }

    /// The matrix that was solved, dense (n × n): H + λI, or |H| + λI for the saddle-free rule.
    ///
    /// # Errors
    /// When |H| has no certified eigendecomposition.
    pub fn damped(&self) -> Result<Mat<f64>> {
        let mut a = self.curvature();
        let psd = self.rule.curvature != CurvatureKind::Hessian && self.factor().is_some();
        if matches!(self.rule.damping, DampingRule::SaddleFree(_)) && !psd {
            let eigen = decompose(a.as_ref(), Par::Seq)?;
            let scaled = Mat::from_fn(self.n, self.n, |i, j| eigen.vectors[(i, j)] * eigen.values[j].abs());
            f64::product(a.as_mut(), false, scaled.as_ref(), eigen.vectors.transpose(), self.threads.faer());
            for j in 0..self.n {
                for i in j + 1..self.n {
                    a[(j, i)] = a[(i, j)];
                }
            }
        }
        for i in 0..self.n {
            a[(i, i)] += self.lambda;
        }
        Ok(a)
    }

    /// The record of the log.
    pub fn record(&self) -> SolveRecord {
        SolveRecord {
            block: self.block.name.clone(),
            n: self.n,
            rank: self.factor().map(|f| f.ncols()),
            lambda: self.lambda,
            method: self.method.to_string(),
            direction_norm: crate::spectrum::scale::norm(self.direction),
        }
    }
}
