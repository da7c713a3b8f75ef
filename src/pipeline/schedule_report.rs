//! A schedule as a report: policies, the time over the gate time, the decision strip, the savings.

use super::scheduling::Scheduled;
use crate::report::document::{Provenance, Tool};
use crate::report::dossier::{
    DataTable, Datum, Dossier, Drawing, LineSeries, Lines, Mark, Part, Picture, Section, Strip, StripCell, VERSION,
};
use crate::report::figure_data::AxisSpec;
use crate::report::number;
use crate::schedule::{Choice, Decision, Schedule};

/// This program.
pub fn tool() -> Tool {
    Tool { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() }
}

/// The report of `schedule --out`.
pub fn dossier(scheduled: &Scheduled, seed: u64, threads: usize) -> Dossier {
    let s = &scheduled.schedule;
    let section = Section {
        id: "schedule".into(),
        title: "The schedule".into(),
        text: vec![format!(
            "{} solves, priced in the scenario {} by {} against {} on {}; a gate or query takes {} s. κ is estimated by \
             {}; deciding costs {} s in all.",
            s.solves.len(),
            s.scenario,
            s.quantum,
            s.classical,
            s.hardware,
            number::real(s.gate_time),
            s.estimator,
            number::optional(s.policy("q-newton").and_then(|p| p.overhead_seconds)),
        )],
        figures: vec![gate_time_figure(s, "gate-time"), strip_figure(s, "decisions")],
        tables: vec![policy_table(s, "policies"), saving_table(s, "savings"), solve_table(s, "solves")],
    };
    Dossier {
        schema_version: VERSION.into(),
        tool: tool(),
        kind: "schedule".into(),
        over: "Schedule of a training run".into(),
        title: format!("{}: who solves what", scheduled.title),
        lead: sentence(s),
        provenance: Provenance {
            inputs: scheduled.inputs.clone(),
            seed,
            threads,
            precision: "f64".into(),
            hardware: vec![s.hardware.clone()],
            options: scheduled.options.clone(),
        },
        claims: Vec::new(),
        sections: vec![section],
        notes: s.notes.clone(),
        data: serde_json::to_value(s).unwrap_or_default(),
    }
}

/// The outcome in one sentence.
pub fn sentence(s: &Schedule) -> String {
    let quantum = s.solves.iter().filter(|d| d.choice == Choice::Quantum).count();
    let saved = s.saving("q-newton").map_or("nothing that can be priced".to_string(), |x| {
        if x >= 0.0 {
            format!("{} % of the classical time", number::digits(100.0 * x, 3))
        } else {
            format!("nothing: it takes {} % more than all-classical", number::digits(-100.0 * x, 3))
        }
    });
    let level = |with: bool| s.savings.iter().find(|r| r.with_overhead == with && r.saving == 0.9);
    let ninety = level(false).map_or(String::new(), |row| match row.gate_time {
        Some(t) => format!(
            " Nine tenths would be saved from gate times of {} s and below, deciding not counted.",
            number::real(t)
        ),
        None => format!(" Nine tenths: {}.", row.why),
    });
    format!(
        "At {} s a gate, {} of {} solves go to the quantum model ({}, {}); with deciding paid for the schedule saves {saved}.{ninety}",
        number::real(s.gate_time),
        quantum,
        s.solves.len(),
        s.quantum,
        s.scenario,
    )
}

/// Policies as a table.
pub fn policy_table(s: &Schedule, id: &str) -> DataTable {
    let columns = ["policy", "seconds [s]", "overhead [s]", "updates", "final loss", "what it does"];
    let mut table = DataTable::new(id, "Policies", &columns);
    for p in &s.policies {
        table.push(vec![
            p.id.as_str().into(),
            p.seconds.into(),
            p.overhead_seconds.into(),
            p.steps.map_or(Datum::Empty, Datum::from),
            p.final_loss.into(),
            p.why.as_str().into(),
        ]);
    }
    table
}

/// Savings as a table.
pub fn saving_table(s: &Schedule, id: &str) -> DataTable {
    let columns = ["saving", "against", "deciding", "gate time [s]", "low [s]", "high [s]", "proof", "remark"];
    let mut table =
        DataTable::new(id, "Gate times at which the schedule saves so much of the classical time", &columns);
    for row in &s.savings {
        table.push(vec![
            format!("{} %", 100.0 * row.saving).into(),
            row.against.as_str().into(),
            if row.with_overhead { "paid" } else { "not counted" }.into(),
            row.gate_time.into(),
            row.low.into(),
            row.high.into(),
            if row.certified { "certified" } else { "—" }.into(),
            row.why.as_str().into(),
        ]);
    }
    table
}

