//! A value over two variables: the κ–d map with the zero contour and the trail of the training, and the map of `plot`.

use super::axis::{Axis, Scale, range};
use super::contour;
use super::font;
use super::frame::{Entry, Frame, Swatch};
use super::ink::{Ink, MAP_LEVELS};
use super::labels::Labels;
use super::scene::{Align, EM, Form, Point, Rect, SOLID, Scene};
use crate::report::escape::visible;
use crate::report::figure_data::MapFigure;
use crate::report::number;

/// One case on the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct TrailPoint {
    /// Series.
    pub series: String,
    /// Short label, for example `step 300`.
    pub label: String,
    /// Place along x.
    pub x: f64,
    /// Ends of its whisker along x; without an upper end the whisker runs to the edge.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Place along y.
    pub y: f64,
}

/// Trails beyond these would not be told apart and are left out.
pub const MOST_TRAILS: usize = 12;
/// Their ends are named only while they are few.
const MOST_NAMED: usize = 4;

/// Draws the map, its zero contour and the trail; either may be missing, `None` without both.
pub fn map(data: &MapFigure, trail: &[TrailPoint]) -> Option<Scene> {
    let scale = |log: bool| if log { Scale::Log } else { Scale::Linear };
    let whiskers = trail.iter().flat_map(|t| [Some(t.x), t.low, t.high]).flatten();
    let x_range = range(data.xs.iter().copied().chain(whiskers), scale(data.x.log))?;
    let y_range = range(data.ys.iter().copied().chain(trail.iter().map(|t| t.y)), scale(data.y.log))?;
    let gridded = data.xs.len() > 1 && data.ys.len() > 1 && !data.z.is_empty();
    let mut x = Axis::new(scale(data.x.log), visible(&data.x.label()), x_range, 9);
    let mut y = Axis::new(scale(data.y.log), visible(&data.y.label()), y_range, 8);
    if gridded {
        // No air around a map: the cells fill the frame.
        for (axis, (low, high)) in [(&mut x, x_range), (&mut y, y_range)] {
            if low < high {
                (axis.low, axis.high) = (low, high);
            }
        }
    }

    let mut names: Vec<&str> = Vec::new();
    for t in trail {
        if !names.contains(&t.series.as_str()) && names.len() < MOST_TRAILS {
            names.push(&t.series);
        }
    }
    let style = |i: usize| (Ink::Series(i as u8), Form::nth(i));
    let legend: Vec<Entry> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (Swatch::Mark(style(i).0, style(i).1), format!("series {}", visible(name))))
        .collect();
    let foot = if gridded { 52.0 } else { 0.0 };
    let alt = if data.z_name.is_empty() { "cases over κ and d".to_string() } else { visible(&data.z_name) };
    let mut frame = Frame::with_foot(alt, 460.0, foot, x, y, &legend);

    let mut labels = Labels::around(&frame.scene);
    let mut contour = Vec::new();
    if gridded {
        let step = draw_cells(&mut frame, data);
        contour = draw_contour(&mut frame, data);
        draw_scale(&mut frame, step, &visible(&data.z_name));
    }
    contour.iter().for_each(|piece| labels.avoid_line(piece));
    let mut named: Vec<(Point, String)> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let (ink, form) = style(i);
        let own: Vec<&TrailPoint> = trail.iter().filter(|t| t.series == *name).collect();
        let at: Vec<Point> = own.iter().map(|t| frame.at(t.x, t.y)).collect();
        at.iter().for_each(|p| labels.avoid_mark(*p, 6.0));
        labels.avoid_line(&at);
        draw_trail(&mut frame, &own, &at, ink, form);
        // Only the ends of a trail are named.
        let ends = own.iter().zip(&at).enumerate().filter(|(k, _)| *k == 0 || *k + 1 == own.len());
        if names.len() > MOST_NAMED {
            continue;
        }
        named.extend(ends.map(|(_, (t, p))| (*p, visible(&t.label))));
    }
    let area = frame.area;
    for (at, label) in named {
        labels.put(&mut frame.scene, &area, at, &label, EM - 1.0, Ink::Text);
    }
    // The contour is named once, as near to the middle as there is room.
    let middle = (f64::midpoint(area.left, area.right), f64::midpoint(area.top, area.bottom));
    let far = |p: &Point| (p.0 - middle.0).hypot(p.1 - middle.1);
    let mut starts: Vec<Point> = contour.iter().filter_map(|p| p.first().copied()).collect();
    starts.sort_by(|a, b| far(a).total_cmp(&far(b)));
    for at in starts {
        if labels.put(&mut frame.scene, &area, at, "equal times", EM, Ink::Text) {
            break;
        }
    }
    Some(frame.scene)
}

