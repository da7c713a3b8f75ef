//! A network at one snapshot: loss, gradient, kinks, and the door to the curvature operators.

use super::block::{Block, Scope};
use super::empirical_fisher::EmpiricalFisher;
use super::gauss_newton::GaussNewton;
use super::hessian::Hessian;
use super::network::Network;
use super::objective::BlockObjective;
use super::spread::{Evaluation, Remote, Shards};
use crate::error::{Error, Result};
use crate::graph::Schedule;
use crate::graph::execute::{Leaves, Primal};
use crate::parallel::Threads;
use crate::snapshot::array::{Array, Values};
use crate::tensor::Real;
use faer::Mat;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Elements up to which the gradients of all samples are kept together.
pub(super) const SAMPLE_GRADIENTS: usize = 128 << 20;

/// The scalar in which products with a curvature matrix are computed.
///
/// Loss, gradient and all values that do not depend on tangents (once per snapshot) are always computed in double
/// precision: in single precision a pre-activation near 0 may flip its ReLU, and small gradients drown in rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE double.
    F64,
    /// Tangents in IEEE single, on values rounded from double precision; results are widened.
    F32,
}

impl Precision {
    /// Bytes of a tangent's scalar.
    pub(super) fn bytes(self) -> usize {
        match self {
            Precision::F64 => size_of::<f64>(),
            Precision::F32 => size_of::<f32>(),
        }
    }
}

/// Values whose sign decides a derivative, and how many of them lie so near 0 that single precision may decide wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinks {
    /// Arguments of ReLU, steps and absolute values that were seen.
    pub total: usize,
    /// Those with |z| ≤ 2⁻²³·max|z| of their tensor, exact zeros included.
    pub near: usize,
    /// Those that are exactly 0 (their derivative is taken as 0).
    pub zero: usize,
}

/// A network at one snapshot.
#[derive(Debug)]
pub struct Prepared<'t> {
    pub(super) network: Arc<Network>,
    pub(super) threads: &'t Threads,
    pub(super) leaves: Leaves<f64>,
    pub(super) precision: Precision,
    loss: f64,
    gradient: Vec<f64>,
    kinks: Kinks,
    samples: OnceLock<Result<Option<Mat<f64>>>>,
    spread: Option<Box<Spread<'t>>>,
}

/// The samples of this rank, and the ranks that hold the others.
#[derive(Debug)]
struct Spread<'t> {
    own: Prepared<'t>,
    remote: Remote,
}

impl<'t> Prepared<'t> {
    /// Evaluates loss and gradient twice and keeps them.
    ///
    /// `params` are the tensors of the snapshot in the network's order.
    ///
    /// # Errors
    /// When a tensor is missing, has other extents, is not floating point or not finite; when loss or gradient are not
    /// finite; when two passes give two losses.
    pub fn new(
        network: Arc<Network>,
        params: &[(String, Array)],
        precision: Precision,
        threads: &'t Threads,
    ) -> Result<Self> {
        let values = values(&network, params)?;
        let (prepared, pass) = Self::part(network, values, precision, threads)?;
        let kinks = Kinks { total: pass.total(), near: pass.near(&pass.tops()), zero: pass.zero() };
        Ok(Prepared { kinks, ..prepared })
    }

    /// The same over ranks: loss, gradient, Hessians and [`Prepared::objective`] are sums of what every rank finds for
    /// its samples; all else is evaluated by this rank for the whole batch. There may be one such snapshot at a time.
    ///
    /// # Errors
    /// As [`Prepared::new`] on any rank; when a rank is gone.
    pub fn spread(
        shards: &Shards,
        params: &[(String, Array)],
        precision: Precision,
        threads: &'t Threads,
    ) -> Result<Self> {
        let network = shards.whole.clone();
        let values = values(&network, params)?;
        let mut own = None;
        let (Evaluation { loss, gradient, kinks }, remote) = shards.evaluate(&values, precision, || {
            let (prepared, pass) = Self::part(shards.own.clone(), values.clone(), precision, threads)?;
            own = Some(prepared);
            Ok(pass)
        })?;
        let leaves = Leaves { params: values, inputs: network.inputs.clone() };
        let spread = own.map(|own| Box::new(Spread { own, remote }));
        Ok(Prepared { network, threads, leaves, precision, loss, gradient, kinks, samples: OnceLock::new(), spread })
    }

