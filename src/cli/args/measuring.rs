//! The options that `analyze` and `measure` share: what to read and which matrix to make of it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::config::File;
use crate::cli::context::Context;
use crate::error::{Error, Result};
use crate::pipeline::Plan;
use crate::pipeline::plan::{
    Curvature, DampingRule, Input, Precision, PruneRule, Scope, Subsampling, parse_damping, parse_precision,
    parse_prune, parse_scope,
};

/// What to read and which matrix to make of it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What is measured")]
pub struct MeasuringArgs {
    /// Run directories, snapshots (.safetensors .npz .pt) or matrices (.npy .npz .mtx .rsa .rb); none: the embedded sample.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The ONNX graph, when the folder has several.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// The batch, when the folder has several.
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
    /// Only the snapshots whose file name matches, such as 'sgd_*'.
    #[arg(long, value_name = "GLOB")]
    pub snapshots: Option<String>,
    /// Right-hand side of a matrix, as .npy (default: seeded Gaussian, normalised).
    #[arg(long, value_name = "FILE")]
    pub rhs: Option<PathBuf>,
    /// hessian, ggn or empirical-fisher (default: hessian).
    #[arg(long, value_name = "KIND")]
    pub curvature: Option<Curvature>,
    /// full, layers, module or layer:NAME (default: full while N ≤ 6,000, else layers).
    #[arg(long, value_name = "SCOPE", value_parser = parse_scope)]
    pub scope: Option<Scope>,
    /// λ: a number, relative:5e-3 or none (default: relative:5e-3 for snapshots, none for matrices).
    #[arg(long, value_name = "RULE", value_parser = parse_damping)]
    pub damping: Option<DampingRule>,
    /// Entries dropped before damping: none, d:K, ratio:R or threshold:T (default: none).
    #[arg(long, value_name = "RULE", value_parser = parse_prune)]
    pub prune: Option<PruneRule>,
    /// f64 or f32 (default: f64).
    #[arg(long, value_name = "TYPE", value_parser = parse_precision)]
    pub precision: Option<Precision>,
    /// Measure every case again on K random parts of the batch (default: halves): bars of κ, d, ε and the verdict.
    #[arg(long, value_name = "K[:FRACTION]")]
    pub subsample: Option<Subsampling>,
    /// Never store N² numbers: measure by products with vectors (κ then has bounds where Lanczos has no certificate).
    #[arg(long)]
    pub matrix_free: bool,
    /// Write the assembled matrices before pruning and damping: a .npy, .safetensors or .mtx file for one case, else a folder.
    #[arg(long, value_name = "FILE|DIR", help_heading = "Stored matrices")]
    pub export_hessian: Option<PathBuf>,
    /// Use stored matrices of --export-hessian instead of assembling again, where their hash fits.
    #[arg(long, value_name = "FILE|DIR", help_heading = "Stored matrices")]
    pub reuse_hessian: Option<PathBuf>,
    /// Keep unfinished Hessians in this folder, so that the same command goes on where it was stopped.
    #[arg(long, value_name = "DIR", help_heading = "Stored matrices")]
    pub checkpoint: Option<PathBuf>,
    /// Least seconds between two writes of an unfinished Hessian (default: 60).
    #[arg(long, value_name = "SECONDS", help_heading = "Stored matrices", value_parser = seconds)]
    pub checkpoint_every: Option<f64>,
    /// Say on stderr how each pair of tensors of a Hessian is assembled, at what cost and why.
    #[arg(long)]
    pub explain_plan: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.0..=1e9).contains(&s) => Ok(s),
        _ => Err("give a number of seconds".into()),
    }
}

impl MeasuringArgs {
    /// Fills what was not typed from the configuration file.
    ///
    /// # Errors
    /// When a value of the file is malformed.
    pub fn with_defaults(mut self, file: &File) -> Result<Self> {
        fn fill<T>(
            slot: &mut Option<T>,
            key: &str,
            text: &Option<String>,
            parse: impl Fn(&str) -> std::result::Result<T, String>,
        ) -> Result<()> {
            if let (None, Some(text)) = (&slot, text) {
                *slot = Some(parse(text).map_err(|e| {
                    Error::usage("cli::config", format!("{key} = \"{text}\" in the configuration file"), e, "")
                })?);
            }
            Ok(())
        }
        fill(&mut self.curvature, "curvature", &file.curvature, str::parse)?;
        fill(&mut self.scope, "scope", &file.scope, parse_scope)?;
        fill(&mut self.damping, "damping", &file.damping, parse_damping)?;
        fill(&mut self.prune, "prune", &file.prune, parse_prune)?;
        fill(&mut self.precision, "precision", &file.precision, parse_precision)?;
        fill(&mut self.subsample, "subsample", &file.subsample, str::parse)?;
        self.snapshots = self.snapshots.or_else(|| file.snapshots.clone());
        self.export_hessian = self.export_hessian.or_else(|| file.export_hessian.clone());
        self.reuse_hessian = self.reuse_hessian.or_else(|| file.reuse_hessian.clone());
        self.checkpoint = self.checkpoint.or_else(|| file.checkpoint.clone());
        self.matrix_free |= file.matrix_free.unwrap_or(false);
        Ok(self)
    }

    /// The plan that these options make.
    pub fn plan(self, io: &Context) -> Plan {
        Plan {
            input: if self.paths.is_empty() { Input::Sample } else { Input::Paths(self.paths) },
            graph: self.graph,
            batch: self.batch,
            snapshots: self.snapshots,
            rhs: self.rhs,
            curvature: self.curvature.unwrap_or_default(),
            scope: self.scope,
            damping: self.damping,
            prune: self.prune.unwrap_or_default(),
            precision: self.precision,
            subsample: self.subsample,
            matrix_free: self.matrix_free,
            export_hessian: self.export_hessian,
            reuse_hessian: self.reuse_hessian,
            checkpoint: self.checkpoint,
            checkpoint_every: self.checkpoint_every.unwrap_or(Plan::default().checkpoint_every),
            models: io.models.clone(),
            seed: io.seed,
            max_memory: io.max_memory,
            explain_plan: self.explain_plan,
            ..Plan::default()
        }
    }
}
