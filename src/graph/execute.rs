//! The kernels called in the order of a schedule, in f64 or f32.

use super::operator::{Cmp, Func};
use super::schedule::{Binary, Operand, Place, Schedule, Step, Work};
use crate::tensor::arithmetic::{self, Operation};
use crate::tensor::matmul::{Gemm, batched, gemm};
use crate::tensor::strides::Loops;
use crate::tensor::{Real, elementwise, index, layout, reduce, softmax};
use faer::Par;
use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

/// Parameters and batch of a run, in the scalar of the program.
#[derive(Debug, Clone, Default)]
pub struct Leaves<T> {
    /// Parameter tensors, in the program's order.
    pub params: Vec<Vec<T>>,
    /// Arrays of the batch, in the program's order.
    pub inputs: Arc<Vec<Vec<T>>>,
}

/// The values of the nodes without lanes, for one set of parameters.
#[derive(Debug, Clone, Default)]
pub struct Primal<T> {
    leaves: Leaves<T>,
    constants: Vec<Vec<T>>,
    slots: Vec<Vec<T>>,
    scratch: Vec<T>,
}

impl<T: Real> Primal<T> {
    /// Buffers for the primal pass of `schedule`; nothing is evaluated yet.
    pub fn new(schedule: &Schedule, leaves: Leaves<T>) -> Self {
        let constants = schedule.constants.iter().map(|c| c.iter().map(|&x| T::of(x)).collect()).collect();
        let slots = schedule.order.primal_slots.iter().map(|&n| vec![T::ZERO; n]).collect();
        Primal { leaves, constants, slots, scratch: Vec::new() }
    }

    /// What the lane pass and the outputs of the schedule read, rounded to another scalar; as it is where that is the same.
    pub fn rounded<U: Real>(mut self, schedule: &Schedule) -> Primal<U> {
        let read = schedule.read();
        for (n, slot) in self.slots.iter_mut().enumerate() {
            if !read.contains(&Place::Primal(n)) {
                *slot = Vec::new();
            }
        }
        let mut own = Some(self);
        let same = (&mut own as &mut dyn Any).downcast_mut::<Option<Primal<U>>>().and_then(Option::take);
        same.or_else(|| own.map(|own| own.round(&read))).unwrap_or_default()
    }

    fn round<U: Real>(&self, read: &HashSet<Place>) -> Primal<U> {
        let round = |place: fn(usize) -> Place, all: &[Vec<T>]| -> Vec<Vec<U>> {
            let one = |(n, x): (usize, &Vec<T>)| match read.contains(&place(n)) {
                true => x.iter().map(|v| U::of(v.wide())).collect(),
                false => Vec::new(),
            };
            all.iter().enumerate().map(one).collect()
        };
        Primal {
            leaves: Leaves {
                params: round(Place::Param, &self.leaves.params),
                inputs: Arc::new(round(Place::Input, &self.leaves.inputs)),
            },
            constants: round(Place::Constant, &self.constants),
            slots: round(Place::Primal, &self.slots),
            scratch: Vec::new(),
        }
    }

    /// Parameter tensors, to be changed before a new [`Primal::run`].
    pub fn params_mut(&mut self) -> &mut [Vec<T>] {
        &mut self.leaves.params
    }

    /// Evaluates all nodes without lanes.
    pub fn run(&mut self, schedule: &Schedule, par: Par) {
        for step in &schedule.order.primal {
            let Place::Primal(slot) = step.out else { continue };
            let mut out = std::mem::take(&mut self.slots[slot]);
            let mut scratch = std::mem::take(&mut self.scratch);
            {
                let args = step.args.map(|a| a.map_or(&[][..], |a| self.value(a)));
                call(schedule, step, &mut out[..step.size], args, 1, &mut scratch, par);
            }
            self.slots[slot] = out;
            self.scratch = scratch;
        }
    }

