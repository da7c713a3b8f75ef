//! Block encodings: top-left block, orthogonality, α.

use super::support::*;
use breakeven::error::Class;
use breakeven::simulate::encoding::{BlockEncoding, build, orthogonality_error, top_left_error};
use breakeven::simulate::{Encoding, Instance, Options};
use faer::Mat;

fn sparse_matrix(n: usize) -> Mat<f64> {
    // Tridiagonal with signs and one far pair: rows of 2, 3 and 4 entries.
    Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
        0 => 1.0 + i as f64 * 0.3,
        1 => -0.5,
        d if d == n - 1 => 0.25,
        _ => 0.0,
    })
}

#[test]
fn every_encoding_holds_the_matrix_over_its_alpha() {
    let mut rng = rng(41);
    let dense = matrix(&eigenvalues(11, 30.0, false, true, &mut rng), &mut rng);
    for h in [dense, sparse_matrix(9)] {
        let n = h.nrows();
        let g = vector(n, &mut rng);
        let frobenius = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| h[(i, j)].powi(2)).sum::<f64>();
        let largest =
            (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| h[(i, j)].abs()).fold(0.0, f64::max);
        let d = (0..n).map(|i| (0..n).filter(|&j| h[(i, j)] != 0.0).count()).max().unwrap() as f64;
        for (kind, alpha) in [
            (Encoding::Dilation, None),
            (Encoding::Frobenius, Some(frobenius.sqrt())),
            (Encoding::Sparse, Some(d * largest)),
        ] {
            let options = Options { encoding: kind, ..options() };
            let instance = Instance::new(h.as_ref(), &g, &options).unwrap();
            let alpha = alpha.unwrap_or(instance.sigma_max);
            assert!((instance.alpha / alpha - 1.0).abs() < 1e-12, "{kind}: {} {alpha}", instance.alpha);
            let u = build(h.as_ref(), &instance, &options).unwrap();
            assert!(top_left_error(u.as_ref(), h.as_ref(), alpha) < 1e-13, "{kind}");
            assert!(orthogonality_error(u.as_ref()) < 1e-13, "{kind}");
            // Negative control: any other α is seen.
            assert!(top_left_error(u.as_ref(), h.as_ref(), 1.01 * alpha) > 1e-4, "{kind}");
        }
    }
}

#[test]
fn the_adjoint_is_the_transpose() {
    let h = sparse_matrix(5);
    let g = [1.0, 2.0, 3.0, 4.0, 5.0];
    for kind in [Encoding::Dilation, Encoding::Frobenius, Encoding::Sparse] {
        let options = Options { encoding: kind, ..options() };
        let instance = Instance::new(h.as_ref(), &g, &options).unwrap();
        let u = build(h.as_ref(), &instance, &options).unwrap();
        let size = u.flags() * u.system();
        let column = |u: &dyn BlockEncoding, j: usize, adjoint: bool| {
            let mut v = vec![0.0; size];
            v[j] = 1.0;
            if adjoint {
                u.apply_adjoint(&mut v)
            } else {
                u.apply(&mut v)
            }
            v
        };
        for j in 0..size.min(40) {
            let forward = column(u.as_ref(), j, false);
            for i in (0..size).step_by(7) {
                let back = column(u.as_ref(), i, true);
                assert!((forward[i] - back[j]).abs() < 1e-14, "{kind} ({i}, {j})");
            }
        }
    }
}

#[test]
fn alpha_by_hand_needs_the_dilation() {
    let h = sparse_matrix(4);
    let options = Options { encoding: Encoding::Sparse, alpha: Some(100.0), ..options() };
    let instance = Instance::new(h.as_ref(), &[1.0; 4], &options).unwrap();
    assert_eq!(build(h.as_ref(), &instance, &options).map(|_| ()).unwrap_err().class, Class::Usage);
}
