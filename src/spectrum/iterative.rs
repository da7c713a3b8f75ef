//! Conjugate gradients and MINRES, plain and with the Jacobi preconditioner, run until a relative error is reached.
//!
//! "To ε" means the relative 2-norm error ‖x_k − x*‖/‖x*‖ ≤ ε against the direct solution x* where it is known (the
//! error that a quantum solver's ε bounds too), else the relative residual ‖b − Ax_k‖/‖b‖ ≤ ε. Beside it stands the
//! first iteration at which the norm of the textbook bound is below ε: the energy norm for CG, the residual for MINRES.

use super::scale::{dot, norm};
use crate::error::Result;

/// Which method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Conjugate gradients (Hestenes and Stiefel 1952); needs a positive definite matrix.
    Cg,
    /// MINRES (Paige and Saunders 1975); any symmetric matrix.
    Minres,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Iterations to ε; `None` when it broke down or ran out.
    pub iterations: Option<u64>,
    /// Iterations until the bound's own norm was below ε (energy norm for CG, residual for MINRES; with a
    /// preconditioner both in the preconditioned inner product).
    pub iterations_bound_norm: Option<u64>,
    /// ‖b − Ax‖₂/‖b‖₂ of the last iterate, computed anew.
    pub relative_residual: f64,
    /// ‖x − x*‖₂/‖x*‖₂ of the last iterate, where x* is known.
    pub relative_error: Option<f64>,
    /// Iterations done.
    pub done: u64,
    /// Why it stopped, when not by converging.
    pub note: Option<String>,
    /// The last iterate.
    pub x: Vec<f64>,
}

/// y ← A·x.
pub type Product<'a> = &'a dyn Fn(&[f64], &mut [f64]) -> Result<()>;

/// A linear system for the iterative methods.
pub struct Problem<'a> {
    /// y ← A·x.
    pub apply: Product<'a>,
    /// Right-hand side, not zero.
    pub b: &'a [f64],
    /// Positive diagonal of the preconditioner M ≈ A; `None` for the plain method.
    pub jacobi: Option<&'a [f64]>,
    /// Direct solution, where known.
    pub solution: Option<&'a [f64]>,
    /// ε.
    pub eps: f64,
    /// Most iterations.
    pub limit: u64,
}

/// ⌈√κ/2·ln(2/ε)⌉, the bound on CG's iterations to relative energy-norm error ε (from the Chebyshev bound).
pub fn cg_bound(kappa: f64, eps: f64) -> f64 {
    (0.5 * kappa.sqrt() * (2.0 / eps).ln()).ceil().max(1.0)
}

/// 2⌈ln(2/ε)/ln((κ+1)/(κ−1))⌉, the bound on MINRES' iterations to relative residual ε for a symmetric indefinite matrix.
pub fn minres_bound(kappa: f64, eps: f64) -> f64 {
    if kappa <= 1.0 {
        return 2.0;
    }
    // ln((κ+1)/(κ−1)) = 2·atanh(1/κ), without cancellation for large κ
    2.0 * ((2.0 / eps).ln() / (2.0 * (1.0 / kappa).atanh())).ceil().max(1.0)
}

/// Runs `method` on the problem.
///
/// # Errors
/// When a product fails.
pub fn run(method: Method, problem: &Problem<'_>) -> Result<Run> {
    if let Some(m) = problem.jacobi
        && let Some(i) = m.iter().position(|&x| !(x > 0.0 && x.is_finite()))
    {
        let note = format!("no Jacobi preconditioner: diagonal entry {i} is {:.3e}", m[i]);
        return finish(problem, vec![0.0; problem.b.len()], 0, None, None, Some(note));
    }
    match method {
        Method::Cg => cg(problem),
        Method::Minres => minres(problem),
    }
}

fn precondition(problem: &Problem<'_>, r: &[f64]) -> Vec<f64> {
    match problem.jacobi {
        Some(m) => r.iter().zip(m).map(|(r, m)| r / m).collect(),
        None => r.to_vec(),
    }
}

