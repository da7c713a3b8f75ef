//! κ over the training steps with its bracket, and below it the verdict of each step.

use super::axis::{Axis, Scale, range};
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{Align, DASH_DOT, DASHED, DOTTED, EM, Form, Rect, SOLID, Scene};
use super::{font, scene::Dash};
use crate::crossover::VerdictClass;
use crate::report::escape::visible;

/// One case of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelinePoint {
    /// Series (with the scope, where there are several).
    pub series: String,
    /// Training step.
    pub step: f64,
    /// κ; absent when the matrix is singular.
    pub kappa: Option<f64>,
    /// Certified lower end.
    pub low: Option<f64>,
    /// Certified upper end.
    pub high: Option<f64>,
    /// The headline verdict.
    pub class: Option<VerdictClass>,
}

/// Colour, form and word of a verdict class.
pub fn class_style(class: VerdictClass) -> (Ink, Form, &'static str) {
    match class {
        VerdictClass::Excluded => (Ink::Bad, Form::Cross, "excluded"),
        VerdictClass::Unfavourable => (Ink::Against, Form::Square, "unfavourable"),
        VerdictClass::Undecided => (Ink::Open, Form::Diamond, "undecided"),
        VerdictClass::BreaksEven => (Ink::Good, Form::Disc, "breaks even"),
    }
}

/// Draws one line for each series; `None` without a point that has a κ or a lower end.
pub fn timeline(points: &[TimelinePoint]) -> Option<Scene> {
    let mut names: Vec<&str> = Vec::new();
    for p in points {
        if !names.contains(&p.series.as_str()) {
            names.push(&p.series);
        }
    }
    let kappas = points.iter().flat_map(|p| [p.kappa, p.low, p.high]).flatten();
    let y = Axis::log("κ of the solved matrix", range(kappas, Scale::Log)?, 7);
    let (first, last) = range(points.iter().map(|p| p.step), Scale::Linear)?;
    // Steps that span decades are spread by their logarithm; step 0 then stands at half of the first one.
    let smallest = points.iter().map(|p| p.step).filter(|s| *s > 0.0).fold(f64::INFINITY, f64::min);
    let log = smallest.is_finite() && last / smallest > 30.0;
    let zero_at = smallest / 2.0;
    let x = if log {
        let mut x = Axis::log("training step", (if first > 0.0 { first } else { zero_at }, last), 8);
        if first <= 0.0 {
            x.name = "training step (logarithmic, step 0 at the left edge)".into();
            x.ticks.retain(|t| t.value >= smallest * 0.99);
            x.ticks.insert(0, super::axis::Tick { value: zero_at, label: Some("0".into()) });
        }
        x
    } else {
        let mut x = Axis::linear("training step", (first, last), 9);
        x.ticks.retain(|t| t.value.fract() == 0.0 && t.value >= 0.0);
        x
    };
    let place = |step: f64| if log && step <= 0.0 { zero_at } else { step };

    let shown = names.len().min(MOST_SERIES);
    let mut legend: Vec<Entry> = Vec::new();
    for (i, name) in names.iter().take(shown).enumerate() {
        let (ink, dash, form) = style(i);
        legend.push((Swatch::LineMark(ink, dash, form), format!("series {}", visible(name))));
    }
    let mut classes: Vec<VerdictClass> = Vec::new();
    for class in points.iter().filter_map(|p| p.class) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    for class in &classes {
        let (ink, form, word) = class_style(*class);
        legend.push((Swatch::Mark(ink, form), format!("verdict: {word}")));
    }
    let strip = if classes.is_empty() { 0.0 } else { 16.0 + STRIP * shown as f64 };
    let alt = "κ over the training steps, one line per series";
    let mut frame = Frame::with_foot(alt, 350.0, strip, x, y, &legend);
    let area = frame.area;
    for (i, name) in names.iter().take(shown).enumerate() {
        let (ink, dash, form) = style(i);
        let mut own: Vec<&TimelinePoint> = points.iter().filter(|p| p.series == *name).collect();
        own.sort_by(|a, b| a.step.total_cmp(&b.step));
        frame.band(own.iter().map(|p| (place(p.step), p.low.zip(p.high))), ink, 0.18);
        frame.curve(own.iter().map(|p| (place(p.step), p.kappa)), ink, 2.0, dash);
        let strip_y = area.bottom + 52.0 + STRIP * i as f64 + STRIP / 2.0;
        for p in own {
            let x = place(p.step);
            if let (Some(low), Some(high)) = (p.low, p.high) {
                let (a, b) = (frame.at(x, low), frame.at(x, high));
                frame.scene.curve(&[a, b], &area, ink, 1.4, SOLID, 0.9);
            }
            match (p.kappa, p.low) {
                (Some(kappa), _) => frame.mark(x, kappa, form, 4.0, ink),
                // Singular: κ lies above its certified lower end, and nothing bounds it.
                (None, Some(low)) => {
                    let (px, py) = frame.at(x, low);
                    frame.scene.curve(&[(px, py), (px, area.top)], &area, ink, 1.4, DOTTED, 0.9);
                    frame.scene.mark((px, area.top + 6.0), Form::Triangle, 4.0, ink);
                }
                (None, None) => {}
            }
            if let Some(class) = p.class {
                let (ink, form, _) = class_style(class);
                frame.scene.mark((frame.px(x), strip_y), form, 4.0, ink);
            }
        }
        if strip > 0.0 {
            // The series' mark, and its name where it fits whole.
            frame.scene.mark((area.left - 10.0, strip_y), form, 3.6, ink);
            let label = visible(name);
            if font::width(&label, EM - 1.0) < area.left - 26.0 {
                frame.scene.text((area.left - 19.0, strip_y + 4.0), label, EM - 1.0, Align::End, Ink::Muted);
            }
        }
    }
    if strip > 0.0 {
        let top = area.bottom + 50.0;
        let boxed = Rect::new(area.left, top, area.right, top + STRIP * shown as f64 + 2.0);
        let corners = [
            (boxed.left, boxed.top),
            (boxed.right, boxed.top),
            (boxed.right, boxed.bottom),
            (boxed.left, boxed.bottom),
            (boxed.left, boxed.top),
        ];
        frame.scene.line(corners.to_vec(), Ink::Grid, 1.0);
    }
    Some(frame.scene)
}

const STRIP: f64 = 18.0;
/// Series beyond these would not be told apart and are left out.
pub const MOST_SERIES: usize = 6;

fn style(i: usize) -> (Ink, Dash, Form) {
    let dash = [SOLID, DASHED, DASH_DOT, DOTTED][i % 4];
    // Squares and diamonds belong to the verdicts.
    let form = [Form::Disc, Form::Triangle, Form::Wedge][i % 3];
    (Ink::Series(i as u8), dash, form)
}
