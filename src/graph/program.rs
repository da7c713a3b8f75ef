//! Nodes, hash-consing, and construction with simplification.
//!
//! The constructors take extents that fit (lowering checks what comes from outside); a misuse is a programming error.

use super::operator::{Bits, Cmp, Func, Op};
use crate::tensor::index::IndexMap;
use crate::tensor::strides::size;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// A node of a [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Position in the program; arguments stand before their users.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A constant tensor of a [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConstId(pub(crate) u32);

/// An index map of a [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MapId(pub(crate) u32);

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Node {
    /// The operator.
    pub op: Op,
    /// Its arguments.
    pub args: Vec<NodeId>,
    /// Extents of the value, the lane axis not counted.
    pub shape: Vec<usize>,
    /// Whether the value carries a leading axis of tangents.
    pub laned: bool,
}

/// A static single-assignment list of nodes in topological order, without duplicates.
#[derive(Debug, Clone, Default)]
pub struct Program {
    nodes: Vec<Node>,
    known: HashMap<Node, NodeId>,
    constants: Vec<Arc<Vec<f64>>>,
    maps: Vec<Arc<IndexMap>>,
    map_ids: HashMap<Arc<IndexMap>, MapId>,
    tangents: usize,
}

impl Program {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether another program has the same nodes; their constants and index maps may differ.
    pub fn has_nodes_of(&self, other: &Program) -> bool {
        self.nodes == other.nodes
    }

    /// The constants.
    pub(super) fn constants(&self) -> &[Arc<Vec<f64>>] {
        &self.constants
    }

    /// The index maps.
    pub(super) fn maps(&self) -> &[Arc<IndexMap>] {
        &self.maps
    }

    /// The program of these parts, which fit each other.
    pub(super) fn of_parts(nodes: Vec<Node>, constants: Vec<Vec<f64>>, maps: Vec<IndexMap>) -> Self {
        let known = nodes.iter().enumerate().map(|(i, node)| (node.clone(), NodeId(i as u32))).collect();
        let maps: Vec<Arc<IndexMap>> = maps.into_iter().map(Arc::new).collect();
        let map_ids = maps.iter().enumerate().map(|(i, map)| (map.clone(), MapId(i as u32))).collect();
        let tangents = nodes.iter().filter(|node| matches!(node.op, Op::Tangent(_))).count();
        Program { nodes, known, constants: constants.into_iter().map(Arc::new).collect(), maps, map_ids, tangents }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// All nodes with their names, in topological order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// Extents of a node's value.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.node(id).shape
    }

    /// Number of elements of a node's value (one lane).
    pub fn size(&self, id: NodeId) -> usize {
        size(&self.node(id).shape)
    }

    /// Whether the node carries lanes.
    pub fn laned(&self, id: NodeId) -> bool {
        self.node(id).laned
    }

    /// The values of a constant.
    pub fn constant_data(&self, id: ConstId) -> &Arc<Vec<f64>> {
        &self.constants[id.0 as usize]
    }

    /// An index map.
    pub fn map(&self, id: MapId) -> &Arc<IndexMap> {
        &self.maps[id.0 as usize]
    }

    /// Number of tangent slots.
    pub fn tangents(&self) -> usize {
        self.tangents
    }

