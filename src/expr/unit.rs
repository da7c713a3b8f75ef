//! Units of quantities, checked through formulas.
//!
//! The base units are a closed set. The four kinds of queries are different units: block-encoding calls, calls of
//! the sparse oracles, walk steps and simulated time are never added or compared without a stated conversion, that
//! is, a variable in a unit such as `gate/be_query`.
//!
//! Literals and constants are pure numbers, so a formula of counts, such as `2/3*n^3`, is a pure number too. It may
//! be declared to count one of the operations (`flop`); a quantity that is not a count (`second`, `joule`,
//! `sim_time`) must get its unit from the variables.

use super::function::{Binary, Function, Reduction};
use super::graph::{Graph, Node};
use super::rational::Rational;
use super::span::{ParseError, Span};
use super::{Condition, Expr};
use std::fmt;

/// Names of the base units, the order of a unit's exponents, and whether each counts something.
const BASE: [(&str, bool); 13] = [
    ("be_query", true),
    ("sparse_query", true),
    ("walk_step", true),
    ("sim_time", false),
    ("flop", true),
    ("gate", true),
    ("t_gate", true),
    ("cycle", true),
    ("second", false),
    ("joule", false),
    ("qubit", true),
    ("iteration", true),
    ("byte", true),
];

/// The base units that are kinds of queries.
const QUERIES: std::ops::Range<usize> = 0..4;

/// Other spellings that are understood.
const ALIASES: &[(&str, &str)] = &[
    ("query", "be_query"),
    ("queries", "be_query"),
    ("be_queries", "be_query"),
    ("sparse_queries", "sparse_query"),
    ("walk_steps", "walk_step"),
    ("flops", "flop"),
    ("gates", "gate"),
    ("t_gates", "t_gate"),
    ("cycles", "cycle"),
    ("seconds", "second"),
    ("s", "second"),
    ("joules", "joule"),
    ("qubits", "qubit"),
    ("physical_qubits", "qubit"),
    ("iterations", "iteration"),
    ("bytes", "byte"),
];

/// A product of rational powers of base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit {
    exponents: [(i64, i64); 13],
}

impl Unit {
    /// The unit of a pure number.
    pub const ONE: Unit = Unit { exponents: [(0, 1); 13] };

