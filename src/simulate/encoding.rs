//! Block encodings as real orthogonal matrices acting on (flags ⊗ system), each carrying its α.
//!
//! A state is stored flag-major: entry f·N + i is flag value f, basis state i; flag value 0 is the one that is kept.
//! The dilation is one 2N×2N matrix; sparse access and dense data are built from two isometries as their circuits do
//! (Gilyén et al., arXiv:1806.01838, Lemmas 48 and 50) and applied without forming the matrix.

use super::instance::{Instance, Spectrum, parallelism};
use super::oracle::Counts;
use super::row::{Encoding, Options};
use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef};
use pulp::{Simd, WithSimd};

/// An orthogonal U with ⟨0|U|0⟩ = A/α.
pub trait BlockEncoding {
    /// Size N of the system.
    fn system(&self) -> usize;
    /// Number of flag values M.
    fn flags(&self) -> usize;
    /// v ← U v; `v` has M·N entries.
    fn apply(&self, v: &mut [f64]);
    /// v ← Uᵀ v.
    fn apply_adjoint(&self, v: &mut [f64]);
    /// Sparse-access calls inside one use.
    fn sparse_calls(&self) -> u64 {
        0
    }
    /// U = Uᵀ, so that a call of the adjoint is a call of U.
    fn hermitian(&self) -> bool {
        false
    }
}

/// A block encoding with its call counter.
pub struct Counted<'a> {
    inner: &'a dyn BlockEncoding,
    /// Calls made.
    pub counts: Counts,
}

impl<'a> Counted<'a> {
    /// A fresh counter.
    pub fn new(inner: &'a dyn BlockEncoding) -> Self {
        let ancillas = inner.flags().next_power_of_two().trailing_zeros();
        Counted { inner, counts: Counts { ancillas, ..Counts::default() } }
    }

    /// The encoding.
    pub fn encoding(&self) -> &'a dyn BlockEncoding {
        self.inner
    }

    /// v ← U v, counted.
    pub fn apply(&mut self, v: &mut [f64]) {
        self.counts.block_encoding += 1;
        self.counts.sparse_access += self.inner.sparse_calls();
        self.inner.apply(v);
    }

    /// v ← Uᵀ v, counted.
    pub fn apply_adjoint(&mut self, v: &mut [f64]) {
        self.counts.block_encoding_adjoint += 1;
        self.counts.sparse_access += self.inner.sparse_calls();
        self.inner.apply_adjoint(v);
    }
}

/// U = [[A/α, √(1 − A²/α²)], [√(1 − A²/α²), −A/α]], symmetric.
#[derive(Debug, Clone)]
pub struct Dilation {
    n: usize,
    /// Column after column.
    u: Vec<f64>,
}

impl Dilation {
    /// From the eigenvectors and the eigenvalues of A/α.
    pub fn new(vectors: MatRef<'_, f64>, nodes: &[f64]) -> Self {
        let n = nodes.len();
        let sines: Vec<f64> = nodes.iter().map(|&m| ((1.0 - m) * (1.0 + m)).max(0.0).sqrt()).collect();
        let mut u = vec![0.0; 4 * n * n];
        let arch = pulp::Arch::new();
        let values = [nodes, &sines[..]];
        match n {
            2 => arch.dispatch(Blocks::<2> { vectors, values, u: &mut u }),
            4 => arch.dispatch(Blocks::<4> { vectors, values, u: &mut u }),
            8 => arch.dispatch(Blocks::<8> { vectors, values, u: &mut u }),
            16 => arch.dispatch(Blocks::<16> { vectors, values, u: &mut u }),
            32 => arch.dispatch(Blocks::<32> { vectors, values, u: &mut u }),
            _ => {
                let (cosine, sine) = (function(vectors, nodes), function(vectors, &sines));
                for (j, column) in u.chunks_exact_mut(2 * n).enumerate() {
                    let (up, down) = column.split_at_mut(n);
                    let (first, second, sign) = if j < n { (&cosine, &sine, 1.0) } else { (&sine, &cosine, -1.0) };
                    up.iter_mut().zip(first.col(j % n).iter()).for_each(|(u, x)| *u = *x);
                    down.iter_mut().zip(second.col(j % n).iter()).for_each(|(u, x)| *u = sign * x);
                }
            }
        }
        Dilation { n, u }
    }

