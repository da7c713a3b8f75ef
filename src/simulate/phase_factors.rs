//! Phase factors of quantum signal processing from a real polynomial of definite parity.
//!
//! **Convention Wx** (Martyn et al., arXiv:2105.02859): with W(x) = [[x, i√(1−x²)], [i√(1−x²), x]],
//! U = e^{iφ₀Z} Π_{j=1}^{d} W(x) e^{iφ_jZ} and Re⟨0|U|0⟩ = P(x). **Convention R** (reflections,
//! R(x) = [[x, √(1−x²)], [√(1−x²), −x]], what a Hermitian dilation is): W = i·e^{−iπZ/4} R e^{−iπZ/4}, see
//! [`Phases::reflection`].
//!
//! Method: nonlinear Fourier analysis on SU(2) (Alexis, Lin, Mnatsakanyan, Thiele, Wang, arXiv:2407.05634; Ni, Sarkar,
//! Ying, Lin, arXiv:2505.12615). Put z = e^{2iθ}, x = cos θ and B(z) = z^{d/2}P: the outer function α with
//! |α|² + |B|² = 1 comes from log√(1 − P²) by one transform (Weiss), and stripping layers off (α, B) gives
//! tan ψ_k = B_0/α_0, φ_k = ψ_k with ∓π/4 at the ends. Stripping is stable for an outer α. The phases of a real P are
//! symmetric, so half the layers and half the coefficients are enough.

use super::fft::Fft;
use crate::elementary::ln_normal;
use crate::error::{Error, Result};
use crate::tensor::simd::vectorised;
use pulp::{Simd, WithSimd};
use std::f64::consts::FRAC_PI_4;

/// Phases are refused when rebuilding the polynomial from them misses it by more.
pub const RESIDUAL_LIMIT: f64 = 1e-12;

/// Largest transform tried: 2²⁴ points.
const LARGEST_TRANSFORM: usize = 1 << 24;

/// What aliasing may add to a coefficient of the logarithm.
const NEGLIGIBLE: f64 = 1e-17;

/// Phases with the check that was made on them.
#[derive(Debug, Clone, PartialEq)]
pub struct Phases {
    /// φ_0 … φ_d in convention Wx.
    pub wx: Vec<f64>,
    /// Upper bound on max|P − Re⟨0|U|0⟩| over [−1, 1], from the rebuilt coefficients.
    pub residual: f64,
}

impl Phases {
    /// Degree of the polynomial: signal operators in the sequence.
    pub fn degree(&self) -> usize {
        self.wx.len() - 1
    }

    /// Phases χ_0 … χ_d in convention R and the number q of quarter turns, so that
    /// U_Wx = i^q · e^{iχ₀Z} Π R(x) e^{iχ_jZ}.
    pub fn reflection(&self) -> (Vec<f64>, usize) {
        let d = self.degree();
        let shift = |j: usize| {
            if d == 0 {
                0.0
            } else if j == 0 || j == d {
                FRAC_PI_4
            } else {
                2.0 * FRAC_PI_4
            }
        };
        (self.wx.iter().enumerate().map(|(j, phi)| phi - shift(j)).collect(), d % 4)
    }

    /// ⟨0|U|0⟩ of convention Wx at x, by multiplying the matrices: (real part, imaginary part).
    pub fn response(&self, x: f64) -> (f64, f64) {
        let s = ((1.0 - x) * (1.0 + x)).max(0.0).sqrt();
        // Row vector ⟨0|U: (a, b) complex, from the left.
        let (sin, cos) = self.wx[0].sin_cos();
        let (mut ar, mut ai, mut br, mut bi) = (cos, sin, 0.0, 0.0);
        for phi in &self.wx[1..] {
            let (cr, ci) = (x * ar - s * bi, x * ai + s * br);
            let (dr, di) = (x * br - s * ai, x * bi + s * ar);
            let (sin, cos) = phi.sin_cos();
            (ar, ai) = (cr * cos - ci * sin, cr * sin + ci * cos);
            (br, bi) = (dr * cos + di * sin, di * cos - dr * sin);
        }
        (ar, ai)
    }
}

