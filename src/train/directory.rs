//! The files of a run directory: graph, batch, loss and snapshots in the form that every command reads, and beside them,
//! in the sub-folder `train/` that no command reads, what it takes to resume.

use std::path::{Path, PathBuf};

use super::first_order::Moments;
use super::onnx_writer;
use super::problem::Problem;
use super::request::Request;
use super::trainer::State;
use crate::atomic;
use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::decode::Context;
use crate::snapshot::folder::{Contained, FileEntry, Folder, missing_or_io};
use crate::snapshot::limits::{Limits, Meter};
use crate::snapshot::loss::{LossSpec, Reduction};
use crate::snapshot::onnx_graph::{self, OnnxModel, OnnxNode};
use crate::snapshot::write::{Tensor, Width, npy, npy_ints, npz, safetensors};
use crate::snapshot::{onnx_graph::Attribute, weights};

const GRAPH: &str = "model.onnx";
const BATCH: &str = "batch.npz";
const LOSS: &str = "loss.json";

/// A run directory and the series of one optimiser in it.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: PathBuf,
    series: &'static str,
}

impl Directory {
    /// `root` need not exist.
    pub fn new(root: &Path, series: &'static str) -> Self {
        Directory { root: root.to_owned(), series }
    }

    fn private(&self, extension: &str) -> PathBuf {
        self.root.join("train").join(format!("{}.{extension}", self.series))
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.private("jsonl")
    }

