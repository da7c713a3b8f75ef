//! Matrices against their ground truth, closed forms and hostile files.

use super::*;
use crate::error::Class;

fn read_text(name: &str, text: &str) -> Result<MatrixInput> {
    read(name, text.as_bytes(), name, &Limits::default())
}

fn dense(input: &MatrixInput) -> Vec<Vec<f64>> {
    let m = input.to_dense(1 << 30).unwrap();
    (0..m.nrows()).map(|i| (0..m.ncols()).map(|j| m[(i, j)]).collect()).collect()
}

#[test]
fn public_matrices_agree_with_their_truth() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/matrices");
    let truth: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("truth/truth.json")).unwrap()).unwrap();
    for (file, expected) in truth.as_object().unwrap() {
        let input = open(&folder.join(file), &OpenOptions::default()).unwrap();
        let entries = dense(&input);
        let fro = entries.iter().flatten().map(|v| v * v).sum::<f64>().sqrt();
        let d = entries.iter().map(|row| row.iter().filter(|v| **v != 0.0).count()).max().unwrap();
        assert_eq!(input.n as u64, expected["n"].as_u64().unwrap(), "{file}");
        assert_eq!(input.nnz as u64, expected["nnz_full"].as_u64().unwrap(), "{file}");
        assert_eq!(d as u64, expected["d_max_row_nnz"].as_u64().unwrap(), "{file}");
        assert_eq!(input.max_abs, expected["max_abs"].as_f64().unwrap(), "{file}");
        approx::assert_relative_eq!(fro, expected["fro"].as_f64().unwrap(), max_relative = 1e-14);
        assert_eq!(input.asymmetry, 0.0);
        for (i, row) in entries.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert_eq!(value.to_bits(), entries[j][i].to_bits());
            }
        }
    }
}

#[test]
fn harwell_boeing_and_matrix_market_give_the_same_matrix() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/matrices");
    let a = open(&folder.join("lund_a.mtx"), &OpenOptions::default()).unwrap();
    let b = open(&folder.join("lund_a.rsa"), &OpenOptions::default()).unwrap();
    assert_eq!(a.entries, b.entries);
}

#[test]
fn matrix_market_kinds() {
    let full = vec![vec![2.0, -1.0], vec![-1.0, 3.0]];
    for text in [
        "%%MatrixMarket matrix coordinate real general\n2 2 4\n1 1 2\n2 1 -1\n1 2 -1\n2 2 3\n",
        "%%MatrixMarket matrix coordinate real symmetric\n% comment\n\n2 2 3\n1 1 2\n% again\n2 1 -1\n2 2 3\n",
        // The upper triangle will do as well; leading spaces and CRLF line ends are no harm (scipy#6450).
        "%%MatrixMarket  MATRIX Coordinate Integer SYMMETRIC\r\n  2   2   3\r\n  1 1 2\r\n   1 2 -1\r\n 2 2 3\r\n",
        "%%MatrixMarket matrix array real general\n2 2\n2\n-1\n-1\n3\n",
        "%%MatrixMarket matrix array real symmetric\n2 2\n2\n-1\n3\n",
        "%%MatrixMarket matrix array integer symmetric\n2 2\n2 -1 3",
        "%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 0.2D+01\n2 1 -10d-1\n2 2 +3.\n",
    ] {
        let input = read_text("a.mtx", text).unwrap();
        assert_eq!(dense(&input), full, "{text}");
        assert_eq!((input.nnz, input.max_abs), (4, 3.0));
    }
    let pattern =
        read_text("a.mtx", "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 3\n1 1\n3 1\n2 2\n").unwrap();
    assert_eq!(dense(&pattern), vec![vec![1.0, 0.0, 1.0], vec![0.0, 1.0, 0.0], vec![1.0, 0.0, 0.0]]);
    // A diagonal entry is not mirrored (HeCBench#226), an explicit zero is no entry.
    let zeros = read_text("a.mtx", "%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 5\n2 1 0\n").unwrap();
    assert_eq!(zeros.nnz, 1);
}

#[test]
fn long_numbers_are_read_exactly() {
    // scipy#19949 crashed at 22 digits and more.
    let digits = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899";
    let text = format!("%%MatrixMarket matrix coordinate real symmetric\n1 1 1\n1 1 {digits}\n");
    assert_eq!(dense(&read_text("a.mtx", &text).unwrap()), vec![vec![std::f64::consts::PI]]);
}

