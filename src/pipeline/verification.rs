//! Claims of the catalogue checked on a run's own systems, and the gate that decides which systems are checked.
//!
//! Only crossover-relevant cases are simulated by default: those whose break-even gate time lies inside the range of
//! the run's machines, widened by a band, so that the answer depends on the machine. Nearest first.

use super::plan::{Plan, Simulate};
use super::progress::Progress;
use super::systems::{System, Systems};
use crate::catalog::{Catalog, Family, Hardware, HardwareKind, Model, Point};
use crate::error::{Class, Error, Result};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::report::document::Case;
use crate::simulate::{Instance, Level, Options, SimulationRow, VERIFIABLE, verify_built};

/// Work allowed for one model of one case in `analyze`, in elementary operations: seconds, not minutes.
const WORK: f64 = 3e8;

/// The model that is run when the relevant formulas name no algorithm.
const HONEST: &str = "dalzell2024-known-norm";

/// The variables of a model at an instance, as its formula declares them.
fn point(model: &Model, instance: &Instance, matrix_rows: f64, eps: f64) -> Point {
    let relative = instance.alpha / instance.sigma_max;
    let mut pairs = vec![
        ("n", matrix_rows),
        ("kappa", instance.kappa()),
        ("eps", eps),
        // ‖A⁻¹b‖ for ‖A‖ = ‖b‖ = 1; the instance holds it for A/α.
        ("x_norm", (instance.x_norm / relative).clamp(1.0, instance.kappa())),
        ("definite", f64::from(u8::from(instance.positive_definite()))),
    ];
    // Models with d inside take d·κ for the encoded condition number, the others α·κ; both enter once.
    if model.variable("d").is_some() {
        pairs.push(("d", relative));
        pairs.push(("a_max", 1.0));
    } else {
        pairs.push(("alpha", relative));
    }
    Point::of(pairs.into_iter().filter(|(name, _)| model.variable(name).is_some()))
}

/// The model's main count at an instance, or why there is none.
pub fn predict(model: &Model, instance: &Instance, eps: f64) -> std::result::Result<f64, String> {
    let Some(quantity) = model.main() else { return Err("the model has no main quantity".to_owned()) };
    let outcome = model.price(quantity, &point(model, instance, instance.n as f64, eps));
    match outcome.value {
        Some(value) if outcome.in_domain => Ok(value),
        _ => Err(outcome.why),
    }
}

/// Verifies one model's claim on one system, the prediction taken from the catalogue.
///
/// # Errors
/// Those of [`crate::simulate::verify`]; an unknown model.
#[expect(clippy::too_many_arguments, reason = "one call, as typed on the command line")]
pub fn verify_system(
    catalog: &Catalog,
    model_id: &str,
    system: &System,
    eps: f64,
    claim: Option<u64>,
    level: Level,
    options: &Options,
    threads: &Threads,
) -> Result<SimulationRow> {
    let options = Options { rhs: system.rhs_source.clone(), ..options.clone() };
    let at = |e: Error| Error { place: format!("{}: {}", system.id, e.place), ..e };
    threads.run(|| {
        crate::simulate::levels::check_size(level, system.matrix.nrows()).map_err(at)?;
        let instance = Instance::new(system.matrix.as_ref(), &system.rhs, &options).map_err(at)?;
        verify_on(catalog, model_id, system, &instance, eps, claim, level, &options).map_err(at)
    })
}

#[allow(clippy::too_many_arguments)]
fn verify_on(
    catalog: &Catalog,
    model_id: &str,
    system: &System,
    instance: &Instance,
    eps: f64,
    claim: Option<u64>,
    level: Level,
    options: &Options,
) -> Result<SimulationRow> {
    let predicted = catalog.model(model_id).map_err(|e| e.to_string()).and_then(|m| predict(m, instance, eps));
    let value = predicted.as_ref().ok().copied();
    let mut row = verify_built(model_id, Some(system.matrix.as_ref()), instance, eps, claim, value, level, options)?;
    if let Err(why) = predicted {
        row.notes.push(format!("the model's formula has no value here: {why}"));
    }
    Ok(row)
}

