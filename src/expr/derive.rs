//! Derivatives and elasticities.

use super::function::{Binary, Function, Reduction, Relation};
use super::graph::{Builder, Graph, Id, Node};
use super::simplify::simplify;
use super::span::Span;

/// The derivative by `variable`, simplified. `floor`, `ceil` and the bounds of sums count as constant (which they
/// are between their jumps); at a kink of `min`, `max`, `abs` or `if` it is the derivative of the branch taken.
pub(crate) fn differentiate(graph: &Graph, variable: &str) -> Graph {
    let mut builder = Builder::new();
    let (_, slope) = slopes(graph, variable, &mut builder);
    simplify(&builder.finish(slope))
}

/// `x f'(x) / f(x)`, simplified: by how many per cent the value grows when the variable grows by one.
pub(crate) fn elasticity(graph: &Graph, variable: &str) -> Graph {
    let mut builder = Builder::new();
    let (value, slope) = slopes(graph, variable, &mut builder);
    let span = graph.spans.last().copied().unwrap_or_default();
    let x = builder.variable(variable, span);
    let top = builder.add(Node::Binary(Binary::Mul, x, slope), span);
    let ratio = builder.add(Node::Binary(Binary::Div, top, value), span);
    simplify(&builder.finish(ratio))
}

/// Small constructors that drop zeros and ones, so that derivatives stay short.
struct Maker<'b> {
    builder: &'b mut Builder,
    span: Span,
}

impl Maker<'_> {
    fn number(&mut self, x: f64) -> Id {
        self.builder.number(x, self.span)
    }

    fn is(&self, id: Id, x: f64) -> bool {
        self.builder.number_of(id) == Some(x)
    }

    fn binary(&mut self, op: Binary, a: Id, b: Id) -> Id {
        match op {
            Binary::Add | Binary::Sub if self.is(b, 0.0) => a,
            Binary::Add if self.is(a, 0.0) => b,
            Binary::Sub if self.is(a, 0.0) => self.negate(b),
            Binary::Mul | Binary::Div if self.is(a, 0.0) => a,
            Binary::Mul if self.is(b, 0.0) => b,
            Binary::Mul if self.is(a, 1.0) => b,
            Binary::Mul | Binary::Div if self.is(b, 1.0) => a,
            _ => self.builder.add(Node::Binary(op, a, b), self.span),
        }
    }

    fn add(&mut self, a: Id, b: Id) -> Id {
        self.binary(Binary::Add, a, b)
    }

    fn sub(&mut self, a: Id, b: Id) -> Id {
        self.binary(Binary::Sub, a, b)
    }

    fn mul(&mut self, a: Id, b: Id) -> Id {
        self.binary(Binary::Mul, a, b)
    }

    fn div(&mut self, a: Id, b: Id) -> Id {
        self.binary(Binary::Div, a, b)
    }

    fn negate(&mut self, a: Id) -> Id {
        self.builder.add(Node::Neg(a), self.span)
    }

    fn call(&mut self, function: Function, a: Id) -> Id {
        self.builder.add(Node::Call(function, a), self.span)
    }

    fn square(&mut self, a: Id) -> Id {
        let two = self.number(2.0);
        self.binary(Binary::Pow, a, two)
    }

    /// The choice, or the common value of both branches.
    fn choose(&mut self, condition: Id, a: Id, b: Id) -> Id {
        if a == b { a } else { self.builder.add(Node::If(condition, a, b), self.span) }
    }

    fn compare(&mut self, op: Relation, a: Id, b: Id) -> Id {
        self.builder.add(Node::Compare(op, a, b), self.span)
    }

    /// The outer derivative of a function at `x`, whose value is `f`.
    fn outer(&mut self, function: Function, x: Id, f: Id) -> Id {
        let one = self.number(1.0);
        match function {
            Function::Ln => self.div(one, x),
            Function::Log2 | Function::Log10 => {
                let base = self.number(if function == Function::Log2 { 2.0 } else { 10.0 });
                let log = self.call(Function::Ln, base);
                let bottom = self.mul(x, log);
                self.div(one, bottom)
            }
            Function::Ln1p => {
                let bottom = self.add(one, x);
                self.div(one, bottom)
            }
            Function::Exp => f,
            Function::Expm1 => self.call(Function::Exp, x),
            Function::Sqrt => {
                let two = self.number(2.0);
                let bottom = self.mul(two, f);
                self.div(one, bottom)
            }
            Function::Cbrt => {
                let three = self.number(3.0);
                let square = self.square(f);
                let bottom = self.mul(three, square);
                self.div(one, bottom)
            }
            Function::Sin => self.call(Function::Cos, x),
            Function::Cos => {
                let sine = self.call(Function::Sin, x);
                self.negate(sine)
            }
            Function::Tan => {
                let square = self.square(f);
                self.add(one, square)
            }
            Function::Asin | Function::Acos => {
                let square = self.square(x);
                let inside = self.sub(one, square);
                let root = self.call(Function::Sqrt, inside);
                let slope = self.div(one, root);
                if function == Function::Asin { slope } else { self.negate(slope) }
            }
            Function::Atan => {
                let square = self.square(x);
                let bottom = self.add(one, square);
                self.div(one, bottom)
            }
            Function::Sinh => self.call(Function::Cosh, x),
            Function::Cosh => self.call(Function::Sinh, x),
            Function::Tanh => {
                let square = self.square(f);
                self.sub(one, square)
            }
            Function::Asinh | Function::Acosh => {
                let square = self.square(x);
                let inside = if function == Function::Asinh { self.add(square, one) } else { self.sub(square, one) };
                let root = self.call(Function::Sqrt, inside);
                self.div(one, root)
            }
            Function::Atanh => {
                let square = self.square(x);
                let bottom = self.sub(one, square);
                self.div(one, bottom)
            }
            Function::Abs => {
                let zero = self.number(0.0);
                let minus = self.number(-1.0);
                let condition = self.compare(Relation::GreaterEqual, x, zero);
                self.choose(condition, one, minus)
            }
            Function::Floor | Function::Ceil => self.number(0.0),
        }
    }
}

