//! A run: the graph, the placed parameters, the batch, the loss and the snapshots, all checked against each other.

use crate::error::{Error, Result};
use crate::snapshot::OpenOptions;
use crate::snapshot::array::{Array, Dtype};
use crate::snapshot::batch::{self, Batch, check_finite};
use crate::snapshot::decode::Context;
use crate::snapshot::folder::{Contained, Folder};
use crate::snapshot::limits::Meter;
use crate::snapshot::loss::{self, LossSpec};
use crate::snapshot::manifest::{Choice, Manifest, SnapshotFiles, discover};
use crate::snapshot::onnx_graph::{self, OnnxModel};
use crate::snapshot::placing::{Binding, PlacedBy, Placement, check_same_tensors, own_weights, place};
use crate::snapshot::weights::{self, WeightFormat};
use std::collections::BTreeMap;

/// Everything that a run directory holds, in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct RunInput {
    /// Name of the run (its folder).
    pub name: String,
    /// The graph's file.
    pub graph_file: String,
    /// The graph, ready for its bindings (see [`place`]).
    pub model: OnnxModel,
    /// Operators of the graph as the file has them, with their counts.
    pub operators: BTreeMap<String, usize>,
    /// Which value of the graph each parameter feeds.
    pub bindings: Vec<Binding>,
    /// Float initializers that are constants.
    pub constants: Vec<String>,
    /// The samples.
    pub batch: Batch,
    /// The loss.
    pub loss: LossSpec,
    /// The snapshots by series and step, all with the same parameters in the same order.
    pub snapshots: Vec<Snapshot>,
    /// BLAKE3 digests of every file that was read, sorted by name.
    pub digests: Vec<(String, String)>,
    /// The parameters, in the order of every snapshot's `params`.
    pub parameters: Vec<ParameterInfo>,
    /// Total number of parameters.
    pub n: usize,
}

/// The weights at one moment of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The stem of its file.
    pub name: String,
    /// Name of the trail it belongs to.
    pub series: String,
    /// Position in the trail.
    pub step: Option<u64>,
    /// The file it was read from (the first of several equal ones).
    pub file: String,
    /// All files that hold it.
    pub formats: Vec<(WeightFormat, String)>,
    /// BLAKE3 digest of `file`.
    pub digest: String,
    /// Parameters by name, in order of their first use by the graph.
    pub params: Vec<(String, Array)>,
}

/// What `inspect` tells of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterInfo {
    /// Name in the snapshot.
    pub name: String,
    /// Extents in the snapshot.
    pub shape: Vec<usize>,
    /// Element type in the snapshot's file.
    pub dtype: Dtype,
    /// The rule that placed it.
    pub placed_by: PlacedBy,
    /// The values of the graph that it feeds.
    pub initializers: Vec<String>,
    /// Further names of the same (tied) tensor in the snapshot.
    pub aliases: Vec<String>,
}

