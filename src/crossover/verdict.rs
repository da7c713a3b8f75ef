//! The outcome of a scenario on a pair of machines.
//!
//! * *excluded*: a lower bound of every quantum solver, where its theorem holds, exceeds the cost of a rival;
//! * *breaks-even*: a proven upper bound, at its dearest over the measured intervals, stays below the cheapest estimate
//!   of every rival;
//! * *unfavourable*: every quantum estimate, the most optimistic at its cheapest included, exceeds the dearest estimate
//!   of the cheapest rival;
//! * *undecided*: none of these.
//!
//! In `paper` point values are compared, with the rival that the paper takes; the outcome against the best rival is
//! stated beside it.

use super::case::{Estimate, lower_bounds, of_kind, quantum, rivals};
use super::lever::levers;
use super::{Lever, Outcome, Verdict, VerdictClass};
use crate::catalog::{Bound, Catalog, Hardware, HardwareKind, short};
use crate::cost::Scenario;
use crate::measurement::Measurement;

/// One verdict for each scenario, quantum machine and classical machine.
pub fn verdicts(m: &Measurement, catalog: &Catalog, scenarios: &[Scenario], machines: &[&Hardware]) -> Vec<Verdict> {
    let mut all = Vec::new();
    for &scenario in scenarios {
        for classical in of_kind(machines, HardwareKind::Classical) {
            let rivals = rivals(m, catalog, scenario, classical);
            for machine in of_kind(machines, HardwareKind::Quantum) {
                let estimates = quantum(m, catalog, scenario, machine);
                let mut verdict = match scenario {
                    Scenario::Paper => paper(&estimates, &rivals),
                    Scenario::Oracle => honest(&estimates, &lower_bounds(m, catalog, scenario, machine), &rivals),
                };
                if estimates.is_empty() {
                    verdict.reason = nothing(m, &verdict.reason);
                }
                verdict.scenario = scenario.id().to_string();
                verdict.hardware_quantum = machine.id.clone();
                verdict.hardware_classical = classical.id.clone();
                verdict.levers = levers(m, scenario, &estimates, &rivals, &verdict);
                verdict.nearest_lever = nearest(&verdict.levers);
                all.push(verdict);
            }
        }
    }
    all
}

/// The verdict that stands on top: the most honest scenario, on the first pair of machines.
pub fn headline(verdicts: &[Verdict]) -> Option<Verdict> {
    let first = verdicts.first()?;
    let pair =
        |v: &&Verdict| v.hardware_quantum == first.hardware_quantum && v.hardware_classical == first.hardware_classical;
    ["end-to-end", "oracle", "paper"]
        .iter()
        .find_map(|scenario| verdicts.iter().filter(pair).find(|v| v.scenario == *scenario))
        .cloned()
}

fn outcome(class: VerdictClass, q: &Estimate, c: &Estimate) -> Outcome {
    Outcome { class, quantum: q.name(), against: c.name(), quantum_seconds: q.value, classical_seconds: c.value }
}

/// Point values: the paper's forms against one rival.
fn points(estimates: &[Estimate], rival: &Estimate) -> (VerdictClass, Outcome) {
    let above = estimates.iter().filter(|e| e.value > rival.value).count();
    let class = match above {
        0 => VerdictClass::BreaksEven,
        k if k == estimates.len() => VerdictClass::Unfavourable,
        _ => VerdictClass::Undecided,
    };
    // The paper's current form is the dearer one; it is the one quoted.
    let quoted = estimates.last().unwrap_or(rival);
    (class, outcome(class, quoted, rival))
}

fn paper(estimates: &[Estimate], rivals: &[Estimate]) -> Verdict {
    let mut verdict = Verdict { badge: "as published".into(), ..Verdict::default() };
    let best = rivals.first();
    let named = rivals.iter().find(|r| Scenario::Paper.rival() == Some(r.model.id()));
    let (Some(best), Some(named), false) = (best, named, estimates.is_empty()) else {
        verdict.reason = "no estimate of one side".into();
        return verdict;
    };
    let (class, theirs) = points(estimates, named);
    let (other, honest) = points(estimates, best);
    verdict.class = class;
    verdict.against = named.name();
    verdict.reason = format!(
        "as published (constant 1, no proof): {}, against the paper's rival, {}: {}; against the best classical rival, {}: {}",
        phrase_of(&theirs),
        rival_of(&theirs),
        words(class, &theirs),
        rival_of(&honest),
        words(other, &honest),
    );
    verdict.outcomes = vec![theirs, honest];
    verdict
}

fn phrase_of(o: &Outcome) -> String {
    format!("{} takes {} s", o.quantum, short(o.quantum_seconds))
}

