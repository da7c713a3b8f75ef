//! Evaluation over intervals: the result contains the value at every point of the box.

use super::function::{Binary, Constant, Reduction, Relation};
use super::graph::{Graph, Id, Node};
use super::interval::{Enclosed, Interval, Undefined};
use super::machine::{self, Checked, Domain, Fault, Range};
use super::span::{EvalError, EvalErrorKind};

/// Intervals; conditions are [0, 0], [1, 1] and, undecided, [0, 1].
pub(super) struct Intervals<'e> {
    pub env: &'e dyn Fn(&str) -> Option<Interval>,
}

/// An enclosure of the root over the box `env`.
pub(crate) fn enclose(graph: &Graph, env: &dyn Fn(&str) -> Option<Interval>) -> Result<Interval, EvalError> {
    machine::run(graph, Intervals { env }).map_err(|fault| machine::explain(graph, fault))
}

pub(crate) const FALSE: Interval = Interval { lo: 0.0, hi: 0.0 };
pub(crate) const TRUE: Interval = Interval { lo: 1.0, hi: 1.0 };
pub(crate) const MAYBE: Interval = Interval { lo: 0.0, hi: 1.0 };

/// Encloses the decimal number that was written, which f64 may only approximate.
pub(crate) fn literal(x: f64) -> Interval {
    // Whole numbers below 2^53 and short binary fractions are themselves.
    let exact = (x.fract() == 0.0 && x.abs() < 9.0e15) || (x.abs() < 1e9 && (x * 1024.0).fract() == 0.0);
    if exact { Interval::point(x) } else { Interval { lo: x.next_down().max(f64::MIN), hi: x.next_up().min(f64::MAX) } }
}

pub(crate) fn constant(constant: Constant) -> Interval {
    // Both are a little above their nearest f64.
    let x = constant.value();
    Interval { lo: x, hi: x.next_up() }
}

/// Attaches the place to an operation without an enclosure.
pub(crate) fn placed(at: Id, value: f64, result: Enclosed) -> Checked<Interval> {
    result.map_err(|(why, certain)| {
        let kind = match why {
            Undefined::Domain => EvalErrorKind::Domain,
            Undefined::DivisionByZero => EvalErrorKind::DivisionByZero,
            Undefined::Overflow => EvalErrorKind::Overflow,
        };
        Fault { kind, at, value, certain }
    })
}

/// A comparison of intervals.
pub(crate) fn compare(op: Relation, a: Interval, b: Interval) -> Interval {
    let (always, never) = match op {
        Relation::Less => (a.hi < b.lo, a.lo >= b.hi),
        Relation::LessEqual => (a.hi <= b.lo, a.lo > b.hi),
        Relation::Greater => (a.lo > b.hi, a.hi <= b.lo),
        Relation::GreaterEqual => (a.lo >= b.hi, a.hi < b.lo),
        Relation::Equal => (a.is_point() && a == b, a.hi < b.lo || a.lo > b.hi),
        Relation::NotEqual => (a.hi < b.lo || a.lo > b.hi, a.is_point() && a == b),
    };
    if always {
        TRUE
    } else if never {
        FALSE
    } else {
        MAYBE
    }
}

/// An operation of two intervals; `same` when both are the same node.
pub(crate) fn binary(op: Binary, same: bool, a: Interval, b: Interval) -> Enclosed {
    match op {
        Binary::Add => a.plus(b),
        Binary::Sub if same => Ok(FALSE),
        Binary::Sub => a.minus(b),
        Binary::Mul if same => a.square(),
        Binary::Mul => a.times(b),
        Binary::Div if same && !b.contains(0.0) => Ok(TRUE),
        Binary::Div => a.over(b),
        Binary::Pow => a.to_power(b),
        Binary::Min => Ok(a.least(b)),
        Binary::Max => Ok(a.greatest(b)),
    }
}

/// The whole numbers that the bounds of a sum may and must take.
pub(crate) fn range(at: Id, first: Interval, last: Interval) -> Checked<Range> {
    for bound in [first, last] {
        if bound.lo.ceil() > bound.hi {
            return Err(Fault { kind: EvalErrorKind::Bounds, at, value: bound.lo, certain: true });
        }
        // A bound that is sure to be whole has whole ends: floor, ceil and whole literals give them.
        if bound.lo.fract() != 0.0 || bound.hi.fract() != 0.0 {
            return Err(Fault { kind: EvalErrorKind::Bounds, at, value: bound.lo, certain: false });
        }
    }
    Ok(Range { first: first.lo, last: last.hi, sure_first: first.hi, sure_last: last.lo })
}

pub(crate) fn look_up(at: Id, value: Option<Interval>) -> Checked<Interval> {
    let fault = |kind, value| Err(Fault { kind, at, value, certain: true });
    match value {
        Some(x) if x.lo.is_finite() && x.hi.is_finite() && x.lo <= x.hi => Ok(x),
        Some(x) => fault(EvalErrorKind::NotFinite, x.lo),
        None => fault(EvalErrorKind::UnknownVariable, 0.0),
    }
}

impl Domain for Intervals<'_> {
    type Value = Interval;

    fn number(&mut self, x: f64) -> Interval {
        literal(x)
    }

    fn constant(&mut self, which: Constant) -> Interval {
        constant(which)
    }

    fn variable(&mut self, at: Id, name: &str) -> Checked<Interval> {
        look_up(at, (self.env)(name))
    }

    fn truth(&mut self, truth: bool) -> Interval {
        if truth { TRUE } else { FALSE }
    }

    fn apply(&mut self, at: Id, node: &Node, [a, b, _]: [Interval; 3]) -> Checked<Interval> {
        match *node {
            Node::Neg(_) => Ok(a.negate()),
            Node::Call(function, _) => placed(at, a.lo, a.call(function)),
            Node::Binary(op, x, y) => placed(at, a.lo, binary(op, x == y, a, b)),
            Node::Compare(op, ..) => Ok(compare(op, a, b)),
            Node::Not(_) => Ok(Interval { lo: 1.0 - a.hi, hi: 1.0 - a.lo }),
            _ => Ok(a),
        }
    }

    fn decided(&self, condition: Interval) -> Option<bool> {
        condition.is_point().then_some(condition.lo != 0.0)
    }

    fn either(&mut self, a: Interval, b: Interval) -> Interval {
        a.hull(b)
    }

    fn undecided(&mut self) -> Interval {
        MAYBE
    }

    fn range(&mut self, at: Id, first: Interval, last: Interval) -> Checked<Range> {
        range(at, first, last)
    }

    fn accumulate(&mut self, at: Id, kind: Reduction, all: Interval, term: Interval) -> Checked<Interval> {
        let result = if kind == Reduction::Sum { all.plus(term) } else { all.times(term) };
        placed(at, term.lo, result)
    }
}
