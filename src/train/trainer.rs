//! A training, step by step, without any file.

use std::collections::BTreeMap;

use super::config::{Config, Optimizer};
use super::engine::Engine;
use super::first_order::{self, Moments};
use super::newton;
use super::observer::{Observer, Score, SolveRecord, StepEvent};
use super::problem::Problem;
use crate::curvature::{Precision, Prepared};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::onnx_graph::OnnxModel;
use crate::spectrum::scale::norm;

/// Elements that the engines of batches may hold together; further batches are lowered anew whenever they come up.
const KEPT: usize = 128 << 20;

/// Loss and gradient at θ_s on the batch of step s.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// s.
    pub step: u64,
    /// Loss.
    pub loss: f64,
    /// All parameters in state_dict order.
    pub gradient: Vec<f64>,
    /// On the batch; `None` where targets are not classes.
    pub accuracy: Option<f64>,
}

/// What a resumed training needs besides its problem and configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// s, the number of updates made.
    pub step: u64,
    /// θ_s, all parameters in state_dict order.
    pub theta: Vec<f64>,
    /// Memory of the first-order rules.
    pub moments: Moments,
}

/// How the last update was made.
#[derive(Debug, Clone, Default)]
struct Last {
    step_length: Option<f64>,
    gradient_instead: bool,
    solves: Vec<SolveRecord>,
}

/// A training in memory.
pub struct Trainer<'t> {
    problem: Problem,
    config: Config,
    threads: &'t Threads,
    state: State,
    engines: BTreeMap<usize, Engine>,
    held_out: Option<Engine>,
    now: Option<Evaluation>,
    last: Last,
}

impl<'t> Trainer<'t> {
    /// At θ₀; nothing is evaluated yet.
    ///
    /// # Errors
    /// Settings out of range; parameters that are not floating point.
    pub fn new(problem: Problem, config: Config, threads: &'t Threads) -> Result<Self> {
        config.check()?;
        let mut theta = Vec::new();
        for (name, array) in &problem.start {
            let values = array.floats().ok_or_else(|| {
                Error::input("train::start", format!("parameter `{name}`"), "is not floating point", "")
            })?;
            theta.extend_from_slice(values);
        }
        round(&mut theta, config.precision);
        let state = State { step: 0, theta, moments: Moments::default() };
        Ok(Trainer {
            problem,
            config,
            threads,
            state,
            engines: BTreeMap::new(),
            held_out: None,
            now: None,
            last: Last::default(),
        })
    }

    /// s, the number of updates made.
    pub fn step_number(&self) -> u64 {
        self.state.step
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.state.theta.len()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.state.theta.is_empty()
    }

    /// What is trained.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The forward graph.
    pub fn model(&self) -> &OnnxModel {
        &self.problem.model
    }

    /// θ_s by name, in state_dict order.
    pub fn parameters(&self) -> Vec<(String, Array)> {
        self.named(&self.state.theta)
    }

    fn named(&self, theta: &[f64]) -> Vec<(String, Array)> {
        let dtype = match self.config.precision {
            Precision::F64 => Dtype::F64,
            Precision::F32 => Dtype::F32,
        };
        let mut rest = theta;
        let mut out = Vec::with_capacity(self.problem.start.len());
        for (name, array) in &self.problem.start {
            let (mine, others) = rest.split_at(array.len().min(rest.len()));
            rest = others;
            let values = Values::Float(mine.to_vec());
            out.push((name.clone(), Array { dtype, shape: array.shape.clone(), values }));
        }
        out
    }

    /// For a later [`Trainer::restore`].
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Continues from a state of the same problem and configuration.
    ///
    /// # Errors
    /// When the state is of another network.
    pub fn restore(&mut self, state: State) -> Result<()> {
        let n = self.state.theta.len();
        let fits = |v: &[f64]| v.is_empty() || v.len() == n;
        if state.theta.len() != n || !fits(&state.moments.first) || !fits(&state.moments.second) {
            let what = format!("holds {} parameters, the network has {n}", state.theta.len());
            return Err(Error::input("train::state", "the stored state", what, "resume with the options of the run"));
        }
        self.state = state;
        self.now = None;
        self.last = Last::default();
        Ok(())
    }

    /// Loss and gradient at θ_s on the batch of step s; computed once for each s.
    ///
    /// # Errors
    /// `train::diverged` when either is not finite.
    pub fn evaluate(&mut self) -> Result<&Evaluation> {
        if self.now.is_none() {
            let step = self.state.step;
            let mut engine = self.take_engine(self.problem.batches.of_step(step))?;
            let (loss, gradient) = engine.1.gradient_at(&self.state.theta, self.threads);
            let accuracy = engine.1.accuracy(false);
            self.keep_engine(engine);
            if !loss.is_finite() {
                return Err(diverged(step, &format!("the loss is {loss}")));
            }
            if let Some(bad) = gradient.iter().find(|g| !g.is_finite()) {
                return Err(diverged(step, &format!("the loss is {loss:.6e} and its gradient holds {bad}")));
            }
            self.now = Some(Evaluation { step, loss, gradient, accuracy });
        }
        self.now.as_ref().ok_or_else(|| diverged(self.state.step, "nothing was evaluated"))
    }

