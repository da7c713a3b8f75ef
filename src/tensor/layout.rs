//! Axis permutations.

use super::real::Real;
use super::strides::Loops;

/// Side of the square tiles in which a transpose walks.
const TILE: usize = 16;

/// out (contiguous) ← a read along `loops`, whose two operands are the output and the input.
pub fn permute<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    let (n, [so, sa]) = loops.inner();
    loops.each(|[oo, oa]| {
        if sa == 1 && so == 1 {
            out[oo..oo + n].copy_from_slice(&a[oa..oa + n]);
        } else {
            for (i, o) in out[oo..oo + n].iter_mut().enumerate() {
                *o = a[oa + i * sa];
            }
        }
    });
}

/// out\[b\]\[c\]\[r\] ← a\[b\]\[r\]\[c\], tile by tile.
pub fn transpose<T: Real>(out: &mut [T], a: &[T], batch: usize, rows: usize, cols: usize) {
    let n = rows * cols;
    for b in 0..batch {
        let (out, a) = (&mut out[b * n..(b + 1) * n], &a[b * n..(b + 1) * n]);
        for r0 in (0..rows).step_by(TILE) {
            for c0 in (0..cols).step_by(TILE) {
                for c in c0..(c0 + TILE).min(cols) {
                    for r in r0..(r0 + TILE).min(rows) {
                        out[c * rows + r] = a[r * cols + c];
                    }
                }
            }
        }
    }
}

/// The same with `lanes` numbers for every element, one after the other.
pub fn transpose_lanes<T: Real>(out: &mut [T], a: &[T], batch: usize, rows: usize, cols: usize, lanes: usize) {
    if lanes == 1 {
        return transpose(out, a, batch, rows, cols);
    }
    let n = rows * cols * lanes;
    if n == 0 {
        return;
    }
    for (out, a) in out.chunks_exact_mut(n).zip(a.chunks_exact(n)).take(batch) {
        for (r, a) in a.chunks_exact(cols * lanes).enumerate() {
            for (c, a) in a.chunks_exact(lanes).enumerate() {
                let to = (c * rows + r) * lanes;
                out[to..to + lanes].copy_from_slice(a);
            }
        }
    }
}
