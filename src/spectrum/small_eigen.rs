//! Eigenvalues and eigenvectors of small symmetric matrices by plain loops, where setting up a blocked solver costs more
//! than solving: Householder tridiagonalisation and the implicitly shifted QR iteration (Golub and Van Loan, *Matrix
//! Computations*, algorithms 8.3.1 to 8.3.3).
//!
//! Nothing is certified here: [`super::dense_eigen`] does that, and turns to the blocked solver when this one fails.

use faer::MatRef;

/// Up to this size.
pub const LARGEST: usize = 32;

/// Sweeps allowed for each eigenvalue.
const SWEEPS: usize = 30;

/// Eigenvalues in ascending order and their vectors, column after column; `None` when the iteration does not converge.
///
/// `a` is symmetric, finite, and scaled so that squares of its entries neither overflow nor all vanish.
pub fn decompose(a: MatRef<'_, f64>) -> Option<(Vec<f64>, Vec<f64>)> {
    let n = a.nrows();
    let mut work: Vec<f64> = (0..n).flat_map(|j| (0..n).map(move |i| a[(i, j)])).collect();
    let (mut diagonal, mut off) = (vec![0.0; n], vec![0.0; n]);
    let mut q = tridiagonalise(&mut work, n, &mut diagonal, &mut off);
    iterate(&mut diagonal, &mut off, &mut q)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[i].total_cmp(&diagonal[j]));
    let values: Vec<f64> = order.iter().map(|&k| diagonal[k]).collect();
    let vectors = order.iter().flat_map(|&k| &q[k * n..(k + 1) * n]).copied().collect();
    values.iter().all(|x| x.is_finite()).then_some((values, vectors))
}

/// T = QᵀAQ: fills the diagonal and the `off`-diagonal (off[k] joins k and k + 1) and returns Q. `a` is used up.
fn tridiagonalise(a: &mut [f64], n: usize, diagonal: &mut [f64], off: &mut [f64]) -> Vec<f64> {
    let mut scales = vec![0.0; n];
    let mut p = vec![0.0; n];
    for k in 0..n {
        diagonal[k] = a[k * n + k];
        if k + 1 >= n {
            break;
        }
        let (head, rest) = a.split_at_mut((k + 1) * n);
        let w = &mut head[k * n + k + 1..];
        (off[k], scales[k]) = reflector(w);
        if scales[k] == 0.0 {
            continue;
        }
        // A ← (1 − τww')A(1 − τww') on what is left: p = τAw, then p ← p − (τ/2)(p·w)w.
        let m = n - k - 1;
        let p = &mut p[..m];
        p.fill(0.0);
        for (j, &x) in w.iter().enumerate() {
            let column = &rest[j * n + k + 1..(j + 1) * n];
            p.iter_mut().zip(column).for_each(|(p, a)| *p += a * x);
        }
        let overlap: f64 = p.iter().zip(w.iter()).map(|(p, w)| p * w).sum();
        let half = 0.5 * scales[k] * overlap;
        p.iter_mut().zip(w.iter()).for_each(|(p, w)| *p = scales[k] * (*p - half * w));
        for j in 0..m {
            let (x, y) = (w[j], p[j]);
            let column = &mut rest[j * n + k + 1..(j + 1) * n];
            column.iter_mut().zip(w.iter().zip(p.iter())).for_each(|(a, (w, p))| *a -= w * y + p * x);
        }
    }
    let mut q = vec![0.0; n * n];
    q.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    for k in (0..n.saturating_sub(2)).rev() {
        let w = &a[k * n + k + 1..(k + 1) * n];
        for column in q.chunks_exact_mut(n).skip(k + 1) {
            let column = &mut column[k + 1..];
            let overlap: f64 = column.iter().zip(w).map(|(q, w)| q * w).sum();
            let scale = scales[k] * overlap;
            column.iter_mut().zip(w).for_each(|(q, w)| *q -= scale * w);
        }
    }
    q
}

/// Turns x into w with (1 − τww')x = β·e₁, w₀ = 1; returns (β, τ). τ = 0 where x is such a multiple already.
fn reflector(x: &mut [f64]) -> (f64, f64) {
    let below: f64 = x[1..].iter().map(|x| x * x).sum();
    let first = x[0];
    if below == 0.0 {
        return (first, 0.0);
    }
    let beta = -(first * first + below).sqrt().copysign(first);
    let scale = 1.0 / (first - beta);
    x[1..].iter_mut().for_each(|x| *x *= scale);
    x[0] = 1.0;
    (beta, (beta - first) / beta)
}

