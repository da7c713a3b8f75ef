//! `breakeven train`: small networks trained into run directories.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::args::HELP;
use super::args::values::parse_number;
use super::context::Context;
use super::output::{Cell, Output, Table};
use super::progress::Reporter;
use crate::error::{Error, Result};
use crate::pipeline::training::{Task, train};
use crate::train::{Request, StepEvent, Summary, Unobserved, run};

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven train --data digits --network mlp:64-16-10 --optimizer q-newton --steps 30 --out runs/digits
  breakeven train --data mnist:MNIST/ --network mlp:784-16-16-10 --optimizer sgd --lr 0.1 --batch 2048 --steps 500 --out runs/mnist
  breakeven train --data text --network gpt:32,2,4,64 --optimizer adam --lr 3e-3 --batch 128 --steps 300 --out runs/gpt
  breakeven train --from runs/digits/q-newton_0030.safetensors --optimizer newton --damping saddle-free:5e-3 --steps 5 --out runs/more
  breakeven train --out runs/gpt --resume
  breakeven analyze runs/digits
")]
pub struct TrainArgs {
    /// digits, text[:masked|:causal], mnist:DIR (IDX files) or npz:FILE (arrays x and y).
    #[arg(long, value_name = "DATA", help_heading = "What to train")]
    pub data: Option<String>,
    /// mlp:64-16-10[:relu|tanh|gelu], cnn, bert:H,L,A,F or gpt:H,L,A,F (hidden, layers, heads, feed-forward).
    #[arg(long, value_name = "NETWORK", help_heading = "What to train")]
    pub network: Option<String>,
    /// Graph, batch, loss and weights of a snapshot, or of the first one of a run directory.
    #[arg(long, value_name = "SNAPSHOT", help_heading = "What to train")]
    pub from: Option<PathBuf>,
    /// The graph of --from, where its folder holds several.
    #[arg(long, value_name = "FILE", help_heading = "What to train")]
    pub graph: Option<PathBuf>,
    /// Weights to start from, instead of the seed's.
    #[arg(long, value_name = "FILE", help_heading = "What to train")]
    pub start: Option<PathBuf>,
    /// Samples of a step (default: all training samples).
    #[arg(long, value_name = "B", help_heading = "What to train")]
    pub batch: Option<usize>,
    /// Training samples (default: all that are not held out).
    #[arg(long, value_name = "N", help_heading = "What to train")]
    pub samples: Option<usize>,
    /// Samples held out (default: a tenth; MNIST: its test files; npz: none).
    #[arg(long, value_name = "N", help_heading = "What to train")]
    pub held_out: Option<usize>,
    /// sgd, adam, newton (one block of all parameters) or q-newton (one for each tensor).
    #[arg(long, value_name = "NAME", required_unless_present = "resume", help_heading = "How")]
    pub optimizer: Option<String>,
    /// Updates (default: 100).
    #[arg(long, value_name = "K", help_heading = "How")]
    pub steps: Option<u64>,
    /// Length of a step (default: sgd 0.1, adam 1e-3; newton and q-newton search from 1 downwards).
    #[arg(long, value_name = "X", value_parser = parse_number, allow_negative_numbers = true, help_heading = "How")]
    pub lr: Option<f64>,
    /// Momentum of sgd (default: 0).
    #[arg(long, value_name = "M", value_parser = parse_number, allow_negative_numbers = true, help_heading = "How")]
    pub momentum: Option<f64>,
    /// f64 or f32 (default: f64).
    #[arg(long, value_name = "P", help_heading = "How")]
    pub precision: Option<String>,
    /// hessian, ggn or empirical-fisher (default: hessian).
    #[arg(long, value_name = "KIND", help_heading = "Newton's systems")]
    pub curvature: Option<String>,
    /// full, layers (a block for each tensor) or module (weight and bias together).
    #[arg(long, value_name = "SCOPE", help_heading = "Newton's systems")]
    pub scope: Option<String>,
    /// none, a number, relative:5e-3 (default), saddle-free:5e-3 or levenberg-marquardt[:1e-3].
    #[arg(long, value_name = "RULE", allow_negative_numbers = true, help_heading = "Newton's systems")]
    pub damping: Option<String>,
    /// Relative rules take λ = F·(max|a_ij| + X) (default: 1e-6, as Q-Newton's code).
    #[arg(long, value_name = "X", value_parser = parse_number, allow_negative_numbers = true, help_heading = "Newton's systems")]
    pub damping_floor: Option<f64>,
    /// Fraction of the entries of a row that pruning keeps, symmetrically (default: 1).
    #[arg(long, value_name = "R", value_parser = parse_number, allow_negative_numbers = true, help_heading = "Newton's systems")]
    pub keep: Option<f64>,
    /// Bound on the elements of the direction, or norm:C (default: none).
    #[arg(long, value_name = "C", allow_negative_numbers = true, help_heading = "Newton's systems")]
    pub clip: Option<String>,
    /// none or armijo (default: armijo unless --lr is given).
    #[arg(long, value_name = "RULE", value_parser = ["none", "armijo"], help_heading = "Newton's systems")]
    pub line_search: Option<String>,
    /// Steps between snapshots (default: a tenth of the run).
    #[arg(long, value_name = "S", help_heading = "The run")]
    pub snapshot_every: Option<u64>,
    /// The run directory.
    #[arg(long, value_name = "RUN", help_heading = "The run")]
    pub out: PathBuf,
    /// Go on with the run in --out; its options need not be typed again.
    #[arg(long, help_heading = "The run")]
    pub resume: bool,
}

