//! Level 3: circuits on the full state of 2^n amplitudes, gates and phases.
//!
//! The system is padded to a power of two with σ_max·I and b = 0. Polynomials run as quantum signal processing in
//! convention R (see [`super::phase_factors`]): e^{iχ Z} on the flag of the Hermitian dilation, controlled by the
//! sign qubit s so that Hadamards on s select the real part.

use super::chebyshev;
use super::encoding::Dilation;
use super::instance::{Instance, Spectrum};
use super::oracle::Counts;
use super::phase_factors::{Phases, phases};
use super::row::Options;
use super::state_vector::{HADAMARD, StateVector};
use super::walk::{Form, schedule};
use crate::error::{Error, Result};
use faer::Mat;

/// Largest system at this level.
pub const LARGEST: usize = 64;

/// A padded system in coordinates.
#[derive(Debug, Clone)]
pub struct Padded {
    /// log₂ of the padded size.
    pub qubits: usize,
    /// Size before padding.
    pub n: usize,
    /// The dilation of the padded A/α.
    pub dilation: Dilation,
    /// b, padded with zeros.
    pub b: Vec<f64>,
}

impl Padded {
    /// Pads an instance that has eigenvectors.
    ///
    /// # Errors
    /// Resource beyond N = 64; usage for an instance without eigenvectors.
    pub fn new(instance: &Instance) -> Result<Self> {
        let n = instance.n;
        let Spectrum::Full(vectors) = &instance.spectrum else {
            return Err(Error::usage("simulate::level", "L3", "a reduced spectrum has no eigenvectors", "use L1"));
        };
        if n > LARGEST {
            return Err(Error::resource(
                "simulate::level",
                format!("L3 with N = {n}"),
                format!("not verifiable: gates are simulated up to N = {LARGEST}"),
                "use level L1 or L2",
            ));
        }
        let size = n.next_power_of_two().max(2);
        let top = instance.sigma_max / instance.alpha;
        let mut nodes = instance.nodes.clone();
        nodes.resize(size, top);
        let mut b = coordinates(instance, &instance.amplitudes);
        b.resize(size, 0.0);
        let dilation = if size == n {
            Dilation::new(vectors.as_ref(), &nodes)
        } else {
            let padded = Mat::from_fn(size, size, |i, j| match (i < n, j < n) {
                (true, true) => vectors[(i, j)],
                (false, false) if i == j => 1.0,
                _ => 0.0,
            });
            Dilation::new(padded.as_ref(), &nodes)
        };
        Ok(Padded { qubits: size.trailing_zeros() as usize, n, dilation, b })
    }
}

/// From the eigenbasis to coordinates; empty for an instance without eigenvectors.
pub fn coordinates(instance: &Instance, v: &[f64]) -> Vec<f64> {
    match &instance.spectrum {
        Spectrum::Full(q) => {
            let mut sum = vec![0.0; instance.n];
            for (column, x) in q.col_iter().zip(v) {
                sum.iter_mut().zip(column.iter()).for_each(|(s, q)| *s += q * x);
            }
            sum
        }
        Spectrum::Joined { .. } | Spectrum::Lanczos { .. } => Vec::new(),
    }
}

/// From coordinates to the eigenbasis.
pub fn eigenbasis(instance: &Instance, v: &[f64]) -> Vec<f64> {
    match &instance.spectrum {
        Spectrum::Full(q) => q.col_iter().map(|q| q.iter().zip(v).map(|(q, v)| q * v).sum()).collect(),
        Spectrum::Joined { .. } | Spectrum::Lanczos { .. } => Vec::new(),
    }
}

/// A quantum-signal-processing circuit for a real polynomial of the encoded matrix.
pub struct Processing<'a> {
    dilation: &'a Dilation,
    qubits: usize,
    /// Sine and cosine of every χ_j.
    chi: Vec<(f64, f64)>,
    turns: usize,
    /// Residual bound of the phases.
    pub residual: f64,
    /// Calls made.
    pub counts: Counts,
}

impl<'a> Processing<'a> {
    /// For a Chebyshev series of definite parity with max|P| < 1 on a dilation of 2^qubits basis states.
    ///
    /// # Errors
    /// Those of [`phases`].
    pub fn new(dilation: &'a Dilation, qubits: usize, coefficients: &[f64]) -> Result<Self> {
        let found: Phases = phases(coefficients)?;
        let (angles, turns) = found.reflection();
        // χ_j = χ_{d−j} to the last bit.
        let mut chi: Vec<(f64, f64)> = angles[..angles.len().div_ceil(2)].iter().map(|x| x.sin_cos()).collect();
        chi.extend_from_within(..angles.len() / 2);
        chi[angles.len().div_ceil(2)..].reverse();
        let counts = Counts { ancillas: 2, ..Counts::default() };
        Ok(Processing { dilation, qubits, chi, turns, residual: found.residual, counts })
    }

