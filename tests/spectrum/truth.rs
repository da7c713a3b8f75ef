//! Reads the fixtures' ground truth: truth.json and the float64 arrays of truth/*.npz.

use faer::Mat;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The networks with ground truth of their Hessians.
pub const NETWORKS: [&str; 6] =
    ["bert_char", "cnn_digits", "gpt_char", "mlp_relu_digits", "mlp_relu_small", "mlp_tanh_digits"];

pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

pub fn json(network: &str) -> Value {
    let text = std::fs::read_to_string(data().join(network).join("truth/truth.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// One float64 array of an npz file, if it has it; read here on its own so that the tests stand apart from the reader.
pub fn array(network: &str, snapshot: &str, name: &str) -> Option<Vec<f64>> {
    let path = data().join(network).join(format!("truth/{snapshot}.npz"));
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).ok()?).unwrap();
    let mut bytes = Vec::new();
    zip.by_name(&format!("{name}.npy")).ok()?.read_to_end(&mut bytes).unwrap();
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    let (start, length) = match bytes[6] {
        1 => (10, u16::from_le_bytes([bytes[8], bytes[9]]) as usize),
        _ => (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize),
    };
    assert!(String::from_utf8_lossy(&bytes[start..start + length]).contains("'<f8'"));
    let values = bytes[start + length..].chunks_exact(8);
    Some(values.map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect())
}

/// The Hessian, where the truth has it (row-major lower triangle).
pub fn hessian(network: &str, snapshot: &str) -> Option<Mat<f64>> {
    let lower = array(network, snapshot, "H_lower")?;
    let n = ((((8 * lower.len() + 1) as f64).sqrt() - 1.0) / 2.0).round() as usize;
    assert_eq!(n * (n + 1) / 2, lower.len());
    Some(Mat::from_fn(n, n, |i, j| {
        let (i, j) = (i.max(j), i.min(j));
        lower[i * (i + 1) / 2 + j]
    }))
}

pub fn number(value: &Value, name: &str) -> Option<f64> {
    value.get(name).and_then(Value::as_f64)
}

/// |a − b| ≤ limit·|b|, said with its place.
pub fn close(a: f64, b: f64, limit: f64, place: &str) {
    assert!((a - b).abs() <= limit * b.abs(), "{place}: {a:e} against {b:e}, relative {:e}", ((a - b) / b).abs());
}
