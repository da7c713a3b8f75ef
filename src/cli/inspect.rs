//! `breakeven inspect`: what was read, and how each parameter was placed.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use super::ExitStatus;
use super::args::HELP;
use super::context::Context;
use super::output::{Cell, Output, Table};
use crate::error::Result;
use crate::pipeline::inspection::{Inspection, MatrixInspection, RunInspection};
use crate::pipeline::plan::Input;
use crate::pipeline::{self, Plan};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven inspect RUN/
  breakeven inspect RUN/ --graph RUN/model.onnx --format json
")]
pub struct InspectArgs {
    /// A run directory, a snapshot or a matrix; none: the embedded sample.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// The ONNX graph, when the folder has several.
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// The batch, when the folder has several.
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
    /// Only the snapshots whose file name matches, such as 'sgd_*'.
    #[arg(long, value_name = "GLOB")]
    pub snapshots: Option<String>,
}

/// Prints what was read.
///
/// # Errors
/// Whatever reading meets.
pub fn run(args: InspectArgs, io: &Context) -> Result<ExitStatus> {
    let plan = Plan {
        input: args.path.map_or(Input::Sample, |path| Input::Paths(vec![path])),
        graph: args.graph,
        batch: args.batch,
        snapshots: args.snapshots,
        max_memory: io.max_memory,
        seed: io.seed,
        ..Plan::default()
    };
    for inspection in pipeline::inspect(&plan)? {
        let json = serde_json::to_value(&inspection).unwrap_or_default();
        let (text, table) = match &inspection {
            Inspection::Run(run) => (words(run), parameters(run)),
            Inspection::Matrix(matrix) => matrix_words(matrix),
        };
        io.emit(&Output { json, table: Some(table), text, forms: Vec::new() })?;
    }
    Ok(ExitStatus::Success)
}

fn matrix_words(inspected: &MatrixInspection) -> (String, Table) {
    let m = &inspected.matrix;
    let mut table = Table::new(&["file", "n", "nonzeros", "max_abs", "relative_asymmetry", "storage", "rhs"]);
    table.push(vec![
        m.file.clone().into(),
        inspected.n.into(),
        m.nonzeros.into(),
        m.max_abs.into(),
        m.relative_asymmetry.into(),
        m.storage.clone().into(),
        m.rhs.clone().into(),
    ]);
    (table.aligned(), table)
}

fn parameters(run: &RunInspection) -> Table {
    let mut table = Table::new(&["parameter", "shape", "dtype", "placed_by", "initialisers"]);
    for p in &run.parameters {
        table.push(vec![
            p.name.clone().into(),
            extents(&p.shape).into(),
            p.dtype.clone().into(),
            p.placed_by.clone().into(),
            p.initialisers.join(", ").into(),
        ]);
    }
    table
}

fn extents(shape: &[usize]) -> String {
    if shape.is_empty() { "scalar".into() } else { shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×") }
}

fn words(run: &RunInspection) -> String {
    let mut text = String::new();
    let operators: Vec<String> = run.graph.operators.iter().map(|(op, n)| format!("{op} {n}")).collect();
    let mut line = |head: &str, tail: String| {
        let _ = writeln!(text, "{head:<10} {tail}");
    };
    line(
        "graph",
        format!("{}, opset {}, {} nodes: {}", run.graph.file, run.graph.opset, run.graph.nodes, operators.join(", ")),
    );
    for (i, what) in run.graph.unsupported.iter().enumerate() {
        line(if i == 0 { "cannot do" } else { "" }, what.clone());
    }
    let arrays: Vec<String> =
        run.batch.iter().map(|a| format!("{} {} {}", a.name, extents(&a.shape), a.dtype)).collect();
    line("batch", format!("{} samples: {}", run.samples, arrays.join(", ")));
    let mut loss = format!("{}, {}", run.loss.kind, run.loss.reduction);
    if let Some(index) = run.loss.ignore_index {
        let _ = write!(loss, ", ignore_index {index}");
    }
    if run.loss.label_smoothing != 0.0 {
        let _ = write!(loss, ", label_smoothing {}", run.loss.label_smoothing);
    }
    line("loss", loss);
    line("size", format!("N = {} parameters in {} tensors", run.n, run.parameters.len()));
    if !run.constants.is_empty() {
        line("constants", run.constants.join(", "));
    }
    text.push('\n');
    text.push_str(&parameters(run).aligned());
    text.push('\n');
    let mut snapshots = Table::new(&["snapshot", "series", "step", "blake3"]);
    for s in &run.snapshots {
        snapshots.push(vec![
            s.file.clone().into(),
            s.series.clone().into(),
            s.step.map_or(Cell::Empty, |step| step.to_string().into()),
            s.blake3.chars().take(16).collect::<String>().into(),
        ]);
    }
    text.push_str(&snapshots.aligned());
    text
}
