//! `breakeven analyze`: the main job, from snapshot to report.

mod summary;

use std::path::PathBuf;

use clap::Args;

use super::ExitStatus;
use super::args::measuring::MeasuringArgs;
use super::args::{Format, HELP};
use super::config::File;
use super::context::Context;
use super::output::{Output, Table};
use super::progress::Reporter;
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::pipeline::memory::bytes;
use crate::pipeline::opened::default_report_folder;
use crate::pipeline::plan::Simulate;
use crate::pipeline::survey::survey;
use crate::pipeline::{self, Plan};
use crate::report::document::{Case, Report};
use crate::report::{self, store};

const EXAMPLES: &str = "\
Examples:
  breakeven analyze                                       the embedded sample
  breakeven analyze RUN/ --dry-run                        what would be done, at what cost
  breakeven analyze RUN/ --snapshots 'adam_*' --scope layers
  breakeven analyze RUN/sgd_0005.safetensors --curvature ggn --damping relative:1e-2
  breakeven analyze H.mtx --rhs g.npy --hardware attosecond
";

/// Arguments of `analyze`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = EXAMPLES)]
pub struct AnalyzeArgs {
    /// What is measured.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// Folder of the report (default: reports/NAME).
    #[arg(long, value_name = "DIR", help_heading = "Report")]
    pub out: Option<PathBuf>,
    /// Only say what would be done: cases, N, memory, expected time.
    #[arg(long, help_heading = "Report")]
    pub dry_run: bool,
    /// Hardware ids, or this-machine (default: a superconducting and an ion-trap preset, the attosecond hypothesis, an A100-class GPU).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub hardware: Vec<String>,
    /// Scenario ids (default: all).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub scenario: Vec<String>,
    /// Which cases to simulate: auto, none or all (default: auto).
    #[arg(long, value_name = "WHICH", help_heading = "Simulation")]
    pub simulate: Option<Simulate>,
    /// Widen the machines' gate times by this factor to find the cases worth simulating (default: 10).
    #[arg(long, value_name = "FACTOR", help_heading = "Simulation")]
    pub simulate_band: Option<f64>,
    /// Time for the simulations of one case, about (default: 0.5 s; no limit with --simulate all).
    #[arg(long, value_name = "SECONDS", help_heading = "Simulation", allow_negative_numbers = true)]
    pub simulate_seconds: Option<f64>,
}

impl AnalyzeArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        self.out = self.out.or_else(|| file.out.clone());
        if self.hardware.is_empty() {
            self.hardware = file.hardware.clone().unwrap_or_default();
        }
        if self.scenario.is_empty() {
            self.scenario = file.scenario.clone().unwrap_or_default();
        }
        if let (None, Some(text)) = (self.simulate, &file.simulate) {
            let bad = |e: String| Error::usage("cli::config", "simulate in the configuration file", e, "");
            self.simulate = Some(text.parse().map_err(bad)?);
        }
        self.simulate_band = self.simulate_band.or(file.simulate_band);
        if let Some(band) = self.simulate_band
            && !(band.is_finite() && band >= 1.0)
        {
            return Err(Error::usage(
                "cli::option",
                "--simulate-band",
                format!("{band} is not a factor of 1 or more"),
                "",
            ));
        }
        self.simulate_seconds = self.simulate_seconds.or(file.simulate_seconds);
        if let Some(seconds) = self.simulate_seconds
            && !(seconds.is_finite() && seconds > 0.0)
        {
            return Err(Error::usage(
                "cli::option",
                "--simulate-seconds",
                format!("{seconds} is not a positive number of seconds"),
                "",
            ));
        }
        Ok(self)
    }
}

