//! Seeding at outputs wherever it is possible, whatever it costs, against columns.

use super::{Assembly, Tools};
use crate::curvature::checkpoint::Ledger;
use crate::curvature::sweep::sweep;
use crate::curvature::tests::built;
use crate::curvature::{Block, Precision, Prepared};
use crate::parallel::Threads;
use faer::Mat;

/// Largest difference from the columns relative to the largest entry, after checking that the result is symmetric.
fn error(name: &str, source: &str, batch: usize, threads: usize, weights: bool) -> (f64, Mat<f64>) {
    let threads = Threads::new(threads).unwrap();
    let (net, params) = built(name, source, batch);
    let prepared = Prepared::new(net, &params, Precision::F64, &threads).unwrap();
    let block = Block::full(prepared.network().params());
    let mut assembly = Assembly::plan(prepared.network(), &block);
    assembly.seeded.fill(true);
    let several = assembly.sites.iter().filter(|site| site.positions > 1).count();
    assert!(several >= 2, "{name} has {several} sites with several positions");
    assert_eq!(assembly.sites.iter().any(|site| site.bias.is_some()), weights, "{name}");
    let n = block.len;
    let mut h = Mat::<f64>::zeros(n, n);
    let mut ledger = Ledger::open(None, h.as_mut());
    let tools = Tools::new();
    sweep(assembly.stages(&prepared.leaves, &tools), h.as_mut(), &threads, &mut ledger, &|_| {}).unwrap();
    let oracle = prepared.hessian(&block).to_dense_by_columns().unwrap();
    let (mut worst, mut top, mut covered) = (0.0f64, 0.0f64, 0);
    for (p, left) in block.tensors.iter().enumerate() {
        for (q, right) in block.tensors.iter().enumerate() {
            for i in left.offset..left.offset + left.size {
                for j in right.offset..right.offset + right.size {
                    top = top.max(oracle[(i, j)].abs());
                    if assembly.covers(p, q) {
                        covered += 1;
                        worst = worst.max((h[(i, j)] - oracle[(i, j)]).abs());
                        assert_eq!(h[(i, j)], h[(j, i)]);
                    } else {
                        assert_eq!(h[(i, j)], 0.0);
                    }
                }
            }
        }
    }
    assert!(covered > n * n / 4, "{name}: {covered} of {n}²");
    (worst / top, h)
}

#[test]
fn convolutions() {
    let (worst, one) = error("cnn", "digits", 12, 1, true);
    assert!(worst < 1e-12, "{worst:e}");
    for threads in [2, 3] {
        assert_eq!(one, error("cnn", "digits", 12, threads, true).1);
    }
}

#[test]
fn attention() {
    for network in ["bert:4,2,2,6", "gpt:6,1,2,5"] {
        let (worst, _) = error(network, "text", 2, 2, true);
        assert!(worst < 1e-12, "{network}: {worst:e}");
    }
}

/// The assembly of a small network, its unfinished matrix kept after every task.
fn kept(name: &str, source: &str, at: &std::path::Path, key: &str, mut seen: impl FnMut(&str) + Send) -> Mat<f64> {
    let threads = Threads::new(2).unwrap();
    let (net, params) = built(name, source, 6);
    let prepared = Prepared::new(net, &params, Precision::F64, &threads).unwrap();
    let block = Block::full(prepared.network().params());
    let remarks = std::sync::Mutex::new(&mut seen);
    let checkpoint = crate::curvature::Checkpoint {
        path: at.to_owned(),
        key: key.to_owned(),
        every: std::time::Duration::ZERO,
        remark: Box::new(|text| remarks.lock().unwrap()(text)),
    };
    let mut h = Mat::from_fn(block.len, block.len, |_, _| f64::NAN);
    prepared.hessian(&block).assemble(h.as_mut(), Some(&checkpoint), &|_, _| {}).unwrap();
    h
}

#[test]
fn any_unfinished_matrix_is_finished_to_the_same_bits() {
    // sites and columns: two convolutions and a linear layer
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("kept");
    let whole = kept("cnn", "digits", &at, "one", |_| {});
    let bytes = std::fs::read(&at).unwrap();
    assert!(bytes.starts_with(b"breakeven-assembly 2 "));
    // the last file that was kept is nearly whole; go on from it, and from a file of a run that was stopped earlier
    let mut remarks = Vec::new();
    let again = kept("cnn", "digits", &at, "one", |text| remarks.push(text.to_owned()));
    assert_eq!(whole, again);
    assert!(remarks.iter().any(|text| text.starts_with("going on after")), "{remarks:?}");
    remarks.clear();
    let other = kept("cnn", "digits", &at, "two", |text| remarks.push(text.to_owned()));
    assert_eq!(whole, other);
    assert!(remarks.iter().any(|text| text.contains("belongs to another")), "{remarks:?}");
}