/// Opens the run in `folder`; `only` restricts it to one snapshot file.
pub fn open(folder: &Folder, only: Option<&str>, options: &OpenOptions) -> Result<RunInput> {
    let meter = Meter::default();
    let limits = options.effective_limits();
    let context = Context { limits: &limits, meter: &meter };
    let choice = Choice {
        graph: options.graph.as_deref(),
        batch: options.batch.as_deref(),
        snapshots: options.snapshots.as_deref(),
        only,
    };
    let manifest = discover(folder, &choice)?;
    let (bytes, graph_digest) = folder.read(&manifest.graph, &limits)?;
    let mut external = Contained::beside(folder, &manifest.graph, &limits);
    let mut model = onnx_graph::read(&bytes, &manifest.graph.place(), context, &mut external)?;
    drop(bytes);
    let mut operators = BTreeMap::new();
    for node in &model.nodes {
        *operators.entry(node.op_type.clone()).or_insert(0) += 1;
    }
    let batch = read_batch(folder, &manifest, &model, context)?;
    let (loss_json, loss_place) = match &manifest.loss {
        Some(file) => (Some(folder.read(file, &limits)?.0), file.place()),
        None => (None, folder.label.clone()),
    };
    let loss = loss::read(loss_json.as_deref(), &loss_place, batch.target.as_ref().map(|(_, a)| a))?;
    batch::check_target(&batch, &loss, &manifest.batch_place())?;

    let mut snapshots: Vec<Snapshot> = Vec::new();
    for files in &manifest.chosen {
        let snapshot = read_snapshot(folder, files, context)?;
        if let Some(first) = snapshots.first() {
            check_same_tensors(&first.params, &first.file, &snapshot.params, &snapshot.file)?;
        }
        snapshots.push(snapshot);
    }
    let graph_place = manifest.graph.place();
    let placement = if snapshots.is_empty() {
        let (params, placement) = own_weights(&mut model);
        check_parameters(&params, &graph_place)?;
        let name = manifest.graph.stem().to_owned();
        snapshots.push(Snapshot {
            series: name.clone(),
            name,
            step: None,
            file: manifest.graph.name.clone(),
            formats: Vec::new(),
            digest: graph_digest,
            params,
        });
        placement
    } else {
        let chosen: Vec<&[(String, Array)]> = snapshots.iter().map(|s| s.params.as_slice()).collect();
        let mut others = || Ok(read_others(folder, &manifest, context));
        place(&mut model, &chosen, &mut others, &graph_place)?
    };
    for snapshot in &mut snapshots {
        reorder(&mut snapshot.params, &placement);
    }
    let parameters = parameter_infos(&placement, snapshots.first().map_or(&[], |s| s.params.as_slice()));
    let n = parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum();
    Ok(RunInput {
        name: folder.name(),
        graph_file: manifest.graph.name.clone(),
        model,
        operators,
        bindings: placement.bindings,
        constants: placement.constants,
        batch,
        loss,
        snapshots,
        digests: folder.digests(),
        parameters,
        n,
    })
}

impl Manifest {
    /// What errors call the batch.
    pub fn batch_place(&self) -> String {
        self.batch.first().map(|f| f.place()).unwrap_or_default()
    }
}

fn read_batch(folder: &Folder, manifest: &Manifest, model: &OnnxModel, context: Context<'_>) -> Result<Batch> {
    let mut found: Option<(String, Vec<(String, Array)>)> = None;
    for file in &manifest.batch {
        let Some(format) = WeightFormat::of(&file.name) else {
            return Err(Error::input(
                "batch::format",
                file.place(),
                "not a .npz or .safetensors file",
                "save the batch with numpy.savez or safetensors",
            ));
        };
        let (bytes, _) = folder.read(file, context.limits)?;
        let arrays = weights::read(format, &bytes, &file.place(), context)?;
        match &found {
            None => found = Some((file.name.clone(), arrays)),
            Some((first_name, first)) => {
                same_content(first, first_name, &arrays, &file.name)?;
                release(&arrays, context);
            }
        }
    }
    batch::fit(found.map(|(_, arrays)| arrays).unwrap_or_default(), model, &manifest.batch_place())
}

/// Reads a snapshot in all its formats and compares them.
pub fn read_snapshot(folder: &Folder, files: &SnapshotFiles, context: Context<'_>) -> Result<Snapshot> {
    let mut read: Option<Snapshot> = None;
    for (format, file) in &files.files {
        let (bytes, digest) = folder.read(file, context.limits)?;
        let mut params = weights::read(*format, &bytes, &file.place(), context)?;
        params.retain(|(name, array)| !is_counter(name, array));
        check_parameters(&params, &file.place())?;
        match &read {
            None => {
                read = Some(Snapshot {
                    name: files.stem.clone(),
                    series: files.series.clone(),
                    step: files.step,
                    file: file.name.clone(),
                    formats: files.files.iter().map(|(f, e)| (*f, e.name.clone())).collect(),
                    digest,
                    params,
                });
            }
            Some(first) => {
                same_content(&first.params, &first.file, &params, &file.name)?;
                release(&params, context);
            }
        }
    }
    read.ok_or_else(|| Error::input("run::snapshots", &folder.label, "a snapshot without a file", "check the folder"))
}

/// The snapshots that were not chosen, as far as they can be read: they only help to find places.
fn read_others(folder: &Folder, manifest: &Manifest, context: Context<'_>) -> Vec<Vec<(String, Array)>> {
    let mut others = Vec::new();
    for files in &manifest.others {
        // One format will do, and a broken file that nobody chose is no reason to stop.
        let one = SnapshotFiles { files: files.files.iter().take(1).cloned().collect(), ..files.clone() };
        if let Ok(snapshot) = read_snapshot(folder, &one, context) {
            release(&snapshot.params, context);
            others.push(snapshot.params);
        }
    }
    others
}