    pub(super) fn value(&self, operand: Operand) -> &[T] {
        let data: &[T] = match operand.place {
            Place::Param(n) => &self.leaves.params[n],
            Place::Input(n) => &self.leaves.inputs[n],
            Place::Constant(n) => &self.constants[n],
            Place::Primal(n) => &self.slots[n],
            Place::Lane(_) | Place::Tangent(_) | Place::Output(_) => return &[],
        };
        &data[..operand.size]
    }

    /// The n-th output of the schedule, which must not be laned.
    pub fn output(&self, schedule: &Schedule, n: usize) -> &[T] {
        self.value(schedule.output(n))
    }
}

/// Buffers of one worker for blocks of at most `lanes` tangents.
#[derive(Debug, Default)]
pub struct Workspace<T> {
    lanes: usize,
    slots: Vec<Vec<T>>,
    tangents: Vec<Vec<T>>,
    scratch: Vec<T>,
}

impl<T: Real> Workspace<T> {
    /// Makes the buffers fit for blocks of `lanes` tangents of a schedule, keeping what is large enough.
    pub fn fit(&mut self, schedule: &Schedule, lanes: usize) {
        let want = schedule.order.lane_slots.len();
        if self.slots.len() < want {
            self.slots.resize_with(want, Vec::new);
        }
        for (slot, &n) in self.slots.iter_mut().zip(&schedule.order.lane_slots) {
            if slot.len() < n * lanes {
                slot.resize(n * lanes, T::ZERO);
            }
        }
        self.tangents.resize_with(schedule.order.tangent_sizes.len(), Vec::new);
        for (tangent, &n) in self.tangents.iter_mut().zip(&schedule.order.tangent_sizes) {
            if tangent.len() != n * lanes {
                tangent.resize(n * lanes, T::ZERO);
            }
        }
        self.lanes = lanes;
    }

    /// Most lanes of a block.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The n-th tangent slot: `lanes` tensors one after the other, to be filled before [`Workspace::run`].
    /// Empty where no output depends on it.
    pub fn tangent_mut(&mut self, n: usize) -> &mut [T] {
        &mut self.tangents[n]
    }

    /// Evaluates all laned nodes for the first `k` lanes of the tangents.
    pub fn run(&mut self, schedule: &Schedule, primal: &Primal<T>, k: usize, par: Par) {
        for step in &schedule.order.lanes {
            let Place::Lane(slot) = step.out else { continue };
            let mut out = std::mem::take(&mut self.slots[slot]);
            let mut scratch = std::mem::take(&mut self.scratch);
            {
                let args = step.args.map(|a| a.map_or(&[][..], |a| self.value(primal, a, k)));
                call(schedule, step, &mut out[..step.size * k], args, k, &mut scratch, par);
            }
            self.slots[slot] = out;
            self.scratch = scratch;
        }
    }

    fn value<'a>(&'a self, primal: &'a Primal<T>, operand: Operand, k: usize) -> &'a [T] {
        match operand.place {
            Place::Lane(n) => &self.slots[n][..operand.size * k],
            Place::Tangent(n) => &self.tangents[n][..operand.size * k],
            _ => primal.value(operand),
        }
    }

    /// The n-th output of the schedule: k tensors one after the other if it is laned, one otherwise.
    pub fn output<'a>(&'a self, schedule: &Schedule, primal: &'a Primal<T>, n: usize, k: usize) -> &'a [T] {
        self.value(primal, schedule.output(n), k)
    }
}

