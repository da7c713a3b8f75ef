//! Level 2: circuits run with a real block encoding, explicit ancillas and counted calls.
//!
//! Polynomials are made by alternating U and U† with reflections about the flag: after k calls the flagged part is
//! T_k of the singular values, so Σ c_k T_k is read off on the way, in real arithmetic and without phases.

use super::chebyshev;
use super::encoding::{BlockEncoding, Counted};
use super::instance::Instance;
use super::kernel_reflection;

/// Σ c_k T_k(A/α)|v⟩, flagged part, for a series c; singular-value transform of the encoded matrix.
pub fn series(encoding: &mut Counted<'_>, coefficients: &[f64], v: &[f64]) -> Vec<f64> {
    let n = encoding.encoding().system();
    let mut state = vec![0.0; encoding.encoding().flags() * n];
    state[..n].copy_from_slice(v);
    let mut sum: Vec<f64> = v.iter().map(|x| coefficients.first().copied().unwrap_or(0.0) * x).collect();
    for (k, &c) in coefficients.iter().enumerate().skip(1) {
        if k > 1 {
            // 2Π − 1.
            encoding.counts.reflections += 1;
            state[n..].iter_mut().for_each(|x| *x = -*x);
        }
        if k % 2 == 1 {
            encoding.apply(&mut state)
        } else {
            encoding.apply_adjoint(&mut state)
        }
        encoding.counts.walk_steps += 1;
        for (s, x) in sum.iter_mut().zip(&state[..n]) {
            *s += c * x;
        }
    }
    sum
}

/// A ⊕ 1/t: the system extended by one basis state, whose own block encoding is a rotation of two flag values.
pub struct Extended<'a> {
    inner: &'a dyn BlockEncoding,
    cosine: f64,
    sine: f64,
}

impl<'a> Extended<'a> {
    /// Extends by the singular value `value` ≤ 1.
    pub fn new(inner: &'a dyn BlockEncoding, value: f64) -> Self {
        Extended { inner, cosine: value, sine: ((1.0 - value) * (1.0 + value)).max(0.0).sqrt() }
    }

    fn with(&self, v: &mut [f64], adjoint: bool) {
        let (n, m) = (self.inner.system(), self.inner.flags());
        let mut packed = vec![0.0; n * m];
        for f in 0..m {
            packed[f * n..(f + 1) * n].copy_from_slice(&v[f * (n + 1)..f * (n + 1) + n]);
        }
        if adjoint {
            self.inner.apply_adjoint(&mut packed)
        } else {
            self.inner.apply(&mut packed)
        }
        for f in 0..m {
            v[f * (n + 1)..f * (n + 1) + n].copy_from_slice(&packed[f * n..(f + 1) * n]);
        }
        let (low, high) = (n, 2 * n + 1);
        let (x, y) = (v[low], v[high]);
        v[low] = self.cosine * x + self.sine * y;
        v[high] = self.sine * x - self.cosine * y;
    }
}

impl BlockEncoding for Extended<'_> {
    fn system(&self) -> usize {
        self.inner.system() + 1
    }

    fn flags(&self) -> usize {
        self.inner.flags()
    }

    fn apply(&self, v: &mut [f64]) {
        self.with(v, false);
    }

    fn apply_adjoint(&self, v: &mut [f64]) {
        self.with(v, true);
    }

    fn sparse_calls(&self) -> u64 {
        self.inner.sparse_calls()
    }
}

/// G = (1 − |b⟩⟨b|)A: A first, then the projector by one more flag c, Hadamards around a reflection where c = 1.
pub struct Projected<'a> {
    inner: &'a dyn BlockEncoding,
    b: Vec<f64>,
}

impl<'a> Projected<'a> {
    /// With the unit vector `b`.
    pub fn new(inner: &'a dyn BlockEncoding, b: Vec<f64>) -> Self {
        Projected { inner, b }
    }

