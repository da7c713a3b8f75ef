//! A named array read from a file, widened exactly.

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
