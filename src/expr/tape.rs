//! Code for one point after another: a flat list of fused steps over 256 registers.
//!
//! Finding the next operation costs as much as a multiplication, and products and sums are most of a cost formula.
//! So they are all one step, a·b + c·d, which one predictable branch finds: a·b is a·b + (−0)·1 and a + c is
//! a·1 + c·1, both exactly. Registers are bytes and are never checked. A step that uses the result of the one before
//! takes it from the processor's register: through memory it would wait for the store. Formulas with sums over an
//! index, or with too many nodes, are run by `steps.rs` instead.

// x − x is NaN exactly where x is not finite.
#![allow(clippy::eq_op)]

use super::function::{Binary, Function, Relation, maximum, minimum};
use super::graph::{Graph, Id, Node};
use super::program::Known;
use super::steps::{any, both, compare, guard, quotient, select};
use crate::elementary::{self as kernel, Exponent};

/// The registers of a point.
pub(super) type Registers = [f64; 256];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// a·b + c·d.
    Bilinear,
    /// Its logarithm.
    LnBilinear,
    /// a·b + c·d with the result of the step before for `a`.
    NextBilinear,
    /// Its logarithm.
    LnNextBilinear,
    /// a·b + c·d with it for `a` and `b`.
    NextSquare,
    /// a·c / b; NaN when b is infinite.
    Quotient,
    /// Its logarithm.
    LnQuotient,
    /// The same with the result of the step before for `a`.
    NextQuotient,
    /// Its logarithm.
    LnNextQuotient,
    /// The same with it for `b`.
    NextDivisor,
    Other(Rare),
    /// An operation of the result of the step before.
    Next(Rare),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rare {
    Not,
    Cube,
    Fourth,
    /// Short powers that would lose an infinity.
    Inverse,
    InverseSquare,
    Third,
    Ln,
    Log2,
    Exp,
    Sqrt,
    Abs,
    Floor,
    Ceil,
    /// `d` is the place in `exponents`.
    Power,
    /// `d` is the place in [`Function::ALL`].
    Call,
    /// A function that would lose an infinity.
    CallFinite,
    Pow,
    Min,
    Max,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
    /// `a` if `c`, else `b`.
    Select,
}

#[derive(Debug, Clone, Copy)]
struct Tick {
    op: Op,
    target: u8,
    a: u8,
    b: u8,
    c: u8,
    d: u8,
}

/// Formulas without sums, for single points.
#[derive(Debug, Clone)]
pub(super) struct Tape {
    ticks: Vec<Tick>,
    exponents: Vec<Exponent>,
    /// What the registers hold before the first point.
    pub start: Box<Registers>,
    /// Position of a value among the inputs, and its register.
    pub inputs: Vec<(usize, u8)>,
    pub outputs: Vec<u8>,
}

const ONE: u8 = 0;
const MINUS_ONE: u8 = 1;
const MINUS_ZERO: u8 = 2;

/// Places for a register each.
struct Builder<'g> {
    graph: &'g Graph,
    known: &'g Known,
    register: Vec<Option<u8>>,
    /// Products that are part of the step that uses them.
    absorbed: Vec<bool>,
    tape: Tape,
    next: usize,
}

impl Tape {
    /// Code for the roots, if it fits.
    pub fn new(graph: &Graph, roots: &[Id], known: &Known, variable: impl Fn(&str) -> Option<usize>) -> Option<Tape> {
        let mut start = Box::new([0.0; 256]);
        start[..3].copy_from_slice(&[1.0, -1.0, -0.0]);
        let tape = Tape { ticks: Vec::new(), exponents: Vec::new(), start, inputs: Vec::new(), outputs: Vec::new() };
        let mut builder = Builder {
            graph,
            known,
            register: vec![None; graph.nodes.len()],
            absorbed: absorbed(graph, roots, &known.fixed),
            tape,
            next: 3,
        };
        for (at, node) in graph.nodes.iter().enumerate() {
            let id = at as Id;
            if known.fixed[at] || builder.absorbed[at] {
                continue;
            }
            if let Node::Variable(name) = node {
                if let Some(position) = variable(&graph.names[*name as usize]) {
                    let register = builder.fresh()?;
                    builder.register[at] = Some(register);
                    builder.tape.inputs.push((position, register));
                }
                continue;
            }
            let tick = builder.tick(id)?;
            builder.register[at] = Some(tick.target);
            builder.tape.ticks.push(tick);
        }
        for root in roots {
            let register = builder.operand(*root)?;
            builder.tape.outputs.push(register);
        }
        chain(&mut builder.tape.ticks);
        builder.tape.join_logarithms();
        Some(builder.tape)
    }

