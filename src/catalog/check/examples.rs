//! Worked values reproduced.

use super::super::evaluate::Point;
use super::super::model::Model;
use super::Finding;

/// How many examples hold, and a finding for each that does not.
pub fn reproduce(model: &Model) -> (usize, Vec<Finding>) {
    let mut good = 0;
    let mut findings = Vec::new();
    for (i, example) in model.source.examples.iter().enumerate() {
        let point = Point::of(example.at.0.iter().map(|(name, x)| (name.as_str(), *x)));
        let outcome = model.quantity(&example.quantity).map(|q| model.price(q, &point)).unwrap_or_default();
        let problem = match outcome.value {
            None => Some(format!("no value: {}", outcome.why)),
            Some(value) => {
                let off = relative(value, example.value);
                // A value printed with p digits is only known to half a unit of the last one.
                (off > example.tolerance).then(|| {
                    format!(
                        "{value:?} instead of {:?}, off by {off:.2e} (allowed {:.0e})",
                        example.value, example.tolerance
                    )
                })
            }
        };
        match problem {
            None => good += 1,
            Some(what) => findings.push(Finding {
                check: "examples",
                fails: true,
                what: format!("examples[{i}] ({}): {what}", example.quantity),
            }),
        }
    }
    (good, findings)
}

/// |a − b| relative to b.
pub fn relative(a: f64, b: f64) -> f64 {
    if a == b { 0.0 } else { (a - b).abs() / b.abs().max(f64::MIN_POSITIVE) }
}
