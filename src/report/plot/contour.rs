//! Marching squares: where a gridded function is zero.

/// A grid function: `z[j][i]` at `(xs[i], ys[j])`, `None` where it has no value.
pub type Grid<'a> = &'a [Vec<Option<f64>>];

/// The pieces of the zero line, in fractional grid indices (column, row).
///
/// Each cell whose four corners have values gives at most two pieces; the crossing on an edge is placed linearly. A saddle is
/// resolved by the sign of its mean.
pub fn zero_line(z: Grid<'_>) -> Vec<[(f64, f64); 2]> {
    let mut pieces = Vec::new();
    for j in 0..z.len().saturating_sub(1) {
        let (Some(lower), Some(upper)) = (z.get(j), z.get(j + 1)) else { continue };
        for i in 0..lower.len().min(upper.len()).saturating_sub(1) {
            let corner = |row: &Vec<Option<f64>>, i: usize| row.get(i).copied().flatten().filter(|v| v.is_finite());
            let corners = [corner(lower, i), corner(lower, i + 1), corner(upper, i + 1), corner(upper, i)];
            let [Some(a), Some(b), Some(c), Some(d)] = corners else { continue };
            let (x, y) = (i as f64, j as f64);
            // Edges in turn: bottom, right, top, left; each with its crossing if the signs differ.
            let cross = |p: f64, q: f64| ((p > 0.0) != (q > 0.0)).then(|| p / (p - q));
            let hits: Vec<(f64, f64)> = [
                cross(a, b).map(|t| (x + t, y)),
                cross(b, c).map(|t| (x + 1.0, y + t)),
                cross(d, c).map(|t| (x + t, y + 1.0)),
                cross(a, d).map(|t| (x, y + t)),
            ]
            .into_iter()
            .flatten()
            .collect();
            match hits[..] {
                [p, q] => pieces.push([p, q]),
                [bottom, right, top, left] => {
                    let joined = ((a + b + c + d) / 4.0 > 0.0) == (a > 0.0);
                    let pairs = if joined { [[bottom, right], [top, left]] } else { [[bottom, left], [top, right]] };
                    pieces.extend(pairs);
                }
                _ => {}
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_plane_is_straight() {
        // z = x + y − 3 on a 5×5 grid: every piece must lie on x + y = 3, and the pieces span the triangle.
        let z: Vec<Vec<Option<f64>>> =
            (0..5).map(|j| (0..5).map(|i| Some(f64::from(i) + f64::from(j) - 2.9)).collect()).collect();
        let pieces = zero_line(&z);
        assert!(!pieces.is_empty());
        for (x, y) in pieces.iter().flatten() {
            assert!((x + y - 2.9).abs() < 1e-12, "{x} {y}");
        }
        let length: f64 = pieces.iter().map(|[p, q]| (p.0 - q.0).hypot(p.1 - q.1)).sum();
        assert!((length - 2.9 * 2_f64.sqrt()).abs() < 1e-9, "{length}");
    }

    #[test]
    fn missing_corners_leave_a_hole() {
        let z = vec![vec![Some(1.0), None], vec![Some(-1.0), Some(-1.0)]];
        assert!(zero_line(&z).is_empty());
    }
}
