//! The loss and its gradient around a snapshot, steps restricted to a block.

use super::Objective;
use super::block::Block;
use super::prepared::{Prepared, finite};
use crate::error::{Error, Result};
use crate::graph::Schedule;
use crate::graph::execute::Primal;
use std::sync::{Mutex, PoisonError};

/// Evaluated buffers, kept for the next call.
type Pool = Mutex<Vec<Primal<f64>>>;

/// L(θ + step) and its gradient over a block, in double precision.
pub struct BlockObjective<'p> {
    prepared: &'p Prepared<'p>,
    block: Block,
    gradient_schedule: Schedule,
    loss_pool: Pool,
    gradient_pool: Pool,
}

impl<'p> BlockObjective<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Self {
        let network = &prepared.network;
        let mut outputs = vec![network.lowered.loss];
        outputs.extend(block.tensors.iter().filter_map(|t| network.gradients[t.index]));
        let program = network.gradient_schedule.program().clone();
        BlockObjective {
            prepared,
            block: block.clone(),
            gradient_schedule: Schedule::new(program, &outputs),
            loss_pool: Pool::default(),
            gradient_pool: Pool::default(),
        }
    }

    /// Floating-point operations of one evaluation of the loss.
    pub fn loss_flops(&self) -> u64 {
        self.prepared.network.loss_schedule.primal_flops()
    }

    /// Floating-point operations of one evaluation of loss and gradient.
    pub fn gradient_flops(&self) -> u64 {
        self.gradient_schedule.primal_flops()
    }

    /// Evaluates a schedule at θ + step and reads from it.
    fn at<R>(
        &self,
        schedule: &Schedule,
        pool: &Pool,
        step: &[f64],
        read: impl FnOnce(&Primal<f64>) -> Result<R>,
    ) -> Result<R> {
        if step.len() != self.block.len {
            return Err(Error::usage(
                "curvature::shape",
                format!("block `{}`", self.block.name),
                format!("a step of {} elements for {} parameters", step.len(), self.block.len),
                "",
            ));
        }
        let leaves = &self.prepared.leaves;
        let kept = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut primal = kept.unwrap_or_else(|| Primal::new(schedule, leaves.clone()));
        for t in &self.block.tensors {
            let moved = &mut primal.params_mut()[t.index];
            let step = &step[t.offset..t.offset + t.size];
            for ((m, x), s) in moved.iter_mut().zip(&leaves.params[t.index]).zip(step) {
                *m = x + s;
            }
        }
        let threads = self.prepared.threads;
        threads.run(|| primal.run(schedule, threads.faer()));
        let result = read(&primal);
        pool.lock().unwrap_or_else(PoisonError::into_inner).push(primal);
        result
    }
}

impl Objective for BlockObjective<'_> {
    fn dim(&self) -> usize {
        self.block.len
    }

    fn loss_at(&self, step: &[f64]) -> Result<f64> {
        let schedule = &*self.prepared.network.loss_schedule;
        self.at(schedule, &self.loss_pool, step, |primal| {
            let loss = primal.output(schedule, 0);
            finite("loss at a step", loss)?;
            Ok(loss[0])
        })
    }

    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        let schedule = &self.gradient_schedule;
        self.at(schedule, &self.gradient_pool, step, |primal| {
            let loss = primal.output(schedule, 0);
            finite("loss at a step", loss)?;
            let mut gradient = vec![0.0; self.block.len];
            let mut next = 1;
            for t in &self.block.tensors {
                if self.prepared.network.gradients[t.index].is_some() {
                    let g = primal.output(schedule, next);
                    next += 1;
                    finite("gradient at a step", g)?;
                    gradient[t.offset..t.offset + t.size].copy_from_slice(g);
                }
            }
            Ok((loss[0], gradient))
        })
    }
}