    /// A network at these values, its kinks not counted yet.
    pub(super) fn part(
        network: Arc<Network>,
        values: Vec<Vec<f64>>,
        precision: Precision,
        threads: &'t Threads,
    ) -> Result<(Self, Pass)> {
        let leaves = Leaves { params: values, inputs: network.inputs.clone() };
        let pass = evaluate(&network, &leaves, threads)?;
        let (loss, gradient) = (pass.loss, pass.gradient.clone());
        let (kinks, samples) = (Kinks::default(), OnceLock::new());
        let prepared = Prepared { network, threads, leaves, precision, loss, gradient, kinks, samples, spread: None };
        Ok((prepared, pass))
    }

    /// The samples that this rank holds: all of them, unless they are spread.
    pub(super) fn own(&self) -> &Prepared<'t> {
        self.spread.as_ref().map_or(self, |spread| &spread.own)
    }

    /// The ranks that hold the other samples.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.spread.as_ref().map(|spread| &spread.remote)
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The scalar of the products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The loss and its gradient over all parameters, in state_dict order, each tensor row-major.
    pub fn loss_and_gradient(&self) -> (f64, &[f64]) {
        (self.loss, &self.gradient)
    }

    /// The gradient over a block.
    pub fn block_gradient(&self, block: &Block) -> Vec<f64> {
        let mut offsets = vec![0; self.network.params.len() + 1];
        for (i, (_, shape)) in self.network.params.iter().enumerate() {
            offsets[i + 1] = offsets[i] + shape.iter().product::<usize>();
        }
        block
            .tensors
            .iter()
            .flat_map(|t| &self.gradient[offsets[t.index]..offsets[t.index] + t.size])
            .copied()
            .collect()
    }

    /// The gradients of what each sample contributes to the loss, over a block, one column for each sample; computed for
    /// all blocks at once and kept. `None` where samples influence each other, or where the whole would be too large.
    pub(super) fn sample_gradients(&self, block: &Block) -> Result<Option<Mat<f64>>> {
        let all = self.samples.get_or_init(|| {
            let (n, samples) = (self.network.len(), self.network.samples().unwrap_or(0));
            if n.saturating_mul(samples) > SAMPLE_GRADIENTS {
                return Ok(None);
            }
            match self.network.sample_gradients() {
                Some(programs) => programs.at(&self.leaves.params, self.threads).map(Some),
                None => Ok(None),
            }
        });
        let Some(all) = all.as_ref().map_err(Clone::clone)? else { return Ok(None) };
        let mut starts = vec![0; self.network.params.len() + 1];
        for (i, (_, shape)) in self.network.params.iter().enumerate() {
            starts[i + 1] = starts[i] + shape.iter().product::<usize>();
        }
        let mut out = Mat::<f64>::zeros(block.len, all.ncols());
        for t in &block.tensors {
            out.as_mut().subrows_mut(t.offset, t.size).copy_from(all.as_ref().subrows(starts[t.index], t.size));
        }
        Ok(Some(out))
    }

    /// How many values lie on a kink of the loss.
    pub fn kinks(&self) -> Kinks {
        self.kinks
    }

    /// The blocks of a scope, in state_dict order.
    ///
    /// # Errors
    /// When the scope names a tensor or module that does not exist.
    pub fn blocks(&self, scope: &Scope) -> Result<Vec<Block>> {
        self.network.blocks(scope)
    }

    /// The exact Hessian of the loss over a block.
    pub fn hessian(&self, block: &Block) -> Hessian<'_> {
        Hessian::new(self, block)
    }

    /// The generalised Gauss-Newton matrix over a block.
    ///
    /// # Errors
    /// When the graph computes its loss itself, so that there is no output to linearise at.
    pub fn gauss_newton(&self, block: &Block) -> Result<GaussNewton<'_>> {
        GaussNewton::new(self, block)
    }

    /// The empirical Fisher matrix over a block.
    ///
    /// # Errors
    /// When the graph computes its loss itself, so that there are no samples; when a gradient is not finite.
    pub fn empirical_fisher(&self, block: &Block) -> Result<EmpiricalFisher> {
        EmpiricalFisher::new(self, block)
    }

    /// The loss around the snapshot, steps restricted to a block.
    pub fn objective(&self, block: &Block) -> BlockObjective<'_> {
        BlockObjective::new(self, block)
    }
}

