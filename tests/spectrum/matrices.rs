//! The public matrices, read here as coordinate files, against their published condition numbers.

use super::truth::{close, data, number};
use breakeven::curvature::damping::DampingRule;
use breakeven::measure::{SystemInput, measure};
use breakeven::measurement::Measurement;
use breakeven::parallel::Threads;
use faer::Mat;
use serde_json::Value;

/// A symmetric Matrix Market coordinate file, real or pattern.
fn read(name: &str) -> Mat<f64> {
    let text = std::fs::read_to_string(data().join("matrices").join(name)).unwrap();
    assert!(text.lines().next().unwrap().to_lowercase().ends_with("symmetric"), "{name}");
    let mut lines = text.lines().filter(|l| !l.starts_with('%') && !l.trim().is_empty());
    let n: usize = lines.next().unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let mut a = Mat::zeros(n, n);
    for line in lines {
        let mut words = line.split_whitespace();
        let i = words.next().unwrap().parse::<usize>().unwrap() - 1;
        let j = words.next().unwrap().parse::<usize>().unwrap() - 1;
        let x = words.next().map_or(1.0, |x| x.parse().unwrap());
        a[(i, j)] = x;
        a[(j, i)] = x;
    }
    a
}

fn measured(name: &str, damping: DampingRule) -> Measurement {
    let input = SystemInput { damping, ..SystemInput::matrix(name, read(name)) };
    measure(input, &Threads::new(1).unwrap(), &|_, _| ()).unwrap()
}

#[test]
fn public_matrices_have_their_published_numbers() {
    let text = std::fs::read_to_string(data().join("matrices/truth/truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    for name in ["lund_a.mtx", "LFAT5.mtx", "can___24.mtx"] {
        let truth = &truth[name];
        let m = measured(name, DampingRule::None);
        let kappa = number(truth, "kappa").unwrap();
        close(m.kappa.value.unwrap(), kappa, 1e-6 + 1e-10 * kappa, name);
        for other in ["kappa", "kappa_svd"] {
            let kappa = number(truth, other).unwrap();
            assert!(m.kappa.low.unwrap() <= kappa && kappa <= m.kappa.high.unwrap(), "{name} {other} {:?}", m.kappa);
        }
        let (least, most) = (number(truth, "lambda_min").unwrap(), number(truth, "lambda_max").unwrap());
        close(m.sigma_max.value.unwrap(), least.abs().max(most), 1e-9, name);
        assert_eq!(m.row_sparsity.value as u64, truth["d_max_row_nnz"].as_u64().unwrap(), "{name}");
        // six stored entries of lund_a are below the threshold of a zero
        let a = read(name);
        let kept = |x: &f64| x.abs() > 1e-12 * m.max_abs;
        let nonzeros: usize = (0..m.n).map(|j| a.col(j).iter().filter(|x| kept(x)).count()).sum();
        assert_eq!(m.nonzeros, nonzeros as u64, "{name}");
        assert!(m.nonzeros <= truth["nnz_full"].as_u64().unwrap(), "{name}");
        close(m.max_abs, number(truth, "max_abs").unwrap(), 0.0, name);
        close(m.frobenius_norm, number(truth, "fro").unwrap(), 1e-12, name);
        assert_eq!(m.inertia.negative as u64, truth["n_neg"].as_u64().unwrap());
        assert_eq!((m.inertia.zero, m.rank), (0, m.n));
        assert_eq!(m.inertia, m.inertia_solved);
        let d = m.row_sparsity.value as f64 * m.max_abs;
        close(m.subnormalization.absolute, d.min(m.frobenius_norm), 1e-14, name);
        assert!(m.subnormalization.relative >= 1.0);
        let x = m.x_norm.unwrap();
        assert!((1.0..=m.kappa.high.unwrap()).contains(&x), "{name} {x}");
        assert!(m.tolerance.method.starts_with("assumed"));
        assert_eq!(m.tolerance.value, 1e-2);
        let damped = measured(name, DampingRule::PAPER);
        close(damped.damping.lambda, number(truth, "damping").unwrap(), 1e-14, name);
        close(damped.kappa.value.unwrap(), number(truth, "kappa_damped").unwrap(), 1e-6, name);
        for run in &damped.classical_runs {
            if run.solver.starts_with("minres") || m.inertia.negative == 0 {
                let iterations = run.iterations.unwrap_or_else(|| panic!("{name} {run:?}"));
                assert!(iterations <= 20 * m.n as u64, "{name} {run:?}");
                assert!(run.relative_error.unwrap() <= 1e-2, "{name} {run:?}");
                if let (Some(bound), Some(k)) = (run.bound, run.iterations_bound_norm) {
                    assert!(k as f64 <= bound, "{name} {run:?}");
                }
            }
        }
    }
}

#[test]
fn an_indefinite_matrix_breaks_conjugate_gradients_and_not_minres() {
    let m = measured("can___24.mtx", DampingRule::None);
    let run = |solver: &str| m.classical_runs.iter().find(|r| r.solver == solver).unwrap();
    assert!(run("cg").iterations.is_none() && run("cg").bound.is_none());
    assert!(run("cg").note.as_ref().unwrap().contains("not positive definite"));
    assert!(run("minres").iterations.unwrap() <= 24 + 2, "{:?}", run("minres"));
    assert!(run("minres").relative_error.unwrap() <= 1e-2);
}