/// Fills the cells, merged along rows, and returns what one colour step means.
fn draw_cells(frame: &mut Frame, data: &MapFigure) -> f64 {
    let values = data.z.iter().flatten().flatten().filter(|v| v.is_finite());
    let largest = values.fold(0.0_f64, |m, v| m.max(v.abs()));
    let half = f64::from(MAP_LEVELS / 2);
    let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];
    let step = steps.into_iter().find(|s| s * (half + 0.5) >= largest).unwrap_or(200.0);
    let level = |z: Option<f64>| match z.filter(|v| v.is_finite()) {
        None => Ink::MapNone,
        Some(v) => Ink::Map(((v / step).round() + half).clamp(0.0, 2.0 * half) as u8),
    };
    let (xs, ys) = (edges(&data.xs, |v| frame.px(v)), edges(&data.ys, |v| frame.py(v)));
    let area = frame.area;
    for (j, row) in data.z.iter().enumerate() {
        let (Some(&bottom), Some(&top)) = (ys.get(j), ys.get(j + 1)) else { continue };
        let mut i = 0;
        while i < row.len() {
            let ink = level(row[i]);
            let start = i;
            while i < row.len() && level(row[i]) == ink {
                i += 1;
            }
            let (Some(&left), Some(&right)) = (xs.get(start), xs.get(i)) else { continue };
            let cell = Rect::new(
                left.max(area.left),
                top.min(bottom).max(area.top),
                right.min(area.right),
                bottom.max(top).min(area.bottom),
            );
            if cell.width() > 0.0 && cell.height() > 0.0 {
                frame.scene.rect(cell, ink, 1.0);
            }
        }
    }
    step
}

/// Pixel edges of cells around grid places: midway between neighbours, the outer ones at the outermost places.
fn edges(places: &[f64], px: impl Fn(f64) -> f64) -> Vec<f64> {
    let at: Vec<f64> = places.iter().map(|&v| px(v)).collect();
    let (Some(&first), Some(&last)) = (at.first(), at.last()) else { return Vec::new() };
    let mut edges = vec![first];
    edges.extend(at.windows(2).map(|w| f64::midpoint(w[0], w[1])));
    edges.push(last);
    edges
}

/// Draws the zero line and returns its pieces.
fn draw_contour(frame: &mut Frame, data: &MapFigure) -> Vec<Vec<Point>> {
    let place = |places: &[f64], at: f64, px: &dyn Fn(f64) -> f64| -> Option<f64> {
        let (i, t) = (at.floor().max(0.0) as usize, at - at.floor());
        let a = px(*places.get(i)?);
        let b = places.get(i + 1).map_or(a, |&v| px(v));
        Some(a + t * (b - a))
    };
    let pieces: Vec<Vec<Point>> = contour::zero_line(&data.z)
        .into_iter()
        .map(|piece| {
            let end = |(i, j): (f64, f64)| {
                let x = place(&data.xs, i, &|v| frame.px(v))?;
                Some((x, place(&data.ys, j, &|v| frame.py(v))?))
            };
            piece.into_iter().filter_map(end).collect()
        })
        .collect();
    let area = frame.area;
    for piece in &pieces {
        frame.scene.curve(piece, &area, Ink::Text, 2.4, SOLID, 1.0);
    }
    pieces
}

fn draw_scale(frame: &mut Frame, step: f64, name: &str) {
    let half = i32::from(MAP_LEVELS / 2);
    let (area, cell) = (frame.area, 26.0);
    let (left, top) = (area.left, area.bottom + 56.0);
    for k in 0..MAP_LEVELS {
        let x = left + cell * f64::from(k);
        frame.scene.rect(Rect::new(x, top, x + cell, top + 13.0), Ink::Map(k), 1.0);
        let value = f64::from(i32::from(k) - half) * step;
        if (i32::from(k) - half) % 2 == 0 {
            let label = number::tick(value, step).replace('-', "−");
            frame.scene.text((x + cell / 2.0, top + 27.0), label, EM - 1.0, Align::Middle, Ink::Text);
        }
    }
    let x = left + cell * f64::from(MAP_LEVELS) + 12.0;
    let room = area.right - x;
    frame.scene.text((x, top + 10.0), font::fit(name, EM, room), EM, Align::Start, Ink::Text);
    let note = "orange: classical faster · blue: quantum faster · grey: no number";
    frame.scene.text((x, top + 26.0), font::fit(note, EM - 1.0, room), EM - 1.0, Align::Start, Ink::Muted);
}

fn draw_trail(frame: &mut Frame, own: &[&TrailPoint], at: &[Point], ink: Ink, form: Form) {
    let area = frame.area;
    frame.scene.curve(at, &area, Ink::Halo, 3.6, SOLID, 0.8);
    frame.scene.curve(at, &area, ink, 1.8, SOLID, 1.0);
    for t in own {
        let low = t.low.unwrap_or(t.x);
        let (a, b) = (frame.at(low, t.y), t.high.map_or((area.right, frame.py(t.y)), |h| frame.at(h, t.y)));
        if b.0 - a.0 > 1.0 {
            frame.scene.curve(&[a, b], &area, ink, 1.4, SOLID, 0.9);
        }
        frame.mark(t.x, t.y, form, 4.0, ink);
    }
}
