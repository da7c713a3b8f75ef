//! Symmetric magnitude pruning to a target row sparsity, a ratio or a threshold, and the paper's row-wise rule.
//!
//! To a target d the entries are taken greedily by magnitude (ties: the smaller column, then row): an off-diagonal pair
//! (i, j), (j, i) is kept while both rows have room. Every row keeps its diagonal entry, which counts towards d, because
//! λ is added after pruning and fills it anyway. So rows and columns both have at most d entries and the result stays
//! exactly symmetric; it keeps at least what the intersection of the row-wise choices would.

use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use std::fmt;
use std::str::FromStr;

/// Which entries of the undamped matrix are kept.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum PruneRule {
    /// All.
    #[default]
    None,
    /// At most this many in every row and column, the diagonal included.
    RowCount(usize),
    /// At most ⌊ratio·N⌋ in every row and column (at least the diagonal).
    Ratio(f64),
    /// Those with |h_ij| > threshold·max|h_ij|, the diagonal like any other.
    Threshold(f64),
}

impl PruneRule {
    /// The target d for a matrix of size n, for the two rules that have one.
    pub fn target(&self, n: usize) -> Option<usize> {
        match *self {
            PruneRule::RowCount(d) => Some(d.clamp(1, n.max(1))),
            // the product may fall an ulp below a whole number
            PruneRule::Ratio(r) => Some(((r * n as f64 * (1.0 + 1e-15)).floor() as usize).clamp(1, n.max(1))),
            PruneRule::None | PruneRule::Threshold(_) => None,
        }
    }
}

impl fmt::Display for PruneRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PruneRule::None => write!(f, "none"),
            PruneRule::RowCount(d) => write!(f, "d:{d}"),
            PruneRule::Ratio(r) => write!(f, "ratio:{r}"),
            PruneRule::Threshold(t) => write!(f, "threshold:{t:e}"),
        }
    }
}

impl FromStr for PruneRule {
    type Err = Error;

    /// `none`, `d:K` (K ≥ 1), `ratio:R` (0 < R ≤ 1), `threshold:T` (0 ≤ T < 1).
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::usage(
                "pruning::rule",
                format!("--prune {text}"),
                what,
                "use none, d:32, ratio:0.25 or threshold:1e-2",
            )
        };
        let number = |text: &str| text.parse::<f64>().map_err(|_| wrong("not a number"));
        match text.split_once(':') {
            None if text == "none" => Ok(PruneRule::None),
            Some(("d", k)) => match k.parse::<usize>() {
                Ok(k) if k >= 1 => Ok(PruneRule::RowCount(k)),
                _ => Err(wrong("d must be a whole number of at least 1")),
            },
            Some(("ratio", r)) => match number(r)? {
                r if r > 0.0 && r <= 1.0 => Ok(PruneRule::Ratio(r)),
                _ => Err(wrong("the ratio must lie in (0, 1]")),
            },
            Some(("threshold", t)) => match number(t)? {
                t if (0.0..1.0).contains(&t) => Ok(PruneRule::Threshold(t)),
                _ => Err(wrong("the threshold must lie in [0, 1)")),
            },
            _ => Err(wrong("not a pruning rule")),
        }
    }
}

/// The matrix with the entries that `rule` keeps, the others zero; exactly symmetric when `h` is.
pub fn prune(h: MatRef<'_, f64>, rule: PruneRule) -> Mat<f64> {
    let n = h.nrows();
    match (rule, rule.target(n)) {
        (_, Some(d)) => greedy(h, d),
        (PruneRule::Threshold(t), _) => {
            let mut max = 0.0f64;
            for j in 0..n {
                max = h.col(j).iter().fold(max, |m, x| m.max(x.abs()));
            }
            Mat::from_fn(n, n, |i, j| if h[(i, j)].abs() > t * max { h[(i, j)] } else { 0.0 })
        }
        _ => h.to_owned(),
    }
}

