//! A machine's times and rates as variables of the models.

use crate::catalog::{Family, Hardware, HardwareKind, Model, Point, Rate, Spread};

/// Whether a machine can run a model.
pub fn prices(model: &Model, machine: &Hardware) -> bool {
    matches!(
        (model.family(), machine.kind),
        (Family::Quantum, HardwareKind::Quantum) | (Family::Classical, HardwareKind::Classical)
    )
}

/// The point with a machine's gate time or rates added.
#[must_use]
pub fn on_machine(point: &Point, machine: &Hardware) -> Point {
    let mut point = point.clone();
    let rates: [(&str, &Option<Rate>); 3] = [
        ("gate_time", &machine.gate_time),
        ("flops_per_second", &machine.flops_per_second),
        ("matvec_flops_per_second", &machine.matvec_flops_per_second),
    ];
    for (name, rate) in rates {
        if let Some(rate) = rate {
            point.set(name, Spread::new(rate.value, rate.low(), rate.high()));
        }
    }
    point
}
