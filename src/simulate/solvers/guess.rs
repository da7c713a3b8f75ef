//! Kernel reflection: `dalzell2024-known-norm`, `dalzell2024-alg3`, `costa2026`, `dalzell2024`.

use super::{Ask, Circuit, afford, too_few};
use crate::error::Result;
use crate::simulate::instance::{Instance, Spectrum};
use crate::simulate::kernel_reflection::{eta_of, order_known_norm, reflect, smallest_order};
use crate::simulate::norm_search::{Found, GuessPlan, PathPlan, follow_path, guess_plan, path_plan, random_guess};
use crate::simulate::verification::Outcome;

/// One reflection with t = ‖x‖.
pub fn known_norm(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let formula = order_known_norm(instance.kappa_eff(), ask.eps);
    let order = ask.claim.map_or(formula, |queries| queries / 2);
    let work = 12.0 * instance.nodes.len() as f64 * (formula + order) as f64;
    afford(ask.options, work, "dalzell2024-known-norm")?;
    let least = if ask.search { smallest_order(instance, instance.x_norm, ask.eps, formula) } else { None };
    let needed = least.map(|l| 2 * l);
    if order == 0 {
        return Ok(too_few(ask.claim.unwrap_or(0), "queries", needed));
    }
    let (reflected, counts) = reflect(instance, instance.x_norm, order);
    let mut notes = vec!["the norm ‖A⁻¹b‖ is taken as known".to_owned()];
    let mut error = reflected.error;
    let mut needed = needed;
    if let Spectrum::Lanczos { nodes, .. } = instance.spectrum
        && order > 2 * nodes as u64
    {
        // A polynomial of degree above 2m is not integrated exactly by m nodes: report the proven bound instead.
        error = error.max(std::f64::consts::SQRT_2 * eta_of(instance, order));
        needed = None;
        notes.push(format!(
            "the Lanczos measure of {nodes} nodes aliases at degree {}: the error is the proven bound √2·η where that \
             is larger, and the fewest queries are not searched",
            2 * order
        ));
    }
    Ok(Outcome {
        queries: counts.queries(),
        depth: counts.queries(),
        counts,
        error,
        probability: reflected.probability,
        needed,
        unit: "queries",
        state: reflected.state,
        circuit: Circuit::Reflection { norm: instance.x_norm, order },
        notes,
    })
}

fn outcome(found: Found, depth: u64, needed: Option<u64>, notes: Vec<String>) -> Outcome {
    Outcome {
        queries: found.counts.queries(),
        depth,
        counts: found.counts,
        error: found.error,
        probability: found.probability,
        needed,
        unit: "queries",
        state: found.state,
        circuit: Circuit::SpectralOnly,
        notes,
    }
}

/// Guesses of the norm in the average over t.
const GUESSES: usize = 24;

/// Shrinks the two orders together until the error is missed; the cheapest plan found that reaches ε.
fn cheapest_by_orders(orders: (u64, u64), eps: f64, mut run: impl FnMut(u64, u64) -> Found) -> Option<u64> {
    let mut best: Option<u64> = None;
    for k in (4..=12).rev() {
        let reflection = (orders.0 as f64 * f64::from(k) / 12.0).ceil().max(1.0) as u64;
        // Smallest projection for this reflection, by bisection.
        let (mut low, mut high) = (0, orders.1);
        let at_most = run(reflection, high);
        if at_most.error > eps {
            continue;
        }
        let mut cost = at_most.counts.queries();
        while high - low > (orders.1 / 64).max(1) {
            let middle = low + (high - low) / 2;
            let found = run(reflection, middle.max(1));
            if middle > 0 && found.error <= eps {
                (high, cost) = (middle, found.counts.queries());
            } else {
                low = middle;
            }
        }
        best = Some(best.map_or(cost, |b| b.min(cost)));
    }
    best
}

/// t drawn at random until a reflection succeeds, then a projection.
pub fn random_norm(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let plan = guess_plan(kappa, ask.eps);
    let one = 12.0 * instance.nodes.len() as f64 * (plan.reflection + plan.projection) as f64 * GUESSES as f64;
    afford(ask.options, one, "dalzell2024-alg3")?;
    let search = ask.search && 60.0 * one <= ask.options.max_work.min(2e10);
    let needed = if search {
        cheapest_by_orders((plan.reflection, plan.projection), ask.eps, |reflection, projection| {
            random_guess(instance, GuessPlan { reflection, projection }, GUESSES / 2)
        })
    } else {
        None
    };
    let plan = match ask.claim {
        None => plan,
        Some(claim) => {
            let shrunk = |k: u64| GuessPlan {
                reflection: (plan.reflection * k / 32).max(1),
                projection: (plan.projection * k / 32).max(1),
            };
            let fits = |k: u64| random_guess(instance, shrunk(k), GUESSES / 2).counts.queries() <= claim;
            match super::largest(64, fits) {
                Some(k) => shrunk(k),
                None => return Ok(too_few(claim, "queries", needed)),
            }
        }
    };
    let found = random_guess(instance, plan, GUESSES);
    let mut notes = vec![format!(
        "expected calls over norm guesses log-uniform on [1, κ_eff]: reflections of degree {}, a projection of degree {}",
        2 * plan.reflection,
        2 * plan.projection
    )];
    if !search {
        notes.push("the fewest queries were not searched: too many runs for the cap".to_owned());
    }
    Ok(outcome(found, 2 * (plan.reflection + plan.projection), needed, notes))
}

/// The norm followed along a path, then reflection and projection.
pub fn followed_norm(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let plan = path_plan(kappa, ask.eps);
    let one = 12.0 * instance.nodes.len() as f64 * (plan.reflection + plan.projection) as f64 * 4.0;
    afford(ask.options, one, "dalzell2024")?;
    let needed = if ask.search && 60.0 * one <= ask.options.max_work.min(2e10) {
        [(0.1, 1, 0), (0.2, 1, 1), (0.1, 1, 1), (0.1, 2, 1)]
            .into_iter()
            .filter_map(|(eta, trials, growth)| {
                cheapest_by_orders((plan.reflection, plan.projection), ask.eps, |reflection, projection| {
                    follow_path(instance, PathPlan { eta, trials, growth, reflection, projection })
                })
            })
            .min()
    } else {
        None
    };
    let plan = match ask.claim {
        None => plan,
        Some(claim) => {
            let shrunk = |k: u64| PathPlan {
                trials: 1 + (plan.trials - 1) * k / 64,
                growth: plan.growth * k / 64,
                reflection: (plan.reflection * k / 32).max(1),
                projection: (plan.projection * k / 32).max(1),
                ..plan
            };
            match super::largest(64, |k| follow_path(instance, shrunk(k)).counts.queries() <= claim) {
                Some(k) => shrunk(k),
                None => return Ok(too_few(claim, "queries", needed)),
            }
        }
    };
    let found = follow_path(instance, plan);
    let notes = vec![
        format!(
            "norm followed along σ = 1, ½, … 1/κ_eff with {} trials a guess at the last level and {} more for each level \
             below; reflections of degree {}, a projection of degree {}",
            plan.trials,
            plan.growth,
            2 * plan.reflection,
            2 * plan.projection
        ),
        "the trial numbers are this simulator's, not those behind the published constant".to_owned(),
    ];
    Ok(outcome(found, 2 * (plan.reflection + plan.projection), needed, notes))
}
