//! `breakeven schedule`: the Q-Newton scheduler over the snapshots of a training run.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use super::ExitStatus;
use super::args::measuring::MeasuringArgs;
use super::args::values::{Assignment, last_wins};
use super::args::{Format, HELP};
use super::config::File;
use super::context::Context;
use super::output::{Cell, Output, Table, short_number};
use super::progress::Reporter;
use crate::cost::Scenario;
use crate::error::{Class, Error, Result};
use crate::pipeline::schedule_report::{choice, dossier, sentence};
use crate::pipeline::scheduling::{Asked, schedule};
use crate::report::{self, store};
use crate::schedule::{Estimator, Schedule};

/// Arguments of `schedule`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven schedule RUN/ --set gate_time=1e-9 --hardware a100
  breakeven schedule RUN/ --snapshots 'q_newton_*' --set gate_time=1e-15 --scenario oracle --out reports/schedule
  breakeven schedule RUN/ --set gate_time=1e-12 --estimator published --format json
  breakeven schedule RUN/ --curvature empirical-fisher --set gate_time=1e-12 --classical best
")]
pub struct ScheduleArgs {
    /// What is measured; blocks are parameter tensors unless --scope says otherwise.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// gate_time in seconds, or any other variable of the models, instead of its measured value; a later one of a name wins.
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Prices")]
    pub set: Vec<Assignment>,
    /// Classical machine, and a quantum one for its gate time, or this-machine (default: a100; gate time of the superconducting preset).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub hardware: Vec<String>,
    /// paper or oracle (default: paper).
    #[arg(long, value_name = "ID", help_heading = "Prices")]
    pub scenario: Option<String>,
    /// Quantum model, or best (default: q-newton in paper, dalzell2024 in oracle).
    #[arg(long, value_name = "MODEL", help_heading = "Prices")]
    pub quantum: Option<String>,
    /// Classical model, MODEL:run for what a real run took, or best (default: inverse in paper, best in oracle).
    #[arg(long, value_name = "MODEL", help_heading = "Prices")]
    pub classical: Option<String>,
    /// How κ is found before a solve: auto, published, merikoski, lanczos:K, factored, inertia, eigen or given (default: auto).
    #[arg(long, value_name = "RULE", help_heading = "Prices")]
    pub estimator: Option<String>,
    /// Also write a report with the figures into this folder.
    #[arg(long, value_name = "DIR", help_heading = "Report")]
    pub out: Option<PathBuf>,
}

impl ScheduleArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        if self.hardware.is_empty() {
            self.hardware = file.hardware.clone().unwrap_or_default();
        }
        if let (None, Some([one])) = (&self.scenario, file.scenario.as_deref()) {
            self.scenario = Some(one.clone());
        }
        self.out = self.out.or_else(|| file.out.clone());
        Ok(self)
    }
}

/// Schedules and prints.
///
/// # Errors
/// Whatever a stage meets.
pub fn run(args: ScheduleArgs, io: &Context) -> Result<ExitStatus> {
    let asked = Asked {
        set: last_wins(&args.set),
        hardware: args.hardware,
        scenario: args.scenario.as_deref().map_or(Ok(Scenario::Paper), Scenario::from_id)?,
        quantum: args.quantum,
        classical: args.classical,
        estimator: args.estimator.as_deref().map_or(Ok(Estimator::Auto), str::parse)?,
    };
    if let Some(out) = &args.out {
        store::preflight(out)?;
    }
    let plan = args.measuring.plan(io);
    let threads = io.threads()?;
    let reporter = Reporter::new(io.quiet);
    let found = schedule(&plan, &asked, &threads, &reporter)?;
    reporter.finish();
    for note in &found.schedule.notes {
        io.note(format_args!("note: {note}"));
    }
    if let Some(out) = &args.out {
        let options = report::Options { png: true, threads: Some(&threads) };
        report::dossier::write(&dossier(&found, plan.seed, threads.count()), out, options)?;
        io.note(format_args!("{}", out.join("report.html").display()));
    }
    let s = &found.schedule;
    let json = serde_json::to_value(s).map_err(|e| Error::new(Class::Io, "cli::json", "the schedule", e, ""))?;
    io.emit(
        &Output::table(json, solves(s))
            .with_form(Format::Text, text(s))
            .with_form(Format::Markdown, format!("{}\n{}", policies(s).markdown(), solves(s).markdown())),
    )?;
    Ok(ExitStatus::Success)
}

