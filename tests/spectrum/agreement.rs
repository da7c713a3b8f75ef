//! Measurements of the fixtures' own Hessians against their ground truth.

use super::truth::{NETWORKS, array, close, hessian, json, number};
use breakeven::curvature::damping::DampingRule;
use breakeven::measure::{SystemInput, measure};
use breakeven::measurement::{Inertia, Measurement};
use breakeven::parallel::Threads;
use breakeven::spectrum::Eigenvalues;
use faer::Mat;
use serde_json::Value;

fn measured(h: Mat<f64>, damping: DampingRule, gradient: Option<Vec<f64>>) -> Measurement {
    let input = SystemInput { damping, gradient, curvature: "hessian".into(), ..SystemInput::matrix("case", h) };
    measure(input, &Threads::new(1).unwrap(), &|_, _| ()).unwrap()
}

fn kappa_of(m: &Measurement, of: &str) -> f64 {
    let found = m.kappas.iter().find(|k| k.of.as_deref() == Some(of));
    found.unwrap_or_else(|| panic!("no κ of {of}")).value.unwrap()
}

/// 1e-6 + 1e-10·κ relative.
fn kappa_close(found: f64, truth: f64, place: &str) {
    close(found, truth, 1e-6 + 1e-10 * truth, place);
}

/// Counts up to the stated tolerance: those that the truth's own eigenvalues allow at both tolerances.
fn inertia_close(found: &Inertia, truth: &Value, eigenvalues: &[f64], place: &str) {
    let tol = number(truth, "tol").unwrap();
    // the computed eigenvalues differ by backward errors of this size
    let slack = tol.max(found.tolerance);
    let near = eigenvalues.iter().filter(|x| x.abs() > 0.2 * slack.min(tol) && x.abs() < 3.0 * slack).count() as i64;
    for (mine, name) in [(found.positive, "n_pos"), (found.negative, "n_neg"), (found.zero, "n_zero")] {
        let theirs = truth[name].as_i64().unwrap();
        assert!((mine as i64 - theirs).abs() <= near, "{place} {name}: {mine} against {theirs}, {near} near the line");
    }
}

fn spectrum_close(m: &Measurement, truth: &Value, eigenvalues: &[f64], place: &str) {
    inertia_close(&m.inertia, truth, eigenvalues, place);
    let damped = number(truth, "kappa_damped").unwrap();
    close(m.damping.lambda, number(truth, "damping").unwrap(), 1e-14, place);
    kappa_close(m.kappa.value.unwrap(), damped, &format!("{place} κ(H+λI)"));
    assert!(m.kappa.low.unwrap() <= damped * (1.0 + 1e-9) && damped <= m.kappa.high.unwrap() * (1.0 + 1e-9));
    let absolute = number(truth, "kappa_abs_damped").unwrap();
    kappa_close(kappa_of(m, "|H|+λI"), absolute, &format!("{place} κ(|H|+λI)"));
    assert_eq!(m.inertia_solved.negative as u64, truth["damped_n_neg"].as_u64().unwrap(), "{place}");
}

