//! Data sets: embedded digits and text, MNIST from a folder, any `.npz`.

use std::io::Read;
use std::path::Path;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::network::{Interface, Network};
use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};

const DIGITS: &[u8] = include_bytes!("data/digits.bin.gz");
const TEXT: &[u8] = include_bytes!("data/text.gz");

/// Length of a sequence of the character models.
pub const SEQUENCE: usize = 16;
/// Letters, the space, and one token for everything else.
const CHARACTERS: usize = 28;
/// Fraction of the tokens that a masked model must guess.
const MASKED: f64 = 0.15;

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

/// Loads the first `batch` samples of a seeded shuffle of the data set `source` in the form that `network` reads.
///
/// # Errors
/// Unknown or unreadable data, fewer samples than asked.
pub fn load(source: &str, network: &Network, batch: usize, seed: u64) -> Result<Data> {
    let images = matches!(network, Network::Cnn);
    match source.split_once(':') {
        None if source == "digits" => images_of(records(DIGITS)?, 8, 16.0, 10, images, batch, seed, "digits"),
        None if source == "text" => text(matches!(network, Network::Bert(_)), batch, seed),
        Some(("mnist", folder)) => mnist(Path::new(folder), images, batch, seed),
        Some(("npz", file)) => Err(unknown(&format!("npz:{file}"))),
        _ => Err(unknown(source)),
    }
}

fn unknown(source: &str) -> Error {
    Error::usage(
        "train::data",
        format!("--data {source}"),
        "unknown data set",
        "give digits, text, mnist:DIR or npz:FILE",
    )
}

/// Pixels and labels.
type Records = (Vec<Vec<u8>>, Vec<u8>);

fn records(compressed: &[u8]) -> Result<Records> {
    let raw = gunzip(compressed, "the embedded digits", 1 << 24)?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for record in raw.chunks_exact(65) {
        if let Some((label, image)) = record.split_last() {
            pixels.push(image.to_vec());
            labels.push(*label);
        }
    }
    Ok((pixels, labels))
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

#[expect(clippy::too_many_arguments, reason = "one call per data set; a struct would only rename them")]
fn images_of(
    records: Records,
    side: usize,
    scale: f64,
    classes: usize,
    images: bool,
    batch: usize,
    seed: u64,
    place: &str,
) -> Result<Data> {
    let (pixels, labels) = records;
    let order = sample(pixels.len(), batch, seed, place)?;
    let (mut x, mut y) = (Vec::with_capacity(batch * side * side), Vec::with_capacity(batch));
    for &i in &order {
        let (Some(image), Some(&label)) = (pixels.get(i), labels.get(i)) else { continue };
        // Rounded to single precision: what the batch file holds.
        x.extend(image.iter().map(|&p| f64::from((f64::from(p) / scale) as f32)));
        y.push(i64::from(label));
    }
    let shape = if images { vec![batch, 1, side, side] } else { vec![batch, side * side] };
    Ok(Data {
        x: Array { dtype: Dtype::F32, shape, values: Values::Float(x) },
        y: Array { dtype: Dtype::I64, shape: vec![batch], values: Values::Int(y) },
        interface: Interface::Vectors { features: side * side, side: Some(side), classes },
        ignore_index: None,
    })
}

/// The first `batch` indices of a seeded shuffle.
fn sample(available: usize, batch: usize, seed: u64, place: &str) -> Result<Vec<usize>> {
    if batch == 0 || batch > available {
        let what = format!("--batch {batch}, but there are {available} samples");
        return Err(Error::usage("train::batch", place, what, format!("ask for 1 to {available}")));
    }
    let mut order: Vec<usize> = (0..available).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x6461_7461));
    order.truncate(batch);
    Ok(order)
}

