//! Watches a training and writes down what every solved block is made of.

use std::collections::BTreeMap;

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatRef, Par};
use serde::{Deserialize, Serialize};

use super::sizes::EPS;
use crate::catalog::Point;
use crate::curvature::pruning::{PruneRule, row_wise};
use crate::curvature::{Objective, SymmetricOperator};
use crate::error::Result;
use crate::measure::sparsity::ZERO;
use crate::measure::{Companion, SystemInput, measure};
use crate::measurement::Measurement;
use crate::schedule::{Estimator, KappaEstimate, describe, estimate, estimate_factor};
use crate::spectrum::scale::{dot, norm};
use crate::train::observer::{BlockSolve, Observer};

/// Products of the estimate of a factored block.
const PRODUCTS: usize = 60;

/// One solved block: the models' variables and the estimate of κ they rest on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Solved {
    /// Training step.
    pub step: u64,
    /// Block.
    pub block: String,
    /// Values of the models' variables.
    pub values: BTreeMap<String, f64>,
    /// How κ was found.
    pub estimate: KappaEstimate,
    /// λ.
    pub lambda: f64,
}

impl Solved {
    /// As a point of the models.
    pub fn point(&self) -> Point {
        Point::of(self.values.iter().map(|(name, x)| (name.as_str(), *x)))
    }

    /// One of the variables.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }
}

/// What row-wise pruning does to a block, beside symmetric pruning to the same number of entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Training step.
    pub step: u64,
    /// Block.
    pub block: String,
    /// Entries kept in a row.
    pub k: usize,
    /// ‖P − Pᵀ‖_F/‖H‖_F of the row-wise pruned matrix.
    pub asymmetry: f64,
    /// Most entries in a column of it.
    pub d_column: usize,
    /// Angle of the row-wise step to the unpruned one, in degrees.
    pub angle_rows: Option<f64>,
    /// The same for the symmetric rule.
    pub angle_symmetric: Option<f64>,
    /// Loss decrease along the whole step of the block: unpruned, row-wise, symmetric.
    pub decrease: [Option<f64>; 3],
}

/// Every estimator on one matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimates {
    /// Training step.
    pub step: u64,
    /// Block.
    pub block: String,
    /// Unknowns.
    pub n: usize,
    /// κ from the full spectrum of the same matrix.
    pub kappa: Option<f64>,
    /// One entry per estimator.
    pub all: Vec<KappaEstimate>,
}

/// Which solves are looked at, and how closely.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Solves of every so many steps are written down.
    pub every: u64,
    /// Solves of every so many steps are measured in full, with every estimator; 0: none.
    pub measured_every: u64,
    /// The ratio at which row-wise pruning is compared at step 0; 0: not at all.
    pub rows_at: f64,
}

/// The observer.
#[derive(Debug, Default)]
pub struct Probe {
    look: Look,
    seed: u64,
    batch: usize,
    loss: f64,
    /// Solves written down.
    pub solved: Vec<Solved>,
    /// Solves measured in full.
    pub measured: Vec<Measurement>,
    /// Estimators on those.
    pub estimates: Vec<Estimates>,
    /// Row-wise pruning.
    pub rows: Vec<Rows>,
}

impl Probe {
    /// A probe of a training with so many samples a step.
    pub fn new(look: Look, batch: usize, seed: u64) -> Self {
        Probe { look, seed, batch, ..Probe::default() }
    }

    fn measure(&mut self, s: &BlockSolve<'_>, damped: &Mat<f64>) -> Result<()> {
        let objective = s.prepared.objective(s.block);
        let hessian = s.prepared.hessian(s.block);
        let ggn = s.prepared.gauss_newton(s.block)?;
        let companion =
            if ggn.rank_bound() < s.n { Companion::Factor(ggn.factor()?) } else { Companion::Dense(ggn.to_dense()?) };
        let fisher = s.prepared.empirical_fisher(s.block)?;
        let snapshot = format!("q_newton_{:04}", s.step);
        let system = SystemInput {
            id: format!("{snapshot}/hessian/layer:{}", s.block.name),
            snapshot,
            series: "q_newton_".into(),
            step: Some(s.step),
            curvature: "hessian".into(),
            scope: format!("layer:{}", s.block.name),
            h: s.curvature(),
            gradient: Some(s.gradient.to_vec()),
            rhs: None,
            objective: Some(&objective),
            damping: s.rule.damping,
            prune: PruneRule::None,
            ggn: Some(companion),
            empirical_fisher: Some(Companion::Factor(fisher.factor().to_owned())),
            batch: Some(self.batch),
            low_rank: None,
            hvp_flops: Some(hessian.product_flops() as f64),
            loss: Some(self.loss),
            seed: self.seed,
        };
        let found = measure(system, s.threads, &|_, _| {})?;
        let mut all = Vec::new();
        for estimator in Estimator::ALL {
            all.push(estimate(damped.as_ref(), estimator, self.seed, s.threads.faer())?);
        }
        let (step, block, n) = (s.step, s.block.name.clone(), s.n);
        // Not that of the measurement: its λ lacks the floor, which rules once H has become small.
        let truth = all.iter().find(|e| e.estimator == Estimator::Eigen.to_string());
        let kappa = truth.and_then(KappaEstimate::kappa);
        self.estimates.push(Estimates { step, block, n, kappa, all });
        self.measured.push(found);
        Ok(())
    }

