//! A training that writes a run directory, and goes on where it was stopped.
//!
//! Order of writing at a step: the line of the log, the snapshot, the state. Whatever moment a run is killed at, the
//! state names a step whose line and snapshot are complete; what comes after it is computed again, with the same result.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::directory::{Directory, begun};
use super::log::Log;
use super::observer::{BlockSolve, Observer, Score, StepEvent};
use super::request::Request;
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::parallel::Threads;

/// The state is also stored between snapshots when this much time has passed.
const PAUSE: Duration = Duration::from_secs(20);

/// How a run came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The run directory.
    pub out: PathBuf,
    /// Name of the optimiser and of the snapshots.
    pub optimizer: String,
    /// Number of parameters.
    pub n: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Updates made, those before a resume included.
    pub steps: u64,
    /// The step it was resumed from.
    pub resumed_from: Option<u64>,
    /// Loss at θ₀ (at the step it was resumed from).
    pub start_loss: f64,
    /// Loss at the end, on the batch of the last step.
    pub loss: f64,
    /// Accuracy there.
    pub accuracy: Option<f64>,
    /// Score on the samples held out.
    pub held_out: Option<Score>,
    /// Snapshots written by this call.
    pub snapshots: Vec<String>,
    /// Wall time of this call.
    pub seconds: f64,
    /// The steps at which snapshots were written.
    #[serde(skip)]
    pub trail: Vec<StepEvent>,
}

/// What a run is told besides its request.
pub struct RunOptions<'a> {
    /// Bytes that the matrices of one block may take.
    pub max_memory: Option<u64>,
    /// Told the fraction done and what is being done.
    pub progress: &'a (dyn Fn(f64, &str) + Sync),
}

/// Begins a run in `out`.
///
/// # Errors
/// What was asked does not fit; `out` holds another run; the training diverges or a block is singular (what was written
/// stays); the operating system refuses a file.
pub fn begin(
    request: &Request,
    out: &Path,
    options: &RunOptions<'_>,
    threads: &Threads,
    observer: &mut dyn Observer,
) -> Result<Summary> {
    let mut trainer = open(request, options, threads)?;
    let directory = Directory::new(out, trainer.config().optimizer.name());
    // before the folder exists: a network that does not fit its data leaves nothing behind
    trainer.evaluate()?;
    directory.begin(trainer.problem(), request)?;
    let log = Log::create(&directory.log())?;
    Loop { trainer, directory, log, out, options, resumed_from: None, snapshots: Vec::new(), trail: Vec::new() }
        .run(observer)
}

/// Goes on with the run in `out`: of `optimizer`, or the only one; to `steps`, or to the end that was asked for.
///
/// # Errors
/// As [`begin`]; there is no run to go on with, or several; the data are no longer the same.
pub fn resume(
    out: &Path,
    optimizer: Option<&str>,
    steps: Option<u64>,
    options: &RunOptions<'_>,
    threads: &Threads,
    observer: &mut dyn Observer,
) -> Result<Summary> {
    let mut request = requested(out, optimizer)?;
    // an explicit distance between snapshots survives a new end
    request.snapshot_every.get_or_insert((request.steps / 10).max(1));
    let more = steps.filter(|&steps| steps != request.steps);
    request.steps = steps.unwrap_or(request.steps);
    let mut trainer = open(&request, options, threads)?;
    let directory = Directory::new(out, trainer.config().optimizer.name());
    directory.check_batch(trainer.problem())?;
    directory.sweep();
    let Some(state) = directory.read_state()? else {
        let log = Log::create(&directory.log())?;
        let work = Loop {
            trainer,
            directory,
            log,
            out,
            options,
            resumed_from: None,
            snapshots: Vec::new(),
            trail: Vec::new(),
        };
        return work.run(observer);
    };
    let from = state.step;
    if from > request.steps {
        let what = format!("the run is at step {from}, beyond --steps {}", request.steps);
        return Err(Error::usage("train::resume", "--steps", what, "ask for more steps"));
    }
    if more.is_some() {
        directory.write_request(&request)?;
    }
    trainer.restore(state)?;
    let log = Log::resume(&directory.log(), from)?;
    Loop { trainer, directory, log, out, options, resumed_from: Some(from), snapshots: Vec::new(), trail: Vec::new() }
        .run(observer)
}

/// What the run in a folder was asked for: of `optimizer`, or the only one.
///
/// # Errors
/// There is none, or there are several and none was named.
pub fn requested(out: &Path, optimizer: Option<&str>) -> Result<Request> {
    let all = begun(out)?;
    let names: Vec<String> = all.iter().map(|r| r.optimizer.clone()).collect();
    let mut found: Vec<Request> =
        all.into_iter().filter(|r| optimizer.is_none_or(|wanted| r.optimizer == wanted)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => {
            let what = format!("holds no such run; it holds {}", names.join(", "));
            Err(Error::usage("train::resume", out.display(), what, "begin one without --resume"))
        }
        _ => {
            let what = format!("holds several runs: {}", names.join(", "));
            Err(Error::usage("train::resume", out.display(), what, "choose one with --optimizer"))
        }
    }
}

