//! Files that other programs read: npy, npz, safetensors, Matrix Market, each with an optional JSON sidecar.
//!
//! Every file appears whole or not at all.

use crate::error::{Error, Result};
use safetensors::{Dtype as Stored, tensor::TensorView};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Width of the floats in a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Rounded to single precision.
    F32,
    /// As they are.
    F64,
}

/// A named tensor to write: name, shape, row-major elements.
pub type Tensor<'a> = (&'a str, &'a [usize], &'a [f64]);

/// Writes `bytes` to `path` through a temporary file in the same folder.
///
/// # Errors
/// An input-output error; `path` is then as it was.
pub fn atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |cause: &std::io::Error| Error::io(path.display(), cause);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
    file.write_all(bytes).map_err(|e| failed(&e))?;
    file.as_file().sync_all().map_err(|e| failed(&e))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private; the result is an ordinary file.
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(|e| failed(&e))?;
    }
    file.persist(path).map_err(|e| failed(&e.error))?;
    Ok(())
}

fn element_bytes(values: &[f64], width: Width) -> Vec<u8> {
    match width {
        Width::F64 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Width::F32 => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
    }
}

/// A `.npy` file of version 1.0: row-major, little-endian, elements aligned to 64 bytes.
pub fn npy(shape: &[usize], values: &[f64], width: Width) -> Vec<u8> {
    let descr = match width {
        Width::F32 => "<f4",
        Width::F64 => "<f8",
    };
    npy_with(descr, shape, &element_bytes(values, width))
}

