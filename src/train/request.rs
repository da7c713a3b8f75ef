//! A training as it was asked for, in plain words: kept in the run directory, so that a run can be resumed and read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::{Clip, Config, CurvatureKind, NewtonRule, Optimizer};
use super::data::{self, DataOptions};
use super::network::Network;
use super::problem::Problem;
use crate::curvature::pruning::PruneRule;
use crate::curvature::{Precision, Scope};
use crate::error::{Error, Result};
use crate::snapshot::{self, Input, OpenOptions};

/// Parameters of a network up to which classical Newton takes them all as one block; beyond it a block for each tensor.
pub const FULL_UP_TO: usize = 6_000;

/// What was asked. Numbers and rules stand as they were typed; `null` is the default of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `digits`, `text`, `mnist:DIR`, `npz:FILE`; with `from` none.
    pub data: Option<String>,
    /// `mlp:64-16-10`, `cnn`, `bert:H,L,A,F`, `gpt:H,L,A,F`; with `from` none.
    pub network: Option<String>,
    /// A snapshot or run directory whose graph, batch, loss and weights are taken.
    pub from: Option<PathBuf>,
    /// The graph of `from`, where its folder holds several.
    pub graph: Option<PathBuf>,
    /// A weight file to start from.
    pub start: Option<PathBuf>,
    /// `sgd`, `adam`, `newton`, `q-newton`.
    pub optimizer: String,
    /// Updates.
    pub steps: u64,
    /// Samples of a step.
    pub batch: Option<usize>,
    /// Training samples.
    pub samples: Option<usize>,
    /// Samples held out.
    pub held_out: Option<usize>,
    /// η.
    pub lr: Option<f64>,
    /// μ of sgd.
    pub momentum: Option<f64>,
    /// `hessian`, `ggn`, `empirical-fisher`.
    pub curvature: Option<String>,
    /// `full`, `layers`, `module`.
    pub scope: Option<String>,
    /// `relative:5e-3` and the like.
    pub damping: Option<String>,
    /// Added to max|a_ij| by relative rules.
    pub damping_floor: Option<f64>,
    /// Ratio of the entries of a row that are kept.
    pub keep: Option<f64>,
    /// `none`, a number, `norm:C`.
    pub clip: Option<String>,
    /// Whether steps are shortened until the loss falls.
    pub line_search: Option<bool>,
    /// `f64`, `f32`.
    pub precision: Option<String>,
    /// Steps between snapshots.
    pub snapshot_every: Option<u64>,
    /// Of initial parameters, shuffles and masks.
    pub seed: u64,
}

impl Request {
    /// An optimiser on data with a network, everything else by default.
    pub fn new(data: &str, network: &str, optimizer: &str, steps: u64) -> Self {
        Request {
            data: Some(data.to_owned()),
            network: Some(network.to_owned()),
            from: None,
            graph: None,
            start: None,
            optimizer: optimizer.to_owned(),
            steps,
            batch: None,
            samples: None,
            held_out: None,
            lr: None,
            momentum: None,
            curvature: None,
            scope: None,
            damping: None,
            damping_floor: None,
            keep: None,
            clip: None,
            line_search: None,
            precision: None,
            snapshot_every: None,
            seed: 0,
        }
    }

    /// Reads the data and builds the network.
    ///
    /// # Errors
    /// What was asked does not fit together, or a file cannot be read.
    pub fn problem(&self) -> Result<Problem> {
        if self.graph.is_some() && self.from.is_none() {
            return Err(Error::usage("train::from", "--graph", "goes with --from alone", "leave it out"));
        }
        let mut problem = match (&self.from, &self.data, &self.network) {
            (Some(from), None, None) => self.run(from)?,
            (None, Some(source), Some(network)) => {
                let network = Network::parse(network)?;
                let options =
                    DataOptions { samples: self.samples, held_out: self.held_out, batch: self.batch, seed: self.seed };
                Problem::new(&network, data::open(source, &network, &options)?, self.batch, self.seed)?
            }
            (Some(_), ..) => {
                return Err(Error::usage(
                    "train::from",
                    "--from",
                    "--data and --network do not go with it: the run has its own graph and batch",
                    "leave them out, or take weights alone with --start FILE",
                ));
            }
            (None, data, _) => {
                let missing = if data.is_none() { "--data" } else { "--network" };
                return Err(Error::usage(
                    "train::what",
                    missing,
                    "is needed to know what to train",
                    "for example --data digits --network mlp:64-16-10",
                ));
            }
        };
        if let Some(start) = &self.start {
            problem.start_from(start)?;
        }
        Ok(problem)
    }

