//! A complex state vector of qubits with the gates the level-3 circuits need; qubit q is bit q of the index.
//!
//! Real and imaginary parts are kept apart and every kernel walks contiguous runs, so that a gate costs little more
//! than copying the vector (`benches/simulate.rs`).

use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef};
use pulp::{Simd, WithSimd};

/// A complex number as (re, im).
pub type Complex = (f64, f64);

/// A controlled gate acts where each listed qubit has the listed value.
pub type Controls<'a> = &'a [(usize, bool)];

/// Amplitudes of `qubits` qubits.
#[derive(Debug, Clone, PartialEq)]
pub struct StateVector {
    qubits: usize,
    /// Real parts.
    pub re: Vec<f64>,
    /// Imaginary parts.
    pub im: Vec<f64>,
}

impl StateVector {
    /// |0…0⟩.
    ///
    /// # Errors
    /// Resource when 2^qubits amplitudes exceed `max_bytes`.
    pub fn new(qubits: usize, max_bytes: u64) -> Result<Self> {
        let bytes = 1_u128.checked_shl(qubits as u32 + 4).unwrap_or(u128::MAX);
        if qubits > 60 || bytes > u128::from(max_bytes) {
            let fits = (max_bytes / 16).max(1).ilog2();
            return Err(Error::resource(
                "simulate::memory",
                format!("state vector of {qubits} qubits"),
                format!("it needs {bytes} bytes, the limit is {max_bytes}; {fits} qubits fit"),
                "raise --max-memory or verify at level L1",
            ));
        }
        let (mut re, im) = (vec![0.0; 1 << qubits], vec![0.0; 1 << qubits]);
        re[0] = 1.0;
        Ok(StateVector { qubits, re, im })
    }

    /// Number of qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Sets the real amplitudes of the low qubits, all others 0.
    pub fn load(&mut self, v: &[f64]) {
        self.re.fill(0.0);
        self.im.fill(0.0);
        self.re[..v.len()].copy_from_slice(v);
    }

    /// Norm.
    pub fn norm(&self) -> f64 {
        self.re.iter().chain(&self.im).map(|x| x * x).sum::<f64>().sqrt()
    }

    /// A 2×2 gate [[g00, g01], [g10, g11]] on a qubit.
    pub fn gate(&mut self, qubit: usize, g: [[Complex; 2]; 2]) {
        let run = 1 << qubit;
        let pairs = |re: &mut [f64], im: &mut [f64]| {
            let (r0, r1) = re.split_at_mut(run);
            let (i0, i1) = im.split_at_mut(run);
            mix(r0, i0, r1, i1, &g);
        };
        if run >= 8 {
            for (re, im) in self.re.chunks_exact_mut(2 * run).zip(self.im.chunks_exact_mut(2 * run)) {
                pairs(re, im);
            }
        } else {
            low_gate(&mut self.re, &mut self.im, run, &g);
        }
    }

    /// The same gate where the controls hold.
    pub fn controlled(&mut self, qubit: usize, g: [[Complex; 2]; 2], controls: Controls<'_>) {
        let bit = 1 << qubit;
        for i in 0..self.re.len() {
            if i & bit == 0 && holds(i, controls) {
                let (mut a, mut b) = ((self.re[i], self.im[i]), (self.re[i | bit], self.im[i | bit]));
                (a, b) = (add(mul(g[0][0], a), mul(g[0][1], b)), add(mul(g[1][0], a), mul(g[1][1], b)));
                (self.re[i], self.im[i]) = a;
                (self.re[i | bit], self.im[i | bit]) = b;
            }
        }
    }

