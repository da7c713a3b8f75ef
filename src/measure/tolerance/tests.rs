//! Tests of `tolerance`.

use super::*;
use crate::curvature::damping::DampingRule;
use crate::measure::trust_region::product;
use crate::measure::{SystemInput, measure as measure_all};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::spectrum::dense_eigen::tests::with_spectrum;

/// L(s) = gᵀs + ½sᵀHs.
struct Quadratic {
    h: Mat<f64>,
    g: Vec<f64>,
}

impl Objective for Quadratic {
    fn dim(&self) -> usize {
        self.g.len()
    }

    fn loss_at(&self, step: &[f64]) -> Result<f64> {
        self.gradient_at(step).map(|x| x.0)
    }

    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        let hs = product(self.h.as_ref(), step, Par::Seq);
        let gradient = hs.iter().zip(&self.g).map(|(a, b)| a + b).collect();
        Ok((dot(&self.g, step) + 0.5 * dot(step, &hs), gradient))
    }
}

/// A loss of one parameter from a closure of θ, its derivative beside it, around `at`.
struct Curve<F: Fn(f64) -> (f64, f64) + Sync> {
    f: F,
    at: f64,
}

impl<F: Fn(f64) -> (f64, f64) + Sync> Objective for Curve<F> {
    fn dim(&self) -> usize {
        1
    }

    fn loss_at(&self, step: &[f64]) -> Result<f64> {
        Ok((self.f)(self.at + step[0]).0)
    }

    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        let (l, g) = (self.f)(self.at + step[0]);
        Ok((l, vec![g]))
    }
}

fn run(h: Mat<f64>, g: Vec<f64>, damping: DampingRule, objective: &dyn Objective) -> Measurement {
    let input = SystemInput {
        gradient: Some(g),
        objective: Some(objective),
        damping,
        seed: 7,
        ..SystemInput::matrix("case", h)
    };
    measure_all(input, &Threads::new(1).unwrap(), &|_, _| ()).unwrap()
}

fn quadratic(h: Mat<f64>, g: Vec<f64>, damping: DampingRule) -> Measurement {
    let objective = Quadratic { h: h.clone(), g: g.clone() };
    run(h, g, damping, &objective)
}

#[test]
fn the_exact_step_of_a_quadratic_has_a_closed_form() {
    // G = 0 at the minimum: ½λ_max(ε‖p‖)² = f·½gᵀH⁻¹g
    for scale in [1e-6, 1.0, 1e6] {
        let values: Vec<f64> = (0..25).map(|i| scale * (0.5 + f64::from(i))).collect();
        let h = with_spectrum(&values, 12);
        let g: Vec<f64> = (0..25).map(|i| (f64::from(i) * 0.7).cos()).collect();
        let eigen = crate::spectrum::decompose(h.as_ref(), Par::Seq).unwrap();
        let c = super::super::trust_region::rotate(&eigen, &g, Par::Seq);
        let length = c.iter().zip(&eigen.values).map(|(c, v)| (c / v).powi(2)).sum::<f64>().sqrt();
        let decrease: f64 = c.iter().zip(&eigen.values).map(|(c, v)| 0.5 * c * c / v).sum();
        let at = |curvature: f64| (2.0 * LOSS_FRACTION * decrease / curvature).sqrt() / length;
        let m = quadratic(h.clone(), g, DampingRule::None);
        let t = m.tolerance;
        assert!((t.value / at(values[24]) - 1.0).abs() < 1e-5, "{} {}", t.value, at(values[24]));
        assert!((t.low / t.value - 1.0).abs() < 1e-5, "the maximiser is the worst of the six: {t:?}");
        // the same 64 directions in closed form, ε = √(2fΔ/dᵀHd)/‖p‖
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut each: Vec<f64> = (0..64)
            .map(|_| {
                let d = gaussian(25, &mut rng);
                at(dot(&d, &product(h.as_ref(), &d, Par::Seq)) / dot(&d, &d))
            })
            .collect();
        each.sort_by(f64::total_cmp);
        assert!((t.high / each[3] - 1.0).abs() < 1e-5, "{} {}", t.high, each[3]);
        assert!(t.method.contains("loss evaluations around −(H)⁻¹g"), "{}", t.method);
    }
}

