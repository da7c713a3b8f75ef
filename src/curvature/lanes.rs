//! Products and columns of a linear map given by programs with tangents: blocks of lanes and chunks of samples over
//! threads.
//!
//! The map is the sum of its pieces (chunks of samples). Lane blocks, pieces and the groups in which pieces are added up
//! have fixed sizes, whatever the number of threads; each piece is evaluated by one thread with sequential kernels and
//! sums run in a fixed order: results have the same bits for any number of threads. (They depend on the width of the
//! machine's registers, and a column's last bits on the block of columns that it is multiplied in.) Buffers are kept
//! between calls, so that a loop of products allocates nothing.

mod blocks;

pub(super) use self::blocks::Desk;
use super::prepared::finite;
use crate::error::Result;
use crate::graph::execute::Leaves;
use crate::graph::tangents::{Buffers, Evaluated, MOST, Seeds};
use crate::graph::{NodeId, Op, Program, Schedule};
use crate::parallel::{Job, Threads};
use crate::tensor::Real;
use crate::tensor::lines::Lines;
use crate::tensor::simd::vectorised;
use faer::{MatMut, MatRef, Par};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Buffers of one worker should stay within this many bytes: past its own caches, but not past those that it shares.
const BYTES: usize = 4 << 20;
/// Most sums of pieces, which are added up at the end.
pub(super) const GROUPS: usize = 8;
/// Bytes of the lanes of a narrow block and of a wide one: registers of 64 bytes, or twice as many of 32.
const NARROW: usize = 64;
const WIDE: usize = 128;
/// Rows that a thread adds up at a time, and those that it brings into the caller's order.
const ROWS: usize = 1024;
const TILE: usize = 64;

/// A part of a vector: a tangent that is read or an output that is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// The node; `None` for an output that is identically zero.
    pub node: Option<NodeId>,
    /// First element in the vector.
    pub offset: usize,
    /// Number of elements.
    pub size: usize,
}

/// A piece of a map: a program whose tangents are the `inputs` and whose rows are the `outputs`.
pub(super) struct Draft {
    pub program: Program,
    pub inputs: Vec<Part>,
    pub outputs: Vec<Part>,
}

/// A piece of a map, planned for any snapshot.
#[derive(Debug)]
pub(super) struct Plan {
    schedule: Arc<Schedule>,
    /// Tangent slots, and the parts of the vector that they hold.
    inputs: Vec<(usize, Part)>,
    /// Which output of the map each output of the schedule is.
    wanted: Vec<usize>,
    outputs: Vec<Part>,
}

/// A piece of a map at a snapshot.
pub(super) struct Source {
    pub plan: Arc<Plan>,
    pub leaves: Leaves<f64>,
}

/// One term of a map, evaluated at one snapshot.
#[derive(Debug)]
struct Piece<T> {
    evaluated: Evaluated<T>,
    plan: Arc<Plan>,
}

/// A linear map evaluated at one snapshot: the sum of its pieces.
#[derive(Debug)]
pub(super) struct Linear<T> {
    pieces: Arc<Vec<Piece<T>>>,
    outputs: Vec<Part>,
    lanes: usize,
    calls: Mutex<Vec<Call<T>>>,
    /// Those that no block of columns uses.
    seeds: Mutex<Vec<Seeds<T>>>,
}

impl Plan {
    /// Plans pieces; those whose programs have the same nodes share what runs.
    pub fn each(drafts: Vec<Draft>) -> Vec<Arc<Self>> {
        let nodes = |draft: &Draft| draft.outputs.iter().filter_map(|o| o.node).collect();
        let wanted: Vec<(&Program, Vec<NodeId>)> = drafts.iter().map(|d| (&d.program, nodes(d))).collect();
        let schedules = Schedule::each(&wanted, Schedule::products);
        let of = |(Draft { program, inputs, outputs }, schedule): (Draft, Schedule)| {
            let slot = |part: Part| match program.node(part.node?).op {
                Op::Tangent(n) => Some((n, part)),
                _ => None,
            };
            let inputs = inputs.into_iter().filter_map(slot).collect();
            let wanted = outputs.iter().enumerate().filter_map(|(i, o)| o.node.map(|_| i)).collect();
            Arc::new(Plan { schedule: Arc::new(schedule), inputs, wanted, outputs })
        };
        drafts.into_iter().zip(schedules).map(of).collect()
    }

