//! The structured assembly of exact Hessians: tangents seeded at pre-activations instead of parameters.
//!
//! For z_l = X_l·W_lᵀ with one row per sample, perturbing unit a of layer l in all samples at once (one *lane*) gives,
//! with δ_m the cotangent of z_m,
//!
//! ```text
//! S[n, a, b] = ∂δ_m[n, b]/∂z_l[n, a]        J[n, a, j] = ∂X_m[n, j]/∂z_l[n, a]
//! H[(l,a,i), (m,b,j)] = Σ_n X_l[n,i]·( S[n,a,b]·X_m[n,j] + J[n,a,j]·δ_m[n,b] )        m ≥ l
//! ```
//!
//! so that Σ fan-out lanes replace Σ fan-in·fan-out columns; the rest is products of matrices ([`tiles`]). On the
//! diagonal (m = l) J = 0 and every tile XᵀD_abX is symmetric and shared by (a, b) and (b, a). Samples where a row of S
//! and J vanishes (inactive ReLU units) and inputs that are zero in the whole batch are left out of the products.
//!
//! It holds for weights used once, with one row per sample, in networks that keep samples apart ([`samples`] proves
//! it); every other pair of tensors is assembled column by column, which is also the oracle of the tests.
//! Tasks are claimed one by one by the threads, and each computes the same numbers whoever runs it: the bits do not
//! depend on the number of threads.

mod samples;
mod shared;
mod sites;
mod tiles;

use super::block::Block;
use super::prepared::Prepared;
use crate::autodiff::{jvp, vjp};
use crate::error::{Error, Result};
use crate::graph::execute::{Leaves, Primal, Workspace};
use crate::graph::{NodeId, Op, Program, Schedule};
use crate::parallel::Threads;
use crate::tensor::Real;
use faer::{MatMut, Par};
use shared::Shared;
use sites::Site;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tiles::{Activations, Scratch, Target};

/// Buffers of one lane block stay below this many elements per thread.
const ELEMENTS: usize = 6 << 20;
/// Units evaluated together; fixed, so that results do not depend on the number of threads.
const UNITS: usize = 4;

/// The sites of a block and what their lanes must yield.
pub(super) struct Assembly {
    sites: Vec<Site>,
    program: Program,
    /// Cotangents of the products; `None` where the loss does not depend on one.
    deltas: Vec<Option<NodeId>>,
}

/// How one pair of tensors will be assembled.
#[derive(Debug, Clone, PartialEq)]
pub struct PairPlan {
    /// Names of the two tensors.
    pub tensors: (String, String),
    /// `lanes` (structured) or `columns`.
    pub route: &'static str,
    /// Floating-point operations before zeros are left out.
    pub flops: f64,
    /// Why this route.
    pub why: &'static str,
}

impl Assembly {
    /// Finds the sites of a block; `None` where there is nothing to gain.
    pub fn plan(prepared: &Prepared<'_>, block: &Block) -> Option<Self> {
        let network = prepared.network();
        let sites = sites::sites(network, block);
        if sites.is_empty() {
            return None;
        }
        let mut program = network.lowered.program.clone();
        let one = program.fill(1.0, &[]);
        let products: Vec<NodeId> = sites.iter().map(|site| site.z).collect();
        let deltas = vjp(&mut program, &[(network.lowered.loss, one)], &products);
        Some(Assembly { sites, program, deltas })
    }

    /// Whether the pair of block tensors is assembled here.
    pub fn covers(&self, p: usize, q: usize) -> bool {
        let is_site = |t: usize| self.sites.iter().any(|site| site.tensor == t);
        is_site(p) && is_site(q)
    }

    /// Products of matrices for a pair of tensors, in floating-point operations, zeros not left out.
    pub fn flops(&self, p: usize, q: usize) -> f64 {
        let find = |t: usize| self.sites.iter().find(|site| site.tensor == t);
        let (Some(l), Some(m)) = (find(p), find(q)) else { return 0.0 };
        let size = |s: &Site| s.fan_in as f64 * s.fan_out as f64;
        let full = 2.0 * l.rows as f64 * size(l) * size(m);
        // unit pairs and triangles of tiles are both used once
        if p == q { full / 4.0 } else { full }
    }

