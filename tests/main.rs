//! The one integration binary (fast to link); a module per theme.

pub mod cli;
mod numerics;
mod regress;
mod report;
mod schedule;
mod simulate;
mod snapshot;
mod spectrum;
mod structure;
mod symbolic;
mod train;
