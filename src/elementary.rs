//! Logarithm, exponential and power as straight-line code that compilers turn into vector instructions.
//!
//! Every evaluator uses these, so one formula has one value, bit for bit, on every machine and however many points
//! are evaluated at once (no fused multiply-add is ever used). Errors are below one unit in the last place
//! (measured against the standard library in the tests). Outside the domain and beyond f64 the result is NaN or
//! infinite; callers turn that into errors.

/// High part of ln 2, with enough trailing zeros that its products with exponents are exact.
const LN2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
/// ln 2 − [`LN2_HIGH`].
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and subtracting it rounds to the nearest whole number (below 2^51).
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// 2^52, whose last mantissa bit counts ones.
const TWO_52: f64 = 4_503_599_627_370_496.0;
const EXPONENT_ONE: u64 = 1023 << 52;

/// Splits a positive normal number into k and m with x = 2^k m and m in [√½, √2).
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    // Subnormals are scaled up first.
    let tiny = x < f64::MIN_POSITIVE;
    let (x, shift) = if tiny { (x * 18_014_398_509_481_984.0, 54.0) } else { (x, 0.0) };
    let (k, m) = split_normal(x.to_bits());
    (k - shift, m)
}

/// [`split`] without the subnormals.
#[inline(always)]
fn split_normal(bits: u64) -> (f64, f64) {
    let shifted = bits.wrapping_sub(0x3FE6_A09E_667F_3BCD).wrapping_add(EXPONENT_ONE);
    let biased = shifted >> 52;
    let k = f64::from_bits(0x4330_0000_0000_0000 | (biased & 0xFFF)) - (TWO_52 + 1023.0);
    let m = f64::from_bits(bits.wrapping_sub(biased << 52).wrapping_add(EXPONENT_ONE));
    (k, m)
}

/// NaN unless x is positive and finite.
#[inline(always)]
fn log_domain(x: f64, value: f64) -> f64 {
    if x > 0.0 && x < f64::INFINITY { value } else { f64::NAN }
}

/// Σ z^j 2/(2j + 5) from j = 0: with s and z = s², ln((1 + s)/(1 − s)) is 2s + 2/3 s z + s z² times this.
#[inline(always)]
fn artanh_tail(z: f64) -> f64 {
    let z2 = z * z;
    let z4 = z2 * z2;
    let a = (2.0 / 5.0 + z * (2.0 / 7.0)) + z2 * (2.0 / 9.0 + z * (2.0 / 11.0));
    let b = (2.0 / 13.0 + z * (2.0 / 15.0)) + z2 * (2.0 / 17.0 + z * (2.0 / 19.0));
    a + z4 * (b + z4 * (2.0 / 21.0 + z * (2.0 / 23.0)))
}

/// (ln((1 + s)/(1 − s)) − 2s)/s³ to 2⁻⁵¹: the polynomial of degree 6 in z = s² that Chebyshev interpolation gives on
/// [0, ((√2 − 1)/(√2 + 1))²], computed with 50 digits. z ≤ 0.03 times it is added to 2, so 2⁻⁵¹ is 0.03 ulp of the sum.
#[inline(always)]
fn artanh_series(z: f64) -> f64 {
    let z2 = z * z;
    let z4 = z2 * z2;
    let a = (0.666_666_666_666_667 + z * 0.399_999_999_998_995_05)
        + z2 * (0.285_714_286_259_754_87 + z * 0.222_222_111_347_950_8);
    a + z4 * ((0.181_828_891_252_617_25 + z * 0.153_317_216_005_559_42) + z2 * 0.146_164_496_850_446_4)
}

/// ln m = f − (f²/2 − s (f²/2 + R)) with f = m − 1 and s = f/(2 + f).
#[inline(always)]
fn log_parts(m: f64) -> (f64, f64) {
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    (f, half_square - s * (half_square + z * artanh_series(z)))
}

/// ln(2^k m).
#[inline(always)]
fn log_sum(k: f64, m: f64) -> f64 {
    let (f, rest) = log_parts(m);
    k * LN2_HIGH - ((rest - k * LN2_LOW) - f)
}

/// The natural logarithm.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    let (k, m) = split(x);
    log_domain(x, log_sum(k, m))
}

