//! Which figures a report gets, from its cases and its figure data, with their captions.

use super::document::{Case, Report};
use super::escape::visible;
use super::figure_data::{AxisMark, AxisSpec, MapFigure, Side};
use super::number;
use super::plot::{self, Compared, Figure, GateTimeRow, SpectrumMark, TimelinePoint, TrailPoint};
use super::words::{self, Against};
use crate::simulate::SimulationRow;

/// Cases beyond these get no figures of their own; their numbers are in the tables and files.
pub const MOST_CASES: usize = 24;

/// Rows of the gate-time figure.
const MOST_ROWS: usize = 30;

/// The figures about the whole run, the break-even curve first.
pub fn overview(report: &Report) -> Vec<Figure> {
    let mut figures = Vec::new();
    let several = |i: usize, scenario: &str, stem: &str| match (i, scenario) {
        (0, "") => stem.to_string(),
        (i, "") => format!("{stem}-{}", i + 1),
        (_, scenario) => format!("{stem}-{}", file_stem(scenario)),
    };
    for (i, data) in report.figures.break_even.iter().enumerate() {
        if let Some(scene) = plot::curves(data) {
            figures.push(Figure {
                name: several(i, &data.scenario, "break-even"),
                title: format!("Break-even curve{}", of_scenario(&data.scenario)),
                caption: sentence(&[
                    "Time to solution over the size of the system; bands run from the cheapest to the dearest estimate.",
                    &data.held,
                ]),
                scene,
            });
        }
    }
    figures.extend(gate_time(report));
    figures.extend(timeline(report));
    let maps = &report.figures.kappa_d;
    if maps.is_empty() {
        figures.extend(kappa_d(report, &bare_map(), "kappa-d".into()));
    }
    for (i, data) in maps.iter().enumerate() {
        figures.extend(kappa_d(report, data, several(i, &data.scenario, "kappa-d")));
    }
    for (i, data) in report.figures.tornado.iter().enumerate() {
        if let Some(scene) = plot::tornado(data) {
            figures.push(Figure {
                name: several(i, &data.scenario, "tornado"),
                title: format!("What moves the break-even point{}", of_scenario(&data.scenario)),
                caption: sentence(&[
                    "Each bar varies one assumption between two ends and holds the others; the line is the result with nothing varied.",
                    &data.held,
                ]),
                scene,
            });
        }
    }
    figures.extend(verification(report));
    figures
}

/// The figures of one case.
pub fn of_case(case: &Case, number: usize) -> Vec<Figure> {
    let m = &case.measurement;
    let mut figures = Vec::new();
    let mut marks = Vec::new();
    if m.damping.lambda > 0.0 {
        marks.push(SpectrumMark {
            at: -m.damping.lambda, label: format!("−λ = −{}", number::real(m.damping.lambda))
        });
    }
    if m.inertia.tolerance > 0.0 {
        let at = m.inertia.tolerance;
        marks.push(SpectrumMark { at, label: format!("inertia tolerance {}", number::digits(at, 2)) });
    }
    if let Some(scene) = plot::spectrum(&m.spectrum, &marks, "") {
        figures.push(Figure {
            name: format!("spectrum-{number:02}"),
            title: "Spectrum of H".into(),
            caption: "Eigenvalues before damping. Damping shifts all of them by λ, so those near −λ become the smallest ones in \
                      size; what lies within the tolerance counts as zero."
                .into(),
            scene,
        });
    }
    if let Some(scene) = plot::pruning(&m.row_sparsity.curve, m.n) {
        figures.push(Figure {
            name: format!("pruning-{number:02}"),
            title: "Pruning trade-off".into(),
            caption: "What is lost of H (before damping) when entries up to a threshold are dropped, over the row sparsity d that \
                      remains. Points on the lower edge lose nothing."
                .into(),
            scene,
        });
    }
    figures
}

fn of_scenario(scenario: &str) -> String {
    if scenario.is_empty() { String::new() } else { format!(" ({}, {})", visible(scenario), words::badge(scenario)) }
}

fn sentence(parts: &[&str]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .filter(|p| !p.trim().is_empty())
        .map(|p| if p.trim_end().ends_with('.') { p.trim().to_string() } else { format!("{}.", p.trim()) })
        .collect();
    parts.join(" ")
}

/// A text from outside as a harmless file stem.
pub fn file_stem(text: &str) -> String {
    let stem: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let stem = stem.trim_matches('-').to_string();
    if stem.is_empty() { "x".into() } else { stem }
}

fn gate_time(report: &Report) -> Option<Figure> {
    // One mark for each scenario, two for `paper`: against its own rival and against the best one.
    let mut names: Vec<(String, Against, String)> = Vec::new();
    for row in report.cases.iter().flat_map(|c| &c.crossovers) {
        let (against, text) = match (row.scenario.as_str(), row.classical.as_str()) {
            ("paper", words::PAPER_RIVAL) => (Against::Paper, "against the paper's rival, 2N³"),
            ("paper", _) => (Against::Others, "against the best rival"),
            _ => (Against::Verdict, "against the verdict's rival"),
        };
        if !names.iter().any(|(s, a, _)| *s == row.scenario && *a == against) {
            let name = format!("{} ({}), {text}", row.scenario, words::badge(&row.scenario));
            names.push((row.scenario.clone(), against, name));
        }
    }
    let mut rows: Vec<GateTimeRow> = report
        .cases
        .iter()
        .map(|case| GateTimeRow {
            label: case.measurement.id.clone(),
            at: names
                .iter()
                .map(|(scenario, against, _)| words::break_even_against(case, scenario, *against))
                .collect(),
        })
        .collect();
    let total = rows.len();
    let mut left_out = String::new();
    if total > MOST_ROWS {
        let reach = |r: &GateTimeRow| r.at.iter().flatten().map(|m| m.at).fold(0.0, f64::max);
        rows.sort_by(|a, b| reach(b).total_cmp(&reach(a)));
        rows.truncate(MOST_ROWS);
        left_out = format!("Shown are the {MOST_ROWS} of {total} cases that come nearest");
    }
    let machines: Vec<AxisMark> = report
        .machines
        .iter()
        .filter(|m| m.side == Side::Quantum)
        .filter_map(|m| m.gate_time.map(|at| AxisMark { at, label: title_of(&m.title, &m.id), ..AxisMark::default() }))
        .collect();
    let names: Vec<String> = names.into_iter().map(|(_, _, name)| name).collect();
    let scene = plot::gate_times(&names, &rows, &machines)?;
    Some(Figure {
        name: "gate-time".into(),
        title: "Break-even gate time against the machines".into(),
        caption: sentence(&[
            "A machine breaks even on a case where its line lies to the left of the mark; among the quantum models the one with \
             the longest admissible gate time is shown.",
            &left_out,
        ]),
        scene,
    })
}

