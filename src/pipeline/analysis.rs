//! The main job: measured, priced, compared, verified, as one report.

use super::figures::figures;
use super::market::Market;
use super::measuring::{measure_all, precision_of};
use super::plan::Plan;
use super::progress::Progress;
use super::verification::simulate_cases;
use crate::error::Result;
use crate::parallel::Threads;
use crate::report::document::{Case, ClassCount, Provenance, Report, SCHEMA_VERSION, Tool};
use crate::simulate::{SimulationRow, calibrate};

/// Everything that the plan asks, as a report.
///
/// # Errors
/// Whatever a stage meets.
pub fn analyze(plan: &Plan, threads: &Threads, progress: &dyn Progress) -> Result<Report> {
    // Before the long run: a faulty model file or an unknown machine is found now.
    let market = Market::open(plan, threads)?;
    let measured = measure_all(plan, threads, progress)?;
    let mut cases: Vec<Case> = measured.cases.into_iter().map(|m| market.price(m)).collect();
    for (case, halves) in cases.iter_mut().zip(measured.halves) {
        case.verdict_subsample = verdicts_over(halves.into_iter().map(|m| market.price(m)));
    }
    simulate_cases(plan, &market.catalog, &market.machines(), &mut cases, threads, progress)?;
    let figures = figures(&market, &cases);
    let rows: Vec<SimulationRow> = cases.iter().flat_map(|c| c.simulation.iter().cloned()).collect();
    let mut inputs = measured.inputs;
    inputs.extend(market.inputs());
    Ok(Report {
        schema_version: SCHEMA_VERSION.into(),
        tool: Tool { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() },
        provenance: Provenance {
            inputs,
            seed: plan.seed,
            threads: threads.count(),
            precision: precision_of(plan).into(),
            hardware: market.machines.clone(),
            options: measured.options,
        },
        cases,
        title: measured.title,
        headline: None,
        calibration: calibrate(&rows),
        models: market.model_notes(),
        machines: market.machine_notes(),
        figures,
        notes: measured.notes,
    })
}

/// How often each class is the headline verdict over parts of the batch, the commonest first; empty without parts.
fn verdicts_over(parts: impl Iterator<Item = Case>) -> Vec<ClassCount> {
    let mut counts: Vec<ClassCount> = Vec::new();
    for class in parts.filter_map(|case| Some(case.verdict?.class)) {
        match counts.iter_mut().find(|c| c.class == class) {
            Some(found) => found.count += 1,
            None => counts.push(ClassCount { class, count: 1 }),
        }
    }
    counts.sort_by(|a, b| b.count.cmp(&a.count).then(a.class.name().cmp(b.class.name())));
    counts
}
