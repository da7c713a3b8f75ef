//! `breakeven simulate`: the verifying simulator on one case.

use clap::Args;

use super::ExitStatus;
use super::args::HELP;
use super::args::measuring::MeasuringArgs;
use super::config::File;
use super::context::Context;
use super::output::{Output, Table};
use crate::catalog;
use crate::error::{Error, Result};
use crate::pipeline::systems::Systems;
use crate::pipeline::verification::verify_case;
use crate::simulate::solvers::known;
use crate::simulate::{Encoding, Level, Options, SECONDS_PER_OPERATION, SimulationRow};

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven simulate dalzell2024-known-norm H.mtx --eps 1e-2
  breakeven simulate qsvt RUN/sgd_0005.safetensors --eps 1e-3 --scope layer:fc2.bias --level L2
  breakeven simulate costa2023-consistent H.npy --rhs g.npy --eps 1e-2 --claim 4000
  breakeven simulate qsvt H.npy --eps 1e-2 --encoding sparse --error-rate 1e-7 --format json
")]
pub struct SimulateArgs {
    /// Model whose claim is checked (see `breakeven models list`).
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// The 2-norm error of the normalised solution that is asked for, in (0, 1).
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    pub eps: f64,
    /// L1 (spectrum and flags), L2 (block encoding as a matrix, N ≤ 1,024) or L3 (gates and phases, N ≤ 64).
    #[arg(long, value_name = "LEVEL", default_value = "L1")]
    pub level: Level,
    /// Run with this many queries instead of the model's own number; exit 5 when ε is missed.
    #[arg(long, value_name = "QUERIES", value_parser = count)]
    pub claim: Option<u64>,
    /// The case, when there are several (an id of `breakeven measure`).
    #[arg(long, value_name = "ID")]
    pub case: Option<String>,
    /// dilation (α = σ_max), sparse (α = d·max|a_ij|) or frobenius (α = ‖A‖_F).
    #[arg(long, value_name = "KIND", default_value = "dilation")]
    pub encoding: Encoding,
    /// α of the dilation by hand, in the units of the matrix.
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true)]
    pub alpha: Option<f64>,
    /// Refine iteratively, each solve to this tolerance.
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    pub refine: Option<f64>,
    /// Depolarising probability per query.
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    pub error_rate: f64,
    /// Refuse what would take longer than about this (default: 400).
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub seconds: Option<f64>,
    /// What the system is.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
}

/// A number of queries; `4000`, `4e3`.
fn count(text: &str) -> std::result::Result<u64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=9e15).contains(&x) && x.fract() == 0.0 => Ok(x as u64),
        _ => Err("a whole number of queries is needed, such as 4000 or 4e3".to_owned()),
    }
}

impl SimulateArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        Ok(self)
    }
}

/// Runs the circuit and prints what it gave.
///
/// # Errors
/// Whatever reading, differentiating or simulating meets.
pub fn run(args: SimulateArgs, io: &Context) -> Result<ExitStatus> {
    // Before any file is read: a wrong model or level.
    known(&args.model, args.level)?;
    let paths = args.measuring.paths.len();
    if paths > 1 {
        return Err(Error::usage("cli::simulate", format!("{paths} paths"), "one case is verified at a time", ""));
    }
    if let Some(seconds) = args.seconds
        && !(seconds.is_finite() && seconds > 0.0)
    {
        return Err(Error::usage("cli::option", "--seconds", format!("{seconds} is not a positive number"), ""));
    }
    let plan = args.measuring.plan(io);
    let catalog = catalog::load(plan.models.as_deref())?;
    let threads = io.threads()?;
    let systems = Systems::open(&plan)?;
    let id = systems.choose(args.case.as_deref())?;
    let defaults = Options::default();
    let options = Options {
        encoding: args.encoding,
        alpha: args.alpha,
        seed: plan.seed,
        max_work: args.seconds.map_or(defaults.max_work, |s| s / SECONDS_PER_OPERATION),
        max_bytes: plan.max_memory.unwrap_or(defaults.max_bytes),
        refine: args.refine,
        error_rate: args.error_rate,
        ..defaults
    };
    let row = verify_case(&catalog, &args.model, &systems, &id, args.eps, args.claim, args.level, &options, &threads)?;
    let json = serde_json::to_value(&row).map_err(|e| {
        Error::certificate("cli::json", "simulate", e, "this is a defect; report it with the command line")
    })?;
    let text = words(&id, &row, args.claim);
    io.emit(&Output { json, table: Some(table(&row)), text, ..Output::default() })?;
    Ok(if row.passed { ExitStatus::Success } else { ExitStatus::CheckFailed })
}

/// One row.
fn table(row: &SimulationRow) -> Table {
    let mut table = Table::new(&[
        "model",
        "level",
        "n",
        "kappa",
        "alpha",
        "error_target",
        "error_reached",
        "queries_counted",
        "queries_predicted",
        "queries_needed",
        "success_probability",
        "passed",
    ]);
    let whole = |x: u64| x.to_string();
    table.push(vec![
        row.model.clone().into(),
        row.level.clone().into(),
        row.n.into(),
        row.kappa.into(),
        row.alpha.into(),
        row.error_target.into(),
        row.error_reached.into(),
        whole(row.queries_counted).into(),
        row.queries_predicted.into(),
        row.queries_needed.map(whole).unwrap_or_default().into(),
        row.success_probability.into(),
        row.passed.to_string().into(),
    ]);
    table
}

/// For reading.
fn words(id: &str, row: &SimulationRow, claim: Option<u64>) -> String {
    let number = |x: Option<f64>| x.map_or("none".to_owned(), |x| format!("{x:.4e}"));
    let unit = row.unit.replace('_', " ");
    let verdict = match (row.passed, claim) {
        (true, None) => "the model's circuit reaches the tolerance",
        (true, Some(_)) => "the claim holds",
        (false, None) => "the model's circuit misses the tolerance",
        (false, Some(_)) => "the claim fails",
    };
    let mut lines = vec![
        format!("{} on {id}, level {}: {verdict}", row.model, row.level),
        format!("  system       N = {}, κ = {:.6e}, α = {:.6e}", row.n, row.kappa, row.alpha),
        format!("  right side   {}", row.rhs),
        format!("  error        asked {:.3e}, reached {}", row.error_target, number(row.error_reached)),
        format!(
            "  {unit:<12} counted {}, predicted {}, needed {}",
            row.queries_counted,
            number(row.queries_predicted),
            row.queries_needed.map_or("not found".to_owned(), |q| q.to_string())
        ),
        format!("  success      {}", number(row.success_probability)),
    ];
    if let Some(rate) = row.largest_error_rate {
        lines.push(format!("  noise        stands up to a depolarising probability of {rate:.2e} per query"));
    }
    lines.extend(row.notes.iter().map(|note| format!("  note         {note}")));
    lines.join("\n") + "\n"
}