#[test]
fn a_damped_step_agrees_with_brute_force_over_the_circle() {
    let h = Mat::from_fn(2, 2, |i, j| [[2.0, 0.4], [0.4, 0.3]][i][j]);
    let g = vec![1.0, -0.8];
    let lambda = 0.5;
    let m = quadratic(h.clone(), g.clone(), DampingRule::Absolute(lambda));
    // p by Cramer's rule
    let (a, b, d) = (2.0 + lambda, 0.4, 0.3 + lambda);
    let det = a * d - b * b;
    let p = [-(d * g[0] - b * g[1]) / det, -(a * g[1] - b * g[0]) / det];
    let loss = |x: f64, y: f64| g[0] * x + g[1] * y + 0.5 * (2.0 * x * x + 0.8 * x * y + 0.3 * y * y);
    let at_p = loss(p[0], p[1]);
    let limit = at_p - LOSS_FRACTION * at_p;
    let length = p[0].hypot(p[1]);
    let gradient = [g[0] + 2.0 * p[0] + 0.4 * p[1], g[1] + 0.4 * p[0] + 0.3 * p[1]];
    let budget = limit - at_p;
    let mut least = f64::INFINITY;
    for i in 0..100_000 {
        let (s, c) = (f64::from(i) * std::f64::consts::TAU / 1e5).sin_cos();
        let slope = gradient[0] * c + gradient[1] * s;
        let curvature = 2.0 * c * c + 0.8 * c * s + 0.3 * s * s;
        let root = 2.0 * budget / (slope + (slope * slope + 2.0 * curvature * budget).sqrt());
        least = least.min(root / length);
    }
    assert!((m.tolerance.value / least - 1.0).abs() < 1e-6, "{} {least}", m.tolerance.value);
    assert!(m.tolerance.low <= m.tolerance.value && m.tolerance.value <= m.tolerance.high);
}

#[test]
fn an_ascending_newton_step_falls_back_to_the_absolute_hessian() {
    // H = diag(1, −1): −H⁻¹g climbs, −|H|⁻¹g falls; exactly, L(p) = −½·(0.01 + 3) along the second
    let h = Mat::from_fn(2, 2, |i, j| if i != j { 0.0 } else { [1.0, -1.0][i] });
    let m = quadratic(h, vec![0.1, 1.0], DampingRule::None);
    assert!(m.tolerance.method.contains("around −(|H|+λI)⁻¹g"), "{}", m.tolerance.method);
    let decrease = 0.5 * 0.01 + 1.5;
    assert!(m.tolerance.method.contains(&format!("{decrease:.6e}")), "{}", m.tolerance.method);
    // G = (0, 2) at p = (−0.1, −1): u = (0, r) gives 2r − r²/2 = f·Δ
    let r = 2.0 - (4.0 - 2.0 * LOSS_FRACTION * decrease).sqrt();
    let length = 0.1f64.hypot(1.0);
    // the maximiser may gain a little in the first coordinate too
    let t = &m.tolerance;
    assert!(
        (t.value * length / r - 1.0).abs() < 1e-2 && t.value * length <= r * (1.0 + 1e-6),
        "{} {r}",
        t.value * length
    );
    assert!((t.low * length / r - 1.0).abs() < 1e-2);
}