/// Phases of P = Σ c_k T_k with definite parity and max|P| < 1.
///
/// # Errors
/// Usage when the parity is mixed or |P| reaches 1; certificate when the rebuilt polynomial misses P by more than
/// [`RESIDUAL_LIMIT`]; resource when |P| comes so close to 1 that the transform would not fit.
pub fn phases(coefficients: &[f64]) -> Result<Phases> {
    let place = || format!("polynomial of degree {}", coefficients.len().saturating_sub(1));
    let Some(d) = coefficients.len().checked_sub(1) else {
        return Err(Error::usage("simulate::phases", "polynomial", "it has no coefficients", ""));
    };
    if coefficients.iter().any(|c| !c.is_finite()) {
        return Err(Error::usage("simulate::phases", place(), "a coefficient is not finite", ""));
    }
    let largest = coefficients.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
    if coefficients.iter().rev().skip(1).step_by(2).any(|c| c.abs() > 1e-14 * largest) {
        return Err(Error::usage("simulate::phases", place(), "it mixes even and odd terms", "split it by parity"));
    }
    let signal = laurent(coefficients);
    let half = d / 2 + 1;
    let mut outer = outer_function(&signal, half, &place)?;
    let tangents = vectorised(
        #[inline(always)]
        || strip(&signal[..half], &mut outer),
    );
    let mut wx: Vec<f64> = tangents.iter().map(|t| t.atan()).collect();
    wx.extend_from_within(..d - d / 2);
    wx[half..].reverse();
    let residual = vectorised(
        #[inline(always)]
        || rebuild_error(&wx, &signal),
    );
    if residual.is_nan() || residual > RESIDUAL_LIMIT {
        return Err(Error::certificate(
            "simulate::phases",
            place(),
            format!("the phases rebuild the polynomial only to {residual:.1e} (limit {RESIDUAL_LIMIT:.0e})"),
            "scale the polynomial down (smaller headroom)",
        ));
    }
    wx[0] -= FRAC_PI_4;
    wx[d] -= FRAC_PI_4;
    Ok(Phases { wx, residual })
}

/// B_j with P(cos θ) = Σ_j B_j e^{i(2j−d)θ}: symmetric.
fn laurent(coefficients: &[f64]) -> Vec<f64> {
    let d = coefficients.len() - 1;
    let mut signal = vec![0.0; d + 1];
    for (k, &c) in coefficients.iter().enumerate().rev().step_by(2) {
        let (low, high) = ((d - k) / 2, (d + k) / 2);
        signal[low] += 0.5 * c;
        signal[high] += 0.5 * c;
    }
    signal
}

/// The first `wanted` coefficients of α(z) = exp(l_0 + 2Σ l_k z^k), l the Fourier coefficients of log√(1 − P²).
///
/// P² is even in φ = 2θ, so that on the grid φ_j = 2π(j + ¼)/N the real parts of the transform alias at 2N − k only and the
/// transform of the logarithms is one of N/2 points.
fn outer_function(signal: &[f64], wanted: usize, place: &impl Fn() -> String) -> Result<Vec<f64>> {
    let mut size = (4 * signal.len()).next_power_of_two().max(8);
    loop {
        let plan = Fft::new(size);
        let roots = quarter_roots(&plan, signal.len() + 1);
        let mut parts = vec![0.0; 2 * size];
        let (re, im) = parts.split_at_mut(size);
        for (((x, y), b), (cos, sin)) in re.iter_mut().zip(&mut *im).zip(signal).zip(&roots) {
            (*x, *y) = (b * cos, b * sin);
        }
        plan.forward(re, im);
        let least = pulp::Arch::new().dispatch(HalfLogs { re, im });
        if least <= 0.0 {
            return Err(Error::usage(
                "simulate::phases",
                place(),
                format!("|P| reaches {:.6}; it must stay below 1", (1.0 - least).sqrt()),
                "scale the polynomial down (smaller headroom)",
            ));
        }
        // N·l_k as real part, and −N·l_{N−k} as imaginary part.
        let sums = even_transform(&plan, re, im, &roots);
        let scale = 1.0 / size as f64;
        let aliased = 2 * size - wanted;
        let rate = decay(sums[1..].iter().map(|l| l.1 * scale), size);
        if coefficient_bound(signal.len(), rate, aliased) <= NEGLIGIBLE {
            let mut logs: Vec<f64> =
                sums[..wanted].iter().enumerate().map(|(k, l)| l.0 * scale * if k == 0 { 1.0 } else { 2.0 }).collect();
            return Ok(vectorised(
                #[inline(always)]
                || exponential(&mut logs),
            ));
        }
        if size >= LARGEST_TRANSFORM {
            return Err(Error::resource(
                "simulate::phases",
                place(),
                "|P| comes too close to 1 for a transform of 2^24 points",
                "scale the polynomial down (smaller headroom)",
            ));
        }
        // As long as the decay so far asks for, at most 16 times longer at once.
        let asked = (NEGLIGIBLE.ln() / rate).clamp(0.0, 32.0 * size as f64) as usize;
        size = (asked / 2).next_power_of_two().clamp(2 * size, LARGEST_TRANSFORM);
    }
}

