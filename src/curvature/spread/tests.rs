//! Spread over threads as ranks, against one rank.

use super::{Shards, serve};
use crate::curvature::tests::built;
use crate::curvature::{Block, Network, Objective, Precision, Prepared, SymmetricOperator};
use crate::graph::wire;
use crate::parallel::Threads;
use crate::parallel::ranks::Ranks;
use faer::Mat;
use std::sync::Arc;

/// Rank 0 does `first` with so many ranks.
fn over<R>(size: usize, first: impl FnOnce(&Threads) -> R) -> R {
    let mut ranks = Ranks::in_process(size).into_iter();
    let zero = Arc::new(ranks.next().unwrap());
    std::thread::scope(|scope| {
        for other in ranks {
            scope.spawn(move || serve(&other).unwrap());
        }
        let result = first(&Threads::new(1).unwrap().with_ranks(&zero));
        zero.stop();
        result
    })
}

fn near(a: &[f64], b: &[f64], what: &str, bound: f64) {
    assert_eq!(a.len(), b.len(), "{what}");
    let top = b.iter().map(|x| x.abs()).fold(0.0, f64::max);
    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(far <= bound * top, "{what}: {far:e} beside {top:e}");
}

fn flat(m: &Mat<f64>) -> Vec<f64> {
    m.col_iter().flat_map(|c| c.iter().copied().collect::<Vec<f64>>()).collect()
}

fn columns(n: usize, k: usize) -> Mat<f64> {
    Mat::from_fn(n, k, |i, j| ((i * 7 + j * 13) % 11) as f64 - 5.0)
}

/// Everything that is spread, beside one rank.
fn compare(name: &str, source: &str, batch: usize, size: usize, precision: Precision, bound: f64) {
    let (network, params) = built(name, source, batch);
    let alone = Threads::new(1).unwrap();
    let one = Prepared::new(network.clone(), &params, precision, &alone).unwrap();
    over(size, |threads| {
        let shards = Shards::new(&network, threads).unwrap().expect("a network of samples");
        assert_eq!(shards.count(), size.min(batch));
        let many = Prepared::spread(&shards, &params, precision, threads).unwrap();
        let (loss, gradient) = many.loss_and_gradient();
        near(&[loss], &[one.loss_and_gradient().0], "loss", 1e-12);
        near(gradient, one.loss_and_gradient().1, "gradient", 1e-12);
        assert_eq!(many.kinks(), one.kinks(), "{name}");
        let full = Block::full(network.params());
        let last = Block::of(network.params(), &[network.params().len() - 2]);
        for block in [full, last] {
            let (a, b) = (many.hessian(&block), one.hessian(&block));
            assert_eq!(a.product_flops(), b.product_flops());
            let x = columns(block.len, 3);
            let (mut y, mut z) = (Mat::zeros(block.len, 3), Mat::zeros(block.len, 3));
            a.apply_many(x.as_ref(), y.as_mut()).unwrap();
            b.apply_many(x.as_ref(), z.as_mut()).unwrap();
            near(&flat(&y), &flat(&z), "products", bound);
            let (h, g) = (a.to_dense().unwrap(), b.to_dense().unwrap());
            near(&flat(&h), &flat(&g), "matrix", bound);
            assert_eq!(h, h.transpose().to_owned(), "{name} is not symmetric");
            assert_eq!(h, a.to_dense().unwrap(), "{name} is not repeatable");
            let (a, b) = (many.objective(&block), one.objective(&block));
            let step: Vec<f64> = (0..block.len).map(|i| 1e-3 * (i % 5) as f64).collect();
            near(&[a.loss_at(&step).unwrap()], &[b.loss_at(&step).unwrap()], "loss at a step", 1e-12);
            let ((l, g), (m, h)) = (a.gradient_at(&step).unwrap(), b.gradient_at(&step).unwrap());
            near(&[l], &[m], "loss at a step", 1e-12);
            near(&g, &h, "gradient at a step", 1e-12);
            assert_eq!((a.loss_flops(), a.gradient_flops()), (b.loss_flops(), b.gradient_flops()));
        }
    });
}

#[test]
fn perceptrons_convolutions_and_transformers_over_ranks() {
    for size in [2, 3] {
        compare("mlp:64-8-10:relu", "digits", 37, size, Precision::F64, 1e-12);
    }
    compare("cnn", "digits", 11, 2, Precision::F64, 1e-12);
    compare("bert:8,1,2,16", "text", 5, 3, Precision::F64, 1e-12);
    compare("gpt:8,1,2,16", "text", 4, 2, Precision::F64, 1e-12);
}

