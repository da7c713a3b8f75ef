//! Which nodes run, in which order, in which buffers.
//!
//! A [`Schedule`] serves a fixed set of outputs of a program. Nodes without lanes form the *primal* pass, run once per
//! snapshot; laned nodes form the *lane* pass, run once per block of tangents. Reshapes cost nothing: they share their
//! argument's buffer. Buffers are reused after their last use; those that the lane pass or the caller reads are kept.
//!
//! A schedule of [products](Schedule::products) serves [`tangents`](super::tangents): its outputs are added to what the
//! caller's buffers hold, products of matrices are added in place to the terms they stand beside, weights are stored
//! once as the products read them, and masks say which rows of a product nobody reads.
//!
//! What runs depends on the nodes of the program alone, not on its constants and index maps: programs of the same nodes
//! (chunks of equally many samples) [share](Schedule::each) it.

mod plan;

use self::plan::Planner;
use super::operator::{Cmp, Func, Op};
use super::program::{ConstId, MapId, NodeId, Program};
use crate::tensor::index::IndexMap;
use crate::tensor::matmul::Gemm;
use crate::tensor::strides::{Loops, broadcast, row_major, size};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

/// Where a value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Param(usize),
    Input(usize),
    Constant(usize),
    Tangent(usize),
    Primal(usize),
    Lane(usize),
    /// A buffer of the caller, added to.
    Output(usize),
}

/// One operand of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    pub place: Place,
    /// Elements of one lane.
    pub size: usize,
    pub laned: bool,
}

/// Two-operand elementwise kernels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Compare(Cmp),
}

/// One kernel call with its loops prepared.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Map(Func),
    Scale(f64),
    Shift(f64),
    Binary(Binary, Loops<2>),
    /// a∘b + c
    MulAdd(Loops<3>),
    Select(Loops<3>),
    Expand(Loops<1>),
    Sum(Loops<2>),
    Permute(Loops<2>),
    Transpose {
        batch: usize,
        rows: usize,
        cols: usize,
    },
    ArgmaxMask(usize),
    Softmax(usize),
    LogSumExp(usize),
    CrossEntropy(usize),
    Gather(MapId),
    Scatter(MapId),
    MatMul {
        gemm: Gemm,
        batch: usize,
        batch_a: usize,
        batch_b: usize,
    },
    /// The argument as it is.
    Copy,
}

/// One kernel call.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub work: Work,
    pub args: [Option<Operand>; 3],
    pub out: Place,
    /// The result is added to what the buffer holds.
    pub add: bool,
    /// A value without lanes, of the extents of the product (or, of a product of a transposed left operand, of that
    /// operand), where whose zeros nothing is read (or nothing stands).
    pub mask: Option<Operand>,
    /// Elements of one lane of the result.
    pub size: usize,
    pub flops: u64,
}

/// The order of work for some outputs of a program.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(crate) order: Arc<Order>,
    /// Those of [`Order::constants`].
    pub(crate) constants: Vec<Arc<Vec<f64>>>,
    maps: Vec<Arc<IndexMap>>,
}

/// What the nodes of a program alone decide.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) primal: Vec<Step>,
    pub(crate) lanes: Vec<Step>,
    /// Elements of each primal buffer.
    pub(crate) primal_slots: Vec<usize>,
    /// Elements of one lane of each lane buffer.
    pub(crate) lane_slots: Vec<usize>,
    /// Elements of one lane of each tangent slot; 0 where it is not read.
    pub(crate) tangent_sizes: Vec<usize>,
    pub(crate) constants: Vec<ConstId>,
    outputs: Vec<Operand>,
}

impl Schedule {
    /// Plans the evaluation of `outputs`.
    pub fn new(program: &Program, outputs: &[NodeId]) -> Self {
        Self::of(Arc::new(Planner::new(program, outputs, false).run(outputs)), program)
    }

