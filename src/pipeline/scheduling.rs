//! A run directory scheduled: every block of every snapshot measured, estimated, priced on both sides and sent to one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::calibration;
use super::first_order::first_order;
use super::market::THIS_MACHINE;
use super::measuring::{Measured, Seen, measure_all_seeing};
use super::plan::{DampingRule, Plan, Scope};
use super::progress::Progress;
use super::systems::{damped, pruned};
use crate::catalog::{self, Catalog, HardwareKind};
use crate::cost::Scenario;
use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::report::document::InputDigest;
use crate::schedule::estimator::PRODUCTS;
use crate::schedule::{
    Estimator, KappaEstimate, Label, Pricing, Run, Schedule, Scheduler, Settings, Side, Solve, Subject, estimate,
    estimate_factor, timeline,
};

/// What `schedule` was asked beside what is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// `--set`, in order; the last of a name wins.
    pub set: Vec<(String, f64)>,
    /// At most one machine of each kind.
    pub hardware: Vec<String>,
    /// The scenario.
    pub scenario: Scenario,
    /// Quantum model or `best`; none: the scenario's.
    pub quantum: Option<String>,
    /// Classical model or `best`; none: the scenario's.
    pub classical: Option<String>,
    /// How κ is found.
    pub estimator: Estimator,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            set: Vec::new(),
            hardware: Vec::new(),
            scenario: Scenario::Paper,
            quantum: None,
            classical: None,
            estimator: Estimator::Auto,
        }
    }
}

/// A schedule and what it was made from.
#[derive(Debug, Clone, Default)]
pub struct Scheduled {
    /// The schedule.
    pub schedule: Schedule,
    /// Every file that was read.
    pub inputs: Vec<InputDigest>,
    /// The options in force.
    pub options: BTreeMap<String, String>,
    /// What was scheduled.
    pub title: String,
}

/// The catalogue, with this machine in it when it is asked for.
///
/// # Errors
/// Faulty model files; a calibration that fails.
pub fn opened_catalog(plan: &Plan, hardware: &[String], threads: &Threads) -> Result<Catalog> {
    let mut catalog = catalog::load(plan.models.as_deref())?;
    if hardware.iter().any(|id| id == THIS_MACHINE) && catalog.machine(THIS_MACHINE).is_err() {
        catalog.add_machine(calibration::calibrate(threads)?);
    }
    Ok(catalog)
}

/// The settings that were asked for, filled with the catalogue's default machines.
///
/// # Errors
/// Unknown machines, two of a kind.
pub fn settings(catalog: &Catalog, asked: &Asked) -> Result<Settings> {
    let mut machines = Vec::new();
    for id in &asked.hardware {
        let machine = catalog.machine(id)?;
        if machines.iter().any(|m: &&catalog::Hardware| m.kind == machine.kind) {
            let what = format!("`{id}` is a second machine of its kind");
            let help = "name one quantum and one classical machine";
            return Err(Error::usage("schedule::hardware", "--hardware", what, help));
        }
        machines.push(machine);
    }
    machines.extend(catalog.machines(&[])?);
    let of = |kind: HardwareKind| machines.iter().find(|m| m.kind == kind);
    let missing = |what: &str| Error::usage("schedule::hardware", "--hardware", what, "name one with --hardware");
    let classical = of(HardwareKind::Classical).ok_or_else(|| missing("no classical machine"))?;
    let set_time = asked.set.iter().rev().find(|(name, _)| name == "gate_time").map(|(_, x)| *x);
    let machine_time = of(HardwareKind::Quantum).and_then(|m| m.gate_time.as_ref()).map(|r| r.value);
    let gate_time = set_time.or(machine_time).ok_or_else(|| missing("no gate time"))?;
    let mut settings = Settings::new(asked.scenario, &classical.id, gate_time);
    if let Some(id) = &asked.quantum {
        settings.quantum = Side::from_text(id);
    }
    if let Some(id) = &asked.classical {
        settings.classical = Side::from_text(id);
    }
    settings.set.clone_from(&asked.set);
    Ok(settings)
}

/// Schedules every case of a plan; blocks are parameter tensors unless the plan says otherwise.
///
/// # Errors
/// Whatever measuring meets; settings that do not fit (usage).
pub fn schedule(plan: &Plan, asked: &Asked, threads: &Threads, progress: &dyn Progress) -> Result<Scheduled> {
    let catalog = opened_catalog(plan, &asked.hardware, threads)?;
    let pricing = Pricing::new(&catalog, settings(&catalog, asked)?)?;
    let mut plan = plan.clone();
    plan.scope = plan.scope.or(Some(Scope::Layers));
    if matches!(plan.damping, Some(DampingRule::LevenbergMarquardt(_))) && asked.estimator != Estimator::Given {
        return Err(Error::usage(
            "schedule::damping",
            "--damping levenberg-marquardt",
            "it finds its λ while measuring, too late for an estimate of κ before the solve",
            "give that λ as a number, or add --estimator given",
        ));
    }
    let (measured, estimates) = measure_and_estimate(&plan, asked.estimator, threads, progress)?;
    let mut scheduler = Scheduler::new(pricing, asked.estimator, plan.seed);
    for case in &measured.cases {
        let estimate = estimates.get(&case.id).cloned().unwrap_or_else(|| {
            KappaEstimate::given(case.kappa.value, "κ as measured: the matrix was never at hand for an estimate")
        });
        scheduler.consider_measured(label(case), case, estimate);
    }
    let solves: Vec<Solve<'_>> = measured
        .cases
        .iter()
        .zip(scheduler.log())
        .map(|(case, decision)| Solve { decision, subject: Subject::Measured(case) })
        .collect();
    let run = run_of(&measured.cases);
    let first = first_order(&plan, run.final_loss, scheduler.pricing(), threads, progress)?;
    let mut schedule = timeline(&solves, run, first, scheduler.pricing(), &asked.estimator.to_string())?;
    schedule.notes = measured.notes;
    schedule.notes.extend(remarks(&measured.cases));
    let mut options = measured.options;
    for (name, value) in [
        ("scenario", asked.scenario.id()),
        ("quantum", &schedule.quantum),
        ("classical", &schedule.classical),
        ("hardware", &schedule.hardware),
        ("estimator", &schedule.estimator),
    ] {
        options.insert(name.into(), value.to_string());
    }
    for (name, value) in &asked.set {
        options.insert(format!("set {name}"), format!("{value:?}"));
    }
    options.insert("gate_time".into(), format!("{:?}", schedule.gate_time));
    let mut inputs = measured.inputs;
    let machine = catalog.machine(&schedule.hardware)?;
    inputs.push(InputDigest { path: machine.file.clone(), blake3: machine.digest.clone() });
    for model in &catalog.models {
        inputs.push(InputDigest { path: model.file.clone(), blake3: model.digest.clone() });
    }
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Scheduled { schedule, inputs, options, title: measured.title })
}

