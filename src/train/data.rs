//! Data sets: embedded digits and text, MNIST from a folder, any `.npz`.
//!
//! [`open`] reads a source whole, shuffles it once by the seed and cuts it into what is trained on and what is held
//! out; [`DataSet::batch`] gives samples as the arrays `x` and `y` of a batch file.

mod idx;
mod npz;
mod text;

use std::io::Read;
use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::network::{Interface, Network};
use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::loss::{LossKind, LossSpec, Reduction};
pub use text::SEQUENCE;

const DIGITS: &[u8] = include_bytes!("data/digits.bin.gz");

/// Elements of all samples, one sample after the other.
#[derive(Debug, Clone, PartialEq)]
enum Store {
    /// Bytes divided by a scale, rounded to single precision.
    Bytes(Vec<u8>, f64),
    Float(Vec<f64>, Dtype),
    Int(Vec<i64>),
}

/// One array of a data set.
#[derive(Debug, Clone, PartialEq)]
struct Samples {
    /// Extents of one sample.
    shape: Vec<usize>,
    store: Store,
}

impl Samples {
    /// Some samples, in the order of the list.
    fn take(&self, indices: &[usize]) -> Array {
        let each: usize = self.shape.iter().product();
        let shape = std::iter::once(indices.len()).chain(self.shape.iter().copied()).collect();
        let ranges = indices.iter().map(|&i| i * each..(i + 1) * each);
        let (dtype, values) = match &self.store {
            Store::Bytes(data, scale) => {
                // Rounded to single precision: what the batch file holds.
                let pixel = |&p: &u8| f64::from((f64::from(p) / scale) as f32);
                (Dtype::F32, Values::Float(ranges.flat_map(|r| data[r].iter().map(pixel)).collect()))
            }
            Store::Float(data, dtype) => {
                (*dtype, Values::Float(ranges.flat_map(|r| data[r].iter().copied()).collect()))
            }
            Store::Int(data) => (Dtype::I64, Values::Int(ranges.flat_map(|r| data[r].iter().copied()).collect())),
        };
        Array { dtype, shape, values }
    }
}

/// Samples with their targets, in a fixed order.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// Where they come from, for messages.
    pub name: String,
    /// What a network must offer.
    pub interface: Interface,
    /// The loss that the targets ask for.
    pub loss: LossSpec,
    x: Samples,
    y: Samples,
    /// Positions of the samples in `x` and `y`.
    order: Vec<usize>,
}

impl DataSet {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The arrays `x` and `y` of the samples at `positions` of the order.
    pub fn batch(&self, positions: std::ops::Range<usize>) -> Vec<(String, Array)> {
        let chosen = &self.order[positions];
        vec![("x".to_owned(), self.x.take(chosen)), ("y".to_owned(), self.y.take(chosen))]
    }

    /// The same source with another order of samples.
    fn with_order(&self, order: Vec<usize>) -> Self {
        DataSet { order, ..self.clone() }
    }
}

/// What is trained on, and what the trained network is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The training samples.
    pub train: DataSet,
    /// Samples that training never sees.
    pub held_out: Option<DataSet>,
}

/// How a source is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataOptions {
    /// Training samples (`None`: all that are not held out).
    pub samples: Option<usize>,
    /// Samples held out (`None`: a tenth; MNIST: its own test files; an `.npz`: none).
    pub held_out: Option<usize>,
    /// Samples of a step (`None`: all). An `.npz` that is taken whole keeps its order.
    pub batch: Option<usize>,
    /// Seed of the shuffle and of the masks.
    pub seed: u64,
}

