//! The MLP fixtures against their ground truth: both exporters, every snapshot, f64 and f32.

use super::fixture::{Fixture, distance, relative, top};
use breakeven::curvature::{Block, Precision, SymmetricOperator};
use breakeven::parallel::Threads;
use faer::Mat;

const GRAPHS: [&str; 2] = ["model_legacy17.onnx", "model_dynamo18.onnx"];

fn check(name: &str, precision: Precision, gradient_tolerance: f64, hessian_tolerance: f64) {
    let threads = Threads::new(2).unwrap();
    for graph in GRAPHS {
        let fixture = Fixture::open(name, graph);
        for snapshot in fixture.snapshots() {
            let truth = fixture.truth(&snapshot);
            let prepared = fixture.prepared(&snapshot, precision, &threads);
            let (loss, gradient) = prepared.loss_and_gradient();
            let what = format!("{name}/{snapshot} with {graph}");
            let error = (loss - truth.loss).abs() / truth.loss.abs();
            assert!(error <= gradient_tolerance, "{what}: loss off by {error:e}");
            let error = relative(gradient, truth.floats("grad").unwrap());
            assert!(error <= gradient_tolerance, "{what}: gradient off by {error:e}");

            let hessian = prepared.hessian(&Block::full(fixture.network.params()));
            let h = hessian.to_dense().unwrap();
            let scale = top(&h);
            for (index, column) in truth.columns() {
                let error = (0..h.nrows()).fold(0.0f64, |m, i| m.max((h[(i, index)] - column[i]).abs()));
                assert!(error <= hessian_tolerance * scale, "{what}: column {index} off by {:e}", error / scale);
            }
            let diagonal = truth.floats("diag").unwrap();
            let error = (0..h.nrows()).fold(0.0f64, |m, i| m.max((h[(i, i)] - diagonal[i]).abs()));
            assert!(error <= hessian_tolerance * scale, "{what}: diagonal off by {:e}", error / scale);
            if let Some(full) = truth.hessian() {
                let error = distance(&h, &full);
                assert!(error <= hessian_tolerance * scale, "{what}: Hessian off by {:e}", error / scale);
            }
            assert_eq!(distance(&h, &h.transpose().to_owned()), 0.0, "{what}: not symmetric");
            if std::env::var_os("SHOW_ERRORS").is_some() {
                let columns = truth.columns();
                let worst = columns
                    .iter()
                    .fold(0.0f64, |m, (j, c)| (0..h.nrows()).fold(m, |m, i| m.max((h[(i, *j)] - c[i]).abs())));
                println!(
                    "{what}: loss {:.1e} gradient {:.1e} columns {:.1e} kinks {:?}",
                    (loss - truth.loss).abs() / truth.loss.abs(),
                    relative(gradient, truth.floats("grad").unwrap()),
                    worst / scale,
                    prepared.kinks()
                );
            }
        }
    }
}

#[test]
fn small_relu_in_double_precision() {
    check("mlp_relu_small", Precision::F64, 1e-10, 1e-11);
}

#[test]
fn tanh_in_double_precision() {
    check("mlp_tanh_digits", Precision::F64, 1e-10, 1e-11);
}

#[test]
fn relu_in_double_precision() {
    check("mlp_relu_digits", Precision::F64, 1e-10, 1e-11);
}

#[test]
fn in_single_precision() {
    check("mlp_relu_small", Precision::F32, 1e-5, 1e-5);
    check("mlp_tanh_digits", Precision::F32, 1e-5, 1e-5);
}

#[test]
fn products_agree_with_columns_for_any_number_of_threads() {
    let fixture = Fixture::open("mlp_tanh_digits", GRAPHS[0]);
    let mut seen: Option<Mat<f64>> = None;
    for count in [1, 2] {
        let threads = Threads::new(count).unwrap();
        let prepared = fixture.prepared("adam_0050", Precision::F64, &threads);
        let hessian = prepared.hessian(&Block::full(fixture.network.params()));
        let h = hessian.to_dense().unwrap();
        let n = h.nrows();
        let x = Mat::from_fn(n, 7, |i, j| ((i * 31 + j * 17) % 97) as f64 / 97.0 - 0.5);
        let mut y = Mat::zeros(n, 7);
        hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
        let expected = &h * &x;
        assert!(distance(&y, &expected) <= 1e-13 * top(&expected), "{:e}", distance(&y, &expected));
        if let Some(before) = &seen {
            assert_eq!(distance(before, &h), 0.0, "bits depend on the number of threads");
        }
        seen = Some(h);
    }
}
