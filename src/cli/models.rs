//! `breakeven models`: the catalogue of cost models.

use clap::{Args, Subcommand};

use super::args::HELP;

/// Arguments of `models`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven models list
  breakeven models show costa2022 --format json
  breakeven models check
")]
pub struct ModelsArgs {
    /// What to do with the catalogue.
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// Actions on the catalogue.
#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// One line per model.
    List,
    /// Formula, growth, elasticities, domain, citation, examples.
    Show {
        /// Model id.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Lint every model and reproduce every worked example.
    Check,
    /// Whether two models are equal, different (with a witness) or undecided.
    Diff {
        /// Model id.
        #[arg(value_name = "A")]
        a: String,
        /// Model id.
        #[arg(value_name = "B")]
        b: String,
    },
}
