//! Linear combinations of unitaries and phase estimation, counted in sparse-access calls: `cks-chebyshev`,
//! `cks-fourier`, `hhl`.

use super::polynomial::cheapest;
use super::{Ask, Circuit, too_few};
use crate::error::Result;
use crate::simulate::amplification::expected_uses_unknown;
use crate::simulate::cks::{ChebyshevInverse, Combination, FourierInverse, combine, sparse_parameters};
use crate::simulate::hhl::{Clock, proven_time, simulation_calls};
use crate::simulate::instance::{Instance, norm};
use crate::simulate::oracle::Counts;
use crate::simulate::verification::Outcome;

const UNIT: &str = "sparse_queries";

fn outcome(c: Combination, per_use: f64, ancillas: u32, time: f64, needed: Option<u64>, notes: Vec<String>) -> Outcome {
    let total = (per_use * c.uses).ceil();
    Outcome {
        counts: Counts {
            sparse_access: total as u64,
            state_preparation: (2.0 * c.uses).ceil() as u64,
            simulated_time: time * c.uses,
            ancillas,
            ..Counts::default()
        },
        queries: total as u64,
        depth: total as u64,
        error: c.error,
        probability: c.probability,
        needed,
        unit: UNIT,
        state: c.state,
        circuit: Circuit::SpectralOnly,
        notes,
    }
}

/// Four sparse-access calls for each of the 2j₀ + 1 walk steps of the selection.
fn chebyshev_calls(g: &ChebyshevInverse) -> f64 {
    4.0 * g.degree() as f64
}

fn chebyshev_run(instance: &Instance, g: &ChebyshevInverse) -> Combination {
    let values: Vec<f64> = instance.nodes.iter().map(|&x| g.value(x)).collect();
    combine(instance, &values, g.one_norm())
}

/// Operations of [`chebyshev`].
pub fn chebyshev_work(instance: &Instance, eps: f64) -> f64 {
    400.0 * instance.nodes.len() as f64 * sparse_parameters(instance.kappa_eff(), eps).1 as f64
}

/// Operations of [`fourier`].
pub fn fourier_work(instance: &Instance, eps: f64) -> f64 {
    let kappa = instance.kappa_eff();
    let l = (1.0 + 8.0 * kappa / eps).log2();
    400.0 * instance.nodes.len() as f64 * kappa * l
}

/// Operations of [`hhl`].
pub fn hhl_work(instance: &Instance, eps: f64) -> f64 {
    40.0 * instance.nodes.len() as f64 * proven_time(instance.kappa_eff(), eps)
}

/// Chebyshev terms by qubitised walks, combined with their coefficients.
pub fn chebyshev(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let (b, j0) = sparse_parameters(instance.kappa_eff(), ask.eps);
    let cost = |g: &ChebyshevInverse, c: &Combination| (chebyshev_calls(g) * c.uses).ceil() as u64;
    let least = if ask.search { cheapest(instance, ask.eps, b, j0) } else { None };
    let needed = least.map(|g| cost(&g, &chebyshev_run(instance, &g)));
    let whole = ChebyshevInverse::new(b, j0);
    let cut = |terms: u64| ChebyshevInverse {
        b,
        coefficients: whole.coefficients[..(terms as usize).min(whole.coefficients.len())].to_vec(),
    };
    let g = match ask.claim {
        None => whole.clone(),
        Some(claim) => match super::largest(j0 + 1, |terms| {
            let g = cut(terms);
            cost(&g, &chebyshev_run(instance, &g)) <= claim
        }) {
            Some(terms) => cut(terms),
            None => return Ok(too_few(claim, UNIT, needed)),
        },
    };
    let c = chebyshev_run(instance, &g);
    let notes = vec![format!(
        "{} terms, 1-norm {:.3e}, {:.1} expected uses by amplitude amplification of an unknown probability",
        g.coefficients.len(),
        g.one_norm(),
        c.uses
    )];
    let ancillas = (g.coefficients.len() as f64).log2().ceil() as u32 + 2;
    Ok(outcome(c, chebyshev_calls(&g), ancillas, 0.0, needed, notes))
}

fn fourier_run(instance: &Instance, h: &FourierInverse) -> Combination {
    let values: Vec<f64> = instance.nodes.iter().map(|&x| h.value(x)).collect();
    combine(instance, &values, h.one_norm())
}

