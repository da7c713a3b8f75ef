//! `breakeven crossover`: where a quantum and a classical cost cross.

use clap::Args;

use super::args::HELP;
use super::args::values::{Assignment, Range};

/// Arguments of `crossover`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven crossover --quantum dalzell2024 --classical ldlt --solve-for n --range 10:1e12 --set kappa=100 --set eps=1e-3 --set gate_time=1e-6 --set flops_per_second=1e13
  breakeven crossover --quantum q-newton --classical inverse --solve-for gate_time --range 1e-18:1 --set n=536 --set d=536 --set kappa=1e4 --set eps=1e-3 --set flops_per_second=1e13
")]
pub struct CrossoverArgs {
    /// Quantum model id.
    #[arg(long, value_name = "MODEL")]
    pub quantum: String,
    /// Classical model id.
    #[arg(long, value_name = "MODEL")]
    pub classical: String,
    /// The variable.
    #[arg(long, value_name = "VARIABLE")]
    pub solve_for: String,
    /// Where to look, low:high.
    #[arg(long, value_name = "LOW:HIGH")]
    pub range: Range,
    /// A variable, in SI units; a later one of the same name wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
    /// Hardware ids that fill gate time and rates.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub hardware: Vec<String>,
}
