//! The arrows in order: the only file that names every stage.
//!
//! | part | what |
//! |---|---|
//! | [`plan`] | what was asked, validated |
//! | [`opened`] | run directories, snapshots, matrices, the embedded [`sample`] |
//! | [`blocks`] | which diagonal blocks become cases |
//! | [`memory`] | the bytes of each stage, said beforehand |
//! | [`inspection`] | what `inspect` tells |
//! | [`stored`] | measurements read again |
//! | [`progress`] | how far a long run is |

pub mod blocks;
pub mod inspection;
pub mod memory;
pub mod opened;
pub mod plan;
pub mod progress;
pub mod sample;
pub mod stored;

pub use inspection::inspect;
pub use plan::Plan;
