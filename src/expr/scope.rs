//! What names mean: the definitions of a model in order, and the variables it declares.

use super::graph::Graph;
use super::parser::{self, RESERVED, Sort, closest, is_free_name};
use super::span::{ParseError, Span};
use super::{Condition, Expr};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The names that a formula may use. The default knows no definition and takes every other name for a variable.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    definitions: BTreeMap<String, Expr>,
    variables: Option<BTreeSet<String>>,
}

impl Scope {
    /// No definitions; every free name is a variable.
    pub fn new() -> Self {
        Scope::default()
    }

    /// No definitions; any name but these is an error.
    pub fn with_variables<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Scope { definitions: BTreeMap::new(), variables: Some(names.into_iter().map(str::to_string).collect()) }
    }

    /// Adds `name = source`, which may use the definitions made before.
    ///
    /// # Errors
    /// When the source cannot be read, mentions `name` itself, or the name is reserved, taken or malformed.
    pub fn define(&mut self, name: &str, source: &str) -> Result<(), ParseError> {
        let whole = Span::new(0, source.len());
        if !is_free_name(name) {
            let help = if RESERVED.contains(&name) {
                "it has a meaning of its own"
            } else {
                "names are letters, digits and _"
            };
            return Err(ParseError::new(whole, format!("`{name}` cannot be the name of a definition"), help));
        }
        if self.definitions.contains_key(name) || self.variables.as_ref().is_some_and(|v| v.contains(name)) {
            return Err(ParseError::new(whole, format!("`{name}` is defined twice"), "choose another name"));
        }
        // Names inside may not be `name`: found by reading it as an ordinary variable first.
        if let Some(variables) = &mut self.variables {
            variables.insert(name.to_string());
        }
        let expression = self.parse(source);
        if let Some(variables) = &mut self.variables {
            variables.remove(name);
        }
        let expression = expression?;
        if let Some(span) = expression.span_of(name) {
            return Err(ParseError::new(
                span,
                format!("`{name}` is defined by itself"),
                "a definition may use earlier ones only",
            ));
        }
        self.definitions.insert(name.to_string(), expression);
        Ok(())
    }

    /// Reads a formula.
    ///
    /// # Errors
    /// With the place in `source`.
    pub fn parse(&self, source: &str) -> Result<Expr, ParseError> {
        Ok(Expr::from_graph(parser::parse(source, self, Sort::Number)?))
    }

    /// Reads a condition.
    ///
    /// # Errors
    /// With the place in `source`.
    pub fn parse_condition(&self, source: &str) -> Result<Condition, ParseError> {
        Ok(Condition { graph: Arc::new(parser::parse(source, self, Sort::Truth)?) })
    }

    pub(crate) fn definition(&self, name: &str) -> Option<&Graph> {
        self.definitions.get(name).map(|e| e.graph.as_ref())
    }

    pub(crate) fn check_variable(&self, name: &str, span: Span) -> Result<(), ParseError> {
        let Some(variables) = &self.variables else { return Ok(()) };
        if variables.contains(name) {
            return Ok(());
        }
        let known = variables.iter().map(String::as_str).chain(self.definitions.keys().map(String::as_str));
        let help = match closest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let list: Vec<&str> = variables.iter().map(String::as_str).collect();
                format!("the variables here are {}", list.join(", "))
            }
        };
        Err(ParseError::new(span, format!("unknown name `{name}`"), help))
    }
}
