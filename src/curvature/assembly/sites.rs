//! Sites: products of activations with a weight that is used once.

use super::samples::separable;
use crate::curvature::block::Block;
use crate::curvature::network::Network;
use crate::graph::schedule::needed;
use crate::graph::{NodeId, Op, Program};
use crate::tensor::strides::{Loops, broadcast, row_major};
use std::ops::Range;

/// z = X·op(W), with W a parameter of the block that enters the network here and nowhere else, and perhaps a bias that is
/// added to z: a weight of an input that is always 1.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Position of W in the block.
    pub tensor: usize,
    /// Position of the bias in the block.
    pub bias: Option<usize>,
    /// The product, \[1, rows, fan-out\].
    pub z: NodeId,
    /// The activations, \[1, rows, fan-in\].
    pub x: NodeId,
    /// Columns of X.
    pub fan_in: usize,
    /// Columns of z.
    pub fan_out: usize,
    /// Rows of both.
    pub rows: usize,
    /// Rows of one sample.
    pub positions: usize,
    /// First row of the matrix that belongs to W and to the bias.
    offsets: (usize, usize),
    /// Elements of W from one unit to the next, and from one input to the next.
    strides: (usize, usize),
}

/// Consecutive rows of the matrix, and where they are in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Position in the list.
    pub at: usize,
    /// First row.
    pub row: usize,
    /// How many.
    pub count: usize,
}

impl Site {
    /// Inputs of a unit, the constant 1 of a bias (the last) included.
    pub fn inputs(&self) -> usize {
        self.fan_in + usize::from(self.bias.is_some())
    }

    /// Row of the matrix that belongs to the weight from input `i` to unit `a`.
    pub fn row(&self, a: usize, i: usize) -> usize {
        if i < self.fan_in { self.offsets.0 + a * self.strides.0 + i * self.strides.1 } else { self.offsets.1 + a }
    }

    /// Maximal runs (of positions) of a list of inputs that stand in consecutive rows.
    pub fn runs(&self, inputs: &[usize]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (at, &i) in inputs.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if self.unit_by_unit() && i < self.fan_in && inputs[run.start] + run.len() == i => {
                    run.end += 1;
                }
                _ => runs.push(at..at + 1),
            }
        }
        runs
    }

    /// Whether the weights of one unit stand in consecutive rows; else those of one input do.
    pub fn unit_by_unit(&self) -> bool {
        self.strides.1 == 1
    }

    /// The rows of all inputs of some units as runs: the weights unit by unit, or input by input where they stand so,
    /// then the biases.
    pub fn rows_of(&self, units: Range<usize>) -> Vec<Run> {
        let (first, count) = (units.start, units.len());
        let mut runs = match (self.unit_by_unit(), self.fan_in) {
            (_, 0) => Vec::new(),
            (true, n) => vec![Run { at: 0, row: self.row(first, 0), count: count * n }],
            (false, n) => (0..n).map(|i| Run { at: i * count, row: self.row(first, i), count }).collect(),
        };
        if self.bias.is_some() {
            runs.push(Run { at: count * self.fan_in, row: self.row(first, self.fan_in), count });
        }
        runs
    }

    /// Where the weight from input `i` to unit `a` is among the runs.
    pub fn place(&self, runs: &[Run], a: usize, i: usize) -> usize {
        let row = self.row(a, i);
        runs.iter().find(|run| (run.row..run.row + run.count).contains(&row)).map_or(0, |run| run.at + row - run.row)
    }

    /// Whether the tensor of the block is this weight or its bias.
    pub fn holds(&self, tensor: usize) -> bool {
        self.tensor == tensor || self.bias == Some(tensor)
    }

    /// Multiplications in the product of X with the weights.
    pub fn work(&self) -> f64 {
        self.rows as f64 * self.size() as f64
    }

    /// Number of parameters.
    pub fn size(&self) -> usize {
        self.inputs() * self.fan_out
    }
}

