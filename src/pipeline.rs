//! The arrows in order: the only file that names every stage.
//!
//! | part | what |
//! |---|---|
//! | [`plan`], [`options`] | what was asked, validated; the same in words |
//! | [`opened`] | run directories, snapshots, matrices, the embedded [`sample`] |
//! | [`jobs`] | the list of cases: blocks of snapshots, their size and work |
//! | [`memory`] | the bytes of each stage, said beforehand |
//! | [`curvatures`] | the matrix of a case: dense, factored or by products |
//! | [`stored`] | matrices exported and reused by their hash |
//! | [`parts`] | random parts of the batch |
//! | [`measuring`] | every case measured |
//! | [`market`], [`calibration`] | models, scenarios and machines that price the cases |
//! | [`figures`] | the numbers behind the figures |
//! | [`analysis`] | the main job |
//! | [`survey`] | what it would do |
//! | [`inspection`] | what `inspect` tells |
//! | [`tables`] | cost tables for regression |
//! | [`systems`], [`verification`] | one case as numbers; its claims simulated |
//! | [`training`] | run directories made |
//! | [`scheduling`], [`first_order`], [`schedule_report`] | a run directory under the scheduler's policies |
//! | [`reproduction`] | the claims of the paper replayed |
//! | [`progress`] | how far a long run is |

pub mod analysis;
pub mod assembly_plan;
pub mod calibration;
pub mod curvatures;
pub mod figures;
pub mod first_order;
pub mod inspection;
pub mod jobs;
pub mod market;
pub mod measuring;
pub mod memory;
pub mod opened;
pub mod options;
pub mod parts;
pub mod plan;
pub mod progress;
pub mod reproduction;
pub mod sample;
pub mod schedule_report;
pub mod scheduling;
pub mod schemas;
pub mod stored;
pub mod survey;
pub mod systems;
pub mod tables;
pub mod training;
pub mod verification;

pub use analysis::analyze;
pub use inspection::inspect;
pub use measuring::measure_all;
pub use plan::Plan;
pub use tables::{cost_table, cost_table_in, locate};
