//! Inversion by QSVT: `qsvt` and `qsvt-cks`.

use super::{Ask, Circuit, largest, too_few};
use crate::error::Result;
use crate::simulate::circuit::odd_series;
use crate::simulate::cks::{ChebyshevInverse, proof_parameters};
use crate::simulate::instance::{Instance, Spectrum};
use crate::simulate::inversion::BestRelative;
use crate::simulate::qsvt::{self, Inverted};
use crate::simulate::verification::Outcome;

/// Largest degree whose Chebyshev series is kept for the other levels.
const SERIES_UP_TO: u64 = 20_000;

fn outcome(run: Inverted, needed: Option<u64>, circuit: Circuit, notes: Vec<String>) -> Outcome {
    Outcome {
        queries: run.counts.queries(),
        depth: run.counts.queries(),
        counts: run.counts,
        error: run.error,
        probability: run.probability,
        needed,
        unit: "queries",
        state: run.state,
        circuit,
        notes,
    }
}

fn circuit_of(run: &Inverted, scale: f64, value: impl Fn(f64) -> f64) -> Circuit {
    if run.degree > SERIES_UP_TO {
        return Circuit::SpectralOnly;
    }
    Circuit::Inversion { coefficients: odd_series(run.degree, scale, value), rounds: (run.uses - 1) / 2 }
}

/// Operations of [`best_relative`]: some 500 evaluations of a closed form, then the amplification.
pub fn best_relative_work(instance: &Instance) -> f64 {
    let n = instance.nodes.len() as f64;
    2e4 * n + 12.0 * (1.5 * instance.kappa_eff() / instance.x_norm * n).min(qsvt::ROUND_BY_ROUND)
}

/// Operations of [`childs_kothari_somma`].
pub fn childs_kothari_somma_work(instance: &Instance, eps: f64) -> f64 {
    let j0 = proof_parameters(instance.kappa_eff(), eps).1 as f64;
    best_relative_work(instance) + (400.0 * instance.nodes.len() as f64 + 3000.0) * j0
}

/// The best relative-error polynomial with amplitude amplification.
pub fn best_relative(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let proven = BestRelative::for_error(kappa, ask.eps);
    let execute =
        |p: &BestRelative| qsvt::run(instance, &qsvt::best_relative_values(instance, p, ask.scale), p.degree());
    let order = if ask.search { qsvt::smallest_order(instance, ask.eps) } else { None };
    let needed = order.map(|order| {
        let p = BestRelative::of_order(kappa, order);
        p.degree() * qsvt::uses(instance, &qsvt::best_relative_values(instance, &p, ask.scale))
    });
    let polynomial = match ask.claim {
        None => proven,
        Some(queries) => {
            let fits = |order: u64| {
                let p = BestRelative::of_order(kappa, order);
                p.degree() * qsvt::uses(instance, &qsvt::best_relative_values(instance, &p, ask.scale)) <= queries
            };
            match largest(proven.order.saturating_mul(4), fits) {
                Some(order) => BestRelative::of_order(kappa, order),
                None => return Ok(too_few(queries, "queries", needed)),
            }
        }
    };
    let mut run = execute(&polynomial);
    let mut needed = needed;
    let mut notes = vec![format!("polynomial of degree {}, {} uses by amplitude amplification", run.degree, run.uses)];
    if !qsvt::round_by_round(instance, run.uses) {
        notes.push("so many rounds are taken at once, as the rotation of a plane that they are".to_owned());
    }
    if let Spectrum::Lanczos { nodes, .. } = instance.spectrum
        && run.degree > 2 * nodes as u64
    {
        // As for kernel reflection: the relative error bounds the sine of the angle to the solution.
        let sine = polynomial.relative_error().min(1.0);
        run.error = run.error.max((2.0 * sine * sine / (1.0 + ((1.0 - sine) * (1.0 + sine)).sqrt())).sqrt());
        needed = None;
        notes.push(format!(
            "the Lanczos measure of {nodes} nodes aliases at degree {}: the error is the polynomial's proven bound where \
             that is larger, and the fewest queries are not searched",
            run.degree
        ));
    }
    let scale = ask.scale / polynomial.largest();
    let circuit = circuit_of(&run, scale, |x| polynomial.value(x));
    Ok(outcome(run, needed, circuit, notes))
}

/// The polynomial of Childs, Kothari and Somma with amplitude amplification.
pub fn childs_kothari_somma(instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    let kappa = instance.kappa_eff();
    let (b, j0) = proof_parameters(kappa, ask.eps);
    let execute = |g: &ChebyshevInverse| {
        let scale = ask.scale / g.largest();
        let values: Vec<f64> = instance.nodes.iter().map(|&x| g.value(x) * scale).collect();
        (qsvt::run(instance, &values, g.degree()), scale)
    };
    let queries = |g: &ChebyshevInverse| {
        let scale = ask.scale / g.largest();
        let values: Vec<f64> = instance.nodes.iter().map(|&x| g.value(x) * scale).collect();
        g.degree() * qsvt::uses(instance, &values)
    };
    let needed = if ask.search { cheapest(instance, ask.eps, b, j0).map(|g| queries(&g)) } else { None };
    let g = match ask.claim {
        None => ChebyshevInverse::new(b, j0),
        Some(claim) => {
            let whole = ChebyshevInverse::new(b, j0);
            let cut = |j: u64| ChebyshevInverse {
                b,
                coefficients: whole.coefficients[..(j as usize).min(whole.coefficients.len())].to_vec(),
            };
            match largest(j0 + 1, |j| queries(&cut(j)) <= claim) {
                Some(j) => cut(j),
                None => return Ok(too_few(claim, "queries", needed)),
            }
        }
    };
    let (run, scale) = execute(&g);
    let notes = vec![
        format!("b = {}, polynomial of degree {}, {} uses by amplitude amplification", g.b, run.degree, run.uses),
        format!("scaled by max|g| = {:.3}·κ_eff on [−1, 1]; the formula takes 2·κ_eff", g.largest() / kappa),
    ];
    let circuit = circuit_of(&run, scale, |x| g.value(x));
    Ok(outcome(run, needed, circuit, notes))
}

/// The (b, j₀) of fewest terms within `eps`: b over a ladder down from the proven one, j₀ by bisection.
pub(super) fn cheapest(instance: &Instance, eps: f64, b: u64, j0: u64) -> Option<ChebyshevInverse> {
    let mut best: Option<ChebyshevInverse> = None;
    let mut b = b as f64;
    for _ in 0..14 {
        let whole = ChebyshevInverse::new(b.ceil().max(1.0) as u64, j0);
        let error = |terms: u64| {
            let state: Vec<f64> = instance
                .nodes
                .iter()
                .zip(&instance.amplitudes)
                .map(|(&x, a)| whole.value_of(x, terms as usize) * a)
                .collect();
            instance.error_of(&state)
        };
        let limit = best.as_ref().map_or(whole.coefficients.len(), |g| g.coefficients.len()) as u64;
        match qsvt::smallest(limit.min(whole.coefficients.len() as u64), |terms| error(terms) <= eps) {
            Some(terms) => {
                let coefficients = whole.coefficients[..terms as usize].to_vec();
                if best.as_ref().is_none_or(|g| coefficients.len() < g.coefficients.len()) {
                    best = Some(ChebyshevInverse { b: whole.b, coefficients });
                }
            }
            None => break,
        }
        if b <= 1.0 {
            break;
        }
        b *= 0.8;
    }
    best
}
