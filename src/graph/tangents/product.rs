//! Products of matrices one of whose operands has lanes innermost.

use crate::graph::execute::room;
use crate::tensor::matmul::{Gemm, gemm};
use crate::tensor::skinny::{Left, Live, Skinny, products};
use crate::tensor::{Real, layout};
use faer::Par;

/// A batched product one of whose operands has lanes.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub gemm: Gemm,
    pub batch: usize,
    pub batch_a: usize,
    pub batch_b: usize,
    /// The result is added to what is there.
    pub add: bool,
}

/// Up to this many rows or columns a product is skinny.
const SKINNY: usize = 64;
/// Sums longer than this, and left operands of more elements, are read from caches too far away to be read again for
/// every panel of columns.
const LONG: usize = 256;
const LARGE: usize = 32 << 10;

impl Product {
    /// Elements of the operands that the i-th product of the batch starts at, one lane.
    fn at(&self, i: usize) -> (usize, usize) {
        let g = self.gemm;
        let of = |batch: usize, size: usize| if batch > 1 { i * size } else { 0 };
        (of(self.batch_a, g.m * g.k), of(self.batch_b, g.k * g.n))
    }

    /// One lane.
    pub fn plain<T: Real>(self, out: &mut [T], a: &[T], b: &[T], scratch: &mut Vec<T>) {
        let g = self.gemm;
        // a transposed right operand is worth exchanging where it is small beside the product
        let skinny = (g.n <= SKINNY || g.m <= SKINNY / 2) && (!g.tb || g.m >= 4);
        for i in 0..self.batch {
            let out = &mut out[i * g.m * g.n..(i + 1) * g.m * g.n];
            let (at_a, at_b) = self.at(i);
            let (a, b) = (&a[at_a..at_a + g.m * g.k], &b[at_b..at_b + g.k * g.n]);
            if skinny {
                let b = if g.tb {
                    let turned = room(scratch, g.k * g.n);
                    layout::transpose(turned, b, 1, g.n, g.k);
                    &*turned
                } else {
                    b
                };
                let shape = Skinny {
                    m: g.m,
                    k: g.k,
                    n: g.n,
                    left: if g.ta { Left::Columns } else { Left::Rows },
                    lda: if g.ta { g.m } else { g.k },
                    ldb: g.n,
                    ldc: g.n,
                    repeat: 1,
                    next: [0; 3],
                    add: self.add,
                };
                products(out, a, b, &shape, None);
            } else {
                gemm(out, a, b, g, self.add, Par::Seq);
            }
        }
    }

    /// Lanes in the right operand.
    pub fn right<T: Real>(self, out: &mut [T], a: &[T], b: &[T], k: usize, live: Option<&Live>) {
        let g = self.gemm;
        let wide = !g.tb && g.n * k > 4 * SKINNY && (g.k > LONG || g.m * g.k > LARGE);
        // rows that are left out are zero
        let some = g.tb && !g.ta && live.is_some();
        if some && !self.add {
            out.fill(T::ZERO);
        }
        let add = self.add || some;
        for i in 0..self.batch {
            let out = &mut out[i * g.m * g.n * k..(i + 1) * g.m * g.n * k];
            let (at_a, at_b) = self.at(i);
            let (a, b) = (&a[at_a..at_a + g.m * g.k], &b[at_b * k..(at_b + g.k * g.n) * k]);
            let (left, lda) = if g.ta { (Left::Columns, g.m) } else { (Left::Rows, g.k) };
            // the columns of one unit are its lanes
            let units = Skinny {
                m: g.m,
                k: g.k,
                n: k,
                left,
                lda,
                ldb: k,
                ldc: g.n * k,
                repeat: g.n,
                next: [k, 0, g.k * k],
                add,
            };
            match (g.tb, live) {
                (true, Some(live)) if some => {
                    for unit in 0..g.n {
                        let (out, b) = (&mut out[unit * k..], &b[unit * g.k * k..(unit + 1) * g.k * k]);
                        products(out, a, b, &Skinny { repeat: 1, ..units }, Some(live.rows(unit)));
                    }
                }
                (true, _) => products(out, a, b, &units, None),
                (false, _) if wide => gemm(out, a, b, Gemm { n: g.n * k, ..g }, self.add, Par::Seq),
                (false, _) => {
                    let n = g.n * k;
                    products(out, a, b, &Skinny { n, ldb: n, ldc: n, repeat: 1, ..units }, None);
                }
            }
        }
    }

    /// Lanes in the left operand: each of its rows is a matrix on which the transposed right operand works.
    pub fn left<T: Real>(self, out: &mut [T], a: &[T], b: &[T], k: usize, live: Option<&Live>, scratch: &mut Vec<T>) {
        let g = self.gemm;
        let live = live.filter(|_| g.ta && !g.tb);
        for i in 0..self.batch {
            let out = &mut out[i * g.m * g.n * k..(i + 1) * g.m * g.n * k];
            let (at_a, at_b) = self.at(i);
            let (a, b) = (&a[at_a * k..(at_a + g.m * g.k) * k], &b[at_b..at_b + g.k * g.n]);
            let (left, lda) = if g.tb { (Left::Rows, g.k) } else { (Left::Columns, g.n) };
            // one product for each row of a; its elements are one after the other, or a row apart where a is transposed
            let (ldb, next) = if g.ta { (g.m * k, k) } else { (k, g.k * k) };
            let rows = Skinny {
                m: g.n,
                k: g.k,
                n: k,
                left,
                lda,
                ldb,
                ldc: k,
                repeat: g.m,
                next: [g.n * k, 0, next],
                add: self.add,
            };
            if !g.ta || live.is_none() && g.k <= SKINNY {
                products(out, b, a, &rows, None);
                continue;
            }
            for unit in 0..g.m {
                // the unit's rows, one after the other
                let live = live.map(|live| live.rows(unit));
                let count = live.map_or(g.k, <[u32]>::len);
                let packed = room(scratch, count * k);
                for (n, packed) in packed.chunks_exact_mut(k).enumerate() {
                    let row = live.map_or(n, |live| live[n] as usize);
                    let at = (row * g.m + unit) * k;
                    packed.copy_from_slice(&a[at..at + k]);
                }
                let out = &mut out[unit * g.n * k..(unit + 1) * g.n * k];
                if count > 0 {
                    products(out, b, packed, &Skinny { repeat: 1, ldb: k, ..rows }, live);
                } else if !self.add {
                    out.fill(T::ZERO);
                }
            }
        }
    }
}
