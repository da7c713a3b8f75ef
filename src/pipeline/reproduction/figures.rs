//! The figures of the reproduction.

use super::claims::{
    DEFINITIONS, FLOORED, PRESETS, Prices, WEIGHTS, agreement, error_decades, gate_times, kappa_of, median_kappa, tried,
};
use super::prices::{PAIRS, gate_time_of, operations};
use super::sizes::{ETA, FLOOR};
use super::stages::{Measured, Seen};
use crate::pipeline::schedule_report::{gate_time_figure, strip_figure};
use crate::report::dossier::{Drawing, LineSeries, Lines, Mark, Part, Picture};
use crate::report::figure_data::AxisSpec;
use crate::report::number::real;
use crate::schedule::{Estimator, KAPPA_LIMIT, Schedule};

fn picture(name: &str, title: &str, caption: String, lines: Lines) -> Picture {
    Picture { name: name.into(), title: title.into(), caption, drawing: Drawing::Lines(lines) }
}

fn line(name: impl Into<String>, points: Vec<(f64, Option<f64>)>) -> LineSeries {
    LineSeries { name: name.into(), points, marked: true, ..LineSeries::default() }
}

/// κ of the largest block over the steps, under every definition.
pub fn trajectory(run: &Seen) -> Option<Picture> {
    let block = run.largest()?;
    let own: Vec<_> = run.measured.iter().filter(|m| m.scope == format!("layer:{block}")).collect();
    let n = own.first()?.n;
    let track = |of: &str| {
        own.iter().filter_map(|m| Some((m.step? as f64, kappa_of(m, of)))).collect::<Vec<(f64, Option<f64>)>>()
    };
    let solved = run.solved.iter().filter(|s| s.block == block);
    let solved: Vec<(f64, Option<f64>)> = solved.map(|s| (s.step as f64, s.value("kappa"))).collect();
    let series = DEFINITIONS
        .iter()
        .map(|of| line(format!("κ({of})"), track(of)))
        .chain([LineSeries { marked: false, dashed: true, ..line(format!("κ({FLOORED})"), solved) }])
        .filter(|s| s.points.iter().any(|p| p.1.is_some()))
        .collect();
    Some(picture(
        "kappa-trajectory",
        "κ during training, under each definition",
        format!(
            "Block {block} (N = {n}), λ = {}·max|h|, the largest entry of the matrix in question. Between the dotted lines lies all \
             that the damping rule leaves to a positive semidefinite matrix with a null space: 1 + 1/η ≤ κ ≤ 1 + N/η. The published \
             code takes λ = η·(max|h| + {}): the dashed line, the systems that were solved.",
            real(ETA),
            real(FLOOR)
        ),
        Lines {
            x: AxisSpec::linear("training step", ""),
            y: AxisSpec::log("κ", ""),
            series,
            horizontal: vec![
                Mark { at: 1.0 + 1.0 / ETA, label: "1 + 1/η".into() },
                Mark { at: 1.0 + n as f64 / ETA, label: "1 + N/η".into() },
            ],
            ..Lines::default()
        },
    ))
}

/// κ(H+λI) of every weight block at every step.
pub fn all_blocks(run: &Seen) -> Picture {
    let mut names: Vec<(&str, f64)> = Vec::new();
    for s in &run.solved {
        let n = s.value("n").unwrap_or(0.0);
        if n >= WEIGHTS as f64 && !names.iter().any(|(b, _)| *b == s.block) {
            names.push((&s.block, n));
        }
    }
    let mut series: Vec<LineSeries> = Vec::new();
    for (block, n) in names {
        let own = run.solved.iter().filter(|s| s.block == block);
        let points: Vec<(f64, Option<f64>)> = own.map(|s| (s.step as f64, s.value("kappa"))).collect();
        let ends = points.first().zip(points.last()).map(|(a, b)| [a.0, b.0]);
        series.push(LineSeries { marked: true, ..line(format!("{block}, N = {n}"), points) });
        if let Some(ends) = ends {
            let bound = ends.iter().map(|x| (*x, Some(1.0 + n / ETA))).collect();
            series.push(LineSeries { dashed: true, marked: false, ..line(format!("1 + N/η for N = {n}"), bound) });
        }
    }
    picture(
        "kappa-blocks",
        "κ(H+λI) of every weight block, step by step",
        "As the scheduler estimated it before each solve. κ above a block's own bound means that H is indefinite and one of its \
         negative eigenvalues nearly meets −λ; a long fall means that H has become smaller than the floor of λ = η·(max|h| + 1e-6)."
            .into(),
        Lines {
            x: AxisSpec::linear("training step", ""),
            y: AxisSpec::log("κ(H+λI)", ""),
            series,
            horizontal: vec![Mark { at: KAPPA_LIMIT, label: "the paper's limit, 1e4".into() }],
            ..Lines::default()
        },
    )
}

