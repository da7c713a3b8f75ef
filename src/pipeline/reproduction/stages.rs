//! The trainings of the reproduction, each a part that can be kept.

use serde::{Deserialize, Serialize};

use super::probe::{Estimates, Look, Probe, Rows, Solved};
use super::sizes::{Sizes, Training};
use crate::curvature::Network;
use crate::error::Result;
use crate::measurement::Measurement;
use crate::parallel::Threads;
use crate::pipeline::first_order::{FIRST_ORDER, FirstOrder, fastest};
use crate::train::observer::Observer;
use crate::train::{Problem, Request, Trainer};

/// A training with what was seen of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// (step, loss), the last one after the last update.
    pub losses: Vec<(u64, f64)>,
    /// Accuracy on the batch after the last update.
    pub accuracy: Option<f64>,
    /// Accuracy on samples that training never saw.
    pub held_out: Option<f64>,
    /// Parameters of the network.
    pub parameters: usize,
    /// The network's own program: flops of one gradient over the batch.
    pub gradient_flops: f64,
    /// Why it stopped early; empty otherwise.
    pub stopped: String,
    /// Solves.
    pub solved: Vec<Solved>,
    /// Solves measured in full.
    pub measured: Vec<Measurement>,
    /// Estimators on those.
    pub estimates: Vec<Estimates>,
    /// Row-wise pruning.
    pub rows: Vec<Rows>,
}

impl Seen {
    /// Loss after the last update.
    pub fn final_loss(&self) -> Option<f64> {
        self.losses.last().map(|(_, loss)| *loss)
    }

    /// Largest block.
    pub fn largest(&self) -> Option<&str> {
        let size = |s: &&Solved| s.value("n").unwrap_or(0.0);
        self.solved.iter().max_by(|a, b| size(a).total_cmp(&size(b))).map(|s| s.block.as_str())
    }
}

/// One fixed batch: losses of different steps and rules then compare.
fn request(t: &Training, optimizer: &str) -> Request {
    Request {
        batch: Some(t.batch),
        samples: Some(t.batch),
        seed: t.seed,
        ..Request::new(&t.data, &t.network, optimizer, t.steps)
    }
}

/// Trains by Q-Newton and looks.
///
/// # Errors
/// Data that cannot be read, a network that does not fit; a training that diverges stops and says so instead.
pub fn train(t: &Training, look: Look, threads: &Threads, tell: &dyn Fn(f64)) -> Result<Seen> {
    let request = Request {
        curvature: Some(t.curvature.clone()),
        damping: Some(format!("relative:{:e}", t.eta)),
        keep: Some(t.keep),
        ..request(t, "q-newton")
    };
    let problem = request.problem()?;
    let parameters: usize = problem.start.iter().map(|(_, a)| a.len()).sum();
    let config = request.config(parameters, None)?;
    let gradient_flops = gradient_flops(&problem)?;
    let mut trainer = Trainer::new(problem, config, threads)?;
    let mut probe = Probe::new(look, t.batch, t.seed);
    let mut seen = Seen { parameters, gradient_flops, ..Seen::default() };
    loop {
        let step = trainer.step_number();
        let last = step == t.steps;
        let event = match trainer.event(last) {
            Ok(event) => event,
            Err(e) if e.code == "train::diverged" => {
                seen.stopped = e.what;
                break;
            }
            Err(e) => return Err(e),
        };
        seen.losses.push((step, event.loss));
        seen.accuracy = event.accuracy;
        seen.held_out = event.held_out.and_then(|s| s.accuracy).or(seen.held_out);
        probe.step(&event)?;
        if last {
            break;
        }
        match trainer.advance(&mut probe) {
            Ok(()) => {}
            Err(e) if e.code == "train::diverged" || e.code == "train::singular" => {
                seen.stopped = e.what;
                break;
            }
            Err(e) => return Err(e),
        }
        tell((step + 1) as f64 / t.steps.max(1) as f64);
    }
    (seen.solved, seen.measured) = (probe.solved, probe.measured);
    (seen.estimates, seen.rows) = (probe.estimates, probe.rows);
    Ok(seen)
}

/// Flops of loss and gradient over a batch, counted on the program.
fn gradient_flops(problem: &Problem) -> Result<f64> {
    let params: Vec<_> = problem.start.iter().map(|(name, a)| (name.clone(), a.shape.clone())).collect();
    let batch = problem.batches.arrays(0);
    let network = Network::new(&problem.model, &problem.bindings, &params, &batch, &problem.loss)?;
    Ok(network.gradient_flops() as f64)
}

