//! `breakeven measure`: measurements only.

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::args::measuring::MeasuringArgs;
use super::args::{Format, HELP};
use super::bars;
use super::config::File;
use super::context::Context;
use super::output::{Output, Table};
use super::progress::Reporter;
use crate::error::Result;
use crate::measurement::Measurement;
use crate::pipeline;
use crate::pipeline::schemas::Measurements;
use crate::report::document::SCHEMA_VERSION;

/// Arguments of `measure`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven measure RUN/ --format json
  breakeven measure RUN/ --scope layers --damping none --export measurements.csv
  breakeven measure H.npy
")]
pub struct MeasureArgs {
    /// What is measured.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
}

impl MeasureArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        Ok(self)
    }
}

/// Prints the measurements.
///
/// # Errors
/// Whatever reading or measuring meets.
pub fn run(args: MeasureArgs, io: &Context) -> Result<ExitStatus> {
    let plan = args.measuring.plan(io);
    let threads = io.threads()?;
    let reporter = Reporter::new(io.quiet);
    let measured = pipeline::measure_all(&plan, &threads, &reporter)?;
    reporter.finish();
    for note in &measured.notes {
        io.note(format_args!("note: {note}"));
    }
    let mut rows = table(&measured.cases);
    let cases: Vec<&Measurement> = measured.cases.iter().collect();
    let text = format!("{}{}", rows.aligned(), bars::text(&cases, None));
    bars::add_columns(&mut rows, &cases);
    let document = Measurements { schema_version: Some(SCHEMA_VERSION.into()), cases: measured.cases };
    io.emit(&Output::table(json!(document), rows).with_form(Format::Text, text))?;
    Ok(ExitStatus::Success)
}

/// One row per case.
pub fn table(cases: &[Measurement]) -> Table {
    let mut table = Table::new(&[
        "case",
        "n",
        "loss",
        "gradient_norm",
        "lambda",
        "kappa",
        "kappa_low",
        "kappa_high",
        "sigma_max",
        "sigma_min",
        "rank",
        "positive",
        "negative",
        "zero",
        "d",
        "alpha",
        "eps",
        "eps_low",
        "eps_high",
        "x_norm",
    ]);
    for m in cases {
        table.push(vec![
            m.id.clone().into(),
            m.n.into(),
            m.loss.into(),
            m.gradient_norm.into(),
            m.damping.lambda.into(),
            m.kappa.value.into(),
            m.kappa.low.into(),
            m.kappa.high.into(),
            m.sigma_max.value.into(),
            m.sigma_min.value.into(),
            m.rank.into(),
            m.inertia.positive.into(),
            m.inertia.negative.into(),
            m.inertia.zero.into(),
            m.row_sparsity.value.into(),
            m.subnormalization.relative.into(),
            m.tolerance.value.into(),
            m.tolerance.low.into(),
            m.tolerance.high.into(),
            m.x_norm.into(),
        ]);
    }
    table
}
