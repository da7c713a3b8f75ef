//! The options that `analyze` and `measure` share: what to read and which matrix to make of it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::config::File;
use crate::cli::context::Context;
use crate::error::{Error, Result};
use crate::pipeline::Plan;
use crate::pipeline::plan::{
    Curvature, DampingRule, Input, Precision, PruneRule, Scope, parse_damping, parse_precision, parse_prune,
    parse_scope,
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
    /// Say on stderr how each pair of tensors of a Hessian is assembled, at what cost and why.
    #[arg(long)]
    pub explain_plan: bool,
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
        self.snapshots = self.snapshots.or_else(|| file.snapshots.clone());
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
            models: io.models.clone(),
            seed: io.seed,
            max_memory: io.max_memory,
            explain_plan: self.explain_plan,
            ..Plan::default()
        }
    }
}
