//! Sums, differences and products of arrays, operands broadcast through zero strides, in the machine's registers.
//!
//! Values with lanes are runs of 8, 16 or 32 numbers; a loop that the compiler makes for long runs would spend them in its
//! remainder. Every number is rounded as in the plain loop, on any machine.

use super::real::Real;
use super::simd::of_length;
use super::strides::Loops;
use pulp::{Simd, WithSimd};
use std::array::from_fn;

/// What is done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a∘b.
    Mul,
}

/// out ← f(a, b); `loops` holds the strides of a and b along the contiguous output.
pub fn binary<T: Real>(out: &mut [T], a: &[T], b: &[T], loops: &Loops<2>, operation: Operation) {
    let (arch, x) = (pulp::Arch::new(), [a, b]);
    match operation {
        Operation::Add => arch.dispatch(Walk { out, x, loops, f: Sum }),
        Operation::Sub => arch.dispatch(Walk { out, x, loops, f: Difference }),
        Operation::Mul => arch.dispatch(Walk { out, x, loops, f: Product }),
    }
}

/// out ← c·a.
pub fn scale<T: Real>(out: &mut [T], a: &[T], c: T) {
    let loops = Loops::new(&[a.len()], [&[0], &[1]]);
    binary(out, &[c], a, &loops, Operation::Mul);
}

/// out ← a∘b, b and out with `lanes` numbers for every element of a.
pub fn mul_lanes<T: Real>(out: &mut [T], a: &[T], b: &[T], lanes: usize) {
    let shape = [a.len(), lanes];
    let loops = Loops::new(&shape, [&[1, 0], &[lanes, 1]]);
    binary(&mut out[..a.len() * lanes], a, b, &loops, Operation::Mul);
}

/// out ← a∘b + c, rounded twice.
pub fn mul_add<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], loops: &Loops<3>) {
    pulp::Arch::new().dispatch(Walk { out, x: [a, b, c], loops, f: ProductSum });
}

/// out ← a∘b + c, b, c and out with `lanes` numbers for every element of a.
pub fn mul_add_lanes<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], lanes: usize) {
    let shape = [a.len(), lanes];
    let loops = Loops::new(&shape, [&[1, 0], &[lanes, 1], &[lanes, 1]]);
    mul_add(&mut out[..a.len() * lanes], a, b, c, &loops);
}

/// A function of K numbers that the compiler knows.
trait Form<const K: usize>: Copy {
    fn numbers<T: Real>(self, x: [T; K]) -> T;
    fn registers<T: Real, S: Simd>(self, s: S, x: [T::Register<S>; K]) -> T::Register<S>;
}

macro_rules! form {
    ($name:ident, [$($x:ident),*] => $numbers:expr, $s:ident => $registers:expr) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Form<{ [$(stringify!($x)),*].len() }> for $name {
            #[inline(always)]
            fn numbers<T: Real>(self, [$($x),*]: [T; [$(stringify!($x)),*].len()]) -> T {
                $numbers
            }
            #[inline(always)]
            fn registers<T: Real, S: Simd>(
                self,
                $s: S,
                [$($x),*]: [T::Register<S>; [$(stringify!($x)),*].len()],
            ) -> T::Register<S> {
                $registers
            }
        }
    };
}
form!(Sum, [a, b] => a + b, s => T::plus(s, a, b));
form!(Difference, [a, b] => a - b, s => T::minus(s, a, b));
form!(Product, [a, b] => a * b, s => T::times(s, a, b));
form!(ProductSum, [a, b, c] => a * b + c, s => T::plus(s, T::times(s, a, b), c));

/// out ← f(x) along the loops.
struct Walk<'a, T, F, const K: usize> {
    out: &'a mut [T],
    x: [&'a [T]; K],
    loops: &'a Loops<K>,
    f: F,
}

impl<T: Real, F: Form<K>, const K: usize> WithSimd for Walk<'_, T, F, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let (n, _) = self.loops.inner();
        of_length!(T, S, n => self.runs(s, n));
    }
}

