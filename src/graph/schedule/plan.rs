//! Hands out buffers and chooses the kernels of a [`Schedule`].

use super::{Operand, Order, Place, Step, Work, flops, needed, roots, work};
use crate::graph::operator::Op;
use crate::graph::program::{ConstId, NodeId, Program};
use crate::tensor::strides::{Loops, broadcast, size};
use std::collections::HashMap;

/// Reads of a buffer that is never released.
const KEPT: usize = usize::MAX / 2;

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
            None => self.add(size),
        }
    }

    fn add(&mut self, size: usize) -> usize {
        self.sizes.push(size);
        self.sizes.len() - 1
    }
}

/// A node that is evaluated where its reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// No.
    No,
    /// A product of elements, with the sum that reads it.
    MulAdd,
    /// A product of matrices, added to the other terms of the sum that reads it.
    Joined,
}

/// A schedule in the making.
pub(super) struct Planner<'p> {
    program: &'p Program,
    products: bool,
    needed: Vec<bool>,
    root: Vec<NodeId>,
    /// How often each buffer is still to be read; outputs and what the lane pass reads of the primal are never released.
    uses: Vec<usize>,
    inside: Vec<Inside>,
    /// Masks: where nothing is read of a buffer, and where a buffer holds zeros.
    unread: Vec<Option<NodeId>>,
    zeros: Vec<Option<NodeId>>,
    /// The output that a buffer is.
    direct: Vec<Option<usize>>,
    places: Vec<Option<Place>>,
    primal_slots: Slots,
    lane_slots: Slots,
    primal: Vec<Step>,
    lanes: Vec<Step>,
    tangent_sizes: Vec<usize>,
    constants: Vec<ConstId>,
    /// Steps of the lane pass with the mask of each: a mask may have its place later than the step that it serves.
    masks: Vec<(usize, NodeId)>,
    /// Transposed copies of what has no lanes.
    transposed: HashMap<NodeId, Place>,
}

impl<'p> Planner<'p> {
    pub fn new(program: &'p Program, outputs: &[NodeId], products: bool) -> Self {
        let needed = needed(program, outputs);
        let root = roots(program);
        let count = program.len();
        let mut uses = vec![0usize; count];
        for (_, node) in program.nodes().filter(|(id, node)| needed[id.index()] && node.op != Op::Reshape) {
            for arg in &node.args {
                let buffer = root[arg.index()].index();
                let kept = node.laned && !program.laned(*arg);
                uses[buffer] = if kept { KEPT } else { uses[buffer].saturating_add(1) };
            }
        }
        let tangents = program.tangents();
        let mut planner = Planner {
            products,
            needed,
            root,
            uses,
            inside: vec![Inside::No; count],
            unread: vec![None; count],
            zeros: vec![None; count],
            direct: vec![None; count],
            places: vec![None; count],
            primal_slots: Slots::default(),
            lane_slots: Slots::default(),
            primal: Vec::new(),
            lanes: Vec::new(),
            tangent_sizes: vec![0; tangents],
            constants: Vec::new(),
            masks: Vec::new(),
            transposed: HashMap::new(),
            program,
        };
        let unread: Vec<bool> = outputs.iter().map(|o| planner.uses[planner.buffer(*o)] == 0).collect();
        for output in outputs {
            let buffer = planner.buffer(*output);
            planner.uses[buffer] = KEPT;
        }
        if products {
            planner.find_direct(outputs, &unread);
        }
        planner.find_inside();
        if products {
            planner.find_masks();
        }
        planner
    }

    fn buffer(&self, id: NodeId) -> usize {
        self.root[id.index()].index()
    }

