//! A network cut into runs of samples, each a program of its own, so that what one of them works on stays in the caches
//! and threads can share one product.
//!
//! The loss is the sum of what the samples contribute, so its gradient and Hessian are sums over the chunks. A chunk is
//! built by asking for the rows of its samples and following what they need: a value whose elements come sample after
//! sample is *sliced*, everything else (weights, masks shared by all samples) is taken *whole*. That is exact in any
//! network; where it would repeat much work in every chunk (batch statistics) the network is left in one piece. The cut
//! depends on the network and the batch alone, never on the number of threads.

use super::lanes::GROUPS;
use crate::autodiff::vjp;
use crate::graph::{Lowered, NodeId, Op, Program, Schedule};
use crate::tensor::index::{IndexMap, NOWHERE};
use crate::tensor::strides::size;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// What a chunk works on should stay near this many elements.
const ELEMENTS: usize = 160 << 10;
/// Chunks may repeat this much of the work of the whole.
const REPEATED: f64 = 1.25;

/// Some samples of a network: their contribution to loss and gradient as a program.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub program: Program,
    pub params: Vec<NodeId>,
    /// Gradient of the chunk's contribution; `None` where it does not depend on the parameter.
    pub gradients: Vec<Option<NodeId>>,
    /// Data of the input leaves.
    pub inputs: Arc<Vec<Vec<f64>>>,
}

/// Cuts a network; one chunk is the network itself.
pub(super) fn chunks(lowered: &Lowered, gradients: &[Option<NodeId>], inputs: &Arc<Vec<Vec<f64>>>) -> Vec<Chunk> {
    let whole = || {
        vec![Chunk {
            program: lowered.program.clone(),
            params: lowered.params.clone(),
            gradients: gradients.to_vec(),
            inputs: inputs.clone(),
        }]
    };
    let p = &lowered.program;
    let Some(rows) = lowered.samples else { return whole() };
    let samples = p.size(rows);
    if samples < 2 {
        return whole();
    }
    let forms = Forms::new(p, samples);
    let Some(part) = forms.needed(p, rows) else { return whole() };
    // values of one sample: of the batch, and between batch and loss
    let (mut leaves, mut between) = (0, 0);
    for (id, node) in p.nodes().filter(|(id, _)| part[id.index()]) {
        let each = p.size(id) / samples;
        match node.op {
            Op::Input(_) | Op::Constant(_) => leaves += each,
            Op::Reshape => {}
            _ => between += each,
        }
    }
    let count = even((samples * (leaves + 3 * between)).div_ceil(ELEMENTS), samples);
    if count < 2 {
        return whole();
    }
    let cut: Vec<Chunk> = (0..count)
        .map(|i| Slicer::new(p, &forms, inputs, samples, i * samples / count..(i + 1) * samples / count))
        .map(|slicer| slicer.run(lowered, rows))
        .collect();
    let repeated: f64 = cut.iter().map(|c| flops(&c.program, &c.gradients)).sum();
    if repeated > REPEATED * flops(p, gradients) { whole() } else { cut }
}

/// A number of chunks near this one that threads share evenly, without chunks of one and of two samples by turns.
fn even(count: usize, samples: usize) -> usize {
    let near = if count <= GROUPS { count.next_power_of_two() } else { (count + GROUPS / 2) / GROUPS * GROUPS };
    let near = near.min(samples);
    if near > GROUPS && near < samples && samples < 2 * near { GROUPS.max(samples / 2 / GROUPS * GROUPS) } else { near }
}

/// Operations of the gradients.
fn flops(program: &Program, gradients: &[Option<NodeId>]) -> f64 {
    let wanted: Vec<NodeId> = gradients.iter().flatten().copied().collect();
    Schedule::new(program, &wanted).primal_flops() as f64
}

