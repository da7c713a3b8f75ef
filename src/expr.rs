//! The formula language of the cost models.
//!
//! ```text
//! formula    = { "let" name "=" operation "in" } operation
//! operation  = operand { operator operand }
//! operand    = number | name | call | "(" formula ")" | "-" operand | "+" operand | "!" operand
//! call       = function "(" formula ")"                        ln log2 log10 ln1p exp expm1 sqrt cbrt sin cos tan asin
//!                                                              acos atan sinh cosh tanh asinh acosh atanh abs floor ceil
//!            | ("min" | "max") "(" formula "," formula { "," formula } ")"
//!            | "if" "(" condition "," formula "," formula ")"
//!            | "piecewise" "(" condition "," formula { "," condition "," formula } "," formula ")"
//!            | ("sum" | "prod") "(" index "," first "," last "," formula ")"
//! condition  = formula ("<" | "<=" | ">" | ">=" | "==" | "!=") formula, joined by "&&", "||", "!" | "true" | "false"
//! number     = digits, with an optional fraction and exponent: 12  0.5  .5  1e-9
//! name       = a letter or "_", then letters, digits, "_"
//! ```
//!
//! From loose to tight: `||`, `&&`, comparisons (chains allowed: `0 < eps <= 0.24`), `+ -`, `* /`, signs, `^`. Powers
//! lean to the right and bind tighter than a sign before them: `-2^2` is −4. `pi` and `e` are the constants.
//! `ln` is natural; a bare `log` is an error. The bounds of `sum` and `prod` are whole numbers and inclusive; an
//! empty sum is 0, an empty product 1.
//!
//! Every error carries the bytes of the source at fault. No evaluation returns NaN or an infinity: overflow,
//! division by zero and arguments outside a function's domain are errors, and only if the value is needed (the
//! branch of an `if` that is not taken may be undefined).
//!
//! ```
//! let cost = breakeven::expr::parse("d * kappa * ln(n * kappa / eps)").unwrap();
//! let at = |name: &str| match name {
//!     "d" => Some(8.0),
//!     "kappa" => Some(100.0),
//!     "n" => Some(1024.0),
//!     "eps" => Some(1e-3),
//!     _ => None,
//! };
//! assert!((cost.evaluate(&at).unwrap() - 14755.5178).abs() < 1e-4);
//! ```

mod along;
mod columns;
mod compare;
mod compiled;
mod condition;
mod derive;
mod enclose;
mod evaluate;
mod function;
mod graph;
mod growth;
mod hash;
mod interval;
mod latex;
mod lexer;
mod machine;
mod normal;
mod parser;
mod program;
mod rational;
mod scope;
mod simplify;
mod slope;
mod span;
mod steps;
mod tape;
#[cfg(test)]
mod tests;
mod text;
pub mod unit;

pub use along::{Along, Nothing};
pub use compare::{Comparison, compare};
pub use compiled::{Compiled, Evaluator, Values};
pub use condition::{Condition, Truth, parse_condition};
pub use growth::{Growth, Leading, Limit};
pub use interval::Interval;
pub use scope::Scope;
pub use slope::Slope;
pub use span::{EvalError, EvalErrorKind, ParseError};

use graph::{Builder, Graph, Node};
use span::Span;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A formula for a number. Cheap to clone; equal when the structure is equal.
#[derive(Clone, PartialEq)]
pub struct Expr {
    pub(crate) graph: Arc<Graph>,
}

/// Reads a formula; every free name is a variable. See [`Scope`] for definitions and declared variables.
///
/// # Errors
/// With the place in `source`.
pub fn parse(source: &str) -> Result<Expr, ParseError> {
    Scope::new().parse(source)
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({})", self.to_text())
    }
}

impl Expr {
    pub(crate) fn from_graph(graph: Graph) -> Self {
        Expr { graph: Arc::new(graph) }
    }

    /// A number. A number that is not finite has no formula: `None`.
    pub fn number(x: f64) -> Option<Expr> {
        let mut builder = Builder::new();
        let root = x.is_finite().then(|| builder.number(x, Span::default()))?;
        Some(Expr::from_graph(builder.finish(root)))
    }

