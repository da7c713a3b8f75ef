//! One damped system: −A⁻¹g by the method that fits the matrix.
//!
//! | matrix | method |
//! |---|---|
//! | dense, H + λI positive definite | Cholesky, else LBLᵀ (Bunch-Kaufman) |
//! | dense, \|H\| + λI | eigendecomposition |
//! | factor F, F·Fᵀ + λI | (F·Fᵀ + λI)⁻¹g = (g − F(FᵀF + λI)⁻¹Fᵀg)/λ (Woodbury): 2nr² flops, no n × n matrix |
//!
//! Rows of a dense matrix that hold nothing but zeros (inputs that no sample of the batch uses) are solved by themselves.

use super::matrix::Matrix;
use crate::curvature::damping::DampingRule;
use crate::curvature::{BlockObjective, Objective};
use crate::error::{Error, Result};
use crate::pages::ask_for_large;
use crate::parallel::Threads;
use crate::spectrum::cholesky::Cholesky;
use crate::spectrum::decompose;
use crate::spectrum::inertia::Factorization;
use crate::spectrum::scale::dot;
use crate::tensor::Real;
use crate::train::config::NewtonRule;
use faer::traits::RealField;
use faer::{Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::fmt;

/// Below this size threads cost more than they give.
const PARALLEL: usize = 256;
/// Levenberg-Marquardt gives up after this many tenfold increases of λ.
const TRIES: usize = 60;

/// How a system was solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// LLᵀ.
    Cholesky,
    /// LBLᵀ with Bunch-Kaufman pivoting.
    Ldlt,
    /// Eigenvalues and eigenvectors.
    Eigen,
    /// The r × r system of a factor.
    Woodbury,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Cholesky => "cholesky",
            Method::Ldlt => "ldlt",
            Method::Eigen => "eigen",
            Method::Woodbury => "woodbury",
        })
    }
}

/// A solved system.
#[derive(Debug, Clone, PartialEq)]
pub struct Solved {
    /// −A⁻¹g.
    pub direction: Vec<f64>,
    /// What was added to the diagonal.
    pub lambda: f64,
    /// How.
    pub method: Method,
}

/// Solves for −A⁻¹g; `place` names step and block in errors, `objective` makes the judge of Levenberg-Marquardt's steps.
///
/// # Errors
/// A certificate error when A is singular to working precision, or when no λ makes the loss fall.
pub fn solve<'a>(
    matrix: &Matrix,
    gradient: &[f64],
    rule: &NewtonRule,
    objective: &dyn Fn() -> BlockObjective<'a>,
    threads: &Threads,
    place: &str,
) -> Result<Solved> {
    let first = rule.lambda(matrix.max_abs(threads));
    let system = System { matrix, gradient, threads, place, symbol: rule.curvature.symbol() };
    match rule.damping {
        DampingRule::SaddleFree(_) => system.saddle_free(first),
        DampingRule::LevenbergMarquardt(_) => system.levenberg_marquardt(first, &objective()),
        DampingRule::None | DampingRule::Absolute(_) | DampingRule::Relative(_) => system.shifted(first),
    }
}

struct System<'a> {
    matrix: &'a Matrix,
    gradient: &'a [f64],
    threads: &'a Threads,
    place: &'a str,
    symbol: &'static str,
}

