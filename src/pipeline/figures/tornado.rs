//! How far each assumption moves the break-even gate time.

use super::Scene;
use crate::catalog::{Bound, Spread, short};
use crate::crossover::Estimate;
use crate::report::figure_data::{AxisSpec, TornadoBar, TornadoFigure};

/// The bars of one scenario: the uncertain variables of both sides, the choice of the model, the choice of the rival.
pub fn bars(scene: &Scene<'_>) -> Option<TornadoFigure> {
    let q = scene.quantum.first()?;
    let c = scene.rivals.first()?;
    let base = break_even(q, c, None)?;
    let mut bars = Vec::new();
    let mut names: Vec<&str> = q.point.iter().chain(c.point.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|n| *n != "gate_time") {
        let Some(spread) = q.point.get(name).or_else(|| c.point.get(name)).filter(|s| !s.is_exact()) else { continue };
        let (Some(low), Some(high)) = (spread.low, spread.high) else { continue };
        let (at_low, at_high) = (break_even(q, c, Some((name, low))), break_even(q, c, Some((name, high))));
        if at_low == at_high {
            continue;
        }
        bars.push(TornadoBar {
            lever: name.into(),
            low: at_low,
            high: at_high,
            low_label: short(low),
            high_label: short(high),
        });
    }
    if let Some(dearest) = scene.quantum.last().filter(|e| e.model.id() != q.model.id()) {
        bars.push(TornadoBar {
            lever: "quantum model".into(),
            low: break_even(dearest, c, None),
            high: Some(base),
            low_label: dearest.name(),
            high_label: q.name(),
        });
    }
    if let Some(direct) = scene.rivals.iter().rev().find(|e| e.quantity.bound == Bound::Exact) {
        bars.push(TornadoBar {
            lever: "classical rival".into(),
            low: Some(base),
            high: break_even(q, direct, None),
            low_label: c.name(),
            high_label: direct.name(),
        });
    }
    Some(TornadoFigure {
        scenario: scene.scenario.id().into(),
        x: AxisSpec::log("break-even gate time", "s"),
        base,
        bars,
        held: format!("{} against {}, as measured in {}; {}", q.name(), c.name(), scene.subject.id, scene.machines()),
    })
}

/// The gate time at which both take as long: quantum time is proportional to it.
fn break_even(q: &Estimate<'_>, c: &Estimate<'_>, varied: Option<(&str, f64)>) -> Option<f64> {
    let time = |e: &Estimate<'_>| {
        let mut point = e.point.clone();
        if let Some((name, x)) = varied
            && point.get(name).is_some()
        {
            point.set(name, Spread::exact(x));
        }
        e.model.price(e.quantity, &point).value
    };
    let gate_time = q.point.get("gate_time")?.value;
    let at = gate_time * time(c)? / time(q)?;
    (at.is_finite() && at > 0.0).then_some(at)
}