    /// A variable; `None` when the name is reserved or malformed.
    pub fn variable(name: &str) -> Option<Expr> {
        let mut builder = Builder::new();
        let root = parser::is_free_name(name).then(|| builder.variable(name, Span::default()))?;
        Some(Expr::from_graph(builder.finish(root)))
    }

    /// The variables it mentions.
    pub fn variables(&self) -> BTreeSet<String> {
        self.graph.names.iter().cloned().collect()
    }

    /// The number of distinct operations, constants and variables.
    pub fn size(&self) -> usize {
        self.graph.nodes.len()
    }

    /// The value at a point.
    ///
    /// # Errors
    /// When a variable has no finite value, or an operation overflows or is undefined there.
    pub fn evaluate(&self, env: &dyn Fn(&str) -> Option<f64>) -> Result<f64, EvalError> {
        evaluate::evaluate(&self.graph, env)
    }

    /// An interval that contains the value at every point of the box `env`.
    ///
    /// The formula is meant exactly: `0.1` is one tenth. `Ok` also proves that the formula is defined on the whole
    /// box.
    ///
    /// # Errors
    /// As for [`Expr::evaluate`], when the enclosures cannot exclude it; [`EvalError::certain`] says whether it
    /// surely happens everywhere or a smaller box may succeed.
    pub fn evaluate_interval(&self, env: &dyn Fn(&str) -> Option<Interval>) -> Result<Interval, EvalError> {
        enclose::enclose(&self.graph, env)
    }

    /// Enclosures of the value and of its slope along `variable`, over the box `env`: the step of interval Newton.
    ///
    /// # Errors
    /// As for [`Expr::evaluate_interval`].
    pub fn evaluate_slope(&self, env: &dyn Fn(&str) -> Option<Interval>, variable: &str) -> Result<Slope, EvalError> {
        slope::slope(&self.graph, env, variable)
    }

    /// The formula with `value` in place of the variable `name`.
    #[must_use]
    pub fn substitute(&self, name: &str, value: &Expr) -> Expr {
        let mut builder = Builder::new();
        let mut imported = None;
        let map = builder.import(&self.graph, None, |builder, variable| {
            (variable == name).then(|| {
                *imported.get_or_insert_with(|| {
                    builder.import(&value.graph, None, |_, _| None).last().copied().unwrap_or_default()
                })
            })
        });
        Expr::from_graph(builder.finish(map.last().copied().unwrap_or_default()))
    }

    /// The same formula with like terms collected, in a fixed order. Equal wherever the original is defined.
    #[must_use]
    pub fn simplify(&self) -> Expr {
        Expr::from_graph(simplify::simplify(&self.graph))
    }

    /// The derivative by a variable, simplified.
    ///
    /// `floor`, `ceil` and the bounds of sums count as constant, which they are between their jumps; at a kink it is
    /// the derivative of the branch taken. The derivative of `prod` is undefined where a factor is zero.
    #[must_use]
    pub fn differentiate(&self, variable: &str) -> Expr {
        Expr::from_graph(derive::differentiate(&self.graph, variable))
    }

    /// The elasticity ∂ ln f / ∂ ln x, simplified: by how many per cent f grows when x grows by one.
    #[must_use]
    pub fn elasticity(&self, variable: &str) -> Expr {
        Expr::from_graph(derive::elasticity(&self.graph, variable))
    }

    /// Text that [`parse`] reads as the same formula.
    pub fn to_text(&self) -> String {
        text::print(&self.graph)
    }

    /// LaTeX for a mathematics environment.
    pub fn to_latex(&self) -> String {
        latex::print(&self.graph)
    }

    /// Where the variable stands first.
    pub(crate) fn span_of(&self, name: &str) -> Option<Span> {
        let id = self.graph.names.iter().position(|n| n == name)? as u32;
        let at = self.graph.nodes.iter().position(|n| *n == Node::Variable(id))?;
        Some(self.graph.spans[at])
    }
}
