//! Points inside a model's domain, the same on every run; positivity and the domain are examined there.

use super::super::evaluate::{Point, Spread};
use super::super::model::Model;
use super::super::source::Bound;
use super::Finding;

/// How many points are wanted, and how many are tried for them.
const WANTED: usize = 60;
const TRIED: u32 = 2000;

/// Low-discrepancy points over the sample ranges of the variables, kept when they lie in the domain.
pub fn points(model: &Model) -> Vec<Point> {
    let mut kept = Vec::new();
    for k in 1..=TRIED {
        let mut point = Point::new();
        for (i, variable) in model.variables.iter().enumerate() {
            // Half of the points leave the defaults alone.
            if variable.default.is_some() && k % 2 == 0 {
                continue;
            }
            let t = halton(k, PRIMES.get(i).copied().unwrap_or(2));
            point.set(&variable.name, Spread::exact(between(variable.sample, t)));
        }
        let resolved = model.resolve(&point);
        let at = |name: &str| resolved.value(name);
        if model.main().is_some_and(|q| resolved.outside(q, &at).is_none()) {
            kept.push(point);
        }
        if kept.len() >= WANTED {
            break;
        }
    }
    kept
}

const PRIMES: [u32; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// The k-th number of van der Corput's sequence.
fn halton(mut k: u32, base: u32) -> f64 {
    let (mut value, mut scale) = (0.0, 1.0);
    while k > 0 {
        scale /= f64::from(base);
        value += scale * f64::from(k % base);
        k /= base;
    }
    value
}

/// In equal ratios where both ends are positive; 0/1 switches take their ends.
fn between([low, high]: [f64; 2], t: f64) -> f64 {
    if [low, high] == [0.0, 1.0] {
        (t * 2.0).floor()
    } else if low > 0.0 {
        (low.ln() + (high / low).ln() * t).exp()
    } else {
        low + (high - low) * t
    }
}

/// Whether the domain is not empty and every quantity has a positive value in it.
pub fn examine(model: &Model, points: &[Point]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if points.is_empty() {
        let what = "no sampled point lies in the domain".to_string();
        findings.push(Finding { check: "domain", fails: true, what });
    }
    for quantity in model.quantities.iter().filter(|q| q.bound != Bound::Run) {
        let mut seen = false;
        for point in points {
            let outcome = model.price(quantity, point);
            match outcome.value {
                Some(x) if x > 0.0 => seen = true,
                Some(x) => {
                    let what = format!("`{}` is {x:?} at {}", quantity.name(), shown(point));
                    findings.push(Finding { check: "positive", fails: true, what });
                    break;
                }
                None if outcome.in_domain || outcome.why.starts_with("no value here") => {
                    let what = format!("`{}` has no value at {}: {}", quantity.name(), shown(point), outcome.why);
                    findings.push(Finding { check: "domain", fails: !outcome.in_domain, what });
                    break;
                }
                // Outside a condition of its own.
                None => {}
            }
        }
        if !seen && !points.is_empty() && findings.is_empty() {
            let what = format!("`{}` has a value at no sampled point", quantity.name());
            findings.push(Finding { check: "domain", fails: false, what });
        }
    }
    findings
}

/// A point in one line.
pub fn shown(point: &Point) -> String {
    let all: Vec<String> =
        point.iter().map(|(n, s)| format!("{n}={}", super::super::evaluate::short(s.value))).collect();
    all.join(" ")
}