    /// Multiplies each amplitude by e^{±iφ}, the sign being `positive` of its high bits, asked once for each run of
    /// 2^low indices.
    /// The angle is given by its sine and cosine.
    pub fn signed_phase(&mut self, low: usize, (sin, c): (f64, f64), positive: impl Fn(usize) -> bool) {
        let run = 1 << low;
        for (k, (re, im)) in self.re.chunks_exact_mut(run).zip(self.im.chunks_exact_mut(run)).enumerate() {
            let s = if positive(k) { sin } else { -sin };
            for (x, y) in re.iter_mut().zip(im) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
    }

    /// Multiplies each amplitude by a phase e^{iφ(index)} that depends on the high bits only: `angle` is asked once
    /// for each run of 2^low indices.
    pub fn phase(&mut self, low: usize, angle: impl Fn(usize) -> f64) {
        let run = 1 << low;
        for (k, (re, im)) in self.re.chunks_exact_mut(run).zip(self.im.chunks_exact_mut(run)).enumerate() {
            let t = angle(k);
            if t == 0.0 {
                continue;
            }
            let (s, c) = t.sin_cos();
            for (x, y) in re.iter_mut().zip(im) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
    }

    /// A real matrix, its columns one after the other, on the low log₂(size) qubits, where the controls (on higher qubits)
    /// hold.
    pub fn dense(&mut self, columns: &[f64], controls: Controls<'_>) {
        let size = columns.len().isqrt();
        match size {
            2 => return self.small_dense::<2>(columns, controls),
            4 => return self.small_dense::<4>(columns, controls),
            8 => return self.small_dense::<8>(columns, controls),
            16 => return self.small_dense::<16>(columns, controls),
            32 => return self.small_dense::<32>(columns, controls),
            _ => {}
        }
        let mut out = vec![0.0; 2 * size];
        for k in 0..self.re.len() / size {
            if !holds(k * size, controls) {
                continue;
            }
            let range = k * size..(k + 1) * size;
            let mut both = self.re[range.clone()].to_vec();
            both.extend_from_slice(&self.im[range.clone()]);
            matmul(
                MatMut::from_column_major_slice_mut(&mut out, size, 2),
                Accum::Replace,
                MatRef::from_column_major_slice(columns, size, size),
                MatRef::from_column_major_slice(&both, size, 2),
                1.0,
                faer::Par::Seq,
            );
            self.re[range.clone()].copy_from_slice(&out[..size]);
            self.im[range].copy_from_slice(&out[size..]);
        }
    }

    /// The same where setting up a blocked product costs more than the product.
    fn small_dense<const SIZE: usize>(&mut self, columns: &[f64], controls: Controls<'_>) {
        let StateVector { re, im, .. } = self;
        let columns = columns.as_chunks().0;
        pulp::Arch::new().dispatch(Small::<SIZE> { columns, re, im, controls });
    }

    /// 1 − 2|b⟩⟨b| on the low qubits, where the controls hold.
    pub fn reflect(&mut self, b: &[f64], controls: Controls<'_>) {
        let size = b.len();
        for k in 0..self.re.len() / size {
            if holds(k * size, controls) {
                super::operator::reflect(&mut self.re[k * size..(k + 1) * size], b);
                super::operator::reflect(&mut self.im[k * size..(k + 1) * size], b);
            }
        }
    }

    /// Negates the amplitudes for which `when(index >> low)` holds.
    pub fn negate(&mut self, low: usize, when: impl Fn(usize) -> bool) {
        let run = 1 << low;
        for (k, (re, im)) in self.re.chunks_exact_mut(run).zip(self.im.chunks_exact_mut(run)).enumerate() {
            if when(k) {
                re.iter_mut().chain(im).for_each(|x| *x = -*x);
            }
        }
    }
}

/// Hadamard.
pub const HADAMARD: [[Complex; 2]; 2] = {
    const H: f64 = std::f64::consts::FRAC_1_SQRT_2;
    [[(H, 0.0), (H, 0.0)], [(H, 0.0), (-H, 0.0)]]
};

fn mul(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn add(a: Complex, b: Complex) -> Complex {
    (a.0 + b.0, a.1 + b.1)
}

fn holds(index: usize, controls: Controls<'_>) -> bool {
    controls.iter().all(|&(q, value)| (index >> q & 1 == 1) == value)
}

/// Two runs of amplitudes mixed by a gate.
#[inline(always)]
fn mix(r0: &mut [f64], i0: &mut [f64], r1: &mut [f64], i1: &mut [f64], g: &[[Complex; 2]; 2]) {
    let [[(ar, ai), (br, bi)], [(cr, ci), (dr, di)]] = *g;
    for (((x, y), z), w) in r0.iter_mut().zip(i0).zip(r1).zip(i1) {
        let (p, q, r, s) = (*x, *y, *z, *w);
        *x = ar * p - ai * q + br * r - bi * s;
        *y = ar * q + ai * p + br * s + bi * r;
        *z = cr * p - ci * q + dr * r - di * s;
        *w = cr * q + ci * p + dr * s + di * r;
    }
}

/// A small matrix on every run of its size for which the controls hold.
struct Small<'a, const SIZE: usize> {
    columns: &'a [[f64; SIZE]],
    re: &'a mut [f64],
    im: &'a mut [f64],
    controls: Controls<'a>,
}

impl<const SIZE: usize> WithSimd for Small<'_, SIZE> {
    type Output = ();

    // Written once and compiled for every set of vector registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let parts = self.re.as_chunks_mut::<SIZE>().0.iter_mut().zip(self.im.as_chunks_mut::<SIZE>().0);
        for (k, (re, im)) in parts.enumerate() {
            if holds(k * SIZE, self.controls) {
                product(self.columns, re, im);
            }
        }
    }
}