    fn compare_rows(&mut self, s: &BlockSolve<'_>) -> Result<()> {
        let h = s.curvature();
        let k = PruneRule::Ratio(self.look.rows_at).target(s.n).unwrap_or(s.n);
        let found = row_wise(h.as_ref(), k);
        let symmetric = crate::curvature::pruning::prune(h.as_ref(), PruneRule::RowCount(k));
        let exact = step(&h, s.lambda, s.gradient);
        let rows = step(&by_rows(h.as_ref(), k), s.lambda, s.gradient);
        let pruned = step(&symmetric, s.lambda, s.gradient);
        let objective = s.prepared.objective(s.block);
        let start = objective.loss_at(&vec![0.0; s.n])?;
        // A step to infinity has no loss: no decrease to speak of.
        let decrease = |p: &[f64]| objective.loss_at(p).ok().map(|l| start - l).filter(|x| x.is_finite());
        self.rows.push(Rows {
            step: s.step,
            block: s.block.name.clone(),
            k,
            asymmetry: found.asymmetry,
            d_column: found.d_column,
            angle_rows: angle(&rows, &exact),
            angle_symmetric: angle(&pruned, &exact),
            decrease: [decrease(&exact), decrease(&rows), decrease(&pruned)],
        });
        Ok(())
    }
}

/// −(P + λI)⁻¹g by LU: P need not be symmetric.
fn step(p: &Mat<f64>, lambda: f64, g: &[f64]) -> Vec<f64> {
    let n = p.nrows();
    let a = Mat::from_fn(n, n, |i, j| p[(i, j)] + if i == j { lambda } else { 0.0 });
    let b = Mat::from_fn(n, 1, |i, _| -g[i]);
    a.partial_piv_lu().solve(&b).col(0).iter().copied().collect()
}

/// Every row's k largest entries, as the published code prunes.
fn by_rows(h: MatRef<'_, f64>, k: usize) -> Mat<f64> {
    let n = h.nrows();
    let mut out = Mat::<f64>::zeros(n, n);
    let mut order: Vec<usize> = Vec::with_capacity(n);
    for i in 0..n {
        order.clear();
        order.extend(0..n);
        order.sort_by(|&a, &b| h[(i, b)].abs().total_cmp(&h[(i, a)].abs()));
        for &j in order.iter().take(k) {
            out[(i, j)] = h[(i, j)];
        }
    }
    out
}

fn angle(a: &[f64], b: &[f64]) -> Option<f64> {
    let cosine = dot(a, b) / (norm(a) * norm(b));
    Some(cosine.clamp(-1.0, 1.0).acos().to_degrees()).filter(|x| x.is_finite())
}

/// d, the entries, the largest one and the Frobenius norm of FFᵀ + λI, by rows of F at a time: N² numbers never exist, and
/// those above the diagonal are mirror images that need no product.
fn counted(f: MatRef<'_, f64>, lambda: f64, par: Par) -> (usize, u64, f64, f64) {
    const ROWS: usize = 256;
    let n = f.nrows();
    let diagonal: Vec<f64> = (0..n).map(|i| (0..f.ncols()).map(|j| f[(i, j)].powi(2)).sum::<f64>()).collect();
    let max = diagonal.iter().fold(0.0f64, |m, x| m.max(*x)) + lambda;
    let (mut counts, mut squares) = (vec![0u64; n], 0.0);
    let mut from = 0;
    while from < n {
        let m = ROWS.min(n - from);
        let mut block = Mat::<f64>::zeros(m, from + m);
        matmul(block.as_mut(), Accum::Replace, f.subrows(from, m), f.subrows(0, from + m).transpose(), 1.0, par);
        for (j, column) in block.col_iter().enumerate() {
            let first = j.saturating_sub(from);
            let mut mirrored = 0;
            for (i, &x) in column.iter().enumerate().skip(first) {
                let on = from + i == j;
                let x = if on { x + lambda } else { x };
                squares += if on { x * x } else { 2.0 * x * x };
                let there = u64::from(x.abs() > ZERO * max);
                counts[from + i] += there;
                mirrored += if on { 0 } else { there };
            }
            counts[j] += mirrored;
        }
        from += m;
    }
    let d = counts.iter().copied().max().unwrap_or(0).max(1);
    (d as usize, counts.iter().sum(), max, squares.sqrt())
}

