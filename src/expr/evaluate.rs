//! Evaluation at a point.

use super::function::{Binary, Constant, Reduction, maximum, minimum};
use super::graph::{Graph, Id, Node};
use super::machine::{self, Checked, Domain, Fault, Range, checked_call, domain_fault, finite};
use super::span::{EvalError, EvalErrorKind};
use crate::elementary::power;

/// Plain numbers; conditions are 1 and 0.
pub(super) struct Numbers<'e> {
    pub env: &'e dyn Fn(&str) -> Option<f64>,
}

/// The value of the root with the variables of `env`.
pub(crate) fn evaluate(graph: &Graph, env: &dyn Fn(&str) -> Option<f64>) -> Result<f64, EvalError> {
    machine::run(graph, Numbers { env }).map_err(|fault| machine::explain(graph, fault))
}

/// The values of the nodes without variables.
pub(crate) fn constants(graph: &Graph) -> Vec<Option<f64>> {
    machine::run_all(graph, Numbers { env: &|_| None }).into_iter().map(Result::ok).collect()
}

/// One operation of two numbers.
pub(crate) fn binary(at: Id, op: Binary, a: f64, b: f64) -> Checked<f64> {
    let value = match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div if b == 0.0 => {
            return Err(Fault { kind: EvalErrorKind::DivisionByZero, at, value: a, certain: true });
        }
        Binary::Div => a / b,
        Binary::Pow if a == 0.0 && b < 0.0 => {
            return Err(Fault { kind: EvalErrorKind::DivisionByZero, at, value: b, certain: true });
        }
        Binary::Pow if a < 0.0 && b.fract() != 0.0 => return Err(domain_fault(at, a, true)),
        Binary::Pow => power(a, b),
        Binary::Min => minimum(a, b),
        Binary::Max => maximum(a, b),
    };
    finite(at, value)
}

impl Domain for Numbers<'_> {
    type Value = f64;

    fn number(&mut self, x: f64) -> f64 {
        x
    }

    fn constant(&mut self, constant: Constant) -> f64 {
        constant.value()
    }

    fn variable(&mut self, at: Id, name: &str) -> Checked<f64> {
        match (self.env)(name) {
            Some(x) if x.is_finite() => Ok(x),
            Some(value) => Err(Fault { kind: EvalErrorKind::NotFinite, at, value, certain: true }),
            None => Err(Fault { kind: EvalErrorKind::UnknownVariable, at, value: 0.0, certain: true }),
        }
    }

    fn truth(&mut self, truth: bool) -> f64 {
        f64::from(u8::from(truth))
    }

    fn apply(&mut self, at: Id, node: &Node, [a, b, _]: [f64; 3]) -> Checked<f64> {
        match *node {
            Node::Neg(_) => Ok(-a),
            Node::Call(function, _) => checked_call(at, function, a),
            Node::Binary(op, ..) => binary(at, op, a, b),
            Node::Compare(op, ..) => Ok(self.truth(op.holds(a, b))),
            Node::Not(_) => Ok(1.0 - a),
            _ => Ok(a),
        }
    }

    fn decided(&self, condition: f64) -> Option<bool> {
        Some(condition != 0.0)
    }

    fn either(&mut self, a: f64, _: f64) -> f64 {
        a
    }

    fn undecided(&mut self) -> f64 {
        0.0
    }

    fn range(&mut self, at: Id, first: f64, last: f64) -> Checked<Range> {
        for value in [first, last] {
            if value.fract() != 0.0 {
                return Err(Fault { kind: EvalErrorKind::Bounds, at, value, certain: true });
            }
        }
        Ok(Range { first, last, sure_first: first, sure_last: last })
    }

    fn accumulate(&mut self, at: Id, kind: Reduction, all: f64, term: f64) -> Checked<f64> {
        finite(at, if kind == Reduction::Sum { all + term } else { all * term })
    }
}
