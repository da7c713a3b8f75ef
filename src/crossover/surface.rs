//! Two costs over two variables: the ratio on a grid and the line where they are equal.
//!
//! Marching squares on a grid in equal ratios; every vertex of the line is then found on its grid edge by halving, so
//! it is exact to rounding and not an interpolation.

use crate::catalog::{Model, Point, Quantity, Spread};
use serde::Serialize;

/// The comparison of two costs over a rectangle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Surface {
    /// Places along the first variable, rising.
    pub xs: Vec<f64>,
    /// Places along the second variable, rising.
    pub ys: Vec<f64>,
    /// log10(second cost / first cost), one row for each of `ys`; `None` out of a domain. Positive: the first is cheaper.
    pub z: Vec<Vec<Option<f64>>>,
    /// Segments of the line of equality, `[[x, y], [x, y]]`.
    pub line: Vec<[[f64; 2]; 2]>,
}

/// One cost: a quantity of a model at a point.
#[derive(Debug, Clone, Copy)]
pub struct Cost<'m> {
    /// The model.
    pub model: &'m Model,
    /// The quantity.
    pub quantity: &'m Quantity,
    /// The other variables.
    pub point: &'m Point,
}

impl Cost<'_> {
    fn at(&self, names: [&str; 2], x: f64, y: f64) -> Option<f64> {
        let point = self.point.clone().with(names[0], Spread::exact(x)).with(names[1], Spread::exact(y));
        self.model.price(self.quantity, &point).value
    }
}

/// Compares two costs over a rectangle with positive sides; `steps` cells along each.
pub fn surface(first: Cost, second: Cost, names: [&str; 2], x: [f64; 2], y: [f64; 2], steps: usize) -> Surface {
    let places = |[low, high]: [f64; 2]| -> Vec<f64> {
        (0..=steps).map(|k| if k == steps { high } else { low * (high / low).powf(k as f64 / steps as f64) }).collect()
    };
    let (xs, ys) = (places(x), places(y));
    let ratio = |x: f64, y: f64| {
        let (a, b) = (first.at(names, x, y)?, second.at(names, x, y)?);
        Some((b / a).log10()).filter(|z| z.is_finite())
    };
    let z: Vec<Vec<Option<f64>>> = ys.iter().map(|&y| xs.iter().map(|&x| ratio(x, y)).collect()).collect();
    let mut line = Vec::new();
    for (rows, pair) in z.windows(2).zip(ys.windows(2)) {
        let ([low, high], [y0, y1]) = (rows, pair) else { continue };
        for ((bottom, top), xs) in low.windows(2).zip(high.windows(2)).zip(xs.windows(2)) {
            let ([a, b], [d, c], [x0, x1]) = (bottom, top, xs) else { continue };
            // Corners counter-clockwise from the lower left; a cell with a hole has no line.
            let (Some(a), Some(b), Some(c), Some(d)) = (*a, *b, *c, *d) else { continue };
            cell(&ratio, [[*x0, *y0], [*x1, *y0], [*x1, *y1], [*x0, *y1]], [a, b, c, d], &mut line);
        }
    }
    Surface { xs, ys, z, line }
}

/// The line inside one cell: one segment, or two where opposite corners agree.
fn cell(ratio: &dyn Fn(f64, f64) -> Option<f64>, corners: [[f64; 2]; 4], z: [f64; 4], line: &mut Vec<[[f64; 2]; 2]>) {
    let mut hits = Vec::new();
    for k in 0..4 {
        let next = (k + 1) % 4;
        if (z[k] > 0.0) != (z[next] > 0.0)
            && let Some(hit) = vertex(ratio, corners[k], corners[next], z[k] > 0.0)
        {
            hits.push(hit);
        }
    }
    match hits[..] {
        [p, q] => line.push([p, q]),
        // A saddle: the middle says which corners belong together.
        [p, q, r, s] => {
            let middle = ratio((corners[0][0] * corners[2][0]).sqrt(), (corners[0][1] * corners[2][1]).sqrt());
            let joined = middle.is_some_and(|m| (m > 0.0) == (z[0] > 0.0));
            line.extend(if joined { [[p, q], [r, s]] } else { [[s, p], [q, r]] });
        }
        _ => {}
    }
}

/// The point of an edge at which the sign changes, by halving.
fn vertex(ratio: &dyn Fn(f64, f64) -> Option<f64>, from: [f64; 2], to: [f64; 2], positive: bool) -> Option<[f64; 2]> {
    let at = |t: f64| [from[0] * (to[0] / from[0]).powf(t), from[1] * (to[1] / from[1]).powf(t)];
    let (mut a, mut b) = (0.0, 1.0);
    for _ in 0..48 {
        let t = 0.5 * (a + b);
        let [x, y] = at(t);
        if (ratio(x, y)? > 0.0) == positive { a = t } else { b = t }
    }
    Some(at(0.5 * (a + b)))
}
