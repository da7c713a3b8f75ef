//! Elementwise maps with one, two and three operands, the operands broadcast through zero strides.

use super::real::Real;
use super::strides::Loops;

/// out\[i\] ← f(a\[i\]).
pub fn unary<T: Real>(out: &mut [T], a: &[T], f: impl Fn(T) -> T) {
    pulp::Arch::new().dispatch(
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
    // in the instructions of the machine: the same operations, hence the same bits
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || binary_here(out, a, b, loops, f),
    );
}

#[inline(always)]
fn binary_here<T: Real>(out: &mut [T], a: &[T], b: &[T], loops: &Loops<2>, f: impl Fn(T, T) -> T) {
    let (n, [sa, sb]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(
        #[inline(always)]
        |[oa, ob]| {
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
        },
    );
}

/// out ← f(a, b), b and out with `lanes` numbers for every element of a.
pub fn binary_lanes<T: Real>(out: &mut [T], a: &[T], b: &[T], lanes: usize, f: impl Fn(T, T) -> T) {
    #[inline(always)]
    fn fixed<T: Real, const K: usize>(out: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T) {
        let (out, b) = (out.as_chunks_mut::<K>().0, b.as_chunks::<K>().0);
        for ((out, b), &x) in out.iter_mut().zip(b).zip(a) {
            for (o, &y) in out.iter_mut().zip(b) {
                *o = f(x, y);
            }
        }
    }
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || match lanes {
            8 => fixed::<T, 8>(out, a, b, f),
            16 => fixed::<T, 16>(out, a, b, f),
            _ => {
                for ((out, b), &x) in out.chunks_exact_mut(lanes.max(1)).zip(b.chunks_exact(lanes.max(1))).zip(a) {
                    for (o, &y) in out.iter_mut().zip(b) {
                        *o = f(x, y);
                    }
                }
            }
        },
    );
}

/// out ← a∘b + c, b, c and out with `lanes` numbers for every element of a.
pub fn mul_add_lanes<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], lanes: usize) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let lanes = lanes.max(1);
            let rows = out.chunks_exact_mut(lanes).zip(b.chunks_exact(lanes)).zip(c.chunks_exact(lanes));
            for (((out, b), c), &x) in rows.zip(a) {
                for ((o, &y), &z) in out.iter_mut().zip(b).zip(c) {
                    *o = x * y + z;
                }
            }
        },
    );
}

/// out ← out + a.
pub fn accumulate<T: Real>(out: &mut [T], a: &[T]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (o, &x) in out.iter_mut().zip(a) {
                *o += x;
            }
        },
    );
}

/// out ← a∘b + c, rounded twice.
pub fn mul_add<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], loops: &Loops<3>) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || mul_add_here(out, a, b, c, loops),
    );
}

#[inline(always)]
fn mul_add_here<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], loops: &Loops<3>) {
    let (n, [sa, sb, sc]) = loops.inner();
    let mut chunks = out.chunks_exact_mut(n.max(1));
    loops.each(
        #[inline(always)]
        |[oa, ob, oc]| {
            let Some(out) = chunks.next() else { return };
            match (sa, sb, sc) {
                (1, 1, 1) => {
                    let (a, b, c) = (&a[oa..oa + n], &b[ob..ob + n], &c[oc..oc + n]);
                    for (((o, &x), &y), &z) in out.iter_mut().zip(a).zip(b).zip(c) {
                        *o = x * y + z;
                    }
                }
                (0, 1, 1) => {
                    let (x, b, c) = (a[oa], &b[ob..ob + n], &c[oc..oc + n]);
                    for ((o, &y), &z) in out.iter_mut().zip(b).zip(c) {
                        *o = x * y + z;
                    }
                }
                (1, 0, 1) => {
                    let (a, y, c) = (&a[oa..oa + n], b[ob], &c[oc..oc + n]);
                    for ((o, &x), &z) in out.iter_mut().zip(a).zip(c) {
                        *o = x * y + z;
                    }
                }
                _ => {
                    for (i, o) in out.iter_mut().enumerate() {
                        *o = a[oa + i * sa] * b[ob + i * sb] + c[oc + i * sc];
                    }
                }
            }
        },
    );
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