fn error_of(problem: &Problem<'_>, x: &[f64]) -> Option<f64> {
    let solution = problem.solution?;
    let difference: Vec<f64> = x.iter().zip(solution).map(|(a, b)| a - b).collect();
    Some(norm(&difference) / norm(solution))
}

fn finish(
    problem: &Problem<'_>,
    x: Vec<f64>,
    done: u64,
    iterations: Option<u64>,
    iterations_bound_norm: Option<u64>,
    note: Option<String>,
) -> Result<Run> {
    let mut ax = vec![0.0; x.len()];
    (problem.apply)(&x, &mut ax)?;
    let r: Vec<f64> = problem.b.iter().zip(&ax).map(|(b, y)| b - y).collect();
    let relative_residual = norm(&r) / norm(problem.b);
    let relative_error = error_of(problem, &x);
    Ok(Run { iterations, iterations_bound_norm, relative_residual, relative_error, done, note, x })
}

fn cg(problem: &Problem<'_>) -> Result<Run> {
    let n = problem.b.len();
    let mut x = vec![0.0; n];
    let mut r = problem.b.to_vec();
    let mut z = precondition(problem, &r);
    let mut p = z.clone();
    let mut q = vec![0.0; n];
    let mut rho = dot(&r, &z);
    let norm_b = norm(problem.b);
    // (x* − x)ᵀ(b − Ax) is the squared energy norm of the error
    let energy = |x: &[f64], r: &[f64]| {
        problem.solution.map(|s| s.iter().zip(x).zip(r).map(|((s, x), r)| (s - x) * r).sum::<f64>())
    };
    let energy_start = energy(&x, &r);
    let mut in_bound_norm = None;
    let mut best: Option<Run> = None;
    for k in 1..=problem.limit {
        (problem.apply)(&p, &mut q)?;
        let curvature = dot(&p, &q);
        if curvature <= 0.0 || curvature.is_nan() {
            let note =
                format!("broke down at iteration {k}: pᵀAp = {curvature:.3e} ≤ 0, the matrix is not positive definite");
            return best.map_or_else(|| finish(problem, x, k - 1, None, None, Some(note)), Ok);
        }
        let alpha = rho / curvature;
        for i in 0..n {
            x[i] += alpha * p[i];
            r[i] -= alpha * q[i];
        }
        if in_bound_norm.is_none()
            && let (Some(now), Some(start)) = (energy(&x, &r), energy_start)
            && now <= problem.eps * problem.eps * start
        {
            in_bound_norm = Some(k);
        }
        let reached = error_of(problem, &x).unwrap_or_else(|| norm(&r) / norm_b);
        if best.is_none() && reached <= problem.eps {
            best = Some(finish(problem, x.clone(), k, Some(k), None, None)?);
        }
        // the bound's norm may need more steps than the 2-norm: go on until both are known
        if let Some(mut best) = best.take_if(|_| in_bound_norm.is_some() || problem.solution.is_none()) {
            best.iterations_bound_norm = in_bound_norm;
            return Ok(best);
        }
        z = precondition(problem, &r);
        let next = dot(&r, &z);
        if next <= 0.0 || next.is_nan() {
            let note = format!("stagnated at iteration {k}: the residual underflowed");
            return best.map_or_else(|| finish(problem, x, k, None, in_bound_norm, Some(note)), Ok);
        }
        let beta = next / rho;
        rho = next;
        for i in 0..n {
            p[i] = z[i] + beta * p[i];
        }
    }
    let note = format!("ran out: {} iterations did not reach ε", problem.limit);
    best.map_or_else(|| finish(problem, x, problem.limit, None, in_bound_norm, Some(note)), Ok)
}

