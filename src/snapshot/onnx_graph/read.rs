//! `ModelProto` and below: messages to plain structs.

use crate::error::{Error, Result};
use crate::snapshot::decode::Context;
use crate::snapshot::onnx_graph::tensor::{dtype, read_tensor};
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue, check};
use crate::snapshot::protobuf::{self as pb, Fields, broken};

/// Where tensors kept outside the model file come from.
pub trait ExternalFiles {
    /// Exactly `length` bytes at `offset` of the file `location`, a relative path as the model names it.
    fn read(&mut self, place: &str, location: &str, offset: u64, length: usize) -> Result<Vec<u8>>;
}

/// Reads a model. `place` names the file in errors.
///
/// # Errors
/// Input errors for damaged messages, opsets outside 13 to 21, tensors of unsupported types or wrong lengths,
/// duplicate names, values that nothing defines and cycles; resource errors above the memory limit.
pub fn read(bytes: &[u8], place: &str, context: Context<'_>, external: &mut dyn ExternalFiles) -> Result<OnnxModel> {
    let mut model = OnnxModel {
        ir_version: 0,
        opset: 0,
        nodes: Vec::new(),
        initializers: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        metadata: Vec::new(),
    };
    let mut graphs = Vec::new();
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => model.ir_version = pb::int(wire, place)?,
            7 => {
                graphs.push(pb::bytes(wire, place)?);
            }
            8 => {
                let (domain, version) = operator_set(pb::bytes(wire, place)?, place)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    model.opset = version;
                }
            }
            14 => model.metadata.push(key_value(pb::bytes(wire, place)?, place)?),
            25 => refuse_shadowing(pb::bytes(wire, place)?, place)?,
            _ => {}
        }
    }
    let [graph] = graphs.as_slice() else {
        return Err(broken(place, &format!("{} graphs instead of one", graphs.len())));
    };
    if !(13..=21).contains(&model.opset) {
        return Err(Error::input(
            "onnx::opset",
            place,
            format!("operator set {} (13 to 21 can be read)", model.opset),
            "export again with opset_version=18",
        ));
    }
    read_graph(graph, place, context, external, &mut model)?;
    check::check(&mut model, place)?;
    Ok(model)
}

fn read_graph(
    bytes: &[u8],
    place: &str,
    context: Context<'_>,
    external: &mut dyn ExternalFiles,
    model: &mut OnnxModel,
) -> Result<()> {
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => {
                let index = model.nodes.len();
                model.nodes.push(read_node(pb::bytes(wire, place)?, place, index, context, external)?);
            }
            5 => model.initializers.push(read_tensor(pb::bytes(wire, place)?, place, context, external)?),
            11 => model.inputs.push(read_value(pb::bytes(wire, place)?, place)?),
            12 => model.outputs.push(read_value(pb::bytes(wire, place)?, place)?),
            15 => {
                return Err(Error::input(
                    "onnx::sparse",
                    place,
                    "the graph holds sparse initializers",
                    "export the model with dense weights",
                ));
            }
            16 => model.metadata.push(key_value(pb::bytes(wire, place)?, place)?),
            _ => {}
        }
        if model.nodes.len() + model.initializers.len() > context.limits.tensors {
            return Err(broken(place, "more nodes and tensors than any honest model has"));
        }
    }
    Ok(())
}

fn read_node(
    bytes: &[u8],
    place: &str,
    index: usize,
    context: Context<'_>,
    external: &mut dyn ExternalFiles,
) -> Result<OnnxNode> {
    let mut node = OnnxNode {
        name: String::new(),
        op_type: String::new(),
        domain: String::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        attributes: Vec::new(),
        metadata: Vec::new(),
    };
    let mut attributes = Vec::new();
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => node.inputs.push(pb::string(wire, place)?),
            2 => node.outputs.push(pb::string(wire, place)?),
            3 => node.name = pb::string(wire, place)?,
            4 => node.op_type = pb::string(wire, place)?,
            5 => attributes.push(pb::bytes(wire, place)?),
            7 => node.domain = pb::string(wire, place)?,
            9 => node.metadata.push(key_value(pb::bytes(wire, place)?, place)?),
            _ => {}
        }
    }
    if node.domain == "ai.onnx" {
        node.domain.clear();
    }
    let place = format!("{place}: node {index} '{}' ({})", node.name, node.op_type);
    for bytes in attributes {
        let (name, value) = read_attribute(bytes, &place, context, external)?;
        if node.attributes.iter().any(|(n, _)| *n == name) {
            return Err(broken(&place, &format!("attribute '{name}' twice")));
        }
        node.attributes.push((name, value));
    }
    Ok(node)
}