fn greedy(h: MatRef<'_, f64>, d: usize) -> Mat<f64> {
    let n = h.nrows();
    let mut out = Mat::zeros(n, n);
    for i in 0..n {
        out[(i, i)] = h[(i, i)];
    }
    let room = d - 1;
    if room == 0 {
        return out;
    }
    let mut pairs: Vec<(f64, u32, u32)> = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for j in 0..n {
        for i in j + 1..n {
            let x = h[(i, j)];
            if x != 0.0 {
                pairs.push((x.abs(), j as u32, i as u32));
            }
        }
    }
    pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut used = vec![0usize; n];
    for (_, j, i) in pairs {
        let (i, j) = (i as usize, j as usize);
        if used[i] < room && used[j] < room {
            used[i] += 1;
            used[j] += 1;
            out[(i, j)] = h[(i, j)];
            out[(j, i)] = h[(j, i)];
        }
    }
    out
}

/// What the paper's code does, for comparison: every row keeps its k largest entries on its own.
#[derive(Debug, Clone, PartialEq)]
pub struct RowWise {
    /// Entries kept in every row.
    pub k: usize,
    /// ‖P − Pᵀ‖_F/‖H‖_F of the pruned matrix P: it is no longer symmetric.
    pub asymmetry: f64,
    /// Largest number of entries in a column.
    pub d_column: usize,
    /// Largest number of entries in a row when (i, j) is kept if either row chose it.
    pub d_union: usize,
    /// Largest number of entries in a row when (i, j) is kept if both rows chose it.
    pub d_intersection: usize,
}

