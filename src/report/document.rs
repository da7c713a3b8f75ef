//! The report as plain data: `report.json` is exactly this.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cost::CostRow;
use crate::crossover::{CrossoverRow, Verdict, VerdictClass};
use crate::measurement::Measurement;
use crate::report::figure_data::{FigureData, Side};
use crate::simulate::{Calibration, SimulationRow};

/// Version of the JSON layout; additive changes only within a major version.
pub const SCHEMA_VERSION: &str = "1.0";

/// The whole report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this layout.
    pub schema_version: String,
    /// What made it.
    pub tool: Tool,
    /// From what it was made.
    pub provenance: Provenance,
    /// One entry per snapshot and block.
    pub cases: Vec<Case>,
    /// What was analysed: the run directory's or the matrix's name.
    #[serde(default)]
    pub title: String,
    /// The verdict in one sentence, where the pipeline has a better one than the report composes from the verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// needed/predicted over the run's own systems: the measured end of each model's band, beside the proven one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<Calibration>,
    /// The models that the costs come from.
    #[serde(default)]
    pub models: Vec<ModelNote>,
    /// The machines that turned operations into seconds.
    #[serde(default)]
    pub machines: Vec<MachineNote>,
    /// Curves, maps and bars that were computed for the figures.
    #[serde(default)]
    pub figures: FigureData,
    /// What a reader should know about the whole run.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What the report says about a cost model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModelNote {
    /// Model id.
    pub id: String,
    /// What it is, in words.
    pub title: String,
    /// Quantum or classical.
    pub side: Side,
    /// `verified` or `unverified` in any case; everything but `verified` is marked in the report.
    pub status: String,
    /// On what the status rests.
    #[serde(default)]
    pub status_why: String,
    /// Its main formula as text.
    #[serde(default)]
    pub formula: String,
    /// Source with equation or theorem.
    pub cite: String,
    /// What it leaves out.
    #[serde(default)]
    pub omits: Vec<String>,
}

/// What the report says about a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MachineNote {
    /// Hardware id.
    pub id: String,
    /// What it is, in words.
    pub title: String,
    /// Quantum or classical.
    pub side: Side,
    /// Seconds for one gate or query step.
    #[serde(default)]
    pub gate_time: Option<f64>,
    /// Sustained floating-point operations in a second, dense work.
    #[serde(default)]
    pub flops_per_second: Option<f64>,
    /// The same for products with a stored matrix, where memory is the limit.
    #[serde(default)]
    pub matvec_flops_per_second: Option<f64>,
    /// What pricing on it rests on.
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// Source of its numbers.
    #[serde(default)]
    pub source: String,
}

/// The program that made a report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `breakeven`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// An input file and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct InputDigest {
    /// File name, relative to the run directory.
    pub path: String,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
}

/// Everything that determines the numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// Every file read, models and hardware included.
    pub inputs: Vec<InputDigest>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Worker threads.
    pub threads: usize,
    /// `f64` or `f32`.
    pub precision: String,
    /// Hardware ids.
    pub hardware: Vec<String>,
    /// The options that were in force.
    #[serde(default)]
    pub options: std::collections::BTreeMap<String, String>,
}

/// A class of verdicts and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClassCount {
    /// The class.
    pub class: VerdictClass,
    /// How often.
    pub count: usize,
}

/// A model that was not simulated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Model id.
    pub model: String,
    /// Why not.
    pub why: String,
}

/// One linear system with everything said about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// What was measured.
    #[serde(flatten)]
    pub measurement: Measurement,
    /// Every model's cost in every scenario.
    pub costs: Vec<CostRow>,
    /// Break-even points.
    pub crossovers: Vec<CrossoverRow>,
    /// One verdict per scenario and hardware pair.
    pub verdicts: Vec<Verdict>,
    /// The headline verdict.
    pub verdict: Option<Verdict>,
    /// How often each class was the headline verdict over the random parts of the batch (`--subsample`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdict_subsample: Vec<ClassCount>,
    /// Verified claims.
    pub simulation: Vec<SimulationRow>,
    /// Why a case was not simulated; absent when it was, or when simulation was off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation_skipped: Option<String>,
    /// Models of a simulated case that were not run, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub simulation_left_out: Vec<LeftOut>,
}