    /// U or U† on qubits (system, flag a, sign s): flagged on a = s = 0.
    pub fn apply(&mut self, state: &mut StateVector, adjoint: bool) {
        let (a, s) = (self.qubits, self.qubits + 1);
        let sign = if adjoint { -1.0 } else { 1.0 };
        // Bits of the run index above the system: bit 0 is a, bit 1 is s.
        let rotate = |state: &mut StateVector, (sin, cos): (f64, f64)| {
            state.signed_phase(a, (sign * sin, cos), |k| (k & 1 == 1) == (k >> 1 & 1 == 1));
        };
        let quarter = (sign * [0.0, 1.0, 0.0, -1.0][self.turns % 4], [1.0, 0.0, -1.0, 0.0][self.turns % 4]);
        state.gate(s, HADAMARD);
        state.signed_phase(a, quarter, |k| k >> 1 & 1 == 0);
        let degree = self.chi.len() - 1;
        // Rightmost factor first; the adjoint runs the other way. The dilation is its own adjoint.
        for step in 0..=degree {
            let j = if adjoint { step } else { degree - step };
            if step > 0 {
                state.dense(self.dilation.columns(), &[]);
                if (step % 2 == 1) != adjoint {
                    self.counts.block_encoding += 1;
                } else {
                    self.counts.block_encoding_adjoint += 1;
                }
            }
            rotate(state, self.chi[j]);
            self.counts.reflections += 1;
        }
        state.gate(s, HADAMARD);
    }
}

/// What a level-3 run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Kept part in coordinates, padding dropped, not normalised.
    pub state: Vec<f64>,
    /// The d = 0 part that the walk's flags also keep; empty for other circuits.
    pub left: Vec<f64>,
    /// Probability of the flags.
    pub probability: f64,
    /// Largest imaginary amplitude in the kept part: 0 but for rounding and the phases' residual.
    pub imaginary: f64,
    /// Residual bound of the phases.
    pub residual: f64,
    /// Calls made.
    pub counts: Counts,
}

/// Inversion with amplitude amplification: the circuit used 2m + 1 times.
///
/// # Errors
/// Those of [`Padded::new`] and [`phases`].
pub fn inversion(instance: &Instance, coefficients: &[f64], rounds: u64, options: &Options) -> Result<Run> {
    let padded = Padded::new(instance)?;
    let mut circuit = Processing::new(&padded.dilation, padded.qubits, coefficients)?;
    let mut state = StateVector::new(padded.qubits + 2, options.max_bytes)?;
    state.load(&padded.b);
    circuit.counts.state_preparation += 1;
    circuit.apply(&mut state, false);
    let q = padded.qubits;
    for _ in 0..rounds {
        state.negate(q, |k| k == 0);
        circuit.apply(&mut state, true);
        // 2|0,b⟩⟨0,b| − 1.
        state.reflect(&padded.b, &[(q, false), (q + 1, false)]);
        state.negate(q, |_| true);
        circuit.counts.state_preparation += 2;
        circuit.counts.reflections += 2;
        circuit.apply(&mut state, false);
    }
    Ok(kept(&state, &padded, circuit.residual, circuit.counts, 0))
}

/// Flagged part of a state whose flags sit above the system: run index `flags`.
fn kept(state: &StateVector, padded: &Padded, residual: f64, counts: Counts, flags: usize) -> Run {
    let start = flags << padded.qubits;
    let re = state.re[start..start + padded.n].to_vec();
    let imaginary = state.im[start..start + padded.n].iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let probability = re.iter().map(|x| x * x).sum::<f64>();
    Run { state: re, left: Vec::new(), probability, imaginary, residual, counts }
}

/// The adiabatic walk gate by gate: qubits (system, a, h, c, r, d); flagged on a = c = r = 0.
///
/// # Errors
/// Those of [`Padded::new`].
pub fn walk(instance: &Instance, form: Form, p: f64, steps: u64, options: &Options) -> Result<Run> {
    let padded = Padded::new(instance)?;
    let q = padded.qubits;
    let (a, h, c, r, d) = (q, q + 1, q + 2, q + 3, q + 4);
    let mut state = StateVector::new(q + 5, options.max_bytes)?;
    state.load(&padded.b);
    let mut counts = Counts { ancillas: 5, state_preparation: 1, ..Counts::default() };
    let general = form == Form::General;
    let real = |m: [[f64; 2]; 2]| m.map(|row| row.map(|x| (x, 0.0)));
    for k in 1..=steps {
        let f = schedule(instance.kappa_eff(), p, k as f64 / steps as f64);
        let length = (1.0 - f).hypot(f);
        let rotation = real([[(1.0 - f) / length, f / length], [f / length, -(1.0 - f) / length]]);
        state.gate(c, HADAMARD);
        state.reflect(&padded.b, &[(h, true), (c, true), (d, false)]);
        for side in 0..2 {
            state.controlled(r, rotation, &[(h, false)]);
            state.controlled(r, HADAMARD, &[(h, true)]);
            if side == 1 {
                break;
            }
            if general {
                state.controlled(d, real([[1.0, 0.0], [0.0, -1.0]]), &[(r, false)]);
                state.controlled(d, real([[0.0, 1.0], [1.0, 0.0]]), &[(r, true)]);
            }
            // |0⟩⟨1|_d ⊗ U_A + |1⟩⟨0|_d ⊗ U_A†: after the swap of d, U_A where d = 0 and U_A† where d = 1; the
            // dilation is Hermitian, so both are the same matrix.
            state.dense(padded.dilation.columns(), &[(r, true)]);
            state.gate(h, real([[0.0, 1.0], [1.0, 0.0]]));
        }
        state.reflect(&padded.b, &[(h, true), (c, true), (d, false)]);
        state.gate(c, HADAMARD);
        // 2P − 1; bits above the system: a, h, c, r, d.
        state.negate(a, |k| k & 0b01101 != 0);
        counts.block_encoding += 1;
        counts.block_encoding_adjoint += u64::from(general);
        counts.state_preparation += 4;
        counts.reflections += 3;
        counts.walk_steps += 1;
    }
    let flags = if general { 0b10000 } else { 0 } | ((steps % 2) as usize * 0b10);
    let mut run = kept(&state, &padded, 0.0, counts, flags);
    if general {
        run.left = kept(&state, &padded, 0.0, counts, flags & 0b00010).state;
    }
    Ok(run)
}

