//! Which nodes run, in which order, in which buffers.
//!
//! A [`Schedule`] serves a fixed set of outputs of a program. Nodes without lanes form the *primal* pass, run once per
//! snapshot; laned nodes form the *lane* pass, run once per block of tangents. Reshapes cost nothing: they share their
//! argument's buffer. Buffers are reused after their last use; those that the lane pass or the caller reads are kept.

use super::operator::{Cmp, Func, Op};
use super::program::{MapId, NodeId, Program};
use crate::tensor::matmul::Gemm;
use crate::tensor::strides::{Loops, broadcast, row_major, size};
use std::sync::Arc;

/// Where a value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Param(usize),
    Input(usize),
    Constant(usize),
    Tangent(usize),
    Primal(usize),
    Lane(usize),
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
}

/// One kernel call.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub work: Work,
    pub args: [Option<Operand>; 3],
    pub out: usize,
    /// Elements of one lane of the result.
    pub size: usize,
    pub flops: u64,
}

/// The order of work for some outputs of a program.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(crate) program: Arc<Program>,
    pub(crate) primal: Vec<Step>,
    pub(crate) lanes: Vec<Step>,
    /// Elements of each primal buffer.
    pub(crate) primal_slots: Vec<usize>,
    /// Elements of one lane of each lane buffer.
    pub(crate) lane_slots: Vec<usize>,
    /// Elements of one lane of each tangent slot; 0 where it is not read.
    pub(crate) tangent_sizes: Vec<usize>,
    pub(crate) constants: Vec<NodeId>,
    outputs: Vec<Operand>,
}

