//! `cases.csv`: one row for each case, units in the column names, safe to open in a spreadsheet.

use super::document::{Case, Report};
use super::{escape, number, words};
use crate::error::{Class, Error, Result};
use crate::measurement::Measured;

enum Cell {
    Text(String),
    Number(Option<f64>),
    Count(Option<u64>),
}

/// The table as text.
///
/// Text cells that a spreadsheet would take for a formula begin with an apostrophe; numbers have all their digits; a missing
/// number is an empty cell.
///
/// # Errors
/// When the table cannot be written (it is written to memory, so practically never).
pub fn cases(report: &Report) -> Result<String> {
    let failed = |e: &dyn std::fmt::Display| Error::new(Class::Io, "report::csv", "cases.csv", e, "");
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let names: Vec<&str> = columns(&Case::default()).into_iter().map(|(name, _)| name).collect();
    writer.write_record(&names).map_err(|e| failed(&e))?;
    for case in &report.cases {
        let cells = columns(case).into_iter().map(|(_, cell)| match cell {
            Cell::Text(text) => escape::csv_text(&text),
            Cell::Number(x) => x.map(number::exact).unwrap_or_default(),
            Cell::Count(n) => n.map(|n| n.to_string()).unwrap_or_default(),
        });
        writer.write_record(cells).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}

fn columns(case: &Case) -> Vec<(&'static str, Cell)> {
    let m = &case.measurement;
    let text = |s: &str| Cell::Text(s.to_string());
    let number = |x: f64| Cell::Number(Some(x));
    let count = |n: usize| Cell::Count(Some(n as u64));
    let value = |of: &Measured| Cell::Number(of.value);
    let low = |of: &Measured| Cell::Number(of.low);
    let high = |of: &Measured| Cell::Number(of.high);
    let run =
        |solver: &str| Cell::Count(m.classical_runs.iter().find(|r| r.solver == solver).and_then(|r| r.iterations));
    let verdict = case.verdict.as_ref();
    let mark = verdict.and_then(|v| words::break_even(case, &v.scenario));
    vec![
        ("id", text(&m.id)),
        ("snapshot", text(&m.snapshot)),
        ("series", text(&m.series)),
        ("step [training steps]", Cell::Count(m.step)),
        ("curvature", text(&m.curvature)),
        ("scope", text(&m.scope)),
        ("damping_rule", text(&m.damping.rule)),
        ("lambda [units of H]", number(m.damping.lambda)),
        ("n [parameters]", count(m.n)),
        ("loss [units of the loss]", Cell::Number(m.loss)),
        ("gradient_norm [loss per unit parameter]", Cell::Number(m.gradient_norm)),
        ("kappa [1]", value(&m.kappa)),
        ("kappa_low [1]", low(&m.kappa)),
        ("kappa_high [1]", high(&m.kappa)),
        ("kappa_of", text(m.kappa.of.as_deref().unwrap_or(""))),
        ("sigma_max [units of H]", value(&m.sigma_max)),
        ("sigma_max_low [units of H]", low(&m.sigma_max)),
        ("sigma_max_high [units of H]", high(&m.sigma_max)),
        ("sigma_min [units of H]", value(&m.sigma_min)),
        ("sigma_min_low [units of H]", low(&m.sigma_min)),
        ("sigma_min_high [units of H]", high(&m.sigma_min)),
        ("rank [1]", count(m.rank)),
        ("inertia_positive [eigenvalues of H]", count(m.inertia.positive)),
        ("inertia_negative [eigenvalues of H]", count(m.inertia.negative)),
        ("inertia_zero [eigenvalues of H]", count(m.inertia.zero)),
        ("inertia_tolerance [units of H]", number(m.inertia.tolerance)),
        ("inertia_solved_positive [eigenvalues]", count(m.inertia_solved.positive)),
        ("inertia_solved_negative [eigenvalues]", count(m.inertia_solved.negative)),
        ("inertia_solved_zero [eigenvalues]", count(m.inertia_solved.zero)),
        ("row_sparsity [entries]", count(m.row_sparsity.value)),
        ("nonzeros [entries]", Cell::Count(Some(m.nonzeros))),
        ("alpha_absolute [units of H]", number(m.subnormalization.absolute)),
        ("alpha_relative [1]", number(m.subnormalization.relative)),
        ("alpha_encoding", text(&m.subnormalization.encoding)),
        ("tolerance [1]", number(m.tolerance.value)),
        ("tolerance_low [1]", number(m.tolerance.low)),
        ("tolerance_high [1]", number(m.tolerance.high)),
        ("tolerance_method", text(&m.tolerance.method)),
        ("cg_run [iterations]", run("cg")),
        ("cg_jacobi_run [iterations]", run("cg-jacobi")),
        ("minres_run [iterations]", run("minres")),
        ("minres_jacobi_run [iterations]", run("minres-jacobi")),
        ("verdict", text(verdict.map_or("", |v| words::class_id(v.class)))),
        ("verdict_scenario", text(verdict.map_or("", |v| &v.scenario))),
        ("verdict_against", text(verdict.map_or("", |v| &v.against))),
        ("hardware_quantum", text(verdict.map_or("", |v| &v.hardware_quantum))),
        ("hardware_classical", text(verdict.map_or("", |v| &v.hardware_classical))),
        ("break_even_gate_time [s]", Cell::Number(mark.as_ref().map(|m| m.at))),
        ("break_even_gate_time_low [s]", Cell::Number(mark.as_ref().and_then(|m| m.low))),
        ("break_even_gate_time_high [s]", Cell::Number(mark.as_ref().and_then(|m| m.high))),
        ("break_even_model", text(mark.as_ref().map_or("", |m| &m.label))),
        ("simulation_passed [claims]", Cell::Count(Some(case.simulation.iter().filter(|s| s.passed).count() as u64))),
        ("simulation_claims [claims]", count(case.simulation.len())),
    ]
}
