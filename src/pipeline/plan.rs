//! What an analysis will do, validated: the options of the command line and their defaults, as plain data.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use crate::curvature::damping::DampingRule;
pub use crate::curvature::pruning::PruneRule;
pub use crate::curvature::{Precision, Scope};

/// Where the systems come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Input {
    /// The training run embedded in the program.
    #[default]
    Sample,
    /// Run directories, single snapshots or matrices.
    Paths(Vec<PathBuf>),
}

/// Everything that `analyze` and `measure` were asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The systems.
    pub input: Input,
    /// The graph, when a folder has several.
    pub graph: Option<PathBuf>,
    /// The batch, when a folder has several.
    pub batch: Option<PathBuf>,
    /// A glob over the file names of the snapshots.
    pub snapshots: Option<String>,
    /// The right-hand side of a plain matrix.
    pub rhs: Option<PathBuf>,
    /// Which matrix.
    pub curvature: Curvature,
    /// Which blocks; `None`: full while N ≤ 6,000, else layers.
    pub scope: Option<Scope>,
    /// λ; `None`: relative:5e-3 for snapshots, none for matrices.
    pub damping: Option<DampingRule>,
    /// Entries dropped before damping.
    pub prune: PruneRule,
    /// Arithmetic of the curvature; `None`: f64.
    pub precision: Option<Precision>,
    /// Hardware ids; empty: the default pair.
    pub hardware: Vec<String>,
    /// Scenario ids; empty: all in the build.
    pub scenarios: Vec<String>,
    /// A folder of the user's own models and hardware.
    pub models: Option<PathBuf>,
    /// Which cases the simulator takes.
    pub simulate: Simulate,
    /// Factor by which the range of gate times is widened on both sides to find the crossover-relevant cases.
    pub simulate_band: f64,
    /// Seconds that simulating one case may take, about; `None`: [`Plan::simulation_seconds`].
    pub simulate_seconds: Option<f64>,
    /// Where the assembled matrices are written: a file for one case, else a folder.
    pub export_hessian: Option<PathBuf>,
    /// A stored matrix, or a folder of them, used in place of assembling again.
    pub reuse_hessian: Option<PathBuf>,
    /// A folder for unfinished Hessians, from which an interrupted run goes on.
    pub checkpoint: Option<PathBuf>,
    /// Least seconds between two writes of an unfinished Hessian.
    pub checkpoint_every: f64,
    /// Random parts of the batch on which every case is measured again.
    pub subsample: Option<Subsampling>,
    /// Measure by products alone, never with N² numbers.
    pub matrix_free: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// Bytes that may be used; `None`: no limit is known.
    pub max_memory: Option<u64>,
    /// Whether to say how each Hessian is assembled.
    pub explain_plan: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            input: Input::Sample,
            graph: None,
            batch: None,
            snapshots: None,
            rhs: None,
            curvature: Curvature::Hessian,
            scope: None,
            damping: None,
            prune: PruneRule::None,
            precision: None,
            hardware: Vec::new(),
            scenarios: Vec::new(),
            models: None,
            simulate: Simulate::Auto,
            simulate_band: 10.0,
            simulate_seconds: None,
            export_hessian: None,
            reuse_hessian: None,
            checkpoint: None,
            checkpoint_every: 60.0,
            subsample: None,
            matrix_free: false,
            seed: 0,
            max_memory: None,
            explain_plan: false,
        }
    }
}

impl Plan {
    /// The time that simulating one case may take: what was asked, or half a second, or no limit with `--simulate all`
    /// (each model then goes as far as `breakeven simulate` does).
    pub fn simulation_seconds(&self) -> f64 {
        self.simulate_seconds.unwrap_or(match self.simulate {
            Simulate::All => f64::INFINITY,
            Simulate::Auto | Simulate::None => super::verification::AUTO_SECONDS,
        })
    }
}

/// Random parts of the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subsampling {
    /// How many.
    pub count: usize,
    /// Share of the samples in each, in (0, 1).
    pub fraction: f64,
}

impl FromStr for Subsampling {
    type Err = String;

