//! Tests of `iterative`.

use super::*;
use crate::spectrum::dense_eigen::tests::with_spectrum;
use faer::Mat;

struct Case {
    a: Mat<f64>,
    x: Vec<f64>,
    b: Vec<f64>,
}

fn case(values: &[f64]) -> Case {
    let n = values.len();
    let a = with_spectrum(values, 11);
    let x: Vec<f64> = (0..n).map(|i| ((i * i) as f64 * 0.37).sin() + 0.2).collect();
    let b = (0..n).map(|i| (0..n).map(|j| a[(i, j)] * x[j]).sum()).collect();
    Case { a, x, b }
}

fn solve(case: &Case, method: Method, jacobi: Option<&[f64]>, eps: f64, known: bool, limit: u64) -> Run {
    let apply = |x: &[f64], y: &mut [f64]| {
        for (i, y) in y.iter_mut().enumerate() {
            *y = x.iter().enumerate().map(|(j, x)| case.a[(i, j)] * x).sum();
        }
        Ok(())
    };
    let solution = known.then_some(case.x.as_slice());
    run(method, &Problem { apply: &apply, b: &case.b, jacobi, solution, eps, limit }).unwrap()
}

#[test]
fn bounds_are_the_published_ones() {
    for (kappa, eps, k) in [(100.0, 1e-2, 27.0), (1e4, 1e-2, 265.0), (1e4, 1e-6, 726.0), (1e6, 1e-10, 11860.0)] {
        assert_eq!(cg_bound(kappa, eps), k);
    }
    for (kappa, eps, k) in [(100.0, 1e-2, 530.0), (1e4, 1e-2, 52984.0)] {
        assert_eq!(minres_bound(kappa, eps), k);
    }
    assert!((minres_bound(1e6, 1e-10) / 23_719_000.0 - 1.0).abs() < 1e-6);
    assert_eq!((cg_bound(1.0, 0.5), minres_bound(1.0, 1e-6)), (1.0, 2.0));
}

#[test]
fn both_reach_the_direct_solution_within_the_bounds() {
    let definite: Vec<f64> = (0..60).map(|i| 1.0 + f64::from(i) * 1.7).collect();
    let indefinite: Vec<f64> = definite.iter().enumerate().map(|(i, x)| if i % 2 == 0 { *x } else { -x }).collect();
    let kappa = (1.0 + 59.0 * 1.7) / 1.0;
    for eps in [1e-1, 1e-4, 1e-8] {
        let cg = solve(&case(&definite), Method::Cg, None, eps, true, 1000);
        assert!(cg.relative_error.unwrap() <= eps && cg.relative_residual <= eps * kappa);
        assert!(cg.iterations_bound_norm.unwrap() as f64 <= cg_bound(kappa, eps));
        for values in [&definite, &indefinite] {
            let found = solve(&case(values), Method::Minres, None, eps, true, 1000);
            assert!(found.relative_error.unwrap() <= eps, "{found:?}");
            assert!(found.iterations_bound_norm.unwrap() as f64 <= minres_bound(kappa, eps));
            assert!(found.iterations.unwrap() <= 130);
        }
        // without a known solution the residual decides
        let blind = solve(&case(&definite), Method::Cg, None, eps, false, 1000);
        assert!(
            blind.iterations.is_some() && blind.relative_residual <= eps * 1.0001 && blind.relative_error.is_none()
        );
        let blind = solve(&case(&indefinite), Method::Minres, None, eps, false, 1000);
        assert!(blind.iterations.is_some() && blind.relative_residual <= eps * 1.0001);
    }
}

#[test]
fn as_many_steps_as_distinct_eigenvalues() {
    let mut values = vec![2.0; 30];
    values.extend([5.0; 10]);
    values.extend([-3.0; 5]);
    let found = solve(&case(&values), Method::Minres, None, 1e-10, true, 100);
    assert_eq!(found.iterations, Some(3));
    values.truncate(40);
    assert_eq!(solve(&case(&values), Method::Cg, None, 1e-10, true, 100).iterations, Some(2));
}

