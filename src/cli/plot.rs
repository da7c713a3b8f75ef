//! `breakeven plot`: one figure.

use std::path::PathBuf;

use clap::Args;

use super::args::HELP;
use super::args::values::{Assignment, Range};

/// Arguments of `plot`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven plot crossover --quantum dalzell2024 --classical ldlt --over n --range 10:1e12 --set kappa=100 --set eps=1e-3 --set gate_time=1e-6 --set flops_per_second=1e13 --out curve.svg
")]
pub struct PlotArgs {
    /// Kind of figure.
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// Quantum model id.
    #[arg(long, value_name = "MODEL")]
    pub quantum: Option<String>,
    /// Classical model id.
    #[arg(long, value_name = "MODEL")]
    pub classical: Option<String>,
    /// The variable of the horizontal axis; a second one makes a map.
    #[arg(long, value_name = "VARIABLE")]
    pub over: Vec<String>,
    /// Range of each variable, low:high.
    #[arg(long, value_name = "LOW:HIGH")]
    pub range: Vec<Range>,
    /// A variable, in SI units; a later one of the same name wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
    /// The file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