impl Observer for Probe {
    fn step(&mut self, event: &crate::train::observer::StepEvent) -> Result<()> {
        self.loss = event.loss;
        Ok(())
    }

    fn solved(&mut self, s: &BlockSolve<'_>) -> Result<()> {
        if self.look.every == 0 || !s.step.is_multiple_of(self.look.every) {
            return Ok(());
        }
        let par = s.threads.faer();
        let mut values = BTreeMap::new();
        let mut set = |name: &str, x: f64| {
            if x.is_finite() {
                values.insert(name.to_string(), x);
            }
        };
        let found;
        if let Some(f) = s.factor() {
            found = estimate_factor(f, s.lambda, PRODUCTS, self.seed, par)?;
            let (d, entries, max, frobenius) = counted(f, s.lambda, par);
            set("n", s.n as f64);
            set("d", d as f64);
            set("nnz", entries as f64);
            set("eps", EPS);
            set("rank", f.ncols() as f64);
            set("definite", 1.0);
            set("hvp_flops", 4.0 * s.n as f64 * f.ncols() as f64);
            if let Some(sigma) = found.sigma_max {
                set("a_max", (max / sigma).min(1.0));
                set("frobenius", (frobenius / sigma).clamp(1.0, (s.n as f64).sqrt()));
                let alpha = crate::measure::sparsity::subnormalization(d, max, frobenius, sigma).relative;
                set("alpha", alpha);
            }
        } else {
            let damped = s.damped()?;
            found = estimate(damped.as_ref(), Estimator::Auto, self.seed, par)?;
            for (name, spread) in describe(damped.as_ref(), &found, EPS).iter() {
                set(name, spread.value);
            }
            set("hvp_flops", s.prepared.hessian(s.block).product_flops() as f64);
            // A block whose gradient is exactly zero (dead units) has no system to measure.
            let moves = s.gradient.iter().any(|g| *g != 0.0);
            if moves && self.look.measured_every > 0 && s.step.is_multiple_of(self.look.measured_every) {
                self.measure(s, &damped)?;
            }
            if self.look.rows_at > 0.0 && s.step == 0 {
                self.compare_rows(s)?;
            }
        }
        if let Some(kappa) = found.kappa() {
            set("kappa", kappa);
        }
        set("batch", self.batch as f64);
        self.solved.push(Solved {
            step: s.step,
            block: s.block.name.clone(),
            values,
            estimate: found,
            lambda: s.lambda,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_norms_are_those_of_the_whole_matrix() {
        // more rows than are taken at a time; two columns of F meet nowhere
        let (n, lambda) = (600, 0.3);
        let entry = |i: usize, j: usize| if i % 3 == j % 3 { ((i * 7 + j * 5) as f64).sin() } else { 0.0 };
        let f = Mat::from_fn(n, 4, entry);
        let inner = |i: usize, j: usize| (0..4).map(|k| f[(i, k)] * f[(j, k)]).sum::<f64>();
        let whole = Mat::from_fn(n, n, |i, j| inner(i, j) + if i == j { lambda } else { 0.0 });
        let size = |x: f64| x.abs();
        let max =
            (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| size(whole[(i, j)])).fold(0.0, f64::max);
        let row = |i: usize| (0..n).filter(|&j| size(whole[(i, j)]) > ZERO * max).count();
        let (d, entries, largest, norm) = counted(f.as_ref(), lambda, Par::Seq);
        assert_eq!(d, (0..n).map(row).max().unwrap());
        assert_eq!(entries, (0..n).map(row).sum::<usize>() as u64);
        assert!(d < n, "nothing is sparse: the test shows less");
        assert!((largest - max).abs() < 1e-14 * max);
        assert!((norm - whole.norm_l2()).abs() < 1e-12 * norm);
    }
}
