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

fn one(q: Curve, c: Curve, low: f64, high: f64) -> Search {
    search(&Cheapest(vec![q]), &Cheapest(vec![c]), low, high)
}

const AT: [(&str, f64); 6] =
    [("d", 8.0), ("kappa", 100.0), ("eps", 1e-3), ("gate_time", 1e-6), ("flops_per_second", 1e12), ("n", 1e4)];

#[test]
fn a_smooth_crossing_solves_its_equation() {
    let catalog = catalog();
    let found = one(curve(&catalog, "design-card", "n", &AT), curve(&catalog, "inverse", "n", &AT), 10.0, 1e9);
    assert_eq!(found.crossings.len(), 1);
    assert!(found.complete);
    let c = &found.crossings[0];
    // 8 * 100 * ln(1000 n) * 1e-6 = 2 n^3 / 1e12.
    let f = |n: f64| 800.0 * (1000.0 * n).ln() * 1e-6 - 2e-12 * n.powi(3);
    assert!(f(c.low) > 0.0 && f(c.high) < 0.0 && c.high / c.low - 1.0 < 1e-13);
    assert_eq!((c.below, c.above), (Side::Second, Side::First));
}

#[test]
fn gate_times_are_ratios() {
    let catalog = catalog();
    let found =
        one(curve(&catalog, "q-newton", "gate_time", &AT), curve(&catalog, "inverse", "gate_time", &AT), 1e-20, 1.0);
    let expected = 2.0 / (800.0 * 1e9f64.ln());
    assert!((found.crossings[0].at / expected - 1.0).abs() < 1e-13);
}

#[test]
fn every_tooth_of_a_ceil_is_found() {
    let catalog = catalog();
    let found = one(curve(&catalog, "costa2026", "kappa", &AT), curve(&catalog, "cg", "kappa", &AT), 1.0, 1e12);
    assert!(found.complete);
    assert_eq!(found.crossings.len(), 3, "the iterations of cg jump between two of them: {:?}", found.crossings);
    let q = |k: f64| (k * (6.0 * k.ln() + 6.0 + 1.07 * 1e3f64.ln()) + 6.0 + 3.0 * k.ln()) * 1e-6;
    let c = |k: f64| (k.sqrt() * 2e3f64.ln() / 2.0).ceil() * (2e8 + 1e5) / 1e12;
    for x in &found.crossings {
        assert!((q(x.low) < c(x.low)) != (q(x.high) < c(x.high)), "{x:?}");
    }
    // Dense scan: no other change of side.
    let mut changes = 0;
    let mut last = q(3.0) < c(3.0);
    for i in 1..=200_000 {
        let k = 3.0 * (1e6f64 / 3.0).powf(f64::from(i) / 2e5);
        let now = q(k) < c(k);
        changes += usize::from(now != last);
        last = now;
    }
    assert_eq!(changes, 3);
    // costa2026 holds for 3 <= kappa <= 1e6 only.
    assert_eq!(found.outside.len(), 2);
}

#[test]
fn none_is_a_proof() {
    let catalog = catalog();
    let found = one(curve(&catalog, "dalzell2024", "n", &AT), curve(&catalog, "ldlt", "n", &AT), 1e6, 1e12);
    assert!(found.complete && found.crossings.is_empty() && found.outside.is_empty());
}

#[test]
fn a_tie_is_one_crossing_with_two_ends() {
    let catalog = catalog();
    let same = |_: ()| curve(&catalog, "ldlt", "n", &AT);
    let found = one(same(()), same(()), 10.0, 1e6);
    assert_eq!(found.crossings.len(), 1);
    let c = &found.crossings[0];
    assert_eq!((c.low, c.high, c.below, c.above, c.certified), (10.0, 1e6, Side::Tie, Side::Tie, true));
}

