//! Discrete Fourier transform of a power-of-two length (Stockham, radix 4), real and imaginary parts apart.

use std::f64::consts::TAU;

/// A plan: the roots of unity of one length.
#[derive(Debug, Clone)]
pub struct Fft {
    n: usize,
    cos: Vec<f64>,
    sin: Vec<f64>,
}

impl Fft {
    /// The plan for the smallest power of two that is at least `n`.
    pub fn new(n: usize) -> Self {
        let n = n.max(1).next_power_of_two();
        // Roots e^{−2πik/n} for k < n; an eighth is computed, the rest follows by symmetry, exactly.
        let (mut cos, mut sin) = (vec![0.0; n], vec![0.0; n]);
        for k in 0..n {
            (cos[k], sin[k]) = if 8 * k <= n {
                let angle = TAU * k as f64 / n as f64;
                (angle.cos(), -angle.sin())
            } else if 4 * k <= n {
                (-sin[n / 4 - k], -cos[n / 4 - k])
            } else if 2 * k <= n {
                (-cos[n / 2 - k], sin[n / 2 - k])
            } else {
                (cos[n - k], -sin[n - k])
            };
        }
        Fft { n, cos, sin }
    }

    /// Length of the transform.
    pub fn size(&self) -> usize {
        self.n
    }

    /// X_k = Σ_j x_j e^{−2πijk/n}, in place. Slices longer or shorter than the length are an error of the caller;
    /// they are left untouched.
    pub fn forward(&self, re: &mut Vec<f64>, im: &mut Vec<f64>) {
        if re.len() != self.n || im.len() != self.n {
            return;
        }
        let (mut yr, mut yi) = (vec![0.0; self.n], vec![0.0; self.n]);
        let (mut size, mut stride) = (self.n, 1);
        while size > 1 {
            if size.is_multiple_of(4) {
                self.radix4(size, stride, re, im, &mut yr, &mut yi);
                size /= 4;
                stride *= 4;
            } else {
                radix2(stride, re, im, &mut yr, &mut yi);
                size /= 2;
                stride *= 2;
            }
            std::mem::swap(re, &mut yr);
            std::mem::swap(im, &mut yi);
        }
    }

    fn radix4(&self, size: usize, stride: usize, xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
        let quarter = size / 4;
        let step = self.n / size;
        for p in 0..quarter {
            let w = |m: usize| (self.cos[m * p * step], self.sin[m * p * step]);
            let ((w1r, w1i), (w2r, w2i), (w3r, w3i)) = (w(1), w(2), w(3));
            let input = |m: usize| (stride * (p + m * quarter))..(stride * (p + m * quarter + 1));
            let (ar, br, cr, dr) = (&xr[input(0)], &xr[input(1)], &xr[input(2)], &xr[input(3)]);
            let (ai, bi, ci, di) = (&xi[input(0)], &xi[input(1)], &xi[input(2)], &xi[input(3)]);
            let out = stride * 4 * p..stride * 4 * (p + 1);
            let (o0r, rest) = yr[out.clone()].split_at_mut(stride);
            let (o1r, rest) = rest.split_at_mut(stride);
            let (o2r, o3r) = rest.split_at_mut(stride);
            let (o0i, rest) = yi[out].split_at_mut(stride);
            let (o1i, rest) = rest.split_at_mut(stride);
            let (o2i, o3i) = rest.split_at_mut(stride);
            for q in 0..stride {
                let (sr, si) = (ar[q] + cr[q], ai[q] + ci[q]);
                let (tr, ti) = (ar[q] - cr[q], ai[q] - ci[q]);
                let (ur, ui) = (br[q] + dr[q], bi[q] + di[q]);
                // −i(b − d)
                let (vr, vi) = (bi[q] - di[q], dr[q] - br[q]);
                o0r[q] = sr + ur;
                o0i[q] = si + ui;
                let (xr, xi) = (tr + vr, ti + vi);
                o1r[q] = xr * w1r - xi * w1i;
                o1i[q] = xr * w1i + xi * w1r;
                let (xr, xi) = (sr - ur, si - ui);
                o2r[q] = xr * w2r - xi * w2i;
                o2i[q] = xr * w2i + xi * w2r;
                let (xr, xi) = (tr - vr, ti - vi);
                o3r[q] = xr * w3r - xi * w3i;
                o3i[q] = xr * w3i + xi * w3r;
            }
        }
    }
}

/// The last stage when the length is twice a power of four: its only root is 1.
fn radix2(stride: usize, xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
    let butterfly = |x: &[f64], y: &mut [f64]| {
        let (a, b) = x.split_at(stride);
        let (sum, difference) = y.split_at_mut(stride);
        for (((s, d), a), b) in sum.iter_mut().zip(difference).zip(a).zip(b) {
            *s = a + b;
            *d = a - b;
        }
    };
    butterfly(xr, yr);
    butterfly(xi, yi);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition() {
        for n in [1, 2, 4, 8, 16, 32, 128] {
            let x: Vec<(f64, f64)> =
                (0..n).map(|j| ((j as f64 * 0.7).sin() + 0.2, (j as f64 * j as f64 * 0.3).cos())).collect();
            let (mut re, mut im): (Vec<f64>, Vec<f64>) = x.iter().copied().unzip();
            Fft::new(n).forward(&mut re, &mut im);
            for k in 0..n {
                let mut sum = (0.0, 0.0);
                for (j, (a, b)) in x.iter().enumerate() {
                    let (s, c) = (-TAU * (j * k % n) as f64 / n as f64).sin_cos();
                    sum = (sum.0 + a * c - b * s, sum.1 + a * s + b * c);
                }
                assert!((sum.0 - re[k]).abs() + (sum.1 - im[k]).abs() < 1e-13 * n as f64, "n {n} k {k}");
            }
        }
    }

    #[test]
    fn twice_is_a_reversal() {
        let n = 1 << 12;
        let x: Vec<f64> = (0..n).map(|j| ((j * j % 97) as f64).sqrt()).collect();
        let (mut re, mut im) = (x.clone(), vec![0.0; n]);
        let plan = Fft::new(n);
        plan.forward(&mut re, &mut im);
        plan.forward(&mut re, &mut im);
        for j in 0..n {
            assert!((re[j] / n as f64 - x[(n - j) % n]).abs() < 1e-12);
        }
    }
}
