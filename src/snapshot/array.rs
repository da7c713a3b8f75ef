//! A named array read from a file, widened exactly.

use std::fmt;

/// Element type in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer, refused above i64::MAX.
    U64,
    /// Boolean.
    Bool,
}

impl Dtype {
    /// Bytes per element in the file.
    pub fn size(self) -> usize {
        match self {
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
    }

    /// The name that numpy and torch use, e.g. `float32`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F16 => "float16",
            Dtype::Bf16 => "bfloat16",
            Dtype::F32 => "float32",
            Dtype::F64 => "float64",
            Dtype::I8 => "int8",
            Dtype::I16 => "int16",
            Dtype::I32 => "int32",
            Dtype::I64 => "int64",
            Dtype::U8 => "uint8",
            Dtype::U16 => "uint16",
            Dtype::U32 => "uint32",
            Dtype::U64 => "uint64",
            Dtype::Bool => "bool",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Elements in row-major order, widened without loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Floating point, any width.
    Float(Vec<f64>),
    /// Integers, any width.
    Int(Vec<i64>),
    /// Booleans.
    Bool(Vec<bool>),
}

/// A dense array; `shape.iter().product()` equals the number of values. Row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Element type in the file.
    pub dtype: Dtype,
    /// Extents; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub values: Values,
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Float(v) => v.len(),
            Values::Int(v) => v.len(),
            Values::Bool(v) => v.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as floats, when it is a floating-point array.
    pub fn floats(&self) -> Option<&[f64]> {
        match &self.values {
            Values::Float(v) => Some(v),
            _ => None,
        }
    }

    /// The elements as integers, when it is an integer array.
    pub fn ints(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Int(v) => Some(v),
            _ => None,
        }
    }

    /// The multi-index (row-major) of flat position `flat`.
    pub fn index_of(&self, flat: usize) -> Vec<usize> {
        let mut rest = flat;
        let mut index = vec![0; self.shape.len()];
        for (slot, &extent) in index.iter_mut().zip(&self.shape).rev() {
            *slot = rest % extent.max(1);
            rest /= extent.max(1);
        }
        index
    }

    /// Flat position of the first NaN or infinity.
    pub fn first_not_finite(&self) -> Option<usize> {
        self.floats()?.iter().position(|v| !v.is_finite())
    }

    /// First flat position at which the widened values differ bit by bit; `Some(0)` when the shapes or kinds differ.
    pub fn first_difference(&self, other: &Array) -> Option<usize> {
        if self.shape != other.shape {
            return Some(0);
        }
        match (&self.values, &other.values) {
            (Values::Float(a), Values::Float(b)) => a.iter().zip(b).position(|(x, y)| x.to_bits() != y.to_bits()),
            (Values::Int(a), Values::Int(b)) => a.iter().zip(b).position(|(x, y)| x != y),
            (Values::Bool(a), Values::Bool(b)) => a.iter().zip(b).position(|(x, y)| x != y),
            _ => Some(0),
        }
    }
}
