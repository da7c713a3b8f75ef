//! Inversion polynomials and their amplified circuits against the reference table and closed forms.

use super::support::*;
use breakeven::simulate::inversion::{BestRelative, best_absolute_degree, cks_degree};
use breakeven::simulate::{amplification, qsvt};

#[test]
fn the_degree_table_is_reproduced() {
    let reference = reference();
    let table = reference["inversion_degrees"].as_object().unwrap();
    assert_eq!(table.len(), 21);
    for (key, row) in table {
        let (k, e) = key[1..].split_once("_e").unwrap();
        let (kappa, eps): (f64, f64) = (k.parse().unwrap(), e.parse().unwrap());
        let best = BestRelative::for_error(kappa, eps);
        let get = |name: &str| row[name].as_f64().unwrap();
        assert_eq!(best.degree() as f64, get("best_rel"), "{key}");
        assert!((best.degree() as f64 - get("kln2e")).abs() <= 2.0, "{key}");
        let error = get("check_rel_err");
        assert!((best.relative_error() / error - 1.0).abs() < 2e-3, "{key}: {} {error}", best.relative_error());
        let largest = best.largest() / kappa;
        // The reference took the largest value on a grid, so it lies a little below the maximum.
        let below = get("maxabs_on_unit_over_k") / largest;
        assert!((0.9995..1.0 + 1e-12).contains(&below), "{key}: {largest}");
        assert_eq!(cks_degree(kappa, eps).1 as f64, get("cks"), "{key}");
        assert_eq!(best_absolute_degree(kappa, eps) as f64, get("best_abs_1overx"), "{key}");
        assert_eq!(best_absolute_degree(kappa, eps * kappa) as f64, get("best_abs_1overkx"), "{key}");
    }
}

#[test]
fn the_polynomial_is_what_its_degree_says() {
    // Interpolate p(x) at Chebyshev points: coefficients beyond the degree vanish, even ones too.
    let p = BestRelative::for_error(10.0, 1e-3);
    let (degree, m) = (p.degree() as usize, 256);
    for k in 0..m {
        let coefficient: f64 = (0..m)
            .map(|j| {
                let angle = std::f64::consts::PI * (j as f64 + 0.5) / m as f64;
                p.value(angle.cos()) * (k as f64 * angle).cos() * 2.0 / m as f64
            })
            .sum();
        if k > degree || k % 2 == 0 {
            assert!(coefficient.abs() < 1e-12, "coefficient {k} is {coefficient}");
        }
    }
    // The error is attained and nowhere exceeded on [1/κ, 1].
    let errors = (0..=5000).map(|i| 0.1 + 0.9 * i as f64 / 5000.0).map(|x| (1.0 - x * p.value(x)).abs());
    let worst = errors.fold(0.0, f64::max);
    assert!((worst / p.relative_error() - 1.0).abs() < 1e-3, "{worst}");
}

#[test]
fn amplified_inversion_reaches_its_tolerance() {
    let mut rng = rng(11);
    for trial in 0..40 {
        let kappa = [5.0, 20.0, 60.0][trial % 3];
        let eps = [1e-2, 1e-4][trial % 2];
        let instance = instance(&eigenvalues(24, kappa, trial % 4 < 2, trial % 5 < 3, &mut rng), 1.0, &mut rng);
        let p = BestRelative::for_error(kappa, eps);
        let values = qsvt::best_relative_values(&instance, &p, 1.0);
        assert!(values.iter().all(|v| v.abs() <= 1.0 + 1e-12));
        let run = qsvt::run(&instance, &values, p.degree());
        assert!(run.error <= eps * 1.001, "κ {kappa} ε {eps}: {}", run.error);
        assert_eq!(run.counts.queries(), p.degree() * run.uses);
        // Amplification rotates by twice the angle each round: sin²((2m+1)θ).
        let theta = run.probability_once.sqrt().asin();
        let expected = (run.uses as f64 * theta).sin().powi(2);
        assert!((run.probability - expected).abs() < 1e-9, "{} {expected}", run.probability);
        let order = qsvt::smallest_order(&instance, eps).unwrap();
        assert!(2 * order - 1 <= p.degree() && order as f64 > 0.7 * p.order as f64);
    }
}

#[test]
fn expected_uses_agree_with_the_published_values() {
    // arXiv:2503.21420, Lemma 13, values of an independent implementation.
    for (p, p_low, expected) in [
        (1.0 / 400.0, 1.0 / 400.0, 41.71661102950983),
        (0.25, 0.01, 1.7549590708305995),
        (1e-3, 1e-4, 73.9007182327274),
    ] {
        let uses = amplification::expected_uses_unknown(p, p_low);
        assert!((uses / expected - 1.0).abs() < 1e-9, "p {p}: {uses} against {expected}");
    }
}

#[test]
fn the_largest_value_is_found_at_every_order() {
    // Against a fine grid; at crude orders the maximum lies outside the gap.
    for kappa in [1.5, 3.0, 10.0, 200.0] {
        for order in [1, 2, 3, 5, 8, 30, 100, 700] {
            let p = BestRelative::of_order(kappa, order);
            let grid = (1..=40_000).map(|i| p.value((f64::from(i) / 40_000.0).powi(2))).fold(0.0, f64::max);
            let found = p.largest();
            assert!(found >= grid * (1.0 - 1e-12) && found <= grid * 1.001, "κ {kappa} order {order}: {found} {grid}");
        }
    }
}
