//! Reads training snapshots and plain matrices; every byte from outside is checked here.

pub mod array;
pub mod loss;
pub mod onnx_graph;
pub mod placing;
