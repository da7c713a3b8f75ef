//! Finished parts of a long reproduction, so that a second run does not begin again.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::atomic::{sweep, write_file};
use crate::error::{Class, Error, Result};

/// A folder of finished parts; `None` keeps nothing.
#[derive(Debug, Clone)]
pub struct Checkpoints(Option<PathBuf>);

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    /// Digest of program, settings and part: another program or other settings compute anew.
    key: String,
    part: T,
}

/// Digest of the running program (its version where the file cannot be read): no build takes up another's numbers.
fn program() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let digest = || -> std::io::Result<String> {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(std::fs::File::open(std::env::current_exe()?)?)?;
            Ok(hasher.finalize().to_hex().to_string())
        };
        digest().unwrap_or_else(|_| env!("CARGO_PKG_VERSION").to_owned())
    })
}

impl Checkpoints {
    /// Nothing is kept.
    pub fn none() -> Self {
        Checkpoints(None)
    }

    /// Parts are kept in `folder`, which is made now.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder.display(), &e))?;
        sweep(folder);
        Ok(Checkpoints(Some(folder.to_path_buf())))
    }

    /// The part `id` made from `settings`: read where it is there already, else computed and kept.
    ///
    /// # Errors
    /// What computing or writing meets; an unreadable part is computed anew.
    pub fn part<S: Serialize, T: Serialize + DeserializeOwned>(
        &self,
        id: &str,
        settings: &S,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(folder) = &self.0 else { return work() };
        let failed = |e: serde_json::Error| Error::new(Class::Io, "reproduction::checkpoint", id, e, "");
        let text = serde_json::to_string(settings).map_err(failed)?;
        let key = blake3::hash(format!("{} {id} {text}", program()).as_bytes()).to_hex().to_string();
        let path = folder.join(format!("{id}.json"));
        if let Ok(bytes) = std::fs::read(&path)
            && let Ok(kept) = serde_json::from_slice::<Kept<T>>(&bytes)
            && kept.key == key
        {
            return Ok(kept.part);
        }
        let kept = Kept { key, part: work()? };
        write_file(&path, &serde_json::to_vec(&kept).map_err(failed)?)?;
        Ok(kept.part)
    }

    /// Removes the parts once the report is whole.
    pub fn clear(&self) {
        if let Some(folder) = &self.0 {
            // A leftover costs disk space, nothing else.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
