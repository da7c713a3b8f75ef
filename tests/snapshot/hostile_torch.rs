//! Torch archives: what is read, and what is refused without executing anything.

use super::make::*;
use breakeven::error::{Class, Error};
use breakeven::snapshot::array::Array;
use breakeven::snapshot::decode::Context;
use breakeven::snapshot::limits::{Limits, Meter};
use breakeven::snapshot::weights::{self, WeightFormat};

fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, Error> {
    let (limits, meter) = (Limits { memory: 1 << 30, ..Limits::default() }, Meter::default());
    weights::read(WeightFormat::Torch, bytes, "run/a.pt", Context { limits: &limits, meter: &meter })
}

fn single(kind: &str, len: i64, offset: i64, size: &[i64], stride: &[i64], data: Vec<u8>) -> Result<Array, Error> {
    let pickle = Pickle::new().raw(b"}").text("a").tensor(kind, "0", len, offset, size, stride).raw(b"s.");
    read(&torch(&pickle.0, &[("0", data)])).map(|mut arrays| arrays.remove(0).1)
}

fn six() -> Vec<u8> {
    le(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
}

#[test]
fn strides_offsets_and_shared_storages() {
    let floats = |size: &[i64], stride: &[i64], offset| {
        single("FloatStorage", 6, offset, size, stride, six()).unwrap().floats().unwrap().to_vec()
    };
    assert_eq!(floats(&[2, 3], &[3, 1], 0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(floats(&[3, 2], &[1, 3], 0), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(floats(&[2], &[2], 3), [3.0, 5.0]);
    assert_eq!(floats(&[], &[], 4), [4.0]);
    // Stride 0 repeats; windows may overlap.
    assert_eq!(floats(&[2, 2], &[0, 1], 1), [1.0, 2.0, 1.0, 2.0]);
    assert_eq!(floats(&[2, 2], &[1, 1], 0), [0.0, 1.0, 1.0, 2.0]);
    // An extent of 1 may have any stride.
    assert_eq!(floats(&[1, 2], &[i64::MAX, 1], 0), [0.0, 1.0]);
    // Two names, one storage.
    let pickle = Pickle::new()
        .raw(b"}(")
        .text("a")
        .tensor("FloatStorage", "0", 6, 0, &[2], &[1])
        .text("b")
        .tensor("FloatStorage", "0", 6, 1, &[2], &[1])
        .raw(b"u.");
    let arrays = read(&torch(&pickle.0, &[("0", six())])).unwrap();
    assert_eq!(arrays[0].1.floats().unwrap(), [0.0, 1.0]);
    assert_eq!(arrays[1].1.floats().unwrap(), [1.0, 2.0]);
}

#[test]
fn storage_types_and_byte_orders() {
    let half = single("HalfStorage", 2, 0, &[2], &[1], vec![0x00, 0x3c, 0x00, 0xc0]).unwrap();
    assert_eq!(half.floats().unwrap(), [1.0, -2.0]);
    let brain = single("BFloat16Storage", 2, 0, &[2], &[1], vec![0x80, 0x3f, 0x00, 0xc0]).unwrap();
    assert_eq!(brain.floats().unwrap(), [1.0, -2.0]);
    let long = single("LongStorage", 1, 0, &[1], &[1], (-7i64).to_le_bytes().to_vec()).unwrap();
    assert_eq!(long.ints().unwrap(), [-7]);
    let double = single("DoubleStorage", 1, 0, &[1], &[1], 0.1f64.to_le_bytes().to_vec()).unwrap();
    assert_eq!(double.floats().unwrap(), [0.1]);
    let pickle = Pickle::new().raw(b"}").text("a").tensor("FloatStorage", "0", 1, 0, &[1], &[1]).raw(b"s.").0;
    let data = 0.1f32.to_be_bytes();
    let big = zip(&[("a/data.pkl", &pickle), ("a/byteorder", b"big"), ("a/data/0", &data)], false);
    assert_eq!(read(&big).unwrap()[0].1.floats().unwrap(), [f64::from(0.1f32)]);
    let odd = zip(&[("a/data.pkl", &pickle), ("a/byteorder", b"pdp"), ("a/data/0", &data)], false);
    assert_eq!(read(&odd).unwrap_err().class, Class::Input);
}

#[test]
fn checkpoints_with_a_nested_state_dict() {
    let nested = |keys: &[&str]| {
        let mut pickle = Pickle::new().raw(b"}(").text("epoch").int(3).text("lr").raw(b"G\x3f\xf0\0\0\0\0\0\0");
        for key in keys {
            pickle = pickle
                .text(key)
                .global("collections", "OrderedDict")
                .raw(b")R")
                .text("a")
                .tensor("FloatStorage", "0", 6, 0, &[6], &[1])
                .raw(b"s");
        }
        read(&torch(&pickle.raw(b"u.").0, &[("0", six())]))
    };
    for key in ["state_dict", "model", "model_state_dict"] {
        assert_eq!(nested(&[key]).unwrap()[0].0, "a");
    }
    assert_eq!(nested(&["optimizer"]).unwrap_err().code, "torch::state_dict");
    let error = nested(&["model", "state_dict"]).unwrap_err();
    assert!(error.what.contains("model, state_dict"), "{error}");
    // A checkpoint also keeps the state of the random generator, which is a tensor.
    let pickle = Pickle::new()
        .raw(b"}(")
        .text("model")
        .global("collections", "OrderedDict")
        .raw(b")R")
        .text("a")
        .tensor("FloatStorage", "0", 6, 0, &[6], &[1])
        .raw(b"s")
        .text("rng")
        .tensor("ByteStorage", "1", 4, 0, &[4], &[1])
        .raw(b"u.");
    let arrays = read(&torch(&pickle.0, &[("0", six()), ("1", vec![0; 4])])).unwrap();
    assert_eq!(arrays.len(), 1);
    assert_eq!(arrays[0].0, "a");
    // A parameter, and a state_dict with the `_metadata` that torch attaches.
    let pickle = Pickle::new()
        .global("collections", "OrderedDict")
        .raw(b")R")
        .text("a")
        .global("torch._utils", "_rebuild_parameter")
        .raw(b"(")
        .tensor("FloatStorage", "0", 6, 0, &[6], &[1])
        .raw(&[0x88])
        .global("collections", "OrderedDict")
        .raw(b")RtRs")
        .raw(b"}")
        .text("_metadata")
        .raw(b"}sb.");
    assert_eq!(read(&torch(&pickle.0, &[("0", six())])).unwrap()[0].1.len(), 6);
}

#[test]
fn views_beyond_their_storage_are_refused() {
    for (what, len, offset, size, stride, data) in [
        ("one too many", 6, 0, vec![7], vec![1], six()),
        ("offset", 6, 6, vec![1], vec![1], six()),
        ("offset and size", 6, 4, vec![3], vec![1], six()),
        ("stride", 6, 0, vec![2, 3], vec![4, 1], six()),
        ("negative stride", 6, 5, vec![2], vec![-1], six()),
        ("negative offset", 6, -1, vec![2], vec![1], six()),
        ("negative size", 6, 0, vec![-2], vec![1], six()),
        ("overflow", 6, 0, vec![i64::MAX, i64::MAX], vec![1, 1], six()),
        ("stride overflow", 6, 0, vec![3, 3], vec![i64::MAX, 1], six()),
        ("offset overflow", 6, i64::MAX, vec![2], vec![i64::MAX], six()),
        ("axes", 6, 0, vec![6], vec![1, 1], six()),
        ("short storage", 6, 0, vec![6], vec![1], six()[..20].to_vec()),
        ("empty storage", 6, 0, vec![6], vec![1], vec![]),
        ("long storage", 5, 0, vec![5], vec![1], six()),
        ("length of 2^63 - 1", i64::MAX, 0, vec![6], vec![1], six()),
        ("negative length", -6, 0, vec![6], vec![1], six()),
        ("a billion repeats", 6, 0, vec![1_000_000_000], vec![0], six()),
    ] {
        let error = single("FloatStorage", len, offset, &size, &stride, data).expect_err(what);
        assert_eq!(error.class, Class::Input, "{what}: {error}");
        assert!(error.place.contains("'a'"), "{what}: {error}");
    }
    // A storage that is not there is an error, never zeros (burn#5593).
    let pickle = Pickle::new().raw(b"}").text("a").tensor("FloatStorage", "7", 6, 0, &[6], &[1]).raw(b"s.");
    let error = read(&torch(&pickle.0, &[("0", six())])).unwrap_err();
    assert!(error.what.contains("data/7") && error.what.contains("missing"), "{error}");
    // Nor may one storage be read as two types.
    let pickle = Pickle::new()
        .raw(b"}(")
        .text("a")
        .tensor("FloatStorage", "0", 6, 0, &[6], &[1])
        .text("b")
        .tensor("IntStorage", "0", 6, 0, &[6], &[1])
        .raw(b"u.");
    assert_eq!(read(&torch(&pickle.0, &[("0", six())])).unwrap_err().class, Class::Input);
}

#[test]
fn pickles_that_would_execute_are_refused_by_name() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch._utils", "_rebuild_sparse_tensor"),
        ("torch", "ComplexFloatStorage"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("models", "Net"),
        ("collections.OrderedDict.__init__", "__globals__"),
        ("\u{1b}[31m", "x"),
    ] {
        let pickle = Pickle::new().global(module, name).raw(b"(").text("echo x").raw(b"tR.");
        let error = read(&torch(&pickle.0, &[])).unwrap_err();
        assert_eq!((error.class, error.code), (Class::Input, "pickle::global"), "{error}");
        assert!(error.what.contains("nothing was executed"));
        assert!(!error.what.contains('\u{1b}'));
        // The same by STACK_GLOBAL of protocol 4.
        let pickle = Pickle::new().text(module).text(name).raw(&[0x93]).raw(b")R.");
        assert_eq!(read(&torch(&pickle.0, &[])).unwrap_err().code, "pickle::global");
    }
    // Tensors that no snapshot can hold: the way out is not the state_dict, which has them too.
    for (module, name) in [("torch._utils", "_rebuild_sparse_tensor"), ("torch", "ComplexFloatStorage")] {
        let pickle = Pickle::new().global(module, name).raw(b")R.");
        let error = read(&torch(&pickle.0, &[])).unwrap_err();
        assert!(error.remedy.contains("dense"), "{error}");
    }
    for opcode in [&b"(cos\nsystem\no."[..], b"(ios\nsystem\n.", b"\x82\x01.", b")\x81."] {
        let error = read(&torch(&Pickle::new().raw(opcode).0, &[])).unwrap_err();
        assert_eq!(error.class, Class::Input, "{error}");
    }
}

#[test]
fn malformed_pickles_are_refused() {
    let deep_marks = vec![b'('; 300];
    let mut deep_tuples = vec![b')'];
    deep_tuples.extend(vec![0x85; 300]);
    deep_tuples.push(b'.');
    let mut deep_lists: Vec<u8> = vec![b']'; 300];
    deep_lists.extend(vec![b'a'; 299]);
    deep_lists.push(b'.');
    for (what, body) in [
        ("empty", &b""[..]),
        ("no stop", b"}"),
        ("nothing to give", b"."),
        ("two values", b"}}."),
        ("an open mark", b"(}."),
        ("protocol 9", b"\x80\x09}."),
        ("unknown opcode", b"\xff."),
        ("memo never made", b"h\x05."),
        ("memo of nothing", b"q\x00."),
        ("memo no number", b"gx\n."),
        ("mark never set", b"t."),
        ("reduce on nothing", b"R."),
        ("reduce of text", b"X\x01\0\0\0a)R."),
        ("reduce without tuple", b"ccollections\nOrderedDict\n}R."),
        ("build on nothing", b"}b."),
        ("build on a list", b"]}b."),
        ("append to a tuple", b")}a."),
        ("set items of a list", b"](X\x01\0\0\0aX\x01\0\0\0bu."),
        ("odd items", b"}(X\x01\0\0\0au."),
        ("tuple below a mark", b"}(\x85."),
        ("pop below a mark", b"}(0."),
        ("dup of nothing", b"2."),
        ("text beyond the end", b"X\xff\xff\xff\x7fa."),
        ("text of 2^63 bytes", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."),
        ("bytes beyond the end", b"B\xff\xff\xff\xff."),
        ("long beyond the end", b"\x8b\xff\xff\xff\x7f."),
        ("not UTF-8", b"X\x01\0\0\0\xff."),
        ("integer no number", b"Ix\n."),
        ("line without end", b"I12"),
        ("string without quotes", b"Sabc\n."),
        ("global cut", b"ctorch\n"),
        ("a list", b"]."),
        ("a number", b"K\x01."),
        ("an empty dictionary", b"}."),
        ("a dictionary of numbers", b"}X\x01\0\0\0aK\x01s."),
        ("a key that is no text", b"}K\x01K\x01s."),
        ("a list in itself", b"]q\x00h\x00a."),
        ("a dictionary in itself", b"}q\x00X\x01\0\0\0ah\x00s."),
        ("a longer cycle", b"]q\x00]q\x01h\x00aa."),
        ("300 marks", &deep_marks),
        ("300 tuples", &deep_tuples),
        ("300 lists", &deep_lists),
    ] {
        let error = read(&torch(&Pickle::new().raw(body).0, &[])).expect_err(what);
        assert_eq!(error.class, Class::Input, "{what}: {error}");
    }
    // A hundred levels are no harm, nor is sharing, which would explode if it were copied.
    let mut shared = vec![b')'];
    for _ in 0..100 {
        shared.extend([b'2', 0x86]);
    }
    shared.push(b'.');
    assert_eq!(read(&torch(&Pickle::new().raw(&shared).0, &[])).unwrap_err().code, "torch::state_dict");
}

#[test]
fn tensors_described_wrongly_are_refused() {
    let rebuild = |arguments: &[u8]| {
        Pickle::new().raw(b"}").text("a").global("torch._utils", "_rebuild_tensor_v2").raw(arguments).raw(b"Rs.").0
    };
    let persistent = |tuple: Pickle| {
        let mut bytes = b"(".to_vec();
        bytes.extend(tuple.0);
        bytes.extend(b"Q");
        bytes.extend(Pickle(vec![]).int(0).ints(&[1]).ints(&[1]).raw(b"t").0);
        rebuild(&bytes)
    };
    let none = || Pickle(vec![]);
    let cases = vec![
        ("no arguments", rebuild(b")")),
        ("a number for the storage", rebuild(&Pickle(b"(".to_vec()).int(1).int(0).ints(&[1]).ints(&[1]).raw(b"t").0)),
        ("a storage of text", persistent(none().text("0"))),
        ("a short storage tuple", persistent(none().raw(b"(").text("storage").raw(b"t"))),
        (
            "another tag",
            persistent(
                none().raw(b"(").text("module").global("torch", "FloatStorage").text("0").text("cpu").int(1).raw(b"t"),
            ),
        ),
        (
            "a type that is text",
            persistent(none().raw(b"(").text("storage").text("FloatStorage").text("0").text("cpu").int(1).raw(b"t")),
        ),
        (
            "a type that is no storage",
            persistent(none().raw(b"(").text("storage").global("torch", "Size").text("0").text("cpu").int(1).raw(b"t")),
        ),
        (
            "a key with a path",
            persistent(
                none()
                    .raw(b"(")
                    .text("storage")
                    .global("torch", "FloatStorage")
                    .text("../0")
                    .text("cpu")
                    .int(1)
                    .raw(b"t"),
            ),
        ),
        (
            "an empty key",
            persistent(
                none().raw(b"(").text("storage").global("torch", "FloatStorage").text("").text("cpu").int(1).raw(b"t"),
            ),
        ),
        (
            "two tensors of one name",
            Pickle::new()
                .raw(b"}(")
                .text("a")
                .tensor("FloatStorage", "0", 1, 0, &[1], &[1])
                .text("a")
                .tensor("FloatStorage", "0", 1, 0, &[1], &[1])
                .raw(b"u.")
                .0,
        ),
        (
            "a number among the tensors",
            Pickle::new()
                .raw(b"}(")
                .text("a")
                .tensor("FloatStorage", "0", 1, 0, &[1], &[1])
                .text("epoch")
                .int(3)
                .raw(b"u.")
                .0,
        ),
    ];
    for (what, pickle) in cases {
        let error = read(&torch(&pickle, &[("0", le(&[1.0]))])).expect_err(what);
        assert_eq!(error.class, Class::Input, "{what}: {error}");
    }
}

#[test]
fn other_torch_files_are_refused_with_the_way_out() {
    // The magic number of torch's own pickle format before 1.6.
    let mut legacy = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    legacy.extend([0; 64]);
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for bytes in [legacy, tar] {
        let error = read(&bytes).unwrap_err();
        assert_eq!((error.class, error.code), (Class::Input, "torch::legacy"));
        assert!(error.remedy.contains("torch.save(torch.load('run/a.pt'"), "{error}");
    }
    let script = zip(&[("a/data.pkl", b"\x80\x02}."), ("a/constants.pkl", b"\x80\x02).")], false);
    assert_eq!(read(&script).unwrap_err().code, "torch::script");
    for (what, bytes) in [
        ("empty", vec![]),
        ("text", b"hello".to_vec()),
        ("no pickle", zip(&[("a/x", b"y")], false)),
        ("two pickles", zip(&[("a/data.pkl", b"\x80\x02}."), ("b/data.pkl", b"\x80\x02}.")], false)),
    ] {
        assert_eq!(read(&bytes).expect_err(what).class, Class::Input, "{what}");
    }
}