    /// Outputs whose last step can add to the caller's buffer: those that nothing else reads.
    fn find_direct(&mut self, outputs: &[NodeId], unread: &[bool]) {
        for (n, (output, unread)) in outputs.iter().zip(unread).enumerate() {
            let buffer = self.buffer(*output);
            let once = outputs.iter().filter(|o| self.buffer(**o) == buffer).count() == 1;
            let node = self.program.node(self.root[output.index()]);
            let adds = match node.op {
                Op::MatMul { .. } | Op::Sum => true,
                Op::Add => node.args.iter().all(|&a| self.joins(a, node.shape.len(), size(&node.shape)).is_some()),
                _ => false,
            };
            if once && adds && node.laned && *unread {
                self.direct[buffer] = Some(n);
            }
        }
    }

    /// The product of matrices behind an argument that only a sum of these extents reads.
    fn joins(&self, arg: NodeId, rank: usize, elements: usize) -> Option<NodeId> {
        let product = self.root[arg.index()];
        let node = self.program.node(product);
        let fits = self.program.shape(arg).len() == rank && self.program.size(arg) == elements;
        (matches!(node.op, Op::MatMul { .. }) && node.laned && fits && self.uses[product.index()] == 1)
            .then_some(product)
    }

    /// The products that are computed together with the sum that alone reads them.
    fn find_inside(&mut self) {
        let program = self.program;
        for (id, node) in program.nodes().filter(|(id, node)| self.needed[id.index()] && node.op == Op::Add) {
            if node.args[0] == node.args[1] {
                continue;
            }
            if self.products && node.laned {
                let joined: Vec<NodeId> =
                    node.args.iter().filter_map(|&a| self.joins(a, node.shape.len(), size(&node.shape))).collect();
                joined.iter().for_each(|m| self.inside[m.index()] = Inside::Joined);
                if !joined.is_empty() {
                    continue;
                }
            }
            let one = node.args.iter().find(|a| {
                let m = program.node(**a);
                m.op == Op::Mul && m.shape == node.shape && m.laned == node.laned && self.uses[a.index()] == 1
            });
            // an expanded sum reads other extents than it has
            let whole = node.args.iter().all(|a| program.shape(*a).len() == node.shape.len());
            if let (Some(m), true) = (one, whole && program.node(id).args[0] != program.node(id).args[1]) {
                self.inside[m.index()] = Inside::MulAdd;
            }
        }
    }

    /// Where factors without lanes are zero, the other factor is not read and the product is zero.
    fn find_masks(&mut self) {
        let program = self.program;
        let laned: Vec<_> = program.nodes().filter(|(id, n)| self.needed[id.index()] && n.laned).collect();
        for &(id, node) in laned.iter().rev() {
            let only = |s: &Self, a: NodeId| {
                program.laned(a) && program.size(a) == size(&node.shape) && s.uses[s.buffer(a)] == 1
            };
            let mask = match node.op {
                Op::Mul => node
                    .args
                    .iter()
                    .copied()
                    .find(|&a| !program.laned(a) && program.shape(a) == node.shape && !program.is_constant(a)),
                Op::Add | Op::Scale(_) | Op::Reshape => self.unread[id.index()],
                _ => None,
            };
            let Some(mask) = mask else { continue };
            if node.op == Op::Mul {
                self.zeros[id.index()] = Some(mask);
            }
            for &arg in &node.args {
                if only(self, arg) {
                    let buffer = self.buffer(arg);
                    self.unread[buffer] = Some(mask);
                    self.unread[arg.index()] = Some(mask);
                }
            }
        }
        for (id, node) in laned {
            if let Op::Scale(_) = node.op {
                self.zeros[id.index()] = self.zeros[self.buffer(node.args[0])];
            }
        }
    }

    fn operand(&self, arg: NodeId) -> Operand {
        Operand {
            place: self.places[arg.index()].unwrap_or(Place::Constant(usize::MAX)),
            size: self.program.size(arg),
            laned: self.program.laned(arg),
        }
    }

