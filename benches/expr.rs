//! The formula language: evaluation at one point and at a million, reading and differentiating, enclosures.
//!
//! `cargo bench --bench expr` measures with criterion; `cargo bench --bench expr -- --peer` prints best times as JSON
//! for `benches/peers/symbolic.py`, which runs the peers on the same formulas.

use breakeven::expr::{Compiled, Expr, Interval, parse};
use criterion::Criterion;
use std::hint::black_box;
use std::time::Instant;

/// d κ ln(N κ / ε), the Q-Newton count.
const Q_NEWTON: &str = "d*kappa*ln(n*kappa/eps)";
/// arXiv:2406.12086v2, Eq. 48.
const DALZELL: &str = "56.0*kappa + 1.05*kappa*ln(sqrt(1 - eps^2)/eps) + 2.78*ln(kappa)^3 + 3.17";
/// arXiv:2305.11352v1, Theorem 1, expected calls.
const JENNINGS: &str = "let L = ln(2*kappa + 3) in
    ((1741*alpha*e/500) * sqrt(kappa^2 + 1) * ((133/125 + 4/(25*kappa^(1/3))) * pi * L + 1)
    + (351/50) * L^2 * (ln(451*L^2/eps) + 1) + alpha*kappa*ln(32/eps)) / (0.39 - 0.204*eps)";
/// The largest model: arXiv:2503.21420, Lemma 17 (QSVT with its amplitude amplification of Lemma 13).
const LARGEST: &str = "let y = d*kappa in
    let e1 = eps/(4*kappa) in
    let b = ceil(y^2*ln(y/e1)) in
    let j0 = ceil(sqrt(b*ln(4*b/e1))) in
    let rect = min(e1, y/(2*j0)) in
    let x = 2*y^2 in
    let de = sqrt(pi)*rect*y/16 in
    let nexp = ceil(sqrt(2*ln(4/de)*ceil(max(x*e^2, ln(2/de))))) in
    let ei = d/(2*kappa)*e1 in
    let bi = ceil(y^2*ln(y/ei)) in
    let ji = ceil(sqrt(bi*ln(4*bi/ei))) in
    let p = x_norm^2/(4*kappa^2) in
    let p0 = ((1 - eps/2)/(2*kappa))^2 in
    let theta = asin(sqrt(p)) in
    let cap = 1/sqrt(p0) in
    let last = max(ceil(ln(cap)/ln(6/5)), 1) in
    let m = floor(cap) in
    let ratio = 1/2 + sin(4*(m + 1)*theta)/(4*(m + 1)*sin(2*theta)) in
    let qaa = sum(k, 1, last, floor(min((6/5)^k, cap))*prod(l, 1, k - 1,
        1/2 + sin(4*(floor(min((6/5)^l, cap)) + 1)*theta)/(4*(floor(min((6/5)^l, cap)) + 1)*sin(2*theta))))
        + m*prod(l, 1, last, 1/2 + sin(4*(floor(min((6/5)^l, cap)) + 1)*theta)
        /(4*(floor(min((6/5)^l, cap)) + 1)*sin(2*theta)))/(1 - ratio) in
    qaa*(4*(2*nexp + 1) + 4*(2*ji + 1))";

const VARIABLES: [&str; 5] = ["n", "d", "kappa", "eps", "alpha"];
const POINT: [f64; 5] = [1e4, 8.0, 1e4, 1e-3, 10.0];
const ROWS: usize = 1_000_000;

fn formula(source: &str) -> Expr {
    parse(source).unwrap_or_else(|e| panic!("{}", e.render(source, "bench")))
}

/// Log-uniform columns from a small multiplicative generator; the peer makes its own of the same ranges.
fn columns() -> Vec<Vec<f64>> {
    let ranges = [(2.0, 6.0), (0.0, 3.0), (1.0, 6.0), (-10.0, -1.0), (0.0, 2.0)];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    ranges
        .iter()
        .map(|(low, high)| {
            (0..ROWS)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let u = (state >> 11) as f64 / (1_u64 << 53) as f64;
                    10_f64.powf(low + (high - low) * u)
                })
                .collect()
        })
        .collect()
}

