//! The gradients of all samples in one backward pass: each sample is a program of its own.
//!
//! What a sample contributes to the loss depends on its own rows alone wherever the network can be cut into samples
//! ([`chunks`](super::chunks)); its gradient then costs one sample's share of the work, where a tangent for each sample
//! would run the whole batch once for each.

use super::chunks::{Chunk, singles};
use super::prepared::finite;
use crate::error::Result;
use crate::graph::execute::{Leaves, Primal};
use crate::graph::{Lowered, NodeId, Program, Schedule};
use crate::parallel::Threads;
use faer::{Mat, Par};
use rayon::prelude::*;
use std::sync::Arc;

/// The programs of the samples.
#[derive(Debug)]
pub(super) struct SampleGradients {
    samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug)]
struct Sample {
    /// Evaluates the gradients of the parameters on which the sample depends.
    schedule: Schedule,
    inputs: Arc<Vec<Vec<f64>>>,
    depends: Vec<bool>,
}

impl SampleGradients {
    /// `None` where the samples influence each other.
    pub fn new(lowered: &Lowered, inputs: &Arc<Vec<Vec<f64>>>) -> Option<Self> {
        let chunks = singles(lowered, inputs)?;
        let gradients = |chunk: &Chunk| chunk.gradients.iter().flatten().copied().collect();
        let wanted: Vec<(&Program, Vec<NodeId>)> = chunks.iter().map(|c| (&c.program, gradients(c))).collect();
        let schedules = Schedule::each(&wanted, Schedule::new);
        let one = |(chunk, schedule): (Chunk, Schedule)| Sample {
            schedule,
            inputs: chunk.inputs,
            depends: chunk.gradients.iter().map(Option::is_some).collect(),
        };
        Some(SampleGradients { samples: chunks.into_iter().zip(schedules).map(one).collect() })
    }

    /// ∇c_i over all parameters (rows, in state_dict order), one column for each sample i, Σ c_i being the loss.
    ///
    /// # Errors
    /// When a gradient is not finite.
    pub fn at(&self, params: &[Vec<f64>], threads: &Threads) -> Result<Mat<f64>> {
        let rows = params.iter().map(Vec::len).sum();
        let mut out = Mat::<f64>::zeros(rows, self.samples.len());
        threads.run(|| {
            out.par_col_iter_mut().zip(&self.samples).try_for_each(|(mut column, sample)| -> Result<()> {
                let leaves = Leaves { params: params.to_vec(), inputs: sample.inputs.clone() };
                let mut primal = Primal::new(&sample.schedule, leaves);
                primal.run(&sample.schedule, Par::Seq);
                let (mut next, mut row) = (0, 0);
                for (tensor, &depends) in params.iter().zip(&sample.depends) {
                    if depends {
                        let g = primal.output(&sample.schedule, next);
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