fn open<'t>(request: &Request, options: &RunOptions<'_>, threads: &'t Threads) -> Result<Trainer<'t>> {
    let problem = request.problem()?;
    let parameters = problem.start.iter().map(|(_, a)| a.len()).sum();
    Trainer::new(problem, request.config(parameters, options.max_memory)?, threads)
}

struct Loop<'a, 't> {
    trainer: Trainer<'t>,
    directory: Directory,
    log: Log,
    out: &'a Path,
    options: &'a RunOptions<'a>,
    resumed_from: Option<u64>,
    snapshots: Vec<String>,
    trail: Vec<StepEvent>,
}

impl Loop<'_, '_> {
    fn run(mut self, observer: &mut dyn Observer) -> Result<Summary> {
        let begun = Instant::now();
        let (steps, every) = (self.trainer.config().steps, self.trainer.config().snapshot_every);
        let mut stored = Instant::now();
        let mut start_loss = None;
        let outcome = loop {
            let step = self.trainer.step_number();
            // the step resumed from has its line and its snapshot
            let known = self.resumed_from == Some(step);
            let due = step.is_multiple_of(every) || step == steps;
            let event = match self.trainer.event(due || known) {
                Ok(event) => event,
                Err(e) => break Err(e),
            };
            start_loss.get_or_insert(event.loss);
            self.report(&event, steps, "");
            if !known {
                observer.step(&event)?;
                self.log.append(&event)?;
                if due {
                    self.log.sync()?;
                    self.snapshots.push(self.directory.write_snapshot(step, &self.trainer.parameters())?);
                }
            }
            if (due && !known) || stored.elapsed() >= PAUSE {
                self.log.sync()?;
                self.directory.write_state(self.trainer.state())?;
                stored = Instant::now();
            }
            if due || known {
                self.trail.push(event.clone());
            }
            if step >= steps {
                break Ok(event);
            }
            let mut watch = Watch { observer, options: self.options, step, steps, loss: event.loss };
            if let Err(e) = self.trainer.advance(&mut watch) {
                break Err(e);
            }
        };
        let last = match outcome {
            Ok(event) => event,
            Err(e) => {
                // what is certain stays
                self.log.sync()?;
                return Err(self.explained(e));
            }
        };
        // a run with more steps than were asked for once has a last snapshot where it ended then
        self.directory.write_graph(self.trainer.problem(), &self.trainer.parameters())?;
        Ok(Summary {
            out: self.out.to_owned(),
            optimizer: self.trainer.config().optimizer.name().to_owned(),
            n: self.trainer.len(),
            batch: self.trainer.problem().batches.size(),
            steps: last.step,
            resumed_from: self.resumed_from,
            start_loss: start_loss.unwrap_or(last.loss),
            loss: last.loss,
            accuracy: last.accuracy,
            held_out: last.held_out,
            snapshots: self.snapshots,
            seconds: begun.elapsed().as_secs_f64(),
            trail: self.trail,
        })
    }

    fn report(&self, event: &StepEvent, steps: u64, what: &str) {
        let fraction = event.step as f64 / steps.max(1) as f64;
        (self.options.progress)(fraction, &format!("step {} of {steps}, loss {:.6}{what}", event.step, event.loss));
    }

    /// An error with the last good snapshot.
    fn explained(&self, mut e: Error) -> Error {
        if matches!(e.code, "train::diverged" | "train::singular" | "train::levenberg_marquardt") {
            let last = self.trail.last().map_or(String::new(), |event| {
                let name = self.trainer.config().optimizer.name();
                let file = format!("{name}_{:04}.safetensors", event.step);
                format!("; the last good snapshot is {}", self.out.join(file).display())
            });
            e.what.push_str(&last);
        }
        e
    }
}

/// Passes on what is solved, with progress inside long steps.
struct Watch<'a> {
    observer: &'a mut dyn Observer,
    options: &'a RunOptions<'a>,
    step: u64,
    steps: u64,
    loss: f64,
}

impl Observer for Watch<'_> {
    fn solved(&mut self, solve: &BlockSolve<'_>) -> Result<()> {
        let done = solve.prepared.network().params();
        let position = solve.block.tensors.last().map_or(0, |t| t.index + 1);
        let part = position as f64 / done.len().max(1) as f64;
        let fraction = (self.step as f64 + part) / self.steps.max(1) as f64;
        let what = format!(
            "step {} of {}, loss {:.6}, block {} (N = {}) solved",
            self.step, self.steps, self.loss, solve.block.name, solve.n
        );
        (self.options.progress)(fraction, &what);
        self.observer.solved(solve)
    }
}
