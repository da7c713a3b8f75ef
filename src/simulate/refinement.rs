//! Iterative refinement around a solver: solve A y = r to a coarse tolerance, read y out, correct, repeat.
//!
//! Each round reads the whole vector out and forms the residual classically; that readout is not counted here. The
//! step along y is the one that makes the new residual smallest, which needs no norm estimate.

use super::instance::{Instance, distance, norm};
use super::oracle::Counts;
use super::solvers::{self, Ask};
use super::verification::Outcome;
use crate::error::Result;

/// Rounds after which refinement gives up.
const ROUNDS: usize = 60;

/// Refines until the accumulated solution is within `ask.eps`, each solve to `inner`.
///
/// # Errors
/// Those of the solver.
pub fn refine(model_id: &str, instance: &Instance, ask: Ask<'_>, inner: f64) -> Result<Outcome> {
    let n = instance.nodes.len();
    let (mut x, mut residual) = (vec![0.0; n], instance.amplitudes.clone());
    let (mut counts, mut depth, mut queries) = (Counts::default(), 0, 0);
    let (mut least, mut rounds, mut error) = (1.0_f64, 0, std::f64::consts::SQRT_2);
    let mut unit = "queries";
    let mut trail = Vec::new();
    while rounds < ROUNDS && error > ask.eps && norm(&residual) > 0.0 {
        let part = instance.with_rhs(&residual)?;
        let found = solvers::run(model_id, &part, Ask { eps: inner, claim: None, search: false, ..ask })?;
        let size = norm(&found.state);
        let y: Vec<f64> = found.state.iter().map(|v| v / size).collect();
        let image: Vec<f64> = y.iter().zip(&instance.nodes).map(|(y, m)| y * m).collect();
        let overlap: f64 = image.iter().zip(&residual).map(|(a, r)| a * r).sum();
        let step = overlap / image.iter().map(|a| a * a).sum::<f64>();
        for (((x, r), y), a) in x.iter_mut().zip(&mut residual).zip(&y).zip(&image) {
            *x += step * y;
            *r -= step * a;
        }
        counts.add(&found.counts, 1);
        queries += found.queries;
        depth = depth.max(found.depth);
        least = least.min(found.probability);
        unit = found.unit;
        rounds += 1;
        error = distance(&x, &instance.target);
        trail.push(format!("{error:.1e}"));
        // A residual that no longer falls means that the inner tolerance is too coarse for this κ.
        if step.abs() < 1e-300 {
            break;
        }
    }
    let notes = vec![
        format!("iterative refinement, inner ε = {inner}: {rounds} rounds, errors {}", trail.join(", ")),
        "each round reads the whole vector out; that readout is not counted".to_owned(),
    ];
    Ok(Outcome {
        counts,
        queries,
        depth,
        error,
        probability: least,
        needed: None,
        unit,
        state: x,
        notes,
        ..Outcome::default()
    })
}
