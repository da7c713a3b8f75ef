//! The frame of a chart: margins from the labels' real widths, grid, ticks, axis names, and a legend that never clips.

use super::axis::{Axis, Tick};
use super::font;
use super::ink::Ink;
use super::scene::{Align, DOTTED, Dash, EM, Form, Point, Rect, SOLID, Scene};

/// Logical width of an ordinary figure.
pub const WIDTH: f64 = 860.0;

/// What a legend entry shows beside its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Swatch {
    /// A line with a dash.
    Line(Ink, Dash),
    /// A band around a line.
    Band(Ink, f64, Dash),
    /// A data mark.
    Mark(Ink, Form),
    /// A line with its data marks.
    LineMark(Ink, Dash, Form),
}

/// A legend entry.
pub type Entry = (Swatch, String);

/// A chart: a scene with a plot area and two axes.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What is drawn so far.
    pub scene: Scene,
    /// The plot area.
    pub area: Rect,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
}

impl Frame {
    /// Lays out a chart of `height` logical pixels (the legend is added below it) and draws grid, ticks and names.
    pub fn new(alt: impl Into<String>, height: f64, x: Axis, y: Axis, legend: &[Entry]) -> Self {
        Self::with_foot(alt, height, 0.0, x, y, legend)
    }

    /// The same with `foot` logical pixels left free between the axis name and the legend.
    pub fn with_foot(alt: impl Into<String>, height: f64, foot: f64, x: Axis, y: Axis, legend: &[Entry]) -> Self {
        let widest = |ticks: &[Tick]| {
            ticks.iter().filter_map(|t| t.label.as_ref()).map(|l| font::width(l, EM)).fold(0.0, f64::max)
        };
        let left = 18.0 + EM + 10.0 + widest(&y.ticks);
        let right = 16.0_f64.max(widest(&x.ticks) / 2.0 + 4.0);
        let area = Rect::new(left.ceil(), 14.0, (WIDTH - right).floor(), height - 52.0);
        let rows = legend_rows(legend, area.left, WIDTH - 12.0);
        let total = height + foot + rows.len() as f64 * LEGEND_ROW + if rows.is_empty() { 0.0 } else { 6.0 };
        let mut frame = Frame { scene: Scene::new(WIDTH, total.ceil(), alt), area, x, y };
        frame.draw_axes();
        frame.draw_legend(&rows, height + foot + 4.0);
        frame
    }

    /// Place of a data point; values off the axes give points outside the area.
    pub fn at(&self, x: f64, y: f64) -> Point {
        (self.px(x), self.py(y))
    }

    /// Horizontal place of a value.
    pub fn px(&self, x: f64) -> f64 {
        self.area.left + self.x.place(x).clamp(-5.0, 6.0) * self.area.width()
    }

    /// Vertical place of a value.
    pub fn py(&self, y: f64) -> f64 {
        self.area.bottom - self.y.place(y).clamp(-5.0, 6.0) * self.area.height()
    }

    /// A data curve, clipped to the area; gaps where the value is missing.
    pub fn curve(&mut self, points: impl IntoIterator<Item = (f64, Option<f64>)>, ink: Ink, width: f64, dash: Dash) {
        let mut run: Vec<Point> = Vec::new();
        let mut runs = Vec::new();
        for (x, y) in points {
            match y {
                Some(y) => run.push(self.at(x, y)),
                None => runs.push(std::mem::take(&mut run)),
            }
        }
        runs.push(run);
        for run in runs {
            self.scene.curve(&run, &self.area, ink, width, dash, 1.0);
        }
    }

