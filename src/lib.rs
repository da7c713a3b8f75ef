//! Breakeven: when would a quantum linear solver beat a classical one on the Hessians of a real training run?
//!
//! Data travels one way; each arrow is one module, each noun one plain serialisable struct:
//!
//! ```text
//! file → Snapshot → Program → CurvatureOperator → Measurement → CostTable → Crossovers/Verdicts → (Verification) → Report → bytes
//! ```
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod atomic;
pub mod autodiff;
pub mod catalog;
pub mod cli;
pub mod cost;
pub mod crossover;
pub mod curvature;
mod elementary;
pub mod error;
pub mod expr;
pub mod graph;
pub mod measure;
pub mod measurement;
mod pages;
pub mod parallel;
pub mod pipeline;
pub mod regress;
pub mod report;
pub mod schedule;
pub mod simulate;
pub mod snapshot;
pub mod spectrum;
pub mod tensor;
pub mod train;
