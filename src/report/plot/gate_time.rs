//! The gate time at which each case breaks even, against the gate times of the machines.

use super::axis::{Axis, Scale, Tick, range};
use super::font;
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{Align, DASHED, EM, Form, Rect, SOLID, Scene};
use crate::report::escape::visible;
use crate::report::figure_data::AxisMark;

/// One case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GateTimeRow {
    /// Case id.
    pub label: String,
    /// One entry for each of the names given to [`gate_times`]: the break-even gate time with its interval, in seconds.
    pub at: Vec<Option<AxisMark>>,
}

const ROW: f64 = 24.0;

/// Draws one row for each case and one form for each name; machines are vertical lines. `None` without a single number.
///
/// A machine whose gate time lies left of a mark would break even on that case.
pub fn gate_times(names: &[String], rows: &[GateTimeRow], machines: &[AxisMark]) -> Option<Scene> {
    let ends = |m: &AxisMark| [Some(m.at), m.low, m.high];
    let given = rows.iter().flat_map(|r| r.at.iter().flatten()).flat_map(ends).flatten();
    range(given.clone(), Scale::Log)?;
    let x_range = range(given.chain(machines.iter().map(|m| m.at)), Scale::Log)?;
    let x = Axis::log("gate time at which quantum and classical times are equal [s]", x_range, 11);
    let count = rows.len() as f64;
    // Row labels take the place of the vertical axis' ticks; the first row is the uppermost.
    let mut ticks = rows
        .iter()
        .enumerate()
        .map(|(i, row)| Tick {
            value: count - i as f64 - 0.5,
            label: Some(font::fit_middle(&visible(&row.label), EM, 230.0)),
        })
        .collect::<Vec<_>>();
    ticks.reverse();
    let y = Axis { scale: Scale::Linear, low: 0.0, high: count, name: "case".into(), ticks };
    let style = |i: usize| (Ink::Quantum(i as u8), Form::nth(i));
    let mut legend: Vec<Entry> =
        names.iter().enumerate().map(|(i, n)| (Swatch::Mark(style(i).0, style(i).1), visible(n))).collect();
    if !machines.is_empty() {
        legend.push((Swatch::Line(Ink::Mark, DASHED), "a machine's gate time".into()));
    }
    let levels = place_machines(machines, &x);
    let head = 8.0 + 16.0 * levels.iter().map(|l| l + 1).max().unwrap_or(0) as f64;
    // The heads of the machine lines stand above the rows, inside the frame.
    let rows_height = ROW * count;
    let y = Axis { high: count * (rows_height + head) / rows_height, ..y };
    let alt = "gate time at which each case breaks even, against the machines' gate times";
    let mut frame = Frame::new(alt, rows_height + head + 66.0, x, y, &legend);

    let area = frame.area;
    for (i, _) in rows.iter().enumerate().skip(1).step_by(2) {
        let middle = frame.py(count - i as f64 - 0.5);
        frame.scene.rect(Rect::new(area.left, middle - ROW / 2.0, area.right, middle + ROW / 2.0), Ink::Grid, 0.35);
    }
    for machine in machines {
        let px = frame.px(machine.at);
        frame.scene.curve(&[(px, area.top), (px, area.bottom)], &area, Ink::Mark, 1.5, DASHED, 1.0);
    }
    for (machine, level) in machines.iter().zip(&levels) {
        let px = frame.px(machine.at);
        let label = font::fit(&visible(&machine.label), EM - 1.0, 300.0);
        let w = font::width(&label, EM - 1.0);
        let (tx, align) =
            if px + 5.0 + w < area.right - 3.0 { (px + 5.0, Align::Start) } else { (px - 5.0, Align::End) };
        let baseline = area.top + 14.0 + 16.0 * *level as f64;
        frame.scene.backdrop((tx, baseline), w, EM - 1.0, align);
        frame.scene.text((tx, baseline), label, EM - 1.0, align, Ink::Mark);
    }
    for (i, row) in rows.iter().enumerate() {
        let middle = frame.py(count - i as f64 - 0.5);
        let many = row.at.len().max(1) as f64;
        for (k, mark) in row.at.iter().enumerate() {
            let Some(mark) = mark else { continue };
            let (ink, form) = style(k);
            let y = middle + (k as f64 - (many - 1.0) / 2.0) * (10.0 / many);
            if let (Some(low), Some(high)) = (mark.low, mark.high) {
                frame.scene.curve(&[(frame.px(low), y), (frame.px(high), y)], &area, ink, 3.0, SOLID, 0.45);
            }
            frame.scene.mark((frame.px(mark.at), y), form, 4.2, ink);
        }
        if row.at.iter().all(Option::is_none) {
            frame.scene.text(
                (area.left + 8.0, middle + 4.0),
                "no break-even found",
                EM - 1.0,
                Align::Start,
                Ink::Muted,
            );
        }
    }
    Some(frame.scene)
}

/// Lines of the head on which the machines' names do not collide.
fn place_machines(machines: &[AxisMark], x: &Axis) -> Vec<usize> {
    // The frame is not laid out yet; a narrow estimate of the plot's width errs on the safe side.
    let width = 560.0;
    let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
    machines
        .iter()
        .map(|m| {
            let px = x.place(m.at) * width;
            let w = font::width(&font::fit(&visible(&m.label), EM - 1.0, 300.0), EM - 1.0) + 14.0;
            let span = if px + w < width { (px, px + w) } else { (px - w, px) };
            let free = |row: &Vec<(f64, f64)>| row.iter().all(|(a, b)| span.1 < *a || span.0 > *b);
            let level = taken.iter().position(free).unwrap_or(taken.len());
            if level == taken.len() {
                taken.push(Vec::new());
            }
            if let Some(row) = taken.get_mut(level) {
                row.push(span);
            }
            level
        })
        .collect()
}
