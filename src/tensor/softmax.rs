//! Row operations that must stay whole to be stable: softmax, log-sum-exp, cross-entropy, argmax masks.
//!
//! Rows are the last axis; `cols` is its extent.

use super::real::Real;

fn max<T: Real>(row: &[T]) -> T {
    row.iter().fold(T::MIN, |m, &x| if x > m { x } else { m })
}

/// out ← exp(x − max) / Σ exp(x − max), row by row. A row of −∞ gives NaN.
pub fn softmax<T: Real>(out: &mut [T], x: &[T], cols: usize) {
    for (out, row) in out.chunks_exact_mut(cols.max(1)).zip(x.chunks_exact(cols.max(1))) {
        let top = max(row);
        let mut total = T::ZERO;
        for (o, &v) in out.iter_mut().zip(row) {
            *o = (v - top).exp();
            total += *o;
        }
        for o in out {
            *o = *o / total;
        }
    }
}

/// ln Σ exp(x − max), the largest term left out of the sum and added by ln(1 + ·), so that nothing cancels.
fn log_sum_above_max<T: Real>(row: &[T], top: T) -> T {
    let mut rest = T::ZERO;
    let mut skipped = false;
    for &v in row {
        if !skipped && v == top {
            skipped = true;
        } else {
            rest += (v - top).exp();
        }
    }
    rest.ln_1p()
}

/// out\[r\] ← ln Σ_c exp(x\[r, c\]).
pub fn log_sum_exp<T: Real>(out: &mut [T], x: &[T], cols: usize) {
    for (o, row) in out.iter_mut().zip(x.chunks_exact(cols.max(1))) {
        let top = max(row);
        *o = top + log_sum_above_max(row, top);
    }
}

/// out\[r\] ← Σ_c q\[r, c\]·(ln Σ exp(z\[r, ·\]) − z\[r, c\]); every term is ≥ 0 for q ≥ 0, so small losses keep their digits.
pub fn cross_entropy<T: Real>(out: &mut [T], z: &[T], q: &[T], cols: usize) {
    for ((o, z), q) in out.iter_mut().zip(z.chunks_exact(cols.max(1))).zip(q.chunks_exact(cols.max(1))) {
        let top = max(z);
        let log_sum = log_sum_above_max(z, top);
        let mut total = T::ZERO;
        for (&z, &q) in z.iter().zip(q) {
            if q != T::ZERO {
                total += q * ((top - z) + log_sum);
            }
        }
        *o = total;
    }
}

/// out ← 1 at the first largest entry of each row, 0 elsewhere.
pub fn argmax_mask<T: Real>(out: &mut [T], x: &[T], cols: usize) {
    out.fill(T::ZERO);
    for (out, row) in out.chunks_exact_mut(cols.max(1)).zip(x.chunks_exact(cols.max(1))) {
        let mut best = 0;
        for (i, &v) in row.iter().enumerate() {
            if v > row[best] {
                best = i;
            }
        }
        if let Some(o) = out.get_mut(best) {
            *o = T::ONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_losses_keep_their_digits() {
        // p = 1 − e⁻⁴⁰: the loss is e⁻⁴⁰ to first order, far below the rounding of ln Σ exp
        let mut out = [0.0f64];
        cross_entropy(&mut out, &[100.0, 60.0], &[1.0, 0.0], 2);
        assert!((out[0] / (-40.0f64).exp() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn large_and_masked_logits() {
        let mut out = [0.0f64; 3];
        softmax(&mut out, &[1000.0, f64::NEG_INFINITY, 1000.0], 3);
        assert_eq!(out, [0.5, 0.0, 0.5]);
        let mut lse = [0.0f64];
        log_sum_exp(&mut lse, &[1000.0, f64::NEG_INFINITY, 1000.0], 3);
        assert!((lse[0] - (1000.0 + std::f64::consts::LN_2)).abs() < 1e-12);
    }

    #[test]
    fn first_of_equal_maxima_wins() {
        let mut out = [9.0f32; 4];
        argmax_mask(&mut out, &[1.0, 3.0, 3.0, 2.0], 4);
        assert_eq!(out, [0.0, 1.0, 0.0, 0.0]);
    }
}
