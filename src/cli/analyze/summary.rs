//! What `analyze` prints: the verdict on top, one line per case, where the report is.

use std::path::Path;

use crate::cli::bars;
use crate::cli::output::{Cell, Table};
use crate::measurement::Measurement;
use crate::report::document::Report;
use crate::report::words;

fn measurements(report: &Report) -> Vec<&Measurement> {
    report.cases.iter().map(|c| &c.measurement).collect()
}

/// One row per case, with the bars over parts of the batch where there are any.
pub fn table(report: &Report) -> Table {
    let mut table = short_table(report);
    bars::add_columns(&mut table, &measurements(report));
    table
}

fn short_table(report: &Report) -> Table {
    let mut table = Table::new(&["case", "n", "kappa", "d", "alpha", "eps", "verdict", "against"]);
    for case in &report.cases {
        let m = &case.measurement;
        let verdict = case.verdict.as_ref();
        table.push(vec![
            m.id.clone().into(),
            m.n.into(),
            m.kappa.value.into(),
            m.row_sparsity.value.into(),
            m.subnormalization.relative.into(),
            m.tolerance.value.into(),
            verdict.map_or(Cell::Empty, |v| v.class.name().into()),
            verdict.map_or(Cell::Empty, |v| v.against.clone().into()),
        ]);
    }
    table
}

/// The page of words.
pub fn text(report: &Report, out: &Path) -> String {
    let mut text = words::headline(report).sentence;
    text.push_str("\n\n");
    text.push_str(&short_table(report).aligned());
    let verdicts = |index: usize| {
        let counts = report.cases[index].verdict_subsample.iter();
        counts.map(|c| format!("{} {}×", words::class(c.class), c.count)).collect::<Vec<_>>().join(", ")
    };
    text.push_str(&bars::text(&measurements(report), Some(("verdicts", &verdicts))));
    let simulated = words::simulated(report);
    if !simulated.is_empty() {
        text.push_str(&format!("\n{simulated}\n"));
    }
    text.push_str(&format!("\nreport: {}\n", out.join("report.html").display()));
    text
}
