//! What `inspect` tells: everything that was read, and how each parameter was placed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::opened::{Opened, open};
use super::plan::Plan;
use crate::error::Result;
use crate::graph::lower::support;
use crate::snapshot::array::Array;
use crate::snapshot::loss::LossSpec;
use crate::snapshot::matrix::{Entries, MatrixInput};
use crate::snapshot::{Input, RunInput};

/// One inspected path.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Inspection {
    /// A training run.
    Run(Box<RunInspection>),
    /// A plain matrix.
    Matrix(Box<MatrixInspection>),
}

/// A plain matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatrixInspection {
    /// What was read about it.
    pub matrix: MatrixFacts,
    /// Unknowns N.
    pub n: usize,
    /// Digest of every file that was read.
    pub inputs: Vec<FileDigest>,
}

/// What was read about a matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatrixFacts {
    /// Its file.
    pub file: String,
    /// Entries that are not zero.
    pub nonzeros: usize,
    /// Largest absolute entry.
    pub max_abs: f64,
    /// max|a_ij − a_ji|/max|a| as it was stored.
    pub relative_asymmetry: f64,
    /// `dense` or `sparse`.
    pub storage: String,
    /// Where the right-hand side comes from.
    pub rhs: String,
}

/// A training run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunInspection {
    /// The graph.
    pub graph: GraphInspection,
    /// The parameters and how each was placed.
    pub parameters: Vec<ParameterInspection>,
    /// Float initializers that are constants.
    pub constants: Vec<String>,
    /// Number of parameters N.
    pub n: usize,
    /// The arrays of the batch, the target last.
    pub batch: Vec<ArrayInspection>,
    /// Samples in the batch.
    pub samples: usize,
    /// The loss.
    pub loss: LossInspection,
    /// The snapshots by series and step.
    pub snapshots: Vec<SnapshotInspection>,
    /// Digest of every file that was read.
    pub inputs: Vec<FileDigest>,
}

/// The graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphInspection {
    /// Its file.
    pub file: String,
    /// Version of the operator set.
    pub opset: i64,
    /// Number of nodes.
    pub nodes: usize,
    /// How often each operator occurs.
    pub operators: BTreeMap<String, usize>,
    /// What cannot be analysed, each with node and reason.
    pub unsupported: Vec<String>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterInspection {
    /// Name in the snapshot.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Element type in the file.
    pub dtype: String,
    /// `name`, `trace`, `value` or `shape`.
    pub placed_by: String,
    /// The values of the graph that it feeds.
    pub initialisers: Vec<String>,
}

/// One array of the batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArrayInspection {
    /// Name in the file.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Element type in the file.
    pub dtype: String,
}

/// The loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LossInspection {
    /// `cross_entropy`, `mse`, `bce_with_logits` or `output`.
    pub kind: String,
    /// `mean` or `sum`.
    pub reduction: String,
    /// Target value that is left out.
    pub ignore_index: Option<i64>,
    /// Label smoothing.
    pub label_smoothing: f64,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SnapshotInspection {
    /// Its file.
    pub file: String,
    /// The stem without its last digits.
    pub series: String,
    /// The last digits of the stem.
    pub step: Option<u64>,
    /// Digest of the file.
    pub blake3: String,
}

/// A file and its digest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileDigest {
    /// File name inside the run directory.
    pub path: String,
    /// BLAKE3 in hexadecimal.
    pub blake3: String,
}

/// Opens what the plan names and describes it.
///
/// # Errors
/// As [`open`]; an unsupported operator is no error here but a line of the description.
pub fn inspect(plan: &Plan) -> Result<Vec<Inspection>> {
    open(plan)?.iter().map(describe).collect()
}

fn describe(opened: &Opened) -> Result<Inspection> {
    match &opened.input {
        Input::Run(run) => Ok(Inspection::Run(Box::new(describe_run(run)))),
        Input::Matrix(matrix) => Ok(Inspection::Matrix(Box::new(describe_matrix(matrix)))),
    }
}

fn describe_run(run: &RunInput) -> RunInspection {
    let mut operators = BTreeMap::new();
    for node in &run.model.nodes {
        *operators.entry(node.op_type.clone()).or_insert(0) += 1;
    }
    let target = run.batch.target.iter();
    RunInspection {
        graph: GraphInspection {
            file: run.graph_file.clone(),
            opset: run.model.opset,
            nodes: run.model.nodes.len(),
            operators,
            unsupported: support::unsupported(&run.model),
        },
        parameters: run
            .parameters
            .iter()
            .map(|p| ParameterInspection {
                name: p.name.clone(),
                shape: p.shape.clone(),
                dtype: p.dtype.to_string(),
                placed_by: p.placed_by.to_string(),
                initialisers: p.initializers.clone(),
            })
            .collect(),
        constants: run.constants.clone(),
        n: run.n,
        batch: run.batch.inputs.iter().chain(target).map(describe_array).collect(),
        samples: run.batch.samples,
        loss: describe_loss(&run.loss),
        snapshots: run
            .snapshots
            .iter()
            .map(|s| SnapshotInspection {
                file: s.file.clone(),
                series: s.series.clone(),
                step: s.step,
                blake3: s.digest.clone(),
            })
            .collect(),
        inputs: file_digests(&run.digests),
    }
}

fn describe_matrix(matrix: &MatrixInput) -> MatrixInspection {
    let storage = match matrix.entries {
        Entries::Dense(_) => "dense",
        Entries::Sparse(_) => "sparse",
    };
    MatrixInspection {
        matrix: MatrixFacts {
            file: matrix.file.clone(),
            nonzeros: matrix.nnz,
            max_abs: matrix.max_abs,
            relative_asymmetry: matrix.asymmetry,
            storage: storage.into(),
            rhs: matrix.rhs.source.clone(),
        },
        n: matrix.n,
        inputs: file_digests(&matrix.digests),
    }
}

fn file_digests(list: &[(String, String)]) -> Vec<FileDigest> {
    list.iter().map(|(path, blake3)| FileDigest { path: path.clone(), blake3: blake3.clone() }).collect()
}

fn describe_array((name, array): &(String, Array)) -> ArrayInspection {
    ArrayInspection { name: name.clone(), shape: array.shape.clone(), dtype: array.dtype.to_string() }
}

fn describe_loss(loss: &LossSpec) -> LossInspection {
    LossInspection {
        kind: loss.kind.to_string(),
        reduction: loss.reduction.to_string(),
        ignore_index: loss.ignore_index,
        label_smoothing: loss.label_smoothing,
    }
}