/// A network in at most `count` shards, networks over runs of its samples whose losses add up to its own, the largest
/// first. `None` where they would repeat much of the work (batch statistics), or where the samples are not known.
pub(super) fn shards(
    lowered: &Lowered,
    gradients: &[Option<NodeId>],
    inputs: &[Vec<f64>],
    count: usize,
) -> Option<Vec<Lowered>> {
    let (rows, p) = (lowered.samples?, &lowered.program);
    let samples = p.size(rows);
    let count = count.min(samples);
    let forms = Forms::new(p, samples);
    forms.needed(p, rows)?;
    if samples < 2 {
        return None;
    }
    let end = |i: usize| i * (samples / count) + i.min(samples % count);
    let cut: Vec<(Lowered, f64)> =
        (0..count).map(|i| Slicer::new(p, &forms, inputs, samples, end(i)..end(i + 1)).shard(lowered, rows)).collect();
    let repeated: f64 = cut.iter().map(|(_, flops)| flops).sum();
    let most = REPEATED * flops(p, gradients);
    (repeated <= most).then(|| cut.into_iter().map(|(shard, _)| shard).collect())
}

/// Every sample as a chunk of its own; `None` where they influence each other.
pub(super) fn singles(lowered: &Lowered, inputs: &Arc<Vec<Vec<f64>>>) -> Option<Vec<Chunk>> {
    let (rows, p) = (lowered.samples?, &lowered.program);
    let samples = p.size(rows);
    let forms = Forms::new(p, samples);
    forms.needed(p, rows)?;
    let one = |i: usize| Slicer::new(p, &forms, inputs, samples, i..i + 1).run(lowered, rows);
    Some((0..samples).into_par_iter().map(one).collect())
}

/// The axis along which samples follow each other: the first that is longer than 1.
fn axis(shape: &[usize], samples: usize) -> Option<usize> {
    let axis = shape.iter().position(|&n| n != 1)?;
    shape[axis].is_multiple_of(samples).then_some(axis)
}

/// For every node that can be sliced, which of its arguments are sliced (the others are taken whole).
struct Forms(Vec<Option<Vec<bool>>>);

impl Forms {
    fn new(p: &Program, samples: usize) -> Self {
        let mut forms = Forms(Vec::with_capacity(p.len()));
        for (id, _) in p.nodes() {
            let form = forms.of(p, id, samples);
            forms.0.push(form);
        }
        forms
    }

    fn can(&self, id: NodeId) -> bool {
        self.0[id.index()].is_some()
    }

    fn of(&self, p: &Program, id: NodeId, samples: usize) -> Option<Vec<bool>> {
        let node = p.node(id);
        if node.laned {
            return None;
        }
        let k = axis(&node.shape, samples)?;
        let arg = |i: usize| p.shape(node.args[i]);
        // the argument is sliced along the axis `at`
        let sliced = |i: usize, at: usize| axis(arg(i), samples) == Some(at) && self.can(node.args[i]);
        let all = |ok: bool| ok.then(|| vec![true; node.args.len()]);
        match &node.op {
            Op::Input(_) | Op::Constant(_) => Some(Vec::new()),
            Op::Param(_) | Op::Tangent(_) => None,
            Op::Map(_) | Op::Scale(_) | Op::Shift(_) => all(sliced(0, k)),
            Op::Add | Op::Sub | Op::Mul | Op::Select | Op::Compare(_) | Op::Expand => (0..node.args.len())
                .map(|i| match arg(i)[k] {
                    1 => Some(false),
                    _ => sliced(i, k).then_some(true),
                })
                .collect(),
            Op::Sum => all(sliced(0, k)),
            Op::Softmax | Op::LogSumExp | Op::CrossEntropy | Op::ArgmaxMask => {
                all(k + 1 < node.shape.len() && (0..node.args.len()).all(|i| sliced(i, k)))
            }
            Op::Reshape => all(self.can(node.args[0])),
            Op::Permute(perm) => all(sliced(0, perm[k])),
            Op::MatMul { ta, .. } => match k {
                0 => (0..2)
                    .map(|i| match arg(i)[0] {
                        1 => Some(false),
                        _ => sliced(i, 0).then_some(true),
                    })
                    .collect(),
                1 if !ta => sliced(0, 1).then(|| vec![true, false]),
                _ => None,
            },
            Op::Gather(map) => {
                let map = p.map(*map);
                let own = self.can(node.args[0]) && aligned(map, samples);
                Some(vec![own])
            }
            Op::Scatter(map) => all(self.can(node.args[0]) && aligned(p.map(*map), samples)),
        }
    }

