//! The loss and its gradient around a snapshot, steps restricted to a block.

use super::Objective;
use super::block::Block;
use super::prepared::{Prepared, State, finite};
use crate::error::{Error, Result};
use crate::graph::Schedule;
use crate::graph::execute::{Leaves, Primal};
use crate::parallel::Threads;
use crate::tensor::Real;
use std::sync::{Arc, Mutex, PoisonError};

/// L(θ + step) and its gradient over a block.
pub struct BlockObjective<'p> {
    prepared: &'p Prepared<'p>,
    block: Block,
    gradient_schedule: Arc<Schedule>,
    pools: Pools,
}

/// Evaluated buffers, kept for the next call.
#[derive(Default)]
struct Pool<T> {
    loss: Mutex<Vec<Primal<T>>>,
    gradient: Mutex<Vec<Primal<T>>>,
}

enum Pools {
    F64(Pool<f64>),
    F32(Pool<f32>),
}

impl<'p> BlockObjective<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Self {
        let network = &prepared.network;
        let mut outputs = vec![network.lowered.loss];
        outputs.extend(block.tensors.iter().filter_map(|t| network.gradients[t.index]));
        let program = network.gradient_schedule.program().clone();
        let pools = match prepared.state {
            State::F64(_) => Pools::F64(Pool { loss: Mutex::default(), gradient: Mutex::default() }),
            State::F32(_) => Pools::F32(Pool { loss: Mutex::default(), gradient: Mutex::default() }),
        };
        BlockObjective {
            prepared,
            block: block.clone(),
            gradient_schedule: Arc::new(Schedule::new(program, &outputs)),
            pools,
        }
    }

    /// Floating-point operations of one evaluation of the loss.
    pub fn loss_flops(&self) -> u64 {
        self.prepared.network.loss_schedule.primal_flops()
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
    fn at<T: Real, R>(
        &self,
        (schedule, pool): (&Schedule, &Mutex<Vec<Primal<T>>>),
        leaves: &Leaves<T>,
        step: &[f64],
        read: impl FnOnce(&Primal<T>) -> Result<R>,
    ) -> Result<R> {
        let kept = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut primal = kept.unwrap_or_else(|| Primal::new(schedule, leaves.clone()));
        for t in &self.block.tensors {
            let moved = &mut primal.params_mut()[t.index];
            let step = &step[t.offset..t.offset + t.size];
            for ((m, &x), &s) in moved.iter_mut().zip(&leaves.params[t.index]).zip(step) {
                // added in double precision, rounded once
                *m = T::of(x.wide() + s);
            }
        }
        let threads: &Threads = self.prepared.threads;
        threads.run(|| primal.run(schedule, threads.faer()));
        let result = read(&primal);
        pool.lock().unwrap_or_else(PoisonError::into_inner).push(primal);
        result
    }

    fn loss<T: Real>(&self, pool: &Pool<T>, leaves: &Leaves<T>, step: &[f64]) -> Result<f64> {
        let schedule = &*self.prepared.network.loss_schedule;
        self.at((schedule, &pool.loss), leaves, step, |primal| {
            let loss = primal.output(schedule, 0);
            finite("loss at a step", loss)?;
            Ok(loss[0].wide())
        })
    }

    fn gradient<T: Real>(&self, pool: &Pool<T>, leaves: &Leaves<T>, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        let schedule = &*self.gradient_schedule;
        self.at((schedule, &pool.gradient), leaves, step, |primal| {
            let loss = primal.output(schedule, 0);
            finite("loss at a step", loss)?;
            let loss = loss[0].wide();
            let mut gradient = vec![0.0; self.block.len];
            let mut next = 1;
            for t in &self.block.tensors {
                if self.prepared.network.gradients[t.index].is_some() {
                    let g = primal.output(schedule, next);
                    next += 1;
                    finite("gradient at a step", g)?;
                    for (o, v) in gradient[t.offset..t.offset + t.size].iter_mut().zip(g) {
                        *o = v.wide();
                    }
                }
            }
            Ok((loss, gradient))
        })
    }
}

impl Objective for BlockObjective<'_> {
    fn dim(&self) -> usize {
        self.block.len
    }

    fn loss_at(&self, step: &[f64]) -> Result<f64> {
        self.check(step)?;
        match (&self.prepared.state, &self.pools) {
            (State::F64(leaves), Pools::F64(pool)) => self.loss(pool, leaves, step),
            (State::F32(leaves), Pools::F32(pool)) => self.loss(pool, leaves, step),
            _ => Err(Error::usage("curvature::precision", "objective", "mixed precisions", "")),
        }
    }

    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        self.check(step)?;
        match (&self.prepared.state, &self.pools) {
            (State::F64(leaves), Pools::F64(pool)) => self.gradient(pool, leaves, step),
            (State::F32(leaves), Pools::F32(pool)) => self.gradient(pool, leaves, step),
            _ => Err(Error::usage("curvature::precision", "objective", "mixed precisions", "")),
        }
    }
}
