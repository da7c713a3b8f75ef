//! Loss, gradient and output of a network at changing parameters, in f64 or f32: what training asks at every step.
//!
//! The program was lowered and differentiated once, its schedules and buffers are kept: a new evaluation runs kernels
//! and nothing else. In difference to [`Prepared`](super::Prepared) nothing is checked here: a training run that
//! diverges must be able to see its NaN.

use super::network::Network;
use crate::graph::Schedule;
use crate::graph::execute::{Leaves, Primal};
use crate::parallel::Threads;
use crate::tensor::Real;
use std::sync::Arc;

/// A network with buffers for its evaluation in the scalar `T`.
#[derive(Debug)]
pub struct Evaluator<T> {
    network: Arc<Network>,
    leaves: Leaves<T>,
    gradient: Option<(Schedule, Primal<T>)>,
    loss: Option<(Schedule, Primal<T>)>,
}

impl<T: Real> Evaluator<T> {
    /// Nothing is evaluated yet; buffers are made by the first evaluation of each kind.
    pub fn new(network: Arc<Network>) -> Self {
        let inputs = network.inputs.iter().map(|x| x.iter().map(|&v| T::of(v)).collect()).collect();
        let params = network.params.iter().map(|(_, s)| vec![T::ZERO; s.iter().product()]).collect();
        Evaluator { leaves: Leaves { params, inputs: Arc::new(inputs) }, network, gradient: None, loss: None }
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Loss and gradient at `theta`, all parameters one after the other in state_dict order, each tensor row-major.
    /// Neither is checked for being finite.
    pub fn gradient_at(&mut self, theta: &[f64], threads: &Threads) -> (f64, Vec<f64>) {
        let (network, leaves) = (&self.network, &self.leaves);
        let (schedule, primal) = self.gradient.get_or_insert_with(|| {
            let mut outputs = vec![network.lowered.loss, network.lowered.output];
            outputs.extend(network.gradients.iter().flatten());
            prepared(network, &outputs, leaves)
        });
        set(primal, theta);
        threads.run(|| primal.run(schedule, threads.faer()));
        let mut gradient = Vec::with_capacity(theta.len());
        let mut next = 2;
        for ((_, shape), node) in network.params.iter().zip(&network.gradients) {
            if node.is_some() {
                gradient.extend(primal.output(schedule, next).iter().map(|g| g.wide()));
                next += 1;
            } else {
                gradient.resize(gradient.len() + shape.iter().product::<usize>(), 0.0);
            }
        }
        (primal.output(schedule, 0).first().map_or(f64::NAN, |l| l.wide()), gradient)
    }

    /// The loss at `theta`.
    pub fn loss_at(&mut self, theta: &[f64], threads: &Threads) -> f64 {
        let (network, leaves) = (&self.network, &self.leaves);
        let (schedule, primal) =
            self.loss.get_or_insert_with(|| prepared(network, &[network.lowered.loss, network.lowered.output], leaves));
        set(primal, theta);
        threads.run(|| primal.run(schedule, threads.faer()));
        primal.output(schedule, 0).first().map_or(f64::NAN, |l| l.wide())
    }

    /// Rows of the graph's output, one for each position, at the last `theta` given to [`Evaluator::gradient_at`]
    /// (`false`) or [`Evaluator::loss_at`] (`true`); empty before that.
    pub fn output(&self, of_loss: bool) -> (&[T], usize) {
        let evaluated = if of_loss { &self.loss } else { &self.gradient };
        let columns = self.network.lowered.program.shape(self.network.lowered.output).last().copied().unwrap_or(1);
        (evaluated.as_ref().map_or(&[], |(schedule, primal)| primal.output(schedule, 1)), columns)
    }
}

fn prepared<T: Real>(network: &Network, outputs: &[crate::graph::NodeId], leaves: &Leaves<T>) -> (Schedule, Primal<T>) {
    let schedule = Schedule::new(network.program(), outputs);
    let primal = Primal::new(&schedule, leaves.clone());
    (schedule, primal)
}

fn set<T: Real>(primal: &mut Primal<T>, theta: &[f64]) {
    let mut rest = theta;
    for tensor in primal.params_mut() {
        let (mine, others) = rest.split_at(tensor.len().min(rest.len()));
        rest = others;
        for (slot, &x) in tensor.iter_mut().zip(mine) {
            *slot = T::of(x);
        }
    }
}
