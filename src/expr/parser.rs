//! Tokens to a graph: operator precedence by binding powers, with limits that keep hostile input harmless.

use super::function::{Binary, Constant, Function, Reduction, Relation};
use super::graph::{Builder, Graph, Id, Node};
use super::lexer::{Lexer, Token};
use super::scope::Scope;
use super::span::{ParseError, Span};
use std::collections::HashMap;

/// Longest source in bytes.
const MAX_SOURCE: usize = 64 * 1024;
/// Deepest nesting of brackets, powers and signs.
const MAX_DEPTH: usize = 200;
/// Most sums and products of one formula, and deepest nesting of them.
const MAX_REDUCTIONS: usize = 200;
const MAX_REDUCTION_DEPTH: usize = 8;

/// Names that no variable, index or definition may take.
pub(crate) const RESERVED: &[&str] =
    &["pi", "e", "let", "in", "if", "piecewise", "sum", "prod", "min", "max", "true", "false", "log"];

/// Whether `name` may be given to a variable or a definition.
pub(crate) fn is_free_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !RESERVED.contains(&name)
        && Function::from_name(name).is_none()
}

/// What the root of a formula must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Number,
    Truth,
}

/// Reads `source`; names are looked up among the `let`s, the indices, then `scope`.
pub(crate) fn parse(source: &str, scope: &Scope, sort: Sort) -> Result<Graph, ParseError> {
    if source.len() > MAX_SOURCE {
        return Err(ParseError::new(
            Span::new(MAX_SOURCE, source.len()),
            format!("the formula has {} bytes; the limit is {MAX_SOURCE}", source.len()),
            "split it into definitions",
        ));
    }
    let mut lexer = Lexer::new(source);
    let first = lexer.next()?;
    let mut parser = Parser {
        source,
        lexer,
        token: first.0,
        span: first.1,
        last: Span::default(),
        depth: 0,
        reductions: 0,
        reduction_depth: 0,
        builder: Builder::new(),
        local: Vec::new(),
        defining: Vec::new(),
        imported: HashMap::new(),
        scope,
    };
    let (root, span) = parser.expression()?;
    match parser.token {
        Token::End => {}
        Token::Close => return Err(parser.unexpected("`)` closes nothing", "remove it or open a bracket before")),
        Token::Number(_) | Token::Name | Token::Open => {
            return Err(parser.unexpected("an operator is missing here", "products are written out: `2 * kappa`"));
        }
        Token::Assign => {
            return Err(parser.unexpected("`=` stands alone", "compare with `==`, define with `let name = … in …`"));
        }
        _ => return Err(parser.unexpected("the formula should end here", "")),
    }
    parser.expect_sort(root, span, sort)?;
    Ok(parser.builder.finish(root))
}

enum Local {
    Value(Id),
    Index(u32),
}

struct Parser<'s> {
    source: &'s str,
    lexer: Lexer<'s>,
    token: Token,
    span: Span,
    /// The last token taken.
    last: Span,
    depth: usize,
    reductions: usize,
    reduction_depth: usize,
    builder: Builder,
    local: Vec<(&'s str, Local)>,
    defining: Vec<&'s str>,
    imported: HashMap<&'s str, Id>,
    scope: &'s Scope,
}

type Parsed = Result<(Id, Span), ParseError>;

