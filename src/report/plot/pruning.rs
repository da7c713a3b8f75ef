//! The pruning trade-off: how much of H is lost for how small a row sparsity d.

use super::axis::{Axis, Scale, range};
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::labels::Labels;
use super::scene::{DASHED, EM, Form, SOLID, Scene};
use crate::measurement::SparsityPoint;
use crate::report::number;

/// Draws the errors over d; points that lose nothing stand on the lower edge. `None` with fewer than two points.
pub fn pruning(curve: &[SparsityPoint], n: usize) -> Option<Scene> {
    let mut points: Vec<&SparsityPoint> = curve.iter().collect();
    points.sort_by(|a, b| a.d.cmp(&b.d).then(b.threshold.total_cmp(&a.threshold)));
    if points.len() < 2 {
        return None;
    }
    let errors = points.iter().flat_map(|p| [Some(p.frobenius_error), p.spectral_error]).flatten();
    let (low, high) = range(errors, Scale::Log)?;
    let x = Axis::linear(
        format!("row sparsity d (largest count in a row; N = {})", number::count(n as u64)),
        (0.0, points.last()?.d as f64),
        9,
    );
    let y = Axis::log("relative error of the pruned H", (low, (high * 4.0).max(low * 10.0)), 7);
    let spectral = points.iter().any(|p| p.spectral_error.is_some());
    let mut legend: Vec<Entry> = vec![(Swatch::Line(Ink::Quantum(0), SOLID), "‖dropped‖_F / ‖H‖_F".into())];
    if spectral {
        legend.push((Swatch::Line(Ink::Classical(0), DASHED), "‖dropped‖₂ / ‖H‖₂".into()));
    }
    legend.push((Swatch::Mark(Ink::Muted, Form::Disc), "label: threshold relative to max|h|".into()));
    let mut frame = Frame::new("relative error of the pruned Hessian over its row sparsity", 320.0, x, y, &legend);
    frame.x.ticks.retain(|t| t.value >= 0.0);
    let floor = frame.y.low;
    let shown = |e: f64| if e > 0.0 { e } else { floor };
    frame.curve(points.iter().map(|p| (p.d as f64, Some(shown(p.frobenius_error)))), Ink::Quantum(0), 2.0, SOLID);
    frame.curve(points.iter().map(|p| (p.d as f64, p.spectral_error.map(shown))), Ink::Classical(0), 2.0, DASHED);
    for p in &points {
        if let Some(e) = p.spectral_error {
            frame.mark(p.d as f64, shown(e), Form::Square, 3.4, Ink::Classical(0));
        }
        frame.mark(p.d as f64, shown(p.frobenius_error), Form::Disc, 3.4, Ink::Quantum(0));
    }
    let area = frame.area;
    let mut labels = Labels::around(&frame.scene);
    let at = |p: &SparsityPoint, e: f64| frame.at(p.d as f64, shown(e));
    let upper: Vec<_> = points.iter().map(|p| at(p, p.frobenius_error)).collect();
    let lower: Vec<_> = points.iter().filter_map(|p| p.spectral_error.map(|e| at(p, e))).collect();
    for line in [&upper, &lower] {
        labels.avoid_line(line);
        line.iter().for_each(|p| labels.avoid_mark(*p, 4.5));
    }
    for (p, at) in points.iter().zip(upper) {
        labels.put(&mut frame.scene, &area, at, &number::digits(p.threshold, 2), EM - 1.0, Ink::Text);
    }
    Some(frame.scene)
}
