//! The vector registers of the machine, for kernels that are written once for both scalars and every instruction set.

use pulp::{Simd, WithSimd};

/// Runs a closure in the widest instructions that the machine has: the same operations, hence the same bits.
///
/// Its body, and what it calls, must be `#[inline(always)]`, else it is compiled for the smallest processor. A closure that
/// is called once goes through a function that is not, hence `FnMut`.
#[inline(always)]
pub fn vectorised<R>(run: impl FnMut() -> R) -> R {
    struct Body<F>(F);
    impl<R, F: FnMut() -> R> WithSimd for Body<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Body(run))
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
pub(super) use of_length;

/// A scalar that fills the registers of an instruction set.
pub trait Vector: Copy + 'static {
    /// A register.
    type Register<S: Simd>: Copy;

    /// Scalars in a register.
    fn width<S: Simd>() -> usize;
    /// A register of equal scalars.
    fn splat<S: Simd>(s: S, x: Self) -> Self::Register<S>;
    /// a∘b + c, rounded once where the machine can.
    fn fused<S: Simd>(s: S, a: Self::Register<S>, b: Self::Register<S>, c: Self::Register<S>) -> Self::Register<S>;
    /// a + b.
    fn plus<S: Simd>(s: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    /// a − b.
    fn minus<S: Simd>(s: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    /// a∘b.
    fn times<S: Simd>(s: S, a: Self::Register<S>, b: Self::Register<S>) -> Self::Register<S>;
    /// The whole registers at the front of a slice, and what remains.
    fn split<S: Simd>(x: &[Self]) -> (&[Self::Register<S>], &[Self]);
    /// The same, to be written.
    fn split_mut<S: Simd>(x: &mut [Self]) -> (&mut [Self::Register<S>], &mut [Self]);
    /// A slice shorter than a register, filled up with zeros.
    fn load_part<S: Simd>(s: S, x: &[Self]) -> Self::Register<S>;
    /// The front of a register into a slice shorter than it.
    fn store_part<S: Simd>(s: S, x: &mut [Self], v: Self::Register<S>);
}

macro_rules! vector {
    ($t:ty, $register:ident, $width:ident, $splat:ident, $fused:ident, $sum:ident, $difference:ident, $product:ident,
     $split:ident, $split_mut:ident, $load:ident, $store:ident) => {
        impl Vector for $t {
            type Register<S: Simd> = S::$register;

            #[inline(always)]
            fn width<S: Simd>() -> usize {
                S::$width
            }
            #[inline(always)]
            fn splat<S: Simd>(s: S, x: Self) -> S::$register {
                s.$splat(x)
            }
            #[inline(always)]
            fn fused<S: Simd>(s: S, a: S::$register, b: S::$register, c: S::$register) -> S::$register {
                s.$fused(a, b, c)
            }
            #[inline(always)]
            fn plus<S: Simd>(s: S, a: S::$register, b: S::$register) -> S::$register {
                s.$sum(a, b)
            }
            #[inline(always)]
            fn minus<S: Simd>(s: S, a: S::$register, b: S::$register) -> S::$register {
                s.$difference(a, b)
            }
            #[inline(always)]
            fn times<S: Simd>(s: S, a: S::$register, b: S::$register) -> S::$register {
                s.$product(a, b)
            }
            #[inline(always)]
            fn split<S: Simd>(x: &[Self]) -> (&[S::$register], &[Self]) {
                S::$split(x)
            }
            #[inline(always)]
            fn split_mut<S: Simd>(x: &mut [Self]) -> (&mut [S::$register], &mut [Self]) {
                S::$split_mut(x)
            }
            #[inline(always)]
            fn load_part<S: Simd>(s: S, x: &[Self]) -> S::$register {
                s.$load(x)
            }
            #[inline(always)]
            fn store_part<S: Simd>(s: S, x: &mut [Self], v: S::$register) {
                s.$store(x, v);
            }
        }
    };
}

vector!(
    f32,
    f32s,
    F32_LANES,
    splat_f32s,
    mul_add_e_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s
);
vector!(
    f64,
    f64s,
    F64_LANES,
    splat_f64s,
    mul_add_e_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s
);