#[test]
fn stored_hessians_measure_as_their_truth_says() {
    let mut seen = 0;
    for network in NETWORKS {
        let truth = json(network);
        for (snapshot, truth) in truth["snapshots"].as_object().unwrap() {
            let Some(h) = hessian(network, snapshot) else { continue };
            let place = format!("{network}/{snapshot}");
            let gradient = array(network, snapshot, "grad").unwrap();
            let eigenvalues = array(network, snapshot, "eigvals").unwrap();
            let n = h.nrows();
            let own = breakeven::spectrum::decompose(h.as_ref(), faer::Par::Seq).unwrap();
            let sigma = own.values[0].abs().max(own.values[n - 1].abs());
            for (mine, theirs) in own.values.iter().zip(&eigenvalues) {
                assert!((mine - theirs).abs() <= 1e-12 * sigma, "{place}: {mine:e} {theirs:e}");
            }
            for (mine, name) in [(own.values[0], "lambda_min"), (own.values[n - 1], "lambda_max")] {
                let theirs = number(&truth["spectrum"], name).unwrap();
                assert!((mine - theirs).abs() <= 1e-9 * theirs.abs() + 1e-14 * sigma, "{place}: {mine:e} {theirs:e}");
            }
            let m = measured(h, DampingRule::PAPER, Some(gradient));
            spectrum_close(&m, &truth["spectrum"], &eigenvalues, &place);
            close(m.gradient_norm.unwrap(), number(truth, "grad_norm").unwrap(), 1e-12, &place);
            // the undamped H of a softmax classifier is singular
            let own = m.kappas.iter().find(|k| k.of.as_deref() == Some("H")).unwrap();
            assert!(own.value.is_none() && own.high.is_none() && own.low.unwrap() > 1e9, "{place}: {own:?}");
            for point in &m.row_sparsity.curve {
                // the names are written as Python prints the threshold
                let name = format!(
                    "thr_{}",
                    match point.threshold {
                        t if t >= 1e-4 => format!("{t}"),
                        t => format!("1e-{:02}", (-t.log10()).round()),
                    }
                );
                let Some(truth) = truth["sparsity"].get(&name) else { continue };
                assert_eq!(point.d as u64, truth["d_max"].as_u64().unwrap(), "{place} {name}");
                assert_eq!(point.nonzeros, truth["nnz"].as_u64().unwrap(), "{place} {name}");
                let mean = point.nonzeros as f64 / n as f64;
                close(mean, number(truth, "d_mean").unwrap(), 1e-12, &place);
                let dropped = number(truth, "rel_fro_dropped").unwrap();
                assert!((point.frobenius_error - dropped).abs() <= 1e-9 * dropped.max(1e-6), "{place} {name}");
                let spectral = point.spectral_error.unwrap();
                assert!(spectral <= point.frobenius_error * 10.0, "{place} {name}: {spectral}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 7 * 8, "only {seen} points of the curves were compared");
}

#[test]
fn blocks_of_stored_hessians_measure_as_their_truth_says() {
    let mut seen = 0;
    for network in ["mlp_relu_small", "mlp_tanh_digits", "cnn_digits"] {
        let truth = json(network);
        for (snapshot, one) in truth["snapshots"].as_object().unwrap() {
            let Some(h) = hessian(network, snapshot) else { continue };
            for parameter in truth["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let Some(block_truth) = one["blocks"].get(name) else { continue };
                let (offset, size) =
                    (parameter["offset"].as_u64().unwrap() as usize, parameter["size"].as_u64().unwrap() as usize);
                let block = h.submatrix(offset, offset, size, size).to_owned();
                let place = format!("{network}/{snapshot}/{name}");
                let own = breakeven::spectrum::decompose(block.as_ref(), faer::Par::Seq).unwrap();
                let m = measured(block, DampingRule::PAPER, None);
                if block_truth.get("zero").is_some() {
                    assert_eq!((m.rank, m.inertia.zero, m.kappa.value, m.row_sparsity.value), (0, size, None, 0));
                    continue;
                }
                spectrum_close(&m, block_truth, &own.values, &place);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_stored_spectrum_gives_the_counts_and_condition_numbers_of_its_truth() {
    let mut seen = 0;
    for network in NETWORKS {
        let truth = json(network);
        for (snapshot, one) in truth["snapshots"].as_object().unwrap() {
            let Some(values) = array(network, snapshot, "eigvals") else { continue };
            let truth = &one["spectrum"];
            let place = format!("{network}/{snapshot}");
            let sorted = values.clone();
            close(values.iter().copied().fold(f64::MIN, f64::max), number(truth, "lambda_max").unwrap(), 1e-9, &place);
            close(values.iter().copied().fold(f64::MAX, f64::min), number(truth, "lambda_min").unwrap(), 1e-9, &place);
            let spectrum = Eigenvalues { values, value_error: 0.0, backward_error: 0.0 };
            inertia_close(&spectrum.inertia(), truth, &sorted, &place);
            let lambda = number(truth, "damping").unwrap();
            let damped = spectrum.map(|x| x + lambda).condition("H+λI", "");
            kappa_close(damped.kappa.value.unwrap(), number(truth, "kappa_damped").unwrap(), &place);
            let absolute = spectrum.map(|x| x.abs() + lambda).condition("|H|+λI", "");
            kappa_close(absolute.kappa.value.unwrap(), number(truth, "kappa_abs_damped").unwrap(), &place);
            if let Some(range) = number(truth, "kappa_nonzero") {
                close(spectrum.range_kappa("range(H)", "").value.unwrap(), range, 1e-9, &place);
            }
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

/// Where the time goes; run by hand with `--ignored --nocapture`.
#[test]
#[ignore = "a timing, not a check"]
fn timing() {
    use std::time::Instant;
    for n in [536usize, 666, 1210, 2000] {
        let h = match n {
            536 => hessian("mlp_tanh_digits", "adam_0400").unwrap(),
            666 => hessian("cnn_digits", "adam_0400").unwrap(),
            _ => {
                let (small, m) = (hessian("mlp_tanh_digits", "adam_0400").unwrap(), 536);
                Mat::from_fn(n, n, |i, j| {
                    small[(i % m, j % m)] * ((i / m) as f64 - (j / m) as f64).cos()
                        + if i == j { (i as f64 * 0.1).sin() * 1e-3 } else { 0.0 }
                })
            }
        };
        let gradient: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let last = std::sync::Mutex::new((String::new(), Instant::now()));
        let start = Instant::now();
        let tick = |name: &str, _: f64| {
            let mut last = last.lock().unwrap();
            if last.0 != name {
                println!("  {n} {:>20} {:?}", last.0, last.1.elapsed());
                *last = (name.to_string(), Instant::now());
            }
        };
        let input =
            SystemInput { damping: DampingRule::PAPER, gradient: Some(gradient), ..SystemInput::matrix("case", h) };
        let m = measure(input, &Threads::new(1).unwrap(), &tick).unwrap();
        println!("{n}: {:?} {:#?}", start.elapsed(), m.classical_runs);
        println!("{:?} {:?} {:?}", m.kappa, m.tolerance, m.notes);
    }
}
