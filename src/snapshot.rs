//! Reads training snapshots and plain matrices; every byte from outside is checked here.
//!
//! [`open`] is the one entry: a run directory, one snapshot file of it, or a matrix file.

pub mod array;
pub mod batch;
pub mod decode;
pub mod folder;
pub mod limits;
pub mod loss;
pub mod manifest;
pub mod matrix;
pub mod onnx_graph;
pub mod placing;
pub mod protobuf;
pub mod run;
pub mod weights;
pub mod write;

use crate::error::{Error, Result};
use folder::{Folder, missing_or_io};
use limits::Limits;
pub use matrix::MatrixInput;
pub use run::{ParameterInfo, RunInput, Snapshot};
use std::path::{Path, PathBuf};
use weights::WeightFormat;

/// What the command line says about the input.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// `--graph FILE`
    pub graph: Option<PathBuf>,
    /// `--batch FILE`
    pub batch: Option<PathBuf>,
    /// `--snapshots GLOB`
    pub snapshots: Option<String>,
    /// `--rhs FILE`
    pub rhs: Option<PathBuf>,
    /// `--max-memory` in bytes; [`Limits::memory`] when absent.
    pub max_memory: Option<u64>,
    /// `--seed`, for the default right-hand side of a matrix.
    pub seed: u64,
    /// Caps on what files may ask for.
    pub limits: Limits,
}

impl OpenOptions {
    /// The limits with `--max-memory` applied.
    pub fn effective_limits(&self) -> Limits {
        let mut limits = self.limits.clone();
        if let Some(memory) = self.max_memory {
            limits.memory = memory;
        }
        limits
    }
}

/// What was opened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A training run.
    Run(Box<RunInput>),
    /// A plain matrix.
    Matrix(Box<MatrixInput>),
}

/// Opens a run directory, one snapshot of a run, or a matrix.
///
/// # Errors
/// Input errors (exit 3) for anything missing, malformed, hostile or unfitting; resource errors (exit 4) above
/// the memory limit; input-output errors (exit 6).
pub fn open(path: &Path, options: &OpenOptions) -> Result<Input> {
    let meta = std::fs::metadata(path).map_err(|e| missing_or_io(path, &e))?;
    if meta.is_dir() {
        let folder = Folder::list(path)?;
        return Ok(Input::Run(Box::new(run::open(&folder, None, options)?)));
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if matrix::is_matrix_name(name) {
        return Ok(Input::Matrix(Box::new(matrix::open(path, options)?)));
    }
    if let Some(format) = WeightFormat::of(name) {
        if format != WeightFormat::Torch && matrix::holds_matrix(path, format, options)? {
            return Ok(Input::Matrix(Box::new(matrix::open(path, options)?)));
        }
        let folder = Folder::list(path.parent().unwrap_or(Path::new(".")))?;
        return Ok(Input::Run(Box::new(run::open(&folder, Some(name), options)?)));
    }
    Err(Error::input(
        "file::kind",
        path.display(),
        "neither a run directory, nor a snapshot, nor a matrix",
        "give a folder with an ONNX graph, a batch and snapshots, or a .npy, .npz, .mtx, .rsa or .rb matrix",
    ))
}

/// Opens a run whose files are embedded in the program.
///
/// # Errors
/// As [`open`].
pub fn open_embedded(files: &[(&str, &[u8])]) -> Result<Input> {
    let folder = Folder::embedded("sample", files);
    Ok(Input::Run(Box::new(run::open(&folder, None, &OpenOptions::default())?)))
}
