//! The discrete adiabatic walk in the eigenbasis: flags carried exactly, one pass over the nodes per step.
//!
//! Circuit of Costa, An, Babbush and Berry (arXiv:2312.07690) as spelled out in `docs/simulator.md`: registers
//! d (dilation of A; absent for positive definite A), r (combination of H₀ and H₁), c (flag of Q_b), h (flag of H),
//! a (block encoding of A) and the system. In the singular bases of A every gate is diagonal over the nodes but the
//! reflection about |b⟩, and h is flipped once per step, so it is a classical bit: 8 or 16 real numbers per node.

use super::oracle::Counts;
use std::f64::consts::FRAC_1_SQRT_2;

/// Nodes held side by side, so that each gate is one vector operation.
const LANES: usize = 8;
type Lane = [f64; LANES];

/// Which embedding of A the walk uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A(f) = (1−f)·1 + f·A, for positive definite A.
    PositiveDefinite,
    /// A(f) = (1−f)·Z_d ⊗ 1 + f·(|0⟩⟨1| ⊗ A + |1⟩⟨0| ⊗ A†): indefinite and, by dilation, any matrix.
    General,
}

impl Form {
    /// Calls of U_A and U_A† in one step.
    pub fn calls_per_step(self) -> u64 {
        match self {
            Form::PositiveDefinite => 1,
            Form::General => 2,
        }
    }
}

/// The amplitudes of the combination (1−f)H₀ + fH₁ on register r.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combination {
    /// As published: rotation by (1−f, f)/√((1−f)²+f²) on one side, Hadamard on the other.
    Published,
    /// Negative control: square-root amplitudes on both sides.
    SquareRoot,
}

/// A system in the singular bases of A: A = Σ s_i |u_i⟩⟨v_i|.
#[derive(Debug, Clone, PartialEq)]
pub struct WalkSystem {
    /// s_i in [−1, 1] (signed eigenvalues for a symmetric A).
    pub values: Vec<f64>,
    /// ⟨u_i|b⟩.
    pub rhs: Vec<f64>,
    /// b where the ancilla of U_A is 1; the same as `rhs` for U_A = [[A, √(1−A²)], [√(1−A²), −A]].
    pub rhs_flagged: Vec<f64>,
    /// ⟨v_i|x⟩ of the normalised solution.
    pub target: Vec<f64>,
    /// Embedding.
    pub form: Form,
    /// κ the schedule is built for.
    pub kappa: f64,
}

impl WalkSystem {
    /// The system of a symmetric matrix whose dilation is Hermitian.
    pub fn symmetric(values: &[f64], rhs: &[f64], target: &[f64], form: Form, kappa: f64) -> Self {
        WalkSystem {
            values: values.to_vec(),
            rhs: rhs.to_vec(),
            rhs_flagged: rhs.to_vec(),
            target: target.to_vec(),
            form,
            kappa,
        }
    }
}

/// f(s) = κ/(κ−1)·[1 − (1 + s(κ^{p−1} − 1))^{1/(1−p)}], An and Lin, arXiv:1909.05500.
pub fn schedule(kappa: f64, p: f64, s: f64) -> f64 {
    if kappa <= 1.0 + 1e-12 {
        return s;
    }
    kappa / (kappa - 1.0) * (1.0 - (1.0 + s * (kappa.powf(p - 1.0) - 1.0)).powf(1.0 / (1.0 - p)))
}

/// The exponent of the schedule in the published table.
pub const SCHEDULE_P: f64 = 1.4;

/// The state after T steps, seen from the solution.
#[derive(Debug, Clone, PartialEq)]
pub struct WalkResult {
    /// d = 0 part with all ancillas on 0, in the basis u_i (empty for the positive definite form).
    pub left: Vec<f64>,
    /// Part with all ancillas on 0 that should be the solution, in the basis v_i.
    pub right: Vec<f64>,
    /// ⟨x|w⟩.
    pub overlap: f64,
    /// ‖w‖, w = the part of the state with r = c = a = 0.
    pub flagged_norm: f64,
    /// Calls made.
    pub counts: Counts,
}

impl WalkResult {
    /// ‖x − w‖, w not renormalised: the published "error".
    pub fn error_published(&self) -> f64 {
        let off = self.flagged_norm.powi(2) - self.overlap.powi(2);
        ((1.0 - self.overlap).powi(2) + off.max(0.0)).sqrt()
    }

    /// ‖x − w/‖w‖‖.
    pub fn error_renormalised(&self) -> f64 {
        (2.0 - 2.0 * self.overlap / self.flagged_norm).max(0.0).sqrt()
    }

    /// 2-norm distance of the whole state, ancillas included, up to the sign.
    pub fn error_whole(&self) -> f64 {
        (2.0 - 2.0 * self.overlap.abs()).max(0.0).sqrt()
    }

    /// |⟨x|ψ⟩|²: the success probability of the walk followed by an ideal filter.
    pub fn fidelity(&self) -> f64 {
        self.overlap * self.overlap
    }
}

