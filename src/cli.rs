//! The command line: what was typed, made into a plan, run.
//!
//! [`args`] holds what the user typed (no input or output happens there), [`context`] what every command
//! needs to run (opened before any long work), [`output`] the writers behind `--format` and `--export`.
//! One file per subcommand has its arguments and a `run` function.

pub mod analyze;
pub mod args;
mod bars;
pub mod calibrate;
pub mod check;
pub mod completions;
pub mod config;
pub mod context;
pub mod cost;
pub mod crossover;
pub mod diff;
pub mod explain;
pub mod inspect;
pub mod man;
pub mod measure;
pub mod models;
pub mod output;
pub mod plot;
pub mod progress;
pub mod reproduce;
pub mod schedule;
pub mod schema;
pub mod simulate;
pub mod table;
pub mod train;
pub mod values;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};

use crate::error::{Class, Error, Result};
use crate::parallel::ranks::Ranks;
use args::{Cli, Command};
use context::Context;

/// How a command ended, when nothing went wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// The work is done (exit 0).
    Success,
    /// A regression was found or a gate failed (exit 1).
    Gate,
    /// A point was out of a model's domain under `--strict` (exit 2).
    OutOfDomain,
    /// A numerical certificate or a simulation check failed (exit 5).
    CheckFailed,
}

impl ExitStatus {
    /// The exit code of the contract.
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Gate => 1,
            ExitStatus::OutOfDomain => 2,
            ExitStatus::CheckFailed => 5,
        }
    }
}

/// The whole program: parses the command line, runs it, prints an error once on stderr. Of several ranks the first does
/// that, the others answer what it asks and say nothing.
pub fn main() -> ExitCode {
    let ranks = match Ranks::start() {
        Ok(ranks) => Arc::new(ranks),
        Err(e) => {
            context::print_error(&e, false);
            return ExitCode::from(e.class.exit_code());
        }
    };
    if ranks.rank() > 0 {
        return match crate::curvature::serve(&ranks) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                // rank 0 would wait for an answer
                context::print_error(&e, false);
                ranks.abort(e.class.exit_code());
                ExitCode::from(e.class.exit_code())
            }
        };
    }
    let code = first(&ranks);
    ranks.stop();
    code
}

/// What the first rank does.
fn first(ranks: &Arc<Ranks>) -> ExitCode {
    context::exit_130_on_interrupt();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // clap prints help and version to stdout (0) and usage errors to stderr (2); a closed pipe is no error.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    let color = cli.globals.color_on_stderr();
    match run(cli, ranks.clone()) {
        Ok(status) => ExitCode::from(status.code()),
        Err(e) if e.code == output::BROKEN_PIPE => ExitCode::SUCCESS,
        Err(e) => {
            context::print_error(&e, color);
            ExitCode::from(e.class.exit_code())
        }
    }
}

/// Runs one parsed command line.
///
/// # Errors
/// Whatever the command meets; the class of the error is the exit code.
pub fn run(cli: Cli, ranks: Arc<Ranks>) -> Result<ExitStatus> {
    let Cli { globals, command } = cli;
    let (globals, file) = config::load(globals)?;
    let io = Context::new(&globals, ranks)?;
    match command {
        Command::Analyze(args) => analyze::run(args.with_defaults(&file)?, &io),
        Command::Inspect(args) => inspect::run(args, &io),
        Command::Measure(args) => measure::run(args.with_defaults(&file)?, &io),
        Command::Cost(args) => cost::run(args, &io),
        Command::Crossover(args) => crossover::run(args, &io),
        Command::Models(args) => models::run(args, &io),
        Command::Explain(args) => explain::run(args, &io),
        Command::Plot(args) => plot::run(args, &io),
        Command::Simulate(args) => simulate::run(args.with_defaults(&file)?, &io),
        Command::Train(args) => train::run(args, &io),
        Command::Reproduce(args) => reproduce::run(args, &io),
        Command::Schedule(args) => schedule::run(args.with_defaults(&file)?, &io),
        Command::Table(args) => table::run(table::TableArgs { source: args.source.with_defaults(&file)? }, &io),
        Command::Check(args) => check::run(args.with_defaults(&file)?, &io),
        Command::Diff(args) => diff::run(args, &io),
        Command::Schema(args) => schema::run(args, &io),
        Command::Completions(args) => completions::run(args, &io),
        Command::Man(args) => man::run(args, &io),
    }
}

/// The clap description of the whole command line, for completions and man pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// An error for an option that a command cannot honour.
pub fn unfit_option(option: &str, what: &str, remedy: &str) -> Error {
    Error::new(Class::Usage, "cli::option", option, what, remedy)
}
