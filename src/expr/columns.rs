//! Steps of a program over blocks of points, compiled for the widest vectors of the processor.
// The registers are boxed so that growing the list moves no column; x − x is NaN exactly where x is not finite.
#![allow(clippy::vec_box, clippy::eq_op)]

use super::function::{Binary, Function, Relation, maximum, minimum};
use super::program::{One, Program, Register, Step, Two};
use super::steps::{Lane, Progress, any, both, compare, guard, quotient, run_loop, select};
use crate::elementary as kernel;

/// Points that are evaluated together: registers that fit the nearest cache, large enough to hide the dispatch.
pub(super) const LANES: usize = 128;

struct Column<'r>(&'r mut [Box<[f64; LANES]>], usize);

impl Lane for Column<'_> {
    fn get(&self, register: Register) -> f64 {
        self.0[register as usize][self.1]
    }

    fn set(&mut self, register: Register, value: f64) {
        self.0[register as usize][self.1] = value;
    }
}

/// The registers of a block of points.
pub(super) struct Block {
    pub registers: Vec<Box<[f64; LANES]>>,
    /// Written to, then exchanged with the target.
    spare: Box<[f64; LANES]>,
    progress: Progress,
}

impl Block {
    pub fn new(program: &Program) -> Self {
        let mut registers: Vec<Box<[f64; LANES]>> = (0..program.registers).map(|_| Box::new([1.0; LANES])).collect();
        for &(register, value) in &program.constants {
            registers[register as usize].fill(value);
        }
        Block { registers, spare: Box::new([1.0; LANES]), progress: Progress::new(program) }
    }
}

/// One pass over a block, compiled for the widest vectors of the processor it runs on.
pub(super) struct Run<'r> {
    pub program: &'r Program,
    pub block: &'r mut Block,
    pub count: usize,
}

impl pulp::WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Run { program, block, count } = self;
        for step in &program.steps {
            match step {
                Step::One(op, target, a) => {
                    column_one(*op, &mut block.spare, &block.registers[*a as usize], count);
                    std::mem::swap(&mut block.spare, &mut block.registers[*target as usize]);
                }
                Step::Two(op, target, a, b) => {
                    let (a, b) = (&block.registers[*a as usize], &block.registers[*b as usize]);
                    column_two(*op, &mut block.spare, a, b, count);
                    std::mem::swap(&mut block.spare, &mut block.registers[*target as usize]);
                }
                Step::Select(target, c, a, b) => {
                    let [c, a, b] = [c, a, b].map(|r| &block.registers[*r as usize]);
                    for (((t, c), a), b) in block.spare.iter_mut().zip(c.iter()).zip(a.iter()).zip(b.iter()) {
                        *t = select(*c, *a, *b);
                    }
                    std::mem::swap(&mut block.spare, &mut block.registers[*target as usize]);
                }
                Step::Loop(inner) => {
                    for lane in 0..count {
                        run_loop(inner, &mut Column(&mut block.registers, lane), &mut block.progress);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn map(target: &mut [f64; LANES], a: &[f64; LANES], f: impl Fn(f64) -> f64) {
    for (t, a) in target.iter_mut().zip(a) {
        *t = f(*a);
    }
}

#[inline(always)]
fn zip(target: &mut [f64; LANES], a: &[f64; LANES], b: &[f64; LANES], f: impl Fn(f64, f64) -> f64) {
    for ((t, a), b) in target.iter_mut().zip(a).zip(b) {
        *t = f(*a, *b);
    }
}

/// Operations over a whole block; those that call the library stop at `count`.
#[inline(always)]
fn column_one(op: One, target: &mut [f64; LANES], a: &[f64; LANES], count: usize) {
    match op {
        One::Neg => map(target, a, |x| -x),
        One::Not => map(target, a, |x| 1.0 - x),
        One::Guard => map(target, a, guard),
        One::Square => map(target, a, |x| x * x),
        One::Cube => map(target, a, |x| x * x * x),
        One::Fourth => map(target, a, |x| (x * x) * (x * x)),
        One::Inverse => map(target, a, |x| quotient(1.0, x)),
        One::InverseSquare => map(target, a, |x| 1.0 / (x * x) + (x - x)),
        One::Third => map(target, a, kernel::third_power),
        // A closure this large would not be inlined, and so not be vectorised.
        One::Power(exponent) => {
            for (t, a) in target.iter_mut().zip(a) {
                *t = exponent.power(*a);
            }
        }
        // Rarely is a number subnormal or outside the domain: then all take the long way.
        One::Call(Function::Ln) if kernel::all_normal(a) => map(target, a, kernel::ln_normal),
        One::Call(Function::Ln) => map(target, a, kernel::ln),
        One::Call(Function::Log2) => map(target, a, kernel::log2),
        One::Call(Function::Exp) => map(target, a, kernel::exp),
        One::Call(Function::Sqrt) => map(target, a, f64::sqrt),
        One::Call(Function::Abs) => map(target, a, f64::abs),
        One::Call(Function::Floor) => map(target, a, f64::floor),
        One::Call(Function::Ceil) => map(target, a, f64::ceil),
        One::Call(function) => {
            for (t, a) in target.iter_mut().zip(a).take(count) {
                *t = function.value(*a);
            }
        }
    }
}

#[inline(always)]
fn column_two(op: Two, target: &mut [f64; LANES], a: &[f64; LANES], b: &[f64; LANES], count: usize) {
    match op {
        Two::Binary(Binary::Add) => zip(target, a, b, |x, y| x + y),
        Two::Binary(Binary::Sub) => zip(target, a, b, |x, y| x - y),
        Two::Binary(Binary::Mul) => zip(target, a, b, |x, y| x * y),
        Two::Binary(Binary::Div) => zip(target, a, b, quotient),
        Two::Binary(Binary::Min) => zip(target, a, b, minimum),
        Two::Binary(Binary::Max) => zip(target, a, b, maximum),
        Two::Compare(Relation::Less) => zip(target, a, b, |x, y| compare(Relation::Less, x, y)),
        Two::Compare(Relation::LessEqual) => zip(target, a, b, |x, y| compare(Relation::LessEqual, x, y)),
        Two::Compare(Relation::Greater) => zip(target, a, b, |x, y| compare(Relation::Greater, x, y)),
        Two::Compare(Relation::GreaterEqual) => zip(target, a, b, |x, y| compare(Relation::GreaterEqual, x, y)),
        Two::Compare(Relation::Equal) => zip(target, a, b, |x, y| compare(Relation::Equal, x, y)),
        Two::Compare(Relation::NotEqual) => zip(target, a, b, |x, y| compare(Relation::NotEqual, x, y)),
        Two::And => zip(target, a, b, both),
        Two::Or => zip(target, a, b, any),
        Two::Binary(Binary::Pow) => {
            for ((t, a), b) in target.iter_mut().zip(a).zip(b).take(count) {
                *t = kernel::power(*a, *b);
            }
        }
    }
}
