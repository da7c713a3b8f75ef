//! Tests of the numerics parts.

mod curvatures;
mod fixture;
mod mlp;
mod networks;
mod operators;
