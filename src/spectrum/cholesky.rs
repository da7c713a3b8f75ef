//! Cholesky factorisation of positive definite matrices, in double or single precision, by blocks over the threads of
//! the pool; the bits do not depend on their number.

use crate::tensor::Real;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltParams, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::traits::RealField;
use faer::{Accum, Auto, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

/// Columns factored together.
const BLOCK: usize = 256;
/// Columns, and rows, of the rest that one task works on.
const TASK: usize = 256;

/// A = LLᵀ.
#[derive(Debug, Clone)]
pub struct Cholesky<T> {
    /// Column-major; the lower triangle is L.
    factor: Vec<T>,
    n: usize,
}

impl<T: Real + RealField> Cholesky<T> {
    /// Factors A (n × n, column-major), whose lower triangle is read and overwritten; `None` where A is not positive
    /// definite. Runs on the threads of the pool that it is called in.
    pub fn new(mut a: Vec<T>, n: usize) -> Option<Self> {
        if a.len() != n.checked_mul(n)? || (n > 0 && !factor(MatMut::from_column_major_slice_mut(&mut a, n, n))) {
            return None;
        }
        let sound = a.iter().step_by(n + 1).all(|x| x.finite() && *x > T::ZERO);
        sound.then_some(Cholesky { factor: a, n })
    }

    /// (min L_ii/max L_ii)², an upper bound on 1/κ: below the unit roundoff the matrix is singular to working precision.
    pub fn pivot_ratio(&self) -> f64 {
        let pivots = self.factor.iter().step_by(self.n + 1).map(|x| x.wide());
        let (low, high) = pivots.fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
        if high > 0.0 { (low / high).powi(2) } else { 1.0 }
    }

    /// Solves A x = b in place.
    pub fn solve(&self, b: &mut [T]) {
        let n = self.n;
        if n == 0 || b.len() != n {
            return;
        }
        let factor = MatRef::from_column_major_slice(&self.factor, n, n);
        let mut b = MatMut::from_column_major_slice_mut(b, n, 1);
        solve_lower_triangular_in_place(factor, b.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(factor.transpose(), b, Par::Seq);
    }
}

/// Right-looking by blocks of columns: every task is one sequential product of fixed size. `false` where a pivot is not
/// positive.
fn factor<T: Real + RealField>(mut a: MatMut<'_, T>) -> bool {
    let n = a.nrows();
    for k in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - k);
        let rest = a.as_mut().submatrix_mut(k, k, n - k, n - k);
        let (mut panel, trailing) = rest.split_at_col_mut(width);
        let (mut head, mut below) = panel.as_mut().split_at_row_mut(width);
        if !small(head.as_mut()) {
            return false;
        }
        let (head, m) = (head.as_ref(), n - k - width);
        if m == 0 {
            break;
        }
        // L₂₁·L₁₁ᵀ = A₂₁, rows in groups
        below.as_mut().par_row_chunks_mut(TASK).for_each(|rows| {
            solve_lower_triangular_in_place(head, rows.transpose_mut(), Par::Seq);
        });
        let below = below.as_ref();
        // A₂₂ ← A₂₂ − L₂₁·L₂₁ᵀ from the diagonal down, columns in groups
        let (_, trailing) = trailing.split_at_row_mut(width);
        trailing.par_col_chunks_mut(TASK).enumerate().for_each(|(group, columns)| {
            let (first, count) = (group * TASK, columns.ncols());
            let lower = columns.subrows_mut(first, m - first);
            let (left, right) = (below.subrows(first, m - first), below.subrows(first, count).transpose());
            matmul(lower, Accum::Add, left, right, -T::ONE, Par::Seq);
        });
    }
    true
}

/// A diagonal block, sequentially.
fn small<T: Real + RealField>(a: MatMut<'_, T>) -> bool {
    let params: Spec<LltParams, T> = <LltParams as Auto<T>>::auto().into();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(a.nrows(), Par::Seq, params));
    let regularization = LltRegularization::default();
    cholesky_in_place(a, regularization, Par::Seq, MemStack::new(&mut memory), params).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample<T: Real>(n: usize, shift: f64) -> Vec<T> {
        // a Hilbert matrix: positive definite for every shift above 0
        let entry = |i: usize, j: usize| 1.0 / (i + j + 1) as f64 + if i == j { shift } else { 0.0 };
        (0..n * n).map(|k| T::of(entry(k % n, k / n))).collect()
    }

    fn residual<T: Real + RealField>(n: usize) -> f64 {
        let a: Vec<T> = sample(n, 0.5);
        let solver = Cholesky::new(a.clone(), n).unwrap();
        let b: Vec<T> = (0..n).map(|i| T::of((i as f64 * 0.7).sin())).collect();
        let mut x = b.clone();
        solver.solve(&mut x);
        (0..n)
            .map(|i| (0..n).map(|j| a[i + j * n].wide() * x[j].wide()).sum::<f64>() - b[i].wide())
            .fold(0.0, |m, r| m.max(r.abs()))
    }

    #[test]
    fn solutions_satisfy_the_system_in_both_precisions() {
        // one block, blocks that end exactly, several tasks
        for n in [1, 2, 7, 65, 256, 512, 700] {
            assert!(residual::<f64>(n) < 1e-13, "{n}");
            assert!(residual::<f32>(n) < 1e-4, "{n}");
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let n = 900;
        let on = |threads: usize| {
            let pool = crate::parallel::Threads::new(threads).unwrap();
            pool.run(|| Cholesky::new(sample::<f64>(n, 0.1), n).unwrap().factor)
        };
        let one = on(1);
        assert!(one == on(2) && one == on(5));
        // a late pivot decides
        let mut a = sample::<f64>(n, 0.1);
        a[(n - 1) * (n + 1)] = -1.0;
        assert!(Cholesky::new(a, n).is_none());
    }

    #[test]
    fn indefinite_and_singular_matrices_are_told_apart_from_definite_ones() {
        let indefinite = vec![2.0, 0.1, 0.1, 0.1, -1.0, 0.1, 0.1, 0.1, 3.0];
        assert!(Cholesky::new(indefinite, 3).is_none());
        // rank 1 of 3
        let singular: Vec<f64> = (0..9).map(|k| ((k % 3 + 1) * (k / 3 + 1)) as f64).collect();
        let found = Cholesky::new(singular, 3);
        assert!(found.is_none_or(|c| c.pivot_ratio() < 1e-14));
        let well = Cholesky::new(sample::<f64>(9, 1.0), 9).unwrap();
        assert!((0.1..=1.0).contains(&well.pivot_ratio()));
        assert!(Cholesky::new(Vec::<f64>::new(), 0).is_some());
        assert!(Cholesky::new(vec![1.0], 2).is_none());
    }
}
