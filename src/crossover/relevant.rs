//! Which cases are worth simulating: those whose answer depends on the machine.

use super::CrossoverRow;
use crate::catalog::{Hardware, short};

/// Whether a case is crossover-relevant, and how near it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Relevance {
    /// Some break-even gate time lies within the machines' range, widened by the band.
    pub relevant: bool,
    /// Distance of the nearest break-even gate time from the nearest machine, in decades; infinite when there is none.
    pub decades: f64,
    /// Why, in words.
    pub why: String,
}

/// Compares a case's break-even gate times, in every scenario of the run, with the run's quantum machines.
pub fn crossover_relevant(crossovers: &[CrossoverRow], machines: &[&Hardware], band: f64) -> Relevance {
    let times: Vec<f64> = machines.iter().filter_map(|h| h.gate_time.as_ref().map(|t| t.value)).collect();
    let least = times.iter().copied().fold(f64::INFINITY, f64::min) / band;
    let most = times.iter().copied().fold(0.0, f64::max) * band;
    let points: Vec<(&CrossoverRow, f64)> =
        crossovers.iter().filter(|c| c.variable == "gate_time").filter_map(|c| c.at.map(|at| (c, at))).collect();
    let distance = |at: f64| times.iter().map(|t| (at / t).log10().abs()).fold(f64::INFINITY, f64::min);
    let Some((row, at)) = points.iter().min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))) else {
        let why = "no break-even gate time exists".to_string();
        return Relevance { relevant: false, decades: f64::INFINITY, why };
    };
    let inside = points.iter().any(|(_, at)| (least..=most).contains(at));
    let span = format!("the machines' {} to {} s (widened {band} times)", short(least), short(most));
    let nearest =
        format!("break-even gate time {} s ({}, {} against {})", short(*at), row.scenario, row.quantum, row.classical);
    let why = if inside {
        format!("{nearest} lies near {span}")
    } else if *at < least {
        format!("every machine loses by more than the band: {nearest} lies below {span}")
    } else {
        format!("every machine wins by more than the band: {nearest} lies above {span}")
    };
    Relevance { relevant: inside, decades: distance(*at), why }
}
