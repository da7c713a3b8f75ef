//! One row per model, scenario, quantity and machine.

use super::scenario::Scenario;
use super::variables::{point_for, run_of};
use super::{CostRow, DomainCheck, assumption, machine};
use crate::catalog::{Bound, Catalog, Family, Hardware, Model, Outcome, Point, Quantity};
use crate::measurement::Measurement;

/// Prices a measured system under every model, scenario and machine.
///
/// Each model has at least one row in each scenario: its main quantity, without a value where the scenario or the
/// domain excludes it. `seconds` has a row for each machine that can run the model. Rows come in the order of the
/// scenarios, the catalogue, the model's quantities and the machines.
pub fn tabulate(m: &Measurement, catalog: &Catalog, scenarios: &[Scenario], machines: &[&Hardware]) -> Vec<CostRow> {
    let mut rows = Vec::new();
    for &scenario in scenarios {
        for model in catalog.models.iter().filter(|m| m.family() != Family::Encoding) {
            rows.extend(rows_of(model, m, scenario, machines));
        }
    }
    rows
}

fn rows_of(model: &Model, m: &Measurement, scenario: Scenario, machines: &[&Hardware]) -> Vec<CostRow> {
    if let Some(why) = scenario.excludes(model) {
        let quantity = model.main();
        return quantity
            .map(|q| row(q, model, scenario, None, Outcome { why, ..Outcome::default() }, Vec::new()))
            .into_iter()
            .collect();
    }
    let point = point_for(model, m);
    let run = run_of(model.id(), m).map(|(solver, _)| solver);
    let mut rows = Vec::new();
    for quantity in &model.quantities {
        let real = quantity.bound == Bound::Run;
        if real && run.is_none() {
            continue;
        }
        let run = run.filter(|_| real);
        if quantity.id == "seconds" {
            for machine in machines.iter().filter(|h| machine::prices(model, h)) {
                let there = machine::on_machine(&point, machine);
                rows.push(priced(model, quantity, scenario, Some(machine), &there, run));
            }
        } else {
            rows.push(priced(model, quantity, scenario, None, &point, run));
        }
    }
    rows
}

fn priced(
    model: &Model,
    quantity: &Quantity,
    scenario: Scenario,
    machine: Option<&Hardware>,
    point: &Point,
    run: Option<&str>,
) -> CostRow {
    let outcome = model.price(quantity, point);
    let assumptions = if outcome.value.is_some() {
        assumption::of(model, quantity, scenario, machine, point, run)
    } else {
        Vec::new()
    };
    row(quantity, model, scenario, machine, outcome, assumptions)
}

fn row(
    quantity: &Quantity,
    model: &Model,
    scenario: Scenario,
    machine: Option<&Hardware>,
    outcome: Outcome,
    assumptions: Vec<String>,
) -> CostRow {
    CostRow {
        model: model.id().to_string(),
        scenario: scenario.id().to_string(),
        hardware: machine.map(|h| h.id.clone()),
        quantity: quantity.id.clone(),
        unit: quantity.unit.clone(),
        value: outcome.value,
        low: outcome.low,
        high: outcome.high,
        bound: quantity.bound.name().to_string(),
        domain: DomainCheck { ok: outcome.in_domain, why: outcome.why },
        assumptions,
    }
}
