//! Cutting lines and polygons to the plot area, and lines into dashes.

use super::scene::{Dash, Point, Rect};

/// The pieces of a polyline that lie inside a rectangle (Liang and Barsky, segment by segment).
pub fn polyline(points: &[Point], to: &Rect) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let &[a, b] = pair else { continue };
        let Some((p, q)) = segment(a, b, to) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&p) => piece.push(q),
            _ => pieces.push(vec![p, q]),
        }
    }
    pieces
}

fn segment(a: Point, b: Point, to: &Rect) -> Option<(Point, Point)> {
    if ![a.0, a.1, b.0, b.1].iter().all(|v| v.is_finite()) {
        return None;
    }
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (p, q) in [(-dx, a.0 - to.left), (dx, to.right - a.0), (-dy, a.1 - to.top), (dy, to.bottom - a.1)] {
        if p == 0.0 {
            if q < 0.0 {
                return None;
            }
        } else if p < 0.0 {
            enter = enter.max(q / p);
        } else {
            leave = leave.min(q / p);
        }
    }
    if enter > leave {
        return None;
    }
    let at = |t: f64| {
        if t <= 0.0 {
            a
        } else if t >= 1.0 {
            b
        } else {
            (a.0 + t * dx, a.1 + t * dy)
        }
    };
    Some((at(enter), at(leave)))
}

/// The part of a polygon inside a rectangle (Sutherland and Hodgman).
pub fn polygon(points: &[Point], to: &Rect) -> Vec<Point> {
    let mut kept: Vec<Point> = points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    // Each edge as (how far inside a point is); the crossing is where that is zero.
    let edges: [&dyn Fn(Point) -> f64; 4] =
        [&|p| p.0 - to.left, &|p| to.right - p.0, &|p| p.1 - to.top, &|p| to.bottom - p.1];
    for inside in edges {
        let mut next = Vec::with_capacity(kept.len() + 4);
        for (i, &b) in kept.iter().enumerate() {
            let a = if i == 0 { kept[kept.len() - 1] } else { kept[i - 1] };
            let (fa, fb) = (inside(a), inside(b));
            if (fa >= 0.0) != (fb >= 0.0) {
                let t = fa / (fa - fb);
                next.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
            }
            if fb >= 0.0 {
                next.push(b);
            }
        }
        kept = next;
    }
    kept
}

/// A polyline cut into its dashes; an empty pattern keeps it whole.
pub fn dashes(points: &[Point], pattern: Dash) -> Vec<Vec<Point>> {
    if pattern.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let (mut pieces, mut piece) = (Vec::new(), vec![points[0]]);
    let (mut index, mut left) = (0_usize, pattern[0]);
    for pair in points.windows(2) {
        let &[mut a, b] = pair else { continue };
        let mut length = (b.0 - a.0).hypot(b.1 - a.1);
        while length > left {
            let t = left / length;
            a = (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
            length -= left;
            if index % 2 == 0 {
                piece.push(a);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![a];
            }
            index += 1;
            left = pattern[index % pattern.len()];
        }
        left -= length;
        if index % 2 == 0 {
            piece.push(b);
        }
    }
    if index % 2 == 0 && piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}
