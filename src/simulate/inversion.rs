//! Polynomials that approximate 1/x away from 0, with their degrees and their largest values.
//!
//! *Best relative error*: the odd p that minimises max|1 − x·p(x)| on [1/κ, 1]. With y = x² and q(y) = x·p(x),
//! q(0) = 0, the optimum is 1 − q = T_m(u(y))/T_m(u(0)), u mapping [1/κ², 1] onto [−1, 1]; its error is
//! 1/T_m((κ²+1)/(κ²−1)) and the degree of p is 2m − 1.

/// Up to this κ the interval is a point and p(x) = x is exact.
const TRIVIAL: f64 = 1.0 + 1e-12;

/// The best relative-error inversion polynomial on [1/κ, 1] of degree 2m − 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestRelative {
    /// κ of the interval.
    pub kappa: f64,
    /// Degree of the polynomial T_m in x².
    pub order: u64,
    /// acosh u(0) = 2·atanh(1/κ).
    rate: f64,
}

impl BestRelative {
    /// Of the smallest degree whose error is at most `eps`.
    pub fn for_error(kappa: f64, eps: f64) -> Self {
        let rate = rate(kappa);
        let order = ((1.0 / eps).acosh() / rate).ceil().max(1.0) as u64;
        BestRelative { kappa, order, rate }
    }

    /// Of degree 2·order − 1.
    pub fn of_order(kappa: f64, order: u64) -> Self {
        BestRelative { kappa, order: order.max(1), rate: rate(kappa) }
    }

    /// Degree 2m − 1: queries of one use.
    pub fn degree(&self) -> u64 {
        2 * self.order - 1
    }

    /// max|1 − x·p(x)| on [1/κ, 1].
    pub fn relative_error(&self) -> f64 {
        1.0 / (self.order as f64 * self.rate).cosh()
    }

    /// p(x), odd, evaluated without cancellation.
    pub fn value(&self, x: f64) -> f64 {
        if x == 0.0 {
            return 0.0;
        }
        if self.kappa <= TRIVIAL {
            return x;
        }
        let (m, gap2) = (self.order as f64, self.kappa.powi(-2));
        let y = x * x;
        if y >= gap2 {
            // u in [−1, 1]: T_m(u) = cos(m·arccos u), with the half-angle for the small side.
            let half = ((y - gap2) / (1.0 - gap2)).clamp(0.0, 1.0).sqrt();
            let t = (2.0 * m * half.asin()).cos();
            return (1.0 - t / (m * self.rate).cosh()) / x;
        }
        // Inside the gap: cosh(m·a₀) − cosh(m·a) as a product of sinh, a₀ − a from a difference formula.
        let (s0, s) = ((gap2 / (1.0 - gap2)).sqrt(), ((gap2 - y) / (1.0 - gap2)).sqrt());
        let difference = 2.0 * (y / (1.0 - gap2) / (s0 * s.hypot(1.0) + s * s0.hypot(1.0))).asinh();
        let (low, high) = (0.5 * m * difference, 0.5 * m * (2.0 * self.rate - difference));
        2.0 * low.sinh() * sinh_over_cosh(high, m * self.rate) / x
    }

    /// max|p| over [−1, 1], the subnormalisation of a block encoding of p(A).
    pub fn largest(&self) -> f64 {
        if self.kappa <= TRIVIAL {
            return self.value(1.0).abs();
        }
        // Inside the gap p rises from 0 to one maximum; at a good order 1/x with its ripples stays below it outside.
        let gap = 1.0 / self.kappa;
        let inside = golden_section(|x| self.value(x), 0.0, gap).max(self.value(gap));
        if self.relative_error() <= 0.03 {
            return inside;
        }
        // At a crude order the first ripple, x² = g² + (1 − g²)·sin²(π/2m), may be the higher.
        let first = gap.hypot((1.0 - gap * gap).sqrt() * (std::f64::consts::FRAC_PI_2 / self.order as f64).sin());
        inside.max(maximise(|x| self.value(x), gap, (2.0 * first).min(1.0)))
    }
}

/// acosh((κ²+1)/(κ²−1)) = 2·atanh(1/κ).
fn rate(kappa: f64) -> f64 {
    2.0 * (1.0 / kappa.max(1.0 + 1e-12)).atanh()
}

/// sinh(a)/cosh(b) without overflow, a ≤ b.
fn sinh_over_cosh(a: f64, b: f64) -> f64 {
    (a - b).exp() * (1.0 - (-2.0 * a).exp()) / (1.0 + (-2.0 * b).exp())
}

/// Largest value of a function on an interval: a grid, then golden section around the best point.
pub(crate) fn maximise(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let points = 400;
    let at = |i: usize| low + (high - low) * i as f64 / points as f64;
    let values: Vec<f64> = (0..=points).map(|i| f(at(i))).collect();
    let best = (0..=points).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    golden_section(f, at(best.saturating_sub(1)), at((best + 1).min(points))).max(values[best])
}

/// Largest value of a function with one maximum on an interval. The top is flat, so that 45 steps (an interval 4e-10 as
/// wide) give its height to rounding.
fn golden_section(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut a, mut b) = (low, high);
    let (mut c, mut d) = (b - ratio * (b - a), a + ratio * (b - a));
    let (mut at_c, mut at_d) = (f(c), f(d));
    for _ in 0..45 {
        if at_c > at_d {
            (b, d, at_d) = (d, c, at_c);
            c = b - ratio * (b - a);
            at_c = f(c);
        } else {
            (a, c, at_c) = (c, d, at_d);
            d = a + ratio * (b - a);
            at_d = f(d);
        }
    }
    at_c.max(at_d)
}

/// Smallest degree of an odd polynomial with |p(x) − 1/x| ≤ `error` on [1/κ, 1]: the error of degree 2m − 1 is
/// (1−a)^m / (a(1+a)^{m−1}), a = 1/κ (Sünderhauf et al., arXiv:2507.15537).
pub fn best_absolute_degree(kappa: f64, error: f64) -> u64 {
    let a = 1.0 / kappa;
    let m = ((1.0 + a) / (a * error)).ln() / ((1.0 + a) / (1.0 - a)).ln();
    2 * (m.ceil().max(1.0) as u64) - 1
}

/// Degree 2j₀ + 1 of the polynomial of Childs, Kothari and Somma (arXiv:1511.02306, Lemmas 17-19) with its b.
pub fn cks_degree(kappa: f64, eps: f64) -> (u64, u64) {
    let b = (kappa * kappa * (kappa / eps).ln()).ceil().max(1.0);
    let j0 = (b * (4.0 * b / eps).ln()).sqrt().ceil();
    (b as u64, 2 * j0 as u64 + 1)
}
