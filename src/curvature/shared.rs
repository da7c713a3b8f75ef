//! A matrix that several threads fill at once, each its own entries.
#![allow(unsafe_code)]

use crate::pages::ask_for_large;
use crate::tensor::Real;
use faer::MatMut;
use std::marker::PhantomData;

/// Matrices of at least so many bytes are written past the caches: they do not fit, and a line that is written whole need
/// not be fetched before.
const STREAMED: usize = 256 << 20;
/// Runs of fewer bytes are mostly parts of lines.
const RUN: usize = 1 << 9;

/// A column-major matrix open for concurrent writes to disjoint entries.
pub(super) struct Shared<'m, T> {
    start: *mut T,
    rows: usize,
    columns: usize,
    stride: usize,
    streamed: bool,
    matrix: PhantomData<&'m mut [T]>,
}

/// One thread's permission to write; when it is dropped, what the thread wrote is visible to whom it synchronises with.
pub(super) struct Writer<'a, 'm, T>(&'a Shared<'m, T>);

impl<T> Drop for Writer<'_, '_, T> {
    fn drop(&mut self) {
        settle();
    }
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
        let elements = columns.saturating_sub(1) * stride + rows;
        ask_for_large(matrix.as_ptr(), elements);
        let streamed = elements * size_of::<T>() >= STREAMED;
        Some(Shared { start: matrix.as_ptr_mut(), rows, columns, stride, streamed, matrix: PhantomData })
    }

    /// Opens the matrix for the calling thread; to be dropped by it before anybody reads.
    pub fn writer(&self) -> Writer<'_, 'm, T> {
        Writer(self)
    }
}

impl<T: Real> Writer<'_, '_, T> {
    /// Writes `values` into rows `row ..` of column `column`; a run outside the matrix is a programming error.
    ///
    /// # Safety
    /// While any thread is in this call no other thread may write any of the same entries. Every unordered pair of tensors
    /// is assembled in one way. By outputs: every unordered pair of units {(l, a), (m, b)} is given to one task, which
    /// writes only entries whose row belongs to one of the two units and whose column belongs to the other: entries of
    /// different pairs differ in the unit of their row or of their column. By columns: a column of the tensor where the
    /// pair is seeded is given to one task, which writes its entries in the rows of the other tensor. So no entry has two
    /// writers.
    pub unsafe fn write(&self, column: usize, row: usize, values: &[T]) {
        let m = self.0;
        assert!(column < m.columns && row <= m.rows && values.len() <= m.rows - row);
        // SAFETY: the run lies inside the matrix by the assertion, whose entries are `T: Copy` behind a pointer that is
        // valid for writes (it comes from an exclusive borrow held for 'm); the source is a distinct allocation, since
        // nothing else can borrow the matrix. No other thread writes these entries, by the caller's promise.
        unsafe {
            let to = m.start.add(column * m.stride + row);
            if m.streamed && size_of_val(values) >= RUN {
                stream(values, to);
            } else {
                std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len());
            }
        }
    }
}

/// Copies `values` to `to` past the caches.
///
/// # Safety
/// As [`std::ptr::copy_nonoverlapping`]; and the thread calls [`settle`] before anybody reads what was written.
#[cfg(target_arch = "x86_64")]
unsafe fn stream<T: Real>(values: &[T], to: *mut T) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    const LINE: usize = 64;
    const PART: usize = size_of::<__m128i>();
    let bytes = size_of_val(values);
    let (from, to) = (values.as_ptr().cast::<u8>(), to.cast::<u8>());
    let head = to.align_offset(LINE).min(bytes);
    let lines = (bytes - head) / LINE * LINE;
    // SAFETY: head, lines and rest are the bytes of the run, each copied once, between allocations that do not overlap;
    // `to + head` is aligned for 16-byte stores (SSE2 is part of x86-64), loads need no alignment; floating-point numbers
    // have no padding. The order of the stores does not matter before `settle`.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, head);
        for at in (head..head + lines).step_by(PART) {
            _mm_stream_si128(to.add(at).cast(), _mm_loadu_si128(from.add(at).cast()));
        }
        std::ptr::copy_nonoverlapping(from.add(head + lines), to.add(head + lines), bytes - head - lines);
    }
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn stream<T: Real>(values: &[T], to: *mut T) {
    // SAFETY: by the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len()) }
}

/// Orders streamed stores before all that the thread does later.
fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64; a fence touches no memory.
    unsafe {
        std::arch::x86_64::_mm_sfence();
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
            unsafe { shared.writer().write(e / 37, e % 37, &[e as f64]) }
        });
        assert!((0..64).all(|j| (0..37).all(|i| m[(i, j)] == (j * 37 + i) as f64)));
    }

    #[test]
    fn long_runs_of_any_alignment_are_streamed() {
        let rows = 1501;
        let mut m = Mat::<f32>::from_fn(rows, 40, |_, _| f32::NAN);
        let mut shared = Shared::new(m.as_mut()).unwrap();
        assert!(!shared.streamed);
        shared.streamed = true;
        let (first, middle) = (|j: usize| j * 7, |j: usize| 600 + j);
        (0..40usize).into_par_iter().for_each(|j| {
            let writer = shared.writer();
            let column: Vec<f32> = (0..rows).map(|i| (j * rows + i) as f32).collect();
            for run in [0..first(j), first(j)..middle(j), middle(j)..rows] {
                // SAFETY: each j is a different column.
                unsafe { writer.write(j, run.start, &column[run]) }
            }
        });
        assert!((0..40).all(|j| (0..rows).all(|i| m[(i, j)] == (j * rows + i) as f32)));
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn a_run_outside_the_matrix_is_stopped() {
        let mut m = Mat::<f64>::zeros(3, 3);
        let shared = Shared::new(m.as_mut()).unwrap();
        // SAFETY: one thread only; the call must panic before it writes.
        unsafe { shared.writer().write(2, 1, &[0.0; 3]) }
    }

    #[test]
    fn strided_rows_are_refused() {
        let mut m = Mat::<f64>::zeros(4, 4);
        assert!(Shared::new(m.as_mut().transpose_mut()).is_none());
    }
}
