//! The lane pass of a schedule of [products](Schedule::products): values with lanes innermost.
//!
//! A laned value of extents \[…\] is stored as \[…, k\]: k numbers side by side for every element. One lane is the plain
//! row-major layout; 8, 16 or 32 fill the registers of the machine, whatever the extents, and let a product skip
//! single elements that a mask makes zero. Everything in a lane pass is linear in the tangents; operators that are not
//! are evaluated lane by lane.

mod product;
mod seeds;

use self::product::Product;
pub use self::seeds::{MOST, Seeds};
use super::execute::{Leaves, Primal, binary, call};
use super::operator::Cmp;
use super::schedule::{Binary, Operand, Place, Schedule, Step, Work};
use crate::tensor::lines::Lines;
use crate::tensor::matmul::Gemm;
use crate::tensor::skinny::Live;
use crate::tensor::{Real, arithmetic, elementwise, layout, reduce};
use faer::Par;
use std::sync::Arc;

/// Buffers of one worker.
#[derive(Debug, Default)]
pub struct Buffers<T> {
    /// The lane buffers of a schedule one after the other.
    slots: Lines<T>,
    /// Where each begins.
    starts: Vec<usize>,
    scratch: Vec<T>,
}

/// A schedule of products at one snapshot.
#[derive(Debug)]
pub struct Evaluated<T> {
    schedule: Arc<Schedule>,
    primal: Primal<T>,
    /// For each step of the lane pass the rows that its mask leaves.
    lives: Vec<Option<Live>>,
}

impl<T: Real> Evaluated<T> {
    /// Evaluates in double precision what does not depend on tangents, and looks at the masks.
    pub fn new(schedule: Arc<Schedule>, leaves: Leaves<f64>, par: Par) -> Self {
        let mut primal = Primal::<f64>::new(&schedule, leaves);
        primal.run(&schedule, par);
        let primal = primal.rounded(&schedule);
        let of = |step: &Step| match (&step.work, step.mask) {
            (Work::MatMul { gemm, .. }, Some(mask)) => {
                let (rows, units) = if gemm.ta { (gemm.k, gemm.m) } else { (gemm.m, gemm.n) };
                let mask: &[T] = primal.value(mask);
                if mask.len() == rows * units { Live::of(mask, units) } else { None }
            }
            _ => None,
        };
        let lives = schedule.order.lanes.iter().map(of).collect();
        Evaluated { schedule, primal, lives }
    }

    /// The schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}

impl<T: Real> Buffers<T> {
    /// No buffers yet.
    pub fn new() -> Self {
        Buffers { slots: Lines::new(), starts: Vec::new(), scratch: Vec::new() }
    }

    /// Adds the n-th output of the schedule to the buffer `sums[to[n]]`, lanes innermost.
    pub fn run(&mut self, parts: &Evaluated<T>, seeds: &Seeds<T>, sums: &mut [Lines<T>], to: &[usize]) {
        let Evaluated { schedule, primal, lives } = parts;
        let k = seeds.lanes;
        let Buffers { slots, starts, scratch } = self;
        starts.clear();
        let mut end = 0;
        for &n in &schedule.order.lane_slots {
            starts.push(end);
            end += Lines::<T>::whole((n * k).max(1));
        }
        let slots = slots.room(end);
        for (at, step) in schedule.order.lanes.iter().enumerate() {
            // a step never reads the buffer that it writes
            let (before, out, after, first) = match step.out {
                Place::Lane(n) => {
                    let first = starts[n] + step.size * k;
                    let (rest, after) = slots.split_at_mut(first);
                    let (before, out) = rest.split_at_mut(starts[n]);
                    (&*before, out, &*after, first)
                }
                Place::Output(n) => (&*slots, &mut sums[to[n]].all_mut()[..step.size * k], &[][..], end),
                _ => continue,
            };
            let value = |a: Operand| match a.place {
                Place::Lane(n) if starts[n] < before.len() => &before[starts[n]..][..a.size * k],
                Place::Lane(n) => &after[starts[n] - first..][..a.size * k],
                Place::Tangent(n) => &seeds.plain[n].all()[..a.size * k],
                _ => primal.value(a),
            };
            let args = step.args.map(|a| a.map_or(&[][..], value));
            let live = lives.get(at).and_then(Option::as_ref);
            Lanes { schedule, step, seeds, live, k }.run(out, args, scratch);
        }
    }
}

/// One step and what it needs to know.
struct Lanes<'a, T> {
    schedule: &'a Schedule,
    step: &'a Step,
    seeds: &'a Seeds<T>,
    live: Option<&'a Live>,
    k: usize,
}

