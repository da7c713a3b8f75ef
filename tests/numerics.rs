//! Tests of the numerics parts.

mod assembly;
mod fixture;
mod mlp;
