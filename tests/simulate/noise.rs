//! Depolarising noise: the closed form against sampled trajectories, and the largest rate.

use super::support::*;
use breakeven::simulate::circuit::odd_series;
use breakeven::simulate::encoding::Dilation;
use breakeven::simulate::inversion::BestRelative;
use breakeven::simulate::noise::Clean;
use breakeven::simulate::{Instance, Level, Options, Spectrum, circuit, verify};
use rand::RngExt;

#[test]
fn the_closed_form_agrees_with_trajectories() {
    // QSVT on N = 4 gate by gate: before each query, with probability p, the register becomes a random basis state
    // (a uniform mixture of basis states is the maximally mixed state).
    let mut rng = rng(101);
    let h = matrix(&eigenvalues(4, 3.0, false, true, &mut rng), &mut rng);
    let instance = Instance::new(h.as_ref(), &vector(4, &mut rng), &options()).unwrap();
    let p = BestRelative::for_error(instance.kappa_eff(), 1e-2);
    let series = odd_series(p.degree(), 0.7 / p.largest(), |x| p.value(x));
    let clean_run = circuit::inversion(&instance, &series, 0, &options()).unwrap();
    let rate = 0.02;
    let clean = Clean {
        error: instance.error_of(&circuit::eigenbasis(&instance, &clean_run.state)),
        probability: clean_run.probability,
        depth: p.degree(),
        n: 4,
        ancillas: 2,
    };
    let noisy = clean.with_noise(rate);
    // A trajectory that was hit keeps a uniformly random basis state of the 16; later gates only rotate the mixture.
    let (mut kept, mut good) = (0.0, 0.0);
    let runs = 200_000;
    let truth = circuit::coordinates(&instance, &instance.target);
    let overlap: f64 = clean_run.state.iter().zip(&truth).map(|(a, b)| a * b).sum();
    for _ in 0..runs {
        if (0..p.degree()).any(|_| rng.random::<f64>() < rate) {
            let hit = rng.random_range(0..16_usize);
            if hit < 4 {
                kept += 1.0;
                good += truth[hit] * truth[hit];
            }
        } else {
            kept += clean_run.probability;
            good += overlap * overlap;
        }
    }
    let (probability, fidelity) = (kept / f64::from(runs), good / kept);
    assert!((probability / noisy.probability - 1.0).abs() < 0.02, "{probability} {}", noisy.probability);
    let sampled = (2.0 - 2.0 * fidelity.sqrt()).sqrt();
    assert!((sampled / noisy.error - 1.0).abs() < 0.03, "{sampled} {}", noisy.error);
    let Spectrum::Full(vectors) = &instance.spectrum else { panic!("full spectrum expected") };
    let _ = Dilation::new(vectors.as_ref(), &instance.nodes);
}

#[test]
fn the_largest_rate_is_where_the_claim_falls() {
    let clean = Clean { error: 1e-3, probability: 0.9, depth: 1000, n: 64, ancillas: 3 };
    let rate = clean.largest_rate(1e-2).unwrap();
    assert!(clean.with_noise(0.999 * rate).error <= 1e-2 && clean.with_noise(1.001 * rate).error > 1e-2);
    // To first order: infidelity ≈ Q·p·(flagged share) ⇒ p ≈ ε²/(Q·share), share = 2^{−a}/p_s.
    let estimate = (1e-4 - 1e-6) / (1000.0 * 0.125 / 0.9);
    assert!((rate / estimate - 1.0).abs() < 0.1, "{rate} {estimate}");
    assert_eq!(clean.largest_rate(1e-4), None);
    assert!((clean.with_noise(0.0).error / 1e-3 - 1.0).abs() < 1e-12);
    // All noise: a random state, whose fidelity with anything is 1/N.
    assert!((clean.with_noise(1.0).error - (2.0_f64 - 2.0 / 8.0).sqrt()).abs() < 1e-12);
}

#[test]
fn noise_can_turn_a_verdict() {
    let mut rng = rng(102);
    let h = matrix(&eigenvalues(12, 10.0, false, true, &mut rng), &mut rng);
    let g = vector(12, &mut rng);
    let run = |error_rate: f64| {
        let options = Options { error_rate, ..options() };
        verify("dalzell2024-known-norm", h.as_ref(), &g, 1e-2, None, None, Level::L1, &options).unwrap()
    };
    let rate = run(0.0).largest_error_rate.unwrap();
    assert!(run(0.9 * rate).passed && !run(1.1 * rate).passed);
    assert!(run(1.1 * rate).error_reached.unwrap() > 1e-2);
}
