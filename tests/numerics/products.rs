//! Hessian-vector products against the assembled matrix, their bits, and their use of memory.

use super::assembly::{with, worst};
use breakeven::curvature::{Block, Precision, Prepared, SymmetricOperator};
use faer::Mat;

fn vectors(n: usize, k: usize) -> Mat<f64> {
    Mat::from_fn(n, k, |i, j| ((i * 31 + j * 17) % 101) as f64 / 101.0 - 0.5)
}

fn products(prepared: &Prepared<'_>, x: &Mat<f64>) -> Mat<f64> {
    let block = Block::full(prepared.network().params());
    let mut y = Mat::zeros(x.nrows(), x.ncols());
    prepared.hessian(&block).apply_many(x.as_ref(), y.as_mut()).unwrap();
    y
}

/// Single vectors, blocks of 8 and 16, blocks that are not full, and several of them.
#[test]
fn blocks_of_every_width_equal_the_matrix_times_the_vectors() {
    let networks = [
        ("mlp:64-16-16-10:relu", "digits", 300),
        ("mlp:64-9-10:gelu", "digits", 40),
        ("cnn", "digits", 20),
        ("bert:8,1,2,4", "text", 4),
        ("gpt:8,1,2,12", "text", 3),
    ];
    for (network, source, batch) in networks {
        for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::F32, 5e-6)] {
            with(network, source, batch, 2, precision, |prepared| {
                let block = Block::full(prepared.network().params());
                // seeded at outputs where that is possible: a second algorithm
                let h = prepared.hessian(&block).to_dense_with(None, &|_, _| {}).unwrap();
                for k in [1, 2, 5, 8, 13, 16, 23] {
                    let x = vectors(block.len, k);
                    let error = worst(&products(prepared, &x), &(&h * &x));
                    assert!(error < tolerance, "{network} {precision:?}, {k} vectors: {error:e}");
                }
            });
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_threads_or_earlier_calls() {
    // few chunks of samples, and several for each sum of theirs
    for (network, batch, k) in [("mlp:64-16-16-10:relu", 1600, 1), ("mlp:64-16-16-10:relu", 1600, 16), ("cnn", 700, 16)]
    {
        let run = |threads| {
            with(network, "digits", batch, threads, Precision::F32, |prepared| {
                let x = vectors(prepared.network().len(), k);
                let first = products(prepared, &x);
                products(prepared, &vectors(x.nrows(), 21));
                assert_eq!(first, products(prepared, &x));
                first
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(3));
        assert_eq!(one, run(8));
    }
}

/// After the first product of each width a loop of products allocates nothing.
#[test]
fn a_loop_of_products_allocates_nothing() {
    for (network, source, batch) in
        [("mlp:64-16-16-10:relu", "digits", 1600), ("cnn", "digits", 20), ("gpt:8,1,2,12", "text", 3)]
    {
        for precision in [Precision::F64, Precision::F32] {
            // one thread: all work is done, and counted, on this one
            with(network, source, batch, 1, precision, |prepared| {
                let block = Block::full(prepared.network().params());
                let hessian = prepared.hessian(&block);
                for k in [1, 16, 21] {
                    let x = vectors(block.len, k);
                    let mut y = Mat::zeros(block.len, k);
                    hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
                    let count = allocation_counter::measure(|| {
                        for _ in 0..5 {
                            hessian.apply_many(x.as_ref(), y.as_mut()).unwrap();
                        }
                    });
                    assert_eq!(count.count_total, 0, "{network} {precision:?}, {k} vectors");
                }
            });
        }
    }
}
