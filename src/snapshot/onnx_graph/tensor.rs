//! `TensorProto`: every encoding that exporters write, decoded into an [`Array`].

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::decode::{Context, Endian, decode, element_count};
use crate::snapshot::onnx_graph::read::ExternalFiles;
use crate::snapshot::protobuf::{self as pb, Fields, broken};
use half::{bf16, f16};

/// The element types of `TensorProto.DataType` that can be read.
pub fn dtype(code: i64) -> Option<Dtype> {
    Some(match code {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        16 => Dtype::Bf16,
        _ => return None,
    })
}

#[derive(Default)]
struct Raw<'a> {
    name: String,
    dims: Vec<i64>,
    code: i64,
    raw: Option<&'a [u8]>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    int32: Vec<i64>,
    int64: Vec<i64>,
    uint64: Vec<i64>,
    external: Vec<(String, String)>,
    external_location: bool,
    segment: bool,
}

/// Reads one tensor and its name.
pub fn read_tensor(
    bytes: &[u8],
    place: &str,
    context: Context<'_>,
    external: &mut dyn ExternalFiles,
) -> Result<(String, Array)> {
    let raw = fields(bytes, place)?;
    let place = format!("{place}: tensor '{}'", raw.name);
    let Some(dtype) = dtype(raw.code) else {
        return Err(Error::input(
            "onnx::dtype",
            place,
            format!("element type {} of ONNX is not supported (strings, complex, 4- and 8-bit types)", raw.code),
            "export the model in float32, float64, float16 or bfloat16",
        ));
    };
    if raw.segment {
        return Err(Error::input("onnx::segment", place, "a tensor stored in segments", "export the model again"));
    }
    let shape: std::result::Result<Vec<usize>, _> = raw.dims.iter().map(|d| usize::try_from(*d)).collect();
    let shape = shape.map_err(|_| {
        Error::input("onnx::shape", &place, format!("negative extents {:?}", raw.dims), "export the model again")
    })?;
    let count = element_count(&place, &shape, context.limits)?;
    if raw.external_location {
        let data = external_bytes(&raw, &place, count.saturating_mul(dtype.size()), external)?;
        return Ok((raw.name, decode(&place, dtype, Endian::Little, shape, &data, context)?));
    }
    if let Some(data) = raw.raw {
        return Ok((raw.name, decode(&place, dtype, Endian::Little, shape, data, context)?));
    }
    context.meter.claim(&place, count, context.limits)?;
    let values = typed(&raw, dtype, &place)?;
    let array = Array { dtype, shape, values };
    if array.len() != count {
        return Err(Error::input(
            "snapshot::length",
            place,
            format!("shape {:?} needs {count} elements, but {} are stored", array.shape, array.len()),
            "the file is damaged: export it again",
        ));
    }
    Ok((raw.name, array))
}

fn fields<'a>(bytes: &'a [u8], place: &'a str) -> Result<Raw<'a>> {
    let mut raw = Raw::default();
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => pb::ints(wire, place, &mut raw.dims)?,
            2 => raw.code = pb::int(wire, place)?,
            3 => raw.segment = true,
            4 => pb::floats(wire, place, &mut raw.floats)?,
            5 => pb::ints(wire, place, &mut raw.int32)?,
            7 => pb::ints(wire, place, &mut raw.int64)?,
            8 => raw.name = pb::string(wire, place)?,
            9 => raw.raw = Some(pb::bytes(wire, place)?),
            10 => pb::doubles(wire, place, &mut raw.doubles)?,
            11 => pb::ints(wire, place, &mut raw.uint64)?,
            13 => raw.external.push(super::read::key_value(pb::bytes(wire, place)?, place)?),
            14 => raw.external_location = pb::int(wire, place)? == 1,
            _ => {}
        }
    }
    if raw.dims.len() > 64 {
        return Err(broken(place, "a tensor with more than 64 axes"));
    }
    Ok(raw)
}

/// Elements of the typed fields (`float_data`, `int32_data`, …); narrow types travel in `int32_data`.
fn typed(raw: &Raw<'_>, dtype: Dtype, place: &str) -> Result<Values> {
    let range = |v: &i64, low: i64, high: i64| -> Result<i64> {
        if (low..=high).contains(v) {
            Ok(*v)
        } else {
            Err(Error::input(
                "onnx::value_range",
                place,
                format!("the value {v} does not fit {dtype}"),
                "the file is damaged: export it again",
            ))
        }
    };
    let ints = |low, high| -> Result<Values> {
        Ok(Values::Int(raw.int32.iter().map(|v| range(v, low, high)).collect::<Result<_>>()?))
    };
    Ok(match dtype {
        Dtype::F32 => Values::Float(raw.floats.iter().map(|v| f64::from(*v)).collect()),
        Dtype::F64 => Values::Float(raw.doubles.clone()),
        Dtype::F16 => Values::Float(
            raw.int32
                .iter()
                .map(|v| Ok(f16::from_bits(range(v, 0, 0xffff)? as u16).to_f64()))
                .collect::<Result<_>>()?,
        ),
        Dtype::Bf16 => Values::Float(
            raw.int32
                .iter()
                .map(|v| Ok(bf16::from_bits(range(v, 0, 0xffff)? as u16).to_f64()))
                .collect::<Result<_>>()?,
        ),
        Dtype::I8 => ints(-128, 127)?,
        Dtype::U8 => ints(0, 255)?,
        Dtype::I16 => ints(-32768, 32767)?,
        Dtype::U16 => ints(0, 65535)?,
        Dtype::I32 => ints(i64::from(i32::MIN), i64::from(i32::MAX))?,
        Dtype::I64 => Values::Int(raw.int64.clone()),
        Dtype::U32 => Values::Int(raw.uint64.iter().map(|v| range(v, 0, i64::from(u32::MAX))).collect::<Result<_>>()?),
        Dtype::U64 => Values::Int(raw.uint64.iter().map(|v| range(v, 0, i64::MAX)).collect::<Result<_>>()?),
        Dtype::Bool => Values::Bool(raw.int32.iter().map(|v| Ok(range(v, 0, 1)? == 1)).collect::<Result<_>>()?),
    })
}

fn external_bytes(raw: &Raw<'_>, place: &str, needed: usize, external: &mut dyn ExternalFiles) -> Result<Vec<u8>> {
    let mut location = None;
    let mut offset = 0u64;
    let mut length = None;
    for (key, value) in &raw.external {
        let number = || {
            value.trim().parse::<u64>().map_err(|_| {
                Error::input(
                    "onnx::external",
                    place,
                    format!("external data {key} is '{value}', not a count of bytes"),
                    "export the model again",
                )
            })
        };
        match key.as_str() {
            "location" => location = Some(value.as_str()),
            "offset" => offset = number()?,
            "length" => length = Some(number()?),
            _ => {}
        }
    }
    let Some(location) = location else {
        return Err(Error::input(
            "onnx::external",
            place,
            "external data without a location",
            "export the model again, or with its weights inside the file",
        ));
    };
    if let Some(length) = length.filter(|l| *l != needed as u64) {
        return Err(Error::input(
            "onnx::external",
            place,
            format!("external data of {length} bytes, but the shape needs {needed}"),
            "export the model again",
        ));
    }
    external.read(place, location, offset, needed)
}