/// The row-wise rule of the published Q-Newton code: the k largest |h_ij| of each row (ties: the smaller column; zeros
/// count as entries where a row has fewer than k others).
pub fn row_wise(h: MatRef<'_, f64>, k: usize) -> RowWise {
    let n = h.nrows();
    let k = k.min(n);
    let mut chosen = vec![false; n * n];
    for i in 0..n {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| h[(i, b)].abs().total_cmp(&h[(i, a)].abs()));
        for &j in &order[..k] {
            chosen[i * n + j] = true;
        }
    }
    let mut found = RowWise { k, asymmetry: 0.0, d_column: 0, d_union: 0, d_intersection: 0 };
    let (mut difference, mut norm) = (0.0, 0.0);
    for i in 0..n {
        let (mut column, mut union, mut intersection) = (0, 0, 0);
        for j in 0..n {
            let (row, transposed) = (chosen[i * n + j], chosen[j * n + i]);
            column += usize::from(transposed);
            union += usize::from(row || transposed);
            intersection += usize::from(row && transposed);
            norm += h[(i, j)] * h[(i, j)];
            if row != transposed {
                difference += h[(i, j)] * h[(i, j)];
            }
        }
        found.d_column = found.d_column.max(column);
        found.d_union = found.d_union.max(union);
        found.d_intersection = found.d_intersection.max(intersection);
    }
    found.asymmetry = if norm > 0.0 { (difference / norm).sqrt() } else { 0.0 };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n: usize) -> Mat<f64> {
        Mat::from_fn(n, n, |i, j| {
            let (i, j) = (i.max(j), i.min(j));
            ((i * 17 + j * 5 + 1) as f64 * 0.77).sin() * (1.0 + (j % 3) as f64)
        })
    }

    fn counts(a: &Mat<f64>) -> (usize, usize) {
        let n = a.nrows();
        let row = (0..n).map(|i| (0..n).filter(|&j| a[(i, j)] != 0.0).count()).max().unwrap_or(0);
        let column = (0..n).map(|j| (0..n).filter(|&i| a[(i, j)] != 0.0).count()).max().unwrap_or(0);
        (row, column)
    }

    fn mass(a: &Mat<f64>) -> f64 {
        let n = a.nrows();
        (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).map(|at| a[at] * a[at]).sum()
    }

    #[test]
    fn rows_and_columns_stay_below_the_target_and_the_result_is_symmetric() {
        for n in [1usize, 2, 5, 23, 40] {
            let h = sample(n);
            for d in [1, 2, 5, n, n + 3] {
                let p = prune(h.as_ref(), PruneRule::RowCount(d));
                let (row, column) = counts(&p);
                assert!(row <= d && column <= d, "{n} {d}");
                for i in 0..n {
                    assert_eq!(p[(i, i)], h[(i, i)]);
                    for j in 0..n {
                        assert_eq!(p[(i, j)], p[(j, i)]);
                        assert!(p[(i, j)] == 0.0 || p[(i, j)] == h[(i, j)]);
                    }
                }
            }
            assert_eq!(prune(h.as_ref(), PruneRule::RowCount(n)), h);
            assert_eq!(prune(h.as_ref(), PruneRule::Ratio(1.0)), h);
            assert_eq!(prune(h.as_ref(), PruneRule::None), h);
        }
    }

    #[test]
    fn greedy_keeps_no_less_than_the_intersection_of_the_row_wise_choices() {
        let n = 40;
        let h = sample(n);
        for d in [2usize, 6, 15, 30] {
            // d − 1 largest off-diagonal entries of each row, kept where both rows agree
            let choice = |i: usize| {
                let mut order: Vec<usize> = (0..n).filter(|&j| j != i).collect();
                order.sort_by(|&a, &b| h[(i, b)].abs().total_cmp(&h[(i, a)].abs()));
                order.truncate(d - 1);
                order
            };
            let chosen: Vec<Vec<usize>> = (0..n).map(choice).collect();
            let both = |i: usize, j: usize| i == j || chosen[i].contains(&j) && chosen[j].contains(&i);
            let intersection = Mat::from_fn(n, n, |i, j| if both(i, j) { h[(i, j)] } else { 0.0 });
            let greedy = prune(h.as_ref(), PruneRule::RowCount(d));
            assert!(mass(&greedy) >= mass(&intersection) - 1e-12, "{d}");
            // maximal: no dropped pair has room on both sides
            let used = |i: usize| (0..n).filter(|&j| greedy[(i, j)] != 0.0).count();
            for i in 0..n {
                for j in 0..i {
                    assert!(greedy[(i, j)] != 0.0 || h[(i, j)] == 0.0 || used(i) == d || used(j) == d);
                }
            }
        }
    }

    #[test]
    fn thresholds_and_ratios_mean_what_they_say() {
        let h = sample(20);
        let max = (0..400).map(|k| h[(k / 20, k % 20)].abs()).fold(0.0, f64::max);
        let p = prune(h.as_ref(), PruneRule::Threshold(0.5));
        for k in 0..400 {
            let at = (k / 20, k % 20);
            assert_eq!(p[at], if h[at].abs() > 0.5 * max { h[at] } else { 0.0 });
        }
        assert_eq!(PruneRule::Ratio(0.25).target(310), Some(77));
        assert_eq!(PruneRule::Ratio(0.1).target(310), Some(31));
        assert_eq!(PruneRule::Ratio(1e-9).target(310), Some(1));
        assert_eq!(PruneRule::RowCount(7).target(5), Some(5));
    }

    #[test]
    fn rules_read_and_print() {
        for (text, rule) in [
            ("none", PruneRule::None),
            ("d:32", PruneRule::RowCount(32)),
            ("ratio:0.25", PruneRule::Ratio(0.25)),
            ("threshold:1e-2", PruneRule::Threshold(1e-2)),
        ] {
            assert_eq!(text.parse::<PruneRule>().unwrap(), rule);
            assert_eq!(rule.to_string(), text);
        }
        for text in
            ["", "d:0", "d:-1", "d:x", "ratio:0", "ratio:1.1", "ratio:nan", "threshold:1", "threshold:-1", "k:3"]
        {
            assert_eq!(text.parse::<PruneRule>().unwrap_err().class.exit_code(), 2, "{text}");
        }
    }
}
