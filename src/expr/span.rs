//! Byte ranges of a formula's source, and the errors that point at them.

use crate::error::Error;
use std::fmt;
use std::ops::Range;

/// A byte range of the source; small, because every node of a formula carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    pub fn to(self, other: Span) -> Self {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A formula that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The bytes of the source at fault.
    pub span: Range<usize>,
    /// What is wrong there.
    pub message: String,
    /// What to write instead; may be empty.
    pub help: String,
}

impl ParseError {
    pub(crate) fn new(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        ParseError { span: span.range(), message: message.into(), help: help.into() }
    }

    /// The message with the place, the line of the source and a caret under the fault.
    pub fn render(&self, source: &str, file: &str) -> String {
        render(&self.message, &self.help, &self.span, source, file)
    }

    /// As the program's error (exit 3); `place` names the file and the field.
    pub fn to_error(&self, source: &str, place: &str) -> Error {
        let text = excerpt(&self.span, source);
        Error::input("expr::parse", place, format!("{}\n{text}", self.message), &self.help)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (bytes {}..{})", self.message, self.span.start, self.span.end)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; help: {}", self.help) }
    }
}

impl std::error::Error for ParseError {}

/// The classes of failure of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalErrorKind {
    /// The environment has no value for a variable.
    UnknownVariable,
    /// The environment gave NaN or an infinity.
    NotFinite,
    /// Division by zero, or zero to a negative power.
    DivisionByZero,
    /// An argument outside the domain of a function, such as `ln(0)`.
    Domain,
    /// A value beyond the range of f64.
    Overflow,
    /// A bound of `sum` or `prod` that is not a whole number.
    Bounds,
    /// More terms than the limit.
    TooManyTerms,
}

/// An evaluation without a value: the place in the formula and the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalError {
    /// The class of failure.
    pub kind: EvalErrorKind,
    /// The bytes of the source at fault.
    pub span: Range<usize>,
    /// What is wrong there, with the offending value.
    pub message: String,
    /// Whether the failure is sure. Always true at a point; over an interval, false means "for some values,
    /// perhaps": a smaller interval may evaluate.
    pub certain: bool,
}

impl EvalError {
    /// The message with the place, the line of the source and a caret under the fault.
    pub fn render(&self, source: &str, file: &str) -> String {
        render(&self.message, "", &self.span, source, file)
    }

    /// As the program's error (exit 3); `place` names the file and the field.
    pub fn to_error(&self, source: &str, place: &str) -> Error {
        Error::input("expr::evaluate", place, format!("{}\n{}", self.message, excerpt(&self.span, source)), "")
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}

/// How much of a long line is shown on either side of the fault.
const CONTEXT: usize = 60;

/// `file:line:column: message`, the excerpt, the help.
pub(crate) fn render(message: &str, help: &str, span: &Range<usize>, source: &str, file: &str) -> String {
    let start = floor_boundary(source, span.start);
    let before = &source[..start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    let mut text = format!("{file}:{line}:{column}: {message}\n{}", excerpt(span, source));
    if !help.is_empty() {
        text.push_str("\n  help: ");
        text.push_str(help);
    }
    text
}

/// The line at fault and a line of carets; long lines are cut to a window.
fn excerpt(span: &Range<usize>, source: &str) -> String {
    let start = floor_boundary(source, span.start);
    let end = floor_boundary(source, span.end.max(span.start)).max(start);
    let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
    let end = end.min(line_end);
    let left: Vec<char> = source[line_start..start].chars().map(printable).collect();
    let middle: Vec<char> = source[start..end].chars().map(printable).collect();
    let right: Vec<char> = source[end..line_end].chars().map(printable).collect();
    let mut shown = String::from("  ");
    if left.len() > CONTEXT {
        shown.push('…');
    }
    shown.extend(&left[left.len().saturating_sub(CONTEXT)..]);
    let indent = shown.chars().count();
    let carets = middle.len().clamp(1, CONTEXT);
    shown.extend(middle.iter().take(CONTEXT));
    if middle.len() > CONTEXT {
        shown.push('…');
    } else {
        shown.extend(right.iter().take(CONTEXT));
        if right.len() > CONTEXT {
            shown.push('…');
        }
    }
    format!("{shown}\n{}{}", " ".repeat(indent), "^".repeat(carets))
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn floor_boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}