    /// Runs every step.
    pub fn run(&self, registers: &mut Registers) {
        let mut last = 0.0;
        for &Tick { op, target, a, b, c, d } in &self.ticks {
            let r = |register: u8| registers[usize::from(register)];
            last = match op {
                Op::Bilinear => r(a) * r(b) + r(c) * r(d),
                Op::LnBilinear => kernel::ln_alone(r(a) * r(b) + r(c) * r(d)),
                Op::NextBilinear => last * r(b) + r(c) * r(d),
                Op::LnNextBilinear => kernel::ln_alone(last * r(b) + r(c) * r(d)),
                Op::NextSquare => last * last + r(c) * r(d),
                Op::Quotient => quotient(r(a) * r(c), r(b)),
                Op::LnQuotient => kernel::ln_alone(quotient(r(a) * r(c), r(b))),
                Op::NextQuotient => quotient(last * r(c), r(b)),
                Op::LnNextQuotient => kernel::ln_alone(quotient(last * r(c), r(b))),
                Op::NextDivisor => quotient(r(a) * r(c), last),
                Op::Other(rare) => self.rare(rare, [r(a), r(b), r(c)], d),
                Op::Next(rare) => self.rare(rare, [last, r(b), r(c)], d),
            };
            registers[usize::from(target)] = last;
        }
    }

    /// Logarithms of sums, products and quotients that nothing else uses become one step with them.
    fn join_logarithms(&mut self) {
        let mut uses = [0_u32; 256];
        for &Tick { a, b, c, d, op, .. } in &self.ticks {
            // Not every step reads all four; one use too many only leaves two steps apart.
            let read =
                if matches!(op, Op::Other(Rare::Ln) | Op::Next(Rare::Ln)) { &[a][..] } else { &[a, b, c, d][..] };
            read.iter().for_each(|register| uses[usize::from(*register)] += 1);
        }
        self.outputs.iter().for_each(|register| uses[usize::from(*register)] += 1);
        let mut joined: Vec<Tick> = Vec::with_capacity(self.ticks.len());
        for &tick in &self.ticks {
            let before = joined.last_mut().filter(|_| tick.op == Op::Next(Rare::Ln) && uses[usize::from(tick.a)] == 1);
            let whole = match before.as_ref().map(|tick| tick.op) {
                Some(Op::Bilinear) => Op::LnBilinear,
                Some(Op::NextBilinear) => Op::LnNextBilinear,
                Some(Op::Quotient) => Op::LnQuotient,
                Some(Op::NextQuotient) => Op::LnNextQuotient,
                _ => {
                    joined.push(tick);
                    continue;
                }
            };
            if let Some(before) = before {
                (before.op, before.target) = (whole, tick.target);
            }
        }
        self.ticks = joined;
    }

    #[inline(always)]
    fn rare(&self, op: Rare, [x, y, z]: [f64; 3], d: u8) -> f64 {
        match op {
            Rare::Not => 1.0 - x,
            Rare::Cube => x * x * x,
            Rare::Fourth => (x * x) * (x * x),
            Rare::Inverse => quotient(1.0, x),
            Rare::InverseSquare => 1.0 / (x * x) + (x - x),
            Rare::Third => kernel::third_power(x),
            Rare::Ln => kernel::ln_alone(x),
            Rare::Log2 => kernel::log2(x),
            Rare::Exp => kernel::exp(guard(x)),
            Rare::Sqrt => x.sqrt(),
            Rare::Abs => x.abs(),
            Rare::Floor => x.floor(),
            Rare::Ceil => x.ceil(),
            Rare::Power => self.exponents[usize::from(d)].power(x),
            Rare::Call => Function::ALL[usize::from(d)].value(x),
            Rare::CallFinite => Function::ALL[usize::from(d)].value(guard(x)),
            Rare::Pow => kernel::power(guard(x), guard(y)),
            Rare::Min => minimum(guard(x), guard(y)),
            Rare::Max => maximum(guard(x), guard(y)),
            Rare::Less => compare(Relation::Less, x, y),
            Rare::LessEqual => compare(Relation::LessEqual, x, y),
            Rare::Greater => compare(Relation::Greater, x, y),
            Rare::GreaterEqual => compare(Relation::GreaterEqual, x, y),
            Rare::Equal => compare(Relation::Equal, x, y),
            Rare::NotEqual => compare(Relation::NotEqual, x, y),
            Rare::And => both(x, y),
            Rare::Or => any(x, y),
            Rare::Select => select(z, x, y),
        }
    }
}

