//! Whole measurements of real snapshots: the Hessian, Gauss-Newton and Fisher matrices made here, the loss evaluated.

use super::truth::{close, data, json, number};
use breakeven::curvature::damping::DampingRule;
use breakeven::curvature::{Network, Objective, Precision, Prepared, Scope, SymmetricOperator};
use breakeven::measure::{Companion, SystemInput, measure};
use breakeven::measurement::Measurement;
use breakeven::parallel::Threads;
use breakeven::snapshot::{Input, OpenOptions, RunInput, open};
use serde_json::Value;
use std::sync::Arc;

fn run_of(network: &str) -> RunInput {
    let options = OpenOptions { graph: Some("model_legacy17.onnx".into()), ..OpenOptions::default() };
    match open(&data().join(network), &options).unwrap() {
        Input::Run(run) => *run,
        Input::Matrix(_) => panic!("{network} is a run"),
    }
}

/// Calls `f` with the prepared network of one snapshot.
fn at<R>(network: &str, snapshot: &str, threads: &Threads, f: impl FnOnce(&Prepared<'_>, &RunInput) -> R) -> R {
    let run = run_of(network);
    let one = run.snapshots.iter().find(|s| s.name == snapshot).unwrap();
    let shapes: Vec<_> = one.params.iter().map(|(n, a)| (n.clone(), a.shape.clone())).collect();
    let mut batch = run.batch.inputs.clone();
    batch.extend(run.batch.target.clone());
    let lowered = Network::new(&run.model, &run.bindings, &shapes, &batch, &run.loss).unwrap();
    let prepared = Prepared::new(Arc::new(lowered), &one.params, Precision::F64, threads).unwrap();
    f(&prepared, &run)
}

fn whole(network: &str, snapshot: &str, damping: DampingRule, threads: &Threads) -> Measurement {
    at(network, snapshot, threads, |prepared, run| {
        let block = prepared.blocks(&Scope::Full).unwrap().remove(0);
        let objective = prepared.objective(&block);
        let fisher = prepared.empirical_fisher(&block).unwrap();
        let input = SystemInput {
            id: format!("{snapshot}/hessian/full"),
            curvature: "hessian".into(),
            gradient: Some(prepared.block_gradient(&block)),
            objective: Some(&objective),
            damping,
            ggn: Some(Companion::Dense(prepared.gauss_newton(&block).unwrap().to_dense().unwrap())),
            empirical_fisher: Some(Companion::Factor(fisher.factor().to_owned())),
            loss: Some(prepared.loss_and_gradient().0),
            batch: prepared.network().samples(),
            ..SystemInput::matrix(run.name.clone(), prepared.hessian(&block).to_dense().unwrap())
        };
        measure(input, threads, &|_, _| ()).unwrap()
    })
}

fn kappa(m: &Measurement, of: &str) -> f64 {
    m.kappas.iter().find(|k| k.of.as_deref() == Some(of)).unwrap().value.unwrap()
}

fn check(m: &Measurement, truth: &Value, place: &str) {
    for (found, truth, name) in [
        (m.kappa.value.unwrap(), &truth["spectrum"], "kappa_damped"),
        (kappa(m, "|H|+λI"), &truth["spectrum"], "kappa_abs_damped"),
        (kappa(m, "GGN+λI"), &truth["ggn"], "kappa_damped"),
        (kappa(m, "EF+λI"), &truth["ef"], "kappa_damped"),
    ] {
        let truth = number(truth, name).unwrap();
        close(found, truth, 1e-6 + 1e-10 * truth, &format!("{place} {name}"));
    }
    assert!(m.kappa.low <= m.kappa.value && m.kappa.value <= m.kappa.high);
    let t = &m.tolerance;
    assert!(t.low <= t.value && t.value <= t.high && t.low > 0.0 && t.high <= 1.0, "{place} {t:?}");
    assert!(t.method.starts_with("loss evaluations"), "{place} {t:?}");
    let x = m.x_norm.unwrap();
    assert!(1.0 <= x && x <= m.kappa.high.unwrap(), "{place}: {x}");
    for run in m.classical_runs.iter().filter(|r| r.iterations.is_some()) {
        assert!(run.relative_error.unwrap() <= t.value, "{place} {run:?}");
        if let (Some(bound), Some(k)) = (run.bound, run.iterations_bound_norm) {
            assert!(k as f64 <= bound, "{place} {run:?}");
        }
    }
}

#[test]
fn real_snapshots_measure_as_their_truth_says() {
    let threads = Threads::new(2).unwrap();
    for (network, snapshots) in
        [("mlp_relu_small", &["sgd_0000", "sgd_1000", "newton_0005"][..]), ("mlp_tanh_digits", &["sgd_1000"][..])]
    {
        let truth = json(network);
        for snapshot in snapshots {
            let m = whole(network, snapshot, DampingRule::PAPER, &threads);
            let truth = &truth["snapshots"][*snapshot];
            check(&m, truth, &format!("{network}/{snapshot}"));
            close(m.loss.unwrap(), number(truth, "loss").unwrap(), 1e-10, snapshot);
        }
    }
}

/// ε against its definition, step by step, with another eigendecomposition (of the damped matrix) and plain bisection.
#[test]
fn epsilon_keeps_the_loss_decrease_and_no_more() {
    let threads = Threads::new(1).unwrap();
    let m = whole("mlp_relu_small", "sgd_1000", DampingRule::PAPER, &threads);
    assert!(m.tolerance.method.contains("around −(H+λI)⁻¹g"), "{}", m.tolerance.method);
    at("mlp_relu_small", "sgd_1000", &threads, |prepared, _| {
        let block = prepared.blocks(&Scope::Full).unwrap().remove(0);
        let objective = prepared.objective(&block);
        let n = block.len;
        let h = prepared.hessian(&block).to_dense().unwrap();
        let lambda = m.damping.lambda;
        let g = prepared.block_gradient(&block);
        let mut p = g.clone();
        let factored = breakeven::spectrum::inertia::Factorization::new(h.as_ref(), lambda, faer::Par::Seq).unwrap();
        factored.solve(&mut p);
        p.iter_mut().for_each(|x| *x = -*x);
        let length = p.iter().map(|x| x * x).sum::<f64>().sqrt();
        let start = objective.loss_at(&vec![0.0; n]).unwrap();
        let at_p = objective.loss_at(&p).unwrap();
        let limit = at_p + 0.01 * (start - at_p);
        // u = (μI − H)⁻¹G with ‖u‖ = r by bisection on μ > λ_max, solving each time
        let (_, gradient) = objective.gradient_at(&p).unwrap();
        let top = *breakeven::spectrum::decompose(h.as_ref(), faer::Par::Seq).unwrap().values.last().unwrap();
        let at_mu = |mu: f64| {
            let mut u = gradient.clone();
            breakeven::spectrum::inertia::Factorization::new(h.as_ref(), -mu, faer::Par::Seq).unwrap().solve(&mut u);
            u.iter_mut().for_each(|x| *x = -*x);
            u
        };
        let size = |u: &[f64]| u.iter().map(|x| x * x).sum::<f64>().sqrt();
        let keeps = |eps: f64| {
            let (mut near, mut far) = (1e-12 * top, 1e12 * top);
            for _ in 0..60 {
                let middle = (near * far).sqrt();
                if size(&at_mu(top + middle)) > eps * length { near = middle } else { far = middle }
            }
            let u = at_mu(top + far);
            assert!((size(&u) / (eps * length) - 1.0).abs() < 1e-4, "the hard case needs another test");
            let moved: Vec<f64> = p.iter().zip(&u).map(|(p, u)| p + u).collect();
            objective.loss_at(&moved).unwrap() <= limit
        };
        let eps = m.tolerance.value;
        assert!(keeps(eps * 0.9999) && keeps(eps * 0.5) && !keeps(eps * 1.001), "{eps}");
        // 95 % of random directions tolerate `high`: with 200 other directions about as many do
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let tolerated = (0..200)
            .filter(|_| {
                // sums of uniforms are near enough to normal
                let d: Vec<f64> = (0..n).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect();
                let f = m.tolerance.high * length / size(&d);
                let moved: Vec<f64> = p.iter().zip(&d).map(|(p, d)| p + f * d).collect();
                objective.loss_at(&moved).unwrap() <= limit
            })
            .count();
        assert!((170..=200).contains(&tolerated), "{tolerated} of 200");
    });
}