/// The range of gate times of the run's quantum machines, widened by `band` on both sides.
pub fn examined_range(machines: &[&Hardware], band: f64) -> Option<(f64, f64)> {
    let rates = machines.iter().filter(|h| h.kind == HardwareKind::Quantum).filter_map(|h| h.gate_time.as_ref());
    let (low, high) = rates.fold((f64::INFINITY, 0.0_f64), |(low, high), r| (low.min(r.low()), high.max(r.high())));
    (low > 0.0 && high >= low && low.is_finite()).then(|| (low / band, high * band))
}

/// How far, in decades, a case's nearest break-even gate time lies from the nearest quantum machine, with the quantum
/// models whose break-even lies inside `range`; `None` when none does.
pub fn relevance(case: &Case, machines: &[&Hardware], range: (f64, f64)) -> Option<(f64, Vec<String>)> {
    let times: Vec<f64> = machines
        .iter()
        .filter(|h| h.kind == HardwareKind::Quantum)
        .filter_map(|h| h.gate_time.as_ref().map(|r| r.value))
        .collect();
    let mut nearest = f64::INFINITY;
    let mut models = Vec::new();
    for crossing in case.crossovers.iter().filter(|c| c.variable == "gate_time") {
        let Some(at) = crossing.at.filter(|t| (range.0..=range.1).contains(t)) else { continue };
        let distance = times.iter().map(|t| (at / t).log10().abs()).fold(f64::INFINITY, f64::min);
        nearest = nearest.min(distance);
        if !models.contains(&crossing.quantum) {
            models.push(crossing.quantum.clone());
        }
    }
    (!models.is_empty()).then_some((nearest, models))
}