/// MNIST in the IDX format, gzipped or not: `train-images-idx3-ubyte[.gz]` and `train-labels-idx1-ubyte[.gz]`.
fn mnist(folder: &Path, images: bool, batch: usize, seed: u64) -> Result<Data> {
    let read = |stem: &str, dimensions: usize| -> Result<(Vec<usize>, Vec<u8>)> {
        let gz = folder.join(format!("{stem}.gz"));
        let path = if gz.exists() { gz } else { folder.join(stem) };
        let place = path.display().to_string();
        let mut bytes = std::fs::read(&path).map_err(|e| Error::io(&place, &e))?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            bytes = gunzip(&bytes, &place, 1 << 28)?;
        }
        idx(&bytes, dimensions, &place)
    };
    let (shape, pixels) = read("train-images-idx3-ubyte", 3)?;
    let (count, labels) = read("train-labels-idx1-ubyte", 1)?;
    let place = folder.display().to_string();
    let &[n, rows, columns] = shape.as_slice() else { return Err(unknown(&place)) };
    if rows != columns || rows == 0 || count != [n] {
        let what = format!("{n} images of {rows}×{columns} and {count:?} labels");
        return Err(Error::input("train::mnist", place, what, "images must be square, one label each"));
    }
    let pixels = pixels.chunks_exact(rows * columns).map(<[u8]>::to_vec).collect();
    images_of((pixels, labels), rows, 255.0, 10, images, batch, seed, &place)
}

/// An IDX file of unsigned bytes: its shape and elements.
fn idx(bytes: &[u8], dimensions: usize, place: &str) -> Result<(Vec<usize>, Vec<u8>)> {
    let bad = |what: &str| Error::input("train::idx", place, what, "give the original IDX file");
    let (head, rest) = bytes.split_at_checked(4).ok_or_else(|| bad("shorter than its header"))?;
    if head != [0, 0, 8, dimensions as u8] {
        return Err(bad("the magic number is not that of unsigned bytes of this rank"));
    }
    let (sizes, data) = rest.split_at_checked(4 * dimensions).ok_or_else(|| bad("shorter than its header"))?;
    let shape: Vec<usize> =
        sizes.chunks_exact(4).map(|c| c.iter().fold(0usize, |n, &b| n << 8 | usize::from(b))).collect();
    let total = shape.iter().try_fold(1usize, |p, &n| p.checked_mul(n));
    if total != Some(data.len()) {
        return Err(bad("the number of elements is not the product of the extents"));
    }
    Ok((shape, data.to_vec()))
}

/// Windows of the embedded text: masked (predict the masked tokens) or causal (predict the next one).
fn text(masked: bool, batch: usize, seed: u64) -> Result<Data> {
    let raw = gunzip(TEXT, "the embedded text", 1 << 24)?;
    let tokens = tokenize(&String::from_utf8_lossy(&raw));
    let windows = tokens.len().saturating_sub(1) / SEQUENCE;
    let order = sample(windows, batch, seed, "text")?;
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x6d61_736b);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for &w in &order {
        let at = w * SEQUENCE;
        let window = tokens.get(at..at + SEQUENCE + 1).unwrap_or_default();
        for pair in window.windows(2) {
            let &[here, next] = pair else { continue };
            if !masked {
                x.push(here);
                y.push(next);
            } else if random.random::<f64>() < MASKED {
                x.push(CHARACTERS as i64);
                y.push(here);
            } else {
                x.push(here);
                y.push(-100);
            }
        }
    }
    // At least one position must be scored.
    if let (true, Some(first), Some(target)) = (masked, x.first_mut(), y.first_mut())
        && *target == -100
    {
        *target = *first;
        *first = CHARACTERS as i64;
    }
    let array = |list| Array { dtype: Dtype::I64, shape: vec![batch, SEQUENCE], values: Values::Int(list) };
    Ok(Data {
        x: array(x),
        y: array(y),
        interface: Interface::Tokens { length: SEQUENCE, vocabulary: CHARACTERS + usize::from(masked) },
        ignore_index: masked.then_some(-100),
    })
}

/// Letters without case are 1 to 26, a run of white space is one 0, anything else 27.
fn tokenize(text: &str) -> Vec<i64> {
    let mut out: Vec<i64> = Vec::with_capacity(text.len());
    for c in text.chars() {
        let token = match c.to_ascii_lowercase() {
            c @ 'a'..='z' => i64::from(c as u32 - 'a' as u32) + 1,
            c if c.is_whitespace() => 0,
            _ => 27,
        };
        if token != 0 || out.last().is_some_and(|&last| last != 0) {
            out.push(token);
        }
    }
    out
}