#[test]
fn single_precision_over_ranks() {
    compare("mlp:64-8-10:tanh", "digits", 20, 2, Precision::F32, 1e-5);
}

#[test]
fn more_ranks_than_samples() {
    compare("mlp:64-4-10:tanh", "digits", 3, 5, Precision::F64, 1e-12);
}

#[test]
fn another_network_and_snapshot_replace_the_last() {
    let (a, params) = built("mlp:64-4-10:tanh", "digits", 9);
    let (b, others) = built("mlp:64-6-10:relu", "digits", 12);
    over(2, |threads| {
        for (network, params) in [(&a, &params), (&b, &others), (&a, &params)] {
            let shards = Shards::new(network, threads).unwrap().unwrap();
            for _ in 0..2 {
                let many = Prepared::spread(&shards, params, Precision::F64, threads).unwrap();
                let one = Prepared::new(network.clone(), params, Precision::F64, threads).unwrap();
                near(many.loss_and_gradient().1, one.loss_and_gradient().1, "gradient", 1e-12);
            }
        }
    });
}

#[test]
fn a_loss_that_is_not_finite_on_any_rank_is_an_error_and_the_ranks_go_on() {
    let (network, mut params) = built("mlp:64-4-10:tanh", "digits", 9);
    over(3, |threads| {
        let shards = Shards::new(&network, threads).unwrap().unwrap();
        let many = Prepared::spread(&shards, &params, Precision::F64, threads).unwrap();
        let block = Block::full(network.params());
        let objective = many.objective(&block);
        let bad = vec![f64::INFINITY; block.len];
        assert_eq!(objective.loss_at(&bad).unwrap_err().code, "curvature::not_finite");
        assert!(objective.loss_at(&vec![0.0; block.len]).is_ok());
        assert_eq!(objective.loss_at(&[]).unwrap_err().code, "curvature::shape");
        drop(objective);
        params.pop();
        let missing = Prepared::spread(&shards, &params, Precision::F64, threads).unwrap_err();
        assert_eq!(missing.code, "snapshot::missing");
    });
}

#[test]
fn what_cannot_be_cut_is_not_spread() {
    let (network, params) = built("mlp:64-4-10:tanh", "digits", 9);
    let mut lowered = network.lowered.clone();
    lowered.inputs = network.inputs.to_vec();
    // as where the graph computes its loss itself
    lowered.samples = None;
    let closed = Arc::new(Network::part(lowered, network.params()));
    let (single, _) = built("mlp:64-4-10:tanh", "digits", 1);
    over(3, |threads| {
        assert!(Shards::new(&closed, threads).unwrap().is_none());
        assert!(Shards::new(&single, threads).unwrap().is_none());
        let prepared = Prepared::new(closed.clone(), &params, Precision::F64, threads).unwrap();
        assert!(prepared.hessian(&Block::full(closed.params())).to_dense().is_ok());
    });
}

#[test]
fn a_network_arrives_as_it_was_sent_or_is_refused() {
    let (network, _) = built("bert:8,1,2,16", "text", 3);
    let mut lowered = network.lowered.clone();
    lowered.inputs = network.inputs.to_vec();
    let bytes = wire::to_bytes(&lowered).unwrap();
    let back = wire::from_bytes(&bytes).unwrap();
    assert!(lowered.program.nodes().eq(back.program.nodes()));
    assert_eq!((&lowered.inputs, &lowered.params), (&back.inputs, &back.params));
    assert_eq!((lowered.loss, lowered.samples, &lowered.kinks), (back.loss, back.samples, &back.kinks));
    assert_eq!(wire::to_bytes(&back).unwrap(), bytes);
    for n in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
        assert!(wire::from_bytes(&bytes[..n]).is_err());
    }
}

#[test]
fn nothing_is_spread_without_other_ranks() {
    let (network, _) = built("mlp:64-4-10:tanh", "digits", 9);
    let threads = Threads::new(1).unwrap();
    assert!(Shards::new(&network, &threads).unwrap().is_none());
    assert!(Shards::new(&network, &threads.with_ranks(&Arc::new(Ranks::alone()))).unwrap().is_none());
}
