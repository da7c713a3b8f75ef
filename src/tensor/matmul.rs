//! Products of row-major matrices by faer, plain and batched.

use super::real::Real;
use faer::{MatMut, MatRef, Par};

/// A row-major matrix on a slice, as faer sees it; `transposed` reads it the other way round.
fn view<T: Real>(data: &[T], rows: usize, cols: usize, transposed: bool) -> MatRef<'_, T> {
    if transposed {
        MatRef::from_row_major_slice(data, cols, rows).transpose()
    } else {
        MatRef::from_row_major_slice(data, rows, cols)
    }
}

/// How the operands of a product are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gemm {
    /// Rows of the product.
    pub m: usize,
    /// Length of the inner sums.
    pub k: usize,
    /// Columns of the product.
    pub n: usize,
    /// The left operand is stored k × m.
    pub ta: bool,
    /// The right operand is stored n × k.
    pub tb: bool,
}

/// out (m × n) ← (out +) op(a)·op(b), all row-major.
pub fn gemm<T: Real>(out: &mut [T], a: &[T], b: &[T], g: Gemm, add: bool, par: Par) {
    if g.m == 0 || g.n == 0 {
        return;
    }
    if g.k == 0 {
        if !add {
            out.fill(T::ZERO);
        }
        return;
    }
    T::product(
        MatMut::from_row_major_slice_mut(out, g.m, g.n),
        add,
        view(a, g.m, g.k, g.ta),
        view(b, g.k, g.n, g.tb),
        par,
    );
}

/// `batch` products side by side; an operand with a stride of 0 is shared by all of them.
pub fn batched<T: Real>(
    out: &mut [T],
    a: &[T],
    b: &[T],
    batch: usize,
    (stride_a, stride_b): (usize, usize),
    g: Gemm,
    par: Par,
) {
    for i in 0..batch {
        let out = &mut out[i * g.m * g.n..(i + 1) * g.m * g.n];
        let a = &a[i * stride_a..i * stride_a + g.m * g.k];
        let b = &b[i * stride_b..i * stride_b + g.k * g.n];
        gemm(out, a, b, g, false, par);
    }
}