fn policies(s: &Schedule) -> Table {
    let mut table = Table::new(&["policy", "seconds", "overhead_seconds", "updates", "final_loss"]);
    for p in &s.policies {
        table.push(vec![
            p.id.clone().into(),
            p.seconds.into(),
            p.overhead_seconds.into(),
            p.steps.map_or(Cell::Empty, |s| (s as f64).into()),
            p.final_loss.into(),
        ]);
    }
    table
}

fn solves(s: &Schedule) -> Table {
    let mut table = Table::new(&[
        "step",
        "snapshot",
        "block",
        "n",
        "kappa",
        "kappa_estimate",
        "d",
        "eps",
        "quantum",
        "quantum_seconds",
        "classical",
        "classical_seconds",
        "choice",
        "break_even_gate_time",
        "why",
    ]);
    for (d, b) in s.solves.iter().zip(&s.break_even) {
        table.push(vec![
            d.label.step.map_or(Cell::Empty, |s| (s as f64).into()),
            d.label.snapshot.clone().into(),
            d.label.block.clone().into(),
            d.n.into(),
            d.kappa.into(),
            d.kappa_estimate.into(),
            d.d.into(),
            d.eps.into(),
            d.quantum.clone().into(),
            d.quantum_seconds.into(),
            d.classical.clone().into(),
            d.classical_seconds.into(),
            choice(d).into(),
            b.at.into(),
            d.why.clone().into(),
        ]);
    }
    table
}

fn text(s: &Schedule) -> String {
    let mut out = format!("{}\n\n{}\n", sentence(s), policies(s).aligned());
    for p in s.policies.iter().filter(|p| p.seconds.is_none()) {
        let _ = writeln!(out, "{} has no time: {}", p.id, p.why);
    }
    let _ = writeln!(out, "\nThe schedule saves so much of the classical time ({}) at gate times of", s.classical);
    for row in &s.savings {
        let paid = if row.with_overhead { "deciding paid for" } else { "the solves alone" };
        let at = match (row.gate_time, row.low, row.high) {
            (Some(t), Some(low), Some(high)) => {
                let proof = if row.certified { "certified" } else { "not proven" };
                format!("{} s ({proof}, [{low:.12e}, {high:.12e}])", short_number(t))
            }
            _ => row.why.clone(),
        };
        let _ = writeln!(out, "  {:>2.0} %, {paid}: {at}", 100.0 * row.saving);
    }
    let mut short =
        Table::new(&["step", "block", "n", "kappa", "d", "quantum [s]", "classical [s]", "choice", "even at [s]"]);
    const MOST: usize = 60;
    for (d, b) in s.solves.iter().zip(&s.break_even).take(MOST) {
        short.push(vec![
            if d.label.snapshot.is_empty() {
                d.label.step.map_or(Cell::Empty, |s| (s as f64).into())
            } else {
                d.label.snapshot.clone().into()
            },
            d.label.block.clone().into(),
            d.n.into(),
            d.kappa.into(),
            d.d.into(),
            d.quantum_seconds.into(),
            d.classical_seconds.into(),
            choice(d).into(),
            b.at.into(),
        ]);
    }
    let _ = write!(out, "\n{}", short.aligned());
    if s.solves.len() > MOST {
        let _ = writeln!(out, "… and {} more, see --format csv", s.solves.len() - MOST);
    }
    out
}
