//! Amplitude amplification: of a known and of an unknown success probability.

use super::oracle::Counts;

/// Rounds m = ⌊π/(4·asin √p)⌋ for a known success probability p; the solver is used 2m + 1 times.
pub fn rounds(probability: f64) -> u64 {
    let angle = probability.clamp(0.0, 1.0).sqrt().asin();
    if angle <= 0.0 { 0 } else { (std::f64::consts::FRAC_PI_4 / angle).floor() as u64 }
}

/// Expected uses of a solver of success probability `p` ≥ `p_low` when p is unknown, growth c = 6/5:
/// Σ_k m_k Π_{l<k} [½ + sin(4(m_l+1)θ)/(4(m_l+1) sin 2θ)], m_k = ⌊min(c^k, 1/√p_low)⌋ (arXiv:2503.21420, Lemma 13).
pub fn expected_uses_unknown(p: f64, p_low: f64) -> f64 {
    let theta = p.clamp(0.0, 1.0).sqrt().asin();
    let cap = 1.0 / p_low.sqrt();
    let (mut total, mut survival, mut growth) = (0.0, 1.0, 1.0_f64);
    for _ in 0..100_000 {
        growth = (growth * 1.2).min(cap);
        let m = growth.min(cap).floor().max(1.0);
        total += m * survival;
        let fail = 0.5 + (4.0 * (m + 1.0) * theta).sin() / (4.0 * (m + 1.0) * (2.0 * theta).sin());
        survival *= if fail.is_finite() { fail.clamp(0.0, 1.0) } else { 0.0 };
        if survival < 1e-18 {
            break;
        }
    }
    total
}

/// A unitary that acts on each eigenvector's plane (flag 0, flag 1) as [[P, −S], [S, P]], S = √(1−P²), with the
/// calls that one use of it makes.
#[derive(Debug, Clone)]
pub struct PlaneUnitary {
    cosine: Vec<f64>,
    sine: Vec<f64>,
    calls: Counts,
}

/// The flagged and unflagged parts of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneState {
    /// Flag 0: the part that is kept.
    pub good: Vec<f64>,
    /// Flag 1.
    pub bad: Vec<f64>,
    /// Calls made.
    pub counts: Counts,
}

impl PlaneUnitary {
    /// From P(μ_i), |P| ≤ 1, and the calls of one use.
    pub fn new(values: &[f64], calls: Counts) -> Self {
        let sine = values.iter().map(|p| ((1.0 - p) * (1.0 + p)).max(0.0).sqrt()).collect();
        PlaneUnitary { cosine: values.to_vec(), sine, calls }
    }

    fn apply(&self, state: &mut PlaneState, adjoint: bool) {
        state.counts.add(&self.calls, 1);
        let sign = if adjoint { -1.0 } else { 1.0 };
        for i in 0..self.cosine.len() {
            let (u, w) = (state.good[i], state.bad[i]);
            let (p, s) = (self.cosine[i], sign * self.sine[i]);
            state.good[i] = p * u - s * w;
            state.bad[i] = s * u + p * w;
        }
    }

    /// The flagged part after `rounds` rounds at once: they rotate the plane of flagged and unflagged state by 2θ each,
    /// sin θ = ‖P b‖. The unflagged part is not kept.
    pub fn amplified(&self, b: &[f64], rounds: u64) -> PlaneState {
        let mut good: Vec<f64> = self.cosine.iter().zip(b).map(|(p, b)| p * b).collect();
        let once = super::instance::norm(&good).min(1.0);
        let factor = ((2 * rounds + 1) as f64 * once.asin()).sin() / once;
        good.iter_mut().for_each(|x| *x *= factor);
        let own = Counts { state_preparation: 1 + 2 * rounds, reflections: 2 * rounds, ..Counts::default() };
        let mut counts = own;
        counts.add(&self.calls, 2 * rounds + 1);
        PlaneState { good, bad: Vec::new(), counts }
    }

    /// U|0, b⟩ followed by `rounds` rounds of −U S₀ U† S_good.
    pub fn amplify(&self, b: &[f64], rounds: u64) -> PlaneState {
        let mut state = PlaneState { good: b.to_vec(), bad: vec![0.0; b.len()], counts: Counts::default() };
        state.counts.state_preparation += 1;
        self.apply(&mut state, false);
        for _ in 0..rounds {
            for w in &mut state.good {
                *w = -*w;
            }
            self.apply(&mut state, true);
            // −S₀ = 2|0,b⟩⟨0,b| − 1.
            let overlap: f64 = state.good.iter().zip(b).map(|(g, b)| g * b).sum();
            for (g, b) in state.good.iter_mut().zip(b) {
                *g = 2.0 * overlap * b - *g;
            }
            for w in &mut state.bad {
                *w = -*w;
            }
            state.counts.state_preparation += 2;
            state.counts.reflections += 2;
            self.apply(&mut state, false);
        }
        state
    }
}
