//! Hostile and honest ONNX files.
