//! The log of a training: one JSON line a step, cut back to what is certain when a run is resumed.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::observer::StepEvent;
use crate::atomic;
use crate::error::{Error, Result};

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    out: BufWriter<File>,
}

#[derive(Deserialize)]
struct Numbered {
    step: u64,
}

impl Log {
    /// An empty log.
    pub fn create(path: &Path) -> Result<Self> {
        atomic::write_file(path, b"")?;
        Self::open(path)
    }

    /// An existing log with its lines up to `step`; what comes after, and a torn line, is dropped.
    pub fn resume(path: &Path, step: u64) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path.display(), &e))?;
        let mut kept = String::new();
        for line in text.lines() {
            match serde_json::from_str::<Numbered>(line) {
                Ok(found) if found.step <= step => {
                    kept.push_str(line);
                    kept.push('\n');
                }
                _ => break,
            }
        }
        atomic::write_file(path, kept.as_bytes())?;
        Self::open(path)
    }

    fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).open(path).map_err(|e| Error::io(path.display(), &e))?;
        Ok(Log { path: path.to_owned(), out: BufWriter::new(file) })
    }

    /// Appends a line.
    pub fn append(&mut self, event: &StepEvent) -> Result<()> {
        let mut line = serde_json::to_string(event)
            .map_err(|e| Error::certificate("train::log", self.path.display(), e, "this is a defect; report it"))?;
        line.push('\n');
        self.out.write_all(line.as_bytes()).map_err(|e| Error::io(self.path.display(), &e))
    }

    /// Makes all lines durable.
    pub fn sync(&mut self) -> Result<()> {
        let durable = self.out.flush().and_then(|()| self.out.get_ref().sync_data());
        durable.map_err(|e| Error::io(self.path.display(), &e))
    }
}