#[test]
fn a_tie_between_two_jumps_has_sharp_ends() {
    // 138 queries of 2e-8 s and 12 iterations of 230,000 flops at 1e12/s are both 2.76e-6 s.
    let catalog = catalog();
    let at = [("eps", 1e-3), ("alpha", 2.0), ("n", 3e3), ("nnz", 1e5), ("gate_time", 2e-8), ("flops_per_second", 1e12)];
    let (q, c) = (curve(&catalog, "dalzell2024-known-norm", "kappa", &at), curve(&catalog, "cg", "kappa", &at));
    let found = one(q, c, 4.0, 1e6);
    assert!(found.complete, "{found:?}");
    let tie = found.crossings.iter().find(|c| c.high > c.low * (1.0 + 1e-9)).unwrap();
    // ceil(kappa ln(2 sqrt 2/eps)) is 69 between these two.
    let [low, high] = [68.0, 69.0].map(|k| k / (2.0 * 2f64.sqrt() / 1e-3).ln());
    assert!((tie.low / low - 1.0).abs() < 1e-13 && (tie.high / high - 1.0).abs() < 1e-13, "{tie:?}");
    assert_eq!((tie.below, tie.above, tie.certified), (Side::First, Side::Second, true));
}

#[test]
fn touching_teeth_are_one_enclosure() {
    let catalog = catalog();
    let at = [("kappa", 100.0), ("eps", 1e-3), ("gate_time", 1e-6), ("flops_per_second", 1e12), ("n", 1e4)];
    let found = one(curve(&catalog, "jennings2023", "kappa", &at), curve(&catalog, "minres", "kappa", &at), 4.0, 1e12);
    assert_eq!(found.crossings.len(), 1);
    let c = &found.crossings[0];
    assert!(c.certified && c.low < c.at && c.at < c.high && c.high / c.low < 1.01);
}