fn derive(source: &str) -> (Expr, Expr) {
    let expression = formula(source);
    (expression.simplify(), expression.differentiate("kappa"))
}

/// Best seconds of one call over several batches.
fn best(mut work: impl FnMut(), calls: usize, batches: usize) -> f64 {
    (0..batches)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                work();
            }
            start.elapsed().as_secs_f64() / calls as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn peer() {
    let formulas = [Q_NEWTON, DALZELL, JENNINGS].map(formula);
    let compiled = Compiled::new(&formulas, &VARIABLES).unwrap();
    let jennings = Compiled::new(&formulas[2..], &VARIABLES).unwrap();
    let simple = Compiled::new(&formulas[..1], &VARIABLES).unwrap();
    let data = columns();
    let views: Vec<&[f64]> = data.iter().map(Vec::as_slice).collect();
    let mut evaluator = jennings.evaluator();
    let mut simple_evaluator = simple.evaluator();
    let one = best(|| drop(black_box(evaluator.eval(black_box(&POINT)).map(<[f64]>::len))), 10_000, 20);
    let one_simple = best(|| drop(black_box(simple_evaluator.eval(black_box(&POINT)).map(<[f64]>::len))), 10_000, 20);
    let many = best(|| drop(black_box(compiled.eval_many(black_box(&views)))), 1, 15);
    let largest = best(|| drop(black_box(derive(black_box(LARGEST)))), 20, 10);
    let medium = best(|| drop(black_box(derive(black_box(JENNINGS)))), 50, 10);
    println!(
        "{{\"one_jennings_s\": {one:e}, \"one_q_newton_s\": {one_simple:e}, \"three_by_million_s\": {many:e}, \
         \"derive_largest_s\": {largest:e}, \"derive_jennings_s\": {medium:e}, \"jennings_value\": {}}}",
        jennings.eval_one(&POINT).unwrap()[0]
    );
}

fn criterion_benches(criterion: &mut Criterion) {
    let formulas = [Q_NEWTON, DALZELL, JENNINGS].map(formula);
    let compiled = Compiled::new(&formulas, &VARIABLES).unwrap();
    let jennings = Compiled::new(&formulas[2..], &VARIABLES).unwrap();
    let mut evaluator = jennings.evaluator();
    criterion.bench_function("expr/one point, jennings2023", |b| {
        b.iter(|| black_box(evaluator.eval(black_box(&POINT)).map(<[f64]>::len)));
    });
    let env = |name: &str| VARIABLES.iter().position(|v| *v == name).map(|i| POINT[i]);
    criterion.bench_function("expr/one point, uncompiled", |b| b.iter(|| black_box(formulas[2].evaluate(&env))));
    let range = |name: &str| env(name).and_then(|x| Interval::new(x, 1.1 * x));
    criterion.bench_function("expr/interval and slope, jennings2023", |b| {
        b.iter(|| black_box(formulas[2].evaluate_slope(&range, "kappa")));
    });
    criterion.bench_function("expr/parse, simplify, differentiate the largest", |b| {
        b.iter(|| black_box(derive(black_box(LARGEST))));
    });
    let data = columns();
    let views: Vec<&[f64]> = data.iter().map(Vec::as_slice).collect();
    let mut group = criterion.benchmark_group("expr");
    group.sample_size(20);
    group.bench_function("three formulas at 1e6 points", |b| {
        b.iter(|| black_box(compiled.eval_many(black_box(&views))))
    });
    group.finish();
}

fn main() {
    if std::env::args().any(|argument| argument == "--peer") {
        peer();
    } else {
        let mut criterion = Criterion::default().configure_from_args();
        criterion_benches(&mut criterion);
        criterion.final_summary();
    }
}