#[test]
fn minres_residual_equals_the_smallest_over_the_krylov_space() {
    // independent: least squares over the Krylov basis by normal equations in an orthonormal basis
    let values: Vec<f64> = (0..12).map(|i| (f64::from(i) - 5.3) * 0.8).collect();
    let c = case(&values);
    for k in 1..6u64 {
        let found = solve(&c, Method::Minres, None, 1e-300, true, k);
        let n = 12;
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let mut v = c.b.clone();
        for _ in 0..k {
            for _ in 0..2 {
                for q in &basis {
                    let d = dot(q, &v);
                    v.iter_mut().zip(q).for_each(|(v, q)| *v -= d * q);
                }
            }
            let l = norm(&v);
            let q: Vec<f64> = v.iter().map(|x| x / l).collect();
            v = (0..n).map(|i| (0..n).map(|j| c.a[(i, j)] * q[j]).sum()).collect();
            basis.push(q);
        }
        // the residual is b minus its projection on A·K: Gram-Schmidt on A·basis
        let mut r = c.b.clone();
        let mut images: Vec<Vec<f64>> = Vec::new();
        for q in &basis {
            let mut w: Vec<f64> = (0..n).map(|i| (0..n).map(|j| c.a[(i, j)] * q[j]).sum()).collect();
            for _ in 0..2 {
                for m in &images {
                    let d = dot(m, &w);
                    w.iter_mut().zip(m).for_each(|(w, m)| *w -= d * m);
                }
            }
            let l = norm(&w);
            w.iter_mut().for_each(|x| *x /= l);
            let d = dot(&w, &r);
            r.iter_mut().zip(&w).for_each(|(r, w)| *r -= d * w);
            images.push(w);
        }
        let smallest = norm(&r) / norm(&c.b);
        assert!((found.relative_residual - smallest).abs() < 1e-10, "{k}: {} {smallest}", found.relative_residual);
    }
}

#[test]
fn jacobi_solves_a_diagonal_matrix_at_once() {
    let n = 20;
    let a = Mat::from_fn(n, n, |i, j| if i == j { 3f64.powi(i as i32 % 7) } else { 0.0 });
    let x: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
    let b = (0..n).map(|i| a[(i, i)] * x[i]).collect();
    let diagonal: Vec<f64> = (0..n).map(|i| a[(i, i)]).collect();
    let c = Case { a, x, b };
    for method in [Method::Cg, Method::Minres] {
        assert_eq!(solve(&c, method, Some(&diagonal), 1e-10, true, 50).iterations, Some(1));
        assert_eq!(solve(&c, method, None, 1e-6, true, 50).iterations, Some(7), "seven distinct values");
        let bad = solve(&c, method, Some(&vec![0.0; n]), 1e-10, true, 50);
        assert!(bad.iterations.is_none() && bad.note.unwrap().contains("Jacobi"));
    }
}

#[test]
fn breakdown_and_exhaustion_are_said() {
    let indefinite: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 1.0 + f64::from(i) } else { -5.0 }).collect();
    let found = solve(&case(&indefinite), Method::Cg, None, 1e-12, true, 100);
    assert!(found.iterations.is_none() && found.note.unwrap().contains("not positive definite"));
    let hard: Vec<f64> = (0..200).map(|i| 1.05f64.powi(i)).collect();
    for method in [Method::Cg, Method::Minres] {
        let found = solve(&case(&hard), method, None, 1e-12, true, 5);
        assert!(found.iterations.is_none() && found.done == 5 && found.note.unwrap().contains("ran out"));
        assert!(found.relative_residual < 1.0);
    }
    // singular and inconsistent: MINRES must end
    let zero = Case { a: Mat::zeros(4, 4), x: vec![1.0; 4], b: vec![1.0; 4] };
    let found = solve(&zero, Method::Minres, None, 1e-3, false, 100);
    assert!(found.iterations.is_none() && found.done < 5, "{found:?}");
}
