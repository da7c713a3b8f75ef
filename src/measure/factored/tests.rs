//! Unit tests of the measurement by factors.

use super::*;
use crate::curvature::Objective;
use crate::measure::{measure as measure_dense, measure_low_rank};
use crate::parallel::Threads;
use crate::spectrum::lanczos::gaussian;
use crate::spectrum::scale::dot;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn factor(n: usize, rank: usize) -> Mat<f64> {
    let noise = gaussian(rank * n, &mut ChaCha8Rng::seed_from_u64(3));
    // two dead rows, as an always-zero input pixel makes
    Mat::from_fn(n, rank, |i, j| if i < 2 { 0.0 } else { noise[i + j * n] * 0.3f64.powi(j as i32) })
}

fn dense(f: &Mat<f64>) -> Mat<f64> {
    let n = f.nrows();
    Mat::from_fn(n, n, |i, j| (0..f.ncols()).map(|k| f[(i.max(j), k)] * f[(i.min(j), k)]).sum())
}

/// ½‖Fᵀs‖² + gᵀs + a quartic, so that the quadratic model is not exact.
struct Loss {
    f: Mat<f64>,
    g: Vec<f64>,
}

impl Objective for Loss {
    fn dim(&self) -> usize {
        self.g.len()
    }

    fn loss_at(&self, step: &[f64]) -> Result<f64> {
        self.gradient_at(step).map(|x| x.0)
    }

    fn gradient_at(&self, step: &[f64]) -> Result<(f64, Vec<f64>)> {
        let c = product(self.f.transpose(), step, Par::Seq);
        let square = dot(step, step);
        let mut gradient = product(self.f.as_ref(), &c, Par::Seq);
        for ((x, g), s) in gradient.iter_mut().zip(&self.g).zip(step) {
            *x += g + 0.01 * square * s;
        }
        Ok((dot(&self.g, step) + 0.5 * dot(&c, &c) + 0.0025 * square * square, gradient))
    }
}

#[test]
fn agrees_with_the_dense_measurement_in_everything() {
    let threads = Threads::new(1).unwrap();
    let (n, rank) = (60, 7);
    for scale in [1e-60, 1.0, 1e60] {
        let f = factor(n, rank);
        let scaled = Mat::from_fn(n, rank, |i, j| f[(i, j)] * scale);
        let g: Vec<f64> = gaussian(n, &mut ChaCha8Rng::seed_from_u64(5)).iter().map(|x| x * scale * scale).collect();
        let objective = Loss { f: scaled.clone(), g: g.clone() };
        let loss: Option<&dyn Objective> = if scale == 1.0 { Some(&objective) } else { None };
        let system = |h: Mat<f64>, damping: DampingRule| SystemInput {
            gradient: Some(g.clone()),
            objective: loss,
            damping,
            seed: 4,
            curvature: "empirical-fisher".into(),
            ..SystemInput::matrix("case", h)
        };
        for rule in [
            DampingRule::Relative(5e-3),
            DampingRule::Absolute(0.01 * scale * scale),
            DampingRule::SaddleFree(5e-3),
            DampingRule::LevenbergMarquardt(1e-6),
        ] {
            if loss.is_none() && matches!(rule, DampingRule::LevenbergMarquardt(_)) {
                continue;
            }
            let a = measure_dense(system(dense(&scaled), rule), &threads, &|_, _| ()).unwrap();
            let b = measure_low_rank(system(Mat::new(), rule), scaled.clone(), &threads, &|_, _| ()).unwrap();
            let close = |x: f64, y: f64, tol: f64, what: &str| {
                assert!((x - y).abs() <= tol * y.abs(), "{scale} {rule} {what}: {x:e} {y:e}");
            };
            close(b.damping.lambda, a.damping.lambda, 1e-13, "λ");
            close(b.kappa.value.unwrap(), a.kappa.value.unwrap(), 1e-9, "κ");
            assert!(b.kappa.low.unwrap() <= a.kappa.value.unwrap() * (1.0 + 1e-9));
            assert!(b.kappa.high.unwrap() >= a.kappa.value.unwrap() * (1.0 - 1e-9));
            assert_eq!(b.kappa.of, a.kappa.of);
            close(b.sigma_max.value.unwrap(), a.sigma_max.value.unwrap(), 1e-12, "σ_max");
            close(b.sigma_min.value.unwrap(), a.sigma_min.value.unwrap(), 1e-9, "σ_min");
            assert_eq!((b.inertia.positive, b.inertia.negative, b.inertia.zero), (rank, 0, n - rank));
            assert_eq!((a.inertia.positive, a.inertia.negative), (rank, 0));
            assert_eq!((b.row_sparsity.value, b.nonzeros), (a.row_sparsity.value, a.nonzeros));
            assert_eq!(b.row_sparsity.value, n - 2);
            for (x, y) in b.row_sparsity.curve.iter().zip(&a.row_sparsity.curve) {
                assert_eq!((x.d, x.nonzeros, x.threshold), (y.d, y.nonzeros, y.threshold));
                assert!((x.frobenius_error - y.frobenius_error).abs() < 1e-12);
            }
            close(b.frobenius_norm, a.frobenius_norm, 1e-12, "‖A‖_F");
            close(b.max_abs, a.max_abs, 1e-13, "max|a|");
            close(b.subnormalization.relative, a.subnormalization.relative, 1e-12, "α");
            close(b.x_norm.unwrap(), a.x_norm.unwrap(), 1e-8, "x_norm");
            close(b.tolerance.value, a.tolerance.value, 1e-5, "ε");
            close(b.tolerance.low, a.tolerance.low, 1e-5, "ε low");
            close(b.tolerance.high, a.tolerance.high, 1e-5, "ε high");
            for (x, y) in b.classical_runs.iter().zip(&a.classical_runs) {
                // rounding differs, so late iterations may
                let (k, l) = (x.iterations.unwrap(), y.iterations.unwrap());
                assert!(x.solver == y.solver && k.abs_diff(l) <= 2 + l / 8, "{scale} {rule} {}: {k} {l}", x.solver);
            }
            let names = |m: &Measurement| m.kappas.iter().map(|k| k.of.clone().unwrap()).collect::<Vec<_>>();
            if !matches!(rule, DampingRule::SaddleFree(_)) {
                assert_eq!(names(&a), names(&b));
            }
            assert_eq!(b.low_rank, Some(rank));
        }
    }
}

