//! The adiabatic walk at level 2: every register explicit, gate by gate, with any block encoding.
//!
//! Written apart from [`super::walk`] so that the two check each other; it also holds the negative controls that need
//! a different circuit (two flags for Q_b with and without the SWAP that makes the walk's operator Hermitian).

use super::encoding::{BlockEncoding, Counted};
use super::operator::reflect;
use super::oracle::Counts;
use super::walk::{Form, schedule};
use std::f64::consts::FRAC_1_SQRT_2;

/// How the projector Q_b is flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// One flag for both places: exactly one reflection is active.
    One,
    /// One flag per place and a SWAP of them at the end.
    TwoSwapped,
    /// Negative control: two flags, SWAP forgotten.
    TwoUnswapped,
}

/// Registers above (flags of U_A ⊗ system), as bits of a block index.
const H: usize = 1;
const C: usize = 2;
const R: usize = 4;
const D: usize = 8;
const C2: usize = 16;

/// The walk's state: 32 blocks (those with unused bits stay 0) of M·N entries.
pub struct WalkState {
    block: usize,
    n: usize,
    v: Vec<f64>,
}

impl WalkState {
    fn new(encoding: &dyn BlockEncoding, b: &[f64]) -> Self {
        let (n, block) = (encoding.system(), encoding.system() * encoding.flags());
        let mut v = vec![0.0; 32 * block];
        v[..n].copy_from_slice(b);
        WalkState { block, n, v }
    }

    fn part(&mut self, index: usize) -> &mut [f64] {
        &mut self.v[index * self.block..(index + 1) * self.block]
    }

    /// Flagged system part (r = c = a = 0) for values of d and h.
    pub fn flagged(&self, d: bool, h: bool) -> &[f64] {
        let index = if d { D } else { 0 } | if h { H } else { 0 };
        &self.v[index * self.block..index * self.block + self.n]
    }

    /// ‖ψ‖.
    pub fn norm(&self) -> f64 {
        super::instance::norm(&self.v)
    }

    /// A real 2×2 gate on register bit `bit`, where `when` holds.
    fn gate(&mut self, bit: usize, g: [[f64; 2]; 2], when: impl Fn(usize) -> bool) {
        for i in (0..32).filter(|i| i & bit == 0 && when(*i)) {
            let (low, high) = self.v.split_at_mut((i | bit) * self.block);
            let low = &mut low[i * self.block..(i + 1) * self.block];
            for (x, y) in low.iter_mut().zip(&mut high[..self.block]) {
                let (a, b) = (*x, *y);
                *x = g[0][0] * a + g[0][1] * b;
                *y = g[1][0] * a + g[1][1] * b;
            }
        }
    }

    /// 1 − 2|b⟩⟨b| on the system where h = 1, `flag` = 1, d = 0.
    fn reflect_b(&mut self, flag: usize, b: &[f64], counts: &mut Counts) {
        counts.state_preparation += 2;
        counts.reflections += 1;
        let n = self.n;
        for i in (0..32).filter(|i| i & H != 0 && i & flag != 0 && i & D == 0) {
            for part in self.part(i).chunks_exact_mut(n) {
                reflect(part, b);
            }
        }
    }
}

const HADAMARD: [[f64; 2]; 2] = [[FRAC_1_SQRT_2, FRAC_1_SQRT_2], [FRAC_1_SQRT_2, -FRAC_1_SQRT_2]];

/// A circuit for W(f) = (2P − 1)U(f).
pub struct WalkCircuit<'a> {
    /// The block encoding, with its counter.
    pub encoding: Counted<'a>,
    b: Vec<f64>,
    form: Form,
    flags: Flags,
}

impl<'a> WalkCircuit<'a> {
    /// For a right-hand side in coordinates.
    pub fn new(encoding: &'a dyn BlockEncoding, b: &[f64], form: Form, flags: Flags) -> Self {
        WalkCircuit { encoding: Counted::new(encoding), b: b.to_vec(), form, flags }
    }

    /// All flags 0, system |b⟩.
    pub fn start(&self) -> WalkState {
        WalkState::new(self.encoding.encoding(), &self.b)
    }

