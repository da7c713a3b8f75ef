//! Which assumption moves the result most: one bar for each, the longest first.

use super::axis::{Axis, Scale, Tick, range};
use super::font;
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{Align, EM, Form, Rect, SOLID, Scene};
use crate::report::escape::visible;
use crate::report::figure_data::{TornadoBar, TornadoFigure};

const ROW: f64 = 34.0;

/// Draws the bars; an end without a break-even runs to the edge and says so. `None` without a number.
pub fn tornado(data: &TornadoFigure) -> Option<Scene> {
    let scale = if data.x.log { Scale::Log } else { Scale::Linear };
    let size = |v: f64| if data.x.log { v.max(1e-300).log10() } else { v };
    let length = |b: &TornadoBar| match (b.low, b.high) {
        (Some(a), Some(b)) => (size(a) - size(b)).abs(),
        _ => f64::INFINITY,
    };
    let mut bars: Vec<&TornadoBar> = data.bars.iter().collect();
    bars.sort_by(|a, b| length(b).total_cmp(&length(a)));
    if bars.is_empty() {
        return None;
    }
    let ends = bars.iter().flat_map(|b| [b.low, b.high]).flatten();
    let x_range = range(ends.chain([data.base]), scale)?;
    let x = Axis::new(scale, visible(&data.x.label()), x_range, 10);
    let count = bars.len() as f64;
    let tick = |(i, b): (usize, &&TornadoBar)| Tick {
        value: count - i as f64 - 0.5,
        label: Some(font::fit(&visible(&b.lever), EM, 200.0)),
    };
    let mut ticks: Vec<Tick> = bars.iter().enumerate().map(tick).collect();
    ticks.reverse();
    let y = Axis { scale: Scale::Linear, low: 0.0, high: count, name: "assumption".into(), ticks };
    let legend: Vec<Entry> = vec![
        (Swatch::Mark(Ink::Quantum(0), Form::Square), "assumption at its lower end".into()),
        (Swatch::Mark(Ink::Classical(0), Form::Square), "assumption at its upper end".into()),
    ];
    let mut frame = Frame::new("how far each assumption moves the result", ROW * count + 66.0, x, y, &legend);
    let area = frame.area;
    let base = frame.px(data.base);
    for (i, bar) in bars.iter().enumerate() {
        let middle = frame.py(count - i as f64 - 0.5);
        let sides = [(bar.low, &bar.low_label, Ink::Quantum(0)), (bar.high, &bar.high_label, Ink::Classical(0))];
        let at = |v: Option<f64>, other: Option<f64>| match v {
            Some(v) => frame.px(v),
            // The open end points away from the other one.
            None if other.is_some_and(|o| frame.px(o) > base) => area.left,
            None => area.right,
        };
        let px = [at(bar.low, bar.high), at(bar.high, bar.low)];
        for (k, ((value, label, ink), at)) in sides.into_iter().zip(px).enumerate() {
            let (px, other) = (at, px.get(1 - k).copied());
            let (l, r) = (px.min(base).max(area.left), px.max(base).min(area.right));
            if r - l > 0.5 {
                frame.scene.rect(Rect::new(l, middle - 8.0, r, middle + 8.0), ink, 0.8);
            }
            let mut text = visible(label);
            if value.is_none() {
                text.push_str(": none");
            }
            // An end that moves nothing is named on the side that the other end leaves free.
            let leftwards = px < base || (px == base && other.is_some_and(|o| o > base));
            let outside = if leftwards { l - area.left } else { area.right - r } - 8.0;
            let within = r - l - 10.0;
            let whole = font::width(&text, EM - 1.0);
            let inside = whole > outside && within > outside;
            let text = font::fit(&text, EM - 1.0, if inside { within } else { outside });
            let (x, align, ink) = match (leftwards, inside) {
                (true, false) => (l - 5.0, Align::End, Ink::Text),
                (true, true) => (l + 5.0, Align::Start, Ink::Halo),
                (false, false) => (r + 5.0, Align::Start, Ink::Text),
                (false, true) => (r - 5.0, Align::End, Ink::Halo),
            };
            let w = font::width(&text, EM - 1.0);
            let left = if align == Align::End { x - w } else { x };
            let own = Rect::new(left, middle - 5.0, left + w, middle + 7.0);
            if w > outside.max(within) + 1.0 || frame.scene.text_boxes().iter().any(|(_, b)| b.overlaps(&own)) {
                continue;
            }
            frame.scene.text((x, middle + 4.0), text, EM - 1.0, align, ink);
        }
    }
    frame.scene.curve(&[(base, area.top), (base, area.bottom)], &area, Ink::Text, 1.6, SOLID, 1.0);
    Some(frame.scene)
}
