//! A matrix that several threads fill at once, each its own entries.
#![allow(unsafe_code)]

use crate::pages::ask_for_large;
use crate::tensor::Real;
use faer::MatMut;
use std::marker::PhantomData;

/// A column-major matrix open for concurrent writes to disjoint entries.
pub(super) struct Shared<'m, T> {
    start: *mut T,
    rows: usize,
    columns: usize,
    stride: usize,
    matrix: PhantomData<&'m mut [T]>,
}

// SAFETY: the pointer is only written through, in `write`, whose caller promises that no entry is written by two
// threads; nothing is read. The exclusive borrow held in `matrix` keeps everyone else away for as long as this lives.
unsafe impl<T: Real> Sync for Shared<'_, T> {}

impl<'m, T: Real> Shared<'m, T> {
    /// Takes the matrix for `'m`; `None` when its columns are not contiguous.
    pub fn new(matrix: MatMut<'m, T>) -> Option<Self> {
        let (rows, columns) = (matrix.nrows(), matrix.ncols());
        let stride = usize::try_from(matrix.col_stride()).ok()?;
        if matrix.row_stride() != 1 || (columns > 1 && stride < rows) {
            return None;
        }
        ask_for_large(matrix.as_ptr(), columns.saturating_sub(1) * stride + rows);
        Some(Shared { start: matrix.as_ptr_mut(), rows, columns, stride, matrix: PhantomData })
    }

    /// Writes `values` into rows `row ..` of column `column`; a run outside the matrix is a programming error.
    ///
    /// # Safety
    /// While any thread is in this call no other thread may write any of the same entries. The assembly gives every
    /// unordered pair of units {(l, a), (m, b)} to one task, and the task of a pair writes only entries whose row
    /// belongs to one of the two units and whose column belongs to the other: entries of different pairs differ in the
    /// unit of their row or of their column, so no entry has two writers.
    pub unsafe fn write(&self, column: usize, row: usize, values: &[T]) {
        assert!(column < self.columns && row <= self.rows && values.len() <= self.rows - row);
        // SAFETY: the run lies inside the matrix by the assertion, whose entries are `T: Copy` behind a pointer that is
        // valid for writes (it comes from an exclusive borrow held for 'm); the source is a distinct allocation, since
        // nothing else can borrow the matrix. No other thread writes these entries, by the caller's promise.
        unsafe {
            std::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(column * self.stride + row), values.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;
    use faer::Mat;
    use rayon::prelude::*;

    #[test]
    fn threads_fill_disjoint_runs() {
        let mut m = Mat::<f64>::zeros(37, 64);
        let shared = Shared::new(m.as_mut()).unwrap();
        (0..64 * 37).into_par_iter().for_each(|e| {
            // SAFETY: each e is a different entry.
            unsafe { shared.write(e / 37, e % 37, &[e as f64]) }
        });
        assert!((0..64).all(|j| (0..37).all(|i| m[(i, j)] == (j * 37 + i) as f64)));
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn a_run_outside_the_matrix_is_stopped() {
        let mut m = Mat::<f64>::zeros(3, 3);
        let shared = Shared::new(m.as_mut()).unwrap();
        // SAFETY: one thread only; the call must panic before it writes.
        unsafe { shared.write(2, 1, &[0.0; 3]) }
    }

    #[test]
    fn strided_rows_are_refused() {
        let mut m = Mat::<f64>::zeros(4, 4);
        assert!(Shared::new(m.as_mut().transpose_mut()).is_none());
    }
}