/// Runs one step for `k` lanes (1 in the primal pass).
pub(super) fn call<T: Real>(
    schedule: &Schedule,
    step: &Step,
    out: &mut [T],
    [a, b, c]: [&[T]; 3],
    k: usize,
    scratch: &mut Vec<T>,
    par: Par,
) {
    // stride of the lane axis of an operand
    let lane = |i: usize| step.args[i].map_or(0, |a| if a.laned { a.size } else { 0 });
    let n = step.size;
    match &step.work {
        Work::Copy => out.copy_from_slice(a),
        Work::Map(f) => map(out, a, *f),
        Work::Scale(c) => arithmetic::scale(out, a, T::of(*c)),
        Work::Shift(c) => {
            let c = T::of(*c);
            elementwise::unary(out, a, |x| x + c);
        }
        Work::Binary(op, loops) => binary(out, a, b, &loops.under(k, [lane(0), lane(1)]), *op),
        Work::MulAdd(loops) => {
            arithmetic::mul_add(out, a, b, c, &loops.under(k, [lane(0), lane(1), lane(2)]));
        }
        Work::Select(loops) => elementwise::select(out, a, b, c, &loops.under(k, [lane(0), lane(1), lane(2)])),
        Work::Expand(loops) => elementwise::expand(out, a, &loops.under(k, [lane(0)])),
        Work::Sum(loops) => reduce::sum_axes(out, a, &loops.under(k, [lane(0), n])),
        Work::Permute(loops) => layout::permute(out, a, &loops.under(k, [n, lane(0)])),
        Work::Transpose { batch, rows, cols } => layout::transpose(out, a, k * batch, *rows, *cols),
        Work::ArgmaxMask(cols) => softmax::argmax_mask(out, a, *cols),
        Work::Softmax(cols) => softmax::softmax(out, a, *cols),
        Work::LogSumExp(cols) => softmax::log_sum_exp(out, a, *cols),
        Work::CrossEntropy(cols) => {
            if lane(1) == 0 {
                for (out, z) in out.chunks_exact_mut(n.max(1)).zip(a.chunks_exact((n * cols).max(1))) {
                    softmax::cross_entropy(out, z, b, *cols);
                }
            } else {
                softmax::cross_entropy(out, a, b, *cols);
            }
        }
        Work::Gather(map) => {
            let map = schedule.map(*map);
            lanes(out, a, n, map.source, |o, x| index::IndexMap::gather(map, o, x));
        }
        Work::Scatter(map) => {
            let map = schedule.map(*map);
            lanes(out, a, n, map.from.len(), |o, x| index::IndexMap::scatter(map, o, x));
        }
        Work::MatMul { gemm, batch, batch_a, batch_b } => {
            let product = Product { gemm: *gemm, batch: *batch, batch_a: *batch_a, batch_b: *batch_b };
            product.run(out, (a, lane(0) > 0), (b, lane(1) > 0), k, scratch, par);
        }
    }
}

fn lanes<T: Real>(out: &mut [T], x: &[T], to: usize, from: usize, f: impl Fn(&mut [T], &[T])) {
    if to == 0 {
        return;
    }
    if from == 0 {
        out.fill(T::ZERO);
        return;
    }
    for (o, x) in out.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
        f(o, x);
    }
}

fn map<T: Real>(out: &mut [T], a: &[T], f: Func) {
    let step = |x: T| if x > T::ZERO { T::ONE } else { T::ZERO };
    match f {
        Func::Relu => {
            elementwise::unary(out, a, |x| if x > T::ZERO || !x.finite() && x != T::MIN { x } else { T::ZERO })
        }
        Func::Step => elementwise::unary(out, a, step),
        Func::Recip => elementwise::unary(out, a, |x| T::ONE / x),
        Func::Abs => elementwise::unary(out, a, |x| if x < T::ZERO { -x } else { x }),
        Func::Exp => elementwise::unary(out, a, T::exp),
        f => elementwise::unary(out, a, |x| T::of(f.eval(x.wide()))),
    }
}