    /// θ_s as an observer sees it; `held_out` asks for the score on the samples held out.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub fn event(&mut self, held_out: bool) -> Result<StepEvent> {
        let score = if held_out { self.held_out_score()? } else { None };
        let batch = self.problem.batches.of_step(self.state.step);
        let last = self.last.clone();
        let now = self.evaluate()?;
        Ok(StepEvent {
            step: now.step,
            batch,
            loss: now.loss,
            accuracy: now.accuracy,
            gradient_norm: norm(&now.gradient),
            held_out: score,
            step_length: last.step_length,
            gradient_instead: last.gradient_instead,
            solves: last.solves,
        })
    }

    /// One update; s becomes s + 1.
    ///
    /// # Errors
    /// `train::diverged` when loss, gradient or the new parameters are not finite: θ_s stays; `train::singular` when a
    /// block cannot be solved; what the observer returns.
    pub fn advance(&mut self, observer: &mut dyn Observer) -> Result<()> {
        self.evaluate()?;
        let Some(now) = self.now.take() else { return Ok(()) };
        match self.updated(&now, observer) {
            Ok((state, last)) => {
                self.state = state;
                self.last = last;
                Ok(())
            }
            Err(e) => {
                self.now = Some(now);
                Err(e)
            }
        }
    }

    /// The state after one update.
    fn updated(&mut self, now: &Evaluation, observer: &mut dyn Observer) -> Result<(State, Last)> {
        let State { step, mut theta, mut moments } = self.state.clone();
        let last = match self.config.optimizer.clone() {
            rule @ (Optimizer::Sgd { .. } | Optimizer::Adam { .. }) => {
                first_order::update(&rule, &mut theta, &now.gradient, &mut moments, step + 1);
                Last::default()
            }
            Optimizer::Newton(rule) => self.newton(&rule, now, &mut theta, observer)?,
        };
        round(&mut theta, self.config.precision);
        if theta.iter().any(|x| !x.is_finite()) {
            return Err(diverged(step + 1, "a parameter is infinite or NaN"));
        }
        Ok((State { step: step + 1, theta, moments }, last))
    }

    fn newton(
        &mut self,
        rule: &super::config::NewtonRule,
        now: &Evaluation,
        theta: &mut [f64],
        observer: &mut dyn Observer,
    ) -> Result<Last> {
        let mut engine = self.take_engine(self.problem.batches.of_step(now.step))?;
        let params = self.parameters();
        let found = Prepared::new(engine.1.network().clone(), &params, self.config.precision, self.threads).and_then(
            |prepared| newton::direction(&prepared, rule, now.step, self.config.max_memory, self.threads, observer),
        );
        let newton::Direction { mut p, solves } = match found {
            Ok(found) => found,
            Err(e) => {
                self.keep_engine(engine);
                // beyond the range of the numbers, not of the file that they were never in
                return Err(if e.code == "curvature::not_finite" { diverged(now.step, &e.what) } else { e });
            }
        };
        let mut length = newton::Length { eta: rule.lr, gradient_instead: false };
        if rule.line_search {
            let (start, threads, precision) = (&self.state.theta, self.threads, self.config.precision);
            let mut moved = start.clone();
            length = newton::backtrack(&mut p, &now.gradient, now.loss, rule.lr, |p, eta| {
                moved.iter_mut().zip(start).zip(p).for_each(|((m, x), p)| *m = x + eta * p);
                round(&mut moved, precision);
                engine.1.loss_at(&moved, threads)
            });
        }
        self.keep_engine(engine);
        theta.iter_mut().zip(&p).for_each(|(x, p)| *x += length.eta * p);
        Ok(Last { step_length: Some(length.eta), gradient_instead: length.gradient_instead, solves })
    }

    /// Loss and accuracy at θ_s on the samples held out; `None` where there are none.
    ///
    /// # Errors
    /// When the samples do not fit the network.
    pub fn held_out_score(&mut self) -> Result<Option<Score>> {
        let Some(set) = &self.problem.held_out else { return Ok(None) };
        let mut engine = match self.held_out.take() {
            Some(engine) => engine,
            None => Engine::new(&self.problem, &set.batch(0..set.len()), self.config.precision)?,
        };
        let score = engine.score(&self.state.theta, self.threads);
        self.held_out = Some(engine);
        // a loss that is not finite has no place in a file; the batch will say that the training diverged
        Ok(Some(score).filter(|s| s.loss.is_finite()))
    }

    fn take_engine(&mut self, index: usize) -> Result<(usize, Engine)> {
        let engine = match self.engines.remove(&index) {
            Some(engine) => engine,
            None => Engine::new(&self.problem, &self.problem.batches.arrays(index), self.config.precision)?,
        };
        Ok((index, engine))
    }

    fn keep_engine(&mut self, (index, engine): (usize, Engine)) {
        let held: usize = self.engines.values().map(Engine::elements).sum();
        if self.engines.is_empty() || held + engine.elements() <= KEPT {
            self.engines.insert(index, engine);
        }
    }
}

/// Rounds to what the parameters are stored in.
fn round(theta: &mut [f64], precision: Precision) {
    if precision == Precision::F32 {
        theta.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    }
}

fn diverged(step: u64, what: &str) -> Error {
    Error::certificate(
        "train::diverged",
        format!("step {step}"),
        format!("the training has diverged: {what}"),
        "take a smaller --lr, more --damping, --clip or a line search; the snapshots before this step are good",
    )
}
