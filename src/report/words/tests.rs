//! Tests of `words`.

use super::*;
use crate::crossover::{CrossoverRow, Outcome};

fn verdict(scenario: &str, against: &str, class: VerdictClass) -> Verdict {
    Verdict {
        scenario: scenario.into(),
        hardware_quantum: "fast".into(),
        hardware_classical: "big".into(),
        class,
        against: against.into(),
        reason: format!("because of {against}"),
        nearest_lever: format!("kappa against {against}"),
        ..Verdict::default()
    }
}

fn case(id: &str, at: f64, verdicts: Vec<Verdict>, headline: usize) -> Case {
    let mut case = Case { verdict: verdicts.get(headline).cloned(), verdicts, ..Case::default() };
    case.measurement.id = id.into();
    case.crossovers.push(CrossoverRow {
        scenario: "oracle".into(),
        variable: "gate_time".into(),
        classical: "cg".into(),
        quantum: "dalzell2024".into(),
        at: Some(at),
        ..CrossoverRow::default()
    });
    case
}

use VerdictClass::{BreaksEven, Excluded, Undecided, Unfavourable};

#[test]
fn the_headline_quotes_both_outcomes_of_paper() {
    let rows = |best| {
        vec![
            verdict("paper", "inverse", BreaksEven),
            verdict("paper", "cg", best),
            verdict("oracle", "cg", Unfavourable),
        ]
    };
    let report = Report {
        cases: vec![
            case("first", 1e-20, rows(Unfavourable), 2),
            case("nearest", 1e-12, rows(Undecided), 2),
            case("last", 1e-15, rows(Unfavourable), 2),
        ],
        ..Report::default()
    };
    let headline = headline(&report);
    assert_eq!(headline.class, Some(Unfavourable));
    assert_eq!(
        headline.sentence,
        "A quantum linear solver on fast against cg on big (oracle, query counts): unfavourable in all 3 cases. \
         As published (paper): breaks even in all 3 cases against the paper's rival, the inverse in 2N³ flops; \
         undecided in 1 of 3 cases, unfavourable in 2 against the best classical rival, cg. \
         Nearest lever (of nearest): kappa against cg."
    );
}

#[test]
fn one_row_for_paper_quotes_its_reason() {
    let report = Report {
        cases: vec![case("only", 1.0, vec![verdict("paper", "inverse", BreaksEven)], 0)],
        ..Report::default()
    };
    let sentence = headline(&report).sentence;
    assert!(
        sentence.starts_with("As published (paper): breaks even against inverse; because of inverse."),
        "{sentence}"
    );
    let own = Report { headline: Some("Said elsewhere.".into()), ..report };
    assert_eq!(headline(&own).sentence, "Said elsewhere.");
}

#[test]
fn both_outcomes_may_stand_in_one_verdict() {
    let outcome = |against: &str, class| Outcome { class, against: against.into(), ..Outcome::default() };
    let outcomes = vec![outcome("inverse", BreaksEven), outcome("minres (run)", Unfavourable)];
    let paper = Verdict { outcomes, ..verdict("paper", "inverse", BreaksEven) };
    let report = Report { cases: vec![case("only", 1.0, vec![paper], 0)], ..Report::default() };
    let sentence = headline(&report).sentence;
    let expected = "As published (paper): breaks even against the paper's rival, the inverse in 2N³ flops; \
                    unfavourable against the best classical rival, minres (run). ";
    assert!(sentence.starts_with(expected), "{sentence}");
}

#[test]
fn tallies() {
    assert_eq!(tally(&[]), "no verdict");
    assert_eq!(tally(&[Excluded]), "excluded");
    assert_eq!(tally(&[Excluded; 2]), "excluded in both cases");
    assert_eq!(tally(&[Unfavourable, BreaksEven, Unfavourable]), "breaks even in 1 of 3 cases, unfavourable in 2");
}

#[test]
fn the_break_even_is_the_kindest_one_against_the_verdicts_rival() {
    let mut case = case("c", 1e-12, vec![verdict("oracle", "cg", Unfavourable)], 0);
    let more = |quantum: &str, classical: &str, variable: &str, at: Option<f64>| CrossoverRow {
        scenario: "oracle".into(),
        quantum: quantum.into(),
        classical: classical.into(),
        variable: variable.into(),
        at,
        ..CrossoverRow::default()
    };
    case.crossovers.push(more("costa2026", "cg", "gate_time", Some(3e-11)));
    case.crossovers.push(more("costa2026", "inverse", "gate_time", Some(1.0)));
    case.crossovers.push(more("costa2026", "cg", "kappa", Some(7.0)));
    case.crossovers.push(more("hhl", "cg", "gate_time", None));
    let mark = break_even(&case, "oracle").unwrap();
    assert_eq!((mark.at, mark.label.as_str()), (3e-11, "costa2026"));
    assert_eq!(break_even(&case, "paper"), None);
    assert_eq!(break_even_against(&case, "oracle", Against::Paper).unwrap().at, 1.0);
    // A rival that was really run is named as such in the verdict only.
    case.verdict.as_mut().unwrap().against = "cg (run)".into();
    assert_eq!(break_even(&case, "oracle").unwrap().at, 3e-11);
    // A rival without crossovers leaves those that were computed.
    case.verdict.as_mut().unwrap().against = "minres".into();
    assert_eq!(break_even(&case, "oracle").unwrap().at, 1.0);
}
