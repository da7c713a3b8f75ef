//! Exact scaling by powers of two, and a few norms that neither overflow nor underflow on scaled matrices.

use faer::{Mat, MatRef};

/// x·2ᵏ without an overflow or underflow in between.
pub fn times_pow2(x: f64, k: i32) -> f64 {
    let pow2 = |k: i32| f64::from_bits(((k + 1023) as u64) << 52);
    let mut x = x;
    let mut k = k;
    while k > 1023 {
        x *= pow2(1023);
        k -= 1023;
    }
    while k < -1022 {
        x *= pow2(-1022);
        k += 1022;
    }
    x * pow2(k)
}

/// ⌊log₂|x|⌋ for a finite non-zero x, subnormal numbers included; 0 for zero.
pub fn exponent(x: f64) -> i32 {
    if x == 0.0 {
        return 0;
    }
    let biased = ((x.to_bits() >> 52) & 0x7ff) as i32;
    if biased == 0 { exponent(x * 2f64.powi(54)) - 54 } else { biased - 1023 }
}

/// max|a_ij|, NaN when an entry is NaN.
pub fn max_abs(a: MatRef<'_, f64>) -> f64 {
    let mut max = 0.0f64;
    for j in 0..a.ncols() {
        for x in a.col(j).iter() {
            let x = x.abs();
            if x.is_nan() {
                return x;
            }
            max = max.max(x);
        }
    }
    max
}

/// ‖A‖_F, summed column by column.
pub fn frobenius(a: MatRef<'_, f64>) -> f64 {
    let mut sum = 0.0;
    for j in 0..a.ncols() {
        sum += a.col(j).iter().map(|x| x * x).sum::<f64>();
    }
    sum.sqrt()
}

/// ‖A‖₁, the largest absolute column sum.
pub fn norm_one(a: MatRef<'_, f64>) -> f64 {
    (0..a.ncols()).map(|j| a.col(j).iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max)
}

/// A·2ᵏ.
pub fn scaled(a: MatRef<'_, f64>, k: i32) -> Mat<f64> {
    if (-1000..=1000).contains(&k) {
        let factor = times_pow2(1.0, k);
        return Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * factor);
    }
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| times_pow2(a[(i, j)], k))
}

/// A ← A·2ᵏ.
pub fn scale_in_place(a: &mut Mat<f64>, k: i32) {
    if k == 0 {
        return;
    }
    for j in 0..a.ncols() {
        a.col_mut(j).iter_mut().for_each(|x| *x = times_pow2(*x, k));
    }
}

/// ‖v‖₂ without overflow.
pub fn norm(v: &[f64]) -> f64 {
    let max = v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if max == 0.0 || !max.is_finite() {
        return max;
    }
    let k = -exponent(max);
    let sum: f64 = v.iter().map(|&x| times_pow2(x, k)).map(|x| x * x).sum();
    times_pow2(sum.sqrt(), -k)
}

/// vᵀw.
pub fn dot(v: &[f64], w: &[f64]) -> f64 {
    v.iter().zip(w).map(|(a, b)| a * b).sum()
}
