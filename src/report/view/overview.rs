//! The parts about the whole run: scenarios with their outcomes, models, machines, options.

use serde::Serialize;

use crate::crossover::{Verdict, VerdictClass};
use crate::report::document::Report;
use crate::report::figure_data::Side;
use crate::report::{number, words};

/// A scenario and its outcomes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioView {
    /// Id.
    pub id: String,
    /// Badge.
    pub badge: String,
    /// What it counts.
    pub counts: String,
    /// The headline verdicts are taken from it.
    pub headline: bool,
    /// One row for each pair of machines and rival.
    pub rows: Vec<OutcomeView>,
}

/// The outcomes on one pair of machines against one rival.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutcomeView {
    /// Quantum machine.
    pub quantum: String,
    /// Classical machine.
    pub classical: String,
    /// Rival.
    pub against: String,
    /// Class shared by all cases, as a CSS class; `mixed` when they differ.
    pub class: String,
    /// `unfavourable in all 7 cases`.
    pub tally: String,
    /// Outcomes against other rivals, stated in the same verdicts: rival, CSS class, tally.
    pub others: Vec<OtherView>,
    /// Reason given for the first case.
    pub reason: String,
    /// Nearest lever of the first case.
    pub lever: String,
    /// The case that reason and lever belong to; empty when there is only one.
    pub example: String,
}

/// The simulator's part of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationView {
    /// One sentence; empty when simulation was off.
    pub sentence: String,
    /// Model, systems, needed/predicted low, median, high.
    pub calibration: Vec<Vec<String>>,
    /// Cases that were skipped with the reason, equal reasons together: cases, reason.
    pub skipped: Vec<(String, String)>,
}

/// An outcome against another rival.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherView {
    /// The rival.
    pub against: String,
    /// CSS class.
    pub class: String,
    /// Words.
    pub tally: String,
}

/// The outcomes of some verdicts that are against another rival than the verdict itself, one entry for all of them.
pub fn others(verdicts: &[&Verdict]) -> Vec<OtherView> {
    let (mut rivals, mut classes) = (Vec::new(), Vec::new());
    for v in verdicts {
        for o in v.outcomes.iter().filter(|o| o.against != v.against) {
            if !rivals.contains(&o.against.as_str()) {
                rivals.push(o.against.as_str());
            }
            classes.push(o.class);
        }
    }
    let Some(first) = classes.first() else { return Vec::new() };
    let same = classes.iter().all(|c| c == first);
    vec![OtherView {
        against: rivals.join(", "),
        class: if same { words::class_id(*first) } else { "mixed" }.into(),
        tally: words::tally(&classes),
    }]
}

/// Scenarios in the order of the verdicts (then of the costs), each with its outcomes.
pub fn scenarios(report: &Report) -> Vec<ScenarioView> {
    let mut ids: Vec<&str> = Vec::new();
    let verdicts = report.cases.iter().flat_map(|c| c.verdicts.iter().map(|v| v.scenario.as_str()));
    let costs = report.cases.iter().flat_map(|c| c.costs.iter().map(|r| r.scenario.as_str()));
    for id in verdicts.chain(costs) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let headline = report.cases.iter().find_map(|c| c.verdict.as_ref()).map(|v| v.scenario.as_str());
    ids.into_iter()
        .map(|id| ScenarioView {
            id: id.into(),
            badge: words::badge(id).into(),
            counts: words::scenario(id).into(),
            headline: headline == Some(id),
            rows: outcomes(report, id),
        })
        .collect()
}