    pub fn run(mut self, outputs: &[NodeId]) -> Order {
        let program = self.program;
        for (id, node) in program.nodes() {
            if !self.needed[id.index()] || self.inside[id.index()] != Inside::No {
                continue;
            }
            let place = match node.op {
                Op::Param(n) => Place::Param(n),
                Op::Input(n) => Place::Input(n),
                Op::Tangent(n) => {
                    self.tangent_sizes[n] = size(&node.shape);
                    Place::Tangent(n)
                }
                Op::Constant(c) => {
                    self.constants.push(c);
                    Place::Constant(self.constants.len() - 1)
                }
                Op::Reshape => match self.places[self.buffer(id)] {
                    Some(place) => place,
                    None => continue,
                },
                Op::Add if node.args.iter().any(|a| self.joined(*a)) => self.sum_of_products(id),
                _ => self.plain(id),
            };
            self.places[id.index()] = Some(place);
        }
        if self.products {
            for (n, &output) in outputs.iter().enumerate() {
                if self.direct[self.buffer(output)] != Some(n) {
                    let from = self.operand(output);
                    self.push(true, Work::Copy, [Some(from), None, None], Place::Output(n), true, (from.size, 0));
                }
            }
        }
        for (step, mask) in std::mem::take(&mut self.masks) {
            self.lanes[step].mask = Some(self.operand(mask));
        }
        let outputs = outputs.iter().map(|&o| self.operand(o)).collect();
        // they are kept for as long as the network
        self.primal.shrink_to_fit();
        self.lanes.shrink_to_fit();
        Order {
            primal: self.primal,
            lanes: self.lanes,
            primal_slots: self.primal_slots.sizes,
            lane_slots: self.lane_slots.sizes,
            tangent_sizes: self.tangent_sizes,
            constants: self.constants,
            outputs,
        }
    }

    fn joined(&self, arg: NodeId) -> bool {
        self.inside[self.buffer(arg)] == Inside::Joined
    }

    fn push(
        &mut self,
        laned: bool,
        work: Work,
        args: [Option<Operand>; 3],
        out: Place,
        add: bool,
        (size, flops): (usize, u64),
    ) {
        let step = Step { work, args, out, add, mask: None, size, flops };
        if laned { self.lanes.push(step) } else { self.primal.push(step) }
    }

    /// One step for one node, and for the product of elements that it sums.
    fn plain(&mut self, id: NodeId) -> Place {
        let program = self.program;
        let node = program.node(id);
        let product =
            node.args.iter().copied().find(|a| node.op == Op::Add && self.inside[a.index()] == Inside::MulAdd);
        let read: Vec<NodeId> = match product {
            Some(m) => {
                let other = node.args.iter().copied().filter(|&a| a != m);
                program.node(m).args.iter().copied().chain(other).collect()
            }
            None => node.args.clone(),
        };
        let out = self.room(id);
        if let Op::MatMul { .. } = node.op {
            let add = matches!(out, Place::Output(_));
            self.product(id, out, add);
        } else {
            let mut args = [None; 3];
            for (slot, arg) in args.iter_mut().zip(&read) {
                *slot = Some(self.operand(*arg));
            }
            let work = match product {
                Some(_) => {
                    let along = |i: usize| broadcast(program.shape(read[i]), &node.shape);
                    Some(Work::MulAdd(Loops::new(&node.shape, [&along(0), &along(1), &along(2)])))
                }
                None => work(program, id),
            };
            if let Some(work) = work {
                let flops = flops(program, id) + product.map_or(0, |m| flops(program, m));
                let add = matches!(out, Place::Output(_));
                self.push(node.laned, work, args, out, add, (size(&node.shape), flops));
            }
        }
        self.release(&read);
        out
    }

