//! Sums, differences and products of arrays, operands broadcast through zero strides, in the machine's registers.
//!
//! Values with lanes are runs of 8, 16 or 32 numbers; a loop that the compiler makes for long runs would spend them in its
//! remainder. Every number is rounded as in the plain loop, on any machine.

use super::real::Real;
use super::reduce::sum;
use super::strides::Loops;
use pulp::{Simd, WithSimd};

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

/// An [`Operation`] that the compiler knows.
trait Known: Copy {
    fn of<T: Real>(self, a: T, b: T) -> T;
    fn registers<T: Real, S: Simd>(self, s: S, a: T::Register<S>, b: T::Register<S>) -> T::Register<S>;
}

macro_rules! known {
    ($name:ident, $operator:tt, $register:ident) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Known for $name {
            #[inline(always)]
            fn of<T: Real>(self, a: T, b: T) -> T {
                a $operator b
            }
            #[inline(always)]
            fn registers<T: Real, S: Simd>(self, s: S, a: T::Register<S>, b: T::Register<S>) -> T::Register<S> {
                T::$register(s, a, b)
            }
        }
    };
}
known!(Sum, +, plus);
known!(Difference, -, minus);
known!(Times, *, times);

/// out ← f(a, b); `loops` holds the strides of a and b along the contiguous output.
pub fn binary<T: Real>(out: &mut [T], a: &[T], b: &[T], loops: &Loops<2>, operation: Operation) {
    let arch = pulp::Arch::new();
    match operation {
        Operation::Add => arch.dispatch(Binary { out, a, b, loops, f: Sum }),
        Operation::Sub => arch.dispatch(Binary { out, a, b, loops, f: Difference }),
        Operation::Mul => arch.dispatch(Binary { out, a, b, loops, f: Times }),
    }
}

/// out ← c·a.
pub fn scale<T: Real>(out: &mut [T], a: &[T], c: T) {
    pulp::Arch::new().dispatch(Scale { out, a, c });
}

/// out ← out + a.
pub fn accumulate<T: Real>(out: &mut [T], a: &[T]) {
    pulp::Arch::new().dispatch(Accumulate { out, a });
}

/// out ← a∘b, b and out with `lanes` numbers for every element of a.
pub fn mul_lanes<T: Real>(out: &mut [T], a: &[T], b: &[T], lanes: usize) {
    let shape = [a.len(), lanes];
    let loops = Loops::new(&shape, [&[1, 0], &[lanes, 1]]);
    binary(&mut out[..a.len() * lanes], a, b, &loops, Operation::Mul);
}

/// out ← a∘b + c, rounded twice.
pub fn mul_add<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], loops: &Loops<3>) {
    pulp::Arch::new().dispatch(MulAdd { out, a, b, c, loops });
}

/// out ← a∘b + c, b, c and out with `lanes` numbers for every element of a.
pub fn mul_add_lanes<T: Real>(out: &mut [T], a: &[T], b: &[T], c: &[T], lanes: usize) {
    let shape = [a.len(), lanes];
    let loops = Loops::new(&shape, [&[1, 0], &[lanes, 1], &[lanes, 1]]);
    mul_add(&mut out[..a.len() * lanes], a, b, c, &loops);
}

/// out ← out + Σ a over the axes along which the output's stride in `loops` is 0.
///
/// `loops` walks the input: operand 0 is the (contiguous) input, operand 1 the output.
pub fn add_axes<T: Real>(out: &mut [T], a: &[T], loops: &Loops<2>) {
    pulp::Arch::new().dispatch(AddAxes { out, a, loops });
}

/// One run.
#[inline(always)]
fn both<T: Real, S: Simd>(s: S, out: &mut [T], a: &[T], b: &[T], f: impl Known) {
    let ((out, out_rest), (a, a_rest), (b, b_rest)) = (T::split_mut::<S>(out), T::split::<S>(a), T::split::<S>(b));
    for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *o = f.registers::<T, S>(s, a, b);
    }
    for ((o, &a), &b) in out_rest.iter_mut().zip(a_rest).zip(b_rest) {
        *o = f.of(a, b);
    }
}

