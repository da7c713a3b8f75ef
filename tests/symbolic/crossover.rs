//! Published break-even points through the certified search, verdict classes, surfaces, distributions.

use super::catalog::{catalog, user_folder};
use breakeven::catalog::{Catalog, Point, Spread, load};
use breakeven::cost::{Scenario, draw};
use breakeven::crossover::{Cheapest, Cost, Coupling, Curve, Search, Side, Uncertain, Uncertainty, search, surface};
use rand::{RngExt, SeedableRng};

fn curve(catalog: &Catalog, model: &str, variable: &str, at: &[(&str, f64)]) -> Cheapest {
    let model = catalog.model(model).unwrap_or_else(|e| panic!("{e}"));
    let seconds = model.quantity("seconds").unwrap();
    Cheapest(vec![Curve::new(model, seconds, &Point::of(at.iter().copied()), variable, &Coupling::new())])
}

fn crossings(catalog: &Catalog, pair: [&str; 2], variable: &str, range: [f64; 2], at: &[(&str, f64)]) -> Search {
    let [q, c] = pair.map(|model| curve(catalog, model, variable, at));
    search(&q, &c, range[0], range[1])
}

fn only(found: &Search) -> f64 {
    assert!(found.complete, "{found:?}");
    assert_eq!(found.crossings.len(), 1, "{found:?}");
    found.crossings[0].at
}

/// One change of side, or the teeth of a `ceil` around it, inside a range.
fn around(found: &Search, low: f64, high: f64) {
    let (Some(first), Some(last)) = (found.crossings.first(), found.crossings.last()) else { panic!("{found:?}") };
    assert_eq!((first.below, last.above), (Side::First, Side::Second), "{found:?}");
    assert!(low < first.low && last.high < high, "{found:?}");
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs(), "{a} instead of {b}");
}

/// Hoefler, Häner, Troyer 2023, Table 2: largest number of operations per call for a speed-up within 10⁶ s.
#[test]
fn hoefler_nine_cells() {
    let catalog = load(Some(&user_folder())).unwrap_or_else(|e| panic!("{e}"));
    // Rates of the ASIC and of the quantum computer, derived as in its methods: units of transistors over 0.7 ns.
    let asic = |gates: f64| (54.2e9 / (gates * 10.0 * 2.0)).floor() / 0.7e-9;
    let rows: [(f64, f64, [f64; 3]); 3] = [
        (asic(7e3), 10_500.0, [0.2, 45_800.0, 2.8e6]),
        (asic(18e3), 17.0 / 2048.0 * 1e5, [0.003, 1_630.0, 130_000.0]),
        (asic(50.0), 2.3e6, [68.0, 12.5e6, 712e6]),
    ];
    for (classical, quantum, published) in rows {
        for (power, expected) in [2.0, 3.0, 4.0].into_iter().zip(published) {
            let at = [("ops", 1.0), ("rate", quantum), ("classical_rate", classical), ("power", power)];
            let n = only(&crossings(&catalog, ["calls-quantum", "calls-classical"], "n", [1e-3, 1e15], &at));
            close(n, (classical / quantum).powf(1.0 / (power - 1.0)), 1e-12);
            // Within the digits that are printed.
            let most = 1e6 * quantum / n;
            assert!((most / expected - 1.0).abs() < 0.07, "{most} instead of {expected}");
        }
    }
}