impl TrainArgs {
    fn request(&self, seed: u64) -> Request {
        Request {
            data: self.data.clone(),
            network: self.network.clone(),
            from: self.from.clone(),
            graph: self.graph.clone(),
            start: self.start.clone(),
            optimizer: self.optimizer.clone().unwrap_or_default(),
            steps: self.steps.unwrap_or(100),
            batch: self.batch,
            samples: self.samples,
            held_out: self.held_out,
            lr: self.lr,
            momentum: self.momentum,
            curvature: self.curvature.clone(),
            scope: self.scope.clone(),
            damping: self.damping.clone(),
            damping_floor: self.damping_floor,
            keep: self.keep,
            clip: self.clip.clone(),
            line_search: self.line_search.as_deref().map(|rule| rule == "armijo"),
            precision: self.precision.clone(),
            snapshot_every: self.snapshot_every,
            seed,
        }
    }

    /// Refuses options that contradict those of the run that is resumed; those left out, and a new end, are no matter.
    fn agrees(&self, seed: u64) -> Result<()> {
        let stored = run::requested(&self.out, self.optimizer.as_deref())?;
        let mut typed = json!(self.request(seed));
        let mut known = json!(stored);
        let (Some(typed), Some(known)) = (typed.as_object_mut(), known.as_object_mut()) else { return Ok(()) };
        for (key, value) in typed.iter().filter(|(key, _)| !matches!(key.as_str(), "steps" | "optimizer")) {
            let unsaid = value.is_null() || (key == "seed" && seed == 0);
            let before = known.get(key).unwrap_or(&serde_json::Value::Null);
            if !unsaid && value != before {
                return Err(Error::usage(
                    "train::resume",
                    format!("--{}", key.replace('_', "-")),
                    format!("the run was begun with {before}, not {value}"),
                    "leave the option out, or begin a new run in another --out",
                ));
            }
        }
        Ok(())
    }
}

/// Trains, and prints how it went.
///
/// # Errors
/// What was asked does not fit; the training diverges; a block is singular; a file cannot be read or written.
pub fn run(args: TrainArgs, io: &Context) -> Result<ExitStatus> {
    let request = args.request(io.seed);
    let task = if args.resume {
        args.agrees(io.seed)?;
        Task::Resume { out: &args.out, optimizer: args.optimizer.as_deref(), steps: args.steps }
    } else {
        Task::Begin { request: &request, out: &args.out }
    };
    let threads = io.threads()?;
    let reporter = Reporter::new(io.quiet);
    let summary = train(&task, io.max_memory, &threads, &reporter, &mut Unobserved)?;
    reporter.finish();
    let rows = table(&summary.trail);
    let text = format!("{}\n{}", rows.aligned(), words(&summary));
    io.emit(&Output { json: json!(summary), table: Some(rows), text, ..Output::default() })?;
    Ok(ExitStatus::Success)
}

/// One row for each snapshot.
fn table(trail: &[StepEvent]) -> Table {
    let mut table =
        Table::new(&["step", "loss", "accuracy", "gradient_norm", "held_out_loss", "held_out_accuracy", "step_length"]);
    for event in trail {
        table.push(vec![
            (event.step as usize).into(),
            event.loss.into(),
            event.accuracy.into(),
            event.gradient_norm.into(),
            event.held_out.map(|s| s.loss).into(),
            event.held_out.and_then(|s| s.accuracy).into(),
            event.step_length.map_or(Cell::Empty, Cell::Number),
        ]);
    }
    table
}

/// For reading.
fn words(summary: &Summary) -> String {
    let mut text = format!(
        "{} on {} parameters, {} samples a step: {} steps, loss {:.6} → {:.6}",
        summary.optimizer, summary.n, summary.batch, summary.steps, summary.start_loss, summary.loss
    );
    if let Some(accuracy) = summary.accuracy {
        text.push_str(&format!(", accuracy {:.2} %", 100.0 * accuracy));
    }
    if let Some(held_out) = summary.held_out {
        text.push_str(&format!("; held out: loss {:.6}", held_out.loss));
        if let Some(accuracy) = held_out.accuracy {
            text.push_str(&format!(", accuracy {:.2} %", 100.0 * accuracy));
        }
    }
    let from = summary.resumed_from.map_or(String::new(), |step| format!(" (resumed from step {step})"));
    text.push_str(&format!(
        "\n{} snapshots in {} after {:.1} s{from}\nnext: breakeven analyze {}\n",
        summary.snapshots.len(),
        summary.out.display(),
        summary.seconds,
        summary.out.display()
    ));
    text
}