fn outcomes(report: &Report, scenario: &str) -> Vec<OutcomeView> {
    let key = |v: &'_ Verdict| -> (String, String, String) {
        // In `paper` the rivals are kept apart; elsewhere the best rival may differ from case to case.
        let against = if scenario == "paper" && v.against == "inverse" { v.against.clone() } else { String::new() };
        (v.hardware_quantum.clone(), v.hardware_classical.clone(), against)
    };
    type Group<'a> = ((String, String, String), Vec<(&'a str, &'a Verdict)>);
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in &report.cases {
        for v in case.verdicts.iter().filter(|v| v.scenario == scenario) {
            let own = key(v);
            match groups.iter_mut().find(|(k, _)| *k == own) {
                Some((_, list)) => list.push((&case.measurement.id, v)),
                None => groups.push((own, vec![(&case.measurement.id, v)])),
            }
        }
    }
    groups
        .into_iter()
        .map(|((quantum, classical, _), list)| {
            let classes: Vec<VerdictClass> = list.iter().map(|(_, v)| v.class).collect();
            let same = classes.first().filter(|first| classes.iter().all(|c| c == *first));
            let mut rivals: Vec<&str> = Vec::new();
            for (_, v) in &list {
                if !rivals.contains(&v.against.as_str()) {
                    rivals.push(&v.against);
                }
            }
            let first = list.first();
            OutcomeView {
                quantum,
                classical,
                against: rivals.join(", "),
                class: same.map_or("mixed", |c| words::class_id(*c)).into(),
                tally: words::tally(&classes),
                others: others(&list.iter().map(|(_, v)| *v).collect::<Vec<_>>()),
                reason: first.map_or(String::new(), |(_, v)| v.reason.clone()),
                lever: first.map_or(String::new(), |(_, v)| v.nearest_lever.clone()),
                example: if list.len() > 1 {
                    first.map_or(String::new(), |(id, _)| (*id).to_string())
                } else {
                    String::new()
                },
            }
        })
        .collect()
}

/// A cost model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelView {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Side.
    pub side: String,
    /// Formula as text.
    pub formula: String,
    /// Source.
    pub cite: String,
    /// What it leaves out.
    pub omits: String,
    /// Its formula is not verified.
    pub unverified: bool,
    /// On what the status rests.
    pub status_why: String,
}

/// The models, quantum ones first.
pub fn models(report: &Report) -> Vec<ModelView> {
    let mut models: Vec<ModelView> = report
        .models
        .iter()
        .map(|m| ModelView {
            id: m.id.clone(),
            title: m.title.clone(),
            side: side(m.side).into(),
            formula: m.formula.clone(),
            cite: m.cite.clone(),
            omits: m.omits.join("; "),
            unverified: super::is_unverified(report, &m.id),
            status_why: m.status_why.clone(),
        })
        .collect();
    models.sort_by_key(|m| m.side != "quantum");
    models
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Quantum => "quantum",
        Side::Classical => "classical",
        Side::Other => "other",
    }
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineView {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Side.
    pub side: String,
    /// Gate time or rate with its unit.
    pub speed: String,
    /// Source of the number.
    pub source: String,
    /// What pricing on it rests on.
    pub assumptions: String,
}

/// The machines of the run.
pub fn machines(report: &Report) -> Vec<MachineView> {
    report
        .machines
        .iter()
        .map(|m| {
            let mut speed = Vec::new();
            speed.extend(m.gate_time.map(|t| format!("gate time {}", number::seconds(t))));
            speed.extend(m.flops_per_second.map(|r| format!("{} flop/s", number::real(r))));
            speed.extend(
                m.matvec_flops_per_second.map(|r| format!("{} flop/s in matrix-vector products", number::real(r))),
            );
            MachineView {
                id: m.id.clone(),
                title: m.title.clone(),
                side: side(m.side).into(),
                speed: speed.join(", "),
                source: m.source.clone(),
                assumptions: m.assumptions.join("; "),
            }
        })
        .collect()
}

/// Seed, precision, threads and every option in force.
pub fn options(report: &Report) -> Vec<(String, String)> {
    let p = &report.provenance;
    let mut options = vec![
        ("seed".to_string(), p.seed.to_string()),
        ("precision".to_string(), p.precision.clone()),
        ("threads".to_string(), p.threads.to_string()),
        ("hardware".to_string(), p.hardware.join(", ")),
    ];
    options.extend(p.options.iter().map(|(k, v)| (k.clone(), v.clone())));
    options.retain(|(_, v)| !v.is_empty());
    options
}

/// What was simulated, what the runs say about the formulas, what was skipped and why.
pub fn simulation(report: &Report) -> SimulationView {
    let mut skipped: Vec<(String, String)> = Vec::new();
    for case in &report.cases {
        let Some(why) = &case.simulation_skipped else { continue };
        match skipped.iter_mut().find(|(_, reason)| reason == why) {
            Some((cases, _)) => {
                cases.push_str(", ");
                cases.push_str(&case.measurement.id);
            }
            None => skipped.push((case.measurement.id.clone(), why.clone())),
        }
    }
    let calibration = report
        .calibration
        .iter()
        .map(|c| {
            vec![
                c.model.clone(),
                number::count(c.systems as u64),
                number::real(c.low),
                number::real(c.median),
                number::real(c.high),
            ]
        })
        .collect();
    SimulationView { sentence: words::simulated(report), calibration, skipped }
}
