//! One interpreter for every kind of value: numbers, intervals, intervals with derivatives.
//!
//! Nodes are evaluated in order, without recursion. A node without a value carries its [`Fault`]; a fault only
//! matters if it reaches the root, so the branch of an `if` that is not taken may be undefined.

use super::function::{Constant, Function, Reduction};
use super::graph::{Graph, Id, Node};
use super::span::{EvalError, EvalErrorKind};
use std::collections::HashMap;

/// Most terms of one sum or product.
pub(crate) const MAX_TERMS: f64 = 1e6;
/// Most terms of one evaluation, all sums and products together.
pub(crate) const MAX_STEPS: u64 = 10_000_000;

/// Why a node has no value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fault {
    pub kind: EvalErrorKind,
    /// The node at fault.
    pub at: Id,
    /// The offending operand.
    pub value: f64,
    pub certain: bool,
}

/// A value, or the reason for none.
pub(crate) type Checked<T> = Result<T, Fault>;

/// The range of a sum or product: `first..=last`, of which `sure_first..=sure_last` surely belong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub first: f64,
    pub last: f64,
    pub sure_first: f64,
    pub sure_last: f64,
}

impl Range {
    fn is_exact(&self) -> bool {
        self.first == self.sure_first && self.last == self.sure_last
    }
}

/// A kind of value that formulas can be evaluated over.
pub(crate) trait Domain {
    type Value: Copy;
    fn number(&mut self, x: f64) -> Self::Value;
    fn constant(&mut self, constant: Constant) -> Self::Value;
    fn variable(&mut self, at: Id, name: &str) -> Checked<Self::Value>;
    fn truth(&mut self, truth: bool) -> Self::Value;
    /// Every strict operation; faults of operands were handled.
    fn apply(&mut self, at: Id, node: &Node, operands: [Self::Value; 3]) -> Checked<Self::Value>;
    /// Some(truth) when the condition is decided.
    fn decided(&self, condition: Self::Value) -> Option<bool>;
    /// The value when either branch may hold.
    fn either(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The value of an undecided condition.
    fn undecided(&mut self) -> Self::Value;
    fn range(&mut self, at: Id, first: Self::Value, last: Self::Value) -> Checked<Range>;
    fn accumulate(&mut self, at: Id, kind: Reduction, all: Self::Value, term: Self::Value) -> Checked<Self::Value>;
}

struct Machine<'g, D: Domain> {
    graph: &'g Graph,
    domain: D,
    values: Vec<Checked<D::Value>>,
    indices: HashMap<u32, f64>,
    /// Progress of reductions that only grow at their end while an outer index runs: next index and value so far.
    partial: HashMap<Id, (f64, f64, D::Value)>,
    steps: u64,
}

/// The value of the root.
pub(crate) fn run<D: Domain>(graph: &Graph, domain: D) -> Checked<D::Value> {
    run_all(graph, domain)[graph.root() as usize]
}

/// The value of every node; inside bodies of sums, that of the last term.
pub(crate) fn run_all<D: Domain>(graph: &Graph, domain: D) -> Vec<Checked<D::Value>> {
    let unset = Fault { kind: EvalErrorKind::Domain, at: 0, value: 0.0, certain: true };
    let closed = (0..graph.nodes.len() as Id).filter(|at| graph.free[*at as usize].is_empty());
    let mut machine = Machine::new(graph, domain, vec![Err(unset); graph.nodes.len()]);
    closed.for_each(|at| machine.step(at));
    machine.values
}

/// The value of every node where only those of `moving`, in order, differ from `values`.
pub(crate) fn run_from<D: Domain>(
    graph: &Graph,
    domain: D,
    values: Vec<Checked<D::Value>>,
    moving: &[Id],
) -> Vec<Checked<D::Value>> {
    let mut machine = Machine::new(graph, domain, values);
    moving.iter().for_each(|at| machine.step(*at));
    machine.values
}

impl<'g, D: Domain> Machine<'g, D> {
    fn new(graph: &'g Graph, domain: D, values: Vec<Checked<D::Value>>) -> Self {
        Machine { graph, domain, values, indices: HashMap::new(), partial: HashMap::new(), steps: 0 }
    }

    fn value(&self, id: Id) -> Checked<D::Value> {
        self.values[id as usize]
    }

    fn step(&mut self, at: Id) {
        self.values[at as usize] = self.evaluate(at);
    }

    fn evaluate(&mut self, at: Id) -> Checked<D::Value> {
        let node = self.graph.nodes[at as usize];
        match node {
            Node::Number(bits) => Ok(self.domain.number(f64::from_bits(bits))),
            Node::Constant(constant) => Ok(self.domain.constant(constant)),
            Node::Truth(truth) => Ok(self.domain.truth(truth)),
            Node::Variable(name) => {
                let graph = self.graph;
                self.domain.variable(at, &graph.names[name as usize])
            }
            Node::Index(index) => Ok(self.domain.number(self.indices.get(&index).copied().unwrap_or_default())),
            Node::If(condition, yes, no) => {
                let condition = self.value(condition)?;
                match self.domain.decided(condition) {
                    Some(true) => self.value(yes),
                    Some(false) => self.value(no),
                    None => {
                        let unsure = |fault: Fault| Fault { certain: false, ..fault };
                        match (self.value(yes), self.value(no)) {
                            (Ok(a), Ok(b)) => Ok(self.domain.either(a, b)),
                            // Sure only when both branches surely fail.
                            (Err(a), Err(b)) => Err(if a.certain && b.certain { a } else { unsure(a) }),
                            (Err(fault), _) | (_, Err(fault)) => Err(unsure(fault)),
                        }
                    }
                }
            }
            Node::And(a, b) => self.connective(a, b, false),
            Node::Or(a, b) => self.connective(a, b, true),
            Node::Reduce(kind, index, first, last, body) => self.reduce(at, kind, index, first, last, body),
            _ => {
                let (children, count) = node.children();
                let mut operands = [self.value(children[0])?; 3];
                for (operand, &child) in operands[1..count].iter_mut().zip(&children[1..count]) {
                    *operand = self.value(child)?;
                }
                self.domain.apply(at, &node, operands)
            }
        }
    }

