//! Tests of the regression of cost tables, as whole commands and against the consumers of each format.

mod crash;
mod formats;
mod gate;
mod mutation;
mod older;
mod schemas;

use std::path::{Path, PathBuf};

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the repository, as an argument.
fn argument(path: &str) -> String {
    repository(path).display().to_string()
}

/// Measurements that need no weights.
const MEASURED: &str = "reports/golden/sample.measurements.json";

/// The baseline of `MEASURED`.
const BASELINE: &str = "reports/golden/sample.json";

/// The baseline of every model's worked examples and of `BRANCHES`.
const EXAMPLES: &str = "reports/golden/examples.json";

/// Points of the branches that no worked example reaches.
const BRANCHES: &str = "reports/golden/branches.toml";