#[test]
fn hostile_matrix_market_files_are_refused() {
    let header = "%%MatrixMarket matrix coordinate real symmetric\n";
    let array = "%%MatrixMarket matrix array real general\n";
    let cases: Vec<(String, Class)> = vec![
        (String::new(), Class::Input),
        ("\n\n".into(), Class::Input),
        ("1 2 3\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate real\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket tensor coordinate real general\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket vector coordinate real general\n1 1\n1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix elemental real general\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate complex symmetric\n1 1 1\n1 1 1 0\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate complex hermitian\n1 1 1\n1 1 1 0\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate real hermitian\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 1\n2 1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix array real skew-symmetric\n2 2\n1\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate quaternion general\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate real lopsided\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix array pattern general\n1 1\n1\n".into(), Class::Input),
        (format!("{header}% only comments\n"), Class::Input),
        (format!("{header}2 2\n1 1 1\n"), Class::Input),
        (format!("{header}2 2 x\n1 1 1\n"), Class::Input),
        (format!("{header}2 -2 1\n1 1 1\n"), Class::Input),
        (format!("{header}0 0 0\n"), Class::Input),
        (format!("{header}2 3 1\n1 1 1\n"), Class::Input),
        (format!("{header}2 2 2\n1 1 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 1 1\n2 2 1\n"), Class::Input),
        (format!("{header}2 2 1\n0 1 1\n"), Class::Input),
        (format!("{header}2 2 1\n3 1 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 3 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 -1 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 99999999999999999999999 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 1 one\n"), Class::Input),
        (format!("{header}2 2 1\n1 1 1 1\n"), Class::Input),
        (format!("{header}2 2 1\n1 1 nan\n"), Class::Input),
        (format!("{header}2 2 1\n1 1 inf\n"), Class::Input),
        (format!("{header}2 2 1\n1 1 1e999\n"), Class::Input),
        (format!("{header}2 2 2\n1 1 1\n1 1 1\n"), Class::Input),
        (format!("{header}2 2 2\n2 1 1\n1 2 1\n"), Class::Input),
        (format!("{header}2 2 18446744073709551615\n1 1 1\n"), Class::Resource),
        (format!("{header}2 2 18446744073709551616\n1 1 1\n"), Class::Input),
        (format!("{header}4000000000 4000000000 1\n1 1 1\n"), Class::Resource),
        ("%%MatrixMarket matrix coordinate integer symmetric\n1 1 1\n1 1 1.5\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate integer symmetric\n1 1 1\n1 1 9007199254740993\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate pattern symmetric\n1 1 1\n1 1 1\n".into(), Class::Input),
        ("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n1 2 1\n".into(), Class::Input),
        (format!("{array}2 2\n1\n2\n3\n"), Class::Input),
        (format!("{array}2 2\n1\n2\n2\n1\n1\n"), Class::Input),
        (format!("{array}2 2\n1\n2\n3\n1\n"), Class::Input),
        (format!("{array}2 3\n1 2 3 4 5 6\n"), Class::Input),
        (format!("{array}1 1\n1e400\n"), Class::Input),
        (format!("{array}100000000 100000000\n1\n"), Class::Resource),
        (format!("{array}18446744073709551615 18446744073709551615\n1\n"), Class::Resource),
    ];
    for (text, class) in cases {
        let error = read_text("a.mtx", &text).expect_err(&text);
        assert_eq!(error.class, class, "{text}: {error}");
        assert!(error.place.contains("a.mtx"), "{error}");
    }
    assert_eq!(read("a.mtx", b"\xff\xfe", "a.mtx", &Limits::default()).unwrap_err().class, Class::Input);
}

const SMALL_HB: &str = "Title                                                                   KEY     \n             4             1             1             2             0\nRSA                        3             3             4             0\n(4I5)           (4I5)           (2E12.4)                                \n    1    3    4    5\n    1    3    2    3\n  2.0000E+00 -1.0000E+00\n  4.0000E+00  5.0000E+00\n";

