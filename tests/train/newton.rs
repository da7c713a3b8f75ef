//! Newton steps against closed forms and independent linear algebra.

use breakeven::curvature::damping::DampingRule;
use breakeven::curvature::pruning::PruneRule;
use breakeven::curvature::{Precision, Scope};
use breakeven::error::{Class, Result};
use breakeven::parallel::Threads;
use breakeven::snapshot::write::{Width, npy, npz};
use breakeven::train::newton::solve::Method;
use breakeven::train::{
    BlockSolve, Config, CurvatureKind, NewtonRule, Observer, Optimizer, Request, Trainer, Unobserved,
};
use nalgebra::{DMatrix, DVector};
use std::path::Path;

/// A linear regression y = Xw + b + noise, X (40 × 5), with its least-squares solution (w, b) by the normal equations.
fn regression(folder: &Path) -> (String, Vec<f64>, f64) {
    let (n, features) = (40, 5);
    // a frequency of its own for every column: shifted copies of one sine would span two dimensions only
    let value = |i: usize, j: usize| ((i * (7 + 2 * j) + 3) as f64 * 0.61).sin() * (1.0 + j as f64);
    let x: Vec<f64> = (0..n * features).map(|k| value(k / features, k % features)).collect();
    let y: Vec<f64> = (0..n).map(|i| (i as f64 * 1.3).cos() * 2.0 + x[i * features] - 0.5).collect();
    let bytes = npz(&[("x", npy(&[n, features], &x, Width::F64)), ("y", npy(&[n], &y, Width::F64))]).unwrap();
    let file = folder.join("regression.npz");
    std::fs::write(&file, bytes).unwrap();
    let a = DMatrix::from_fn(n, features + 1, |i, j| if j < features { x[i * features + j] } else { 1.0 });
    let b = DVector::from_column_slice(&y);
    let solution = (a.transpose() * &a).cholesky().unwrap().solve(&(a.transpose() * &b));
    let loss = (&a * &solution - &b).norm_squared() / n as f64;
    (format!("npz:{}", file.display()), solution.iter().copied().collect(), loss)
}

fn open<'t>(request: &Request, threads: &'t Threads) -> Trainer<'t> {
    let problem = request.problem().unwrap();
    let n = problem.start.iter().map(|(_, a)| a.len()).sum();
    Trainer::new(problem, request.config(n, None).unwrap(), threads).unwrap()
}

#[test]
fn one_step_on_a_quadratic_reaches_its_minimum() {
    let folder = tempfile::tempdir().unwrap();
    let (data, solution, least) = regression(folder.path());
    let threads = Threads::new(1).unwrap();
    for (optimizer, scope, curvature) in
        [("newton", "full", "hessian"), ("newton", "full", "ggn"), ("q-newton", "module", "hessian")]
    {
        let mut request = Request::new(&data, "mlp:5-1", optimizer, 1);
        request.scope = Some(scope.into());
        request.curvature = Some(curvature.into());
        request.damping = Some("none".into());
        request.lr = Some(1.0);
        let mut trainer = open(&request, &threads);
        assert!(trainer.evaluate().unwrap().loss > least + 0.1);
        trainer.advance(&mut Unobserved).unwrap();
        let loss = trainer.evaluate().unwrap().loss;
        assert!((loss - least).abs() < 1e-10 * least, "{loss} {least}");
        let found: Vec<f64> = trainer.parameters().iter().flat_map(|(_, a)| a.floats().unwrap().to_vec()).collect();
        for (x, y) in found.iter().zip(&solution) {
            assert!((x - y).abs() < 1e-10, "{found:?} {solution:?}");
        }
    }
}

/// Block, curvature, gradient, direction, λ, method, and whether the damped matrix is what the rule says.
type Solve = (String, DMatrix<f64>, Vec<f64>, Vec<f64>, f64, Method, bool);

/// Keeps what the blocks were solved with.
#[derive(Default)]
struct Keep {
    solves: Vec<Solve>,
}

