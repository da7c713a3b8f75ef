//! Phase factors: rebuilt polynomials, conventions, refusals.

use super::support::*;
use breakeven::error::Class;
use breakeven::simulate::chebyshev::{coefficients, evaluate, largest};
use breakeven::simulate::inversion::BestRelative;
use breakeven::simulate::phase_factors::{Phases, phases};
use rand::RngExt;

fn inversion(kappa: f64, eps: f64, headroom: f64) -> Vec<f64> {
    let p = BestRelative::for_error(kappa, eps);
    let scale = headroom / p.largest();
    coefficients(p.degree() as usize, |x| scale * p.value(x))
        .into_iter()
        .enumerate()
        .map(|(k, c)| if k % 2 == 0 { 0.0 } else { c })
        .collect()
}

fn worst(phases: &Phases, c: &[f64], points: usize) -> f64 {
    let mut rng = rng(1);
    (0..points)
        .map(|_| 2.0 * rng.random::<f64>() - 1.0)
        .chain([0.0, 1.0, -1.0, 1e-3])
        .map(|x| (phases.response(x).0 - evaluate(c, x)).abs())
        .fold(0.0, f64::max)
}

#[test]
fn inversion_phases_rebuild_the_polynomial() {
    for (kappa, eps, headroom) in [(3.0, 1e-2, 0.5), (10.0, 1e-3, 0.9), (20.0, 1e-6, 0.99), (100.0, 1e-3, 0.5)] {
        let c = inversion(kappa, eps, headroom);
        let phases = phases(&c).unwrap();
        assert!(phases.residual < 1e-12, "κ {kappa}: {}", phases.residual);
        let worst = worst(&phases, &c, 200);
        assert!(worst < 1e-12, "κ {kappa}: {worst}");
    }
}

#[test]
fn degree_15000_stays_below_1e_12() {
    let c = inversion(1034.0, 1e-6, 0.5);
    assert!((15_001..15_010).contains(&(c.len() - 1)), "degree {}", c.len() - 1);
    let phases = phases(&c).unwrap();
    let worst = worst(&phases, &c, 20);
    println!("degree {}: residual bound {:.2e}, sampled {worst:.2e}", c.len() - 1, phases.residual);
    assert!(phases.residual <= 1e-12 && worst <= 1e-12);
}

#[test]
fn closed_forms() {
    // P = T_d·c has all its weight on the outer layers; P = 0 has no angles; even and odd random polynomials.
    let zero = phases(&[0.0, 0.0, 0.0]).unwrap();
    assert!(zero.wx[1].abs() < 1e-15);
    let mut rng = rng(2);
    for degree in [0_usize, 1, 2, 5, 16, 33] {
        let mut c: Vec<f64> =
            (0..=degree).map(|k| if k % 2 == degree % 2 { gaussian(&mut rng) } else { 0.0 }).collect();
        let size = largest(&c);
        c.iter_mut().for_each(|x| *x *= 0.95 / size);
        let phases = phases(&c).unwrap();
        assert_eq!(phases.degree(), degree);
        assert!(worst(&phases, &c, 100) < 1e-13, "degree {degree}");
        // Symmetric phases, up to the shift at the ends that both share.
        for k in 0..=degree {
            assert_eq!(phases.wx[k], phases.wx[degree - k]);
        }
    }
}

#[test]
fn the_reflection_convention_gives_the_same_number() {
    let c = inversion(5.0, 1e-2, 0.8);
    let phases = phases(&c).unwrap();
    let (chi, quarter_turns) = phases.reflection();
    for x in [-0.9, -0.3, 0.05, 0.5, 0.99_f64] {
        let s = (1.0 - x * x).sqrt();
        // ⟨0| e^{iχ₀Z} Π R e^{iχ_jZ} |0⟩ with complex pairs.
        let turn = |(re, im): (f64, f64), t: f64| (re * t.cos() - im * t.sin(), re * t.sin() + im * t.cos());
        let (mut a, mut b) = (turn((1.0, 0.0), chi[0]), (0.0, 0.0));
        for t in &chi[1..] {
            let (p, q) = ((x * a.0 + s * b.0, x * a.1 + s * b.1), (s * a.0 - x * b.0, s * a.1 - x * b.1));
            (a, b) = (turn(p, *t), turn(q, -t));
        }
        let turned = turn(a, std::f64::consts::FRAC_PI_2 * quarter_turns as f64);
        let direct = phases.response(x);
        assert!((turned.0 - direct.0).abs() + (turned.1 - direct.1).abs() < 1e-13, "x {x}");
    }
}

#[test]
fn unfit_polynomials_are_refused() {
    assert_eq!(phases(&[0.1, 0.1]).unwrap_err().class, Class::Usage);
    assert_eq!(phases(&[0.0, 1.5]).unwrap_err().class, Class::Usage);
    assert_eq!(phases(&[]).unwrap_err().class, Class::Usage);
    assert_eq!(phases(&[0.0, f64::NAN]).unwrap_err().class, Class::Usage);
}
