//! `breakeven inspect`: what was read, and how each parameter was placed.

use std::path::PathBuf;

use clap::Args;

use super::args::HELP;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven inspect RUN/
  breakeven inspect RUN/ --graph RUN/model.onnx --format json
")]
pub struct InspectArgs {
    /// A run directory, a snapshot or a matrix; none: the embedded sample.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// The ONNX graph, when the folder has several.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// The batch, when the folder has several.
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
    /// Only the snapshots whose file name matches, such as 'sgd_*'.
    #[arg(long, value_name = "GLOB")]
    pub snapshots: Option<String>,
}
