//! Whether two formulas are the same function.

use super::Expr;
use super::interval::Interval;
use super::normal::{Atom, Mode, Normalizer, Poly};
use super::rational::Rational;
use super::simplify::{Form, normalize};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

/// The answer to "are these the same function on this domain?".
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// Equal by algebra, wherever both are defined in the domain.
    Equal,
    /// Different: at the witness their values lie in intervals that do not meet.
    Different {
        /// A point of the domain.
        witness: BTreeMap<String, f64>,
        /// Contains the exact value of the first formula there.
        left: Interval,
        /// Contains the exact value of the second formula there.
        right: Interval,
    },
    /// Neither could be shown.
    Undecided {
        /// Points where both were evaluated and no difference could be certified.
        agreeing_points: usize,
    },
}

/// Points that are tried for a witness.
const POINTS: usize = 400;
/// Rounds of clearing denominators.
const ROUNDS: usize = 6;

/// Compares two formulas on a box. Variables without an interval range over [1/2, 1000].
pub fn compare(a: &Expr, b: &Expr, domain: &BTreeMap<String, Interval>) -> Comparison {
    let names: BTreeSet<String> = a.variables().union(&b.variables()).cloned().collect();
    let ranges: Vec<(String, Interval)> = names
        .into_iter()
        .map(|name| {
            let range = domain.get(&name).copied().unwrap_or(Interval { lo: 0.5, hi: 1000.0 });
            (name, range)
        })
        .collect();
    let positive = ranges.iter().filter(|(_, range)| range.lo > 0.0).map(|(name, _)| name.clone()).collect();
    if same_form(a, b, positive) {
        return Comparison::Equal;
    }
    let mut generator = ChaCha8Rng::seed_from_u64(0x6272_6561_6b65_7665);
    let mut agreeing_points = 0;
    for round in 0..POINTS {
        let point: BTreeMap<String, f64> = ranges
            .iter()
            .map(|(name, range)| {
                let t: f64 = generator.random();
                (name.clone(), sample(*range, t, round))
            })
            .collect();
        let env = |name: &str| point.get(name).map(|x| Interval::point(*x));
        if let (Ok(left), Ok(right)) = (a.evaluate_interval(&env), b.evaluate_interval(&env)) {
            if left.hi < right.lo || right.hi < left.lo {
                return Comparison::Different { witness: point, left, right };
            }
            agreeing_points += 1;
        }
    }
    Comparison::Undecided { agreeing_points }
}

/// A point of the range: logarithmic where it is positive and wide, every fourth a whole number.
fn sample(range: Interval, t: f64, round: usize) -> f64 {
    let x = if range.lo > 0.0 && range.hi / range.lo > 10.0 {
        (range.lo.ln() + t * (range.hi.ln() - range.lo.ln())).exp()
    } else {
        range.lo + t * (range.hi - range.lo)
    };
    let x = if round % 4 == 3 { x.round() } else { x };
    x.clamp(range.lo, range.hi)
}

/// Whether the difference of the normal forms vanishes, also after clearing denominators.
fn same_form(a: &Expr, b: &Expr, positive: BTreeSet<String>) -> bool {
    let mut normalizer = Normalizer::new(Mode::Canonical, positive);
    let (Form::Number(left), Form::Number(right)) =
        (normalize(&a.graph, &mut normalizer), normalize(&b.graph, &mut normalizer))
    else {
        return false;
    };
    if left == right {
        return true;
    }
    let mut difference = normalizer.subtract(&left, &right);
    for _ in 0..ROUNDS {
        if difference.0.is_empty() {
            return true;
        }
        let Some(cleared) = clear_denominators(&difference, &mut normalizer) else { return false };
        difference = cleared;
    }
    difference.0.is_empty()
}

/// Multiplies by every sum that stands in a denominator; `None` when there is none.
fn clear_denominators(poly: &Poly, normalizer: &mut Normalizer) -> Option<Poly> {
    let mut lowest: BTreeMap<u32, Rational> = BTreeMap::new();
    for (atom, r) in poly.0.iter().flat_map(|(monomial, _)| monomial) {
        if r.num < 0 && matches!(normalizer.atoms.get(*atom as usize), Some(Atom::Group(_))) {
            let least = lowest.entry(*atom).or_insert(*r);
            *least = (*least).min(*r);
        }
    }
    if lowest.is_empty() {
        return None;
    }
    let mut all = Poly::zero();
    for (monomial, c) in poly.0.iter() {
        let mut factors = monomial.clone();
        for (atom, r) in &lowest {
            match factors.iter_mut().find(|(other, _)| other == atom) {
                Some(factor) => factor.1 = factor.1.plus(r.negate())?,
                None => factors.push((*atom, r.negate())),
            }
        }
        factors.retain(|(_, r)| r.num != 0);
        factors.sort_unstable();
        // Opens the sums that no longer stand in a denominator.
        let term = normalizer.settle(factors, c.to_owned());
        all = normalizer.add(&all, &term);
    }
    Some(all)
}
