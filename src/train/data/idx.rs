//! MNIST in the IDX format, gzipped or not.

use std::path::Path;

use super::{DataSet, gunzip, images_of};
use crate::error::{Error, Result};
use crate::snapshot::folder::missing_or_io;

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
        let gz = folder.join(format!("{stem}.gz"));
        let path = if gz.exists() { gz } else { folder.join(stem) };
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