/// The first so many series that a figure shows, if it cannot show all.
fn first_series<'a>(series: impl Iterator<Item = &'a str>, most: usize) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in series {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() <= most { String::new() } else { format!("Shown are the first {most} of {} series", names.len()) }
}

fn title_of(title: &str, id: &str) -> String {
    if title.is_empty() { id.to_string() } else { title.to_string() }
}

fn series_name(report: &Report, case: &Case) -> String {
    let m = &case.measurement;
    let scopes = report.cases.iter().any(|c| c.measurement.scope != m.scope);
    let curvatures = report.cases.iter().any(|c| c.measurement.curvature != m.curvature);
    let mut name = m.series.clone();
    if scopes {
        name.push_str(&format!(" {}", m.scope));
    }
    if curvatures {
        name.push_str(&format!(" {}", m.curvature));
    }
    name
}

fn timeline(report: &Report) -> Option<Figure> {
    let points: Vec<TimelinePoint> = report
        .cases
        .iter()
        .filter_map(|case| {
            let m = &case.measurement;
            Some(TimelinePoint {
                series: series_name(report, case),
                step: m.step? as f64,
                kappa: m.kappa.value,
                low: m.kappa.low,
                high: m.kappa.high,
                class: case.verdict.as_ref().map(|v| v.class),
            })
        })
        .collect();
    let scene = plot::timeline(&points)?;
    let left_out = first_series(points.iter().map(|p| p.series.as_str()), plot::MOST_SERIES);
    Some(Figure {
        name: "timeline".into(),
        title: "κ and verdict over the training".into(),
        caption: sentence(&[
            "κ of the solved matrix with its bracket; the strip shows the headline verdict of each snapshot. A triangle at the \
             upper edge: singular, κ has a lower end only.",
            &left_out,
        ]),
        scene,
    })
}

fn bare_map() -> MapFigure {
    MapFigure {
        x: AxisSpec::log("κ of the solved matrix", "1"),
        y: AxisSpec::log("row sparsity d", "1"),
        ..MapFigure::default()
    }
}

fn kappa_d(report: &Report, data: &MapFigure, name: String) -> Option<Figure> {
    let trail: Vec<TrailPoint> = report
        .cases
        .iter()
        .filter_map(|case| {
            let m = &case.measurement;
            Some(TrailPoint {
                series: series_name(report, case),
                label: m.step.map_or_else(|| m.snapshot.clone(), |s| format!("step {s}")),
                x: m.kappa.value.or(m.kappa.low)?,
                low: m.kappa.low,
                high: m.kappa.high,
                y: m.row_sparsity.value as f64,
            })
        })
        .collect();
    let scene = plot::map(data, &trail)?;
    let left_out = first_series(trail.iter().map(|t| t.series.as_str()), plot::MOST_TRAILS);
    let pair =
        if data.quantum.is_empty() { String::new() } else { format!("{} against {}", data.quantum, data.classical) };
    let colour = if data.z.is_empty() {
        "No map was computed, the cases alone are shown."
    } else {
        "Colour: how many times faster the quantum solver would be; the heavy line is where both take equally long."
    };
    Some(Figure {
        name,
        title: format!("κ–d map{}", of_scenario(&data.scenario)),
        caption: sentence(&[
            &pair,
            colour,
            "Trails join the snapshots of a series, whiskers show the bracket of κ.",
            &left_out,
            &data.held,
        ]),
        scene,
    })
}

fn verification(report: &Report) -> Vec<Figure> {
    let rows: Vec<SimulationRow> = report.cases.iter().flat_map(|c| c.simulation.iter().cloned()).collect();
    let worst = rows
        .iter()
        .filter_map(|r| r.error_reached.filter(|_| r.error_target > 0.0).map(|e| e / r.error_target))
        .fold(0.0, f64::max);
    let failed = rows.iter().filter(|r| !r.passed).count();
    let tally = format!(
        "{} of {} claims held; the worst reached {} times the error asked",
        rows.len() - failed,
        rows.len(),
        number::digits(worst, 3)
    );
    let mut figures = Vec::new();
    for (compared, name, title, text) in [
        (Compared::Errors, "verification-errors", "Verification: error asked and reached", tally.as_str()),
        (
            Compared::Queries,
            "verification-queries",
            "Verification: queries predicted and needed",
            "Needed: the fewest queries that reach ε on this very matrix and right-hand side",
        ),
    ] {
        if let Some(scene) = plot::verification(&rows, compared) {
            figures.push(Figure { name: name.into(), title: title.into(), caption: sentence(&[text]), scene });
        }
    }
    figures
}