/// Runs T steps of the walk with the schedule exponent `p`.
///
/// The target is reached with sign + when T is a multiple of 4; T ≡ 2 (mod 4) flips the sign and an odd T leaves
/// flag h raised, so that the overlap is 0: callers choose T, the circuit does what it does.
pub fn run(system: &WalkSystem, steps: u64, p: f64, combination: Combination) -> WalkResult {
    match system.form {
        Form::PositiveDefinite => run_flags::<8>(system, steps, p, combination),
        Form::General => run_flags::<16>(system, steps, p, combination),
    }
}

/// One group of nodes: W flag values × LANES nodes, with the node data beside them.
#[derive(Clone)]
struct Block<const W: usize> {
    psi: [Lane; W],
    s: Lane,
    c: Lane,
    b: [Lane; 2],
}

/// Rotation on r for a flag h: rows of a symmetric 2×2 reflection [[p, q], [q, −p]].
#[derive(Clone, Copy)]
struct Prepare(f64, f64);

fn preparation(f: f64, h: bool, combination: Combination) -> Prepare {
    match combination {
        Combination::Published if h => Prepare(FRAC_1_SQRT_2, FRAC_1_SQRT_2),
        Combination::Published => {
            let size = (1.0 - f).hypot(f);
            Prepare((1.0 - f) / size, f / size)
        }
        Combination::SquareRoot => Prepare((1.0 - f).max(0.0).sqrt(), f.max(0.0).sqrt()),
    }
}

impl<const W: usize> Block<W> {
    /// Hadamard on c (bit 1).
    #[inline(always)]
    fn hadamard_c(&mut self) {
        for i in (0..W).filter(|i| i & 2 == 0) {
            for l in 0..LANES {
                let (x, y) = (self.psi[i][l], self.psi[i | 2][l]);
                self.psi[i][l] = (x + y) * FRAC_1_SQRT_2;
                self.psi[i | 2][l] = (x - y) * FRAC_1_SQRT_2;
            }
        }
    }

    /// The rotation of register r (bit 2).
    #[inline(always)]
    fn prepare_r(&mut self, Prepare(p, q): Prepare) {
        for i in (0..W).filter(|i| i & 4 == 0) {
            for l in 0..LANES {
                let (x, y) = (self.psi[i][l], self.psi[i | 4][l]);
                self.psi[i][l] = p * x + q * y;
                self.psi[i | 4][l] = q * x - p * y;
            }
        }
    }

    /// r = 0: H₀'s part (Z on d); r = 1: U_A, with the swap of d in the general form.
    #[inline(always)]
    fn select(&mut self) {
        if W == 16 {
            for i in (8..W).filter(|i| i & 4 == 0) {
                for l in 0..LANES {
                    self.psi[i][l] = -self.psi[i][l];
                }
            }
        }
        for i in (0..8).filter(|i| i & 5 == 4) {
            for l in 0..LANES {
                let (s, c) = (self.s[l], self.c[l]);
                if W == 16 {
                    let (x0, x1) = (self.psi[i][l], self.psi[i | 1][l]);
                    let (y0, y1) = (self.psi[i | 8][l], self.psi[i | 9][l]);
                    self.psi[i][l] = s * y0 + c * y1;
                    self.psi[i | 1][l] = c * y0 - s * y1;
                    self.psi[i | 8][l] = s * x0 + c * x1;
                    self.psi[i | 9][l] = c * x0 - s * x1;
                } else {
                    let (x0, x1) = (self.psi[i][l], self.psi[i | 1][l]);
                    self.psi[i][l] = s * x0 + c * x1;
                    self.psi[i | 1][l] = c * x0 - s * x1;
                }
            }
        }
    }

    /// 2P − 1 with P = |0⟩⟨0| on r, c and a.
    #[inline(always)]
    fn reflect_flags(&mut self) {
        for i in (0..W).filter(|i| i & 7 != 0) {
            for l in 0..LANES {
                self.psi[i][l] = -self.psi[i][l];
            }
        }
    }

    /// Adds ⟨b|ψ⟩ for c = 1, d = 0 and the four values of (r, a).
    #[inline(always)]
    fn add_overlaps(&self, sums: &mut [Lane; 4]) {
        for (k, sum) in sums.iter_mut().enumerate() {
            let i = FLAGGED[k];
            for ((s, b), x) in sum.iter_mut().zip(&self.b[i & 1]).zip(&self.psi[i]) {
                *s += b * x;
            }
        }
    }

    /// ψ ← (1 − 2|b⟩⟨b|) ψ where c = 1, d = 0, given the overlaps.
    #[inline(always)]
    fn reflect_b(&mut self, overlaps: &[f64; 4]) {
        for (k, overlap) in overlaps.iter().enumerate() {
            let i = FLAGGED[k];
            for l in 0..LANES {
                self.psi[i][l] -= 2.0 * overlap * self.b[i & 1][l];
            }
        }
    }
}

/// Flag values with d = 0, c = 1, over (r, a).
const FLAGGED: [usize; 4] = [2, 3, 6, 7];

