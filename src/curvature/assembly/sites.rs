//! Sites: products of activations with a weight that is used once.

use super::samples::separable;
use crate::curvature::block::Block;
use crate::curvature::network::Network;
use crate::graph::schedule::needed;
use crate::graph::{NodeId, Op, Program};

/// z = X·op(W), with W a parameter of the block that enters the network here and nowhere else.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Position of W in the block.
    pub tensor: usize,
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
    /// Elements of W from one unit to the next, and from one input to the next.
    pub strides: (usize, usize),
}

impl Site {
    /// Position in W of the weight from input `i` to unit `a`.
    pub fn at(&self, a: usize, i: usize) -> usize {
        a * self.strides.0 + i * self.strides.1
    }
}

/// The sites of a block with one row per sample, in topological order; empty where samples influence each other.
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
        .filter_map(|(tensor, t)| site(p, &needed, network.lowered.params[t.index], tensor))
        .filter(|site| site.rows == samples)
        .collect();
    found.sort_by_key(|site| site.z);
    let seeds: Vec<NodeId> = found.iter().map(|site| site.z).collect();
    if separable(p, loss, &needed, &seeds, samples) { found } else { Vec::new() }
}

/// The only use of a parameter, if it is the right operand of a product.
fn site(p: &Program, needed: &[bool], param: NodeId, tensor: usize) -> Option<Site> {
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
    Some(Site { tensor, z, x, fan_in, fan_out, rows, strides })
}

fn only_user(p: &Program, needed: &[bool], id: NodeId) -> Option<NodeId> {
    let mut users = p.nodes().filter(|(user, node)| needed[user.index()] && node.args.contains(&id));
    let (user, node) = users.next()?;
    (users.next().is_none() && node.args.iter().filter(|&&a| a == id).count() == 1).then_some(user)
}
