//! Units through every formula: the four kinds of queries, flops, gates, seconds are never mixed unawares.

use super::super::model::Model;
use super::Finding;
use crate::expr::unit::{self, Unit};
use crate::expr::{ParseError, Scope};
use std::collections::BTreeMap;

/// One finding for each unit that is unknown and each formula whose units clash.
pub fn examine(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fail = |what: String| findings.push(Finding { check: "units", fails: true, what });
    let mut units: BTreeMap<String, Unit> = BTreeMap::new();
    for variable in &model.variables {
        match Unit::parse(&variable.unit) {
            Ok(unit) => {
                units.insert(variable.name.clone(), unit);
            }
            Err(e) => fail(format!("variable `{}`: {e}", variable.name)),
        }
    }
    let at = |units: &BTreeMap<String, Unit>, name: &str| units.get(name).copied();
    for variable in &model.variables {
        let Some(declared) = at(&units, &variable.name) else { continue };
        for formula in variable.default.iter().chain(variable.band.iter().flatten()) {
            // A plain number may stand for a variable of any unit.
            if formula.variables().is_empty() {
                continue;
            }
            if let Err(e) = unit::check(formula, &|n| at(&units, n), declared) {
                fail(format!("default of `{}`: {e}", variable.name));
            }
        }
    }
    // Definitions and quantities in order: each becomes a name with its declared unit.
    let steps = model
        .source
        .definitions
        .iter()
        .map(|d| (d.id.as_str(), d.expression.as_str(), d.unit.as_deref().unwrap_or("1"), true))
        .chain(model.source.quantities.iter().map(|q| {
            (q.id.as_str(), q.expression.as_str(), q.unit.as_str(), q.bound != super::super::source::Bound::Run)
        }));
    for (id, text, declared, named) in steps {
        let declared = match Unit::parse(declared) {
            Ok(unit) => unit,
            Err(e) => {
                fail(format!("`{id}`: {e}"));
                continue;
            }
        };
        let checked = Scope::new().parse(text).and_then(|e| check_count(&e, &|n| at(&units, n), declared));
        if let Err(e) = checked {
            fail(format!("`{id}`: {e}"));
        }
        if named {
            units.insert(id.to_string(), declared);
        }
    }
    for rule in &model.source.domain {
        let checked =
            Scope::new().parse_condition(&rule.condition).and_then(|c| unit::check_condition(&c, &|n| at(&units, n)));
        if let Err(e) = checked {
            fail(format!("domain `{}`: {e}", rule.condition));
        }
    }
    findings
}

/// As [`unit::check`]; a pure number may also count operations *per* something (`2*nnz` flops an iteration).
fn check_count(e: &crate::expr::Expr, env: &dyn Fn(&str) -> Option<Unit>, declared: Unit) -> Result<(), ParseError> {
    match unit::check(e, env, declared) {
        Err(error) => match unit::unit_of(e, env) {
            Ok(unit) if unit.is_one() && is_ratio_of_counts(declared) => Ok(()),
            _ => Err(error),
        },
        ok => ok,
    }
}

fn is_ratio_of_counts(declared: Unit) -> bool {
    ["iterations", "queries", "sparse_queries", "walk_steps"]
        .iter()
        .filter_map(|name| Unit::base(name))
        .any(|per| declared.times(per).is_some_and(|u| u.is_count()))
}
