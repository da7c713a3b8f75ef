//! Interval arithmetic with outward rounding: a result contains every value of the operation on its operands.
//!
//! The four operations and the square root are rounded outwards only when they are inexact (the rounding error is
//! computed exactly), so whole numbers stay points. Functions of the standard library are trusted to
//! [`LIBRARY_ULPS`] units in the last place (glibc, musl, macOS and UCRT document at most 2 for those used here;
//! those of `elementary.rs` are tested to be below 1).

use super::function::Function;
use crate::elementary::power;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::fmt;

/// Assumed accuracy of the standard library's functions, with a margin.
const LIBRARY_ULPS: u32 = 4;
/// The same for the inverse hyperbolic functions composed in `function.rs`.
const COMPOSED_ULPS: u32 = 10;

/// A closed interval of reals, `lo <= hi`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.lo, self.hi)
    }
}

/// Why an operation has no enclosure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undefined {
    Domain,
    DivisionByZero,
    Overflow,
}

/// An enclosure, or the reason with whether it holds for every value of the operands.
pub(crate) type Enclosed = Result<Interval, (Undefined, bool)>;

impl Interval {
    /// The interval of one number.
    pub fn point(x: f64) -> Self {
        Interval { lo: x, hi: x }
    }

    /// The interval between two finite ends; `None` when they are not finite or in the wrong order.
    pub fn new(lo: f64, hi: f64) -> Option<Self> {
        (lo.is_finite() && hi.is_finite() && lo <= hi).then_some(Interval { lo, hi })
    }

    /// Whether the number lies inside.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// `hi - lo`, rounded up.
    pub fn width(self) -> f64 {
        sub_up(self.hi, self.lo)
    }

    /// A number inside, near the middle.
    pub fn midpoint(self) -> f64 {
        (0.5 * self.lo + 0.5 * self.hi).clamp(self.lo, self.hi)
    }

    /// The smallest interval with both.
    #[must_use]
    pub fn hull(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The common part, if any.
    pub fn intersect(self, other: Interval) -> Option<Interval> {
        Interval::new(self.lo.max(other.lo), self.hi.min(other.hi))
    }

    /// Whether it is one number.
    pub fn is_point(self) -> bool {
        self.lo == self.hi
    }

    /// Finite ends, or an overflow.
    fn checked(lo: f64, hi: f64) -> Enclosed {
        if lo.is_finite() && hi.is_finite() {
            Ok(Interval { lo, hi })
        } else {
            Err((Undefined::Overflow, lo >= f64::MAX || hi <= f64::MIN))
        }
    }

    pub(crate) fn negate(self) -> Interval {
        Interval { lo: -self.hi, hi: -self.lo }
    }

    pub(crate) fn plus(self, other: Interval) -> Enclosed {
        Self::checked(add_down(self.lo, other.lo), add_up(self.hi, other.hi))
    }

    pub(crate) fn minus(self, other: Interval) -> Enclosed {
        self.plus(other.negate())
    }

    pub(crate) fn times(self, other: Interval) -> Enclosed {
        let (a, b) = (self, other);
        if a.lo >= 0.0 && b.lo >= 0.0 {
            return Self::checked(mul_down(a.lo, b.lo), mul_up(a.hi, b.hi));
        }
        let pairs = [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)];
        let lo = pairs.iter().map(|&(x, y)| mul_down(x, y)).fold(f64::INFINITY, f64::min);
        let hi = pairs.iter().map(|&(x, y)| mul_up(x, y)).fold(f64::NEG_INFINITY, f64::max);
        Self::checked(lo, hi)
    }