#[test]
fn undamped_is_singular_and_said_so() {
    let threads = Threads::new(1).unwrap();
    let system = SystemInput { curvature: "ggn".into(), ..SystemInput::matrix("case", Mat::new()) };
    let m = measure_low_rank(system, factor(40, 5), &threads, &|_, _| ()).unwrap();
    assert_eq!((m.kappa.value, m.kappa.high, m.rank, m.x_norm), (None, None, 5, None));
    assert_eq!(m.kappa.of.as_deref(), Some("GGN"));
    assert!(m.tolerance.method.starts_with("assumed"));
    let text = serde_json::to_string(&m).unwrap();
    assert_eq!(serde_json::from_str::<Measurement>(&text).unwrap(), m);
}

#[test]
fn more_columns_than_rows_and_zero_factors_are_measured() {
    let threads = Threads::new(1).unwrap();
    for f in [factor(6, 11), Mat::zeros(5, 2), Mat::zeros(4, 0)] {
        for damping in [DampingRule::None, DampingRule::PAPER] {
            let system = SystemInput { damping, ..SystemInput::matrix("case", Mat::new()) };
            let m = measure_low_rank(system, f.clone(), &threads, &|_, _| ()).unwrap();
            let dense = dense(&f);
            let system = SystemInput { damping, ..SystemInput::matrix("case", dense) };
            let a = measure_dense(system, &threads, &|_, _| ()).unwrap();
            assert_eq!(m.kappa.value.is_some(), a.kappa.value.is_some(), "{} {damping}", f.ncols());
            assert_eq!(m.row_sparsity.value, a.row_sparsity.value);
            assert_eq!(m.rank, a.rank);
        }
    }
}

#[test]
fn refusals() {
    let threads = Threads::new(1).unwrap();
    let prune = SystemInput { prune: PruneRule::RowCount(3), ..SystemInput::matrix("case", Mat::new()) };
    assert_eq!(measure_low_rank(prune, factor(6, 2), &threads, &|_, _| ()).unwrap_err().class.exit_code(), 2);
    let mut f = factor(6, 2);
    f[(3, 1)] = f64::NAN;
    let system = SystemInput::matrix("case", Mat::new());
    assert_eq!(measure_low_rank(system, f, &threads, &|_, _| ()).unwrap_err().class.exit_code(), 3);
    let system = SystemInput { rhs: Some(vec![1.0; 5]), ..SystemInput::matrix("case", Mat::new()) };
    assert_eq!(measure_low_rank(system, factor(6, 2), &threads, &|_, _| ()).unwrap_err().code, "measure::rhs_length");
}
