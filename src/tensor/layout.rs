//! Axis permutations.

use super::real::Real;
use super::simd::vectorised;
use super::strides::Loops;

/// Side of the squares that a transpose holds in registers.
const SIDE: usize = 8;

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

/// out\[b\]\[c\]\[r\] ← a\[b\]\[r\]\[c\], square by square.
pub fn transpose<T: Real>(out: &mut [T], a: &[T], batch: usize, rows: usize, cols: usize) {
    let n = rows * cols;
    vectorised(
        #[inline(always)]
        || {
            for b in 0..batch {
                let (out, a) = (&mut out[b * n..(b + 1) * n], &a[b * n..(b + 1) * n]);
                for r in (0..rows).step_by(SIDE) {
                    for c in (0..cols).step_by(SIDE) {
                        let (to, from) = (&mut out[c * rows + r..], &a[r * cols + c..]);
                        if r + SIDE <= rows && c + SIDE <= cols {
                            square(to, rows, from, cols);
                        } else {
                            for i in 0..SIDE.min(rows - r) {
                                for j in 0..SIDE.min(cols - c) {
                                    to[j * rows + i] = from[i * cols + j];
                                }
                            }
                        }
                    }
                }
            }
        },
    );
}

/// One square; `rows` and `cols` are the elements from one row of the output, and of the input, to the next.
#[inline(always)]
fn square<T: Real>(to: &mut [T], rows: usize, from: &[T], cols: usize) {
    let mut square = [[T::ZERO; SIDE]; SIDE];
    for (i, row) in square.iter_mut().enumerate() {
        row.copy_from_slice(&from[i * cols..][..SIDE]);
    }
    for j in 0..SIDE {
        let mut row = [T::ZERO; SIDE];
        for i in 0..SIDE {
            row[i] = square[i][j];
        }
        to[j * rows..][..SIDE].copy_from_slice(&row);
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

#[cfg(test)]
mod tests {
    use super::{transpose, transpose_lanes};

    #[test]
    fn every_element_finds_its_place() {
        for (rows, cols) in [(1, 1), (1, 19), (8, 8), (7, 9), (16, 24), (17, 31), (64, 3), (0, 5)] {
            for (batch, lanes) in [(1, 1), (3, 1), (2, 4)] {
                let a: Vec<f32> = (0..batch * rows * cols * lanes).map(|i| i as f32).collect();
                let mut out = vec![-1.0; a.len()];
                match lanes {
                    1 => transpose(&mut out, &a, batch, rows, cols),
                    _ => transpose_lanes(&mut out, &a, batch, rows, cols, lanes),
                }
                let at = |b: usize, i: usize, j: usize, n: usize, l: usize| ((b * rows * cols) + i * n + j) * lanes + l;
                for (b, r, c, l) in (0..batch).flat_map(|b| {
                    (0..rows).flat_map(move |r| (0..cols).flat_map(move |c| (0..lanes).map(move |l| (b, r, c, l))))
                }) {
                    assert_eq!(out[at(b, c, r, rows, l)], a[at(b, r, c, cols, l)]);
                }
            }
        }
    }
}
