//! The claimed leading order against the one derived from the formula.

use super::super::evaluate::Point;
use super::super::model::{Model, Quantity};
use super::super::source::Bound;
use super::Finding;
use crate::expr::{Expr, Growth};

/// Variables that go to a limit; the others are constants of the claim.
const GROWING: [&str; 8] = ["n", "d", "kappa", "eps", "nnz", "rank", "frobenius", "hvp_flops"];

/// One finding for each claim that does not match, and a remark where the derivation gives up.
pub fn examine(model: &Model) -> Vec<Finding> {
    model.quantities.iter().filter(|q| q.bound != Bound::Run).filter_map(|q| one(model, q)).collect()
}

fn one(model: &Model, quantity: &Quantity) -> Option<Finding> {
    let finding = |fails: bool, what: String| Some(Finding { check: "growth", fails, what });
    let names = growing(quantity);
    let claimed = match crate::expr::parse(&quantity.growth) {
        Ok(claim) => frozen(model, &claim, &names),
        Err(e) => return finding(true, format!("the claim of `{}` cannot be read: {e}", quantity.name())),
    };
    let (claim, derived) = (claimed.growth(&names), frozen(model, &quantity.expression, &names).growth(&names));
    match (claim.same(&derived), &derived) {
        (Some(true), _) => None,
        (Some(false), _) => finding(
            true,
            format!("`{}` claims {} ({claim}), the formula gives {derived}", quantity.name(), quantity.growth),
        ),
        (None, Growth::Unknown(why)) => {
            finding(false, format!("the growth of `{}` is claimed, not derived: {why}", quantity.name()))
        }
        (None, _) => {
            finding(true, format!("the claim `{}` of `{}` is no growth: {claim}", quantity.growth, quantity.name()))
        }
    }
}

/// The variables of a quantity that go to a limit.
pub fn growing(quantity: &Quantity) -> Vec<&'static str> {
    GROWING.iter().copied().filter(|name| quantity.names.iter().any(|n| n == name)).collect()
}

/// The leading order of a quantity, derived from its formula.
pub fn derive(model: &Model, quantity: &Quantity) -> Growth {
    let names = growing(quantity);
    frozen(model, &quantity.expression, &names).growth(&names)
}

/// The formula with every variable that stays finite at a number: its default, or the middle of its sample range.
fn frozen(model: &Model, formula: &Expr, names: &[&str]) -> Expr {
    let resolved = model.resolve(&Point::new());
    let mut formula = formula.clone();
    for variable in model.variables.iter().filter(|v| !names.contains(&v.name.as_str())) {
        let [low, high] = variable.sample;
        let middle = if low > 0.0 { (low * high).sqrt() } else { low };
        let value = resolved.value(&variable.name).unwrap_or(middle);
        if let Some(number) = Expr::number(value) {
            formula = formula.substitute(&variable.name, &number);
        }
    }
    formula.simplify()
}