    /// A band between two curves; gaps where an end is missing.
    pub fn band(&mut self, points: impl IntoIterator<Item = (f64, Option<(f64, f64)>)>, ink: Ink, alpha: f64) {
        let (mut upper, mut lower): (Vec<Point>, Vec<Point>) = (Vec::new(), Vec::new());
        let mut polygons = Vec::new();
        let mut flush = |upper: &mut Vec<Point>, lower: &mut Vec<Point>| {
            let mut polygon = std::mem::take(upper);
            polygon.extend(std::mem::take(lower).into_iter().rev());
            polygons.push(polygon);
        };
        for (x, ends) in points {
            match ends {
                Some((low, high)) => {
                    upper.push(self.at(x, high));
                    lower.push(self.at(x, low));
                }
                None => flush(&mut upper, &mut lower),
            }
        }
        flush(&mut upper, &mut lower);
        for polygon in polygons {
            self.scene.area(&polygon, &self.area, ink, alpha);
        }
    }

    /// A data mark, if it lies inside the area.
    pub fn mark(&mut self, x: f64, y: f64, form: Form, size: f64, ink: Ink) {
        let at = self.at(x, y);
        if self.area.contains(at, 0.5) {
            self.scene.mark(at, form, size, ink);
        }
    }

    /// A vertical line at `x` with a label at the top, where it lies inside the area. `level` staggers labels.
    pub fn vertical_mark(&mut self, x: f64, label: &str, ink: Ink, level: usize) {
        let px = self.px(x);
        if px < self.area.left || px > self.area.right {
            return;
        }
        let (top, bottom) = (self.area.top, self.area.bottom);
        self.scene.curve(&[(px, top), (px, bottom)], &self.area.clone(), ink, 1.5, DOTTED, 1.0);
        let label = font::fit(label, EM, self.area.width() * 0.6);
        let w = font::width(&label, EM);
        let (at, align) =
            if px + 6.0 + w > self.area.right { (px - 5.0, Align::End) } else { (px + 5.0, Align::Start) };
        let baseline = top + 14.0 + 15.0 * level as f64;
        self.scene.backdrop((at, baseline), w, EM, align);
        self.scene.text((at, baseline), label, EM, align, ink);
    }

    /// A horizontal line at `y` with a label above its right end.
    pub fn horizontal_mark(&mut self, y: f64, label: &str, ink: Ink) {
        let py = self.py(y);
        if py < self.area.top || py > self.area.bottom {
            return;
        }
        let (left, right) = (self.area.left, self.area.right);
        self.scene.curve(&[(left, py), (right, py)], &self.area.clone(), ink, 1.2, DOTTED, 1.0);
        let label = font::fit(label, EM, self.area.width() * 0.8);
        let baseline = if py - 18.0 < self.area.top { py + 14.0 } else { py - 5.0 };
        self.scene.text((right - 5.0, baseline), label, EM, Align::End, ink);
    }