fn solve_table(s: &Schedule, id: &str) -> DataTable {
    let columns = [
        "step",
        "snapshot",
        "block",
        "n",
        "κ",
        "κ estimated",
        "d",
        "ε",
        "quantum [s]",
        "classical [s]",
        "choice",
        "breaks even at [s]",
        "why",
    ];
    let mut table = DataTable::new(id, "Every decision", &columns);
    table.folded = true;
    for (d, b) in s.solves.iter().zip(&s.break_even) {
        table.push(vec![
            d.label.step.map_or(Datum::Empty, Datum::from),
            d.label.snapshot.as_str().into(),
            d.label.block.as_str().into(),
            d.n.into(),
            d.kappa.into(),
            d.kappa_estimate.into(),
            d.d.into(),
            d.eps.into(),
            d.quantum_seconds.into(),
            d.classical_seconds.into(),
            choice(d).into(),
            b.at.into(),
            d.why.as_str().into(),
        ]);
    }
    table
}

/// `quantum` or `classical`.
pub fn choice(d: &Decision) -> &'static str {
    match d.choice {
        Choice::Quantum => "quantum",
        Choice::Classical => "classical",
    }
}

fn part(id: &str) -> Part {
    match id {
        "all-quantum" => Part::Quantum,
        "all-classical" | "cg-hvp" | "woodbury" => Part::Classical,
        _ => Part::Other,
    }
}

/// Seconds per policy over the gate time.
pub fn gate_time_figure(s: &Schedule, name: &str) -> Picture {
    let series = s
        .curves
        .iter()
        .map(|c| LineSeries {
            name: c.id.clone(),
            part: part(&c.id),
            points: c.points.clone(),
            dashed: matches!(c.id.as_str(), "oracle" | "sgd" | "adam"),
            ..LineSeries::default()
        })
        .collect();
    let mut vertical = vec![Mark { at: s.gate_time, label: format!("this schedule: {} s", number::real(s.gate_time)) }];
    for row in s.savings.iter().filter(|r| !r.with_overhead) {
        if let Some(at) = row.gate_time {
            vertical.push(Mark { at, label: format!("saves {} %: {} s", 100.0 * row.saving, number::real(at)) });
        }
    }
    // Beyond the classical times by more than this the lines of the quantum side say nothing new.
    let flat: Vec<f64> = s
        .policies
        .iter()
        .filter(|p| !matches!(p.id.as_str(), "all-quantum" | "q-newton" | "oracle" | "q-newton-kappa"))
        .filter_map(|p| p.seconds)
        .filter(|x| *x > 0.0)
        .collect();
    let most = flat.iter().copied().fold(0.0, f64::max);
    let least = flat.iter().copied().fold(f64::INFINITY, f64::min);
    let y_range = (most > 0.0).then_some([least * 1e-4, most * 1e4]);
    Picture {
        name: name.into(),
        title: "Time of the whole run under each policy".into(),
        caption: format!(
            "Modelled seconds of all solves (of all gradients, for sgd and adam) on {}, over the time of one gate or query; \
             q-newton and q-newton-kappa with what deciding costs. Quantum side: {}, classical side: {}, scenario {}.",
            s.hardware, s.quantum, s.classical, s.scenario
        ),
        drawing: Drawing::Lines(Lines {
            x: AxisSpec::log("gate time", "s"),
            y: AxisSpec::log("time of the run", "s"),
            series,
            vertical,
            horizontal: Vec::new(),
            y_range,
        }),
    }
}

/// The decision per step and block.
pub fn strip_figure(s: &Schedule, name: &str) -> Picture {
    let (mut rows, mut columns): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let column = |d: &Decision| {
        if d.label.snapshot.is_empty() {
            d.label.step.map_or(String::new(), |s| s.to_string())
        } else {
            d.label.snapshot.clone()
        }
    };
    for d in &s.solves {
        let name = format!("{} (N = {})", d.label.block, d.n);
        if !rows.contains(&name) {
            rows.push(name);
        }
        let step = column(d);
        if !columns.contains(&step) {
            columns.push(step);
        }
    }
    let mut cells = vec![vec![None; columns.len()]; rows.len()];
    for d in &s.solves {
        let name = format!("{} (N = {})", d.label.block, d.n);
        let at = rows.iter().position(|r| *r == name).zip(columns.iter().position(|c| *c == column(d)));
        if let Some(cell) = at.and_then(|(i, j)| cells.get_mut(i)?.get_mut(j)) {
            let decades = d.quantum_seconds.zip(d.classical_seconds).map(|(q, c)| (c / q).log10());
            *cell =
                Some(StripCell { quantum: d.choice == Choice::Quantum, decades: decades.filter(|x| x.is_finite()) });
        }
    }
    Picture {
        name: name.into(),
        title: "Where each solve goes".into(),
        caption: format!(
            "One cell per block and step at {} s a gate; colour: how much faster the one side is ({} against {}, {}).",
            number::real(s.gate_time),
            s.quantum,
            s.classical,
            s.scenario
        ),
        drawing: Drawing::Strip(Strip { rows, columns, cells, across: "snapshot".into() }),
    }
}
