//! The classical rates of this very machine, by a short trial: `--hardware this-machine`.

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat};

use super::market::THIS_MACHINE;
use crate::catalog::{Hardware, HardwareKind, Rate};
use crate::error::Result;
use crate::parallel::Threads;

/// Size of the matrices of the trial: large enough for the full rate, small enough for half a second.
const SIZE: usize = 768;

/// Repetitions; the median counts, the extremes are the band.
const TRIES: usize = 7;

/// Measures products of matrices (dense work) and of a matrix with a vector (memory-bound work).
///
/// # Errors
/// When the catalogue's own form refuses the result.
pub fn calibrate(threads: &Threads) -> Result<Hardware> {
    let n = SIZE;
    let a = Mat::<f64>::from_fn(n, n, |i, j| (((i * 31 + j * 17) % 101) as f64 - 50.0) / 50.0);
    let x = Mat::<f64>::from_fn(n, 1, |i, _| ((i % 13) as f64 - 6.0) / 6.0);
    let mut c = Mat::<f64>::zeros(n, n);
    let mut y = Mat::<f64>::zeros(n, 1);
    let square = (n * n) as f64;
    let dense = rate(2.0 * square * n as f64, || {
        threads.run(|| matmul(c.as_mut(), Accum::Replace, a.as_ref(), a.as_ref(), 1.0, threads.faer()));
    });
    let passes = 16;
    let product = rate(2.0 * square * f64::from(passes), || {
        for _ in 0..passes {
            threads.run(|| matmul(y.as_mut(), Accum::Replace, a.as_ref(), x.as_ref(), 1.0, threads.faer()));
        }
    });
    let text = serde_json::to_string_pretty(&Hardware {
        id: THIS_MACHINE.into(),
        kind: HardwareKind::Classical,
        title: format!("This machine, {} threads, double precision", threads.count()),
        gate_time: None,
        flops_per_second: Some(dense),
        matvec_flops_per_second: Some(product),
        peak_flops_per_second: None,
        sustained_fraction: None,
        memory_bytes_per_second: None,
        physical: std::collections::BTreeMap::new(),
        assumptions: vec![format!("median of {TRIES} products of size {n}, the extremes as the band")],
        cite: Vec::new(),
        file: String::new(),
        digest: String::new(),
    })
    .unwrap_or_default();
    Hardware::read(&text, "hardware/this-machine.json")
}

/// Operations in a second: median and extremes of several trials.
fn rate(operations: f64, mut work: impl FnMut()) -> Rate {
    work();
    let mut rates: Vec<f64> = (0..TRIES)
        .map(|_| {
            let start = Instant::now();
            work();
            operations / start.elapsed().as_secs_f64().max(1e-9)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let at = |i: usize| rates.get(i).copied().unwrap_or(0.0);
    Rate { value: at(TRIES / 2), low: Some(at(0)), high: Some(at(TRIES - 1)), note: Some("measured just now".into()) }
}
