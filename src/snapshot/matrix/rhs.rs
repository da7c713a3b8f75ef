//! The right-hand side of a plain matrix: `--rhs g.npy`, or a seeded Gaussian vector of norm 1.

use crate::error::{Error, Result};
use crate::snapshot::array::Values;
use crate::snapshot::batch::check_finite;
use crate::snapshot::decode::Context;
use crate::snapshot::folder::FileEntry;
use crate::snapshot::weights::npy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A right-hand side and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct RightHandSide {
    /// The vector.
    pub values: Vec<f64>,
    /// Its file, or `gaussian, seed S`.
    pub source: String,
}

/// A vector of independent standard Gaussians (ChaCha8, Box-Muller), divided by its 2-norm.
pub fn default_rhs(n: usize, seed: u64) -> RightHandSide {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Uniform in (0, 1]: the logarithm stays finite.
    let mut uniform = || ((random.next_u64() >> 11) + 1) as f64 * 2f64.powi(-53);
    let mut values: Vec<f64> = (0..n)
        .map(|_| {
            let (radius, angle) = (uniform(), uniform());
            (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
        })
        .collect();
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm > 0.0 {
        values.iter_mut().for_each(|v| *v /= norm);
    } else if let Some(first) = values.first_mut() {
        *first = 1.0;
    }
    RightHandSide { values, source: format!("gaussian, seed {seed}") }
}

/// Reads `--rhs`: a finite, non-zero vector of length `n` (or a matrix of one column).
pub fn read(bytes: &[u8], file: &FileEntry, n: usize, context: Context<'_>) -> Result<RightHandSide> {
    let place = file.place();
    if file.extension() != "npy" {
        return Err(Error::input(
            "rhs::format",
            place,
            "a right-hand side is read from a .npy file",
            "save it with numpy.save('g.npy', g)",
        ));
    }
    let array = npy::read(bytes, &place, context)?;
    if array.shape != [n] && array.shape != [n, 1] {
        return Err(Error::input(
            "rhs::length",
            place,
            format!("shape {:?}, but the matrix has N = {n}", array.shape),
            "give one number per row of the matrix",
        ));
    }
    check_finite(&place, &array, "every number of the right-hand side must be finite")?;
    let values: Vec<f64> = match array.values {
        Values::Float(values) => values,
        Values::Int(values) => values.into_iter().map(|v| v as f64).collect(),
        Values::Bool(_) => {
            return Err(Error::input("rhs::dtype", place, "boolean elements", "save it as float64"));
        }
    };
    if values.iter().all(|v| *v == 0.0) {
        return Err(Error::input(
            "rhs::zero",
            place,
            "the right-hand side is zero, and so is its solution",
            "give a vector that is not zero",
        ));
    }
    Ok(RightHandSide { values, source: file.name.clone() })
}