#[test]
fn harwell_boeing_fields() {
    let expected = vec![vec![2.0, 0.0, -1.0], vec![0.0, 4.0, 0.0], vec![-1.0, 0.0, 5.0]];
    assert_eq!(dense(&read_text("a.rsa", SMALL_HB).unwrap()), expected);
    // Rutherford-Boeing: four counts, lower-case type.
    let rb = SMALL_HB.replace("             2             0\nRSA", "             2\nrsa");
    assert_eq!(dense(&read_text("a.rb", &rb).unwrap()), expected);
    // Scale factor with an exponent in the field, D exponents, fields that touch.
    let touching = SMALL_HB.replace("(2E12.4) ", "(1P,2D12.4)").replace("E+0", "D+0");
    assert_eq!(dense(&read_text("a.rsa", &touching).unwrap()), expected);
    let glued = SMALL_HB
        .replace("(2E12.4)", "(2E11.4)")
        .replace("  2.0000E+00 -1.0000E+00", " 2.0000E+00-1.0000E+00")
        .replace("  4.0000E+00  5.0000E+00", " 4.0000E+00 5.0000E+00");
    assert_eq!(dense(&read_text("a.rsa", &glued).unwrap()), expected);
    // Implied decimal point: 20000 under F12.4 is 2.
    let implied = SMALL_HB
        .replace("(2E12.4)", "(2F12.4)")
        .replace("  2.0000E+00 -1.0000E+00", "       20000      -10000")
        .replace("  4.0000E+00  5.0000E+00", "       40000       5.   ");
    assert_eq!(dense(&read_text("a.rsa", &implied).unwrap()), expected);
    // A width that is larger than what was written: the numbers between blanks count.
    let narrow = SMALL_HB.replace("(2E12.4)", "(2E14.4)");
    assert_eq!(dense(&read_text("a.rsa", &narrow).unwrap()), expected);
    // A pattern has ones and no values.
    let pattern: String = SMALL_HB.replace("RSA", "PSA").lines().take(6).map(|l| format!("{l}\n")).collect();
    let ones = vec![vec![1.0, 0.0, 1.0], vec![0.0, 1.0, 0.0], vec![1.0, 0.0, 1.0]];
    assert_eq!(dense(&read_text("a.rb", &pattern).unwrap()), ones);
    // A right-hand side in the file takes one more header line.
    let with_rhs = SMALL_HB.replace("             2             0\n", "             2             1\n").replace(
        "(2E12.4)                                \n",
        "(2E12.4)            (2E12.4)            \nF             1             0\n",
    );
    assert_eq!(dense(&read_text("a.rsa", &with_rhs).unwrap()), expected);
}

#[test]
fn hostile_harwell_boeing_files_are_refused() {
    let change = |from: &str, to: &str| {
        assert!(SMALL_HB.contains(from), "{from}");
        SMALL_HB.replacen(from, to, 1)
    };
    let mut cases: Vec<String> = vec![
        String::new(),
        change("RSA", "CSA"),
        change("RSA", "RZA"),
        change("RSA", "RHA"),
        change("RSA", "RRA"),
        change("RSA", "RSE"),
        change("RSA", "XYZ"),
        change("3             3             4", "3             2             4"),
        change("3             3             4", "0             0             4"),
        change("3             3             4", "3             x             4"),
        change("3             3             4", "3             3             5"),
        change("3             3             4", "3             3    9999999999"),
        change("3             3             4", "9999999999999 9999999999999 4"),
        change("(4I5) ", "(4Q5) "),
        change("(4I5) ", "4I5   "),
        change("(4I5) ", "(I0)  "),
        change("(2E12.4)", "(2(E12))"),
        change("(2E12.4)", "(999999E12.4)"),
        change("    1    3    4    5", "    2    3    4    5"),
        change("    1    3    4    5", "    1    4    3    5"),
        change("    1    3    4    5", "    1    3    4    4"),
        change("    1    3    4    5", "    1    3    4  999"),
        change("    1    3    4    5", "    1    3    4"),
        change("    1    3    2    3", "    0    3    2    3"),
        change("    1    3    2    3", "    1    4    2    3"),
        change("    1    3    2    3", "    1    1    2    3"),
        change("    1    3    2    3", "    1    3    1    3"),
        change("    1    3    2    3", "    1    x    2    3"),
        change("  2.0000E+00", "         NaN"),
        change("  2.0000E+00", "  2.0000E999"),
        change("  2.0000E+00", "            "),
        change("  2.0000E+00", "  2.00.0E+00"),
        change("Title", "Tïtle"),
    ];
    for cut in [10, 80, 150, 200, 300, SMALL_HB.len() - 30] {
        cases.push(SMALL_HB[..cut].to_owned());
    }
    for text in cases {
        let error = read_text("a.rsa", &text).expect_err(&text);
        assert_eq!(error.class, Class::Input, "{text}: {error}");
    }
}

fn npy_f64(shape: &str, fortran: bool, values: &[f64]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    bytes
}

