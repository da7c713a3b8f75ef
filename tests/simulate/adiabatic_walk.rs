//! The discrete adiabatic walk against its published table, golden values and the reference runs.

use super::support::*;
use breakeven::simulate::adiabatic::{self, SuccessPower, plan};
use breakeven::simulate::walk::{Combination, Form, SCHEDULE_P, WalkSystem, run, schedule};
use faer::Mat;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A = U diag(s) Vᵀ in its singular bases (V itself is never needed) with the block encoding [[A, UC], [CVᵀ, −S]], whose flagged half lives on basis states.
fn from_svd(u: &Mat<f64>, s: &[f64], b: &[f64], form: Form, kappa: f64) -> WalkSystem {
    let n = s.len();
    let rhs: Vec<f64> = (0..n).map(|i| (0..n).map(|k| u[(k, i)] * b[k]).sum()).collect();
    let x: Vec<f64> = rhs.iter().zip(s).map(|(b, s)| b / s).collect();
    let size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    WalkSystem {
        values: s.to_vec(),
        rhs,
        rhs_flagged: b.to_vec(),
        target: x.iter().map(|x| x / size).collect(),
        form,
        kappa,
    }
}

fn rotation(t: f64) -> Mat<f64> {
    Mat::from_fn(2, 2, |i, j| match (i, j) {
        (0, 1) => -t.sin(),
        (1, 0) => t.sin(),
        _ => t.cos(),
    })
}

#[test]
fn golden_values() {
    // Overlap, ‖w‖, ‖x − w‖, renormalised, whole state; κ = 10, p = 1.4, b = (cos .4, sin .4).
    let general = [
        (64, [0.880397579028, 0.903735379948, 0.236521624619, 0.227260690000, 0.489085720445]),
        (128, [0.974325534580, 0.975906209908, 0.061170755900, 0.056915727897, 0.226603024781]),
    ];
    let definite = [
        (12, [0.862059478475, 0.905135915338, 0.308467288842, 0.308516208371, 0.525243793919]),
        (24, [0.946088283472, 0.958077274858, 0.160422871362, 0.158199844546, 0.328364786566]),
    ];
    let b = [0.4_f64.cos(), 0.4_f64.sin()];
    let s = [1.0, 0.1];
    let cases = [(Form::General, general), (Form::PositiveDefinite, definite)];
    for (form, rows) in cases {
        let system = from_svd(&rotation(0.3), &s, &b, form, 10.0);
        for (steps, expected) in rows {
            let r = run(&system, steps, 1.4, Combination::Published);
            let found = [r.overlap, r.flagged_norm, r.error_published(), r.error_renormalised(), r.error_whole()];
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e).abs() < 1e-9, "{form:?} T = {steps}: {found:?} against {expected:?}");
            }
        }
    }
}

/// Left singular vectors and singular values.
fn svd(a: &Mat<f64>) -> (Mat<f64>, Vec<f64>) {
    let svd = a.svd().unwrap();
    let n = a.nrows();
    (svd.U().to_owned(), (0..n).map(|i| svd.S()[i]).collect())
}

/// The instance of the published table: sum of two uniform matrices, singular values stretched to κ, ‖A‖ = 1.
fn published_instance(rng: &mut ChaCha8Rng, kappa: f64) -> WalkSystem {
    let n = 8;
    let mut uniform = || 2.0 * rng.random::<f64>() - 1.0;
    let a = Mat::from_fn(n, n, |_, _| uniform() + uniform());
    let (u, s) = svd(&a);
    let (first, last) = (s[0], s[n - 1]);
    let stretched: Vec<f64> = s.iter().map(|s| 1.0 - (kappa - 1.0) / kappa * (first - s) / (first - last)).collect();
    let angles: Vec<f64> = (0..3).map(|_| rng.random::<f64>() / 2.0).collect();
    let b: Vec<f64> = (0..n)
        .map(|i| (0..3).map(|j| if i >> (2 - j) & 1 == 1 { angles[j].sin() } else { angles[j].cos() }).product())
        .collect();
    from_svd(&u, &stretched, &b, Form::General, kappa)
}

#[test]
fn the_published_table_within_eight_percent() {
    let mut rng = rng(2023);
    for (kappa, steps, published) in
        [(10.0, 64, 0.188), (20.0, 140, 0.202), (30.0, 220, 0.204), (40.0, 304, 0.203), (50.0, 392, 0.199)]
    {
        let mean: f64 = (0..100)
            .map(|_| {
                let system = published_instance(&mut rng, kappa);
                run(&system, steps, SCHEDULE_P, Combination::Published).error_published().powi(2)
            })
            .sum::<f64>()
            / 100.0;
        let rms = mean.sqrt();
        println!("κ {kappa} T {steps}: RMS ‖x − w‖ {rms:.4}, published {published}");
        assert!((rms / published - 1.0).abs() < 0.08, "κ {kappa}: {rms} against {published}");
    }
}

/// Positive definite N = 16 with a uniform spectrum, as in the reference runs.
fn definite(kappa: f64, seed: u64) -> WalkSystem {
    let mut rng = rng(seed);
    let instance = instance(&eigenvalues(16, kappa, false, false, &mut rng), 1.0, &mut rng);
    WalkSystem::symmetric(&instance.nodes, &instance.amplitudes, &instance.target, Form::PositiveDefinite, kappa)
}

fn mean_error(kappa: f64, steps: u64, combination: Combination) -> f64 {
    (0..20).map(|seed| run(&definite(kappa, seed), steps, SCHEDULE_P, combination).error_whole()).sum::<f64>() / 20.0
}