impl<'s> Parser<'s> {
    fn text(&self, span: Span) -> &'s str {
        self.source.get(span.range()).unwrap_or_default()
    }

    fn advance(&mut self) -> Result<(), ParseError> {
        self.last = self.span;
        (self.token, self.span) = self.lexer.next()?;
        Ok(())
    }

    fn unexpected(&self, message: &str, help: &str) -> ParseError {
        ParseError::new(self.span, message, help)
    }

    fn expect(&mut self, token: Token, what: &str) -> Result<(), ParseError> {
        if self.token == token {
            return self.advance();
        }
        let found = match self.token {
            Token::End => "the formula ends".to_string(),
            _ => format!("found `{}`", self.text(self.span)),
        };
        Err(self.unexpected(&format!("expected {what}, but {found}"), ""))
    }

    fn is_truth(&self, id: Id) -> bool {
        matches!(
            self.builder.node(id),
            Node::Truth(_) | Node::Compare(..) | Node::Not(_) | Node::And(..) | Node::Or(..)
        )
    }

    fn expect_sort(&self, id: Id, span: Span, sort: Sort) -> Result<(), ParseError> {
        match (sort, self.is_truth(id)) {
            (Sort::Number, true) => Err(ParseError::new(
                span,
                "a number is needed here, this is a condition",
                "choose between numbers with `if(condition, a, b)`",
            )),
            (Sort::Truth, false) => Err(ParseError::new(
                span,
                "a condition is needed here, this is a number",
                "compare it with something, for example `kappa > 1`",
            )),
            _ => Ok(()),
        }
    }

    fn expression(&mut self) -> Parsed {
        let start = self.span;
        let mark = self.local.len();
        while self.token == Token::Name && self.text(self.span) == "let" {
            self.advance()?;
            let name = self.new_name("a definition")?;
            self.expect(Token::Assign, "`=` after the name")?;
            self.defining.push(name);
            let (value, _) = self.binary(0)?;
            self.defining.pop();
            if self.token != Token::Name || self.text(self.span) != "in" {
                return Err(
                    self.unexpected("expected `in` after the definition", "write `let name = value in formula`")
                );
            }
            self.advance()?;
            self.local.push((name, Local::Value(value)));
        }
        let (id, span) = self.binary(0)?;
        self.local.truncate(mark);
        Ok((id, start.to(span)))
    }

    /// A name that is still free.
    fn new_name(&mut self, what: &str) -> Result<&'s str, ParseError> {
        if self.token != Token::Name {
            return Err(self.unexpected(&format!("expected the name of {what}"), ""));
        }
        let name = self.text(self.span);
        if !is_free_name(name) {
            return Err(self.unexpected(&format!("`{name}` is reserved"), "choose another name"));
        }
        if self.local.iter().any(|(known, _)| *known == name) {
            return Err(self.unexpected(&format!("`{name}` is already taken here"), "choose another name"));
        }
        self.advance()?;
        Ok(name)
    }

    /// An operand, then every operator that binds at least as tightly as `floor`.
    fn binary(&mut self, floor: u8) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ParseError::new(
                self.span,
                format!("the formula nests more than {MAX_DEPTH} levels deep"),
                "name inner parts with `let name = … in …`",
            ));
        }
        let mut left = self.prefix()?;
        loop {
            let (power, operator) = match self.token {
                Token::Or => (1, Operator::Or),
                Token::And => (2, Operator::And),
                Token::Less => (4, Operator::Compare(Relation::Less)),
                Token::LessEqual => (4, Operator::Compare(Relation::LessEqual)),
                Token::Greater => (4, Operator::Compare(Relation::Greater)),
                Token::GreaterEqual => (4, Operator::Compare(Relation::GreaterEqual)),
                Token::EqualEqual => (4, Operator::Compare(Relation::Equal)),
                Token::NotEqual => (4, Operator::Compare(Relation::NotEqual)),
                Token::Plus => (5, Operator::Number(Binary::Add)),
                Token::Minus => (5, Operator::Number(Binary::Sub)),
                Token::Star => (6, Operator::Number(Binary::Mul)),
                Token::Slash => (6, Operator::Number(Binary::Div)),
                Token::Caret => (8, Operator::Number(Binary::Pow)),
                _ => break,
            };
            if power < floor {
                break;
            }
            self.advance()?;
            left = match operator {
                Operator::Compare(first) => self.comparisons(left, first)?,
                Operator::Number(op) => {
                    // Powers lean to the right and let a sign stand in the exponent.
                    let right = self.binary(if op == Binary::Pow { 8 } else { power + 1 })?;
                    self.expect_sort(left.0, left.1, Sort::Number)?;
                    self.expect_sort(right.0, right.1, Sort::Number)?;
                    self.join(Node::Binary(op, left.0, right.0), left.1, right.1)
                }
                Operator::And | Operator::Or => {
                    let right = self.binary(power + 1)?;
                    self.expect_sort(left.0, left.1, Sort::Truth)?;
                    self.expect_sort(right.0, right.1, Sort::Truth)?;
                    let node = match operator {
                        Operator::And => Node::And(left.0, right.0),
                        _ => Node::Or(left.0, right.0),
                    };
                    self.join(node, left.1, right.1)
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn join(&mut self, node: Node, left: Span, right: Span) -> (Id, Span) {
        let span = left.to(right);
        (self.builder.add(node, span), span)
    }

    /// `a < b <= c` means `a < b && b <= c`.
    fn comparisons(&mut self, left: (Id, Span), first: Relation) -> Parsed {
        let mut left = left;
        let mut op = first;
        let mut all: Option<(Id, Span)> = None;
        loop {
            let right = self.binary(5)?;
            self.expect_sort(left.0, left.1, Sort::Number)?;
            self.expect_sort(right.0, right.1, Sort::Number)?;
            let one = self.join(Node::Compare(op, left.0, right.0), left.1, right.1);
            all = Some(match all {
                None => one,
                Some(before) => self.join(Node::And(before.0, one.0), before.1, one.1),
            });
            op = match self.token {
                Token::Less => Relation::Less,
                Token::LessEqual => Relation::LessEqual,
                Token::Greater => Relation::Greater,
                Token::GreaterEqual => Relation::GreaterEqual,
                Token::EqualEqual => Relation::Equal,
                Token::NotEqual => Relation::NotEqual,
                _ => return Ok(all.unwrap_or(left)),
            };
            self.advance()?;
            left = right;
        }
    }

    fn prefix(&mut self) -> Parsed {
        let start = self.span;
        match self.token {
            Token::Minus => {
                self.advance()?;
                let (id, span) = self.binary(7)?;
                self.expect_sort(id, span, Sort::Number)?;
                Ok(self.join(Node::Neg(id), start, span))
            }
            Token::Plus => {
                self.advance()?;
                let (id, span) = self.binary(7)?;
                self.expect_sort(id, span, Sort::Number)?;
                Ok((id, start.to(span)))
            }
            Token::Not => {
                self.advance()?;
                let (id, span) = self.binary(3)?;
                self.expect_sort(id, span, Sort::Truth)?;
                Ok(self.join(Node::Not(id), start, span))
            }
            Token::Number(value) => {
                self.advance()?;
                Ok((self.builder.number(value, start), start))
            }
            Token::Open => {
                self.advance()?;
                let (id, _) = self.expression()?;
                self.expect(Token::Close, "`)`")?;
                Ok((id, start.to(self.last)))
            }
            Token::Name => self.name(),
            Token::End => Err(self.unexpected("the formula ends where a value should stand", "")),
            _ => {
                let message = format!("a value should stand before `{}`", self.text(self.span));
                Err(self.unexpected(&message, ""))
            }
        }
    }

    fn name(&mut self) -> Parsed {
        let span = self.span;
        let name = self.text(span);
        self.advance()?;
        if let Some(value) = self.keyword(name, span)? {
            return Ok(value);
        }
        if let Some(function) = Function::from_name(name) {
            let arguments = self.arguments(name, span, 1, 1)?;
            let (argument, place) = arguments[0];
            self.expect_sort(argument, place, Sort::Number)?;
            let span = span.to(self.last);
            return Ok((self.builder.add(Node::Call(function, argument), span), span));
        }
        if self.token == Token::Open {
            return Err(unknown_function(name, span));
        }
        if self.defining.contains(&name) {
            return Err(ParseError::new(
                span,
                format!("`{name}` is defined by itself"),
                "a definition may use earlier ones only",
            ));
        }
        if let Some((_, local)) = self.local.iter().find(|(known, _)| *known == name) {
            let id = match *local {
                Local::Value(id) => id,
                Local::Index(index) => self.builder.add(Node::Index(index), span),
            };
            return Ok((id, span));
        }
        if let Some(definition) = self.scope.definition(name) {
            let id = match self.imported.get(name) {
                Some(&id) => id,
                None => {
                    let map = self.builder.import(definition, Some(span), |_, _| None);
                    let id = map.last().copied().unwrap_or_default();
                    self.imported.insert(name, id);
                    id
                }
            };
            return Ok((id, span));
        }
        self.scope.check_variable(name, span)?;
        Ok((self.builder.variable(name, span), span))
    }

    /// Constants and the calls with their own rules.
    fn keyword(&mut self, name: &'s str, span: Span) -> Result<Option<(Id, Span)>, ParseError> {
        let id = match name {
            "pi" => self.builder.add(Node::Constant(Constant::Pi), span),
            "e" => self.builder.add(Node::Constant(Constant::Euler), span),
            "true" => self.builder.add(Node::Truth(true), span),
            "false" => self.builder.add(Node::Truth(false), span),
            "log" => {
                return Err(ParseError::new(
                    span,
                    "`log` does not say its base",
                    "write `ln`, `log2` or `log10`: the hidden base moves a crossover",
                ));
            }
            "let" => {
                return Err(ParseError::new(
                    span,
                    "`let` stands inside an operation",
                    "put brackets around `let name = … in …`",
                ));
            }
            "in" => return Err(ParseError::new(span, "`in` without its `let`", "write `let name = value in formula`")),
            "min" | "max" => {
                let op = if name == "min" { Binary::Min } else { Binary::Max };
                let arguments = self.arguments(name, span, 2, usize::MAX)?;
                let span = span.to(self.last);
                let mut all = arguments[0].0;
                for &(argument, place) in &arguments {
                    self.expect_sort(argument, place, Sort::Number)?;
                }
                for &(argument, _) in &arguments[1..] {
                    all = self.builder.add(Node::Binary(op, all, argument), span);
                }
                all
            }
            "if" | "piecewise" => {
                let most = if name == "if" { 3 } else { usize::MAX };
                let arguments = self.arguments(name, span, 3, most)?;
                let span = span.to(self.last);
                let (pairs, otherwise) = arguments.as_chunks::<2>();
                let [(otherwise, place)] = *otherwise else {
                    return Err(ParseError::new(
                        span,
                        "`piecewise` lacks its last value",
                        "write `piecewise(condition, value, condition, value, …, value otherwise)`",
                    ));
                };
                self.expect_sort(otherwise, place, Sort::Number)?;
                let mut all = otherwise;
                for [(condition, condition_place), (value, value_place)] in pairs.iter().rev() {
                    self.expect_sort(*condition, *condition_place, Sort::Truth)?;
                    self.expect_sort(*value, *value_place, Sort::Number)?;
                    all = self.builder.add(Node::If(*condition, *value, all), span);
                }
                all
            }
            "sum" => return self.reduction(Reduction::Sum, span).map(Some),
            "prod" => return self.reduction(Reduction::Product, span).map(Some),
            _ => return Ok(None),
        };
        Ok(Some((id, span.to(self.last))))
    }

    /// `(index, first, last, body)`.
    fn reduction(&mut self, kind: Reduction, span: Span) -> Parsed {
        self.reductions += 1;
        if self.reductions > MAX_REDUCTIONS || self.reduction_depth >= MAX_REDUCTION_DEPTH {
            return Err(ParseError::new(
                span,
                format!("more than {MAX_REDUCTIONS} sums, or nested more than {MAX_REDUCTION_DEPTH} deep"),
                "",
            ));
        }
        self.expect(Token::Open, &format!("`(` after `{}`", kind.name()))?;
        let name = self.new_name("the index")?;
        let mut bounds = [0; 2];
        for bound in &mut bounds {
            self.expect(Token::Comma, "`,`: the arguments are index, first, last, body")?;
            let (id, place) = self.expression()?;
            self.expect_sort(id, place, Sort::Number)?;
            *bound = id;
        }
        self.expect(Token::Comma, "`,`: the arguments are index, first, last, body")?;
        let index = self.builder.fresh_index();
        self.local.push((name, Local::Index(index)));
        self.reduction_depth += 1;
        let (body, place) = self.expression()?;
        self.reduction_depth -= 1;
        self.local.pop();
        self.expect_sort(body, place, Sort::Number)?;
        self.expect(Token::Close, "`)`: the arguments are index, first, last, body")?;
        let span = span.to(self.last);
        Ok((self.builder.reduce(kind, index, bounds[0], bounds[1], body, span), span))
    }

    fn arguments(&mut self, name: &str, span: Span, least: usize, most: usize) -> Result<Vec<(Id, Span)>, ParseError> {
        if self.token != Token::Open {
            return Err(ParseError::new(
                span,
                format!("`{name}` is a function and needs its argument in brackets"),
                format!("write `{name}(…)`"),
            ));
        }
        self.advance()?;
        let mut all = Vec::new();
        if self.token != Token::Close {
            loop {
                all.push(self.expression()?);
                if self.token != Token::Comma {
                    break;
                }
                self.advance()?;
            }
        }
        self.expect(Token::Close, "`,` or `)`")?;
        if all.len() < least || all.len() > most {
            let wanted = if least == most { format!("{least}") } else { format!("at least {least}") };
            return Err(ParseError::new(
                span.to(self.last),
                format!("`{name}` takes {wanted} argument(s), {} given", all.len()),
                "",
            ));
        }
        Ok(all)
    }
}

enum Operator {
    Or,
    And,
    Compare(Relation),
    Number(Binary),
}

fn unknown_function(name: &str, span: Span) -> ParseError {
    let help = match name {
        "log1p" => "write `ln1p(x)`".to_string(),
        "lg" | "lb" | "ld" => "write `log2(x)` or `log10(x)`".to_string(),
        "arccos" | "arcsin" | "arctan" => format!("write `a{}(x)`", &name[3..]),
        "arcosh" | "arccosh" | "arsinh" | "arcsinh" | "artanh" | "arctanh" => {
            "write `acosh`, `asinh` or `atanh`".to_string()
        }
        "pow" => "write `a ^ b`".to_string(),
        "ceiling" => "write `ceil(x)`".to_string(),
        _ => {
            let names = Function::ALL.iter().map(|f| f.name()).chain(["min", "max", "if", "piecewise", "sum", "prod"]);
            match closest(name, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a product is written out: `{name} * (…)`"),
            }
        }
    };
    ParseError::new(span, format!("there is no function `{name}`"), help)
}

/// The candidate within two edits of `name`, if any.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = if name.len() <= 3 { 1 } else { 2 };
    candidates.map(|c| (edits(name, c), c)).filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

fn edits(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 || a.len() > 40 {
        return usize::MAX;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
