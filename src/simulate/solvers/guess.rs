//! Kernel reflection: `dalzell2024-known-norm`, `dalzell2024-alg3`, `costa2026`, `dalzell2024`.

use super::{Ask, Circuit, too_few};
use crate::error::Result;
use crate::simulate::instance::{Instance, Spectrum};
use crate::simulate::kernel_reflection::{
    CALL_BY_CALL, EVERY_ORDER, Shortcut, eta_of, order_known_norm, smallest_order,
};
use crate::simulate::norm_search::{Found, GuessPlan, PathPlan, follow_path, guess_plan, path_plan, random_guess};
use crate::simulate::verification::Outcome;

/// Operations per pair of nodes of one secular equation: 64 bisections of every root.
const SPECTRUM: f64 = 80.0;

/// Order × nodes up to which the many short circuits of a norm search are run call by call.
const SHORT: f64 = 2e5;

const BY_SPECTRUM: &str = "a polynomial of this degree is taken at the eigenvalues of G†G, not call by call";

/// Operations of [`known_norm`]: the secular equation, the search over orders, the run.
pub fn known_norm_work(instance: &Instance, eps: f64) -> f64 {
    let (m, order) = (instance.nodes.len() as f64, order_known_norm(instance.kappa_eff(), eps) as f64);
    let search = if order * m <= EVERY_ORDER { 1.5 * order * m } else { 0.05 * order * m + 1000.0 * m };
    SPECTRUM * m * m + search + (12.0 * order * m).min(12.0 * CALL_BY_CALL)
}

/// One reflection with t = ‖x‖.
pub fn known_norm(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let formula = order_known_norm(instance.kappa_eff(), ask.eps);
    let order = ask.claim.map_or(formula, |queries| queries / 2);
    let least = if ask.search { smallest_order(instance, instance.x_norm, ask.eps, formula) } else { None };
    let mut needed = least.map(|l| 2 * l.order);
    if order == 0 {
        return Ok(too_few(ask.claim.unwrap_or(0), "queries", needed));
    }
    let shortcut = Shortcut::new(instance, CALL_BY_CALL);
    let (reflected, counts) = shortcut.reflect(instance.x_norm, order);
    let mut notes = vec!["the norm ‖A⁻¹b‖ is taken as known".to_owned()];
    if !shortcut.by_calls(order) {
        notes.push(BY_SPECTRUM.to_owned());
    }
    if least.is_some_and(|l| !l.exhaustive) {
        notes.push("fewest queries: by bisection over the order, then every order in the 2 % below".to_owned());
    }
    let mut error = reflected.error;
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

/// A plan that was run and reached ε is among those found.
fn fewest(needed: Option<u64>, run: &Found, eps: f64) -> Option<u64> {
    needed.map(|n| if run.error <= eps { n.min(run.counts.queries()) } else { n })
}

/// Guesses of the norm in the average over t.
const GUESSES: usize = 24;

/// Twelfths of the planned order of the reflection that are tried: a short search for the norm is paid with a longer one.
const REFLECTIONS: [u64; 8] = [24, 16, 12, 10, 8, 6, 4, 3];

/// The cheapest pair of orders found that reaches ε; those of the projection go to twice the planned one.
fn cheapest_by_orders(orders: (u64, u64), eps: f64, mut run: impl FnMut(u64, u64) -> Found) -> Option<u64> {
    let mut best: Option<u64> = None;
    for k in REFLECTIONS {
        let reflection = (orders.0 * k).div_ceil(12).max(1);
        // Smallest projection for this reflection, by bisection.
        let (mut low, mut high) = (0, 2 * orders.1);
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

/// Operations of `guesses` reflections with a projection each.
fn guesses_work(instance: &Instance, orders: u64, guesses: usize) -> f64 {
    let m = instance.nodes.len() as f64;
    guesses as f64 * if m * orders as f64 <= 2.0 * SHORT { 12.0 * m * orders as f64 } else { 8.0 * m * m }
}

/// Operations of [`random_norm`].
pub fn random_norm_work(instance: &Instance, eps: f64) -> f64 {
    let (plan, m) = (guess_plan(instance.kappa_eff(), eps), instance.nodes.len() as f64);
    let one = guesses_work(instance, plan.reflection + plan.projection, GUESSES);
    1.5 * SPECTRUM * m * m * GUESSES as f64 + 40.0 * one
}

/// t drawn at random until a reflection succeeds, then a projection.
pub fn random_norm(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let plan = guess_plan(instance.kappa_eff(), ask.eps);
    let shortcut = Shortcut::new(instance, SHORT);
    let needed = if ask.search {
        cheapest_by_orders((plan.reflection, plan.projection), ask.eps, |reflection, projection| {
            random_guess(&shortcut, GuessPlan { reflection, projection }, GUESSES / 2)
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
            let fits = |k: u64| random_guess(&shortcut, shrunk(k), GUESSES / 2).counts.queries() <= claim;
            match super::largest(64, fits) {
                Some(k) => shrunk(k),
                None => return Ok(too_few(claim, "queries", needed)),
            }
        }
    };
    let found = random_guess(&shortcut, plan, GUESSES);
    let mut notes = vec![format!(
        "expected calls over norm guesses log-uniform on [1, κ_eff]: reflections of degree {}, a projection of degree {}",
        2 * plan.reflection,
        2 * plan.projection
    )];
    if !shortcut.by_calls(plan.reflection.max(plan.projection)) {
        notes.push(BY_SPECTRUM.to_owned());
    }
    let needed = fewest(needed, &found, ask.eps);
    Ok(outcome(found, 2 * (plan.reflection + plan.projection), needed, notes))
}

/// Operations of [`followed_norm`].
pub fn followed_norm_work(instance: &Instance, eps: f64) -> f64 {
    let (kappa, m) = (instance.kappa_eff(), instance.nodes.len() as f64);
    let (plan, levels) = (path_plan(kappa, eps), kappa.log2().ceil().max(1.0) as usize);
    let one = guesses_work(instance, plan.reflection + plan.projection, levels);
    // Few levels have a chance that counts.
    SPECTRUM * m * m * levels as f64 + 110.0 * one
}

/// The norm followed along a path, then reflection and projection.
pub fn followed_norm(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let plan = path_plan(instance.kappa_eff(), ask.eps);
    let shortcut = Shortcut::new(instance, SHORT);
    let needed = if ask.search {
        [(0.1, 1, 0), (0.2, 1, 1), (0.1, 1, 1), (0.1, 2, 1)]
            .into_iter()
            .filter_map(|(eta, trials, growth)| {
                cheapest_by_orders((plan.reflection, plan.projection), ask.eps, |reflection, projection| {
                    follow_path(&shortcut, PathPlan { eta, trials, growth, reflection, projection })
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
            match super::largest(64, |k| follow_path(&shortcut, shrunk(k)).counts.queries() <= claim) {
                Some(k) => shrunk(k),
                None => return Ok(too_few(claim, "queries", needed)),
            }
        }
    };
    let found = follow_path(&shortcut, plan);
    let mut notes = vec![
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
    if !shortcut.by_calls(plan.reflection.max(plan.projection)) {
        notes.push(BY_SPECTRUM.to_owned());
    }
    let needed = fewest(needed, &found, ask.eps);
    Ok(outcome(found, 2 * (plan.reflection + plan.projection), needed, notes))
}