    /// Makes the folder and writes graph, batch and loss; a folder that holds the same is joined.
    ///
    /// # Errors
    /// A series of the same optimiser, or another graph, batch or loss, is there already.
    pub fn begin(&self, problem: &Problem, request: &Request) -> Result<()> {
        let taken = |path: &Path, what: &str| {
            Error::usage("train::out", path.display(), what.to_owned(), "give another --out, or go on with --resume")
        };
        let asked = self.private("json");
        if asked.exists() {
            return Err(taken(&asked, "this run was begun before"));
        }
        for file in self.list()? {
            let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
            let own = stem.strip_prefix(self.series).is_some_and(|rest| rest.starts_with('_'));
            if weights::WeightFormat::of(&file).is_some() && own {
                return Err(taken(&self.root.join(&file), "snapshots of this optimiser are there already"));
            }
            if file == "batch.safetensors" || file.ends_with(".onnx") && file != GRAPH {
                return Err(taken(&self.root.join(&file), "belongs to another run"));
            }
        }
        // everything is compared before anything is written
        let mut missing: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for (name, bytes) in [(BATCH, batch_bytes(problem)?), (LOSS, loss_bytes(&problem.loss))] {
            let path = self.root.join(name);
            match std::fs::read(&path) {
                Ok(found) if found == bytes => {}
                Ok(_) => return Err(taken(&path, "differs from that of this training")),
                Err(_) => missing.push((path, bytes)),
            }
        }
        let path = self.root.join(GRAPH);
        let graph = self.graph_bytes(problem, &problem.start);
        if path.exists() {
            let bytes = FileEntry::on_disk(path.display().to_string(), path.clone()).read(&Limits::default())?;
            if skeleton(&parse(&bytes, &path)?, problem) != skeleton(&parse(&graph, &path)?, problem) {
                return Err(taken(&path, "is another graph than that of this training"));
            }
        } else {
            missing.push((path, graph));
        }
        let folder = self.root.join("train");
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(folder.display(), &e))?;
        for (path, bytes) in &missing {
            atomic::write_file(path, bytes)?;
        }
        self.write_request(request)
    }

    /// Writes what was asked.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write_request(&self, request: &Request) -> Result<()> {
        let path = self.private("json");
        let mut text = serde_json::to_vec_pretty(request)
            .map_err(|e| Error::certificate("train::request", path.display(), e, "this is a defect; report it"))?;
        text.push(b'\n');
        atomic::write_file(&path, &text)
    }

    fn list(&self) -> Result<Vec<String>> {
        match Folder::list(&self.root) {
            Ok(folder) => Ok(folder.files.into_iter().map(|f| f.name).collect()),
            Err(_) if !self.root.exists() => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    /// Removes what a killed run left half-written.
    pub fn sweep(&self) {
        atomic::sweep(&self.root);
        atomic::sweep(&self.root.join("train"));
    }

    /// Refuses to go on where the batch of the run is no longer that of the data.
    ///
    /// # Errors
    /// The batch differs or cannot be read.
    pub fn check_batch(&self, problem: &Problem) -> Result<()> {
        let path = self.root.join(BATCH);
        let found = std::fs::read(&path).map_err(|e| missing_or_io(&path, &e))?;
        if found == batch_bytes(problem)? {
            return Ok(());
        }
        let what = "is not the first batch of the data that the run was begun with";
        Err(Error::input("train::resume", path.display(), what, "restore the data, or begin a new run"))
    }

    fn graph_bytes(&self, problem: &Problem, params: &[(String, Array)]) -> Vec<u8> {
        onnx_writer::to_bytes(&with_weights(problem, params), "breakeven")
    }

    /// Writes the graph with these weights.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write_graph(&self, problem: &Problem, params: &[(String, Array)]) -> Result<()> {
        atomic::write_file(&self.root.join(GRAPH), &self.graph_bytes(problem, params))
    }

    /// Writes the snapshot of a step and returns its name.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write_snapshot(&self, step: u64, params: &[(String, Array)]) -> Result<String> {
        let name = format!("{}_{step:04}.safetensors", self.series);
        let tensors: Vec<Tensor<'_>> = params
            .iter()
            .filter_map(|(name, array)| Some((name.as_str(), array.shape.as_slice(), array.floats()?)))
            .collect();
        let single = params.iter().all(|(_, a)| a.dtype == Dtype::F32);
        let bytes = safetensors(&tensors, if single { Width::F32 } else { Width::F64 })?;
        atomic::write_file(&self.root.join(&name), &bytes)?;
        Ok(name)
    }

    /// Writes what it takes to go on from here.
    ///
    /// # Errors
    /// The operating system refuses; the older state is then kept.
    pub fn write_state(&self, state: &State) -> Result<()> {
        let step = [state.step as f64];
        let (first, second) = (&state.moments.first, &state.moments.second);
        let bytes = safetensors(
            &[
                ("step", &[1], &step),
                ("theta", &[state.theta.len()], &state.theta),
                ("first", &[first.len()], first),
                ("second", &[second.len()], second),
            ],
            Width::F64,
        )?;
        atomic::write_file(&self.private("state"), &bytes)
    }

    /// Reads it; `None` when the run ended before its first step.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn read_state(&self) -> Result<Option<State>> {
        let path = self.private("state");
        if !path.exists() {
            return Ok(None);
        }
        let place = path.display().to_string();
        let (limits, meter) = (Limits::default(), Meter::default());
        let bytes = FileEntry::on_disk(place.clone(), path).read(&limits)?;
        let arrays = weights::safetensors::read(&bytes, &place, Context { limits: &limits, meter: &meter })?;
        let take = |name: &str| {
            let found = arrays.iter().find(|(n, _)| n == name).and_then(|(_, a)| a.floats());
            found
                .map(<[f64]>::to_vec)
                .ok_or_else(|| Error::input("train::state", &place, format!("holds no `{name}`"), "begin the run anew"))
        };
        let step = take("step")?.first().copied().unwrap_or(0.0) as u64;
        let moments = Moments { first: take("first")?, second: take("second")? };
        Ok(Some(State { step, theta: take("theta")?, moments }))
    }
}

/// The runs that were begun in a folder: their optimisers and what was asked.
///
/// # Errors
/// No run was begun there, or a request cannot be read.
pub(super) fn begun(root: &Path) -> Result<Vec<Request>> {
    let folder = root.join("train");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|e| missing_or_io(&folder, &e))? {
        let path = entry.map_err(|e| Error::io(folder.display(), &e))?.path();
        if path.extension().is_some_and(|e| e == "json") {
            names.push(path);
        }
    }
    names.sort();
    names
        .iter()
        .map(|path| {
            let text = std::fs::read(path).map_err(|e| Error::io(path.display(), &e))?;
            serde_json::from_slice(&text)
                .map_err(|e| Error::input("train::request", path.display(), e, "restore the file, or begin a new run"))
        })
        .collect()
}