/// Kernel reflection by phases: one more basis state carries 1/t, so the padded size grows to hold it.
///
/// The polynomial K reaches 1 at 0; it is scaled by `options.headroom`, which costs that factor of amplitude.
///
/// # Errors
/// Those of [`Padded::new`] and [`phases`].
pub fn kernel_reflection(instance: &Instance, norm_guess: f64, order: u64, options: &Options) -> Result<Run> {
    let Spectrum::Full(vectors) = &instance.spectrum else {
        return Err(Error::usage("simulate::level", "L3", "a reduced spectrum has no eigenvectors", "use L1"));
    };
    let n = instance.n;
    if n >= LARGEST {
        return Err(Error::resource(
            "simulate::level",
            format!("L3 with N = {n}"),
            format!("not verifiable: kernel reflection adds a basis state to N < {LARGEST}"),
            "use level L1 or L2",
        ));
    }
    // A_t = A ⊕ 1/t ⊕ padding; G = Q A_t is not Hermitian: its Hermitian dilation 2⁻¹-free form is the 2×2 block
    // [[0, G], [G†, 0]], whose even polynomials act as those of G†G on the second half.
    let size = (n + 1).next_power_of_two();
    let top = instance.sigma_max / instance.alpha;
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let b = coordinates(instance, &instance.amplitudes);
    let bt: Vec<f64> = (0..size)
        .map(|i| {
            if i < n {
                b[i] * half
            } else if i == n {
                half
            } else {
                0.0
            }
        })
        .collect();
    let at = Mat::from_fn(size, size, |i, j| match (i < n, j < n) {
        (true, true) => (0..n).map(|k| vectors[(i, k)] * instance.nodes[k] * vectors[(j, k)]).sum(),
        (false, false) if i == j => {
            if i == n {
                1.0 / norm_guess
            } else {
                top
            }
        }
        _ => 0.0,
    });
    let product: Vec<f64> = (0..size).map(|j| (0..size).map(|i| bt[i] * at[(i, j)]).sum()).collect();
    let g = |i: usize, j: usize| at[(i, j)] - bt[i] * product[j];
    let hermitian = Mat::from_fn(2 * size, 2 * size, |i, j| match (i < size, j < size) {
        (true, false) => g(i, j - size),
        (false, true) => g(j, i - size),
        _ => 0.0,
    });
    let eigen = crate::spectrum::dense_eigen::decompose(hermitian.as_ref(), super::instance::parallelism(2 * size))?;
    let nodes: Vec<f64> = eigen.values.iter().map(|v| v.clamp(-1.0, 1.0)).collect();
    let dilation = Dilation::new(eigen.vectors.as_ref(), &nodes);
    let mut coefficients = super::operator::kernel_series(instance.kappa_eff(), order);
    coefficients.iter_mut().for_each(|c| *c *= options.headroom);
    let qubits = (2 * size).trailing_zeros() as usize;
    let mut circuit = Processing::new(&dilation, qubits, &coefficients)?;
    let mut state = StateVector::new(qubits + 2, options.max_bytes)?;
    let mut start = vec![0.0; 2 * size];
    start[size + n] = 1.0;
    state.load(&start);
    circuit.apply(&mut state, false);
    circuit.counts.state_preparation = 2 * circuit.counts.queries() + 1;
    let re = state.re[size..size + n].to_vec();
    let imaginary = state.im[size..size + n].iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let probability = re.iter().map(|x| x * x).sum();
    Ok(Run { state: re, left: Vec::new(), probability, imaginary, residual: circuit.residual, counts: circuit.counts })
}

/// Chebyshev series of `scale`·p for an odd function p of known degree, even terms exactly 0.
pub fn odd_series(degree: u64, scale: f64, p: impl Fn(f64) -> f64) -> Vec<f64> {
    chebyshev::odd_coefficients(degree as usize, |x| scale * p(x))
}
