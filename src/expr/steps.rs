//! Steps of a program at one point, sums and products included.
// x − x is NaN exactly where x is not finite; the negated comparisons are false for NaN on purpose.
#![allow(clippy::eq_op, clippy::neg_cmp_op_on_partial_ord)]

use super::function::{Binary, Reduction, Relation, maximum, minimum};
use super::machine::{MAX_STEPS, MAX_TERMS};
use super::program::{Loop, One, Program, Register, Step, Two};
use crate::elementary as kernel;

/// Progress of sums that go on where they stopped, and the count of terms at this point.
#[derive(Debug)]
pub(super) struct Progress {
    partial: Vec<Option<(f64, f64, f64)>>,
    steps: u64,
    depth: u32,
}

impl Progress {
    pub fn new(program: &Program) -> Self {
        Progress { partial: vec![None; program.resumable], steps: 0, depth: 0 }
    }
}

/// One value of each register.
pub(super) trait Lane {
    fn get(&self, register: Register) -> f64;
    fn set(&mut self, register: Register, value: f64);
}

pub(super) struct Point<'r>(pub &'r mut [f64]);

impl Lane for Point<'_> {
    #[inline(always)]
    fn get(&self, register: Register) -> f64 {
        self.0[register as usize]
    }

    #[inline(always)]
    fn set(&mut self, register: Register, value: f64) {
        self.0[register as usize] = value;
    }
}

#[inline(always)]
pub(super) fn guard(x: f64) -> f64 {
    x + (x - x)
}

/// a / b; NaN when b is infinite.
#[inline(always)]
pub(super) fn quotient(a: f64, b: f64) -> f64 {
    a / b + (b - b)
}

#[inline(always)]
pub(super) fn compare(op: Relation, a: f64, b: f64) -> f64 {
    let truth = if op.holds(a, b) { 1.0 } else { 0.0 };
    truth + ((a - a) + (b - b))
}

#[inline(always)]
pub(super) fn both(a: f64, b: f64) -> f64 {
    if a == 1.0 { b } else { a }
}

#[inline(always)]
pub(super) fn any(a: f64, b: f64) -> f64 {
    if a == 0.0 { b } else { a }
}

#[inline(always)]
pub(super) fn select(c: f64, a: f64, b: f64) -> f64 {
    let chosen = if c == 1.0 { a } else { b };
    if c.is_nan() { c } else { chosen }
}

fn one(op: One, x: f64) -> f64 {
    match op {
        One::Neg => -x,
        One::Not => 1.0 - x,
        One::Guard => guard(x),
        One::Square => x * x,
        One::Cube => x * x * x,
        One::Fourth => (x * x) * (x * x),
        One::Inverse => quotient(1.0, x),
        One::InverseSquare => 1.0 / (x * x) + (x - x),
        One::Third => kernel::third_power(x),
        One::Power(exponent) => exponent.power(x),
        One::Call(function) => function.value(x),
    }
}

fn two(op: Two, a: f64, b: f64) -> f64 {
    match op {
        Two::Binary(Binary::Add) => a + b,
        Two::Binary(Binary::Sub) => a - b,
        Two::Binary(Binary::Mul) => a * b,
        Two::Binary(Binary::Div) => quotient(a, b),
        Two::Binary(Binary::Pow) => kernel::power(a, b),
        Two::Binary(Binary::Min) => minimum(a, b),
        Two::Binary(Binary::Max) => maximum(a, b),
        Two::Compare(op) => compare(op, a, b),
        Two::And => both(a, b),
        Two::Or => any(a, b),
    }
}

/// Runs the steps at one point.
pub(super) fn run_point<L: Lane>(steps: &[Step], lane: &mut L, progress: &mut Progress) {
    for step in steps {
        match step {
            Step::One(op, target, a) => lane.set(*target, one(*op, lane.get(*a))),
            Step::Two(op, target, a, b) => lane.set(*target, two(*op, lane.get(*a), lane.get(*b))),
            Step::Select(target, c, a, b) => lane.set(*target, select(lane.get(*c), lane.get(*a), lane.get(*b))),
            Step::Loop(inner) => run_loop(inner, lane, progress),
        }
    }
}

pub(super) fn run_loop<L: Lane>(inner: &Loop, lane: &mut L, progress: &mut Progress) {
    if progress.depth == 0 {
        progress.partial.fill(None);
        progress.steps = 0;
    }
    let (first, last) = (lane.get(inner.first), lane.get(inner.last));
    let mut all = inner.kind.start();
    let mut k = first;
    // NaN and infinite bounds fail the first test.
    if !(last - first + 1.0 <= MAX_TERMS) || first.fract() != 0.0 || last.fract() != 0.0 {
        lane.set(inner.target, f64::NAN);
        return;
    }
    if let Some(slot) = inner.resume
        && let Some((start, next, value)) = progress.partial[slot]
        && start == first
        && next <= last + 1.0
    {
        (k, all) = (next, value);
    }
    progress.depth += 1;
    while k <= last {
        progress.steps += 1;
        if progress.steps > MAX_STEPS {
            all = f64::NAN;
            break;
        }
        lane.set(inner.index, k);
        run_point(&inner.body, lane, progress);
        let term = guard(lane.get(inner.result));
        all = if inner.kind == Reduction::Sum { all + term } else { all * term };
        k += 1.0;
    }
    progress.depth -= 1;
    if let Some(slot) = inner.resume {
        progress.partial[slot] = Some((first, k, all));
    }
    lane.set(inner.target, all);
}