    /// `&&` and `||` look at the second operand only when the first does not settle the answer.
    fn connective(&mut self, a: Id, b: Id, settles: bool) -> Checked<D::Value> {
        let first = self.value(a)?;
        match self.domain.decided(first) {
            Some(truth) if truth == settles => Ok(first),
            Some(_) => self.value(b),
            None => match self.value(b) {
                Ok(second) if self.domain.decided(second) == Some(settles) => Ok(second),
                Ok(_) => Ok(self.domain.undecided()),
                Err(fault) => Err(Fault { certain: false, ..fault }),
            },
        }
    }

    fn reduce(&mut self, at: Id, kind: Reduction, index: u32, first: Id, last: Id, body: Id) -> Checked<D::Value> {
        let (first_value, last_value) = (self.value(first)?, self.value(last)?);
        let range = self.domain.range(at, first_value, last_value)?;
        if range.last - range.first + 1.0 > MAX_TERMS {
            let value = range.last - range.first + 1.0;
            let certain = range.is_exact();
            return Err(Fault { kind: EvalErrorKind::TooManyTerms, at, value, certain });
        }
        let graph = self.graph;
        // Only its end depends on outer indices: go on from where the last evaluation stopped.
        let resumable = graph.free[first as usize].is_empty()
            && graph.free[body as usize].iter().all(|i| *i == index)
            && !graph.free[at as usize].is_empty()
            && range.is_exact();
        let mut all = self.domain.number(kind.start());
        let mut k = range.first;
        if resumable
            && let Some(&(start, next, value)) = self.partial.get(&at)
            && start == range.first
            && next <= range.last + 1.0
        {
            (k, all) = (next, value);
        }
        let empty = Vec::new();
        let inside = graph.bodies.get(&at).unwrap_or(&empty);
        while k <= range.last {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(Fault { kind: EvalErrorKind::TooManyTerms, at, value: MAX_STEPS as f64, certain: false });
            }
            self.indices.insert(index, k);
            for &id in inside {
                self.step(id);
            }
            let sure = range.sure_first <= k && k <= range.sure_last;
            let term = match self.value(body) {
                Ok(term) => term,
                Err(fault) => return Err(Fault { certain: fault.certain && sure, ..fault }),
            };
            let next = self.domain.accumulate(at, kind, all, term)?;
            all = if sure { next } else { self.domain.either(all, next) };
            k += 1.0;
        }
        if resumable {
            self.partial.insert(at, (range.first, k, all));
        }
        Ok(all)
    }
}

/// The message of a fault, with its place.
pub(crate) fn explain(graph: &Graph, fault: Fault) -> EvalError {
    let at = fault.at as usize;
    let value = fault.value;
    let message = match (fault.kind, graph.nodes[at]) {
        (EvalErrorKind::UnknownVariable, Node::Variable(name)) => {
            format!("`{}` has no value", graph.names[name as usize])
        }
        (EvalErrorKind::NotFinite, Node::Variable(name)) => {
            format!("`{}` is not a finite number", graph.names[name as usize])
        }
        (EvalErrorKind::Domain, Node::Call(function, _)) => format!(
            "`{}` of {value}{}: it needs {}",
            function.name(),
            if fault.certain { "" } else { ", which the interval allows" },
            function.domain()
        ),
        (EvalErrorKind::Domain, _) => format!("{value} has no real power with this exponent"),
        (EvalErrorKind::DivisionByZero, Node::Binary(super::function::Binary::Pow, ..)) => {
            "zero to a power that is not positive".to_string()
        }
        (EvalErrorKind::DivisionByZero, _) if fault.certain => "division by zero".to_string(),
        (EvalErrorKind::DivisionByZero, _) => "division by an interval that contains zero".to_string(),
        (EvalErrorKind::Bounds, _) => {
            format!("a bound of the sum is {value}, not a whole number: use `floor` or `ceil`")
        }
        (EvalErrorKind::TooManyTerms, _) => format!("{value} terms are more than the limit of {MAX_TERMS}"),
        (EvalErrorKind::Overflow, _) => "the value is beyond the range of f64 (1.8e308)".to_string(),
        _ => "no value".to_string(),
    };
    EvalError { kind: fault.kind, span: graph.spans[at].range(), message, certain: fault.certain }
}

/// Whether a function of `x` is undefined, as a fault.
pub(crate) fn domain_fault(at: Id, value: f64, certain: bool) -> Fault {
    Fault { kind: EvalErrorKind::Domain, at, value, certain }
}

/// The function table is needed by every domain; kept here so that they agree on it.
pub(crate) fn checked_call(at: Id, function: Function, x: f64) -> Checked<f64> {
    if !function.defined(x) {
        return Err(domain_fault(at, x, true));
    }
    finite(at, function.value(x))
}

/// A finite value, or an overflow.
pub(crate) fn finite(at: Id, value: f64) -> Checked<f64> {
    if value.is_finite() { Ok(value) } else { Err(Fault { kind: EvalErrorKind::Overflow, at, value, certain: true }) }
}
