//! Tests of `trust_region`.

use super::*;
use crate::spectrum::dense_eigen::{decompose, tests::with_spectrum};
use crate::spectrum::lanczos::gaussian;
use faer::{Mat, Par};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// max over a fine circle.
fn brute(h: &Mat<f64>, g: &[f64], r: f64) -> f64 {
    (0..200_000)
        .map(|i| {
            let (s, c) = (f64::from(i) * std::f64::consts::TAU / 200_000.0).sin_cos();
            let u = [r * c, r * s];
            g[0] * u[0]
                + g[1] * u[1]
                + 0.5 * (h[(0, 0)] * u[0] * u[0] + 2.0 * h[(0, 1)] * u[0] * u[1] + h[(1, 1)] * u[1] * u[1])
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn beats_the_circle_in_two_dimensions() {
    let cases = [
        ([1.0, 0.3, 2.0], [0.4, -0.7]),
        ([-1.0, 0.3, -2.0], [0.4, -0.7]),
        ([1.0, 0.0, -2.0], [0.0, 1.0]),
        // hard case: nothing along the top eigenvector
        ([3.0, 0.0, 1.0], [0.0, 0.5]),
        ([1.0, 0.0, 1.0], [0.2, 0.1]),
        ([0.0, 0.0, 0.0], [0.2, 0.1]),
        ([2.0, 0.0, 1.0], [0.0, 0.0]),
    ];
    for ([a, b, d], g) in cases {
        let h = Mat::from_fn(2, 2, |i, j| if i != j { b } else { [a, d][i] });
        let eigen = decompose(h.as_ref(), Par::Seq).unwrap();
        let sphere = Sphere::new(Basis::whole(&eigen), &g, Par::Seq);
        for r in [1e-6, 0.1, 0.5, 1.0, 30.0] {
            let u = sphere.maximiser(r);
            assert!((norm(&u) / r - 1.0).abs() < 1e-10, "{g:?} {r}");
            let value = sphere.model(&sphere.coordinates(r));
            let best = brute(&h, &g, r);
            assert!(value >= best - 1e-12 * (1.0 + r * r), "{a} {b} {d} {g:?} {r}: {value} {best}");
            assert!(value <= best + 1e-8 * (r + r * r), "{a} {b} {d} {g:?} {r}: {value} {best}");
        }
    }
}

#[test]
fn optimality_conditions_hold_in_many_dimensions() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.3 - 4.0).collect();
    let h = with_spectrum(&values, 3);
    let eigen = decompose(h.as_ref(), Par::Seq).unwrap();
    let g = gaussian(40, &mut ChaCha8Rng::seed_from_u64(8));
    let sphere = Sphere::new(Basis::whole(&eigen), &g, Par::Seq);
    for r in [1e-8, 1e-3, 1.0, 100.0] {
        let u = sphere.maximiser(r);
        // (μI − H)u = G with μ ≥ λ_max is sufficient for a global maximum
        let hu = product(h.as_ref(), &u, Par::Seq);
        let mu = u.iter().zip(&hu).zip(&g).map(|((u, hu), g)| u * (hu + g)).sum::<f64>() / (r * r);
        let residual: Vec<f64> = u.iter().zip(&hu).zip(&g).map(|((u, hu), g)| mu * u - hu - g).collect();
        assert!(norm(&residual) < 1e-9 * (norm(&g) + mu * r), "{r}");
        assert!(mu >= values[39] - 1e-9);
    }
}

#[test]
fn a_low_rank_basis_with_its_complement_gives_the_same_maximiser() {
    // rank 3 of 12, positive semidefinite
    let mut values = vec![0.0; 9];
    values.extend([0.5, 1.5, 4.0]);
    let h = with_spectrum(&values, 3);
    let eigen = decompose(h.as_ref(), Par::Seq).unwrap();
    let g = gaussian(12, &mut ChaCha8Rng::seed_from_u64(2));
    let whole = Sphere::new(Basis::whole(&eigen), &g, Par::Seq);
    let part = Basis {
        values: eigen.values[9..].to_vec(),
        vectors: Vectors::Borrowed(eigen.vectors.as_ref().subcols(9, 3)),
        complement: Some(0.0),
    };
    let part = Sphere::new(part, &g, Par::Seq);
    for r in [1e-4, 0.3, 2.0, 50.0] {
        let (u, v) = (whole.maximiser(r), part.maximiser(r));
        let off: Vec<f64> = u.iter().zip(&v).map(|(a, b)| a - b).collect();
        assert!(norm(&off) < 1e-9 * r, "{r}: {}", norm(&off));
    }
}
