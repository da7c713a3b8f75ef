//! The convolutional and transformer fixtures against their ground truth.

use super::fixture::{Fixture, baked, relative, top};
use breakeven::curvature::{Block, Precision, Scope, SymmetricOperator};
use breakeven::parallel::Threads;
use breakeven::snapshot::array::{Array, Values};
use breakeven::snapshot::onnx_graph::Attribute;
use faer::{Mat, Side};

/// Loss (relative), gradient (relative to its largest entry, or absolute) and the stored Hessian columns (relative to
/// the largest entry) of every snapshot, and the Hessians of single tensors.
fn check(name: &str, graph: &str, tolerances: [f64; 3], exact: bool) {
    check_fixture(&Fixture::open(name, graph), name, graph, tolerances, exact);
}

fn check_fixture(fixture: &Fixture, name: &str, graph: &str, tolerances: [f64; 3], exact: bool) {
    let [loss_tolerance, gradient_tolerance, column_tolerance] = tolerances;
    let threads = Threads::new(2).unwrap();
    for snapshot in fixture.snapshots() {
        let truth = fixture.truth(&snapshot);
        let what = format!("{name}/{snapshot} with {graph}");
        let prepared = fixture.prepared(&snapshot, Precision::F64, &threads);
        let (loss, gradient) = prepared.loss_and_gradient();
        let loss_error = (loss - truth.loss).abs() / truth.loss.abs();
        let reference = truth.floats("grad").unwrap();
        let mut gradient_error = relative(gradient, reference);
        if !exact {
            gradient_error *= reference.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        }
        let columns = truth.columns();
        let n = gradient.len();
        let mut x = Mat::zeros(n, columns.len());
        for (k, (index, _)) in columns.iter().enumerate() {
            x[(*index, k)] = 1.0;
        }
        let mut y = Mat::zeros(n, columns.len());
        let hessian = prepared.hessian(&Block::full(fixture.network.params()));
        hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
        // the largest entry of H lies on the diagonal or is not much larger
        let scale = truth.floats("diag").map_or(0.0, |d| d.iter().fold(0.0f64, |m, v| m.max(v.abs())));
        let scale = columns.iter().flat_map(|(_, c)| c).fold(scale.max(f64::MIN_POSITIVE), |m, v| m.max(v.abs()));
        let column_error = columns
            .iter()
            .enumerate()
            .fold(0.0f64, |m, (k, (_, column))| (0..n).fold(m, |m, i| m.max((y[(i, k)] - column[i]).abs())))
            / scale;
        if std::env::var_os("SHOW_ERRORS").is_some() {
            println!(
                "{what}: loss {loss_error:.1e} gradient {gradient_error:.1e} columns {column_error:.1e} of {scale:.1e}"
            );
        }
        assert!(loss_error <= loss_tolerance, "{what}: loss off by {loss_error:e}");
        assert!(gradient_error <= gradient_tolerance, "{what}: gradient off by {gradient_error:e}");
        assert!(column_error <= column_tolerance, "{what}: columns off by {column_error:e}");

        // Hessians of single tensors: extreme eigenvalue and largest entry, relative to themselves
        let blocks = &fixture.truth["snapshots"][&snapshot]["blocks"];
        for block in prepared.blocks(&Scope::Layers).unwrap().iter().filter(|b| b.len <= 300) {
            let truth = &blocks[&block.name];
            let Some(abs_max) = truth["abs_max"].as_f64() else { continue };
            let h = prepared.hessian(block).to_dense().unwrap();
            let values = h.self_adjoint_eigenvalues(Side::Lower).unwrap();
            let own = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let error = (own - abs_max).abs() / abs_max;
            // an eigenvalue moves by at most the 2-norm of the error, a few times its largest entry
            assert!(error <= 5.0 * column_tolerance.max(1e-9), "{what}: {} has |λ| off by {error:e}", block.name);
            let largest = truth["max_abs_entry"].as_f64().unwrap();
            let error = (top(&h) - largest).abs() / largest;
            assert!(error <= 5.0 * column_tolerance.max(1e-9), "{what}: {} has max|h| off by {error:e}", block.name);
        }
    }
}