/// Buffers handed out greedily, smallest that fits first.
#[derive(Default)]
struct Slots {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Slots {
    fn take(&mut self, size: usize) -> usize {
        let fits = self.free.iter().enumerate().filter(|&(_, &s)| self.sizes[s] >= size);
        let best = fits.min_by_key(|&(_, &s)| self.sizes[s]).map(|(i, _)| i);
        // nothing fits: grow the largest free buffer rather than add one
        let best = best.or_else(|| (0..self.free.len()).max_by_key(|&i| self.sizes[self.free[i]]));
        match best {
            Some(i) => {
                let slot = self.free.swap_remove(i);
                self.sizes[slot] = self.sizes[slot].max(size);
                slot
            }
            None => {
                self.sizes.push(size);
                self.sizes.len() - 1
            }
        }
    }
}

impl Schedule {
    /// Plans the evaluation of `outputs`.
    pub fn new(program: Arc<Program>, outputs: &[NodeId]) -> Self {
        let needed = needed(&program, outputs);
        let root = roots(&program);
        let count = program.len();

        // how often each buffer is still to be read, by the primal and by the lane pass; outputs are never released
        const KEPT: usize = usize::MAX / 2;
        let mut uses = vec![0usize; count];
        for (_, node) in program.nodes().filter(|(id, node)| needed[id.index()] && node.op != Op::Reshape) {
            for arg in &node.args {
                let buffer = root[arg.index()].index();
                let kept = node.laned && !program.laned(*arg);
                uses[buffer] = if kept { KEPT } else { uses[buffer].saturating_add(1) };
            }
        }
        for output in outputs {
            uses[root[output.index()].index()] = KEPT;
        }

        let fused = fused(&program, &needed, &uses);
        let mut places: Vec<Option<Place>> = vec![None; count];
        let (mut primal_slots, mut lane_slots) = (Slots::default(), Slots::default());
        let (mut primal, mut lanes) = (Vec::new(), Vec::new());
        let mut tangent_sizes = vec![0; program.tangents()];
        let mut constants = Vec::new();
        for (id, node) in program.nodes() {
            if !needed[id.index()] || fused[id.index()] {
                continue;
            }
            // the product whose sum this is, and all that is read
            let product = node.args.iter().copied().find(|a| node.op == Op::Add && fused[a.index()]);
            let read: Vec<NodeId> = match product {
                Some(m) => {
                    let other = node.args.iter().copied().filter(|&a| a != m);
                    program.node(m).args.iter().copied().chain(other).collect()
                }
                None => node.args.clone(),
            };
            let place = match node.op {
                Op::Param(n) => Place::Param(n),
                Op::Input(n) => Place::Input(n),
                Op::Tangent(n) => {
                    tangent_sizes[n] = size(&node.shape);
                    Place::Tangent(n)
                }
                Op::Constant(_) => {
                    constants.push(id);
                    Place::Constant(constants.len() - 1)
                }
                Op::Reshape => match places[root[id.index()].index()] {
                    Some(place) => place,
                    None => continue,
                },
                _ => {
                    let slots = if node.laned { &mut lane_slots } else { &mut primal_slots };
                    let out = slots.take(size(&node.shape));
                    let operand = |arg: &NodeId| Operand {
                        place: places[arg.index()].unwrap_or(Place::Constant(usize::MAX)),
                        size: program.size(*arg),
                        laned: program.laned(*arg),
                    };
                    let mut args = [None; 3];
                    for (slot, arg) in args.iter_mut().zip(&read) {
                        *slot = Some(operand(arg));
                    }
                    let work = match product {
                        Some(_) => {
                            let along = |i: usize| broadcast(program.shape(read[i]), &node.shape);
                            Some(Work::MulAdd(Loops::new(&node.shape, [&along(0), &along(1), &along(2)])))
                        }
                        None => work(&program, id),
                    };
                    if let Some(work) = work {
                        let flops = flops(&program, id) + product.map_or(0, |m| flops(&program, m));
                        let step = Step { work, args, out, size: size(&node.shape), flops };
                        if node.laned { lanes.push(step) } else { primal.push(step) }
                    }
                    for arg in &read {
                        let buffer = root[arg.index()].index();
                        if uses[buffer] >= KEPT {
                            continue;
                        }
                        uses[buffer] -= 1;
                        if uses[buffer] == 0 {
                            match places[buffer] {
                                Some(Place::Primal(slot)) => primal_slots.free.push(slot),
                                Some(Place::Lane(slot)) => lane_slots.free.push(slot),
                                _ => {}
                            }
                        }
                    }
                    if node.laned { Place::Lane(out) } else { Place::Primal(out) }
                }
            };
            places[id.index()] = Some(place);
        }
        let outputs = outputs
            .iter()
            .map(|o| Operand {
                place: places[o.index()].unwrap_or(Place::Constant(usize::MAX)),
                size: program.size(*o),
                laned: program.laned(*o),
            })
            .collect();
        Schedule {
            program,
            primal,
            lanes,
            primal_slots: primal_slots.sizes,
            lane_slots: lane_slots.sizes,
            tangent_sizes,
            constants,
            outputs,
        }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    pub(crate) fn output(&self, n: usize) -> Operand {
        self.outputs[n]
    }

    /// Floating-point operations of the primal pass (see [`flops`]).
    pub fn primal_flops(&self) -> u64 {
        self.primal.iter().map(|s| s.flops).sum()
    }

    /// Floating-point operations of the lane pass for one lane.
    pub fn lane_flops(&self) -> u64 {
        self.lanes.iter().map(|s| s.flops).sum()
    }

    /// Elements that the primal pass keeps in buffers.
    pub fn primal_elements(&self) -> usize {
        self.primal_slots.iter().sum()
    }

    /// Elements that one lane keeps in buffers, tangents included.
    pub fn lane_elements(&self) -> usize {
        self.lane_slots.iter().sum::<usize>() + self.tangent_sizes.iter().sum::<usize>()
    }
}

/// The products that are computed together with the sum that alone reads them.
fn fused(program: &Program, needed: &[bool], uses: &[usize]) -> Vec<bool> {
    let mut fused = vec![false; program.len()];
    for (id, node) in program.nodes().filter(|(id, node)| needed[id.index()] && node.op == Op::Add) {
        let one = node.args.iter().find(|a| {
            let m = program.node(**a);
            m.op == Op::Mul && m.shape == node.shape && m.laned == node.laned && uses[a.index()] == 1
        });
        // an expanded sum reads other extents than it has
        let whole = node.args.iter().all(|a| program.shape(*a).len() == node.shape.len());
        if let (Some(m), true) = (one, whole && program.node(id).args[0] != program.node(id).args[1]) {
            fused[m.index()] = true;
        }
    }
    fused
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
