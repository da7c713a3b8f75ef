//! Tests of the value forms, against numbers written out by hand.

use super::*;

#[test]
fn numbers_are_those_of_rust_and_python() {
    for (text, value) in [("1e-9", 1e-9), ("50.0", 50.0), ("1_000", 1000.0), ("-2.5E+3", -2500.0), (".5", 0.5)] {
        assert_eq!(parse_number(text), Ok(value), "{text}");
    }
    for text in ["", "nan", "inf", "-inf", "1e400", "_1", "1_", "1__0", "1e_5", "0x10", "1,5", "1e4x"] {
        assert!(parse_number(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_know_binary_and_decimal_units() {
    for (text, bytes) in [
        ("8GiB", 8 << 30),
        ("512MiB", 512 << 20),
        ("1.5GB", 1_500_000_000),
        ("1000", 1000),
        ("2g", 2 << 30),
        ("1e6", 1_000_000),
        ("1 KiB", 1024),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for text in ["", "GiB", "8 apples", "-1GiB", "0", "1e30", "nan"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

#[test]
fn a_later_assignment_of_the_same_name_wins() {
    let parsed: Vec<Assignment> =
        ["kappa=10", "n=2", "kappa=1e4"].iter().map(|t| t.parse().expect("valid assignment")).collect();
    assert_eq!(last_wins(&parsed), vec![("kappa".to_string(), 1e4), ("n".to_string(), 2.0)]);
    for text in ["kappa", "=1", "2k=1", "kappa=", "ka ppa=1", "kappa=1=2"] {
        assert!(text.parse::<Assignment>().is_err(), "{text}");
    }
}

#[test]
fn a_sweep_has_exact_ends_and_even_steps() {
    let sweep: Sweep = "kappa=1:1e8:log:9".parse().expect("valid sweep");
    let values = sweep.values();
    assert_eq!((values.len(), values[0], values[8]), (9, 1.0, 1e8));
    for (i, v) in values.iter().enumerate() {
        assert!((v / 10f64.powi(i as i32) - 1.0).abs() < 1e-12);
    }
    assert_eq!("n=0:10:lin:11".parse::<Sweep>().expect("valid sweep").values()[3], 3.0);
    for text in ["kappa=1", "kappa=0:1:log:5", "kappa=2:1", "kappa=1:2:cubic", "kappa=1:2:log:1", "kappa=1:2:log:5:6"] {
        assert!(text.parse::<Sweep>().is_err(), "{text}");
    }
}

#[test]
fn a_range_rises() {
    assert_eq!("1e-18:1".parse::<Range>(), Ok(Range { low: 1e-18, high: 1.0 }));
    for text in ["1", "2:1", "1:1", "a:b"] {
        assert!(text.parse::<Range>().is_err(), "{text}");
    }
}