/// A `.npy` file of 64-bit integers.
pub fn npy_ints(shape: &[usize], values: &[i64]) -> Vec<u8> {
    npy_with("<i8", shape, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

fn npy_with(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let extents: String = match shape {
        [one] => format!("{one},"),
        several => several.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A `.npz` archive of `.npy` contents made by [`npy`] or [`npy_ints`], stored without compression.
///
/// # Errors
/// An input error when a name cannot be a member of an archive or occurs twice.
pub fn npz(members: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::input("write::npz", "npz archive", cause, "use distinct, plain array names");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    // The epoch of the format: the same content gives the same bytes.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, content) in members {
        zip.start_file(format!("{name}.npy"), options).map_err(|e| failed(e.to_string()))?;
        zip.write_all(content).map_err(|e| failed(e.to_string()))?;
    }
    Ok(zip.finish().map_err(|e| failed(e.to_string()))?.into_inner())
}

/// A safetensors file.
///
/// # Errors
/// An input error when a shape does not fit its elements.
pub fn safetensors(tensors: &[Tensor<'_>], width: Width) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::input("write::safetensors", "safetensors file", cause, "check the shapes");
    let stored = match width {
        Width::F32 => Stored::F32,
        Width::F64 => Stored::F64,
    };
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| element_bytes(values, width)).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, shape, _), bytes) in tensors.iter().zip(&data) {
        let view = TensorView::new(stored, shape.to_vec(), bytes).map_err(|e| failed(format!("'{name}': {e}")))?;
        views.push(((*name).to_owned(), view));
    }
    safetensors::serialize(views, None).map_err(|e| failed(e.to_string()))
}

/// A symmetric Matrix Market coordinate file: the lower triangle without zeros, 17 significant digits.
pub fn matrix_market(n: usize, entry: impl Fn(usize, usize) -> f64, comment: &str) -> String {
    let mut body = String::new();
    let mut count = 0usize;
    for j in 0..n {
        for i in j..n {
            let value = entry(i, j);
            if value != 0.0 {
                count += 1;
                // Writing to a string cannot fail.
                let _ = writeln!(body, "{} {} {value:?}", i + 1, j + 1);
            }
        }
    }
    let mut text = String::from("%%MatrixMarket matrix coordinate real symmetric\n");
    for line in comment.lines() {
        let _ = writeln!(text, "% {line}");
    }
    let _ = writeln!(text, "{n} {n} {count}");
    text + &body
}

/// The sidecar's path: `H.npy` has `H.npy.json`.
pub fn sidecar_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// Writes a symmetric matrix by the extension of `path` (`npy`, `safetensors` with the one tensor `H`, `mtx`) and
/// its description beside it ([`sidecar_path`]), to which the format, N and the matrix file's digest are added.
///
/// # Errors
/// A usage error for other extensions, input-output errors.
pub fn hessian(
    path: &Path,
    n: usize,
    entry: impl Fn(usize, usize) -> f64,
    mut description: serde_json::Map<String, serde_json::Value>,
) -> Result<()> {
    let row_major =
        || -> Vec<f64> { (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect() };
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    let bytes = match extension.as_str() {
        "npy" => npy(&[n, n], &row_major(), Width::F64),
        "safetensors" => safetensors(&[("H", &[n, n], &row_major())], Width::F64)?,
        "mtx" => matrix_market(n, &entry, "described in the JSON file beside this one").into_bytes(),
        _ => {
            return Err(Error::usage(
                "write::format",
                path.display(),
                "the extension tells the format: .npy, .safetensors or .mtx",
                "choose one of them",
            ));
        }
    };
    description.insert("file".into(), path.file_name().and_then(|f| f.to_str()).unwrap_or_default().into());
    description.insert("n".into(), n.into());
    description.insert("order".into(), "row-major, symmetric".into());
    description.insert("blake3".into(), crate::snapshot::folder::digest(&bytes).into());
    atomically(path, &bytes)?;
    let text = serde_json::to_string_pretty(&description)
        .map_err(|e| Error::input("write::sidecar", path.display(), e, "give plain JSON values"))?;
    atomically(&sidecar_path(path), format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::decode::Context;
    use crate::snapshot::limits::{Limits, Meter};
    use crate::snapshot::{Input, OpenOptions, open, weights};

    /// Values that need all 17 digits, a subnormal and a negative zero.
    const VALUES: [f64; 6] = [0.1, -1.0 / 3.0, 5e-324, 1.7976931348623157e308, -0.0, 12345678.9];

    fn same_bits(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
    }

    #[test]
    fn arrays_come_back_bit_by_bit() {
        let (limits, meter) = (Limits::default(), Meter::default());
        let context = Context { limits: &limits, meter: &meter };
        let bytes = npy(&[2, 3], &VALUES, Width::F64);
        assert_eq!((bytes.len() - 48) % 64, 0);
        let array = weights::npy::read(&bytes, "a.npy", context).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert!(same_bits(array.floats().unwrap(), &VALUES));
        let archive = npz(&[("a", bytes), ("y", npy_ints(&[2], &[-1, 1 << 60]))]).unwrap();
        let arrays = weights::npz::read(&archive, "a.npz", context).unwrap();
        assert_eq!(arrays[0].1, array);
        assert_eq!(arrays[1].1.ints().unwrap(), [-1, 1 << 60]);
        let file = safetensors(&[("b", &[6], &VALUES), ("a", &[2, 3], &VALUES)], Width::F64).unwrap();
        for (_, array) in weights::safetensors::read(&file, "a.safetensors", context).unwrap() {
            assert!(same_bits(array.floats().unwrap(), &VALUES));
        }
        let single = npy(&[1], &[0.1], Width::F32);
        let read = weights::npy::read(&single, "a.npy", context).unwrap();
        assert_eq!(read.floats().unwrap(), [f64::from(0.1f32)]);
        assert!(safetensors(&[("a", &[7], &VALUES)], Width::F64).is_err());
        assert!(npz(&[("a", vec![]), ("a", vec![])]).is_err());
    }

    #[test]
    fn exported_hessians_are_read_as_matrices() {
        let folder = tempfile::tempdir().unwrap();
        let h = [[2.0, -1.0 / 3.0, 0.0], [-1.0 / 3.0, 0.1, 1e-300], [0.0, 1e-300, -7.0]];
        for name in ["h.npy", "h.safetensors", "h.mtx"] {
            let path = folder.path().join(name);
            let mut about = serde_json::Map::new();
            about.insert("seed".into(), 7.into());
            hessian(&path, 3, |i, j| h[i][j], about).unwrap();
            let Input::Matrix(matrix) = open(&path, &OpenOptions::default()).unwrap() else { panic!("{name}") };
            let dense = matrix.to_dense(1 << 20).unwrap();
            for (i, row) in h.iter().enumerate() {
                for (j, value) in row.iter().enumerate() {
                    assert_eq!(dense[(i, j)].to_bits(), value.to_bits(), "{name}");
                }
            }
            let sidecar: serde_json::Value =
                serde_json::from_slice(&std::fs::read(sidecar_path(&path)).unwrap()).unwrap();
            assert_eq!(sidecar["blake3"], matrix.digest);
            assert_eq!(sidecar["seed"], 7);
        }
        assert!(hessian(&folder.path().join("h.txt"), 1, |_, _| 1.0, Default::default()).is_err());
        let nowhere = folder.path().join("no/such/h.npy");
        assert!(hessian(&nowhere, 1, |_, _| 1.0, Default::default()).is_err());
        // Nothing half-written is left.
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 6, "{left:?}");
    }
}