/// Blocks per task; sums are combined in task order, so that the result does not depend on the thread count.
const CHUNK: usize = 512;

/// One pass over all nodes; returns the overlaps with b found on the way.
fn sweep<const W: usize>(blocks: &mut [Block<W>], work: impl Fn(&mut Block<W>, &mut [Lane; 4]) + Sync) -> [f64; 4] {
    let one = |chunk: &mut [Block<W>]| {
        let mut sums = [[0.0; LANES]; 4];
        for block in chunk {
            work(block, &mut sums);
        }
        sums.map(|lane| lane.iter().sum::<f64>())
    };
    let partial: Vec<[f64; 4]> = if blocks.len() > 2 * CHUNK {
        use rayon::prelude::*;
        blocks.par_chunks_mut(CHUNK).map(one).collect()
    } else {
        blocks.chunks_mut(CHUNK).map(one).collect()
    };
    partial.iter().fold([0.0; 4], |mut total, part| {
        for (t, p) in total.iter_mut().zip(part) {
            *t += p;
        }
        total
    })
}

fn run_flags<const W: usize>(system: &WalkSystem, steps: u64, p: f64, combination: Combination) -> WalkResult {
    let mut blocks = load::<W>(system);
    let f_at = |k: u64| schedule(system.kappa, p, k as f64 / steps as f64);
    let mut k = 1;
    // Two steps at a time: h = 0 at the start of the first, 1 at the start of the second. A step needs the overlap
    // with b once, after its rotations when h = 0 and before them when h = 1, hence one pass per step.
    let mut overlaps = [0.0; 4];
    while k <= steps {
        let (first, second) = (preparation(f_at(k), false, combination), preparation(f_at(k), true, combination));
        let previous = (k > 1).then(|| {
            let f = f_at(k - 1);
            (preparation(f, true, combination), preparation(f, false, combination))
        });
        let before = overlaps;
        overlaps = sweep(&mut blocks, |block, sums| {
            if let Some((first, second)) = previous {
                finish_raised(block, &before, first, second);
            }
            block.hadamard_c();
            block.prepare_r(first);
            block.select();
            block.prepare_r(second);
            block.add_overlaps(sums);
        });
        let before = overlaps;
        let another = k < steps;
        overlaps = sweep(&mut blocks, |block, sums| {
            block.reflect_b(&before);
            block.hadamard_c();
            block.reflect_flags();
            if another {
                block.hadamard_c();
                block.add_overlaps(sums);
            }
        });
        k += 2;
    }
    if steps > 0 && steps.is_multiple_of(2) {
        let f = f_at(steps);
        let (first, second) = (preparation(f, true, combination), preparation(f, false, combination));
        sweep(&mut blocks, |block, _| finish_raised(block, &overlaps, first, second));
    }
    read(system, &blocks, steps)
}

/// The part of a step that starts with h = 1 after its overlaps are known.
#[inline(always)]
fn finish_raised<const W: usize>(block: &mut Block<W>, overlaps: &[f64; 4], first: Prepare, second: Prepare) {
    block.reflect_b(overlaps);
    block.prepare_r(first);
    block.select();
    block.prepare_r(second);
    block.hadamard_c();
    block.reflect_flags();
}

fn load<const W: usize>(system: &WalkSystem) -> Vec<Block<W>> {
    let n = system.values.len();
    let at = |v: &[f64], i: usize| v.get(i).copied().unwrap_or(0.0);
    (0..n.div_ceil(LANES))
        .map(|g| {
            let lane = |v: &[f64]| std::array::from_fn(|l| at(v, g * LANES + l));
            let s: Lane = lane(&system.values);
            let c = s.map(|x| ((1.0 - x) * (1.0 + x)).max(0.0).sqrt());
            let b = [lane(&system.rhs), lane(&system.rhs_flagged)];
            let mut psi = [[0.0; LANES]; W];
            psi[0] = b[0];
            Block { psi, s, c, b }
        })
        .collect()
}

fn read<const W: usize>(system: &WalkSystem, blocks: &[Block<W>], steps: u64) -> WalkResult {
    let n = system.values.len();
    let part = |flag: usize| -> Vec<f64> { blocks.iter().flat_map(|block| block.psi[flag]).take(n).collect() };
    let (left, right) = if W == 16 { (part(0), part(8)) } else { (Vec::new(), part(0)) };
    // An odd number of steps leaves h = 1: nothing of the state lies where the solution should be.
    let overlap = if steps % 2 == 1 { 0.0 } else { right.iter().zip(&system.target).map(|(w, x)| w * x).sum::<f64>() };
    let flagged_norm = left.iter().chain(&right).map(|w| w * w).sum::<f64>().sqrt();
    let per_side = u64::from(W == 16);
    let counts = Counts {
        block_encoding: steps,
        block_encoding_adjoint: steps * per_side,
        state_preparation: 4 * steps,
        reflections: 3 * steps,
        walk_steps: steps,
        ancillas: if W == 16 { 5 } else { 4 },
        ..Counts::default()
    };
    WalkResult { left, right, overlap, flagged_norm, counts }
}
