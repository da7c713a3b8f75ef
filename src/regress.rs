//! Cost tables under regression: stable tables, comparison with tolerances, formats for CI systems.
//!
//! Only *modelled* costs are gated; they are deterministic, so a difference is a change of a model, of an input or
//! of the program, never of the machine's mood. A table names the digest of everything that its rows were computed
//! from, and [`compare()`](compare::compare) uses these digests to say *why* a number moved.

pub mod bencher;
pub mod compare;
pub mod diff;
pub mod github;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod stored;
pub mod sweep;
pub mod table;
pub mod tolerance;

#[cfg(test)]
mod tests;
