//! Many points at once: formulas compiled to code that runs over columns.
use super::Expr;
use super::columns::{Block, LANES, Run};
use super::graph::Builder;
use super::program::{self, Known, Program};
use super::span::{EvalError, EvalErrorKind};
use super::steps::{Point, Progress, run_point};
use super::tape::{Registers, Tape};
use crate::pages::ask_for_large;

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
            ask_for_large(column.as_ptr(), column.capacity());
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
