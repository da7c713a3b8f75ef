//! Model ids to circuits: which algorithm a model's formula counts, with the parameters the model chooses.

use super::instance::Instance;
use super::inversion::BestRelative;
use super::row::Options;
use super::verification::Outcome;
use super::{adiabatic, kernel_reflection, qsvt, walk};
use crate::error::{Error, Result};

/// Models that have a circuit here.
pub const VERIFIABLE: [&str; 5] =
    ["qsvt", "dalzell2024-known-norm", "costa2022", "costa2023-measured", "costa2023-consistent"];

/// Models of the catalogue that name no algorithm, with the reason.
const FORMULA_ONLY: [(&str, &str); 3] = [
    ("design-card", "its formula names no algorithm and has no proven constant"),
    ("q-newton", "its formula names no algorithm and has no proven constant"),
    ("lower-bound", "it bounds every algorithm from below and is none itself"),
];

/// Refuses ids without a circuit.
pub fn known(model_id: &str) -> Result<()> {
    if VERIFIABLE.contains(&model_id) {
        return Ok(());
    }
    let remedy = format!("models with a circuit: {}", VERIFIABLE.join(", "));
    match FORMULA_ONLY.iter().find(|(id, _)| *id == model_id) {
        Some((_, why)) => Err(Error::usage("simulate::no_circuit", model_id, format!("not verifiable: {why}"), remedy)),
        None => Err(Error::usage("simulate::unknown_model", model_id, "no such quantum model", remedy)),
    }
}

/// Runs a model's circuit, or the same circuit with `claim` queries.
pub fn run(model_id: &str, instance: &Instance, eps: f64, claim: Option<u64>, options: &Options) -> Result<Outcome> {
    match model_id {
        "qsvt" => best_relative(instance, eps, claim, options),
        "dalzell2024-known-norm" => known_norm(instance, eps, claim, options),
        _ => adiabatic_walk(model_id, instance, eps, claim, options),
    }
}

/// Refuses a run whose elementary operations exceed the cap.
pub(crate) fn afford(options: &Options, operations: f64, what: &str) -> Result<()> {
    if operations <= options.max_work {
        return Ok(());
    }
    Err(Error::resource(
        "simulate::not_verifiable",
        what,
        format!("not verifiable: {operations:.1e} operations exceed the cap of {:.1e}", options.max_work),
        "raise the cap, lower κ by damping, or ask for a larger ε",
    ))
}

fn best_relative(instance: &Instance, eps: f64, claim: Option<u64>, options: &Options) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let n = instance.nodes.len() as f64;
    afford(options, n * 40.0 * kappa, "qsvt")?;
    let execute = |p: &BestRelative| qsvt::run(instance, &qsvt::best_relative_values(instance, p, 1.0), p.degree());
    let proven = BestRelative::for_error(kappa, eps);
    let needed = qsvt::smallest_order(instance, eps).map(|order| execute(&BestRelative::of_order(kappa, order)));
    let run = match claim {
        None => execute(&proven),
        Some(queries) => {
            let total = |order: u64| {
                let p = BestRelative::of_order(kappa, order);
                let values = qsvt::best_relative_values(instance, &p, 1.0);
                p.degree() * qsvt::uses(instance, &values)
            };
            let order = largest(proven.order.saturating_mul(4), |order| total(order) <= queries);
            match order {
                Some(order) => execute(&BestRelative::of_order(kappa, order)),
                None => return Ok(too_few(queries, "queries", needed.map(|r| r.counts.queries()))),
            }
        }
    };
    let notes = vec![format!("polynomial of degree {}, {} uses by amplitude amplification", run.degree, run.uses)];
    Ok(Outcome {
        counts: run.counts,
        queries: run.counts.queries(),
        error: run.error,
        probability: run.probability,
        needed: needed.map(|r| r.counts.queries()),
        unit: "queries",
        state: run.state,
        notes,
    })
}