    fn draw_axes(&mut self) {
        let Rect { left, top, right, bottom } = self.area;
        let (x_ticks, y_ticks) = (self.x.ticks.clone(), self.y.ticks.clone());
        for tick in x_ticks.iter().filter(|t| (0.0..=1.0).contains(&self.x.place(t.value))) {
            let px = self.px(tick.value);
            let length = if tick.label.is_some() {
                self.scene.line(vec![(px, top), (px, bottom)], Ink::Grid, 1.0);
                6.0
            } else {
                3.5
            };
            self.scene.line(vec![(px, bottom), (px, bottom + length)], Ink::Frame, 1.0);
        }
        for tick in y_ticks.iter().filter(|t| (0.0..=1.0).contains(&self.y.place(t.value))) {
            let py = self.py(tick.value);
            let length = if tick.label.is_some() {
                self.scene.line(vec![(left, py), (right, py)], Ink::Grid, 1.0);
                6.0
            } else {
                3.5
            };
            self.scene.line(vec![(left - length, py), (left, py)], Ink::Frame, 1.0);
        }
        // Labels last, and only where they do not touch the one before.
        let mut end = f64::NEG_INFINITY;
        for tick in &x_ticks {
            let (Some(label), place) = (&tick.label, self.x.place(tick.value)) else { continue };
            let (px, w) = (self.px(tick.value), font::width(label, EM));
            if (0.0..=1.0).contains(&place) && px - w / 2.0 > end + 5.0 {
                self.scene.text((px, bottom + 20.0), label.clone(), EM, Align::Middle, Ink::Text);
                end = px + w / 2.0;
            }
        }
        let mut end = f64::INFINITY;
        for tick in &y_ticks {
            let (Some(label), place) = (&tick.label, self.y.place(tick.value)) else { continue };
            let py = self.py(tick.value);
            if (0.0..=1.0).contains(&place) && py < end - EM - 2.0 {
                self.scene.text((left - 9.0, py + 0.36 * EM), label.clone(), EM, Align::End, Ink::Text);
                end = py;
            }
        }
        self.scene.line(vec![(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], Ink::Frame, 1.0);
        let name = font::fit(&self.x.name, EM + 1.0, WIDTH - 24.0);
        let half = font::width(&name, EM + 1.0) / 2.0;
        let centre = f64::midpoint(left, right).clamp(half + 8.0, (WIDTH - half - 8.0).max(half + 8.0));
        self.scene.text((centre, bottom + 42.0), name, EM + 1.0, Align::Middle, Ink::Text);
        let name = font::fit(&self.y.name, EM + 1.0, bottom - top + 40.0);
        let half = font::width(&name, EM + 1.0) / 2.0;
        let centre = f64::midpoint(top, bottom).max(half + 4.0);
        self.scene.text_vertical((18.0, centre), name, EM + 1.0, Ink::Text);
    }

    fn draw_legend(&mut self, rows: &[Vec<(f64, Entry)>], top: f64) {
        for (i, row) in rows.iter().enumerate() {
            let y = top + i as f64 * LEGEND_ROW + 9.0;
            for (x, (swatch, name)) in row {
                let (a, b) = (*x, x + SWATCH);
                match *swatch {
                    Swatch::Line(ink, dash) => {
                        let everywhere = Rect::new(0.0, 0.0, WIDTH, y + 50.0);
                        self.scene.curve(&[(a, y), (b, y)], &everywhere, ink, 2.2, dash, 1.0);
                    }
                    Swatch::Band(ink, alpha, dash) => {
                        self.scene.rect(Rect::new(a, y - 6.0, b, y + 6.0), ink, alpha);
                        let everywhere = Rect::new(0.0, 0.0, WIDTH, y + 50.0);
                        self.scene.curve(&[(a, y), (b, y)], &everywhere, ink, 2.2, dash, 1.0);
                    }
                    Swatch::LineMark(ink, dash, form) => {
                        let everywhere = Rect::new(0.0, 0.0, WIDTH, y + 50.0);
                        self.scene.curve(&[(a, y), (b, y)], &everywhere, ink, 2.0, dash, 1.0);
                        self.scene.mark((f64::midpoint(a, b), y), form, 4.0, ink);
                    }
                    Swatch::Mark(ink, form) => self.scene.mark((f64::midpoint(a, b), y), form, 4.5, ink),
                }
                self.scene.text((b + 7.0, y + 0.36 * EM), name.clone(), EM, Align::Start, Ink::Text);
            }
        }
    }
}

const SWATCH: f64 = 26.0;
const LEGEND_ROW: f64 = 20.0;

/// Breaks a legend into rows, in columns of equal width.
fn legend_rows(entries: &[Entry], left: f64, right: f64) -> Vec<Vec<(f64, Entry)>> {
    let widest = entries.iter().map(|(_, name)| font::width(name, EM)).fold(0.0, f64::max) + SWATCH + 7.0 + 20.0;
    let columns = ((right - left + 20.0) / widest).floor().clamp(1.0, 8.0);
    let step = ((right - left) / columns).min(widest);
    let per_row = columns as usize;
    entries
        .chunks(per_row)
        .map(|row| {
            row.iter()
                .enumerate()
                .map(|(i, (swatch, name))| {
                    let limit = if per_row == 1 { right - left } else { step } - SWATCH - 7.0 - 8.0;
                    (left + i as f64 * step, (*swatch, font::fit(name, EM, limit.max(60.0))))
                })
                .collect()
        })
        .collect()
}

/// A solid line's swatch.
pub fn solid(ink: Ink) -> Swatch {
    Swatch::Line(ink, SOLID)
}
