//! `breakeven measure`: measurements only.

use clap::Args;

use super::args::HELP;
use super::args::measuring::MeasuringArgs;
use super::config::File;
use crate::error::Result;

/// Arguments of `measure`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven measure RUN/ --format json
  breakeven measure RUN/ --scope layers --damping none --export measurements.csv
  breakeven measure H.npy
")]
pub struct MeasureArgs {
    /// What is measured.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
}

impl MeasureArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        Ok(self)
    }
}
