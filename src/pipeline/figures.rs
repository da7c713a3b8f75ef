//! The numbers behind the figures: costs along one or two variables, all else as measured in one case.

mod break_even;
mod kappa_d;
mod tornado;

use super::market::Market;
use crate::catalog::{HardwareKind, Outcome, Spread};
use crate::cost::Scenario;
use crate::crossover::{Coupling, Estimate, quantum, rivals};
use crate::measurement::Measurement;
use crate::report::document::Case;
use crate::report::figure_data::FigureData;

/// Figures of a priced run; empty where nothing could be priced.
pub fn figures(market: &Market, cases: &[Case]) -> FigureData {
    let mut data = FigureData::default();
    let Some(subject) = subject(cases) else { return data };
    // The most honest scenario first: its figures stand on top.
    for &scenario in market.scenarios.iter().rev() {
        let Some(scene) = Scene::new(market, subject, scenario) else { continue };
        data.break_even.extend(break_even::over_size(&scene, cases));
        data.kappa_d.extend(kappa_d::map(&scene, cases));
        data.tornado.extend(tornado::bars(&scene));
    }
    data
}

/// The case that the figures hold fixed: the last of the longest series that has prices on both sides.
fn subject(cases: &[Case]) -> Option<&Measurement> {
    let priced = |c: &&Case| c.measurement.kappa.value.is_some();
    let count = |series: &str| cases.iter().filter(|c| c.measurement.series == series).count();
    cases
        .iter()
        .filter(priced)
        .max_by_key(|c| (count(&c.measurement.series), c.measurement.step))
        .or(cases.first())
        .map(|c| &c.measurement)
}

/// The estimates of one case in one scenario on the first pair of machines.
pub(super) struct Scene<'m> {
    scenario: Scenario,
    subject: &'m Measurement,
    quantum: Vec<Estimate<'m>>,
    rivals: Vec<Estimate<'m>>,
}

impl<'m> Scene<'m> {
    fn new(market: &'m Market, subject: &'m Measurement, scenario: Scenario) -> Option<Self> {
        let qm = *market.machines_of(HardwareKind::Quantum).first()?;
        let cm = *market.machines_of(HardwareKind::Classical).first()?;
        let quantum = quantum(subject, &market.catalog, scenario, qm);
        let rivals = rivals(subject, &market.catalog, scenario, cm);
        (!quantum.is_empty() && !rivals.is_empty()).then_some(Scene { scenario, subject, quantum, rivals })
    }

    /// The machines in words.
    fn machines(&self) -> String {
        let title = |list: &[Estimate<'_>]| list.first().map(|e| e.machine.id.clone()).unwrap_or_default();
        format!("{} against {}", title(&self.quantum), title(&self.rivals))
    }
}

/// An estimate with one variable moved, the coupled ones following.
fn moved(estimate: &Estimate<'_>, coupling: &Coupling, variable: &str, x: f64) -> Outcome {
    let mut point = estimate.point.clone();
    point.set(variable, Spread::exact(x));
    for (name, e) in &coupling.follow {
        let value = e.evaluate(&|n| if n == variable { Some(x) } else { estimate.point.get(n).map(|s| s.value) });
        if let Ok(value) = value {
            point.set(name, Spread::exact(value));
        }
    }
    estimate.model.price(estimate.quantity, &point)
}

/// Places in equal ratios, both ends exact.
fn grid(low: f64, high: f64, points: usize) -> Vec<f64> {
    let last = points.saturating_sub(1).max(1) as f64;
    (0..points)
        .map(|i| match i {
            0 => low,
            i if i + 1 == points => high,
            i => (low.ln() + (high.ln() - low.ln()) * (i as f64 / last)).exp(),
        })
        .collect()
}
