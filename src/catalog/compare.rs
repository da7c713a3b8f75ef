//! Whether two models agree: equal, different with a witness, or undecided.

use super::evaluate::Point;
use super::model::Model;
use crate::expr::{self, Interval};
use serde::Serialize;
use std::collections::BTreeMap;

/// The answer for one quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Comparison {
    /// The same function by algebra, on the same domain.
    Equal,
    /// The same function by algebra, where both domains hold; the domains are written differently.
    #[serde(rename = "equal")]
    EqualFormula {
        /// Says so.
        note: &'static str,
    },
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
            let (agreed, witness) = sampled(a, b, q, other);
            if let Some(witness) = witness {
                return (q.name(), witness);
            }
            let algebra = expr::compare(&q.expression, &other.expression, &ranges(a, b));
            let answer = match algebra {
                expr::Comparison::Equal if same_domain(a, b) => Comparison::Equal,
                expr::Comparison::Equal => {
                    Comparison::EqualFormula { note: "the same formula; the domains are written differently" }
                }
                expr::Comparison::Different { witness, left, right } if inside(a, b, &witness) => {
                    let value = |x: Interval| Some(x.midpoint());
                    Comparison::Different { at: witness, a: value(left), b: value(right) }
                }
                _ => Comparison::Undecided { points: agreed },
            };
            (q.name(), answer)
        })
        .collect()
}

/// Points of both domains at which the two agree, or the first at which they do not.
fn sampled(
    a: &Model,
    b: &Model,
    q: &super::model::Quantity,
    other: &super::model::Quantity,
) -> (usize, Option<Comparison>) {
    let mut points = super::check::sample_points(a);
    points.extend(super::check::sample_points(b));
    let mut agreed = 0;
    for point in &points.iter().map(rounded).collect::<Vec<_>>() {
        let (x, y) = (a.price(q, point).value, b.price(other, point).value);
        let same = match (x, y) {
            (Some(x), Some(y)) => (x - y).abs() <= 1e-12 * x.abs().max(y.abs()),
            (None, None) => continue,
            _ => false,
        };
        if !same {
            return (agreed, Some(Comparison::Different { at: numbers(point), a: x, b: y }));
        }
        agreed += 1;
    }
    (agreed, None)
}

/// The same point with three digits a number: a witness to type in.
fn rounded(point: &Point) -> Point {
    let digits = |x: f64| format!("{x:.2e}").parse().unwrap_or(x);
    Point::of(point.iter().map(|(name, s)| (name, digits(s.value))))
}

/// The sample ranges of the variables of both, κ of the matrix.
fn ranges(a: &Model, b: &Model) -> BTreeMap<String, Interval> {
    let all = a.variables.iter().chain(&b.variables);
    all.filter_map(|v| Some((v.name.clone(), Interval::new(v.sample[0], v.sample[1])?))).collect()
}

fn inside(a: &Model, b: &Model, at: &BTreeMap<String, f64>) -> bool {
    let point = Point::of(at.iter().map(|(name, x)| (name.as_str(), *x)));
    [a, b].iter().all(|m| {
        let resolved = m.resolve(&point);
        m.main().is_some_and(|q| resolved.outside(q, &|name| resolved.value(name)).is_none())
    })
}

fn same_domain(a: &Model, b: &Model) -> bool {
    let rules = |m: &Model| m.domain.iter().map(|r| r.condition.clone()).collect::<Vec<_>>();
    a.source.kappa_convention == b.source.kappa_convention && rules(a) == rules(b)
}

fn numbers(point: &Point) -> BTreeMap<String, f64> {
    point.iter().map(|(name, s)| (name.to_string(), s.value)).collect()
}
