//! Unit tests of the dense measurement.

use super::*;
use crate::measure::measure as measure_all;
use crate::parallel::Threads;
use crate::spectrum::dense_eigen::tests::with_spectrum;

fn run(system: SystemInput<'_>) -> Result<Measurement> {
    measure_all(system, &Threads::new(1).unwrap(), &|_, _| ())
}

fn indefinite() -> Mat<f64> {
    with_spectrum(&(0..30).map(|i| (f64::from(i) - 7.3) * 0.1).collect::<Vec<_>>(), 5)
}

#[test]
fn ratios_do_not_feel_the_scale_of_the_matrix() {
    let h = indefinite();
    let reference = run(SystemInput { damping: DampingRule::PAPER, ..SystemInput::matrix("case", h.clone()) }).unwrap();
    for k in [-900, -40, 3, 900] {
        let moved = scaled(h.as_ref(), k);
        let m = run(SystemInput { damping: DampingRule::PAPER, ..SystemInput::matrix("case", moved) }).unwrap();
        let back = |x: f64| times_pow2(x, -k);
        assert_eq!(
            (m.kappa.value, m.kappa.low, m.kappa.high),
            (reference.kappa.value, reference.kappa.low, reference.kappa.high)
        );
        assert_eq!(m.x_norm, reference.x_norm);
        assert_eq!(m.subnormalization.relative, reference.subnormalization.relative);
        assert_eq!(m.classical_runs, reference.classical_runs);
        assert_eq!(back(m.sigma_min.value.unwrap()), reference.sigma_min.value.unwrap());
        assert_eq!(back(m.damping.lambda), reference.damping.lambda);
        assert_eq!(back(m.inertia.tolerance), reference.inertia.tolerance);
        assert_eq!(back(m.frobenius_norm), reference.frobenius_norm);
    }
}

#[test]
fn the_direct_solution_and_x_norm_have_their_definitions() {
    let h = indefinite();
    let b: Vec<f64> = (0..30).map(|i| f64::from(i % 5) - 1.5).collect();
    let m = run(SystemInput { rhs: Some(b.clone()), ..SystemInput::matrix("case", h.clone()) }).unwrap();
    let mut x = b.clone();
    Factorization::new(h.as_ref(), 0.0, Par::Seq).unwrap().solve(&mut x);
    let expected = m.sigma_max.value.unwrap() * norm(&x) / norm(&b);
    assert!((m.x_norm.unwrap() / expected - 1.0).abs() < 1e-10);
    assert!(m.gradient_norm.is_none());
    // the right-hand side's length does not matter
    let long = b.iter().map(|x| x * 1e200).collect();
    let again = run(SystemInput { rhs: Some(long), ..SystemInput::matrix("case", h) }).unwrap();
    assert!((again.x_norm.unwrap() / m.x_norm.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn saddle_free_damping_solves_with_the_absolute_matrix() {
    let h = indefinite();
    let m = run(SystemInput { damping: DampingRule::SaddleFree(1e-2), ..SystemInput::matrix("case", h) }).unwrap();
    assert_eq!(m.kappa.of.as_deref(), Some("|H|+λI"));
    assert_eq!((m.inertia_solved.negative, m.inertia.negative), (0, 8));
    let listed = m.kappas.iter().find(|k| k.of.as_deref() == Some("|H|+λI")).unwrap();
    assert_eq!(listed.value, m.kappa.value);
    assert!(m.classical_runs.iter().all(|r| r.iterations.is_some()), "{:?}", m.classical_runs);
}

#[test]
fn companions_use_their_own_largest_entry() {
    let g = Mat::from_fn(30, 3, |i, j| ((j * 31 + i) as f64).sin());
    let c = Mat::from_fn(30, 30, |i, j| (0..3).map(|k| g[(i, k)] * g[(j, k)]).sum());
    let m = run(SystemInput {
        damping: DampingRule::PAPER,
        ggn: Some(Companion::Dense(c.clone())),
        empirical_fisher: Some(Companion::Factor(g)),
        ..SystemInput::matrix("case", indefinite())
    })
    .unwrap();
    let kappa = |of: &str| m.kappas.iter().find(|k| k.of.as_deref() == Some(of)).unwrap();
    let (dense, factor) = (kappa("GGN+λI"), kappa("EF+λI"));
    assert!((dense.value.unwrap() / factor.value.unwrap() - 1.0).abs() < 1e-9);
    let top = *decompose(c.as_ref(), Par::Seq).unwrap().values.last().unwrap();
    let lambda = 5e-3 * max_abs(c.as_ref());
    assert!((factor.value.unwrap() / ((top + lambda) / lambda) - 1.0).abs() < 1e-12);
    let names: Vec<_> = m.kappas.iter().filter_map(|k| k.of.clone()).collect();
    assert_eq!(names, ["H", "range(H)", "|H|+λI", "GGN+λI", "EF+λI"]);
    assert_eq!(m.kappa.of.as_deref(), Some("H+λI"));
}

#[test]
fn every_number_is_finite_for_extreme_matrices() {
    let cases = [
        ("zero", Mat::zeros(3, 3)),
        ("one", Mat::from_fn(1, 1, |_, _| 4.0)),
        ("negative", Mat::from_fn(1, 1, |_, _| -4.0)),
        ("huge", Mat::from_fn(3, 3, |i, j| if i == j { 1e307 } else { 1e300 })),
        ("tiny", Mat::from_fn(3, 3, |i, j| if i == j { 1e-307 } else { 1e-320 })),
        ("ones", Mat::from_fn(4, 4, |_, _| 1.0)),
        ("permutation", Mat::from_fn(4, 4, |i, j| if i + j == 3 { 1.0 } else { 0.0 })),
    ];
    for (name, h) in cases {
        for damping in [DampingRule::None, DampingRule::PAPER, DampingRule::SaddleFree(0.1)] {
            let m = run(SystemInput { damping, ..SystemInput::matrix(name, h.clone()) }).unwrap();
            let text = serde_json::to_string(&m).unwrap();
            let again: Measurement = serde_json::from_str(&text).unwrap();
            assert_eq!(again, m, "{name} {damping}: a number was not finite");
        }
    }
}

#[test]
fn hostile_systems_are_refused_with_a_place() {
    let wrong = |system: SystemInput<'_>, code: &str| {
        let error = run(system).unwrap_err();
        assert_eq!((error.class.exit_code(), error.code), (3, code));
        assert!(error.place.starts_with("bad"), "{}", error.place);
    };
    let plain = |h: Mat<f64>| SystemInput::matrix("bad", h);
    wrong(plain(Mat::zeros(0, 0)), "measure::shape");
    wrong(plain(Mat::zeros(2, 3)), "measure::shape");
    wrong(plain(Mat::from_fn(2, 2, |i, _| [1.0, f64::NAN][i])), "measure::not_finite");
    wrong(plain(Mat::from_fn(2, 2, |i, j| i as f64 - j as f64)), "measure::asymmetric");
    let with = |b: Vec<f64>| SystemInput { rhs: Some(b), ..plain(Mat::identity(2, 2)) };
    wrong(with(vec![1.0]), "measure::rhs_length");
    wrong(with(vec![0.0, 0.0]), "measure::zero_rhs");
    wrong(with(vec![0.0, f64::INFINITY]), "measure::rhs_not_finite");
    // rounding asymmetry is made symmetric
    let nearly = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 0.5 + 1e-10 * i as f64 });
    assert!(run(plain(nearly)).is_ok());
}
