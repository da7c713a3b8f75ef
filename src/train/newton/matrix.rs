//! The curvature matrix of one block: dense in double or single precision, or a thin factor.

use crate::curvature::damping::DampingRule;
use crate::curvature::pruning::{PruneRule, prune};
use crate::curvature::{Block, Precision, Prepared, SymmetricOperator};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::tensor::Real;
use crate::train::config::{CurvatureKind, NewtonRule};
use faer::{Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// The pruned, undamped matrix of a block.
#[derive(Debug, Clone)]
pub enum Matrix {
    /// Dense.
    Double(Mat<f64>),
    /// Dense, assembled and solved in single precision.
    Single(Single),
    /// F (n × r, r < n) of F·Fᵀ, which is never formed.
    Factor(Mat<f64>),
}

/// A square matrix in single precision, column-major, in memory that is touched when it is first written.
#[derive(Debug, Clone)]
pub struct Single {
    data: Vec<f32>,
    n: usize,
}

impl Single {
    /// The matrix.
    pub fn view(&self) -> MatRef<'_, f32> {
        MatRef::from_column_major_slice(&self.data, self.n, self.n)
    }
}

impl Matrix {
    /// Assembles and prunes.
    ///
    /// # Errors
    /// Memory above `limit` bytes, a product that is not finite, a graph without the output that the curvature needs.
    pub fn new(prepared: &Prepared<'_>, block: &Block, rule: &NewtonRule, limit: Option<u64>) -> Result<Self> {
        let n = block.len;
        let plain = rule.prune == PruneRule::None || rule.prune == PruneRule::Ratio(1.0);
        let dense = |bytes: usize| fits(block, rule, bytes, limit);
        let whole = match rule.curvature {
            CurvatureKind::Hessian => {
                let direct =
                    matches!(rule.damping, DampingRule::None | DampingRule::Absolute(_) | DampingRule::Relative(_));
                if prepared.precision() == Precision::F32 && plain && direct {
                    dense(4)?;
                    let mut data = vec![0.0f32; n * n];
                    let out = MatMut::from_column_major_slice_mut(&mut data, n, n);
                    prepared.hessian(block).assemble(out, None, &|_, _| {})?;
                    return Ok(Matrix::Single(Single { data, n }));
                }
                dense(8)?;
                prepared.hessian(block).to_dense()?
            }
            CurvatureKind::GaussNewton => {
                let operator = prepared.gauss_newton(block)?;
                if plain && operator.rank_bound() < n {
                    return Ok(Matrix::Factor(operator.factor()?));
                }
                dense(8)?;
                operator.to_dense()?
            }
            CurvatureKind::EmpiricalFisher => {
                let operator = prepared.empirical_fisher(block)?;
                if plain && operator.rank_bound() < n {
                    return Ok(Matrix::Factor(operator.factor().to_owned()));
                }
                dense(8)?;
                operator.to_dense()?
            }
        };
        Ok(Matrix::Double(if plain { whole } else { prune(whole.as_ref(), rule.prune) }))
    }

    /// Dense, in double precision.
    pub fn to_dense(&self, par: Par) -> Mat<f64> {
        match self {
            Matrix::Double(h) => h.clone(),
            Matrix::Single(h) => Mat::from_fn(h.n, h.n, |i, j| f64::from(h.data[i + j * h.n])),
            Matrix::Factor(f) => {
                let n = f.nrows();
                let mut h = Mat::<f64>::zeros(n, n);
                f64::product(h.as_mut(), false, f.as_ref(), f.transpose(), par);
                for j in 0..n {
                    for i in j + 1..n {
                        h[(j, i)] = h[(i, j)];
                    }
                }
                h
            }
        }
    }

    /// max|a_ij|. A positive semidefinite matrix has it on its diagonal, so a factor need not be multiplied out.
    pub fn max_abs(&self, threads: &Threads) -> f64 {
        threads.run(|| match self {
            Matrix::Double(h) => max_abs(h.as_ref()),
            Matrix::Single(h) => max_abs(h.view()),
            Matrix::Factor(f) => {
                let mut squares = vec![0.0f64; f.nrows()];
                for column in f.col_iter() {
                    for (s, x) in squares.iter_mut().zip(column.iter()) {
                        *s += x * x;
                    }
                }
                squares.into_iter().fold(0.0, f64::max)
            }
        })
    }
}

fn max_abs<T: Real>(a: MatRef<'_, T>) -> f64 {
    let larger = |top: T, x: T| {
        let x = if x < T::ZERO { -x } else { x };
        if x > top { x } else { top }
    };
    let column = |j: usize| {
        let column = a.col(j);
        let Some(values) = column.try_as_col_major() else {
            return column.iter().fold(T::ZERO, |top, &x| larger(top, x)).wide();
        };
        // sixteen maxima at a time vectorise
        let mut tops = [T::ZERO; 16];
        let mut groups = values.as_slice().chunks_exact(16);
        for group in &mut groups {
            for (top, &x) in tops.iter_mut().zip(group) {
                *top = larger(*top, x);
            }
        }
        tops.into_iter().chain(groups.remainder().iter().copied()).fold(T::ZERO, larger).wide()
    };
    (0..a.ncols()).into_par_iter().map(column).reduce(|| 0.0, f64::max)
}

/// A matrix and its factor must fit.
fn fits(block: &Block, rule: &NewtonRule, bytes: usize, limit: Option<u64>) -> Result<()> {
    let need = 2.0 * bytes as f64 * (block.len as f64).powi(2);
    match limit {
        Some(limit) if need > limit as f64 => Err(Error::resource(
            "train::memory",
            format!("block `{}`, N = {}", block.name, block.len),
            format!(
                "its {} and a factor of it need {}, above the {} that may be used",
                rule.curvature,
                size(need),
                size(limit as f64)
            ),
            "use --scope layers, --precision f32, or --curvature empirical-fisher with --keep 1, which forms no N² matrix",
        )),
        _ => Ok(()),
    }
}

/// Bytes for reading.
fn size(bytes: f64) -> String {
    const MEGA: f64 = (1u64 << 20) as f64;
    if bytes < 1024.0 * MEGA { format!("{:.1} MiB", bytes / MEGA) } else { format!("{:.1} GiB", bytes / MEGA / 1024.0) }
}
