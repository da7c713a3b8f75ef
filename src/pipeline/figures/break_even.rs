//! Seconds over N: every estimate with its band, this run's cases, where the sides cross.

use super::{Scene, grid, moved};
use crate::catalog::Bound;
use crate::crossover::{Coupling, Estimate, coupling};
use crate::report::document::Case;
use crate::report::figure_data::{AxisSpec, CurveFigure, CurvePoint, CurveSeries, Dot, Side};

/// Points of a curve.
const POINTS: usize = 73;

/// Quantum curves shown beside the cheapest one.
const QUANTUM_SHOWN: usize = 4;

/// Over the size, κ, ε and the machines as measured.
pub fn over_size(scene: &Scene<'_>, cases: &[Case]) -> Option<CurveFigure> {
    let (follow, words) = coupling(scene.subject, "n");
    let largest = cases.iter().map(|c| c.measurement.n).max().unwrap_or(1) as f64;
    let xs = grid(10.0, (largest * 1e4).max(1e9), POINTS);
    let mut figure = curves(scene, &follow, "n", &xs)?;
    figure.x = AxisSpec::log("size N", "");
    let m = scene.subject;
    figure.held = format!(
        "κ = {:.4e}, d = {}, α/σ_max = {:.4}, ε = {:.3e} as measured in {}; {}; {}",
        m.kappa.value.unwrap_or(0.0),
        m.row_sparsity.value,
        m.subnormalization.relative,
        m.tolerance.value,
        m.id,
        words,
        scene.machines()
    );
    for case in cases {
        figure.dots.extend(dots(case, scene));
    }
    Some(figure)
}

fn curves(scene: &Scene<'_>, follow: &Coupling, variable: &str, xs: &[f64]) -> Option<CurveFigure> {
    let mut series = Vec::new();
    for (i, estimate) in scene.quantum.iter().enumerate() {
        // The cheapest ones, the cheapest proven one and the dearest span the band of opinions.
        let proven = estimate.quantity.bound == Bound::ProvenUpper
            && !scene.quantum.iter().take(i).any(|e| e.quantity.bound == Bound::ProvenUpper);
        if i < QUANTUM_SHOWN - 2 || proven || i + 1 == scene.quantum.len() {
            series.push(curve(estimate, Side::Quantum, follow, variable, xs));
        }
    }
    // What a run took says nothing about other sizes.
    for estimate in scene.rivals.iter().filter(|e| e.quantity.bound != Bound::Run) {
        series.push(curve(estimate, Side::Classical, follow, variable, xs));
    }
    let has = |side: Side| series.iter().any(|s| s.side == side && s.points.iter().any(|p| p.value.is_some()));
    if !has(Side::Quantum) || !has(Side::Classical) {
        return None;
    }
    let advantage = advantage(scene, follow, variable, xs);
    Some(CurveFigure {
        scenario: scene.scenario.id().into(),
        y: AxisSpec::log("time of one solve", "s"),
        series,
        advantage,
        ..CurveFigure::default()
    })
}

fn curve(estimate: &Estimate<'_>, side: Side, follow: &Coupling, variable: &str, xs: &[f64]) -> CurveSeries {
    let points = xs.iter().map(|&x| {
        let outcome = moved(estimate, follow, variable, x);
        CurvePoint { x, value: outcome.value, low: outcome.low, high: outcome.high }
    });
    CurveSeries {
        id: estimate.model.id().into(),
        title: estimate.name(),
        side,
        bound: estimate.quantity.bound.name().into(),
        points: points.collect(),
    }
}

/// The cheapest value of a side at `x`.
fn cheapest(side: &[Estimate<'_>], follow: &Coupling, variable: &str, x: f64) -> Option<f64> {
    side.iter()
        .filter(|e| e.quantity.bound != Bound::Run)
        .filter_map(|e| moved(e, follow, variable, x).value)
        .min_by(f64::total_cmp)
}

/// Where the cheapest quantum estimate is below the cheapest rival.
fn advantage(scene: &Scene<'_>, follow: &Coupling, variable: &str, xs: &[f64]) -> Vec<[f64; 2]> {
    let wins = |x: f64| {
        let (q, c) = (cheapest(&scene.quantum, follow, variable, x), cheapest(&scene.rivals, follow, variable, x));
        matches!((q, c), (Some(q), Some(c)) if q < c)
    };
    // A change of side between two places of the grid, to the eye's precision.
    let edge = |mut won: f64, mut lost: f64| {
        for _ in 0..20 {
            let middle = (won * lost).sqrt();
            if wins(middle) {
                won = middle;
            } else {
                lost = middle;
            }
        }
        won
    };
    let mut ranges = Vec::new();
    let mut open: Option<f64> = None;
    let mut before: Option<f64> = None;
    for &x in xs {
        match (open, wins(x)) {
            (None, true) => open = Some(before.map_or(x, |b| edge(x, b))),
            (Some(from), false) => {
                ranges.push([from, before.map_or(from, |b| edge(b, x))]);
                open = None;
            }
            _ => {}
        }
        before = Some(x);
    }
    if let (Some(from), Some(last)) = (open, before) {
        ranges.push([from, last]);
    }
    ranges
}

/// The cheapest time of each side in a case.
fn dots(case: &Case, scene: &Scene<'_>) -> Vec<Dot> {
    let best = |side: &[Estimate<'_>]| {
        let machine = side.first().map(|e| e.machine.id.as_str());
        case.costs
            .iter()
            .filter(|r| {
                r.scenario == scene.scenario.id() && r.quantity == "seconds" && r.hardware.as_deref() == machine
            })
            .filter(|r| side.iter().any(|e| e.model.id() == r.model && e.quantity.bound.name() == r.bound))
            .filter_map(|r| r.value.map(|y| (y, r)))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(y, r)| Dot {
                series: r.model.clone(),
                label: case.measurement.id.clone(),
                x: case.measurement.n as f64,
                y,
                low: r.low,
                high: r.high,
            })
    };
    [best(&scene.quantum), best(&scene.rivals)].into_iter().flatten().collect()
}