impl<T: Real> Lanes<'_, T> {
    fn laned(&self, i: usize) -> bool {
        self.step.args[i].is_some_and(|a| a.laned)
    }

    /// Whether an argument has as many elements as the result.
    fn whole(&self, i: usize) -> bool {
        self.step.args[i].is_some_and(|a| a.size == self.step.size)
    }

    fn run(&self, out: &mut [T], [a, b, c]: [&[T]; 3], scratch: &mut Vec<T>) {
        let (k, step) = (self.k, self.step);
        let (la, lb, lc) = (self.laned(0), self.laned(1), self.laned(2));
        match &step.work {
            Work::Scale(c) => arithmetic::scale(out, a, T::of(*c)),
            Work::Binary(op, loops) => {
                let fast = k > 1 && la != lb && self.whole(0) && self.whole(1);
                match op {
                    Binary::Mul if fast && lb => arithmetic::mul_lanes(out, a, b, k),
                    Binary::Mul if fast => arithmetic::mul_lanes(out, b, a, k),
                    Binary::Compare(Cmp::Equal | Cmp::Greater | Cmp::GreaterOrEqual)
                    | Binary::Add
                    | Binary::Sub
                    | Binary::Mul => binary(out, a, b, &loops.over(k, [la, lb]), *op),
                }
            }
            Work::MulAdd(loops) => {
                let fast = k > 1 && la != lb && lc && (0..3).all(|i| self.whole(i));
                if fast {
                    let (x, y) = if lb { (a, b) } else { (b, a) };
                    arithmetic::mul_add_lanes(out, x, y, c, k);
                } else {
                    arithmetic::mul_add(out, a, b, c, &loops.over(k, [la, lb, lc]));
                }
            }
            Work::Select(loops) => elementwise::select(out, a, b, c, &loops.over(k, [la, lb, lc])),
            Work::Expand(loops) => elementwise::expand(out, a, &loops.over(k, [la])),
            Work::Sum(loops) if step.add => reduce::add_axes(out, a, &loops.over(k, [true, true])),
            Work::Sum(loops) => reduce::sum_axes(out, a, &loops.over(k, [true, true])),
            Work::Permute(loops) => layout::permute(out, a, &loops.over(k, [true, true])),
            Work::Transpose { batch, rows, cols } => layout::transpose_lanes(out, a, *batch, *rows, *cols, k),
            Work::Gather(map) => self.schedule.map(*map).gather_lanes(out, a, k),
            Work::Scatter(map) => self.schedule.map(*map).scatter_lanes(out, a, k),
            Work::Copy if la => reduce::accumulate(out, a),
            Work::Copy => {
                for (out, &x) in out.chunks_exact_mut(k).zip(a) {
                    out.iter_mut().for_each(|o| *o += x);
                }
            }
            Work::MatMul { gemm, batch, batch_a, batch_b } if la != lb => {
                let product =
                    Product { gemm: *gemm, batch: *batch, batch_a: *batch_a, batch_b: *batch_b, add: step.add };
                if k == 1 {
                    match (self.turned(1), gemm.tb) {
                        (Some(b), true) => {
                            let gemm = Gemm { tb: false, ..*gemm };
                            Product { gemm, ..product }.plain(out, a, b, scratch);
                        }
                        _ => product.plain(out, a, b, scratch),
                    }
                } else if lb {
                    match (self.turned(1), gemm.tb) {
                        (Some(b), false) => {
                            let gemm = Gemm { tb: true, ..*gemm };
                            Product { gemm, ..product }.right(out, a, b, k, self.live);
                        }
                        _ => product.right(out, a, b, k, self.live),
                    }
                } else {
                    product.left(out, a, b, k, self.live, scratch);
                }
            }
            _ => self.each(out, [a, b, c], scratch),
        }
    }

    /// The i-th argument with its axes exchanged, if it is a tangent that is kept so.
    fn turned(&self, i: usize) -> Option<&[T]> {
        match self.step.args[i]?.place {
            Place::Tangent(n) => self.seeds.turned(n),
            _ => None,
        }
    }

    /// Lane by lane: what is not linear.
    fn each(&self, out: &mut [T], args: [&[T]; 3], scratch: &mut Vec<T>) {
        let k = self.k;
        let mut result = vec![T::ZERO; self.step.size];
        for l in 0..k {
            let lane = |i: usize| -> Vec<T> {
                let skip = if self.laned(i) { (l, k) } else { (0, 1) };
                args[i].iter().skip(skip.0).step_by(skip.1).copied().collect()
            };
            let own = [lane(0), lane(1), lane(2)];
            let args = [&own[0][..], &own[1][..], &own[2][..]];
            call(self.schedule, self.step, &mut result, args, 1, scratch, Par::Seq);
            for (o, &x) in out.iter_mut().skip(l).step_by(k).zip(&result) {
                *o = if self.step.add { *o + x } else { x };
            }
        }
    }
}
