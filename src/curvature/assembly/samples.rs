//! Which values keep the samples of a batch apart.
//!
//! The structured assembly perturbs a pre-activation in all samples at once, which is right only where no sample
//! influences another (no batch statistics) and samples come first in every value. This walk proves it, or says no.

use crate::graph::{NodeId, Op, Program};
use crate::tensor::index::NOWHERE;

/// How a value depends on the perturbed pre-activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Not at all.
    Common,
    /// Its elements, cut into as many equal runs as there are samples, depend each on their own sample.
    Apart,
    /// It is a sum over all samples, or a multiple of one.
    Total,
    /// Otherwise.
    Mixed,
}

/// Whether perturbing `seeds` keeps `samples` samples apart up to the sum that is the loss.
pub(super) fn separable(p: &Program, loss: NodeId, needed: &[bool], seeds: &[NodeId], samples: usize) -> bool {
    use Sampling::{Common, Total};
    let mut state = vec![Common; p.len()];
    for (id, _) in p.nodes() {
        if !needed[id.index()] {
            continue;
        }
        let seeded = seeds.contains(&id);
        let own = of_node(p, id, &state, samples);
        state[id.index()] = match own {
            Common if seeded && p.size(id).is_multiple_of(samples) => Sampling::Apart,
            Common if seeded => Sampling::Mixed,
            other => other,
        };
        if state[id.index()] == Sampling::Mixed {
            return false;
        }
    }
    state[loss.index()] == Total || state[loss.index()] == Common
}

fn of_node(p: &Program, id: NodeId, state: &[Sampling], samples: usize) -> Sampling {
    use Sampling::{Apart, Common, Mixed, Total};
    let node = p.node(id);
    let states: Vec<Sampling> = node.args.iter().map(|a| state[a.index()]).collect();
    if states.iter().all(|&s| s == Common) {
        return Common;
    }
    if states.contains(&Mixed) {
        return Mixed;
    }
    if states.contains(&Total) {
        return match node.op {
            Op::Scale(_) | Op::Reshape | Op::Expand if p.size(id) == 1 => Total,
            // a constant may be added to a loss
            Op::Shift(_) if p.size(id) == 1 => Total,
            Op::Add if p.size(id) == 1 => Total,
            _ => Mixed,
        };
    }
    let apart = |ok: bool| if ok { Apart } else { Mixed };
    // the axes that come before everything a sample owns are untouched
    let leading = |from: &[usize]| samples_lead(from, &node.shape, samples);
    let arg_shape = |i: usize| p.shape(node.args[i]);
    match &node.op {
        Op::Param(_) | Op::Input(_) | Op::Constant(_) | Op::Tangent(_) => Common,
        Op::Map(_) | Op::Scale(_) | Op::Shift(_) | Op::Reshape => Apart,
        Op::Add | Op::Sub | Op::Mul | Op::Select | Op::Compare(_) | Op::Expand => {
            apart((0..node.args.len()).all(|i| states[i] == Common || leading(arg_shape(i))))
        }
        Op::Sum if p.size(id) == 1 => Total,
        Op::Sum => apart(leading(arg_shape(0))),
        Op::Softmax | Op::LogSumExp | Op::CrossEntropy | Op::ArgmaxMask => {
            let shape = arg_shape(0);
            let rows = shape.len().saturating_sub(1);
            apart(
                states.get(1).is_none_or(|&s| s == Common)
                    && shape[..rows].iter().product::<usize>().is_multiple_of(samples),
            )
        }
        Op::Permute(perm) => {
            let from = arg_shape(0);
            let fixed = perm.iter().enumerate().take_while(|(i, p)| i == *p).count();
            // or the outermost axis longer than 1 stays the outermost
            let outermost = from.iter().position(|&n| n != 1);
            let stays = outermost
                .is_some_and(|k| from[k].is_multiple_of(samples) && perm.iter().find(|&&p| from[p] != 1) == Some(&k));
            apart(stays || (1..=fixed).any(|n| from[..n].iter().product::<usize>().is_multiple_of(samples)))
        }
        Op::MatMul { ta, .. } => {
            let (a, b) = (arg_shape(0), arg_shape(1));
            match (states[0], states[1]) {
                (Apart, Common) => apart(
                    a[0].is_multiple_of(samples) || (a[0] == 1 && !ta && b[0] == 1 && a[1].is_multiple_of(samples)),
                ),
                (Common, Apart) => apart(b[0].is_multiple_of(samples) && (a[0] == 1 || a[0] == b[0])),
                _ => apart(a[0] == b[0] && a[0].is_multiple_of(samples)),
            }
        }
        Op::Gather(m) => {
            let map = p.map(*m);
            apart(aligned(map.from.len(), map.source, samples, &map.from))
        }
        Op::Scatter(m) => {
            let map = p.map(*m);
            apart(aligned(map.from.len(), map.source, samples, &map.from))
        }
    }
}

/// Both extents begin with the same axes, over which the samples are laid out.
fn samples_lead(from: &[usize], to: &[usize], samples: usize) -> bool {
    let mut product = 1;
    for (a, b) in from.iter().zip(to) {
        if a != b {
            return false;
        }
        product *= a;
        if product.is_multiple_of(samples) {
            return true;
        }
    }
    samples == 1
}

/// Every element of the map stays within its sample.
fn aligned(here: usize, there: usize, samples: usize, from: &[u32]) -> bool {
    if !here.is_multiple_of(samples) || !there.is_multiple_of(samples) {
        return false;
    }
    let (mine, theirs) = ((here / samples).max(1), (there / samples).max(1));
    from.iter().enumerate().all(|(o, &i)| i == NOWHERE || o / mine == i as usize / theirs)
}
