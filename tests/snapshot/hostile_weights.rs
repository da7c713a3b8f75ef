//! Weight files that are truncated, mutated, hostile or merely wrong.

use super::make::*;
use breakeven::error::{Class, Error};
use breakeven::snapshot::decode::Context;
use breakeven::snapshot::limits::{Limits, Meter};
use breakeven::snapshot::weights::{self, WeightFormat};
use proptest::prelude::*;
use std::time::Instant;

fn read(format: WeightFormat, bytes: &[u8]) -> Result<Vec<(String, breakeven::snapshot::array::Array)>, Error> {
    let (limits, meter) = (Limits { memory: 1 << 30, ..Limits::default() }, Meter::default());
    weights::read(format, bytes, "file", Context { limits: &limits, meter: &meter })
}

fn refused(format: WeightFormat, what: &str, bytes: &[u8], class: Class) {
    let start = Instant::now();
    match read(format, bytes) {
        Ok(arrays) => panic!("{what}: read {} arrays", arrays.len()),
        Err(error) => {
            assert_eq!(error.class, class, "{what}: {error}");
            assert!(error.place.starts_with("file") && !error.remedy.is_empty(), "{what}: {error}");
        }
    }
    assert!(start.elapsed().as_secs_f64() < 1.0, "{what} took {:?}", start.elapsed());
}

#[test]
fn hostile_numpy_files() {
    use Class::{Input, Resource};
    let four = le(&[1.0, 2.0, 3.0, 4.0]);
    let npy_of = |shape: &str| npy("<f4", shape, &four);
    let header = |text: &str| npy_raw(text, &four);
    let cases: Vec<(&str, Vec<u8>, Class)> = vec![
        ("empty", vec![], Input),
        ("magic only", b"\x93NUMPY".to_vec(), Input),
        ("wrong magic", b"NUMPY\x93\x01\x00\x00\x00".to_vec(), Input),
        ("version 9", b"\x93NUMPY\x09\x00\x10\x00".to_vec(), Input),
        ("header length missing", b"\x93NUMPY\x01\x00\x10".to_vec(), Input),
        ("header cut", b"\x93NUMPY\x01\x00\x10\x00{'descr'".to_vec(), Input),
        ("header of 4 GiB", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), Input),
        (
            "header above the cap",
            {
                let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
                bytes.extend(100_000u32.to_le_bytes());
                bytes.extend(vec![b' '; 100_000]);
                bytes
            },
            Input,
        ),
        ("not text", header("\u{fffd}{"), Input),
        ("no dictionary", header("descr"), Input),
        ("unclosed", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)"), Input),
        ("missing shape", header("{'descr': '<f4', 'fortran_order': False}"), Input),
        ("shape twice", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'shape': (4,)}"), Input),
        ("unknown key", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 'y'}"), Input),
        ("trailing text", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} x"), Input),
        ("order no boolean", header("{'descr': '<f4', 'fortran_order': 1, 'shape': (4,)}"), Input),
        ("shape no tuple", header("{'descr': '<f4', 'fortran_order': False, 'shape': 4}"), Input),
        ("negative extent", npy_of("(-4,)"), Input),
        ("fractional extent", npy_of("(4.0,)"), Input),
        ("huge extent", npy_of("(99999999999999999999999,)"), Input),
        ("product overflow", npy_of("(4294967296, 4294967296, 2)"), Input),
        ("product overflow hidden by a zero", npy_of("(18446744073709551615, 18446744073709551615, 0)"), Input),
        ("1 GiB from 80 bytes", npy_of("(268435456,)"), Input),
        ("seventeen axes", npy_of("(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4)"), Input),
        ("too short", npy_of("(5,)"), Input),
        ("too long", npy_of("(3,)"), Input),
        ("objects", npy("|O", "(4,)", &four), Input),
        ("strings", npy("<U1", "(4,)", &four), Input),
        ("complex", npy("<c8", "(2,)", &four), Input),
        ("dates", npy("<M8[s]", "(2,)", &four), Input),
        ("void", npy("|V4", "(4,)", &four), Input),
        ("quadruple", npy("<f16", "(1,)", &four), Input),
        ("structured", header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}"), Input),
        ("unsigned beyond i64", npy("<u8", "(1,)", &u64::MAX.to_le_bytes()), Input),
        ("boolean of 2", npy("|b1", "(4,)", &[0, 1, 2, 1]), Input),
    ];
    for (what, bytes, class) in &cases {
        refused(WeightFormat::Npz, what, &npz(&[("a", bytes.clone())]), *class);
    }
    // Real content above the memory limit is a resource error, before it is widened.
    let (limits, meter) = (Limits { memory: 1000, ..Limits::default() }, Meter::default());
    let bytes = npz(&[("a", npy("|b1", "(200,)", &[1; 200]))]);
    let error = weights::read(WeightFormat::Npz, &bytes, "file", Context { limits: &limits, meter: &meter });
    let error = error.unwrap_err();
    assert_eq!(error.class, Resource);
    assert!(error.remedy.contains("--max-memory"), "{error}");
}

