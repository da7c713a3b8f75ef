//! Claims of the catalogue checked on a run's own systems.

mod gate;

pub use gate::{AUTO_SECONDS, examined_range, relevance, simulate_cases};

use super::systems::Systems;
use crate::catalog::{Catalog, Model, Point};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::simulate::{Instance, Level, Options, SimulationRow, levels, qsvt, verify_built};
use faer::MatRef;

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

/// Verifies one model's claim on one case, the prediction taken from the catalogue.
///
/// # Errors
/// Those of [`crate::simulate::verify`]; an unknown model.
#[expect(clippy::too_many_arguments, reason = "one call, as typed on the command line")]
pub fn verify_case(
    catalog: &Catalog,
    model_id: &str,
    systems: &Systems<'_>,
    id: &str,
    eps: f64,
    claim: Option<u64>,
    level: Level,
    options: &Options,
    threads: &Threads,
) -> Result<SimulationRow> {
    let at = |e: Error| Error { place: format!("{id}: {}", e.place), ..e };
    if let Some(n) = systems.size(id) {
        levels::check_size(level, n).map_err(at)?;
    }
    let (instance, system, rhs) = systems.instance(id, None, options, threads).map_err(at)?;
    let options = Options { rhs, ..options.clone() };
    let matrix = system.as_ref().map(|s| s.matrix.as_ref());
    // Deeper levels need the eigenvectors.
    let instance = if level == Level::L1 { instance.joined() } else { instance };
    threads.run(|| verify_on(catalog, model_id, matrix, &instance, eps, claim, level, &options)).map_err(at)
}

#[allow(clippy::too_many_arguments)]
fn verify_on(
    catalog: &Catalog,
    model_id: &str,
    matrix: Option<MatRef<'_, f64>>,
    instance: &Instance,
    eps: f64,
    claim: Option<u64>,
    level: Level,
    options: &Options,
) -> Result<SimulationRow> {
    let predicted: std::result::Result<f64, String> = match model_id {
        // Its amplification is defined at the success probability, which this instance has and a table has not.
        "qsvt" => Ok(qsvt::count_at_known_probability(instance, eps) as f64),
        _ => catalog.model(model_id).map_err(|e| e.to_string()).and_then(|m| predict(m, instance, eps)),
    };
    let value = predicted.as_ref().ok().copied();
    let mut row = verify_built(model_id, matrix, instance, eps, claim, value, level, options)?;
    if let Err(why) = predicted {
        row.notes.push(format!("the model's formula has no value here: {why}"));
    }
    Ok(row)
}
