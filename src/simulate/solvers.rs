//! Model ids to circuits: which algorithm a model's formula counts, with the parameters the model chooses.

mod guess;
mod linear_combination;
mod path;
mod polynomial;
mod walking;

use super::instance::Instance;
use super::row::{Level, Options};
use super::verification::Outcome;
use crate::error::{Error, Result};

/// Models that have a circuit here.
pub const VERIFIABLE: [&str; 15] = [
    "qsvt",
    "qsvt-cks",
    "cks-chebyshev",
    "cks-fourier",
    "hhl",
    "costa2022",
    "costa2023-measured",
    "costa2023-consistent",
    "jennings2023",
    "jennings2025",
    "dalzell2024",
    "dalzell2024-known-norm",
    "dalzell2024-alg3",
    "costa2026",
    "eigenpath",
];

/// Models of the catalogue that name no algorithm, with the reason.
const FORMULA_ONLY: [(&str, &str); 3] = [
    ("design-card", "its formula names no algorithm and has no proven constant"),
    ("q-newton", "its formula names no algorithm and has no proven constant"),
    ("lower-bound", "it bounds every algorithm from below and is none itself"),
];

/// Models whose circuit also exists with explicit ancillas (L2) and with gates and phases (L3).
const DEEP: [&str; 6] =
    ["qsvt", "qsvt-cks", "dalzell2024-known-norm", "costa2022", "costa2023-measured", "costa2023-consistent"];

/// Refuses ids without a circuit, and levels a circuit is not built at.
///
/// # Errors
/// Usage, naming the models that can be verified.
pub fn known(model_id: &str, level: Level) -> Result<()> {
    let remedy = format!("models with a circuit: {}", VERIFIABLE.join(", "));
    if !VERIFIABLE.contains(&model_id) {
        return Err(match FORMULA_ONLY.iter().find(|(id, _)| *id == model_id) {
            Some((_, why)) => Error::usage("simulate::no_circuit", model_id, format!("not verifiable: {why}"), remedy),
            None => Error::usage("simulate::unknown_model", model_id, "no such quantum model", remedy),
        });
    }
    if level != Level::L1 && !DEEP.contains(&model_id) {
        return Err(Error::usage(
            "simulate::level",
            format!("{model_id} at {level}"),
            "this circuit is built at level L1 only",
            format!("at L2 and L3: {}", DEEP.join(", ")),
        ));
    }
    Ok(())
}

/// Parameters of a circuit, enough to run it again at another level.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Circuit {
    /// Not built beyond level 1.
    #[default]
    SpectralOnly,
    /// A Chebyshev series of an inversion polynomial, amplified `rounds` times.
    Inversion {
        /// Coefficients, |P| ≤ 1.
        coefficients: Vec<f64>,
        /// Rounds m.
        rounds: u64,
    },
    /// Kernel reflection.
    Reflection {
        /// Norm guess.
        norm: f64,
        /// Order ℓ.
        order: u64,
    },
    /// Walk and filter.
    Walk {
        /// Embedding.
        form: super::walk::Form,
        /// Steps.
        steps: u64,
        /// Filter length.
        filter: u64,
    },
}

/// What a run is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Target error.
    pub eps: f64,
    /// Queries to run with instead of the model's choice.
    pub claim: Option<u64>,
    /// Largest |P| of amplified polynomials.
    pub scale: f64,
    /// Also look for the fewest queries.
    pub search: bool,
    /// Caps and seed.
    pub options: &'a Options,
}

/// Runs a model's circuit at level 1, or the same circuit with `claim` queries.
///
/// # Errors
/// Resource beyond the caps, input for a κ the model does not cover.
pub fn run(model_id: &str, instance: &Instance, ask: Ask<'_>) -> Result<Outcome> {
    afford(ask.options, work(model_id, instance, ask.eps), model_id)?;
    match model_id {
        "qsvt" => polynomial::best_relative(instance, ask),
        "qsvt-cks" => polynomial::childs_kothari_somma(instance, ask),
        "cks-chebyshev" => linear_combination::chebyshev(instance, ask),
        "cks-fourier" => linear_combination::fourier(instance, ask),
        "hhl" => linear_combination::hhl(instance, ask),
        "dalzell2024-known-norm" => guess::known_norm(instance, ask),
        "dalzell2024" => guess::followed_norm(instance, ask),
        "dalzell2024-alg3" | "costa2026" => guess::random_norm(instance, ask),
        "jennings2023" | "jennings2025" | "eigenpath" => path::randomised(model_id, instance, ask),
        _ => walking::walk(model_id, instance, ask),
    }
}

/// Operations that running a model's circuit at level 1 takes, its search for the fewest queries included. One operation
/// is about a nanosecond of one core, so that a budget in seconds can be kept without a clock.
pub fn work(model_id: &str, instance: &Instance, eps: f64) -> f64 {
    match model_id {
        "qsvt" => polynomial::best_relative_work(instance),
        "qsvt-cks" => polynomial::childs_kothari_somma_work(instance, eps),
        "cks-chebyshev" => linear_combination::chebyshev_work(instance, eps),
        "cks-fourier" => linear_combination::fourier_work(instance, eps),
        "hhl" => linear_combination::hhl_work(instance, eps),
        "dalzell2024-known-norm" => guess::known_norm_work(instance, eps),
        "dalzell2024" => guess::followed_norm_work(instance, eps),
        "dalzell2024-alg3" | "costa2026" => guess::random_norm_work(instance, eps),
        "jennings2023" | "jennings2025" | "eigenpath" => path::randomised_work(instance),
        _ => walking::walk_work(model_id, instance, eps),
    }
}

/// Refuses a run whose elementary operations exceed the cap.
pub(crate) fn afford(options: &Options, operations: f64, what: &str) -> Result<()> {
    if operations <= options.max_work {
        return Ok(());
    }
    Err(Error::resource(
        "simulate::not_verifiable",
        what,
        format!(
            "not verifiable: simulating it would take about {:.2e} s, the limit is {:.2e} s",
            operations * SECONDS_PER_OPERATION,
            options.max_work * SECONDS_PER_OPERATION
        ),
        "raise the budget, take a lower level, lower κ by damping, or ask for a larger ε",
    ))
}

/// What one counted operation takes, about.
pub const SECONDS_PER_OPERATION: f64 = 1e-9;

/// A claim below the smallest circuit of the model.
pub(crate) fn too_few(claim: u64, unit: &'static str, needed: Option<u64>) -> Outcome {
    Outcome {
        queries: 0,
        error: std::f64::consts::SQRT_2,
        needed,
        unit,
        notes: vec![format!("{claim} {unit} are fewer than the smallest circuit of this model makes")],
        ..Outcome::default()
    }
}

/// Largest n in 1..=limit with `fits(n)`, for a predicate that holds up to some n.
pub(crate) fn largest(limit: u64, mut fits: impl FnMut(u64) -> bool) -> Option<u64> {
    if !fits(1) {
        return None;
    }
    let (mut low, mut high) = (1, limit.max(1) + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    Some(low)
}