    /// Floating-point operations of one product.
    pub fn flops(&self) -> u64 {
        self.schedule.lane_flops()
    }
}

impl<T: Real> Piece<T> {
    fn new(source: Source, par: Par) -> Self {
        let Source { plan, leaves } = source;
        Piece { evaluated: Evaluated::new(plan.schedule.clone(), leaves, par), plan }
    }

    fn schedule(&self) -> &Schedule {
        &self.plan.schedule
    }
}

/// What the threads that share one product work on, in two rounds: sums of pieces, then the sums of these.
#[derive(Debug)]
struct Shared<T> {
    pieces: Arc<Vec<Piece<T>>>,
    outputs: Vec<Part>,
    seeds: RwLock<Seeds<T>>,
    /// Sums of the outputs over each group of pieces.
    sums: Vec<RwLock<Vec<Lines<T>>>>,
    /// The whole sums of [`ROWS`] rows of an output (its number, the first row), lane after lane.
    totals: Vec<(usize, usize, Mutex<Vec<f64>>)>,
    /// The groups, the largest first.
    order: Vec<usize>,
    waiting: Mutex<VecDeque<Turn>>,
    adding: AtomicBool,
    /// The rows to be added up next.
    next: AtomicUsize,
    buffers: Mutex<Vec<Buffers<T>>>,
}

/// A group that can be claimed.
#[derive(Debug)]
struct Turn {
    group: usize,
    /// Its pieces that are left.
    pieces: Range<usize>,
    /// Whether whoever claims it does all of them.
    whole: bool,
}

/// The buffers of one product at a time.
struct Call<T> {
    shared: Arc<Shared<T>>,
    job: Job,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.fmt(f)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Columns, of scalars of so many bytes, that are evaluated together.
fn lanes_of<'a>(pieces: impl Iterator<Item = &'a Schedule>, bytes: usize) -> usize {
    let largest = pieces.map(Schedule::lane_elements).max().unwrap_or(0);
    if WIDE * largest <= BYTES { WIDE / bytes } else { NARROW / bytes }
}

/// The lanes of the first block of so many columns, of scalars of so many bytes: a narrow block costs as much as half its
/// columns one by one.
fn lanes_for(columns: usize, most: usize, bytes: usize) -> usize {
    let narrow = NARROW / bytes;
    match columns {
        n if n <= narrow / 2 => 1,
        n if n <= narrow + narrow / 2 => narrow,
        _ => most,
    }
}

/// The pieces of a group.
fn members(group: usize, groups: usize, pieces: usize) -> Range<usize> {
    group * pieces / groups..(group + 1) * pieces / groups
}

/// Makes every sum zero, for `lanes` lanes.
fn clear<T: Real>(sums: &mut Vec<Lines<T>>, outputs: &[Part], lanes: usize) {
    sums.resize_with(outputs.len(), Lines::new);
    for (sum, part) in sums.iter_mut().zip(outputs) {
        sum.room(part.size * lanes).fill(T::ZERO);
    }
}