/// Opens `digits`, `text[:masked|:causal]`, `mnist:DIR` or `npz:FILE` in the form that `network` reads.
///
/// # Errors
/// Unknown or unreadable data, more samples asked than there are.
pub fn open(source: &str, network: &Network, options: &DataOptions) -> Result<Split> {
    let images = matches!(network, Network::Cnn);
    let masked = matches!(network, Network::Bert(_));
    let (mut whole, test) = match source.split_once(':') {
        None if source == "digits" => (digits(images)?, None),
        None if source == "text" => (text::windows(masked, options.seed)?, None),
        Some(("text", mode @ ("masked" | "causal"))) => (text::windows(mode == "masked", options.seed)?, None),
        Some(("mnist", folder)) => idx::mnist(Path::new(folder), images)?,
        Some(("npz", file)) => (npz::read(Path::new(file), network)?, None),
        _ => {
            return Err(Error::usage(
                "train::data",
                format!("--data {source}"),
                "unknown data set",
                "give digits, text, text:masked, text:causal, mnist:DIR or npz:FILE",
            ));
        }
    };
    let available = whole.len();
    let plain = source.starts_with("npz:");
    let whole_file = options.samples.is_none_or(|n| n == available)
        && options.batch.is_none_or(|n| n >= available)
        && options.held_out.unwrap_or(0) == 0;
    // windows of text come shuffled: their masks are drawn in that order
    if !(source.starts_with("text") || plain && whole_file) {
        whole.order = shuffled(available, options.seed);
    }
    let (train_pool, held_out) = match (test, options.held_out) {
        (_, Some(0)) => (available, None),
        (Some(test), wanted) => {
            let count = wanted.unwrap_or(test.len());
            enough("--held-out", count, test.len())?;
            let order = test.order[..count].to_vec();
            (available, Some(test.with_order(order)))
        }
        (None, None) if plain => (available, None),
        (None, wanted) => {
            let count = wanted.unwrap_or((available / 10).max(1));
            if count >= available {
                let what = format!("--held-out {count} leaves none of the {available} samples to train on");
                return Err(Error::usage("train::samples", "--held-out", what, "hold out fewer"));
            }
            // the end of the shuffle, so that the training samples do not depend on how many are held out
            (available - count, Some(whole.with_order(whole.order[available - count..].to_vec())))
        }
    };
    if let Some(batch) = options.batch {
        enough("--batch", batch, options.samples.unwrap_or(train_pool))?;
    }
    let count = options.samples.unwrap_or(train_pool);
    enough("--samples", count, train_pool)?;
    let train = whole.with_order(whole.order[..count].to_vec());
    Ok(Split { train, held_out })
}

/// The files that [`open`] reads for a source; none where it is embedded.
pub fn files(source: &str) -> Vec<std::path::PathBuf> {
    match source.split_once(':') {
        Some(("mnist", folder)) => idx::files(Path::new(folder)),
        Some(("npz", file)) => vec![file.into()],
        _ => Vec::new(),
    }
}

fn enough(option: &str, wanted: usize, available: usize) -> Result<()> {
    if (1..=available).contains(&wanted) {
        return Ok(());
    }
    let what = format!("{option} {wanted}, but there are {available} samples");
    Err(Error::usage("train::samples", option, what, format!("ask for 1 to {available}")))
}

/// One batch of inputs with its targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The input, named `x`; samples along the first axis.
    pub x: Array,
    /// The targets, named `y`.
    pub y: Array,
    /// What a network must offer.
    pub interface: Interface,
    /// Target value that is not scored.
    pub ignore_index: Option<i64>,
}

/// The first `batch` samples of the shuffled source, nothing held out.
///
/// # Errors
/// Unknown or unreadable data, fewer samples than asked.
pub fn load(source: &str, network: &Network, batch: usize, seed: u64) -> Result<Data> {
    let options = DataOptions { samples: Some(batch), held_out: Some(0), batch: Some(batch), seed };
    let DataSet { x, y, order, interface, loss, .. } = open(source, network, &options)?.train;
    Ok(Data { x: x.take(&order), y: y.take(&order), interface, ignore_index: loss.ignore_index })
}

/// A seeded shuffle of 0 to `count`, less one.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x6461_7461));
    order
}

fn cross_entropy(ignore_index: Option<i64>) -> LossSpec {
    LossSpec { kind: LossKind::CrossEntropy, reduction: Reduction::Mean, ignore_index, label_smoothing: 0.0 }
}

/// Images of `side`² bytes with a label each.
fn images_of(name: &str, pixels: Vec<u8>, labels: &[u8], side: usize, scale: f64, images: bool) -> DataSet {
    DataSet {
        name: name.to_owned(),
        interface: Interface::Vectors { features: side * side, side: Some(side), classes: 10 },
        loss: cross_entropy(None),
        order: (0..labels.len()).collect(),
        x: Samples {
            shape: if images { vec![1, side, side] } else { vec![side * side] },
            store: Store::Bytes(pixels, scale),
        },
        y: Samples { shape: Vec::new(), store: Store::Int(labels.iter().map(|&l| i64::from(l)).collect()) },
    }
}

fn digits(images: bool) -> Result<DataSet> {
    let raw = gunzip(DIGITS, "the embedded digits", 1 << 24)?;
    let (mut pixels, mut labels) = (Vec::with_capacity(raw.len()), Vec::new());
    for record in raw.chunks_exact(65) {
        if let Some((label, image)) = record.split_last() {
            pixels.extend_from_slice(image);
            labels.push(*label);
        }
    }
    Ok(images_of("digits", pixels, &labels, 8, 16.0, images))
}

fn gunzip(bytes: &[u8], place: &str, limit: u64) -> Result<Vec<u8>> {
    let mut raw = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(bytes).take(limit + 1);
    reader
        .read_to_end(&mut raw)
        .map_err(|e| Error::input("train::data", place, e, "the file is damaged; fetch it again"))?;
    if raw.len() as u64 > limit {
        return Err(Error::input(
            "train::data",
            place,
            format!("more than {limit} bytes unpacked"),
            "give the original file",
        ));
    }
    Ok(raw)
}
