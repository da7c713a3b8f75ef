//! Every case measured: curvature, companions, gradient and loss of each block handed to `measure`.

use super::assembly_plan::explained;
use super::curvatures::{Route, Wanted, curvatures, operator, route};
use super::jobs::{Job, jobs};
use super::opened::open;
use super::plan::{Curvature, DampingRule, Plan, Precision, precision_text};
use super::progress::Progress;
use super::stored::{Case, Store};
use super::{memory, options, parts};
use crate::curvature::{Block, Checkpoint, Network, Prepared, Shards};
use crate::error::{Error, Result};
use crate::measure::{SystemInput, confidence, measure, measure_low_rank, measure_operator};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::report::document::InputDigest;
use crate::snapshot::matrix::MatrixInput;
use crate::snapshot::{Input, RunInput, Snapshot};
use faer::Mat;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All cases of a plan, measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The cases, in the order of inputs, snapshots, blocks.
    pub cases: Vec<Measurement>,
    /// For each case its measurements on random parts of the batch.
    pub halves: Vec<Vec<Measurement>>,
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

/// The matrix of a case before pruning and damping, as it is held.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// All N² entries.
    Dense(&'a Mat<f64>),
    /// F with C = FFᵀ.
    Factor(&'a Mat<f64>),
}

/// Shown the matrix of each case, by its id, before it is measured; not called for cases measured by products alone.
pub type See<'a> = &'a dyn Fn(&str, Seen<'_>) -> Result<()>;

/// Measures every case of the plan.
///
/// # Errors
/// Whatever opening, lowering, differentiating or measuring meets; a plan beyond the memory limit (exit 4).
pub fn measure_all(plan: &Plan, threads: &Threads, progress: &dyn Progress) -> Result<Measured> {
    measure_all_seeing(plan, threads, progress, &|_, _| Ok(()))
}

/// The same, every matrix shown to `see` on the way.
///
/// # Errors
/// As [`measure_all`], and whatever `see` meets.
pub fn measure_all_seeing(plan: &Plan, threads: &Threads, progress: &dyn Progress, see: See<'_>) -> Result<Measured> {
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
    if let (Some(_), Some(job)) = (plan.subsample, jobs.iter().find(|j| j.network.is_none())) {
        return Err(Error::usage(
            "pipeline::subsample",
            format!("--subsample, {}", job.opened.label),
            "a plain matrix has no batch to take parts of",
            "leave --subsample out",
        ));
    }
    let store = Store::open(plan, &jobs)?;
    if let Some(folder) = &plan.checkpoint {
        // found now rather than after the first minute
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder.display(), &e))?;
        tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::io(folder.display(), &e))?;
    }
    let mut measured = Measured { options: options::of(plan), title: options::title(plan), ..Measured::default() };
    let mut share = Share { progress, total, done: 0.0 };
    for job in &jobs {
        match &job.opened.input {
            Input::Matrix(matrix) => measure_matrix(job, matrix, plan, threads, &mut share, &mut measured, see)?,
            Input::Run(run) => {
                let Some(network) = job.network.clone() else { continue };
                let parts = parts::networks(plan, run)?;
                let shards = spread(&job.opened.label, &network, threads, progress)?;
                if let Some(shards) = &shards {
                    // sums depend on how many there are
                    measured.options.insert("ranks".into(), shards.count().to_string());
                }
                let common = Run { job, run, plan, threads, store: &store, network, shards, parts, see };
                for snapshot in &run.snapshots {
                    measure_snapshot(&common, snapshot, &mut share, &mut measured)?;
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
    see: See<'_>,
) -> Result<()> {
    let work = job.cases(plan).first().map_or(0.0, |c| c.work);
    let id = format!("{}{}", job.prefix, matrix.name);
    let system =
        SystemInput { id: id.clone(), rhs: Some(matrix.rhs.values.clone()), ..described(matrix, plan.rhs.is_some()) };
    let system = SystemInput {
        id: id.clone(),
        h: matrix.to_dense(plan.max_memory.unwrap_or(u64::MAX))?,
        damping: plan.damping.unwrap_or(DampingRule::None),
        prune: plan.prune,
        seed: plan.seed,
        ..system
    };
    see(&id, Seen::Dense(&system.h))?;
    let tell = |what: &str, fraction: f64| share.tell(work, fraction, &format!("{id}: {what}"));
    let mut case = measure(system, threads, &tell)?;
    case.notes.push(format!("right-hand side: {}", matrix.rhs.source));
    measured.cases.push(case);
    measured.halves.push(Vec::new());
    measured.inputs.extend(digests(&job.prefix, &matrix.digests));
    share.done += work;
    Ok(())
}

/// A plain matrix, or the stored curvature matrix that its sidecar says it is.
fn described(matrix: &MatrixInput, other_rhs: bool) -> SystemInput<'static> {
    let plain = SystemInput::matrix(matrix.name.clone(), Mat::new());
    let Some(about) = &matrix.about else { return plain };
    SystemInput {
        snapshot: about.snapshot.clone(),
        series: about.series.clone(),
        step: about.step,
        curvature: about.curvature.clone(),
        scope: about.scope.clone(),
        loss: about.loss,
        // The gradient only while it is the right-hand side.
        gradient: about.gradient.clone().filter(|_| !other_rhs),
        ..plain
    }
}

/// What is common to the cases of one run.
struct Run<'a> {
    job: &'a Job,
    run: &'a RunInput,
    plan: &'a Plan,
    threads: &'a Threads,
    store: &'a Store,
    /// The network over the whole batch, then over its random parts.
    network: Arc<Network>,
    parts: Vec<Arc<Network>>,
    /// The whole batch over ranks.
    shards: Option<Shards>,
    see: See<'a>,
}

/// The batch of a network over the ranks, and what a reader should know about it.
fn spread(label: &str, network: &Arc<Network>, threads: &Threads, progress: &dyn Progress) -> Result<Option<Shards>> {
    let Some(ranks) = threads.ranks() else { return Ok(None) };
    let shards = Shards::new(network, threads)?;
    progress.remark(&match &shards {
        Some(shards) => format!("{label}: the batch is spread over {} of {} ranks", shards.count(), ranks.size()),
        None => format!(
            "{label}: its samples cannot be evaluated apart, so rank 0 of {} does all the work alone",
            ranks.size()
        ),
    });
    Ok(shards)
}

fn measure_snapshot(r: &Run<'_>, snapshot: &Snapshot, share: &mut Share<'_>, measured: &mut Measured) -> Result<()> {
    let (plan, job) = (r.plan, r.job);
    let precision = plan.precision.unwrap_or(Precision::F64);
    let at = |e: Error| Error { place: format!("{}: {}", snapshot.file, e.place), ..e };
    let prepare =
        |network: &Arc<Network>| Prepared::new(network.clone(), &snapshot.params, precision, r.threads).map_err(at);
    let prepared = match &r.shards {
        Some(shards) => Prepared::spread(shards, &snapshot.params, precision, r.threads).map_err(at)?,
        None => prepare(&r.network)?,
    };
    let planned = job.cases(plan);
    let times = 1.0 + r.parts.len() as f64;
    for (scope, block) in &job.blocks {
        let id = job.case_id(&snapshot.name, &plan.curvature.to_string(), scope);
        let work = planned.iter().find(|c| c.id == id).map_or(0.0, |c| c.work);
        let gradient = prepared.block_gradient(block);
        if gradient.iter().all(|&g| g == 0.0) {
            measured
                .notes
                .push(format!("{id} is left out: its gradient is exactly zero, so there is no system to solve"));
            share.done += work;
            continue;
        }
        if plan.explain_plan && plan.curvature == Curvature::Hessian {
            share.progress.remark(&explained(&id, block, &prepared.hessian(block).plan()));
        }
        let tell = |turn: usize, what: &str, fraction: f64| {
            share.tell(work, (turn as f64 + fraction) / times, &format!("{id}: {what}"));
        };
        let kept = Case {
            id: &id,
            run: r.run,
            snapshot,
            block,
            scope,
            curvature: plan.curvature,
            precision,
            loss: prepared.loss_and_gradient().0,
            gradient: &gradient,
        };
        let stored = r.store.find(&kept)?;
        let mut notes = Vec::new();
        let stored = stored.map(|(matrix, file)| {
            notes.push(format!("the matrix was read from {} (BLAKE3 {})", file.path, file.blake3));
            measured.inputs.push(file);
            matrix
        });
        let unfinished = unfinished(plan, &kept, share.progress);
        let kept_at = unfinished.as_ref();
        let whole = One { r, prepared: &prepared, snapshot, block, scope, id: &id, part: None, unfinished: kept_at };
        let tell_whole = |what: &str, fraction: f64| tell(0, what, fraction);
        let export = |h: &Mat<f64>| r.store.keep(&kept, h, plan.seed, share.progress);
        let mut case = whole.measure(stored, &export, &tell_whole).map_err(at)?;
        let mut halves = Vec::new();
        for (k, part) in r.parts.iter().enumerate() {
            // One at a time: each holds its activations.
            let part = &prepare(part)?;
            let one = One { prepared: part, part: Some(k), unfinished: None, ..whole };
            if part.block_gradient(block).iter().all(|&g| g == 0.0) {
                continue;
            }
            let tell_part = |what: &str, fraction: f64| tell(k + 1, what, fraction);
            halves.push(
                one.measure(None, &|_| Ok(()), &tell_part)
                    .map_err(|e| at(Error { place: format!("part {} of --subsample: {}", k + 1, e.place), ..e }))?,
            );
        }
        case.subsample = confidence::bars(&halves, plan.subsample.map_or(0.5, |p| p.fraction));
        let kinks = prepared.kinks();
        if precision == Precision::F32 && kinks.near > 0 {
            case.notes.push(format!(
                "{} of {} values lie within single precision of a kink of the loss; f64 may decide them otherwise",
                kinks.near, kinks.total
            ));
        }
        case.notes.extend(notes);
        if let Some(unfinished) = &unfinished {
            unfinished.remove();
        }
        measured.cases.push(case);
        measured.halves.push(halves);
        share.done += work;
    }
    Ok(())
}

/// Where the unfinished Hessian of a case is kept, named by the hash of all it depends on.
fn unfinished<'a>(plan: &Plan, case: &'a Case<'_>, progress: &'a dyn Progress) -> Option<Checkpoint<'a>> {
    let folder = plan.checkpoint.as_ref().filter(|_| case.curvature == Curvature::Hessian)?;
    let key = case.key();
    Some(Checkpoint {
        path: folder.join(format!("{key}.assembly")),
        key,
        every: Duration::from_secs_f64(plan.checkpoint_every),
        remark: Box::new(move |text| progress.remark(&format!("{}: {text}", case.id))),
    })
}