#[test]
fn hostile_archives() {
    use Class::Input;
    let good = npz(&[("a", npy("<f4", "(4,)", &le(&[1.0; 4]))), ("b", npy("<f4", "(4,)", &le(&[2.0; 4])))]);
    assert_eq!(read(WeightFormat::Npz, &good).unwrap().len(), 2);
    // Cut anywhere, it is refused.
    for cut in (0..good.len()).step_by(7) {
        refused(WeightFormat::Npz, &format!("cut at {cut}"), &good[..cut], Input);
    }
    let replace = |from: &[u8], to: &[u8]| {
        let mut bytes = good.clone();
        let hits: Vec<usize> = (0..bytes.len() - from.len()).filter(|i| bytes[*i..].starts_with(from)).collect();
        hits.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to));
        assert!(!hits.is_empty());
        bytes
    };
    refused(WeightFormat::Npz, "two members of one name", &replace(b"b.npy", b"a.npy"), Input);
    refused(WeightFormat::Npz, "a member that is no array", &replace(b"b.npy", b"b.txt"), Input);
    refused(WeightFormat::Npz, "a wrong checksum", &replace(&2.0f32.to_le_bytes(), &3.0f32.to_le_bytes()), Input);
    // 32 MiB of zeros deflate a thousandfold.
    let zeros = npy("<f4", "(8388608,)", &vec![0; 32 << 20]);
    let bomb = zip(&[("a.npy", &zeros)], true);
    assert!(bomb.len() < 100_000);
    refused(WeightFormat::Npz, "a bomb", &bomb, Input);
    // A small tensor of zeros is no bomb.
    let fresh = zip(&[("a.npy", &npy("<f4", "(262144,)", &vec![0; 1 << 20]))], true);
    assert_eq!(read(WeightFormat::Npz, &fresh).unwrap()[0].1.len(), 262_144);
    refused(WeightFormat::Npz, "not an archive", b"hello, world", Input);
    refused(WeightFormat::Npz, "the end record alone", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", Input);
}

#[test]
fn numpy_types_and_orders() {
    let read_one = |bytes: Vec<u8>| read(WeightFormat::Npz, &npz(&[("a", bytes)])).unwrap().remove(0).1;
    let floats = |bytes| read_one(bytes).floats().unwrap().to_vec();
    let ints = |bytes| read_one(bytes).ints().unwrap().to_vec();
    assert_eq!(floats(npy("<f2", "(2,)", &[0x00, 0x3c, 0x01, 0x80])), [1.0, -(2f64.powi(-24))]);
    assert_eq!(floats(npy(">f2", "(1,)", &[0x3c, 0x00])), [1.0]);
    assert_eq!(floats(npy(">f4", "(1,)", &0.1f32.to_be_bytes())), [f64::from(0.1f32)]);
    assert_eq!(floats(npy("<f8", "()", &0.1f64.to_le_bytes())), [0.1]);
    assert_eq!(floats(npy(">f8", "(1,)", &0.1f64.to_be_bytes())), [0.1]);
    assert_eq!(ints(npy("|i1", "(2,)", &[255, 127])), [-1, 127]);
    assert_eq!(ints(npy("|u1", "(2,)", &[255, 127])), [255, 127]);
    assert_eq!(ints(npy("<i2", "(1,)", &(-2i16).to_le_bytes())), [-2]);
    assert_eq!(ints(npy(">u2", "(1,)", &65535u16.to_be_bytes())), [65535]);
    assert_eq!(ints(npy("<i4", "(1,)", &i32::MIN.to_le_bytes())), [i64::from(i32::MIN)]);
    assert_eq!(ints(npy("<u4", "(1,)", &u32::MAX.to_le_bytes())), [i64::from(u32::MAX)]);
    assert_eq!(ints(npy(">i8", "(1,)", &i64::MIN.to_be_bytes())), [i64::MIN]);
    assert_eq!(ints(npy("<u8", "(1,)", &(i64::MAX as u64).to_le_bytes())), [i64::MAX]);
    // Column-major [2, 3]: 0 2 4 / 1 3 5.
    let header = "{'descr': '|i1', 'fortran_order': True, 'shape': (2L, 3L)}";
    assert_eq!(ints(npy_raw(header, &[0, 1, 2, 3, 4, 5])), [0, 2, 4, 1, 3, 5]);
    let cube = "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 1, 2, 2)}";
    assert_eq!(ints(npy_raw(cube, &[0, 1, 2, 3, 4, 5, 6, 7])), [0, 4, 2, 6, 1, 5, 3, 7]);
    // Format version 2 has a longer length field; keys may come in any order.
    let text = "{'shape': (1,), 'fortran_order': False, 'descr': '|u1'}";
    let mut second = b"\x93NUMPY\x02\x00".to_vec();
    second.extend((text.len() as u32).to_le_bytes());
    second.extend(text.as_bytes());
    second.push(9);
    assert_eq!(ints(second), [9]);
}

