//! Serialises an [`OnnxModel`] as an ONNX file (protocol buffers, opset and weights as given).
//!
//! Field numbers are those of the ONNX specification's `onnx.proto3`.

use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::onnx_graph::{Attribute, OnnxModel, OnnxNode, OnnxValue};

/// The bytes of the model file; `name` is the graph's name.
///
/// A dynamic extent is written as the symbolic dimension `batch`. Floating initialisers are written in the width
/// of their `dtype`.
pub fn to_bytes(model: &OnnxModel, name: &str) -> Vec<u8> {
    let mut graph = Message::default();
    for node in &model.nodes {
        graph.message(1, node_message(node));
    }
    graph.text(2, name);
    for (name, array) in &model.initializers {
        graph.message(5, tensor_message(name, array));
    }
    for value in &model.inputs {
        graph.message(11, value_message(value));
    }
    for value in &model.outputs {
        graph.message(12, value_message(value));
    }
    let mut opset = Message::default();
    opset.integer(2, model.opset);
    let mut out = Message::default();
    out.integer(1, model.ir_version);
    out.text(2, "breakeven");
    out.text(3, env!("CARGO_PKG_VERSION"));
    out.message(7, graph);
    out.message(8, opset);
    for (key, value) in &model.metadata {
        out.message(14, entry(key, value));
    }
    out.0
}

fn node_message(node: &OnnxNode) -> Message {
    let mut out = Message::default();
    node.inputs.iter().for_each(|input| out.text(1, input));
    node.outputs.iter().for_each(|output| out.text(2, output));
    out.text(3, &node.name);
    out.text(4, &node.op_type);
    for (name, attribute) in &node.attributes {
        out.message(5, attribute_message(name, attribute));
    }
    if !node.domain.is_empty() {
        out.text(7, &node.domain);
    }
    for (key, value) in &node.metadata {
        out.message(9, entry(key, value));
    }
    out
}

fn attribute_message(name: &str, attribute: &Attribute) -> Message {
    let mut out = Message::default();
    out.text(1, name);
    let kind = match attribute {
        Attribute::Float(x) => {
            out.float(2, *x);
            1
        }
        Attribute::Int(i) => {
            out.integer(3, *i);
            2
        }
        Attribute::String(s) => {
            out.text(4, s);
            3
        }
        Attribute::Tensor(t) => {
            out.message(5, tensor_message("", t));
            4
        }
        // A subgraph is never built here; an empty one keeps the match total.
        Attribute::Graph => {
            out.message(6, Message::default());
            5
        }
        Attribute::Floats(list) => {
            list.iter().for_each(|x| out.float(7, *x));
            6
        }
        Attribute::Ints(list) => {
            list.iter().for_each(|i| out.integer(8, *i));
            7
        }
        Attribute::Strings(list) => {
            list.iter().for_each(|s| out.text(9, s));
            8
        }
    };
    out.integer(20, kind);
    out
}

fn tensor_message(name: &str, array: &Array) -> Message {
    let mut out = Message::default();
    array.shape.iter().for_each(|&extent| out.integer(1, extent as i64));
    out.integer(2, element_code(array.dtype));
    if !name.is_empty() {
        out.text(8, name);
    }
    out.bytes(9, &raw(array));
    out
}

/// Code of an element type in `TensorProto.DataType`.
fn element_code(dtype: Dtype) -> i64 {
    match dtype {
        Dtype::F32 => 1,
        Dtype::U8 => 2,
        Dtype::I8 => 3,
        Dtype::U16 => 4,
        Dtype::I16 => 5,
        Dtype::I32 => 6,
        Dtype::I64 => 7,
        Dtype::Bool => 9,
        Dtype::F16 => 10,
        Dtype::F64 => 11,
        Dtype::U32 => 12,
        Dtype::U64 => 13,
        Dtype::Bf16 => 16,
    }
}

/// Little-endian elements in the array's own width.
fn raw(array: &Array) -> Vec<u8> {
    let mut out = Vec::new();
    match &array.values {
        Values::Float(list) => list.iter().for_each(|&x| match array.dtype {
            Dtype::F64 => out.extend(x.to_le_bytes()),
            Dtype::F16 => out.extend(half::f16::from_f64(x).to_le_bytes()),
            Dtype::Bf16 => out.extend(half::bf16::from_f64(x).to_le_bytes()),
            _ => out.extend((x as f32).to_le_bytes()),
        }),
        Values::Int(list) => list.iter().for_each(|&i| match array.dtype {
            Dtype::I8 | Dtype::U8 => out.push(i as u8),
            Dtype::I16 | Dtype::U16 => out.extend((i as u16).to_le_bytes()),
            Dtype::I32 | Dtype::U32 => out.extend((i as u32).to_le_bytes()),
            _ => out.extend(i.to_le_bytes()),
        }),
        Values::Bool(list) => out.extend(list.iter().map(|&b| u8::from(b))),
    }
    out
}

fn value_message(value: &OnnxValue) -> Message {
    let mut shape = Message::default();
    for extent in value.shape.as_deref().unwrap_or_default() {
        let mut dimension = Message::default();
        match extent {
            Some(n) => dimension.integer(1, *n as i64),
            None => dimension.text(2, "batch"),
        }
        shape.message(1, dimension);
    }
    let mut tensor = Message::default();
    tensor.integer(1, value.elem.map_or(1, element_code));
    tensor.message(2, shape);
    let mut kind = Message::default();
    kind.message(1, tensor);
    let mut out = Message::default();
    out.text(1, &value.name);
    out.message(2, kind);
    out
}

fn entry(key: &str, value: &str) -> Message {
    let mut out = Message::default();
    out.text(1, key);
    out.text(2, value);
    out
}

/// A protocol-buffer message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push((x as u8) | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn integer(&mut self, field: u64, x: i64) {
        self.key(field, 0);
        self.varint(x as u64);
    }

    fn float(&mut self, field: u64, x: f32) {
        self.key(field, 5);
        self.0.extend(x.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, inner: Message) {
        self.bytes(field, &inner.0);
    }
}