fn rival_of(o: &Outcome) -> String {
    format!("{} in {} s", o.against, short(o.classical_seconds))
}

fn words(class: VerdictClass, o: &Outcome) -> String {
    let ratio = o.quantum_seconds / o.classical_seconds;
    let times = if ratio >= 1.0 {
        format!("{} times slower", short(ratio))
    } else {
        format!("{} times faster", short(1.0 / ratio))
    };
    format!("{}, {times}", class.name())
}

fn honest(estimates: &[Estimate], bounds: &[Estimate], rivals: &[Estimate]) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(best) = rivals.first() else {
        verdict.reason = "no classical rival has a value".into();
        return verdict;
    };
    verdict.against = best.name();
    // The rival whose dearest estimate is the lowest: below it somebody surely is.
    let sure = rivals.iter().filter_map(|r| r.high.map(|h| (h, r))).min_by(|a, b| a.0.total_cmp(&b.0));
    if let (Some(bound), Some((ceiling, rival))) = (bounds.iter().max_by(|a, b| a.low.total_cmp(&b.low)), sure)
        && bound.low > ceiling
    {
        verdict.class = VerdictClass::Excluded;
        verdict.against = rival.name();
        verdict.outcomes = vec![outcome(VerdictClass::Excluded, bound, rival)];
        verdict.reason = format!(
            "within the oracle model of {} (all matrices of this size, condition number and access, not this matrix) \
             no polynomial-time quantum solver goes below {} s, and {} takes at most {} s",
            bound.model.id(),
            short(bound.low),
            rival.name(),
            short(ceiling)
        );
        return verdict;
    }
    let Some(cheapest) = estimates.iter().min_by(|a, b| a.low.total_cmp(&b.low)) else {
        verdict.reason = "no quantum model is in its domain".into();
        return verdict;
    };
    let floor = rivals.iter().min_by(|a, b| a.low.total_cmp(&b.low)).unwrap_or(best);
    let proven = estimates
        .iter()
        .filter(|e| matches!(e.quantity.bound, Bound::ProvenUpper | Bound::Exact))
        .filter_map(|e| e.high.map(|h| (h, e)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((high, e)) = proven
        && high < floor.low
    {
        verdict.class = VerdictClass::BreaksEven;
        verdict.against = floor.name();
        verdict.outcomes = vec![outcome(VerdictClass::BreaksEven, e, floor)];
        verdict.reason = format!(
            "the proven{} bound of {} is at most {} s, below the {} s that the cheapest rival, {}, takes at best",
            if e.model.unverified() { " (UNVERIFIED)" } else { "" },
            e.model.id(),
            short(high),
            short(floor.low),
            floor.name()
        );
    } else if let Some((ceiling, rival)) = sure.filter(|(ceiling, _)| cheapest.low > *ceiling) {
        verdict.class = VerdictClass::Unfavourable;
        verdict.against = rival.name();
        verdict.outcomes = vec![outcome(VerdictClass::Unfavourable, cheapest, rival)];
        verdict.reason = format!(
            "the most optimistic quantum estimate, {}, takes {} s (at least {} s), {} times the {} s (at most {} s) of {}",
            cheapest.model.id(),
            short(cheapest.value),
            short(cheapest.low),
            short(cheapest.value / rival.value),
            short(rival.value),
            short(ceiling),
            rival.name()
        );
    } else {
        verdict.class = VerdictClass::Undecided;
        verdict.outcomes = vec![outcome(VerdictClass::Undecided, cheapest, best)];
        let end = |x: Option<f64>| x.map_or("unbounded".to_string(), |x| format!("{} s", short(x)));
        verdict.reason = format!(
            "the estimates overlap: {} takes {} s ({} s to {}), the cheapest rival, {}, {} s ({} s to {})",
            cheapest.model.id(),
            short(cheapest.value),
            short(cheapest.low),
            end(cheapest.high),
            best.name(),
            short(best.value),
            short(best.low),
            end(best.high)
        );
    }
    verdict
}

/// Why no quantum model has a value.
fn nothing(m: &Measurement, otherwise: &str) -> String {
    if m.kappa.value.is_none() {
        let low = m.kappa.low.map_or(String::new(), |low| format!(", only kappa >= {}", short(low)));
        format!(
            "the solved matrix is singular (rank {} of {}): kappa has no value{low}; no quantum model is in its domain, \
             damp the Hessian",
            m.rank, m.n
        )
    } else {
        otherwise.to_string()
    }
}

fn nearest(levers: &[Lever]) -> String {
    match levers.first() {
        None => "no single variable turns this verdict in the range examined".to_string(),
        Some(l) => format!("{}: {} instead of {}, {} decades", l.variable, short(l.at), short(l.now), short(l.decades)),
    }
}