    /// Plans the evaluation of `outputs` with lanes, added to buffers of the caller, by [`tangents`](super::tangents).
    pub fn products(program: &Program, outputs: &[NodeId]) -> Self {
        Self::of(Arc::new(Planner::new(program, outputs, true).run(outputs)), program)
    }

    /// Plans outputs of several programs with [`Schedule::new`] or [`Schedule::products`]; programs of the same nodes
    /// share what runs.
    pub fn each(wanted: &[(&Program, Vec<NodeId>)], plan: fn(&Program, &[NodeId]) -> Schedule) -> Vec<Self> {
        let alike = |&(p, a): &(&Program, &[NodeId]), &(q, b): &(&Program, &[NodeId])| a == b && p.has_nodes_of(q);
        let views: Vec<(&Program, &[NodeId])> =
            wanted.iter().map(|(program, outputs)| (*program, &outputs[..])).collect();
        let first: Vec<usize> =
            (0..views.len()).map(|i| (0..i).find(|&j| alike(&views[i], &views[j])).unwrap_or(i)).collect();
        let plan = |i: usize| (first[i] == i).then(|| plan(views[i].0, views[i].1));
        let planned: Vec<Option<Schedule>> = (0..views.len()).into_par_iter().map(plan).collect();
        let of = |(&i, (program, _)): (&usize, &(&Program, &[NodeId]))| {
            planned[i].as_ref().map(|schedule| Self::of(schedule.order.clone(), program))
        };
        first.iter().zip(&views).filter_map(of).collect()
    }

    fn of(order: Arc<Order>, program: &Program) -> Self {
        let constants = order.constants.iter().map(|&c| program.constant_data(c).clone()).collect();
        Schedule { order, constants, maps: program.maps().to_vec() }
    }

    pub(crate) fn map(&self, id: MapId) -> &IndexMap {
        &self.maps[id.0 as usize]
    }

    pub(crate) fn output(&self, n: usize) -> Operand {
        self.order.outputs[n]
    }

    /// Places that the lane pass and the caller read.
    pub(crate) fn read(&self) -> HashSet<Place> {
        let steps = self.order.lanes.iter().flat_map(|step| step.args.iter().chain([&step.mask]).flatten());
        steps.chain(&self.order.outputs).map(|operand| operand.place).collect()
    }

    /// Floating-point operations of the primal pass (see [`flops`]).
    pub fn primal_flops(&self) -> u64 {
        self.order.primal.iter().map(|s| s.flops).sum()
    }

    /// Floating-point operations of the lane pass for one lane.
    pub fn lane_flops(&self) -> u64 {
        self.order.lanes.iter().map(|s| s.flops).sum()
    }

    /// Elements that the primal pass keeps in buffers.
    pub fn primal_elements(&self) -> usize {
        self.order.primal_slots.iter().sum()
    }

    /// Elements that one lane keeps in buffers, tangents included.
    pub fn lane_elements(&self) -> usize {
        self.order.lane_slots.iter().sum::<usize>() + self.order.tangent_sizes.iter().sum::<usize>()
    }
}

/// The ancestors of `outputs`.
pub(crate) fn needed(program: &Program, outputs: &[NodeId]) -> Vec<bool> {
    let mut needed = vec![false; program.len()];
    for o in outputs {
        needed[o.index()] = true;
    }
    for i in (0..program.len()).rev() {
        if needed[i] {
            for arg in &program.node(NodeId(i as u32)).args {
                needed[arg.index()] = true;
            }
        }
    }
    needed
}

/// For each node the node whose buffer holds its elements.
fn roots(program: &Program) -> Vec<NodeId> {
    let mut root: Vec<NodeId> = Vec::with_capacity(program.len());
    for (id, node) in program.nodes() {
        root.push(if node.op == Op::Reshape { root[node.args[0].index()] } else { id });
    }
    root
}

