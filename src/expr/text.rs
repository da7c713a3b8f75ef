//! Printing to text that reads back as the same formula.

use super::function::{Binary, Reduction};
use super::graph::{Graph, Id, Node};
use std::collections::HashMap;

/// Longest text without shared parts named by `let`.
const PLAIN_LIMIT: usize = 4_000;

/// How tightly the outermost operation binds; numbers as in the parser.
pub(super) mod level {
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARE: u8 = 4;
    pub const SUM: u8 = 5;
    pub const PRODUCT: u8 = 6;
    pub const SIGN: u8 = 7;
    pub const POWER: u8 = 8;
    pub const ATOM: u8 = 9;
}

/// The text of a number, the shortest that reads back as the same f64.
pub(crate) fn number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 || (1e-5..1e16).contains(&size) { format!("{x}") } else { format!("{x:e}") }
}

/// Names for the bound indices of each level that collide with no variable.
pub(super) fn index_names(graph: &Graph) -> HashMap<u32, String> {
    const LETTERS: [&str; 6] = ["k", "l", "m", "j", "i", "q"];
    let mut names: HashMap<u32, String> = HashMap::new();
    for node in &graph.nodes {
        if let Node::Reduce(_, index, ..) = *node {
            names.entry(index).or_insert_with(|| {
                let mut name = match LETTERS.get(index as usize) {
                    Some(letter) => letter.to_string(),
                    None => format!("k{index}"),
                };
                while graph.names.contains(&name) {
                    name.push('_');
                }
                name
            });
        }
    }
    names
}

/// The operands of nested minima or maxima, as one list.
pub(super) fn flatten(graph: &Graph, op: Binary, id: Id) -> Vec<Id> {
    let mut reversed = Vec::new();
    let mut at = id;
    while let Node::Binary(inner, a, b) = graph.nodes[at as usize] {
        if inner != op {
            break;
        }
        reversed.push(b);
        at = a;
    }
    reversed.push(at);
    reversed.reverse();
    reversed
}

struct Printer<'g> {
    graph: &'g Graph,
    indices: HashMap<u32, String>,
    done: Vec<(String, u8)>,
}

impl Printer<'_> {
    /// The text of a part, in brackets when it binds more loosely than `least`.
    fn part(&self, id: Id, least: u8) -> String {
        let (text, level) = &self.done[id as usize];
        if *level >= least { text.clone() } else { format!("({text})") }
    }

    /// The right operand of a sum; one that begins with a sign gets brackets.
    fn summand(&self, id: Id) -> String {
        let text = self.part(id, level::PRODUCT);
        if text.starts_with('-') { format!("({text})") } else { text }
    }

    fn node(&self, at: Id) -> (String, u8) {
        let graph = self.graph;
        match graph.nodes[at as usize] {
            Node::Number(bits) => {
                let x = f64::from_bits(bits);
                (number(x), if x < 0.0 { level::SIGN } else { level::ATOM })
            }
            Node::Constant(constant) => (constant.name().to_string(), level::ATOM),
            Node::Variable(name) => (graph.names[name as usize].clone(), level::ATOM),
            Node::Index(index) => (self.indices.get(&index).cloned().unwrap_or_default(), level::ATOM),
            Node::Truth(truth) => (truth.to_string(), level::ATOM),
            Node::Neg(a) => (format!("-{}", self.part(a, level::POWER)), level::SIGN),
            Node::Not(a) => (format!("!{}", self.part(a, level::ATOM)), level::NOT),
            Node::Call(f, a) => (format!("{}({})", f.name(), self.part(a, 0)), level::ATOM),
            Node::And(a, b) => (format!("{} && {}", self.part(a, level::AND), self.part(b, level::NOT)), level::AND),
            Node::Or(a, b) => (format!("{} || {}", self.part(a, level::OR), self.part(b, level::AND)), level::OR),
            Node::Compare(op, a, b) => {
                let (a, b) = (self.part(a, level::SUM), self.part(b, level::SUM));
                (format!("{a} {} {b}", op.symbol()), level::COMPARE)
            }
            Node::If(c, a, b) => {
                (format!("if({}, {}, {})", self.part(c, 0), self.part(a, 0), self.part(b, 0)), level::ATOM)
            }
            Node::Reduce(kind, index, first, last, body) => {
                let name = self.indices.get(&index).cloned().unwrap_or_default();
                let (first, last, body) = (self.part(first, 0), self.part(last, 0), self.part(body, 0));
                (format!("{}({name}, {first}, {last}, {body})", kind.name()), level::ATOM)
            }
            Node::Binary(op, a, b) => match op {
                Binary::Add => (format!("{} + {}", self.part(a, level::SUM), self.summand(b)), level::SUM),
                Binary::Sub => (format!("{} - {}", self.part(a, level::SUM), self.summand(b)), level::SUM),
                Binary::Mul => {
                    (format!("{}*{}", self.part(a, level::PRODUCT), self.part(b, level::POWER)), level::PRODUCT)
                }
                Binary::Div => {
                    (format!("{}/{}", self.part(a, level::PRODUCT), self.part(b, level::POWER)), level::PRODUCT)
                }
                Binary::Pow => (format!("{}^{}", self.part(a, level::ATOM), self.part(b, level::POWER)), level::POWER),
                Binary::Min | Binary::Max => {
                    let name = if op == Binary::Min { "min" } else { "max" };
                    let parts: Vec<String> = flatten(graph, op, at).iter().map(|id| self.part(*id, 0)).collect();
                    (format!("{name}({})", parts.join(", ")), level::ATOM)
                }
            },
        }
    }
}