    /// U(f) on a state; `combine` = false leaves register r out (H at the end of the path).
    pub fn unitary(&mut self, state: &mut WalkState, f: f64, combine: bool) {
        let second = if self.flags == Flags::One { C } else { C2 };
        let length = (1.0 - f).hypot(f);
        let rotation = [[(1.0 - f) / length, f / length], [f / length, -(1.0 - f) / length]];
        let prepare = |state: &mut WalkState| {
            state.gate(R, rotation, |i| i & H == 0);
            state.gate(R, HADAMARD, |i| i & H != 0);
        };
        state.gate(C, HADAMARD, |_| true);
        state.reflect_b(C, &self.b, &mut self.encoding.counts);
        if self.flags != Flags::One {
            state.gate(C, HADAMARD, |_| true);
        }
        if combine {
            prepare(state);
        }
        self.select(state, combine);
        state.gate(H, [[0.0, 1.0], [1.0, 0.0]], |_| true);
        if combine {
            prepare(state);
        }
        if self.flags != Flags::One {
            state.gate(C2, HADAMARD, |_| true);
        }
        state.reflect_b(second, &self.b, &mut self.encoding.counts);
        state.gate(second, HADAMARD, |_| true);
        if self.flags == Flags::TwoSwapped {
            for i in (0..32).filter(|i| i & C != 0 && i & C2 == 0) {
                let other = i ^ C ^ C2;
                let copy = state.part(i).to_vec();
                let moved = state.part(other).to_vec();
                state.part(i).copy_from_slice(&moved);
                state.part(other).copy_from_slice(&copy);
            }
        }
    }

    /// r = 0: Z on d; r = 1 (everywhere without r): |0⟩⟨1|_d ⊗ U_A + |1⟩⟨0|_d ⊗ U_A†, or U_A alone.
    fn select(&mut self, state: &mut WalkState, combine: bool) {
        let general = self.form == Form::General;
        if combine && general {
            state.gate(D, [[1.0, 0.0], [0.0, -1.0]], |i| i & R == 0);
        }
        let (calls, adjoints) = (self.encoding.counts.block_encoding, self.encoding.counts.block_encoding_adjoint);
        let sparse = self.encoding.counts.sparse_access;
        let selected = if combine { R } else { 0 };
        for i in (0..32).filter(|i| i & R == selected) {
            if general && i & D == 0 {
                let other = i | D;
                let mut x = state.part(i).to_vec();
                let mut y = state.part(other).to_vec();
                self.encoding.apply_adjoint(&mut x);
                self.encoding.apply(&mut y);
                state.part(i).copy_from_slice(&y);
                state.part(other).copy_from_slice(&x);
            } else if !general && i & H == 0 {
                self.encoding.apply(state.part(i));
            } else if !general {
                self.encoding.apply_adjoint(state.part(i));
            }
        }
        // One controlled call each in the circuit, however many blocks it acts on here.
        let both = u64::from(general || !self.encoding.encoding().hermitian());
        self.encoding.counts.block_encoding = calls + 1;
        self.encoding.counts.block_encoding_adjoint = adjoints + both;
        self.encoding.counts.sparse_access = sparse + self.encoding.encoding().sparse_calls() * (1 + both);
    }

    /// 2P − 1, P = |0⟩⟨0| on r, the flags of Q_b and the flags of U_A.
    pub fn reflect_flags(&mut self, state: &mut WalkState) {
        self.encoding.counts.reflections += 1;
        let n = state.n;
        for i in 0..32 {
            let kept = if i & (R | C | C2) == 0 { n } else { 0 };
            state.part(i)[kept..].iter_mut().for_each(|x| *x = -*x);
        }
    }

    /// T steps of the walk along the schedule.
    pub fn walk(&mut self, state: &mut WalkState, kappa: f64, p: f64, steps: u64) {
        for k in 1..=steps {
            self.unitary(state, schedule(kappa, p, k as f64 / steps as f64), true);
            self.reflect_flags(state);
            self.encoding.counts.walk_steps += 1;
        }
    }

    /// Flagged part of F(H)|ψ⟩ at the end of the path, F = Σ c_k T_k even, from flagged parts with h = 0:
    /// (d = 0, d = 1).
    pub fn filter(&mut self, coefficients: &[f64], left: &[f64], right: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut state = self.start();
        state.v.fill(0.0);
        let (n, general) = (state.n, self.form == Form::General);
        let place = if general { D } else { 0 };
        if general && !left.is_empty() {
            state.part(0)[..n].copy_from_slice(left);
        }
        state.part(place)[..n].copy_from_slice(right);
        let c0 = coefficients.first().copied().unwrap_or(0.0);
        let mut sum_left: Vec<f64> = left.iter().map(|x| c0 * x).collect();
        let mut sum_right: Vec<f64> = right.iter().map(|x| c0 * x).collect();
        for (k, &c) in coefficients.iter().enumerate().skip(1) {
            if k > 1 {
                self.reflect_flags(&mut state);
            }
            self.unitary(&mut state, 1.0, false);
            self.encoding.counts.walk_steps += 1;
            if k % 2 == 0 {
                if general {
                    for (s, x) in sum_left.iter_mut().zip(state.flagged(false, false)) {
                        *s += c * x;
                    }
                }
                for (s, x) in sum_right.iter_mut().zip(state.flagged(general, false)) {
                    *s += c * x;
                }
            }
        }
        (sum_left, sum_right)
    }
}
