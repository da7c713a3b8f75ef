//! Cholesky factorisation of positive definite matrices, in double or single precision.

use crate::tensor::Real;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::cholesky::llt::factor::{LltParams, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::cholesky::llt::solve::solve_in_place;
use faer::traits::RealField;
use faer::{Auto, MatMut, MatRef, Par, Spec};

/// A = LLᵀ.
#[derive(Debug, Clone)]
pub struct Cholesky<T> {
    /// Column-major; the lower triangle is L.
    factor: Vec<T>,
    n: usize,
    par: Par,
}

impl<T: Real + RealField> Cholesky<T> {
    /// Factors A (n × n, column-major), whose lower triangle is read and overwritten; `None` where A is not positive
    /// definite.
    pub fn new(mut a: Vec<T>, n: usize, par: Par) -> Option<Self> {
        if a.len() != n.checked_mul(n)? {
            return None;
        }
        if n > 0 {
            let matrix = MatMut::from_column_major_slice_mut(&mut a, n, n);
            let params: Spec<LltParams, T> = <LltParams as Auto<T>>::auto().into();
            let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(n, par, params));
            let regularization = LltRegularization::default();
            cholesky_in_place(matrix, regularization, par, MemStack::new(&mut memory), params).ok()?;
        }
        let sound = a.iter().step_by(n + 1).all(|x| x.finite() && *x > T::ZERO);
        sound.then_some(Cholesky { factor: a, n, par })
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
        let mut memory = MemBuffer::new(StackReq::EMPTY);
        let factor = MatRef::from_column_major_slice(&self.factor, n, n);
        let b = MatMut::from_column_major_slice_mut(b, n, 1);
        solve_in_place(factor, b, self.par, MemStack::new(&mut memory));
    }
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
        let solver = Cholesky::new(a.clone(), n, Par::Seq).unwrap();
        let b: Vec<T> = (0..n).map(|i| T::of((i as f64 * 0.7).sin())).collect();
        let mut x = b.clone();
        solver.solve(&mut x);
        (0..n)
            .map(|i| (0..n).map(|j| a[i + j * n].wide() * x[j].wide()).sum::<f64>() - b[i].wide())
            .fold(0.0, |m, r| m.max(r.abs()))
    }

    #[test]
    fn solutions_satisfy_the_system_in_both_precisions() {
        for n in [1, 2, 7, 65, 130] {
            assert!(residual::<f64>(n) < 1e-13, "{n}");
            assert!(residual::<f32>(n) < 1e-4, "{n}");
        }
    }

    #[test]
    fn indefinite_and_singular_matrices_are_told_apart_from_definite_ones() {
        let indefinite = vec![2.0, 0.1, 0.1, 0.1, -1.0, 0.1, 0.1, 0.1, 3.0];
        assert!(Cholesky::new(indefinite, 3, Par::Seq).is_none());
        // rank 1 of 3
        let singular: Vec<f64> = (0..9).map(|k| ((k % 3 + 1) * (k / 3 + 1)) as f64).collect();
        let found = Cholesky::new(singular, 3, Par::Seq);
        assert!(found.is_none_or(|c| c.pivot_ratio() < 1e-14));
        let well = Cholesky::new(sample::<f64>(9, 1.0), 9, Par::Seq).unwrap();
        assert!((0.1..=1.0).contains(&well.pivot_ratio()));
        assert!(Cholesky::new(Vec::<f64>::new(), 0, Par::Seq).is_some());
        assert!(Cholesky::new(vec![1.0], 2, Par::Seq).is_none());
    }
}
