//! What the simulator found against what the formulas predict: errors, and queries.

use super::axis::{Axis, Scale, range};
use super::frame::{Entry, Frame, Swatch};
use super::ink::Ink;
use super::scene::{DASHED, Form, Scene};
use crate::report::escape::visible;
use crate::simulate::SimulationRow;

/// Which pair of numbers is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Error asked against error reached.
    Errors,
    /// Queries of the formula against the fewest that reach the error, or those made where that is not known.
    Queries,
}

/// Draws the verified claims around the diagonal; `None` without a pair of positive numbers.
pub fn verification(rows: &[SimulationRow], compared: Compared) -> Option<Scene> {
    let pair = |r: &SimulationRow| {
        let (x, y) = match compared {
            Compared::Errors => (Some(r.error_target), r.error_reached),
            Compared::Queries => {
                let counted = (r.queries_counted > 0).then_some(r.queries_counted);
                (r.queries_predicted, r.queries_needed.or(counted).map(|q| q as f64))
            }
        };
        // An error of exactly zero is drawn at the resolution of the arithmetic.
        let y = y.map(|y| if compared == Compared::Errors { y.max(1e-17) } else { y });
        x.zip(y).filter(|(x, y)| *x > 0.0 && *y > 0.0)
    };
    let ends = rows.iter().filter_map(pair);
    let (low, high) = range(ends.flat_map(|(x, y)| [x, y]), Scale::Log)?;
    let (x_name, y_name, side) = match compared {
        Compared::Errors => ("error asked ε", "error reached", "above the diagonal: the claim failed"),
        Compared::Queries => ("queries predicted by the formula", "queries needed", "above: the formula is too low"),
    };
    let (x, y) = (Axis::log(x_name, (low, high), 9), Axis::log(y_name, (low, high), 8));
    let mut models: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|r| pair(r).is_some()) {
        if !models.contains(&row.model.as_str()) {
            models.push(&row.model);
        }
    }
    // Colours and forms come in sixes: each further six shifts the forms, so that no two models look alike.
    let style = |i: usize| (Ink::Series(i as u8), Form::nth(i + i / 6));
    let mut legend: Vec<Entry> =
        models.iter().enumerate().map(|(i, m)| (Swatch::Mark(style(i).0, style(i).1), visible(m))).collect();
    if rows.iter().any(|r| !r.passed && pair(r).is_some()) {
        legend.push((Swatch::Mark(Ink::Bad, Form::Cross), "failed".into()));
    }
    legend.push((Swatch::Line(Ink::Muted, DASHED), format!("equal; {side}")));
    let mut frame = Frame::new(format!("{y_name} against {x_name}"), 400.0, x, y, &legend);
    let area = frame.area;
    let (a, b) = (frame.at(frame.x.low, frame.x.low), frame.at(frame.x.high, frame.x.high));
    frame.scene.curve(&[a, b], &area, Ink::Muted, 1.5, DASHED, 1.0);
    for row in rows {
        let Some((x, y)) = pair(row) else { continue };
        let i = models.iter().position(|m| *m == row.model).unwrap_or(0);
        let (ink, form) = style(i);
        if !row.passed {
            let at = frame.at(x, y);
            frame.scene.mark(at, Form::Cross, 9.0, Ink::Bad);
        }
        frame.mark(x, y, form, 4.4, ink);
    }
    Some(frame.scene)
}