const GRAPHS: [&str; 2] = ["model_legacy17.onnx", "model_dynamo18.onnx"];

#[test]
fn convolution() {
    for graph in GRAPHS {
        check("cnn_digits", graph, [1e-10, 1e-10, 1e-11], true);
    }
}

/// The exports hold √2, √d and the constants of GELU in single precision; they are taken as stored.
#[test]
fn transformers_with_their_single_precision_constants() {
    for graph in GRAPHS {
        check("bert_char", graph, [2e-8, 1e-8, 1e-7], false);
        check("gpt_char", graph, [2e-8, 1e-8, 1e-7], false);
    }
}

/// Against truth that PyTorch recomputed with the single-precision constants of each export, the transformers agree as
/// well as the other networks: the constants explain all of what separates the exports from the common truth, near a
/// minimum up to 5e-6 of the largest entry of the gradient.
#[test]
fn transformers_as_exported() {
    let threads = Threads::new(2).unwrap();
    for (name, graph, file) in [
        ("gpt_char", GRAPHS[0], "baked_legacy17.npz"),
        ("gpt_char", GRAPHS[1], "baked_dynamo18.npz"),
        ("bert_char", GRAPHS[0], "baked.npz"),
        ("bert_char", GRAPHS[1], "baked.npz"),
    ] {
        let fixture = Fixture::open(name, graph);
        let exported = fixture.truth["onnx"]["weights_of"].as_str().unwrap().to_owned();
        let (common, own) = (fixture.truth(&exported), baked(name, file));
        let prepared = fixture.prepared(&exported, Precision::F64, &threads);
        let (loss, gradient) = prepared.loss_and_gradient();
        let what = format!("{name} with {graph}");
        assert!((loss - own.loss).abs() <= 1e-10 * own.loss, "{what}: loss {loss} for {}", own.loss);
        let error = relative(gradient, own.floats("grad").unwrap());
        assert!(error <= 1e-10, "{what}: gradient off by {error:e}");
        // not vacuous: the common truth is much farther away
        assert!(relative(gradient, common.floats("grad").unwrap()) > 1e3 * error, "{what}");
        let columns = own.columns();
        let n = gradient.len();
        let x = Mat::from_fn(n, columns.len(), |i, k| f64::from(u8::from(i == columns[k].0)));
        let mut y = Mat::zeros(n, columns.len());
        prepared.hessian(&Block::full(fixture.network.params())).apply_many(x.as_ref(), y.as_mut()).unwrap();
        for (k, (index, column)) in columns.iter().enumerate() {
            let found: Vec<f64> = (0..n).map(|i| y[(i, k)]).collect();
            let error = relative(&found, column);
            assert!(error <= 1e-10, "{what}: column {index} off by {error:e}");
        }
    }
}

/// With the same constants in double precision the transformers agree as well as the other networks, so that nothing
/// but these constants separates the exports from the truth.
#[test]
fn transformers_with_exact_constants() {
    let exact = [2.0f64.sqrt(), 8.0f64.sqrt(), 8.0f64.powf(-0.25), 0.044715, (2.0 / std::f64::consts::PI).sqrt()];
    let repair = |array: &mut Array| {
        if let Values::Float(x) = &mut array.values {
            for v in x.iter_mut().filter(|_| array.shape.iter().product::<usize>() == 1) {
                if let Some(e) = exact.iter().find(|&&e| (*v / e - 1.0).abs() < 2e-7) {
                    *v = *e;
                }
            }
        }
    };
    for name in ["bert_char", "gpt_char"] {
        for graph in GRAPHS {
            let fixture = Fixture::open_with(name, graph, |model| {
                model.initializers.iter_mut().for_each(|(_, a)| repair(a));
                for (_, attribute) in model.nodes.iter_mut().flat_map(|n| &mut n.attributes) {
                    if let Attribute::Tensor(a) = attribute {
                        repair(a);
                    }
                }
            });
            check_fixture(&fixture, name, graph, [1e-10, 1e-10, 1e-11], true);
        }
    }
}
