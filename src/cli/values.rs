//! `--set` and `--hardware` made into the point at which models are evaluated.

use crate::catalog::{Catalog, HardwareKind, Model, Point, Spread, nearest};
use crate::cost::on_machine;
use crate::error::{Error, Result};

/// What the user gave.
pub struct Given {
    /// Values of variables.
    pub point: Point,
    /// Remarks: values that no model uses.
    pub notes: Vec<String>,
}

/// The machines' times and rates, then the values that were set, which win.
///
/// # Errors
/// A variable that nobody knows, a machine that does not exist, two machines of one kind.
pub fn given(catalog: &Catalog, models: &[&Model], set: &[(String, f64)], hardware: &[String]) -> Result<Given> {
    let mut point = Point::new();
    let mut kinds: Vec<HardwareKind> = Vec::new();
    for id in hardware {
        let machine = catalog.machine(id)?;
        if kinds.contains(&machine.kind) {
            let what = format!("`{id}` is a second machine of its kind");
            return Err(Error::usage(
                "cli::hardware",
                "--hardware",
                what,
                "name one quantum and one classical machine",
            ));
        }
        kinds.push(machine.kind);
        point = on_machine(&point, machine);
    }
    let mut notes = Vec::new();
    let used = |name: &str| models.iter().any(|m| m.variable(name).is_some());
    for (name, value) in set {
        if !used(name) {
            if !catalog.vocabulary.contains_key(name) {
                let known = models.iter().flat_map(|m| m.variables.iter().map(|v| v.name.as_str()));
                let near = nearest(name, known.clone().chain(catalog.vocabulary.keys().map(String::as_str)));
                let mut all: Vec<&str> = known.collect();
                all.sort_unstable();
                all.dedup();
                let help = near
                    .map_or(format!("the variables here are {}", all.join(", ")), |n| format!("did you mean `{n}`?"));
                return Err(Error::usage("cli::set", format!("--set {name}"), format!("no variable `{name}`"), help));
            }
            let ids: Vec<&str> = models.iter().map(|m| m.id()).collect();
            notes.push(format!("note: `{name}` is not used by {}", ids.join(" or ")));
        }
        // A rate that is set also governs stored-matrix work, unless that is set too.
        if name == "flops_per_second" && !set.iter().any(|(n, _)| n == "matvec_flops_per_second") {
            point.forget("matvec_flops_per_second");
        }
        point.set(name, Spread::exact(*value));
    }
    Ok(Given { point, notes })
}
