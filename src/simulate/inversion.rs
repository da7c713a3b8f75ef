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
    /// e^{rate} − 1.
    rate_exp_m1: f64,
    /// T_m(u(0)).
    top: f64,
    /// 1/κ².
    gap2: f64,
    /// 1 + e^{−2·order·rate}.
    decayed: f64,
}

impl BestRelative {
    /// Of the smallest degree whose error is at most `eps`.
    pub fn for_error(kappa: f64, eps: f64) -> Self {
        let rate = rate(kappa);
        let order = ((1.0 / eps).acosh() / rate).ceil().max(1.0) as u64;
        BestRelative::new(kappa, order, rate)
    }

    /// Of degree 2·order − 1.
    pub fn of_order(kappa: f64, order: u64) -> Self {
        BestRelative::new(kappa, order.max(1), rate(kappa))
    }

    fn new(kappa: f64, order: u64, rate: f64) -> Self {
        let growth = order as f64 * rate;
        BestRelative {
            kappa,
            order,
            rate,
            rate_exp_m1: rate.exp_m1(),
            top: growth.cosh(),
            gap2: kappa.powi(-2),
            decayed: 1.0 + (-2.0 * growth).exp(),
        }
    }

    /// Degree 2m − 1: queries of one use.
    pub fn degree(&self) -> u64 {
        2 * self.order - 1
    }

    /// max|1 − x·p(x)| on [1/κ, 1].
    pub fn relative_error(&self) -> f64 {
        1.0 / self.top
    }

    /// p(x), odd, evaluated without cancellation.
    pub fn value(&self, x: f64) -> f64 {
        if x == 0.0 {
            return 0.0;
        }
        if self.kappa <= TRIVIAL {
            return x;
        }
        let (m, gap2) = (self.order as f64, self.gap2);
        let y = x * x;
        if y >= gap2 {
            // u in [−1, 1]: T_m(u) = cos(m·arccos u), with the half-angle for the small side.
            let half = ((y - gap2) / (1.0 - gap2)).clamp(0.0, 1.0).sqrt();
            let t = (2.0 * m * half.asin()).cos();
            return (1.0 - t / self.top) / x;
        }
        // Inside the gap: cosh(m·a₀) − cosh(m·a) as a product of sinh, a₀ − a from a difference formula.
        let (s0, s) = (gap2 / (1.0 - gap2), (gap2 - y) / (1.0 - gap2));
        let (sum, product) = ((s0 * (1.0 + s)).sqrt() + (s * (1.0 + s0)).sqrt(), y / (1.0 - gap2));
        let difference = 2.0 * (product / sum).asinh();
        let (low, high) = (0.5 * m * difference, 0.5 * m * (2.0 * self.rate - difference));
        // sinh(high)/cosh(m·a₀) without overflow.
        let ratio = (high - m * self.rate).exp() * (1.0 - (-2.0 * high).exp()) / self.decayed;
        2.0 * low.sinh() * ratio / x
    }

    /// max|p| over [−1, 1], the subnormalisation of a block encoding of p(A).
    pub fn largest(&self) -> f64 {
        if self.kappa <= TRIVIAL {
            return self.value(1.0).abs();
        }
        // Inside the gap p rises from 0 to one maximum; at a good order 1/x with its ripples stays below it outside.
        let gap = 1.0 / self.kappa;
        let inside = self.highest_in_gap();
        if self.relative_error() <= 0.03 {
            return inside;
        }
        // At a crude order the first ripple, x² = g² + (1 − g²)·sin²(π/2m), may be the higher.
        let first = gap.hypot((1.0 - gap * gap).sqrt() * (std::f64::consts::FRAC_PI_2 / self.order as f64).sin());
        inside.max(maximise(|x| self.value(x), gap, (2.0 * first).min(1.0)))
    }

    /// max p on [0, 1/κ]: where p' = 0, or at the end.
    ///
    /// With a = acosh u, a₀ = acosh u(0) and b = a₀ − a: x² = (1 − g²)·sinh(b/2)·sinh(a₀ − b/2) and
    /// q = 2·sinh(mb/2)·sinh(m(a₀ − b/2))/cosh(ma₀), so that x·q' = q is a root search in b. The top is flat: the place to
    /// 1e-8 gives its height to rounding.
    fn highest_in_gap(&self) -> f64 {
        let edge = self.in_gap(self.rate);
        if edge.slope >= 0.0 {
            return edge.value;
        }
        // The root of the limit of small gaps, to a few percent.
        let growth = self.order as f64 * self.rate;
        let start = (1.256_431 + 1.0 / growth + 2.3 / (growth * growth)).min(0.9 * growth) / self.order as f64;
        let (mut low, mut high) = (0.0, self.rate);
        let mut before = (start, self.in_gap(start).slope);
        let mut at = if before.1 > 0.0 { 1.1 * start } else { 0.9 * start }.min(0.5 * (start + self.rate));
        for _ in 0..60 {
            let here = (at, self.in_gap(at).slope);
            for (b, slope) in [before, here] {
                if slope > 0.0 && b > low {
                    low = b;
                } else if slope <= 0.0 && b < high {
                    high = b;
                }
            }
            // A secant, or a bisection where it leaves the bracket.
            let secant = here.0 - here.1 * (here.0 - before.0) / (here.1 - before.1);
            at = if secant > low && secant < high { secant } else { 0.5 * (low + high) };
            before = here;
            // The error left is that of this step times that of the step before.
            if (at - here.0).abs() <= 1e-5 * at {
                break;
            }
        }
        self.in_gap(at).value.max(edge.value)
    }

