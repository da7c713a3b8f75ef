//! Sums over axes.

use super::arithmetic::add_axes;
use super::real::Real;
use super::strides::Loops;

/// Sum of a slice in eight interleaved partial sums (vectorises; error grows with n/8 instead of n).
#[inline(always)]
pub fn sum<T: Real>(x: &[T]) -> T {
    let mut partial = [T::ZERO; 8];
    let (chunks, rest) = x.as_chunks::<8>();
    for chunk in chunks {
        for i in 0..8 {
            partial[i] += chunk[i];
        }
    }
    // without a store to memory that the next line would wait for
    for (i, p) in partial.iter_mut().enumerate() {
        *p += rest.get(i).copied().unwrap_or(T::ZERO);
    }
    ((partial[0] + partial[4]) + (partial[1] + partial[5])) + ((partial[2] + partial[6]) + (partial[3] + partial[7]))
}

/// out ← Σ a over the axes along which the output's stride in `loops` is 0 (see [`add_axes`]).
pub fn sum_axes<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    out.fill(T::ZERO);
    add_axes(out, a, loops);
}
