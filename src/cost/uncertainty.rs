//! Distributions of the uncertain variables, drawn with a seed.
//!
//! An interval low…high around a value is read as the central 95 % of a two-sided log-normal distribution whose
//! median is the value; an open end takes the width of the other. Points are drawn by inversion.

use crate::catalog::{Point, Spread};
use crate::error::{Error, Result};
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Half-width of the central 95 % of a normal distribution, in standard deviations.
const HALF_95: f64 = 1.959_963_984_540_054;

/// Quantiles of something sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The 5 % quantile.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The 95 % quantile.
    pub high: f64,
    /// Samples in which it exists.
    pub samples: usize,
    /// Samples drawn.
    pub drawn: usize,
}

/// Points drawn from the intervals of a point; variables without uncertainty keep their values.
///
/// # Errors
/// When an uncertain variable is not positive.
pub fn draw(point: &Point, count: usize, seed: u64) -> Result<Vec<Point>> {
    let normal = Normal::standard();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        let mut drawn = Point::new();
        for (name, spread) in point.iter() {
            let value = if spread.is_exact() {
                spread.value
            } else {
                // Never 0 or 1, where the inverse is infinite.
                let u = rng.random_range(1e-12..1.0 - 1e-12);
                quantile(name, spread, normal.inverse_cdf(u))?
            };
            drawn.set(name, Spread::exact(value));
        }
        points.push(drawn);
    }
    Ok(points)
}

/// The variable at `z` standard deviations of its distribution.
fn quantile(name: &str, s: &Spread, z: f64) -> Result<f64> {
    let positive = s.value > 0.0 && s.low.unwrap_or(s.value) > 0.0;
    if !positive {
        let what = "a distribution needs a positive interval";
        return Err(Error::input("cost::uncertainty", name, what, "give low, value and high above 0"));
    }
    let up = s.high.map(|h| (h / s.value).ln());
    let down = s.low.map(|l| (s.value / l).ln());
    let width = if z >= 0.0 { up.or(down) } else { down.or(up) };
    Ok(s.value * (z * width.unwrap_or(0.0) / HALF_95).exp())
}

impl Band {
    /// Quantiles of samples; `None` when there are none. Infinite samples stand for "none in range".
    pub fn of(mut samples: Vec<f64>, drawn: usize) -> Option<Band> {
        samples.retain(|x| x.is_finite());
        samples.sort_by(f64::total_cmp);
        let at = |q: f64| samples.get(((samples.len().checked_sub(1)? as f64) * q).round() as usize).copied();
        Some(Band { low: at(0.05)?, median: at(0.5)?, high: at(0.95)?, samples: samples.len(), drawn })
    }
}