impl Observer for Keep {
    fn solved(&mut self, s: &BlockSolve<'_>) -> Result<()> {
        let h = s.curvature();
        let h = DMatrix::from_fn(s.n, s.n, |i, j| h[(i, j)]);
        let damped = s.damped()?;
        let size = h.amax().max(1e-300);
        if s.rule.damping != DampingRule::SaddleFree(0.01) {
            let shifted = (0..s.n * s.n).all(|k| {
                let (i, j) = (k / s.n, k % s.n);
                let expected = h[(i, j)] + if i == j { s.lambda } else { 0.0 };
                (damped[(i, j)] - expected).abs() <= 1e-15 * (size + s.lambda)
            });
            assert!(shifted, "{}", s.block.name);
        }
        let factored = s.factor().is_some();
        self.solves.push((
            s.block.name.clone(),
            h,
            s.gradient.to_vec(),
            s.direction.to_vec(),
            s.lambda,
            s.method,
            factored,
        ));
        Ok(())
    }
}

fn observed(rule: NewtonRule, network: &str, data: &str, batch: usize) -> Keep {
    let threads = Threads::new(2).unwrap();
    let mut request = Request::new(data, network, "q-newton", 1);
    request.samples = Some(batch);
    let problem = request.problem().unwrap();
    let config = Config { precision: Precision::F64, ..Config::new(Optimizer::Newton(rule), 1) };
    let mut trainer = Trainer::new(problem, config, &threads).unwrap();
    let mut keep = Keep::default();
    trainer.advance(&mut keep).unwrap();
    keep
}

fn relative_error(x: &[f64], y: &DVector<f64>) -> f64 {
    let y = y.as_slice();
    let difference = x.iter().zip(y).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    difference / y.iter().map(|b| b * b).sum::<f64>().sqrt().max(1e-300)
}

#[test]
fn directions_solve_the_damped_systems() {
    let rule = NewtonRule::q_newton();
    for (rule, batch) in [
        (rule.clone(), 64),
        (NewtonRule { scope: Scope::Module, damping: DampingRule::Absolute(0.05), ..rule.clone() }, 64),
        (NewtonRule { prune: PruneRule::Ratio(0.25), damping: DampingRule::Relative(0.5), ..rule.clone() }, 64),
        (NewtonRule { curvature: CurvatureKind::GaussNewton, ..rule.clone() }, 20),
        (NewtonRule { curvature: CurvatureKind::EmpiricalFisher, ..rule.clone() }, 20),
    ] {
        let keep = observed(rule.clone(), "mlp:64-8-10:tanh", "digits", batch);
        assert!(!keep.solves.is_empty());
        for (name, h, g, p, lambda, method, factored) in keep.solves {
            let n = g.len();
            let a = &h + DMatrix::identity(n, n) * lambda;
            let x = a.lu().solve(&(-DVector::from_column_slice(&g))).unwrap();
            let error = relative_error(&p, &x);
            assert!(error < 1e-9, "{name} {rule:?} {method}: {error:e}");
            assert_eq!(factored, method == Method::Woodbury);
            if rule.curvature == CurvatureKind::EmpiricalFisher && n > batch {
                assert!(factored, "{name} has {n} rows and rank {batch}");
            }
            if let PruneRule::Ratio(r) = rule.prune {
                let kept = (0..n).map(|i| (0..n).filter(|&j| h[(i, j)] != 0.0).count()).max().unwrap();
                assert!(kept <= ((r * n as f64) as usize).max(1), "{name}: {kept} of {n}");
                assert!((0..n * n).all(|k| h[(k / n, k % n)] == h[(k % n, k / n)]));
            }
        }
    }
}

#[test]
fn relative_damping_follows_the_largest_entry_of_a_matrix_that_is_never_formed() {
    let rule = NewtonRule { curvature: CurvatureKind::EmpiricalFisher, ..NewtonRule::q_newton() };
    for (name, h, _, _, lambda, _, _) in observed(rule, "mlp:64-8-10", "digits", 20).solves {
        let expected = 5e-3 * (h.amax() + 1e-6);
        assert!((lambda - expected).abs() < 1e-12 * expected, "{name}");
    }
}

