//! Exact coefficients: fractions of 128-bit integers, and f64 where those overflow.

use super::text;
use std::cmp::Ordering;

/// A fraction in lowest terms, with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rational {
    pub num: i128,
    pub den: i128,
}

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(1)
}

impl Rational {
    pub const ZERO: Rational = Rational { num: 0, den: 1 };
    pub const ONE: Rational = Rational { num: 1, den: 1 };
    pub const HALF: Rational = Rational { num: 1, den: 2 };

    pub fn whole(num: i128) -> Rational {
        Rational { num, den: 1 }
    }

    pub fn new(num: i128, den: i128) -> Option<Rational> {
        if den == 0 || num == i128::MIN || den == i128::MIN {
            return None;
        }
        let common = gcd(num, den).max(1) * den.signum();
        Some(Rational { num: num / common, den: den / common })
    }

    /// The decimal number that was meant: the shortest that reads back as `x`.
    pub fn from_f64(x: f64) -> Option<Rational> {
        if x.fract() == 0.0 && x.abs() < 9e15 {
            return Some(Rational::whole(x as i128));
        }
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let fraction = digits.split_once('.').map_or(0, |(_, f)| f.len() as i32);
        let mantissa: i128 = digits.replace('.', "").parse().ok()?;
        let shift = exponent - fraction;
        let power = 10_i128.checked_pow(shift.unsigned_abs()).filter(|p| *p < 1 << 100)?;
        if shift >= 0 { Rational::new(mantissa.checked_mul(power)?, 1) } else { Rational::new(mantissa, power) }
    }

    pub fn value(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// The f64 that reads as exactly this number, if there is one with few digits.
    pub fn decimal(self) -> Option<f64> {
        let x = self.value();
        (Rational::from_f64(x) == Some(self) && text::number(x).len() <= 18).then_some(x)
    }

    pub fn is_whole(self) -> bool {
        self.den == 1
    }

    pub fn plus(self, other: Rational) -> Option<Rational> {
        let left = self.num.checked_mul(other.den)?;
        let right = other.num.checked_mul(self.den)?;
        Rational::new(left.checked_add(right)?, self.den.checked_mul(other.den)?)
    }

    pub fn times(self, other: Rational) -> Option<Rational> {
        Rational::new(self.num.checked_mul(other.num)?, self.den.checked_mul(other.den)?)
    }

    pub fn negate(self) -> Rational {
        Rational { num: -self.num, den: self.den }
    }

    pub fn inverse(self) -> Option<Rational> {
        Rational::new(self.den, self.num)
    }

    pub fn whole_power(self, n: i128) -> Option<Rational> {
        let power = u32::try_from(n.unsigned_abs()).ok()?;
        let raised = Rational { num: self.num.checked_pow(power)?, den: self.den.checked_pow(power)? };
        if n < 0 { raised.inverse() } else { Some(raised) }
    }

    pub fn floor(self) -> Rational {
        Rational::whole(self.num.div_euclid(self.den))
    }

    /// The largest fraction that divides both a whole number of times.
    pub fn common(self, other: Rational) -> Option<Rational> {
        let den = (self.den / gcd(self.den, other.den)).checked_mul(other.den)?;
        Rational::new(gcd(self.num, other.num), den)
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.num.checked_mul(other.den), other.num.checked_mul(self.den)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.value().total_cmp(&other.value()),
        }
    }
}

/// A coefficient: exact while 128 bits suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Coefficient {
    Exact(Rational),
    /// Bits of a finite f64.
    Approximate(u64),
}

impl Coefficient {
    pub const ZERO: Coefficient = Coefficient::Exact(Rational::ZERO);
    pub const ONE: Coefficient = Coefficient::Exact(Rational::ONE);

    pub fn from_f64(x: f64) -> Coefficient {
        match Rational::from_f64(x) {
            Some(exact) => Coefficient::Exact(exact),
            None => Coefficient::Approximate(x.to_bits()),
        }
    }

    pub fn exact(self) -> Option<Rational> {
        match self {
            Coefficient::Exact(x) => Some(x),
            Coefficient::Approximate(_) => None,
        }
    }

    pub fn value(self) -> f64 {
        match self {
            Coefficient::Exact(x) => x.value(),
            Coefficient::Approximate(bits) => f64::from_bits(bits),
        }
    }

    pub fn is_zero(self) -> bool {
        self.value() == 0.0
    }

    fn join(exact: Option<Rational>, value: f64) -> Option<Coefficient> {
        match exact {
            Some(x) => Some(Coefficient::Exact(x)),
            None if value == 0.0 => None,
            None => value.is_finite().then(|| Coefficient::Approximate(value.to_bits())),
        }
    }

    /// The sum; `None` when it leaves the range of f64.
    pub fn plus(self, other: Coefficient) -> Option<Coefficient> {
        let exact = self.exact().zip(other.exact()).and_then(|(a, b)| a.plus(b));
        match Coefficient::join(exact, self.value() + other.value()) {
            None if self.value() == -other.value() => Some(Coefficient::ZERO),
            sum => sum,
        }
    }

    /// The product; `None` when it leaves the range of f64.
    pub fn times(self, other: Coefficient) -> Option<Coefficient> {
        let exact = self.exact().zip(other.exact()).and_then(|(a, b)| a.times(b));
        Coefficient::join(exact, self.value() * other.value())
    }

    pub fn negate(self) -> Coefficient {
        match self {
            Coefficient::Exact(x) => Coefficient::Exact(x.negate()),
            Coefficient::Approximate(bits) => Coefficient::Approximate((-f64::from_bits(bits)).to_bits()),
        }
    }

    pub fn is_negative(self) -> bool {
        self.value() < 0.0
    }
}
