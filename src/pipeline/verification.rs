//! Claims checked by the simulator: the crossover-relevant cases of a run, those nearest the crossover first.

use rayon::prelude::*;

use super::market::Market;
use super::plan::{Plan, Simulate};
use super::progress::Progress;
use super::systems::System;
use crate::catalog::{HardwareKind, Model, Point, Spread};
use crate::cost::point_for;
use crate::crossover::crossover_relevant;
use crate::error::{Class, Error, Result};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::report::document::Case;
use crate::simulate::solvers::VERIFIABLE;
use crate::simulate::{Instance, Options, SimulationRow, verify_instance};

/// Elementary operations that one verification inside `analyze` may take: about a second.
const WORK_PER_CLAIM: f64 = 5e8;

/// Verifies what the plan asks, and writes into each case what was found or why nothing was.
///
/// # Errors
/// None for a claim that cannot be verified (the case says so); those of an interrupted or failed certificate.
pub fn verify_cases(
    plan: &Plan,
    market: &Market,
    cases: &mut [Case],
    systems: &[Option<System>],
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<()> {
    if plan.simulate == Simulate::None {
        return Ok(());
    }
    let machines = market.machines_of(HardwareKind::Quantum);
    let mut order: Vec<(f64, usize)> = Vec::new();
    for (i, case) in cases.iter_mut().enumerate() {
        let relevance = crossover_relevant(&case.crossovers, &machines, plan.simulate_band);
        if relevance.relevant || plan.simulate == Simulate::All {
            order.push((relevance.decades, i));
        } else {
            case.simulation_skipped = Some(format!("not crossover-relevant: {}", relevance.why));
        }
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total = order.len().max(1) as f64;
    for (done, (_, i)) in order.into_iter().enumerate() {
        let Some(case) = cases.get_mut(i) else { continue };
        progress.update(done as f64 / total, &format!("{}: verification", case.measurement.id));
        match systems.get(i).and_then(Option::as_ref) {
            None => {
                case.simulation_skipped = Some(format!(
                    "N = {} is too large to keep its matrix beside the others; verify it alone with `breakeven simulate`",
                    case.measurement.n
                ));
            }
            Some(system) => match verify_case(plan, market, case, system, threads) {
                Ok(rows) if rows.is_empty() => {
                    case.simulation_skipped =
                        Some("no claim of the run could be verified within the work allowed".into());
                }
                Ok(rows) => case.simulation = rows,
                // A singular matrix has no claim to verify: that is a finding, not a failure.
                Err(e) if matches!(e.class, Class::Input | Class::Resource | Class::Usage) => {
                    case.simulation_skipped = Some(format!("not verifiable: {}", e.what));
                }
                Err(e) => return Err(e),
            },
        }
    }
    Ok(())
}

fn verify_case(
    plan: &Plan,
    market: &Market,
    case: &Case,
    system: &System,
    threads: &Threads,
) -> Result<Vec<SimulationRow>> {
    let m = &case.measurement;
    let options = Options {
        // The encoding that the costs were priced with; rounding must not put α below the norm.
        alpha: Some(m.subnormalization.absolute).filter(|a| *a > m.sigma_max.value.unwrap_or(0.0)),
        seed: plan.seed,
        max_work: WORK_PER_CLAIM,
        rhs: system.source.clone(),
        ..Options::default()
    };
    let instance = threads.run(|| Instance::new(system.matrix.as_ref(), &system.rhs, &options))?;
    let eps = m.tolerance.value;
    let claims: Vec<(&Model, f64)> = VERIFIABLE
        .iter()
        .filter_map(|id| market.catalog.model(id).ok())
        .filter_map(|model| Some((model, predicted(model, m, &instance, eps)?)))
        .collect();
    let verified: Vec<Result<SimulationRow>> = threads.run(|| {
        claims
            .par_iter()
            .map(|(model, predicted)| verify_instance(model.id(), &instance, eps, None, Some(*predicted), &options))
            .collect()
    });
    let mut rows = Vec::new();
    for row in verified {
        match row {
            Ok(row) => rows.push(row),
            Err(e) if e.class == Class::Certificate => return Err(e),
            // Beyond the work allowed or outside the circuit's domain: the cost table has the claim, unverified.
            Err(_) => {}
        }
    }
    Ok(rows)
}

/// A model's main count at an instance; none outside its domain.
pub fn predicted(model: &Model, m: &Measurement, instance: &Instance, eps: f64) -> Option<f64> {
    let quantity = model.main()?;
    model.price(quantity, &at(model, m, instance, eps)).value.filter(|x| x.is_finite())
}

/// The model's variables at the very instance that is simulated.
fn at(model: &Model, m: &Measurement, instance: &Instance, eps: f64) -> Point {
    let kappa = instance.kappa();
    let relative = instance.alpha / instance.sigma_max;
    point_for(model, m)
        .with("kappa", Spread::exact(kappa))
        .with("alpha", Spread::exact(relative.max(1.0)))
        .with("x_norm", Spread::exact((instance.x_norm / relative).clamp(1.0, kappa.max(1.0))))
        .with("eps", Spread::exact(eps))
}

/// An error for claims that were checked and did not hold.
pub fn failed(rows: &[SimulationRow]) -> Option<Error> {
    let wrong: Vec<&str> = rows.iter().filter(|r| !r.passed).map(|r| r.model.as_str()).collect();
    (!wrong.is_empty()).then(|| {
        Error::certificate(
            "pipeline::claim",
            wrong.join(", "),
            "the claim missed its ε",
            "see the row for what was reached",
        )
    })
}
