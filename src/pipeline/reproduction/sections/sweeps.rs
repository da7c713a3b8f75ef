//! Pruning, regularisation, scaling.

use super::section;
use crate::pipeline::reproduction::claims::{Prices, WEIGHTS, described, median_kappa};
use crate::pipeline::reproduction::figures;
use crate::pipeline::reproduction::prices::{gate_time_of, operations};
use crate::pipeline::reproduction::stages::{Measured, Seen};
use crate::report::dossier::{DataTable, Section};
use crate::report::number::optional;
use crate::schedule::Schedule;

fn sweep_table(id: &str, title: &str, variable: &str, sweep: &[(f64, Seen)], prices: &[(f64, Schedule)]) -> DataTable {
    let columns = [
        variable,
        "final loss",
        "accuracy [%]",
        "held out [%]",
        "median κ",
        "largest κ",
        "d of the largest block",
        "gates of the training",
        "90 % saved at [s]",
        "remark",
    ];
    let mut table = DataTable::new(id, title, &columns);
    for (x, s) in sweep {
        let priced = prices.iter().find(|(y, _)| y == x).map(|(_, s)| s);
        let largest = s.largest();
        let d = s
            .solved
            .iter()
            .filter(|v| Some(v.block.as_str()) == largest)
            .filter_map(|v| v.value("d"))
            .fold(0.0, f64::max);
        let most = s.solved.iter().filter_map(|v| v.value("kappa")).fold(f64::NEG_INFINITY, f64::max);
        table.push(vec![
            (*x).into(),
            s.final_loss().into(),
            s.accuracy.map(|a| 100.0 * a).into(),
            s.held_out.map(|a| 100.0 * a).into(),
            median_kappa(s).into(),
            most.into(),
            d.into(),
            priced.and_then(operations).into(),
            priced.and_then(|s| gate_time_of(s, 0.9, false)).into(),
            s.stopped.as_str().into(),
        ]);
    }
    table
}

pub(super) fn pruning(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "pruning",
        "Pruning",
        &[
            "Symmetric pruning keeps an entry with its mirror image while both rows have room, so that rows and columns have at most d \
           entries. The published code keeps the k largest entries of each row on its own: the result is not symmetric, and a \
           column can hold many more than k.",
        ],
    );
    section.figures.push(figures::accuracy(
        "pruning-accuracy",
        "Accuracy over the kept ratio",
        "ratio of entries kept",
        &m.keeps,
    ));
    section.figures.push(figures::cost(
        "pruning-cost",
        "What pruning does to κ, d and the gates",
        "ratio of entries kept",
        &m.keeps,
        &p.keeps,
    ));
    section.tables.push(sweep_table(
        "pruning",
        "The sweep over the kept ratio (symmetric)",
        "kept",
        &m.keeps,
        &p.keeps,
    ));
    let columns = [
        "kept",
        "block",
        "k",
        "‖P − Pᵀ‖_F/‖H‖_F",
        "largest column",
        "angle to the whole step, by rows [°]",
        "the same, symmetric [°]",
        "loss decrease, whole",
        "by rows",
        "symmetric",
    ];
    let mut table =
        DataTable::new("row-wise", "Row-wise against symmetric pruning, first step of the sweep's network", &columns);
    for (keep, s) in &m.keeps {
        for r in s.rows.iter().filter(|r| r.k > 1) {
            let [whole, rows, symmetric] = r.decrease;
            table.push(vec![
                (*keep).into(),
                r.block.as_str().into(),
                r.k.into(),
                r.asymmetry.into(),
                r.d_column.into(),
                r.angle_rows.into(),
                r.angle_symmetric.into(),
                whole.into(),
                rows.into(),
                symmetric.into(),
            ]);
        }
    }
    table.folded = true;
    section.tables.push(table);
    section
}

pub(super) fn regularisation(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "regularisation",
        "Regularisation",
        &[
            "λ = η·max|h|. A larger η lowers κ and with it the gates, and turns the Newton step into a short gradient step.",
        ],
    );
    section.figures.push(figures::accuracy(
        "regularisation-accuracy",
        "Accuracy over the damping factor",
        "damping factor η",
        &m.etas,
    ));
    section.figures.push(figures::cost(
        "regularisation-cost",
        "What damping does to κ, d and the gates",
        "damping factor η",
        &m.etas,
        &p.etas,
    ));
    section.tables.push(sweep_table("regularisation", "The sweep over η", "η", &m.etas, &p.etas));
    section
}

pub(super) fn scaling(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "scaling",
        "Scaling",
        &[
            "MLPs with two hidden layers of width h, exact Hessian blocks. The first weight block has N = 64·h here and 784·h in the \
           paper; what changes with N is the exponent, which is fitted.",
        ],
    );
    section.figures.push(figures::growth(p));
    let columns = [
        "h",
        "N",
        "κ",
        "d",
        "gates",
        "inverse [s]",
        "best rival [s]",
        "best rival is",
        "90 % against the inverse at [s]",
        "against the best at [s]",
    ];
    let mut table = DataTable::new("scaling", "The largest block of each network", &columns);
    for (h, inverse, best) in &p.widths {
        let (Some(a), Some(b)) = (inverse.solves.iter().max_by_key(|d| d.n), best.solves.iter().max_by_key(|d| d.n))
        else {
            continue;
        };
        table.push(vec![
            (*h).into(),
            a.n.into(),
            a.kappa_estimate.into(),
            a.d.into(),
            a.quantum_seconds.map(|q| q / inverse.gate_time).into(),
            a.classical_seconds.into(),
            b.classical_seconds.into(),
            b.classical.as_str().into(),
            gate_time_of(inverse, 0.9, false).into(),
            gate_time_of(best, 0.9, false).into(),
        ]);
    }
    section.tables.push(table);
    section.tables.extend(published(m, p));
    if let (Some((t, seen)), Some((inverse, best))) = (&m.published, &p.published) {
        section.text.push(format!(
            "At the paper's own size ({}) nine tenths of the inverse's time are saved at gate times up to {} s, of the best rival's up \
             to {} s.",
            described(t, seen),
            optional(gate_time_of(inverse, 0.9, false)),
            optional(gate_time_of(best, 0.9, false))
        ));
    }
    section
}

/// Every weight block's solves at the published size.
fn published(m: &Measured, p: &Prices) -> Option<DataTable> {
    let (_, seen) = m.published.as_ref()?;
    let (inverse, best) = p.published.as_ref()?;
    let columns = [
        "step",
        "block",
        "N",
        "κ",
        "d",
        "gates",
        "inverse [s]",
        "best rival [s]",
        "best rival is",
        "even with the inverse at [s]",
        "with the best at [s]",
    ];
    let mut table = DataTable::new("published", "The paper's smallest MLP, exact Hessian blocks", &columns);
    for (i, solved) in seen.solved.iter().enumerate() {
        let (Some(a), Some(b)) = (inverse.solves.get(i), best.solves.get(i)) else { continue };
        if a.n < WEIGHTS {
            continue;
        }
        let even = |s: &Schedule| s.break_even.get(i).and_then(|e| e.at);
        table.push(vec![
            solved.step.into(),
            solved.block.as_str().into(),
            a.n.into(),
            a.kappa_estimate.into(),
            a.d.into(),
            a.quantum_seconds.map(|q| q / inverse.gate_time).into(),
            a.classical_seconds.into(),
            b.classical_seconds.into(),
            b.classical.as_str().into(),
            even(inverse).into(),
            even(best).into(),
        ]);
    }
    Some(table)
}
