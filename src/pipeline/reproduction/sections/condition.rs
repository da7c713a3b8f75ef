//! κ: its trajectories, the limit 1e4, its estimators.

use super::section;
use crate::pipeline::reproduction::claims::{DEFINITIONS, Prices, WEIGHTS, bound_use, error_decades, falls, kappa_of};
use crate::pipeline::reproduction::figures;
use crate::pipeline::reproduction::prices::median;
use crate::pipeline::reproduction::sizes::ETA;
use crate::pipeline::reproduction::stages::Measured;
use crate::report::dossier::{DataTable, Datum, Section};
use crate::report::number::{digits, real};
use crate::schedule::Estimator;

pub(super) fn kappa(m: &Measured) -> Section {
    let (inside, of) = bound_use(&m.run);
    let mut section = section(
        "kappa",
        "κ during training",
        &[
            "κ of what? The paper solves H + λI with λ = η·max|h|. For a positive semidefinite H this rule alone nearly fixes κ: \
           max|h| ≤ λ_max ≤ N·max|h|, so with a null space 1 + 1/η ≤ κ = 1 + λ_max/λ ≤ 1 + N/η, whatever the training does. An \
           indefinite H can exceed that when an eigenvalue −|λ_i| comes close to −λ: then damping makes κ worse.",
        ],
    );
    section.text.push(format!(
        "{inside} of {of} measured systems obey κ(H+λI) ≤ 1 + N/η. The undamped H is singular for a softmax classifier, so its κ \
         exists on its numerical range alone."
    ));
    section.figures.extend(figures::trajectory(&m.run));
    section.figures.push(figures::all_blocks(&m.run));
    let mut table = DataTable::new(
        "kappa-falls",
        "How far κ falls, by definition (weight blocks)",
        &["block", "definition", "κ at the first step", "smallest later κ", "fall [times]"],
    );
    for f in falls(&m.run) {
        table.push(vec![f.block.into(), f.of.into(), f.first.into(), f.least.into(), (f.first / f.least).into()]);
    }
    section.tables.push(table);
    let mut columns = vec!["block", "step", "N", "negative eigenvalues", "λ"];
    columns.extend(DEFINITIONS);
    columns.extend(["1 + N/η", "κ(H+λI) over the bound"]);
    let mut table = DataTable::new("kappa", "Every measured system", &columns);
    table.folded = true;
    for s in m.run.measured.iter().filter(|s| s.n >= WEIGHTS) {
        let bound = 1.0 + s.n as f64 / ETA;
        let mut row: Vec<Datum> = vec![
            s.scope.trim_start_matches("layer:").into(),
            s.step.map_or(Datum::Empty, Datum::from),
            s.n.into(),
            s.inertia.negative.into(),
            s.damping.lambda.into(),
        ];
        row.extend(DEFINITIONS.iter().map(|of| Datum::from(kappa_of(s, of))));
        row.extend([bound.into(), s.kappa.value.map(|k| k / bound).into()]);
        table.push(row);
    }
    section.tables.push(table);
    section
}

pub(super) fn threshold(p: &Prices) -> Section {
    let mut section = section(
        "threshold",
        "The limit κ > 1e4",
        &[
            "A fixed limit on κ is the same as comparing prices only where gate time, N, d and the classical rate put the \
           break-even κ at 1e4. Far to the left every solve is cheaper on the quantum side and the limit sends some away; far to \
           the right none is and the limit keeps some.",
        ],
    );
    section.figures.extend(figures::threshold(p));
    section
}

pub(super) fn estimators(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "estimators",
        "Estimating κ before the solve",
        &[
            "A scheduler must know κ before it decides. The published formula needs a determinant, that is a factorisation, and has the \
           wrong factor: (1 − n/‖A‖_F)ⁿ where the bound has (n/‖A‖_F²)ⁿ. Even the right bound is exponentially loose. A \
           factorisation with Lanczos on A and A⁻¹ gives κ to many digits, but whoever has it has also solved the system.",
        ],
    );
    section.figures.push(figures::estimators(m));
    let columns = [
        "estimator",
        "answers",
        "of",
        "median error [decades]",
        "largest error [decades]",
        "cost over one LDLᵀ solve (median, N ≥ 100)",
    ];
    let mut table = DataTable::new("estimators", "The estimators on every measured system", &columns);
    let known: Vec<_> = m.run.estimates.iter().filter(|e| e.kappa.is_some()).collect();
    for e in Estimator::ALL {
        let name = e.to_string();
        let stem = name.split(':').next().unwrap_or(&name).to_string();
        let errors: Vec<f64> = known.iter().filter_map(|x| error_decades(x, &stem)).map(f64::abs).collect();
        let ratio = m.run.estimates.iter().filter(|x| x.n >= WEIGHTS).filter_map(|x| {
            let found = x.all.iter().find(|k| k.estimator.starts_with(&stem))?;
            let n = x.n as f64;
            Some((found.dense_flops + found.stored_flops) / (n.powi(3) / 3.0 + 2.0 * n * n))
        });
        table.push(vec![
            name.into(),
            errors.len().into(),
            known.len().into(),
            median(errors.iter().copied()).into(),
            errors.iter().copied().fold(f64::NEG_INFINITY, f64::max).into(),
            median(ratio).into(),
        ]);
    }
    section.tables.push(table);
    if let Some(s) = p.run.first() {
        let overhead = s.policy("q-newton").and_then(|p| p.overhead_seconds);
        let classical = s.policy("all-classical").and_then(|p| p.seconds);
        if let Some((o, c)) = overhead.zip(classical) {
            let rest = 1.0 - o / c;
            section.text.push(format!(
                "In the schedule above deciding (all eigenvalues up to N = 1,500, else a factorisation; one pass to count d) takes {} s \
                 against {} s of inverses: {}",
                real(o),
                real(c),
                if rest > 0.0 {
                    format!("no gate time, however short, can save more than {} % of them.", digits(100.0 * rest, 3))
                } else {
                    "more than all that could be saved.".to_string()
                }
            ));
        }
    }
    section
}