impl<T: Real> Shared<T> {
    /// Claims groups, or rows, until none is left.
    fn work(&self) {
        let seeds = self.seeds.read().unwrap_or_else(PoisonError::into_inner);
        if self.adding.load(Ordering::Acquire) {
            while let Some((output, first, total)) = self.totals.get(self.next.fetch_add(1, Ordering::Relaxed)) {
                self.add(*output, *first, seeds.lanes(), &mut lock(total));
            }
            return;
        }
        let kept = lock(&self.buffers).pop();
        let mut buffers = kept.unwrap_or_default();
        loop {
            let claimed = lock(&self.waiting).pop_front();
            let Some(Turn { group, mut pieces, whole }) = claimed else { break };
            let mut sums = self.sums[group].write().unwrap_or_else(PoisonError::into_inner);
            if pieces.start == self.members(group).start {
                clear(&mut sums, &self.outputs, seeds.lanes());
            }
            let count = if whole { pieces.len() } else { pieces.len().div_ceil(2) };
            for piece in self.pieces[pieces.clone()].iter().take(count) {
                buffers.run(&piece.evaluated, &seeds, &mut sums, &piece.plan.wanted);
            }
            drop(sums);
            pieces.start += count;
            if !pieces.is_empty() {
                lock(&self.waiting).push_back(Turn { group, pieces, whole });
            }
        }
        lock(&self.buffers).push(buffers);
    }

    /// The pieces of a group.
    fn members(&self, group: usize) -> Range<usize> {
        members(group, self.sums.len(), self.pieces.len())
    }

    /// Lets threads claim all groups. Cores need not be equally fast (others may be at work on them): of the last groups
    /// half of the pieces, and half of what is left of them, wait until all groups are begun.
    fn open(&self, threads: usize) {
        let whole = if threads > 1 { self.order.len().saturating_sub(2 * threads) } else { self.order.len() };
        let turn = |(n, &group)| Turn { group, pieces: self.members(group), whole: n < whole };
        let mut waiting = lock(&self.waiting);
        waiting.clear();
        waiting.extend(self.order.iter().enumerate().map(turn));
    }

    /// Adds up the groups in their order; lanes come out one after the other, as the caller's columns are.
    fn add(&self, output: usize, first: usize, lanes: usize, total: &mut Vec<f64>) {
        let rows = ROWS.min(self.outputs[output].size - first);
        total.resize(rows * lanes, 0.0);
        let groups: [_; GROUPS] =
            std::array::from_fn(|g| self.sums.get(g).map(|s| s.read().unwrap_or_else(PoisonError::into_inner)));
        let mut tile = [0.0f64; TILE * MOST];
        for at in (0..rows).step_by(TILE) {
            let count = TILE.min(rows - at);
            let tile = &mut tile[..count * lanes];
            tile.fill(0.0);
            for sums in groups.iter().flatten() {
                let sums = &sums[output].all()[(first + at) * lanes..][..count * lanes];
                vectorised(
                    #[inline(always)]
                    || {
                        for (t, v) in tile.iter_mut().zip(sums) {
                            *t += v.wide();
                        }
                    },
                );
            }
            for l in 0..lanes {
                let column = &mut total[l * rows + at..l * rows + at + count];
                for (c, t) in column.iter_mut().zip(tile.iter().skip(l).step_by(lanes)) {
                    *c = *t;
                }
            }
        }
    }
}

impl<T: Real> Call<T> {
    fn new(map: &Linear<T>) -> Self {
        let mut seeds = Seeds::new();
        map.pieces.iter().for_each(|p| seeds.include(p.schedule()));
        let rows = |(n, part): (usize, &Part)| (0..part.size).step_by(ROWS).map(move |at| (n, at, Mutex::default()));
        let (groups, count) = (GROUPS.min(map.pieces.len()), map.pieces.len());
        let work = |group: usize| map.pieces[members(group, groups, count)].iter().map(|p| p.plan.flops()).sum::<u64>();
        let mut order: Vec<usize> = (0..groups).collect();
        order.sort_by_key(|&group| Reverse(work(group)));
        let shared = Arc::new(Shared {
            pieces: map.pieces.clone(),
            outputs: map.outputs.clone(),
            seeds: RwLock::new(seeds),
            sums: (0..groups).map(|_| RwLock::default()).collect(),
            waiting: Mutex::new(VecDeque::with_capacity(groups)),
            order,
            totals: map.outputs.iter().enumerate().flat_map(rows).collect(),
            adding: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            buffers: Mutex::default(),
        });
        let own = shared.clone();
        Call { shared, job: Arc::new(move || own.work()) }
    }