/// Puts the result of the step before where the next step takes it without reading memory.
fn chain(ticks: &mut [Tick]) {
    for at in 1..ticks.len() {
        let last = ticks[at - 1].target;
        let Tick { op, a, b, c, d, .. } = &mut ticks[at];
        match op {
            Op::Bilinear => {
                // Products and sums of two numbers may be exchanged, bit for bit.
                if *c == last || *d == last {
                    std::mem::swap(a, c);
                    std::mem::swap(b, d);
                }
                if *b == last {
                    std::mem::swap(a, b);
                }
                *op = match (*a == last, *b == last) {
                    (true, true) => Op::NextSquare,
                    (true, false) => Op::NextBilinear,
                    _ => Op::Bilinear,
                };
            }
            Op::Quotient => {
                if *c == last {
                    std::mem::swap(a, c);
                }
                *op = match (*a == last, *b == last) {
                    (true, false) => Op::NextQuotient,
                    (false, true) => Op::NextDivisor,
                    _ => Op::Quotient,
                };
            }
            Op::Other(rare) if *a == last => *op = Op::Next(*rare),
            _ => {}
        }
    }
}

/// Products used once, by a sum, a difference or as a numerator: they become part of that step.
fn absorbed(graph: &Graph, roots: &[Id], fixed: &[bool]) -> Vec<bool> {
    let mut uses = vec![0_u32; graph.nodes.len()];
    for node in &graph.nodes {
        let (children, count) = node.children();
        for child in &children[..count] {
            uses[*child as usize] += 1;
        }
    }
    for root in roots {
        uses[*root as usize] += 1;
    }
    let mut absorbed = vec![false; graph.nodes.len()];
    let square = |id: Id| graph.nodes[id as usize].number() == Some(2.0);
    let product = |id: Id| {
        let is = match graph.nodes[id as usize] {
            Node::Binary(Binary::Mul, ..) => true,
            Node::Binary(Binary::Pow, _, exponent) => square(exponent),
            _ => false,
        };
        is && uses[id as usize] == 1 && !fixed[id as usize]
    };
    for (at, node) in graph.nodes.iter().enumerate() {
        if fixed[at] {
            continue;
        }
        match *node {
            Node::Binary(Binary::Add, a, b) => {
                absorbed[a as usize] |= product(a);
                absorbed[b as usize] |= product(b);
            }
            Node::Binary(Binary::Sub, a, b) => {
                absorbed[a as usize] |= product(a);
                // The sign goes into a factor that is known.
                let Node::Binary(Binary::Mul, x, y) = graph.nodes[b as usize] else { continue };
                absorbed[b as usize] |= product(b) && (fixed[x as usize] || fixed[y as usize]);
            }
            Node::Binary(Binary::Div, a, _) => absorbed[a as usize] |= product(a),
            _ => {}
        }
    }
    absorbed
}

