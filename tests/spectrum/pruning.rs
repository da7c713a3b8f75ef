//! Pruning of real Hessians: the paper's rule against the truth, the symmetric one against second computations.

use super::truth::{NETWORKS, array, close, hessian, json, number};
use breakeven::curvature::damping::DampingRule;
use breakeven::curvature::pruning::{PruneRule, prune, row_wise};
use breakeven::measure::{SystemInput, measure};
use breakeven::parallel::Threads;
use breakeven::spectrum::decompose;
use breakeven::spectrum::inertia::Factorization;
use faer::{Mat, Par};

#[test]
fn the_published_rule_does_what_the_truth_says() {
    let mut seen = 0;
    for network in NETWORKS {
        let truth = json(network);
        for (snapshot, truth) in truth["snapshots"].as_object().unwrap() {
            let Some(h) = hessian(network, snapshot) else { continue };
            for (name, truth) in truth["sparsity"].as_object().unwrap().iter().filter(|(k, _)| k.starts_with("topk_")) {
                let ratio: f64 = name["topk_".len()..].parse().unwrap();
                let k = PruneRule::Ratio(ratio).target(h.nrows()).unwrap();
                let place = format!("{network}/{snapshot}/{name}");
                assert_eq!(k as u64, truth["k"].as_u64().unwrap(), "{place}");
                let found = row_wise(h.as_ref(), k);
                let whole = |name: &str| truth[name].as_u64().unwrap() as i64;
                close(found.asymmetry, number(truth, "official_asymmetry_rel_fro").unwrap(), 1e-9, &place);
                // where a row has fewer than k non-zero entries, which zeros fill it is a matter of sorting
                let zeros = (0..h.nrows()).any(|j| h.col(j).iter().filter(|x| **x != 0.0).count() < k);
                if !zeros {
                    assert_eq!(found.d_column as i64, whole("official_d_col_max"), "{place}");
                    assert_eq!(found.d_union as i64, whole("union_d_max"), "{place}");
                    assert_eq!(found.d_intersection as i64, whole("intersection_d_max"), "{place}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn a_pruned_measurement_agrees_with_a_second_computation() {
    let h = hessian("mlp_relu_small", "sgd_1000").unwrap();
    let g = array("mlp_relu_small", "sgd_1000", "grad").unwrap();
    let n = h.nrows();
    let threads = Threads::new(1).unwrap();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut errors = Vec::new();
    for rule in [PruneRule::RowCount(20), PruneRule::Ratio(0.25), PruneRule::Threshold(1e-2), PruneRule::RowCount(n)] {
        let system = SystemInput {
            damping: DampingRule::PAPER,
            prune: rule,
            gradient: Some(g.clone()),
            ..SystemInput::matrix("case", h.clone())
        };
        let m = measure(system, &threads, &|_, _| ()).unwrap();
        let pruning = m.pruning.as_ref().unwrap();
        let p = prune(h.as_ref(), rule);
        let max = |a: &Mat<f64>| (0..n).flat_map(|j| a.col(j).iter()).fold(0.0f64, |m, x| m.max(x.abs()));
        let lambda = 5e-3 * max(&p);
        close(m.damping.lambda, lambda, 1e-14, "λ");
        let damped = |a: &Mat<f64>| Mat::from_fn(n, n, |i, j| a[(i, j)] + if i == j { lambda } else { 0.0 });
        let kappa = |a: &Mat<f64>| {
            let values = decompose(a.as_ref(), Par::Seq).unwrap().values;
            let sizes = values.iter().map(|x| x.abs());
            sizes.clone().fold(0.0, f64::max) / sizes.fold(f64::MAX, f64::min)
        };
        let (a, whole) = (damped(&p), damped(&h));
        close(m.kappa.value.unwrap(), kappa(&a), 1e-8, "κ pruned");
        close(pruning.kappa_unpruned.value.unwrap(), kappa(&whole), 1e-8, "κ unpruned");
        assert_eq!(m.kappa.of.as_deref(), Some("pruned H+λI"));
        let listed = m.kappas.iter().find(|k| k.of.as_deref() == Some("H+λI")).unwrap();
        assert_eq!(listed.value, pruning.kappa_unpruned.value);
        let definite = |a: &Mat<f64>| Factorization::new(a.as_ref(), 0.0, Par::Seq).unwrap().signs().negative == 0;
        assert_eq!((pruning.definite_before, pruning.definite_after), (definite(&whole), definite(&a)));
        let step = |a: &Mat<f64>| {
            let mut x = g.clone();
            Factorization::new(a.as_ref(), 0.0, Par::Seq).unwrap().solve(&mut x);
            x
        };
        let (x, y) = (step(&a), step(&whole));
        let cosine = x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / (norm(&x) * norm(&y));
        let angle = pruning.step_angle_degrees.unwrap();
        assert!((angle.to_radians().cos() - cosine).abs() < 1e-9, "{angle} {cosine}");
        close(pruning.step_length_ratio.unwrap(), norm(&x) / norm(&y), 1e-8, "length");
        // d of the solved matrix, λ on the diagonal included
        if let Some(target) = pruning.target {
            assert!(m.row_sparsity.value <= target, "{} {target}", m.row_sparsity.value);
            assert_eq!(pruning.row_wise.as_ref().unwrap().k, target);
        }
        let count = |j: usize| a.col(j).iter().filter(|x| x.abs() > 1e-12 * max(&a)).count();
        assert_eq!(m.row_sparsity.value, (0..n).map(count).max().unwrap());
        // errors of H before λ
        let lost: Vec<f64> = (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).map(|at| h[at] - p[at]).collect();
        let all: Vec<f64> = (0..n).flat_map(|j| (0..n).map(move |i| (i, j))).map(|at| h[at]).collect();
        assert!((m.row_sparsity.frobenius_error - norm(&lost) / norm(&all)).abs() < 1e-12);
        let dropped = Mat::from_fn(n, n, |i, j| h[(i, j)] - p[(i, j)]);
        let sigma = |a: &Mat<f64>| {
            let values = decompose(a.as_ref(), Par::Seq).unwrap().values;
            values[0].abs().max(values[n - 1].abs())
        };
        let spectral = sigma(&dropped) / sigma(&h);
        assert!((m.row_sparsity.spectral_error.unwrap() - spectral).abs() <= 1e-5 * spectral);
        errors.push(m.row_sparsity.frobenius_error);
        if rule == PruneRule::RowCount(n) {
            assert!(m.row_sparsity.frobenius_error == 0.0 && angle < 1e-6, "{angle}");
        }
    }
    assert!(errors[0] > errors[1], "fewer entries, larger error: {errors:?}");
}