/// The step counter that every BatchNorm puts into its state_dict: no parameter, and the inference form has no use of it.
fn is_counter(name: &str, array: &Array) -> bool {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    leaf == "num_batches_tracked" && array.floats().is_none() && array.len() == 1
}

fn check_parameters(params: &[(String, Array)], place: &str) -> Result<()> {
    if params.is_empty() {
        return Err(Error::input(
            "snapshot::empty",
            place,
            "no tensor in this snapshot",
            "save the state_dict of the model",
        ));
    }
    for (name, array) in params {
        if array.floats().is_none() {
            return Err(Error::input(
                "snapshot::integer",
                format!("{place}: tensor '{name}'"),
                format!("a parameter of type {}, along which no loss can be differentiated", array.dtype),
                if batch::TARGET_NAMES.contains(&name.as_str()) {
                    "if this file is the batch, choose it with --batch FILE; else leave the tensor out"
                } else {
                    "save floating-point tensors alone: \
                     {k: v for k, v in model.state_dict().items() if v.is_floating_point()}"
                },
            ));
        }
        if array.is_empty() {
            return Err(Error::input(
                "snapshot::empty",
                format!("{place}: tensor '{name}'"),
                format!("shape {:?} holds no element", array.shape),
                "leave the tensor out",
            ));
        }
        check_finite(&format!("{place}: tensor '{name}'"), array, "take a snapshot from before the run diverged")?;
    }
    Ok(())
}

/// The same stem in two formats must hold the same tensors, bit for bit.
fn same_content(
    first: &[(String, Array)],
    first_name: &str,
    other: &[(String, Array)],
    other_name: &str,
) -> Result<()> {
    let differ = |what: String| {
        Error::input(
            "snapshot::formats_differ",
            format!("{first_name} and {other_name}"),
            what,
            "they share a stem, so they should hold the same: delete the stale one",
        )
    };
    for (name, array) in first {
        let Some((_, twin)) = other.iter().find(|(n, _)| n == name) else {
            return Err(differ(format!("'{name}' is only in {first_name}")));
        };
        if twin.shape != array.shape {
            return Err(differ(format!(
                "'{name}' has shape {:?} in the one and {:?} in the other",
                array.shape, twin.shape
            )));
        }
        if let Some(position) = array.first_difference(twin) {
            return Err(differ(format!("'{name}' differs at index {:?}", array.index_of(position))));
        }
    }
    match other.iter().find(|(n, _)| !first.iter().any(|(m, _)| m == n)) {
        Some((name, _)) => Err(differ(format!("'{name}' is only in {other_name}"))),
        None => Ok(()),
    }
}

fn release(arrays: &[(String, Array)], context: Context<'_>) {
    context.meter.release(arrays.iter().map(|(_, a)| a.len()).sum());
}

/// Puts a snapshot's tensors into the order of the placement.
fn reorder(params: &mut Vec<(String, Array)>, placement: &Placement) {
    params.retain(|(name, _)| !placement.aliases.iter().any(|(alias, _)| alias == name));
    let position = |name: &str| placement.parameters.iter().position(|(n, _)| n == name).unwrap_or(usize::MAX);
    params.sort_by_key(|(name, _)| position(name));
}

fn parameter_infos(placement: &Placement, params: &[(String, Array)]) -> Vec<ParameterInfo> {
    let mut infos = Vec::with_capacity(params.len());
    for ((name, array), (_, placed_by)) in params.iter().zip(&placement.parameters) {
        infos.push(ParameterInfo {
            name: name.clone(),
            shape: array.shape.clone(),
            dtype: array.dtype,
            placed_by: *placed_by,
            initializers: placement
                .bindings
                .iter()
                .filter(|b| b.parameter == *name)
                .map(|b| b.initializer.clone())
                .collect(),
            aliases: placement.aliases.iter().filter(|(_, first)| first == name).map(|(a, _)| a.clone()).collect(),
        });
    }
    infos
}