#[test]
fn an_overshooting_step_is_halved_and_says_so() {
    // √(1 + θ²) at 2: the Newton step is −10, to −8; −5 climbs too; −2.5 falls
    let f = |t: f64| ((1.0 + t * t).sqrt(), t / (1.0 + t * t).sqrt());
    let objective = Curve { f, at: 2.0 };
    let h = Mat::from_fn(1, 1, |_, _| 5f64.powf(-1.5));
    let m = run(h, vec![2.0 / 5f64.sqrt()], DampingRule::None, &objective);
    assert!(m.tolerance.method.contains("halved 2 times"), "{}", m.tolerance.method);
    // at −0.5: the loss may rise to √1.25 + 0.01·(√5 − √1.25), reached at θ = −√(that² − 1)
    let limit = 1.25f64.sqrt() + 0.01 * (5f64.sqrt() - 1.25f64.sqrt());
    let eps = ((limit * limit - 1.0).sqrt() - 0.5) / 2.5;
    assert!((m.tolerance.value / eps - 1.0).abs() < 1e-6, "{} {eps}", m.tolerance.value);
}

#[test]
fn a_loss_that_never_falls_is_assumed() {
    let objective = Curve { f: |t: f64| (t.abs() + 1.0, 1.0), at: 0.0 };
    let m = run(Mat::identity(1, 1), vec![1.0], DampingRule::None, &objective);
    assert!(m.tolerance.method.starts_with("assumed"));
    assert_eq!((m.tolerance.value, m.tolerance.low, m.tolerance.high), (1e-2, 1e-2, 1e-2));
    // singular and undamped: there is no Newton step
    let objective = Quadratic { h: Mat::from_fn(2, 2, |_, _| 1.0), g: vec![1.0, 0.5] };
    let m = run(objective.h.clone(), objective.g.clone(), DampingRule::None, &objective);
    assert!(m.tolerance.method.starts_with("assumed") && m.kappa.value.is_none());
}

#[test]
fn epsilon_is_capped_at_one() {
    // a loss that only falls further along +u, and rises along −u
    let objective = Curve { f: |t: f64| (-t.exp(), -t.exp()), at: 0.0 };
    let decrease = std::f64::consts::E - 1.0;
    let probe = Probe {
        objective: &objective,
        step: &[1.0],
        length: 1.0,
        limit: -std::f64::consts::E + LOSS_FRACTION * decrease,
        budget: LOSS_FRACTION * decrease,
    };
    assert_eq!(probe.along(&[1.0], 1.0, -1.0, -1.0), 1.0);
    let eps = -(1.0 - LOSS_FRACTION * decrease / std::f64::consts::E).ln();
    assert!((probe.along(&[1.0], -1.0, std::f64::consts::E, -std::f64::consts::E) / eps - 1.0).abs() < 1e-6);
    // a wrong guess does not change the answer
    assert!((probe.along(&[1.0], -1.0, 1e9, 1.0) / eps - 1.0).abs() < 1e-6);
    assert!((probe.along(&[1.0], -1.0, 0.0, 1e-9) / eps - 1.0).abs() < 1e-6);
}

#[test]
fn levenberg_marquardt_damps_until_the_model_holds() {
    let f = |t: f64| ((1.0 + t * t).sqrt(), t / (1.0 + t * t).sqrt());
    let objective = Curve { f, at: 2.0 };
    let h = 5f64.powf(-1.5);
    let g = 2.0 / 5f64.sqrt();
    let rule = DampingRule::LevenbergMarquardt(1e-2);
    let m = run(Mat::from_fn(1, 1, |_, _| h), vec![g], rule, &objective);
    let ratio = |lambda: f64| {
        let p = -g / (h + lambda);
        (f(2.0).0 - f(2.0 + p).0) / -(g * p + 0.5 * h * p * p)
    };
    let lambda = m.damping.lambda;
    assert!(ratio(lambda) >= 0.25 && ratio(lambda / 10.0) < 0.25, "{lambda}");
    assert!((lambda / (1e-2 * h)).log10().fract().abs() < 1e-9);
    // without a loss: positive definite is enough
    let h = with_spectrum(&[-1.0, 0.5, 2.0], 1);
    let input = SystemInput { damping: rule, ..SystemInput::matrix("case", h) };
    let m = measure_all(input, &Threads::new(1).unwrap(), &|_, _| ()).unwrap();
    assert_eq!(m.inertia_solved.negative, 0);
    assert!(m.damping.lambda > 1.0 && m.damping.lambda < 20.0);
}
