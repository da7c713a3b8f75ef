//! What is trained: a graph with its parameters, the loss, the batches, and what the result is judged by.

use std::collections::BTreeMap;
use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::data::{DataSet, Split};
use super::network::Network;
use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::decode::Context;
use crate::snapshot::folder::FileEntry;
use crate::snapshot::limits::{Limits, Meter};
use crate::snapshot::loss::LossSpec;
use crate::snapshot::onnx_graph::OnnxModel;
use crate::snapshot::placing::Binding;
use crate::snapshot::weights::{self, WeightFormat};
use crate::snapshot::{RunInput, batch::TARGET_NAMES};

/// Everything that a training starts from.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The forward graph.
    pub model: OnnxModel,
    /// Which parameter feeds which initialiser.
    pub bindings: Vec<Binding>,
    /// θ₀ by name, in state_dict order.
    pub start: Vec<(String, Array)>,
    /// The loss.
    pub loss: LossSpec,
    /// What the steps see.
    pub batches: Batches,
    /// What they never see.
    pub held_out: Option<DataSet>,
}

/// The batches: cut from the data once, so that the program of each is built once.
#[derive(Debug, Clone)]
pub enum Batches {
    /// The same arrays in every step.
    Fixed(Vec<(String, Array)>),
    /// Runs of `size` samples; what is left at the end is not used.
    Cut {
        /// The samples, shuffled.
        set: Box<DataSet>,
        /// Samples of a step.
        size: usize,
        /// Decides in which order later epochs go through the batches.
        seed: u64,
    },
}

impl Batches {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Batches::Fixed(_) => 1,
            Batches::Cut { set, size, .. } => (set.len() / size).max(1),
        }
    }

    /// Samples of one.
    pub fn size(&self) -> usize {
        match self {
            Batches::Fixed(arrays) => arrays.first().and_then(|(_, a)| a.shape.first()).copied().unwrap_or(1),
            Batches::Cut { size, .. } => *size,
        }
    }

    /// Which batch step s sees: all in order, then all again in a new order of the seed, and so on.
    pub fn of_step(&self, step: u64) -> usize {
        let count = self.count() as u64;
        let (epoch, position) = (step / count, (step % count) as usize);
        match self {
            Batches::Cut { seed, .. } if epoch > 0 && count > 1 => {
                let mut order: Vec<usize> = (0..count as usize).collect();
                let mixed = seed ^ 0x6570_6f63 ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                order.shuffle(&mut ChaCha8Rng::seed_from_u64(mixed));
                order[position]
            }
            _ => position,
        }
    }

    /// The arrays of batch `index`.
    pub fn arrays(&self, index: usize) -> Vec<(String, Array)> {
        match self {
            Batches::Fixed(arrays) => arrays.clone(),
            Batches::Cut { set, size, .. } => set.batch(index * size..(index + 1) * size),
        }
    }
}

impl Problem {
    /// A network built for a data set; `batch` samples a step, all of them where it is `None`.
    ///
    /// # Errors
    /// When the network does not fit the data.
    pub fn new(network: &Network, split: Split, batch: Option<usize>, seed: u64) -> Result<Self> {
        let (model, start) = network.build(&split.train.interface, seed)?;
        let bindings = start
            .iter()
            .map(|(name, _)| Binding { parameter: name.clone(), initializer: name.clone(), transposed: false })
            .collect();
        let size = batch.unwrap_or(split.train.len());
        if size == 0 || size > split.train.len() {
            let what = format!("--batch {size}, but there are {} training samples", split.train.len());
            return Err(Error::usage("train::batch", "--batch", what, format!("ask for 1 to {}", split.train.len())));
        }
        let loss = split.train.loss.clone();
        let batches = Batches::Cut { set: Box::new(split.train), size, seed };
        Ok(Problem { model, bindings, start, loss, batches, held_out: split.held_out })
    }

    /// The graph, batch and loss of a run directory, from its first snapshot on.
    ///
    /// # Errors
    /// When the run holds no snapshot.
    pub fn of_run(run: RunInput) -> Result<Self> {
        let Some(snapshot) = run.snapshots.into_iter().next() else {
            return Err(Error::input("run::snapshots", run.name, "no snapshot to start from", "store one"));
        };
        let mut arrays = run.batch.inputs;
        arrays.extend(run.batch.target);
        Ok(Problem {
            model: run.model,
            bindings: run.bindings,
            start: snapshot.params,
            loss: run.loss,
            batches: Batches::Fixed(arrays),
            held_out: None,
        })
    }

    /// Starts from the tensors of a weight file instead.
    ///
    /// # Errors
    /// When the file cannot be read or its tensors are not those of the network.
    pub fn start_from(&mut self, path: &Path) -> Result<()> {
        let tensors = read_weights(path)?;
        self.start = matching(&self.start, tensors, &path.display().to_string())?;
        Ok(())
    }

    /// The array of targets of a batch.
    pub fn target(arrays: &[(String, Array)]) -> Option<&Array> {
        arrays.iter().find(|(name, _)| TARGET_NAMES.contains(&name.as_str())).map(|(_, a)| a)
    }
}

/// The tensors of a weight file.
pub(super) fn read_weights(path: &Path) -> Result<Vec<(String, Array)>> {
    let place = path.display().to_string();
    let Some(format) = WeightFormat::of(&place) else {
        let remedy = "give a .safetensors, .npz or .pt file";
        return Err(Error::input("train::start", place, "not a weight file", remedy));
    };
    let (limits, meter) = (Limits::default(), Meter::default());
    let bytes = FileEntry::on_disk(place.clone(), path.to_owned()).read(&limits)?;
    weights::read(format, &bytes, &place, Context { limits: &limits, meter: &meter })
}

/// `found` in the order of `wanted`; names and extents must agree and values be finite.
pub(super) fn matching(
    wanted: &[(String, Array)],
    found: Vec<(String, Array)>,
    place: &str,
) -> Result<Vec<(String, Array)>> {
    let refuse = |what: String| {
        Error::input("train::start", place, what, "give a snapshot of a run with the same --network and data")
    };
    let mut found: BTreeMap<String, Array> = found.into_iter().collect();
    let mut out = Vec::with_capacity(wanted.len());
    for (name, array) in wanted {
        let Some(tensor) = found.remove(name) else {
            return Err(refuse(format!("holds no tensor '{name}', which the network has")));
        };
        if tensor.shape != array.shape {
            return Err(refuse(format!("'{name}' has extents {:?}, the network's {:?}", tensor.shape, array.shape)));
        }
        if tensor.floats().is_none() || tensor.first_not_finite().is_some() {
            return Err(refuse(format!("'{name}' holds integers, NaN or infinity")));
        }
        out.push((name.clone(), tensor));
    }
    match found.into_keys().next() {
        Some(name) => Err(refuse(format!("holds the tensor '{name}', which the network has not"))),
        None => Ok(out),
    }
}
