//! Elementwise maps with one, two and three operands, the operands broadcast through zero strides.

use super::real::Real;
use super::strides::Loops;

/// out\[i\] ← f(a\[i\]).
pub fn unary<T: Real>(out: &mut [T], a: &[T], f: impl Fn(T) -> T) {
    for (o, &x) in out.iter_mut().zip(a) {
        *o = f(x);
    }
}

/// out ← f(a, b); `loops` holds the strides of a and b along the contiguous output.
pub fn binary<T: Real>(out: &mut [T], a: &[T], b: &[T], loops: &Loops<2>, f: impl Fn(T, T) -> T) {
    let (n, [sa, sb]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(|[oa, ob]| {
        let Some(out) = chunks.next() else { return };
        match (sa, sb) {
            (1, 1) => {
                for ((o, &x), &y) in out.iter_mut().zip(&a[oa..oa + n]).zip(&b[ob..ob + n]) {
                    *o = f(x, y);
                }
            }
            (1, 0) => {
                let y = b[ob];
                for (o, &x) in out.iter_mut().zip(&a[oa..oa + n]) {
                    *o = f(x, y);
                }
            }
            (0, 1) => {
                let x = a[oa];
                for (o, &y) in out.iter_mut().zip(&b[ob..ob + n]) {
                    *o = f(x, y);
                }
            }
            _ => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = f(a[oa + i * sa], b[ob + i * sb]);
                }
            }
        }
    });
}

/// out ← mask ≠ 0 ? a : b.
pub fn select<T: Real>(out: &mut [T], mask: &[T], a: &[T], b: &[T], loops: &Loops<3>) {
    let (n, [sm, sa, sb]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(|[om, oa, ob]| {
        let Some(out) = chunks.next() else { return };
        for (i, o) in out.iter_mut().enumerate() {
            *o = if mask[om + i * sm] != T::ZERO { a[oa + i * sa] } else { b[ob + i * sb] };
        }
    });
}

/// out ← a, a broadcast.
pub fn expand<T: Real>(out: &mut [T], a: &[T], loops: &Loops<1>) {
    let (n, [sa]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(|[oa]| {
        let Some(out) = chunks.next() else { return };
        match sa {
            0 => out.fill(a[oa]),
            1 => out.copy_from_slice(&a[oa..oa + n]),
            _ => out.iter_mut().enumerate().for_each(|(i, o)| *o = a[oa + i * sa]),
        }
    });
}
