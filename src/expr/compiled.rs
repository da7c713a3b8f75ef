//! Many points at once: formulas compiled to code that runs over columns.
// x − x is NaN exactly where x is not finite; the negated comparisons are false for NaN on purpose; the registers are
// boxed so that growing the list moves no column.
#![allow(clippy::eq_op, clippy::neg_cmp_op_on_partial_ord, clippy::vec_box)]

use super::Expr;
use super::function::{Binary, Function, Reduction, Relation, maximum, minimum};
use super::graph::Builder;
use super::kernel;
use super::machine::{MAX_STEPS, MAX_TERMS};
use super::program::{self, Known, Loop, One, Program, Register, Step, Two};
use super::span::{EvalError, EvalErrorKind};
use super::tape::{Registers, Tape};

/// Points that are evaluated together: registers that fit the nearest cache, large enough to hide the dispatch.
const LANES: usize = 128;

/// Several formulas compiled together; common parts are computed once. Values equal those of [`Expr::evaluate`] bit
/// for bit.
#[derive(Debug, Clone)]
pub struct Compiled {
    program: Program,
    /// The program for single points, where it is short and without sums.
    tape: Option<Tape>,
    formulas: Vec<Expr>,
    variables: Vec<String>,
}

/// The values of several formulas at many points; a point outside a formula's reach has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// NaN where there is no value; never handed out.
    columns: Vec<Vec<f64>>,
    missing: Vec<usize>,
}

impl Values {
    /// The value of formula `formula` at point `row`, if it exists.
    pub fn get(&self, formula: usize, row: usize) -> Option<f64> {
        self.columns.get(formula)?.get(row).copied().filter(|x| x.is_finite())
    }

    /// All values of one formula, if every point has one.
    pub fn column(&self, formula: usize) -> Option<&[f64]> {
        let complete = self.missing.get(formula) == Some(&0);
        complete.then(|| self.columns.get(formula).map(Vec::as_slice)).flatten()
    }

    /// The values of one formula, point by point.
    pub fn iter(&self, formula: usize) -> impl Iterator<Item = Option<f64>> + '_ {
        let column = self.columns.get(formula).map_or(&[][..], Vec::as_slice);
        column.iter().map(|x| x.is_finite().then_some(*x))
    }

    /// At how many points the formula has no value.
    pub fn missing(&self, formula: usize) -> usize {
        self.missing.get(formula).copied().unwrap_or_default()
    }
}

/// A compiled set of formulas with its working memory, for one point after another.
#[derive(Debug)]
pub struct Evaluator<'c> {
    compiled: &'c Compiled,
    working: Working<'c>,
    outputs: Vec<f64>,
}

#[derive(Debug)]
enum Working<'c> {
    Short(&'c Tape, Box<Registers>),
    Long(Vec<f64>, Progress),
}

impl Compiled {
    /// Compiles formulas of the named variables, whose values will come in this order.
    ///
    /// # Errors
    /// When a formula mentions another variable.
    pub fn new(formulas: &[Expr], variables: &[&str]) -> Result<Compiled, EvalError> {
        for formula in formulas {
            if let Some(unknown) = formula.graph.names.iter().find(|name| !variables.contains(&name.as_str())) {
                return Err(EvalError {
                    kind: EvalErrorKind::UnknownVariable,
                    span: formula.span_of(unknown).unwrap_or_default().range(),
                    message: format!("`{unknown}` has no value"),
                    certain: true,
                });
            }
        }
        let mut builder = Builder::new();
        let roots: Vec<u32> = formulas
            .iter()
            .map(|formula| builder.import(&formula.graph, None, |_, _| None).last().copied().unwrap_or_default())
            .collect();
        let (graph, roots) = builder.finish_all(&roots);
        let position = |name: &str| variables.iter().position(|v| *v == name);
        let known = Known::new(&graph);
        let tape = Tape::new(&graph, &roots, &known, position);
        let program = program::compile(&graph, &roots, known, position);
        let variables = variables.iter().map(|v| v.to_string()).collect();
        Ok(Compiled { program, tape, formulas: formulas.to_vec(), variables })
    }

