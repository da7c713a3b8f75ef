//! Stored measurements: `measure --format json` or a `report.json`, read again, so that no weights are needed.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::report::document::InputDigest;

/// Largest file that is read: far above any real one.
const MAX_BYTES: u64 = 1 << 30;

/// Measurements and what they were made from.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// The cases.
    pub cases: Vec<Measurement>,
    /// The inputs that the file names; itself, when it names none.
    pub inputs: Vec<InputDigest>,
}

#[derive(Deserialize)]
struct File {
    cases: Vec<Measurement>,
    provenance: Option<Provenance>,
}

#[derive(Deserialize)]
struct Provenance {
    #[serde(default)]
    inputs: Vec<InputDigest>,
}

/// Whether a path is read as stored measurements.
pub fn is_stored(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

/// Reads stored measurements.
///
/// # Errors
/// A missing file, truncated or foreign JSON, two cases of one id, a case without unknowns: exit 3.
pub fn read(path: &Path) -> Result<Stored> {
    let place = path.display().to_string();
    let bad = |what: String| {
        Error::input(
            "pipeline::stored",
            &place,
            what,
            "write it with `breakeven measure … --format json` or give a report.json",
        )
    };
    let size = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) => return Err(bad("not a file".into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(bad("no such file".into())),
        Err(e) => return Err(Error::io(&place, &e)),
    };
    if size > MAX_BYTES {
        return Err(bad(format!("{size} bytes are more than measurements have")));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(&place, &e))?;
    let file: File = serde_json::from_slice(&bytes).map_err(|e| bad(format!("no stored measurements: {e}")))?;
    if file.cases.is_empty() {
        return Err(bad("no case in it".into()));
    }
    let mut ids = std::collections::BTreeSet::new();
    for case in &file.cases {
        if !ids.insert(case.id.as_str()) {
            return Err(bad(format!("the case {} stands twice", case.id)));
        }
        if case.n == 0 || case.tolerance.value <= 0.0 || case.subnormalization.relative < 0.0 {
            return Err(bad(format!("the case {} has no possible size, tolerance or subnormalization", case.id)));
        }
    }
    let own = || InputDigest {
        path: path.file_name().map_or_else(|| place.clone(), |n| n.to_string_lossy().into_owned()),
        blake3: blake3::hash(&bytes).to_hex().to_string(),
    };
    let inputs = file.provenance.map(|p| p.inputs).filter(|list| !list.is_empty()).unwrap_or_else(|| vec![own()]);
    Ok(Stored { cases: file.cases, inputs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &tempfile::TempDir, text: &str) -> std::path::PathBuf {
        let path = folder.path().join("m.json");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn case(id: &str) -> Measurement {
        let mut m = Measurement { id: id.into(), n: 3, ..Measurement::default() };
        m.tolerance.value = 0.1;
        m
    }

    #[test]
    fn what_measure_writes_is_read_again() {
        let folder = tempfile::tempdir().expect("folder");
        let text = serde_json::json!({ "cases": [case("a"), case("b")] }).to_string();
        let stored = read(&write(&folder, &text)).expect("stored");
        assert_eq!(stored.cases, [case("a"), case("b")]);
        assert_eq!(stored.inputs[0].path, "m.json");
        assert_eq!(stored.inputs[0].blake3, blake3::hash(text.as_bytes()).to_hex().to_string());
    }

    #[test]
    fn bad_files_are_input_errors() {
        let folder = tempfile::tempdir().expect("folder");
        let twice = serde_json::json!({ "cases": [case("a"), case("a")] }).to_string();
        let empty = serde_json::json!({ "cases": [Measurement::default()] }).to_string();
        for text in ["", "{", "[]", "{\"cases\": []}", "{\"cases\": [{\"id\": 1}]}", &twice, &empty] {
            let error = read(&write(&folder, text)).expect_err("bad");
            assert_eq!(error.class.exit_code(), 3, "{text}");
            assert!(error.to_string().contains("m.json"));
        }
        assert_eq!(read(Path::new("/nonexistent.json")).expect_err("missing").class.exit_code(), 3);
    }
}