impl Builder<'_> {
    fn fresh(&mut self) -> Option<u8> {
        let register = u8::try_from(self.next).ok()?;
        self.next += 1;
        Some(register)
    }

    fn constant(&mut self, value: f64) -> Option<u8> {
        let register = self.fresh()?;
        self.tape.start[usize::from(register)] = value;
        Some(register)
    }

    fn operand(&mut self, id: Id) -> Option<u8> {
        let at = id as usize;
        if self.register[at].is_none() && self.known.fixed[at] {
            self.register[at] = Some(self.constant(self.known.values[at].unwrap_or(f64::NAN))?);
        }
        self.register[at]
    }

    /// The two factors of an absorbed product, or the value and one.
    fn factors(&mut self, id: Id) -> Option<[u8; 2]> {
        match self.graph.nodes[id as usize] {
            Node::Binary(Binary::Pow, a, _) if self.absorbed[id as usize] => Some([self.operand(a)?; 2]),
            Node::Binary(_, a, b) if self.absorbed[id as usize] => Some([self.operand(a)?, self.operand(b)?]),
            _ => Some([self.operand(id)?, ONE]),
        }
    }

    /// The factors of the negative.
    fn negative(&mut self, id: Id) -> Option<[u8; 2]> {
        let Node::Binary(_, a, b) = self.graph.nodes[id as usize] else { return Some([self.operand(id)?, MINUS_ONE]) };
        if !self.absorbed[id as usize] {
            return Some([self.operand(id)?, MINUS_ONE]);
        }
        let (known, other) = if self.known.fixed[a as usize] { (a, b) } else { (b, a) };
        let value = self.known.values[known as usize].unwrap_or(f64::NAN);
        Some([self.constant(-value)?, self.operand(other)?])
    }

    /// The step that computes a node.
    fn tick(&mut self, id: Id) -> Option<Tick> {
        let number = |id: Id| self.known.fixed[id as usize].then(|| self.known.values[id as usize]).flatten();
        let (op, [a, b, c, d]) = match self.graph.nodes[id as usize] {
            Node::Neg(a) => (Op::Bilinear, [self.operand(a)?, MINUS_ONE, MINUS_ZERO, ONE]),
            Node::Binary(Binary::Mul, a, b) => (Op::Bilinear, [self.operand(a)?, self.operand(b)?, MINUS_ZERO, ONE]),
            Node::Binary(Binary::Add, a, b) => {
                let ([a, b], [c, d]) = (self.factors(a)?, self.factors(b)?);
                (Op::Bilinear, [a, b, c, d])
            }
            Node::Binary(Binary::Sub, a, b) => {
                let ([a, b], [c, d]) = (self.factors(a)?, self.negative(b)?);
                (Op::Bilinear, [a, b, c, d])
            }
            Node::Binary(Binary::Div, a, b) => {
                let [a, c] = self.factors(a)?;
                (Op::Quotient, [a, self.operand(b)?, c, 0])
            }
            Node::Binary(Binary::Pow, a, b) => {
                let exponent = number(b);
                let base = self.operand(a)?;
                let one = |op: Rare| (Op::Other(op), [base, base, 0, 0]);
                match exponent {
                    Some(2.0) => (Op::Bilinear, [base, base, MINUS_ZERO, ONE]),
                    Some(3.0) => one(Rare::Cube),
                    Some(4.0) => one(Rare::Fourth),
                    Some(0.5) => one(Rare::Sqrt),
                    Some(-1.0) => one(Rare::Inverse),
                    Some(-2.0) => one(Rare::InverseSquare),
                    Some(kernel::THIRD) => one(Rare::Third),
                    Some(y) if y != 1.0 => {
                        self.tape.exponents.push(Exponent::new(y));
                        let place = u8::try_from(self.tape.exponents.len() - 1).ok()?;
                        (Op::Other(Rare::Power), [base, base, 0, place])
                    }
                    _ => (Op::Other(Rare::Pow), [base, self.operand(b)?, 0, 0]),
                }
            }
            Node::Binary(Binary::Min, a, b) => (Op::Other(Rare::Min), [self.operand(a)?, self.operand(b)?, 0, 0]),
            Node::Binary(Binary::Max, a, b) => (Op::Other(Rare::Max), [self.operand(a)?, self.operand(b)?, 0, 0]),
            Node::Call(function, a) => {
                let (op, place) = call(function)?;
                let a = self.operand(a)?;
                (Op::Other(op), [a, a, 0, place])
            }
            Node::Compare(relation, a, b) => {
                let op = match relation {
                    Relation::Less => Rare::Less,
                    Relation::LessEqual => Rare::LessEqual,
                    Relation::Greater => Rare::Greater,
                    Relation::GreaterEqual => Rare::GreaterEqual,
                    Relation::Equal => Rare::Equal,
                    Relation::NotEqual => Rare::NotEqual,
                };
                (Op::Other(op), [self.operand(a)?, self.operand(b)?, 0, 0])
            }
            Node::Not(a) => (Op::Other(Rare::Not), [self.operand(a)?, 0, 0, 0]),
            Node::And(a, b) => (Op::Other(Rare::And), [self.operand(a)?, self.operand(b)?, 0, 0]),
            Node::Or(a, b) => (Op::Other(Rare::Or), [self.operand(a)?, self.operand(b)?, 0, 0]),
            Node::If(c, a, b) => (Op::Other(Rare::Select), [self.operand(a)?, self.operand(b)?, self.operand(c)?, 0]),
            Node::Reduce(..)
            | Node::Index(_)
            | Node::Number(_)
            | Node::Constant(_)
            | Node::Variable(_)
            | Node::Truth(_) => return None,
        };
        Some(Tick { op, target: self.fresh()?, a, b, c, d })
    }
}

/// The operation of a function, and its place in the table where it has no operation of its own.
fn call(function: Function) -> Option<(Rare, u8)> {
    let place = Function::ALL.iter().position(|f| *f == function)?;
    let op = match function {
        Function::Ln => Rare::Ln,
        Function::Log2 => Rare::Log2,
        Function::Exp => Rare::Exp,
        Function::Sqrt => Rare::Sqrt,
        Function::Abs => Rare::Abs,
        Function::Floor => Rare::Floor,
        Function::Ceil => Rare::Ceil,
        Function::Expm1 | Function::Atan | Function::Tanh => Rare::CallFinite,
        _ => Rare::Call,
    };
    Some((op, u8::try_from(place).ok()?))
}