    /// The columns of the 2N×2N matrix, one after the other.
    pub fn columns(&self) -> &[f64] {
        &self.u
    }

    /// The 2N×2N matrix.
    pub fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.u, 2 * self.n, 2 * self.n)
    }
}

/// V·diag(values)·Vᵀ.
fn function(vectors: MatRef<'_, f64>, values: &[f64]) -> Mat<f64> {
    let n = values.len();
    let scaled = Mat::from_fn(n, n, |i, k| vectors[(i, k)] * values[k]);
    let mut out = Mat::zeros(n, n);
    matmul(out.as_mut(), Accum::Replace, scaled.as_ref(), vectors.transpose(), 1.0, parallelism(n));
    out
}

/// The columns of U where setting up a blocked product costs more than the product: `values` are those of A/α and their
/// sines.
struct Blocks<'a, const N: usize> {
    vectors: MatRef<'a, f64>,
    values: [&'a [f64]; 2],
    u: &'a mut [f64],
}

impl<const N: usize> WithSimd for Blocks<'_, N> {
    type Output = ();

    // Written once and compiled for every set of vector registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut v = [[0.0; N]; N];
        for (v, column) in v.iter_mut().zip(self.vectors.col_iter()) {
            v.iter_mut().zip(column.iter()).for_each(|(v, x)| *v = *x);
        }
        let (left, right) = self.u.split_at_mut(2 * N * N);
        let columns = left.as_chunks_mut::<N>().0.as_chunks_mut::<2>().0.iter_mut();
        let others = right.as_chunks_mut::<N>().0.as_chunks_mut::<2>().0.iter_mut();
        for (j, ([cosine, sine], [up, down])) in columns.zip(others).enumerate() {
            for ((v, &c), &s) in v.iter().zip(self.values[0]).zip(self.values[1]) {
                let (c, s) = (v[j] * c, v[j] * s);
                for i in 0..N {
                    cosine[i] += v[i] * c;
                    sine[i] += v[i] * s;
                }
            }
            for i in 0..N {
                up[i] = sine[i];
                down[i] = -cosine[i];
            }
        }
    }
}

impl BlockEncoding for Dilation {
    fn system(&self) -> usize {
        self.n
    }

    fn flags(&self) -> usize {
        2
    }

    fn hermitian(&self) -> bool {
        true
    }

    fn apply(&self, v: &mut [f64]) {
        let size = 2 * self.n;
        let mut out = vec![0.0; size];
        matmul(
            MatMut::from_column_major_slice_mut(&mut out, size, 1),
            Accum::Replace,
            self.matrix(),
            MatRef::from_column_major_slice(v, size, 1),
            1.0,
            faer::Par::Seq,
        );
        v.copy_from_slice(&out);
    }

    fn apply_adjoint(&self, v: &mut [f64]) {
        // Symmetric by construction up to rounding; the transpose is applied all the same.
        let size = 2 * self.n;
        let mut out = vec![0.0; size];
        matmul(
            MatMut::from_column_major_slice_mut(&mut out, size, 1),
            Accum::Replace,
            self.matrix().transpose(),
            MatRef::from_column_major_slice(v, size, 1),
            1.0,
            faer::Par::Seq,
        );
        v.copy_from_slice(&out);
    }
}

/// A unit vector of the ancilla, sparse.
type Sparse = Vec<(usize, f64)>;

/// U = V_Lᵀ · SWAP · V_R, V|0⟩|j⟩ = |ξ_j⟩|j⟩ with one Householder reflection per j; ancilla value = kind·N + k.
#[derive(Debug, Clone)]
pub struct TwoIsometries {
    n: usize,
    kinds: usize,
    left: Vec<(Sparse, f64)>,
    right: Vec<(Sparse, f64)>,
    sparse_calls: u64,
}

