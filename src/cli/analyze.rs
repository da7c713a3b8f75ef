//! `breakeven analyze`: the main job, from snapshot to report.

use std::path::PathBuf;

use clap::Args;

use super::args::HELP;
use super::args::measuring::MeasuringArgs;
use super::config::File;
use crate::error::{Error, Result};
use crate::pipeline::plan::Simulate;

const EXAMPLES: &str = "\
Examples:
  breakeven analyze                                       the embedded sample
  breakeven analyze RUN/ --dry-run                        what would be done, at what cost
  breakeven analyze RUN/ --snapshots 'adam_*' --scope layers
  breakeven analyze RUN/sgd_0005.safetensors --curvature ggn --damping relative:1e-2
  breakeven analyze H.mtx --rhs g.npy --hardware attosecond
";

/// Arguments of `analyze`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = EXAMPLES)]
pub struct AnalyzeArgs {
    /// What is measured.
    #[command(flatten)]
    pub measuring: MeasuringArgs,
    /// Folder of the report (default: reports/NAME).
    #[arg(long, value_name = "DIR", help_heading = "Report")]
    pub out: Option<PathBuf>,
    /// Only say what would be done: cases, N, memory, expected time.
    #[arg(long, help_heading = "Report")]
    pub dry_run: bool,
    /// Hardware ids, or this-machine (default: a superconducting and an ion-trap preset, the attosecond hypothesis, an A100-class GPU).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub hardware: Vec<String>,
    /// Scenario ids (default: all).
    #[arg(long, value_name = "ID,…", value_delimiter = ',', help_heading = "Prices")]
    pub scenario: Vec<String>,
    /// Which cases to simulate: auto, none or all (default: auto).
    #[arg(long, value_name = "WHICH", help_heading = "Simulation")]
    pub simulate: Option<Simulate>,
    /// Widen the machines' gate times by this factor to find the cases worth simulating (default: 10).
    #[arg(long, value_name = "FACTOR", help_heading = "Simulation")]
    pub simulate_band: Option<f64>,
}

impl AnalyzeArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        self.measuring = self.measuring.with_defaults(file)?;
        self.out = self.out.or_else(|| file.out.clone());
        if self.hardware.is_empty() {
            self.hardware = file.hardware.clone().unwrap_or_default();
        }
        if self.scenario.is_empty() {
            self.scenario = file.scenario.clone().unwrap_or_default();
        }
        if let (None, Some(text)) = (self.simulate, &file.simulate) {
            let bad = |e: String| Error::usage("cli::config", "simulate in the configuration file", e, "");
            self.simulate = Some(text.parse().map_err(bad)?);
        }
        self.simulate_band = self.simulate_band.or(file.simulate_band);
        if let Some(band) = self.simulate_band
            && !(band.is_finite() && band >= 1.0)
        {
            return Err(Error::usage(
                "cli::option",
                "--simulate-band",
                format!("{band} is not a factor of 1 or more"),
                "",
            ));
        }
        Ok(self)
    }
}