fn batch_bytes(problem: &Problem) -> Result<Vec<u8>> {
    let arrays = problem.batches.arrays(0);
    let members: Vec<(&str, Vec<u8>)> = arrays
        .iter()
        .map(|(name, array)| {
            let bytes = match &array.values {
                Values::Float(x) => {
                    npy(&array.shape, x, if array.dtype == Dtype::F64 { Width::F64 } else { Width::F32 })
                }
                Values::Int(x) => npy_ints(&array.shape, x),
                Values::Bool(x) => npy_ints(&array.shape, &x.iter().map(|&b| i64::from(b)).collect::<Vec<_>>()),
            };
            (name.as_str(), bytes)
        })
        .collect();
    npz(&members)
}

fn loss_bytes(loss: &LossSpec) -> Vec<u8> {
    let mut text = format!("{{\n  \"kind\": \"{}\",\n  \"reduction\": \"", loss.kind);
    text.push_str(match loss.reduction {
        Reduction::Mean => "mean\"",
        Reduction::Sum => "sum\"",
    });
    if let Some(index) = loss.ignore_index {
        text.push_str(&format!(",\n  \"ignore_index\": {index}"));
    }
    if loss.label_smoothing != 0.0 {
        text.push_str(&format!(",\n  \"label_smoothing\": {}", loss.label_smoothing));
    }
    text.push_str("\n}\n");
    text.into_bytes()
}

fn parse(bytes: &[u8], path: &Path) -> Result<OnnxModel> {
    let (limits, meter) = (Limits::default(), Meter::default());
    let place = path.display().to_string();
    let folder = Folder::list(path.parent().unwrap_or(Path::new(".")))?;
    let file = FileEntry::on_disk(place.clone(), path.to_owned());
    let mut external = Contained::beside(&folder, &file, &limits);
    onnx_graph::read(bytes, &place, Context { limits: &limits, meter: &meter }, &mut external)
}

/// The graph without the values of its parameters.
fn skeleton(model: &OnnxModel, problem: &Problem) -> OnnxModel {
    let mut model = model.clone();
    for (name, array) in &mut model.initializers {
        if problem.start.iter().any(|(parameter, _)| parameter == name) {
            array.values = Values::Bool(Vec::new());
        }
    }
    model.initializers.sort_by(|a, b| a.0.cmp(&b.0));
    model
}

/// The graph with every parameter under its own name and in its own extents, so that it is placed by name.
///
/// Where an exporter renamed, transposed, reshaped or shared a weight, a node makes the stored value from it.
fn with_weights(problem: &Problem, params: &[(String, Array)]) -> OnnxModel {
    let mut model = problem.model.clone();
    let mut front: Vec<OnnxNode> = Vec::new();
    for binding in &problem.bindings {
        let Some((_, array)) = params.iter().find(|(name, _)| *name == binding.parameter) else { continue };
        let single = Array { dtype: Dtype::F32, ..array.clone() };
        let at = model.initializers.iter().position(|(name, _)| *name == binding.initializer);
        let shape = at.map_or_else(Vec::new, |i| model.initializers[i].1.shape.clone());
        if binding.initializer == binding.parameter && shape == array.shape && !binding.transposed {
            if let Some(i) = at {
                model.initializers[i].1 = single;
            }
            continue;
        }
        if let Some(i) = at {
            model.initializers.remove(i);
        }
        if !model.initializers.iter().any(|(name, _)| *name == binding.parameter) {
            model.initializers.push((binding.parameter.clone(), single));
        }
        let mut placed = binding.initializer.clone();
        if placed == binding.parameter {
            // the name is the parameter's now: readers of the stored value get another
            placed.push_str("/placed");
            for input in model.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
                if *input == binding.initializer {
                    input.clone_from(&placed);
                }
            }
        }
        let mut node = OnnxNode {
            name: format!("place/{}", binding.initializer),
            op_type: "Identity".into(),
            domain: String::new(),
            inputs: vec![binding.parameter.clone()],
            outputs: vec![placed],
            attributes: Vec::new(),
            metadata: Vec::new(),
        };
        if binding.transposed {
            node.op_type = "Transpose".into();
            node.attributes.push(("perm".into(), Attribute::Ints(vec![1, 0])));
        } else if shape != array.shape {
            let extents = format!("{}/extents", node.name);
            let list: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            let values = Array { dtype: Dtype::I64, shape: vec![list.len()], values: Values::Int(list) };
            model.initializers.push((extents.clone(), values));
            node.op_type = "Reshape".into();
            node.inputs.push(extents);
        }
        front.push(node);
    }
    front.append(&mut model.nodes);
    model.nodes = front;
    model
}