    /// Working memory for evaluations at single points.
    pub fn evaluator(&self) -> Evaluator<'_> {
        let working = match &self.tape {
            Some(tape) => Working::Short(tape, tape.start.clone()),
            None => {
                let mut registers = vec![0.0; self.program.registers];
                for &(register, value) in &self.program.constants {
                    registers[register as usize] = value;
                }
                Working::Long(registers, Progress::new(&self.program))
            }
        };
        Evaluator { compiled: self, working, outputs: vec![0.0; self.program.outputs.len()] }
    }

    /// The values at one point.
    ///
    /// # Errors
    /// When the number of values is wrong, one is not finite, or a formula has no value there.
    pub fn eval_one(&self, values: &[f64]) -> Result<Vec<f64>, EvalError> {
        let mut evaluator = self.evaluator();
        evaluator.eval(values)?;
        Ok(evaluator.outputs)
    }

    /// The values at many points: `columns` holds the values of each variable.
    ///
    /// A formula that has no value at a point is no error here: the point is marked, and [`Compiled::eval_one`] tells
    /// the reason.
    ///
    /// # Errors
    /// When there is not one column for each variable, or their lengths differ.
    pub fn eval_many(&self, columns: &[&[f64]]) -> Result<Values, EvalError> {
        let mut values = Values::default();
        self.eval_many_into(columns, &mut values)?;
        Ok(values)
    }

    /// [`Compiled::eval_many`] into the memory of earlier values: fresh pages for a million points cost as much as
    /// their arithmetic.
    ///
    /// # Errors
    /// As for [`Compiled::eval_many`]; `values` stays as it was.
    pub fn eval_many_into(&self, columns: &[&[f64]], values: &mut Values) -> Result<(), EvalError> {
        let rows = columns.first().map_or(1, |column| column.len());
        if columns.len() != self.variables.len() || columns.iter().any(|column| column.len() != rows) {
            return Err(self.shape_error(columns.len()));
        }
        let outputs = self.program.outputs.len();
        values.columns.resize_with(outputs, Vec::new);
        for column in &mut values.columns {
            column.clear();
            column.reserve(rows);
        }
        values.missing.clear();
        values.missing.resize(outputs, 0);
        let mut block = Block::new(&self.program);
        let arch = pulp::Arch::new();
        let mut start = 0;
        while start < rows {
            let count = LANES.min(rows - start);
            for &(position, register) in &self.program.inputs {
                block.registers[register as usize][..count].copy_from_slice(&columns[position][start..start + count]);
            }
            arch.dispatch(Run { program: &self.program, block: &mut block, count });
            for (output, &register) in self.program.outputs.iter().enumerate() {
                let lanes = &block.registers[register as usize][..count];
                values.columns[output].extend_from_slice(lanes);
                values.missing[output] += lanes.iter().map(|x| usize::from(!x.is_finite())).sum::<usize>();
            }
            start += count;
        }
        Ok(())
    }

    fn shape_error(&self, given: usize) -> EvalError {
        EvalError {
            kind: EvalErrorKind::UnknownVariable,
            span: 0..0,
            message: format!("{} variables need one value each, of equal number; {given} given", self.variables.len()),
            certain: true,
        }
    }

    /// Why a formula has no value at a point.
    fn reason(&self, formula: usize, values: &[f64]) -> Result<f64, EvalError> {
        let env = |name: &str| {
            let position = self.variables.iter().position(|v| v == name)?;
            values.get(position).copied()
        };
        self.formulas[formula].evaluate(&env)
    }
}

impl Evaluator<'_> {
    /// The values of all formulas at one point.
    ///
    /// # Errors
    /// As for [`Compiled::eval_one`].
    pub fn eval(&mut self, values: &[f64]) -> Result<&[f64], EvalError> {
        let compiled = self.compiled;
        if values.len() != compiled.variables.len() {
            return Err(compiled.shape_error(values.len()));
        }
        match &mut self.working {
            Working::Short(tape, registers) => {
                for &(position, register) in &tape.inputs {
                    registers[usize::from(register)] = values[position];
                }
                tape.run(registers);
                for (output, &register) in self.outputs.iter_mut().zip(&tape.outputs) {
                    *output = registers[usize::from(register)];
                }
            }
            Working::Long(registers, progress) => {
                let program = &compiled.program;
                for &(position, register) in &program.inputs {
                    registers[register as usize] = values[position];
                }
                run_point(&program.steps, &mut Point(registers), progress);
                for (output, &register) in self.outputs.iter_mut().zip(&program.outputs) {
                    *output = registers[register as usize];
                }
            }
        }
        for (formula, output) in self.outputs.iter_mut().enumerate() {
            if !output.is_finite() {
                *output = compiled.reason(formula, values)?;
            }
        }
        Ok(&self.outputs)
    }
}

/// Progress of sums that go on where they stopped, and the count of terms at this point.
#[derive(Debug)]
struct Progress {
    partial: Vec<Option<(f64, f64, f64)>>,
    steps: u64,
    depth: u32,
}

impl Progress {
    fn new(program: &Program) -> Self {
        Progress { partial: vec![None; program.resumable], steps: 0, depth: 0 }
    }
}

/// One value of each register.
trait Lane {
    fn get(&self, register: Register) -> f64;
    fn set(&mut self, register: Register, value: f64);
}

struct Point<'r>(&'r mut [f64]);

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

struct Column<'r>(&'r mut [Box<[f64; LANES]>], usize);

impl Lane for Column<'_> {
    fn get(&self, register: Register) -> f64 {
        self.0[register as usize][self.1]
    }

    fn set(&mut self, register: Register, value: f64) {
        self.0[register as usize][self.1] = value;
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
fn run_point<L: Lane>(steps: &[Step], lane: &mut L, progress: &mut Progress) {
    for step in steps {
        match step {
            Step::One(op, target, a) => lane.set(*target, one(*op, lane.get(*a))),
            Step::Two(op, target, a, b) => lane.set(*target, two(*op, lane.get(*a), lane.get(*b))),
            Step::Select(target, c, a, b) => lane.set(*target, select(lane.get(*c), lane.get(*a), lane.get(*b))),
            Step::Loop(inner) => run_loop(inner, lane, progress),
        }
    }
}

fn run_loop<L: Lane>(inner: &Loop, lane: &mut L, progress: &mut Progress) {
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

/// The registers of a block of points.
struct Block {
    registers: Vec<Box<[f64; LANES]>>,
    /// Written to, then exchanged with the target.
    spare: Box<[f64; LANES]>,
    progress: Progress,
}

impl Block {
    fn new(program: &Program) -> Self {
        let mut registers: Vec<Box<[f64; LANES]>> = (0..program.registers).map(|_| Box::new([1.0; LANES])).collect();
        for &(register, value) in &program.constants {
            registers[register as usize].fill(value);
        }
        Block { registers, spare: Box::new([1.0; LANES]), progress: Progress::new(program) }
    }
}

/// One pass over a block, compiled for the widest vectors of the processor it runs on.
struct Run<'r> {
    program: &'r Program,
    block: &'r mut Block,
    count: usize,
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