/// [`ln`], sooner where one number after another is taken: what is rare is a branch.
#[inline(always)]
pub(crate) fn ln_alone(x: f64) -> f64 {
    #[cold]
    #[inline(never)]
    fn rare(x: f64) -> f64 {
        ln(x)
    }
    if is_normal(x) { ln_normal(x) } else { rare(x) }
}

/// Positive, finite and not subnormal.
#[inline(always)]
fn is_normal(x: f64) -> bool {
    const SPAN: u64 = f64::INFINITY.to_bits() - f64::MIN_POSITIVE.to_bits();
    x.to_bits().wrapping_sub(f64::MIN_POSITIVE.to_bits()) < SPAN
}

/// Whether [`ln_normal`] is right for all of them; looks at all, so that it vectorises.
#[inline(always)]
pub(crate) fn all_normal(values: &[f64]) -> bool {
    values.iter().fold(true, |all, x| all & is_normal(*x))
}

/// [`ln`] of a positive, finite number that is not subnormal.
#[inline(always)]
pub(crate) fn ln_normal(x: f64) -> f64 {
    let (k, m) = split_normal(x.to_bits());
    log_sum(k, m)
}

/// The logarithm to base 2; exact at powers of two.
#[inline(always)]
pub(crate) fn log2(x: f64) -> f64 {
    let (k, m) = split(x);
    let (f, rest) = log_parts(m);
    // ln m in two parts times 1/ln 2 in two parts.
    const HIGH: f64 = f64::from_bits(0x3FF7_1547_6520_0000);
    const LOW: f64 = 1.675_171_316_488_651_2e-10;
    let high = f64::from_bits((f - rest).to_bits() & 0xFFFF_FFFF_F800_0000);
    let low = (f - high) - rest;
    let value = high * HIGH;
    let small = low * HIGH + (high + low) * LOW;
    // The larger of k and the fraction first.
    let sum = k + value;
    log_domain(x, sum + (((k - sum) + value) + small))
}

/// The 26 leading bits: products of two such numbers are exact.
#[inline(always)]
fn top(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0xFFFF_FFFF_F800_0000)
}

/// ln x as the sum of two numbers, to about 2^-65 relative.
#[inline(always)]
fn ln_double(x: f64) -> (f64, f64) {
    const TWO_THIRDS: f64 = 2.0 / 3.0;
    // 2/3 in two parts: 26 bits and the rest.
    const THIRDS_HIGH: f64 = f64::from_bits(0x3FE5_5555_5000_0000);
    const THIRDS_LOW: f64 = 9.934_107_462_565_104e-9;
    let (k, m) = split(x);
    let f = m - 1.0;
    // The denominator m + 1 and what its rounding lost.
    let d = m + 1.0;
    let d_lost = m - (d - 1.0);
    let s = f / d;
    let s_high = top(s);
    let d_high = top(d);
    let d_rest = (d - d_high) + d_lost;
    let s_low = ((f - s_high * d_high) - s_high * d_rest) / d;
    // s³ in two parts, then 2/3 of it.
    let square = s_high * s_high;
    let square_high = top(square);
    let square_low = (square - square_high) + s_low * (s + s_high);
    let cube = s_high * square_high;
    let cube_high = top(cube);
    let z = s * s;
    let cube_low = (cube - cube_high) + (s_high * square_low + s_low * z);
    let second = THIRDS_HIGH * cube_high;
    let second_low = TWO_THIRDS * cube_low + THIRDS_LOW * cube_high;
    let tail = s * (z * z) * artanh_tail(z);
    // Largest first: k ln 2, 2s, 2/3 s³, each sum exact in two parts.
    let first = 2.0 * s_high;
    let front = first + second;
    let front_lost = second - (front - first);
    let big = k * LN2_HIGH;
    let high = big + front;
    let lost = if k == 0.0 { 0.0 } else { front - (high - big) };
    let low = lost + (((tail + second_low) + (2.0 * s_low + front_lost)) + k * LN2_LOW);
    let sum = high + low;
    (sum, low - (sum - high))
}

