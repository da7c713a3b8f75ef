//! Tests of `sparsity`.

use super::*;
use faer::Mat;

#[test]
fn counts_agree_with_a_second_loop_and_ties_are_dropped() {
    let a = Mat::from_fn(30, 30, |i, j| ((i * j + i + j) as f64 * 1.7).sin() * 10f64.powi(-(((i + j) % 9) as i32)));
    let max = max_abs(a.as_ref());
    let thresholds = [1e-2, 1e-12, 0.5, 1e-5];
    for (t, found) in thresholds.iter().zip(kept(a.as_ref(), &thresholds)) {
        let keep = |i: usize, j: usize| a[(i, j)].abs() > t * max;
        let rows: Vec<usize> = (0..30).map(|i| (0..30).filter(|&j| keep(i, j)).count()).collect();
        assert_eq!(found.d, *rows.iter().max().unwrap());
        assert_eq!(found.nonzeros, rows.iter().sum::<usize>() as u64);
        let dropped: f64 =
            (0..900).filter(|k| !keep(k / 30, k % 30)).map(|k| a[(k / 30, k % 30)].powi(2)).sum::<f64>().sqrt();
        assert!((found.dropped - dropped).abs() <= 1e-12 * dropped);
    }
    // an entry exactly at the threshold counts as zero
    let tie = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 0.125 });
    let found = kept(tie.as_ref(), &[0.125, 0.1249]);
    assert_eq!((found[0].d, found[1].d), (1, 2));
}

#[test]
fn the_zero_matrix_has_no_entries() {
    let points = curve(Mat::zeros(3, 3).as_ref(), 0.0, 0).unwrap();
    assert!(points.iter().all(|p| p.d == 0 && p.nonzeros == 0 && p.frobenius_error == 0.0));
    assert!(points.iter().all(|p| p.spectral_error == Some(0.0)));
}

#[test]
fn the_cheaper_encoding_is_named() {
    // tridiagonal: 3·2 = 6 against √(4n + 2(n − 1))
    let n = 100;
    let a = Mat::from_fn(n, n, |i, j| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
    let f = frobenius(a.as_ref());
    assert!((f * f - (4 * n + 2 * (n - 1)) as f64).abs() < 1e-9);
    let found = subnormalization(3, 2.0, f, 3.999);
    assert_eq!((found.encoding.as_str(), found.absolute), ("sparse", 6.0));
    assert!((found.relative - 6.0 / 3.999).abs() < 1e-15);
    // all ones: d·max = N and the Frobenius norm is N too: both exact encodings
    let ones = subnormalization(50, 1.0, 50.0, 50.0);
    assert_eq!(ones.relative, 1.0);
    let spread = subnormalization(50, 1.0, 7.1, 5.0);
    assert_eq!((spread.encoding.as_str(), spread.absolute), ("frobenius", 7.1));
}