#[test]
fn numpy_matrices() {
    let read = |bytes: &[u8]| read("h.npy", bytes, "h.npy", &Limits::default());
    for fortran in [false, true] {
        let input = read(&npy_f64("(2, 2)", fortran, &[1.0, 2.0, 2.0, 5.0])).unwrap();
        assert_eq!(dense(&input), vec![vec![1.0, 2.0], vec![2.0, 5.0]]);
    }
    // Rounding asymmetry is averaged away, exactly.
    let input = read(&npy_f64("(2, 2)", false, &[1.0, 2.0, 2.0 + 1e-9, 5.0])).unwrap();
    let entries = dense(&input);
    assert_eq!(entries[0][1].to_bits(), entries[1][0].to_bits());
    assert_eq!(entries[0][1], 0.5 * 2.0 + 0.5 * (2.0 + 1e-9));
    approx::assert_relative_eq!(input.asymmetry, 1e-9 / 5.0, max_relative = 1e-6);
    // Just above the limit it is an error; so are huge differences that would overflow.
    assert!(read(&npy_f64("(2, 2)", false, &[1.0, 2.0, 2.0 + 4.9e-8, 5.0])).is_ok());
    for bad in [
        npy_f64("(2, 2)", false, &[1.0, 2.0, 2.0 + 5.2e-8, 5.0]),
        npy_f64("(2, 2)", false, &[1.0, f64::MAX, -f64::MAX, 5.0]),
        npy_f64("(2, 2)", false, &[1.0, f64::NAN, f64::NAN, 5.0]),
        npy_f64("(2, 2)", false, &[f64::INFINITY, 0.0, 0.0, 5.0]),
        npy_f64("(2, 2)", false, &[0.0, 1.0, -1.0, 0.0]),
        npy_f64("(1, 4)", false, &[1.0, 2.0, 2.0, 5.0]),
        npy_f64("(4,)", false, &[1.0, 2.0, 2.0, 5.0]),
        npy_f64("(1, 2, 2)", false, &[1.0, 2.0, 2.0, 5.0]),
        npy_f64("()", false, &[1.0]),
        npy_f64("(0, 0)", false, &[]),
    ] {
        assert_eq!(read(&bad).unwrap_err().class, Class::Input);
    }
    let tight = Limits { memory: 31, ..Limits::default() };
    let error = super::read("h.npy", &npy_f64("(2, 2)", false, &[1.0; 4]), "h.npy", &tight).unwrap_err();
    assert_eq!(error.class, Class::Resource);
}

#[test]
fn right_hand_sides() {
    let folder = tempfile::tempdir().unwrap();
    let matrix = folder.path().join("H.npy");
    std::fs::write(&matrix, npy_f64("(2, 2)", false, &[1.0, 2.0, 2.0, 5.0])).unwrap();
    let with = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        open(&matrix, &OpenOptions { rhs: Some(path), ..OpenOptions::default() })
    };
    assert_eq!(with("g.npy", &npy_f64("(2,)", false, &[3.0, 4.0])).unwrap().rhs.values, vec![3.0, 4.0]);
    assert_eq!(with("g.npy", &npy_f64("(2, 1)", false, &[3.0, 4.0])).unwrap().rhs.values, vec![3.0, 4.0]);
    for bad in [
        npy_f64("(3,)", false, &[3.0, 4.0, 5.0]),
        npy_f64("(1, 2)", false, &[3.0, 4.0]),
        npy_f64("(2,)", false, &[0.0, 0.0]),
        npy_f64("(2,)", false, &[f64::NAN, 0.0]),
        npy_f64("(2,)", false, &[3.0]),
    ] {
        assert_eq!(with("g.npy", &bad).unwrap_err().class, Class::Input);
    }
    assert_eq!(with("g.txt", b"3 4").unwrap_err().class, Class::Input);
    // The default: unit norm, seeded, the same every time.
    let seeded = |seed| open(&matrix, &OpenOptions { seed, ..OpenOptions::default() }).unwrap().rhs.values;
    assert_eq!(seeded(7), seeded(7));
    assert_ne!(seeded(7), seeded(8));
    approx::assert_relative_eq!(seeded(7).iter().map(|v| v * v).sum::<f64>(), 1.0, max_relative = 1e-14);
    let long = default_rhs(20_000, 3).values;
    let (mean, fourth) = (long.iter().sum::<f64>(), long.iter().map(|v| (v * v * 20_000.0).powi(2)).sum::<f64>());
    // Mean 0 and kurtosis 3 of a Gaussian, within five standard errors.
    assert!(mean.abs() < 5.0, "{mean}");
    assert!((fourth / 20_000.0 - 3.0).abs() < 5.0 * (96.0f64 / 20_000.0).sqrt(), "{fourth}");
}
