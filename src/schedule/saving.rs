//! The gate times at which scheduling saves a given part of the classical time, each with a proof.
//!
//! With c_i the classical and q_i(t) the quantum time of solve i at gate time t, the schedule takes
//! S(t) = Σ min(c_i, q_i(t)) and saves the part s where S(t) = (1 − s)·Σ c_i. Every q_i rises with t (proven by the sign
//! of its derivative's enclosure), so S does, and one change of sign of enclosures on both sides of a point encloses
//! the only crossing.

use serde::{Deserialize, Serialize};

use super::pricing::GATE_TIMES;
use crate::crossover::{Cheapest, Over};
use crate::expr::Interval;

/// The savings that are asked for.
pub const LEVELS: [f64; 3] = [0.1, 0.5, 0.9];

/// Both sides of one solve over the gate time.
#[derive(Debug, Clone)]
pub struct Race {
    /// Classical seconds.
    pub classical: f64,
    /// Quantum seconds over the gate time.
    pub quantum: Cheapest,
    /// Quantum seconds at one second a gate, where the time is proportional to the gate time.
    rate: Option<f64>,
}

impl Race {
    /// Both sides of a solve.
    pub fn new(classical: f64, quantum: Cheapest) -> Self {
        // Every model of the catalogue counts operations and multiplies; the enclosures below prove what this finds.
        let at = |t: f64| quantum.value(t).map(|q| q / t);
        let rate =
            at(1.0).filter(|r| [1e-20, 1e-9].iter().all(|t| at(*t).is_some_and(|x| (x / r - 1.0).abs() < 1e-12)));
        Race { classical, quantum, rate }
    }

    /// Quantum seconds at a gate time.
    pub fn quantum_at(&self, gate_time: f64) -> Option<f64> {
        self.rate.map_or_else(|| self.quantum.value(gate_time), |r| Some(r * gate_time))
    }
}

/// The gate time at which a saving is reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SavingRow {
    /// Classical model (or `best`) that the saving is against.
    pub against: String,
    /// Whether the estimating is paid for.
    pub with_overhead: bool,
    /// The part of the classical time that is saved.
    pub saving: f64,
    /// Gate time in seconds; `null` where no gate time in the range reaches it.
    pub gate_time: Option<f64>,
    /// Lower end of the enclosure.
    pub low: Option<f64>,
    /// Upper end of the enclosure.
    pub high: Option<f64>,
    /// Proven by interval arithmetic.
    pub certified: bool,
    /// Why there is none, or what it means.
    pub why: String,
}

/// S(t) at a gate time, as a number.
pub fn scheduled(races: &[Race], gate_time: f64) -> f64 {
    races.iter().map(|r| r.quantum_at(gate_time).map_or(r.classical, |q| q.min(r.classical))).sum()
}

/// An enclosure of S(t) + overhead.
fn enclosed(races: &[Race], overhead: f64, t: f64) -> Option<Interval> {
    let mut sum = Interval::point(overhead);
    for race in races {
        let one = match race.quantum.over(Interval::point(t)) {
            Over::Value(q) => q.least(Interval::point(race.classical)),
            Over::Outside => Interval::point(race.classical),
            Over::Unknown => return None,
        };
        sum = sum.plus(one).ok()?;
    }
    Some(sum)
}

/// An enclosure of (1 − s)·Σ c_i.
fn target(races: &[Race], saving: f64) -> Option<Interval> {
    let mut sum = Interval::point(0.0);
    for race in races {
        sum = sum.plus(Interval::point(race.classical)).ok()?;
    }
    Interval::point(1.0).minus(Interval::point(saving)).ok()?.times(sum).ok()
}

/// The gate time at which `saving` of the classical time is saved, the deciding paid for with `overhead` seconds.
pub fn reached(races: &[Race], overhead: f64, saving: f64) -> SavingRow {
    let [low, high] = GATE_TIMES;
    let row = SavingRow { saving, with_overhead: overhead > 0.0, ..SavingRow::default() };
    let classical: f64 = races.iter().map(|r| r.classical).sum();
    let wanted = (1.0 - saving) * classical;
    let at = |t: f64| scheduled(races, t) + overhead;
    if races.is_empty() || classical <= 0.0 {
        return SavingRow { why: "there is no classical time to save".into(), ..row };
    }
    if at(low) > wanted {
        let least = at(low) / classical;
        let why = format!(
            "never: even at {low:e} s the schedule takes {:.3} of the classical time{}",
            least,
            if overhead > wanted { ", for deciding alone costs more than is left" } else { "" }
        );
        return SavingRow { why, ..row };
    }
    if at(high) <= wanted {
        return SavingRow { why: format!("at every gate time up to {high:e} s"), ..row };
    }
    let (mut a, mut b) = (low.ln(), high.ln());
    for _ in 0..200 {
        let middle = f64::midpoint(a, b);
        if at(middle.exp()) <= wanted { a = middle } else { b = middle }
    }
    let found = f64::midpoint(a, b).exp();
    let mut row = SavingRow { gate_time: Some(found), low: Some(found), high: Some(found), ..row };
    let Some(wanted) = target(races, saving) else { return row };
    let mut width = 1e-13;
    while width < 1e-3 {
        let (below, above) = (found * (1.0 - width), found * (1.0 + width));
        let ends = (enclosed(races, overhead, below), enclosed(races, overhead, above));
        if let (Some(s), Some(l)) = ends
            && s.hi < wanted.lo
            && l.lo > wanted.hi
        {
            (row.low, row.high) = (Some(below), Some(above));
            row.certified = rising(races);
            if !row.certified {
                row.why = "a crossing is proven here; that it is the only one is not".into();
            }
            return row;
        }
        width *= 10.0;
    }
    row.why = "not proven: the enclosures do not separate".into();
    row
}

/// Whether every quantum time provably rises with the gate time, over the whole range.
fn rising(races: &[Race]) -> bool {
    let [lo, hi] = GATE_TIMES;
    let whole = Interval { lo, hi };
    races.iter().flat_map(|r| &r.quantum.0).all(|curve| {
        matches!(curve.over(whole), Over::Value(_) | Over::Outside)
            && curve.slope(whole).and_then(|s| s.derivative).is_some_and(|d| d.lo >= 0.0)
    })
}
