//! Graphs to register code for many points at once.
//!
//! NaN marks a point without a value. Operations make NaN by themselves or an infinity; divisions make NaN of an
//! infinite divisor, and where else an infinity could be lost (a comparison, …) a [`One::Guard`] turns it into NaN
//! first.

use super::evaluate;
use super::function::{Binary, Function, Reduction, Relation};
use super::graph::{Graph, Id, Node};
use crate::elementary::{self as kernel, Exponent};
use std::collections::HashMap;

/// A register: one value per point.
pub(super) type Register = u32;

/// An operation on one register.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum One {
    Neg,
    Not,
    /// Infinity to NaN.
    Guard,
    Square,
    Cube,
    Fourth,
    Inverse,
    InverseSquare,
    /// The power with exponent 1/3.
    Third,
    /// A fixed power without a short cut.
    Power(Exponent),
    Call(Function),
}

/// An operation on two registers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Two {
    Binary(Binary),
    Compare(Relation),
    And,
    Or,
}

/// One step of a program; the first register is written.
#[derive(Debug, Clone)]
pub(super) enum Step {
    One(One, Register, Register),
    Two(Two, Register, Register, Register),
    Select(Register, Register, Register, Register),
    Loop(Box<Loop>),
}

/// A sum or product, run point by point.
#[derive(Debug, Clone)]
pub(super) struct Loop {
    pub kind: Reduction,
    pub target: Register,
    pub first: Register,
    pub last: Register,
    pub index: Register,
    pub body: Vec<Step>,
    pub result: Register,
    /// Where progress is kept, if only the end depends on outer loops.
    pub resume: Option<usize>,
}

/// A compiled set of formulas.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub registers: usize,
    /// Registers that are filled once.
    pub constants: Vec<(Register, f64)>,
    /// The register of each variable that is used, in the order of the variables.
    pub inputs: Vec<(usize, Register)>,
    pub steps: Vec<Step>,
    pub outputs: Vec<Register>,
    pub resumable: usize,
}

struct Compiler<'g> {
    graph: &'g Graph,
    register: HashMap<Id, Register>,
    free: Vec<Register>,
    registers: u32,
    constants: Vec<(Register, f64)>,
    constant_registers: HashMap<u64, Register>,
    values: Vec<Option<f64>>,
    /// Nodes without a variable: known before any evaluation.
    fixed: Vec<bool>,
    swallowed: Vec<bool>,
    resumable: usize,
    index: HashMap<u32, Register>,
}

/// What is known before any evaluation.
#[derive(Debug)]
pub(super) struct Known {
    /// The values of the nodes without variables.
    pub values: Vec<Option<f64>>,
    /// Which nodes have no variable in them.
    pub fixed: Vec<bool>,
}

impl Known {
    pub fn new(graph: &Graph) -> Self {
        let mut fixed: Vec<bool> = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let (children, count) = node.children();
            let own = !matches!(node, Node::Variable(_));
            fixed.push(own && children[..count].iter().all(|child| fixed[*child as usize]));
        }
        Known { values: evaluate::constants(graph), fixed }
    }
}

