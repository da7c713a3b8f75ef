//! Break-even points of a case in gate time, n, κ, d and ε.

use super::CrossoverRow;
use super::case::{Estimate, coupling, of_kind, quantum, range, rivals, tilt};
use super::certify::{Crossing, Side, search};
use super::curve::{Cheapest, Coupling};
use crate::catalog::{Bound, Catalog, Hardware, HardwareKind, short};
use crate::cost::Scenario;
use crate::measurement::Measurement;

/// The variables in which break-even points are looked for.
pub const VARIABLES: [&str; 5] = ["gate_time", "n", "kappa", "d", "eps"];

/// Break-even points of a case, on the first quantum and the first classical machine.
///
/// `paper`: each of the paper's forms against the paper's rival and against the best one, in every variable.
/// `oracle`: each quantum model against the best rival in gate time; the cheapest estimate and the cheapest proven
/// one in the other variables too. No crossing in the examined range is a row with `at` = null.
pub fn find(m: &Measurement, catalog: &Catalog, scenarios: &[Scenario], machines: &[&Hardware]) -> Vec<CrossoverRow> {
    let (Some(&qm), Some(&cm)) =
        (of_kind(machines, HardwareKind::Quantum).first(), of_kind(machines, HardwareKind::Classical).first())
    else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for &scenario in scenarios {
        let estimates = quantum(m, catalog, scenario, qm);
        let rivals = rivals(m, catalog, scenario, cm);
        let named = rivals.iter().find(|r| scenario.rival() == Some(r.model.id()));
        let proven = estimates.iter().position(|e| e.quantity.bound == Bound::ProvenUpper);
        for (i, estimate) in estimates.iter().enumerate() {
            let main = scenario == Scenario::Paper || i == 0 || Some(i) == proven;
            for variable in VARIABLES.iter().filter(|v| main || **v == "gate_time") {
                // What a run took says nothing about other sizes: elsewhere than in time the bounds compete.
                let fit = |r: &&Estimate| *variable == "gate_time" || r.quantity.bound != Bound::Run;
                let best = rivals.iter().find(fit);
                for rival in named.into_iter().chain(best.filter(|b| named.is_none_or(|n| !std::ptr::eq(n, *b)))) {
                    rows.extend(pair(m, estimate, rival, scenario, variable));
                }
            }
        }
    }
    rows
}

/// The crossings of one pair in one variable.
fn pair(m: &Measurement, q: &Estimate, c: &Estimate, scenario: Scenario, variable: &str) -> Vec<CrossoverRow> {
    let (follow, words) = coupling(m, variable);
    let [low, high] = range(m, variable);
    let (first, second) = (q.curve(variable, &follow), c.curve(variable, &follow));
    let row = |note: String| CrossoverRow {
        quantum: q.model.id().to_string(),
        classical: c.model.id().to_string(),
        scenario: scenario.id().to_string(),
        variable: variable.to_string(),
        hardware_quantum: Some(q.machine.id.clone()),
        hardware_classical: Some(c.machine.id.clone()),
        note,
        ..CrossoverRow::default()
    };
    if !high.is_finite() || low >= high {
        return Vec::new();
    }
    let found = search(&Cheapest(vec![first.clone()]), &Cheapest(vec![second.clone()]), low, high);
    let examined = format!("examined {} to {}; {words}", short(low), short(high));
    let what = if c.quantity.bound == Bound::Run { "; the rival is a real run" } else { "" };
    if found.crossings.is_empty() {
        let cheaper = ends(&first, &second, low, high);
        let note = format!("no crossing: {cheaper}; {examined}{what}");
        return vec![CrossoverRow { certified: found.complete, ..row(note) }];
    }
    let mut all = Vec::new();
    for crossing in &found.crossings {
        let (low, high, remark) = band(q, c, variable, &follow, [low, high], crossing);
        let note = format!("{}; {examined}{what}{remark}", sides(crossing));
        all.push(CrossoverRow {
            at: Some(crossing.at),
            low,
            high,
            certified: crossing.certified,
            cheaper_below: side(crossing.below).map(str::to_string),
            cheaper_above: side(crossing.above).map(str::to_string),
            ..row(note)
        });
    }
    all
}

/// The interval over the measured intervals: the crossing with every uncertain quantity at the end that favours the
/// quantum side, and at the end that favours its rival.
fn band(
    q: &Estimate,
    c: &Estimate,
    variable: &str,
    follow: &Coupling,
    range: [f64; 2],
    crossing: &Crossing,
) -> (Option<f64>, Option<f64>, &'static str) {
    let mut low = Some(crossing.low);
    let mut high = Some(crossing.high);
    let mut remark = "";
    for favour in [true, false] {
        let (a, b) = (tilted(q, favour, variable), tilted(c, favour, variable));
        if a.point == q.point && b.point == c.point {
            continue;
        }
        let found = search(
            &Cheapest(vec![a.curve(variable, follow)]),
            &Cheapest(vec![b.curve(variable, follow)]),
            range[0],
            range[1],
        );
        let same = |x: &&Crossing| x.below == crossing.below && x.above == crossing.above;
        let near =
            |x: &&Crossing, y: &&Crossing| (x.at / crossing.at).ln().abs().total_cmp(&(y.at / crossing.at).ln().abs());
        match found.crossings.iter().filter(same).min_by(near) {
            Some(other) => {
                low = low.map(|x| x.min(other.low));
                high = high.map(|x| x.max(other.high));
            }
            None => {
                // Over part of the measured intervals there is no crossing on this side.
                let up = favour == (crossing.below == Side::First);
                if up {
                    high = None
                } else {
                    low = None
                }
                remark = "; over part of the measured intervals there is none";
            }
        }
    }
    (low, high, remark)
}

fn tilted<'c>(e: &Estimate<'c>, favour_quantum: bool, variable: &str) -> Estimate<'c> {
    Estimate { point: tilt(&e.point, favour_quantum, variable), ..e.clone() }
}

fn side(side: Side) -> Option<&'static str> {
    match side {
        Side::First => Some("quantum"),
        Side::Second => Some("classical"),
        Side::Tie => Some("tie"),
        _ => None,
    }
}

fn sides(crossing: &Crossing) -> String {
    let name = |s: Side| side(s).unwrap_or("undecided");
    format!("cheaper below: {}, above: {}", name(crossing.below), name(crossing.above))
}

/// Who is cheaper where, when nothing crosses.
fn ends(first: &super::Curve, second: &super::Curve, low: f64, high: f64) -> String {
    let mut seen = Vec::new();
    for k in 0..=32 {
        let x = low * (high / low).powf(f64::from(k) / 32.0);
        if let (Some(a), Some(b)) = (first.value(x), second.value(x)) {
            seen.push(a < b);
        }
    }
    match (seen.first(), seen.iter().all(|s| Some(s) == seen.first())) {
        (None, _) => {
            let why = first.why_outside(low).or_else(|| second.why_outside(low));
            let why = why.unwrap_or_else(|| "outside the domain".to_string());
            format!("no value anywhere in the range: {why}")
        }
        (Some(true), true) => "quantum is cheaper wherever both have a value".to_string(),
        (Some(false), true) => "classical is cheaper wherever both have a value".to_string(),
        _ => "the side changes outside the domain of one of them".to_string(),
    }
}
