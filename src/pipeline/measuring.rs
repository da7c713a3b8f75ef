//! Every case measured: curvature, companions, gradient and loss of each block handed to `measure`.

use super::jobs::{Job, jobs};
use super::opened::open;
use super::plan::{Curvature, DampingRule, Plan, Precision, precision_text};
use super::progress::Progress;
use super::{memory, options};
use crate::curvature::{Block, Network, PairPlan, Prepared, SymmetricOperator};
use crate::error::{Error, Result};
use crate::measure::{Companion, SystemInput, measure};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::report::document::InputDigest;
use crate::snapshot::matrix::MatrixInput;
use crate::snapshot::{Input, Snapshot};
use faer::Mat;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All cases of a plan, measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The cases, in the order of inputs, snapshots, blocks.
    pub cases: Vec<Measurement>,
    /// Every file that was read.
    pub inputs: Vec<InputDigest>,
    /// The options that were in force.
    pub options: BTreeMap<String, String>,
    /// What a reader should know about the whole run.
    pub notes: Vec<String>,
    /// Name of what was analysed.
    pub title: String,
}

/// The part of the whole work that is done, told case by case.
struct Share<'a> {
    progress: &'a dyn Progress,
    total: f64,
    done: f64,
}

impl Share<'_> {
    /// Reports `fraction` of a case of so much work.
    fn tell(&self, work: f64, fraction: f64, what: &str) {
        self.progress.update((self.done + work * fraction) / self.total.max(1.0), what);
    }
}

/// Measures every case of the plan.
///
/// # Errors
/// Whatever opening, lowering, differentiating or measuring meets; a plan beyond the memory limit (exit 4).
pub fn measure_all(plan: &Plan, threads: &Threads, progress: &dyn Progress) -> Result<Measured> {
    let jobs = jobs(open(plan)?, plan)?;
    let limit = plan.max_memory.or_else(memory::available);
    let mut total = 0.0;
    let mut cases = 0;
    let mut largest: Option<memory::MemoryPlan> = None;
    for job in &jobs {
        job.check_memory(plan, limit)?;
        for case in job.cases(plan) {
            total += case.work;
            cases += 1;
            if largest.is_none_or(|l| case.memory.peak() > l.peak()) {
                largest = Some(case.memory);
            }
        }
    }
    if let Some(largest) = largest {
        let plural = if cases == 1 { "" } else { "s" };
        progress.remark(&format!("{cases} case{plural}; largest {}", largest.describe()));
    }
    let mut measured = Measured { options: options::of(plan), title: options::title(plan), ..Measured::default() };
    let mut share = Share { progress, total, done: 0.0 };
    for job in &jobs {
        match &job.opened.input {
            Input::Matrix(matrix) => measure_matrix(job, matrix, plan, threads, &mut share, &mut measured)?,
            Input::Run(run) => {
                let Some(network) = &job.network else { continue };
                for snapshot in &run.snapshots {
                    measure_snapshot(
                        job,
                        network,
                        snapshot,
                        run.batch.samples,
                        plan,
                        threads,
                        &mut share,
                        &mut measured,
                    )?;
                }
                measured.inputs.extend(digests(&job.prefix, &run.digests));
            }
        }
    }
    if measured.cases.is_empty() {
        return Err(Error::input(
            "pipeline::stationary",
            &measured.title,
            format!("the gradient is exactly zero in every case: {}", measured.notes.join("; ")),
            "the snapshots are stationary points of this batch: choose another snapshot or batch",
        ));
    }
    progress.update(1.0, "measured");
    Ok(measured)
}

fn digests(prefix: &str, list: &[(String, String)]) -> Vec<InputDigest> {
    list.iter().map(|(path, blake3)| InputDigest { path: format!("{prefix}{path}"), blake3: blake3.clone() }).collect()
}

