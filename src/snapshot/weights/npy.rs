//! `.npy`: the header with every number checked before anything is allocated.

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype};
use crate::snapshot::decode::{Context, Endian, decode, element_count, from_column_major};

/// What the header of a `.npy` file says.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyHeader {
    /// Element type.
    pub dtype: Dtype,
    /// Byte order.
    pub endian: Endian,
    /// Column-major when true.
    pub fortran: bool,
    /// Extents.
    pub shape: Vec<usize>,
    /// Where the elements begin.
    pub data: usize,
}

/// Reads one array; the elements must fill the rest of `bytes` exactly.
///
/// # Errors
/// Input errors for damaged headers, object or structured arrays and wrong lengths.
pub fn read(bytes: &[u8], place: &str, context: Context<'_>) -> Result<Array> {
    let header = read_header(bytes, place, context)?;
    let data = bytes.get(header.data..).unwrap_or_default();
    let array = decode(place, header.dtype, header.endian, header.shape, data, context)?;
    Ok(if header.fortran { from_column_major(array) } else { array })
}

/// Reads the header alone.
pub fn read_header(bytes: &[u8], place: &str, context: Context<'_>) -> Result<NpyHeader> {
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(place, "shorter than its magic bytes"));
    };
    if &magic[..6] != b"\x93NUMPY" {
        return Err(damaged(place, "it does not begin with the magic bytes of a .npy file"));
    }
    let (length, prefix) = match magic[6] {
        1 => (rest.first_chunk::<2>().map(|b| usize::from(u16::from_le_bytes(*b))), 10),
        2 | 3 => (rest.first_chunk::<4>().map(|b| u32::from_le_bytes(*b) as usize), 12),
        other => return Err(damaged(place, &format!("format version {other} is unknown"))),
    };
    let Some(length) = length else {
        return Err(damaged(place, "it ends inside the header length"));
    };
    if length > context.limits.npy_header {
        return Err(damaged(
            place,
            &format!("a header of {length} bytes (at most {} are read)", context.limits.npy_header),
        ));
    }
    let data = prefix + length;
    let Some(text) = bytes.get(prefix..data) else {
        return Err(damaged(place, "it ends inside the header"));
    };
    let text = std::str::from_utf8(text).map_err(|_| damaged(place, "a header that is not text"))?;
    let (descr, fortran, shape) = Literal { rest: text.trim(), place }.header()?;
    let (dtype, endian) = element_type(&descr, place)?;
    element_count(place, &shape, context.limits)?;
    Ok(NpyHeader { dtype, endian, fortran, shape, data })
}

fn element_type(descr: &str, place: &str) -> Result<(Dtype, Endian)> {
    let unsupported = || {
        Error::input(
            "npy::dtype",
            place,
            format!("element type '{descr}' is not supported"),
            "save the array as float64, float32, float16, an integer type or bool (never as objects)",
        )
    };
    let endian = match descr.bytes().next() {
        Some(b'<' | b'|' | b'=') => Endian::Little,
        Some(b'>') => Endian::Big,
        _ => return Err(unsupported()),
    };
    let dtype = match descr.get(1..) {
        Some("f2") => Dtype::F16,
        Some("f4") => Dtype::F32,
        Some("f8") => Dtype::F64,
        Some("i1") => Dtype::I8,
        Some("i2") => Dtype::I16,
        Some("i4") => Dtype::I32,
        Some("i8") => Dtype::I64,
        Some("u1") => Dtype::U8,
        Some("u2") => Dtype::U16,
        Some("u4") => Dtype::U32,
        Some("u8") => Dtype::U64,
        Some("b1") => Dtype::Bool,
        _ => return Err(unsupported()),
    };
    Ok((dtype, endian))
}

/// The Python dictionary of the header: exactly the keys `descr`, `fortran_order` and `shape`.
struct Literal<'a> {
    rest: &'a str,
    place: &'a str,
}

impl Literal<'_> {
    fn header(mut self) -> Result<(String, bool, Vec<usize>)> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            let again = match key.as_str() {
                "descr" if self.rest.trim_start().starts_with('[') => {
                    return Err(Error::input(
                        "npy::dtype",
                        self.place,
                        "a structured array",
                        "save one plain array per file",
                    ));
                }
                "descr" => descr.replace(self.string()?).is_some(),
                "fortran_order" => fortran.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => return Err(damaged(self.place, &format!("an unknown header key '{key}'"))),
            };
            if again {
                return Err(damaged(self.place, &format!("the header key '{key}' twice")));
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return Err(damaged(self.place, "text after the header"));
        }
        match (descr, fortran, shape) {
            (Some(d), Some(f), Some(s)) => Ok((d, f, s)),
            _ => Err(damaged(self.place, "a header without descr, fortran_order or shape")),
        }
    }

    fn take(&mut self, symbol: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.take(symbol) { Ok(()) } else { Err(damaged(self.place, &format!("a header without '{symbol}'"))) }
    }

    fn string(&mut self) -> Result<String> {
        for quote in ['\'', '"'] {
            if self.take(quote) {
                let Some((text, rest)) = self.rest.split_once(quote) else {
                    break;
                };
                self.rest = rest;
                return Ok(text.to_owned());
            }
        }
        Err(damaged(self.place, "a header in which a string is missing"))
    }

    fn boolean(&mut self) -> Result<bool> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(damaged(self.place, "a fortran_order that is neither True nor False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>> {
        self.expect('(')?;
        let mut extents = Vec::new();
        while !self.take(')') {
            self.rest = self.rest.trim_start();
            let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.rest.split_at(digits);
            let Ok(extent) = number.parse::<usize>() else {
                return Err(damaged(self.place, "a shape with an extent that is not a natural number in range"));
            };
            extents.push(extent);
            // Python 2 wrote long integers as `3L`.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(extents)
    }
}

fn damaged(place: &str, what: &str) -> Error {
    Error::input(
        "npy::damaged",
        place,
        format!("not a sound .npy array: {what}"),
        "the file is truncated or damaged: save it again with numpy.save",
    )
}