    pub(crate) fn over(self, other: Interval) -> Enclosed {
        let (a, b) = (self, other);
        if b.contains(0.0) {
            return Err((Undefined::DivisionByZero, b.lo == 0.0 && b.hi == 0.0));
        }
        let pairs = [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)];
        let lo = pairs.iter().map(|&(x, y)| div_down(x, y)).fold(f64::INFINITY, f64::min);
        let hi = pairs.iter().map(|&(x, y)| div_up(x, y)).fold(f64::NEG_INFINITY, f64::max);
        Self::checked(lo, hi)
    }

    /// The square, tighter than a product with itself.
    pub(crate) fn square(self) -> Enclosed {
        let a = self.magnitudes();
        Self::checked(mul_down(a.lo, a.lo), mul_up(a.hi, a.hi))
    }

    /// The absolute values.
    pub(crate) fn magnitudes(self) -> Interval {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            self.negate()
        } else {
            Interval { lo: 0.0, hi: self.hi.max(-self.lo) }
        }
    }

    /// The power with a whole exponent.
    fn whole_power(self, n: f64) -> Enclosed {
        if n == 0.0 {
            return Ok(Interval::point(1.0));
        }
        if n < 0.0 {
            return match self.whole_power(-n) {
                Ok(power) => Interval::point(1.0).over(power),
                // One over something beyond f64 is nearly zero.
                Err((Undefined::Overflow, _)) if !self.contains(0.0) => {
                    let nearest = Interval::point(self.magnitudes().lo).whole_power(-n);
                    let high = nearest.map_or(f64::MIN_POSITIVE, |power| div_up(1.0, power.lo));
                    let size = Interval { lo: 0.0, hi: high };
                    Ok(if self.hi < 0.0 && is_odd(-n) { size.negate() } else { size })
                }
                Err((_, certain)) => Err((Undefined::DivisionByZero, certain && self.lo == 0.0 && self.hi == 0.0)),
            };
        }
        let odd = is_odd(n);
        let base = self.magnitudes();
        let size = if n <= 64.0 {
            let mut result = Interval::point(1.0);
            let mut square = base;
            let mut left = n as u64;
            loop {
                if left % 2 == 1 {
                    result = result.times(square)?;
                }
                left /= 2;
                if left == 0 {
                    break;
                }
                square = square.square()?;
            }
            result
        } else {
            Self::checked(down(base.lo.powf(n), LIBRARY_ULPS).max(0.0), up(base.hi.powf(n), LIBRARY_ULPS))?
        };
        Ok(match (odd, self.lo >= 0.0, self.hi <= 0.0) {
            (false, ..) | (true, true, _) => size,
            (true, false, true) => size.negate(),
            (true, false, false) => {
                // Mixed sign: each end keeps its own sign.
                let end = |x: f64| Interval::point(x).whole_power(n);
                Interval { lo: end(self.lo)?.lo, hi: end(self.hi)?.hi }
            }
        })
    }

    pub(crate) fn to_power(self, exponent: Interval) -> Enclosed {
        if exponent.is_point() && exponent.lo.fract() == 0.0 {
            return self.whole_power(exponent.lo);
        }
        if self.hi < 0.0 {
            // Real for some exponents inside if a whole number is among them, but never on the whole interval.
            return Err((Undefined::Domain, exponent.lo.ceil() > exponent.hi));
        }
        if self.lo < 0.0 {
            return Err((Undefined::Domain, false));
        }
        if self.lo == 0.0 && exponent.lo <= 0.0 {
            return Err((Undefined::DivisionByZero, self.hi == 0.0 && exponent.hi < 0.0));
        }
        if exponent.is_point() && exponent.lo == 0.5 {
            return self.call(Function::Sqrt);
        }
        // Monotone in either argument: the extremes are at corners.
        let corners = [self.lo, self.hi].into_iter().flat_map(|x| [exponent.lo, exponent.hi].map(|y| power(x, y)));
        let (lo, hi) = corners.fold((f64::INFINITY, 0.0), |(lo, hi): (f64, f64), v| (lo.min(v), hi.max(v)));
        Self::checked(down(lo, LIBRARY_ULPS).max(0.0), up(hi, LIBRARY_ULPS))
    }

    pub(crate) fn least(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.min(other.hi) }
    }

    pub(crate) fn greatest(self, other: Interval) -> Interval {
        Interval { lo: self.lo.max(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The function on every value inside.
    pub(crate) fn call(self, function: Function) -> Enclosed {
        use Function as F;
        let (lo, hi) = (self.lo, self.hi);
        let inside = function.defined(lo) && function.defined(hi);
        if !inside {
            let possible = match function {
                F::Asin | F::Acos => hi >= -1.0 && lo <= 1.0,
                F::Atanh => hi > -1.0 && lo < 1.0,
                _ => function.defined(hi),
            };
            return Err((Undefined::Domain, !possible));
        }
        let monotone = |ulps: u32| {
            let (a, b) = (function.value(lo), function.value(hi));
            let (a_exact, b_exact) = (is_exact(function, lo, a), is_exact(function, hi, b));
            let low = if a_exact { a } else { down(a, ulps) };
            let high = if b_exact { b } else { up(b, ulps) };
            (low, high)
        };
        let (lo, hi) = match function {
            F::Sqrt => (sqrt_down(lo), sqrt_up(hi)),
            F::Floor => (lo.floor(), hi.floor()),
            F::Ceil => (lo.ceil(), hi.ceil()),
            F::Abs => return Ok(self.magnitudes()),
            F::Ln | F::Log2 | F::Log10 | F::Ln1p | F::Expm1 | F::Cbrt | F::Atan | F::Sinh => monotone(LIBRARY_ULPS),
            F::Asin => monotone(LIBRARY_ULPS),
            F::Exp => {
                let (a, b) = monotone(LIBRARY_ULPS);
                (a.max(0.0), b)
            }
            F::Tanh => {
                let (a, b) = monotone(LIBRARY_ULPS);
                (a.max(-1.0), b.min(1.0))
            }
            F::Asinh | F::Atanh => monotone(COMPOSED_ULPS),
            F::Acosh => {
                let (a, b) = monotone(COMPOSED_ULPS);
                (a.max(0.0), b)
            }
            F::Acos => {
                let (a, b) = (hi.acos(), lo.acos());
                (if hi == 1.0 { 0.0 } else { down(a, LIBRARY_ULPS) }, up(b, LIBRARY_ULPS))
            }
            F::Cosh => {
                let a = self.magnitudes();
                (down(a.lo.cosh(), LIBRARY_ULPS).max(1.0), up(a.hi.cosh(), LIBRARY_ULPS))
            }
            F::Sin => wave(f64::sin, lo, hi, 0.5),
            F::Cos => wave(f64::cos, lo, hi, 0.0),
            F::Tan => {
                if crosses(lo, hi, 0.5, 1.0) {
                    return Err((Undefined::Domain, false));
                }
                monotone(LIBRARY_ULPS)
            }
        };
        Self::checked(lo, hi)
    }
}

/// Whether a positive whole number is odd; 2^53 and above are all even.
fn is_odd(n: f64) -> bool {
    n < 9e15 && (n as u64) % 2 == 1
}

/// Function values that are known to be exact.
fn is_exact(function: Function, x: f64, value: f64) -> bool {
    match function {
        Function::Ln => x == 1.0,
        // Powers of two; the mantissa bits are zero.
        Function::Log2 => value.fract() == 0.0 && x.is_normal() && x.to_bits() << 12 == 0,
        Function::Log10 => value.fract() == 0.0 && (0.0..=22.0).contains(&value) && exact_ten(x, value),
        Function::Exp => x == 0.0,
        Function::Cbrt => value.fract() == 0.0 && value.abs() < 2e5 && value * value * value == x,
        _ => x == 0.0 && value == 0.0,
    }
}

/// Whether `x` is the power of ten of a small whole exponent, by multiplication (exact up to 10^22).
fn exact_ten(x: f64, exponent: f64) -> bool {
    let mut power = 1.0;
    for _ in 0..exponent as u32 {
        power *= 10.0;
    }
    power == x
}

/// Whether `offset + period * k` (in units of pi) may lie in the interval, for a whole k.
fn crosses(lo: f64, hi: f64, offset: f64, period: f64) -> bool {
    let slack = |q: f64| 1e-15 * (q.abs() + 1.0);
    let (a, b) = (lo / PI, hi / PI);
    if !(a.abs() < 1e12 && b.abs() < 1e12) {
        return true;
    }
    let first = ((a - slack(a) - offset) / period - 1e-15).ceil();
    let last = ((b + slack(b) - offset) / period + 1e-15).floor();
    first <= last
}

/// Sine or cosine: the values at the ends, and the crests between them. `crest` is a maximum in units of pi.
fn wave(f: fn(f64) -> f64, lo: f64, hi: f64, crest: f64) -> (f64, f64) {
    let (a, b) = (f(lo), f(hi));
    let widen_down = |v: f64| if v == 0.0 && lo == 0.0 { v } else { down(v, LIBRARY_ULPS) };
    let widen_up = |v: f64| if v == 0.0 && hi == 0.0 { v } else { up(v, LIBRARY_ULPS) };
    let high = if crosses(lo, hi, crest, 2.0) { 1.0 } else { widen_up(a.max(b)).min(1.0) };
    let low = if crosses(lo, hi, crest + 1.0, 2.0) { -1.0 } else { widen_down(a.min(b)).max(-1.0) };
    (low, high)
}

/// `x` moved down by `ulps` representable numbers.
fn down(x: f64, ulps: u32) -> f64 {
    // An overflow stays recognisable.
    if x == f64::INFINITY { f64::MAX } else { (0..ulps).fold(x, |x, _| x.next_down()) }
}

/// `x` moved up by `ulps` representable numbers.
fn up(x: f64, ulps: u32) -> f64 {
    if x == f64::NEG_INFINITY { f64::MIN } else { (0..ulps).fold(x, |x, _| x.next_up()) }
}

/// The exact rounding error of `a + b` (Knuth); only for finite sums.
fn sum_error(a: f64, b: f64, sum: f64) -> f64 {
    let t = sum - a;
    (a - (sum - t)) + (b - t)
}

pub(crate) fn add_down(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if sum == f64::INFINITY {
        f64::MAX
    } else if sum.is_finite() && sum_error(a, b, sum) < 0.0 {
        sum.next_down()
    } else {
        sum
    }
}

pub(crate) fn add_up(a: f64, b: f64) -> f64 {
    -add_down(-a, -b)
}

pub(crate) fn sub_up(a: f64, b: f64) -> f64 {
    add_up(a, -b)
}

/// Whether Dekker's error-free product neither overflows nor loses bits for these sizes.
fn splittable(a: f64, b: f64, product: f64) -> bool {
    a.abs() < 1e290 && b.abs() < 1e290 && (1e-260..1e290).contains(&product.abs())
}

/// The exact rounding error of `a * b` (Veltkamp, Dekker).
fn product_error(a: f64, b: f64, product: f64) -> f64 {
    let split = |x: f64| {
        let c = 134_217_729.0 * x;
        let high = c - (c - x);
        (high, x - high)
    };
    let ((ah, al), (bh, bl)) = (split(a), split(b));
    al * bl - (((product - ah * bh) - al * bh) - ah * bl)
}

pub(crate) fn mul_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let product = a * b;
    if product == f64::INFINITY {
        f64::MAX
    } else if !splittable(a, b, product) {
        // Underflow or near overflow: do not ask whether it is exact.
        if product == 0.0 && (a > 0.0) == (b > 0.0) { 0.0 } else { product.next_down() }
    } else if product_error(a, b, product) < 0.0 {
        product.next_down()
    } else {
        product
    }
}

pub(crate) fn mul_up(a: f64, b: f64) -> f64 {
    -mul_down(-a, b)
}

pub(crate) fn div_down(a: f64, b: f64) -> f64 {
    if a == 0.0 {
        return 0.0;
    }
    let quotient = a / b;
    if quotient == f64::INFINITY {
        return f64::MAX;
    }
    let back = quotient * b;
    if !splittable(quotient, b, back) {
        return if quotient == 0.0 && (a > 0.0) == (b > 0.0) { 0.0 } else { quotient.next_down() };
    }
    // Remainder a - q b, exact in sign: the product is within an ulp or two of a.
    let remainder = (a - back) - product_error(quotient, b, back);
    if (remainder < 0.0) == (b > 0.0) && remainder != 0.0 { quotient.next_down() } else { quotient }
}

pub(crate) fn div_up(a: f64, b: f64) -> f64 {
    -div_down(-a, b)
}

fn sqrt_down(x: f64) -> f64 {
    let root = x.sqrt();
    if square_is(root, x, |error| error <= 0.0) { root } else { root.next_down().max(0.0) }
}

fn sqrt_up(x: f64) -> f64 {
    let root = x.sqrt();
    if square_is(root, x, |error| error >= 0.0) { root } else { root.next_up() }
}

/// Whether `root² - x` satisfies `test`, computed exactly; false when it cannot be told.
fn square_is(root: f64, x: f64, test: impl Fn(f64) -> bool) -> bool {
    if x == 0.0 {
        return true;
    }
    let square = root * root;
    splittable(root, root, square) && test((square - x) + product_error(root, root, square))
}