/// exp(high + low) for a small correction low.
#[inline(always)]
fn exp_double(high: f64, low: f64) -> f64 {
    // Beyond these the result is infinite or zero anyway.
    let x = if high > 720.0 { 720.0 } else { high };
    let x = if x < -760.0 { -760.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let whole = x - n * LN2_HIGH;
    let carried = low - n * LN2_LOW;
    let r = whole + carried;
    // What r lost: it belongs to the linear term.
    let lost = (whole - r) + carried;
    let r2 = r * r;
    let r4 = r2 * r2;
    let a = 1.0 / 2.0 + r * (1.0 / 6.0);
    let b = 1.0 / 24.0 + r * (1.0 / 120.0);
    let c = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let d = 1.0 / 40320.0 + r * (1.0 / 362_880.0);
    let e = 1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0);
    let f = 1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0);
    let series = (a + r2 * b) + r4 * ((c + r2 * d) + r4 * (e + r2 * f));
    let value = 1.0 + (r + (r2 * series + lost));
    // 2^n in two halves, so that neither overflows.
    let half_shifted = n * 0.5 + ROUNDER;
    let first = half_shifted - ROUNDER;
    let second = n - first;
    let power = |n: f64| f64::from_bits(((n + (TWO_52 + 1023.0)).to_bits()) << 52);
    value * power(first) * power(second)
}

/// The exponential.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    exp_double(x, 0.0)
}

/// x^y for positive finite x; NaN for other x.
#[inline(always)]
pub(crate) fn positive_power(x: f64, y: f64) -> f64 {
    let (high, low) = ln_double(x);
    let (y_high, h) = (top(y), top(high));
    let (y_low, l) = (y - y_high, (high - h) + low);
    let product = y_high * h;
    let rest = y_high * l + y_low * (h + l);
    let sum = product + rest;
    // Large products only need to be large.
    let carried = if sum.abs() < 1e4 { rest - (sum - product) } else { 0.0 };
    log_domain(x, exp_double(sum, carried))
}

/// The f64 nearest to one third; `third_power` is the power with this exponent.
pub(crate) const THIRD: f64 = 1.0 / 3.0;

/// x^[`THIRD`] for positive finite x, as a cube root: NaN for other x but zero.
///
/// y ≈ a^(−1/3) by Newton's method without a division; the cube root c = a y² is split into 26 bits and the rest,
/// whose cube is exact, so that a − c³ corrects c to the last place.
#[inline(always)]
pub(crate) fn third_power(x: f64) -> f64 {
    // 2^(−1/3) and 2^(1/3) through their sum and difference.
    const ODD: f64 = -0.233_110_261_955_386_7;
    const EVEN: f64 = 0.026_810_787_939_486_547;
    // One third less THIRD is 2^-54/3.
    const MISSING: f64 = 1.850_371_707_708_594_3e-17;
    let (k, m) = split(x);
    let q = (k * THIRD + ROUNDER) - ROUNDER;
    let left = k - 3.0 * q;
    // 2^left for −1, 0 and 1.
    let a = m * (1.0 + left * (0.75 + 0.25 * left));
    let start = 1.552_933 + m * (-0.756_94 + m * 0.204_874);
    let y = start * (1.0 + left * (ODD + EVEN * left));
    let miss = 1.0 - a * (y * (y * y));
    let y = y + y * miss * (1.0 / 3.0 + miss * (2.0 / 9.0 + miss * (14.0 / 81.0)));
    let miss = 1.0 - a * (y * (y * y));
    let y = y + y * (miss * THIRD);
    let square = y * y;
    let high = top(a * square);
    let s = high * high;
    let s_high = top(s);
    let gap = (a - s_high * high) - (s - s_high) * high;
    let t = gap * (square * THIRD);
    let rest = t + t * t * y;
    let ln = k * std::f64::consts::LN_2 + (m - 1.0);
    let root = high + (rest - high * (MISSING * ln));
    let scale = f64::from_bits((q + (TWO_52 + 1023.0)).to_bits() << 52);
    let value = log_domain(x, root * scale);
    if x == 0.0 { 0.0 } else { value }
}

/// x^y for every x: zero and negative bases where the power is real.
#[inline(always)]
pub(crate) fn power(x: f64, y: f64) -> f64 {
    if y == 1.0 {
        x
    } else if y == 2.0 {
        x * x
    } else if y == 3.0 {
        x * x * x
    } else if y == 4.0 {
        (x * x) * (x * x)
    } else if y == 0.5 {
        x.sqrt()
    } else if y == -1.0 {
        1.0 / x
    } else if y == -2.0 {
        1.0 / (x * x)
    } else if y == THIRD {
        third_power(x)
    } else {
        general_power(x, y)
    }
}

