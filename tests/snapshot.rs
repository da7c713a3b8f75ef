//! Everything that reads outside files: real exports, all formats, hostile input.

mod fixtures;
mod hostile_onnx;
mod hostile_torch;
mod hostile_weights;
pub mod make;
mod placing;
mod runs;
