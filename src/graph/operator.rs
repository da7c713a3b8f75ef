//! The closed list of operators.

use super::program::{ConstId, MapId};
use serde::{Deserialize, Serialize};

/// An `f64` compared and hashed by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bits(u64);

impl Bits {
    /// From a number.
    pub fn of(x: f64) -> Self {
        Bits(x.to_bits())
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// A scalar function applied to every element. Derivatives are compositions of the same functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Func {
    /// tanh x.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// eˣ.
    Exp,
    /// ln x.
    Ln,
    /// √x.
    Sqrt,
    /// 1/x.
    Recip,
    /// The error function.
    Erf,
    /// sin x.
    Sin,
    /// cos x.
    Cos,
    /// ln(1 + eˣ).
    Softplus,
    /// max(x, 0), with derivative [`Func::Step`].
    Relu,
    /// 1 for x > 0, else 0; derivative 0 everywhere.
    Step,
    /// |x|, with derivative [`Func::Sign`].
    Abs,
    /// −1, 0 or 1; derivative 0 everywhere.
    Sign,
    /// Largest integer ≤ x; derivative 0 everywhere.
    Floor,
    /// Smallest integer ≥ x; derivative 0 everywhere.
    Ceil,
    /// Nearest integer, halves to even; derivative 0 everywhere.
    Round,
    /// x^p for a constant p.
    Pow(Bits),
}

impl Func {
    /// The value at `x`.
    pub fn eval(self, x: f64) -> f64 {
        match self {
            Func::Tanh => x.tanh(),
            Func::Sigmoid => sigmoid(x),
            Func::Exp => x.exp(),
            Func::Ln => x.ln(),
            Func::Sqrt => x.sqrt(),
            Func::Recip => 1.0 / x,
            Func::Erf => erf(x),
            Func::Sin => x.sin(),
            Func::Cos => x.cos(),
            // max(x, 0) + ln(1 + e^−|x|) neither overflows nor loses small values
            Func::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Func::Relu => {
                if x > 0.0 || x.is_nan() {
                    x
                } else {
                    0.0
                }
            }
            Func::Step => f64::from(x > 0.0),
            Func::Abs => x.abs(),
            Func::Sign => f64::from(x > 0.0) - f64::from(x < 0.0),
            Func::Floor => x.floor(),
            Func::Ceil => x.ceil(),
            Func::Round => x.round_ties_even(),
            Func::Pow(p) => power(x, p.get()),
        }
    }

    /// Whether the derivative is 0 wherever it exists.
    pub fn is_flat(self) -> bool {
        matches!(self, Func::Step | Func::Sign | Func::Floor | Func::Ceil | Func::Round)
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// The error function to a few units in the last place.
///
/// Below 3 the series erf x = (2/√π)·x·e^−x²·Σ (2x²)ⁿ/(1·3·5…(2n+1)), all of whose terms are positive (DLMF 7.6.2);
/// beyond it 1 − erfc x with the continued fraction of DLMF 7.9.1, evaluated from its tail.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    let square = a * a;
    let value = if a < 3.0 {
        let (mut term, mut sum, mut odd) = (1.0, 1.0, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= 2.0 * square / odd;
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * a * (-square).exp() * sum
    } else if a < 6.0 {
        // erfc x = e^−x²/√π / (x + (1/2)/(x + 1/(x + (3/2)/(x + …))))
        let tail = (1..=60).rev().fold(a, |tail, k| a + 0.5 * f64::from(k) / tail);
        1.0 - 0.5 * std::f64::consts::FRAC_2_SQRT_PI * (-square).exp() / tail
    } else {
        1.0
    };
    value.copysign(x)
}

fn power(x: f64, p: f64) -> f64 {
    if p == p.trunc() && p.abs() <= 64.0 { x.powi(p as i32) } else { x.powf(p) }
}

/// An elementwise comparison; its result is a mask of 0 and 1 without derivative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cmp {
    /// a > b.
    Greater,
    /// a ≥ b.
    GreaterOrEqual,
    /// a = b.
    Equal,
}

/// An operator. Arguments and result extents stand in the node; axes are those of the unlaned value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// The n-th parameter tensor.
    Param(usize),
    /// The n-th array of the batch.
    Input(usize),
    /// A constant.
    Constant(ConstId),
    /// The n-th tangent slot: k lanes given anew for every block.
    Tangent(usize),
    /// f applied to every element.
    Map(Func),
    /// c·x.
    Scale(Bits),
    /// x + c.
    Shift(Bits),
    /// a + b, same rank, extents equal or 1.
    Add,
    /// a − b, likewise.
    Sub,
    /// a∘b, likewise.
    Mul,
    /// Mask ≠ 0 ? a : b, likewise.
    Select,
    /// A mask of 0 and 1, likewise.
    Compare(Cmp),
    /// 1 at the first maximum along the last axis, 0 elsewhere.
    ArgmaxMask,
    /// Softmax along the last axis.
    Softmax,
    /// ln Σ exp along the last axis, kept with extent 1.
    LogSumExp,
    /// (z, q) → Σ_c q_c·(lse(z) − z_c) along the last axis, kept with extent 1; q is constant with rows that sum to 1.
    CrossEntropy,
    /// The argument repeated along its axes of extent 1.
    Expand,
    /// Sum over the axes whose extent becomes 1 in the result.
    Sum,
    /// The same elements with other extents.
    Reshape,
    /// Axis i of the result is axis `perm[i]` of the argument.
    Permute(Vec<usize>),
    /// Products of matrices: \[b, m, k\]·\[b, k, n\], stored transposed where `ta`, `tb`; a batch extent may be 1.
    MatMul {
        /// The left operand is stored \[b, k, m\].
        ta: bool,
        /// The right operand is stored \[b, n, k\].
        tb: bool,
    },
    /// out\[o\] = x\[map\[o\]\], or 0.
    Gather(MapId),
    /// The adjoint: out\[map\[o\]\] += x\[o\].
    Scatter(MapId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_to_the_last_digits() {
        // 17 digits, by mpmath
        for (x, y) in [
            (1e-8, 1.1283791670955126e-08),
            (0.1, 0.1124629160182849),
            (0.5, 0.5204998778130465),
            (1.0, 0.8427007929497149),
            (1.7, 0.9837904585907745),
            (2.5, 0.999593047982555),
            (2.999, 0.9999777698314002),
            (3.001, 0.9999780483390822),
            (4.0, 0.9999999845827421),
            (5.5, 0.9999999999999927),
        ] {
            assert!((Func::Erf.eval(x) / y - 1.0).abs() < 6e-16, "erf {x}: {}", Func::Erf.eval(x));
            assert_eq!(Func::Erf.eval(-x), -Func::Erf.eval(x));
        }
        assert_eq!(Func::Erf.eval(f64::INFINITY), 1.0);
        assert_eq!(Func::Erf.eval(0.0), 0.0);
    }

    #[test]
    fn stable_at_the_ends() {
        assert_eq!(Func::Softplus.eval(800.0), 800.0);
        assert!((Func::Softplus.eval(-40.0) / (-40.0f64).exp() - 1.0).abs() < 1e-15);
        assert_eq!(Func::Sigmoid.eval(-800.0), 0.0);
        assert!((Func::Sigmoid.eval(-40.0) / (-40.0f64).exp() - 1.0).abs() < 1e-15);
        assert_eq!((Func::Relu.eval(0.0), Func::Step.eval(0.0)), (0.0, 0.0));
    }
}
