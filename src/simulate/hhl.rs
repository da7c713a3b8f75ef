//! Harrow, Hassidim and Lloyd (arXiv:0811.3171): phase estimation, a rotation by C/λ̃, phase estimation undone.
//!
//! Post-selected on the rotation's flag and on the clock register returned to 0, eigenvector i keeps the amplitude
//! Σ_k |α_k(μ_i)|²·g(λ̃_k) with α_k the phase-estimation kernel and g(λ̃) = C/λ̃ cut off where it would exceed 1.

use super::instance::Instance;
use std::f64::consts::PI;

/// A phase-estimation circuit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// Clock qubits.
    pub qubits: u32,
    /// Evolution of one controlled step: U = e^{2πi·turn·A}, turn < ½.
    pub turn: f64,
    /// C of the rotation.
    pub constant: f64,
}

impl Clock {
    /// With `qubits` clock qubits; eigenvalue 1 falls on the largest clock value.
    pub fn new(qubits: u32, constant: f64) -> Self {
        let size = (qubits as f64).exp2();
        Clock { qubits, turn: (size / 2.0 - 1.0) / size, constant }
    }

    /// With a given total evolution time t of one phase estimation, on as few clock qubits as hold it.
    pub fn for_time(time: f64, constant: f64) -> Self {
        let qubits = ((time / PI + 2.0).log2().ceil().max(2.0)) as u32;
        let steps = (f64::from(qubits)).exp2() - 1.0;
        let clock = Clock::new(qubits, constant);
        Clock { turn: (time / (2.0 * PI * steps)).min(clock.turn), ..clock }
    }

    /// Controlled evolutions of phase estimation and its inverse: 2(2^c − 1).
    pub fn uses(&self) -> u64 {
        2 * ((1_u64 << self.qubits) - 1)
    }

    /// Simulated time of one phase estimation (one way).
    pub fn time(&self) -> f64 {
        2.0 * PI * self.turn * ((1_u64 << self.qubits) - 1) as f64
    }

    /// Rotation amplitude for clock value k.
    pub fn rotation(&self, k: u64) -> f64 {
        let size = 1_u64 << self.qubits;
        let signed = if k < size / 2 { k as f64 } else { k as f64 - size as f64 };
        let value = signed / (size as f64 * self.turn);
        if value == 0.0 { 0.0 } else { (self.constant / value).clamp(-1.0, 1.0) }
    }

    /// |α_k(μ)|² summed against the rotation.
    pub fn amplitude(&self, mu: f64, rotations: &[f64]) -> f64 {
        let size = rotations.len() as f64;
        let phase = self.turn * mu * size;
        let offset = phase - phase.round();
        let nearest = phase.round() as i64;
        if offset.abs() < 1e-12 {
            return rotations[nearest.rem_euclid(rotations.len() as i64) as usize];
        }
        // |α_k|² = sin²(πδ·size)/(size²·sin²(πδ)), δ·size = offset + nearest − k.
        let numerator = (PI * offset).sin().powi(2) / (size * size);
        let mut sum = 0.0;
        for (k, g) in rotations.iter().enumerate() {
            let distance = (offset + (nearest - k as i64) as f64) / size;
            sum += g * numerator / (PI * distance).sin().powi(2);
        }
        sum
    }

    /// Flagged state of an instance, not normalised.
    pub fn run(&self, instance: &Instance) -> Vec<f64> {
        let rotations: Vec<f64> = (0..1_u64 << self.qubits).map(|k| self.rotation(k)).collect();
        instance.nodes.iter().zip(&instance.amplitudes).map(|(&m, b)| b * self.amplitude(m, &rotations)).collect()
    }
}

/// √C_F with C_F = 2⁷ + 22π² + (64 + 14π²)²/π²: t = √C_F·κ/ε (arXiv:2503.21420, Lemma 14).
pub fn proven_time(kappa: f64, eps: f64) -> f64 {
    let p2 = PI * PI;
    (128.0 + 22.0 * p2 + (64.0 + 14.0 * p2).powi(2) / p2).sqrt() * kappa / eps
}

/// Sparse-access calls that simulate a time t' = d·‖A‖_max·t to ε by qubitisation: 48·r(t', ε)
/// (arXiv:2503.21420, Lemma 12).
pub fn simulation_calls(time: f64, eps: f64) -> f64 {
    let e = std::f64::consts::E;
    let log = (1.0 / eps).ln();
    let segments = if time >= log / e { (e * time).ceil() } else { (4.0 * log / (e + log / time).ln()).ceil() };
    48.0 * segments
}
