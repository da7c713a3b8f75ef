//! A small reader of the protobuf wire format: fields of one message, borrowed, every length checked.

use crate::error::{Error, Result};

/// The payload of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wire<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a string, bytes, a message or packed scalars.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

/// Iterates over the fields of one message.
pub struct Fields<'a> {
    rest: &'a [u8],
    place: &'a str,
}

impl<'a> Fields<'a> {
    /// Fields of the message in `bytes`; `place` names the file in errors.
    pub fn new(bytes: &'a [u8], place: &'a str) -> Self {
        Fields { rest: bytes, place }
    }

    /// The next field number and payload, or `None` at the end.
    pub fn next_field(&mut self) -> Result<Option<(u32, Wire<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|n| (1..=0x1fff_ffff).contains(n));
        let Some(number) = number else {
            return Err(broken(self.place, "a field number out of range"));
        };
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).ok().filter(|n| *n <= self.rest.len());
                let Some(length) = length else {
                    return Err(broken(self.place, "a field reaches beyond the end"));
                };
                let (head, tail) = self.rest.split_at(length);
                self.rest = tail;
                Wire::Bytes(head)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.fixed()?)),
            other => return Err(broken(self.place, &format!("wire type {other}, which protobuf does not define"))),
        };
        Ok(Some((number, wire)))
    }

    fn varint(&mut self) -> Result<u64> {
        let (value, used) = varint(self.rest).ok_or_else(|| broken(self.place, "a truncated or overlong integer"))?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    fn fixed<const W: usize>(&mut self) -> Result<[u8; W]> {
        match self.rest.split_first_chunk::<W>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(broken(self.place, "a truncated number")),
        }
    }
}

/// The varint at the head of `bytes` and its length.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        if i == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// The error for a damaged message.
pub fn broken(place: &str, what: &str) -> Error {
    Error::input(
        "onnx::protobuf",
        place,
        format!("not a readable ONNX file: {what}"),
        "the file is truncated or damaged: export it again",
    )
}

/// A UTF-8 string field.
pub fn string(wire: Wire<'_>, place: &str) -> Result<String> {
    match wire {
        Wire::Bytes(b) => {
            std::str::from_utf8(b).map(str::to_owned).map_err(|_| broken(place, "a name that is not UTF-8"))
        }
        _ => Err(broken(place, "a string field of another wire type")),
    }
}

/// A bytes or message field.
pub fn bytes<'a>(wire: Wire<'a>, place: &str) -> Result<&'a [u8]> {
    match wire {
        Wire::Bytes(b) => Ok(b),
        _ => Err(broken(place, "a message field of another wire type")),
    }
}

/// An integer field (int32, int64, enum).
pub fn int(wire: Wire<'_>, place: &str) -> Result<i64> {
    match wire {
        Wire::Varint(v) => Ok(v as i64),
        _ => Err(broken(place, "an integer field of another wire type")),
    }
}

/// A single-precision field.
pub fn float(wire: Wire<'_>, place: &str) -> Result<f32> {
    match wire {
        Wire::Fixed32(v) => Ok(f32::from_bits(v)),
        _ => Err(broken(place, "a float field of another wire type")),
    }
}

/// Appends a repeated integer field, packed or not.
pub fn ints(wire: Wire<'_>, place: &str, out: &mut Vec<i64>) -> Result<()> {
    match wire {
        Wire::Varint(v) => out.push(v as i64),
        Wire::Bytes(mut rest) => {
            while !rest.is_empty() {
                let (value, used) = varint(rest).ok_or_else(|| broken(place, "a truncated packed integer"))?;
                out.push(value as i64);
                rest = &rest[used..];
            }
        }
        _ => return Err(broken(place, "an integer field of another wire type")),
    }
    Ok(())
}

/// Appends a repeated single-precision field, packed or not.
pub fn floats(wire: Wire<'_>, place: &str, out: &mut Vec<f32>) -> Result<()> {
    match wire {
        Wire::Fixed32(v) => out.push(f32::from_bits(v)),
        Wire::Bytes(b) if b.len() % 4 == 0 => {
            out.extend(b.as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c)));
        }
        _ => return Err(broken(place, "a float field of a wrong length")),
    }
    Ok(())
}

/// Appends a repeated double-precision field, packed or not.
pub fn doubles(wire: Wire<'_>, place: &str, out: &mut Vec<f64>) -> Result<()> {
    match wire {
        Wire::Fixed64(v) => out.push(f64::from_bits(v)),
        Wire::Bytes(b) if b.len() % 8 == 0 => {
            out.extend(b.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c)));
        }
        _ => return Err(broken(place, "a double field of a wrong length")),
    }
    Ok(())
}
