//! Eigenvalues and eigenvectors of small symmetric matrices by plain loops, where setting up a blocked solver costs more
//! than solving: Householder tridiagonalisation and the implicitly shifted QR iteration (Golub and Van Loan, *Matrix
//! Computations*, algorithms 8.3.1 to 8.3.3).
//!
//! Columns are filled up with zeros to whole runs of eight, so that every loop is one of fixed length. Nothing is certified
//! here: [`super::dense_eigen`] does that with the norms measured, and turns to the blocked solver when this one fails.

use super::certificate::Norms;
use super::scale::times_pow2;
use faer::{Mat, MatRef};
use pulp::{Simd, WithSimd};

/// Up to this size.
pub const LARGEST: usize = 32;

/// Sweeps allowed for each eigenvalue.
const SWEEPS: usize = 30;

/// Squares below it have lost digits.
const TINY: f64 = 1e-290;

/// A column of up to 8·W entries.
type Column<const W: usize> = [[f64; 8]; W];

/// What was found of A·2ᵏ.
pub struct Small {
    /// Eigenvalues in ascending order.
    pub values: Vec<f64>,
    /// Their vectors in columns.
    pub vectors: Mat<f64>,
    /// How well they fit.
    pub norms: Norms,
}

/// Decomposes A·2ᵏ, which must be symmetric, finite, and of a size that squares neither overflow nor all vanish; `None`
/// when the iteration does not converge.
pub fn decompose(a: MatRef<'_, f64>, k: i32) -> Option<Small> {
    let arch = pulp::Arch::new();
    match a.nrows().div_ceil(8) {
        0 | 1 => arch.dispatch(Solve::<1, 8> { a, k }),
        2 => arch.dispatch(Solve::<2, 16> { a, k }),
        3 => arch.dispatch(Solve::<3, 24> { a, k }),
        _ => arch.dispatch(Solve::<4, 32> { a, k }),
    }
}

/// Matrices of up to N = 8·W columns.
struct Solve<'a, const W: usize, const N: usize> {
    a: MatRef<'a, f64>,
    k: i32,
}

impl<const W: usize, const N: usize> WithSimd for Solve<'_, W, N> {
    type Output = Option<Small>;

    // Written once and compiled for every set of vector registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Option<Small> {
        let n = self.a.nrows();
        // A, what is left of it, and the vectors.
        let mut columns: [[Column<W>; N]; 3] = [[[[0.0; 8]; W]; N]; 3];
        let [a, work, q] = &mut columns;
        let (a, work, q) = (&mut a[..n], &mut work[..n], &mut q[..n]);
        load(a, self.a, self.k);
        work.copy_from_slice(a);
        let (mut diagonal, mut off) = ([0.0; N], [0.0; N]);
        let (d, e) = (&mut diagonal[..n], &mut off[..n]);
        tridiagonalise(work, q, d, e);
        iterate(d, e, q)?;
        let mut places: [usize; N] = std::array::from_fn(|i| i);
        let order = &mut places[..n];
        order.sort_unstable_by(|&i, &j| d[i].total_cmp(&d[j]));
        let values: Vec<f64> = order.iter().map(|&k| d[k]).collect();
        // What is left of A is used up; it takes the vectors in order.
        for (v, &k) in work.iter_mut().zip(order.iter()) {
            *v = q[k];
        }
        orthonormalise(work, q);
        let mut vectors = Mat::zeros(n, n);
        for (k, v) in work.iter().enumerate() {
            vectors.col_mut(k).iter_mut().zip(v.as_flattened()).for_each(|(x, v)| *x = *v);
        }
        values.iter().all(|x| x.is_finite()).then(|| Small { norms: norms(a, &values, work), values, vectors })
    }
}

#[inline(always)]
fn load<const W: usize>(columns: &mut [Column<W>], a: MatRef<'_, f64>, k: i32) {
    let plain = (-1000..=1000).contains(&k);
    let factor = if plain { times_pow2(1.0, k) } else { 1.0 };
    for (column, from) in columns.iter_mut().zip(a.col_iter()) {
        for (x, a) in column.as_flattened_mut().iter_mut().zip(from.iter()) {
            *x = if plain { a * factor } else { times_pow2(*a, k) };
        }
    }
}