fn minres(problem: &Problem<'_>) -> Result<Run> {
    let n = problem.b.len();
    let mut x = vec![0.0; n];
    let mut r_old = problem.b.to_vec();
    let mut r = problem.b.to_vec();
    let mut y = precondition(problem, &r);
    let start = dot(&r, &y).max(0.0).sqrt();
    let mut size = 0.0f64;
    let (mut beta, mut beta_old) = (start, 0.0);
    let (mut delta_bar, mut eps_next, mut phi) = (0.0, 0.0, start);
    let (mut cs, mut sn) = (-1.0, 0.0);
    let (mut w, mut w_old) = (vec![0.0; n], vec![0.0; n]);
    let mut v = vec![0.0; n];
    let mut av = vec![0.0; n];
    let mut in_bound_norm = None;
    let mut best: Option<Run> = None;
    for k in 1..=problem.limit {
        for i in 0..n {
            v[i] = y[i] / beta;
        }
        (problem.apply)(&v, &mut av)?;
        if k >= 2 {
            let f = beta / beta_old;
            for i in 0..n {
                av[i] -= f * r_old[i];
            }
        }
        let alpha = dot(&v, &av);
        let f = alpha / beta;
        for i in 0..n {
            av[i] -= f * r[i];
        }
        std::mem::swap(&mut r_old, &mut r);
        r.copy_from_slice(&av);
        y = precondition(problem, &r);
        beta_old = beta;
        beta = dot(&r, &y).max(0.0).sqrt();
        // the next plane rotation of the QR factorisation of the Lanczos tridiagonal matrix
        let eps_old = eps_next;
        let delta = cs * delta_bar + sn * alpha;
        let gamma_bar = sn * delta_bar - cs * alpha;
        eps_next = sn * beta;
        delta_bar = -cs * beta;
        let gamma = gamma_bar.hypot(beta);
        if gamma == 0.0 || gamma.is_nan() {
            let note = format!("broke down at iteration {k}: the matrix is singular on the Krylov space");
            return best.map_or_else(|| finish(problem, x, k, None, in_bound_norm, Some(note)), Ok);
        }
        cs = gamma_bar / gamma;
        sn = beta / gamma;
        let step = cs * phi;
        phi *= sn;
        for i in 0..n {
            let new = (v[i] - eps_old * w_old[i] - delta * w[i]) / gamma;
            w_old[i] = w[i];
            w[i] = new;
            x[i] += step * new;
        }
        let residual = phi.abs() / start;
        if in_bound_norm.is_none() && residual <= problem.eps {
            in_bound_norm = Some(k);
        }
        let reached = match error_of(problem, &x) {
            Some(error) => error,
            None if problem.jacobi.is_none() => residual,
            None => finish(problem, x.clone(), k, None, None, None)?.relative_residual,
        };
        if best.is_none() && reached <= problem.eps {
            let found = finish(problem, x.clone(), k, Some(k), None, None)?;
            // the recurrence's residual drifts from the real one when A is singular on the Krylov space
            if problem.solution.is_none() && found.relative_residual > 2.0 * problem.eps {
                let note = format!("stagnated at iteration {k}: residual {:.3e}", found.relative_residual);
                return Ok(Run { iterations: None, note: Some(note), ..found });
            }
            best = Some(found);
        }
        if let Some(mut best) = best.take_if(|_| in_bound_norm.is_some()) {
            best.iterations_bound_norm = in_bound_norm;
            return Ok(best);
        }
        size = size.max(alpha.abs()).max(beta);
        if beta <= 4.0 * f64::EPSILON * size || beta.is_nan() {
            let note = format!("the Krylov space was exhausted at iteration {k}");
            return best.map_or_else(|| finish(problem, x, k, None, in_bound_norm, Some(note)), Ok);
        }
    }
    let note = format!("ran out: {} iterations did not reach ε", problem.limit);
    best.map_or_else(|| finish(problem, x, problem.limit, None, in_bound_norm, Some(note)), Ok)
}

#[cfg(test)]
mod tests;
