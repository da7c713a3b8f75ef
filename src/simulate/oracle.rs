//! The oracles of a quantum linear solver; each counts its own calls.
//!
//! Four kinds of "query" exist and are never added (`docs/simulator.md`): calls of a block encoding U_A and of its
//! adjoint, sparse-access calls, walk steps, and simulated time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls made so far, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Calls of U_A, controlled or not.
    pub block_encoding: u64,
    /// Calls of U_A†, controlled or not.
    pub block_encoding_adjoint: u64,
    /// Calls of U_b and U_b† (a reflection about |b⟩ makes two).
    pub state_preparation: u64,
    /// Reflections about a flag or about |b⟩.
    pub reflections: u64,
    /// Steps of a qubitised walk.
    pub walk_steps: u64,
    /// Sparse-access calls (location and value oracles), where the model counts in them.
    pub sparse_access: u64,
    /// Simulated time ∫‖H‖dt, dimensionless for ‖H‖ ≤ 1.
    pub simulated_time: f64,
    /// Ancilla qubits in use at once, beside the system register.
    pub ancillas: u32,
}

impl Counts {
    /// Calls of the block encoding and its adjoint: the unit `queries` of the catalogue.
    pub fn queries(&self) -> u64 {
        self.block_encoding + self.block_encoding_adjoint
    }

    /// Adds the calls of a part that ran `times` times; ancillas are reused, so the larger number stays.
    pub fn add(&mut self, part: &Counts, times: u64) {
        self.block_encoding += part.block_encoding * times;
        self.block_encoding_adjoint += part.block_encoding_adjoint * times;
        self.state_preparation += part.state_preparation * times;
        self.reflections += part.reflections * times;
        self.walk_steps += part.walk_steps * times;
        self.sparse_access += part.sparse_access * times;
        self.simulated_time += part.simulated_time * times as f64;
        self.ancillas = self.ancillas.max(part.ancillas);
    }

    /// The same calls multiplied by an expected number of repetitions, rounded up.
    #[must_use]
    pub fn expected(&self, repetitions: f64) -> Counts {
        let times = |calls: u64| (calls as f64 * repetitions).ceil() as u64;
        Counts {
            block_encoding: times(self.block_encoding),
            block_encoding_adjoint: times(self.block_encoding_adjoint),
            state_preparation: times(self.state_preparation),
            reflections: times(self.reflections),
            walk_steps: times(self.walk_steps),
            sparse_access: times(self.sparse_access),
            simulated_time: self.simulated_time * repetitions,
            ancillas: self.ancillas,
        }
    }
}

/// U_A and U_b in the eigenbasis: everything there is diagonal but the reflection about |b⟩.
#[derive(Debug, Clone)]
pub struct SpectralOracle<'a> {
    nodes: &'a [f64],
    sines: Vec<f64>,
    amplitudes: &'a [f64],
    /// Calls made so far.
    pub counts: Counts,
}

impl<'a> SpectralOracle<'a> {
    /// Oracles for the eigenvalues μ_i of A/α in [−1, 1] and the amplitudes ⟨v_i|b⟩.
    pub fn new(nodes: &'a [f64], amplitudes: &'a [f64]) -> Self {
        let sines = nodes.iter().map(|&m| ((1.0 - m) * (1.0 + m)).max(0.0).sqrt()).collect();
        SpectralOracle { nodes, sines, amplitudes, counts: Counts { ancillas: 1, ..Counts::default() } }
    }

    /// Eigenvalues μ_i of A/α.
    pub fn nodes(&self) -> &'a [f64] {
        self.nodes
    }

    /// Amplitudes ⟨v_i|b⟩.
    pub fn amplitudes(&self) -> &'a [f64] {
        self.amplitudes
    }

    /// v ← ⟨0|U_A|0⟩ v: the call whose ancilla is post-selected (or uncomputed later) on 0.
    pub fn apply(&mut self, v: &mut [f64]) {
        self.counts.block_encoding += 1;
        for (x, m) in v.iter_mut().zip(self.nodes) {
            *x *= m;
        }
    }

    /// The same for U_A†.
    pub fn apply_adjoint(&mut self, v: &mut [f64]) {
        self.counts.block_encoding_adjoint += 1;
        for (x, m) in v.iter_mut().zip(self.nodes) {
            *x *= m;
        }
    }

    /// One step (2Π − 1)U_A of the qubitised walk on (flag 0, flag 1): a rotation by arccos μ_i in each plane.
    pub fn walk(&mut self, flagged: &mut [f64], unflagged: &mut [f64]) {
        self.counts.block_encoding += 1;
        self.counts.walk_steps += 1;
        self.counts.reflections += 1;
        for (((u, w), m), s) in flagged.iter_mut().zip(unflagged).zip(self.nodes).zip(&self.sines) {
            let (a, b) = (*u, *w);
            *u = m * a + s * b;
            *w = m * b - s * a;
        }
    }

    /// v ← (1 − 2|b⟩⟨b|) v.
    pub fn reflect_about_b(&mut self, v: &mut [f64]) {
        self.counts.state_preparation += 2;
        self.counts.reflections += 1;
        let overlap: f64 = v.iter().zip(self.amplitudes).map(|(x, b)| x * b).sum();
        for (x, b) in v.iter_mut().zip(self.amplitudes) {
            *x -= 2.0 * overlap * b;
        }
    }
}