    /// The nodes whose slices the slice of `root` needs; `None` where it has none.
    fn needed(&self, p: &Program, root: NodeId) -> Option<Vec<bool>> {
        let mut part = vec![false; p.len()];
        part[root.index()] = self.can(root);
        for (id, node) in p.nodes().collect::<Vec<_>>().into_iter().rev() {
            if let (true, Some(form)) = (part[id.index()], &self.0[id.index()]) {
                for (arg, &sliced) in node.args.iter().zip(form) {
                    part[arg.index()] |= sliced;
                }
            }
        }
        part[root.index()].then_some(part)
    }
}

/// Whether every element of the map comes from its own sample.
fn aligned(map: &IndexMap, samples: usize) -> bool {
    let (here, there) = (map.from.len(), map.source);
    if here == 0 || there == 0 || !here.is_multiple_of(samples) || !there.is_multiple_of(samples) {
        return false;
    }
    let (mine, theirs) = (here / samples, there / samples);
    map.from.iter().enumerate().all(|(o, &i)| i == NOWHERE || o / mine == i as usize / theirs)
}

/// Builds the program of one chunk.
struct Slicer<'a> {
    from: &'a Program,
    forms: &'a Forms,
    inputs: &'a [Vec<f64>],
    samples: usize,
    range: Range<usize>,
    program: Program,
    data: Vec<Vec<f64>>,
    whole: Vec<Option<NodeId>>,
    part: Vec<Option<NodeId>>,
}

impl<'a> Slicer<'a> {
    fn new(from: &'a Program, forms: &'a Forms, inputs: &'a [Vec<f64>], samples: usize, range: Range<usize>) -> Self {
        let none = vec![None; from.len()];
        Slicer {
            from,
            forms,
            inputs,
            samples,
            range,
            program: Program::new(),
            data: Vec::new(),
            whole: none.clone(),
            part: none,
        }
    }

    fn run(mut self, lowered: &Lowered, rows: NodeId) -> Chunk {
        let (params, _, loss) = self.trace(lowered, rows);
        let gradients = self.gradients(&params, loss);
        Chunk { program: self.program, params, gradients, inputs: Arc::new(self.data) }
    }

    /// The slice as a network, and the operations of its gradient.
    fn shard(mut self, lowered: &Lowered, rows: NodeId) -> (Lowered, f64) {
        let (params, rows, loss) = self.trace(lowered, rows);
        let program = self.program.clone();
        let gradients = self.gradients(&params, loss);
        let work = flops(&self.program, &gradients);
        // a value that all samples share is counted once
        let (part, whole) = (&self.part, &self.whole);
        let sliced = lowered.kinks.iter().filter_map(|k| part[k.index()]);
        let shared = lowered.kinks.iter().filter(|k| self.range.start == 0 && part[k.index()].is_none());
        let kinks = sliced.chain(shared.filter_map(|k| whole[k.index()])).collect();
        let shard = Lowered {
            program,
            params,
            inputs: self.data,
            output: rows,
            loss,
            samples: Some(rows),
            weights: Vec::new(),
            kinks,
            operators: Default::default(),
        };
        (shard, work)
    }

    fn gradients(&mut self, params: &[NodeId], loss: NodeId) -> Vec<Option<NodeId>> {
        let one = self.program.fill(1.0, &[]);
        vjp(&mut self.program, &[(loss, one)], params)
    }