fn measure_matrix(
    job: &Job,
    matrix: &MatrixInput,
    plan: &Plan,
    threads: &Threads,
    share: &mut Share<'_>,
    measured: &mut Measured,
) -> Result<()> {
    let work = job.cases(plan).first().map_or(0.0, |c| c.work);
    let id = format!("{}{}", job.prefix, matrix.name);
    let system = SystemInput {
        id: id.clone(),
        rhs: Some(matrix.rhs.values.clone()),
        damping: plan.damping.unwrap_or(DampingRule::None),
        prune: plan.prune,
        seed: plan.seed,
        ..SystemInput::matrix(matrix.name.clone(), matrix.to_dense(plan.max_memory.unwrap_or(u64::MAX))?)
    };
    let tell = |what: &str, fraction: f64| share.tell(work, fraction, &format!("{id}: {what}"));
    let mut case = measure(system, threads, &tell)?;
    case.notes.push(format!("right-hand side: {}", matrix.rhs.source));
    measured.cases.push(case);
    measured.inputs.extend(digests(&job.prefix, &matrix.digests));
    share.done += work;
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn measure_snapshot(
    job: &Job,
    network: &Arc<Network>,
    snapshot: &Snapshot,
    samples: usize,
    plan: &Plan,
    threads: &Threads,
    share: &mut Share<'_>,
    measured: &mut Measured,
) -> Result<()> {
    let precision = plan.precision.unwrap_or(Precision::F64);
    let at = |e: Error| Error { place: format!("{}: {}", snapshot.file, e.place), ..e };
    let prepared = Prepared::new(network.clone(), &snapshot.params, precision, threads).map_err(at)?;
    let planned = job.cases(plan);
    for (scope, block) in &job.blocks {
        let curvature = plan.curvature.to_string();
        let id = job.case_id(&snapshot.name, &curvature, scope);
        let work = planned.iter().find(|c| c.id == id).map_or(0.0, |c| c.work);
        let gradient = prepared.block_gradient(block);
        if gradient.iter().all(|&g| g == 0.0) {
            measured
                .notes
                .push(format!("{id} is left out: its gradient is exactly zero, so there is no system to solve"));
            share.done += work;
            continue;
        }
        let tell = |what: &str, fraction: f64| share.tell(work, fraction, &format!("{id}: {what}"));
        if plan.explain_plan && plan.curvature == Curvature::Hessian {
            share.progress.remark(&explained(&id, block, &prepared.hessian(block).plan()));
        }
        let parts =
            curvatures(&prepared, block, plan.curvature, &|fraction| tell("curvature", 0.4 * fraction)).map_err(at)?;
        let objective = prepared.objective(block);
        let (loss, _) = prepared.loss_and_gradient();
        let system = SystemInput {
            id: id.clone(),
            snapshot: snapshot.name.clone(),
            series: snapshot.series.clone(),
            step: snapshot.step,
            curvature,
            scope: scope.clone(),
            h: parts.matrix,
            gradient: Some(gradient),
            rhs: None,
            objective: Some(&objective),
            damping: plan.damping.unwrap_or(DampingRule::PAPER),
            prune: plan.prune,
            ggn: parts.ggn,
            empirical_fisher: parts.empirical_fisher,
            batch: Some(samples),
            low_rank: parts.low_rank,
            hvp_flops: Some(parts.product_flops),
            loss: Some(loss),
            seed: plan.seed,
        };
        let mut case = measure(system, threads, &|what, fraction| tell(what, 0.4 + 0.6 * fraction)).map_err(at)?;
        let kinks = prepared.kinks();
        if precision == Precision::F32 && kinks.near > 0 {
            case.notes.push(format!(
                "{} of {} values lie within single precision of a kink of the loss; f64 may decide them otherwise",
                kinks.near, kinks.total
            ));
        }
        measured.cases.push(case);
        share.done += work;
    }
    Ok(())
}

/// How a Hessian is assembled, pair by pair, and in sum.
fn explained(id: &str, block: &Block, pairs: &[PairPlan]) -> String {
    let mut text = format!("plan of {id}: {n} x {n} entries\n", n = block.len);
    let name = |pair: &PairPlan| format!("{} x {}", pair.tensors.0, pair.tensors.1);
    let width = pairs.iter().map(|pair| name(pair).len()).max().unwrap_or(0);
    let mut line = |what: &str, route: &str, flops: f64, bytes: f64, why: &str| {
        text.push_str(&format!(
            "  {what:width$}  {route:7}  {:10.4} GFLOP  {:10.4} MB  {why}\n",
            flops / 1e9,
            bytes / 1e6
        ));
    };
    for pair in pairs {
        line(&name(pair), pair.route, pair.flops, pair.bytes, pair.why);
    }
    for (route, what) in [
        ("outputs", "tangents seeded at the pre-activations of the first tensor, then products of matrices"),
        ("columns", "tangents seeded at the elements of the first tensor"),
    ] {
        let chosen = || pairs.iter().filter(|pair| pair.route == route);
        if chosen().next().is_some() {
            let flops = chosen().map(|pair| pair.flops).sum();
            line("all", route, flops, chosen().map(|pair| pair.bytes).sum(), what);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// The matrix of a case and the other curvatures of the same loss.
struct Parts {
    matrix: Mat<f64>,
    ggn: Option<Companion>,
    empirical_fisher: Option<Companion>,
    low_rank: Option<usize>,
    product_flops: f64,
}

fn curvatures(prepared: &Prepared<'_>, block: &Block, kind: Curvature, tell: &(dyn Fn(f64) + Sync)) -> Result<Parts> {
    let part = |from: f64, width: f64| move |done: u64, all: u64| tell(from + width * done as f64 / all.max(1) as f64);
    let n = block.len;
    match kind {
        Curvature::Hessian => {
            let hessian = prepared.hessian(block);
            let matrix = hessian.to_dense_with(&part(0.0, 0.5))?;
            // A graph that computes its own loss has neither outputs to linearise at nor samples.
            let ggn = match prepared.gauss_newton(block) {
                Ok(ggn) if ggn.rank_bound() < n => Some(Companion::Factor(ggn.factor()?)),
                Ok(ggn) => Some(Companion::Dense(ggn.to_dense_with(&part(0.5, 0.5))?)),
                Err(_) => None,
            };
            let fisher = prepared.empirical_fisher(block).ok();
            let empirical_fisher = fisher.map(|f| Companion::Factor(f.factor().to_owned()));
            Ok(Parts { matrix, ggn, empirical_fisher, low_rank: None, product_flops: hessian.product_flops() as f64 })
        }
        Curvature::Ggn => {
            let ggn = prepared.gauss_newton(block)?;
            let low_rank = (ggn.rank_bound() < n).then(|| ggn.rank_bound());
            let matrix = ggn.to_dense_with(&part(0.0, 1.0))?;
            Ok(Parts { matrix, ggn: None, empirical_fisher: None, low_rank, product_flops: ggn.product_flops() as f64 })
        }
        Curvature::EmpiricalFisher => {
            let fisher = prepared.empirical_fisher(block)?;
            let rank = fisher.rank_bound();
            let matrix = fisher.to_dense()?;
            // Two products with the N × rank factor.
            let product_flops = 4.0 * n as f64 * rank as f64;
            let low_rank = (rank < n).then_some(rank);
            Ok(Parts { matrix, ggn: None, empirical_fisher: None, low_rank, product_flops })
        }
    }
}

/// The precision in words.
pub fn precision_of(plan: &Plan) -> &'static str {
    precision_text(plan.precision.unwrap_or(Precision::F64))
}
