//! The columns of one tensor as tasks of an assembly.
#![allow(unsafe_code)]

use super::{Columns, Map};
use crate::curvature::lanes::{Desk, Linear, Plan};
use crate::curvature::prepared::Precision;
use crate::curvature::shared::Writer;
use crate::curvature::sweep::{Pool, Ready, Stage};
use crate::error::Result;
use crate::tensor::Real;
use std::ops::Range;
use std::sync::Arc;

/// Buffers for the columns of all tensors.
pub(in crate::curvature) struct Desks {
    wide: Pool<Desk<f64>>,
    narrow: Pool<Desk<f32>>,
}

impl Desks {
    pub fn new() -> Self {
        Desks { wide: Pool::new(), narrow: Pool::new() }
    }
}

/// The columns of tensor `from` in the rows of the tensors `to` (positions in the block).
struct Blocks<'c, 'p> {
    columns: &'c Columns<'p>,
    from: usize,
    to: Vec<usize>,
    plans: Vec<Arc<Plan>>,
    /// The columns of each task.
    tasks: Vec<Range<usize>>,
    /// Operations of a column.
    flops: u64,
    map: Ready<Map>,
    desks: &'c Desks,
}

impl<'p> Columns<'p> {
    /// Tasks that write the blocks of the pairs (p, q) of tensors (positions in the block) for which `seeded` is true, the
    /// columns of p in the rows of q; [`Columns::complete`] does the rest. `seeded` must not be true for both (p, q) and
    /// (q, p) of two tensors. `flops` are those of a column of p.
    pub fn stages<'c, U: Real>(
        &'c self,
        seeded: &dyn Fn(usize, usize) -> bool,
        flops: &dyn Fn(usize) -> u64,
        desks: &'c Desks,
    ) -> Vec<Box<dyn Stage<U> + 'c>> {
        let tensors = self.block.tensors.len();
        let to = |p: usize| (0..tensors).filter(|&q| seeded(p, q)).collect::<Vec<usize>>();
        (0..tensors)
            .map(|p| (p, to(p)))
            .filter(|(_, to)| !to.is_empty())
            .map(|(from, to)| {
                let plans = self.plans(&[from], &to);
                let tasks = Plan::blocks(&plans, self.block.tensors[from].size, self.prepared.precision.bytes());
                let map = Ready::new();
                Box::new(Blocks { columns: self, from, to, plans, tasks, flops: flops(from), map, desks }) as _
            })
            .collect()
    }
}

impl Blocks<'_, '_> {
    fn map(&self) -> Arc<Map> {
        self.map.get(|| {
            let sources = self.columns.sources(self.plans.clone());
            match self.columns.prepared.precision {
                Precision::F64 => Map::F64(Linear::alone(sources)),
                Precision::F32 => Map::F32(Linear::alone(sources)),
            }
        })
    }

    fn write<T: Real, U: Real>(
        &self,
        map: &Linear<T>,
        columns: Range<usize>,
        desks: &Pool<Desk<T>>,
        to: &Writer<'_, '_, U>,
    ) -> Result<()> {
        let tensors = &self.columns.block.tensors;
        let first = tensors[self.from].offset + columns.start;
        let count = columns.len();
        let mut values = Vec::new();
        map.block(columns, desks, &unit, |output, sums, lanes| {
            for l in 0..count {
                values.clear();
                values.extend(sums.iter().skip(l).step_by(lanes).map(|v| U::of(v.wide())));
                // SAFETY: the columns are this task's alone among those of the tensor, and the rows those of a tensor
                // with which it is a pair of this stage.
                unsafe { to.write(first + l, tensors[self.to[output]].offset, &values) }
            }
        })
    }
}

impl<U: Real> Stage<U> for Blocks<'_, '_> {
    fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn flops(&self, task: usize) -> u64 {
        self.flops * self.tasks[task].len() as u64
    }

    fn prepare(&self) {
        self.map();
    }

    fn run(&self, to: &Writer<'_, '_, U>, task: usize) -> Result<()> {
        match &*self.map() {
            Map::F64(map) => self.write(map, self.tasks[task].clone(), &self.desks.wide, to),
            Map::F32(map) => self.write(map, self.tasks[task].clone(), &self.desks.narrow, to),
        }
    }

    fn finish(&self) {
        self.map.finish();
    }
}

/// The i-th unit vector.
fn unit<T: Real>(i: usize, tangent: &mut [T]) {
    tangent.fill(T::ZERO);
    if let Some(one) = tangent.get_mut(i) {
        *one = T::ONE;
    }
}
