//! A lowered network: what is common to all snapshots of a run.

use super::block::{Block, Scope, blocks};
use super::chunks::{Chunk, chunks};
use super::planned::Planned;
use super::prepared::SAMPLE_GRADIENTS;
use super::sample_gradients::SampleGradients;
use crate::autodiff::vjp;
use crate::error::{Error, Result};
use crate::graph::lower::Source;
use crate::graph::{Lowered, NodeId, Program, Schedule, lower};
use crate::snapshot::array::Array;
use crate::snapshot::loss::{LossKind, LossSpec, Reduction};
use crate::snapshot::onnx_graph::OnnxModel;
use crate::snapshot::placing::Binding;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A network with its batch, loss and gradient as a program; parameter values are its only variables.
#[derive(Debug, Clone)]
pub struct Network {
    pub(super) lowered: Lowered,
    /// Data of the input leaves.
    pub(super) inputs: Arc<Vec<Vec<f64>>>,
    pub(super) params: Vec<(String, Vec<usize>)>,
    pub(super) loss: LossSpec,
    /// The gradient with respect to each parameter tensor; `None` where the loss does not depend on it.
    pub(super) gradients: Vec<Option<NodeId>>,
    /// The gradient with respect to the graph's output.
    pub(super) output_gradient: Option<NodeId>,
    /// Evaluates loss, gradients and kinks.
    pub(super) gradient_schedule: Arc<Schedule>,
    /// Evaluates the loss alone.
    pub(super) loss_schedule: Arc<Schedule>,
    chunks: OnceLock<Arc<Vec<Chunk>>>,
    samples: OnceLock<Option<Arc<SampleGradients>>>,
    pub(super) planned: Arc<Planned>,
}

impl Network {
    /// Lowers a graph and differentiates its loss. `params` are names and extents in state_dict order; `batch` holds
    /// arrays named as the graph's inputs, plus the targets.
    ///
    /// # Errors
    /// See [`lower()`].
    pub fn new(
        model: &OnnxModel,
        bindings: &[Binding],
        params: &[(String, Vec<usize>)],
        batch: &[(String, Array)],
        loss: &LossSpec,
    ) -> Result<Self> {
        if params.is_empty() {
            return Err(Error::input(
                "snapshot::empty",
                "snapshot",
                "holds no parameters",
                "store the model's state_dict",
            ));
        }
        let lowered = lower(&Source { model, bindings, params, batch, loss })?;
        Ok(Self::of(lowered, params, loss))
    }

    /// Differentiates a lowered network.
    pub(super) fn of(mut lowered: Lowered, params: &[(String, Vec<usize>)], loss: &LossSpec) -> Self {
        let p = &mut lowered.program;
        let one = p.fill(1.0, &[]);
        let gradients = vjp(p, &[(lowered.loss, one)], &lowered.params);
        // of the loss with respect to the output: the head alone
        let output_gradient = match loss.kind {
            LossKind::Output => None,
            _ => vjp(p, &[(lowered.loss, one)], &[lowered.output])[0],
        };
        let mut outputs = vec![lowered.loss];
        outputs.extend(gradients.iter().flatten());
        outputs.extend(&lowered.kinks);
        let gradient_schedule = Arc::new(Schedule::new(&lowered.program, &outputs));
        let loss_schedule = Arc::new(Schedule::new(&lowered.program, &[lowered.loss]));
        let inputs = Arc::new(std::mem::take(&mut lowered.inputs));
        Network {
            lowered,
            inputs,
            params: params.to_vec(),
            loss: loss.clone(),
            gradients,
            output_gradient,
            gradient_schedule,
            loss_schedule,
            chunks: OnceLock::new(),
            samples: OnceLock::new(),
            planned: Arc::default(),
        }
    }

    /// A network of the parameters of another whose loss is its only output.
    pub(super) fn part(lowered: Lowered, params: &[(String, Vec<usize>)]) -> Self {
        let (kind, reduction) = (LossKind::Output, Reduction::Sum);
        Self::of(lowered, params, &LossSpec { kind, reduction, ignore_index: None, label_smoothing: 0.0 })
    }

    /// Names and extents of the parameters.
    pub fn params(&self) -> &[(String, Vec<usize>)] {
        &self.params
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.params.iter().map(|(_, s)| s.iter().product::<usize>()).sum()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The program: forward pass, loss and gradient.
    pub fn program(&self) -> &Program {
        &self.lowered.program
    }

    /// How often each ONNX operator occurs in the graph.
    pub fn operators(&self) -> &BTreeMap<String, usize> {
        &self.lowered.operators
    }

    /// Number of samples of the batch; `None` where the graph computes its loss itself.
    pub fn samples(&self) -> Option<usize> {
        self.lowered.samples.map(|s| self.lowered.program.size(s))
    }

    /// Elements of the graph's output, a bound on the rank of the Gauss-Newton matrix; `None` where the graph computes
    /// its loss itself.
    pub fn outputs(&self) -> Option<usize> {
        self.output_gradient.map(|_| self.lowered.program.size(self.lowered.output))
    }

    /// Floating-point operations of one evaluation of loss and gradient.
    pub fn gradient_flops(&self) -> u64 {
        self.gradient_schedule.primal_flops()
    }

    /// Elements that one evaluation of loss and gradient holds in buffers.
    pub fn pass_elements(&self) -> usize {
        self.gradient_schedule.primal_elements()
    }

    /// Elements of the gradients of all samples, which a Fisher matrix keeps; `None` where there are no samples, or where
    /// they would be too many to keep.
    pub fn sample_gradient_elements(&self) -> Option<usize> {
        self.samples().map(|samples| samples.saturating_mul(self.len())).filter(|all| *all <= SAMPLE_GRADIENTS)
    }

    /// The blocks of a scope, in state_dict order.
    ///
    /// # Errors
    /// When the scope names a tensor or module that does not exist.
    pub fn blocks(&self, scope: &Scope) -> Result<Vec<Block>> {
        blocks(&self.params, scope)
    }

    /// The network in runs of samples.
    pub(super) fn chunks(&self) -> &Arc<Vec<Chunk>> {
        self.chunks.get_or_init(|| Arc::new(chunks(&self.lowered, &self.gradients, &self.inputs)))
    }

    /// The programs of the samples; `None` where they influence each other.
    pub(super) fn sample_gradients(&self) -> Option<&Arc<SampleGradients>> {
        self.samples.get_or_init(|| SampleGradients::new(&self.lowered, &self.inputs).map(Arc::new)).as_ref()
    }

    /// Whether the loss is a mean over samples.
    pub(super) fn is_mean(&self) -> bool {
        self.loss.reduction == Reduction::Mean
    }
}