#[test]
fn the_error_falls_as_one_over_t() {
    for kappa in [10.0, 30.0, 50.0] {
        let error = |c: u64| mean_error(kappa, c * kappa as u64 / 4 * 4, Combination::Published);
        let (short, long) = (error(4), error(16));
        let slope = (long / short).log2() / 2.0;
        assert!((slope + 1.0).abs() < 0.12, "κ {kappa}: slope {slope}");
        for (c, e) in [(4, short), (16, long)] {
            let alpha = e * c as f64;
            assert!((0.35..=0.55).contains(&alpha), "κ {kappa}, T = {c}κ: α = {alpha}");
        }
    }
}

#[test]
fn square_root_amplitudes_fall_as_one_over_root_t() {
    for kappa in [10.0, 30.0] {
        let error = |c: u64, kind: Combination| mean_error(kappa, c * kappa as u64 / 4 * 4, kind);
        let slope = |kind: Combination| (error(64, kind) / error(16, kind)).log2() / 2.0;
        let (root, published) = (slope(Combination::SquareRoot), slope(Combination::Published));
        println!("κ {kappa}: slope {root:.3} with square roots, {published:.3} as published");
        assert!((root + 0.5).abs() < 0.1 && (published + 1.0).abs() < 0.1, "κ {kappa}: {root} {published}");
        assert!(error(64, Combination::SquareRoot) > 1.5 * error(64, Combination::Published));
    }
}

#[test]
fn an_odd_number_of_steps_fails_loudly() {
    for steps in [63, 65, 127] {
        let mut rng = rng(1);
        let r = run(&published_instance(&mut rng, 10.0), steps, SCHEDULE_P, Combination::Published);
        assert_eq!(r.overlap, 0.0);
        assert!(r.error_published() > 1.0);
    }
    // T ≡ 2 (mod 4): the sign is flipped, so the signed overlap is near −1.
    let r = run(&definite(10.0, 1), 162, SCHEDULE_P, Combination::Published);
    assert!(r.overlap < -0.98, "{}", r.overlap);
}

#[test]
fn a_forgotten_alpha_fails_loudly() {
    // Encoded with α = 8σ_max, but walk and filter built for κ instead of κ_eff = 8κ.
    for seed in 0..5 {
        let good = definite(20.0, seed);
        let mut wrong = good.clone();
        wrong.values.iter_mut().for_each(|s| *s /= 8.0);
        let p = plan(20.0, 1e-6, 0.45, SuccessPower::Single);
        let error = |system: &WalkSystem| adiabatic::solve(system, p.steps, p.filter_degree).error;
        assert!(error(&good) <= 1e-6 && error(&wrong) > 1e-3, "{} {}", error(&good), error(&wrong));
        wrong.kappa = 160.0;
        let p = plan(160.0, 1e-6, 0.45, SuccessPower::Single);
        assert!(adiabatic::solve(&wrong, p.steps, p.filter_degree).error <= 1e-6);
    }
}

#[test]
fn the_schedule_and_the_cost_have_their_published_values() {
    assert!((schedule(50.0, 1.5, 0.5) - 0.9577508277).abs() < 1e-9);
    assert!(schedule(50.0, 1.4, 0.0).abs() < 1e-14 && (schedule(50.0, 1.4, 1.0) - 1.0).abs() < 1e-12);
    // Optimum per κ: (α, ε) → (C/κ, Δ*), squared success factor.
    for (alpha, eps, cost, delta) in [
        (0.2, 1e-3, 7.2391, 0.147),
        (1.0, 1e-3, 11.0882, 0.295),
        (1.84, 1e-3, 14.3154, 0.345),
        (1.84, 1e-10, 32.1350, 0.276),
        (2305.0, 1e-3, 7841.27, 0.471),
    ] {
        let p = plan(100.0, eps, alpha, SuccessPower::Squared);
        assert!((p.total / 100.0 / cost - 1.0).abs() < 1e-4, "{alpha} {eps}: {}", p.total / 100.0);
        assert!((p.delta - delta).abs() < 6e-4, "{alpha} {eps}: Δ {}", p.delta);
    }
    // ℓ(10, 1e-2) = 52.89…, ℓ(50, 1e-3) = 380.02, ℓ(100, 1e-10) = 2371.86, rounded up to even numbers.
    for (kappa, eps, degree) in [(10.0, 1e-2, 54), (50.0, 1e-3, 382), (100.0, 1e-10, 2372)] {
        assert_eq!(adiabatic::filter_degree(kappa, eps), degree);
    }
}

#[test]
fn walk_and_filter_reach_their_tolerance() {
    let mut rng = rng(21);
    for trial in 0..12 {
        let (kappa, eps) = ([10.0, 30.0][trial % 2], [1e-2, 1e-6][trial / 2 % 2]);
        let form = if trial % 3 == 0 { Form::PositiveDefinite } else { Form::General };
        let values = eigenvalues(16, kappa, trial % 4 < 2, form == Form::General, &mut rng);
        let instance = instance(&values, 1.0, &mut rng);
        let system = WalkSystem::symmetric(&instance.nodes, &instance.amplitudes, &instance.target, form, kappa);
        let alpha = if form == Form::General { 4.4 } else { 0.45 };
        let p = plan(kappa, eps, alpha, SuccessPower::Single);
        let solved = adiabatic::solve(&system, p.steps, p.filter_degree);
        assert!(solved.error <= eps, "κ {kappa} ε {eps} {form:?}: {}", solved.error);
        assert!(solved.probability > 0.5);
        let best = adiabatic::cheapest(&system, eps, p.steps).unwrap();
        assert!(best.expected_steps <= solved.expected_steps && best.error <= eps);
    }
}
