//! Products with a dense symmetric matrix that read each pair of entries once, and the vector kernels beside them.
//!
//! A product of a large matrix is as slow as its memory, so that half the entries take half the time.

use faer::MatRef;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Groups of columns, each with a sum of its own; fixed, so that bits do not depend on the number of threads.
const GROUPS: usize = 8;

/// y ← A·x from the lower triangle of a symmetric A (N × N), on the threads of the pool this runs in.
pub fn product(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64]) {
    let n = a.nrows();
    let group = |g: usize| {
        let mut sum = vec![0.0; n];
        // Long and short columns in every group alike.
        for j in (g..n).step_by(GROUPS) {
            let below = a.col(j).subrows(j + 1, n - j - 1);
            let (head, tail) = sum.split_at_mut(j + 1);
            head[j] += a[(j, j)] * x[j];
            match below.try_as_col_major() {
                Some(below) => head[j] += both(below.as_slice(), x[j], &x[j + 1..], tail),
                None => {
                    for (i, a) in below.iter().enumerate() {
                        tail[i] += a * x[j];
                        head[j] += a * x[j + 1 + i];
                    }
                }
            }
        }
        sum
    };
    let sums: Vec<Vec<f64>> = (0..GROUPS).into_par_iter().map(group).collect();
    y.fill(0.0);
    for sum in &sums {
        y.iter_mut().zip(sum).for_each(|(y, s)| *y += s);
    }
}

/// y ← y + s·a; returns a·x.
fn both(a: &[f64], s: f64, x: &[f64], y: &mut [f64]) -> f64 {
    pulp::Arch::new().dispatch(Both { a, s, x, y })
}

struct Both<'a> {
    a: &'a [f64],
    s: f64,
    x: &'a [f64],
    y: &'a mut [f64],
}

impl WithSimd for Both<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let ((a, a_rest), (x, x_rest)) = (S::as_simd_f64s(self.a), S::as_simd_f64s(self.x));
        let (y, y_rest) = S::as_mut_simd_f64s(self.y);
        let scale = simd.splat_f64s(self.s);
        let mut sums = [simd.splat_f64s(0.0); 2];
        for (k, ((a, x), y)) in a.iter().zip(x).zip(y).enumerate() {
            *y = simd.mul_add_e_f64s(*a, scale, *y);
            sums[k % 2] = simd.mul_add_e_f64s(*a, *x, sums[k % 2]);
        }
        let mut sum = simd.reduce_sum_f64s(simd.add_f64s(sums[0], sums[1]));
        for ((a, x), y) in a_rest.iter().zip(x_rest).zip(y_rest) {
            *y += a * self.s;
            sum += a * x;
        }
        sum
    }
}

/// aᵀx.
pub fn dot(a: &[f64], x: &[f64]) -> f64 {
    pulp::Arch::new().dispatch(Dot { a, x })
}

struct Dot<'a> {
    a: &'a [f64],
    x: &'a [f64],
}

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let ((a, a_rest), (x, x_rest)) = (S::as_simd_f64s(self.a), S::as_simd_f64s(self.x));
        let mut sums = [simd.splat_f64s(0.0); 4];
        let (a_four, x_four) = (a.as_chunks::<4>(), x.as_chunks::<4>());
        for (a, x) in a_four.0.iter().zip(x_four.0) {
            for l in 0..4 {
                sums[l] = simd.mul_add_e_f64s(a[l], x[l], sums[l]);
            }
        }
        for (a, x) in a_four.1.iter().zip(x_four.1) {
            sums[0] = simd.mul_add_e_f64s(*a, *x, sums[0]);
        }
        let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
        simd.reduce_sum_f64s(sum) + a_rest.iter().zip(x_rest).map(|(a, x)| a * x).sum::<f64>()
    }
}

/// y ← y − s·x.
pub fn subtract(y: &mut [f64], s: f64, x: &[f64]) {
    pulp::Arch::new().dispatch(Subtract { y, s, x });
}

struct Subtract<'a> {
    y: &'a mut [f64],
    s: f64,
    x: &'a [f64],
}

impl WithSimd for Subtract<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((y, y_rest), (x, x_rest)) = (S::as_mut_simd_f64s(self.y), S::as_simd_f64s(self.x));
        let scale = simd.splat_f64s(-self.s);
        for (y, x) in y.iter_mut().zip(x) {
            *y = simd.mul_add_e_f64s(scale, *x, *y);
        }
        for (y, x) in y_rest.iter_mut().zip(x_rest) {
            *y -= self.s * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    #[test]
    fn agrees_with_the_definition() {
        for n in [1, 2, 7, 16, 33, 130] {
            let entry = |i: usize, j: usize| ((i.min(j) * 31 + i.max(j) * 17) as f64 * 0.37).sin();
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.61).cos()).collect();
            let exact: Vec<f64> = (0..n).map(|i| (0..n).map(|j| entry(i, j) * x[j]).sum()).collect();
            // Column-major, and as a transpose, whose columns are not contiguous.
            let a = Mat::from_fn(n, n, entry);
            for a in [a.as_ref(), a.transpose()] {
                let mut y = vec![f64::NAN; n];
                product(a, &x, &mut y);
                assert!(y.iter().zip(&exact).all(|(y, e)| (y - e).abs() < 1e-13 * n as f64), "n {n}");
            }
            let sum: f64 = exact.iter().zip(&x).map(|(a, b)| a * b).sum();
            assert!((dot(&exact, &x) - sum).abs() < 1e-12 * n as f64);
            let mut y = exact.clone();
            subtract(&mut y, 0.5, &x);
            assert!(
                y.iter()
                    .zip(exact.iter().zip(&x))
                    .all(|(y, (e, x))| (y - (e - 0.5 * x)).abs() < 1e-15 * n as f64 + 1e-14)
            );
        }
    }
}