fn label(case: &Measurement) -> Label {
    let block = case.scope.split_once(':').map_or(case.scope.as_str(), |(_, name)| name);
    Label { step: case.step, block: block.to_string(), snapshot: case.snapshot.clone(), series: case.series.clone() }
}

/// Measures every case and lets the estimator look at each matrix as it will be solved.
///
/// # Errors
/// Whatever measuring or estimating meets.
pub fn measure_and_estimate(
    plan: &Plan,
    estimator: Estimator,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<(Measured, BTreeMap<String, KappaEstimate>)> {
    let found: Mutex<BTreeMap<String, KappaEstimate>> = Mutex::new(BTreeMap::new());
    let see = |id: &str, seen: Seen<'_>| -> Result<()> {
        if estimator == Estimator::Given {
            return Ok(());
        }
        let rule =
            plan.damping.unwrap_or(if plan_is_matrix(id, &seen) { DampingRule::None } else { DampingRule::PAPER });
        let one = match seen {
            Seen::Dense(h) => {
                let solved = damped(pruned(h.clone(), plan.prune), rule, None, id, threads)?;
                estimate(solved.as_ref(), estimator, plan.seed, threads.faer())?
            }
            Seen::Factor(f) => {
                let largest = (0..f.nrows()).map(|i| f.row(i).iter().map(|x| x * x).sum::<f64>()).fold(0.0, f64::max);
                let products = if let Estimator::Lanczos(k) = estimator { k } else { PRODUCTS };
                estimate_factor(f.as_ref(), rule.lambda(largest), products, plan.seed, threads.faer())?
            }
        };
        if let Ok(mut map) = found.lock() {
            map.insert(id.to_string(), one);
        }
        Ok(())
    };
    let measured = measure_all_seeing(plan, threads, progress, &see)?;
    Ok((measured, found.into_inner().unwrap_or_default()))
}

/// A plain matrix has the id of its file, a snapshot's case `snapshot/curvature/scope`; only the latter is damped by
/// default.
fn plan_is_matrix(id: &str, seen: &Seen<'_>) -> bool {
    matches!(seen, Seen::Dense(_)) && !["/hessian/", "/ggn/", "/empirical-fisher/"].iter().any(|c| id.contains(c))
}

/// Whether a series was trained by a first-order rule, by its name.
pub fn is_first_order(series: &str) -> bool {
    let name = series.to_ascii_lowercase();
    name.starts_with("sgd") || name.starts_with("adam")
}

/// Updates and final loss: of the second-order series where there is one, else the worst of the series' last losses,
/// which all of them reach.
fn run_of(cases: &[Measurement]) -> Run {
    let mut snapshots: Vec<(&str, &str, Option<u64>, Option<f64>)> = Vec::new();
    for case in cases {
        if !snapshots.iter().any(|(name, ..)| *name == case.snapshot) {
            snapshots.push((&case.snapshot, &case.series, case.step, case.loss));
        }
    }
    let mut last: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    for (_, series, step, loss) in &snapshots {
        if let (Some(step), Some(loss)) = (step, loss)
            && last.get(series).is_none_or(|(s, _)| s <= step)
        {
            last.insert(series, (*step, *loss));
        }
    }
    let newton = || last.iter().filter(|(series, _)| !is_first_order(series)).map(|(_, (_, loss))| *loss);
    let lowest = newton().fold(f64::INFINITY, f64::min);
    let highest = last.values().map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max);
    let final_loss = [lowest, highest].into_iter().find(|x| x.is_finite());
    Run { steps: snapshots.len() as u64, final_loss }
}

fn remarks(cases: &[Measurement]) -> Vec<String> {
    let mut series: Vec<&str> = cases.iter().map(|c| c.series.as_str()).collect();
    series.sort_unstable();
    series.dedup();
    let mut notes = Vec::new();
    if series.len() > 1 {
        notes.push(format!(
            "snapshots of {} series are scheduled together ({}); --snapshots 'NAME_*' takes one",
            series.len(),
            series.join(", ")
        ));
    }
    notes.push("one solve per snapshot and block: the steps between two snapshots are not counted".into());
    notes
}