/// One case over the whole batch or over a part of it.
#[derive(Clone, Copy)]
struct One<'a> {
    r: &'a Run<'a>,
    prepared: &'a Prepared<'a>,
    snapshot: &'a Snapshot,
    block: &'a Block,
    scope: &'a str,
    id: &'a str,
    /// Number of the part of the batch.
    part: Option<usize>,
    /// Where an unfinished Hessian is kept.
    unfinished: Option<&'a Checkpoint<'a>>,
}

impl One<'_> {
    /// Differentiates and measures; `export` receives a newly assembled dense matrix.
    fn measure(
        &self,
        stored: Option<Mat<f64>>,
        export: &dyn Fn(&Mat<f64>) -> Result<()>,
        tell: &(dyn Fn(&str, f64) + Sync),
    ) -> Result<Measurement> {
        let (plan, prepared, block) = (self.r.plan, self.prepared, self.block);
        let objective = prepared.objective(block);
        let route = route(plan, &self.r.network, block.len);
        let mut system = SystemInput {
            id: self.id.to_string(),
            snapshot: self.snapshot.name.clone(),
            series: self.snapshot.series.clone(),
            step: self.snapshot.step,
            curvature: plan.curvature.to_string(),
            scope: self.scope.to_string(),
            h: Mat::new(),
            gradient: Some(prepared.block_gradient(block)),
            rhs: None,
            objective: Some(&objective),
            damping: plan.damping.unwrap_or(DampingRule::PAPER),
            prune: plan.prune,
            ggn: None,
            empirical_fisher: None,
            batch: prepared.network().samples().or(Some(self.r.run.batch.samples)),
            low_rank: None,
            hvp_flops: None,
            loss: Some(prepared.loss_and_gradient().0),
            seed: plan.seed,
        };
        let later = |what: &str, fraction: f64| tell(what, 0.4 + 0.6 * fraction);
        if route == Route::Products {
            let (operator, flops) = operator(prepared, block, plan.curvature)?;
            system.hvp_flops = Some(flops);
            return measure_operator(system, operator.as_ref(), self.r.threads, tell);
        }
        let assembled = stored.is_none();
        let wanted = Wanted {
            kind: plan.curvature,
            route,
            companions: self.part.is_none(),
            stored,
            kept: self.unfinished,
            tell: &|fraction| tell("curvature", 0.4 * fraction),
        };
        let parts = curvatures(prepared, block, wanted)?;
        system.low_rank = parts.low_rank;
        system.hvp_flops = Some(parts.product_flops);
        if self.part.is_none() {
            let seen = parts.factor.as_ref().map_or(Seen::Dense(&parts.matrix), Seen::Factor);
            (self.r.see)(self.id, seen)?;
        }
        if let Some(factor) = parts.factor {
            return measure_low_rank(system, factor, self.r.threads, &later);
        }
        if assembled {
            export(&parts.matrix)?;
        }
        system.h = parts.matrix;
        system.ggn = parts.ggn;
        system.empirical_fisher = parts.empirical_fisher;
        measure(system, self.r.threads, &later)
    }
}

/// The precision in words.
pub fn precision_of(plan: &Plan) -> &'static str {
    precision_text(plan.precision.unwrap_or(Precision::F64))
}
