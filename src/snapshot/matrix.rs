//! A plain symmetric matrix and its right-hand side, from npy, npz, Matrix Market or Harwell-Boeing files.

pub mod dense_file;
pub mod harwell_boeing;
pub mod market;
mod rhs;
pub mod sidecar;
mod symmetric;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::snapshot::OpenOptions;
use crate::snapshot::decode::Context;
use crate::snapshot::folder::{FileEntry, Folder, digest};
use crate::snapshot::limits::{Limits, Meter};
use crate::snapshot::weights::{self, WeightFormat};
use faer::Mat;
use nalgebra_sparse::CsrMatrix;
pub use rhs::{RightHandSide, default_rhs};
use std::path::Path;

/// A symmetric matrix to solve with, checked and made exactly symmetric.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixInput {
    /// Stem of its file.
    pub name: String,
    /// Its file.
    pub file: String,
    /// BLAKE3 digest of its file.
    pub digest: String,
    /// Order.
    pub n: usize,
    /// Entries that are not zero.
    pub nnz: usize,
    /// Largest absolute entry.
    pub max_abs: f64,
    /// `max|a_ij − a_ji| / max|a|` as it was stored.
    pub asymmetry: f64,
    /// The entries.
    pub entries: Entries,
    /// The right-hand side.
    pub rhs: RightHandSide,
    /// What it is, when this program wrote it.
    pub about: Option<sidecar::About>,
    /// Digests of all files that were read.
    pub digests: Vec<(String, String)>,
}

/// How the entries are held.
#[derive(Debug, Clone, PartialEq)]
pub enum Entries {
    /// All of them.
    Dense(Mat<f64>),
    /// Those that are stored, both triangles.
    Sparse(CsrMatrix<f64>),
}

impl MatrixInput {
    /// Bytes of the dense form.
    pub fn dense_bytes(&self) -> u64 {
        (self.n as u64).saturating_mul(self.n as u64).saturating_mul(8)
    }

    /// The dense form.
    ///
    /// # Errors
    /// A resource error when `max_memory` bytes do not hold it.
    pub fn to_dense(&self, max_memory: u64) -> Result<Mat<f64>> {
        match &self.entries {
            Entries::Dense(matrix) => Ok(matrix.clone()),
            Entries::Sparse(csr) => {
                check_dense(&self.file, self.n, max_memory)?;
                let mut dense = Mat::zeros(self.n, self.n);
                for (i, j, value) in csr.triplet_iter() {
                    dense[(i, j)] = *value;
                }
                Ok(dense)
            }
        }
    }
}

/// Whether a file name promises a matrix and nothing else.
pub fn is_matrix_name(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    matches!(extension.as_str(), "npy" | "mtx" | "rsa" | "rb" | "rua" | "psa" | "pua")
}

/// Opens the matrix at `path` with its right-hand side.
///
/// # Errors
/// Input errors for malformed files, matrices that are not square, not symmetric (relative asymmetry above 1e-8)
/// or not finite; resource errors above the memory limit.
pub fn open(path: &Path, options: &OpenOptions) -> Result<MatrixInput> {
    let limits = options.effective_limits();
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let file = FileEntry::on_disk(name, path.to_owned());
    let bytes = file.read(&limits)?;
    let mut input = read(name, &bytes, &file.place(), &limits)?;
    input.digest = digest(&bytes);
    input.digests.push((name.to_owned(), input.digest.clone()));
    input.about = sidecar::beside(path, &limits)?;
    if let Some(about) = &input.about {
        sidecar::check(about, &input.digest, input.n, &file.place())?;
        input.digests.push((about.file.clone(), about.digest.clone()));
    }
    input.rhs = match &options.rhs {
        Some(path) => {
            let file = FileEntry::on_disk(path.display().to_string(), path.clone());
            let bytes = file.read(&limits)?;
            input.digests.push((file.name.clone(), digest(&bytes)));
            let meter = Meter::default();
            rhs::read(&bytes, &file, input.n, Context { limits: &limits, meter: &meter })?
        }
        None => match input.about.as_ref().and_then(|a| Some((a, a.gradient.clone()?))) {
            Some((about, values)) if values.iter().any(|x| *x != 0.0) => RightHandSide {
                values,
                source: format!("gradient of the loss at {}, from {}", about.snapshot, about.file),
            },
            _ => default_rhs(input.n, options.seed),
        },
    };
    input.digests.sort();
    Ok(input)
}

/// Reads and checks a matrix from the bytes of the file `name`; the right-hand side is the default one of seed 0.
///
/// # Errors
/// As [`open`].
pub fn read(name: &str, bytes: &[u8], place: &str, limits: &Limits) -> Result<MatrixInput> {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    let meter = Meter::default();
    let context = Context { limits, meter: &meter };
    let raw = match extension.as_str() {
        "npy" => dense_file::npy(bytes, place, context)?,
        "npz" => dense_file::npz(bytes, place, context)?,
        "safetensors" => dense_file::safetensors(bytes, place, context)?,
        "mtx" => market::read(bytes, place, limits)?,
        _ => harwell_boeing::read(bytes, place, limits)?,
    };
    let checked = symmetric::check(raw, place)?;
    Ok(MatrixInput {
        name: name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned(),
        file: name.to_owned(),
        digest: digest(bytes),
        rhs: default_rhs(checked.n, 0),
        about: None,
        n: checked.n,
        nnz: checked.nnz,
        max_abs: checked.max_abs,
        asymmetry: checked.asymmetry,
        entries: checked.entries,
        digests: Vec::new(),
    })
}

/// Whether a weight file that is not part of a run holds a matrix: an array `H`, or no graph beside it.
pub(super) fn holds_matrix(path: &Path, format: WeightFormat, options: &OpenOptions) -> Result<bool> {
    if options.graph.is_some() {
        return Ok(false);
    }
    let limits = options.effective_limits();
    let file = FileEntry::on_disk(path.display().to_string(), path.to_owned());
    let bytes = file.read(&limits)?;
    let meter = Meter::default();
    let arrays = weights::read(format, &bytes, &file.place(), Context { limits: &limits, meter: &meter })?;
    if let [(name, array)] = arrays.as_slice()
        && name == "H"
        && array.shape.len() == 2
    {
        return Ok(true);
    }
    let folder = Folder::list(path.parent().unwrap_or(Path::new(".")))?;
    let beside_graph = folder.files.iter().any(|f| f.extension() == "onnx");
    Ok(!beside_graph)
}

/// Entries as a file stores them, with symmetric storage already mirrored.
#[derive(Debug, Clone, PartialEq)]
pub struct RawMatrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The entries.
    pub entries: Entries,
}

/// Refuses a dense matrix of order `n` that `max_memory` bytes do not hold. Call it before allocating.
///
/// # Errors
/// A resource error that names N, the bytes, the largest N that fits and the alternative.
pub fn check_dense(place: &str, n: usize, max_memory: u64) -> Result<()> {
    let bytes = (n as u64).saturating_mul(n as u64).saturating_mul(8);
    if bytes > max_memory {
        let largest = ((max_memory / 8) as f64).sqrt() as u64;
        return Err(Error::resource(
            "matrix::memory",
            place,
            format!("a dense matrix of N = {n} needs {bytes} bytes, above the limit of {max_memory}"),
            format!("raise --max-memory above {bytes}, or use a matrix of at most N = {largest}"),
        ));
    }
    Ok(())
}

/// The error for a matrix file that cannot be read.
fn damaged(place: &str, what: impl std::fmt::Display) -> Error {
    Error::input("matrix::damaged", place, what, "check the file against its format, or save it again")
}
