//! Whether two models agree: equal, different with a witness, or undecided.

use super::check::sample_points;
use super::evaluate::Point;
use super::model::Model;
use serde::Serialize;
use std::collections::BTreeMap;

/// The answer for one quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Comparison {
    /// The same function: the formulas reduce to one form.
    Equal,
    /// They differ at a point.
    Different {
        /// The point.
        at: BTreeMap<String, f64>,
        /// Value of the first; none when outside its domain.
        a: Option<f64>,
        /// Value of the second; none when outside its domain.
        b: Option<f64>,
    },
    /// No difference found, no proof of equality.
    Undecided {
        /// Points at which they agree.
        points: usize,
    },
}

/// Compares the quantities of two models that have the same name.
pub fn compare(a: &Model, b: &Model) -> Vec<(String, Comparison)> {
    let shared = a.quantities.iter().filter_map(|q| b.quantity(&q.name()).map(|other| (q, other)));
    shared
        .map(|(q, other)| {
            let mut points = sample_points(a);
            points.extend(sample_points(b));
            let mut agreed = 0;
            for point in &points {
                let (x, y) = (a.price(q, point).value, b.price(other, point).value);
                let same = match (x, y) {
                    (Some(x), Some(y)) => (x - y).abs() <= 1e-12 * x.abs().max(y.abs()),
                    (None, None) => continue,
                    _ => false,
                };
                if !same {
                    return (q.name(), Comparison::Different { at: numbers(point), a: x, b: y });
                }
                agreed += 1;
            }
            if q.expression == other.expression && same_domain(a, b) {
                return (q.name(), Comparison::Equal);
            }
            (q.name(), Comparison::Undecided { points: agreed })
        })
        .collect()
}

fn same_domain(a: &Model, b: &Model) -> bool {
    let rules = |m: &Model| m.domain.iter().map(|r| r.condition.clone()).collect::<Vec<_>>();
    rules(a) == rules(b)
}

fn numbers(point: &Point) -> BTreeMap<String, f64> {
    point.iter().map(|(name, s)| (name.to_string(), s.value)).collect()
}
