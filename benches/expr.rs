//! The formula language: evaluation at one point and at a million, reading and differentiating, enclosures.
//!
//! `cargo bench --bench expr` measures with criterion; with `-- --serve` it times one task after the other on demand, for
//! `benches/peers/symbolic.py`, which alternates with the peers on the same formulas.

use breakeven::catalog::{Bound, Catalog, Point, load};
use breakeven::crossover::{Cheapest, Coupling, Curve, Search, search};
use breakeven::expr::{Compiled, Expr, Interval, Values, parse};
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

/// Processor seconds of this thread so far, where the system tells (Linux); else the clock's.
fn spent(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|s| s.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |x| x * 1e-9)
}

/// Processor seconds of one call.
fn timed(mut work: impl FnMut(), calls: u32) -> f64 {
    let clock = Instant::now();
    let start = spent(clock);
    for _ in 0..calls {
        work();
    }
    (spent(clock) - start) / f64::from(calls)
}

/// The formula of every quantity of the catalogue with its definitions, as one text; slowest to derive first.
fn catalogue() -> Vec<(String, String)> {
    let catalog = load(None).expect("the catalogue");
    let mut all: Vec<(f64, String, String)> = Vec::new();
    for model in &catalog.models {
        for quantity in model.quantities.iter().filter(|q| q.bound != Bound::Run) {
            let lets = model.source.definitions.iter().map(|d| (&d.id, &d.expression));
            let earlier = model.quantities.iter().take_while(|q| q.name() != quantity.name()).map(|q| (&q.id, &q.text));
            let text: String = lets.chain(earlier).map(|(id, e)| format!("let {id} = {e} in\n")).collect();
            let text = text + &quantity.text;
            // By the clock: the processor's time comes in ticks longer than this.
            let once = |_| {
                let start = Instant::now();
                drop(black_box(derive(&text)));
                start.elapsed().as_secs_f64()
            };
            let seconds = (0..8).map(once).fold(f64::INFINITY, f64::min);
            all.push((seconds, format!("{}.{}", model.id(), quantity.name()), text));
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().map(|(_, name, text)| (name, text)).collect()
}

const AT: [(&str, f64); 6] =
    [("n", 3e3), ("d", 50.0), ("kappa", 300.0), ("eps", 1e-3), ("gate_time", 2e-8), ("flops_per_second", 1e12)];

/// The certified search that `breakeven crossover` runs, from the model and the numbers on.
fn crossing(catalog: &Catalog, [q, c]: [&str; 2], variable: &str, [low, high]: [f64; 2]) -> Search {
    let curve = |id: &str| {
        let model = catalog.model(id).expect("a model");
        let seconds = model.quantity("seconds").expect("a time");
        Cheapest(vec![Curve::new(model, seconds, &Point::of(AT), variable, &Coupling::new())])
    };
    search(&curve(q), &curve(c), low, high)
}

/// Answers `TASK CALLS` on stdin with the seconds of one call, for the script that alternates with the peers.
fn serve() {
    let formulas = [Q_NEWTON, DALZELL, JENNINGS].map(formula);
    let compiled = Compiled::new(&formulas, &VARIABLES).unwrap();
    let jennings = Compiled::new(&formulas[2..], &VARIABLES).unwrap();
    let simple = Compiled::new(&formulas[..1], &VARIABLES).unwrap();
    let data = columns();
    let views: Vec<&[f64]> = data.iter().map(Vec::as_slice).collect();
    let mut evaluator = jennings.evaluator();
    let mut simple_evaluator = simple.evaluator();
    let mut values = Values::default();
    let catalog = load(None).expect("the catalogue");
    let (largest_name, largest) = catalogue().swap_remove(0);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let mut words = line.split_whitespace();
        let task = words.next().unwrap_or_default();
        let calls = words.next().and_then(|n| n.parse().ok()).unwrap_or(1);
        let crossing =
            |pair, variable, range| timed(|| drop(black_box(crossing(&catalog, pair, variable, range))), calls);
        let answer = match task {
            "one_jennings" => timed(|| drop(black_box(evaluator.eval(black_box(&POINT)).map(<[f64]>::len))), calls),
            "one_q_newton" => {
                timed(|| drop(black_box(simple_evaluator.eval(black_box(&POINT)).map(<[f64]>::len))), calls)
            }
            "three_by_million" => timed(|| drop(black_box(compiled.eval_many(black_box(&views)))), calls),
            "three_by_million_reused" => {
                timed(|| drop(black_box(compiled.eval_many_into(black_box(&views), black_box(&mut values)))), calls)
            }
            "derive_jennings" => timed(|| drop(black_box(derive(black_box(JENNINGS)))), calls),
            "derive_largest" => timed(|| drop(black_box(derive(black_box(&largest)))), calls),
            "crossover_n" => crossing(["dalzell2024", "ldlt"], "n", [10.0, 1e12]),
            "crossover_log" => crossing(["q-newton", "inverse"], "n", [50.0, 1e12]),
            "crossover_ceil" => crossing(["costa2026", "cg"], "kappa", [1.0, 1e12]),
            "load" => {
                let text = include_str!("../models/solvers/costa2026.json");
                if !folder.path().join("m0.json").exists() {
                    for i in 0..10_000 {
                        let text = text.replacen("\"costa2026\"", &format!("\"m{i}\""), 1);
                        std::fs::write(folder.path().join(format!("m{i}.json")), text).expect("writable");
                    }
                }
                timed(|| assert!(load(Some(folder.path())).is_ok_and(|c| c.models.len() > 10_000)), calls)
            }
            "value" => jennings.eval_one(&POINT).unwrap()[0],
            "root_n" | "root_log" => {
                let (pair, low) =
                    if task == "root_n" { (["dalzell2024", "ldlt"], 10.0) } else { (["q-newton", "inverse"], 50.0) };
                let found = self::crossing(&catalog, pair, "n", [low, 1e12]);
                assert!(found.complete && found.crossings.len() == 1, "{found:?}");
                found.crossings[0].at
            }
            "largest" => {
                println!("{largest_name}");
                continue;
            }
            _ => return,
        };
        println!("{answer:e}");
    }
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
    let (name, largest) = catalogue().swap_remove(0);
    criterion.bench_function(&format!("expr/parse, simplify, differentiate the largest, {name}"), |b| {
        b.iter(|| black_box(derive(black_box(&largest))));
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
    if std::env::args().any(|argument| argument == "--serve") {
        serve();
    } else {
        let mut criterion = Criterion::default().configure_from_args();
        criterion_benches(&mut criterion);
        criterion.final_summary();
    }
}