/// One run with the same a throughout.
#[inline(always)]
fn left_fixed<T: Real, S: Simd>(s: S, out: &mut [T], a: T, b: &[T], f: impl Known) {
    let ((out, out_rest), (b, b_rest)) = (T::split_mut::<S>(out), T::split::<S>(b));
    let x = T::splat(s, a);
    for (o, &b) in out.iter_mut().zip(b) {
        *o = f.registers::<T, S>(s, x, b);
    }
    for (o, &b) in out_rest.iter_mut().zip(b_rest) {
        *o = f.of(a, b);
    }
}

/// One run with the same b throughout.
#[inline(always)]
fn right_fixed<T: Real, S: Simd>(s: S, out: &mut [T], a: &[T], b: T, f: impl Known) {
    let ((out, out_rest), (a, a_rest)) = (T::split_mut::<S>(out), T::split::<S>(a));
    let y = T::splat(s, b);
    for (o, &a) in out.iter_mut().zip(a) {
        *o = f.registers::<T, S>(s, a, y);
    }
    for (o, &a) in out_rest.iter_mut().zip(a_rest) {
        *o = f.of(a, b);
    }
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

/// Evaluates `$run` with `$n` as it is and, where it is that many registers, as a constant: short runs are unrolled.
macro_rules! of_length {
    ($t:ident, $s:ident, $n:ident => $run:expr) => {{
        let width = $t::width::<$s>();
        match $n {
            n if n == width => {
                let $n = width;
                $run
            }
            n if n == 2 * width => {
                let $n = 2 * width;
                $run
            }
            n if n == 4 * width => {
                let $n = 4 * width;
                $run
            }
            $n => $run,
        }
    }};
}

/// Calls `body` with the number and the elements of each run of n of them.
#[inline(always)]
fn each_run<T>(out: &mut [T], n: usize, mut body: impl FnMut(usize, &mut [T])) {
    for (r, run) in out.chunks_exact_mut(n.max(1)).enumerate() {
        body(r, run);
    }
}

struct Binary<'a, T, F> {
    out: &'a mut [T],
    a: &'a [T],
    b: &'a [T],
    loops: &'a Loops<2>,
    f: F,
}

impl<T: Real, F: Known> WithSimd for Binary<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let (n, _) = self.loops.inner();
        of_length!(T, S, n => self.runs(s, n));
    }
}

impl<T: Real, F: Known> Binary<'_, T, F> {
    #[inline(always)]
    fn runs<S: Simd>(self, s: S, n: usize) {
        let Binary { out, a, b, loops, f } = self;
        let [(runs, [ra, rb]), (_, [sa, sb])] = loops.inner_two();
        let mut chunks = out.chunks_exact_mut((runs * n).max(1));
        loops.each_two(
            #[inline(always)]
            |[oa, ob]| {
                let Some(out) = chunks.next() else { return };
                let (a, b) = (&a[oa..], &b[ob..]);
                match (sa, sb) {
                    (1, 1) => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| both(s, out, &a[r * ra..r * ra + n], &b[r * rb..r * rb + n], f),
                    ),
                    (0, 1) => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| left_fixed(s, out, a[r * ra], &b[r * rb..r * rb + n], f),
                    ),
                    (1, 0) => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| right_fixed(s, out, &a[r * ra..r * ra + n], b[r * rb], f),
                    ),
                    _ => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| {
                            for (i, o) in out.iter_mut().enumerate() {
                                *o = f.of(a[r * ra + i * sa], b[r * rb + i * sb]);
                            }
                        },
                    ),
                }
            },
        );
    }
}

struct Scale<'a, T> {
    out: &'a mut [T],
    a: &'a [T],
    c: T,
}

