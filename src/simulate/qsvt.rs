//! Inversion by quantum singular value transformation with amplitude amplification, in the eigenbasis.
//!
//! One use of the circuit for P = p/max|p| makes deg(P) calls of U_A and succeeds with p_s = ‖P(A/α)b‖²;
//! 2⌊π/(4·asin √p_s)⌋ + 1 uses amplify it (Gilyén et al., arXiv:1806.01838; Martyn et al., arXiv:2105.02859).

use super::amplification::{PlaneState, PlaneUnitary, rounds};
use super::instance::Instance;
use super::inversion::BestRelative;
use super::oracle::Counts;

/// What one run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Inverted {
    /// Kept part of the state, not normalised.
    pub state: Vec<f64>,
    /// Degree of the polynomial: calls of one use.
    pub degree: u64,
    /// Uses of the circuit, 2m + 1.
    pub uses: u64,
    /// Success probability of one use.
    pub probability_once: f64,
    /// Success probability after amplification.
    pub probability: f64,
    /// Error of the normalised state.
    pub error: f64,
    /// Calls made.
    pub counts: Counts,
}

/// Calls of one use of a circuit of this degree: U_A and U_A† alternate.
pub fn calls_of_degree(degree: u64) -> Counts {
    Counts {
        block_encoding: degree.div_ceil(2),
        block_encoding_adjoint: degree / 2,
        reflections: degree,
        ancillas: 2,
        ..Counts::default()
    }
}

/// Rounds × nodes up to which amplification is run round by round.
pub const ROUND_BY_ROUND: f64 = 4e6;

/// Whether so many uses are run one by one.
pub fn round_by_round(instance: &Instance, uses: u64) -> bool {
    0.5 * uses as f64 * instance.nodes.len() as f64 <= ROUND_BY_ROUND
}

/// Runs the amplified circuit of a polynomial given by its values P(μ_i), |P| ≤ 1.
pub fn run(instance: &Instance, values: &[f64], degree: u64) -> Inverted {
    let once = probability(instance, values);
    let m = rounds(once);
    let circuit = PlaneUnitary::new(values, calls_of_degree(degree));
    let PlaneState { good, counts, .. } = if round_by_round(instance, 2 * m + 1) {
        circuit.amplify(&instance.amplitudes, m)
    } else {
        circuit.amplified(&instance.amplitudes, m)
    };
    let probability = good.iter().map(|x| x * x).sum::<f64>().min(1.0);
    let error = instance.error_of(&good);
    Inverted { state: good, degree, uses: 2 * m + 1, probability_once: once, probability, error, counts }
}

/// P(μ_i) = p(μ_i)·scale/max|p| for the best relative-error polynomial.
pub fn best_relative_values(instance: &Instance, polynomial: &BestRelative, scale: f64) -> Vec<f64> {
    let largest = polynomial.largest();
    instance.nodes.iter().map(|&x| polynomial.value(x) * scale / largest).collect()
}

/// Error of a polynomial of given order, without the amplification (which keeps the direction).
fn error_of_order(instance: &Instance, order: u64) -> f64 {
    let p = BestRelative::of_order(instance.kappa_eff(), order);
    let state: Vec<f64> = instance.nodes.iter().zip(&instance.amplitudes).map(|(&x, b)| p.value(x) * b).collect();
    instance.error_of(&state)
}

/// Smallest order of the best relative-error family whose state is within `eps`, up to the order that is proven to.
pub fn smallest_order(instance: &Instance, eps: f64) -> Option<u64> {
    let proven = BestRelative::for_error(instance.kappa_eff(), eps).order + 1;
    smallest(proven, |order| error_of_order(instance, order) <= eps)
}

/// Smallest n in 1..=limit with `good(n)`, for a predicate that is monotone but for ripples: bisection, then a walk
/// down over a window.
pub(crate) fn smallest(limit: u64, mut good: impl FnMut(u64) -> bool) -> Option<u64> {
    if !good(limit) {
        return (1..limit.min(64)).map(|back| limit - back).find(|&n| good(n));
    }
    let (mut low, mut high) = (0, limit);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if good(middle) { high = middle } else { low = middle }
    }
    let window = (limit / 50).clamp(4, 64);
    let lowest = high.saturating_sub(window).max(1);
    (lowest..high).find(|&n| good(n)).or(Some(high))
}

/// Success probability ‖P(A/α)b‖² of one use.
pub fn probability(instance: &Instance, values: &[f64]) -> f64 {
    values.iter().zip(&instance.amplitudes).map(|(p, b)| (p * b).powi(2)).sum()
}

/// Uses 2m + 1 that amplify the circuit with the values P(μ_i).
pub fn uses(instance: &Instance, values: &[f64]) -> u64 {
    2 * rounds(probability(instance, values)) + 1
}

/// Queries of the circuit for ε at the instance's own success probability: degree·(2m + 1). Tables, which do not know
/// max|p|, take an upper value for it instead.
pub fn count_at_known_probability(instance: &Instance, eps: f64) -> u64 {
    let p = BestRelative::for_error(instance.kappa_eff(), eps);
    p.degree() * uses(instance, &best_relative_values(instance, &p, 1.0))
}
