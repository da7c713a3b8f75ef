//! Claims about what pruning and regularisation trade.

use super::statistics::rank_correlation;
use super::{Prices, WEIGHTS, claim};
use crate::pipeline::reproduction::prices::{median, operations};
use crate::pipeline::reproduction::stages::{Measured, Seen};
use crate::report::dossier::{Claim, Evidence, Outcome};
use crate::report::number::{digits, optional};

pub(super) fn pruning(m: &Measured, p: &Prices) -> Claim {
    let whole = m.keeps.iter().find(|(k, _)| *k == 1.0);
    let accuracy = whole.and_then(|(_, s)| s.accuracy);
    let gates = |keep: f64| p.keeps.iter().find(|(k, _)| *k == keep).and_then(|(_, s)| operations(s));
    let start = gates(1.0);
    // The smallest keep that costs at most five points of accuracy, with what it saves.
    let trade = m
        .keeps
        .iter()
        .filter(|(k, _)| *k <= 0.5)
        .filter_map(|(k, s)| Some((*k, s.accuracy? - accuracy?, gates(*k)? / start?)))
        .filter(|(k, lost, ratio)| *lost >= -0.05 && *ratio <= 2.0 * k)
        .min_by(|a, b| a.2.total_cmp(&b.2));
    let asymmetry = m.keeps.iter().flat_map(|(_, s)| &s.rows).map(|r| r.asymmetry).fold(0.0, f64::max);
    let columns = m.keeps.iter().flat_map(|(_, s)| &s.rows).map(|r| r.d_column as f64 / r.k as f64).fold(0.0, f64::max);
    let verdict = match (trade.is_some(), asymmetry <= 1e-12) {
        _ if accuracy.is_none() || start.is_none() => Outcome::NotTestable,
        (true, true) => Outcome::Reproduced,
        (true, false) => Outcome::HoldsOnlyUnder,
        (false, _) => Outcome::NotReproduced,
    };
    let best = trade.map_or(
        "no keep ratio of 0.5 or below does both: save gates in proportion and lose at most five points".to_string(),
        |(k, lost, ratio)| {
            format!(
                "keep {k} leaves {} of the gates and {} points of accuracy against keep 1",
                digits(ratio, 2),
                signed(100.0 * lost)
            )
        },
    );
    Claim {
        measured: format!(
            "With symmetric pruning, {best}. The published row-wise rule leaves an asymmetry of up to {} of ‖H‖_F and columns of \
             up to {} times the kept entries.",
            digits(asymmetry, 2),
            digits(columns, 3)
        ),
        holds: match trade {
            Some(_) => "With pruning that keeps the matrix symmetric, so that both rows and columns have at most d entries.".into(),
            None => "At no keep ratio of 0.5 or below on this network and with so few updates.".to_string(),
        },
        breaks: "Row-wise top-k is not symmetric: d-sparse access to columns is not bounded by k, and the solved matrix is no \
                 longer a Hessian. Pruning may also raise κ, by making a definite matrix indefinite; the Newton step may then climb."
            .into(),
        rule: "Reproduced when some keep ratio r ≤ 0.5 leaves at most 2r of the gates at no more than five points of accuracy, and \
               the published rule's result is symmetric to 1e-12; holds only under symmetric pruning when the first alone is true."
            .into(),
        under: if verdict == Outcome::HoldsOnlyUnder { "symmetric pruning".into() } else { String::new() },
        verdict,
        evidence: vec![
            Evidence::new("keep ratio of the best trade", trade.map(|t| t.0), "1"),
            Evidence::new("gates left by it", trade.map(|t| t.2), "1"),
            Evidence::new("accuracy gained by it", trade.map(|t| 100.0 * t.1), "points"),
            Evidence::new("largest asymmetry of the row-wise rule", asymmetry, "1"),
            Evidence::new("most entries of a column over k", columns, "1"),
        ],
        ..claim(
            "pruning",
            "Symmetry-aware pruning trades accuracy for time",
            "“symmetry-aware” pruning with keep ratios from 1 to 0.025 (abstract; the code keeps the top k of each row).",
        )
    }
}