#[test]
fn the_saddle_free_direction_divides_by_absolute_eigenvalues() {
    let rule = NewtonRule { damping: DampingRule::SaddleFree(0.01), scope: Scope::Module, ..NewtonRule::q_newton() };
    let mut indefinite = 0;
    for (name, h, g, p, lambda, method, _) in observed(rule, "mlp:64-6-10:tanh", "digits", 64).solves {
        assert_eq!(method, Method::Eigen);
        let eigen = h.clone().symmetric_eigen();
        indefinite += usize::from(eigen.eigenvalues.min() < -1e-6);
        let c = eigen.eigenvectors.transpose() * DVector::from_column_slice(&g);
        let scaled = DVector::from_fn(g.len(), |i, _| -c[i] / (eigen.eigenvalues[i].abs() + lambda));
        let error = relative_error(&p, &(eigen.eigenvectors * scaled));
        assert!(error < 1e-8, "{name}: {error:e}");
        // it always descends
        assert!(g.iter().zip(&p).map(|(g, p)| g * p).sum::<f64>() < 0.0);
    }
    assert!(indefinite > 0, "no block had a negative eigenvalue: the test shows nothing");
}

#[test]
fn levenberg_marquardt_damps_until_the_loss_falls() {
    let threads = Threads::new(1).unwrap();
    let mut request = Request::new("digits", "mlp:64-6-10:tanh", "q-newton", 5);
    request.samples = Some(128);
    request.damping = Some("levenberg-marquardt:1e-3".into());
    let mut trainer = open(&request, &threads);
    let mut before = f64::INFINITY;
    for _ in 0..5 {
        let loss = trainer.evaluate().unwrap().loss;
        assert!(loss < before);
        before = loss;
        trainer.advance(&mut Unobserved).unwrap();
    }
}

#[test]
fn the_exact_hessian_of_a_relu_layer_is_its_gauss_newton_matrix() {
    // a ReLU network is piecewise linear in the weights of one tensor
    let hessian = observed(NewtonRule::q_newton(), "mlp:64-8-10", "digits", 40);
    let rule = NewtonRule { curvature: CurvatureKind::GaussNewton, ..NewtonRule::q_newton() };
    let gauss_newton = observed(rule, "mlp:64-8-10", "digits", 40);
    for (a, b) in hessian.solves.iter().zip(&gauss_newton.solves) {
        assert!((&a.1 - &b.1).amax() < 1e-12 * a.1.amax(), "{}", a.0);
        assert!(relative_error(&a.3, &DVector::from_column_slice(&b.3)) < 1e-8, "{}", a.0);
    }
}

#[test]
fn single_precision_agrees_with_double() {
    let step = |precision: &str| {
        let threads = Threads::new(2).unwrap();
        let mut request = Request::new("digits", "mlp:64-12-10", "q-newton", 1);
        request.samples = Some(200);
        request.precision = Some(precision.into());
        let mut trainer = open(&request, &threads);
        trainer.advance(&mut Unobserved).unwrap();
        let theta: Vec<f64> = trainer.parameters().iter().flat_map(|(_, a)| a.floats().unwrap().to_vec()).collect();
        (trainer.evaluate().unwrap().loss, theta)
    };
    let ((a, x), (b, y)) = (step("f32"), step("f64"));
    assert!((a - b).abs() < 1e-3 * b, "{a} {b}");
    assert!(relative_error(&x, &DVector::from_column_slice(&y)) < 1e-2);
    assert!(x.iter().all(|v| *v == f64::from(*v as f32)));
}

#[test]
fn a_singular_block_is_an_error_that_names_it() {
    let threads = Threads::new(1).unwrap();
    for (network, curvature) in [("mlp:64-8-10", "hessian"), ("mlp:64-8-10:tanh", "empirical-fisher")] {
        let mut request = Request::new("digits", network, "q-newton", 1);
        request.samples = Some(30);
        request.damping = Some("none".into());
        request.curvature = Some(curvature.into());
        let mut trainer = open(&request, &threads);
        let error = trainer.advance(&mut Unobserved).unwrap_err();
        assert_eq!((error.class, error.code), (Class::Certificate, "train::singular"), "{error}");
        assert!(error.to_string().contains("layers.0.weight"), "{error}");
        // nothing moved
        assert_eq!(trainer.step_number(), 0);
        assert!(trainer.evaluate().is_ok());
    }
}
