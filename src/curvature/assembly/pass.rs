//! The tangents of the units of one site: one lane for each unit and position, all samples at once.

use super::Assembly;
use super::sites::Site;
use crate::autodiff::jvp;
use crate::graph::execute::{Leaves, Primal, Workspace};
use crate::graph::{NodeId, Op, Schedule};
use crate::parallel::Threads;
use crate::tensor::Real;
use faer::Par;
use std::sync::Arc;

impl Assembly {
    /// The lane pass of site l, and where its outputs stand.
    pub(super) fn lanes(&self, l: usize) -> (Schedule, usize, usize, Vec<Outputs>) {
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
        (Schedule::new(Arc::new(program), &wanted), slot, x, outputs)
    }
}

/// What the lanes of one site yield for a later one: positions among the outputs of the schedule.
pub(super) struct Outputs {
    pub s: Option<usize>,
    pub j: Option<usize>,
    pub x: usize,
    pub delta: Option<usize>,
}

/// The lanes of one site, evaluated at one snapshot.
pub(super) struct Lanes<T> {
    pub schedule: Schedule,
    values: Primal<T>,
    slot: usize,
    positions: usize,
    /// Position of X_l among the outputs.
    pub x: usize,
    pub outputs: Vec<Outputs>,
}

impl<T: Real> Lanes<T> {
    pub fn new(assembly: &Assembly, l: usize, leaves: &Leaves<f64>, threads: &Threads) -> Self {
        let (schedule, slot, x, outputs) = assembly.lanes(l);
        let mut values = Primal::<f64>::new(&schedule, leaves.clone());
        threads.run(|| values.run(&schedule, threads.faer()));
        let values = values.rounded();
        Lanes { schedule, values, slot, positions: assembly.sites[l].positions, x, outputs }
    }

    pub fn primal(&self, output: usize) -> &[T] {
        self.values.output(&self.schedule, output)
    }

    /// What the lanes of one of `k` units, one for each position, yield.
    pub fn unit<'a>(&'a self, workspace: &'a Workspace<T>, output: usize, k: usize, unit: usize) -> &'a [T] {
        let all = workspace.output(&self.schedule, &self.values, output, k * self.positions);
        let size = all.len() / k;
        &all[unit * size..(unit + 1) * size]
    }

    /// Perturbs units `first .. first + k` in all samples, each position in a lane of its own.
    pub fn evaluate(&self, workspace: &mut Workspace<T>, first: usize, k: usize, site: &Site) {
        let tangent = workspace.tangent_mut(self.slot);
        let lanes = k * self.positions;
        for (lane, tangent) in tangent.chunks_exact_mut((site.rows * site.fan_out).max(1)).take(lanes).enumerate() {
            let (unit, position) = (lane / self.positions, lane % self.positions);
            tangent.fill(T::ZERO);
            for row in tangent.chunks_exact_mut(site.fan_out).skip(position).step_by(self.positions) {
                row[first + unit] = T::ONE;
            }
        }
        workspace.run(&self.schedule, &self.values, lanes, Par::Seq);
    }
}
