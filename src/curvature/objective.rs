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
    /// All samples, for counting.
    whole: &'p Prepared<'p>,
    /// Those of this rank.
    prepared: &'p Prepared<'p>,
    block: Block,
    gradient_schedule: Schedule,
    loss_pool: Pool,
    gradient_pool: Pool,
}

impl<'p> BlockObjective<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Self {
        let (whole, prepared) = (prepared, prepared.own());
        BlockObjective {
            whole,
            prepared,
            block: block.clone(),
            gradient_schedule: gradient_schedule(prepared, block),
            loss_pool: Pool::default(),
            gradient_pool: Pool::default(),
        }
    }

    /// Floating-point operations of one evaluation of the loss.
    pub fn loss_flops(&self) -> u64 {
        self.whole.network.loss_schedule.primal_flops()
    }

    /// Floating-point operations of one evaluation of loss and gradient.
    pub fn gradient_flops(&self) -> u64 {
        match self.whole.remote() {
            Some(_) => gradient_schedule(self.whole, &self.block).primal_flops(),
            None => self.gradient_schedule.primal_flops(),
        }
    }

    fn check(&self, step: &[f64]) -> Result<()> {
        if step.len() == self.block.len {
            return Ok(());
        }
        Err(Error::usage(
            "curvature::shape",
            format!("block `{}`", self.block.name),
            format!("a step of {} elements for {} parameters", step.len(), self.block.len),
            "",
        ))
    }

    /// Evaluates a schedule at θ + step and reads from it.
    fn at<R>(
        &self,
        schedule: &Schedule,
        pool: &Pool,
        step: &[f64],
        read: impl FnOnce(&Primal<f64>) -> Result<R>,
    ) -> Result<R> {
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

impl BlockObjective<'_> {
    /// The loss of the samples of this rank.
    fn own_loss(&self, step: &[f64]) -> Result<f64> {
        let schedule = &*self.prepared.network.loss_schedule;
        self.at(schedule, &self.loss_pool, step, |primal| {
            let loss = primal.output(schedule, 0);
            finite("loss at a step", loss)?;
            Ok(loss[0])
        })
    }

    /// Their loss and its gradient.
    fn own_gradient(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
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

impl Objective for BlockObjective<'_> {
    fn dim(&self) -> usize {
        self.block.len
    }

    fn loss_at(&self, step: &[f64]) -> Result<f64> {
        self.check(step)?;
        match self.whole.remote() {
            Some(remote) => {
                let own = || self.own_loss(step).map(|loss| vec![loss]);
                remote.at(&self.block, step, false, own).map(|(loss, _)| loss)
            }
            None => self.own_loss(step),
        }
    }

    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        self.check(step)?;
        match self.whole.remote() {
            Some(remote) => remote.at(&self.block, step, true, || {
                let (loss, mut gradient) = self.own_gradient(step)?;
                gradient.insert(0, loss);
                Ok(gradient)
            }),
            None => self.own_gradient(step),
        }
    }
}

/// Evaluates the loss and its gradient over the block.
fn gradient_schedule(prepared: &Prepared<'_>, block: &Block) -> Schedule {
    let network = &prepared.network;
    let mut outputs = vec![network.lowered.loss];
    outputs.extend(block.tensors.iter().filter_map(|t| network.gradients[t.index]));
    Schedule::new(network.program(), &outputs)
}
