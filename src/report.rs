//! Renders a finished analysis; computes no number itself.

pub mod document;
