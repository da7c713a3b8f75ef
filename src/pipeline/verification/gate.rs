//! The gate of `analyze`: which cases are simulated, which models of them, within which time.
//!
//! Only crossover-relevant cases are simulated by default: those whose break-even gate time lies inside the range of
//! the run's machines, widened by a band, so that the answer depends on the machine. Nearest first. Time is kept in counted
//! operations, not by a clock, so that the same inputs give the same report.

use super::verify_on;
use crate::catalog::{Catalog, Family, Hardware, HardwareKind};
use crate::error::{Class, Error, Result};
use crate::measurement::{Measurement, Resolved};
use crate::parallel::Threads;
use crate::pipeline::plan::{Plan, Simulate};
use crate::pipeline::progress::Progress;
use crate::pipeline::systems::{Systems, gradient_of};
use crate::report::document::{Case, LeftOut};
use crate::simulate::{Instance, Level, Options, SECONDS_PER_OPERATION, SimulationRow, Spectrum, VERIFIABLE, work};

/// Seconds that the simulations of one case may take, about, when nothing else is said.
pub const AUTO_SECONDS: f64 = 0.5;

/// How many times the default budget the plainest model may take, so that a case of a few thousand eigenvalues is checked by
/// it too.
const PLAIN: f64 = 10.0;

/// The model that is run when the relevant formulas name no algorithm.
const HONEST: &str = "dalzell2024-known-norm";

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

/// The models of a case in the order they are run: the cheapest to simulate first; each with its operations.
///
/// Those whose break-even made the case relevant and the plainest one; every model that has a circuit when all cases are
/// simulated.
fn queue<'m>(
    catalog: &Catalog,
    which: Simulate,
    relevant: &'m [String],
    instance: &Instance,
    eps: f64,
) -> Vec<(&'m str, f64)> {
    let mut models: Vec<&str> = match which {
        Simulate::All => VERIFIABLE.to_vec(),
        _ => relevant.iter().map(String::as_str).filter(|id| VERIFIABLE.contains(id)).collect(),
    };
    models.retain(|id| catalog.model(id).is_ok_and(|m| m.family() == Family::Quantum));
    if !models.contains(&HONEST) {
        models.push(HONEST);
    }
    let mut queue: Vec<(&str, f64)> = models.into_iter().map(|id| (id, work(id, instance, eps))).collect();
    queue.sort_by(|a, b| a.1.total_cmp(&b.1));
    queue
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
    let limits = Options { seed: plan.seed, max_bytes: plan.max_memory.unwrap_or(8 << 30), ..Options::default() };
    let lambda = Some(case.measurement.damping.lambda);
    // What measuring has decomposed is not assembled and decomposed again.
    let found = match case.measurement.resolved.take() {
        Some(known) => resolved(&known).map(|i| (i, None, gradient_of(&case.measurement.snapshot))),
        None => systems.instance(&case.measurement.id, lambda, &limits, threads),
    };
    let (instance, system, rhs) = match found {
        Ok(found) => found,
        Err(error) if matches!(error.class, Class::Resource | Class::Input | Class::Usage) => {
            let what = error.what.strip_prefix("not verifiable: ").unwrap_or(&error.what);
            case.simulation_skipped = Some(format!("not verifiable: {what}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let instance = instance.joined();
    let options = Options { rhs, ..limits };
    let matrix = system.as_ref().map(|s| s.matrix.as_ref());
    let budget = plan.simulation_seconds() / SECONDS_PER_OPERATION;
    let mut spent = 0.0;
    for (id, operations) in queue(catalog, plan.simulate, relevant, &instance, eps) {
        let plain = id == HONEST && plan.simulate_seconds.is_none() && operations <= PLAIN * budget;
        if spent + operations > budget && !plain {
            case.simulation_left_out.push(LeftOut {
                model: id.to_owned(),
                why: format!(
                    "simulating it takes about {:.1e} s, more than is left of the {} s of this case; run `breakeven \
                     simulate {id}` on it, or --simulate-seconds",
                    operations * SECONDS_PER_OPERATION,
                    plan.simulation_seconds()
                ),
            });
            continue;
        }
        spent += operations;
        let run = || verify_on(catalog, id, matrix, &instance, eps, None, Level::L1, &options);
        match threads.run(run) {
            Ok(mut row) => {
                row.notes.extend(clamped.clone());
                case.simulation.push(row);
            }
            Err(error) if error.class == Class::Certificate => case.simulation.push(failed(id, &instance, eps, &error)),
            Err(error) if matches!(error.class, Class::Resource | Class::Input | Class::Usage) => {
                case.simulation_left_out.push(LeftOut { model: id.to_owned(), why: error.what });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The instance of an eigensystem, under the dilation with α = σ_max.
fn resolved(known: &Resolved) -> Result<Instance> {
    let n = known.values.len();
    let alpha = known.values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    Instance::from_spectrum(&known.values, &known.components, alpha, Spectrum::Joined { of: n }, n)
}

/// A check that could not be carried through: it stands in the report as failed.
fn failed(id: &str, instance: &Instance, eps: f64, error: &Error) -> SimulationRow {
    SimulationRow {
        model: id.to_owned(),
        level: Level::L1.to_string(),
        n: instance.n,
        kappa: instance.kappa(),
        alpha: instance.alpha,
        error_target: eps,
        notes: vec![error.what.clone()],
        ..SimulationRow::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rate;
    use crate::crossover::CrossoverRow;
    use crate::pipeline::measuring::measure_all;
    use crate::pipeline::plan::Scope;
    use crate::pipeline::progress::Silent;

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

    #[test]
    fn measured_eigensystems_are_those_of_the_systems_built_again() {
        let plan = Plan { scope: Some(Scope::Layers), snapshots: Some("sgd_0020*".into()), ..Plan::default() };
        let threads = Threads::new(1).unwrap();
        let cases = measure_all(&plan, &threads, &Silent).unwrap().cases;
        let systems = Systems::open(&plan).unwrap();
        let mut seen = 0;
        for case in cases.iter().filter(|case| case.n <= 100) {
            let found = resolved(case.resolved.as_ref().unwrap()).unwrap().joined();
            let options = Options::default();
            let (built, _, _) = systems.instance(&case.id, Some(case.damping.lambda), &options, &threads).unwrap();
            let built = built.joined();
            assert!((found.kappa_eff() / built.kappa_eff() - 1.0).abs() < 1e-9, "{}", case.id);
            assert!((found.x_norm / built.x_norm - 1.0).abs() < 1e-9, "{}", case.id);
            let (eps, model) = (1e-2, "dalzell2024-known-norm");
            let run =
                |i: &Instance| crate::simulate::verify_built(model, None, i, eps, None, None, Level::L1, &options);
            let (a, b) = (run(&found).unwrap(), run(&built).unwrap());
            assert_eq!(
                (a.queries_counted, a.queries_needed, a.passed),
                (b.queries_counted, b.queries_needed, b.passed)
            );
            seen += 1;
        }
        assert!(seen >= 2);
    }
}