pub(super) fn binary<T: Real>(out: &mut [T], a: &[T], b: &[T], loops: &Loops<2>, op: Binary) {
    let mask = |yes: bool| if yes { T::ONE } else { T::ZERO };
    match op {
        Binary::Add => arithmetic::binary(out, a, b, loops, Operation::Add),
        Binary::Sub => arithmetic::binary(out, a, b, loops, Operation::Sub),
        Binary::Mul => arithmetic::binary(out, a, b, loops, Operation::Mul),
        Binary::Compare(Cmp::Greater) => elementwise::binary(out, a, b, loops, |x, y| mask(x > y)),
        Binary::Compare(Cmp::GreaterOrEqual) => elementwise::binary(out, a, b, loops, |x, y| mask(x >= y)),
        Binary::Compare(Cmp::Equal) => elementwise::binary(out, a, b, loops, |x, y| mask(x == y)),
    }
}

/// A batched product with lanes on either side.
struct Product {
    gemm: Gemm,
    batch: usize,
    batch_a: usize,
    batch_b: usize,
}

/// Below this many rows or columns per lane, lanes are packed into one product instead of many thin ones.
const THIN: usize = 48;

impl Product {
    fn run<T: Real>(
        &self,
        out: &mut [T],
        (a, la): (&[T], bool),
        (b, lb): (&[T], bool),
        k: usize,
        scratch: &mut Vec<T>,
        par: Par,
    ) {
        let g = self.gemm;
        let single = self.batch == 1 && k > 1;
        match (la, lb) {
            // the lanes' rows are one long matrix
            (true, false) if single && !g.ta => gemm(out, a, b, Gemm { m: k * g.m, ..g }, false, par),
            // [k, K, m] packed to [K, k·m]: the product comes out in place
            (true, false) if single && g.m < THIN => {
                let packed = room(scratch, k * g.k * g.m);
                swap_outer(packed, a, k, g.k, g.m);
                gemm(out, packed, b, Gemm { m: k * g.m, ..g }, false, par);
            }
            // one wide product, unpacked from [m, k·n] to [k, m, n]
            (false, true) if single && g.n < THIN && g.m >= 8 => {
                let (product, rest) =
                    room(scratch, k * g.m * g.n + if g.tb { 0 } else { k * g.k * g.n }).split_at_mut(k * g.m * g.n);
                let wide = Gemm { n: k * g.n, ..g };
                if g.tb {
                    gemm(product, a, b, wide, false, par);
                } else {
                    swap_outer(rest, b, k, g.k, g.n);
                    gemm(product, a, rest, wide, false, par);
                }
                swap_outer(out, product, g.m, k, g.n);
            }
            _ => {
                let stride_a = if self.batch_a > 1 { g.m * g.k } else { 0 };
                let stride_b = if self.batch_b > 1 { g.k * g.n } else { 0 };
                let (lane_a, lane_b) = (self.batch_a * g.m * g.k, self.batch_b * g.k * g.n);
                for i in 0..k {
                    let out = &mut out[i * self.batch * g.m * g.n..(i + 1) * self.batch * g.m * g.n];
                    let a = if la { &a[i * lane_a..(i + 1) * lane_a] } else { a };
                    let b = if lb { &b[i * lane_b..(i + 1) * lane_b] } else { b };
                    batched(out, a, b, self.batch, (stride_a, stride_b), g, par);
                }
            }
        }
    }
}

/// The front of a buffer, which grows as needed; what it held stays.
pub(crate) fn room<T: Real>(scratch: &mut Vec<T>, n: usize) -> &mut [T] {
    if scratch.len() < n {
        scratch.resize(n, T::ZERO);
    }
    &mut scratch[..n]
}

/// out\[q\]\[p\]\[·\] ← x\[p\]\[q\]\[·\], the last axis `n` long.
fn swap_outer<T: Real>(out: &mut [T], x: &[T], p: usize, q: usize, n: usize) {
    if n == 0 {
        return;
    }
    for (j, out) in out.chunks_exact_mut(p * n).enumerate().take(q) {
        for (i, o) in out.chunks_exact_mut(n).enumerate() {
            let at = (i * q + j) * n;
            o.copy_from_slice(&x[at..at + n]);
        }
    }
}