/// From P to log√(1 − |P|²) on 8 points or a multiple, in place of the real parts; returns the least 1 − |P|².
struct HalfLogs<'a> {
    re: &'a mut [f64],
    im: &'a [f64],
}

impl WithSimd for HalfLogs<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut least = [f64::INFINITY; 8];
        for (re, im) in self.re.as_chunks_mut::<8>().0.iter_mut().zip(self.im.as_chunks::<8>().0) {
            for l in 0..8 {
                re[l] = 1.0 - (re[l] * re[l] + im[l] * im[l]);
                least[l] = if re[l] < least[l] { re[l] } else { least[l] };
            }
        }
        // A positive difference from 1 is no subnormal number.
        self.re.iter_mut().for_each(|x| *x = 0.5 * ln_normal(*x));
        least.iter().fold(f64::INFINITY, |m, x| m.min(*x))
    }
}

/// Upper estimate of ln ρ, ρ^{−1} the smallest modulus of the d zeros z_i outside the circle of 1 − P², from the coefficients
/// l_{N−k} = −Σ z_i^{k−N}/2(N − k), k = 1 … d + 1: a recurrence of order d, so that d + 1 in a row cannot all be small by
/// accident.
fn decay(tail: impl Iterator<Item = f64>, size: usize) -> f64 {
    let rate = |(k, l): (usize, f64)| {
        let index = (size - 1 - k) as f64;
        (index * l.abs()).ln() / index
    };
    tail.enumerate().map(rate).fold(f64::NEG_INFINITY, f64::max)
}

/// What a coefficient of that index may amount to.
fn coefficient_bound(degree: usize, rate: f64, index: usize) -> f64 {
    let index = index as f64;
    0.5 * degree as f64 / index * (rate * index).exp()
}

/// e^{−2πik/4N} for k < count, N the size of the plan.
fn quarter_roots(plan: &Fft, count: usize) -> Vec<(f64, f64)> {
    let step = std::f64::consts::TAU / (4 * plan.size()) as f64;
    let first = [0.0, 1.0, 2.0, 3.0].map(|r| (step * r).sin_cos());
    let turned = |k: usize| {
        let ((c, s), (sin, cos)) = (plan.root(k / 4), first[k % 4]);
        (c * cos + s * sin, s * cos - c * sin)
    };
    (0..count).map(turned).collect()
}

