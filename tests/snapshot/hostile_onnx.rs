//! ONNX files by hand: every tensor encoding, and what is refused.

use super::make::*;
use breakeven::error::{Class, Error};
use breakeven::snapshot::decode::Context;
use breakeven::snapshot::limits::{Limits, Meter};
use breakeven::snapshot::onnx_graph::{Attribute, ExternalFiles, OnnxModel, read as read_model};
use breakeven::snapshot::{Input, OpenOptions};
use proptest::prelude::*;

struct NoFiles;

impl ExternalFiles for NoFiles {
    fn read(&mut self, place: &str, location: &str, _: u64, _: usize) -> Result<Vec<u8>, Error> {
        Err(Error::input("test::external", place, location, "none"))
    }
}

fn read(bytes: &[u8]) -> Result<OnnxModel, Error> {
    let (limits, meter) = (Limits { memory: 1 << 24, ..Limits::default() }, Meter::default());
    read_model(bytes, "model.onnx", Context { limits: &limits, meter: &meter }, &mut NoFiles)
}

fn with(change: impl FnOnce(&mut Graph)) -> Vec<u8> {
    let mut graph = linear();
    change(&mut graph);
    model(&graph, 17)
}

/// A graph whose only initializer is `tensor`.
fn with_tensor(tensor: Vec<u8>) -> Vec<u8> {
    with(|g| g.initializers.push(tensor))
}

fn tensor_of(bytes: Vec<u8>) -> Result<breakeven::snapshot::array::Array, Error> {
    read(&with_tensor(bytes)).map(|m| m.initializers.into_iter().find(|(n, _)| n == "t").unwrap().1)
}

/// A `TensorProto` named t with a typed field instead of raw data.
fn typed(code: i64, dims: &[i64], number: u32, packed: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = dims.iter().flat_map(|d| int_field(1, *d)).collect();
    out.extend(int_field(2, code));
    out.extend(bytes_field(8, b"t"));
    out.extend(bytes_field(number, packed));
    out
}

fn packed(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| varint(*v as u64)).collect()
}

