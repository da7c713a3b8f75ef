//! Dense matrices in `.npy`, `.npz` and safetensors files.

use crate::error::Result;
use crate::snapshot::array::{Array, Values};
use crate::snapshot::decode::Context;
use crate::snapshot::matrix::{Entries, RawMatrix, damaged};
use crate::snapshot::weights::{npy as npy_file, npz as npz_file, safetensors as safetensors_file};
use faer::Mat;

/// Integers of larger magnitude have no exact double.
const EXACT: i64 = 1 << 53;

/// A two-dimensional `.npy` array.
pub fn npy(bytes: &[u8], place: &str, context: Context<'_>) -> Result<RawMatrix> {
    matrix(npy_file::read(bytes, place, context)?, place)
}

/// The array `H` of a `.npz` file, or its only two-dimensional array.
pub fn npz(bytes: &[u8], place: &str, context: Context<'_>) -> Result<RawMatrix> {
    choose(npz_file::read(bytes, place, context)?, place)
}

/// The tensor `H` of a safetensors file, or its only two-dimensional tensor.
pub fn safetensors(bytes: &[u8], place: &str, context: Context<'_>) -> Result<RawMatrix> {
    choose(safetensors_file::read(bytes, place, context)?, place)
}

fn choose(mut arrays: Vec<(String, Array)>, place: &str) -> Result<RawMatrix> {
    let named = arrays.iter().position(|(name, _)| name == "H");
    let index = match named {
        Some(index) => index,
        None => {
            let flat: Vec<usize> =
                arrays.iter().enumerate().filter(|(_, (_, a))| a.shape.len() == 2).map(|(i, _)| i).collect();
            match flat.as_slice() {
                [one] => *one,
                _ => {
                    let names: Vec<&str> = arrays.iter().map(|(n, _)| n.as_str()).take(8).collect();
                    return Err(damaged(
                        place,
                        format!(
                            "{} two-dimensional arrays instead of one, and none is named 'H' ({})",
                            flat.len(),
                            names.join(", ")
                        ),
                    ));
                }
            }
        }
    };
    let (name, array) = arrays.swap_remove(index);
    matrix(array, &format!("{place}: array '{name}'"))
}

fn matrix(array: Array, place: &str) -> Result<RawMatrix> {
    let [rows, columns] = array.shape[..] else {
        return Err(damaged(place, format!("shape {:?} instead of two axes", array.shape)));
    };
    let values = match array.values {
        Values::Float(values) => values,
        Values::Int(values) => {
            if let Some(at) = values.iter().position(|v| !(-EXACT..=EXACT).contains(v)) {
                return Err(damaged(
                    place,
                    format!("the integer {} at [{}, {}] has no exact double", values[at], at / columns, at % columns),
                ));
            }
            values.into_iter().map(|v| v as f64).collect()
        }
        Values::Bool(values) => values.into_iter().map(|v| if v { 1.0 } else { 0.0 }).collect(),
    };
    Ok(RawMatrix {
        rows,
        columns,
        entries: Entries::Dense(Mat::from_fn(rows, columns, |i, j| values[i * columns + j])),
    })
}
