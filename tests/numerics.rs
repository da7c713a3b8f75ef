//! Tests of the numerics parts.

mod assembly;
mod curvatures;
pub mod fixture;
mod lowering;
mod mlp;
mod networks;
mod operators;
mod products;
