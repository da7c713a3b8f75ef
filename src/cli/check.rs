//! `breakeven check`: modelled costs against a baseline; a difference beyond its tolerance is exit 1.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::args::{Format, HELP};
use super::config::File;
use super::context::Context;
use super::output::{Output, Table};
use super::progress::Reporter;
use super::table::TableSource;
use crate::error::{Class, Error, Result};
use crate::pipeline;
use crate::regress::compare::{Comparison, compare};
use crate::regress::table::CostTable;
use crate::regress::tolerance::Tolerances;
use crate::regress::{bencher, github, junit, markdown, sarif};
use crate::{atomic, catalog};

/// Folder of the named baselines.
const BASELINES: &str = "reports/golden";

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven check RUN/ --baseline costs.json
  breakeven check measurements.json --baseline nightly --format junit --export costs.xml
  breakeven check RUN/ --baseline costs.json --update        accept today's numbers, showing the difference
")]
pub struct CheckArgs {
    /// Where the rows come from.
    #[command(flatten)]
    pub source: TableSource,
    /// The baseline: a file, or the name of one in reports/golden.
    #[arg(long, value_name = "FILE", help_heading = "Baseline")]
    pub baseline: PathBuf,
    /// Write today's table over the baseline, after showing what changes.
    #[arg(long, help_heading = "Baseline")]
    pub update: bool,
    /// Tolerances by quantity, from a TOML file.
    #[arg(long, value_name = "TOML", help_heading = "Baseline", conflicts_with = "tolerance")]
    pub tolerances: Option<PathBuf>,
    /// Relative tolerance of every row (default: 1e-6).
    #[arg(long, value_name = "X", help_heading = "Baseline", value_parser = super::args::values::parse_number)]
    pub tolerance: Option<f64>,
}

impl CheckArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.source = self.source.with_defaults(file)?;
        Ok(self)
    }
}

/// Compares and prints; exit 1 when anything drifted, is missing or was added.
///
/// # Errors
/// A baseline that is missing, malformed or of other inputs; whatever making the table meets.
pub fn run(args: CheckArgs, io: &Context) -> Result<ExitStatus> {
    let baseline = resolve(&args.baseline);
    let place = baseline.display().to_string();
    let tolerances = tolerances(&args)?;
    let old = match CostTable::read(&baseline) {
        Ok(old) => Some(old),
        Err(e) if e.class == Class::Io && args.update && !baseline.exists() => None,
        Err(e) if e.class == Class::Io && !baseline.exists() => {
            let remedy = "check the path, or make the baseline with --update";
            return Err(Error::input("regress::missing-baseline", place, "no such file", remedy));
        }
        Err(e) => return Err(e),
    };
    let reporter = Reporter::new(io.quiet);
    let table = pipeline::cost_table(&args.source.plan(io), &reporter)?;
    reporter.finish();
    let comparison = match (&old, args.update) {
        (None, _) => Comparison { added: table.rows.iter().map(|r| r.key.clone()).collect(), ..Comparison::default() },
        // accepting a table of other inputs is the user's right: everything is then missing or added
        (Some(old), true) => compare(old, &table, &tolerances, &place).unwrap_or_else(|_| Comparison {
            missing: old.rows.iter().map(|r| r.key.clone()).collect(),
            added: table.rows.iter().map(|r| r.key.clone()).collect(),
            ..Comparison::default()
        }),
        (Some(old), false) => compare(old, &table, &tolerances, &place)?,
    };
    if args.update {
        atomic::write_file(&baseline, &table.to_bytes()?)?;
        io.note(format_args!("{place}: {} rows written", table.rows.len()));
    }
    io.emit(&output(&table, &comparison, &place, io)?)?;
    Ok(if args.update || comparison.passed() { ExitStatus::Success } else { ExitStatus::Gate })
}

/// A bare name means a file of the folder of baselines, when there is one.
fn resolve(given: &Path) -> PathBuf {
    let named = Path::new(BASELINES).join(given).with_extension("json");
    if given.components().count() == 1 && given.extension().is_none() && !given.exists() { named } else { given.into() }
}

fn tolerances(args: &CheckArgs) -> Result<Tolerances> {
    match (&args.tolerances, args.tolerance) {
        (Some(path), _) => {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(&place, &e))?;
            Tolerances::parse(&text, &place)
        }
        (None, Some(x)) if x >= 0.0 => Ok(Tolerances::relative(x)),
        (None, Some(_)) => Err(super::unfit_option("--tolerance", "a tolerance is not negative", "")),
        (None, None) => Ok(Tolerances::default()),
    }
}

fn output(table: &CostTable, comparison: &Comparison, baseline: &str, io: &Context) -> Result<Output> {
    let catalog = catalog::load(io.models.as_deref())?;
    let locate = |model: &str, quantity: &str| pipeline::locate(&catalog, model, quantity);
    let mut rows = Table::new(&["key", "field", "old", "new", "relative", "why"]);
    for d in &comparison.drifted {
        rows.push(vec![
            d.key.clone().into(),
            d.field.clone().into(),
            d.old.into(),
            d.new.into(),
            d.relative.into(),
            d.why.clone().into(),
        ]);
    }
    let pretty = |v: &serde_json::Value| serde_json::to_string_pretty(v).unwrap_or_default();
    let log = sarif::sarif(comparison, env!("CARGO_PKG_VERSION"), baseline, &locate);
    Ok(Output::table(json!(comparison), rows)
        .with_form(Format::Text, markdown::text(comparison))
        .with_form(Format::Markdown, markdown::markdown(comparison))
        .with_form(Format::Junit, junit::junit(table, comparison))
        .with_form(Format::Sarif, pretty(&log))
        .with_form(Format::Github, github::annotations(comparison, &locate))
        .with_form(Format::Bencher, pretty(&bencher::bencher(table)))
        .with_form(Format::GithubBenchmark, pretty(&github::benchmark(table))))
}