/// How many characters the text would have with every shared part written out.
fn expanded_length(graph: &Graph) -> f64 {
    let mut sizes: Vec<f64> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let (children, count) = node.children();
        let own = match node {
            Node::Variable(name) => graph.names[*name as usize].len() as f64,
            _ => 6.0,
        };
        sizes.push(children[..count].iter().fold(own, |all, child| all + sizes[*child as usize]));
    }
    sizes.last().copied().unwrap_or_default()
}

/// The text of a formula.
pub(crate) fn print(graph: &Graph) -> String {
    let share = expanded_length(graph) > PLAIN_LIMIT as f64;
    let mut uses = vec![0_u32; graph.nodes.len()];
    for node in &graph.nodes {
        let (children, count) = node.children();
        for &child in &children[..count] {
            uses[child as usize] += 1;
        }
    }
    let mut printer = Printer { graph, indices: index_names(graph), done: Vec::with_capacity(graph.nodes.len()) };
    let mut lets = String::new();
    let mut named = 0;
    for at in 0..graph.nodes.len() as Id {
        let (text, level) = printer.node(at);
        let closed = graph.free[at as usize].is_empty();
        let number = !matches!(
            graph.nodes[at as usize],
            Node::Truth(_) | Node::Compare(..) | Node::Not(_) | Node::And(..) | Node::Or(..)
        );
        let worth = uses[at as usize] > 1 && text.len() > 12;
        if share && closed && number && (worth || text.len() > PLAIN_LIMIT) {
            let mut name = format!("t{named}");
            while graph.names.contains(&name) {
                name.push('_');
            }
            named += 1;
            lets.push_str(&format!("let {name} = {text} in\n"));
            printer.done.push((name, level::ATOM));
        } else if text.len() > 100 * PLAIN_LIMIT {
            // Only inside an indexed body written to explode.
            printer.done.push(("…".to_string(), level::ATOM));
        } else {
            printer.done.push((text, level));
        }
    }
    let (text, _) = printer.done.pop().unwrap_or_default();
    lets + &text
}

/// The name of a reduction for titles.
pub(super) fn symbol(kind: Reduction) -> &'static str {
    match kind {
        Reduction::Sum => "\\sum",
        Reduction::Product => "\\prod",
    }
}
