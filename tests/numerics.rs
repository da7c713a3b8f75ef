//! Tests of the numerics parts.

mod assembly;
mod curvatures;
mod fixture;
mod mlp;
mod networks;
mod operators;
