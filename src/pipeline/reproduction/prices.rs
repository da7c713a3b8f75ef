//! The trainings priced: the same solves in every scenario, against the paper's rival and the honest ones.

use super::probe::Solved;
use super::stages::Seen;
use crate::catalog::{Catalog, Point, Spread};
use crate::cost::Scenario;
use crate::error::Result;
use crate::pipeline::first_order::{FirstOrder, trained_row};
use crate::schedule::{Estimator, Label, Pricing, Run, Schedule, Scheduler, Settings, Side, Solve, Subject, timeline};

/// One pair of sides in one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Short name for tables and files.
    pub name: &'static str,
    /// In words.
    pub title: &'static str,
    /// The scenario.
    pub scenario: Scenario,
    /// Quantum model or `best`.
    pub quantum: &'static str,
    /// Classical model or `best`.
    pub classical: &'static str,
}

/// The pairs of this build, from the paper's own comparison to the most honest one.
pub const PAIRS: [Pair; 4] = [
    Pair {
        name: "paper-inverse",
        title: "paper: d·κ·ln(Nκ/ε) gates, constant 1, against the inverse in 2N³ flops",
        scenario: Scenario::Paper,
        quantum: "q-newton",
        classical: "inverse",
    },
    Pair {
        name: "paper-best",
        title: "paper's gates against the best classical rival",
        scenario: Scenario::Paper,
        quantum: "q-newton",
        classical: "best",
    },
    Pair {
        name: "oracle-inverse",
        title: "oracle: proven queries of the cheapest solver, against the inverse",
        scenario: Scenario::Oracle,
        quantum: "best",
        classical: "inverse",
    },
    Pair {
        name: "oracle-best",
        title: "oracle: proven queries of the cheapest solver, against the best classical rival",
        scenario: Scenario::Oracle,
        quantum: "best",
        classical: "best",
    },
];

/// The solves of a training as points, ε replaced by what was measured on the block at or before the step.
pub fn points(seen: &Seen) -> Vec<Point> {
    let measured = |s: &Solved| {
        let own = |m: &&crate::measurement::Measurement| m.scope == format!("layer:{}", s.block);
        let before = seen.measured.iter().filter(own).filter(|m| m.step.is_some_and(|step| step <= s.step));
        before.max_by_key(|m| m.step)
    };
    seen.solved
        .iter()
        .map(|s| {
            let mut point = s.point();
            if let Some(m) = measured(s) {
                let eps = m.tolerance.value;
                if eps > 0.0 && eps <= 1.0 {
                    point.set("eps", Spread::exact(eps));
                }
            }
            if point.get("kappa").is_none() {
                point.without("kappa", &s.estimate.why);
            }
            if point.get("rank").is_none() {
                point.without("rank", "this curvature is not low-rank plus lambda*I by construction");
            }
            point
        })
        .collect()
}

/// A training scheduled under a pair at a gate time.
///
/// # Errors
/// As [`timeline()`].
pub fn scheduled(
    seen: &Seen,
    first: &[FirstOrder],
    pair: Pair,
    hardware: &str,
    gate_time: f64,
    catalog: &Catalog,
) -> Result<Schedule> {
    let settings = Settings {
        quantum: Side::from_text(pair.quantum),
        classical: Side::from_text(pair.classical),
        ..Settings::new(pair.scenario, hardware, gate_time)
    };
    let pricing = Pricing::new(catalog, settings)?;
    let mut scheduler = Scheduler::new(pricing, Estimator::Auto, 0);
    let points = points(seen);
    for (s, point) in seen.solved.iter().zip(&points) {
        scheduler.decide(Label::new(s.step, s.block.clone()), Subject::Point(point), s.estimate.clone());
    }
    let solves: Vec<Solve<'_>> = points
        .iter()
        .zip(scheduler.log())
        .map(|(point, decision)| Solve { decision, subject: Subject::Point(point) })
        .collect();
    let mut steps: Vec<u64> = seen.solved.iter().map(|s| s.step).collect();
    steps.dedup();
    let run = Run { steps: steps.len() as u64, final_loss: seen.final_loss() };
    let rows =
        first.iter().map(|f| trained_row(f, seen.gradient_flops, seen.parameters, scheduler.pricing())).collect();
    timeline(&solves, run, rows, scheduler.pricing(), &Estimator::Auto.to_string())
}

/// Gates that a training takes in the paper's form, all solves sent to the quantum solver: seconds over gate time.
pub fn operations(schedule: &Schedule) -> Option<f64> {
    Some(schedule.policy("all-quantum")?.seconds? / schedule.gate_time)
}

/// The gate time at which a schedule saves `level`, with or without what deciding costs.
pub fn gate_time_of(schedule: &Schedule, level: f64, with_overhead: bool) -> Option<f64> {
    schedule.savings.iter().find(|r| r.saving == level && r.with_overhead == with_overhead)?.gate_time
}

/// The middle of some numbers.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    match all.len() {
        0 => None,
        n if n % 2 == 1 => all.get(middle).copied(),
        _ => Some(f64::midpoint(*all.get(middle - 1)?, *all.get(middle)?)),
    }
}