    /// `K` or `K:FRACTION`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (count, fraction) = text.split_once(':').unwrap_or((text, "0.5"));
        let count: usize = count.parse().map_err(|_| "write K or K:FRACTION, such as 8 or 8:0.5".to_string())?;
        let fraction: f64 = fraction.parse().map_err(|_| "the fraction is a number such as 0.5".to_string())?;
        if !(1..=1000).contains(&count) {
            return Err("K must lie between 1 and 1000".into());
        }
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err("the fraction must lie in (0, 1)".into());
        }
        Ok(Subsampling { count, fraction })
    }
}

impl fmt::Display for Subsampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.fraction)
    }
}

/// The full scope is the default up to this size.
pub const FULL_SCOPE_LIMIT: usize = 6_000;

/// Which symmetric matrix of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curvature {
    /// The exact Hessian.
    #[default]
    Hessian,
    /// Jᵀ·(∂²ℓ/∂z²)·J over the batch.
    Ggn,
    /// Σ g_i·g_iᵀ over the samples of the batch.
    EmpiricalFisher,
}

/// Which cases the simulator takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Simulate {
    /// Those that are crossover-relevant.
    #[default]
    Auto,
    /// None.
    None,
    /// All.
    All,
}

impl FromStr for Curvature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "hessian" => Ok(Curvature::Hessian),
            "ggn" => Ok(Curvature::Ggn),
            "empirical-fisher" => Ok(Curvature::EmpiricalFisher),
            _ => Err("choose hessian, ggn or empirical-fisher".into()),
        }
    }
}

impl fmt::Display for Curvature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Curvature::Hessian => "hessian",
            Curvature::Ggn => "ggn",
            Curvature::EmpiricalFisher => "empirical-fisher",
        })
    }
}

/// Reads `full`, `layers`, `module` or `layer:NAME`.
///
/// # Errors
/// A message for the command line.
pub fn parse_scope(text: &str) -> Result<Scope, String> {
    match text.split_once(':') {
        None if text == "full" => Ok(Scope::Full),
        None if text == "layers" => Ok(Scope::Layers),
        None if text == "module" => Ok(Scope::Module),
        Some(("layer", name)) if !name.is_empty() => Ok(Scope::Layer(name.to_string())),
        _ => Err("choose full, layers, module or layer:NAME".into()),
    }
}

/// As [`parse_scope`] reads it.
pub fn scope_text(scope: &Scope) -> String {
    match scope {
        Scope::Full => "full".into(),
        Scope::Layers => "layers".into(),
        Scope::Module => "module".into(),
        Scope::Layer(name) => format!("layer:{name}"),
    }
}

/// Reads a damping rule.
///
/// # Errors
/// A message for the command line.
pub fn parse_damping(text: &str) -> Result<DampingRule, String> {
    text.parse().map_err(|e: crate::error::Error| format!("{}; {}", e.what, e.remedy))
}

/// As [`parse_damping`] reads it, with the number of an absolute λ.
pub fn damping_text(rule: &DampingRule) -> String {
    match rule {
        DampingRule::Absolute(lambda) => format!("{lambda:e}"),
        other => other.to_string(),
    }
}

/// Reads `f64` or `f32`.
///
/// # Errors
/// A message for the command line.
pub fn parse_precision(text: &str) -> Result<Precision, String> {
    match text {
        "f64" => Ok(Precision::F64),
        "f32" => Ok(Precision::F32),
        _ => Err("choose f64 or f32".into()),
    }
}

/// As [`parse_precision`] reads it.
pub fn precision_text(precision: Precision) -> &'static str {
    match precision {
        Precision::F64 => "f64",
        Precision::F32 => "f32",
    }
}

/// Reads a pruning rule.
///
/// # Errors
/// A message for the command line.
pub fn parse_prune(text: &str) -> Result<PruneRule, String> {
    text.parse().map_err(|e: crate::error::Error| format!("{}; {}", e.what, e.remedy))
}

impl FromStr for Simulate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Simulate::Auto),
            "none" => Ok(Simulate::None),
            "all" => Ok(Simulate::All),
            _ => Err("choose auto, none or all".into()),
        }
    }
}

impl fmt::Display for Simulate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Simulate::Auto => "auto",
            Simulate::None => "none",
            Simulate::All => "all",
        })
    }
}
