//! Trains small networks and writes run directories.

pub mod data;
pub mod graph_builder;
pub mod network;
pub mod onnx_writer;

#[cfg(test)]
mod tests;
