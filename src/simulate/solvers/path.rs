//! Eigenpath traversal by randomisation with a filter: `jennings2023`, `jennings2025` and the bare algorithm `eigenpath`.

use super::{Ask, Circuit, too_few};
use crate::error::{Error, Result};
use crate::simulate::adiabatic::{filter_complex, filter_degree};
use crate::simulate::instance::Instance;
use crate::simulate::oracle::Counts;
use crate::simulate::randomisation::{Traversed, traverse, work};
use crate::simulate::verification::Outcome;

/// Runs in an ensemble.
const RUNS: u64 = 8;

struct Solved {
    traversed: Traversed,
    degree: u64,
    error: f64,
    counts: Counts,
    state: Vec<f64>,
}

/// q steps, then the filter; all again until the filter's flag says yes (probability = mean fidelity).
fn solve(instance: &Instance, steps: u64, degree: u64, simulation_error: f64, seed: u64) -> Solved {
    let traversed = traverse(instance, steps, RUNS, seed, simulation_error);
    let (state, error) = filter_complex(instance, &traversed.state, degree);
    let p = traversed.fidelity.clamp(1e-6, 1.0);
    let mut counts = traversed.counts.expected(1.0 / p);
    let filter = Counts {
        block_encoding: degree / 2,
        block_encoding_adjoint: degree.div_ceil(2),
        state_preparation: 2 * degree,
        ..Counts::default()
    };
    counts.add(&filter.expected(0.5 * (1.0 / p + 1.0)), 1);
    Solved { traversed, degree, error, counts, state }
}

/// Steps of Theorem 1.
fn steps(kappa: f64) -> u64 {
    let l = (2.0 * kappa + 3.0).ln();
    (3.51 * l * l).ceil() as u64
}

/// Operations of [`randomised`].
pub fn randomised_work(instance: &Instance) -> f64 {
    2.0 * work(instance, steps(instance.kappa_eff()), RUNS)
}

/// Randomised traversal of the path with the number of steps of Theorem 1 (q = 3.51·L², L = ln(2κ + 3)).
pub fn randomised(model_id: &str, instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    if model_id == "jennings2023" && (kappa < 12f64.sqrt() || ask.eps > 0.24) {
        return Err(Error::input(
            "simulate::domain",
            model_id,
            format!("Theorem 1 asks κ ≥ √12 and ε ≤ 0.24; here κ_eff = {kappa:.4}, ε = {}", ask.eps),
            "use another model for this system",
        ));
    }
    let l = (2.0 * kappa + 3.0).ln();
    let steps = steps(kappa);
    let simulation_error = ask.eps / (451.0 * l * l);
    let degree = |eps: f64| filter_degree(kappa, eps / 16.0);
    let seed = ask.options.seed;
    // Fewest: shorter paths succeed less often; the filter is as short as reaches ε.
    let mut needed: Option<u64> = None;
    for share in [0.1, 0.2, 0.35, 0.6].into_iter().filter(|_| ask.search) {
        let q = ((steps as f64 * share) as u64).max(1);
        let traversed = traverse(instance, q, RUNS, seed, simulation_error);
        let longest = filter_degree(kappa, ask.eps * 1e-2);
        let good = |half: u64| filter_complex(instance, &traversed.state, 2 * half).1 <= ask.eps;
        if let Some(half) = crate::simulate::qsvt::smallest(longest / 2, good) {
            let found = solve(instance, q, 2 * half, simulation_error, seed).counts.queries();
            needed = Some(needed.map_or(found, |n| n.min(found)));
        }
    }
    let solved = match ask.claim {
        None => solve(instance, steps, degree(ask.eps), simulation_error, seed),
        Some(claim) => {
            let with = |k: u64| {
                let q = (steps * k / 16).max(1);
                solve(instance, q, degree(ask.eps) * k.min(16) / 16 / 2 * 2, simulation_error, seed)
            };
            match super::largest(24, |k| with(k).counts.queries() <= claim) {
                Some(k) => with(k),
                None => return Ok(too_few(claim, "queries", needed)),
            }
        }
    };
    let notes = vec![
        format!(
            "{} steps with random times, mean total time {:.1}; mean fidelity {:.3} ± {:.3} over {RUNS} runs (seed {seed}); \
             filter of {}",
            solved.traversed.steps,
            solved.traversed.time,
            solved.traversed.fidelity,
            solved.traversed.fidelity_error,
            solved.degree
        ),
        "times are uniform on [0, 2π/gap] (arXiv:1805.10549); the theorem's own time distributions differ".to_owned(),
    ];
    Ok(Outcome {
        queries: solved.counts.queries(),
        depth: solved.traversed.counts.queries() + solved.degree,
        counts: solved.counts,
        error: solved.error,
        probability: solved.traversed.fidelity,
        needed,
        unit: "queries",
        state: solved.state,
        circuit: Circuit::SpectralOnly,
        notes,
    })
}
