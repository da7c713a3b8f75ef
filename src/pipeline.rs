//! The arrows in order: the only file that names every stage.

pub mod plan;

pub use plan::Plan;
