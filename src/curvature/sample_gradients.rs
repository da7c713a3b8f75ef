//! The gradients of all samples in one backward pass: each sample is a program of its own.
//!
//! What a sample contributes to the loss depends on its own rows alone wherever the network can be cut into samples
//! ([`chunks`](super::chunks)); its gradient then costs one sample's share of the work, where a tangent for each sample
//! would run the whole batch once for each.

use super::chunks::{Chunk, singles};
use super::prepared::finite;
use crate::error::Result;
use crate::graph::execute::{Leaves, Primal};
use crate::graph::{Lowered, NodeId, Schedule};
use crate::parallel::Threads;
use faer::{Mat, Par};
use rayon::prelude::*;
use std::sync::Arc;

/// The programs of the samples.
#[derive(Debug)]
pub(super) struct SampleGradients {
    samples: Vec<(Chunk, Schedule)>,
}

impl SampleGradients {
    /// `None` where the samples influence each other.
    pub fn new(lowered: &Lowered, inputs: &Arc<Vec<Vec<f64>>>) -> Option<Self> {
        let samples = singles(lowered, inputs)?
            .into_par_iter()
            .map(|chunk| {
                let wanted: Vec<NodeId> = chunk.gradients.iter().flatten().copied().collect();
                let schedule = Schedule::new(Arc::new(chunk.program.clone()), &wanted);
                (chunk, schedule)
            })
            .collect();
        Some(SampleGradients { samples })
    }

    /// ∇c_i over all parameters (rows, in state_dict order), one column for each sample i, Σ c_i being the loss.
    ///
    /// # Errors
    /// When a gradient is not finite.
    pub fn at(&self, params: &[Vec<f64>], threads: &Threads) -> Result<Mat<f64>> {
        let rows = params.iter().map(Vec::len).sum();
        let mut out = Mat::<f64>::zeros(rows, self.samples.len());
        threads.run(|| {
            out.par_col_iter_mut().zip(&self.samples).try_for_each(|(mut column, (chunk, schedule))| -> Result<()> {
                let leaves = Leaves { params: params.to_vec(), inputs: chunk.inputs.clone() };
                let mut primal = Primal::new(schedule, leaves);
                primal.run(schedule, Par::Seq);
                let (mut next, mut row) = (0, 0);
                for (tensor, node) in params.iter().zip(&chunk.gradients) {
                    if node.is_some() {
                        let g = primal.output(schedule, next);
                        next += 1;
                        finite("gradient of a sample", g)?;
                        column.as_mut().subrows_mut(row, g.len()).iter_mut().zip(g).for_each(|(c, g)| *c = *g);
                    }
                    row += tensor.len();
                }
                Ok(())
            })
        })?;
        Ok(out)
    }
}
