//! The arrows in order: the only file that names every stage.
//!
//! | part | what |
//! |---|---|
//! | [`plan`] | what was asked, validated |
//! | [`opened`] | run directories, snapshots, matrices, the embedded [`sample`] |
//! | [`memory`] | the bytes of each stage, said beforehand |
//! | [`inspection`] | what `inspect` tells |
//! | [`progress`] | how far a long run is |

pub mod inspection;
pub mod memory;
pub mod opened;
pub mod plan;
pub mod progress;
pub mod sample;

pub use inspection::inspect;
pub use plan::Plan;
