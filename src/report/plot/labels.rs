//! Puts labels beside points where they touch nothing; a label that finds no place is left out.

use super::font;
use super::ink::Ink;
use super::scene::{Align, Point, Rect, Scene};

/// What labels must not touch.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    taken: Vec<Rect>,
}

impl Labels {
    /// The texts that a scene already has.
    pub fn around(scene: &Scene) -> Self {
        Labels { taken: scene.text_boxes().into_iter().map(|(_, r)| r).collect() }
    }

    /// A mark of some size.
    pub fn avoid_mark(&mut self, (x, y): Point, size: f64) {
        self.taken.push(Rect::new(x - size, y - size, x + size, y + size));
    }

    /// A line, in pieces of at most 12 pixels.
    pub fn avoid_line(&mut self, points: &[Point]) {
        for pair in points.windows(2) {
            let &[(ax, ay), (bx, by)] = pair else { continue };
            let pieces = ((bx - ax).hypot(by - ay) / 12.0).ceil().clamp(1.0, 400.0) as usize;
            for i in 0..pieces {
                let at = |k: usize| {
                    let t = k as f64 / pieces as f64;
                    (ax + t * (bx - ax), ay + t * (by - ay))
                };
                let ((px, py), (qx, qy)) = (at(i), at(i + 1));
                self.taken.push(Rect::new(px.min(qx) - 1.0, py.min(qy) - 1.0, px.max(qx) + 1.0, py.max(qy) + 1.0));
            }
        }
    }

    /// Writes a label near a point, inside `area`, and says whether it found a place.
    pub fn put(&mut self, scene: &mut Scene, area: &Rect, (x, y): Point, text: &str, em: f64, ink: Ink) -> bool {
        let w = font::width(text, em);
        // Right above, left above, right below, left below, beside, straight above and below.
        let (gap, up, down) = (9.0, -0.55 * em, 1.25 * em);
        let candidates = [
            (x + gap, y + up),
            (x - gap - w, y + up),
            (x + gap, y + down),
            (x - gap - w, y + down),
            (x + gap + 2.0, y + 0.36 * em),
            (x - gap - 2.0 - w, y + 0.36 * em),
            (x - w / 2.0, y - 0.9 * em),
            (x - w / 2.0, y + 1.7 * em),
        ];
        for (left, baseline) in candidates {
            let own = Rect::new(left - 1.0, baseline - 0.8 * em, left + w + 1.0, baseline + 0.25 * em);
            let inside =
                own.left > area.left && own.right < area.right && own.top > area.top && own.bottom < area.bottom;
            if inside && !self.taken.iter().any(|r| r.overlaps(&own)) {
                scene.text((left, baseline), text, em, Align::Start, ink);
                self.taken.push(own);
                return true;
            }
        }
        false
    }
}
