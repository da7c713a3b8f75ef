//! The catalogue: loading 10,000 models, pricing a point, certified crossovers, verdict of a case.
//!
//! `cargo bench --bench catalog`

use breakeven::catalog::{Point, load};
use breakeven::crossover::{Cheapest, Coupling, Curve, search};
use criterion::Criterion;
use std::hint::black_box;

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    criterion.bench_function("load the built-in catalogue", |b| b.iter(|| load(None)));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = include_str!("../models/solvers/costa2026.json");
    for i in 0..10_000 {
        let text = text.replacen("\"costa2026\"", &format!("\"m{i}\""), 1);
        std::fs::write(folder.path().join(format!("m{i}.json")), text).expect("writable");
    }
    criterion.bench_function("load 10,000 models, linted", |b| b.iter(|| load(Some(folder.path()))));
    let catalog = load(None).expect("the catalogue");
    let at =
        [("n", 3e3), ("d", 50.0), ("kappa", 300.0), ("eps", 1e-3), ("gate_time", 2e-8), ("flops_per_second", 1e12)];
    for (q, c, variable, low, high) in [
        ("dalzell2024", "ldlt", "n", 10.0, 1e12),
        ("dalzell2024", "ldlt", "kappa", 1.0, 1e12),
        ("dalzell2024-known-norm", "ldlt", "kappa", 1.0, 1e12),
        ("costa2026", "cg", "kappa", 1.0, 1e12),
        ("q-newton", "inverse", "gate_time", 1e-20, 1.0),
        ("jennings2023", "minres", "eps", 1e-12, 0.24),
        ("qsvt", "ldlt", "eps", 1e-6, 0.5),
        ("costa2023-measured", "ldlt", "kappa", 2.0, 1e12),
    ] {
        let curve = |id: &str| {
            let model = catalog.model(id).expect("a model");
            let seconds = model.quantity("seconds").expect("a time");
            Cheapest(vec![Curve::new(model, seconds, &Point::of(at), variable, &Coupling::new())])
        };
        let (first, second) = (curve(q), curve(c));
        criterion.bench_function(&format!("crossover {q} {c} in {variable}"), |b| {
            b.iter(|| search(black_box(&first), black_box(&second), low, high))
        });
    }
    let model = catalog.model("dalzell2024").expect("a model");
    let queries = model.quantity("queries").expect("queries");
    let point = Point::of(at);
    criterion
        .bench_function("price one quantity, domain checked", |b| b.iter(|| model.price(queries, black_box(&point))));
    criterion.final_summary();
}
