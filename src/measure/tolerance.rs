//! ε: the largest relative error of the Newton step that keeps (1 − f) of the exact step's loss decrease, f = 1 %,
//! found on real evaluations of the loss.

use super::trust_region::{Basis, Sphere};
use crate::curvature::Objective;
use crate::error::Result;
use crate::measurement::Tolerance;
use crate::spectrum::lanczos::gaussian;
use crate::spectrum::scale::{dot, norm, times_pow2};
use faer::{Mat, MatRef, Par};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// The fraction f of the loss decrease that may be lost.
pub const LOSS_FRACTION: f64 = 0.01;

/// Random directions behind `high`.
pub const DIRECTIONS: usize = 64;

/// Most halvings of a step that does not descend.
pub const HALVINGS: u32 = 30;

/// What ε is without a loss.
pub const ASSUMED: f64 = 1e-2;

/// No error smaller than this is looked for.
const SMALLEST: f64 = 1e-16;

/// The Newton step and the local model, in the units of the snapshot.
pub struct Setting<'a> {
    /// The loss around the snapshot.
    pub objective: &'a dyn Objective,
    /// Eigenpairs of 2ᵏ·H (undamped) for the local model with this gradient (times 2ᵏ).
    pub basis: &'a dyn Fn(&[f64]) -> Result<Basis<'a>>,
    /// 2ᵏ·dᵀHd for every column d.
    pub curvatures: &'a dyn Fn(MatRef<'_, f64>) -> Result<Vec<f64>>,
    /// The eigenvector of the largest eigenvalue of H.
    pub top: Vec<f64>,
    /// k.
    pub exponent: i32,
    /// Steps to try in turn, each with its name: A⁻¹g first, (|H| + λI)⁻¹g second. The step taken is −s.
    pub steps: Vec<(String, Vec<f64>)>,
    /// Seed of the random directions.
    pub seed: u64,
    /// Threads.
    pub par: Par,
}

/// ε = 1e-2, said to be assumed.
pub fn assumed(why: &str) -> Tolerance {
    Tolerance {
        value: ASSUMED,
        low: ASSUMED,
        high: ASSUMED,
        method: format!("assumed ({why})"),
        loss_fraction: LOSS_FRACTION,
    }
}

/// Measures ε.
///
/// # Errors
/// When the loss or gradient at the snapshot itself cannot be evaluated.
pub fn measure(setting: &Setting<'_>, tick: &dyn Fn(f64)) -> Result<Tolerance> {
    let n = setting.objective.dim();
    let start = setting.objective.loss_at(&vec![0.0; n])?;
    let Some((step, name, decrease, at_step)) = descending(setting, start) else {
        return Ok(assumed("no multiple of the step lowers the loss"));
    };
    let (_, gradient) = setting.objective.gradient_at(&step)?;
    let probe = Probe {
        objective: setting.objective,
        step: &step,
        length: norm(&step),
        limit: at_step + LOSS_FRACTION * decrease,
        budget: LOSS_FRACTION * decrease,
    };
    let scaled: Vec<f64> = gradient.iter().map(|&x| times_pow2(x, setting.exponent)).collect();
    let sphere = Sphere::new((setting.basis)(&scaled)?, &scaled, setting.par);
    let model = |eps: f64| {
        let radius = eps * probe.length;
        times_pow2(sphere.model(&sphere.coordinates(radius)), -setting.exponent)
    };
    let guess = guess(&model, probe.budget);
    let along = |sign: f64| {
        let family = |eps: f64| {
            let u = sphere.maximiser(eps * probe.length);
            u.into_iter().map(|x| sign * x).collect::<Vec<f64>>()
        };
        probe.largest(&family, guess, std::f64::consts::SQRT_2)
    };
    let value = along(1.0);
    tick(0.2);
    let mut low = value.min(along(-1.0));
    let mut fixed: Vec<Vec<f64>> = vec![setting.top.clone()];
    let gradient_norm = norm(&gradient);
    if gradient_norm > 0.0 {
        fixed.push(gradient.iter().map(|x| x / gradient_norm).collect());
    }
    let curvatures = curvatures(setting, &fixed)?;
    for (direction, curvature) in fixed.iter().zip(curvatures) {
        for sign in [1.0, -1.0] {
            low = low.min(probe.along(direction, sign, dot(&gradient, direction) * sign, curvature));
        }
    }
    tick(0.4);
    let mut rng = ChaCha8Rng::seed_from_u64(setting.seed);
    let random: Vec<Vec<f64>> = (0..DIRECTIONS)
        .map(|_| {
            let v = gaussian(n, &mut rng);
            let length = norm(&v);
            v.into_iter().map(|x| x / length).collect()
        })
        .collect();
    let along: Vec<f64> = self::curvatures(setting, &random)?;
    // each direction on its own thread; the result does not depend on the order
    let mut tolerated: Vec<f64> = random
        .par_iter()
        .zip(&along)
        .map(|(direction, curvature)| probe.along(direction, 1.0, dot(&gradient, direction), *curvature))
        .collect();
    tick(1.0);
    let quantile = lower_quantile(&mut tolerated);
    let mut method = format!(
        "loss evaluations around {name}: value along the maximiser of the local quadratic model, low over ±it, ±gradient, \
         ±top eigenvector, high the 5 % quantile over {DIRECTIONS} random directions; the step lowers the loss by {decrease:.6e}"
    );
    if quantile < value {
        method.push_str(&format!("; random directions tolerated less ({quantile:.3e}), so high is value"));
    }
    Ok(Tolerance { value, low, high: quantile.max(value), method, loss_fraction: LOSS_FRACTION })
}

