//! Unit tests of crossovers and verdicts.

use super::*;
use crate::catalog::{Catalog, Point};

fn catalog() -> Catalog {
    crate::catalog::load(None).unwrap_or_else(|e| panic!("{e}"))
}

fn curve(catalog: &Catalog, model: &str, variable: &str, at: &[(&str, f64)]) -> Curve {
    let model = catalog.model(model).unwrap();
    let point = Point::of(at.iter().copied());
    Curve::new(model, model.quantity("seconds").unwrap(), &point, variable, &Coupling::new())
}

#[test]
fn smooth_crossing_in_n_matches_the_closed_form() {
    let catalog = catalog();
    let at = [("d", 8.0), ("kappa", 100.0), ("eps", 1e-3), ("gate_time", 1e-6), ("flops_per_second", 1e12)];
    let q = curve(&catalog, "design-card", "n", &at);
    let c = curve(&catalog, "inverse", "n", &at);
    let t = std::time::Instant::now();
    let found = search(&Cheapest(vec![q.clone()]), &Cheapest(vec![c.clone()]), 10.0, 1e9);
    eprintln!("{found:?} {:?}", t.elapsed());
    // 800 ln(1000 n) 1e-6 = 2 n^3/1e12.
    assert_eq!(found.crossings.len(), 1);
    let n = found.crossings[0].at;
    let f = 800.0 * (1000.0 * n).ln() * 1e-6 - 2e-12 * n.powi(3);
    assert!(f.abs() < 1e-12, "{n} {f}");
    for (a, b, var, lo, hi) in [
        ("dalzell2024-known-norm", "ldlt", "n", 10.0, 1e9),
        ("dalzell2024", "ldlt", "kappa", 1.0, 1e12),
        ("costa2026", "cg", "kappa", 1.0, 1e12),
        ("jennings2023", "minres", "kappa", 1.0, 1e12),
        ("qsvt", "ldlt", "eps", 1e-12, 1.0),
        ("hhl", "ldlt", "n", 10.0, 1e12),
        ("hhl", "ldlt", "kappa", 1.0, 1e8),
        ("cks-chebyshev", "ldlt", "kappa", 1.0, 1e8),
        ("cks-fourier", "ldlt", "kappa", 1.0, 1e8),
        ("costa2023-measured", "ldlt", "kappa", 1.0, 1e8),
        ("q-newton", "inverse", "gate_time", 1e-20, 1.0),
    ] {
        let at = [("d", 8.0), ("kappa", 100.0), ("eps", 1e-3), ("gate_time", 1e-6), ("flops_per_second", 1e12), ("n", 1e4)];
        let q = curve(&catalog, a, var, &at);
        let c = curve(&catalog, b, var, &at);
        let t = std::time::Instant::now();
        let found = search(&Cheapest(vec![q.clone()]), &Cheapest(vec![c.clone()]), lo, hi);
        eprintln!("{a} {b} {var} {:?} out {:?} open {:?} {} {} {:?}", found.crossings, found.outside, found.open, found.complete, found.evaluations, t.elapsed());
    }
}
