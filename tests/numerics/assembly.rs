//! The structured assembly against the column-by-column oracle.

use std::sync::Arc;

use breakeven::curvature::{Block, Network, Precision, Prepared, Scope};
use breakeven::parallel::Threads;
use breakeven::snapshot::loss::{LossKind, LossSpec, Reduction};
use breakeven::snapshot::placing::Binding;
use breakeven::train::data;
use faer::Mat;

fn with<R>(
    network: &str,
    source: &str,
    batch: usize,
    threads: usize,
    precision: Precision,
    f: impl FnOnce(&Prepared<'_>) -> R,
) -> R {
    let spec = breakeven::train::network::Network::parse(network).unwrap();
    let d = data::load(source, &spec, batch, 5).unwrap();
    let (model, params) = spec.build(&d.interface, 3).unwrap();
    let shapes: Vec<_> = params.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
    let bindings: Vec<Binding> = params
        .iter()
        .map(|(n, _)| Binding { parameter: n.clone(), initializer: n.clone(), transposed: false })
        .collect();
    let loss = LossSpec {
        kind: LossKind::CrossEntropy,
        reduction: Reduction::Mean,
        ignore_index: d.ignore_index,
        label_smoothing: 0.0,
    };
    let threads = Threads::new(threads).unwrap();
    let arrays = [("x".to_owned(), d.x), ("y".to_owned(), d.y)];
    let net = Arc::new(Network::new(&model, &bindings, &shapes, &arrays, &loss).unwrap());
    f(&Prepared::new(net, &params, precision, &threads).unwrap())
}

fn worst(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let n = a.nrows();
    let top = (0..n).flat_map(|j| (0..n).map(move |i| b[(i, j)].abs())).fold(0.0, f64::max);
    (0..n).flat_map(|j| (0..n).map(move |i| (a[(i, j)] - b[(i, j)]).abs())).fold(0.0, f64::max) / top
}

fn asymmetry(a: &Mat<f64>) -> f64 {
    (0..a.nrows()).flat_map(|j| (0..j).map(move |i| (a[(i, j)] - a[(j, i)]).abs())).fold(0.0, f64::max)
}

#[test]
fn equals_the_columns_in_both_precisions() {
    for network in ["mlp:64-9-10:relu", "mlp:64-7-5-10:tanh", "mlp:64-6-6-10:gelu"] {
        for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::F32, 2e-6)] {
            with(network, "digits", 70, 2, precision, |prepared| {
                let block = Block::full(prepared.network().params());
                let hessian = prepared.hessian(&block);
                assert!(hessian.plan().iter().any(|pair| pair.route == "lanes"), "{network}");
                let fast = hessian.to_dense_with(&|_, _| {}).unwrap();
                let slow = hessian.to_dense_by_columns().unwrap();
                let error = worst(&fast, &slow);
                assert!(error < tolerance, "{network} {precision:?}: {error:e}");
                assert_eq!(asymmetry(&fast), 0.0, "{network} {precision:?}");
            });
        }
    }
}

#[test]
fn blocks_of_single_layers_are_assembled_too() {
    with("mlp:64-7-5-10:tanh", "digits", 40, 2, Precision::F64, |prepared| {
        for block in prepared.blocks(&Scope::Layers).unwrap() {
            let hessian = prepared.hessian(&block);
            let fast = hessian.to_dense_with(&|_, _| {}).unwrap();
            assert!(worst(&fast, &hessian.to_dense_by_columns().unwrap()) < 1e-12, "{}", block.name);
        }
    });
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        with("mlp:64-9-10:relu", "digits", 128, threads, Precision::F64, |prepared| {
            let block = Block::full(prepared.network().params());
            prepared.hessian(&block).to_dense_with(&|_, _| {}).unwrap()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn several_rows_per_sample_fall_back_to_columns() {
    with("gpt:8,1,2,8", "text", 3, 2, Precision::F64, |prepared| {
        let block = Block::full(prepared.network().params());
        let hessian = prepared.hessian(&block);
        assert!(hessian.plan().iter().all(|pair| pair.route == "columns"));
        let h = hessian.to_dense_with(&|_, _| {}).unwrap();
        assert_eq!(asymmetry(&h), 0.0);
    });
}
