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

    /// e^{−2πik/n} for k < n as (cos, −sin).
    pub fn root(&self, k: usize) -> (f64, f64) {
        (self.cos[k], self.sin[k])
    }

    /// X_k = Σ_j x_j e^{−2πijk/m}, in place, m the length of the slices: that of the plan or it halved any number of
    /// times. Slices of another length are an error of the caller; they are left untouched.
    pub fn forward(&self, re: &mut Vec<f64>, im: &mut Vec<f64>) {
        let m = re.len();
        if im.len() != m || !m.is_power_of_two() || m > self.n {
            return;
        }
        let (mut yr, mut yi) = (vec![0.0; m], vec![0.0; m]);
        let (mut size, mut stride) = (m, 1);
        while size > 1 {
            if size.is_multiple_of(4) {
                match stride {
                    1 => self.radix4_short::<1>(size, re, im, &mut yr, &mut yi),
                    4 => self.radix4_short::<4>(size, re, im, &mut yr, &mut yi),
                    _ => self.radix4(size, stride, re, im, &mut yr, &mut yi),
                }
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

    /// The three roots of a butterfly.
    fn twiddles(&self, at: usize) -> [(f64, f64); 3] {
        [self.root(at), self.root(2 * at), self.root(3 * at)]
    }

    /// A stage whose runs are too short for slices to pay.
    fn radix4_short<const STRIDE: usize>(&self, size: usize, xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
        let step = self.n / size;
        let (xr, xi) = (xr.as_chunks::<STRIDE>().0, xi.as_chunks::<STRIDE>().0);
        let (yr, yi) = (yr.as_chunks_mut::<STRIDE>().0, yi.as_chunks_mut::<STRIDE>().0);
        let quarter = size / 4;
        let (ar, rest) = xr.split_at(quarter);
        let (br, rest) = rest.split_at(quarter);
        let (cr, dr) = rest.split_at(quarter);
        let (ai, rest) = xi.split_at(quarter);
        let (bi, rest) = rest.split_at(quarter);
        let (ci, di) = rest.split_at(quarter);
        let outputs = yr.as_chunks_mut::<4>().0.iter_mut().zip(yi.as_chunks_mut::<4>().0);
        let inputs = ar.iter().zip(ai).zip(br.iter().zip(bi)).zip(cr.iter().zip(ci).zip(dr.iter().zip(di)));
        for (p, ((or, oi), ((a, b), (c, d)))) in outputs.zip(inputs).enumerate() {
            let w = self.twiddles(p * step);
            for q in 0..STRIDE {
                let out = butterfly(w, [(a.0[q], a.1[q]), (b.0[q], b.1[q]), (c.0[q], c.1[q]), (d.0[q], d.1[q])]);
                for (k, (re, im)) in out.into_iter().enumerate() {
                    (or[k][q], oi[k][q]) = (re, im);
                }
            }
        }
    }

    fn radix4(&self, size: usize, stride: usize, xr: &[f64], xi: &[f64], yr: &mut [f64], yi: &mut [f64]) {
        let quarter = size / 4;
        let step = self.n / size;
        for p in 0..quarter {
            let w = self.twiddles(p * step);
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
                let out = butterfly(w, [(ar[q], ai[q]), (br[q], bi[q]), (cr[q], ci[q]), (dr[q], di[q])]);
                [(o0r[q], o0i[q]), (o1r[q], o1i[q]), (o2r[q], o2i[q]), (o3r[q], o3i[q])] = out;
            }
        }
    }
}

/// Four values transformed and turned by the roots of their stage.
#[inline(always)]
fn butterfly(w: [(f64, f64); 3], [a, b, c, d]: [(f64, f64); 4]) -> [(f64, f64); 4] {
    let (s, t) = ((a.0 + c.0, a.1 + c.1), (a.0 - c.0, a.1 - c.1));
    let u = (b.0 + d.0, b.1 + d.1);
    // −i(b − d)
    let v = (b.1 - d.1, d.0 - b.0);
    let turn = |x: (f64, f64), w: (f64, f64)| (x.0 * w.0 - x.1 * w.1, x.0 * w.1 + x.1 * w.0);
    [
        (s.0 + u.0, s.1 + u.1),
        turn((t.0 + v.0, t.1 + v.1), w[0]),
        turn((s.0 - u.0, s.1 - u.1), w[1]),
        turn((t.0 - v.0, t.1 - v.1), w[2]),
    ]
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
    fn a_plan_serves_its_halves() {
        let plan = Fft::new(256);
        for n in [1, 2, 8, 64, 128, 256] {
            let x: Vec<f64> = (0..n).map(|j| (j as f64 * 1.3).cos()).collect();
            let (mut re, mut im) = (x.clone(), x.iter().rev().copied().collect());
            let (mut own_re, mut own_im) = (re.clone(), Vec::clone(&im));
            plan.forward(&mut re, &mut im);
            Fft::new(n).forward(&mut own_re, &mut own_im);
            let gap = re.iter().zip(&own_re).chain(im.iter().zip(&own_im)).map(|(a, b)| (a - b).abs());
            assert!(gap.fold(0.0, f64::max) < 1e-13, "n {n}");
        }
        let (mut re, mut im) = (vec![1.0; 3], vec![0.0; 3]);
        plan.forward(&mut re, &mut im);
        assert_eq!(re, [1.0; 3]);
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
