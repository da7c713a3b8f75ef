//! Tests of `inertia`.

use super::*;
use crate::spectrum::dense_eigen::{decompose, tests::with_spectrum};

#[test]
fn counts_agree_with_the_eigenvalues_at_every_gap() {
    let values: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.7).sin() * 3.0 + f64::from(i) * 0.05 - 1.0).collect();
    let a = with_spectrum(&values, 5);
    let eigen = decompose(a.as_ref(), Par::Seq).unwrap();
    for w in eigen.values.windows(2).filter(|w| w[1] - w[0] > 1e-9) {
        let shift = w[0] + (w[1] - w[0]) / 2.0;
        let below = eigen.values.iter().filter(|x| **x < shift).count();
        let signs = Factorization::new(a.as_ref(), -shift, Par::Seq).unwrap().signs();
        assert_eq!(signs, Signs { positive: 60 - below, negative: below, zero: 0 });
    }
}

#[test]
fn null_vectors_are_counted_by_the_shifted_pair() {
    for scale in [1e-300, 1e-8, 1.0, 1e8, 1e300] {
        let mut values = vec![0.0; 20];
        values.extend([scale, 0.5 * scale, -scale, 0.25 * scale]);
        let a = with_spectrum(&values, 9);
        let tolerance = 24.0 * f64::EPSILON * scale + 1e-14 * scale;
        assert_eq!(count(a.as_ref(), tolerance, Par::Seq).unwrap(), Signs { positive: 3, negative: 1, zero: 20 });
    }
    let zero = Mat::<f64>::zeros(5, 5);
    assert_eq!(count(zero.as_ref(), 0.0, Par::Seq).unwrap(), Signs { positive: 0, negative: 0, zero: 5 });
    let empty = Mat::<f64>::zeros(0, 0);
    assert_eq!(count(empty.as_ref(), 1.0, Par::Seq).unwrap(), Signs { positive: 0, negative: 0, zero: 0 });
}

#[test]
fn two_by_two_pivots_count_once_each() {
    // zero diagonal: Bunch-Kaufman must take 2 × 2 pivots
    let a = Mat::from_fn(6, 6, |i, j| if i / 2 == j / 2 && i != j { 1.0 + i.min(j) as f64 } else { 0.0 });
    let f = Factorization::new(a.as_ref(), 0.0, Par::Seq).unwrap();
    assert_eq!(f.signs(), Signs { positive: 3, negative: 3, zero: 0 });
    assert!(f.backward_error(a.as_ref(), 0.0) < 1e-14);
}

#[test]
fn solves_and_measures_its_backward_error() {
    for scale in [1e-200, 1.0, 1e200] {
        let values: Vec<f64> = (1..=40).map(|i| scale * f64::from(i) * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let a = with_spectrum(&values, 6);
        let x: Vec<f64> = (0..40).map(|i| f64::from(i % 7) - 3.0).collect();
        let shift = 0.5 * scale;
        let mut b: Vec<f64> = (0..40).map(|i| (0..40).map(|j| a[(i, j)] * x[j]).sum::<f64>() + shift * x[i]).collect();
        let f = Factorization::new(a.as_ref(), shift, Par::Seq).unwrap();
        f.solve(&mut b);
        assert!(b.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-11), "{scale}");
        assert!(f.backward_error(a.as_ref(), shift) < 40.0 * 40.0 * f64::EPSILON * scale * 40.0);
    }
}

#[test]
fn not_finite_is_an_input_error() {
    let mut a = Mat::<f64>::identity(3, 3);
    a[(1, 0)] = f64::NAN;
    assert_eq!(Factorization::new(a.as_ref(), 0.0, Par::Seq).unwrap_err().class.exit_code(), 3);
    assert!(Factorization::new(Mat::identity(3, 3).as_ref(), f64::INFINITY, Par::Seq).is_err());
}
