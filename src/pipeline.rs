//! The arrows in order: the only file that names every stage.

pub mod memory;
pub mod plan;
pub mod progress;

pub use plan::Plan;
