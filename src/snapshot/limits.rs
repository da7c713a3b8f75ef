//! What a file may ask for before it is refused.

use crate::error::{Error, Result};
use std::cell::Cell;

/// Caps on files from outside. The defaults fit every honest file this program can analyse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one call may hold in arrays (exit 4 above it).
    pub memory: u64,
    /// Bytes of one file (exit 4 above it).
    pub file: u64,
    /// Bytes of a `.npy` header.
    pub npy_header: usize,
    /// Bytes of a safetensors header.
    pub safetensors_header: usize,
    /// Members of a zip archive.
    pub zip_entries: usize,
    /// Uncompressed over compressed size of a zip member larger than [`Limits::zip_free`].
    pub zip_ratio: u64,
    /// Members up to this uncompressed size may have any ratio (zeros compress well).
    pub zip_free: u64,
    /// Nesting of a pickle or a protobuf message.
    pub depth: usize,
    /// Tensors of one file.
    pub tensors: usize,
    /// Axes of an array.
    pub axes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory: 8 << 30,
            file: 8 << 30,
            npy_header: 64 << 10,
            safetensors_header: 100_000_000,
            zip_entries: 65_536,
            zip_ratio: 100,
            zip_free: 16 << 20,
            depth: 256,
            tensors: 1 << 20,
            axes: 16,
        }
    }
}

/// Counts the bytes of widened arrays against [`Limits::memory`]; one meter serves one call of `open`.
#[derive(Debug, Default)]
pub struct Meter {
    used: Cell<u64>,
}

impl Meter {
    /// Claims room for `elements` widened elements before they are allocated.
    ///
    /// # Errors
    /// A resource error (exit 4) that names what is needed and the largest count that fits.
    pub fn claim(&self, place: &str, elements: usize, limits: &Limits) -> Result<()> {
        let bytes = (elements as u64).saturating_mul(8);
        let total = self.used.get().saturating_add(bytes);
        if total > limits.memory {
            return Err(Error::resource(
                "snapshot::memory",
                place,
                format!(
                    "{elements} elements need {bytes} bytes, {} are in use and the limit is {}",
                    self.used.get(),
                    limits.memory
                ),
                format!(
                    "raise --max-memory above {total}, or use at most {} elements",
                    limits.memory.saturating_sub(self.used.get()) / 8
                ),
            ));
        }
        self.used.set(total);
        Ok(())
    }

    /// Gives room back, when an array is dropped before the call ends.
    pub fn release(&self, elements: usize) {
        self.used.set(self.used.get().saturating_sub((elements as u64).saturating_mul(8)));
    }

    /// Bytes claimed so far.
    pub fn used(&self) -> u64 {
        self.used.get()
    }
}