impl<T: Real, F: Form<K>, const K: usize> Walk<'_, T, F, K> {
    #[inline(always)]
    fn runs<S: Simd>(self, s: S, n: usize) {
        let Walk { out, x, loops, f } = self;
        let [(runs, outer), (_, inner)] = loops.inner_two();
        let in_registers = inner.iter().all(|&stride| stride <= 1);
        let fixed: usize = (0..K).filter(|&k| inner[k] == 0).map(|k| 1 << k).sum();
        let mut blocks = out.chunks_exact_mut((runs * n).max(1));
        loops.each_two(
            #[inline(always)]
            |offset| {
                let Some(out) = blocks.next() else { return };
                let x: [&[T]; K] = from_fn(|k| &x[k][offset[k]..]);
                match (in_registers, fixed) {
                    (true, 0) => each::<T, S, F, K, 0>(s, out, x, (n, outer), f),
                    (true, 1) => each::<T, S, F, K, 1>(s, out, x, (n, outer), f),
                    (true, 2) => each::<T, S, F, K, 2>(s, out, x, (n, outer), f),
                    _ => {
                        for (r, run) in out.chunks_exact_mut(n.max(1)).enumerate() {
                            for (i, o) in run.iter_mut().enumerate() {
                                *o = f.numbers(from_fn(|k| x[k][r * outer[k] + i * inner[k]]));
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Runs of n numbers, the operands' `outer` strides apart.
#[inline(always)]
fn each<T: Real, S: Simd, F: Form<K>, const K: usize, const FIXED: usize>(
    s: S,
    out: &mut [T],
    x: [&[T]; K],
    (n, outer): (usize, [usize; K]),
    f: F,
) {
    for (r, out) in out.chunks_exact_mut(n.max(1)).enumerate() {
        run::<T, S, F, K, FIXED>(s, out, from_fn(|k| &x[k][r * outer[k]..]), n, f);
    }
}

/// One run of n numbers; bit k of FIXED says that operand k is one number throughout.
#[inline(always)]
fn run<T: Real, S: Simd, F: Form<K>, const K: usize, const FIXED: usize>(
    s: S,
    out: &mut [T],
    x: [&[T]; K],
    n: usize,
    f: F,
) {
    let fixed = |k: usize| FIXED >> k & 1 == 1;
    let (out, out_rest) = T::split_mut::<S>(&mut out[..n]);
    let all: [T::Register<S>; K] = from_fn(|k| T::splat(s, if fixed(k) { x[k][0] } else { T::ZERO }));
    let along = |k: usize| T::split::<S>(if fixed(k) { &[] } else { &x[k][..n] });
    // of one length, which the loops need not look at
    let registers: [&[T::Register<S>]; K] = from_fn(|k| &along(k).0[..if fixed(k) { 0 } else { out.len() }]);
    let rest: [&[T]; K] = from_fn(|k| &along(k).1[..if fixed(k) { 0 } else { out_rest.len() }]);
    for (i, o) in out.iter_mut().enumerate() {
        *o = f.registers::<T, S>(s, from_fn(|k| if fixed(k) { all[k] } else { registers[k][i] }));
    }
    for (i, o) in out_rest.iter_mut().enumerate() {
        *o = f.numbers(from_fn(|k| if fixed(k) { x[k][0] } else { rest[k][i] }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<T: Real>(n: usize, seed: usize) -> Vec<T> {
        (0..n).map(|i| T::of(((i * 37 + seed * 11) % 101) as f64 / 50.0 - 1.0)).collect()
    }

    /// Runs around the widths of registers, every operand along both axes, one of them or none: the bits of plain loops.
    fn as_plain_loops<T: Real>() {
        let rows = 5;
        for n in [1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 33, 64, 100] {
            let shape = [rows, n];
            let forms: [&[usize]; 4] = [&[n, 1], &[0, 1], &[1, 0], &[0, 0]];
            let [a, b, c] = [1, 2, 3].map(|seed| values::<T>(rows * n, seed));
            let at = |form: &[usize], i: usize| i / n * form[0] + i % n * form[1];
            for (x, y) in forms.iter().flat_map(|x| forms.map(|y| (*x, y))) {
                let loops = Loops::new(&shape, [x, y]);
                for operation in [Operation::Add, Operation::Sub, Operation::Mul] {
                    let mut out = vec![T::ZERO; rows * n];
                    binary(&mut out, &a, &b, &loops, operation);
                    let want = (0..rows * n).map(|i| {
                        let (a, b) = (a[at(x, i)], b[at(y, i)]);
                        match operation {
                            Operation::Add => a + b,
                            Operation::Sub => a - b,
                            Operation::Mul => a * b,
                        }
                    });
                    assert_eq!(out, want.collect::<Vec<T>>(), "{n} {x:?} {y:?} {operation:?}");
                }
                for z in forms {
                    let mut out = vec![T::ZERO; rows * n];
                    mul_add(&mut out, &a, &b, &c, &Loops::new(&shape, [x, y, z]));
                    let want = (0..rows * n).map(|i| a[at(x, i)] * b[at(y, i)] + c[at(z, i)]);
                    assert_eq!(out, want.collect::<Vec<T>>(), "{n} {x:?} {y:?} {z:?}");
                }
            }
            let each = &a[..rows];
            let (mut product, mut sum) = (vec![T::ZERO; rows * n], vec![T::ZERO; rows * n]);
            mul_lanes(&mut product, each, &b, n);
            mul_add_lanes(&mut sum, each, &b, &c, n);
            assert!((0..rows * n).all(|i| product[i] == each[i / n] * b[i]));
            assert!((0..rows * n).all(|i| sum[i] == each[i / n] * b[i] + c[i]));
            scale(&mut sum, &a, T::of(-3.0));
            assert!(sum.iter().zip(&a).all(|(s, &a)| *s == T::of(-3.0) * a));
        }
    }

    #[test]
    fn bits_of_plain_loops() {
        as_plain_loops::<f64>();
        as_plain_loops::<f32>();
    }
}
