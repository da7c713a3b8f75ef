//! Tests of the numerics parts.

mod fixture;
mod mlp;
