//! `.safetensors` through the reference crate, with duplicate keys and unknown types refused.

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype};
use crate::snapshot::decode::{Context, Endian, decode};
use safetensors::{Dtype as Stored, SafeTensors};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Reads every tensor, in the order of their bytes in the file.
pub fn read(bytes: &[u8], place: &str, context: Context<'_>) -> Result<Vec<(String, Array)>> {
    refuse_duplicates(header(bytes, place, context)?, place)?;
    let file = SafeTensors::deserialize(bytes).map_err(|cause| damaged(place, &cause.to_string()))?;
    let mut views: Vec<(&str, safetensors::tensor::TensorView<'_>)> = file.iter().collect();
    views.sort_by(|a, b| (a.1.data().as_ptr(), a.0).cmp(&(b.1.data().as_ptr(), b.0)));
    if views.len() > context.limits.tensors {
        return Err(damaged(place, "more tensors than any honest model has"));
    }
    let mut arrays = Vec::with_capacity(views.len());
    for (name, view) in views {
        let place = format!("{place}: tensor '{name}'");
        let dtype = match view.dtype() {
            Stored::BOOL => Dtype::Bool,
            Stored::U8 => Dtype::U8,
            Stored::I8 => Dtype::I8,
            Stored::I16 => Dtype::I16,
            Stored::U16 => Dtype::U16,
            Stored::F16 => Dtype::F16,
            Stored::BF16 => Dtype::Bf16,
            Stored::I32 => Dtype::I32,
            Stored::U32 => Dtype::U32,
            Stored::F32 => Dtype::F32,
            Stored::F64 => Dtype::F64,
            Stored::I64 => Dtype::I64,
            Stored::U64 => Dtype::U64,
            other => {
                return Err(Error::input(
                    "snapshot::dtype",
                    place,
                    format!("element type {other:?} is not supported"),
                    "save the tensor as float32, float64, float16 or bfloat16",
                ));
            }
        };
        let array = decode(&place, dtype, Endian::Little, view.shape().to_vec(), view.data(), context)?;
        arrays.push((name.to_owned(), array));
    }
    Ok(arrays)
}

fn header<'a>(bytes: &'a [u8], place: &str, context: Context<'_>) -> Result<&'a [u8]> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(place, "shorter than the 8 bytes of its header length"));
    };
    let length = u64::from_le_bytes(*length);
    match usize::try_from(length).ok().filter(|n| *n <= context.limits.safetensors_header) {
        Some(n) if n <= rest.len() => Ok(&rest[..n]),
        Some(_) => Err(damaged(place, &format!("its header of {length} bytes reaches beyond the end"))),
        None => Err(damaged(place, &format!("it claims a header of {length} bytes"))),
    }
}

/// The crate keeps the last of two equal keys; a hostile file could hide a tensor that way.
fn refuse_duplicates(header: &[u8], place: &str) -> Result<()> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of tensors")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let mut seen = HashSet::new();
            let mut twice = None;
            while let Some(key) = map.next_key::<String>()? {
                map.next_value::<IgnoredAny>()?;
                if !seen.insert(key.clone()) {
                    twice.get_or_insert(key);
                }
            }
            Ok(twice)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(header);
    match serde::Deserializer::deserialize_map(&mut reader, Keys) {
        Ok(None) => Ok(()),
        Ok(Some(key)) => Err(damaged(place, &format!("two tensors are named '{key}'"))),
        Err(cause) => Err(damaged(place, &format!("its header is not JSON ({cause})"))),
    }
}

fn damaged(place: &str, what: &str) -> Error {
    Error::input(
        "safetensors::damaged",
        place,
        format!("not a sound safetensors file: {what}"),
        "the file is truncated or damaged: save the snapshot again",
    )
}
