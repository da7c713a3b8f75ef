//! One case of a plan as numbers: the solved matrix and its right-hand side, for the simulator.

use std::sync::Arc;

use super::curvatures::{Route, operator, route};
use super::jobs::{Job, jobs};
use super::opened::open;
use super::plan::{Curvature, DampingRule, Plan, Precision, PruneRule};
use crate::curvature::pruning::prune;
use crate::curvature::{Block, Network, Prepared, SymmetricOperator};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::simulate::{Instance, Options};
use crate::snapshot::{Input, MatrixInput, Snapshot};
use crate::spectrum::dense_eigen::decompose;
use faer::{Mat, MatMut, MatRef};

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

/// A case, found.
enum Located<'s> {
    Matrix(&'s MatrixInput),
    Block { network: &'s Arc<Network>, snapshot: &'s Snapshot, block: &'s Block },
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

    /// N of a case.
    pub fn size(&self, id: &str) -> Option<usize> {
        self.jobs.iter().flat_map(|job| job.cases(self.plan)).find(|case| case.id == id).map(|case| case.n)
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

    /// The system of a case as a dense matrix. `lambda` overrides the rule's λ (Levenberg-Marquardt finds its own while
    /// measuring).
    ///
    /// # Errors
    /// Whatever differentiating meets; exit 4 beyond the memory limit.
    pub fn build(&self, id: &str, lambda: Option<f64>, threads: &Threads) -> Result<System> {
        match self.locate(id)? {
            Located::Matrix(matrix) => {
                let h = matrix.to_dense(self.plan.max_memory.unwrap_or(u64::MAX))?;
                let rule = self.plan.damping.unwrap_or(DampingRule::None);
                Ok(System {
                    id: id.to_owned(),
                    matrix: damped(pruned(h, self.plan.prune), rule, lambda, id, threads)?,
                    rhs: matrix.rhs.values.clone(),
                    rhs_source: matrix.rhs.source.clone(),
                })
            }
            Located::Block { network, snapshot, block } => {
                self.snapshot_system(id, network, snapshot, block, lambda, threads)
            }
        }
    }

    /// The case in the eigenbasis of its matrix, and the matrix itself where the plan holds it dense; a case that the plan
    /// measures by products or by a factor becomes a Lanczos measure and is never a dense matrix.
    ///
    /// # Errors
    /// As [`Systems::build`] and [`Instance::new`]; usage when a rule for λ needs the entries of a matrix that is not held.
    pub fn instance(
        &self,
        id: &str,
        lambda: Option<f64>,
        options: &Options,
        threads: &Threads,
    ) -> Result<(Instance, Option<System>, String)> {
        if let Located::Block { network, snapshot, block } = self.locate(id)?
            && route(self.plan, network, block.len) != Route::Dense
        {
            let instance = self.measured_by_products(id, network, snapshot, block, lambda, options, threads)?;
            return Ok((instance, None, gradient_of(&snapshot.name)));
        }
        let system = self.build(id, lambda, threads)?;
        let options = Options { rhs: system.rhs_source.clone(), ..options.clone() };
        let instance = threads.run(|| Instance::new(system.matrix.as_ref(), &system.rhs, &options))?;
        let rhs = system.rhs_source.clone();
        Ok((instance, Some(system), rhs))
    }

    fn locate(&self, id: &str) -> Result<Located<'_>> {
        let limit = self.plan.max_memory.or_else(super::memory::available);
        for job in &self.jobs {
            match &job.opened.input {
                Input::Matrix(matrix) => {
                    if format!("{}{}", job.prefix, matrix.name) == id {
                        job.check_memory(self.plan, limit)?;
                        return Ok(Located::Matrix(matrix));
                    }
                }
                Input::Run(run) => {
                    let Some(network) = &job.network else { continue };
                    for snapshot in &run.snapshots {
                        for (scope, block) in &job.blocks {
                            if job.case_id(&snapshot.name, &self.plan.curvature.to_string(), scope) == id {
                                job.check_memory(self.plan, limit)?;
                                return Ok(Located::Block { network, snapshot, block });
                            }
                        }
                    }
                }
            }
        }
        Err(Error::usage("pipeline::case", id, "no such case", "see `breakeven measure`"))
    }

    #[expect(clippy::too_many_arguments, reason = "a case and how it is asked")]
    fn measured_by_products(
        &self,
        id: &str,
        network: &Arc<Network>,
        snapshot: &Snapshot,
        block: &Block,
        lambda: Option<f64>,
        options: &Options,
        threads: &Threads,
    ) -> Result<Instance> {
        let at = |e: Error| Error { place: format!("{}: {}", snapshot.file, e.place), ..e };
        let precision = self.plan.precision.unwrap_or(Precision::F64);
        let prepared = Prepared::new(network.clone(), &snapshot.params, precision, threads).map_err(at)?;
        let fisher;
        let held;
        let operator: &dyn SymmetricOperator = if self.plan.curvature == Curvature::EmpiricalFisher {
            fisher = prepared.empirical_fisher(block).map_err(at)?;
            &fisher
        } else {
            held = operator(&prepared, block, self.plan.curvature).map_err(at)?.0;
            held.as_ref()
        };
        let lambda = match (lambda, self.plan.damping.unwrap_or(DampingRule::PAPER)) {
            (Some(lambda), _) | (None, DampingRule::Absolute(lambda)) => lambda,
            (None, DampingRule::None) => 0.0,
            (None, rule) => {
                return Err(Error::usage(
                    "pipeline::damping",
                    id,
                    format!("the rule {rule} needs the entries of a matrix that is held by its products"),
                    "run `breakeven measure` and give its λ with --damping",
                ));
            }
        };
        let n = block.len;
        let product = |x: &[f64], y: &mut [f64]| {
            let (from, to) = (MatRef::from_column_major_slice(x, n, 1), MatMut::from_column_major_slice_mut(y, n, 1));
            operator.apply_many(from, to)?;
            y.iter_mut().zip(x).for_each(|(y, x)| *y += lambda * x);
            Ok(())
        };
        threads.run(|| Instance::from_products(product, &prepared.block_gradient(block), None, options)).map_err(at)
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
            rhs_source: gradient_of(&snapshot.name),
        })
    }
}

pub(super) fn gradient_of(snapshot: &str) -> String {
    format!("gradient of the loss at {snapshot}")
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
