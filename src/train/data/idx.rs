//! MNIST in the IDX format, gzipped or not.

use std::path::{Path, PathBuf};

use super::{DataSet, gunzip, images_of};
use crate::error::{Error, Result};
use crate::snapshot::folder::missing_or_io;

/// The file of a stem, packed or not.
fn file(folder: &Path, stem: &str) -> PathBuf {
    let gz = folder.join(format!("{stem}.gz"));
    if gz.exists() { gz } else { folder.join(stem) }
}

/// The files of a folder that [`mnist`] reads.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let parts =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    parts.iter().map(|stem| file(folder, stem)).filter(|path| path.is_file()).collect()
}

/// The training images of a folder (`train-images-idx3-ubyte[.gz]`, `train-labels-idx1-ubyte[.gz]`) and, where the files
/// exist, the test images (`t10k-…`). Labels are digits.
pub(super) fn mnist(folder: &Path, images: bool) -> Result<(DataSet, Option<DataSet>)> {
    let test = ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"].iter().any(|f| folder.join(f).exists());
    let train = part(folder, "train", images)?;
    let test = test.then(|| part(folder, "t10k", images)).transpose()?;
    if let Some(test) = &test
        && test.interface != train.interface
    {
        let what = "training and test images have different sizes";
        return Err(Error::input("train::mnist", folder.display(), what, "keep one data set in the folder"));
    }
    Ok((train, test))
}

fn part(folder: &Path, part: &str, images: bool) -> Result<DataSet> {
    let read = |stem: &str, dimensions: usize| -> Result<(Vec<usize>, Vec<u8>, String)> {
        let path = file(folder, stem);
        let place = path.display().to_string();
        let mut bytes = std::fs::read(&path).map_err(|e| missing_or_io(&path, &e))?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            bytes = gunzip(&bytes, &place, 1 << 28)?;
        }
        let (shape, data) = parse(&bytes, dimensions, &place)?;
        Ok((shape, data, place))
    };
    let (shape, pixels, image_place) = read(&format!("{part}-images-idx3-ubyte"), 3)?;
    let (count, labels, label_place) = read(&format!("{part}-labels-idx1-ubyte"), 1)?;
    let (n, rows, columns) = match shape[..] {
        [n, rows, columns] => (n, rows, columns),
        _ => (0, 0, 0),
    };
    if rows != columns || rows == 0 || n == 0 || count != [n] {
        let what = format!("{n} images of {rows}×{columns} and {count:?} labels");
        return Err(Error::input("train::mnist", image_place, what, "images must be square, one label each"));
    }
    if let Some(i) = labels.iter().position(|&label| label > 9) {
        let what = format!("label {i} is {}, not a digit", labels[i]);
        return Err(Error::input("train::mnist", label_place, what, "give the label file that belongs to the images"));
    }
    // the order is that of the seed; see `open`
    Ok(images_of(&folder.display().to_string(), pixels, &labels, rows, 255.0, images))
}

/// An IDX file of unsigned bytes: its shape and elements.
fn parse(bytes: &[u8], dimensions: usize, place: &str) -> Result<(Vec<usize>, Vec<u8>)> {
    let bad = |what: String| Error::input("train::idx", place, what, "give the original IDX file");
    let short = || bad(format!("{} bytes are shorter than its header", bytes.len()));
    let (head, rest) = bytes.split_at_checked(4).ok_or_else(short)?;
    if head != [0, 0, 8, dimensions as u8] {
        return Err(bad(format!(
            "the magic number {head:02x?} is not [00, 00, 08, {dimensions:02x}], that of unsigned bytes in {dimensions} dimensions"
        )));
    }
    let (sizes, data) = rest.split_at_checked(4 * dimensions).ok_or_else(short)?;
    let shape: Vec<usize> =
        sizes.chunks_exact(4).map(|c| c.iter().fold(0usize, |n, &b| n << 8 | usize::from(b))).collect();
    let total = shape.iter().try_fold(1usize, |p, &n| p.checked_mul(n));
    if total != Some(data.len()) {
        return Err(bad(format!("its header promises {shape:?} bytes, and {} follow", data.len())));
    }
    Ok((shape, data.to_vec()))
}