/// The sites of a block in topological order; empty where samples influence each other.
pub(super) fn sites(network: &Network, block: &Block) -> Vec<Site> {
    let (Some(samples), p) = (network.samples(), network.program()) else { return Vec::new() };
    if samples == 0 {
        return Vec::new();
    }
    let loss = network.lowered.loss;
    let needed = needed(p, &[loss]);
    let mut found: Vec<Site> = block
        .tensors
        .iter()
        .enumerate()
        .filter_map(|(tensor, t)| site(p, &needed, network.lowered.params[t.index], (tensor, t.offset)))
        .filter(|site| site.rows.is_multiple_of(samples))
        .collect();
    found.sort_by_key(|site| site.z);
    let seeds: Vec<NodeId> = found.iter().map(|site| site.z).collect();
    if !separable(p, loss, &needed, &seeds, samples) {
        return Vec::new();
    }
    for site in &mut found {
        site.positions = site.rows / samples;
        if let Some(param) = bias(p, &needed, site)
            && let Some(tensor) = block.tensors.iter().position(|t| network.lowered.params[t.index] == param)
        {
            site.bias = Some(tensor);
            site.offsets.1 = block.tensors[tensor].offset;
        }
    }
    found
}

/// The parameter that is added to z, one element to each unit, before anything else happens to z.
fn bias(p: &Program, needed: &[bool], site: &Site) -> Option<NodeId> {
    // unit of every element of the value that z has become
    let mut unit: Option<Vec<u32>> = None;
    let mut at = site.z;
    loop {
        let user = only_user(p, needed, at)?;
        match &p.node(user).op {
            Op::Reshape => {}
            Op::Permute(perm) => {
                let shape = p.shape(at).to_vec();
                let now = unit.take().unwrap_or_else(|| units(site));
                let strides = row_major(&shape);
                let read: Vec<usize> = perm.iter().map(|&axis| strides[axis]).collect();
                let to = p.shape(user);
                let mut moved = vec![0; now.len()];
                permute_units(&mut moved, &now, &Loops::new(to, [&row_major(to), &read]));
                unit = Some(moved);
            }
            Op::Add => {
                let other = *p.node(user).args.iter().find(|&&arg| arg != at)?;
                let shape = p.shape(user);
                if p.shape(at) != shape || p.size(other) != site.fan_out {
                    return None;
                }
                let mut param = other;
                while p.node(param).op == Op::Reshape {
                    param = p.node(param).args[0];
                }
                let mut below = other;
                while below != param {
                    if only_user(p, needed, p.node(below).args[0]) != Some(below) {
                        return None;
                    }
                    below = p.node(below).args[0];
                }
                if !matches!(p.node(param).op, Op::Param(_)) || only_user(p, needed, other) != Some(user) {
                    return None;
                }
                let now = unit.unwrap_or_else(|| units(site));
                let along = broadcast(p.shape(other), shape);
                let loops = Loops::new(shape, [&row_major(shape), &along]);
                let (n, [here, there]) = loops.inner();
                let mut fits = true;
                loops.each(|[o, b]| fits &= (0..n).all(|e| now[o + e * here] as usize == b + e * there));
                return fits.then_some(param);
            }
            _ => return None,
        }
        at = user;
    }
}

fn units(site: &Site) -> Vec<u32> {
    (0..site.rows * site.fan_out).map(|e| (e % site.fan_out) as u32).collect()
}

fn permute_units(out: &mut [u32], from: &[u32], loops: &Loops<2>) {
    let (n, [so, sa]) = loops.inner();
    loops.each(|[o, a]| (0..n).for_each(|e| out[o + e * so] = from[a + e * sa]));
}

/// The only use of a parameter, if it is the right operand of a product.
fn site(p: &Program, needed: &[bool], param: NodeId, (tensor, offset): (usize, usize)) -> Option<Site> {
    let weight = match only_user(p, needed, param)? {
        id if p.node(id).op == Op::Reshape => id,
        _ => param,
    };
    let z = only_user(p, needed, weight)?;
    let Op::MatMul { ta: false, tb } = p.node(z).op else { return None };
    let (x, w) = (p.node(z).args[0], p.node(z).args[1]);
    let (sx, sw) = (p.shape(x), p.shape(w));
    if w != weight || x == weight || sx[0] != 1 || sw[0] != 1 {
        return None;
    }
    let (rows, fan_in) = (sx[1], sx[2]);
    let fan_out = if tb { sw[1] } else { sw[2] };
    let strides = if tb { (fan_in, 1) } else { (1, fan_out) };
    let offsets = (offset, 0);
    Some(Site { tensor, bias: None, z, x, fan_in, fan_out, rows, positions: 1, offsets, strides })
}

fn only_user(p: &Program, needed: &[bool], id: NodeId) -> Option<NodeId> {
    let mut users = p.nodes().filter(|(user, node)| needed[user.index()] && node.args.contains(&id));
    let (user, node) = users.next()?;
    (users.next().is_none() && node.args.iter().filter(|&&a| a == id).count() == 1).then_some(user)
}