    /// Fills the entries of all covered pairs of `h`, which must hold zeros; `done` is told the entries finished.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn run<T: Real>(
        &self,
        leaves: &Leaves<f64>,
        block: &Block,
        h: MatMut<'_, T>,
        threads: &Threads,
        done: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let target = Shared::new(h).ok_or_else(|| {
            Error::usage(
                "curvature::layout",
                "the output",
                "its columns are not contiguous",
                "give a column-major matrix",
            )
        })?;
        for l in 0..self.sites.len() {
            self.site(l, leaves, block, &target, threads, done)?;
        }
        Ok(())
    }

    /// All pairs (l, m) with m not before l.
    fn site<T: Real>(
        &self,
        l: usize,
        leaves: &Leaves<f64>,
        block: &Block,
        target: &Shared<'_, T>,
        threads: &Threads,
        done: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let lanes = Lanes::new(self, l, leaves, threads);
        let site = &self.sites[l];
        let x = Activations::new(lanes.primal(lanes.x), site.rows, site.fan_in);
        let units = (ELEMENTS / lanes.schedule.lane_elements().max(1)).clamp(1, UNITS);
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let later: u64 = self.sites[l..].iter().map(|m| (m.fan_in * m.fan_out) as u64).sum();
        let place = |m: usize| Target {
            matrix: target,
            site: &self.sites[m],
            offset: block.tensors[self.sites[m].tensor].offset,
        };
        let work = || {
            let mut workspace = Workspace::new(&lanes.schedule, units);
            let mut scratch = Scratch::default();
            loop {
                let first = next.fetch_add(1, Ordering::Relaxed) * units;
                let failed = failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
                if first >= site.fan_out || failed {
                    break;
                }
                let k = units.min(site.fan_out - first);
                lanes.evaluate(&mut workspace, first, k, site);
                for lane in 0..k {
                    let a = first + lane;
                    let mut result = Ok(());
                    for (m, out) in lanes.outputs.iter().enumerate() {
                        let m = l + m;
                        let s = out.s.map(|n| lanes.lane(&workspace, n, k, lane));
                        let j = out.j.map(|n| lanes.lane(&workspace, n, k, lane));
                        result = result.and_then(|()| match (m == l, s) {
                            (true, Some(s)) => tiles::diagonal(&place(l), a, &x, s, &mut scratch),
                            (true, None) => Ok(()),
                            (false, s) => {
                                let factors = tiles::Factors {
                                    s,
                                    j,
                                    x: lanes.primal(out.x),
                                    delta: out.delta.map(|n| lanes.primal(n)),
                                };
                                tiles::off_diagonal(&place(l), &place(m), a, &x, &factors, &mut scratch)
                            }
                        });
                    }
                    if let Err(e) = result {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                        return;
                    }
                    done(site.fan_in as u64 * later);
                }
            }
        };
        threads.run(|| {
            rayon::scope(|scope| {
                for _ in 1..threads.count() {
                    scope.spawn(|_| work());
                }
                work();
            });
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }
}

/// What the lanes of one site yield for a later one: positions among the outputs of the schedule.
struct Outputs {
    s: Option<usize>,
    j: Option<usize>,
    x: usize,
    delta: Option<usize>,
}

/// The lanes of one site, evaluated at one snapshot.
struct Lanes<T> {
    schedule: Schedule,
    values: Primal<T>,
    slot: usize,
    /// Position of X_l among the outputs.
    x: usize,
    outputs: Vec<Outputs>,
}

impl<T: Real> Lanes<T> {
    fn new(assembly: &Assembly, l: usize, leaves: &Leaves<f64>, threads: &Threads) -> Self {
        let mut program = assembly.program.clone();
        let later = &assembly.sites[l..];
        let deltas = &assembly.deltas[l..];
        let z = assembly.sites[l].z;
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
        let schedule = Schedule::new(Arc::new(program), &wanted);
        let mut values = Primal::<f64>::new(&schedule, leaves.clone());
        threads.run(|| values.run(&schedule, threads.faer()));
        let values = values.rounded();
        Lanes { schedule, values, slot, x, outputs }
    }

    fn primal(&self, output: usize) -> &[T] {
        self.values.output(&self.schedule, output)
    }

    fn lane<'a>(&'a self, workspace: &'a Workspace<T>, output: usize, k: usize, lane: usize) -> &'a [T] {
        let all = workspace.output(&self.schedule, &self.values, output, k);
        let size = all.len() / k;
        &all[lane * size..(lane + 1) * size]
    }

    /// Perturbs units `first .. first + k` in all samples.
    fn evaluate(&self, workspace: &mut Workspace<T>, first: usize, k: usize, site: &Site) {
        let tangent = workspace.tangent_mut(self.slot);
        for (lane, tangent) in tangent.chunks_exact_mut((site.rows * site.fan_out).max(1)).take(k).enumerate() {
            tangent.fill(T::ZERO);
            for row in tangent.chunks_exact_mut(site.fan_out) {
                row[first + lane] = T::ONE;
            }
        }
        workspace.run(&self.schedule, &self.values, k, Par::Seq);
    }
}