/// The value that 95 % of the directions reach: the fourth smallest of 64.
fn lower_quantile(tolerated: &mut [f64]) -> f64 {
    tolerated.sort_by(f64::total_cmp);
    // at most 5 % may lie below
    let index = tolerated.len() / 20;
    tolerated.get(index).copied().unwrap_or(ASSUMED)
}

/// The first step that lowers the loss: (step, name, decrease, loss there).
fn descending(setting: &Setting<'_>, start: f64) -> Option<(Vec<f64>, String, f64, f64)> {
    let try_step = |s: &[f64], factor: f64| -> Option<(Vec<f64>, f64, f64)> {
        let step: Vec<f64> = s.iter().map(|x| -factor * x).collect();
        let length = norm(&step);
        if !(length > 0.0 && length.is_finite()) {
            return None;
        }
        let loss = setting.objective.loss_at(&step).ok().filter(|l| l.is_finite())?;
        // below this the difference of two losses is rounding
        let resolution = 16.0 * f64::EPSILON * start.abs().max(loss.abs()) / LOSS_FRACTION;
        (start - loss > resolution).then_some((step, start - loss, loss))
    };
    for (name, s) in &setting.steps {
        if let Some((step, decrease, loss)) = try_step(s, 1.0) {
            return Some((step, format!("−{name}"), decrease, loss));
        }
    }
    let (name, s) = setting.steps.last()?;
    (1..=HALVINGS).find_map(|k| {
        let factor = 0.5f64.powi(k as i32);
        try_step(s, factor).map(|(step, d, l)| (step, format!("−2^−{k}·{name} (halved {k} times)"), d, l))
    })
}

/// dᵀHd for unit directions, in the snapshot's units.
fn curvatures(setting: &Setting<'_>, directions: &[Vec<f64>]) -> Result<Vec<f64>> {
    let n = directions.first().map_or(0, Vec::len);
    let d = Mat::from_fn(n, directions.len(), |i, j| directions[j][i]);
    let found = (setting.curvatures)(d.as_ref())?;
    Ok(found.into_iter().map(|x| times_pow2(x, -setting.exponent)).collect())
}

/// Where the model's increase reaches the budget, by halving from 1.
fn guess(model: &dyn Fn(f64) -> f64, budget: f64) -> f64 {
    let mut eps = 1.0;
    while eps > SMALLEST && model(eps) > budget {
        eps /= 2.0;
    }
    eps
}

struct Probe<'a> {
    objective: &'a dyn Objective,
    step: &'a [f64],
    /// ‖p‖.
    length: f64,
    /// L(θ + p) + f·Δ.
    limit: f64,
    /// f·Δ.
    budget: f64,
}

impl Probe<'_> {
    /// L(θ + p + u) above the limit, by how much; a loss that cannot be evaluated is infinitely above.
    fn excess(&self, u: &[f64]) -> f64 {
        let moved: Vec<f64> = self.step.iter().zip(u).map(|(p, u)| p + u).collect();
        match self.objective.loss_at(&moved) {
            Ok(loss) if loss.is_finite() => loss - self.limit,
            _ => f64::INFINITY,
        }
    }

    /// The largest tolerated ε along a fixed unit direction with slope Gᵀd and curvature dᵀHd.
    fn along(&self, direction: &[f64], sign: f64, slope: f64, curvature: f64) -> f64 {
        // positive root of slope·r + curvature·r²/2 = budget, in the form that does not cancel
        let discriminant = slope * slope + 2.0 * curvature * self.budget;
        let root = if discriminant >= 0.0 { slope + discriminant.sqrt() } else { 0.0 };
        let radius = if root > 0.0 { 2.0 * self.budget / root } else { self.length };
        let family = |eps: f64| direction.iter().map(|d| sign * eps * self.length * d).collect::<Vec<f64>>();
        self.largest(&family, (radius / self.length).min(1.0), 2.0)
    }

    /// The largest ε ≤ 1 such that the loss stays within the limit from well below the guess up to ε.
    ///
    /// From `guess`/8 down by quarters until it holds, up by `ratio` until it fails, then regula falsi (Illinois) in between.
    fn largest(&self, family: &dyn Fn(f64) -> Vec<f64>, guess: f64, ratio: f64) -> f64 {
        let excess = |eps: f64| self.excess(&family(eps));
        let mut low = (guess / 8.0).clamp(SMALLEST, 1.0);
        let mut at_low = excess(low);
        while at_low > 0.0 {
            if low <= SMALLEST {
                return SMALLEST;
            }
            low = (low / 4.0).max(SMALLEST);
            at_low = excess(low);
        }
        let (mut high, mut at_high);
        loop {
            if low >= 1.0 {
                return 1.0;
            }
            high = (low * ratio).min(1.0);
            at_high = excess(high);
            if at_high > 0.0 {
                break;
            }
            (low, at_low) = (high, at_high);
        }
        // `low` always holds and `high` always fails
        let (mut weight_low, mut weight_high) = (at_low, at_high);
        let mut side = 0;
        for _ in 0..60 {
            if high - low <= 1e-7 * high {
                break;
            }
            let mut middle = (low * weight_high - high * weight_low) / (weight_high - weight_low);
            if !(middle > low && middle < high) {
                middle = low + (high - low) / 2.0;
            }
            let here = excess(middle);
            if here > 0.0 {
                (high, weight_high) = (middle, here);
                if side == 1 {
                    weight_low /= 2.0;
                }
                side = 1;
            } else {
                (low, weight_low) = (middle, here);
                if side == -1 {
                    weight_high /= 2.0;
                }
                side = -1;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests;