/// Babbush et al. 2021: quadratic speed-up at 5.2e5 calls and 2.4 hours; 100 days with 1,000 classical cores.
#[test]
fn babbush_quadratic_speed_up() {
    let catalog = load(Some(&user_folder())).unwrap_or_else(|e| panic!("{e}"));
    let at = |parallel, power| {
        [("ops", 1.0), ("rate", 1.0 / 17e-3), ("classical_rate", 1.0 / 33e-9), ("power", power), ("parallel", parallel)]
    };
    let calls = |parallel, power| {
        only(&crossings(&catalog, ["calls-quantum", "calls-classical"], "n", [1.0, 1e15], &at(parallel, power)))
    };
    close(calls(1.0, 2.0), 5.2e5, 0.01);
    close(calls(1.0, 2.0) * 17e-3 / 3600.0, 2.4, 0.02);
    close(calls(1e3, 2.0) * 17e-3 / 86400.0, 101.36, 1e-3);
    close(calls(1.0, 3.0), 717.74, 1e-4);
    close(calls(1.0, 4.0), 80.1638, 1e-5);
    // Seconds of the cubic and the quartic case.
    close(calls(1.0, 3.0) * 17e-3, 12.2016, 1e-5);
    close(calls(1.0, 4.0) * 17e-3, 1.36278, 1e-5);
    // Simulated annealing: the published 6.3e7 calls and 320 days fix both times; 1,000 cores then give 880 years.
    let (quantum, classical) = (320.0 * 86400.0 / 6.3e7, 320.0 * 86400.0 / 6.3e7 / 6.3e7);
    close(quantum, 0.43886, 1e-4);
    close(classical, 6.966e-9, 1e-4);
    let annealing = |parallel: f64| {
        let at = [
            ("ops", 1.0),
            ("rate", 1.0 / quantum),
            ("classical_rate", 1.0 / classical),
            ("power", 2.0),
            ("parallel", parallel),
        ];
        only(&crossings(&catalog, ["calls-quantum", "calls-classical"], "n", [1.0, 1e15], &at))
    };
    close(annealing(1.0), 6.3e7, 1e-12);
    close(annealing(1e3) * quantum / (365.25 * 86400.0), 876.0, 1e-3);
}

/// The calculator of arXiv:2310.15505: a machine slower by 12 ns · 5 GHz · 100 = 6,000.
#[test]
fn calculator_of_the_slowdown_factor() {
    let catalog = load(Some(&user_folder())).unwrap_or_else(|e| panic!("{e}"));
    let slowdown: f64 = 12.0 * 5.0 * 100.0;
    close(slowdown.log10(), 3.78, 1e-3);
    let size = |power: f64| {
        let at = [("ops", 1.0), ("rate", 1.0), ("classical_rate", slowdown), ("power", power)];
        only(&crossings(&catalog, ["calls-quantum", "calls-classical"], "n", [1.0, 1e12], &at))
    };
    // n^3 against n, and n^3 against n^2.373. Grover, n against sqrt(n), is n^2 against n in sqrt(n).
    close(size(3.0), 77.46, 1e-4);
    close(size(2.0).powi(2), 3.6e7, 1e-12);
    close(size(1.0 + 0.627), 1.06e6, 5e-3);
}

/// Jennings v1 beats the analytic constant of Costa et al. up to κ of about 10³² (published).
#[test]
fn jennings_against_the_analytic_constant() {
    let catalog = load(Some(&user_folder())).unwrap_or_else(|e| panic!("{e}"));
    let at = [("eps", 1e-10), ("gate_time", 1.0), ("flops_per_second", 1.0)];
    for rival in ["costa-2305-single", "costa-2305-squared"] {
        let kappa = only(&crossings(&catalog, ["jennings2023", rival], "kappa", [1e10, 1e50], &at));
        assert!((29.0..42.0).contains(&kappa.log10()), "{rival}: {kappa}");
    }
}

/// Crossovers between quantum models noted beside the table: alg. 3 below Eq. (48) up to about 8e4, Eq. (19) to 5e3.
#[test]
fn quantum_models_cross_where_published() {
    let catalog = catalog();
    let at = [("eps", 1e-2), ("gate_time", 1.0)];
    around(&crossings(&catalog, ["dalzell2024-alg3", "dalzell2024"], "kappa", [10.0, 1e7], &at), 7e4, 9e4);
    around(&crossings(&catalog, ["costa2026", "dalzell2024"], "kappa", [10.0, 1e6], &at), 4e3, 6e3);
    around(&crossings(&catalog, ["jennings2023", "jennings2025"], "kappa", [200.0, 1e7], &at), 7e3, 1.2e4);
}

/// Break-even gate time of the paper's form: 15 ps at N = κ = d = 10⁴ on 19.5 Tflop/s, against an LU solve.
#[test]
fn the_papers_break_even_gate_time() {
    let catalog = catalog();
    let lu = 2.0 / 3.0 * 1e12 / 19.5e12;
    let at = [("d", 1e4), ("kappa", 1e4), ("n", 1e4), ("eps", 1e-2), ("flops_per_second", 19.5e12)];
    let t = only(&crossings(&catalog, ["q-newton", "lu"], "gate_time", [1e-20, 1.0], &at));
    // The catalogue's LU has its lower orders and the solves: 2.5e-4 more.
    close(t, 1.4848e-11, 5e-4);
    close(lu, 0.0341880, 1e-5);
}

