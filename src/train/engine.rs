//! One batch with its program and buffers, in the precision of the training.

use std::sync::Arc;

use super::observer::Score;
use super::problem::Problem;
use crate::curvature::{Evaluator, Network, Precision};
use crate::error::Result;
use crate::parallel::Threads;
use crate::snapshot::array::Array;
use crate::snapshot::loss::LossKind;
use crate::tensor::Real;

/// The evaluator of a batch.
#[derive(Debug)]
pub(super) struct Engine {
    evaluator: Scalar,
    network: Arc<Network>,
    /// Classes by position, where the targets are classes.
    targets: Option<Vec<i64>>,
    ignore: Option<i64>,
}

#[derive(Debug)]
enum Scalar {
    F64(Box<Evaluator<f64>>),
    F32(Box<Evaluator<f32>>),
}

impl Engine {
    /// Lowers and differentiates the network for a batch.
    pub fn new(problem: &Problem, arrays: &[(String, Array)], precision: Precision) -> Result<Self> {
        let shapes: Vec<(String, Vec<usize>)> =
            problem.start.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
        let network = Arc::new(Network::new(&problem.model, &problem.bindings, &shapes, arrays, &problem.loss)?);
        let classes = problem.loss.kind == LossKind::CrossEntropy;
        let targets = Problem::target(arrays).filter(|_| classes).and_then(|a| a.ints()).map(<[i64]>::to_vec);
        let evaluator = match precision {
            Precision::F64 => Scalar::F64(Box::new(Evaluator::new(network.clone()))),
            Precision::F32 => Scalar::F32(Box::new(Evaluator::new(network.clone()))),
        };
        Ok(Engine { evaluator, network, targets, ignore: problem.loss.ignore_index })
    }

    /// The network of this batch.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Loss and gradient, unchecked.
    pub fn gradient_at(&mut self, theta: &[f64], threads: &Threads) -> (f64, Vec<f64>) {
        match &mut self.evaluator {
            Scalar::F64(e) => e.gradient_at(theta, threads),
            Scalar::F32(e) => e.gradient_at(theta, threads),
        }
    }

    /// The loss, unchecked.
    pub fn loss_at(&mut self, theta: &[f64], threads: &Threads) -> f64 {
        match &mut self.evaluator {
            Scalar::F64(e) => e.loss_at(theta, threads),
            Scalar::F32(e) => e.loss_at(theta, threads),
        }
    }

    /// Loss and accuracy at `theta`.
    pub fn score(&mut self, theta: &[f64], threads: &Threads) -> Score {
        let loss = self.loss_at(theta, threads);
        Score { loss, accuracy: self.accuracy(true) }
    }

    /// Accuracy of the last evaluation of the loss alone, or of loss and gradient.
    pub fn accuracy(&self, of_loss: bool) -> Option<f64> {
        let targets = self.targets.as_deref()?;
        match &self.evaluator {
            Scalar::F64(e) => hits(e.output(of_loss), targets, self.ignore),
            Scalar::F32(e) => hits(e.output(of_loss), targets, self.ignore),
        }
    }

    /// Elements that this engine holds, roughly: inputs twice and activations.
    pub fn elements(&self) -> usize {
        let program = self.network.program();
        program.nodes().map(|(id, _)| program.size(id)).sum::<usize>()
    }
}

/// The fraction of the positions whose target is the (first) largest output.
fn hits<T: Real>((output, classes): (&[T], usize), targets: &[i64], ignore: Option<i64>) -> Option<f64> {
    if classes == 0 || output.len() != targets.len() * classes {
        return None;
    }
    let (mut scored, mut right) = (0usize, 0usize);
    for (row, &target) in output.chunks_exact(classes).zip(targets) {
        if Some(target) == ignore {
            continue;
        }
        let mut best = 0;
        for (c, &z) in row.iter().enumerate() {
            if z > row[best] {
                best = c;
            }
        }
        scored += 1;
        right += usize::from(best as i64 == target);
    }
    (scored > 0).then(|| right as f64 / scored as f64)
}

#[cfg(test)]
mod tests {
    use super::hits;

    #[test]
    fn hits_count_the_first_largest_output_of_what_is_scored() {
        let output = [0.0, 2.0, 1.0, 3.0, 3.0, 0.0, 0.0, 0.0, 9.0];
        assert_eq!(hits((&output, 3), &[1, 1, 2], None), Some(2.0 / 3.0));
        assert_eq!(hits((&output, 3), &[1, 0, -100], Some(-100)), Some(1.0));
        assert_eq!(hits((&output, 3), &[-100; 3], Some(-100)), None);
        assert_eq!(hits((&output, 3), &[1, 1], None), None);
    }
}
