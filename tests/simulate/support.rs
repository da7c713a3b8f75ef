//! Matrices with known spectra and the reference numbers.

use breakeven::simulate::{Instance, Options, Spectrum};
use faer::Mat;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A standard normal number (Box-Muller).
pub fn gaussian(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Eigenvalues with |λ| in [1/κ, 1], both ends taken; `log`: log-uniform; `indefinite`: random signs.
pub fn eigenvalues(n: usize, kappa: f64, log: bool, indefinite: bool, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..n)
        .map(|i| {
            let t: f64 = match i {
                0 => 0.0,
                1 => 1.0,
                _ => rng.random(),
            };
            let size = if log { kappa.powf(t - 1.0) } else { 1.0 / kappa + t * (1.0 - 1.0 / kappa) };
            if indefinite && rng.random::<bool>() { -size } else { size }
        })
        .collect()
}

/// A diagonal instance: all that level 1 depends on.
pub fn instance(values: &[f64], alpha: f64, rng: &mut ChaCha8Rng) -> Instance {
    let b: Vec<f64> = values.iter().map(|_| gaussian(rng)).collect();
    let n = values.len();
    Instance::from_spectrum(values, &b, alpha, Spectrum::Full(Mat::identity(n, n)), n).unwrap()
}

/// A random orthogonal matrix by Gram-Schmidt, twice.
pub fn orthogonal(n: usize, rng: &mut ChaCha8Rng) -> Mat<f64> {
    let mut q = Mat::from_fn(n, n, |_, _| gaussian(rng));
    for j in 0..n {
        for _ in 0..2 {
            for k in 0..j {
                let overlap: f64 = (0..n).map(|i| q[(i, j)] * q[(i, k)]).sum();
                for i in 0..n {
                    let x = q[(i, k)];
                    q[(i, j)] -= overlap * x;
                }
            }
            let size = (0..n).map(|i| q[(i, j)].powi(2)).sum::<f64>().sqrt();
            for i in 0..n {
                q[(i, j)] /= size;
            }
        }
    }
    q
}

/// Q·diag(λ)·Qᵀ, exactly symmetric.
pub fn matrix(values: &[f64], rng: &mut ChaCha8Rng) -> Mat<f64> {
    let n = values.len();
    let q = orthogonal(n, rng);
    let entry = |i: usize, j: usize| (0..n).map(|k| q[(i, k)] * values[k] * q[(j, k)]).sum::<f64>();
    Mat::from_fn(n, n, |i, j| if i <= j { entry(i, j) } else { entry(j, i) })
}

pub fn vector(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..n).map(|_| gaussian(rng)).collect()
}

pub fn options() -> Options {
    Options::default()
}

pub fn reference() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/quantum/reference.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