/// Value and derivative of the root, in `builder`.
fn slopes(graph: &Graph, variable: &str, builder: &mut Builder) -> (Id, Id) {
    let (map, indices) = builder.import_open(graph);
    let span = graph.spans.last().copied().unwrap_or_default();
    let mut slope: Vec<Id> = Vec::with_capacity(map.len());
    for (at, node) in graph.nodes.iter().enumerate() {
        let mut make = Maker { builder, span };
        let zero = make.number(0.0);
        let value = |id: Id| map[id as usize];
        let d = |id: Id| slope[id as usize];
        let result = match *node {
            Node::Variable(name) if graph.names[name as usize] == variable => make.number(1.0),
            Node::Neg(a) if d(a) != zero => make.negate(d(a)),
            Node::Call(function, a) if d(a) != zero => {
                let outer = make.outer(function, value(a), map[at]);
                make.mul(outer, d(a))
            }
            Node::Binary(op, a, b) if d(a) != zero || d(b) != zero => {
                let (x, y, dx, dy) = (value(a), value(b), d(a), d(b));
                match op {
                    Binary::Add => make.add(dx, dy),
                    Binary::Sub => make.sub(dx, dy),
                    Binary::Mul => {
                        let (left, right) = (make.mul(dx, y), make.mul(x, dy));
                        make.add(left, right)
                    }
                    Binary::Div if dy == zero => make.div(dx, y),
                    Binary::Div => {
                        let (left, right) = (make.mul(dx, y), make.mul(x, dy));
                        let top = make.sub(left, right);
                        let bottom = make.square(y);
                        make.div(top, bottom)
                    }
                    Binary::Pow if dy == zero => {
                        let one = make.number(1.0);
                        let less = match make.builder.number_of(y) {
                            Some(n) => make.number(n - 1.0),
                            None => make.sub(y, one),
                        };
                        let power = if make.is(less, 1.0) { x } else { make.binary(Binary::Pow, x, less) };
                        let outer = make.mul(y, power);
                        make.mul(outer, dx)
                    }
                    Binary::Pow => {
                        // x^y (y' ln x + y x'/x)
                        let log = make.call(Function::Ln, x);
                        let left = make.mul(dy, log);
                        let ratio = make.div(dx, x);
                        let right = make.mul(y, ratio);
                        let inner = make.add(left, right);
                        make.mul(map[at], inner)
                    }
                    Binary::Min | Binary::Max => {
                        let op = if op == Binary::Min { Relation::LessEqual } else { Relation::GreaterEqual };
                        let condition = make.compare(op, x, y);
                        make.choose(condition, dx, dy)
                    }
                }
            }
            Node::If(condition, a, b) => make.choose(value(condition), d(a), d(b)),
            Node::Reduce(kind, index, first, last, body) if d(body) != zero => {
                let index = indices.get(&index).copied().unwrap_or_default();
                let (first, last) = (value(first), value(last));
                match kind {
                    Reduction::Sum => builder.reduce(kind, index, first, last, d(body), span),
                    Reduction::Product => {
                        // The product times the sum of logarithmic derivatives; undefined where a factor is zero.
                        let ratio = make.div(d(body), value(body));
                        let sum = builder.reduce(Reduction::Sum, index, first, last, ratio, span);
                        Maker { builder, span }.mul(map[at], sum)
                    }
                }
            }
            _ => zero,
        };
        slope.push(result);
    }
    let root = graph.root() as usize;
    (map[root], slope[root])
}