/// y ← y + x·a.
#[inline(always)]
fn add<const W: usize>(y: &mut Column<W>, x: f64, a: &Column<W>) {
    for w in 0..W {
        for l in 0..8 {
            y[w][l] += x * a[w][l];
        }
    }
}

/// The sum of eight, in pairs.
#[inline(always)]
fn sum(s: [f64; 8]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

#[inline(always)]
fn dot<const W: usize>(x: &Column<W>, y: &Column<W>) -> f64 {
    let mut s = [0.0; 8];
    for w in 0..W {
        for l in 0..8 {
            s[l] += x[w][l] * y[w][l];
        }
    }
    sum(s)
}

/// T = QᵀAQ: fills the diagonal and the `off`-diagonal (off[k] joins k and k + 1) and Q, which comes in as zeros. `a` is
/// used up.
#[inline(always)]
fn tridiagonalise<const W: usize>(a: &mut [Column<W>], q: &mut [Column<W>], diagonal: &mut [f64], off: &mut [f64]) {
    let n = a.len();
    for (k, q) in q.iter_mut().enumerate() {
        q.as_flattened_mut()[k] = 1.0;
    }
    for k in 0..n {
        let mut w = a[k];
        diagonal[k] = w.as_flattened()[k];
        if k + 1 >= n {
            break;
        }
        w.as_flattened_mut()[..=k].fill(0.0);
        let (beta, scale) = reflector(&mut w, k + 1);
        off[k] = beta;
        if scale == 0.0 {
            continue;
        }
        // A ← (1 − τww')A(1 − τww') on what is left: p = τAw, then p ← p − (τ/2)(p·w)w; rows above are never read again.
        // Q ← Q(1 − τww') with t = Qw.
        let (mut p, mut t) = ([[0.0; 8]; W], [[0.0; 8]; W]);
        for ((a, q), &x) in a.iter().zip(q.iter()).zip(w.as_flattened()).skip(k + 1) {
            add(&mut p, x, a);
            add(&mut t, x, q);
        }
        let half = 0.5 * scale * dot(&p, &w);
        for i in 0..W {
            for l in 0..8 {
                p[i][l] = scale * (p[i][l] - half * w[i][l]);
            }
        }
        let ends = w.as_flattened().iter().zip(p.as_flattened());
        for ((a, q), (&x, &y)) in a.iter_mut().zip(q.iter_mut()).zip(ends).skip(k + 1) {
            for i in 0..W {
                for l in 0..8 {
                    a[i][l] -= w[i][l] * y + p[i][l] * x;
                }
            }
            add(q, -scale * x, &t);
        }
    }
}

/// Turns x, zero before `first`, into w with (1 − τww')x = β·e, e the unit vector of `first`, w 1 there; returns (β, τ).
/// τ = 0 where x is such a multiple already.
#[inline(always)]
fn reflector<const W: usize>(x: &mut Column<W>, first: usize) -> (f64, f64) {
    let head = std::mem::take(&mut x.as_flattened_mut()[first]);
    let below = dot(x, x);
    if below == 0.0 {
        return (head, 0.0);
    }
    let beta = -(head * head + below).sqrt().copysign(head);
    let scale = 1.0 / (head - beta);
    x.as_flattened_mut().iter_mut().for_each(|x| *x *= scale);
    x.as_flattened_mut()[first] = 1.0;
    (beta, (beta - head) / beta)
}

/// x, z and 1/√(x² + z²) of no rotation; apart, so that it is a branch that nobody waits for.
#[cold]
#[inline(never)]
fn no_turn() -> (f64, f64, f64) {
    (1.0, 0.0, 1.0)
}

/// Diagonalises T = (`d`, `e`) and turns the columns of `q` along.
#[inline(always)]
fn iterate<const W: usize>(d: &mut [f64], e: &mut [f64], q: &mut [Column<W>]) -> Option<()> {
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
            // c = x/√(x² + z²) and s = z/√(x² + z²); what can be is done while the root is taken.
            let square = x * x + z * z;
            let length = square.sqrt();
            let turn = length * (1.0 / square);
            let (x0, z0, turn) = if square >= TINY { (x, z, turn) } else { no_turn() };
            let (c, s) = (x0 * turn, z0 * turn);
            let slope = turn * (z0 * (d[k + 1] - d[k]) + x0 * (2.0 * e[k]));
            if k > start {
                e[k - 1] = length;
            }
            d[k] += s * slope;
            d[k + 1] -= s * slope;
            e[k] = c * slope - e[k];
            if k + 1 < end {
                (x, z) = (e[k], s * e[k + 1]);
                e[k + 1] *= c;
            }
            let (left, right) = q.split_at_mut(k + 1);
            let (u, v) = (&mut left[k], &mut right[0]);
            for i in 0..W {
                for l in 0..8 {
                    (u[i][l], v[i][l]) = (c * u[i][l] + s * v[i][l], c * v[i][l] - s * u[i][l]);
                }
            }
        }
    }
    Some(())
}

