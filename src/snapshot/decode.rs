//! Little- and big-endian bytes to widened values, and shapes to checked element counts.

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::limits::{Limits, Meter};
use half::{bf16, f16};

/// Byte order of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Limits and the meter that every reader counts against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Caps.
    pub limits: &'a Limits,
    /// Bytes claimed so far.
    pub meter: &'a Meter,
}

/// Number of elements of `shape`, refused when it overflows or exceeds what memory allows.
pub fn element_count(place: &str, shape: &[usize], limits: &Limits) -> Result<usize> {
    if shape.len() > limits.axes {
        return Err(Error::input(
            "snapshot::axes",
            place,
            format!("an array with {} axes (at most {})", shape.len(), limits.axes),
            "reshape it before saving",
        ));
    }
    let mut count: usize = 1;
    let mut zero = false;
    for &extent in shape {
        if extent == 0 {
            zero = true;
            continue;
        }
        count = count.checked_mul(extent).filter(|c| *c <= isize::MAX as usize / 8).ok_or_else(|| {
            Error::input(
                "snapshot::shape_overflow",
                place,
                format!("the extents {shape:?} multiply to more elements than any computer holds"),
                "the header is damaged or hostile: write the file again",
            )
        })?;
    }
    Ok(if zero { 0 } else { count })
}

/// Decodes exactly `shape` elements from `bytes`; the caller has checked that the lengths agree or gets an error.
pub fn decode(
    place: &str,
    dtype: Dtype,
    endian: Endian,
    shape: Vec<usize>,
    bytes: &[u8],
    context: Context<'_>,
) -> Result<Array> {
    let count = element_count(place, &shape, context.limits)?;
    let needed = count.saturating_mul(dtype.size());
    if bytes.len() != needed {
        return Err(Error::input(
            "snapshot::length",
            place,
            format!("shape {shape:?} of {dtype} needs {needed} bytes, but {} are stored", bytes.len()),
            "the file is truncated or damaged: write it again",
        ));
    }
    context.meter.claim(place, count, context.limits)?;
    let values = match dtype {
        Dtype::F16 => Values::Float(words(bytes, endian, |b| f16::from_bits(u16::from_le_bytes(b)).to_f64())),
        Dtype::Bf16 => Values::Float(words(bytes, endian, |b| bf16::from_bits(u16::from_le_bytes(b)).to_f64())),
        Dtype::F32 => Values::Float(words(bytes, endian, |b| f64::from(f32::from_le_bytes(b)))),
        Dtype::F64 => Values::Float(words(bytes, endian, f64::from_le_bytes)),
        Dtype::I8 => Values::Int(words(bytes, endian, |b| i64::from(i8::from_le_bytes(b)))),
        Dtype::I16 => Values::Int(words(bytes, endian, |b| i64::from(i16::from_le_bytes(b)))),
        Dtype::I32 => Values::Int(words(bytes, endian, |b| i64::from(i32::from_le_bytes(b)))),
        Dtype::I64 => Values::Int(words(bytes, endian, i64::from_le_bytes)),
        Dtype::U8 => Values::Int(words(bytes, endian, |b: [u8; 1]| i64::from(b[0]))),
        Dtype::U16 => Values::Int(words(bytes, endian, |b| i64::from(u16::from_le_bytes(b)))),
        Dtype::U32 => Values::Int(words(bytes, endian, |b| i64::from(u32::from_le_bytes(b)))),
        Dtype::U64 => {
            let wide = words(bytes, endian, u64::from_le_bytes);
            let narrow: std::result::Result<Vec<i64>, _> = wide.into_iter().map(i64::try_from).collect();
            Values::Int(narrow.map_err(|_| {
                Error::input(
                    "snapshot::integer_range",
                    place,
                    "an unsigned integer above 9223372036854775807",
                    "store signed 64-bit integers",
                )
            })?)
        }
        Dtype::Bool => {
            if let Some(i) = bytes.iter().position(|b| *b > 1) {
                return Err(Error::input(
                    "snapshot::boolean",
                    place,
                    format!("element {i} of a boolean array is {}, neither 0 nor 1", bytes[i]),
                    "the file is damaged: write it again",
                ));
            }
            Values::Bool(bytes.iter().map(|b| *b == 1).collect())
        }
    };
    Ok(Array { dtype, shape, values })
}

fn words<const W: usize, T>(bytes: &[u8], endian: Endian, read: impl Fn([u8; W]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<W>();
    chunks
        .iter()
        .map(|chunk| {
            let mut word = *chunk;
            if endian == Endian::Big {
                word.reverse();
            }
            read(word)
        })
        .collect()
}

/// Reorders column-major elements into row-major ones.
pub fn from_column_major(array: Array) -> Array {
    if array.shape.len() < 2 {
        return array;
    }
    fn turn<T: Copy>(shape: &[usize], old: &[T]) -> Vec<T> {
        let mut strides = vec![1usize; shape.len()];
        for axis in 1..shape.len() {
            strides[axis] = strides[axis - 1] * shape[axis - 1];
        }
        let mut new = Vec::with_capacity(old.len());
        let mut index = vec![0usize; shape.len()];
        for _ in 0..old.len() {
            new.push(old[index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        new
    }
    let values = match &array.values {
        Values::Float(v) => Values::Float(turn(&array.shape, v)),
        Values::Int(v) => Values::Int(turn(&array.shape, v)),
        Values::Bool(v) => Values::Bool(turn(&array.shape, v)),
    };
    Array { values, ..array }
}
