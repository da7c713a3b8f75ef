//! `breakeven explain`: the derivation of one reported number, from file to formula to value.

use std::path::PathBuf;

use clap::Args;

use super::args::HELP;

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven explain sgd_0200/hessian/full kappa
  breakeven explain sgd_0200/hessian/full costa2026.queries --report reports/sample
")]
pub struct ExplainArgs {
    /// Id of a case in the report.
    #[arg(value_name = "CASE")]
    pub case: String,
    /// A measured quantity, or MODEL.QUANTITY.
    #[arg(value_name = "QUANTITY")]
    pub quantity: String,
    /// The report: report.json or its folder (default: the newest under reports/).
    #[arg(long, value_name = "PATH")]
    pub report: Option<PathBuf>,
}