/// A small dense Hessian, roughly that of a 64-16-10 network.
pub(crate) fn sample() -> crate::measurement::Measurement {
    use crate::measurement::*;
    Measurement {
        id: "sgd_0020".into(),
        n: 1210,
        kappa: Measured::new(1300.0, 1299.0, 1301.0, "eigenvalues"),
        sigma_max: Measured::new(2.0, 2.0, 2.0, "eigenvalues"),
        rank: 1210,
        inertia_solved: Inertia { positive: 1200, negative: 10, zero: 0, tolerance: 1e-12 },
        row_sparsity: RowSparsity { value: 1210, ..Default::default() },
        nonzeros: 1210 * 1210,
        max_abs: 0.5,
        frobenius_norm: 6.0,
        subnormalization: Subnormalization { absolute: 6.0, relative: 3.0, encoding: "frobenius".into() },
        tolerance: Tolerance { value: 0.05, low: 0.02, high: 0.2, method: "loss".into(), loss_fraction: 0.01 },
        x_norm: Some(20.0),
        batch: Some(500),
        hvp_flops: Some(1210.0 * 500.0 * 12.0),
        classical_runs: vec![ClassicalRun { solver: "minres".into(), iterations: Some(60), ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn a_case_from_measurement_to_verdict() {
    use crate::cost::{check_scenarios, tabulate};
    let catalog = catalog();
    let m = sample();
    let scenarios = check_scenarios(&[]).unwrap();
    let machines = catalog.machines(&[]).unwrap();
    let rows = tabulate(&m, &catalog, &scenarios, &machines);
    for model in catalog.models.iter().filter(|m| m.family() != crate::catalog::Family::Encoding) {
        for scenario in ["paper", "oracle"] {
            let mine: Vec<_> = rows.iter().filter(|r| r.model == model.id() && r.scenario == scenario).collect();
            assert!(!mine.is_empty(), "{} {scenario}", model.id());
            for r in mine {
                assert!(r.value.is_some() || !r.domain.why.is_empty(), "{r:?}");
                if let (Some(l), Some(v), Some(h)) = (r.low, r.value, r.high) {
                    assert!(l <= v && v <= h, "{r:?}");
                }
            }
        }
    }
    let seconds = |model: &str, scenario: &str, hardware: &str, bound: &str| {
        let found = rows.iter().find(|r| {
            (r.model.as_str(), r.scenario.as_str(), r.hardware.as_deref(), r.bound.as_str())
                == (model, scenario, Some(hardware), bound)
                && r.quantity == "seconds"
        });
        found.unwrap().value.unwrap()
    };
    let q = seconds("q-newton", "paper", "qubit_gate_ns_e3", "leading-order");
    assert!((q / (1210.0 * 1300.0 * (1210.0f64 * 1300.0 / 0.05).ln() * 5e-8) - 1.0).abs() < 1e-13);
    let inverse = seconds("inverse", "paper", "a100", "exact");
    assert!((inverse / (2.0 * 1210.0f64.powi(3) / 6.79e12) - 1.0).abs() < 1e-13);
    let run = seconds("minres", "oracle", "a100", "run");
    assert!((run / (60.0 * (2.0 * 1210.0 * 1210.0 + 14.0 * 1210.0) / 3.3e11) - 1.0).abs() < 1e-13);
    let known = seconds("dalzell2024-known-norm", "oracle", "qubit_gate_ns_e3", "proven-upper");
    assert!((known / (2.0 * (3900.0 * (2.0 * 2f64.sqrt() / 0.05).ln() / 2.0).ceil() * 5e-8) - 1.0).abs() < 1e-13);

    let crossovers = find(&m, &catalog, &scenarios, &machines);
    let gate = crossovers
        .iter()
        .find(|c| c.quantum == "q-newton" && c.classical == "inverse" && c.variable == "gate_time")
        .unwrap();
    assert!((gate.at.unwrap() / (inverse / q * 5e-8) - 1.0).abs() < 1e-12);
    assert!(gate.certified && gate.low < gate.at && gate.at < gate.high);
    for c in &crossovers {
        assert!(c.certified, "{c:?}");
    }

    let verdicts = verdicts(&m, &catalog, &scenarios, &machines);
    assert_eq!(verdicts.len(), 6);
    let class = |i: usize| verdicts[i].class;
    use VerdictClass::{BreaksEven, Unfavourable};
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(class),
        [Unfavourable, Unfavourable, BreaksEven, Unfavourable, Unfavourable, BreaksEven]
    );
    assert_eq!(verdicts[0].against, "inverse");
    assert!(verdicts[0].reason.contains("inverse") && verdicts[0].reason.contains("cg-hvp (run)"));
    assert_eq!(verdicts[0].badge, "as published");
    let head = headline(&verdicts).unwrap();
    assert_eq!((head.scenario.as_str(), head.hardware_quantum.as_str()), ("oracle", "qubit_gate_ns_e3"));
    assert!(head.nearest_lever.starts_with("kappa") || head.nearest_lever.starts_with("gate_time"), "{head:?}");
    assert!(crossover_relevant(&crossovers, &machines, 10.0).relevant);
    let only: Vec<_> = machines.iter().copied().filter(|h| h.id == "qubit_gate_us_e3" || h.id == "a100").collect();
    let far = crossover_relevant(&crossovers, &only, 10.0);
    assert!(!far.relevant && far.why.contains("every machine loses"), "{far:?}");
}

#[test]
fn a_singular_matrix_has_rows_but_no_quantum_value() {
    let catalog = catalog();
    let mut m = sample();
    m.kappa = crate::measurement::Measured { value: None, low: Some(1e15), ..Default::default() };
    m.rank = 1200;
    m.inertia_solved.zero = 10;
    let scenarios = crate::cost::check_scenarios(&[]).unwrap();
    let machines = catalog.machines(&[]).unwrap();
    let rows = crate::cost::tabulate(&m, &catalog, &scenarios, &machines);
    let row = rows.iter().find(|r| r.model == "dalzell2024" && r.scenario == "oracle").unwrap();
    assert!(row.value.is_none() && row.domain.why.contains("singular"), "{row:?}");
    let verdicts = verdicts(&m, &catalog, &scenarios, &machines);
    assert!(
        verdicts.iter().all(|v| v.class == VerdictClass::Undecided && v.reason.contains("singular")),
        "{verdicts:#?}"
    );
}
