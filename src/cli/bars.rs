//! Bars over random parts of the batch (`--subsample`), as columns for files and as a table for reading.

use super::output::{Cell, Table, short_number};
use crate::measurement::{Measured, Measurement, Subsample};

/// Appends the bars of κ, d and ε to a table of one row per case; nothing when no case has any.
pub fn add_columns(table: &mut Table, cases: &[&Measurement]) {
    if cases.iter().all(|m| m.subsample.is_none()) {
        return;
    }
    for name in ["kappa", "d", "eps"] {
        table.columns.extend(["low", "median", "high"].map(|end| format!("{name}_parts_{end}")));
    }
    table.columns.extend(["parts".into(), "parts_singular".into()]);
    for (row, case) in table.rows.iter_mut().zip(cases) {
        match &case.subsample {
            Some(s) => {
                row.extend(bars(s).into_iter().flat_map(|b| [b.low, b.value, b.high]).map(Cell::from));
                row.extend([s.halves.into(), s.singular.into()]);
            }
            None => row.resize(table.columns.len(), Cell::Empty),
        }
    }
}

/// The bars for reading, with what `more` says of each case in a last column; empty when no case has any.
pub fn text(cases: &[&Measurement], more: Option<(&str, &dyn Fn(usize) -> String)>) -> String {
    let Some(first) = cases.iter().find_map(|m| m.subsample.as_ref()) else { return String::new() };
    let mut columns = vec!["case", "kappa", "d", "eps", "singular"];
    columns.extend(more.map(|(name, _)| name));
    let mut table = Table::new(&columns);
    for (index, case) in cases.iter().enumerate() {
        let Some(s) = &case.subsample else { continue };
        let mut row = vec![Cell::from(case.id.clone())];
        row.extend(bars(s).map(|b| Cell::from(bar(b))));
        row.push(s.singular.into());
        row.extend(more.map(|(_, of)| Cell::from(of(index))));
        table.push(row);
    }
    format!(
        "\n{} random parts of the batch, {} of its samples each: median (least to greatest)\n{}",
        first.halves,
        short_number(first.fraction),
        table.aligned()
    )
}

fn bars(s: &Subsample) -> [&Measured; 3] {
    [&s.kappa, &s.row_sparsity, &s.tolerance]
}

fn bar(b: &Measured) -> String {
    match (b.value, b.low, b.high) {
        (Some(v), Some(low), Some(high)) => {
            format!("{} ({} to {})", short_number(v), short_number(low), short_number(high))
        }
        _ => "none".into(),
    }
}
