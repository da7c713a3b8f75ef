//! The classical rates of this very machine, measured in a second: `--hardware this-machine`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::market::THIS_MACHINE;
use crate::catalog::{Hardware, HardwareKind, Rate};
use crate::error::Result;
use crate::parallel::Threads;
use crate::spectrum::inertia::Factorization;
use crate::tensor::matmul::{Gemm, gemm};

/// Size of the factorised and multiplied matrices, and of the one that is streamed (64 MB: beyond the caches).
const DENSE: usize = 768;
const STREAMED: usize = 2896;

/// The rates: dense work by an LDLᵀ factorisation (upper end: matrix products), stored-matrix products by streaming.
///
/// # Errors
/// When the factorisation fails.
pub fn calibrate(threads: &Threads) -> Result<Hardware> {
    let n = DENSE;
    let entry = |i: usize, j: usize| {
        let (a, b) = (i.min(j) as f64, i.max(j) as f64);
        (a * 0.37 + b * 0.11).sin() + if i == j { 4.0 } else { 0.0 }
    };
    let matrix = faer::Mat::from_fn(n, n, entry);
    let cube = (n as f64).powi(3);
    let mut failed = None;
    let factor = rates(cube / 3.0, || {
        if let Err(e) = Factorization::new(black_box(matrix.as_ref()), 0.0, threads.faer()).map(black_box) {
            failed = Some(e);
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    let a: Vec<f64> = (0..n * n).map(|i| (i as f64).cos()).collect();
    let mut out = vec![0.0; n * n];
    let product = rates(2.0 * cube, || {
        let shape = Gemm { m: n, k: n, n, ta: false, tb: false };
        gemm(black_box(&mut out), black_box(&a), &a, shape, false, threads.faer());
    });
    let m = STREAMED;
    let stored = vec![1.000_1_f64; m * m];
    let x = vec![0.5_f64; m];
    let mut y = vec![0.0; m];
    let stream = threads.run(|| rates(2.0 * (m * m) as f64, || multiply(black_box(&stored), &x, black_box(&mut y))));
    let rate = |[low, value, high]: [f64; 3], high_of: f64, note: &str| Rate {
        value,
        low: Some(low),
        high: Some(high.max(high_of)),
        note: Some(note.into()),
    };
    let machine = Hardware {
        id: THIS_MACHINE.into(),
        kind: HardwareKind::Classical,
        title: format!("this machine, {} threads, double precision", threads.count()),
        gate_time: None,
        flops_per_second: Some(rate(factor, product[1], "LDL^T of 768 x 768; upper end: matrix products")),
        matvec_flops_per_second: Some(rate(stream, stream[2], "matrix-vector products beyond the caches")),
        peak_flops_per_second: None,
        sustained_fraction: None,
        memory_bytes_per_second: Some(stream[1] * 4.0),
        physical: std::collections::BTreeMap::new(),
        assumptions: vec!["rates measured on a small system; they grow with N".into()],
        cite: Vec::new(),
        file: String::new(),
        digest: String::new(),
    };
    // Through the reader of hardware files: checked, and with the digest of what would be saved.
    let text = serde_json::to_string_pretty(&machine).unwrap_or_default();
    Hardware::read(&text, "hardware/this-machine.json")
}

/// y = A x, rows in parallel.
fn multiply(a: &[f64], x: &[f64], y: &mut [f64]) {
    use rayon::prelude::*;
    y.par_iter_mut().zip(a.par_chunks(x.len())).for_each(|(y, row)| {
        // Eight sums let the compiler use the vector units.
        let mut sums = [0.0; 8];
        for (r, x) in row.chunks_exact(8).zip(x.chunks_exact(8)) {
            for k in 0..8 {
                sums[k] += r[k] * x[k];
            }
        }
        *y = sums.iter().sum();
    });
}

/// Slowest, median and fastest rate of some runs, in flops per second; a quarter of a second at most.
fn rates(flops: f64, mut work: impl FnMut()) -> [f64; 3] {
    work();
    let mut seen = Vec::new();
    let start = Instant::now();
    while seen.len() < 3 || (start.elapsed() < Duration::from_millis(250) && seen.len() < 200) {
        let begin = Instant::now();
        work();
        seen.push(flops / begin.elapsed().as_secs_f64().max(1e-9));
    }
    seen.sort_by(f64::total_cmp);
    let at = |i: usize| seen.get(i).copied().unwrap_or(1.0);
    [at(0), at(seen.len() / 2), at(seen.len() - 1)]
}
