//! The tangents of the units of one site: one lane for each unit and position, all samples at once.

use super::Assembly;
use super::sites::Site;
use crate::autodiff::jvp;
use crate::graph::execute::{Leaves, Primal, Workspace};
use crate::graph::{NodeId, Op, Schedule};
use crate::tensor::Real;
use faer::Par;

impl Assembly {
    /// The lane pass of site l.
    pub(super) fn pass(&self, l: usize) -> &Pass {
        self.passes[l].get_or_init(|| self.plan_pass(l))
    }

    fn plan_pass(&self, l: usize) -> Pass {
        let mut program = self.program.clone();
        let later = &self.sites[l..];
        let deltas = &self.deltas[l..];
        let z = self.sites[l].z;
        let shape = program.shape(z).to_vec();
        let seed = program.tangent(&shape);
        let slot = match program.node(seed).op {
            Op::Tangent(n) => n,
            _ => 0,
        };
        let mut targets: Vec<NodeId> = deltas.iter().copied().flatten().collect();
        targets.extend(later.iter().map(|m| m.x));
        let mut tangents = jvp(&mut program, &[(z, seed)], &targets).into_iter();
        let s: Vec<Option<NodeId>> = deltas.iter().map(|d| d.and_then(|_| tangents.next().flatten())).collect();
        let j: Vec<Option<NodeId>> = later.iter().map(|_| tangents.next().flatten()).collect();
        let mut wanted: Vec<NodeId> = Vec::new();
        let mut want = |node: NodeId| {
            wanted.push(node);
            wanted.len() - 1
        };
        let x = want(later[0].x);
        let outputs = later
            .iter()
            .zip(deltas)
            .zip(s.iter().zip(&j))
            .map(|((m, delta), (s, j))| Outputs {
                s: s.map(&mut want),
                j: j.map(&mut want),
                x: want(m.x),
                delta: delta.map(&mut want),
            })
            .collect();
        Pass { schedule: Schedule::new(&program, &wanted), slot, x, outputs }
    }
}

/// The lane pass of one site, for any snapshot.
pub(super) struct Pass {
    pub schedule: Schedule,
    /// The tangent slot of the site's pre-activations.
    slot: usize,
    /// Position of X_l among the outputs.
    pub x: usize,
    pub outputs: Vec<Outputs>,
}

/// What the lanes of one site yield for a later one: positions among the outputs of the schedule.
pub(super) struct Outputs {
    pub s: Option<usize>,
    pub j: Option<usize>,
    pub x: usize,
    pub delta: Option<usize>,
}

/// The lanes of one site, evaluated at one snapshot.
pub(super) struct Lanes<'a, T> {
    pub pass: &'a Pass,
    values: Primal<T>,
    positions: usize,
}

impl<'a, T: Real> Lanes<'a, T> {
    pub fn new(assembly: &'a Assembly, l: usize, leaves: &Leaves<f64>) -> Self {
        let pass = assembly.pass(l);
        let mut values = Primal::<f64>::new(&pass.schedule, leaves.clone());
        values.run(&pass.schedule, Par::Seq);
        let values = values.rounded(&pass.schedule);
        Lanes { pass, values, positions: assembly.sites[l].positions }
    }

    pub fn primal(&self, output: usize) -> &[T] {
        self.values.output(&self.pass.schedule, output)
    }

    /// What the lanes of one of `k` units, one for each position, yield.
    pub fn unit<'w>(&'w self, workspace: &'w Workspace<T>, output: usize, k: usize, unit: usize) -> &'w [T] {
        let all = workspace.output(&self.pass.schedule, &self.values, output, k * self.positions);
        let size = all.len() / k;
        &all[unit * size..(unit + 1) * size]
    }

    /// Perturbs units `first .. first + k` in all samples, each position in a lane of its own.
    pub fn evaluate(&self, workspace: &mut Workspace<T>, first: usize, k: usize, site: &Site) {
        let tangent = workspace.tangent_mut(self.pass.slot);
        let lanes = k * self.positions;
        for (lane, tangent) in tangent.chunks_exact_mut((site.rows * site.fan_out).max(1)).take(lanes).enumerate() {
            let (unit, position) = (lane / self.positions, lane % self.positions);
            tangent.fill(T::ZERO);
            for row in tangent.chunks_exact_mut(site.fan_out).skip(position).step_by(self.positions) {
                row[first + unit] = T::ONE;
            }
        }
        workspace.run(&self.pass.schedule, &self.values, lanes, Par::Seq);
    }
}