    /// Whether the value is known without parameters, batch and tangents, by a walk over its ancestors.
    pub fn is_constant(&self, id: NodeId) -> bool {
        let mut stack = vec![id];
        let mut seen = std::collections::HashSet::new();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = self.node(id);
            if matches!(node.op, Op::Param(_) | Op::Input(_) | Op::Tangent(_)) {
                return false;
            }
            stack.extend(&node.args);
        }
        true
    }

    /// The only value of a constant whose elements are all equal.
    pub fn uniform(&self, id: NodeId) -> Option<f64> {
        match &self.node(id).op {
            Op::Constant(c) => {
                let data = self.constant_data(*c);
                let first = *data.first()?;
                data.iter().all(|&x| x.to_bits() == first.to_bits()).then_some(first)
            }
            Op::Expand | Op::Reshape => self.uniform(self.node(id).args[0]),
            _ => None,
        }
    }

    fn push(&mut self, op: Op, args: &[NodeId], shape: Vec<usize>) -> NodeId {
        let laned = matches!(op, Op::Tangent(_)) || args.iter().any(|&a| self.laned(a));
        let node = Node { op, args: args.to_vec(), shape, laned };
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node.clone());
        self.known.insert(node, id);
        id
    }

    /// A node with the operator of another and arguments of other extents, `shape` being those of the result. Leaves and
    /// index maps belong to their program and are not repeated here: the first argument stands for them.
    pub fn again(&mut self, op: &Op, args: &[NodeId], shape: &[usize]) -> NodeId {
        match (op, args) {
            (Op::Map(f), &[x]) => self.map_func(*f, x),
            (Op::Scale(c), &[x]) => self.scale(c.get(), x),
            (Op::Shift(c), &[x]) => self.shift(x, c.get()),
            (Op::Add, &[a, b]) => self.add(a, b),
            (Op::Sub, &[a, b]) => self.sub(a, b),
            (Op::Mul, &[a, b]) => self.mul(a, b),
            (Op::Select, &[mask, a, b]) => self.select(mask, a, b),
            (Op::Compare(c), &[a, b]) => self.compare(*c, a, b),
            (Op::ArgmaxMask, &[x]) => self.argmax_mask(x),
            (Op::Softmax, &[x]) => self.softmax(x),
            (Op::LogSumExp, &[x]) => self.log_sum_exp(x),
            (Op::CrossEntropy, &[z, q]) => self.cross_entropy(z, q),
            (Op::Expand, &[x]) => self.expand(x, shape),
            (Op::Sum, &[x]) => self.sum_to(x, shape),
            (Op::Reshape, &[x]) => self.reshape(x, shape),
            (Op::Permute(perm), &[x]) => self.permute(x, perm),
            (Op::MatMul { ta, tb }, &[a, b]) => self.matmul(a, *ta, b, *tb),
            (_, args) => args.first().copied().unwrap_or(NodeId(0)),
        }
    }

    /// The n-th parameter tensor.
    pub fn param(&mut self, n: usize, shape: &[usize]) -> NodeId {
        self.push(Op::Param(n), &[], shape.to_vec())
    }

    /// The n-th array of the batch.
    pub fn input(&mut self, n: usize, shape: &[usize]) -> NodeId {
        self.push(Op::Input(n), &[], shape.to_vec())
    }

    /// A new tangent slot.
    pub fn tangent(&mut self, shape: &[usize]) -> NodeId {
        self.tangents += 1;
        self.push(Op::Tangent(self.tangents - 1), &[], shape.to_vec())
    }

    /// A constant.
    pub fn constant(&mut self, data: Vec<f64>, shape: &[usize]) -> NodeId {
        debug_assert_eq!(data.len(), size(shape));
        let same =
            |c: &Arc<Vec<f64>>| c.len() == data.len() && c.iter().zip(&data).all(|(a, b)| a.to_bits() == b.to_bits());
        let id = self.constants.iter().position(same).unwrap_or_else(|| {
            self.constants.push(Arc::new(data));
            self.constants.len() - 1
        });
        self.push(Op::Constant(ConstId(id as u32)), &[], shape.to_vec())
    }

    /// A constant whose elements are all `x`.
    pub fn fill(&mut self, x: f64, shape: &[usize]) -> NodeId {
        let one = self.constant(vec![x], &vec![1; shape.len()]);
        self.expand(one, shape)
    }

    /// f applied to every element.
    pub fn map_func(&mut self, f: Func, x: NodeId) -> NodeId {
        if let Func::Pow(p) = f {
            let p = p.get();
            if p == 1.0 {
                return x;
            } else if p == 2.0 {
                return self.mul(x, x);
            } else if p == 0.5 {
                return self.map_func(Func::Sqrt, x);
            } else if p == -1.0 {
                return self.map_func(Func::Recip, x);
            }
        }
        // the step of a ReLU is that of its argument: one mask serves both
        if f == Func::Step && self.node(x).op == Op::Map(Func::Relu) {
            let before = self.node(x).args[0];
            return self.map_func(Func::Step, before);
        }
        let shape = self.shape(x).to_vec();
        self.push(Op::Map(f), &[x], shape)
    }

    /// x^p.
    pub fn pow(&mut self, x: NodeId, p: f64) -> NodeId {
        self.map_func(Func::Pow(Bits::of(p)), x)
    }

    /// c·x.
    pub fn scale(&mut self, c: f64, x: NodeId) -> NodeId {
        if c == 1.0 {
            return x;
        }
        if self.laned(x)
            && let Some(joined) = self.rescaled(c, x)
        {
            return joined;
        }
        if let Op::Scale(inner) = self.node(x).op {
            let both = c * inner.get();
            // ±1 and powers of two combine exactly; other products would round twice
            if c.abs() == 1.0 || inner.get().abs() == 1.0 {
                let under = self.node(x).args[0];
                return self.scale(both, under);
            }
        }
        if self.node(x).op == Op::Expand {
            let (under, shape) = (self.node(x).args[0], self.shape(x).to_vec());
            let scaled = self.scale(c, under);
            return self.expand(scaled, &shape);
        }
        let shape = self.shape(x).to_vec();
        self.push(Op::Scale(Bits::of(c)), &[x], shape)
    }

    /// −x.
    pub fn neg(&mut self, x: NodeId) -> NodeId {
        self.scale(-1.0, x)
    }

    /// x + c.
    pub fn shift(&mut self, x: NodeId, c: f64) -> NodeId {
        if c == 0.0 {
            return x;
        }
        let shape = self.shape(x).to_vec();
        self.push(Op::Shift(Bits::of(c)), &[x], shape)
    }

    fn broadcast_shape(&self, args: &[NodeId]) -> Vec<usize> {
        let rank = self.shape(args[0]).len();
        (0..rank)
            .map(|axis| {
                let mut extent = 1;
                for &a in args {
                    let shape = self.shape(a);
                    debug_assert_eq!(shape.len(), rank);
                    debug_assert!(shape[axis] == 1 || extent == 1 || extent == shape[axis]);
                    if shape[axis] != 1 {
                        extent = shape[axis];
                    }
                }
                extent
            })
            .collect()
    }

    /// What can stand for `x` in an elementwise operator of extents `shape` beside `others`: the operator broadcasts,
    /// so an expansion is looked through where the others already span the axis.
    fn unexpanded(&self, x: NodeId, others: &[NodeId], shape: &[usize]) -> NodeId {
        if self.node(x).op != Op::Expand {
            return x;
        }
        let under = self.node(x).args[0];
        let mut args = vec![under];
        args.extend_from_slice(others);
        if self.broadcast_shape(&args) == shape { under } else { x }
    }

    fn binary(&mut self, op: Op, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.broadcast_shape(&[a, b]);
        let a = self.unexpanded(a, &[b], &shape);
        let b = self.unexpanded(b, &[a], &shape);
        self.push(op, &[a, b], shape)
    }

    /// a + b.
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        // one order for a + b and b + a, so that they are shared
        if self.laned(a)
            && self.laned(b)
            && let Some(joined) = self.joined(a, b, 1.0)
        {
            return joined;
        }
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.binary(Op::Add, a, b)
    }

    /// a − b.
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if self.laned(a)
            && self.laned(b)
            && let Some(joined) = self.joined(a, b, -1.0)
        {
            return joined;
        }
        self.binary(Op::Sub, a, b)
    }

    /// a∘b.
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        for (x, other) in [(a, b), (b, a)] {
            if let Some(c) = self.uniform(x)
                && self.broadcast_shape(&[a, b]) == self.shape(other)
            {
                return self.scale(c, other);
            }
        }
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        if self.laned(a) != self.laned(b) {
            let (w, x) = if self.laned(a) { (b, a) } else { (a, b) };
            if let Some(joined) = self.weighted(w, x) {
                return joined;
            }
        }
        self.binary(Op::Mul, a, b)
    }

    /// a/b.
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let r = self.map_func(Func::Recip, b);
        self.mul(a, r)
    }

    /// mask ≠ 0 ? a : b.
    pub fn select(&mut self, mask: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.broadcast_shape(&[mask, a, b]);
        self.push(Op::Select, &[mask, a, b], shape)
    }

    /// The mask of a comparison.
    pub fn compare(&mut self, cmp: Cmp, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Op::Compare(cmp), a, b)
    }

    /// 1 at the first maximum along the last axis.
    pub fn argmax_mask(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).to_vec();
        self.push(Op::ArgmaxMask, &[x], shape)
    }

    /// Softmax along the last axis.
    pub fn softmax(&mut self, x: NodeId) -> NodeId {
        let shape = self.shape(x).to_vec();
        self.push(Op::Softmax, &[x], shape)
    }

    fn last_kept(&self, x: NodeId) -> Vec<usize> {
        let mut shape = self.shape(x).to_vec();
        if let Some(last) = shape.last_mut() {
            *last = 1;
        }
        shape
    }

    /// ln Σ exp along the last axis.
    pub fn log_sum_exp(&mut self, x: NodeId) -> NodeId {
        let shape = self.last_kept(x);
        self.push(Op::LogSumExp, &[x], shape)
    }

    /// Cross-entropy rows.
    pub fn cross_entropy(&mut self, z: NodeId, q: NodeId) -> NodeId {
        debug_assert_eq!(self.shape(z), self.shape(q));
        let shape = self.last_kept(z);
        self.push(Op::CrossEntropy, &[z, q], shape)
    }

    /// x repeated along its axes of extent 1 up to `shape`.
    pub fn expand(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        if self.shape(x) == shape {
            return x;
        }
        debug_assert!(self.shape(x).iter().zip(shape).all(|(&a, &b)| a == 1 || a == b));
        let under = if self.node(x).op == Op::Expand { self.node(x).args[0] } else { x };
        self.push(Op::Expand, &[under], shape.to_vec())
    }

    /// Sum over the axes whose extent becomes 1 in `shape`.
    pub fn sum_to(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        if self.shape(x) == shape {
            return x;
        }
        debug_assert!(self.shape(x).iter().zip(shape).all(|(&a, &b)| b == 1 || a == b));
        if self.node(x).op == Op::Sum {
            let under = self.node(x).args[0];
            return self.push(Op::Sum, &[under], shape.to_vec());
        }
        self.push(Op::Sum, &[x], shape.to_vec())
    }

    /// Sum over one axis, kept with extent 1.
    pub fn sum_axis(&mut self, x: NodeId, axis: usize) -> NodeId {
        let mut shape = self.shape(x).to_vec();
        shape[axis] = 1;
        self.sum_to(x, &shape)
    }

    /// The same elements with other extents.
    pub fn reshape(&mut self, x: NodeId, shape: &[usize]) -> NodeId {
        debug_assert_eq!(self.size(x), size(shape));
        if self.shape(x) == shape {
            return x;
        }
        match self.node(x).op {
            Op::Reshape => {
                let under = self.node(x).args[0];
                self.reshape(under, shape)
            }
            Op::Constant(c) => self.push(Op::Constant(c), &[], shape.to_vec()),
            _ => self.push(Op::Reshape, &[x], shape.to_vec()),
        }
    }

    /// Axis i of the result is axis `perm[i]` of `x`.
    pub fn permute(&mut self, x: NodeId, perm: &[usize]) -> NodeId {
        debug_assert_eq!(perm.len(), self.shape(x).len());
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return x;
        }
        if let Op::Permute(first) = &self.node(x).op {
            let both: Vec<usize> = perm.iter().map(|&p| first[p]).collect();
            let under = self.node(x).args[0];
            return self.permute(under, &both);
        }
        let from = self.shape(x);
        let shape: Vec<usize> = perm.iter().map(|&p| from[p]).collect();
        // moving axes of extent 1 moves no element
        if perm.iter().filter(|&&p| from[p] != 1).is_sorted() {
            return self.reshape(x, &shape);
        }
        self.push(Op::Permute(perm.to_vec()), &[x], shape)
    }

    /// `x` with its last two axes exchanged.
    pub fn transpose(&mut self, x: NodeId) -> NodeId {
        let rank = self.shape(x).len();
        let mut perm: Vec<usize> = (0..rank).collect();
        perm.swap(rank - 2, rank - 1);
        self.permute(x, &perm)
    }

    /// The operand of a product behind a transposition of its last two axes, if that is all it is.
    fn untransposed(&self, x: NodeId) -> Option<NodeId> {
        match &self.node(x).op {
            Op::Permute(perm) if perm.len() == 3 && perm[..] == [0, 2, 1] => Some(self.node(x).args[0]),
            _ => None,
        }
    }

    /// Batched product of \[b, m, k\] (stored \[b, k, m\] if `ta`) and \[b, k, n\] (stored \[b, n, k\] if `tb`);
    /// a batch extent may be 1.
    pub fn matmul(&mut self, a: NodeId, ta: bool, b: NodeId, tb: bool) -> NodeId {
        if let Some(under) = self.untransposed(a) {
            return self.matmul(under, !ta, b, tb);
        }
        if let Some(under) = self.untransposed(b) {
            return self.matmul(a, ta, under, !tb);
        }
        let (sa, sb) = (self.shape(a).to_vec(), self.shape(b).to_vec());
        let (m, k) = if ta { (sa[2], sa[1]) } else { (sa[1], sa[2]) };
        let (k2, n) = if tb { (sb[2], sb[1]) } else { (sb[1], sb[2]) };
        debug_assert_eq!(k, k2);
        debug_assert!(sa[0] == sb[0] || sa[0] == 1 || sb[0] == 1);
        if sa[0] > 1 && sb[0] == 1 && !ta {
            // one weight for the whole batch: its rows are one long matrix
            let merged = self.reshape(a, &[1, sa[0] * m, k]);
            let product = self.matmul(merged, false, b, tb);
            return self.reshape(product, &[sa[0], m, n]);
        }
        self.push(Op::MatMul { ta, tb }, &[a, b], vec![sa[0].max(sb[0]), m, n])
    }

    /// Registers an index map.
    pub fn index_map(&mut self, map: IndexMap) -> MapId {
        let map = Arc::new(map);
        if let Some(&id) = self.map_ids.get(&map) {
            return id;
        }
        let id = MapId(self.maps.len() as u32);
        self.maps.push(map.clone());
        self.map_ids.insert(map, id);
        id
    }

    /// out\[o\] = x\[map\[o\]\], or 0; the result has extents `shape`.
    pub fn gather(&mut self, x: NodeId, map: MapId, shape: &[usize]) -> NodeId {
        debug_assert_eq!(self.size(x), self.map(map).source);
        debug_assert_eq!(size(shape), self.map(map).from.len());
        let x = self.flat(x);
        self.push(Op::Gather(map), &[x], shape.to_vec())
    }

    /// The adjoint of [`Program::gather`]; the result has extents `shape`.
    pub fn scatter(&mut self, x: NodeId, map: MapId, shape: &[usize]) -> NodeId {
        debug_assert_eq!(self.size(x), self.map(map).from.len());
        debug_assert_eq!(size(shape), self.map(map).source);
        let x = self.flat(x);
        self.push(Op::Scatter(map), &[x], shape.to_vec())
    }

    /// The argument behind a reshape: index maps do not look at extents.
    fn flat(&self, x: NodeId) -> NodeId {
        if self.node(x).op == Op::Reshape { self.node(x).args[0] } else { x }
    }
}