/// Code for the roots; `variable` gives the position of a name among the inputs.
pub(super) fn compile(graph: &Graph, roots: &[Id], known: Known, variable: impl Fn(&str) -> Option<usize>) -> Program {
    let Known { values, fixed } = known;
    let mut swallowed = vec![false; graph.nodes.len()];
    for node in &graph.nodes {
        match *node {
            // Powers with a fixed exponent look after themselves.
            Node::Binary(Binary::Pow, _, b) if fixed[b as usize] => {}
            Node::Binary(Binary::Pow | Binary::Min | Binary::Max, a, b) | Node::Compare(_, a, b) => {
                swallowed[a as usize] = true;
                swallowed[b as usize] = true;
            }
            Node::Call(Function::Exp | Function::Expm1 | Function::Atan | Function::Tanh, a) => {
                swallowed[a as usize] = true;
            }
            _ => {}
        }
    }
    let mut compiler = Compiler {
        graph,
        register: HashMap::new(),
        free: Vec::new(),
        registers: 0,
        constants: Vec::new(),
        constant_registers: HashMap::new(),
        values,
        fixed,
        swallowed,
        resumable: 0,
        index: HashMap::new(),
    };
    // What is computed outside loops, and when each value is used last.
    let order: Vec<Id> = (0..graph.nodes.len() as Id)
        .filter(|id| graph.free[*id as usize].is_empty() && !compiler.fixed[*id as usize])
        .collect();
    let mut last_use: HashMap<Id, usize> = HashMap::new();
    for (moment, &id) in order.iter().enumerate() {
        for used in compiler.uses(id) {
            last_use.insert(used, moment);
        }
    }
    for root in roots {
        last_use.insert(*root, usize::MAX);
    }
    let mut inputs = Vec::new();
    let mut steps = Vec::new();
    // Inputs are there from the start, so they share registers with nothing.
    for &id in &order {
        if let Node::Variable(name) = graph.nodes[id as usize]
            && let Some(position) = variable(&graph.names[name as usize])
        {
            let register = compiler.fresh();
            compiler.register.insert(id, register);
            inputs.push((position, register));
            if compiler.swallowed[id as usize] {
                steps.push(Step::One(One::Guard, register, register));
            }
        }
    }
    for (moment, &id) in order.iter().enumerate() {
        if !matches!(graph.nodes[id as usize], Node::Variable(_)) {
            compiler.emit(id, &mut steps);
        }
        for used in compiler.uses(id) {
            let variable = matches!(graph.nodes[used as usize], Node::Variable(_));
            if last_use.get(&used) == Some(&moment) && !variable && !compiler.fixed[used as usize] {
                compiler.release(used);
            }
        }
    }
    let outputs = roots.iter().map(|root| compiler.operand(*root)).collect();
    inputs.sort_unstable();
    Program {
        registers: compiler.registers as usize,
        constants: compiler.constants,
        inputs,
        steps,
        outputs,
        resumable: compiler.resumable,
    }
}

