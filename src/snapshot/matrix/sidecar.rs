//! The JSON file beside a matrix that the program itself wrote: what the matrix is, so that measuring it goes on from there.

use crate::error::{Error, Result};
use crate::snapshot::folder::{FileEntry, digest};
use crate::snapshot::limits::Limits;
use crate::snapshot::write::sidecar_path;
use serde_json::Value;
use std::path::Path;

/// What marks such a file; any other JSON beside a matrix is left alone.
pub const MARK: &str = "breakeven-hessian";

/// What a stored curvature matrix is.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// The sidecar's file.
    pub file: String,
    /// BLAKE3 digest of the sidecar.
    pub digest: String,
    /// BLAKE3 digest of the matrix file, as the sidecar has it.
    pub matrix_digest: String,
    /// Id of the case it was stored for.
    pub case: String,
    /// Name, series and step of the snapshot.
    pub snapshot: String,
    /// The stem without its last digits.
    pub series: String,
    /// The last digits of the stem.
    pub step: Option<u64>,
    /// `hessian`, `ggn` or `empirical-fisher`.
    pub curvature: String,
    /// `full`, `layer:NAME`, `module:NAME`.
    pub scope: String,
    /// N.
    pub n: usize,
    /// Loss at the snapshot.
    pub loss: Option<f64>,
    /// Gradient of the loss over the block.
    pub gradient: Option<Vec<f64>>,
    /// Digests of what it was made from, by name.
    pub made_from: Vec<(String, String)>,
    /// One digest of all of that.
    pub key: String,
}

/// Reads the sidecar of the matrix at `path`, when there is one that this program wrote.
///
/// # Errors
/// A marked sidecar that is damaged (input), and what reading meets.
pub fn beside(path: &Path, limits: &Limits) -> Result<Option<About>> {
    let path = sidecar_path(path);
    if !path.is_file() {
        return Ok(None);
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let bytes = FileEntry::on_disk(name, path.clone()).read(limits)?;
    read(&bytes, &path)
}

/// Reads the sidecar `bytes` of the file `path`; `None` for JSON without the mark.
///
/// # Errors
/// A marked sidecar that is damaged.
pub fn read(bytes: &[u8], path: &Path) -> Result<Option<About>> {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return Ok(None) };
    if json.get("kind").and_then(Value::as_str) != Some(MARK) {
        return Ok(None);
    }
    let damaged = |what: String| {
        Error::input("matrix::sidecar", path.display(), what, "export the matrix again, or delete this sidecar")
    };
    let text = |key: &str| {
        let found = json.get(key).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| damaged(format!("has no text '{key}'")))
    };
    let n = json.get("n").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let n = n.ok_or_else(|| damaged("has no size 'n'".into()))?;
    let gradient = match json.get("gradient") {
        None | Some(Value::Null) => None,
        Some(Value::Array(list)) => {
            let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
            let numbers = numbers.filter(|g| g.len() == n && g.iter().all(|x| x.is_finite()));
            Some(numbers.ok_or_else(|| damaged(format!("its gradient is not a list of {n} numbers")))?)
        }
        Some(_) => return Err(damaged("its gradient is not a list of numbers".into())),
    };
    let made_from = match json.get("made_from") {
        Some(Value::Object(map)) => {
            map.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
        }
        _ => return Err(damaged("has no object 'made_from'".into())),
    };
    Ok(Some(About {
        file: path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned(),
        digest: digest(bytes),
        matrix_digest: text("blake3")?,
        case: text("case")?,
        snapshot: text("snapshot")?,
        series: text("series")?,
        step: json.get("step").and_then(Value::as_u64),
        curvature: text("curvature")?,
        scope: text("scope")?,
        n,
        loss: json.get("loss").and_then(Value::as_f64).filter(|x| x.is_finite()),
        gradient,
        made_from,
        key: text("key")?,
    }))
}

/// Refuses a sidecar that belongs to other bytes than those of its matrix.
///
/// # Errors
/// When the digests or the sizes differ.
pub fn check(about: &About, matrix_digest: &str, n: usize, place: &str) -> Result<()> {
    if about.matrix_digest == matrix_digest && about.n == n {
        return Ok(());
    }
    Err(Error::input(
        "matrix::stale",
        place,
        format!("is not the matrix that {} describes: its digest is {matrix_digest}", about.file),
        "export the matrix again, or delete the sidecar to have the matrix measured as it is",
    ))
}