impl TwoIsometries {
    /// Sparse access: α = d·max|a_ij|; ξ^R_j = Σ_k |k⟩(sgn·√(|a_kj|/α)|0⟩ + √(1/d − |a_kj|/α)|2⟩), ξ^L the same
    /// without signs and with garbage |1⟩. Rows are padded to d entries.
    pub fn sparse(matrix: MatRef<'_, f64>, alpha: f64) -> Self {
        let n = matrix.nrows();
        let largest = largest_entry(matrix);
        let pattern: Vec<Vec<usize>> =
            (0..n).map(|j| (0..n).filter(|&k| matrix[(k, j)].abs() > 1e-12 * largest).collect()).collect();
        let d = pattern.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let vector = |j: usize, garbage: usize, signed: bool| -> Sparse {
            let mut rows = pattern[j].clone();
            rows.extend((0..n).filter(|k| !pattern[j].contains(k)).take(d - pattern[j].len()));
            let mut xi = Sparse::new();
            for k in rows {
                let a = if matrix[(k, j)].abs() > 1e-12 * largest { matrix[(k, j)] } else { 0.0 };
                let kept = (a.abs() / alpha).sqrt();
                let rest = (1.0 / d as f64 - a.abs() / alpha).max(0.0).sqrt();
                if kept > 0.0 {
                    xi.push((k, if signed && a < 0.0 { -kept } else { kept }));
                }
                xi.push((garbage * n + k, rest));
            }
            xi
        };
        let left = (0..n).map(|j| householder(vector(j, 1, false))).collect();
        let right = (0..n).map(|j| householder(vector(j, 2, true))).collect();
        TwoIsometries { n, kinds: 3, left, right, sparse_calls: 4 }
    }

    /// Dense data: α = ‖A‖_F; ξ^L_i = a_i/‖a_i‖ (row i), ξ^R = Σ_i (‖a_i‖/‖A‖_F)|i⟩ for every j.
    pub fn frobenius(matrix: MatRef<'_, f64>) -> Self {
        let n = matrix.nrows();
        let norms: Vec<f64> = (0..n).map(|i| (0..n).map(|k| matrix[(i, k)].powi(2)).sum::<f64>().sqrt()).collect();
        let total = norms.iter().map(|x| x * x).sum::<f64>().sqrt();
        let row = |i: usize| -> Sparse {
            if norms[i] == 0.0 {
                return vec![(0, 1.0)];
            }
            (0..n).filter(|&k| matrix[(i, k)] != 0.0).map(|k| (k, matrix[(i, k)] / norms[i])).collect()
        };
        let column: Sparse = norms.iter().enumerate().map(|(i, x)| (i, x / total)).collect();
        let left = (0..n).map(|i| householder(row(i))).collect();
        let right = vec![householder(column); n];
        TwoIsometries { n, kinds: 1, left, right, sparse_calls: 0 }
    }

    fn prepare(&self, side: &[(Sparse, f64)], v: &mut [f64]) {
        let n = self.n;
        for (j, (w, size2)) in side.iter().enumerate() {
            if *size2 == 0.0 {
                continue;
            }
            let overlap: f64 = w.iter().map(|(a, x)| x * v[a * n + j]).sum();
            let scale = 2.0 * overlap / size2;
            for (a, x) in w {
                v[a * n + j] -= scale * x;
            }
        }
    }

    fn swap(&self, v: &mut [f64]) {
        let n = self.n;
        for kind in 0..self.kinds {
            let block = &mut v[kind * n * n..(kind + 1) * n * n];
            for k in 0..n {
                for j in 0..k {
                    block.swap(k * n + j, j * n + k);
                }
            }
        }
    }
}

/// The reflection 1 − 2ww/|w|² that maps |0⟩ to ξ: w = |0⟩ − ξ with |w|².
fn householder(xi: Sparse) -> (Sparse, f64) {
    let mut w: Sparse = xi.into_iter().map(|(a, x)| (a, -x)).collect();
    match w.iter_mut().find(|(a, _)| *a == 0) {
        Some((_, x)) => *x += 1.0,
        None => w.push((0, 1.0)),
    }
    let size2 = w.iter().map(|(_, x)| x * x).sum();
    (w, size2)
}

impl BlockEncoding for TwoIsometries {
    fn system(&self) -> usize {
        self.n
    }

    fn flags(&self) -> usize {
        self.kinds * self.n
    }