    /// The base unit of this name, or of one of its other spellings (`flops`, `queries` for `be_query`, …).
    pub fn base(name: &str) -> Option<Unit> {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, base)| base);
        let position = BASE.iter().position(|(base, _)| *base == name)?;
        let mut unit = Unit::ONE;
        unit.exponents[position] = (1, 1);
        Some(unit)
    }

    /// Reads a unit: base units with optional powers, joined by `*` and `/`, or `1`; for example `second/gate`,
    /// `flop/second`, `be_query^1/2`.
    ///
    /// # Errors
    /// With the place in `source`.
    pub fn parse(source: &str) -> Result<Unit, ParseError> {
        let mut unit = Unit::ONE;
        let mut divide = false;
        let mut at = 0;
        let bytes = source.as_bytes();
        let skip = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            at
        };
        let take = |at: usize, keep: fn(u8) -> bool| {
            let mut end = at;
            while bytes.get(end).is_some_and(|b| keep(*b)) {
                end += 1;
            }
            end
        };
        loop {
            at = skip(at);
            let end = take(at, |b| b.is_ascii_alphanumeric() || b == b'_');
            let word = source.get(at..end).unwrap_or_default();
            let place = Span::new(at, end.max(at + 1).min(source.len()));
            let base = match word {
                "1" => Unit::ONE,
                _ => Unit::base(word).ok_or_else(|| {
                    let list: Vec<&str> = BASE.iter().map(|(name, _)| *name).collect();
                    ParseError::new(
                        place,
                        format!("`{word}` is not a unit"),
                        format!("the units are 1, {}", list.join(", ")),
                    )
                })?,
            };
            at = skip(end);
            let mut power = Rational::ONE;
            if bytes.get(at) == Some(&b'^') {
                let start = skip(at + 1);
                let end = take(start, |b| b.is_ascii_digit() || b == b'-');
                let top: Option<i128> = source.get(start..end).and_then(|t| t.parse().ok());
                let mut bottom = Some(1);
                at = skip(end);
                let digit_after =
                    bytes.get(at) == Some(&b'/') && bytes.get(skip(at + 1)).is_some_and(u8::is_ascii_digit);
                if digit_after {
                    let start = skip(at + 1);
                    let end = take(start, |b| b.is_ascii_digit());
                    bottom = source.get(start..end).and_then(|t| t.parse().ok());
                    at = skip(end);
                }
                power = top
                    .zip(bottom)
                    .and_then(|(top, bottom): (i128, i128)| Rational::new(top, bottom))
                    .filter(|r| r.num.abs() <= 1000 && r.den <= 1000)
                    .ok_or_else(|| {
                        ParseError::new(place, "the power of a unit is a small fraction", "for example `flop^1/2`")
                    })?;
            }
            let factor = base.power(power).unwrap_or(Unit::ONE);
            let joined = if divide { unit.over(factor) } else { unit.times(factor) };
            unit = joined.ok_or_else(|| ParseError::new(place, "the powers of this unit are out of range", ""))?;
            match bytes.get(at) {
                None => return Ok(unit),
                Some(b'*') => divide = false,
                Some(b'/') => divide = true,
                Some(_) => {
                    return Err(ParseError::new(Span::new(at, source.len()), "units are joined by `*` and `/`", ""));
                }
            }
            at += 1;
        }
    }

    /// Whether it is the unit of a pure number.
    pub fn is_one(&self) -> bool {
        *self == Unit::ONE
    }

    /// Whether it counts one kind of thing (queries, flops, gates, qubits, …).
    pub fn is_count(&self) -> bool {
        BASE.iter().any(|(name, counts)| *counts && Unit::base(name) == Some(*self))
    }

    /// The kind of query, if it is one.
    fn query(&self) -> Option<&'static str> {
        BASE[QUERIES].iter().map(|(name, _)| *name).find(|name| Unit::base(name) == Some(*self))
    }

    /// The product; `None` when a power leaves the range.
    pub fn times(self, other: Unit) -> Option<Unit> {
        self.combine(other, Rational::plus)
    }

    /// The quotient; `None` when a power leaves the range.
    pub fn over(self, other: Unit) -> Option<Unit> {
        self.combine(other, |a, b| a.plus(b.negate()))
    }

    pub(crate) fn power(self, r: Rational) -> Option<Unit> {
        self.combine(Unit::ONE, |a, _| a.times(r))
    }

    fn combine(self, other: Unit, join: impl Fn(Rational, Rational) -> Option<Rational>) -> Option<Unit> {
        let mut unit = Unit::ONE;
        for ((exponent, a), b) in unit.exponents.iter_mut().zip(self.exponents).zip(other.exponents) {
            let [a, b] = [a, b].map(|(num, den)| Rational { num: num.into(), den: den.into() });
            let joined = join(a, b)?;
            *exponent = (i64::try_from(joined.num).ok()?, i64::try_from(joined.den).ok()?);
        }
        Some(unit)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let power = |f: &mut fmt::Formatter<'_>, name: &str, num: i64, den: i64| match (num, den) {
            (1, 1) => f.write_str(name),
            (_, 1) => write!(f, "{name}^{num}"),
            _ => write!(f, "{name}^{num}/{den}"),
        };
        let mut first = true;
        for ((name, _), (num, den)) in BASE.iter().zip(self.exponents).filter(|(_, (num, _))| *num > 0) {
            if !first {
                f.write_str("*")?;
            }
            first = false;
            power(f, name, num, den)?;
        }
        if first {
            f.write_str("1")?;
        }
        for ((name, _), (num, den)) in BASE.iter().zip(self.exponents).filter(|(_, (num, _))| *num < 0) {
            f.write_str("/")?;
            power(f, name, -num, den)?;
        }
        Ok(())
    }
}

/// The unit of a formula whose variables have the units of `env`.
///
/// # Errors
/// With the place in the formula's source: a variable without a unit, unlike units added or compared, a function
/// such as `ln` of something that is not a pure number.
pub fn unit_of(expr: &Expr, env: &dyn Fn(&str) -> Option<Unit>) -> Result<Unit, ParseError> {
    infer(&expr.graph, env).map(|unit| unit.unwrap_or(Unit::ONE))
}

/// Checks a formula against the unit it is declared to have. A pure number may be declared as any count.
///
/// # Errors
/// As for [`unit_of`], and when the formula comes out in another unit.
pub fn check(expr: &Expr, env: &dyn Fn(&str) -> Option<Unit>, declared: Unit) -> Result<(), ParseError> {
    let Some(unit) = infer(&expr.graph, env)? else { return Ok(()) };
    if unit == declared || (unit.is_one() && declared.is_count()) {
        return Ok(());
    }
    let span = expr.graph.spans.last().copied().unwrap_or_default();
    let help = match (unit.query(), declared.query()) {
        (Some(_), Some(_)) => "different kinds of queries need a stated conversion".to_string(),
        _ => match declared.over(unit) {
            Some(missing) => format!("a factor in {missing} is missing"),
            None => String::new(),
        },
    };
    Err(ParseError::new(span, format!("the formula is in {unit}, declared is {declared}"), help))
}

/// Checks the units inside a condition.
///
/// # Errors
/// As for [`unit_of`].
pub fn check_condition(condition: &Condition, env: &dyn Fn(&str) -> Option<Unit>) -> Result<(), ParseError> {
    infer(&condition.graph, env).map(|_| ())
}

/// What is known of a node: `None` is a zero, which has any unit.
type Known = Option<Unit>;

