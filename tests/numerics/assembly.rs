//! The structured assembly against the column-by-column oracle.

use std::sync::Arc;

use breakeven::curvature::{Block, Network, Precision, Prepared, Scope, SymmetricOperator};
use breakeven::parallel::Threads;
use breakeven::snapshot::loss::{LossKind, LossSpec, Reduction};
use breakeven::snapshot::placing::Binding;
use breakeven::train::data;
use faer::Mat;

pub fn with<R>(
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

pub fn worst(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let (n, k) = (a.nrows(), a.ncols());
    let top = (0..k).flat_map(|j| (0..n).map(move |i| b[(i, j)].abs())).fold(0.0, f64::max);
    (0..k).flat_map(|j| (0..n).map(move |i| (a[(i, j)] - b[(i, j)]).abs())).fold(0.0, f64::max) / top
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
                assert!(hessian.plan().iter().any(|pair| pair.route == "outputs"), "{network}");
                let fast = hessian.to_dense_with(None, &|_, _| {}).unwrap();
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
            let fast = hessian.to_dense_with(None, &|_, _| {}).unwrap();
            assert!(worst(&fast, &hessian.to_dense_by_columns().unwrap()) < 1e-12, "{}", block.name);
        }
    });
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        with("mlp:64-9-10:relu", "digits", 128, threads, Precision::F64, |prepared| {
            let block = Block::full(prepared.network().params());
            prepared.hessian(&block).to_dense_with(None, &|_, _| {}).unwrap()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

/// Routes of the pairs whose first tensor has this name.
fn routes(prepared: &Prepared<'_>, name: &str) -> Vec<&'static str> {
    let block = Block::full(prepared.network().params());
    let plan = prepared.hessian(&block).plan();
    assert!(plan.iter().all(|pair| pair.flops > 0.0 && pair.bytes > 0.0 && !pair.why.is_empty()));
    let mut routes: Vec<_> = plan.iter().filter(|pair| pair.tensors.0 == name).map(|pair| pair.route).collect();
    routes.dedup();
    routes
}

#[test]
fn every_pair_of_a_multilayer_perceptron_is_seeded_at_outputs() {
    with("mlp:64-7-5-10:tanh", "digits", 40, 2, Precision::F64, |prepared| {
        let block = Block::full(prepared.network().params());
        let plan = prepared.hessian(&block).plan();
        assert_eq!(plan.len(), 6 * 7 / 2);
        assert!(plan.iter().all(|pair| pair.route == "outputs"), "{plan:?}");
    });
}

#[test]
fn convolutions_are_seeded_where_it_is_cheaper() {
    // 64 positions of 9 inputs against 4·9 weights, ..., one position of 32 inputs
    let run = |threads| {
        with("cnn", "digits", 50, threads, Precision::F64, |prepared| {
            let block = Block::full(prepared.network().params());
            let names: Vec<String> = block.tensors.iter().map(|t| t.name.clone()).collect();
            let weights: Vec<&String> = names.iter().filter(|n| n.ends_with("weight")).collect();
            assert_eq!(routes(prepared, weights[0]), ["columns"]);
            assert_eq!(routes(prepared, weights[2]), ["outputs"]);
            let hessian = prepared.hessian(&block);
            let fast = hessian.to_dense_with(None, &|_, _| {}).unwrap();
            let error = worst(&fast, &hessian.to_dense_by_columns().unwrap());
            assert!(error < 1e-12, "{error:e}");
            assert_eq!(asymmetry(&fast), 0.0);
            fast
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn sequences_with_embeddings_attention_and_tied_weights() {
    for (network, batch) in [("gpt:8,1,2,4", 5), ("gpt:8,1,2,12", 3), ("bert:8,1,2,4", 4)] {
        with(network, "text", batch, 2, Precision::F64, |prepared| {
            let block = Block::full(prepared.network().params());
            let hessian = prepared.hessian(&block);
            let fast = hessian.to_dense_with(None, &|_, _| {}).unwrap();
            let error = worst(&fast, &hessian.to_dense_by_columns().unwrap());
            assert!(error < 1e-12, "{network}: {error:e}");
            assert_eq!(asymmetry(&fast), 0.0, "{network}");
        });
    }
}

#[test]
fn products_of_a_batch_in_chunks_have_the_same_bits_for_any_number_of_threads() {
    let run = |threads| {
        with("mlp:64-16-16-10:relu", "digits", 1600, threads, Precision::F64, |prepared| {
            let block = Block::full(prepared.network().params());
            let hessian = prepared.hessian(&block);
            let x = Mat::from_fn(block.len, 7, |i, j| ((i * 31 + j * 17) % 101) as f64 / 101.0 - 0.5);
            let mut y = Mat::zeros(block.len, 7);
            hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
            let mut single = Mat::zeros(block.len, 1);
            hessian.apply_many(x.as_ref().subcols(2, 1), single.as_mut()).unwrap();
            // the assembly works on the whole batch, without chunks
            let dense = hessian.to_dense_with(None, &|_, _| {}).unwrap() * &x;
            assert!(worst(&y, &dense) < 1e-12);
            assert!(worst(&single, &dense.subcols(2, 1).to_owned()) < 1e-12);
            (y, single)
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}