/// The kernel of a node; `None` for leaves and reshapes, which have no work.
fn work(program: &Program, id: NodeId) -> Option<Work> {
    let node = program.node(id);
    let arg = |i: usize| program.shape(node.args[i]);
    let cols = |i: usize| arg(i).last().copied().unwrap_or(1);
    let along = |i: usize| broadcast(arg(i), &node.shape);
    let binary = |b: Binary| Work::Binary(b, Loops::new(&node.shape, [&along(0), &along(1)]));
    Some(match &node.op {
        Op::Param(_) | Op::Input(_) | Op::Constant(_) | Op::Tangent(_) | Op::Reshape => return None,
        Op::Map(f) => Work::Map(*f),
        Op::Scale(c) => Work::Scale(c.get()),
        Op::Shift(c) => Work::Shift(c.get()),
        Op::Add => binary(Binary::Add),
        Op::Sub => binary(Binary::Sub),
        Op::Mul => binary(Binary::Mul),
        Op::Compare(c) => binary(Binary::Compare(*c)),
        Op::Select => Work::Select(Loops::new(&node.shape, [&along(0), &along(1), &along(2)])),
        Op::Expand => Work::Expand(Loops::new(&node.shape, [&along(0)])),
        Op::Sum => {
            let (from, to) = (arg(0), &node.shape);
            Work::Sum(Loops::new(from, [&row_major(from), &broadcast(to, from)]))
        }
        Op::Permute(perm) => {
            let from = arg(0);
            let rank = perm.len();
            let swaps_last =
                rank >= 2 && perm[..rank - 2].iter().enumerate().all(|(i, &p)| i == p) && perm[rank - 2] == rank - 1;
            if swaps_last {
                let (rows, cols) = (from[rank - 2], from[rank - 1]);
                Work::Transpose { batch: size(&from[..rank - 2]), rows, cols }
            } else {
                let strides = row_major(from);
                let read: Vec<usize> = perm.iter().map(|&p| strides[p]).collect();
                Work::Permute(Loops::new(&node.shape, [&row_major(&node.shape), &read]))
            }
        }
        Op::ArgmaxMask => Work::ArgmaxMask(cols(0)),
        Op::Softmax => Work::Softmax(cols(0)),
        Op::LogSumExp => Work::LogSumExp(cols(0)),
        Op::CrossEntropy => Work::CrossEntropy(cols(0)),
        Op::Gather(m) => Work::Gather(*m),
        Op::Scatter(m) => Work::Scatter(*m),
        Op::MatMul { ta, tb } => {
            let a = arg(0);
            let k = if *ta { a[1] } else { a[2] };
            let gemm = Gemm { m: node.shape[1], k, n: node.shape[2], ta: *ta, tb: *tb };
            Work::MatMul { gemm, batch: node.shape[0], batch_a: a[0], batch_b: arg(1)[0] }
        }
    })
}

/// Floating-point operations of a node (one lane): 2mkn for a product, one per element and function otherwise, four per
/// element for the softmax family; data movement is free.
pub fn flops(program: &Program, id: NodeId) -> u64 {
    let node = program.node(id);
    let out = size(&node.shape) as u64;
    match &node.op {
        Op::Param(_)
        | Op::Input(_)
        | Op::Constant(_)
        | Op::Tangent(_)
        | Op::Reshape
        | Op::Permute(_)
        | Op::Expand
        | Op::Gather(_)
        | Op::Select => 0,
        Op::Map(_) | Op::Scale(_) | Op::Shift(_) | Op::Add | Op::Sub | Op::Mul | Op::Compare(_) => out,
        Op::Sum | Op::Scatter(_) | Op::ArgmaxMask => program.size(node.args[0]) as u64,
        Op::Softmax | Op::LogSumExp | Op::CrossEntropy => 4 * program.size(node.args[0]) as u64,
        Op::MatMul { ta, .. } => {
            let a = program.shape(node.args[0]);
            2 * out * if *ta { a[1] } else { a[2] } as u64
        }
    }
}
