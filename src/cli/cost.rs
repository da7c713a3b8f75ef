//! `breakeven cost`: a cost model at a point or along a sweep.

use clap::Args;

use super::args::HELP;
use super::args::values::{Assignment, Sweep};

/// Arguments of `cost`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven cost qsvt --set kappa=1e4 --set eps=1e-6 --set alpha=1
  breakeven cost q-newton --set n=536 --set d=536 --set eps=1e-3 --sweep kappa=1:1e8:log:200 --format csv
  breakeven cost cg --set n=1e6 --set kappa=1e4 --set eps=1e-6 --set nnz=1e7 --set flops_per_second=1e12
")]
pub struct CostArgs {
    /// Model id (see `breakeven models list`).
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// A variable, in SI units; a later one of the same name wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
    /// Evaluate along a grid, such as kappa=1:1e8:log:200; several sweeps make a product.
    #[arg(long, value_name = "NAME=LOW:HIGH[:log|:lin[:POINTS]]")]
    pub sweep: Vec<Sweep>,
    /// Hardware id that turns operations into seconds.
    #[arg(long, value_name = "ID")]
    pub hardware: Option<String>,
    /// Exit with 2 when a point is outside the model's domain.
    #[arg(long)]
    pub strict: bool,
}