/// Evolutions e^{−iAt}, combined with Gaussian weights.
pub fn fourier(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let proven = FourierInverse::for_error(kappa, ask.eps);
    let per_use = |h: &FourierInverse| simulation_calls(h.longest_time(), ask.eps);
    let cost = |h: &FourierInverse, c: &Combination| (per_use(h) * c.uses).ceil() as u64;
    let formula = (1.0 + 8.0 * kappa / ask.eps).log2();
    // The sum is controlled by L alone; the first L on a fine ladder that reaches ε needs the fewest calls.
    let ladder: Vec<f64> = (1..=40).map(|k| formula * f64::from(k) / 40.0).collect();
    let searched = if ask.search { ladder.as_slice() } else { &[] };
    let first = searched.iter().map(|&l| FourierInverse::with(kappa, l)).filter(|h| h.terms() > 0).find_map(|h| {
        let c = fourier_run(instance, &h);
        (c.error <= ask.eps).then(|| cost(&h, &c))
    });
    let h = match ask.claim {
        None => proven,
        Some(claim) => {
            let fits = |l: &&f64| {
                let h = FourierInverse::with(kappa, **l);
                h.terms() > 0 && cost(&h, &fourier_run(instance, &h)) <= claim
            };
            match ladder.iter().rev().find(fits) {
                Some(&l) => FourierInverse::with(kappa, l),
                None => return Ok(too_few(claim, UNIT, first)),
            }
        }
    };
    let c = fourier_run(instance, &h);
    let notes = vec![format!(
        "{} evolutions, longest time {:.3e}, 1-norm {:.3e}; the sum over y is taken to its integral",
        2 * h.terms(),
        h.longest_time(),
        h.one_norm()
    )];
    let (calls, time) = (per_use(&h), h.longest_time());
    let ancillas = (2.0 * h.terms() as f64).log2().ceil() as u32 + 2;
    Ok(outcome(c, calls, ancillas, time, first, notes))
}

fn hhl_run(instance: &Instance, clock: &Clock) -> Combination {
    let state = clock.run(instance);
    let probability = norm(&state).powi(2).min(1.0);
    let kappa = instance.kappa_eff();
    let uses = expected_uses_unknown(probability, 1.0 / (4.0 * kappa * kappa));
    let error = instance.error_of(&state);
    Combination { state, probability, uses, error }
}

/// Phase estimation with the proven evolution time t = 67κ/ε, rotation by 1/(2κλ̃).
pub fn hhl(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let constant = 0.5 / kappa;
    let proven = proven_time(kappa, ask.eps);
    // Two simulations (estimation and its inverse) a use; A/α has ‖A/α‖_max·d = 1 for the dilation.
    let per_use = |clock: &Clock| 2.0 * simulation_calls(clock.time(), ask.eps);
    let cost = |clock: &Clock, c: &Combination| (per_use(clock) * c.uses).ceil() as u64;
    let mut times = Vec::new();
    let mut t = kappa / 4.0;
    while t < proven {
        times.push(t);
        t *= 2.0_f64.powf(0.25);
    }
    times.push(proven);
    let mut needed = None;
    for &t in times.iter().filter(|_| ask.search) {
        let clock = Clock::for_time(t, constant);
        let c = hhl_run(instance, &clock);
        if c.error <= ask.eps {
            needed = Some(cost(&clock, &c));
            break;
        }
    }
    let clock = match ask.claim {
        None => Clock::for_time(proven, constant),
        Some(claim) => {
            let affordable = times.iter().rev().map(|&t| Clock::for_time(t, constant));
            match affordable.into_iter().find(|clock| cost(clock, &hhl_run(instance, clock)) <= claim) {
                Some(clock) => clock,
                None => return Ok(too_few(claim, UNIT, needed)),
            }
        }
    };
    let c = hhl_run(instance, &clock);
    let notes = vec![
        format!(
            "{} clock qubits, {} controlled evolutions a use, time {:.3e}",
            clock.qubits,
            clock.uses(),
            clock.time()
        ),
        "post-selected on the rotation's flag and on the clock returned to 0".to_owned(),
    ];
    let (calls, time) = (per_use(&clock), 2.0 * clock.time());
    Ok(outcome(c, calls, clock.qubits + 1, time, needed, notes))
}
