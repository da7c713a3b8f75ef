//! What a number rests on, in words.

use super::scenario::Scenario;
use crate::catalog::{Family, Hardware, KappaConvention, Model, Point, Quantity, short};

/// The assumptions behind one row, the most important first.
pub fn of(
    model: &Model,
    quantity: &Quantity,
    scenario: Scenario,
    machine: Option<&Hardware>,
    point: &Point,
    run: Option<&str>,
) -> Vec<String> {
    let mut all = Vec::new();
    if model.unverified() {
        all.push(format!("UNVERIFIED: {}", model.source.status_why));
    }
    if quantity.constant_unknown {
        let published =
            if scenario == Scenario::Paper && model.family() == Family::Quantum { "as published: " } else { "" };
        all.push(format!("{published}constant 1, no proof"));
    }
    if let Some(solver) = run {
        all.push(format!("iterations of a real run of {solver} on this system"));
    }
    let resolved = model.resolve(point);
    if model.source.kappa_convention == KappaConvention::KappaEff
        && let (Some(alpha), Some(kappa)) = (resolved.value("alpha"), resolved.value("kappa"))
    {
        all.push(format!("kappa_eff = alpha*kappa = {} * {} = {}", short(alpha), short(kappa), short(alpha * kappa)));
    }
    let names = &quantity.names;
    for (name, value) in &resolved.assumed {
        // A default that merely repeats another variable is no news.
        if names.iter().any(|n| n == name) && *name != "matvec_flops_per_second" && *name != "constant" {
            all.push(format!("{name} = {} (not measured: the model's default)", short(*value)));
        }
    }
    if model.family() == Family::Quantum && quantity.id != "degree" {
        if scenario == Scenario::Oracle && names.iter().any(|n| n == "eps") {
            all.push("eps is spent on the state alone: the norm of the solution is taken as exact".to_string());
        }
        all.push(format!("not counted: {}", model.source.omits.join("; ")));
    }
    if let Some(machine) = machine {
        all.extend(time(model, machine, names));
    }
    all
}

fn time(model: &Model, machine: &Hardware, names: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(gate) = &machine.gate_time {
        let unit = model.variable("gate_time").map_or("operation", |v| v.unit.trim_start_matches("seconds/"));
        all.push(format!("seconds = {unit} x gate time of {} s ({})", short(gate.value), machine.id));
    }
    let rates = [
        ("flops_per_second", &machine.flops_per_second),
        ("matvec_flops_per_second", &machine.matvec_flops_per_second),
    ];
    for (name, rate) in rates {
        // Without a rate of its own, stored-matrix work runs at the dense rate.
        if let Some(rate) = rate.as_ref().filter(|_| names.iter().any(|n| n == name)) {
            let (low, high) = (short(rate.low()), short(rate.high()));
            all.push(format!("{name} = {} ({low} to {high}) on {}", short(rate.value), machine.id));
        }
    }
    all.extend(machine.assumptions.iter().cloned());
    all
}
