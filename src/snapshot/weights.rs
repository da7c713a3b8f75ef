//! Weight files: safetensors, npz and torch archives, all to the same named arrays with the same bits.

pub mod archive;
pub mod npy;
pub mod npz;
pub mod pickle;
pub mod safetensors;
pub mod torch;

use crate::error::Result;
use crate::snapshot::array::Array;
use crate::snapshot::decode::Context;

/// A weight format, known by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WeightFormat {
    /// `.safetensors`
    Safetensors,
    /// `.npz`
    Npz,
    /// `.pt` or `.pth`
    Torch,
}

impl WeightFormat {
    /// The format that a file name promises.
    pub fn of(file_name: &str) -> Option<Self> {
        let extension = file_name.rsplit_once('.')?.1;
        match extension.to_ascii_lowercase().as_str() {
            "safetensors" => Some(WeightFormat::Safetensors),
            "npz" => Some(WeightFormat::Npz),
            "pt" | "pth" => Some(WeightFormat::Torch),
            _ => None,
        }
    }
}

/// Reads all tensors of a weight file, in the file's order. `place` names the file in errors.
///
/// # Errors
/// Input errors (exit 3) for anything malformed or hostile, resource errors (exit 4) above the memory limit.
pub fn read(format: WeightFormat, bytes: &[u8], place: &str, context: Context<'_>) -> Result<Vec<(String, Array)>> {
    match format {
        WeightFormat::Safetensors => safetensors::read(bytes, place, context),
        WeightFormat::Npz => npz::read(bytes, place, context),
        WeightFormat::Torch => torch::read(bytes, place, context),
    }
}