    /// A sum of products of matrices and at most one other term.
    fn sum_of_products(&mut self, id: NodeId) -> Place {
        let program = self.program;
        let node = program.node(id);
        let elements = size(&node.shape);
        let mut read = Vec::new();
        let mut products = Vec::new();
        let mut other = None;
        for &arg in &node.args {
            if self.joined(arg) {
                let product = self.root[arg.index()];
                products.push(product);
                read.extend(&program.node(product).args);
            } else {
                other = Some(arg);
                read.push(arg);
            }
        }
        let out = match other {
            None => self.room(id),
            Some(term) => {
                let place = self.places[self.buffer(term)];
                let last = self.uses[self.buffer(term)] == 1
                    && program.size(term) == elements
                    && program.laned(term)
                    // the products read it too
                    && read.iter().filter(|r| self.buffer(**r) == self.buffer(term)).count() == 1;
                match place {
                    Some(Place::Lane(slot)) if last => {
                        // the sum takes over the term's buffer
                        let buffer = self.buffer(term);
                        self.uses[buffer] = KEPT;
                        Place::Lane(slot)
                    }
                    _ => {
                        let out = self.room(id);
                        let along = broadcast(program.shape(term), &node.shape);
                        let from = self.operand(term);
                        let work = Work::Expand(Loops::new(&node.shape, [&along]));
                        self.push(node.laned, work, [Some(from), None, None], out, false, (elements, 0));
                        out
                    }
                }
            }
        };
        let direct = matches!(out, Place::Output(_));
        for (n, &product) in products.iter().enumerate() {
            self.product(product, out, direct || other.is_some() || n > 0);
        }
        self.release(&read);
        if let Some(step) = self.lanes.last_mut() {
            step.flops += elements as u64;
        }
        out
    }

    /// A buffer for a node's value.
    fn room(&mut self, id: NodeId) -> Place {
        let node = self.program.node(id);
        let (laned, elements) = (node.laned, size(&node.shape));
        match self.direct[id.index()] {
            Some(n) => Place::Output(n),
            None if laned => Place::Lane(self.lane_slots.take(elements)),
            None => Place::Primal(self.primal_slots.take(elements)),
        }
    }

    /// The step of a product of matrices.
    fn product(&mut self, id: NodeId, out: Place, add: bool) {
        let program = self.program;
        let node = program.node(id);
        let elements = size(&node.shape);
        let (a, b) = (node.args[0], node.args[1]);
        let mut args = [Some(self.operand(a)), Some(self.operand(b)), None];
        let mut work = work(program, id);
        let mut mask = None;
        if let (true, Some(Work::MatMul { gemm, batch, .. })) = (self.products && node.laned, &mut work) {
            if gemm.tb && !program.laned(b) {
                args[1] = args[1].map(|own| Operand { place: self.turn(b), ..own });
                gemm.tb = false;
            }
            if *batch == 1 {
                mask = match (program.laned(a), gemm.ta) {
                    (false, false) => self.unread[id.index()],
                    (true, true) => self.zeros[self.buffer(a)],
                    _ => None,
                };
            }
        }
        if let Some(work) = work {
            self.masks.extend(mask.map(|m| (self.lanes.len(), m)));
            let step = Step { work, args, out, add, mask: None, size: elements, flops: flops(program, id) };
            if node.laned { self.lanes.push(step) } else { self.primal.push(step) }
        }
    }

    /// What has no lanes with its last two axes exchanged, evaluated once per snapshot.
    fn turn(&mut self, id: NodeId) -> Place {
        if let Some(&place) = self.transposed.get(&id) {
            return place;
        }
        let from = self.operand(id);
        let shape = self.program.shape(id);
        let work = Work::Transpose { batch: shape[0], rows: shape[1], cols: shape[2] };
        let place = Place::Primal(self.primal_slots.add(from.size));
        self.push(false, work, [Some(from), None, None], place, false, (from.size, 0));
        self.transposed.insert(id, place);
        place
    }

    /// Gives back the buffers that were read for the last time.
    fn release(&mut self, read: &[NodeId]) {
        for arg in read {
            let buffer = self.buffer(*arg);
            if self.uses[buffer] >= KEPT {
                continue;
            }
            self.uses[buffer] -= 1;
            if self.uses[buffer] == 0 {
                match self.places[buffer] {
                    Some(Place::Primal(slot)) => self.primal_slots.free.push(slot),
                    Some(Place::Lane(slot)) => self.lane_slots.free.push(slot),
                    _ => {}
                }
            }
        }
    }
}
