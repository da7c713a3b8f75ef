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
//! so that Σ fan-out lanes replace Σ fan-in·fan-out columns; the rest is products of matrices ([`tiles`]). A bias is the
//! weight of an input that is always 1. On the diagonal (m = l) J = 0 and every tile XᵀD_abX is symmetric and shared by
//! (a, b) and (b, a). Samples where a row of S and J vanishes (inactive ReLU units) and inputs that are zero in the whole
//! batch are left out of the products.
//!
//! Where a sample has T rows (convolutions, sequences), each (position t, unit a) is a lane of its own, and with D the
//! tangent of the sample's gradient
//!
//! ```text
//! D[n, t, (b,j)] = Σ_t′ ( S[n,t,a; t′,b]·X_m[n,t′,j] + J[n,t,a; t′,j]·δ_m[n,t′,b] )
//! H[(l,a,i), (m,b,j)] = Σ_n,t X_l[n,t,i]·D[n,t,(b,j)]
//! ```
//!
//! which pays where T is well below the fan-in: [`Assembly::plan`] counts both. All of it holds for weights used once
//! in networks that keep samples apart ([`samples`] proves it). Every other pair of tensors is assembled column by
//! column, seeded at the earlier of the two so that tangents reach as few values as possible; columns are also the
//! oracle of the tests. Tasks are claimed one by one by the threads ([`sweep`](super::sweep)), and each computes the same
//! numbers whoever runs it: the bits do not depend on the number of threads.

mod pass;
mod samples;
mod sites;
mod stage;
mod tiles;

#[cfg(test)]
mod tests;

use super::block::Block;
use super::network::Network;
use crate::autodiff::vjp;
use crate::graph::schedule::needed;
use crate::graph::{NodeId, Program};
use pass::Pass;
use sites::Site;
pub(super) use stage::Tools;
use std::sync::OnceLock;

/// The lanes of one unit must fit into this many elements.
const LARGEST: usize = 48 << 20;

/// The sites of a block and what their lanes must yield.
pub(super) struct Assembly {
    sites: Vec<Site>,
    /// Whether tangents are seeded at the outputs of the site.
    seeded: Vec<bool>,
    program: Program,
    /// Cotangents of the products; `None` where the loss does not depend on one.
    deltas: Vec<Option<NodeId>>,
    /// First node that reads each tensor of the block.
    first_use: Vec<usize>,
    /// The lane pass of each site, once it is asked for.
    passes: Vec<OnceLock<Pass>>,
}

/// How one pair of tensors will be assembled.
#[derive(Debug, Clone, PartialEq)]
pub struct PairPlan {
    /// Names of the two tensors.
    pub tensors: (String, String),
    /// `outputs` (tangents seeded at the pre-activations of the first) or `columns` (at the elements of the first).
    pub route: &'static str,
    /// Floating-point operations before zeros are left out.
    pub flops: f64,
    /// Bytes of the matrix that the pair fills, both mirror images counted.
    pub bytes: f64,
    /// Why this route.
    pub why: &'static str,
}

impl Assembly {
    /// Finds the sites of a block and decides where to seed.
    pub fn plan(network: &Network, block: &Block) -> Self {
        let sites = sites::sites(network, block);
        let mut program = network.lowered.program.clone();
        let one = program.fill(1.0, &[]);
        let products: Vec<NodeId> = sites.iter().map(|site| site.z).collect();
        let deltas = vjp(&mut program, &[(network.lowered.loss, one)], &products);
        let needed = needed(network.program(), &[network.lowered.loss]);
        let first_use = block
            .tensors
            .iter()
            .map(|t| {
                let param = network.lowered.params[t.index];
                let mut users = network.program().nodes().filter(|(u, n)| needed[u.index()] && n.args.contains(&param));
                users.next().map_or(usize::MAX, |(u, _)| u.index())
            })
            .collect();
        let passes = sites.iter().map(|_| OnceLock::new()).collect();
        let mut assembly = Assembly { seeded: vec![false; sites.len()], sites, program, deltas, first_use, passes };
        for l in 0..assembly.sites.len() {
            assembly.seeded[l] = assembly.prefers_outputs(l);
        }
        assembly
    }