    /// Products of the columns of x in a block of `lanes` lanes.
    fn run(&self, lanes: usize, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>, threads: &Threads) {
        let shared = &*self.shared;
        {
            let mut seeds = shared.seeds.write().unwrap_or_else(PoisonError::into_inner);
            seeds.set_lanes(lanes);
            // all pieces read the same tangents
            for &(slot, part) in shared.pieces.iter().take(1).flat_map(|p| &p.plan.inputs) {
                seeds.set(slot, part.size, |l, elements, to| {
                    if l >= x.ncols() {
                        return false;
                    }
                    let column = x.col(l).subrows(part.offset + elements.start, elements.len());
                    match column.try_as_col_major() {
                        Some(column) => to.iter_mut().zip(column.as_slice()).for_each(|(to, &x)| *to = T::of(x)),
                        None => to.iter_mut().zip(column.iter()).for_each(|(to, &x)| *to = T::of(x)),
                    }
                    true
                });
            }
        }
        shared.open(threads.count());
        for adding in [false, true] {
            shared.adding.store(adding, Ordering::Release);
            shared.next.store(0, Ordering::Release);
            threads.share(&self.job);
        }
        for (output, first, total) in &shared.totals {
            let total = lock(total);
            let rows = total.len() / lanes;
            let at = shared.outputs[*output].offset + first;
            for (l, values) in total.chunks_exact(rows.max(1)).enumerate().take(y.ncols()) {
                let column = y.as_mut().col_mut(l).subrows_mut(at, rows);
                for (y, t) in column.iter_mut().zip(values) {
                    *y = *t;
                }
            }
        }
    }
}

impl<T: Real> Linear<T> {
    /// Evaluates what does not depend on tangents.
    pub fn new(sources: Vec<Source>, threads: &Threads) -> Self {
        let par = if sources.len() == 1 { threads.faer() } else { Par::Seq };
        Self::of(threads.run(|| sources.into_par_iter().map(|s| Piece::new(s, par)).collect()))
    }

    /// The same by the calling thread alone.
    pub fn alone(sources: Vec<Source>) -> Self {
        Self::of(sources.into_iter().map(|s| Piece::new(s, Par::Seq)).collect())
    }

    fn of(pieces: Vec<Piece<T>>) -> Self {
        let outputs = pieces.first().map_or(Vec::new(), |p| p.plan.outputs.clone());
        let lanes = lanes_of(pieces.iter().map(Piece::schedule), size_of::<T>());
        Linear { pieces: Arc::new(pieces), outputs, lanes, calls: Mutex::default(), seeds: Mutex::default() }
    }

    /// Floating-point operations of one product.
    pub fn flops(&self) -> u64 {
        self.pieces.iter().map(|p| p.plan.flops()).sum()
    }

    /// y ← A·x for all columns.
    pub fn apply(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>, threads: &Threads) -> Result<()> {
        let columns = x.ncols();
        if columns == 0 || y.nrows() == 0 || self.pieces.is_empty() {
            y.fill(0.0);
            return Ok(());
        }
        let kept = lock(&self.calls).pop();
        let call = kept.unwrap_or_else(|| Call::new(self));
        let mut first = 0;
        while first < columns {
            let lanes = lanes_for(columns - first, WIDE / size_of::<T>(), size_of::<T>());
            let used = lanes.min(columns - first);
            call.run(lanes, x.subcols(first, used), y.as_mut().subcols_mut(first, used), threads);
            first += used;
        }
        lock(&self.calls).push(call);
        for column in y.as_ref().col_iter() {
            match column.try_as_col_major() {
                Some(column) => finite("product with the curvature matrix", column.as_slice())?,
                None => {
                    for v in column.iter() {
                        finite("product with the curvature matrix", &[*v])?;
                    }
                }
            }
        }
        Ok(())
    }
}