#[test]
fn a_small_graph_is_read() {
    let model = read(&model(&linear(), 17)).unwrap();
    assert_eq!((model.opset, model.ir_version, model.nodes.len()), (17, 8, 1));
    assert_eq!(model.nodes[0].inputs, ["x", "fc.weight", "fc.bias"]);
    assert_eq!(model.initializers[0].1.floats().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(model.inputs[0].shape, Some(vec![None, Some(2)]));
    assert_eq!(model.outputs[0].name, "out");
}

#[test]
fn every_tensor_encoding() {
    let floats = |bytes| tensor_of(bytes).unwrap().floats().unwrap().to_vec();
    let ints = |bytes| tensor_of(bytes).unwrap().ints().unwrap().to_vec();
    assert_eq!(floats(typed(1, &[2], 4, &le(&[1.5, -2.0]))), [1.5, -2.0]);
    assert_eq!(floats(typed(11, &[1], 10, &0.1f64.to_le_bytes())), [0.1]);
    assert_eq!(floats(typed(10, &[2], 5, &packed(&[0x3c00, 0x8001]))), [1.0, -(2f64.powi(-24))]);
    assert_eq!(floats(typed(16, &[1], 5, &packed(&[0x3f80]))), [1.0]);
    assert_eq!(ints(typed(7, &[2], 7, &packed(&[-1, 1 << 40]))), [-1, 1 << 40]);
    assert_eq!(ints(typed(6, &[2], 5, &packed(&[-1, 7]))), [-1, 7]);
    assert_eq!(ints(typed(3, &[2], 5, &packed(&[-128, 127]))), [-128, 127]);
    assert_eq!(ints(typed(2, &[1], 5, &packed(&[255]))), [255]);
    assert_eq!(ints(typed(12, &[1], 11, &packed(&[4294967295]))), [4294967295]);
    assert_eq!(ints(typed(13, &[1], 11, &packed(&[i64::MAX]))), [i64::MAX]);
    assert_eq!(floats(tensor("t", 10, &[1], &[0x00, 0x3c])), [1.0]);
    assert_eq!(floats(tensor("t", 16, &[1], &[0x80, 0x3f])), [1.0]);
    assert_eq!(floats(tensor("t", 11, &[], &0.1f64.to_le_bytes())), [0.1]);
    assert_eq!(ints(tensor("t", 7, &[0], &[])), [0i64; 0]);
    assert_eq!(tensor_of(tensor("t", 9, &[2], &[1, 0])).unwrap().len(), 2);
    // Unpacked repeated fields are protobuf as well.
    let mut unpacked = int_field(1, 2);
    unpacked.extend(int_field(2, 7));
    unpacked.extend(bytes_field(8, b"t"));
    unpacked.extend(int_field(7, 5));
    unpacked.extend(int_field(7, -5));
    assert_eq!(ints(unpacked), [5, -5]);
}

#[test]
fn attributes_of_every_kind() {
    let attribute = |name: &str, kind: i64, more: Vec<u8>| {
        let mut out = bytes_field(1, name.as_bytes());
        out.extend(int_field(20, kind));
        out.extend(more);
        out
    };
    let mut float = vec![2 << 3 | 5];
    float.extend(0.5f32.to_le_bytes());
    let mut n = node("/fc/Gemm", "Gemm", &["x", "fc.weight", "fc.bias"], &["out"]);
    for content in [
        attribute("f", 1, float),
        attribute("i", 2, int_field(3, -3)),
        attribute("s", 3, bytes_field(4, b"text")),
        attribute("t", 4, bytes_field(5, &floats("", &[1], &[2.0]))),
        attribute("g", 5, bytes_field(6, b"")),
        attribute("fs", 6, bytes_field(7, &le(&[1.0, 2.0]))),
        attribute("is", 7, bytes_field(8, &packed(&[1, -1]))),
        attribute("ss", 8, bytes_field(9, b"a")),
        attribute("zero", 2, vec![]),
    ] {
        n.extend(bytes_field(5, &content));
    }
    let model = read(&with(|g| g.nodes = vec![n])).unwrap();
    let get = |name: &str| &model.nodes[0].attributes.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(*get("f"), Attribute::Float(0.5));
    assert_eq!(*get("i"), Attribute::Int(-3));
    assert_eq!(*get("s"), Attribute::String("text".into()));
    assert!(matches!(get("t"), Attribute::Tensor(t) if t.floats() == Some(&[2.0])));
    assert_eq!(*get("g"), Attribute::Graph);
    assert_eq!(*get("fs"), Attribute::Floats(vec![1.0, 2.0]));
    assert_eq!(*get("is"), Attribute::Ints(vec![1, -1]));
    assert_eq!(*get("ss"), Attribute::Strings(vec!["a".into()]));
    assert_eq!(*get("zero"), Attribute::Int(0));
}

#[test]
fn nodes_are_put_in_order() {
    let bytes = with(|g| {
        g.nodes = vec![
            node("c", "Relu", &["b"], &["out"]),
            node("b", "Relu", &["a"], &["b"]),
            node("a", "Gemm", &["x", "fc.weight", "fc.bias"], &["a"]),
        ];
    });
    let order: Vec<String> = read(&bytes).unwrap().nodes.into_iter().map(|n| n.name).collect();
    assert_eq!(order, ["a", "b", "c"]);
    // Initializers listed among the inputs (IR version 3) are no inputs.
    let bytes = with(|g| g.inputs.push(value("fc.weight", 1, &[Some(2), Some(2)])));
    assert_eq!(read(&bytes).unwrap().inputs.len(), 1);
}

#[test]
fn hostile_graphs_are_refused() {
    let raw = |graph_bytes: &[u8]| {
        let mut out = int_field(1, 8);
        out.extend(bytes_field(7, graph_bytes));
        out.extend(bytes_field(8, &int_field(2, 17)));
        out
    };
    let good = linear().encode();
    let external = |entries: &[(&str, &str)]| {
        let mut out = int_field(1, 4);
        out.extend(int_field(2, 1));
        out.extend(bytes_field(8, b"t"));
        for (key, value) in entries {
            let mut entry = bytes_field(1, key.as_bytes());
            entry.extend(bytes_field(2, value.as_bytes()));
            out.extend(bytes_field(13, &entry));
        }
        out.extend(int_field(14, 1));
        with_tensor(out)
    };
    let opset = |version: i64| model(&linear(), version);
    let function = |domain: &[u8]| {
        let mut f = bytes_field(1, b"Relu");
        f.extend(bytes_field(10, domain));
        let mut out = model(&linear(), 17);
        out.extend(bytes_field(25, &f));
        out
    };
    let mut two_graphs = model(&linear(), 17);
    two_graphs.extend(bytes_field(7, &good));
    let segment = [tensor("t", 1, &[1], &[0; 4]), bytes_field(3, b"")].concat();
    let mut twice = node("n", "Gemm", &["x", "fc.weight", "fc.bias"], &["out"]);
    for _ in 0..2 {
        twice.extend(bytes_field(5, &[bytes_field(1, b"alpha"), int_field(20, 2)].concat()));
    }
    let attribute_of = |kind: i64| {
        let mut n = node("n", "Gemm", &["x", "fc.weight", "fc.bias"], &["out"]);
        n.extend(bytes_field(5, &[bytes_field(1, b"a"), int_field(20, kind)].concat()));
        with(|g| g.nodes = vec![n])
    };
    let mut reference = node("n", "Gemm", &["x", "fc.weight", "fc.bias"], &["out"]);
    reference.extend(bytes_field(5, &[bytes_field(1, b"a"), bytes_field(21, b"outer")].concat()));
    let cases: Vec<(&str, Vec<u8>, Class)> = vec![
        ("empty", vec![], Class::Input),
        ("text", b"hello, world".to_vec(), Class::Input),
        ("no graph", int_field(1, 8), Class::Input),
        ("two graphs", two_graphs, Class::Input),
        ("opset 12", opset(12), Class::Input),
        ("opset 22", opset(22), Class::Input),
        ("no opset", [int_field(1, 8), bytes_field(7, &good)].concat(), Class::Input),
        ("a length beyond the end", [&[7 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x0f][..], b"x"].concat(), Class::Input),
        ("a length of 2^64 - 1", [&[7 << 3 | 2][..], &[0xff; 9], &[0x01]].concat(), Class::Input),
        ("an overlong integer", [&[8][..], &[0xff; 11]].concat(), Class::Input),
        ("field number 0", vec![0, 0], Class::Input),
        ("a group", vec![1 << 3 | 3], Class::Input),
        ("a cut number", vec![1 << 3 | 5, 0, 0], Class::Input),
        ("a node that is an integer", raw(&int_field(1, 3)), Class::Input),
        ("a name that is no text", with_tensor(bytes_field(8, b"\xff")), Class::Input),
        ("sparse weights", raw(&[good.clone(), bytes_field(15, b"")].concat()), Class::Input),
        ("segments", with_tensor(segment), Class::Input),
        ("negative extent", with_tensor(tensor("t", 1, &[-4], &[0; 16])), Class::Input),
        ("product overflow", with_tensor(tensor("t", 1, &[1 << 62, 1 << 62], &[])), Class::Input),
        ("overflow hidden by zero", with_tensor(tensor("t", 1, &[1 << 62, 1 << 62, 0], &[])), Class::Input),
        ("a short tensor", with_tensor(tensor("t", 1, &[4], &[0; 12])), Class::Input),
        ("a long tensor", with_tensor(tensor("t", 1, &[4], &[0; 20])), Class::Input),
        ("4 EiB from nothing", with_tensor(tensor("t", 1, &[1 << 60], &[])), Class::Input),
        ("4 GiB typed from nothing", with_tensor(typed(1, &[1 << 30], 4, &[])), Class::Resource),
        ("a typed tensor too short", with_tensor(typed(1, &[4], 4, &le(&[1.0]))), Class::Input),
        ("a float field of 5 bytes", with_tensor(typed(1, &[1], 4, &[0; 5])), Class::Input),
        ("a double field of 9 bytes", with_tensor(typed(11, &[1], 10, &[0; 9])), Class::Input),
        ("an int8 of 300", with_tensor(typed(3, &[1], 5, &packed(&[300]))), Class::Input),
        ("a boolean of 2", with_tensor(typed(9, &[1], 5, &packed(&[2]))), Class::Input),
        ("a half of 17 bits", with_tensor(typed(10, &[1], 5, &packed(&[1 << 16]))), Class::Input),
        ("strings", with_tensor(tensor("t", 8, &[1], &[])), Class::Input),
        ("complex", with_tensor(tensor("t", 14, &[1], &[0; 8])), Class::Input),
        ("eight-bit floats", with_tensor(tensor("t", 17, &[1], &[0])), Class::Input),
        ("no element type", with_tensor(tensor("t", 0, &[1], &[0; 4])), Class::Input),
        ("a hundred axes", with_tensor(tensor("t", 1, &[1; 100], &[0; 4])), Class::Input),
        ("external without location", external(&[]), Class::Input),
        ("external length", external(&[("location", "w"), ("length", "17")]), Class::Input),
        ("external offset no number", external(&[("location", "w"), ("offset", "x")]), Class::Input),
        ("an unnamed initializer", with_tensor(floats("", &[1], &[1.0])), Class::Input),
        ("two initializers of one name", with_tensor(floats("fc.bias", &[2], &[0.0; 2])), Class::Input),
        ("two inputs of one name", with(|g| g.inputs.push(value("x", 1, &[]))), Class::Input),
        ("no output", with(|g| g.outputs.clear()), Class::Input),
        ("an output of nothing", with(|g| g.outputs = vec![value("y", 1, &[])]), Class::Input),
        ("a dangling input", with(|g| g.nodes.push(node("n", "Relu", &["nowhere"], &["z"]))), Class::Input),
        ("two makers of one value", with(|g| g.nodes.push(node("n", "Relu", &["x"], &["out"]))), Class::Input),
        ("a node that makes an input", with(|g| g.nodes.push(node("n", "Relu", &["out"], &["x"]))), Class::Input),
        ("a node that makes a weight", with(|g| g.nodes.push(node("n", "Relu", &["x"], &["fc.bias"]))), Class::Input),
        ("a self cycle", with(|g| g.nodes.push(node("n", "Relu", &["z"], &["z"]))), Class::Input),
        (
            "a cycle",
            with(|g| {
                g.nodes.push(node("n", "Relu", &["z"], &["y"]));
                g.nodes.push(node("m", "Relu", &["y"], &["z"]));
            }),
            Class::Input,
        ),
        ("a redefined operator", function(b""), Class::Input),
        ("a redefined operator by its long name", function(b"ai.onnx"), Class::Input),
        ("an attribute twice", with(|g| g.nodes = vec![twice]), Class::Input),
        ("an attribute of sparse type", attribute_of(11), Class::Input),
        ("an attribute without its tensor", attribute_of(4), Class::Input),
        ("an attribute of no type", attribute_of(0), Class::Input),
        ("an attribute of a function", with(|g| g.nodes = vec![reference]), Class::Input),
    ];
    for (what, bytes, class) in cases {
        let error = read(&bytes).expect_err(what);
        assert_eq!(error.class, class, "{what}: {error}");
        assert!(error.place.starts_with("model.onnx"), "{what}: {error}");
    }
    assert!(read(&function(b"pkg.local")).is_ok());
    let bytes = model(&linear(), 17);
    for cut in 0..bytes.len() {
        // A cut between two fields can leave a sound message, but never a whole model.
        assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_cycle_of_ten_thousand_nodes_is_found_quickly() {
    let bytes = with(|g| {
        for i in 0..10_000 {
            let (from, to) = (format!("v{}", (i + 1) % 10_000), format!("v{i}"));
            g.nodes.push(node("", "Relu", &[&from], &[&to]));
        }
    });
    let start = std::time::Instant::now();
    assert!(read(&bytes).unwrap_err().what.contains("cycle"));
    assert!(start.elapsed().as_secs_f64() < 1.0);
}

/// The linear model with its weight outside.
fn external_model(location: &str, offset: u64) -> Vec<u8> {
    let mut weight: Vec<u8> = [2, 2].iter().flat_map(|d| int_field(1, *d)).collect();
    weight.extend(int_field(2, 1));
    weight.extend(bytes_field(8, b"fc.weight"));
    for (key, value) in [("location", location.to_owned()), ("offset", offset.to_string()), ("length", "16".into())] {
        let entry = [bytes_field(1, key.as_bytes()), bytes_field(2, value.as_bytes())].concat();
        weight.extend(bytes_field(13, &entry));
    }
    weight.extend(int_field(14, 1));
    let mut graph = linear();
    graph.initializers[0] = weight;
    model(&graph, 17)
}

#[test]
fn external_data_stays_in_the_folder() {
    let data = [vec![0; 16], le(&[1.0, 2.0, 3.0, 4.0])].concat();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("w.bin"), &data).unwrap();
    let attempt = |location: &str, offset: u64, prepare: &dyn Fn(&std::path::Path)| {
        let folder = run_folder(&[("a.npz", good_npz()), ("model.onnx", external_model(location, offset))]);
        std::fs::write(folder.path().join("w.bin"), &data).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/w.bin"), &data).unwrap();
        prepare(folder.path());
        breakeven::snapshot::open(folder.path(), &OpenOptions::default())
    };
    for location in ["w.bin", "sub/w.bin"] {
        let Input::Run(run) = attempt(location, 16, &|_| ()).unwrap() else { panic!() };
        let weight = &run.model.initializers.iter().find(|(n, _)| n == "fc.weight").unwrap().1;
        assert_eq!(weight.floats().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert!(run.digests.iter().any(|(name, _)| name == location));
    }
    let absolute = outside.path().join("w.bin").to_str().unwrap().to_owned();
    for location in [
        "../w.bin",
        "sub/../../w.bin",
        "./../w.bin",
        absolute.as_str(),
        "",
        "..",
        "sub",
        "missing.bin",
        "a\\..\\w",
        "C:w",
    ] {
        let error = attempt(location, 0, &|_| ()).unwrap_err();
        assert_eq!((error.class, error.code), (Class::Input, "onnx::external"), "{location}: {error}");
        assert!(error.place.contains("fc.weight"), "{error}");
    }
    for offset in [17, 33, u64::MAX, u64::MAX - 8] {
        assert_eq!(attempt("w.bin", offset, &|_| ()).unwrap_err().class, Class::Input, "{offset}");
    }
    #[cfg(unix)]
    {
        let link = |folder: &std::path::Path| {
            std::fs::remove_file(folder.join("w.bin")).unwrap();
            std::os::unix::fs::symlink(outside.path().join("w.bin"), folder.join("w.bin")).unwrap();
        };
        assert_eq!(attempt("w.bin", 16, &link).unwrap_err().code, "onnx::external");
        let link = |folder: &std::path::Path| {
            std::os::unix::fs::symlink(outside.path(), folder.join("out")).unwrap();
        };
        assert_eq!(attempt("out/w.bin", 16, &link).unwrap_err().code, "onnx::external");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is changed in a model, the reader gives a model or an error.
    #[test]
    fn mutated_models_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = model(&linear(), 17);
        for (at, byte) in changes {
            let position = at.index(bytes.len());
            bytes[position] = byte;
        }
        let _ = read(&bytes);
    }

    /// Float tensors survive the file bit by bit.
    #[test]
    fn tensors_round_trip(values in prop::collection::vec(any::<u32>(), 1..40)) {
        let values: Vec<f32> = values.into_iter().map(f32::from_bits).collect();
        let read = tensor_of(floats("t", &[values.len() as i64], &values)).unwrap();
        for (a, b) in read.floats().unwrap().iter().zip(&values) {
            prop_assert!(a.to_bits() == f64::from(*b).to_bits() || a.is_nan() && b.is_nan());
        }
    }
}