/// The saving over the gate time, for every pair.
pub fn savings(p: &Prices) -> Picture {
    let series = PAIRS
        .iter()
        .zip(&p.run)
        .map(|(pair, s)| {
            let classical = s.policy("all-classical").and_then(|p| p.seconds);
            // Deciding is left out: it lowers the ceiling, which the table gives.
            let curve = s.curves.iter().find(|c| c.id == "oracle");
            let points = curve
                .map(|c| {
                    c.points.iter().map(|(t, y)| (*t, y.zip(classical).map(|(y, c)| 100.0 * (1.0 - y / c)))).collect()
                })
                .unwrap_or_default();
            LineSeries { marked: false, ..line(pair.title, points) }
        })
        .collect();
    let mut vertical: Vec<Mark> = PRESETS
        .iter()
        .zip(["superconducting preset", "ion-trap preset"])
        .map(|(t, l)| Mark { at: *t, label: l.into() })
        .collect();
    vertical.push(Mark { at: 1e-18, label: "1 as (hypothesis)".into() });
    picture(
        "savings",
        "What scheduling saves, by how honestly it is counted",
        "Part of the all-classical time that the cheaper side of every solve saves, over the time of one gate or query; deciding \
         costs nothing here."
            .into(),
        Lines {
            x: AxisSpec::log("gate time", "s"),
            y: AxisSpec::linear("saving", "%"),
            series,
            vertical,
            horizontal: vec![Mark { at: 90.0, label: "the paper's 90 %".into() }],
            y_range: None,
        },
    )
}

/// Time per policy in the paper's own terms.
pub fn policies(p: &Prices) -> Option<Picture> {
    p.run.first().map(|s| gate_time_figure(s, "policies"))
}

/// The decisions at the gate time at which half is saved.
pub fn strip(s: &Schedule) -> Picture {
    let mut picture = strip_figure(s, "decisions");
    if let Drawing::Strip(strip) = &mut picture.drawing {
        strip.across = "training step".into();
    }
    picture.caption =
        format!("{} The gate time is the one at which half of the inverse's time is saved.", picture.caption);
    picture
}

/// How often the rule κ > 1e4 and the prices agree.
pub fn threshold(p: &Prices) -> Option<Picture> {
    let all = tried(p);
    let run: Vec<&Schedule> = p.run.first().into_iter().collect();
    let share = |name: &str, schedules: &[&Schedule]| {
        let points = gate_times().into_iter().map(|t| (t, agreement(schedules, t).map(|a| 100.0 * a))).collect();
        LineSeries { marked: false, ..line(name, points) }
    };
    let series = vec![share("the scheduled run", &run), share("with the pruning sweep and the widths", &all)];
    Some(picture(
        "threshold",
        "The rule κ > 1e4 against the prices",
        "Share of the solves in which the fixed limit and the cheaper price (paper's gates against the inverse) choose the same side."
            .into(),
        Lines {
            x: AxisSpec::log("gate time", "s"),
            y: AxisSpec::linear("agreement", "%"),
            series,
            vertical: PRESETS
                .iter()
                .zip(["superconducting preset", "ion-trap preset"])
                .map(|(t, l)| Mark { at: *t, label: l.into() })
                .collect(),
            horizontal: vec![Mark { at: 90.0, label: "90 %".into() }],
            y_range: None,
        },
    ))
}