#[test]
fn crossings_in_every_variable_hold_on_both_sides() {
    let catalog = catalog();
    let at = [
        ("n", 3e3),
        ("d", 50.0),
        ("kappa", 300.0),
        ("eps", 1e-3),
        ("alpha", 2.0),
        ("gate_time", 2e-8),
        ("flops_per_second", 1e12),
        ("nnz", 1e5),
        ("rank", 64.0),
        ("hvp_flops", 1e8),
    ];
    let ranges =
        [("gate_time", 1e-15, 1.0), ("n", 10.0, 1e9), ("kappa", 4.0, 1e6), ("eps", 1e-9, 0.2), ("alpha", 1.0, 1e3)];
    let mut seen = 0;
    for q in [
        "dalzell2024",
        "costa2026",
        "qsvt",
        "jennings2023",
        "dalzell2024-known-norm",
        "costa2023-consistent",
        "cks-chebyshev",
    ] {
        for c in ["inverse", "ldlt", "cg", "minres", "woodbury", "cg-hvp"] {
            for (variable, low, high) in ranges {
                let (first, second) = (curve(&catalog, q, variable, &at), curve(&catalog, c, variable, &at));
                let found = search(&first, &second, low, high);
                for x in &found.crossings {
                    let (a, b) = (x.low * (1.0 - 1e-12), x.high * (1.0 + 1e-12));
                    let below = first.value(a).zip(second.value(a)).map(|(p, q)| p < q);
                    let above = first.value(b).zip(second.value(b)).map(|(p, q)| p < q);
                    assert_eq!(below, Some(x.below == Side::First), "{q} {c} {variable} {x:?}");
                    assert_eq!(above, Some(x.above == Side::First), "{q} {c} {variable} {x:?}");
                    seen += 1;
                }
                // A dense scan finds no change of side outside the enclosures.
                let mut last: Option<(f64, bool)> = None;
                for k in 0..=400 {
                    let x = low * (high / low).powf(f64::from(k) / 400.0);
                    let now = first.value(x).zip(second.value(x)).filter(|(p, q)| p != q).map(|(p, q)| p < q);
                    if let (Some((before, old)), Some(new)) = (last, now)
                        && old != new
                    {
                        let inside = |c: &breakeven::crossover::Crossing| c.high >= before && c.low <= x;
                        let gap = found.outside.iter().chain(&found.open).any(|o| o[1] >= before && o[0] <= x);
                        assert!(
                            gap || found.crossings.iter().any(inside),
                            "{q} {c} {variable}: missed in [{before}, {x}]"
                        );
                    }
                    last = now.map(|side| (x, side)).or(last);
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} crossings");
}

#[test]
fn a_surface_has_its_line_where_the_costs_are_equal() {
    let catalog = catalog();
    let point = Point::of([("eps", 1e-3), ("gate_time", 1e-6), ("flops_per_second", 1e13)]);
    let cost = |id: &str| {
        let model = catalog.model(id).unwrap();
        Cost { model, quantity: model.quantity("seconds").unwrap(), point: &point }
    };
    let s = surface(cost("dalzell2024"), cost("ldlt"), ["kappa", "n"], [2.0, 1e6], [10.0, 1e8], 24);
    assert!(s.line.len() > 10);
    let seconds = |id: &str, kappa: f64, n: f64| {
        let c = cost(id);
        let at = point.clone().with("kappa", Spread::exact(kappa)).with("n", Spread::exact(n));
        c.model.price(c.quantity, &at).value.unwrap()
    };
    for [x, y] in s.line.iter().flatten() {
        close(seconds("dalzell2024", *x, *y), seconds("ldlt", *x, *y), 1e-9);
    }
    for (y, row) in s.ys.iter().zip(&s.z) {
        for (x, z) in s.xs.iter().zip(row) {
            let expected = (seconds("ldlt", *x, *y) / seconds("dalzell2024", *x, *y)).log10();
            assert!((z.unwrap() - expected).abs() < 1e-9);
        }
    }
}

#[test]
fn drawn_quantities_have_the_stated_quantiles() {
    let point = Point::of([("n", 10.0)]).with("kappa", Spread::new(100.0, 50.0, 400.0));
    let drawn = draw(&point, 4000, 7).unwrap();
    let mut kappa: Vec<f64> = drawn.iter().map(|p| p.get("kappa").unwrap().value).collect();
    kappa.sort_by(f64::total_cmp);
    let at = |q: f64| kappa[(q * 3999.0) as usize];
    close(at(0.5), 100.0, 0.05);
    close(at(0.025), 50.0, 0.1);
    close(at(0.975), 400.0, 0.15);
    assert!(drawn.iter().all(|p| p.get("n").unwrap().value == 10.0));
    assert_eq!(drawn, draw(&point, 4000, 7).unwrap());
    assert_ne!(drawn, draw(&point, 4000, 8).unwrap());
    assert!(Scenario::from_id("paper").is_ok() && Scenario::from_id("end-to-end").is_err());
}

fn uncertain(catalog: &Catalog, pair: [&str; 2], variable: &str, range: [f64; 2], point: &Point) -> Uncertainty {
    let none = Coupling::new();
    let along = |id: &str, p: &Point| {
        let model = catalog.model(id).unwrap();
        Curve::new(model, model.quantity("seconds").unwrap(), p, variable, &none)
    };
    let [first, second] = pair;
    let (first, second) = (|p: &Point| along(first, p), |p: &Point| along(second, p));
    let found = search(&Cheapest(vec![first(point)]), &Cheapest(vec![second(point)]), range[0], range[1]);
    assert_eq!(found.crossings.len(), 1, "{found:?}");
    let pair = Uncertain { first: &first, second: &second, point, range };
    pair.spread(&found.crossings, 4000, 3).unwrap().remove(0)
}

/// One uncertain rate: the break-even gate time is its inverse, so log-normal itself, with quantiles in closed form.
#[test]
fn a_band_of_break_even_points_in_closed_form() {
    let point = Point::of([("n", 1e3), ("d", 10.0), ("kappa", 100.0), ("eps", 1e-3)])
        .with("flops_per_second", Spread::new(1e12, 0.5e12, 2e12));
    let found = uncertain(&catalog(), ["q-newton", "inverse"], "gate_time", [1e-12, 1.0], &point);
    let middle = 2e9 / 1e12 / (1000.0 * 1e8f64.ln());
    let [low, high] = found.ends.unwrap();
    close(low, middle / 2.0, 1e-12);
    close(high, middle * 2.0, 1e-12);
    let band = found.sampled.unwrap();
    let sigma = 2f64.ln() / 1.959_963_984_540_054;
    close(band.median, middle, 0.03);
    close(band.low, middle * (-1.644_853_626_951_472 * sigma).exp(), 0.05);
    close(band.high, middle * (1.644_853_626_951_472 * sigma).exp(), 0.05);
    assert_eq!((band.samples, band.drawn), (4000, 4000));
}

/// Two uncertain variables on a model with a logarithm, against a Monte Carlo of the test's own.
#[test]
fn a_band_of_break_even_points_by_monte_carlo() {
    let [kappa, eps] = [[300.0, 100.0, 1200.0], [1e-3, 1e-4, 5e-3]];
    let point = Point::of([("gate_time", 1e-6), ("flops_per_second", 1e13)])
        .with("kappa", Spread::new(kappa[0], kappa[1], kappa[2]))
        .with("eps", Spread::new(eps[0], eps[1], eps[2]));
    let found = uncertain(&catalog(), ["costa2026", "ldlt"], "n", [10.0, 1e9], &point);
    let size = |k: f64, e: f64| {
        let seconds = (k * (6.0 * k.ln() + 6.0 + 1.07 * (1.0 / e).ln()) + 6.0 + 3.0 * k.ln()) * 1e-6;
        let (mut low, mut high) = (1.0, 1e9);
        for _ in 0..100 {
            let n: f64 = 0.5 * (low + high);
            if (n.powi(3) / 3.0 + 2.0 * n * n) / 1e13 < seconds { low = n } else { high = n }
        }
        low
    };
    let [low, high] = found.ends.unwrap();
    close(low, size(kappa[1], eps[2]), 1e-9);
    close(high, size(kappa[2], eps[1]), 1e-9);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(99);
    let mut normal = || {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let mut draw = |[value, low, high]: [f64; 3]| {
        let z = normal() / 1.959_963_984_540_054;
        value * if z > 0.0 { (high / value).powf(z) } else { (low / value).powf(-z) }
    };
    let mut sizes: Vec<f64> = (0..20_000).map(|_| size(draw(kappa), draw(eps))).collect();
    sizes.sort_by(f64::total_cmp);
    let band = found.sampled.unwrap();
    for (found, share) in [(band.low, 0.05), (band.median, 0.5), (band.high, 0.95)] {
        close(found, sizes[(share * 19_999.0) as usize], 0.04);
    }
}