    fn run(&self, from: &Path) -> Result<Problem> {
        for (option, given) in [
            ("--batch", self.batch.is_some()),
            ("--samples", self.samples.is_some()),
            ("--held-out", self.held_out.is_some()),
        ] {
            if given {
                let what = "does not go with --from: the run has its own batch";
                return Err(Error::usage("train::from", option, what, "leave it out"));
            }
        }
        let options = OpenOptions { graph: self.graph.clone(), ..OpenOptions::default() };
        match snapshot::open(from, &options)? {
            Input::Run(run) => Problem::of_run(*run),
            Input::Matrix(_) => {
                let remedy = "give a run directory or a snapshot in one";
                Err(Error::usage("train::from", from.display(), "is a matrix, not a network", remedy))
            }
        }
    }

    /// The settings of a training of `parameters` parameters.
    ///
    /// # Errors
    /// Usage errors that name the option.
    pub fn config(&self, parameters: usize, max_memory: Option<u64>) -> Result<Config> {
        let config = Config {
            optimizer: self.rule(parameters)?,
            steps: self.steps,
            seed: self.seed,
            precision: match self.precision.as_deref() {
                None | Some("f64") => Precision::F64,
                Some("f32") => Precision::F32,
                Some(other) => return Err(unknown("--precision", other, "f64 or f32")),
            },
            snapshot_every: self.snapshot_every.unwrap_or((self.steps / 10).max(1)),
            max_memory,
        };
        config.check()?;
        Ok(config)
    }

    fn rule(&self, parameters: usize) -> Result<Optimizer> {
        let first_order = |lr: f64| -> Result<f64> {
            for (option, given) in [
                ("--curvature", self.curvature.is_some()),
                ("--scope", self.scope.is_some()),
                ("--damping", self.damping.is_some()),
                ("--damping-floor", self.damping_floor.is_some()),
                ("--keep", self.keep.is_some()),
                ("--clip", self.clip.is_some()),
                ("--line-search", self.line_search.is_some()),
            ] {
                if given {
                    let what = format!("{} solves no system", self.optimizer);
                    return Err(Error::usage("train::option", option, what, "use newton or q-newton, or leave it out"));
                }
            }
            Ok(self.lr.unwrap_or(lr))
        };
        if self.momentum.is_some() && self.optimizer != "sgd" {
            let what = format!("{} takes no momentum", self.optimizer);
            return Err(Error::usage("train::option", "--momentum", what, "use sgd, or leave it out"));
        }
        Ok(match self.optimizer.as_str() {
            "sgd" => Optimizer::Sgd { lr: first_order(0.1)?, momentum: self.momentum.unwrap_or(0.0) },
            "adam" => Optimizer::adam(first_order(1e-3)?),
            "newton" => {
                let scope = if parameters <= FULL_UP_TO { Scope::Full } else { Scope::Layers };
                Optimizer::Newton(self.newton(NewtonRule { scope, ..NewtonRule::newton() })?)
            }
            "q-newton" => Optimizer::Newton(self.newton(NewtonRule::q_newton())?),
            other => return Err(unknown("--optimizer", other, "sgd, adam, newton or q-newton")),
        })
    }

    fn newton(&self, defaults: NewtonRule) -> Result<NewtonRule> {
        Ok(NewtonRule {
            lr: self.lr.unwrap_or(defaults.lr),
            curvature: match self.curvature.as_deref() {
                None => defaults.curvature,
                Some("hessian") => CurvatureKind::Hessian,
                Some("ggn") => CurvatureKind::GaussNewton,
                Some("empirical-fisher") => CurvatureKind::EmpiricalFisher,
                Some(other) => return Err(unknown("--curvature", other, "hessian, ggn or empirical-fisher")),
            },
            scope: match self.scope.as_deref() {
                None => defaults.scope,
                Some("full") => Scope::Full,
                Some("layers") => Scope::Layers,
                Some("module") => Scope::Module,
                Some(other) => return Err(unknown("--scope", other, "full, layers or module")),
            },
            damping: self.damping.as_deref().map_or(Ok(defaults.damping), str::parse)?,
            damping_floor: self.damping_floor.unwrap_or(defaults.damping_floor),
            prune: match self.keep {
                None | Some(1.0) => PruneRule::None,
                Some(r) => PruneRule::Ratio(r),
            },
            clip: self.clip.as_deref().map_or(Ok(Clip::None), str::parse)?,
            // a length that was asked for is taken as it is
            line_search: self.line_search.unwrap_or(self.lr.is_none()),
            ..defaults
        })
    }
}

fn unknown(option: &str, value: &str, choices: &str) -> Error {
    Error::usage("train::option", format!("{option} {value}"), "unknown", format!("use {choices}"))
}
