//! Forward mode: tangents of chosen nodes from tangents seeded at any nodes.

use super::rules::derivative;
use crate::graph::{NodeId, Op, Program};

/// Appends the tangents of `targets` to the program.
///
/// `seeds` are pairs (node, tangent), the tangent having the node's extents; a seed *adds* to the tangent that the node
/// has from its arguments. The result is `None` for a target that does not depend on any seed.
pub fn jvp(p: &mut Program, seeds: &[(NodeId, NodeId)], targets: &[NodeId]) -> Vec<Option<NodeId>> {
    let count = p.len();
    let mut wanted = vec![false; count];
    for t in targets {
        wanted[t.index()] = true;
    }
    let args: Vec<Vec<NodeId>> = p.nodes().map(|(_, n)| n.args.clone()).collect();
    for i in (0..count).rev() {
        if wanted[i] {
            for a in &args[i] {
                wanted[a.index()] = true;
            }
        }
    }
    let ids: Vec<NodeId> = p.nodes().map(|(id, _)| id).collect();
    let mut tangent: Vec<Option<NodeId>> = vec![None; count];
    for id in ids {
        if !wanted[id.index()] {
            continue;
        }
        let mut t = own(p, id, &tangent);
        for &(node, seed) in seeds {
            if node == id {
                t = Some(match t {
                    Some(t) => p.add(t, seed),
                    None => seed,
                });
            }
        }
        tangent[id.index()] = t;
    }
    targets.iter().map(|t| tangent[t.index()]).collect()
}

/// The tangent of a node from those of its arguments.
fn own(p: &mut Program, id: NodeId, tangent: &[Option<NodeId>]) -> Option<NodeId> {
    let node = p.node(id).clone();
    let arg = |i: usize| node.args[i];
    let dot = |i: usize| tangent[node.args[i].index()];
    if (0..node.args.len()).all(|i| dot(i).is_none()) {
        return None;
    }
    let shape = &node.shape;
    match &node.op {
        Op::Param(_) | Op::Input(_) | Op::Constant(_) | Op::Tangent(_) => None,
        Op::Compare(_) | Op::ArgmaxMask => None,
        Op::Map(f) => {
            let d = derivative(p, *f, arg(0), id)?;
            Some(p.mul(d, dot(0)?))
        }
        Op::Scale(c) => Some(p.scale(c.get(), dot(0)?)),
        Op::Shift(_) => dot(0),
        Op::Add => Some(match (dot(0), dot(1)) {
            (Some(a), Some(b)) => p.add(a, b),
            (Some(t), None) | (None, Some(t)) => p.expand(t, shape),
            (None, None) => return None,
        }),
        Op::Sub => Some(match (dot(0), dot(1)) {
            (Some(a), Some(b)) => p.sub(a, b),
            (Some(t), None) => p.expand(t, shape),
            (None, Some(t)) => {
                let minus = p.neg(t);
                p.expand(minus, shape)
            }
            (None, None) => return None,
        }),
        Op::Mul => {
            // a square is worth one product
            if arg(0) == arg(1) {
                let half = p.mul(arg(0), dot(0)?);
                return Some(p.scale(2.0, half));
            }
            let left = dot(0).map(|t| p.mul(t, arg(1)));
            let right = dot(1).map(|t| p.mul(arg(0), t));
            join(p, left, right)
        }
        Op::Select => {
            let zero = p.fill(0.0, &vec![1; shape.len()]);
            let (a, b) = (dot(1), dot(2));
            if a.is_none() && b.is_none() {
                return None;
            }
            let t = p.select(arg(0), a.unwrap_or(zero), b.unwrap_or(zero));
            Some(p.expand(t, shape))
        }
        Op::Softmax => {
            let t = dot(0)?;
            let weighted = p.mul(id, t);
            let mean = p.sum_axis(weighted, shape.len() - 1);
            let centred = p.sub(t, mean);
            Some(p.mul(id, centred))
        }
        Op::LogSumExp => {
            let t = dot(0)?;
            let s = p.softmax(arg(0));
            let weighted = p.mul(s, t);
            Some(p.sum_to(weighted, shape))
        }
        Op::CrossEntropy => {
            let t = dot(0)?;
            let s = p.softmax(arg(0));
            let residual = p.sub(s, arg(1));
            let weighted = p.mul(residual, t);
            Some(p.sum_to(weighted, shape))
        }
        Op::Expand => Some(p.expand(dot(0)?, shape)),
        Op::Sum => Some(p.sum_to(dot(0)?, shape)),
        Op::Reshape => Some(p.reshape(dot(0)?, shape)),
        Op::Permute(perm) => Some(p.permute(dot(0)?, perm)),
        Op::MatMul { ta, tb } => {
            let left = dot(0).map(|t| p.matmul(t, *ta, arg(1), *tb));
            let right = dot(1).map(|t| p.matmul(arg(0), *ta, t, *tb));
            join(p, left, right)
        }
        Op::Gather(m) => Some(p.gather(dot(0)?, *m, shape)),
        Op::Scatter(m) => Some(p.scatter(dot(0)?, *m, shape)),
    }
}

fn join(p: &mut Program, a: Option<NodeId>, b: Option<NodeId>) -> Option<NodeId> {
    match (a, b) {
        (Some(a), Some(b)) => Some(p.add(a, b)),
        (a, b) => a.or(b),
    }
}
