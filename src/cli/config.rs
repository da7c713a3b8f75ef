//! The TOML configuration: an option typed goes before the environment, that before the file, that before the default.

use std::path::PathBuf;

use serde::Deserialize;

use super::args::values::parse_size;
use super::args::{Format, Globals};
use crate::error::{Error, Result};

/// The keys of a configuration file: the long options' names; unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// `--format`.
    pub format: Option<Format>,
    /// `--models`, relative to the file.
    pub models: Option<PathBuf>,
    /// `--threads`.
    pub threads: Option<u16>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--max-memory`.
    pub max_memory: Option<String>,
    /// `--quiet`.
    pub quiet: Option<bool>,
    /// `--snapshots`.
    pub snapshots: Option<String>,
    /// `--curvature`.
    pub curvature: Option<String>,
    /// `--scope`.
    pub scope: Option<String>,
    /// `--damping`.
    pub damping: Option<String>,
    /// `--prune`.
    pub prune: Option<String>,
    /// `--precision`.
    pub precision: Option<String>,
    /// `--subsample`.
    pub subsample: Option<String>,
    /// `--matrix-free`.
    pub matrix_free: Option<bool>,
    /// `--export-hessian`.
    pub export_hessian: Option<PathBuf>,
    /// `--reuse-hessian`.
    pub reuse_hessian: Option<PathBuf>,
    /// `--checkpoint`.
    pub checkpoint: Option<PathBuf>,
    /// `--hardware`.
    pub hardware: Option<Vec<String>>,
    /// `--scenario`.
    pub scenario: Option<Vec<String>>,
    /// `--simulate`.
    pub simulate: Option<String>,
    /// `--simulate-band`.
    pub simulate_band: Option<f64>,
    /// `--simulate-seconds`.
    pub simulate_seconds: Option<f64>,
    /// `--out`.
    pub out: Option<PathBuf>,
}

/// Reads the file that `--config` names, and fills the global options that were not typed.
///
/// # Errors
/// When the file cannot be read, is not TOML, has an unknown key or a malformed value.
pub fn load(mut globals: Globals) -> Result<(Globals, File)> {
    let Some(path) = globals.config.clone() else { return Ok((globals, File::default())) };
    let place = path.display().to_string();
    let bad = |what: String| Error::usage("cli::config", &place, what, "the keys are the long options' names");
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(bad("no such file".into())),
        Err(e) => return Err(Error::io(&place, &e)),
        Ok(text) => text,
    };
    let mut table: toml::Table =
        text.parse().map_err(|e: toml::de::Error| bad(e.to_string().trim_end().to_string()))?;
    // Both spellings of an option's name are accepted, as on many command lines.
    table = table.into_iter().map(|(key, value)| (key.replace('-', "_"), value)).collect();
    let mut file: File = table.try_into().map_err(|e: toml::de::Error| bad(e.to_string().trim_end().to_string()))?;
    if let Some(models) = &mut file.models
        && let Some(folder) = path.parent()
    {
        *models = folder.join(&*models);
    }
    globals.format = globals.format.or(file.format);
    globals.models = globals.models.or_else(|| file.models.clone());
    globals.threads = globals.threads.or(file.threads);
    globals.seed = globals.seed.or(file.seed);
    globals.quiet |= file.quiet.unwrap_or(false);
    if let (None, Some(size)) = (globals.max_memory, &file.max_memory) {
        globals.max_memory = Some(parse_size(size).map_err(|e| bad(format!("max_memory: {e}")))?);
    }
    if globals.threads == Some(0) {
        return Err(bad("threads: at least 1".into()));
    }
    Ok((globals, file))
}