fn read_attribute(
    bytes: &[u8],
    place: &str,
    context: Context<'_>,
    external: &mut dyn ExternalFiles,
) -> Result<(String, Attribute)> {
    let mut name = String::new();
    let mut kind = 0;
    let (mut f, mut i, mut s, mut t) = (None, None, None, None);
    let (mut floats, mut ints, mut strings) = (Vec::new(), Vec::new(), Vec::new());
    let mut graph = false;
    let mut reference = false;
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => name = pb::string(wire, place)?,
            2 => f = Some(pb::float(wire, place)?),
            3 => i = Some(pb::int(wire, place)?),
            4 => s = Some(pb::bytes(wire, place)?),
            5 => t = Some(pb::bytes(wire, place)?),
            6 | 11 => graph = true,
            7 => pb::floats(wire, place, &mut floats)?,
            8 => pb::ints(wire, place, &mut ints)?,
            9 => strings.push(text(pb::bytes(wire, place)?, place)?),
            20 => kind = pb::int(wire, place)?,
            21 => reference = true,
            _ => {}
        }
    }
    if reference {
        return Err(broken(place, &format!("attribute '{name}' refers to a function's argument outside a function")));
    }
    if kind == 0 {
        // Files of IR version 1 leave the type out.
        kind = match (&f, &i, &s, &t) {
            (Some(_), ..) => 1,
            (_, Some(_), ..) => 2,
            (_, _, Some(_), _) => 3,
            (.., Some(_)) => 4,
            _ if graph => 5,
            _ if !floats.is_empty() => 6,
            _ if !ints.is_empty() => 7,
            _ if !strings.is_empty() => 8,
            _ => 0,
        };
    }
    let value = match kind {
        1 => Attribute::Float(f.unwrap_or(0.0)),
        2 => Attribute::Int(i.unwrap_or(0)),
        3 => Attribute::String(text(s.unwrap_or_default(), place)?),
        4 => {
            let Some(t) = t else {
                return Err(broken(place, &format!("attribute '{name}' lacks its tensor")));
            };
            Attribute::Tensor(read_tensor(t, place, context, external)?.1)
        }
        5 | 10 => Attribute::Graph,
        6 => Attribute::Floats(floats),
        7 => Attribute::Ints(ints),
        8 => Attribute::Strings(strings),
        other => {
            return Err(Error::input(
                "onnx::attribute",
                place,
                format!("attribute '{name}' has the unsupported type {other}"),
                "export the model without sparse or type-valued attributes",
            ));
        }
    };
    Ok((name, value))
}

fn read_value(bytes: &[u8], place: &str) -> Result<OnnxValue> {
    let mut value = OnnxValue { name: String::new(), elem: None, shape: None };
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => value.name = pb::string(wire, place)?,
            2 => {
                let mut types = Fields::new(pb::bytes(wire, place)?, place);
                while let Some((number, wire)) = types.next_field()? {
                    if number == 1 {
                        read_tensor_type(pb::bytes(wire, place)?, place, &mut value)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(value)
}

fn read_tensor_type(bytes: &[u8], place: &str, value: &mut OnnxValue) -> Result<()> {
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => value.elem = dtype(pb::int(wire, place)?),
            2 => {
                let mut shape = Vec::new();
                let mut dims = Fields::new(pb::bytes(wire, place)?, place);
                while let Some((number, wire)) = dims.next_field()? {
                    if number == 1 {
                        shape.push(read_extent(pb::bytes(wire, place)?, place)?);
                    }
                }
                value.shape = Some(shape);
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_extent(bytes: &[u8], place: &str) -> Result<Option<usize>> {
    let mut extent = None;
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        if number == 1 {
            // Negative extents mean "unknown" in some exporters.
            extent = usize::try_from(pb::int(wire, place)?).ok();
        }
    }
    Ok(extent)
}

fn operator_set(bytes: &[u8], place: &str) -> Result<(String, i64)> {
    let (mut domain, mut version) = (String::new(), 0);
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => domain = pb::string(wire, place)?,
            2 => version = pb::int(wire, place)?,
            _ => {}
        }
    }
    Ok((domain, version))
}

/// A function of the default domain would change what a standard operator means.
fn refuse_shadowing(bytes: &[u8], place: &str) -> Result<()> {
    let (mut name, mut domain) = (String::new(), String::new());
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => name = pb::string(wire, place)?,
            10 => domain = pb::string(wire, place)?,
            _ => {}
        }
    }
    if domain.is_empty() || domain == "ai.onnx" {
        return Err(Error::input(
            "onnx::function",
            place,
            format!("the model redefines the standard operator '{name}' as a function"),
            "export the model without local functions",
        ));
    }
    Ok(())
}

/// One `StringStringEntryProto`.
pub(super) fn key_value(bytes: &[u8], place: &str) -> Result<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut fields = Fields::new(bytes, place);
    while let Some((number, wire)) = fields.next_field()? {
        match number {
            1 => key = pb::string(wire, place)?,
            2 => value = String::from_utf8_lossy(pb::bytes(wire, place)?).into_owned(),
            _ => {}
        }
    }
    Ok((key, value))
}

fn text(bytes: &[u8], place: &str) -> Result<String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| broken(place, "a string attribute that is not UTF-8"))
}
