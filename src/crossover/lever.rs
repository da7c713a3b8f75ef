//! Which single variable, changed the least, turns a verdict.

use super::case::{Estimate, coupling, range};
use super::certify::search;
use super::curve::{Cheapest, Curve};
use super::find::VARIABLES;
use super::{Lever, Verdict, VerdictClass};
use crate::cost::Scenario;
use crate::measurement::Measurement;

/// The nearest crossing in each variable, nearest first.
///
/// The quantum side is the estimate that decides the class (the most optimistic one, or for *breaks-even* the one that
/// breaks even), the classical side the rival of the paper, or the cheapest rival wherever the variable goes; a real
/// run keeps its number of iterations.
pub fn levers(
    m: &Measurement,
    scenario: Scenario,
    estimates: &[Estimate],
    rivals: &[Estimate],
    verdict: &Verdict,
) -> Vec<Lever> {
    let quoted = |e: &&Estimate| verdict.outcomes.first().is_some_and(|o| o.quantum == e.name());
    let Some(estimate) = (match (scenario, verdict.class) {
        (Scenario::Paper, VerdictClass::Unfavourable) => estimates.first(),
        (Scenario::Paper, _) => estimates.last(),
        _ => estimates.iter().find(quoted).or(estimates.first()),
    }) else {
        return Vec::new();
    };
    let mut all: Vec<Lever> = VARIABLES
        .iter()
        .filter_map(|variable| {
            let now = estimate.point.get(variable).or(rivals.first()?.point.get(variable))?.value;
            let (follow, _) = coupling(m, variable);
            let [low, high] = range(m, variable);
            if low >= high {
                return None;
            }
            let fit = |r: &&Estimate| scenario.rival().is_none_or(|id| r.model.id() == id);
            let curves: Vec<Curve> = rivals.iter().filter(fit).map(|r| r.curve(variable, &follow)).collect();
            let found = search(&Cheapest(vec![estimate.curve(variable, &follow)]), &Cheapest(curves), low, high);
            let decades = |x: f64| (x / now).log10().abs();
            let nearest = found.crossings.iter().min_by(|a, b| decades(a.at).total_cmp(&decades(b.at)))?;
            Some(Lever {
                variable: (*variable).to_string(),
                now,
                at: nearest.at,
                decades: decades(nearest.at),
                certified: nearest.certified,
            })
        })
        .collect();
    all.sort_by(|a, b| a.decades.total_cmp(&b.decades));
    all
}
