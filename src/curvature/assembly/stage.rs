//! The units of one site as tasks of an assembly.

use super::Assembly;
use super::pass::Lanes;
use super::tiles::{self, Activations, Scratch, Target};
use crate::curvature::shared::Writer;
use crate::curvature::sweep::{Pool, Ready, Stage};
use crate::error::Result;
use crate::graph::execute::{Leaves, Workspace};
use crate::tensor::Real;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Buffers of one lane block stay below this many elements per thread.
const ELEMENTS: usize = 256 << 10;
/// Units evaluated together; fixed, so that results do not depend on the number of threads.
const UNITS: usize = 4;
/// A site is divided into at least so many tasks where it has the units.
const TASKS: usize = 8;

/// Buffers for the units of all sites, and what was done with them.
pub(in crate::curvature) struct Tools<T> {
    spent: AtomicU64,
    pool: Pool<Buffers<T>>,
}

#[derive(Default)]
struct Buffers<T> {
    workspace: Workspace<T>,
    scratch: Scratch<T>,
}

impl<T: Real> Tools<T> {
    pub fn new() -> Self {
        Tools { spent: AtomicU64::new(0), pool: Pool::new() }
    }

    /// Operations done in products of matrices, zeros left out.
    pub fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }
}

/// All pairs (l, m) with m not before l.
struct Units<'a, T> {
    assembly: &'a Assembly,
    l: usize,
    /// Units of a task.
    units: usize,
    /// Operations of a lane.
    flops: u64,
    leaves: &'a Leaves<f64>,
    values: Ready<Values<'a, T>>,
    tools: &'a Tools<T>,
}

/// What the units of a site share.
struct Values<'a, T> {
    lanes: Lanes<'a, T>,
    x: Activations<T>,
}

impl Assembly {
    /// Tasks that write the entries of all covered pairs of tensors.
    pub fn stages<'a, T: Real>(&'a self, leaves: &'a Leaves<f64>, tools: &'a Tools<T>) -> Vec<Box<dyn Stage<T> + 'a>> {
        (0..self.sites.len())
            .filter(|&l| self.seeded[l])
            .map(|l| {
                let (site, schedule) = (&self.sites[l], &self.pass(l).schedule);
                let each = site.positions * schedule.lane_elements();
                // many more tasks than threads, the last ones small
                let units = (ELEMENTS / each.max(1)).min(site.fan_out / TASKS).clamp(1, UNITS);
                let flops = schedule.lane_flops();
                Box::new(Units { assembly: self, l, units, flops, leaves, values: Ready::new(), tools }) as _
            })
            .collect()
    }
}

impl<'a, T: Real> Units<'a, T> {
    fn of(&self, task: usize) -> Range<usize> {
        let first = task * self.units;
        first..(first + self.units).min(self.assembly.sites[self.l].fan_out)
    }

    fn values(&self) -> Arc<Values<'a, T>> {
        self.values.get(|| {
            let lanes = Lanes::new(self.assembly, self.l, self.leaves);
            let x = Activations::new(lanes.primal(lanes.pass.x), &self.assembly.sites[self.l]);
            Values { lanes, x }
        })
    }
}

impl<T: Real> Stage<T> for Units<'_, T> {
    fn tasks(&self) -> usize {
        self.assembly.sites[self.l].fan_out.div_ceil(self.units)
    }

    fn flops(&self, task: usize) -> u64 {
        self.of(task).map(|a| self.assembly.unit_flops(self.l, a, self.flops)).sum()
    }

    fn prepare(&self) {
        self.values();
    }

    /// The lanes of some units and all their tiles.
    fn run(&self, to: &Writer<'_, '_, T>, task: usize) -> Result<()> {
        let (l, sites, values) = (self.l, &self.assembly.sites, self.values());
        let (site, Values { lanes, x }) = (&sites[l], &*values);
        let (units, first) = (self.of(task), task * self.units);
        let k = units.len();
        let place = |m: usize| Target { matrix: to, site: &sites[m] };
        self.tools.pool.with(|Buffers { workspace, scratch }| {
            workspace.fit(&lanes.pass.schedule, self.units * site.positions);
            lanes.evaluate(workspace, first, k, site);
            for a in units {
                scratch.forget();
                for (m, out) in lanes.pass.outputs.iter().enumerate() {
                    let m = l + m;
                    let of_unit = |n: usize| lanes.unit(workspace, n, k, a - first);
                    let factors = tiles::Factors {
                        s: out.s.map(of_unit),
                        j: out.j.map(of_unit),
                        x: lanes.primal(out.x),
                        delta: out.delta.map(|n| lanes.primal(n)),
                    };
                    match factors.s {
                        Some(s) if m == l && site.positions == 1 => tiles::diagonal(&place(l), a, x, s, scratch)?,
                        _ => tiles::off_diagonal(&place(l), &place(m), a, x, &factors, scratch)?,
                    }
                }
            }
            let spent = (k * site.positions) as u64 * self.flops + std::mem::take(&mut scratch.flops);
            self.tools.spent.fetch_add(spent, Ordering::Relaxed);
            Ok(())
        })
    }

    fn finish(&self) {
        self.values.finish();
    }
}