/// The snapshot's values in the network's order, checked.
fn values(network: &Network, params: &[(String, Array)]) -> Result<Vec<Vec<f64>>> {
    let mut out = Vec::with_capacity(network.params.len());
    for (name, shape) in &network.params {
        let place = format!("parameter `{name}`");
        let Some((_, array)) = params.iter().find(|(n, _)| n == name) else {
            return Err(Error::input(
                "snapshot::missing",
                place,
                "is not in the snapshot",
                "store all of the state_dict",
            ));
        };
        if array.shape != *shape {
            return Err(Error::input(
                "snapshot::shape",
                place,
                format!("has extents {:?}, the other snapshots {shape:?}", array.shape),
                "keep the snapshots of one network in a folder",
            ));
        }
        let Values::Float(x) = &array.values else {
            return Err(Error::input(
                "snapshot::dtype",
                place,
                format!("is {:?}: integer and boolean parameters have no derivative", array.dtype),
                "leave counters and masks out of the snapshot",
            ));
        };
        if let Some(i) = x.iter().position(|v| !v.is_finite()) {
            return Err(Error::input(
                "snapshot::not_finite",
                place,
                format!("element {i} is {}", x[i]),
                "the run has diverged; take an earlier snapshot",
            ));
        }
        out.push(x.clone());
    }
    Ok(out)
}

/// One pass over a network, kept until its kinks are counted.
pub(super) struct Pass {
    pub loss: f64,
    pub gradient: Vec<f64>,
    primal: Primal<f64>,
    schedule: Arc<Schedule>,
    /// Outputs of the schedule that are arguments of kinks.
    kinks: Range<usize>,
}

impl Pass {
    fn arguments(&self) -> impl Iterator<Item = &[f64]> {
        self.kinks.clone().map(|i| self.primal.output(&self.schedule, i))
    }

    /// How many arguments of kinks there are.
    pub fn total(&self) -> usize {
        self.arguments().map(<[f64]>::len).sum()
    }

    /// How many of them are 0.
    pub fn zero(&self) -> usize {
        self.arguments().map(|z| z.iter().filter(|v| **v == 0.0).count()).sum()
    }

    /// max|z| of each tensor.
    pub fn tops(&self) -> Vec<f64> {
        self.arguments().map(|z| z.iter().map(|v| v.abs()).fold(0.0, f64::max)).collect()
    }

    /// How many are near 0 beside these.
    pub fn near(&self, tops: &[f64]) -> usize {
        let near = |z: &[f64], top: f64| z.iter().filter(|v| v.abs() <= top * f64::from(f32::EPSILON)).count();
        self.arguments().zip(tops).map(|(z, &top)| near(z, top)).sum()
    }
}

/// Loss and gradient, after a second pass has given the same loss.
fn evaluate(network: &Network, leaves: &Leaves<f64>, threads: &Threads) -> Result<Pass> {
    let schedule = &network.gradient_schedule;
    let mut primal = Primal::new(schedule, leaves.clone());
    threads.run(|| primal.run(schedule, threads.faer()));
    let loss = primal.output(schedule, 0)[0];
    let mut second = Primal::new(&network.loss_schedule, leaves.clone());
    threads.run(|| second.run(&network.loss_schedule, threads.faer()));
    let again = second.output(&network.loss_schedule, 0)[0];
    finite("loss", &[loss])?;
    if loss.to_bits() != again.to_bits() {
        return Err(Error::input(
            "curvature::two_losses",
            "graph",
            format!("two passes give two losses, {loss} and {again}"),
            "export the model in inference form (model.eval())",
        ));
    }
    let mut gradient = Vec::with_capacity(network.len());
    let mut next = 1;
    for ((name, shape), node) in network.params.iter().zip(&network.gradients) {
        if node.is_some() {
            let g = primal.output(schedule, next);
            next += 1;
            finite(&format!("gradient of `{name}`"), g)?;
            gradient.extend_from_slice(g);
        } else {
            gradient.resize(gradient.len() + shape.iter().product::<usize>(), 0.0);
        }
    }
    let kinks = next..next + network.lowered.kinks.len();
    Ok(Pass { loss, gradient, primal, schedule: schedule.clone(), kinks })
}

/// Refuses infinities and NaN.
pub(super) fn finite<T: Real>(what: &str, values: &[T]) -> Result<()> {
    // 0·x is 0 for what is finite and NaN for the rest; eight sums at a time vectorise
    let mut sums = [T::ZERO; 8];
    let mut eights = values.chunks_exact(8);
    for eight in &mut eights {
        for (sum, &v) in sums.iter_mut().zip(eight) {
            *sum += T::ZERO * v;
        }
    }
    if sums.iter().all(|s| s.finite()) && eights.remainder().iter().all(|v| v.finite()) {
        return Ok(());
    }
    match values.iter().position(|v| !v.finite()) {
        None => Ok(()),
        Some(i) => Err(Error::input(
            "curvature::not_finite",
            what,
            format!("element {i} is {}", values[i].wide()),
            "the run has diverged there; take an earlier snapshot, or f64 instead of f32",
        )),
    }
}