/// A real matrix on the real and imaginary parts of a run.
#[inline(always)]
fn product<const SIZE: usize>(columns: &[[f64; SIZE]], re: &mut [f64; SIZE], im: &mut [f64; SIZE]) {
    let (mut u, mut v) = ([0.0; SIZE], [0.0; SIZE]);
    for ((column, &x), &y) in columns.iter().zip(re.iter()).zip(im.iter()) {
        for i in 0..SIZE {
            u[i] += column[i] * x;
            v[i] += column[i] * y;
        }
    }
    (*re, *im) = (u, v);
}

/// A gate on qubit 0, 1 or 2: groups of 16 amplitudes are sorted into two runs of 8, mixed, and put back.
fn low_gate(re: &mut [f64], im: &mut [f64], run: usize, g: &[[Complex; 2]; 2]) {
    const GROUP: usize = 16;
    if re.len() < GROUP {
        for k in (0..re.len()).filter(|k| k & run == 0) {
            let (mut r, mut i) = ([re[k], re[k | run]], [im[k], im[k | run]]);
            let ([r0, r1], [i0, i1]) = (&mut r, &mut i);
            mix(
                std::slice::from_mut(r0),
                std::slice::from_mut(i0),
                std::slice::from_mut(r1),
                std::slice::from_mut(i1),
                g,
            );
            (re[k], re[k | run], im[k], im[k | run]) = (r[0], r[1], i[0], i[1]);
        }
        return;
    }
    match run {
        1 => sorted::<1>(re, im, g),
        2 => sorted::<2>(re, im, g),
        _ => sorted::<4>(re, im, g),
    }
}

fn sorted<const RUN: usize>(re: &mut [f64], im: &mut [f64], g: &[[Complex; 2]; 2]) {
    let place = |k: usize| (k / RUN) * 2 * RUN + k % RUN;
    for (re, im) in re.as_chunks_mut::<16>().0.iter_mut().zip(im.as_chunks_mut::<16>().0) {
        let mut r0: [f64; 8] = std::array::from_fn(|k| re[place(k)]);
        let mut r1: [f64; 8] = std::array::from_fn(|k| re[place(k) + RUN]);
        let mut i0: [f64; 8] = std::array::from_fn(|k| im[place(k)]);
        let mut i1: [f64; 8] = std::array::from_fn(|k| im[place(k) + RUN]);
        mix(&mut r0, &mut i0, &mut r1, &mut i1, g);
        for k in 0..8 {
            re[place(k)] = r0[k];
            re[place(k) + RUN] = r1[k];
            im[place(k)] = i0[k];
            im[place(k) + RUN] = i1[k];
        }
    }
}