fn known_norm(instance: &Instance, eps: f64, claim: Option<u64>, options: &Options) -> Result<Outcome> {
    let formula = kernel_reflection::order_known_norm(instance.kappa_eff(), eps);
    let order = claim.map_or(formula, |queries| queries / 2);
    afford(options, 8.0 * instance.nodes.len() as f64 * formula.max(order) as f64, "kernel reflection")?;
    let needed = kernel_reflection::smallest_order(instance, instance.x_norm, eps, formula).map(|l| 2 * l);
    if order == 0 {
        return Ok(too_few(claim.unwrap_or(0), "queries", needed));
    }
    let (reflected, counts) = kernel_reflection::reflect(instance, instance.x_norm, order);
    Ok(Outcome {
        counts,
        queries: counts.queries(),
        error: reflected.error,
        probability: reflected.probability,
        needed,
        unit: "queries",
        state: reflected.state,
        notes: vec!["the norm ‖A⁻¹b‖ is taken as known".to_owned()],
    })
}

fn adiabatic_walk(
    model_id: &str,
    instance: &Instance,
    eps: f64,
    claim: Option<u64>,
    options: &Options,
) -> Result<Outcome> {
    let form = if instance.positive_definite() { walk::Form::PositiveDefinite } else { walk::Form::General };
    let definite = form == walk::Form::PositiveDefinite;
    let kappa = instance.kappa_eff();
    let (alpha, power) = match model_id {
        "costa2022" => (if definite { 5632.0 } else { 15307.0 }, adiabatic::SuccessPower::Single),
        "costa2023-consistent" => (if definite { 0.45 } else { 4.4 }, adiabatic::SuccessPower::Single),
        _ => (1.84, adiabatic::SuccessPower::Squared),
    };
    let plan = adiabatic::plan(kappa, eps, alpha, power);
    let n = instance.nodes.len() as f64;
    let per_step = n * if definite { 60.0 } else { 120.0 };
    let searched = plan.steps.min((64.0 * kappa) as u64).max(4);
    afford(options, per_step * (plan.steps as f64 + 4.0 * searched as f64), model_id)?;
    let system = walk::WalkSystem::symmetric(&instance.nodes, &instance.amplitudes, &instance.target, form, kappa);
    let calls = form.calls_per_step();
    let best = adiabatic::cheapest(&system, eps, searched);
    let needed = best.as_ref().map(|s| s.counts.queries());
    let solved = match claim {
        None => adiabatic::solve(&system, plan.steps, plan.filter_degree),
        Some(queries) => match best_within(&system, queries / calls) {
            Some(solved) => solved,
            None => return Ok(too_few(queries, "queries", needed)),
        },
    };
    let mut notes = vec![format!(
        "{} walk steps and a filter of {}, {} calls of U_A per step, expected until success",
        solved.steps, solved.filter_degree, calls
    )];
    if let Some(best) = &best {
        notes.push(format!("fewest found with {} walk steps and a filter of {}", best.steps, best.filter_degree));
    }
    Ok(Outcome {
        counts: solved.counts,
        queries: solved.counts.queries(),
        error: solved.error,
        probability: solved.probability,
        needed,
        unit: "queries",
        state: solved.state,
        notes,
    })
}

/// The smallest error over splits of about `steps` expected walk steps between walk and filter.
fn best_within(system: &walk::WalkSystem, steps: u64) -> Option<adiabatic::Solved> {
    let mut best: Option<adiabatic::Solved> = None;
    for share in [0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.8] {
        let walk_steps = 4 * ((steps as f64 * share / 4.0) as u64);
        if walk_steps < 4 {
            continue;
        }
        let fits = |degree: u64| adiabatic::solve(system, walk_steps, degree);
        let mut degree = 2 * ((steps - walk_steps) / 2);
        let mut solved = fits(degree);
        while solved.expected_steps > steps as f64 && degree >= 2 {
            degree = (degree as f64 * 0.9) as u64 / 2 * 2;
            solved = fits(degree);
        }
        if solved.expected_steps <= steps as f64 && best.as_ref().is_none_or(|b| solved.error < b.error) {
            best = Some(solved);
        }
    }
    best
}

/// A claim below the smallest circuit of the model.
fn too_few(claim: u64, unit: &'static str, needed: Option<u64>) -> Outcome {
    Outcome {
        queries: 0,
        error: std::f64::consts::SQRT_2,
        needed,
        unit,
        notes: vec![format!("{claim} queries are fewer than the smallest circuit of this model makes")],
        ..Outcome::default()
    }
}

/// Largest n in 1..=limit with `fits(n)`, for a predicate that holds up to some n.
pub(crate) fn largest(limit: u64, mut fits: impl FnMut(u64) -> bool) -> Option<u64> {
    if !fits(1) {
        return None;
    }
    let (mut low, mut high) = (1, limit + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    Some(low)
}