/// SGD and Adam from the same start until the loss is at most `target`.
///
/// # Errors
/// As [`train`].
pub fn first_order(t: &Training, target: f64, most: u64, threads: &Threads) -> Result<Vec<FirstOrder>> {
    let problem = request(t, "sgd").problem()?;
    FIRST_ORDER.iter().map(|id| fastest(&problem, id, target, most, threads)).collect()
}

/// Everything that was measured.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The training whose every solve is scheduled.
    pub run: Seen,
    /// SGD and Adam to its loss.
    pub first_order: Vec<FirstOrder>,
    /// (keep, training).
    pub keeps: Vec<(f64, Seen)>,
    /// (η, training).
    pub etas: Vec<(f64, Seen)>,
    /// (h, training).
    pub widths: Vec<(usize, Seen)>,
    /// Exact Hessian blocks at a published size.
    pub published: Option<(Training, Seen)>,
    /// (kind, training) under the empirical Fisher matrix.
    pub families: Vec<(String, Training, Seen)>,
}

/// Work of a step at a published size, beside the 4 of a measured one.
const PUBLISHED: f64 = 100.0;

/// Runs every part, or reads it where it was kept.
///
/// # Errors
/// As [`train`]; what keeping meets.
pub fn measure(
    sizes: &Sizes,
    kept: &super::checkpoint::Checkpoints,
    threads: &Threads,
    progress: &dyn crate::pipeline::progress::Progress,
) -> Result<Measured> {
    let weight = |t: &Training, each: f64| t.steps as f64 * each;
    let total = weight(&sizes.run, 4.0)
        + sizes.run.steps as f64
        + (sizes.keeps.len() + sizes.etas.len()) as f64 * weight(&sizes.sweep, 0.5)
        + sizes.hidden.len() as f64 * weight(&sizes.scaling, 8.0)
        + sizes.published.iter().map(|t| weight(t, PUBLISHED)).sum::<f64>()
        + sizes.families.iter().map(|(_, t)| weight(t, 2.0)).sum::<f64>();
    let done = std::cell::Cell::new(0.0);
    let part = |id: &str, t: &Training, look: Look, share: f64| -> Result<Seen> {
        let work = weight(t, share);
        let tell = |fraction: f64| progress.update((done.get() + work * fraction) / total, id);
        tell(0.0);
        let seen = kept.part(id, t, || train(t, look, threads, &tell))?;
        done.set(done.get() + work);
        Ok(seen)
    };
    let mut all = Measured::default();
    let look = Look { every: 1, measured_every: sizes.measured_every, rows_at: 0.0 };
    all.run = part("run", &sizes.run, look, 4.0)?;
    let target = all.run.final_loss().unwrap_or(0.0);
    progress.update(done.get() / total, "SGD and Adam to the same loss");
    all.first_order = kept.part("first-order", &(&sizes.run, target, sizes.most_updates), || {
        first_order(&sizes.run, target, sizes.most_updates, threads)
    })?;
    done.set(done.get() + sizes.run.steps as f64);
    for &keep in &sizes.keeps {
        let t = Training { keep, ..sizes.sweep.clone() };
        // The matrix must be whole for the comparison: it is made at keep 1.
        all.keeps.push((keep, part(&format!("keep-{keep}"), &t, Look { every: 1, ..Look::default() }, 0.5)?));
    }
    for &eta in &sizes.etas {
        let t = Training { eta, ..sizes.sweep.clone() };
        all.etas.push((eta, part(&format!("eta-{eta:e}"), &t, Look { every: 1, ..Look::default() }, 0.5)?));
    }
    for &h in &sizes.hidden {
        let t = sizes.scaled(h);
        all.widths.push((h, part(&format!("hidden-{h}"), &t, Look { every: 1, ..Look::default() }, 8.0)?));
    }
    if let Some(t) = &sizes.published {
        let seen = part("published", t, Look { every: 1, ..Look::default() }, PUBLISHED)?;
        all.published = Some((t.clone(), seen));
    }
    for (i, (kind, t)) in sizes.families.iter().enumerate() {
        let look = Look { every: (t.steps - 1).max(1), ..Look::default() };
        let seen = part(&format!("family-{i}"), t, look, 2.0)?;
        all.families.push((kind.clone(), t.clone(), seen));
    }
    // One step each: row-wise against symmetric pruning on the same, whole matrices.
    for &keep in sizes.keeps.iter().filter(|k| **k < 1.0) {
        let t = Training { steps: 1, ..sizes.sweep.clone() };
        let look = Look { every: 1, measured_every: 0, rows_at: keep };
        let seen = kept.part(&format!("rows-{keep}"), &t, || train(&t, look, threads, &|_| {}))?;
        if let Some((_, with)) = all.keeps.iter_mut().find(|(k, _)| *k == keep) {
            with.rows = seen.rows;
        }
    }
    progress.update(1.0, "measured");
    Ok(all)
}