/// [`power`] without its short cuts.
#[inline(always)]
pub(crate) fn general_power(x: f64, y: f64) -> f64 {
    Exponent::new(y).power(x)
}

/// What an exponent means for negative bases and for zero, found once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exponent {
    y: f64,
    /// 1, −1 or NaN: what the power of a negative base is, over that of its size.
    negative: f64,
    at_zero: f64,
}

impl Exponent {
    #[inline(always)]
    pub fn new(y: f64) -> Self {
        let whole = y.trunc() == y;
        // Above 2^53 every f64 is even.
        let half = 0.5 * y;
        let negative = match (whole, half.trunc() == half) {
            (true, true) => 1.0,
            (true, false) => -1.0,
            (false, _) => f64::NAN,
        };
        let at_zero = if y > 0.0 {
            0.0
        } else if y == 0.0 {
            1.0
        } else {
            f64::INFINITY
        };
        Exponent { y, negative, at_zero }
    }

    /// The power; without branches on y.
    #[inline(always)]
    pub fn power(self, x: f64) -> f64 {
        let size = positive_power(x.abs(), self.y);
        let value = if x < 0.0 { size * self.negative } else { size };
        if x == 0.0 { self.at_zero } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    /// Distance in units of the last place of `b`.
    fn ulps(a: f64, b: f64) -> f64 {
        if a == b { 0.0 } else { (a - b).abs() / (b.abs().next_up() - b.abs()) }
    }

    #[test]
    fn all_agree_with_the_standard_library() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut worst = [0.0_f64; 5];
        for i in 0..200_000 {
            let u: f64 = generator.random();
            let v: f64 = generator.random();
            let x = match i % 4 {
                0 => (1400.0 * u - 700.0).exp(),
                1 => 0.5 + u,
                2 => 1.0 + (u - 0.5) * 1e-6,
                _ => (u * 1e6).floor() + 1.0,
            };
            worst[0] = worst[0].max(ulps(ln(x), x.ln()));
            worst[1] = worst[1].max(ulps(log2(x), x.log2()));
            let e = 1400.0 * v - 700.0;
            worst[2] = worst[2].max(ulps(exp(e), e.exp()));
            worst[3] = worst[3].max(ulps(exp(v - 0.5), (v - 0.5).exp()));
            let y = if i % 3 == 0 { (v * 20.0 - 10.0).round() } else { 600.0 * (v - 0.5) / x.ln().abs().max(1.0) };
            let exact = x.powf(y);
            if exact.is_normal() && !(y == 3.0 || y == 4.0 || y == -2.0) {
                worst[4] = worst[4].max(ulps(power(x, y), exact));
            }
        }
        // The library itself may be off by one in the last place.
        assert!(worst.iter().all(|w| *w <= 1.0), "{worst:?}");
        for n in -1074..1024 {
            let x = 2f64.powf(f64::from(n));
            if x > 0.0 {
                assert_eq!(log2(x), f64::from(n));
            }
            assert_eq!(power(2.0, f64::from(n)), x, "{n}");
        }
        for n in 0..23 {
            assert_eq!(power(10.0, f64::from(n)), 10f64.powi(n));
        }
        assert!(ln(0.0).is_nan() && ln(-1.0).is_nan() && ln(f64::INFINITY).is_nan());
        assert_eq!((exp(-800.0), exp(800.0), exp(0.0)), (0.0, f64::INFINITY, 1.0));
        assert_eq!((power(-2.0, 5.0), power(-2.0, 6.0), power(0.0, 2.5)), (-32.0, 64.0, 0.0));
        assert!(power(-2.0, 0.7).is_nan() && power(0.0, -3.0).is_infinite());
        assert_eq!((power(1e-10, 1e300), power(1e10, 1e300)), (0.0, f64::INFINITY));
        assert!(ulps(exp(-740.0), (-740f64).exp()) <= 1.0 && ulps(ln(5e-324), (5e-324f64).ln()) <= 1.0);
    }
}