/// e^{−2πik/4N}·Σ_j f_j e^{−2πijk/N} for as many k < N/2 as there are `roots`, by one transform of half the length in
/// `scratch`, which is as long as f.
fn even_transform(plan: &Fft, f: &[f64], scratch: &mut [f64], roots: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let half = f.len() / 2;
    let (re, im) = scratch.split_at_mut(half);
    for ((x, y), pair) in re.iter_mut().zip(&mut *im).zip(f.as_chunks::<2>().0) {
        (*x, *y) = (pair[0], pair[1]);
    }
    plan.forward(re, im);
    let bin = |(k, &(cos, sin)): (usize, &(f64, f64))| {
        let back = (half - k) % half;
        // Transforms of the even and of the odd places.
        let (er, ei) = (0.5 * (re[k] + re[back]), 0.5 * (im[k] - im[back]));
        let (or, oi) = (0.5 * (im[k] + im[back]), 0.5 * (re[back] - re[k]));
        let (c, s) = plan.root(k);
        let (x, y) = (er + c * or - s * oi, ei + c * oi + s * or);
        (x * cos - y * sin, x * sin + y * cos)
    };
    roots.iter().enumerate().map(bin).collect()
}

/// Coefficients of exp(Σ g_k z^k): n·e_n = Σ_{k=1}^{n} k·g_k·e_{n−k}.
#[inline(always)]
fn exponential(g: &mut [f64]) -> Vec<f64> {
    let n = g.len();
    let first = g[0].exp();
    g.iter_mut().enumerate().for_each(|(k, x)| *x *= k as f64);
    // Reversed storage, so that the inner product runs over two contiguous slices: e_j sits at n − 1 − j.
    let mut reversed = vec![0.0; n];
    reversed[n - 1] = first;
    for m in 1..n {
        let sum = dot(&g[1..=m], &reversed[n - m..]);
        reversed[n - 1 - m] = sum / m as f64;
    }
    reversed.reverse();
    reversed
}

/// Inner product in eight partial sums (order fixed, so that it vectorises and repeats).
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = chunks_a.remainder().iter().zip(chunks_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in chunks_a.zip(chunks_b) {
        for l in 0..8 {
            sums[l] += x[l] * y[l];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// tan ψ_k for the first half: B ← (B − tα)/z, α ← α + tB, t = B_0/α_0 (the common factor cos ψ drops out).
#[inline(always)]
fn strip(signal: &[f64], a: &mut [f64]) -> Vec<f64> {
    let half = signal.len();
    let mut b = signal.to_vec();
    let mut tangents = Vec::with_capacity(half);
    for k in 0..half {
        let t = b[k] / a[0];
        tangents.push(t);
        let left = half - k;
        // Only the coefficients that later layers read: α_0 … and B_k ….
        for (x, y) in a[..left].iter_mut().zip(&mut b[k..]) {
            let (old_a, old_b) = (*x, *y);
            *x = old_a + t * old_b;
            *y = old_b - t * old_a;
        }
        if a[0].abs() > 1e200 || a[0].abs() < 1e-200 {
            let scale = 1.0 / a[0];
            a.iter_mut().chain(b.iter_mut()).for_each(|v| *v *= scale);
        }
    }
    tangents
}

/// Σ_j|B_j − B̃_j| with B̃ multiplied out from the angles ψ: bounds the error of P everywhere.
#[inline(always)]
fn rebuild_error(psi: &[f64], signal: &[f64]) -> f64 {
    let d = psi.len() - 1;
    // From the last factor to the first: B ← cos ψ·zB + sin ψ·α, α ← cos ψ·α − sin ψ·zB; B is kept at the end of
    // its buffer so that the multiplication by z is a shift of the start.
    let mut both = vec![0.0; 2 * (d + 1)];
    let (b, a) = both.split_at_mut(d + 1);
    a[0] = 1.0;
    // ψ_k = ψ_{d−k}: one half of the sines will do.
    let turns: Vec<(f64, f64)> = psi[..=d / 2].iter().map(|x| x.sin_cos()).collect();
    for k in (0..=d).rev() {
        let (sin, cos) = turns[k.min(d - k)];
        for (x, y) in b[k..].iter_mut().zip(&mut *a) {
            let (old_b, old_a) = (*x, *y);
            *x = cos * old_b + sin * old_a;
            *y = cos * old_a - sin * old_b;
        }
    }
    b.iter().zip(signal).map(|(x, y)| (x - y).abs()).sum()
}
