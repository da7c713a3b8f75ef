//! What the user typed: the clap structs, with no validation beyond each value's own form.

pub mod measuring;
pub mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use values::parse_size;

/// Examples stand first in every help page.
pub const HELP: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  breakeven analyze                          the embedded sample, from snapshot to report
  breakeven analyze RUN/                     every snapshot of a run directory
  breakeven analyze H.mtx --damping none     a ready-made Hessian
  breakeven inspect RUN/                     what was read and how each parameter was placed
  breakeven measure RUN/ --format json       measurements only
";

const AFTER: &str = "\
Exit codes: 0 ok, 1 regression or failed gate, 2 usage or config, 3 bad input, 4 resource limit,
  5 certificate or simulation check failed, 6 input/output, 130 interrupted.
Data goes to stdout, messages and progress to stderr. `breakeven COMMAND --help` shows examples for each command.";

/// Would a quantum linear solver beat a classical one on this Hessian, and if not, what is missing?
#[derive(Debug, Parser)]
#[command(name = "breakeven", version, propagate_version = true, help_template = HELP, before_help = EXAMPLES, after_help = AFTER)]
#[command(disable_help_subcommand = true, max_term_width = 110)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// How to print the result on stdout.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", env = "BREAKEVEN_FORMAT", hide_env = true)]
    pub format: Option<Format>,
    /// Also write the result to FILE; its extension chooses the format (.json .csv .md .txt).
    #[arg(long, global = true, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// A folder of your own cost models and hardware files, added to the built-in ones.
    #[arg(long, global = true, value_name = "DIR", env = "BREAKEVEN_MODELS", hide_env = true)]
    pub models: Option<PathBuf>,
    /// Worker threads (default: one per core).
    #[arg(long, global = true, value_name = "N", env = "BREAKEVEN_THREADS", hide_env = true,
          value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
    /// Seed of every random choice (default: 0).
    #[arg(long, global = true, value_name = "S", env = "BREAKEVEN_SEED", hide_env = true)]
    pub seed: Option<u64>,
    /// Refuse work that would need more memory, such as 8GiB (default: what is free).
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size, env = "BREAKEVEN_MAX_MEMORY", hide_env = true)]
    pub max_memory: Option<u64>,
    /// Options from a TOML file; options typed and environment variables go before it.
    #[arg(long, global = true, value_name = "TOML", env = "BREAKEVEN_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Colour of messages; NO_COLOR is honoured.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress and no remarks on stderr.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// When to colour messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The printed form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For reading.
    Text,
    /// Everything, pretty-printed.
    Json,
    /// The table, for spreadsheets.
    Csv,
    /// The table, for a web page or a pull request.
    Markdown,
    /// A web page (diff).
    #[value(hide = true)]
    Html,
    /// JUnit XML (check).
    #[value(hide = true)]
    Junit,
    /// SARIF 2.1.0 (check).
    #[value(hide = true)]
    Sarif,
    /// Bencher metric format (check).
    #[value(hide = true)]
    Bencher,
    /// GitHub annotations (check).
    #[value(hide = true)]
    Github,
    /// github-action-benchmark (check).
    #[value(hide = true)]
    GithubBenchmark,
}

/// The subcommands, in the order of the help page.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// From snapshot to report: measure, price, compare.
    Analyze(super::analyze::AnalyzeArgs),
    /// What was read: graph, operators, parameters and how each was placed, batch, loss, digests.
    Inspect(super::inspect::InspectArgs),
    /// Measurements only: κ, inertia, sparsity, tolerance.
    Measure(super::measure::MeasureArgs),
    /// Evaluate a cost model at a point or along a sweep.
    Cost(super::cost::CostArgs),
    /// Where a quantum and a classical cost cross, certified.
    Crossover(super::crossover::CrossoverArgs),
    /// The catalogue of cost models.
    Models(super::models::ModelsArgs),
    /// The derivation of one reported number, from file to formula to value.
    Explain(super::explain::ExplainArgs),
    /// Run the circuit behind a model on one case, count its queries, measure its error.
    Simulate(super::simulate::SimulateArgs),
    /// Train a small network into a run directory.
    Train(super::train::TrainArgs),
    /// The Q-Newton scheduler over a training run: who solves what, and what each policy takes.
    Schedule(super::schedule::ScheduleArgs),
    /// The claims of a paper replayed, each with a verdict: one report.
    Reproduce(super::reproduce::ReproduceArgs),
    /// The modelled costs as one stable table.
    Table(super::table::TableArgs),
    /// Modelled costs against a baseline: exit 1 when one moved.
    Check(super::check::CheckArgs),
    /// Two reports side by side.
    Diff(super::diff::DiffArgs),
    /// One figure.
    Plot(super::plot::PlotArgs),
    /// The JSON Schemas of the files that are read and written.
    Schema(super::schema::SchemaArgs),
    /// Shell completions, on stdout.
    Completions(super::completions::CompletionsArgs),
    /// Man pages, on stdout or into a folder.
    Man(super::man::ManArgs),
}

impl Globals {
    /// Whether messages on stderr are coloured.
    pub fn color_on_stderr(&self) -> bool {
        use std::io::IsTerminal;
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stderr().is_terminal(),
        }
    }
}
