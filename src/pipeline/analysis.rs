//! The main job: measured, priced, compared, verified, as one report.

use super::measuring::{Measured, measure_all, precision_of};
use super::plan::Plan;
use super::progress::Progress;
use crate::error::Result;
use crate::parallel::Threads;
use crate::report::document::{Case, Provenance, Report, SCHEMA_VERSION, Tool};

/// Everything that the plan asks, as a report.
///
/// # Errors
/// Whatever a stage meets.
pub fn analyze(plan: &Plan, threads: &Threads, progress: &dyn Progress) -> Result<Report> {
    let measured = measure_all(plan, threads, progress)?;
    Ok(assemble(plan, measured, threads.count()))
}

fn assemble(plan: &Plan, measured: Measured, threads: usize) -> Report {
    let cases = measured.cases.into_iter().map(|measurement| Case { measurement, ..Case::default() }).collect();
    Report {
        schema_version: SCHEMA_VERSION.into(),
        tool: Tool { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() },
        provenance: Provenance {
            inputs: measured.inputs,
            seed: plan.seed,
            threads,
            precision: precision_of(plan).into(),
            hardware: Vec::new(),
            options: measured.options,
        },
        cases,
        title: measured.title,
        notes: measured.notes,
        ..Report::default()
    }
}
