//! What a schedule charges is what the cost table says, to the last bit.

use breakeven::catalog;
use breakeven::cost::{Scenario, tabulate};
use breakeven::measurement::Measurement;
use breakeven::schedule::{
    Choice, Estimator, KappaEstimate, Label, Pricing, Run, Schedule, Scheduler, Settings, Side, Solve, Subject,
    timeline,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Stored {
    cases: Vec<Measurement>,
}

/// The embedded sample, measured.
fn sample() -> Vec<Measurement> {
    let text = include_str!("../../reports/golden/sample.measurements.json");
    serde_json::from_str::<Stored>(text).unwrap().cases
}

fn schedule(cases: &[Measurement], settings: Settings) -> Schedule {
    let catalog = catalog::load(None).unwrap();
    let mut scheduler = Scheduler::new(Pricing::new(&catalog, settings).unwrap(), Estimator::Given, 0);
    for case in cases {
        let label = Label { step: case.step, block: case.scope.clone(), ..Label::default() };
        scheduler.consider_measured(label, case, KappaEstimate::given(case.kappa.value, "measured"));
    }
    let solves: Vec<Solve<'_>> = cases
        .iter()
        .zip(scheduler.log())
        .map(|(case, decision)| Solve { decision, subject: Subject::Measured(case) })
        .collect();
    let run = Run { steps: cases.len() as u64, final_loss: None };
    timeline(&solves, run, Vec::new(), scheduler.pricing(), "given").unwrap()
}

#[test]
fn all_classical_is_the_sum_of_the_cost_table() {
    let catalog = catalog::load(None).unwrap();
    let a100 = catalog.machine("a100").unwrap();
    let cases = sample();
    assert!(cases.len() > 3);
    for scenario in [Scenario::Paper, Scenario::Oracle] {
        let found = schedule(&cases, Settings::new(scenario, "a100", 1e-9));
        let mut table = 0.0;
        for case in &cases {
            let rows = tabulate(case, &catalog, &[scenario], &[a100]);
            let times = rows.iter().filter(|r| r.quantity == "seconds" && r.hardware.as_deref() == Some("a100"));
            let time = match scenario {
                Scenario::Paper => times.filter(|r| r.model == "inverse").filter_map(|r| r.value).next(),
                // The cheapest of the rivals.
                Scenario::Oracle => times
                    .filter(|r| catalog.model(&r.model).is_ok_and(|m| m.source.rival))
                    .filter_map(|r| r.value)
                    .min_by(f64::total_cmp),
            };
            table += time.unwrap();
        }
        let row = found.policy("all-classical").unwrap();
        assert_eq!(row.seconds.unwrap().to_bits(), table.to_bits(), "{}", scenario.id());
        assert_eq!(row.overhead_seconds, Some(0.0));
    }
}

#[test]
fn quantum_prices_are_those_of_the_cost_table_too() {
    let catalog = catalog::load(None).unwrap();
    let preset = catalog.machine("qubit_gate_ns_e3").unwrap();
    let cases = sample();
    let found = schedule(&cases, Settings::new(Scenario::Paper, "a100", 5e-8));
    for (case, solve) in cases.iter().zip(&found.solves) {
        let rows = tabulate(case, &catalog, &[Scenario::Paper], &[preset]);
        let row = rows.iter().find(|r| r.model == "q-newton" && r.quantity == "seconds").unwrap();
        assert_eq!(solve.quantum_seconds, row.value);
        // N·d·κ: the published form with its natural logarithm.
        let (n, d, k, eps) =
            (case.n as f64, case.row_sparsity.value as f64, case.kappa.value.unwrap(), case.tolerance.value);
        approx::assert_relative_eq!(
            solve.quantum_seconds.unwrap(),
            d * k * (n * k / eps).ln() * 5e-8,
            max_relative = 1e-12
        );
    }
}

#[test]
fn policies_add_up_and_choices_follow_the_prices() {
    let cases = sample();
    for gate_time in [1e-6, 1e-12, 3e-14, 1e-15, 1e-20] {
        let found = schedule(&cases, Settings::new(Scenario::Paper, "a100", gate_time));
        let mut chosen = 0.0;
        for d in &found.solves {
            let (q, c) = (d.quantum_seconds.unwrap(), d.classical_seconds.unwrap());
            assert_eq!(d.choice == Choice::Quantum, q < c, "{}", d.why);
            chosen += q.min(c);
            assert!(d.why.contains('<'));
        }
        let seconds = |id: &str| found.policy(id).unwrap().seconds;
        assert_eq!(seconds("q-newton"), Some(chosen));
        assert_eq!(seconds("oracle"), Some(chosen));
        assert_eq!(seconds("all-quantum"), Some(found.solves.iter().map(|d| d.quantum_seconds.unwrap()).sum()));
        // Every κ of the sample is above the paper's limit.
        assert!(cases.iter().all(|c| c.kappa.value.unwrap() > 1e4));
        assert_eq!(seconds("q-newton-kappa"), seconds("all-classical"));
        assert_eq!(seconds("woodbury"), None);
        assert!(seconds("cg-hvp").unwrap() > 0.0);
    }
}

#[test]
fn a_wrong_estimate_sends_a_solve_astray_and_the_true_price_is_paid() {
    let catalog = catalog::load(None).unwrap();
    let cases = sample();
    let settings = Settings::new(Scenario::Paper, "a100", 1e-15);
    let mut scheduler = Scheduler::new(Pricing::new(&catalog, settings).unwrap(), Estimator::Merikoski, 0);
    let case = &cases[0];
    let right =
        scheduler.consider_measured(Label::new(0, "b"), case, KappaEstimate::given(case.kappa.value, "")).clone();
    let loose = KappaEstimate { ln_kappa: Some(2000.0), ..KappaEstimate::default() };
    let wrong = scheduler.consider_measured(Label::new(0, "b"), case, loose).clone();
    assert_eq!((right.choice, wrong.choice), (Choice::Quantum, Choice::Classical));
    assert_eq!(right.quantum_seconds, wrong.quantum_seconds);
    assert!(wrong.why.contains("10^869"), "{}", wrong.why);
    assert_eq!(scheduler.log().len(), 2);
}

#[test]
fn out_of_the_domain_goes_classical_and_all_quantum_has_no_time() {
    let mut cases = sample();
    cases[1].kappa.value = None;
    cases[1].kappa.low = Some(1e18);
    let found = schedule(&cases, Settings::new(Scenario::Paper, "a100", 1e-20));
    let solve = &found.solves[1];
    assert_eq!((solve.quantum_seconds, solve.choice), (None, Choice::Classical));
    assert!(solve.why.contains("singular") || solve.why.contains("κ is not known"), "{}", solve.why);
    assert_eq!(found.policy("all-quantum").unwrap().seconds, None);
    assert!(found.policy("all-quantum").unwrap().why.contains("singular"));
    assert!(found.policy("q-newton").unwrap().seconds.is_some());
}

#[test]
fn set_values_replace_measured_ones() {
    let cases = sample();
    let settings = Settings {
        set: vec![("flops_per_second".into(), 1e9), ("eps".into(), 0.5), ("kappa".into(), 7.0)],
        ..Settings::new(Scenario::Paper, "a100", 1e-9)
    };
    let found = schedule(&cases, settings);
    for (case, d) in cases.iter().zip(&found.solves) {
        let (n, s) = (case.n as f64, case.row_sparsity.value as f64);
        approx::assert_relative_eq!(d.classical_seconds.unwrap(), 2.0 * n.powi(3) / 1e9, max_relative = 1e-14);
        approx::assert_relative_eq!(
            d.quantum_seconds.unwrap(),
            s * 7.0 * (n * 7.0 / 0.5).ln() * 1e-9,
            max_relative = 1e-12
        );
        assert_eq!(d.kappa, Some(7.0));
    }
}

#[test]
fn settings_that_do_not_fit_are_usage_errors() {
    let catalog = catalog::load(None).unwrap();
    let base = || Settings::new(Scenario::Oracle, "a100", 1e-9);
    let named = |id: &str| Side::Named(id.into());
    for (settings, word) in [
        (Settings { quantum: named("q-newton"), ..base() }, "paper"),
        (Settings { quantum: named("ldlt"), ..base() }, "quantum"),
        (Settings { classical: named("qsvt"), ..base() }, "classical"),
        (Settings { quantum: named("dalzel2024"), ..base() }, "dalzell2024"),
        (Settings { hardware: "qubit_gate_ns_e3".into(), ..base() }, "classical machine"),
        (Settings { gate_time: 0.0, ..base() }, "gate time"),
        (Settings { gate_time: f64::NAN, ..base() }, "gate time"),
        (Settings { set: vec![("kapa".into(), 1.0)], ..base() }, "kappa"),
    ] {
        let error = Pricing::new(&catalog, settings).unwrap_err();
        assert_eq!(error.class.exit_code(), 2);
        assert!(error.to_string().contains(word), "{error}");
    }
}