    /// p at a₀ − a = b, and something of the sign of its slope in x.
    fn in_gap(&self, b: f64) -> InGap {
        let m = self.order as f64;
        let sinh = |e: f64| 0.5 * (e + e / (1.0 + e));
        // e^{b/2} − 1, e^{b} − 1 and from them those of a₀ − b/2 and a.
        let half = (0.5 * b).exp_m1();
        let whole = half * (2.0 + half);
        let sines = sinh(half) * sinh((self.rate_exp_m1 - half) / (1.0 + half));
        let sine = sinh((self.rate_exp_m1 - whole) / (1.0 + whole));
        let decay = (-0.5 * m * b).exp();
        let left = (-2.0 * m * (self.rate - b)).exp_m1();
        let rest = 1.0 - (1.0 + left) * decay * decay;
        // sinh(ma)/sinh(a) over sinh(m(a₀ − b/2)), at a = 0 by its limit.
        let ratio = if b < self.rate { -left / sine } else { 2.0 * m } * decay / rest;
        let x = ((1.0 - self.gap2) * sines).sqrt();
        InGap {
            value: (1.0 - decay * decay) * rest / (self.decayed * x),
            slope: 2.0 * m * sines * ratio - 0.5 * (1.0 / decay - decay),
        }
    }
}

/// What [`BestRelative::in_gap`] finds.
struct InGap {
    value: f64,
    slope: f64,
}

/// acosh((κ²+1)/(κ²−1)) = 2·atanh(1/κ).
fn rate(kappa: f64) -> f64 {
    2.0 * (1.0 / kappa.max(1.0 + 1e-12)).atanh()
}

/// Largest value of a function on an interval: a grid, then the peak around the best point.
pub(crate) fn maximise(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let points = 400;
    let at = |i: usize| low + (high - low) * i as f64 / points as f64;
    let values: Vec<f64> = (0..=points).map(|i| f(at(i))).collect();
    let best = (0..=points).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    highest(f, at(best.saturating_sub(1)), at((best + 1).min(points))).max(values[best])
}

/// Largest value of a function with one maximum on an interval: parabolas through the best three points, golden sections
/// where they do not close in (Brent, *Algorithms for Minimization without Derivatives*, 1973, chapter 5). The top is
/// flat, so that the place to 1e-8 gives its height to rounding.
fn highest(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let golden = 0.5 * (3.0 - 5.0_f64.sqrt());
    let (mut a, mut b) = (low, high);
    let start = a + golden * (b - a);
    // Best, second and third best so far: (place, height).
    let [mut x, mut w, mut v] = [(start, f(start)); 3];
    let (mut step, mut before) = (0.0_f64, 0.0_f64);
    for _ in 0..60 {
        let middle = 0.5 * (a + b);
        let tolerance = 1e-8 * x.0.abs() + 1e-300;
        if (x.0 - middle).abs() <= 2.0 * tolerance - 0.5 * (b - a) {
            break;
        }
        let (r, q) = ((x.0 - w.0) * (x.1 - v.1), (x.0 - v.0) * (x.1 - w.1));
        let (top, bottom) = ((x.0 - v.0) * q - (x.0 - w.0) * r, 2.0 * (q - r));
        let parabola = -top / bottom;
        let inside = x.0 + parabola > a + 2.0 * tolerance && x.0 + parabola < b - 2.0 * tolerance;
        if before.abs() > tolerance && inside && parabola.abs() < 0.5 * before.abs() {
            (before, step) = (step, parabola);
        } else {
            before = if x.0 < middle { b - x.0 } else { a - x.0 };
            step = golden * before;
        }
        let u = x.0 + if step.abs() >= tolerance { step } else { tolerance.copysign(step) };
        let u = (u, f(u));
        if u.1 >= x.1 {
            if u.0 < x.0 {
                b = x.0
            } else {
                a = x.0
            }
            (v, w, x) = (w, x, u);
        } else {
            if u.0 < x.0 {
                a = u.0
            } else {
                b = u.0
            }
            if u.1 >= w.1 || w.0 == x.0 {
                (v, w) = (w, u);
            } else if u.1 >= v.1 || v.0 == x.0 || v.0 == w.0 {
                v = u;
            }
        }
    }
    x.1
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