fn signed(x: f64) -> String {
    format!("{}{}", if x >= 0.0 { "+" } else { "−" }, digits(x.abs(), 2))
}

/// The median κ of the weight blocks' solves of a training.
pub fn median_kappa(seen: &Seen) -> Option<f64> {
    let weights = seen.solved.iter().filter(|s| s.value("n").unwrap_or(0.0) >= WEIGHTS as f64);
    median(weights.filter_map(|s| s.value("kappa")))
}

pub(super) fn regularisation(m: &Measured, p: &Prices) -> Claim {
    let kappas: Vec<(f64, f64)> = m.etas.iter().filter_map(|(eta, s)| Some((*eta, median_kappa(s)?))).collect();
    let correlation = rank_correlation(&kappas);
    let best = m.etas.iter().filter_map(|(eta, s)| Some((*eta, s.accuracy?))).max_by(|a, b| a.1.total_cmp(&b.1));
    let last = m.etas.last().and_then(|(eta, s)| Some((*eta, s.accuracy?)));
    let lost = best.zip(last).map(|(b, l)| b.1 - l.1);
    let gates: Vec<f64> = p.etas.iter().filter_map(|(_, s)| operations(s)).collect();
    let falls = gates.first().copied().zip(gates.last().copied()).map(|(a, b)| a / b);
    let monotone = correlation.is_some_and(|r| r <= -0.9);
    let costs = lost.is_some_and(|l| l >= 0.05);
    let verdict = match (monotone, costs) {
        _ if correlation.is_none() || lost.is_none() => Outcome::NotTestable,
        (true, true) => Outcome::Reproduced,
        (true, false) | (false, true) => Outcome::HoldsOnlyUnder,
        (false, false) => Outcome::NotReproduced,
    };
    Claim {
        measured: format!(
            "From η = {} to {} the median κ goes from {} to {} (rank correlation {}) and the gates fall {} times; accuracy is best \
             at η = {} ({} %) and {} points lower at the largest η.",
            optional(m.etas.first().map(|e| e.0)),
            optional(m.etas.last().map(|e| e.0)),
            optional(kappas.first().map(|k| k.1)),
            optional(kappas.last().map(|k| k.1)),
            correlation.map_or("—".into(), |r| digits(r, 2)),
            falls.map_or("—".into(), |x| digits(x, 3)),
            optional(best.map(|b| b.0)),
            best.map_or("—".into(), |b| digits(100.0 * b.1, 3)),
            lost.map_or("—".into(), |l| digits(100.0 * l, 2))
        ),
        holds: "With few updates, so that the short steps of a large λ show. λ ≫ ‖H‖ is gradient descent with step 1/λ.".into(),
        breaks: "At the large end of the paper's range κ is 1 and there is no system worth a solver of either kind.".into(),
        rule: "Reproduced when κ falls with η (rank correlation at most −0.9) and the accuracy at the largest η is at least five \
               points below the best; holds only in part when one of the two is true."
            .into(),
        under: match (verdict, monotone) {
            (Outcome::HoldsOnlyUnder, true) => "the time side: accuracy does not pay for it here".into(),
            (Outcome::HoldsOnlyUnder, false) => "the accuracy side: κ is not monotone in η".into(),
            _ => String::new(),
        },
        verdict,
        evidence: vec![
            Evidence::new("rank correlation of η and median κ", correlation, "1"),
            Evidence::new("accuracy lost at the largest η", lost.map(|l| 100.0 * l), "points"),
            Evidence::new("gates at the smallest η over those at the largest", falls, "1"),
        ],
        ..claim(
            "regularisation",
            "Regularisation trades time against accuracy",
            "λ = η·max|H| with η from 1e-3 to 1e4 (5e4 for the largest model).",
        )
    }
}
