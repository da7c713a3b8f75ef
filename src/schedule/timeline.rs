//! A whole schedule as one plain document.

use serde::{Deserialize, Serialize};

use super::policy::{KAPPA_LIMIT, PolicyRow, Run, Solve, policies};
use super::pricing::{GATE_TIMES, Pricing, Side, Subject};
use super::saving::{LEVELS, Race, SavingRow, reached, scheduled};
use super::scheduler::Decision;
use crate::crossover::search;
use crate::error::Result;

/// Gate times of the curves: from the attosecond hypothesis' neighbourhood to the slowest preset's.
const SWEEP: [f64; 2] = [1e-20, 1e-2];
/// Points of a curve: ten in each decade.
const POINTS: usize = 181;

/// A schedule with everything that led to it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// Seconds of one gate or query.
    pub gate_time: f64,
    /// Scenario id.
    pub scenario: String,
    /// Quantum model, or `best`.
    pub quantum: String,
    /// Classical model, or `best`.
    pub classical: String,
    /// Classical machine.
    pub hardware: String,
    /// How κ is found.
    pub estimator: String,
    /// The loss that `sgd` and `adam` have to reach.
    pub target_loss: Option<f64>,
    /// The run under each policy.
    pub policies: Vec<PolicyRow>,
    /// One entry per step and block.
    pub solves: Vec<Decision>,
    /// The gate time at which each solve breaks even.
    pub break_even: Vec<BreakEven>,
    /// The gate times at which the schedule saves 10, 50 and 90 %.
    pub savings: Vec<SavingRow>,
    /// Time per policy over the gate time.
    pub curves: Vec<PolicyCurve>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// The gate time below which the quantum side of a solve is the cheaper one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BreakEven {
    /// Gate time in seconds; `null` where the two never cross in the range.
    pub at: Option<f64>,
    /// Lower end of the enclosure.
    pub low: Option<f64>,
    /// Upper end of the enclosure.
    pub high: Option<f64>,
    /// Proven by interval arithmetic.
    pub certified: bool,
}

/// Seconds of a policy over the gate time; overhead included.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PolicyCurve {
    /// Policy id.
    pub id: String,
    /// (gate time, seconds); seconds `null` where a solve has no price.
    pub points: Vec<(f64, Option<f64>)>,
}

/// Puts a schedule together. `solves` pairs every decision of the scheduler's log with its system; `first_order` holds
/// the rows of `sgd` and `adam`.
///
/// # Errors
/// When the catalogue lacks `cg-hvp` or `woodbury`.
pub fn timeline(
    solves: &[Solve<'_>],
    run: Run,
    first_order: Vec<PolicyRow>,
    pricing: &Pricing<'_>,
    estimator: &str,
) -> Result<Schedule> {
    let settings = pricing.settings();
    let mut rows = first_order;
    rows.extend(policies(solves, run, pricing)?);
    let races: Vec<Race> = races(solves, pricing);
    let overhead: f64 = solves.iter().map(|s| s.decision.overhead_seconds()).sum();
    let mut savings = Vec::new();
    for paid in [0.0, overhead] {
        for level in LEVELS {
            let row = reached(&races, paid, level);
            savings.push(SavingRow { against: settings.classical.text().into(), with_overhead: paid > 0.0, ..row });
        }
        if overhead == 0.0 {
            break;
        }
    }
    Ok(Schedule {
        gate_time: settings.gate_time,
        scenario: settings.scenario.id().into(),
        quantum: settings.quantum.text().into(),
        classical: settings.classical.text().into(),
        hardware: settings.hardware.clone(),
        estimator: estimator.into(),
        target_loss: run.final_loss,
        solves: solves.iter().map(|s| s.decision.clone()).collect(),
        break_even: solves.iter().map(|s| break_even(s.subject, pricing)).collect(),
        savings,
        curves: curves(solves, &races, &rows),
        policies: rows,
        notes: Vec::new(),
    })
}

/// Both sides of every solve that has a classical price.
pub fn races(solves: &[Solve<'_>], pricing: &Pricing<'_>) -> Vec<Race> {
    solves
        .iter()
        .filter_map(|s| {
            let classical = s.decision.classical_seconds?;
            Some(Race::new(classical, pricing.quantum_curve(s.subject)))
        })
        .collect()
}

fn break_even(subject: Subject<'_>, pricing: &Pricing<'_>) -> BreakEven {
    let (quantum, classical) = (pricing.quantum_curve(subject), pricing.classical_curve(subject));
    let found = search(&quantum, &classical, GATE_TIMES[0], GATE_TIMES[1]);
    found.crossings.first().map_or(BreakEven::default(), |c| BreakEven {
        at: Some(c.at),
        low: Some(c.low),
        high: Some(c.high),
        certified: c.certified && found.complete,
    })
}

fn curves(solves: &[Solve<'_>], races: &[Race], rows: &[PolicyRow]) -> Vec<PolicyCurve> {
    let [low, high] = SWEEP;
    let times: Vec<f64> = (0..POINTS).map(|i| low * (high / low).powf(i as f64 / (POINTS - 1) as f64)).collect();
    let of = |id: &str| rows.iter().find(|r| r.id == id);
    let overhead = |id: &str| of(id).and_then(|r| r.overhead_seconds).unwrap_or(0.0);
    let whole = races.len() == solves.len();
    let small: Vec<bool> = solves.iter().map(|s| s.decision.kappa_estimate.is_some_and(|k| k <= KAPPA_LIMIT)).collect();
    let mut all = Vec::new();
    for row in rows {
        let value = |t: f64| -> Option<f64> {
            let quantum = |r: &Race| r.quantum_at(t);
            match row.id.as_str() {
                "all-quantum" if whole => races.iter().map(quantum).sum(),
                "q-newton" | "oracle" if whole => Some(scheduled(races, t) + overhead(&row.id)),
                "q-newton-kappa" if whole => Some(
                    races
                        .iter()
                        .zip(&small)
                        .map(|(r, small)| quantum(r).filter(|_| *small).unwrap_or(r.classical))
                        .sum::<f64>()
                        + overhead(&row.id),
                ),
                "all-quantum" | "q-newton" | "oracle" | "q-newton-kappa" => None,
                _ => row.seconds,
            }
        };
        let points: Vec<(f64, Option<f64>)> = times.iter().map(|&t| (t, value(t).filter(|s| *s > 0.0))).collect();
        if points.iter().any(|(_, s)| s.is_some()) {
            all.push(PolicyCurve { id: row.id.clone(), points });
        }
    }
    all
}

impl Schedule {
    /// The row of a policy.
    pub fn policy(&self, id: &str) -> Option<&PolicyRow> {
        self.policies.iter().find(|p| p.id == id)
    }

    /// The saving of a policy against all-classical at the schedule's gate time, its overhead paid.
    pub fn saving(&self, id: &str) -> Option<f64> {
        let row = self.policy(id)?;
        let classical = self.policy("all-classical")?.seconds.filter(|s| *s > 0.0)?;
        Some(1.0 - (row.seconds? + row.overhead_seconds.unwrap_or(0.0)) / classical)
    }

    /// The two sides as they are written.
    pub fn sides(&self) -> (Side, Side) {
        (Side::from_text(&self.quantum), Side::from_text(&self.classical))
    }
}