impl Compiler<'_> {
    /// The closed nodes that computing `id` reads; for a sum, also what its body reads.
    fn uses(&self, id: Id) -> Vec<Id> {
        let node = self.graph.nodes[id as usize];
        let (children, count) = node.children();
        let mut used: Vec<Id> = children[..count].to_vec();
        let mut open: Vec<Id> = self.graph.bodies.get(&id).cloned().unwrap_or_default();
        while let Some(inner) = open.pop() {
            let (children, count) = self.graph.nodes[inner as usize].children();
            used.extend(&children[..count]);
            open.extend(self.graph.bodies.get(&inner).into_iter().flatten());
        }
        used.retain(|id| self.graph.free[*id as usize].is_empty());
        used.sort_unstable();
        used.dedup();
        used
    }

    fn fresh(&mut self) -> Register {
        if let Some(register) = self.free.pop() {
            return register;
        }
        self.registers += 1;
        self.registers - 1
    }

    fn release(&mut self, id: Id) {
        if let Some(register) = self.register.remove(&id) {
            self.free.push(register);
        }
    }

    fn constant(&mut self, value: f64) -> Register {
        if let Some(&register) = self.constant_registers.get(&value.to_bits()) {
            return register;
        }
        // Never recycled.
        self.registers += 1;
        let register = self.registers - 1;
        self.constants.push((register, value));
        self.constant_registers.insert(value.to_bits(), register);
        register
    }

    fn operand(&mut self, id: Id) -> Register {
        if let Node::Index(index) = self.graph.nodes[id as usize] {
            return self.index.get(&index).copied().unwrap_or_default();
        }
        if self.fixed[id as usize] && self.graph.free[id as usize].is_empty() {
            let value = self.values[id as usize].unwrap_or(f64::NAN);
            return self.constant(value);
        }
        self.register.get(&id).copied().unwrap_or_default()
    }

    /// Whether the value could be infinite.
    fn may_overflow(&self, id: Id) -> bool {
        !matches!(
            self.graph.nodes[id as usize],
            Node::Index(_)
                | Node::Truth(_)
                | Node::Compare(..)
                | Node::Not(_)
                | Node::And(..)
                | Node::Or(..)
                | Node::Call(Function::Sin | Function::Cos | Function::Ln | Function::Log2 | Function::Tanh, _)
        )
    }

    /// Computes a node into a register of its own, which differs from those of its operands.
    fn emit(&mut self, id: Id, steps: &mut Vec<Step>) {
        let target = self.fresh();
        let step = match self.graph.nodes[id as usize] {
            Node::Neg(a) => Step::One(One::Neg, target, self.operand(a)),
            Node::Not(a) => Step::One(One::Not, target, self.operand(a)),
            Node::Call(function, a) => Step::One(One::Call(function), target, self.operand(a)),
            Node::Binary(Binary::Pow, a, b) => {
                let short = match self.known(b) {
                    Some(2.0) => Some(One::Square),
                    Some(3.0) => Some(One::Cube),
                    Some(4.0) => Some(One::Fourth),
                    Some(0.5) => Some(One::Call(Function::Sqrt)),
                    Some(-1.0) => Some(One::Inverse),
                    Some(-2.0) => Some(One::InverseSquare),
                    Some(kernel::THIRD) => Some(One::Third),
                    _ => None,
                };
                match (short, self.known(b)) {
                    (Some(op), _) => Step::One(op, target, self.operand(a)),
                    (None, Some(y)) if y != 1.0 => Step::One(One::Power(Exponent::new(y)), target, self.operand(a)),
                    _ => Step::Two(Two::Binary(Binary::Pow), target, self.operand(a), self.operand(b)),
                }
            }
            Node::Binary(op, a, b) => Step::Two(Two::Binary(op), target, self.operand(a), self.operand(b)),
            Node::Compare(op, a, b) => Step::Two(Two::Compare(op), target, self.operand(a), self.operand(b)),
            Node::And(a, b) => Step::Two(Two::And, target, self.operand(a), self.operand(b)),
            Node::Or(a, b) => Step::Two(Two::Or, target, self.operand(a), self.operand(b)),
            Node::If(c, a, b) => Step::Select(target, self.operand(c), self.operand(a), self.operand(b)),
            Node::Reduce(kind, index, first, last, body) => {
                self.reduction(id, target, (kind, index), [first, last, body])
            }
            // Leaves are operands, not steps.
            Node::Number(_) | Node::Constant(_) | Node::Variable(_) | Node::Index(_) | Node::Truth(_) => {
                self.free.push(target);
                return;
            }
        };
        steps.push(step);
        self.register.insert(id, target);
        if self.swallowed[id as usize] && self.may_overflow(id) {
            steps.push(Step::One(One::Guard, target, target));
        }
    }

    /// The value of a node without variables and free indices.
    fn known(&self, id: Id) -> Option<f64> {
        let closed = self.fixed[id as usize] && self.graph.free[id as usize].is_empty();
        closed.then(|| self.values[id as usize]).flatten()
    }

    fn reduction(&mut self, id: Id, target: Register, head: (Reduction, u32), [first, last, body]: [Id; 3]) -> Step {
        let graph = self.graph;
        let (kind, index) = head;
        let (first_register, last_register) = (self.operand(first), self.operand(last));
        let index_register = self.fresh();
        let outer = self.index.insert(index, index_register);
        let mut steps = Vec::new();
        let inside = graph.bodies.get(&id).cloned().unwrap_or_default();
        for &inner in &inside {
            self.emit(inner, &mut steps);
        }
        let result = self.operand(body);
        for &inner in &inside {
            self.release(inner);
        }
        self.free.push(index_register);
        match outer {
            Some(before) => self.index.insert(index, before),
            None => self.index.remove(&index),
        };
        let resumable = graph.free[first as usize].is_empty()
            && graph.free[body as usize].iter().all(|i| *i == index)
            && !graph.free[id as usize].is_empty();
        let resume = resumable.then(|| {
            self.resumable += 1;
            self.resumable - 1
        });
        Step::Loop(Box::new(Loop {
            kind,
            target,
            first: first_register,
            last: last_register,
            index: index_register,
            body: steps,
            result,
            resume,
        }))
    }
}
