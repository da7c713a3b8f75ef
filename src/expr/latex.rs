//! Printing to LaTeX.

use super::function::{Binary, Constant, Function, Relation};
use super::graph::{Graph, Id, Node};
use super::text::{flatten, index_names, level, number, symbol};
use std::collections::HashMap;

/// Longest LaTeX text of one part; shared parts are written out, so hostile formulas could explode.
const LIMIT: usize = 200_000;

/// The LaTeX of a variable: Greek letters, subscripts, upright words.
fn name(text: &str) -> String {
    const GREEK: &[&str] = &[
        "alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma",
        "tau", "phi", "chi", "psi", "omega",
    ];
    let (head, tail) = match text.split_once('_') {
        Some((head, tail)) if !head.is_empty() && !tail.is_empty() => (head, Some(tail)),
        _ => (text, None),
    };
    let escape = |word: &str| word.replace('_', "\\_");
    let greek = GREEK.contains(&head);
    if tail.is_some() && !greek && head.chars().count() > 1 {
        return format!("\\mathrm{{{}}}", escape(text));
    }
    let head = match head {
        "eps" => "\\varepsilon".to_string(),
        "n" => "N".to_string(),
        _ if greek => format!("\\{head}"),
        _ if head.chars().count() == 1 => head.to_string(),
        _ => format!("\\mathrm{{{}}}", escape(head)),
    };
    match tail {
        Some(tail) if tail.chars().count() == 1 => format!("{head}_{tail}"),
        Some(tail) => format!("{head}_{{\\mathrm{{{}}}}}", escape(tail)),
        None => head,
    }
}

fn numeral(x: f64) -> String {
    let text = number(x);
    match text.split_once('e') {
        Some(("1", exponent)) => format!("10^{{{exponent}}}"),
        Some(("-1", exponent)) => format!("-10^{{{exponent}}}"),
        Some((digits, exponent)) => format!("{digits} \\cdot 10^{{{exponent}}}"),
        None => text,
    }
}

struct Printer<'g> {
    graph: &'g Graph,
    indices: HashMap<u32, String>,
    done: Vec<(String, u8)>,
}

