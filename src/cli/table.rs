//! `breakeven table`: the modelled costs of snapshots, measurements or sweeps as one stable table.

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::args::HELP;
use super::args::measuring::MeasuringArgs;
use super::config::File;
use super::context::Context;
use super::output::{Output, Table};
use super::progress::Reporter;
use crate::error::{Class, Error, Result};
use crate::pipeline;
use crate::pipeline::plan::Plan;
use crate::regress::table::CostTable;
use crate::regress::{bencher, github};

/// What a cost table is made of.
#[derive(Debug, Args)]
pub struct TableSource {
    /// What is measured; also .json (stored measurements), .toml (sweeps) and the word `examples` (worked examples of
    /// every model).
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// Hardware ids (default: those of analyze).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub hardware: Vec<String>,
    /// Scenario ids (default: all).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub scenario: Vec<String>,
}

impl TableSource {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        if self.hardware.is_empty() {
            self.hardware = file.hardware.clone().unwrap_or_default();
        }
        if self.scenario.is_empty() {
            self.scenario = file.scenario.clone().unwrap_or_default();
        }
        Ok(self)
    }

    /// The plan of the table.
    pub fn plan(self, io: &Context) -> Plan {
        Plan { hardware: self.hardware, scenarios: self.scenario, ..self.measuring.plan(io) }
    }
}

/// Arguments of `table`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven table RUN/ --export costs.json
  breakeven table measurements.json --scenario oracle --format csv
  breakeven table sweep.toml examples --format json
")]
pub struct TableArgs {
    /// Where the rows come from.
    #[command(flatten)]
    pub source: TableSource,
}

/// Prints the table.
///
/// # Errors
/// Whatever reading, measuring or pricing meets.
pub fn run(args: TableArgs, io: &Context) -> Result<ExitStatus> {
    let reporter = Reporter::new(io.quiet);
    let table = pipeline::cost_table(&args.source.plan(io), &reporter)?;
    reporter.finish();
    io.emit(&output(&table)?)?;
    Ok(ExitStatus::Success)
}

/// A cost table in every form.
pub(super) fn output(table: &CostTable) -> Result<Output> {
    let mut rows = Table::new(&["key", "model", "scenario", "hardware", "quantity", "unit", "value", "low", "high"]);
    for row in &table.rows {
        rows.push(vec![
            row.key.clone().into(),
            row.model.clone().into(),
            row.scenario.clone().into(),
            row.hardware.clone().unwrap_or_default().into(),
            row.quantity.clone().into(),
            row.unit.clone().into(),
            row.value.into(),
            row.low.into(),
            row.high.into(),
        ]);
    }
    let json = serde_json::to_value(table).map_err(|e| Error::new(Class::Io, "cli::json", "the table", e, ""))?;
    let pretty = |v: &serde_json::Value| serde_json::to_string_pretty(v).unwrap_or_default();
    Ok(Output::table(json, rows)
        .with_form(super::args::Format::Bencher, pretty(&bencher::bencher(table)))
        .with_form(super::args::Format::GithubBenchmark, pretty(&json!(github::benchmark(table)))))
}
