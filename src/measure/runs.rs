//! CG and MINRES, plain and Jacobi, really run on the solved system to ε.

use super::trust_region::product_into;
use crate::error::Result;
use crate::measurement::ClassicalRun;
use crate::spectrum::iterative::{Method, Problem, Product, cg_bound, minres_bound, run};
use faer::{MatRef, Par};
use rayon::prelude::*;

/// Matrix entries that one run may touch; more iterations than that (but at least [`LEAST`]) are not waited for.
const BUDGET: f64 = 3e9;

/// Iterations that every run may take.
const LEAST: u64 = 300;

/// A solved system for the iterative methods.
pub struct System<'a> {
    /// y ← A·x.
    pub apply: Product<'a>,
    /// Matrix entries that one product touches.
    pub cost: f64,
    /// Diagonal of A, for the Jacobi preconditioner.
    pub diagonal: &'a [f64],
    /// Right-hand side.
    pub b: &'a [f64],
    /// Direct solution; `None` when A is singular.
    pub solution: Option<&'a [f64]>,
    /// κ(A); `None` when A is singular.
    pub kappa: Option<f64>,
    /// Whether A has no eigenvalue below zero.
    pub definite: bool,
    /// ε.
    pub eps: f64,
}

/// A dense matrix, multiplied by its non-zero entries alone where they are few.
pub struct Dense<'a> {
    a: MatRef<'a, f64>,
    rows: Option<Rows>,
    par: Par,
}

impl<'a> Dense<'a> {
    /// Looks for zeros.
    pub fn new(a: MatRef<'a, f64>, par: Par) -> Self {
        Dense { a, rows: Rows::new(a), par }
    }

    /// y ← A·x.
    pub fn apply(&self, x: &[f64], y: &mut [f64]) {
        match &self.rows {
            Some(rows) => rows.apply(x, y),
            None => product_by_rows(self.a, x, y, self.par),
        }
    }

    /// Entries that one product touches.
    pub fn cost(&self) -> f64 {
        let n = self.a.nrows();
        self.rows.as_ref().map_or((n * n) as f64, |s| s.value.len().max(n) as f64)
    }

    /// The diagonal.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.a.nrows()).map(|i| self.a[(i, i)]).collect()
    }
}

/// Rows of one task of a product.
const CHUNK: usize = 128;

/// y ← A·x for a symmetric A, by rows that are columns: the bits do not depend on the number of threads, so neither do
/// the iterations of a solver that feels rounding.
fn product_by_rows(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64], par: Par) {
    let rows = |(i, y): (usize, &mut [f64])| {
        product_into(a.subcols(i * CHUNK, y.len()).transpose(), x, y, Par::Seq);
    };
    match par {
        Par::Seq => y.chunks_mut(CHUNK).enumerate().for_each(rows),
        _ => y.par_chunks_mut(CHUNK).enumerate().for_each(rows),
    }
}

/// A row-compressed copy, used when most entries are zero.
struct Rows {
    start: Vec<usize>,
    column: Vec<u32>,
    value: Vec<f64>,
}

impl Rows {
    fn new(a: MatRef<'_, f64>) -> Option<Self> {
        let n = a.nrows();
        let nonzeros: usize = (0..n).map(|j| a.col(j).iter().filter(|x| **x != 0.0).count()).sum();
        if nonzeros > n * n / 6 || u32::try_from(n).is_err() {
            return None;
        }
        let mut rows = Rows { start: vec![0], column: Vec::new(), value: Vec::new() };
        // symmetric: a column is a row
        for j in 0..n {
            for (i, &x) in a.col(j).iter().enumerate().filter(|(_, x)| **x != 0.0) {
                rows.column.push(i as u32);
                rows.value.push(x);
            }
            rows.start.push(rows.value.len());
        }
        Some(rows)
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) {
        for (y, w) in y.iter_mut().zip(self.start.windows(2)) {
            let range = w[0]..w[1];
            *y = self.column[range.clone()].iter().zip(&self.value[range]).map(|(&c, v)| v * x[c as usize]).sum();
        }
    }
}

/// Runs the four solvers: `cg`, `cg-jacobi`, `minres`, `minres-jacobi`.
///
/// # Errors
/// When a product fails.
pub fn all(system: &System<'_>) -> Result<Vec<ClassicalRun>> {
    let n = system.b.len();
    let limit = ((BUDGET / system.cost) as u64).min(20 * n as u64).max(LEAST);
    let diagonal = system.diagonal;
    let largest = diagonal.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    // MINRES needs a positive definite preconditioner: |a_ii|, and the largest where a_ii is zero
    let absolute: Vec<f64> = diagonal.iter().map(|x| if *x == 0.0 { largest } else { x.abs() }).collect();
    let mut runs = Vec::new();
    let plain: Option<&[f64]> = None;
    for (solver, method, jacobi) in [
        ("cg", Method::Cg, plain),
        ("cg-jacobi", Method::Cg, Some(diagonal)),
        ("minres", Method::Minres, plain),
        ("minres-jacobi", Method::Minres, Some(absolute.as_slice())),
    ] {
        let problem =
            Problem { apply: system.apply, b: system.b, jacobi, solution: system.solution, eps: system.eps, limit };
        let found = run(method, &problem)?;
        let bound = match (method, jacobi, system.kappa) {
            (Method::Cg, None, Some(kappa)) if system.definite => Some(cg_bound(kappa, system.eps)),
            (Method::Minres, None, Some(kappa)) => Some(minres_bound(kappa, system.eps)),
            _ => None,
        };
        let finite = |x: f64| x.is_finite().then_some(x);
        runs.push(ClassicalRun {
            solver: solver.to_string(),
            iterations: found.iterations,
            bound: bound.and_then(finite),
            relative_residual: finite(found.relative_residual),
            relative_error: found.relative_error.and_then(finite),
            iterations_bound_norm: found.iterations_bound_norm,
            note: found.note,
        });
    }
    Ok(runs)
}

#[cfg(test)]
mod tests;