impl Printer<'_> {
    fn part(&self, id: Id, least: u8) -> String {
        let (text, level) = &self.done[id as usize];
        if *level >= least { text.clone() } else { format!("\\left({text}\\right)") }
    }

    fn call(&self, function: Function, a: Id) -> (String, u8) {
        let inside = self.part(a, 0);
        let bracketed = format!("\\left({inside}\\right)");
        let text = match function {
            Function::Sqrt => format!("\\sqrt{{{inside}}}"),
            Function::Cbrt => format!("\\sqrt[3]{{{inside}}}"),
            Function::Abs => format!("\\left|{inside}\\right|"),
            Function::Floor => format!("\\left\\lfloor {inside}\\right\\rfloor"),
            Function::Ceil => format!("\\left\\lceil {inside}\\right\\rceil"),
            Function::Exp => return (format!("e^{{{inside}}}"), level::POWER),
            Function::Log2 => format!("\\log_2{bracketed}"),
            Function::Log10 => format!("\\log_{{10}}{bracketed}"),
            Function::Ln1p => format!("\\ln\\left(1 + {}\\right)", self.part(a, level::PRODUCT)),
            Function::Expm1 => return (format!("e^{{{inside}}} - 1"), level::SUM),
            Function::Asin | Function::Acos | Function::Atan => format!("\\arc{}{bracketed}", &function.name()[1..]),
            Function::Asinh | Function::Acosh | Function::Atanh => {
                format!("\\operatorname{{ar{}}}{bracketed}", &function.name()[1..])
            }
            _ => format!("\\{}{bracketed}", function.name()),
        };
        (text, level::ATOM)
    }

    fn binary(&self, at: Id, op: Binary, a: Id, b: Id) -> (String, u8) {
        match op {
            Binary::Add => (format!("{} + {}", self.part(a, level::SUM), self.part(b, level::PRODUCT)), level::SUM),
            Binary::Sub => (format!("{} - {}", self.part(a, level::SUM), self.part(b, level::PRODUCT)), level::SUM),
            Binary::Mul => {
                let (left, right) = (self.part(a, level::PRODUCT), self.part(b, level::POWER));
                // Digits need a dot between them; letters stand side by side.
                let dot = if right.starts_with(|c: char| c.is_ascii_digit()) { " \\cdot " } else { " \\, " };
                (format!("{left}{dot}{right}"), level::PRODUCT)
            }
            Binary::Div => (format!("\\frac{{{}}}{{{}}}", self.part(a, 0), self.part(b, 0)), level::POWER),
            Binary::Pow => {
                let base = match self.graph.nodes[a as usize] {
                    // A fraction or a power as base needs brackets.
                    Node::Binary(Binary::Div | Binary::Pow, ..) | Node::Call(Function::Exp, _) => {
                        format!("\\left({}\\right)", self.part(a, 0))
                    }
                    _ => self.part(a, level::ATOM),
                };
                (format!("{base}^{{{}}}", self.part(b, 0)), level::POWER)
            }
            Binary::Min | Binary::Max => {
                let name = if op == Binary::Min { "min" } else { "max" };
                let parts: Vec<String> = flatten(self.graph, op, at).iter().map(|id| self.part(*id, 0)).collect();
                (format!("\\{name}\\left({}\\right)", parts.join(", ")), level::ATOM)
            }
        }
    }

    fn node(&self, at: Id) -> (String, u8) {
        match self.graph.nodes[at as usize] {
            Node::Number(bits) => {
                let x = f64::from_bits(bits);
                let text = numeral(x);
                let level = if x < 0.0 {
                    level::SIGN
                } else if text.contains("cdot") {
                    level::PRODUCT
                } else {
                    level::ATOM
                };
                (text, level)
            }
            Node::Constant(Constant::Pi) => ("\\pi".to_string(), level::ATOM),
            Node::Constant(Constant::Euler) => ("e".to_string(), level::ATOM),
            Node::Variable(id) => (name(&self.graph.names[id as usize]), level::ATOM),
            Node::Index(index) => (self.indices.get(&index).map(|n| name(n)).unwrap_or_default(), level::ATOM),
            Node::Truth(truth) => (format!("\\text{{{truth}}}"), level::ATOM),
            Node::Neg(a) => (format!("-{}", self.part(a, level::PRODUCT)), level::SUM),
            Node::Not(a) => (format!("\\lnot {}", self.part(a, level::ATOM)), level::NOT),
            Node::Call(function, a) => self.call(function, a),
            Node::And(a, b) => {
                (format!("{} \\land {}", self.part(a, level::AND), self.part(b, level::NOT)), level::AND)
            }
            Node::Or(a, b) => (format!("{} \\lor {}", self.part(a, level::OR), self.part(b, level::AND)), level::OR),
            Node::Compare(op, a, b) => {
                let symbol = match op {
                    Relation::Less => "<",
                    Relation::LessEqual => "\\le",
                    Relation::Greater => ">",
                    Relation::GreaterEqual => "\\ge",
                    Relation::Equal => "=",
                    Relation::NotEqual => "\\ne",
                };
                (format!("{} {symbol} {}", self.part(a, level::SUM), self.part(b, level::SUM)), level::COMPARE)
            }
            Node::If(..) => (self.cases(at), level::ATOM),
            Node::Reduce(kind, index, first, last, body) => {
                let index = self.indices.get(&index).map(|n| name(n)).unwrap_or_default();
                let body = self.part(body, level::PRODUCT);
                let (first, last) = (self.part(first, 0), self.part(last, 0));
                (format!("{}_{{{index}={first}}}^{{{last}}} {body}", symbol(kind)), level::SUM)
            }
            Node::Binary(op, a, b) => self.binary(at, op, a, b),
        }
    }

    /// A chain of `if`s as one brace.
    fn cases(&self, at: Id) -> String {
        let mut text = String::from("\\begin{cases} ");
        let mut at = at;
        while let Node::If(c, a, b) = self.graph.nodes[at as usize] {
            text.push_str(&format!("{} & {} \\\\ ", self.part(a, 0), self.part(c, 0)));
            at = b;
        }
        text.push_str(&format!("{} & \\text{{otherwise}} \\end{{cases}}", self.part(at, 0)));
        text
    }
}

/// The LaTeX of a formula, for a mathematics environment.
pub(crate) fn print(graph: &Graph) -> String {
    let mut printer = Printer { graph, indices: index_names(graph), done: Vec::with_capacity(graph.nodes.len()) };
    for at in 0..graph.nodes.len() as Id {
        let (text, level) = printer.node(at);
        printer.done.push(if text.len() > LIMIT { ("\\ldots".to_string(), level::ATOM) } else { (text, level) });
    }
    printer.done.pop().unwrap_or_default().0
}
