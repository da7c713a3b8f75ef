//! Lines over one variable, with marks where points were measured: the figures of a dossier.

use super::axis::{Axis, Scale, range};
use super::font;
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{Align, DASH_DOT, DASHED, DOTTED, Dash, EM, Form, SOLID, Scene};
use crate::report::dossier::{LineSeries, Lines, Part};
use crate::report::escape::visible;

/// Draws the lines; `None` without a single number.
pub fn lines(data: &Lines, alt: &str) -> Option<Scene> {
    let scale = |log: bool| if log { Scale::Log } else { Scale::Linear };
    let points = || data.series.iter().flat_map(|s| &s.points).filter_map(|(x, y)| Some((*x, (*y)?)));
    let xs = points().map(|(x, _)| x);
    let ys = points().map(|(_, y)| y).chain(data.horizontal.iter().map(|m| m.at));
    let x_range = range(xs, scale(data.x.log))?;
    let mut y_range = range(ys, scale(data.y.log))?;
    if let Some([low, high]) = data.y_range {
        y_range = (y_range.0.max(low), y_range.1.min(high));
        if y_range.0 >= y_range.1 {
            y_range = (low, high);
        }
    }
    let mut x = Axis::new(scale(data.x.log), visible(&data.x.label()), x_range, 10);
    if !data.x.log && points().all(|(x, _)| x.fract() == 0.0) {
        // Steps are counted.
        x.ticks.retain(|t| t.value.fract() == 0.0);
    }
    let y = Axis::new(scale(data.y.log), visible(&data.y.label()), y_range, 9);
    let styles = styles(&data.series);
    let legend: Vec<Entry> = data
        .series
        .iter()
        .zip(&styles)
        .map(|(s, (ink, dash, form))| {
            let swatch = match (s.loose, s.marked) {
                (true, _) => Swatch::Mark(*ink, *form),
                (false, true) => Swatch::LineMark(*ink, dash, *form),
                (false, false) => Swatch::Line(*ink, dash),
            };
            (swatch, visible(&s.name))
        })
        .collect();
    let mut frame = Frame::new(visible(alt), 430.0, x, y, &legend);
    for mark in &data.horizontal {
        if data.vertical.is_empty() {
            frame.horizontal_mark(mark.at, &visible(&mark.label), Ink::Mark);
            continue;
        }
        // The upper edge belongs to the labels of the vertical marks.
        let (area, y) = (frame.area, frame.py(mark.at));
        frame.scene.curve(&[(area.left, y), (area.right, y)], &area, Ink::Mark, 1.2, DOTTED, 1.0);
        let label = font::fit(&visible(&mark.label), EM, area.width() * 0.5);
        frame.scene.text((area.right - 5.0, y + 15.0), label, EM, Align::End, Ink::Mark);
    }
    for (level, mark) in data.vertical.iter().enumerate() {
        frame.vertical_mark(mark.at, &visible(&mark.label), Ink::Mark, level);
    }
    for (series, (ink, dash, form)) in data.series.iter().zip(&styles) {
        if !series.loose {
            frame.curve(series.points.iter().copied(), *ink, 2.2, dash);
        }
        if series.marked || series.loose {
            for (x, y) in &series.points {
                if let Some(y) = y {
                    frame.mark(*x, *y, *form, 3.8, *ink);
                }
            }
        }
    }
    Some(frame.scene)
}

fn styles(series: &[LineSeries]) -> Vec<(Ink, Dash, Form)> {
    let (mut quantum, mut classical, mut other) = (0_u8, 0_u8, 0_u8);
    let mut next = |s: &LineSeries, i: usize| {
        let (count, ink): (&mut u8, fn(u8) -> Ink) = match s.part {
            Part::Quantum => (&mut quantum, Ink::Quantum),
            Part::Classical => (&mut classical, Ink::Classical),
            // The first two look like a quantum and a classical line: they come last.
            Part::Other => (&mut other, |i| Ink::Series((i + 2) % 6)),
        };
        let ink = ink(*count);
        *count += 1;
        let dash = match (s.dashed, s.part) {
            (true, Part::Classical) => DOTTED,
            (true, _) => DASH_DOT,
            (false, Part::Classical) => DASHED,
            (false, _) => SOLID,
        };
        (ink, dash, Form::nth(i))
    };
    series.iter().enumerate().map(|(i, s)| next(s, i)).collect()
}
