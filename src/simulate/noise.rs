//! Depolarising noise: with probability p per query the whole register is replaced by the maximally mixed state.
//!
//! The global channel commutes with every gate, so a run of Q queries ends in (1−p)^Q·|ψ⟩⟨ψ| + (1 − (1−p)^Q)·1/D,
//! D = N·2^ancillas: everything after that is exact and needs no second simulation.

/// Infidelity e² − e⁴/4 of unit vectors at distance e.
pub fn infidelity_of(error: f64) -> f64 {
    let e2 = error * error;
    e2 - 0.25 * e2 * e2
}

/// √(2 − 2√F) = √(2(1 − F)/(1 + √F)) from the infidelity 1 − F.
pub fn error_of(infidelity: f64) -> f64 {
    let f = (1.0 - infidelity).clamp(0.0, 1.0);
    (2.0 * infidelity / (1.0 + f.sqrt())).sqrt()
}

/// What noise makes of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noisy {
    /// √(2 − 2√F), F the fidelity of the post-selected mixed state with the solution.
    pub error: f64,
    /// Probability of the flags.
    pub probability: f64,
}

/// A noiseless run, as far as noise needs to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clean {
    /// Error of the post-selected state.
    pub error: f64,
    /// Probability of the flags.
    pub probability: f64,
    /// Queries of one coherent attempt.
    pub depth: u64,
    /// Size of the system.
    pub n: usize,
    /// Ancilla qubits.
    pub ancillas: u32,
}

impl Clean {
    /// The same run with a depolarising probability `rate` per query.
    pub fn with_noise(&self, rate: f64) -> Noisy {
        let kept = (self.depth as f64 * (-rate.clamp(0.0, 1.0)).ln_1p()).exp();
        // N of the D basis states carry the right flags; each holds 1/D.
        let flagged = (-f64::from(self.ancillas)).exp2();
        let probability = kept * self.probability + (1.0 - kept) * flagged;
        // A 2-norm error e between unit vectors is an infidelity e² − e⁴/4.
        let missed = infidelity_of(self.error);
        let overlap = 1.0 - missed;
        let good = kept * self.probability * overlap + (1.0 - kept) * flagged / self.n as f64;
        if probability <= 0.0 {
            return Noisy { error: std::f64::consts::SQRT_2, probability: 0.0 };
        }
        // 1 − F from the parts that are lost, so that a tiny error survives the subtraction.
        let lost = kept * self.probability * missed + (1.0 - kept) * flagged * (1.0 - 1.0 / self.n as f64);
        let infidelity = (lost / probability).clamp(0.0, 1.0);
        let root = (good / probability).clamp(0.0, 1.0).sqrt();
        debug_assert!((root * root - (1.0 - infidelity)).abs() < 1e-9);
        Noisy { error: error_of(infidelity), probability }
    }

    /// The largest rate at which the error stays within `eps`; `None` when it does not even without noise.
    pub fn largest_rate(&self, eps: f64) -> Option<f64> {
        if self.error > eps || self.depth == 0 {
            return None;
        }
        if self.with_noise(1.0).error <= eps {
            return Some(1.0);
        }
        let (mut low, mut high) = (-80.0_f64, 0.0_f64);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if self.with_noise(middle.exp()).error <= eps { low = middle } else { high = middle }
        }
        Some(low.exp())
    }
}
