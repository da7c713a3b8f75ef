//! Elementwise maps, comparisons and choices, the operands broadcast through zero strides.

use super::real::Real;
use super::simd::vectorised;
use super::strides::Loops;

/// out\[i\] ← f(a\[i\]).
pub fn unary<T: Real>(out: &mut [T], a: &[T], f: impl Fn(T) -> T) {
    vectorised(
        #[inline(always)]
        || {
            for (o, &x) in out.iter_mut().zip(a) {
                *o = f(x);
            }
        },
    );
}

/// out ← f(a, b); `loops` holds the strides of a and b along the contiguous output.
pub fn binary<T: Real>(out: &mut [T], a: &[T], b: &[T], loops: &Loops<2>, f: impl Fn(T, T) -> T) {
    let (n, [sa, sb]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(|[oa, ob]| {
        let Some(out) = chunks.next() else { return };
        for (i, o) in out.iter_mut().enumerate() {
            *o = f(a[oa + i * sa], b[ob + i * sb]);
        }
    });
}

/// out ← mask ≠ 0 ? a : b.
pub fn select<T: Real>(out: &mut [T], mask: &[T], a: &[T], b: &[T], loops: &Loops<3>) {
    vectorised(
        #[inline(always)]
        || select_here(out, mask, a, b, loops),
    );
}

#[inline(always)]
fn select_here<T: Real>(out: &mut [T], mask: &[T], a: &[T], b: &[T], loops: &Loops<3>) {
    let (n, [sm, sa, sb]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(
        #[inline(always)]
        |[om, oa, ob]| {
            let Some(out) = chunks.next() else { return };
            let (mask, a, b) = (&mask[om..], &a[oa..], &b[ob..]);
            match (sm, sa, sb) {
                (1, 1, 1) => {
                    for (((o, &m), &a), &b) in out.iter_mut().zip(mask).zip(a).zip(b) {
                        *o = if m != T::ZERO { a } else { b };
                    }
                }
                (1, 1, 0) => {
                    let b = b[0];
                    for ((o, &m), &a) in out.iter_mut().zip(mask).zip(a) {
                        *o = if m != T::ZERO { a } else { b };
                    }
                }
                (0, 1, _) if mask[0] != T::ZERO => out.copy_from_slice(&a[..n]),
                (0, _, 1) if mask[0] == T::ZERO => out.copy_from_slice(&b[..n]),
                (0, _, 0) if mask[0] == T::ZERO => out.fill(b[0]),
                _ => {
                    for (i, o) in out.iter_mut().enumerate() {
                        *o = if mask[i * sm] != T::ZERO { a[i * sa] } else { b[i * sb] };
                    }
                }
            }
        },
    );
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
