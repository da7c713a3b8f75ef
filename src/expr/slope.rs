//! Values and derivatives over intervals, for interval Newton: the derivative's interval contains every slope of
//! the formula on the box, so by the mean value theorem a sign proves monotony.

use super::enclose::{self, FALSE, MAYBE, TRUE};
use super::function::{Binary, Constant, Function, Reduction};
use super::graph::{Graph, Id, Node};
use super::interval::{Enclosed, Interval};
use super::machine::{self, Checked, Domain, Range};
use super::span::EvalError;

/// An enclosure of a formula and of its slope along one variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Contains every value on the box.
    pub value: Interval,
    /// Contains every difference quotient along the variable inside the box; `None` where a jump (`ceil`, `if`) or
    /// an unbounded derivative cannot be excluded.
    pub derivative: Option<Interval>,
}

pub(super) struct Slopes<'e> {
    pub env: &'e dyn Fn(&str) -> Option<Interval>,
    pub variable: &'e str,
}

/// Value and derivative of the root over the box `env`.
pub(crate) fn slope(graph: &Graph, env: &dyn Fn(&str) -> Option<Interval>, variable: &str) -> Result<Slope, EvalError> {
    machine::run(graph, Slopes { env, variable }).map_err(|fault| machine::explain(graph, fault))
}

pub(super) fn flat(value: Interval) -> Slope {
    Slope { value, derivative: Some(FALSE) }
}

fn times(a: Option<Interval>, b: Option<Interval>) -> Option<Interval> {
    // A zero slope stays zero whatever bounds the other factor.
    match (a, b) {
        (Some(x), _) | (_, Some(x)) if x == FALSE => Some(FALSE),
        (Some(a), Some(b)) => a.times(b).ok(),
        _ => None,
    }
}

fn plus(a: Option<Interval>, b: Option<Interval>) -> Option<Interval> {
    a?.plus(b?).ok()
}

/// The derivative of a function over an interval, given its enclosure `f` there.
fn outer(function: Function, x: Interval, f: Interval) -> Option<Interval> {
    let ok = |result: Enclosed| result.ok();
    let one = TRUE;
    let square = ok(x.square());
    let inverse = |bottom: Interval| ok(one.over(bottom));
    match function {
        Function::Ln => inverse(x),
        Function::Log2 | Function::Log10 => {
            let base = Interval::point(if function == Function::Log2 { 2.0 } else { 10.0 });
            inverse(ok(x.times(ok(base.call(Function::Ln))?))?)
        }
        Function::Ln1p => inverse(ok(x.plus(one))?),
        Function::Exp => Some(f),
        Function::Expm1 => ok(x.call(Function::Exp)),
        Function::Sqrt => inverse(ok(f.times(Interval::point(2.0)))?),
        Function::Cbrt => inverse(ok(ok(f.square())?.times(Interval::point(3.0)))?),
        Function::Sin => ok(x.call(Function::Cos)),
        Function::Cos => Some(ok(x.call(Function::Sin))?.negate()),
        Function::Tan => ok(ok(f.square())?.plus(one)),
        Function::Asin => inverse(ok(ok(one.minus(square?))?.call(Function::Sqrt))?),
        Function::Acos => Some(inverse(ok(ok(one.minus(square?))?.call(Function::Sqrt))?)?.negate()),
        Function::Atan => inverse(ok(one.plus(square?))?),
        Function::Sinh => ok(x.call(Function::Cosh)),
        Function::Cosh => ok(x.call(Function::Sinh)),
        Function::Tanh => ok(one.minus(ok(f.square())?)),
        Function::Asinh => inverse(ok(ok(square?.plus(one))?.call(Function::Sqrt))?),
        Function::Acosh => inverse(ok(ok(square?.minus(one))?.call(Function::Sqrt))?),
        Function::Atanh => inverse(ok(one.minus(square?))?),
        Function::Abs => Some(if x.lo >= 0.0 {
            one
        } else if x.hi <= 0.0 {
            one.negate()
        } else {
            Interval { lo: -1.0, hi: 1.0 }
        }),
        // Constant only where no jump lies inside.
        Function::Floor | Function::Ceil => f.is_point().then_some(FALSE),
    }
}