/// Fills `simulation` of the cases that the plan's gate lets through, and says why of the others.
///
/// # Errors
/// Only what would also have stopped the measuring; a claim that fails, or a system that cannot be verified, is a
/// result and stands in the report.
pub fn simulate_cases(
    plan: &Plan,
    catalog: &Catalog,
    machines: &[&Hardware],
    cases: &mut [Case],
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<()> {
    if plan.simulate == Simulate::None {
        return Ok(());
    }
    let range = examined_range(machines, plan.simulate_band);
    let mut chosen: Vec<(f64, usize, Vec<String>)> = Vec::new();
    for (index, case) in cases.iter_mut().enumerate() {
        let relevant = range.and_then(|range| relevance(case, machines, range));
        match (plan.simulate, relevant) {
            (_, _) if case.measurement.kappa.value.is_none() => {
                case.simulation_skipped = Some("not verifiable: the solved matrix is singular".to_owned());
            }
            (_, Some((distance, models))) => chosen.push((distance, index, models)),
            (Simulate::All, None) => chosen.push((f64::INFINITY, index, Vec::new())),
            _ => case.simulation_skipped = Some(skipped(case, range)),
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    chosen.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let systems = Systems::open(plan)?;
    for (_, index, models) in chosen {
        let Some(case) = cases.get_mut(index) else { continue };
        progress.update(1.0, &format!("{}: simulating", case.measurement.id));
        simulate_case(plan, catalog, &systems, case, &models, threads)?;
    }
    Ok(())
}

fn skipped(case: &Case, range: Option<(f64, f64)>) -> String {
    let Some((low, high)) = range else { return "no quantum machine of the run states a gate time".to_owned() };
    let times: Vec<f64> = case.crossovers.iter().filter(|c| c.variable == "gate_time").filter_map(|c| c.at).collect();
    if times.is_empty() {
        return "not crossover-relevant: no model breaks even at any gate time".to_owned();
    }
    let (first, last) = times.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), t| (a.min(*t), b.max(*t)));
    format!(
        "not crossover-relevant: break-even gate times of {first:.1e} to {last:.1e} s lie outside the examined range \
         of {low:.1e} to {high:.1e} s"
    )
}

/// The tolerance a circuit is asked for: the case's own, inside what the circuits are defined for.
fn asked(m: &Measurement) -> (f64, Option<String>) {
    let eps = m.tolerance.value;
    let inside = eps.clamp(1e-12, 0.5);
    let note = (inside != eps).then(|| format!("ε = {eps:.3e} of the case was taken as {inside}"));
    (inside, note)
}

fn simulate_case(
    plan: &Plan,
    catalog: &Catalog,
    systems: &Systems<'_>,
    case: &mut Case,
    relevant: &[String],
    threads: &Threads,
) -> Result<()> {
    let (eps, clamped) = asked(&case.measurement);
    let system = systems.build(&case.measurement.id, Some(case.measurement.damping.lambda), threads)?;
    let options = Options {
        seed: plan.seed,
        max_work: WORK,
        max_bytes: plan.max_memory.unwrap_or(8 << 30),
        rhs: system.rhs_source.clone(),
        ..Options::default()
    };
    let instance = match threads.run(|| Instance::new(system.matrix.as_ref(), &system.rhs, &options)) {
        Ok(instance) => instance,
        Err(error) => {
            case.simulation_skipped = Some(format!("not verifiable: {}", error.what));
            return Ok(());
        }
    };
    let quantum = |id: &&String| catalog.model(id).is_ok_and(|m| m.family() == Family::Quantum);
    let mut models: Vec<&str> =
        relevant.iter().filter(quantum).map(String::as_str).filter(|id| VERIFIABLE.contains(id)).collect();
    if !models.contains(&HONEST) {
        models.push(HONEST);
    }
    let mut unverified = Vec::new();
    for id in models {
        let run = || verify_on(catalog, id, &system, &instance, eps, None, Level::L1, &options);
        match threads.run(run) {
            Ok(mut row) => {
                row.notes.extend(clamped.clone());
                case.simulation.push(row);
            }
            Err(error) if matches!(error.class, Class::Resource | Class::Input | Class::Usage) => {
                unverified.push(format!("{id}: {}", error.what));
            }
            Err(error) => return Err(error),
        }
    }
    if !unverified.is_empty() {
        case.measurement.notes.push(format!("simulation left out: {}", unverified.join("; ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rate;
    use crate::crossover::CrossoverRow;

    fn machine(kind: HardwareKind, gate_time: f64) -> Hardware {
        let text = |kind: &str| {
            format!(r#"{{"id": "m", "title": "m", "kind": "{kind}", "gate_time": {{"value": {gate_time}}}}}"#)
        };
        let kind_text = if kind == HardwareKind::Quantum { "quantum" } else { "classical" };
        let mut hardware: Hardware = serde_json::from_str(&text(kind_text)).unwrap();
        hardware.gate_time = Some(Rate::exact(gate_time));
        hardware
    }

    fn case(times: &[(&str, f64)]) -> Case {
        let crossovers = times
            .iter()
            .map(|(model, at)| CrossoverRow {
                quantum: (*model).to_owned(),
                variable: "gate_time".to_owned(),
                at: Some(*at),
                ..CrossoverRow::default()
            })
            .collect();
        Case { crossovers, ..Case::default() }
    }

    #[test]
    fn only_cases_that_depend_on_the_machine_are_relevant() {
        let (fast, slow) = (machine(HardwareKind::Quantum, 1e-8), machine(HardwareKind::Quantum, 1e-4));
        let machines = [&fast, &slow];
        let range = examined_range(&machines, 10.0).unwrap();
        assert!((range.0 / 1e-9 - 1.0).abs() < 1e-12 && (range.1 / 1e-3 - 1.0).abs() < 1e-12);
        assert_eq!(relevance(&case(&[("qsvt", 1e-12), ("hhl", 1.0)]), &machines, range), None);
        let (distance, models) =
            relevance(&case(&[("qsvt", 1e-7), ("hhl", 1e-20), ("qsvt", 2e-9)]), &machines, range).unwrap();
        assert_eq!(models, ["qsvt"]);
        assert!((distance - 5f64.log10()).abs() < 1e-12);
        assert_eq!(examined_range(&[], 10.0), None);
        assert!(skipped(&case(&[("qsvt", 1e-12)]), Some(range)).contains("outside the examined range"));
    }
}
