//! Curves with bands over one variable: the break-even figure, and the crossover figure of the `plot` command.

use super::axis::{Axis, Scale, range};
use super::font;
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{Align, DASH_DOT, DASHED, DOTTED, Dash, EM, Form, Rect, SOLID, Scene};
use crate::report::escape::visible;
use crate::report::figure_data::{CurveFigure, CurveSeries, Side};

/// Draws the curves, their bands, the cases as dots and the crossovers as marks; `None` without a single number.
///
/// Quantum series are cool and solid, classical ones warm and dashed; dots have a form of their own for each series.
pub fn curves(data: &CurveFigure) -> Option<Scene> {
    let scale = |log: bool| if log { Scale::Log } else { Scale::Linear };
    let all = || data.series.iter().flat_map(|s| &s.points);
    let xs = all().filter(|p| p.value.is_some()).map(|p| p.x).chain(data.dots.iter().map(|d| d.x));
    let ends = |p: &crate::report::figure_data::CurvePoint| [p.value, p.low, p.high];
    let dot_ends = data.dots.iter().flat_map(|d| [Some(d.y), d.low, d.high]);
    let ys = all().flat_map(ends).chain(dot_ends).flatten();
    let (x_range, y_range) = (range(xs, scale(data.x.log))?, range(ys, scale(data.y.log))?);
    let x = Axis::new(scale(data.x.log), visible(&data.x.label()), x_range, 10);
    let y = Axis::new(scale(data.y.log), visible(&data.y.label()), y_range, 9);

    let styles = styles(&data.series);
    let mut legend: Vec<Entry> = Vec::new();
    for (series, style) in data.series.iter().zip(&styles) {
        let banded = series.points.iter().any(|p| p.low.is_some() && p.high.is_some() && p.low != p.high);
        let swatch =
            if banded { Swatch::Band(style.ink, BAND, style.dash) } else { Swatch::Line(style.ink, style.dash) };
        let bound = if series.bound.is_empty() { String::new() } else { format!(" ({})", series.bound) };
        legend.push((swatch, visible(&format!("{}{bound}", series.title))));
    }
    let style_of = |id: &str| data.series.iter().zip(&styles).find(|(s, _)| s.id == id).map(|(_, style)| *style);
    if !data.dots.is_empty() {
        legend
            .push((Swatch::Mark(Ink::Muted, Form::Disc), "marks: this run's cases, each with its own κ, d, ε".into()));
    }

    let alt = format!("{} over {}", data.y.label(), data.x.label());
    let mut frame = Frame::new(visible(&alt), 500.0, x, y, &legend);
    for [from, to] in &data.advantage {
        let (l, r) = (frame.px(*from).max(frame.area.left), frame.px(*to).min(frame.area.right));
        if r - l > 1.0 {
            let band = Rect::new(l, frame.area.top, r, frame.area.bottom);
            frame.scene.rect(band, Ink::Good, 0.1);
            let (text, baseline) = ("quantum cheaper", frame.area.bottom - 8.0);
            if font::width(text, EM) + 12.0 < r - l {
                frame.scene.text((l + 6.0, baseline), text, EM, Align::Start, Ink::Good);
            }
        }
    }
    for (series, style) in data.series.iter().zip(&styles) {
        let band = series.points.iter().map(|p| (p.x, p.low.zip(p.high)));
        frame.band(band, style.ink, BAND);
    }
    for (series, style) in data.series.iter().zip(&styles) {
        frame.curve(series.points.iter().map(|p| (p.x, p.value)), style.ink, 2.2, style.dash);
    }
    for (level, mark) in data.marks.iter().enumerate() {
        frame.vertical_mark(mark.at, &visible(&mark.label), Ink::Mark, level);
    }
    for dot in &data.dots {
        let style = style_of(&dot.series).unwrap_or(Style { ink: Ink::Text, dash: SOLID, form: Form::Disc });
        if let Some((low, high)) = dot.low.zip(dot.high) {
            let (a, b) = (frame.at(dot.x, low), frame.at(dot.x, high));
            let area = frame.area;
            frame.scene.curve(&[a, b], &area, style.ink, 1.6, SOLID, 0.8);
        }
        frame.mark(dot.x, dot.y, style.form, 4.2, style.ink);
    }
    Some(frame.scene)
}

const BAND: f64 = 0.16;

#[derive(Debug, Clone, Copy)]
struct Style {
    ink: Ink,
    dash: Dash,
    form: Form,
}

fn styles(series: &[CurveSeries]) -> Vec<Style> {
    let (mut quantum, mut classical, mut other) = (0_u8, 0_u8, 0_u8);
    let mut next = |side: Side| match side {
        Side::Quantum => {
            quantum += 1;
            let turn = (quantum - 1) / 4;
            let dash = if turn == 0 { SOLID } else { DASH_DOT };
            Style { ink: Ink::Quantum(quantum - 1), dash, form: Form::nth(usize::from(quantum - 1)) }
        }
        Side::Classical => {
            classical += 1;
            let dash = if (classical - 1) / 4 == 0 { DASHED } else { DOTTED };
            Style { ink: Ink::Classical(classical - 1), dash, form: Form::nth(usize::from(classical - 1)) }
        }
        Side::Other => {
            other += 1;
            Style { ink: Ink::Series(other - 1), dash: SOLID, form: Form::nth(usize::from(other - 1)) }
        }
    };
    series.iter().map(|s| next(s.side)).collect()
}