    fn apply(&self, v: &mut [f64]) {
        self.prepare(&self.right, v);
        self.swap(v);
        self.prepare(&self.left, v);
    }

    fn apply_adjoint(&self, v: &mut [f64]) {
        self.prepare(&self.left, v);
        self.swap(v);
        self.prepare(&self.right, v);
    }

    fn sparse_calls(&self) -> u64 {
        self.sparse_calls
    }
}

fn largest_entry(matrix: MatRef<'_, f64>) -> f64 {
    let n = matrix.nrows();
    (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).fold(0.0, |m: f64, (i, j)| m.max(matrix[(i, j)].abs()))
}

/// The encoding of `options` for an instance, with its top-left block checked against A/α.
///
/// # Errors
/// Usage when the instance has no eigenvectors or α was set by hand for an encoding that fixes it; certificate when
/// the top-left block is not A/α or U is not orthogonal.
pub fn build(matrix: MatRef<'_, f64>, instance: &Instance, options: &Options) -> Result<Box<dyn BlockEncoding>> {
    let Spectrum::Full(vectors) = &instance.spectrum else {
        return Err(Error::usage(
            "simulate::level",
            "L2",
            "a reduced spectrum has no eigenvectors",
            "use level L1 for a matrix of this size",
        ));
    };
    if options.alpha.is_some() && options.encoding != Encoding::Dilation {
        return Err(Error::usage(
            "simulate::alpha",
            "α",
            format!("the {} encoding fixes its own α", options.encoding),
            "set α with the dilation only",
        ));
    }
    let encoding: Box<dyn BlockEncoding> = match options.encoding {
        Encoding::Dilation => Box::new(Dilation::new(vectors.as_ref(), &instance.nodes)),
        Encoding::Sparse => Box::new(TwoIsometries::sparse(matrix, instance.alpha)),
        Encoding::Frobenius => Box::new(TwoIsometries::frobenius(matrix)),
    };
    let block = top_left_error(encoding.as_ref(), matrix, instance.alpha);
    let unitary = orthogonality_error(encoding.as_ref());
    let limit = 1e-12;
    if block > limit || unitary > limit || !(block + unitary).is_finite() {
        return Err(Error::certificate(
            "simulate::encoding",
            format!("{} encoding, α = {:e}", options.encoding, instance.alpha),
            format!("‖⟨0|U|0⟩ − A/α‖_max = {block:.1e}, ‖UᵀU − 1‖ = {unitary:.1e} on a test vector (limit {limit:e})"),
            "check that the matrix is well scaled",
        ));
    }
    Ok(encoding)
}

/// max |⟨0,i|U|0,j⟩ − a_ij/α|, over every column up to N = 256 and 64 spread columns beyond.
pub fn top_left_error(encoding: &dyn BlockEncoding, matrix: MatRef<'_, f64>, alpha: f64) -> f64 {
    let n = encoding.system();
    let step = if n <= 256 { 1 } else { n / 64 };
    let mut worst = 0.0_f64;
    let mut v = vec![0.0; encoding.flags() * n];
    for j in (0..n).step_by(step) {
        v.fill(0.0);
        v[j] = 1.0;
        encoding.apply(&mut v);
        for (i, x) in v[..n].iter().enumerate() {
            worst = worst.max((x - matrix[(i, j)] / alpha).abs());
        }
    }
    worst
}

/// ‖UᵀUv − v‖ + ‖UUᵀv − v‖ for a fixed, spread test vector.
pub fn orthogonality_error(encoding: &dyn BlockEncoding) -> f64 {
    let size = encoding.flags() * encoding.system();
    let v: Vec<f64> = (0..size).map(|i| ((i as f64 + 1.0) * 0.754_877_666).fract() - 0.5).collect();
    let length = super::instance::norm(&v).max(f64::MIN_POSITIVE);
    let gap = |w: &[f64]| w.iter().zip(&v).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() / length;
    let mut w = v.clone();
    encoding.apply(&mut w);
    encoding.apply_adjoint(&mut w);
    let first = gap(&w);
    w.copy_from_slice(&v);
    encoding.apply_adjoint(&mut w);
    encoding.apply(&mut w);
    first + gap(&w)
}