#[test]
fn hostile_safetensors() {
    use Class::Input;
    let four = le(&[1.0, 2.0, 3.0, 4.0]);
    let entry = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"a\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
    };
    assert!(read(WeightFormat::Safetensors, &safetensors(&entry("F32", "[4]", "[0,16]"), &four)).is_ok());
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("seven bytes", vec![0; 7]),
        ("header length of 2^63", [&(1u64 << 63).to_le_bytes()[..], b"{}"].concat()),
        ("header above 100 MB", [&100_000_001u64.to_le_bytes()[..], b"{}"].concat()),
        ("header beyond the end", [&1000u64.to_le_bytes()[..], b"{}"].concat()),
        ("not JSON", safetensors("hello", &four)),
        ("an array", safetensors("[]", &four)),
        ("deep JSON", safetensors(&"[".repeat(100_000), &four)),
        ("not UTF-8", [&2u64.to_le_bytes()[..], b"\xff\xfe"].concat()),
    ];
    let headers = [
        ("hole", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}".to_owned()),
        ("overlap", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}".to_owned()),
        ("duplicate key", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}".to_owned()),
        ("escaped duplicate key", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}".to_owned()),
        ("backward offsets", entry("F32", "[4]", "[16,0]")),
        ("offsets beyond the end", entry("F32", "[8]", "[0,32]")),
        ("offsets of 2^64 - 1", entry("F32", "[4]", "[0,18446744073709551615]")),
        ("negative offset", entry("F32", "[4]", "[-16,0]")),
        ("shape against offsets", entry("F32", "[3]", "[0,16]")),
        ("product overflow", entry("F32", "[4294967296,4294967296,4]", "[0,16]")),
        ("negative extent", entry("F32", "[-4]", "[0,16]")),
        ("unknown type", entry("F31", "[4]", "[0,16]")),
        ("complex", entry("C64", "[2]", "[0,16]")),
        ("eight-bit float", entry("F8_E4M3", "[16]", "[0,16]")),
        ("bytes left over", entry("F32", "[3]", "[0,12]")),
        ("no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}".to_owned()),
        ("trailing JSON", entry("F32", "[4]", "[0,16]") + "{}"),
        ("boolean of 2", entry("BOOL", "[16]", "[0,16]")),
    ];
    cases.extend(headers.iter().map(|(what, header)| (*what, safetensors(header, &four))));
    for (what, bytes) in &cases {
        refused(WeightFormat::Safetensors, what, bytes, Input);
    }
    let good = safetensors(&entry("F32", "[4]", "[0,16]"), &four);
    for cut in 0..good.len() {
        refused(WeightFormat::Safetensors, &format!("cut at {cut}"), &good[..cut], Input);
    }
}

#[test]
fn half_precision_safetensors() {
    let header = "{\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[4,8]}}";
    let bytes = safetensors(header, &[0x00, 0x3c, 0xff, 0x7b, 0x80, 0x3f, 0x00, 0xc0]);
    let arrays = read(WeightFormat::Safetensors, &bytes).unwrap();
    assert_eq!(arrays[0].1.floats().unwrap(), [1.0, 65504.0]);
    assert_eq!(arrays[1].1.floats().unwrap(), [1.0, -2.0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is changed in a sound file, the reader gives arrays or an error; it never panics.
    #[test]
    fn mutated_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}";
        let pickle = Pickle::new().raw(b"}").text("a").tensor("FloatStorage", "0", 4, 0, &[2, 2], &[2, 1]).raw(b"s.");
        for (format, good) in [
            (WeightFormat::Npz, good_npz()),
            (WeightFormat::Safetensors, safetensors(header, &le(&[1.0; 4]))),
            (WeightFormat::Torch, torch(&pickle.0, &[("0", le(&[1.0; 4]))])),
        ] {
            let mut bytes = good.clone();
            let position = at.index(bytes.len());
            bytes[position] = byte;
            let _ = read(format, &bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = read(format, &bytes);
        }
    }

    /// The pickle machine alone, on mutated opcodes (no checksum in the way).
    #[test]
    fn mutated_pickles_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let pickle = Pickle::new().raw(b"}").text("a").tensor("FloatStorage", "0", 4, 0, &[2, 2], &[2, 1]).raw(b"s.");
        let mut bytes = pickle.0;
        for (at, byte) in changes {
            let position = at.index(bytes.len());
            bytes[position] = byte;
        }
        let _ = read(WeightFormat::Torch, &torch(&bytes, &[("0", le(&[1.0; 4]))]));
    }
}
