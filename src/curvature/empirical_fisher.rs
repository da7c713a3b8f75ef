//! The empirical Fisher matrix over a block, from true per-sample gradients.
//!
//! A sample is an entry of the first axis of the batch, all its positions together. With c_i its contribution to the
//! loss (Σ c_i = L), a mean over n samples has g_i = ∇(n·c_i) and EF = (1/n)·Σ g_i·g_iᵀ, so that the mean of the g_i
//! is the gradient; a sum has g_i = ∇c_i and EF = Σ g_i·g_iᵀ. The matrix is F·Fᵀ, F having one column per sample: its
//! rank is at most n and it is never formed unless asked for.

use super::SymmetricOperator;
use super::block::Block;
use super::lanes::{Draft, Linear, Part, Plan, Source};
use super::prepared::{Precision, Prepared};
use crate::autodiff::vjp;
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::tensor::Real;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// (1/n)·Σ g_i·g_iᵀ over a block.
#[derive(Debug, Clone)]
pub struct EmpiricalFisher {
    /// F: dim × samples.
    factor: Mat<f64>,
    par: Par,
}

impl EmpiricalFisher {
    pub(super) fn new(prepared: &Prepared<'_>, block: &Block) -> Result<Self> {
        let Some(samples) = prepared.network.lowered.samples else {
            return Err(Error::input(
                "curvature::no_samples",
                "--curvature empirical-fisher",
                "the graph computes its loss itself, so the losses of the samples are not known",
                "export a graph that stops at the logits and name the loss in loss.json",
            ));
        };
        let mut factor = match (prepared.sample_gradients(block)?, prepared.precision) {
            (Some(gradients), _) => gradients,
            (None, Precision::F64) => gradients::<f64>(prepared, block, samples)?,
            (None, Precision::F32) => gradients::<f32>(prepared, block, samples)?,
        };
        // n·c_i for a mean, and 1/√n of the outer products' mean
        let scale = if prepared.network.is_mean() { (factor.ncols() as f64).sqrt() } else { 1.0 };
        faer::zip!(&mut factor).for_each(|faer::unzip!(x)| *x *= scale);
        Ok(EmpiricalFisher { factor, par: prepared.threads.faer() })
    }

    /// F (dim × samples): the matrix is F·Fᵀ; column i is g_i/√n for a mean.
    pub fn factor(&self) -> MatRef<'_, f64> {
        self.factor.as_ref()
    }

    /// Number of samples, a bound on the rank.
    pub fn rank_bound(&self) -> usize {
        self.factor.ncols()
    }
}

/// Gradients of the samples' contributions, one column each, by one tangent for each sample: for networks in which samples
/// influence each other.
fn gradients<T: Real>(prepared: &Prepared<'_>, block: &Block, samples: NodeId) -> Result<Mat<f64>> {
    let network = &prepared.network;
    let mut program = network.lowered.program.clone();
    let count = program.size(samples);
    let pick = program.tangent(&[count]);
    let params: Vec<NodeId> = block.tensors.iter().map(|t| network.lowered.params[t.index]).collect();
    let rows = vjp(&mut program, &[(samples, pick)], &params);
    let outputs =
        block.tensors.iter().zip(rows).map(|(t, node)| Part { node, offset: t.offset, size: t.size }).collect();
    let inputs = vec![Part { node: Some(pick), offset: 0, size: count }];
    let plans = Plan::each(vec![Draft { program, inputs, outputs }]).into_iter();
    let sources = plans.map(|plan| Source { plan, leaves: prepared.leaves.clone() }).collect();
    let map = Linear::<T>::new(sources, prepared.threads);
    let mut factor = Mat::<f64>::zeros(block.len, count);
    map.each(factor.as_mut(), prepared.threads, &|sample, tangent| {
        tangent.fill(T::ZERO);
        tangent[sample] = T::ONE;
    })?;
    Ok(factor)
}

impl SymmetricOperator for EmpiricalFisher {
    fn dim(&self) -> usize {
        self.factor.nrows()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        let mut inner = Mat::<f64>::zeros(self.factor.ncols(), x.ncols());
        matmul(&mut inner, Accum::Replace, self.factor.transpose(), x, 1.0, self.par);
        matmul(y, Accum::Replace, &self.factor, &inner, 1.0, self.par);
        Ok(())
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        let n = self.dim();
        let mut h = Mat::<f64>::zeros(n, n);
        matmul(&mut h, Accum::Replace, &self.factor, self.factor.transpose(), 1.0, self.par);
        for j in 0..n {
            for i in j + 1..n {
                h[(j, i)] = h[(i, j)];
            }
        }
        Ok(h)
    }

    fn low_rank(&self) -> Result<Option<Mat<f64>>> {
        Ok((self.rank_bound() < self.dim()).then(|| self.factor.clone()))
    }
}
