//! Tests of `condition`.

use super::*;
use crate::spectrum::dense_eigen::{decompose, tests::with_spectrum};
use faer::Par;

fn of(values: &[f64], value_error: f64) -> Eigenvalues {
    Eigenvalues { values: values.to_vec(), value_error, backward_error: 0.0 }
}

#[test]
fn brackets_contain_what_made_the_matrix() {
    // κ from 1 to 1e14; the reflections' rounding moves eigenvalues by a few units of the largest
    for (i, kappa) in [1.0f64, 3.0, 1e2, 1e5, 1e8, 1e11, 1e14].into_iter().enumerate() {
        for n in [2usize, 5, 30, 80] {
            let at = |k: usize| kappa.powf(-(k as f64) / (n as f64 - 1.0)) * if k % 3 == 1 { -1.0 } else { 1.0 };
            let values: Vec<f64> = (0..n).map(at).collect();
            let a = with_spectrum(&values, i as u64);
            let eigen = decompose(a.as_ref(), Par::Seq).unwrap();
            let found = Eigenvalues {
                values: eigen.values,
                // made with rounding: 6 rank-two updates
                value_error: eigen.certificate.value_error + 40.0 * n as f64 * f64::EPSILON,
                backward_error: eigen.certificate.backward_error,
            };
            let c = found.condition("A", "test");
            let place = format!("{n} {kappa:e} {:?}", c.kappa);
            assert!(c.kappa.low.unwrap() <= kappa * (1.0 + 1e-12), "{place}");
            assert!(c.kappa.high.is_none_or(|h| h >= kappa * (1.0 - 1e-12)), "{place}");
            assert!(c.sigma_max.low.unwrap() <= 1.0 && 1.0 <= c.sigma_max.high.unwrap(), "{place}");
            assert!(c.sigma_min.low.unwrap() <= 1.0 / kappa && 1.0 / kappa <= c.sigma_min.high.unwrap(), "{place}");
            if kappa <= 1e8 {
                let width = c.kappa.high.unwrap() / c.kappa.low.unwrap() - 1.0;
                assert!(width < 1e-11 * kappa + 1e-10, "{place}: useless width {width}");
            }
        }
    }
}

#[test]
fn singular_has_no_value_and_a_certified_low() {
    let c = of(&[0.0, 1e-16, 2.0, -3.0], 1e-15).condition("H", "test");
    assert_eq!((c.kappa.value, c.kappa.high, c.rank), (None, None, 2));
    let low = c.kappa.low.unwrap();
    assert!((1e15..=3.0e15).contains(&low), "{low}");
    assert_eq!((c.inertia.positive, c.inertia.negative, c.inertia.zero), (1, 1, 2));
    let range = of(&[0.0, 1e-16, 2.0, -3.0], 1e-15).range_kappa("range(H)", "test");
    assert_eq!(range.value, Some(1.5));
    assert!(range.low.unwrap() <= 1.5 && 1.5 <= range.high.unwrap());
}

#[test]
fn zero_and_empty_matrices_have_no_condition() {
    let c = of(&[0.0, 0.0], 0.0).condition("H", "test");
    assert_eq!((c.kappa.value, c.kappa.low, c.rank), (None, Some(1.0), 0));
    assert_eq!(of(&[0.0, 0.0], 0.0).range_kappa("range(H)", "test").value, None);
    assert_eq!(of(&[], 0.0).condition("H", "test").kappa.value, None);
}

#[test]
fn damping_that_meets_a_negative_eigenvalue_is_seen() {
    let h = of(&[-1e-3, 0.5, 1.0], 1e-16);
    let damped = h.map(|x| x + 1e-3).condition("H+λI", "test");
    assert_eq!((damped.kappa.value, damped.inertia.zero), (None, 1));
    let near = h.map(|x| x + 1.001e-3).condition("H+λI", "test");
    assert!((near.kappa.value.unwrap() / 1e6 - 1.0).abs() < 0.01);
    assert!(near.kappa.low.unwrap() < near.kappa.value.unwrap());
    let absolute = h.map(|x| x.abs() + 1e-3).condition("|H|+λI", "test");
    assert!((absolute.kappa.value.unwrap() - 1.001 / 0.002).abs() < 1e-9);
}

#[test]
fn no_upper_end_when_the_bound_reaches_zero() {
    // not singular by the count, but not certified either
    let c = of(&[1e-13, 1.0], 1e-12).condition("A", "test");
    assert!(c.kappa.value.is_some() && c.kappa.high.is_none());
    assert!(c.kappa.method.contains("no upper end"));
}