fn infer(graph: &Graph, env: &dyn Fn(&str) -> Option<Unit>) -> Result<Known, ParseError> {
    let mut units: Vec<Known> = Vec::with_capacity(graph.nodes.len());
    let mut constants: Vec<Option<Rational>> = Vec::with_capacity(graph.nodes.len());
    for (at, node) in graph.nodes.iter().enumerate() {
        let span = graph.spans[at];
        let unit = |id: u32| units[id as usize];
        let constant = |id: u32| constants[id as usize];
        let pure = |id: u32, what: &str| match unit(id) {
            Some(u) if !u.is_one() => Err(ParseError::new(
                graph.spans[id as usize],
                format!("{what} must be a pure number, not in {u}"),
                "divide by a quantity of the same unit",
            )),
            _ => Ok(()),
        };
        let alike = |a: u32, b: u32, verb: &str| match (unit(a), unit(b)) {
            (Some(x), Some(y)) if x != y => Err(clash(x, y, verb, span)),
            (Some(x), _) => Ok(Some(x)),
            (None, y) => Ok(y),
        };
        let range = |result: Option<Unit>| {
            result.map(Some).ok_or_else(|| ParseError::new(span, "the powers of the unit are out of range", ""))
        };
        let known = match *node {
            Node::Number(0) => None,
            Node::Number(_) | Node::Constant(_) | Node::Index(_) | Node::Truth(_) => Some(Unit::ONE),
            Node::Variable(name) => {
                let name = &graph.names[name as usize];
                let declared = env(name).ok_or_else(|| {
                    ParseError::new(
                        span,
                        format!("no unit is declared for `{name}`"),
                        "declare it; `1` is a pure number",
                    )
                })?;
                Some(declared)
            }
            Node::Neg(a) => unit(a),
            Node::Not(_) | Node::And(..) | Node::Or(..) => Some(Unit::ONE),
            Node::Compare(_, a, b) => {
                alike(a, b, "compared")?;
                Some(Unit::ONE)
            }
            Node::If(_, a, b) => alike(a, b, "chosen between")?,
            Node::Call(function, a) => match function {
                Function::Abs | Function::Floor | Function::Ceil => unit(a),
                Function::Sqrt | Function::Cbrt => {
                    let root = Rational { num: 1, den: if function == Function::Sqrt { 2 } else { 3 } };
                    match unit(a) {
                        Some(u) => range(u.power(root))?,
                        None => None,
                    }
                }
                _ => {
                    pure(a, &format!("the argument of `{}`", function.name()))?;
                    Some(Unit::ONE)
                }
            },
            Node::Binary(op, a, b) => match op {
                Binary::Add | Binary::Sub => alike(a, b, "added")?,
                Binary::Min | Binary::Max => alike(a, b, "compared")?,
                Binary::Mul => match (unit(a), unit(b)) {
                    (Some(x), Some(y)) => range(x.times(y))?,
                    _ => None,
                },
                Binary::Div => match (unit(a), unit(b)) {
                    (Some(x), y) => range(x.over(y.unwrap_or(Unit::ONE)))?,
                    (None, _) => None,
                },
                Binary::Pow => {
                    pure(b, "an exponent")?;
                    match (unit(a), constant(b)) {
                        (Some(u), _) if u.is_one() => Some(Unit::ONE),
                        (Some(u), Some(r)) => range(u.power(r))?,
                        (Some(u), None) => {
                            return Err(ParseError::new(
                                span,
                                format!("a quantity in {u} has a power that is not a fixed fraction"),
                                "only a pure number can have a variable power",
                            ));
                        }
                        (None, _) => None,
                    }
                }
            },
            Node::Reduce(kind, _, first, last, body) => {
                pure(first, "the bound of a sum")?;
                pure(last, "the bound of a sum")?;
                if kind == Reduction::Product {
                    pure(body, "the factor of `prod`")?;
                }
                unit(body)
            }
        };
        units.push(known);
        constants.push(match *node {
            Node::Number(bits) => Rational::from_f64(f64::from_bits(bits)),
            Node::Neg(a) => constant(a).map(Rational::negate),
            Node::Binary(Binary::Div, a, b) => constant(a).zip(constant(b)).and_then(|(x, y)| x.times(y.inverse()?)),
            _ => None,
        });
    }
    Ok(units.pop().unwrap_or_default())
}

fn clash(a: Unit, b: Unit, verb: &str, span: Span) -> ParseError {
    let (message, help) = match (a.query(), b.query()) {
        (Some(x), Some(y)) => (
            format!("{x} and {y} are different kinds of queries and cannot be {verb}"),
            format!("convert one first, by a variable in {x}/{y}"),
        ),
        _ if a.is_one() || b.is_one() => {
            let named = if a.is_one() { b } else { a };
            (
                format!("a pure number and a quantity in {named} cannot be {verb}"),
                format!("give the number a name with the unit {named}"),
            )
        }
        _ => (format!("{a} and {b} cannot be {verb}"), String::new()),
    };
    ParseError::new(span, message, help)
}
