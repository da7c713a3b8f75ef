//! Loads and lints the cost models, encodings and hardware files.
