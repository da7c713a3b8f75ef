//! Discrete Fourier transform of a power-of-two length (Stockham, radix 4), real and imaginary parts apart.

use pulp::{Simd, WithSimd};
use std::f64::consts::TAU;

/// cos and sin of 2πk/64, k ≤ 8: short plans take their roots from here.
const EIGHTH: [(f64, f64); 9] = [
    (1.0, 0.0),
    (0.995_184_726_672_196_9, 0.098_017_140_329_560_6),
    (0.980_785_280_403_230_4, 0.195_090_322_016_128_28),
    (0.956_940_335_732_208_8, 0.290_284_677_254_462_4),
    (0.923_879_532_511_286_7, 0.382_683_432_365_089_8),
    (0.881_921_264_348_355, 0.471_396_736_825_997_64),
    (0.831_469_612_302_545_2, 0.555_570_233_019_602_2),
    (0.773_010_453_362_737, 0.634_393_284_163_645_5),
    (std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::FRAC_1_SQRT_2),
];

/// A plan: the roots of unity of one length.
#[derive(Debug, Clone)]
pub struct Fft {
    n: usize,
    /// Real parts, then imaginary parts.
    roots: Vec<f64>,
}

impl Fft {
    /// The plan for the smallest power of two that is at least `n`.
    pub fn new(n: usize) -> Self {
        let n = n.max(1).next_power_of_two();
        // Roots e^{−2πik/n} for k < n; an eighth is computed, the rest follows by symmetry, exactly.
        let mut roots = vec![0.0; 2 * n];
        let (cos, sin) = roots.split_at_mut(n);
        for k in 0..n {
            (cos[k], sin[k]) = if 8 * k <= n {
                let (cos, sin) = if n <= 64 {
                    EIGHTH[k * (64 / n)]
                } else {
                    let angle = TAU * k as f64 / n as f64;
                    (angle.cos(), angle.sin())
                };
                (cos, -sin)
            } else if 4 * k <= n {
                (-sin[n / 4 - k], -cos[n / 4 - k])
            } else if 2 * k <= n {
                (-cos[n / 2 - k], sin[n / 2 - k])
            } else {
                (cos[n - k], -sin[n - k])
            };
        }
        Fft { n, roots }
    }

    /// Length of the transform.
    pub fn size(&self) -> usize {
        self.n
    }

    /// e^{−2πik/n} for k < n as (cos, −sin).
    #[inline]
    pub fn root(&self, k: usize) -> (f64, f64) {
        let (cos, sin) = self.roots.split_at(self.n);
        (cos[k], sin[k])
    }

    /// X_k = Σ_j x_j e^{−2πijk/m}, in place, m the length of the slices: that of the plan or it halved any number of
    /// times. Slices of another length are an error of the caller; they are left untouched.
    pub fn forward(&self, re: &mut [f64], im: &mut [f64]) {
        let m = re.len();
        if im.len() != m || !m.is_power_of_two() || m > self.n {
            return;
        }
        pulp::Arch::new().dispatch(Forward { plan: self, re, im });
    }

    /// The three roots of a butterfly.
    #[inline(always)]
    fn twiddles(&self, at: usize) -> [(f64, f64); 3] {
        [self.root(at), self.root(2 * at), self.root(3 * at)]
    }

    /// A stage whose runs are too short for slices to pay.
    #[inline(always)]
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
                let turned = butterfly(w, [(a.0[q], a.1[q]), (b.0[q], b.1[q]), (c.0[q], c.1[q]), (d.0[q], d.1[q])]);
                for ((re, im), turned) in or.iter_mut().zip(oi.iter_mut()).zip(turned) {
                    (re[q], im[q]) = turned;
                }
            }
        }
    }

    #[inline(always)]
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

/// A transform, compiled for every set of vector registers.
struct Forward<'a> {
    plan: &'a Fft,
    re: &'a mut [f64],
    im: &'a mut [f64],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Forward { plan, re, im } = self;
        let m = re.len();
        let (mut short, mut long) = ([0.0; 128], Vec::new());
        let scratch = if m <= 64 {
            &mut short[..2 * m]
        } else {
            long.resize(2 * m, 0.0);
            &mut long[..]
        };
        let (mut yr, mut yi) = scratch.split_at_mut(m);
        let (mut xr, mut xi) = (&mut *re, &mut *im);
        let (mut size, mut stride, mut stages) = (m, 1, 0);
        while size > 1 {
            if size.is_multiple_of(4) {
                match stride {
                    1 => plan.radix4_short::<1>(size, xr, xi, yr, yi),
                    4 => plan.radix4_short::<4>(size, xr, xi, yr, yi),
                    _ => plan.radix4(size, stride, xr, xi, yr, yi),
                }
                size /= 4;
                stride *= 4;
            } else {
                radix2(stride, xr, xi, yr, yi);
                size /= 2;
                stride *= 2;
            }
            std::mem::swap(&mut xr, &mut yr);
            std::mem::swap(&mut xi, &mut yi);
            stages += 1;
        }
        if stages % 2 == 1 {
            // The result lies in the scratch: what is not the result now is what came in.
            yr.copy_from_slice(xr);
            yi.copy_from_slice(xi);
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
#[inline(always)]
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