    /// Whether one lane for each position and unit costs less than one column for each parameter of site l.
    fn prefers_outputs(&self, l: usize) -> bool {
        let site = &self.sites[l];
        if site.positions == 1 {
            return true;
        }
        let lanes = &self.pass(l).schedule;
        if lanes.lane_elements().saturating_mul(site.positions) > LARGEST {
            return false;
        }
        // gradients of later weights: S·x alone at the site itself, J·δ besides at others
        let later = |f: &dyn Fn(&Site) -> f64| self.sites[l + 1..].iter().map(f).sum::<f64>();
        let (own, others) = (2.0 * site.work(), later(&|m| 4.0 * m.work()));
        let propagate = lanes.lane_flops() as f64;
        let columns = site.size() as f64 * (propagate + own + others);
        // the same for each lane, then the products with X; units of the site itself in pairs
        let count = (site.positions * site.fan_out) as f64;
        let products = 2.0 * site.work() * (0.5 * site.size() as f64 + later(&|m| m.size() as f64));
        let outputs = count * (propagate + 0.5 * own + others) + products;
        outputs < columns
    }

    /// Position of a tensor of the block in topological order.
    pub fn order(&self, tensor: usize) -> (usize, usize) {
        (self.first_use[tensor], tensor)
    }

    /// The seeded site that holds a tensor.
    fn seeded_site(&self, tensor: usize) -> Option<usize> {
        (0..self.sites.len()).find(|&l| self.seeded[l] && self.sites[l].holds(tensor))
    }

    fn site_of(&self, tensor: usize) -> Option<usize> {
        self.sites.iter().position(|site| site.holds(tensor))
    }

    /// Whether the pair of block tensors is assembled here: the earlier site is seeded at its outputs.
    pub fn covers(&self, p: usize, q: usize) -> bool {
        match (self.site_of(p), self.site_of(q)) {
            (Some(l), Some(m)) => self.seeded[l.min(m)],
            _ => false,
        }
    }

    /// At which tensor of a pair that is not covered the columns are seeded: at one that is seeded anyway, at the
    /// earlier one if both are, so that the tangents reach as few values as possible.
    pub fn seeds_at(&self, p: usize, q: usize) -> usize {
        match (self.seeded_site(p), self.seeded_site(q)) {
            (Some(_), None) => q,
            (None, Some(_)) => p,
            _ if self.order(p) <= self.order(q) => p,
            _ => q,
        }
    }

    /// Why a tensor is seeded at its elements.
    pub fn why(&self, tensor: usize) -> &'static str {
        match self.site_of(tensor) {
            Some(_) => "as many positions per sample as inputs, or more: fewer elements than outputs",
            None => "not a weight used once in a product, or samples that influence each other",
        }
    }

    /// Products of matrices for a covered pair of tensors, in floating-point operations, zeros not left out.
    pub fn flops(&self, p: usize, q: usize) -> f64 {
        let (Some(l), Some(m)) = (self.site_of(p), self.site_of(q)) else { return 0.0 };
        let (l, m, p, q) = if l <= m { (l, m, p, q) } else { (m, l, q, p) };
        let (l, m) = (&self.sites[l], &self.sites[m]);
        let size = |s: &Site, t: usize| (s.fan_out * if s.tensor == t { s.fan_in } else { 1 }) as f64;
        let full = 2.0 * l.rows as f64 * size(l, p) * size(m, q);
        let rows = if m.positions > 1 { 2.0 * (l.rows * l.fan_out * m.positions) as f64 * size(m, q) } else { 0.0 };
        // unit pairs and triangles of tiles are both used once
        if l.z != m.z {
            full + 2.0 * rows
        } else if l.positions == 1 {
            full / if p == q { 4.0 } else { 2.0 }
        } else {
            (full + rows) / 2.0
        }
    }

    /// Operations of the lanes and products of unit a of site l, zeros not left out.
    fn unit_flops(&self, l: usize, a: usize, lane_flops: u64) -> u64 {
        let site = &self.sites[l];
        let row = site.rows as u64 * site.inputs() as u64;
        let rest = (site.fan_out - a) as u64 * site.inputs() as u64;
        let own = if site.positions == 1 { row * rest } else { 2 * row * rest };
        let later: u64 = self.sites[l + 1..].iter().map(|m| 2 * row * m.size() as u64).sum();
        let products: u64 = self.sites[l + 1..]
            .iter()
            .filter(|m| m.positions > 1)
            .map(|m| 4 * (site.rows * m.positions * m.size()) as u64)
            .sum();
        site.positions as u64 * lane_flops + own + later + products
    }

    /// Operations of all that is seeded at outputs, zeros not left out.
    pub fn total_flops(&self) -> u64 {
        (0..self.sites.len())
            .filter(|&l| self.seeded[l])
            .map(|l| {
                let lane = self.pass(l).schedule.lane_flops();
                (0..self.sites[l].fan_out).map(|a| self.unit_flops(l, a, lane)).sum::<u64>()
            })
            .sum()
    }
}
