//! One case of a plan as numbers: the solved matrix and its right-hand side, for the simulator.

use std::sync::Arc;

use super::jobs::{Job, jobs};
use super::opened::open;
use super::plan::{Curvature, DampingRule, Plan, Precision, PruneRule};
use crate::curvature::pruning::prune;
use crate::curvature::{Block, Network, Prepared, SymmetricOperator};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::snapshot::{Input, Snapshot};
use crate::spectrum::dense_eigen::decompose;
use faer::Mat;

/// A linear system of a case.
#[derive(Debug, Clone)]
pub struct System {
    /// Id of the case.
    pub id: String,
    /// The solved matrix: damped as the plan says.
    pub matrix: Mat<f64>,
    /// The right-hand side.
    pub rhs: Vec<f64>,
    /// Where it came from, in words.
    pub rhs_source: String,
}

/// The inputs of a plan, opened once, from which systems are built one at a time.
#[derive(Debug)]
pub struct Systems<'p> {
    plan: &'p Plan,
    jobs: Vec<Job>,
}

impl<'p> Systems<'p> {
    /// Opens the plan's inputs.
    ///
    /// # Errors
    /// Whatever opening and lowering meets.
    pub fn open(plan: &'p Plan) -> Result<Self> {
        Ok(Systems { plan, jobs: jobs(open(plan)?, plan)? })
    }

    /// Ids of all cases, in the order they are measured.
    pub fn ids(&self) -> Vec<String> {
        self.jobs.iter().flat_map(|job| job.cases(self.plan)).map(|case| case.id).collect()
    }

    /// The one case there is, or the one named.
    ///
    /// # Errors
    /// Usage when there are several and none is named, or when the name is not among them.
    pub fn choose(&self, named: Option<&str>) -> Result<String> {
        let ids = self.ids();
        let shown = || {
            let head = ids.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
            if ids.len() > 12 { format!("{head}, … ({} in all)", ids.len()) } else { head }
        };
        match (named, ids.as_slice()) {
            (Some(id), _) if ids.iter().any(|known| known == id) => Ok(id.to_owned()),
            (Some(id), _) => Err(Error::usage("pipeline::case", format!("--case {id}"), "no such case", shown())),
            (None, [one]) => Ok(one.clone()),
            (None, _) => Err(Error::usage(
                "pipeline::case",
                format!("{} cases", ids.len()),
                "one case is verified at a time",
                format!("name one with --case, or give one snapshot and --scope layer:NAME; there are: {}", shown()),
            )),
        }
    }

    /// The system of a case. `lambda` overrides the rule's λ (Levenberg-Marquardt finds its own while measuring).
    ///
    /// # Errors
    /// Whatever differentiating meets; exit 4 beyond the memory limit.
    pub fn build(&self, id: &str, lambda: Option<f64>, threads: &Threads) -> Result<System> {
        let limit = self.plan.max_memory.or_else(super::memory::available);
        for job in &self.jobs {
            match &job.opened.input {
                Input::Matrix(matrix) => {
                    if format!("{}{}", job.prefix, matrix.name) != id {
                        continue;
                    }
                    job.check_memory(self.plan, limit)?;
                    let h = matrix.to_dense(self.plan.max_memory.unwrap_or(u64::MAX))?;
                    let rule = self.plan.damping.unwrap_or(DampingRule::None);
                    return Ok(System {
                        id: id.to_owned(),
                        matrix: damped(pruned(h, self.plan.prune), rule, lambda, id, threads)?,
                        rhs: matrix.rhs.values.clone(),
                        rhs_source: matrix.rhs.source.clone(),
                    });
                }
                Input::Run(run) => {
                    let Some(network) = &job.network else { continue };
                    for snapshot in &run.snapshots {
                        for (scope, block) in &job.blocks {
                            if job.case_id(&snapshot.name, &self.plan.curvature.to_string(), scope) == id {
                                job.check_memory(self.plan, limit)?;
                                return self.snapshot_system(id, network, snapshot, block, lambda, threads);
                            }
                        }
                    }
                }
            }
        }
        Err(Error::usage("pipeline::case", id, "no such case", "see `breakeven measure`"))
    }

    fn snapshot_system(
        &self,
        id: &str,
        network: &Arc<Network>,
        snapshot: &Snapshot,
        block: &Block,
        lambda: Option<f64>,
        threads: &Threads,
    ) -> Result<System> {
        let at = |e: Error| Error { place: format!("{}: {}", snapshot.file, e.place), ..e };
        let precision = self.plan.precision.unwrap_or(Precision::F64);
        let prepared = Prepared::new(network.clone(), &snapshot.params, precision, threads).map_err(at)?;
        let h = match self.plan.curvature {
            Curvature::Hessian => prepared.hessian(block).to_dense(),
            Curvature::Ggn => prepared.gauss_newton(block).map_err(at)?.to_dense(),
            Curvature::EmpiricalFisher => prepared.empirical_fisher(block).map_err(at)?.to_dense(),
        };
        let rule = self.plan.damping.unwrap_or(DampingRule::PAPER);
        Ok(System {
            id: id.to_owned(),
            matrix: damped(pruned(h.map_err(at)?, self.plan.prune), rule, lambda, id, threads)?,
            rhs: prepared.block_gradient(block),
            rhs_source: format!("gradient of the loss at {}", snapshot.name),
        })
    }
}

/// The entries that the rule keeps.
pub(super) fn pruned(h: Mat<f64>, rule: PruneRule) -> Mat<f64> {
    if rule == PruneRule::None { h } else { prune(h.as_ref(), rule) }
}

/// H + λI, or |H| + λI for saddle-free damping.
pub(super) fn damped(
    mut h: Mat<f64>,
    rule: DampingRule,
    lambda: Option<f64>,
    id: &str,
    threads: &Threads,
) -> Result<Mat<f64>> {
    let n = h.nrows();
    let largest = (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).fold(0.0_f64, |m, (i, j)| m.max(h[(i, j)].abs()));
    if matches!(rule, DampingRule::LevenbergMarquardt(_)) && lambda.is_none() {
        return Err(Error::usage(
            "pipeline::damping",
            id,
            "Levenberg-Marquardt damping finds its λ while measuring",
            "run `breakeven measure` and give that λ with --damping",
        ));
    }
    if matches!(rule, DampingRule::SaddleFree(_)) {
        let eigen = decompose(h.as_ref(), threads.faer())?;
        let scaled = Mat::from_fn(n, n, |i, k| eigen.vectors[(i, k)] * eigen.values[k].abs());
        let absolute = &scaled * eigen.vectors.transpose();
        h = Mat::from_fn(n, n, |i, j| 0.5 * (absolute[(i, j)] + absolute[(j, i)]));
    }
    let lambda = lambda.unwrap_or_else(|| rule.lambda(largest));
    for i in 0..n {
        h[(i, i)] += lambda;
    }
    Ok(h)
}
