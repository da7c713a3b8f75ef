//! Break-even points as a distribution: the uncertain quantities drawn many times, the crossing found each time.

use super::case::Estimate;
use super::certify::{Search, search};
use super::curve::{Cheapest, Coupling};
use crate::cost::{Band, draw};
use crate::error::Result;

/// Quantiles of the crossing of two times in one variable, nearest to `near` where there are several.
///
/// Both sides are drawn from the same sample, so that κ and ε move together; `None` when no sample crosses in the
/// range. The search is the certified one.
///
/// # Errors
/// When an uncertain variable is not positive.
pub fn break_even_band(
    q: &Estimate,
    c: &Estimate,
    variable: &str,
    coupling: &Coupling,
    [low, high]: [f64; 2],
    samples: usize,
    seed: u64,
) -> Result<Option<Band>> {
    // One point with everything that either side uses.
    let mut both = q.point.clone();
    for (name, spread) in c.point.iter() {
        both.set(name, *spread);
    }
    let near = both.get(variable).map(|s| s.value);
    let mut found = Vec::new();
    for point in draw(&both, samples, seed)? {
        let at = |e: &Estimate| {
            let mut mine = e.point.clone();
            for (name, spread) in point.iter() {
                mine.set(name, *spread);
            }
            Cheapest(vec![Estimate { point: mine, ..e.clone() }.curve(variable, coupling)])
        };
        found.extend(nearest(&search(&at(q), &at(c), low, high), near));
    }
    Ok(Band::of(found, samples))
}

fn nearest(search: &Search, near: Option<f64>) -> Option<f64> {
    let far = |x: f64| near.map_or(0.0, |n| (x / n).ln().abs());
    search.crossings.iter().map(|c| c.at).min_by(|a, b| far(*a).total_cmp(&far(*b)))
}
