//! Sums over axes, and of arrays into others, in the machine's registers.

use super::real::Real;
use super::simd::of_length;
use super::strides::Loops;
use pulp::{Simd, WithSimd};

/// Registers that stay while a column of terms is added to them.
const COLUMN: usize = 4;

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

/// out ← out + Σ a over the axes along which the output's stride in `loops` is 0.
///
/// `loops` walks the input: operand 0 is the (contiguous) input, operand 1 the output.
pub fn add_axes<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    pulp::Arch::new().dispatch(AddAxes { out, a, loops });
}

/// out ← out + a.
pub fn accumulate<T: Real>(out: &mut [T], a: &[T]) {
    pulp::Arch::new().dispatch(Accumulate { out, a });
}

struct Accumulate<'a, T> {
    out: &'a mut [T],
    a: &'a [T],
}

impl<T: Real> WithSimd for Accumulate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        add_run(s, self.out, self.a);
    }
}

struct AddAxes<'a, T> {
    out: &'a mut [T],
    a: &'a [T],
    loops: &'a Loops<2>,
}

impl<T: Real> WithSimd for AddAxes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let (n, _) = self.loops.inner();
        of_length!(T, S, n => self.runs(s, n));
    }
}

impl<T: Real> AddAxes<'_, T> {
    #[inline(always)]
    fn runs<S: Simd>(self, s: S, n: usize) {
        let AddAxes { out, a, loops } = self;
        let [(runs, [ra, ro]), (_, [sa, so])] = loops.inner_two();
        loops.each_two(
            #[inline(always)]
            |[oa, oo]| {
                let (a, out) = (&a[oa..], &mut out[oo..]);
                match (so, sa) {
                    (0, 1) => {
                        for r in 0..runs {
                            out[r * ro] += sum(&a[r * ra..r * ra + n]);
                        }
                    }
                    (1, 1) if ro == 0 => add_rows(s, &mut out[..n], a, (runs, ra)),
                    (1, 1) => {
                        for r in 0..runs {
                            add_run(s, &mut out[r * ro..r * ro + n], &a[r * ra..r * ra + n]);
                        }
                    }
                    _ => {
                        for r in 0..runs {
                            for i in 0..n {
                                out[r * ro + i * so] += a[r * ra + i * sa];
                            }
                        }
                    }
                }
            },
        );
    }
}

/// out ← out + Σ of `count` rows as long as it, `distance` apart.
#[inline(always)]
fn add_rows<T: Real, S: Simd>(s: S, out: &mut [T], a: &[T], (count, distance): (usize, usize)) {
    let n = out.len();
    let (registers, rest) = T::split_mut::<S>(out);
    let first_of_rest = n - rest.len();
    let mut at = 0;
    let (wide, narrow) = registers.as_chunks_mut::<COLUMN>();
    for sums in wide {
        add_column(s, sums, &a[at..], (count, distance));
        at += COLUMN * T::width::<S>();
    }
    let (pairs, single) = narrow.as_chunks_mut::<2>();
    for sums in pairs {
        add_column(s, sums, &a[at..], (count, distance));
        at += 2 * T::width::<S>();
    }
    for sum in single {
        add_column(s, std::array::from_mut(sum), &a[at..], (count, distance));
        at += T::width::<S>();
    }
    for r in 0..count {
        for (o, &x) in rest.iter_mut().zip(&a[r * distance + first_of_rest..]) {
            *o += x;
        }
    }
}

/// The same for W registers, with the first of their terms at the front of `a`.
#[inline(always)]
fn add_column<T: Real, S: Simd, const W: usize>(
    s: S,
    out: &mut [T::Register<S>; W],
    a: &[T],
    (count, distance): (usize, usize),
) {
    let (mut sums, width) = (*out, W * T::width::<S>());
    for r in 0..count {
        let terms = T::split::<S>(&a[r * distance..r * distance + width]).0;
        for w in 0..W {
            sums[w] = T::plus(s, sums[w], terms[w]);
        }
    }
    *out = sums;
}

/// One run of out ← out + a.
#[inline(always)]
fn add_run<T: Real, S: Simd>(s: S, out: &mut [T], a: &[T]) {
    let ((out, out_rest), (a, a_rest)) = (T::split_mut::<S>(out), T::split::<S>(a));
    for (o, &a) in out.iter_mut().zip(a) {
        *o = T::plus(s, *o, a);
    }
    for (o, &a) in out_rest.iter_mut().zip(a_rest) {
        *o += a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<T: Real>(n: usize, seed: usize) -> Vec<T> {
        (0..n).map(|i| T::of(((i * 37 + seed * 11) % 101) as f64 / 50.0 - 1.0)).collect()
    }

    #[test]
    fn sums_over_every_axis() {
        for (p, q, n) in [(2, 3, 1), (3, 2, 7), (2, 5, 8), (4, 3, 16), (2, 3, 21), (3, 7, 32), (2, 2, 71), (1, 3, 130)]
        {
            let a = values::<f64>(p * q * n, 1);
            for kept in 0..8 {
                let shape = [p, q, n];
                let extents: Vec<usize> = (0..3).map(|i| if kept >> i & 1 == 1 { shape[i] } else { 1 }).collect();
                let whole = crate::tensor::strides::row_major(&shape);
                let to = crate::tensor::strides::broadcast(&extents, &shape);
                let mut out = vec![0.5; extents.iter().product()];
                let mut want = out.clone();
                add_axes(&mut out, &a, &Loops::new(&shape, [&whole, &to]));
                for (i, &v) in a.iter().enumerate() {
                    want[i / (q * n) * to[0] + i / n % q * to[1] + i % n * to[2]] += v;
                }
                for (o, w) in out.iter().zip(&want) {
                    assert!((o - w).abs() < 1e-12, "{shape:?} {kept}");
                }
            }
        }
    }

    #[test]
    fn arrays_are_added_whatever_their_length() {
        for n in [0, 1, 7, 8, 16, 33, 100] {
            let (a, mut out) = (values::<f32>(n, 1), values::<f32>(n, 2));
            let want: Vec<f32> = out.iter().zip(&a).map(|(o, a)| o + a).collect();
            accumulate(&mut out, &a);
            assert_eq!(out, want);
        }
    }
}
