//! log10(classical time / quantum time) over κ and d, for the cheapest estimate and the cheapest rival.

use super::{Scene, grid};
use crate::catalog::{Bound, Spread};
use crate::crossover::{Estimate, coupling};
use crate::report::document::Case;
use crate::report::figure_data::{AxisSpec, MapFigure};

/// Places along each axis.
const SIDE: usize = 41;

/// The map of one scenario.
pub fn map(scene: &Scene<'_>, cases: &[Case]) -> Option<MapFigure> {
    let q = scene.quantum.first()?;
    let c = scene.rivals.iter().find(|e| e.quantity.bound != Bound::Run)?;
    let n = cases.iter().map(|c| c.measurement.n).max()? as f64;
    let kappas = cases.iter().filter_map(|c| c.measurement.kappa.value);
    let top = kappas.fold(1e6_f64, f64::max) * 10.0;
    let xs = grid(1.0, top, SIDE);
    let ys = grid(1.0, n.max(2.0), SIDE);
    let z: Vec<Vec<Option<f64>>> = ys
        .iter()
        .map(|&d| {
            let row = xs.iter().map(|&kappa| {
                let (q, c) = (at(scene, q, kappa, d)?, at(scene, c, kappa, d)?);
                Some((c / q).log10()).filter(|z| z.is_finite())
            });
            row.collect()
        })
        .collect();
    let m = scene.subject;
    Some(MapFigure {
        scenario: scene.scenario.id().into(),
        quantum: q.model.id().into(),
        classical: c.model.id().into(),
        x: AxisSpec::log("condition number κ", ""),
        y: AxisSpec::log("row sparsity d", ""),
        z_name: "log10(classical time / quantum time)".into(),
        xs,
        ys,
        z,
        held: format!(
            "N = {}, ε = {:.3e} as measured in {}; entries follow d, α is the better of the sparse and the Frobenius encoding; {}",
            m.n,
            m.tolerance.value,
            m.id,
            scene.machines()
        ),
    })
}

fn at(scene: &Scene<'_>, estimate: &Estimate<'_>, kappa: f64, d: f64) -> Option<f64> {
    let mut point = estimate.point.clone();
    for (variable, x) in [("kappa", kappa), ("d", d)] {
        point.set(variable, Spread::exact(x));
        for (name, e) in &coupling(scene.subject, variable).0.follow {
            let value = e.evaluate(&|n| if n == variable { Some(x) } else { point.get(n).map(|s| s.value) });
            if let Ok(value) = value {
                point.set(name, Spread::exact(value));
            }
        }
    }
    estimate.model.price(estimate.quantity, &point).value
}
