//! The decision strip: where each solve of a training run was sent, a row per block and a column per step.

use super::font;
use super::frame::WIDTH;
use super::ink::{Ink, MAP_LEVELS};
use super::scene::{Align, EM, Rect, Scene};
use crate::report::dossier::Strip;
use crate::report::escape::visible;

/// Decades of the colour ramp on each side of equality.
const DECADES: f64 = 6.0;
const ROW: f64 = 26.0;

/// Draws the strip; `None` without a decision.
pub fn decisions(data: &Strip, alt: &str) -> Option<Scene> {
    if data.rows.is_empty() || data.columns.is_empty() || data.cells.iter().flatten().all(Option::is_none) {
        return None;
    }
    let names: Vec<String> = data.rows.iter().map(|r| font::fit_middle(&visible(r), EM, 210.0)).collect();
    let widest = names.iter().map(|n| font::width(n, EM)).fold(0.0, f64::max);
    let (left, top) = ((widest + 26.0).ceil(), 14.0);
    let right = WIDTH - 16.0;
    let bottom = top + ROW * data.rows.len() as f64;
    let mut scene = Scene::new(WIDTH, bottom + 108.0, visible(alt));
    let step = (right - left) / data.columns.len() as f64;
    for (i, (name, cells)) in names.iter().zip(&data.cells).enumerate() {
        let y = top + ROW * i as f64;
        scene.text((left - 10.0, y + 0.5 * ROW + 0.36 * EM), name.clone(), EM, Align::End, Ink::Text);
        for (j, cell) in cells.iter().enumerate() {
            let x = left + step * j as f64;
            let Some(cell) = cell else { continue };
            let gap = if step > 6.0 { 1.0 } else { 0.0 };
            let ink = cell.decades.map_or(Ink::MapNone, level);
            scene.rect(Rect::new(x, y + 1.0, x + step - gap, y + ROW - 1.0), ink, 1.0);
            let letter = if cell.quantum { "Q" } else { "C" };
            if step > 13.0 {
                // On the ends of the ramp the paper's colour reads better than the text's.
                let strong = cell.decades.is_some_and(|d| d.abs() > 3.2);
                let ink = if strong { Ink::Paper } else { Ink::Text };
                let at = (x + step / 2.0, y + 0.5 * ROW + 0.36 * EM);
                scene.text(at, letter, EM, Align::Middle, ink);
            } else if cell.quantum {
                // Too narrow for a letter: a bar at the foot marks what went to the quantum solver.
                scene.rect(Rect::new(x, y + ROW - 5.0, x + step - gap, y + ROW - 1.0), Ink::Text, 1.0);
            }
        }
    }
    let mut end = f64::NEG_INFINITY;
    for (j, name) in data.columns.iter().enumerate() {
        let name = visible(name);
        let (x, w) = (left + step * (j as f64 + 0.5), font::width(&name, EM));
        if x - w / 2.0 > end + 6.0 && x + w / 2.0 <= WIDTH - 2.0 {
            scene.text((x, bottom + 18.0), name, EM, Align::Middle, Ink::Text);
            end = x + w / 2.0;
        }
    }
    scene.text((f64::midpoint(left, right), bottom + 38.0), visible(&data.across), EM + 1.0, Align::Middle, Ink::Text);
    legend(&mut scene, left, right, bottom + 60.0, data);
    Some(scene)
}

fn level(decades: f64) -> Ink {
    let half = f64::from(MAP_LEVELS / 2);
    let steps = (decades / DECADES * half).clamp(-half, half);
    // Equal times alone get the middle colour.
    let steps = if steps > 0.0 { steps.ceil() } else { steps.floor() };
    Ink::Map((half + steps) as u8)
}

fn legend(scene: &mut Scene, left: f64, right: f64, y: f64, data: &Strip) {
    let wide = data.columns.len() as f64 * 13.0 < right - left;
    let words =
        if wide { "Q: sent to the quantum solver, C: to the classical one" } else { "bar: sent to the quantum solver" };
    let (from, to) = ("classical 10⁶ × faster", "quantum 10⁶ × faster");
    let mut x = left;
    scene.text((x, y + 11.0), from, EM, Align::Start, Ink::Muted);
    x += font::width(from, EM) + 8.0;
    for i in 0..MAP_LEVELS {
        scene.rect(Rect::new(x, y, x + 13.0, y + 14.0), Ink::Map(i), 1.0);
        x += 13.0;
    }
    scene.text((x + 8.0, y + 11.0), to, EM, Align::Start, Ink::Muted);
    let none = data.cells.iter().flatten().flatten().any(|c| c.decades.is_none());
    let words = if none { format!("{words}; grey: outside the quantum model's domain") } else { words.to_string() };
    scene.text((left, y + 34.0), words, EM, Align::Start, Ink::Muted);
}