/// V ← V(3 − VᵀV)/2: what rounding took from orthogonality over the sweeps, squared (Björck and Bowie, SIAM J. Numer.
/// Anal. 8 (1971)).
#[inline(always)]
fn orthonormalise<const W: usize>(vectors: &mut [Column<W>], scratch: &mut [Column<W>]) {
    scratch.copy_from_slice(vectors);
    for (k, v) in scratch.iter().enumerate() {
        for (j, u) in scratch[..k].iter().enumerate() {
            let half = -0.5 * dot(u, v);
            add(&mut vectors[j], half, v);
            add(&mut vectors[k], half, u);
        }
        add(&mut vectors[k], 0.5 * (1.0 - dot(v, v)), v);
    }
}

/// The norms of the certificate, for eigenvalues and vectors in the same order.
#[inline(always)]
fn norms<const W: usize>(a: &[Column<W>], values: &[f64], vectors: &[Column<W>]) -> Norms {
    let mut out = Norms::default();
    let absolute = |x: &Column<W>| {
        let mut s = [0.0; 8];
        for x in x {
            for l in 0..8 {
                s[l] += x[l].abs();
            }
        }
        sum(s)
    };
    let mut skew = [0.0; LARGEST];
    for (k, (v, &value)) in vectors.iter().zip(values).enumerate() {
        let mut residual = [[0.0; 8]; W];
        for (a, &x) in a.iter().zip(v.as_flattened()) {
            add(&mut residual, x, a);
        }
        add(&mut residual, -value, v);
        out.residual_one = out.residual_one.max(absolute(&residual));
        out.residual_frobenius += dot(&residual, &residual);
        out.matrix_one = out.matrix_one.max(absolute(&a[k]));
        out.matrix_frobenius += dot(&a[k], &a[k]);
        for (j, u) in vectors[..k].iter().enumerate() {
            let overlap = dot(u, v).abs();
            skew[j] += overlap;
            skew[k] += overlap;
            out.skew_frobenius += 2.0 * overlap * overlap;
        }
        let length = dot(v, v);
        skew[k] += (length - 1.0).abs();
        out.skew_frobenius += (length - 1.0) * (length - 1.0);
        out.vectors_frobenius += length;
    }
    out.skew_one = skew.iter().fold(0.0, |m, x| x.max(m));
    for square in
        [&mut out.residual_frobenius, &mut out.matrix_frobenius, &mut out.skew_frobenius, &mut out.vectors_frobenius]
    {
        *square = square.sqrt();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use std::f64::consts::PI;

    /// ‖AV − VΛ‖_max and ‖VᵀV − I‖_max.
    fn gaps(a: &Mat<f64>, values: &[f64], vectors: &Mat<f64>) -> (f64, f64) {
        let n = values.len();
        let v = |i: usize, k: usize| vectors[(i, k)];
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
            let Small { values, vectors, .. } = decompose(a.as_ref(), 0).unwrap();
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
                let Small { values, vectors, .. } = decompose(a.as_ref(), 0).unwrap();
                assert!(values.windows(2).all(|w| w[0] <= w[1]), "{name}");
                let (residual, skew) = gaps(&a, &values, &vectors);
                assert!(residual < 3e-14 && skew < 1e-14, "{name}, n {n}: {residual:.1e} {skew:.1e}");
            }
        }
    }
}
