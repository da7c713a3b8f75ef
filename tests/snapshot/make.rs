//! Small encoders for hand-made files: protobuf, npy, zip, pickle.

use std::io::Write;

/// One protobuf field with bytes.
pub fn bytes_field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3 | 2);
    out.extend(varint(content.len() as u64));
    out.extend(content);
    out
}

/// One protobuf field with an integer.
pub fn int_field(number: u32, value: i64) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3);
    out.extend(varint(value as u64));
    out
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn text(number: u32, content: &str) -> Vec<u8> {
    bytes_field(number, content.as_bytes())
}

/// A `TensorProto` with raw data.
pub fn tensor(name: &str, code: i64, dims: &[i64], raw: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = dims.iter().flat_map(|d| int_field(1, *d)).collect();
    out.extend(int_field(2, code));
    out.extend(text(8, name));
    out.extend(bytes_field(9, raw));
    out
}

/// A float32 `TensorProto`.
pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    tensor(name, 1, dims, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

/// A `NodeProto`.
pub fn node(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|i| text(1, i)).collect();
    out.extend(outputs.iter().flat_map(|o| text(2, o)));
    out.extend(text(3, name));
    out.extend(text(4, op));
    out
}

/// A `ValueInfoProto`; `None` is a dynamic extent.
pub fn value(name: &str, code: i64, shape: &[Option<i64>]) -> Vec<u8> {
    let dims: Vec<u8> =
        shape.iter().flat_map(|d| bytes_field(1, &d.map_or_else(|| text(2, "batch"), |d| int_field(1, d)))).collect();
    let mut tensor_type = int_field(1, code);
    tensor_type.extend(bytes_field(2, &dims));
    let mut out = text(1, name);
    out.extend(bytes_field(2, &bytes_field(1, &tensor_type)));
    out
}

/// The parts of a graph.
#[derive(Default, Clone)]
pub struct Graph {
    pub nodes: Vec<Vec<u8>>,
    pub initializers: Vec<Vec<u8>>,
    pub inputs: Vec<Vec<u8>>,
    pub outputs: Vec<Vec<u8>>,
    pub more: Vec<u8>,
}

impl Graph {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, parts) in [(1, &self.nodes), (5, &self.initializers), (11, &self.inputs), (12, &self.outputs)] {
            out.extend(parts.iter().flat_map(|p| bytes_field(number, p)));
        }
        out.extend(&self.more);
        out
    }
}

/// A `ModelProto` of operator set `opset`.
pub fn model(graph: &Graph, opset: i64) -> Vec<u8> {
    let mut out = int_field(1, 8);
    out.extend(bytes_field(7, &graph.encode()));
    out.extend(bytes_field(8, &int_field(2, opset)));
    out
}

/// x [batch, 2] → Gemm(w [2, 2], b [2]) → out.
pub fn linear() -> Graph {
    Graph {
        nodes: vec![node("/fc/Gemm", "Gemm", &["x", "fc.weight", "fc.bias"], &["out"])],
        initializers: vec![floats("fc.weight", &[2, 2], &[1.0, 2.0, 3.0, 4.0]), floats("fc.bias", &[2], &[0.5, -0.5])],
        inputs: vec![value("x", 1, &[None, Some(2)])],
        outputs: vec![value("out", 1, &[None, Some(2)])],
        more: Vec::new(),
    }
}

/// A `.npy` file with any header text.
pub fn npy_raw(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_raw(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"), data)
}

pub fn le(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn zip(members: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, content) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let names: Vec<String> = arrays.iter().map(|(n, _)| format!("{n}.npy")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().zip(arrays).map(|(n, (_, c))| (n.as_str(), c.as_slice())).collect();
    zip(&members, false)
}

/// A safetensors file with any header.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

/// A pickle that describes tensors as torch does.
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Pickle(vec![0x80, 2])
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(mut self, text: &str) -> Self {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    pub fn int(mut self, value: i64) -> Self {
        self.0.extend([0x8a, 8]);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn ints(mut self, values: &[i64]) -> Self {
        self.0.push(b'(');
        for value in values {
            self = self.int(*value);
        }
        self.raw(b"t")
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())`
    pub fn tensor(self, kind: &str, key: &str, len: i64, offset: i64, size: &[i64], stride: &[i64]) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", kind)
            .text(key)
            .text("cpu")
            .int(len)
            .raw(b"tQ")
            .int(offset)
            .ints(size)
            .ints(stride)
            .raw(&[0x89])
            .global("collections", "OrderedDict")
            .raw(b")RtR")
    }
}

/// A torch archive around a pickle and its storages.
pub fn torch(pickle: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let names: Vec<String> = storages.iter().map(|(key, _)| format!("a/data/{key}")).collect();
    let mut members: Vec<(&str, &[u8])> = vec![("a/data.pkl", pickle), ("a/byteorder", b"little")];
    members.extend(names.iter().zip(storages).map(|(n, (_, c))| (n.as_str(), c.as_slice())));
    zip(&members, false)
}

/// A run directory of the linear model with a batch of three samples and any further files.
pub fn run_folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    write("model.onnx", &model(&linear(), 17));
    let labels: Vec<u8> = [0i64, 1, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    write(
        "batch.npz",
        &npz(&[("x", npy("<f4", "(3, 2)", &le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))), ("y", npy("<i8", "(3,)", &labels))]),
    );
    for (name, content) in files {
        write(name, content);
    }
    folder
}

/// The snapshot of [`linear`] as a `.npz` file.
pub fn good_npz() -> Vec<u8> {
    npz(&[
        ("fc.weight", npy("<f4", "(2, 2)", &le(&[1.0, 2.0, 3.0, 4.0]))),
        ("fc.bias", npy("<f4", "(2,)", &le(&[0.5, -0.5]))),
    ])
}