/// Analyses and writes the report.
///
/// # Errors
/// Whatever a stage meets.
pub fn run(args: AnalyzeArgs, io: &Context) -> Result<ExitStatus> {
    let mut plan = args.measuring.plan(io);
    plan.hardware = args.hardware;
    plan.scenarios = args.scenario;
    plan.simulate = args.simulate.unwrap_or_default();
    plan.simulate_band = args.simulate_band.unwrap_or(plan.simulate_band);
    plan.simulate_seconds = args.simulate_seconds;
    let threads = io.threads()?;
    if args.dry_run {
        return dry_run(&plan, &threads, io);
    }
    let out = args.out.unwrap_or_else(|| default_report_folder(&plan));
    // Before the long run: a folder that cannot take the report is found now.
    store::preflight(&out)?;
    let reporter = Reporter::new(io.quiet);
    let report = pipeline::analyze(&plan, &threads, &reporter)?;
    reporter.finish();
    let options = report::Options { png: true, threads: Some(&threads) };
    report::write(&report, &out, options)?;
    for note in &report.notes {
        io.note(format_args!("note: {note}"));
    }
    let json = serde_json::to_value(&report).unwrap_or_default();
    io.emit(&Output::table(json, summary::table(&report)).with_form(Format::Text, summary::text(&report, &out)))?;
    let failed: Vec<String> = failed_checks(&report);
    if failed.is_empty() {
        return Ok(ExitStatus::Success);
    }
    io.note(format_args!("simulation missed the tolerance for {}; see the report", failed.join(", ")));
    Ok(ExitStatus::CheckFailed)
}

/// `model on case` of every simulated claim that did not hold.
fn failed_checks(report: &Report) -> Vec<String> {
    let of = |c: &Case| -> Vec<String> {
        c.simulation.iter().filter(|s| !s.passed).map(|s| format!("{} on {}", s.model, c.measurement.id)).collect()
    };
    report.cases.iter().flat_map(of).collect()
}

/// What the simulator would do, in words: which cases are relevant is known only after measuring.
fn simulation_plan(plan: &Plan) -> String {
    let seconds = plan.simulation_seconds();
    let time = if seconds.is_finite() { format!("at most about {seconds} s each") } else { "no limit".to_string() };
    match plan.simulate {
        Simulate::None => "none".into(),
        Simulate::Auto => format!(
            "the cases whose break-even gate time lies within a factor {} of the machines, nearest first, {time}",
            plan.simulate_band
        ),
        Simulate::All => format!("every case with a regular matrix, {time}"),
    }
}

fn dry_run(plan: &Plan, threads: &Threads, io: &Context) -> Result<ExitStatus> {
    let survey = survey(plan, threads)?;
    let mut table = Table::new(&["case", "n", "assembly_bytes", "measurement_bytes", "seconds"]);
    let mut shown = Table::new(&["case", "N", "memory", "time [s]"]);
    for c in &survey.cases {
        table.push(vec![
            c.id.clone().into(),
            c.n.into(),
            c.assembly_bytes.into(),
            c.measurement_bytes.into(),
            c.seconds.into(),
        ]);
        let peak = c.assembly_bytes.max(c.measurement_bytes);
        shown.push(vec![c.id.clone().into(), c.n.into(), bytes(peak).into(), format!("{:.2}", c.seconds).into()]);
    }
    let limit = survey.limit_bytes.map_or("no limit known".to_string(), |l| format!("{} may be used", bytes(l as f64)));
    let cases = survey.cases.len();
    let text = format!(
        "{}\n{cases} case{}, at most {} at once ({limit}), about {:.1} s\nsimulation: {}\nnothing was measured (--dry-run)\n",
        shown.aligned(),
        if cases == 1 { "" } else { "s" },
        bytes(survey.peak_bytes),
        survey.seconds,
        simulation_plan(plan),
    );
    let json = serde_json::to_value(&survey).unwrap_or_default();
    io.emit(&Output::table(json, table).with_form(Format::Text, text))?;
    Ok(ExitStatus::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationRow;

    #[test]
    fn a_claim_that_failed_is_named() {
        let row = |model: &str, passed| SimulationRow { model: model.into(), passed, ..SimulationRow::default() };
        let mut case = Case { simulation: vec![row("qsvt", true), row("hhl", false)], ..Case::default() };
        case.measurement.id = "one".into();
        let report = Report { cases: vec![Case::default(), case], ..Report::default() };
        assert_eq!(failed_checks(&report), ["hhl on one"]);
    }
}
