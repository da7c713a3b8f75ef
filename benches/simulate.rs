//! Simulator benches: phase factors, one walk step, a small QSVT solve, a 20-qubit state vector against a copy.
//!
//! `benches/peers/quantum.py` runs the peers on the same work beside these and prints the ratios.

use breakeven::simulate::circuit::{inversion, odd_series};
use breakeven::simulate::inversion::BestRelative;
use breakeven::simulate::phase_factors::phases;
use breakeven::simulate::state_vector::{HADAMARD, StateVector};
use breakeven::simulate::walk::{Combination, Form, SCHEDULE_P, WalkSystem, run};
use breakeven::simulate::{Instance, Options};
use criterion::{Criterion, criterion_group, criterion_main};
use faer::Mat;
use std::hint::black_box;
use std::time::Duration;

/// Chebyshev series of the best relative-error polynomial at half its largest value, as the peers take it.
fn series(kappa: f64, eps: f64) -> Vec<f64> {
    let p = BestRelative::for_error(kappa, eps);
    let scale = 0.5 / p.largest();
    odd_series(p.degree(), scale, |x| p.value(x))
}

fn phase_factors(c: &mut Criterion) {
    let mut group = c.benchmark_group("phases");
    for (kappa, eps) in [(10.0, 1e-3), (100.0, 1e-3), (1000.0, 1e-6)] {
        let coefficients = series(kappa, eps);
        group.bench_function(format!("degree_{}", coefficients.len() - 1), |b| {
            b.iter(|| phases(black_box(&coefficients)).map(|p| p.residual));
        });
    }
    group.finish();
}

/// A deterministic spread in (0, 1).
fn spread(i: usize) -> f64 {
    (0.5 + 0.618_033_988_749_895 * i as f64).fract()
}

fn walk_step(c: &mut Criterion) {
    let n = 100_000;
    let kappa = 100.0;
    let values: Vec<f64> =
        (0..n).map(|i| (0.01 + 0.99 * spread(i)) * if spread(i + n) < 0.5 { -1.0 } else { 1.0 }).collect();
    let size = (n as f64).sqrt();
    let b: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 / size } else { -1.0 / size }).collect();
    let solution: Vec<f64> = b.iter().zip(&values).map(|(b, v)| b / v).collect();
    let length = solution.iter().map(|x| x * x).sum::<f64>().sqrt();
    let target: Vec<f64> = solution.iter().map(|x| x / length).collect();
    let mut group = c.benchmark_group("walk");
    let system = WalkSystem::symmetric(&values, &b, &target, Form::General, kappa);
    // Eight steps, loading and reading included; a step is an eighth.
    group.bench_function("eight_steps_n_100000", |bench| {
        bench.iter(|| run(black_box(&system), 8, SCHEDULE_P, Combination::Published).overlap);
    });
    group.finish();
}

fn small_solve(c: &mut Criterion) {
    // κ = 3, ε = 1e-2: degree 15, N = 8, angles and solve.
    let diagonal: Vec<f64> =
        (0..8).map(|i| (1.0 / 3.0 + 2.0 / 3.0 * i as f64 / 7.0) * if i % 3 == 1 { -1.0 } else { 1.0 }).collect();
    let householder = |i: usize, j: usize| f64::from(u8::from(i == j)) - 0.25;
    let h = Mat::from_fn(8, 8, |i, j| (0..8).map(|k| householder(i, k) * diagonal[k] * householder(k, j)).sum::<f64>());
    let g: Vec<f64> = (0..8).map(|i| 1.0 + i as f64).collect();
    let options = Options::default();
    c.bench_function("qsvt_n_8_degree_15", |b| {
        b.iter(|| {
            let instance = Instance::new(black_box(h.as_ref()), &g, &options).ok()?;
            let p = BestRelative::for_error(instance.kappa_eff(), 1e-2);
            let scale = 0.5 / p.largest();
            let run = inversion(&instance, &odd_series(p.degree(), scale, |x| p.value(x)), 0, &options).ok()?;
            Some(run.probability)
        });
    });
}

fn state_vector(c: &mut Criterion) {
    let qubits = 20;
    let Ok(mut state) = StateVector::new(qubits, 1 << 30) else { return };
    let mut group = c.benchmark_group("state_vector_20");
    group.bench_function("200_gates", |b| {
        b.iter(|| {
            for gate in 0..200 {
                state.gate(gate % qubits, HADAMARD);
            }
            state.re[0]
        });
    });
    let source = vec![1.0_f64; 2 << qubits];
    let mut copy = vec![0.0_f64; 2 << qubits];
    group.bench_function("200_copies", |b| {
        b.iter(|| {
            for _ in 0..200 {
                copy.copy_from_slice(black_box(&source));
                black_box(&mut copy);
            }
            copy[0]
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    targets = phase_factors, walk_step, small_solve, state_vector
}
criterion_main!(benches);
