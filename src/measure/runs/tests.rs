//! Tests of `runs`.

use super::*;
use crate::spectrum::dense_eigen::tests::with_spectrum;
use faer::Mat;

#[test]
fn sparse_and_dense_products_agree() {
    let n = 40;
    let a = Mat::from_fn(n, n, |i, j| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)] * (1.0 + (i * j) as f64 * 1e-3));
    let rows = Rows::new(a.as_ref()).unwrap();
    let x: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
    let (mut y, mut z) = (vec![0.0; n], vec![0.0; n]);
    rows.apply(&x, &mut y);
    product_into(a.as_ref(), &x, &mut z, Par::Seq);
    assert!(y.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-13));
    assert!(Rows::new(Mat::from_fn(n, n, |_, _| 1.0).as_ref()).is_none());
}

#[test]
fn a_singular_system_has_no_bound_and_ends() {
    let a = with_spectrum(&[0.0, 1.0, 2.0, 3.0, 0.0], 2);
    let b = [1.0, -1.0, 0.5, 2.0, 0.3];
    let dense = Dense::new(a.as_ref(), Par::Seq);
    let apply = |x: &[f64], y: &mut [f64]| {
        dense.apply(x, y);
        Ok(())
    };
    let system = System {
        apply: &apply,
        cost: dense.cost(),
        diagonal: &dense.diagonal(),
        b: &b,
        solution: None,
        kappa: None,
        definite: true,
        eps: 1e-6,
    };
    for run in all(&system).unwrap() {
        assert!(run.bound.is_none() && run.iterations.is_none(), "{run:?}");
        assert!(run.note.is_some(), "{run:?}");
    }
}