    /// Appends what the samples contribute to the loss; the parameters, the contributions and their sum.
    fn trace(&mut self, lowered: &Lowered, rows: NodeId) -> (Vec<NodeId>, NodeId, NodeId) {
        let count = self.from.len();
        let (mut whole, mut part) = (vec![false; count], vec![false; count]);
        part[rows.index()] = true;
        for id in (0..count).rev().map(|i| NodeId(i as u32)) {
            let node = self.from.node(id);
            if whole[id.index()] {
                node.args.iter().for_each(|a| whole[a.index()] = true);
            }
            if let (true, Some(form)) = (part[id.index()], &self.forms.0[id.index()]) {
                for (arg, &sliced) in node.args.iter().zip(form) {
                    if sliced { part[arg.index()] = true } else { whole[arg.index()] = true }
                }
            }
        }
        let params: Vec<NodeId> = lowered
            .params
            .iter()
            .enumerate()
            .map(|(n, &id)| {
                let shape = self.from.shape(id).to_vec();
                let own = self.program.param(n, &shape);
                self.whole[id.index()] = Some(own);
                own
            })
            .collect();
        for id in (0..count).map(|i| NodeId(i as u32)) {
            if whole[id.index()] && self.whole[id.index()].is_none() {
                self.whole[id.index()] = Some(self.copy(id, false));
            }
            if part[id.index()] {
                self.part[id.index()] = Some(self.copy(id, true));
            }
        }
        let rows = self.part[rows.index()].unwrap_or(params[0]);
        let p = &mut self.program;
        let total = p.sum_axis(rows, 0);
        let loss = p.reshape(total, &[]);
        (params, rows, loss)
    }

    /// The elements of the samples of the chunk among `n`.
    fn cut(&self, n: usize) -> Range<usize> {
        let each = n / self.samples;
        self.range.start * each..self.range.end * each
    }

    fn shape(&self, id: NodeId, sliced: bool) -> Vec<usize> {
        let mut shape = self.from.shape(id).to_vec();
        if let (true, Some(k)) = (sliced, axis(&shape, self.samples)) {
            shape[k] = shape[k] / self.samples * self.range.len();
        }
        shape
    }

    /// Appends a node, whole or the slice of it.
    fn copy(&mut self, id: NodeId, sliced: bool) -> NodeId {
        let node = self.from.node(id);
        let shape = self.shape(id, sliced);
        let form = if sliced { self.forms.0[id.index()].as_deref() } else { None };
        let is_part = |i: usize| form.is_some_and(|f| f.get(i).copied().unwrap_or(false));
        let args: Vec<NodeId> = node
            .args
            .iter()
            .enumerate()
            .map(|(i, a)| if is_part(i) { self.part[a.index()] } else { self.whole[a.index()] }.unwrap_or(*a))
            .collect();
        let range = self.cut(size(&node.shape));
        let first = is_part(0);
        match &node.op {
            Op::Input(n) => {
                let data = &self.inputs[*n];
                self.data.push(if sliced { data[range].to_vec() } else { data.clone() });
                self.program.input(self.data.len() - 1, &shape)
            }
            Op::Constant(c) => {
                let data = self.from.constant_data(*c);
                let data = if sliced { data[range].to_vec() } else { data.to_vec() };
                self.program.constant(data, &shape)
            }
            Op::Gather(m) => {
                let map = self.from.map(*m);
                let source = if first { self.cut(map.source) } else { 0..map.source };
                let from = if sliced { &map.from[range] } else { &map.from[..] };
                let map = moved(from, source);
                let map = self.program.index_map(map);
                self.program.gather(args[0], map, &shape)
            }
            Op::Scatter(m) => {
                let map = self.from.map(*m);
                let (from, source) =
                    if sliced { (&map.from[self.cut(map.from.len())], range) } else { (&map.from[..], 0..map.source) };
                let map = moved(from, source);
                let map = self.program.index_map(map);
                self.program.scatter(args[0], map, &shape)
            }
            op => self.program.again(op, &args, &shape),
        }
    }
}

/// The map with its source restricted to a range that holds all it reads.
fn moved(from: &[u32], source: Range<usize>) -> IndexMap {
    let start = source.start as u32;
    let from: Vec<u32> = from.iter().map(|&i| if i == NOWHERE { NOWHERE } else { i - start }).collect();
    let empty = from.len();
    // the indices were in range before they were moved together
    IndexMap::new(source.len(), from).unwrap_or_else(|| IndexMap::nowhere(source.len(), empty))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_of_chunks_are_even() {
        for (count, want) in [(1, 1), (2, 2), (3, 4), (5, 8), (11, 8), (12, 16), (21, 24)] {
            assert_eq!(super::even(count, 500), want);
        }
        assert_eq!([super::even(13, 24), super::even(16, 16), super::even(9, 12)], [8, 16, 8]);
    }
}
