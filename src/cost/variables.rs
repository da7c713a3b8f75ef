//! The models' variables from a measurement.

use crate::catalog::{Model, Point, Spread};
use crate::measurement::{ClassicalRun, Measured, Measurement};

/// Every variable that a measurement determines.
pub fn point(m: &Measurement) -> Point {
    let mut point = Point::new();
    let n = m.n as f64;
    point.set("n", Spread::exact(n));
    point.set("d", Spread::exact(m.row_sparsity.value.max(1) as f64));
    match measured(&m.kappa) {
        Some(kappa) => point.set("kappa", kappa),
        None => {
            let why = match m.kappa.low {
                Some(low) => format!(
                    "the solved matrix is singular (rank {} of {}): kappa has no value, only kappa >= {low:.4e}; damp it",
                    m.rank, m.n
                ),
                None => "kappa was not measured".to_string(),
            };
            point.without("kappa", &why);
        }
    }
    let t = &m.tolerance;
    if t.value.is_finite() && t.value > 0.0 {
        let end = |x: f64| if x.is_finite() && x > 0.0 { x } else { t.value };
        point.set("eps", Spread::new(t.value, end(t.low).min(end(t.high)), end(t.low).max(end(t.high))));
    } else {
        point.without("eps", "the tolerance was not measured");
    }
    if m.subnormalization.relative.is_finite() && m.subnormalization.relative > 0.0 {
        // Rounding may leave alpha a hair below the norm.
        point.set("alpha", Spread::exact(m.subnormalization.relative.max(1.0)));
    }
    if let Some(x) = m.x_norm.filter(|x| x.is_finite()) {
        let most = m.kappa.value.unwrap_or(f64::MAX);
        point.set("x_norm", Spread::exact(x.clamp(1.0, most.max(1.0))));
    }
    if let Some(sigma) = m.sigma_max.value.filter(|s| *s > 0.0) {
        if m.max_abs > 0.0 && m.max_abs.is_finite() {
            point.set("a_max", Spread::exact((m.max_abs / sigma).min(1.0)));
        }
        if m.frobenius_norm > 0.0 && m.frobenius_norm.is_finite() {
            point.set("frobenius", Spread::exact((m.frobenius_norm / sigma).clamp(1.0, n.sqrt().max(1.0))));
        }
    }
    point.set("nnz", Spread::exact(m.nonzeros as f64));
    let definite = m.inertia_solved.negative == 0 && m.inertia_solved.zero == 0 && m.inertia_solved.positive > 0;
    point.set("definite", Spread::exact(f64::from(u8::from(definite))));
    if let Some(batch) = m.batch {
        point.set("batch", Spread::exact(batch as f64));
    }
    match m.low_rank {
        Some(rank) => point.set("rank", Spread::exact(rank as f64)),
        None => point.without("rank", "this curvature is not low-rank plus lambda*I by construction"),
    }
    match m.hvp_flops.filter(|x| x.is_finite() && *x > 0.0) {
        Some(flops) => point.set("hvp_flops", Spread::exact(flops)),
        None => point.without("hvp_flops", "no program gives Hessian-vector products of this matrix"),
    }
    point
}

/// The same, with the iterations of the run that belongs to one model.
pub fn point_for(model: &Model, m: &Measurement) -> Point {
    let point = point(m);
    match run_of(model.id(), m) {
        Some((_, iterations)) => point.with("run_iterations", Spread::exact(iterations)),
        None => point,
    }
}

/// The run that belongs to a model, and its iterations: the fewest among plain and Jacobi-preconditioned ones;
/// matrix-free only plain ones, since the diagonal is not at hand.
pub(super) fn run_of<'m>(model: &str, m: &'m Measurement) -> Option<(&'m str, f64)> {
    let solvers: &[&str] = match model {
        "cg" => &["cg", "cg-jacobi"],
        "minres" => &["minres", "minres-jacobi"],
        "cg-hvp" => &["cg", "minres"],
        _ => return None,
    };
    let done = |run: &&ClassicalRun| solvers.contains(&run.solver.as_str()) && run.iterations.is_some();
    let best = m.classical_runs.iter().filter(done).min_by_key(|run| run.iterations)?;
    Some((best.solver.as_str(), best.iterations?.max(1) as f64))
}

/// A measured number with its ends; an end that is not known stays open.
fn measured(m: &Measured) -> Option<Spread> {
    let value = m.value.filter(|x| x.is_finite())?;
    Some(Spread { value, low: m.low.map(|x| x.min(value)), high: m.high.map(|x| x.max(value)) })
}