impl<T: Real> WithSimd for Scale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        left_fixed(s, self.out, self.c, self.a, Times);
    }
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

struct MulAdd<'a, T> {
    out: &'a mut [T],
    a: &'a [T],
    b: &'a [T],
    c: &'a [T],
    loops: &'a Loops<3>,
}

/// One run of out ← a∘b + c.
#[inline(always)]
fn mul_add_run<T: Real, S: Simd>(s: S, out: &mut [T], a: &[T], b: &[T], c: &[T]) {
    let ((out, out_rest), (a, a_rest)) = (T::split_mut::<S>(out), T::split::<S>(a));
    let ((b, b_rest), (c, c_rest)) = (T::split::<S>(b), T::split::<S>(c));
    for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *o = T::plus(s, T::times(s, a, b), c);
    }
    for (((o, &a), &b), &c) in out_rest.iter_mut().zip(a_rest).zip(b_rest).zip(c_rest) {
        *o = a * b + c;
    }
}

/// One run of out ← x·b + c.
#[inline(always)]
fn fixed_add_run<T: Real, S: Simd>(s: S, out: &mut [T], x: T, b: &[T], c: &[T]) {
    let ((out, out_rest), (b, b_rest), (c, c_rest)) = (T::split_mut::<S>(out), T::split::<S>(b), T::split::<S>(c));
    let all = T::splat(s, x);
    for ((o, &b), &c) in out.iter_mut().zip(b).zip(c) {
        *o = T::plus(s, T::times(s, all, b), c);
    }
    for ((o, &b), &c) in out_rest.iter_mut().zip(b_rest).zip(c_rest) {
        *o = x * b + c;
    }
}

impl<T: Real> WithSimd for MulAdd<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let (n, _) = self.loops.inner();
        of_length!(T, S, n => self.runs(s, n));
    }
}

impl<T: Real> MulAdd<'_, T> {
    #[inline(always)]
    fn runs<S: Simd>(self, s: S, n: usize) {
        let MulAdd { out, a, b, c, loops } = self;
        let [(runs, [ra, rb, rc]), (_, [sa, sb, sc])] = loops.inner_two();
        let mut chunks = out.chunks_exact_mut((runs * n).max(1));
        loops.each_two(
            #[inline(always)]
            |[oa, ob, oc]| {
                let Some(out) = chunks.next() else { return };
                let (a, b, c) = (&a[oa..], &b[ob..], &c[oc..]);
                match (sa, sb, sc) {
                    (1, 1, 1) => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| {
                            let (a, b) = (&a[r * ra..r * ra + n], &b[r * rb..r * rb + n]);
                            mul_add_run(s, out, a, b, &c[r * rc..r * rc + n]);
                        },
                    ),
                    (0, 1, 1) => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| fixed_add_run(s, out, a[r * ra], &b[r * rb..r * rb + n], &c[r * rc..r * rc + n]),
                    ),
                    (1, 0, 1) => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| fixed_add_run(s, out, b[r * rb], &a[r * ra..r * ra + n], &c[r * rc..r * rc + n]),
                    ),
                    _ => each_run(
                        out,
                        n,
                        #[inline(always)]
                        |r, out| {
                            for (i, o) in out.iter_mut().enumerate() {
                                *o = a[r * ra + i * sa] * b[r * rb + i * sb] + c[r * rc + i * sc];
                            }
                        },
                    ),
                }
            },
        );
    }
}

struct AddAxes<'a, T> {
    out: &'a mut [T],
    a: &'a [T],
    loops: &'a Loops<2>,
}

/// Registers that stay while a column of terms is added to them.
const COLUMN: usize = 4;

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
            let mut doubled = a.clone();
            accumulate(&mut doubled, &a);
            scale(&mut sum, &a, T::of(2.0));
            assert_eq!(doubled, sum);
        }
    }

    #[test]
    fn bits_of_plain_loops() {
        as_plain_loops::<f64>();
        as_plain_loops::<f32>();
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
}
