//! Break-even points under uncertainty: the uncertain quantities at the ends of their intervals, and drawn many times
//! from their distributions, the crossing found each time by the certified search.

use super::case::Estimate;
use super::certify::{Crossing, Search, search};
use super::curve::{Cheapest, Coupling, Curve};
use crate::catalog::{Point, Spread};
use crate::cost::{Band, draw};
use crate::error::Result;

/// Most uncertain variables whose corners are all visited (2^8 searches).
const MAX_CORNERS: usize = 8;

/// Two costs along one variable, as functions of the point.
pub struct Uncertain<'c> {
    /// The first cost at a point.
    pub first: &'c dyn Fn(&Point) -> Curve,
    /// The second cost at a point.
    pub second: &'c dyn Fn(&Point) -> Curve,
    /// The values of both, with their intervals.
    pub point: &'c Point,
    /// Where crossings are looked for.
    pub range: [f64; 2],
}

/// Where one crossing lies under uncertainty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Uncertainty {
    /// The smallest and the largest crossing over all combinations of interval ends; none when at some combination
    /// nothing crosses in the range, or when more than eight variables are uncertain. These are the extremes where the
    /// crossing is monotone in every variable.
    pub ends: Option<[f64; 2]>,
    /// Quantiles over the draws; none when no draw crosses.
    pub sampled: Option<Band>,
}

impl Uncertain<'_> {
    fn search(&self, point: &Point) -> Search {
        let [first, second] = [self.first, self.second].map(|curve| Cheapest(vec![curve(point)]));
        search(&first, &second, self.range[0], self.range[1])
    }

    /// The uncertainty of each of the `crossings` that were found at the best values: followed to the nearest
    /// crossing in ratio that turns the same way.
    ///
    /// # Errors
    /// When an uncertain variable is not positive.
    pub fn spread(&self, crossings: &[Crossing], samples: usize, seed: u64) -> Result<Vec<Uncertainty>> {
        let drawn: Vec<Search> = draw(self.point, samples, seed)?.iter().map(|point| self.search(point)).collect();
        let corners: Option<Vec<Search>> =
            corners(self.point).map(|points| points.iter().map(|point| self.search(point)).collect());
        let one = |crossing: &Crossing| {
            let follow = |found: &Search| nearest(found, Some(crossing.at), Some(crossing));
            let ends = corners.as_ref().and_then(|all| {
                let at: Vec<f64> = all.iter().map(follow).collect::<Option<_>>()?;
                Some([at.iter().copied().reduce(f64::min)?, at.iter().copied().reduce(f64::max)?])
            });
            Uncertainty { ends, sampled: Band::of(drawn.iter().filter_map(follow).collect(), samples) }
        };
        Ok(crossings.iter().map(one).collect())
    }
}

/// Every combination of interval ends.
fn corners(point: &Point) -> Option<Vec<Point>> {
    let uncertain: Vec<(String, Spread)> =
        point.iter().filter(|(_, s)| !s.is_exact()).map(|(name, s)| (name.to_string(), *s)).collect();
    if uncertain.len() > MAX_CORNERS {
        return None;
    }
    let mut all = vec![point.clone()];
    for (name, s) in &uncertain {
        let ends = [s.low.unwrap_or(s.value), s.high.unwrap_or(s.value)];
        all = all.iter().flat_map(|p| ends.map(|x| p.clone().with(name, Spread::exact(x)))).collect();
    }
    Some(all)
}

/// Quantiles of the crossing of two times in one variable, nearest to the case where there are several.
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
    range: [f64; 2],
    samples: usize,
    seed: u64,
) -> Result<Option<Band>> {
    // One point with everything that either side uses.
    let mut both = q.point.clone();
    for (name, spread) in c.point.iter() {
        both.set(name, *spread);
    }
    let near = both.get(variable).map(|s| s.value);
    let at = |e: &Estimate, point: &Point| {
        let mut mine = e.point.clone();
        for (name, spread) in point.iter() {
            mine.set(name, *spread);
        }
        Estimate { point: mine, ..e.clone() }.curve(variable, coupling)
    };
    let pair = Uncertain { first: &|p| at(q, p), second: &|p| at(c, p), point: &both, range };
    let found = draw(&both, samples, seed)?.iter().filter_map(|p| nearest(&pair.search(p), near, None)).collect();
    Ok(Band::of(found, samples))
}

/// The crossing nearest to a point in ratio, among those that turn as `like` does.
fn nearest(found: &Search, near: Option<f64>, like: Option<&Crossing>) -> Option<f64> {
    let far = |x: f64| near.map_or(0.0, |n| (x / n).ln().abs());
    let alike = |c: &&Crossing| like.is_none_or(|l| c.below == l.below && c.above == l.above);
    found.crossings.iter().filter(alike).map(|c| c.at).min_by(|a, b| far(*a).total_cmp(&far(*b)))
}
