//! Gate times of a saving against algebra.

use breakeven::catalog::{self, Point};
use breakeven::cost::Scenario;
use breakeven::schedule::saving::{reached, scheduled};
use breakeven::schedule::{Pricing, Race, Settings, Subject};

fn race(n: f64, d: f64, kappa: f64) -> (Race, f64, f64) {
    let catalog = catalog::load(None).unwrap();
    let pricing = Pricing::new(&catalog, Settings::new(Scenario::Paper, "a100", 1e-9)).unwrap();
    let point = Point::of([("n", n), ("d", d), ("kappa", kappa), ("eps", 1e-2)]);
    let subject = Subject::Point(&point);
    let classical = pricing.classical(subject).seconds.unwrap();
    let gates = d * kappa * (n * kappa / 1e-2).ln();
    (Race::new(classical, pricing.quantum_curve(subject)), classical, gates)
}

#[test]
fn one_solve_has_a_closed_form() {
    let (race, classical, gates) = race(1e4, 1e4, 1e4);
    approx::assert_relative_eq!(classical, 2e12 / 6.79e12, max_relative = 1e-12);
    let races = [race];
    for saving in [0.1, 0.5, 0.9] {
        let row = reached(&races, 0.0, saving);
        let expected = (1.0 - saving) * classical / gates;
        approx::assert_relative_eq!(row.gate_time.unwrap(), expected, max_relative = 1e-10);
        assert!(row.certified, "{}", row.why);
        assert!(row.low.unwrap() <= expected && expected <= row.high.unwrap());
        assert!(row.high.unwrap() / row.low.unwrap() < 1.0 + 1e-9);
        // With what deciding costs: S + o = (1 − s)·c.
        let overhead = 0.05 * classical;
        let row = reached(&races, overhead, saving);
        approx::assert_relative_eq!(
            row.gate_time.unwrap(),
            ((1.0 - saving) * classical - overhead) / gates,
            max_relative = 1e-10
        );
    }
}

#[test]
fn several_solves_meet_the_target_exactly() {
    let races: Vec<Race> = [(1024.0, 1024.0, 3e3), (256.0, 100.0, 5e2), (160.0, 160.0, 1e5)]
        .iter()
        .map(|(n, d, k)| race(*n, *d, *k).0)
        .collect();
    let classical: f64 = races.iter().map(|r| r.classical).sum();
    let mut last = f64::INFINITY;
    for saving in [0.1, 0.5, 0.9] {
        let row = reached(&races, 0.0, saving);
        let t = row.gate_time.unwrap();
        approx::assert_relative_eq!(scheduled(&races, t), (1.0 - saving) * classical, max_relative = 1e-9);
        assert!(row.certified && t < last);
        last = t;
    }
}

#[test]
fn what_cannot_be_saved_is_said() {
    let (race, classical, _) = race(1e3, 1e3, 1e3);
    let row = reached(&[race], 0.2 * classical, 0.9);
    assert_eq!(row.gate_time, None);
    assert!(row.why.contains("deciding alone"), "{}", row.why);
    assert_eq!(reached(&[], 0.0, 0.5).gate_time, None);
}
