//! Whether costs rise with κ, 1/ε, d and n; declared exceptions are remarks, undeclared ones failures.

use super::super::evaluate::{Point, Spread};
use super::super::model::{Model, Quantity};
use super::super::source::Bound;
use super::Finding;
use super::sample::shown;

/// Variables in which a cost should rise; for `eps` it should fall.
const RISING: [(&str, f64); 4] = [("kappa", 1.0), ("eps", -1.0), ("d", 1.0), ("n", 1.0)];

/// One finding for each quantity and variable that is not monotone, declared or not.
pub fn examine(model: &Model, points: &[Point]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for quantity in model.quantities.iter().filter(|q| q.bound != Bound::Run) {
        for (name, sign) in RISING {
            let Some(sample) = model.variable(name).map(|v| v.sample) else { continue };
            let declared = model.source.exceptions.iter().find(|e| e.quantity == quantity.name() && e.variable == name);
            let found = points.iter().step_by(3).find_map(|point| drop(model, quantity, point, name, sign, sample));
            match (found, declared) {
                (Some(what), None) => findings.push(Finding { check: "monotone", fails: true, what }),
                (Some(what), Some(e)) => {
                    let what = format!("{what}; declared: {}", e.why);
                    findings.push(Finding { check: "monotone", fails: false, what });
                }
                (None, Some(_)) => findings.push(Finding {
                    check: "monotone",
                    fails: false,
                    what: format!("`{}` was declared not monotone in {name}, but no drop was found", quantity.name()),
                }),
                (None, None) => {}
            }
        }
    }
    findings
}

/// A place where the cost falls though it should rise, in words.
fn drop(
    model: &Model,
    quantity: &Quantity,
    point: &Point,
    name: &str,
    sign: f64,
    [low, high]: [f64; 2],
) -> Option<String> {
    const STEPS: u32 = 24;
    let mut last: Option<(f64, f64)> = None;
    for k in 0..=STEPS {
        let t = f64::from(k) / f64::from(STEPS);
        let x = if low > 0.0 { (low.ln() + (high / low).ln() * t).exp() } else { low + (high - low) * t };
        let value = model.price(quantity, &point.clone().with(name, Spread::exact(x))).value;
        if let (Some((before, old)), Some(new)) = (last, value)
            && sign * (new - old) < -1e-12 * old.abs()
        {
            return Some(format!(
                "`{}` goes from {} to {} when {name} goes from {} to {} ({})",
                quantity.name(),
                crate::catalog::evaluate::short(old),
                crate::catalog::evaluate::short(new),
                crate::catalog::evaluate::short(before),
                crate::catalog::evaluate::short(x),
                shown(point)
            ));
        }
        last = value.map(|v| (x, v));
    }
    None
}
