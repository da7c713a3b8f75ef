//! Reverse mode: cotangents of chosen nodes from cotangents given at any nodes.

use super::rules::derivative;
use crate::graph::{NodeId, Op, Program};

/// Appends the cotangents of `wrt` to the program.
///
/// `cotangents` are pairs (node, cotangent), the cotangent having the node's extents and possibly lanes. The result is
/// `None` for a node that reaches none of them.
pub fn vjp(p: &mut Program, cotangents: &[(NodeId, NodeId)], wrt: &[NodeId]) -> Vec<Option<NodeId>> {
    let count = p.len();
    // nodes between `wrt` and the outputs: only they carry cotangents
    let mut depends = vec![false; count];
    for w in wrt {
        depends[w.index()] = true;
    }
    let ids: Vec<NodeId> = p.nodes().map(|(id, _)| id).collect();
    for &id in &ids {
        depends[id.index()] |= p.node(id).args.iter().any(|a| depends[a.index()]);
    }
    let mut bar: Vec<Option<NodeId>> = vec![None; count];
    for &(node, cotangent) in cotangents {
        if depends[node.index()] {
            accumulate(p, &mut bar, node, cotangent);
        }
    }
    for &id in ids.iter().rev() {
        let Some(g) = bar[id.index()] else { continue };
        for (arg, contribution) in own(p, id, g, &depends) {
            accumulate(p, &mut bar, arg, contribution);
        }
    }
    wrt.iter().map(|w| bar[w.index()]).collect()
}

fn accumulate(p: &mut Program, bar: &mut [Option<NodeId>], node: NodeId, contribution: NodeId) {
    bar[node.index()] = Some(match bar[node.index()] {
        Some(old) => p.add(old, contribution),
        None => contribution,
    });
}

/// What a node hands to its arguments, given its cotangent.
fn own(p: &mut Program, id: NodeId, g: NodeId, depends: &[bool]) -> Vec<(NodeId, NodeId)> {
    let node = p.node(id).clone();
    let arg = |i: usize| node.args[i];
    let wants = |i: usize| depends[node.args[i].index()];
    let mut out = Vec::new();
    // hands `g` to argument i, summed over the axes along which the argument was broadcast
    let give = |p: &mut Program, out: &mut Vec<(NodeId, NodeId)>, i: usize, g: NodeId| {
        let shape = p.shape(arg(i)).to_vec();
        let g = p.sum_to(g, &shape);
        out.push((arg(i), g));
    };
    match &node.op {
        Op::Param(_) | Op::Input(_) | Op::Constant(_) | Op::Tangent(_) => {}
        Op::Compare(_) | Op::ArgmaxMask => {}
        Op::Map(f) => {
            if wants(0)
                && let Some(d) = derivative(p, *f, arg(0), id)
            {
                let t = p.mul(d, g);
                give(p, &mut out, 0, t);
            }
        }
        Op::Scale(c) => {
            let t = p.scale(c.get(), g);
            give(p, &mut out, 0, t);
        }
        Op::Shift(_) => give(p, &mut out, 0, g),
        Op::Add => {
            for i in (0..2).filter(|&i| wants(i)) {
                give(p, &mut out, i, g);
            }
        }
        Op::Sub => {
            if wants(0) {
                give(p, &mut out, 0, g);
            }
            if wants(1) {
                let minus = p.neg(g);
                give(p, &mut out, 1, minus);
            }
        }
        Op::Mul => {
            if arg(0) == arg(1) {
                let t = p.mul(arg(0), g);
                let t = p.scale(2.0, t);
                give(p, &mut out, 0, t);
            } else {
                for i in (0..2).filter(|&i| wants(i)) {
                    let t = p.mul(g, arg(1 - i));
                    give(p, &mut out, i, t);
                }
            }
        }
        Op::Select => {
            let zero = p.fill(0.0, &vec![1; node.shape.len()]);
            if wants(1) {
                let t = p.select(arg(0), g, zero);
                give(p, &mut out, 1, t);
            }
            if wants(2) {
                let t = p.select(arg(0), zero, g);
                give(p, &mut out, 2, t);
            }
        }
        Op::Softmax => {
            let weighted = p.mul(id, g);
            let mean = p.sum_axis(weighted, node.shape.len() - 1);
            let centred = p.sub(g, mean);
            let t = p.mul(id, centred);
            give(p, &mut out, 0, t);
        }
        Op::LogSumExp => {
            let s = p.softmax(arg(0));
            let t = p.mul(s, g);
            give(p, &mut out, 0, t);
        }
        Op::CrossEntropy => {
            if wants(0) {
                let s = p.softmax(arg(0));
                let residual = p.sub(s, arg(1));
                let t = p.mul(residual, g);
                give(p, &mut out, 0, t);
            }
        }
        Op::Expand => give(p, &mut out, 0, g),
        Op::Sum => {
            let shape = p.shape(arg(0)).to_vec();
            let t = p.expand(g, &shape);
            out.push((arg(0), t));
        }
        Op::Reshape => {
            let shape = p.shape(arg(0)).to_vec();
            let t = p.reshape(g, &shape);
            out.push((arg(0), t));
        }
        Op::Permute(perm) => {
            let mut inverse = vec![0; perm.len()];
            for (i, &axis) in perm.iter().enumerate() {
                inverse[axis] = i;
            }
            let t = p.permute(g, &inverse);
            out.push((arg(0), t));
        }
        Op::MatMul { ta, tb } => {
            let (a, b) = (arg(0), arg(1));
            if wants(0) {
                let t = if *ta { p.matmul(b, *tb, g, true) } else { p.matmul(g, false, b, !*tb) };
                give(p, &mut out, 0, t);
            }
            if wants(1) {
                let t = if *tb { p.matmul(g, true, a, *ta) } else { p.matmul(a, !*ta, g, false) };
                give(p, &mut out, 1, t);
            }
        }
        Op::Gather(m) => {
            let shape = p.shape(arg(0)).to_vec();
            let t = p.scatter(g, *m, &shape);
            out.push((arg(0), t));
        }
        Op::Scatter(m) => {
            let shape = p.shape(arg(0)).to_vec();
            let t = p.gather(g, *m, &shape);
            out.push((arg(0), t));
        }
    }
    out
}