    fn project(&self, v: &mut [f64]) {
        let half = v.len() / 2;
        hadamard(v, half);
        for part in v[half..].chunks_exact_mut(self.b.len()) {
            reflect(part, &self.b);
        }
        hadamard(v, half);
    }
}

impl BlockEncoding for Projected<'_> {
    fn system(&self) -> usize {
        self.inner.system()
    }

    fn flags(&self) -> usize {
        2 * self.inner.flags()
    }

    fn apply(&self, v: &mut [f64]) {
        let half = v.len() / 2;
        self.inner.apply(&mut v[..half]);
        self.inner.apply(&mut v[half..]);
        self.project(v);
    }

    fn apply_adjoint(&self, v: &mut [f64]) {
        self.project(v);
        let half = v.len() / 2;
        self.inner.apply_adjoint(&mut v[..half]);
        self.inner.apply_adjoint(&mut v[half..]);
    }

    fn sparse_calls(&self) -> u64 {
        self.inner.sparse_calls()
    }
}

/// v ← (1 − 2|b⟩⟨b|)v.
pub(crate) fn reflect(v: &mut [f64], b: &[f64]) {
    let overlap: f64 = v.iter().zip(b).map(|(x, b)| x * b).sum();
    for (x, b) in v.iter_mut().zip(b) {
        *x -= 2.0 * overlap * b;
    }
}

/// Hadamard on the flag that splits `v` into halves.
fn hadamard(v: &mut [f64], half: usize) {
    let (low, high) = v.split_at_mut(half);
    for (x, y) in low.iter_mut().zip(high) {
        let (a, b) = (*x, *y);
        *x = (a + b) * std::f64::consts::FRAC_1_SQRT_2;
        *y = (a - b) * std::f64::consts::FRAC_1_SQRT_2;
    }
}

/// Chebyshev coefficients of the kernel-reflection polynomial K of order ℓ (degree 2ℓ) for the gap 1/κ.
pub fn kernel_series(kappa: f64, order: u64) -> Vec<f64> {
    let gap2 = kappa.powi(-2).min(0.999_999_999);
    let rate = 2.0 * gap2.sqrt().atanh();
    let (l, eta) = (order as f64, 1.0 / (order as f64 * rate).cosh());
    let filter = |x: f64| {
        let u = (1.0 + gap2 - 2.0 * x * x) / (1.0 - gap2);
        if u >= 1.0 {
            // cosh(l·a)/cosh(l·a₀), a = 2·asinh√((u − 1)/2).
            let a = l * 2.0 * (((gap2 - x * x) / (1.0 - gap2)).max(0.0).sqrt()).asinh();
            (a - l * rate).exp() * (1.0 + (-2.0 * a).exp()) / (1.0 + (-2.0 * l * rate).exp())
        } else {
            (l * u.max(-1.0).acos()).cos() * eta
        }
    };
    let mut c = chebyshev::coefficients(2 * order as usize, |x| (2.0 * filter(x) - 1.0 + eta) / (1.0 + eta));
    c.iter_mut().skip(1).step_by(2).for_each(|c| *c = 0.0);
    c
}

/// Kernel reflection of order ℓ at level 2: the solution's register in coordinates, not normalised.
pub fn kernel_reflection(
    encoding: &dyn BlockEncoding,
    instance: &Instance,
    b: &[f64],
    norm_guess: f64,
    order: u64,
) -> (Vec<f64>, super::oracle::Counts) {
    let n = encoding.system();
    let extended = Extended::new(encoding, 1.0 / norm_guess);
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let mut bt: Vec<f64> = b.iter().map(|x| x * half).collect();
    bt.push(half);
    let projected = Projected::new(&extended, bt);
    let mut counted = Counted::new(&projected);
    let mut start = vec![0.0; n + 1];
    start[n] = 1.0;
    let out = series(&mut counted, &kernel_series(instance.kappa_eff(), order), &start);
    let mut counts = counted.counts;
    counts.state_preparation = 2 * counts.queries();
    debug_assert!(kernel_reflection::eta_of(instance, order) <= 1.0);
    (out[..n].to_vec(), counts)
}