impl System<'_> {
    fn par(&self) -> Par {
        if self.gradient.len() < PARALLEL { Par::Seq } else { self.threads.faer() }
    }

    /// (H + λI)p = −g.
    fn shifted(&self, lambda: f64) -> Result<Solved> {
        match self.matrix {
            Matrix::Double(h) => self.direct(h.as_ref(), lambda),
            Matrix::Single(h) => self.direct(h.view(), lambda),
            Matrix::Factor(f) => self.woodbury(f, lambda),
        }
    }

    fn direct<T: Real + RealField>(&self, h: MatRef<'_, T>, lambda: f64) -> Result<Solved> {
        let live = self.live(h, lambda);
        if let Some(direction) = self.definite(h, &live, lambda) {
            return Ok(Solved { direction, lambda, method: Method::Cholesky });
        }
        let a = Mat::from_fn(live.len(), live.len(), |i, j| h[(live[i], live[j])].wide());
        // sequential, as are eigendecompositions: the library's bits depend on the number of threads otherwise
        let factors = Factorization::new(a.as_ref(), lambda, Par::Seq)?;
        let roundoff = T::ONE.wide() * epsilon::<T>() * live.len() as f64;
        if factors.pivot_ratio() <= roundoff.min(1e-6) {
            return Err(self.singular(lambda));
        }
        let mut x: Vec<f64> = live.iter().map(|&i| -self.gradient[i]).collect();
        factors.solve(&mut x);
        let direction = self.scatter(&live, lambda, &x);
        self.finite(Solved { direction, lambda, method: Method::Ldlt })
    }

    /// By Cholesky; `None` where H + λI is not safely positive definite.
    fn definite<T: Real + RealField>(&self, h: MatRef<'_, T>, live: &[usize], lambda: f64) -> Option<Vec<f64>> {
        let n = live.len();
        let shift = T::of(lambda);
        let solver = self.threads.run(|| {
            let mut a = vec![T::ZERO; n * n];
            ask_for_large(a.as_ptr(), a.len());
            let runs = runs(live);
            // the lower triangle alone is read
            a.par_chunks_exact_mut(n.max(1)).enumerate().for_each(|(j, column)| {
                let from = h.col(live[j]);
                for &(at, row, len) in runs.iter().filter(|(at, _, len)| at + len > j) {
                    let skip = j.saturating_sub(at);
                    let values = from.subrows(row + skip, len - skip);
                    match values.try_as_col_major() {
                        Some(values) => column[at + skip..at + len].copy_from_slice(values.as_slice()),
                        None => column[at + skip..at + len].iter_mut().zip(values.iter()).for_each(|(c, v)| *c = *v),
                    }
                }
                column[j] += shift;
            });
            Cholesky::new(a, n)
        })?;
        if solver.pivot_ratio() <= 4.0 * epsilon::<T>() {
            return None;
        }
        let mut x: Vec<T> = live.iter().map(|&i| T::of(-self.gradient[i])).collect();
        self.threads.run(|| solver.solve(&mut x));
        let x: Vec<f64> = x.into_iter().map(T::wide).collect();
        Some(self.scatter(live, lambda, &x)).filter(|p| p.iter().all(|v| v.is_finite()))
    }

    /// Rows that hold more than zeros; all of them where λ = 0, so that a zero row is found singular.
    fn live<T: Real>(&self, h: MatRef<'_, T>, lambda: f64) -> Vec<usize> {
        let n = h.nrows();
        if lambda == 0.0 {
            return (0..n).collect();
        }
        self.threads.run(|| (0..n).into_par_iter().filter(|&j| h.col(j).iter().any(|&x| x != T::ZERO)).collect())
    }

    /// The whole direction from that of the live rows.
    fn scatter(&self, live: &[usize], lambda: f64, x: &[f64]) -> Vec<f64> {
        let mut p: Vec<f64> = if lambda == 0.0 {
            vec![0.0; self.gradient.len()]
        } else {
            self.gradient.iter().map(|g| -g / lambda).collect()
        };
        live.iter().zip(x).for_each(|(&i, &x)| p[i] = x);
        p
    }

    fn woodbury(&self, f: &Mat<f64>, lambda: f64) -> Result<Solved> {
        // the rank is below n
        if lambda <= 0.0 {
            return Err(self.singular(lambda));
        }
        let (r, par) = (f.ncols(), self.par());
        let direction = self.threads.run(|| {
            let mut gram = vec![0.0; r * r];
            let inner = MatMut::from_column_major_slice_mut(&mut gram, r, r);
            f64::product(inner, false, f.transpose(), f.as_ref(), par);
            gram.iter_mut().step_by(r + 1).for_each(|x| *x += lambda);
            let solver = Cholesky::new(gram, r)?;
            let mut inner: Vec<f64> = f.col_iter().map(|c| product(c, self.gradient)).collect();
            solver.solve(&mut inner);
            let mut p: Vec<f64> = self.gradient.iter().map(|g| -g).collect();
            for (column, z) in f.col_iter().zip(&inner) {
                p.iter_mut().zip(column.iter()).for_each(|(p, x)| *p += x * z);
            }
            p.iter_mut().for_each(|p| *p /= lambda);
            Some(p)
        });
        match direction {
            Some(direction) => self.finite(Solved { direction, lambda, method: Method::Woodbury }),
            None => Err(self.singular(lambda)),
        }
    }

    /// (|H| + λI)p = −g.
    fn saddle_free(&self, lambda: f64) -> Result<Solved> {
        let h = match self.matrix {
            // |F·Fᵀ| = F·Fᵀ
            Matrix::Factor(f) => return self.woodbury(f, lambda),
            Matrix::Double(h) => h.clone(),
            Matrix::Single(_) => self.matrix.to_dense(Par::Seq),
        };
        let eigen = decompose(h.as_ref(), Par::Seq)?;
        let top = eigen.values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let least = eigen.values.iter().fold(f64::INFINITY, |m, v| m.min(v.abs())) + lambda;
        if least <= (top + lambda) * f64::EPSILON * eigen.values.len() as f64 {
            return Err(self.singular(lambda));
        }
        let mut p = vec![0.0; self.gradient.len()];
        for (column, v) in eigen.vectors.col_iter().zip(&eigen.values) {
            let c = product(column, self.gradient) / (v.abs() + lambda);
            p.iter_mut().zip(column.iter()).for_each(|(p, x)| *p -= c * x);
        }
        self.finite(Solved { direction: p, lambda, method: Method::Eigen })
    }

    /// λ = λ₀·10ᵏ until H + λI is positive definite and the loss falls by a quarter of what the model predicts.
    fn levenberg_marquardt(&self, first: f64, objective: &dyn Objective) -> Result<Solved> {
        let start = objective.loss_at(&vec![0.0; self.gradient.len()])?;
        let mut lambda = first.max(f64::MIN_POSITIVE);
        for _ in 0..TRIES {
            let found = match self.matrix {
                Matrix::Factor(f) => self.woodbury(f, lambda).ok(),
                Matrix::Double(h) => self.definite_step(h.as_ref(), lambda),
                Matrix::Single(h) => self.definite_step(h.view(), lambda),
            };
            if let Some(found) = found {
                let p = &found.direction;
                let predicted = -dot(self.gradient, p) - 0.5 * self.curvature_along(p);
                let actual = objective.loss_at(p).map_or(f64::NEG_INFINITY, |l| start - l);
                // at a minimum both vanish in rounding
                let noise = 1e-14 * start.abs();
                if actual >= predicted / 4.0 || (actual.abs() <= noise && predicted <= noise) {
                    return Ok(found);
                }
            }
            lambda *= 10.0;
        }
        Err(Error::certificate(
            "train::levenberg_marquardt",
            self.place,
            "no λ makes the loss fall as the model predicts",
            "use --damping relative:5e-3",
        ))
    }

    fn definite_step<T: Real + RealField>(&self, h: MatRef<'_, T>, lambda: f64) -> Option<Solved> {
        let live = self.live(h, lambda);
        let direction = self.definite(h, &live, lambda)?;
        Some(Solved { direction, lambda, method: Method::Cholesky })
    }

    /// pᵀHp.
    fn curvature_along(&self, p: &[f64]) -> f64 {
        fn quadratic<T: Real>(h: MatRef<'_, T>, p: &[f64]) -> f64 {
            let row = |j: usize| h.col(j).iter().zip(p).map(|(x, p)| x.wide() * p).sum::<f64>();
            (0..p.len()).map(|j| p[j] * row(j)).sum()
        }
        match self.matrix {
            Matrix::Double(h) => quadratic(h.as_ref(), p),
            Matrix::Single(h) => quadratic(h.view(), p),
            Matrix::Factor(f) => f.col_iter().map(|c| product(c, p).powi(2)).sum(),
        }
    }

    fn finite(&self, solved: Solved) -> Result<Solved> {
        if solved.direction.iter().all(|v| v.is_finite()) { Ok(solved) } else { Err(self.singular(solved.lambda)) }
    }

    fn singular(&self, lambda: f64) -> Error {
        let name = match lambda {
            0.0 => self.symbol.to_owned(),
            lambda => format!("{}+λI with λ = {lambda:.3e}", self.symbol),
        };
        Error::certificate(
            "train::singular",
            self.place,
            format!("{name} is singular to working precision"),
            "damp more: --damping relative:5e-3, or saddle-free:5e-3",
        )
    }
}

/// Maximal runs of consecutive rows: position in the list, first row, length.
fn runs(rows: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (at, &row) in rows.iter().enumerate() {
        match runs.last_mut() {
            Some((_, first, len)) if *first + *len == row => *len += 1,
            _ => runs.push((at, row, 1)),
        }
    }
    runs
}

fn product(column: faer::ColRef<'_, f64>, x: &[f64]) -> f64 {
    column.iter().zip(x).map(|(c, x)| c * x).sum()
}

/// Spacing of the numbers above 1.
fn epsilon<T: Real>() -> f64 {
    if size_of::<T>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON }
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn runs_are_maximal() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[0, 1, 2]), [(0, 0, 3)]);
        assert_eq!(runs(&[2, 3, 7, 9, 10]), [(0, 2, 2), (2, 7, 1), (3, 9, 2)]);
    }
}