/// Accuracy over a sweep.
pub fn accuracy(name: &str, title: &str, variable: &str, sweep: &[(f64, Seen)]) -> Picture {
    let of = |pick: &dyn Fn(&Seen) -> Option<f64>| {
        let mut points: Vec<(f64, Option<f64>)> = sweep.iter().map(|(x, s)| (*x, pick(s).map(|a| 100.0 * a))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    picture(
        name,
        title,
        "After the same number of updates from the same start.".into(),
        Lines {
            x: AxisSpec::log(variable, ""),
            y: AxisSpec::linear("accuracy", "%"),
            series: vec![line("training samples", of(&|s| s.accuracy)), line("held-out samples", of(&|s| s.held_out))],
            ..Lines::default()
        },
    )
}

/// Median κ of the weight blocks, and the gates of the whole training, over a sweep; each relative to its own largest value.
pub fn cost(name: &str, title: &str, variable: &str, sweep: &[(f64, Seen)], prices: &[(f64, Schedule)]) -> Picture {
    let sorted = |mut points: Vec<(f64, Option<f64>)>| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let kappa = sorted(sweep.iter().map(|(x, s)| (*x, median_kappa(s))).collect());
    let gates = sorted(prices.iter().map(|(x, s)| (*x, operations(s))).collect());
    let d = sorted(
        sweep
            .iter()
            .map(|(x, s)| {
                let largest = s.largest();
                let own = s.solved.iter().filter(|v| Some(v.block.as_str()) == largest).filter_map(|v| v.value("d"));
                (*x, Some(own.fold(0.0, f64::max)).filter(|d| *d > 0.0))
            })
            .collect(),
    );
    picture(
        name,
        title,
        "Median κ(H+λI) of the weight blocks over all steps, d of the largest block, and the gates d·κ·ln(Nκ/ε) of all solves."
            .into(),
        Lines {
            x: AxisSpec::log(variable, ""),
            y: AxisSpec::log("κ, d [entries], gates", ""),
            series: vec![
                line("median κ", kappa),
                line("d of the largest block", d),
                LineSeries { part: Part::Quantum, ..line("gates of the training", gates) },
            ],
            ..Lines::default()
        },
    )
}

/// The gate time that saves nine tenths, over N of the first block.
pub fn growth(p: &Prices) -> Picture {
    type Width = (usize, Schedule, Schedule);
    let of = |pick: &dyn Fn(&Width) -> (f64, Option<f64>)| p.widths.iter().map(pick).collect::<Vec<_>>();
    let n = |s: &Schedule| s.solves.iter().map(|d| d.n).max().unwrap_or(1) as f64;
    picture(
        "scaling",
        "How fast the gates would have to be, as the network grows",
        "Gate time at which 90 % of the classical time is saved (paper's gates, deciding free), over N of the largest block.".into(),
        Lines {
            x: AxisSpec::log("unknowns of the largest block N", ""),
            y: AxisSpec::log("gate time", "s"),
            series: vec![
                LineSeries {
                    part: Part::Classical,
                    ..line("against the inverse, 2N³", of(&|(_, s, _)| (n(s), gate_time_of(s, 0.9, false))))
                },
                LineSeries {
                    part: Part::Classical,
                    ..line("against the best rival", of(&|(_, _, s)| (n(s), gate_time_of(s, 0.9, false))))
                },
            ],
            horizontal: vec![Mark { at: PRESETS[0], label: "superconducting preset, 50 ns".into() }],
            ..Lines::default()
        },
    )
}

/// The estimators' errors over N.
pub fn estimators(m: &Measured) -> Picture {
    let series = Estimator::ALL
        .iter()
        .map(|e| {
            let name = e.to_string();
            let stem = name.split(':').next().unwrap_or(&name).to_string();
            let mut points: Vec<(f64, Option<f64>)> = m
                .run
                .estimates
                .iter()
                .filter_map(|x| Some((x.n as f64, Some(error_decades(x, &stem)?.abs().max(1e-12)))))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            LineSeries { loose: true, marked: true, ..line(name, points) }
        })
        .filter(|s| !s.points.is_empty())
        .collect();
    picture(
        "estimators",
        "Error of each estimator of κ",
        "|log10(estimate/κ)| on every system that was measured in full; the published formula appears only where it gives a number. \
         At 1 the estimate is off by a factor 10."
            .into(),
        Lines {
            x: AxisSpec::log("unknowns N", ""),
            y: AxisSpec::log("error", "decades of κ"),
            series,
            horizontal: vec![Mark { at: 1.0, label: "a factor 10".into() }],
            y_range: Some([1e-12, 1e5]),
            ..Lines::default()
        },
    )
}

/// The losses of the main run.
pub fn losses(m: &Measured) -> Picture {
    let points = m.run.losses.iter().map(|(s, l)| (*s as f64, Some(*l))).collect();
    picture(
        "loss",
        "Loss of the scheduled training",
        "Q-Newton with exact Hessian blocks and a line search on one fixed batch; every block of every step is one solve of the schedule."
            .into(),
        Lines {
            x: AxisSpec::linear("training step", ""),
            y: AxisSpec::log("loss", ""),
            series: vec![line("q-newton", points)],
            ..Lines::default()
        },
    )
}