/// Diagonalises T = (`d`, `e`) and turns the columns of `q` along.
fn iterate(d: &mut [f64], e: &mut [f64], q: &mut [f64]) -> Option<()> {
    let n = d.len();
    let small = |e: f64, x: f64, y: f64| e.abs() <= 0.5 * f64::EPSILON * (x.abs() + y.abs());
    let mut sweeps = SWEEPS * n;
    let mut end = n.saturating_sub(1);
    while end > 0 {
        if small(e[end - 1], d[end - 1], d[end]) {
            end -= 1;
            continue;
        }
        let start = (0..end - 1).rev().find(|&k| small(e[k], d[k], d[k + 1])).map_or(0, |k| k + 1);
        sweeps = sweeps.checked_sub(1)?;
        // Wilkinson's shift: the eigenvalue of the last 2 × 2 block that is nearer to its last entry.
        let (gap, last) = (0.5 * (d[end - 1] - d[end]), e[end - 1]);
        let shift = d[end] - last * last / (gap + (gap * gap + last * last).sqrt().copysign(gap));
        let (mut x, mut z) = (d[start] - shift, e[start]);
        for k in start..end {
            let length = (x * x + z * z).sqrt();
            let (c, s) = if length > 0.0 { (x / length, z / length) } else { (1.0, 0.0) };
            if k > start {
                e[k - 1] = length;
            }
            let slope = s * (d[k + 1] - d[k]) + 2.0 * c * e[k];
            d[k] += s * slope;
            d[k + 1] -= s * slope;
            e[k] = c * slope - e[k];
            if k + 1 < end {
                (x, z) = (e[k], s * e[k + 1]);
                e[k + 1] *= c;
            }
            let (left, right) = q[k * n..(k + 2) * n].split_at_mut(n);
            for (u, v) in left.iter_mut().zip(right) {
                (*u, *v) = (c * *u + s * *v, c * *v - s * *u);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use std::f64::consts::PI;

    /// ‖AV − VΛ‖_max and ‖VᵀV − I‖_max.
    fn gaps(a: &Mat<f64>, values: &[f64], vectors: &[f64]) -> (f64, f64) {
        let n = values.len();
        let v = |i: usize, k: usize| vectors[k * n + i];
        let (mut residual, mut skew) = (0.0_f64, 0.0_f64);
        for (k, value) in values.iter().enumerate() {
            for i in 0..n {
                let product: f64 = (0..n).map(|j| a[(i, j)] * v(j, k)).sum();
                residual = residual.max((product - value * v(i, k)).abs());
                let overlap: f64 = (0..n).map(|j| v(j, i) * v(j, k)).sum();
                skew = skew.max((overlap - f64::from(u8::from(i == k))).abs());
            }
        }
        (residual, skew)
    }

    #[test]
    fn second_difference_has_its_closed_form() {
        for n in 1..=LARGEST {
            let a = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            });
            let (values, vectors) = decompose(a.as_ref()).unwrap();
            for (k, value) in values.iter().enumerate() {
                let exact = 4.0 * (0.5 * PI * (k + 1) as f64 / (n + 1) as f64).sin().powi(2);
                assert!((value - exact).abs() < 2e-15 * (n as f64), "n {n} k {k}: {value} {exact}");
            }
            let (residual, skew) = gaps(&a, &values, &vectors);
            assert!(residual < 1e-14 && skew < 1e-14, "n {n}: {residual:.1e} {skew:.1e}");
        }
    }

    #[test]
    fn full_clustered_graded_and_split_matrices() {
        for n in [2, 3, 7, 16, 32] {
            let angle = |i: usize, j: usize| ((i.min(j) * 37 + i.max(j) * 11) as f64 * 0.7).sin();
            let ones = Mat::from_fn(n, n, |_, _| 1.0);
            let graded = Mat::from_fn(n, n, |i, j| angle(i, j) * 10f64.powi(-((i + j) as i32)));
            let split = Mat::from_fn(n, n, |i, j| if i % 2 == j % 2 { angle(i, j) } else { 0.0 });
            let swap = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i + j + 1 == n)));
            for (name, a) in [
                ("full", Mat::from_fn(n, n, angle)),
                ("ones", ones),
                ("graded", graded),
                ("split", split),
                ("swap", swap),
                ("zero", Mat::zeros(n, n)),
            ] {
                let (values, vectors) = decompose(a.as_ref()).unwrap();
                assert!(values.windows(2).all(|w| w[0] <= w[1]), "{name}");
                let (residual, skew) = gaps(&a, &values, &vectors);
                assert!(residual < 3e-14 && skew < 1e-14, "{name}, n {n}: {residual:.1e} {skew:.1e}");
            }
        }
    }
}