impl Slopes<'_> {
    fn binary(&self, op: Binary, same: bool, a: Slope, b: Slope, value: Interval) -> Option<Interval> {
        let (x, y) = (a.value, b.value);
        match op {
            Binary::Add => plus(a.derivative, b.derivative),
            Binary::Sub if same => Some(FALSE),
            Binary::Sub => plus(a.derivative, b.derivative.map(Interval::negate)),
            Binary::Mul if same => times(Some(x.times(Interval::point(2.0)).ok()?), a.derivative),
            Binary::Mul => plus(times(a.derivative, Some(y)), times(Some(x), b.derivative)),
            Binary::Div if same => Some(FALSE),
            Binary::Div if b.derivative == Some(FALSE) => a.derivative?.over(y).ok(),
            Binary::Div => {
                // (a' - (a/b) b') / b
                let pulled = times(Some(value), b.derivative)?;
                a.derivative?.minus(pulled).ok()?.over(y).ok()
            }
            Binary::Pow if b.derivative == Some(FALSE) => {
                if a.derivative == Some(FALSE) {
                    return Some(FALSE);
                }
                let less = y.minus(TRUE).ok()?;
                let outer = y.times(x.to_power(less).ok()?).ok()?;
                times(Some(outer), a.derivative)
            }
            Binary::Pow => {
                let log = x.call(Function::Ln).ok()?;
                let left = times(b.derivative, Some(log));
                let right = times(Some(y.over(x).ok()?), a.derivative);
                times(Some(value), plus(left, right))
            }
            Binary::Min | Binary::Max => {
                let first = if op == Binary::Min { x.hi <= y.lo } else { x.lo >= y.hi };
                let second = if op == Binary::Min { y.hi <= x.lo } else { y.lo >= x.hi };
                if first {
                    a.derivative
                } else if second {
                    b.derivative
                } else {
                    // Lipschitz through the kink: slopes lie between those of the branches.
                    Some(a.derivative?.hull(b.derivative?))
                }
            }
        }
    }
}

impl Domain for Slopes<'_> {
    type Value = Slope;

    fn number(&mut self, x: f64) -> Slope {
        flat(enclose::literal(x))
    }

    fn constant(&mut self, constant: Constant) -> Slope {
        flat(enclose::constant(constant))
    }

    fn variable(&mut self, at: Id, name: &str) -> Checked<Slope> {
        let value = enclose::look_up(at, (self.env)(name))?;
        Ok(Slope { value, derivative: Some(if name == self.variable { TRUE } else { FALSE }) })
    }

    fn truth(&mut self, truth: bool) -> Slope {
        flat(if truth { TRUE } else { FALSE })
    }

    fn apply(&mut self, at: Id, node: &Node, [a, b, _]: [Slope; 3]) -> Checked<Slope> {
        match *node {
            Node::Neg(_) => Ok(Slope { value: a.value.negate(), derivative: a.derivative.map(Interval::negate) }),
            Node::Call(function, _) => {
                let value = enclose::placed(at, a.value.lo, a.value.call(function))?;
                let derivative = match a.derivative {
                    Some(inner) if inner == FALSE => Some(FALSE),
                    inner => times(outer(function, a.value, value), inner),
                };
                // Rounding the argument may still leave one whole number.
                let derivative = match function {
                    Function::Floor | Function::Ceil if value.is_point() => Some(FALSE),
                    _ => derivative,
                };
                Ok(Slope { value, derivative })
            }
            Node::Binary(op, x, y) => {
                let value = enclose::placed(at, a.value.lo, enclose::binary(op, x == y, a.value, b.value))?;
                Ok(Slope { value, derivative: self.binary(op, x == y, a, b, value) })
            }
            Node::Compare(op, ..) => Ok(flat(enclose::compare(op, a.value, b.value))),
            Node::Not(_) => Ok(flat(Interval { lo: 1.0 - a.value.hi, hi: 1.0 - a.value.lo })),
            _ => Ok(a),
        }
    }

    fn decided(&self, condition: Slope) -> Option<bool> {
        condition.value.is_point().then_some(condition.value.lo != 0.0)
    }

    fn either(&mut self, a: Slope, b: Slope) -> Slope {
        // Between the branches there may be a jump.
        Slope { value: a.value.hull(b.value), derivative: None }
    }

    fn undecided(&mut self) -> Slope {
        flat(MAYBE)
    }

    fn range(&mut self, at: Id, first: Slope, last: Slope) -> Checked<Range> {
        enclose::range(at, first.value, last.value)
    }

    fn accumulate(&mut self, at: Id, kind: Reduction, all: Slope, term: Slope) -> Checked<Slope> {
        match kind {
            Reduction::Sum => {
                let value = enclose::placed(at, term.value.lo, all.value.plus(term.value))?;
                Ok(Slope { value, derivative: plus(all.derivative, term.derivative) })
            }
            Reduction::Product => {
                let value = enclose::placed(at, term.value.lo, all.value.times(term.value))?;
                let (left, right) = (times(all.derivative, Some(term.value)), times(Some(all.value), term.derivative));
                Ok(Slope { value, derivative: plus(left, right) })
            }
        }
    }
}
