//! The spectrum on a signed logarithmic axis: negative eigenvalues to the left, numerically zero ones in the middle.

use super::axis::{Axis, Scale, Tick};
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{Form, Rect, Scene};
use crate::measurement::SpectrumBin;
use crate::report::escape::visible;
use crate::report::number;

/// An eigenvalue worth a label: −λ of the damping, the inertia tolerance.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectrumMark {
    /// Where, with its sign.
    pub at: f64,
    /// What it says.
    pub label: String,
}

/// Draws the bins; `None` without any.
///
/// The axis is log10|λ| on both sides of a gap that holds the zero bin. The height is the number of eigenvalues,
/// logarithmic when the bins differ by more than a factor 50.
pub fn spectrum(bins: &[SpectrumBin], marks: &[SpectrumMark], unit: &str) -> Option<Scene> {
    let filled: Vec<&SpectrumBin> = bins.iter().filter(|b| b.count > 0).collect();
    if filled.is_empty() {
        return None;
    }
    let sizes = filled.iter().filter(|b| b.sign != 0).flat_map(|b| [b.low, b.high]);
    let sizes: Vec<f64> = sizes.filter(|v| v.is_finite() && *v > 0.0).collect();
    let marked = marks.iter().map(|m| m.at.abs()).filter(|v| v.is_finite() && *v > 0.0);
    let smallest = sizes.iter().copied().chain(marked).fold(f64::INFINITY, f64::min);
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    // Without a nonzero eigenvalue any axis will do.
    let (first, last) = if largest > 0.0 {
        let first = smallest.max(1e-290).log10().floor();
        (first, largest.log10().ceil().max(first + 1.0))
    } else {
        (-1.0, 0.0)
    };
    let span = last - first;
    let gap = (0.05 * span).max(0.35);
    // Place along the axis in decades, zero in the middle of the gap.
    let place = |sign: i8, size: f64| match sign {
        0 => 0.0,
        s => f64::from(s) * (gap + (size.max(1e-300).log10() - first).clamp(0.0, span)),
    };

    let negative = filled.iter().any(|b| b.sign < 0);
    let zero = filled.iter().any(|b| b.sign == 0);
    let left = if negative { -(gap + span) } else { -gap };
    let x = Axis {
        scale: Scale::Linear,
        low: left - 0.02 * span,
        high: gap + span * 1.02,
        name: axis_name(unit, negative),
        ticks: ticks(first as i32, last as i32, gap, negative, zero),
    };
    let tallest = filled.iter().map(|b| b.count).max().unwrap_or(1);
    let lowest = filled.iter().map(|b| b.count).min().unwrap_or(1);
    let y = if tallest / lowest.max(1) > 50 {
        let mut y = Axis::log("eigenvalues in the bin", (0.7, tallest as f64), 6);
        y.low = 0.7;
        y
    } else {
        let mut y = Axis::linear("eigenvalues in the bin", (0.0, tallest as f64), 6);
        y.low = 0.0;
        y.ticks.retain(|t| t.value >= 0.0 && t.value.fract() == 0.0);
        y
    };
    let entry = |ink, sign: i8, name: &str| {
        let total: u64 = filled.iter().filter(|b| b.sign == sign).map(|b| b.count).sum();
        (total > 0).then(|| (Swatch::Mark(ink, Form::Square), format!("{name}: {}", number::count(total))))
    };
    let legend: Vec<Entry> = [
        entry(Ink::Classical(0), -1, "negative"),
        entry(Ink::Open, 0, "numerically zero"),
        entry(Ink::Quantum(0), 1, "positive"),
    ]
    .into_iter()
    .flatten()
    .collect();

    let alt = legend.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ");
    let mut frame = Frame::new(format!("spectrum of H: {alt}"), 330.0, x, y, &legend);
    for bin in &filled {
        let (a, b) = match bin.sign {
            0 => (-0.55 * gap, 0.55 * gap),
            s => {
                let (p, q) = (place(s, bin.low), place(s, bin.high));
                (p.min(q), p.max(q))
            }
        };
        let ink = match bin.sign {
            0 => Ink::Open,
            s if s < 0 => Ink::Classical(0),
            _ => Ink::Quantum(0),
        };
        let (l, r) = (frame.px(a), frame.px(b));
        let top = frame.py(bin.count as f64).max(frame.area.top);
        let inset = if r - l > 4.0 { 0.75 } else { 0.0 };
        let bar = Rect::new(l + inset, top, (r - inset).max(l + inset + 1.0), frame.area.bottom);
        frame.scene.rect(bar, ink, 0.85);
    }
    // Marks further left first, so that staggered labels do not cross.
    let mut marks: Vec<&SpectrumMark> = marks.iter().filter(|m| m.at.is_finite()).collect();
    marks.sort_by(|a, b| a.at.total_cmp(&b.at));
    for (level, mark) in marks.into_iter().enumerate() {
        let sign = if mark.at < 0.0 { -1 } else { i8::from(mark.at > 0.0) };
        if sign >= 0 || negative {
            frame.vertical_mark(place(sign, mark.at.abs()), &visible(&mark.label), Ink::Mark, level);
        }
    }
    Some(frame.scene)
}

fn axis_name(unit: &str, negative: bool) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
    let sides = if negative { "; negative ones to the left" } else { "" };
    format!("eigenvalue of H{unit} (signed logarithmic axis{sides})")
}

fn ticks(first: i32, last: i32, gap: f64, negative: bool, zero: bool) -> Vec<Tick> {
    let decades = last - first;
    let sides = if negative { 2 } else { 1 };
    let stride = [1, 2, 3, 4, 5, 10, 20, 50, 100].into_iter().find(|s| decades * sides / s <= 12).unwrap_or(200);
    let at = |e: i32| gap + f64::from(e - first);
    let label = |e: i32, sign: &str| {
        ((last - e) % stride == 0).then(|| format!("{sign}{}", number::power_of_ten(1, e, first >= -3)))
    };
    let mut ticks = Vec::new();
    if negative {
        ticks.extend((first..=last).rev().map(|e| Tick { value: -at(e), label: label(e, "−") }));
    }
    ticks.push(Tick { value: 0.0, label: zero.then(|| "≈ 0".to_string()) });
    ticks.extend((first..=last).map(|e| Tick { value: at(e), label: label(e, "") }));
    ticks
}
