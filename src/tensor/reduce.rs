//! Sums over axes.

use super::real::Real;
use super::strides::Loops;

/// Sum of a slice in eight interleaved partial sums (vectorises; error grows with n/8 instead of n).
#[inline(always)]
pub fn sum<T: Real>(x: &[T]) -> T {
    let mut partial = [T::ZERO; 8];
    let mut chunks = x.chunks_exact(8);
    for chunk in &mut chunks {
        for (p, &v) in partial.iter_mut().zip(chunk) {
            *p += v;
        }
    }
    for (p, &v) in partial.iter_mut().zip(chunks.remainder()) {
        *p += v;
    }
    ((partial[0] + partial[4]) + (partial[1] + partial[5])) + ((partial[2] + partial[6]) + (partial[3] + partial[7]))
}

/// out ← Σ a over the axes along which the output's stride in `loops` is 0.
///
/// `loops` walks the input: operand 0 is the (contiguous) input, operand 1 the output.
pub fn sum_axes<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    out.fill(T::ZERO);
    add_axes(out, a, loops);
}

/// out ← out + Σ a, likewise.
pub fn add_axes<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || add_axes_here(out, a, loops),
    );
}

#[inline(always)]
fn add_axes_here<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    let (n, [sa, so]) = loops.inner();
    loops.each(
        #[inline(always)]
        |[oa, oo]| {
            if so == 0 && sa == 1 {
                out[oo] += sum(&a[oa..oa + n]);
            } else if so == 1 && sa == 1 {
                for (o, &x) in out[oo..oo + n].iter_mut().zip(&a[oa..oa + n]) {
                    *o += x;
                }
            } else {
                for i in 0..n {
                    out[oo + i * so] += a[oa + i * sa];
                }
            }
        },
    );
}
