//! One half of a symmetric matrix from the other, by all threads of the pool that it is called in.

use crate::tensor::Real;
use faer::{MatMut, MatRef};

/// Rows and columns that one thread copies at a time: both sides stay in its first cache.
const TILE: usize = 32;
/// Smaller pieces are not worth another thread.
const SHARED: usize = 1 << 16;

/// Both, in two threads where there is enough to do.
fn both(elements: usize, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    if elements > SHARED {
        rayon::join(a, b);
    } else {
        a();
        b();
    }
}

/// to ← fromᵀ.
pub(super) fn transpose<T: Real>(from: MatRef<'_, T>, to: MatMut<'_, T>) {
    let (rows, columns) = (from.nrows(), from.ncols());
    let elements = rows * columns;
    if rows.max(columns) <= TILE {
        for (i, to) in to.col_iter_mut().enumerate() {
            to.iter_mut().zip(from.row(i).iter()).for_each(|(to, &x)| *to = x);
        }
    } else if rows >= columns {
        let (top, bottom) = from.split_at_row(rows / 2);
        let (left, right) = to.split_at_col_mut(rows / 2);
        both(elements, || transpose(top, left), || transpose(bottom, right));
    } else {
        let (left, right) = from.split_at_col(columns / 2);
        let (top, bottom) = to.split_at_row_mut(columns / 2);
        both(elements, || transpose(left, top), || transpose(right, bottom));
    }
}

/// a ← (a + aᵀ)/2, exactly symmetric.
pub(super) fn symmetrise<T: Real>(mut a: MatMut<'_, T>) {
    let n = a.nrows();
    if n <= TILE {
        for j in 0..n {
            for i in j + 1..n {
                let mean = T::of(0.5) * (a[(i, j)] + a[(j, i)]);
                a[(i, j)] = mean;
                a[(j, i)] = mean;
            }
        }
        return;
    }
    let (first, upper, lower, second) = a.split_at_mut(n / 2, n / 2);
    both(n * n, || both(n * n, || symmetrise(first), || symmetrise(second)), || average(lower, upper));
}

/// Both ← (a + bᵀ)/2.
fn average<T: Real>(a: MatMut<'_, T>, mut b: MatMut<'_, T>) {
    let (rows, columns) = (a.nrows(), a.ncols());
    let elements = rows * columns;
    if rows.max(columns) <= TILE {
        for (j, a) in a.col_iter_mut().enumerate() {
            for (a, b) in a.iter_mut().zip(b.as_mut().row_mut(j).iter_mut()) {
                let mean = T::of(0.5) * (*a + *b);
                *a = mean;
                *b = mean;
            }
        }
    } else if rows >= columns {
        let (top, bottom) = a.split_at_row_mut(rows / 2);
        let (left, right) = b.split_at_col_mut(rows / 2);
        both(elements, || average(top, left), || average(bottom, right));
    } else {
        let (left, right) = a.split_at_col_mut(columns / 2);
        let (top, bottom) = b.split_at_row_mut(columns / 2);
        both(elements, || average(left, top), || average(right, bottom));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    #[test]
    fn halves_of_all_extents() {
        for (rows, columns) in [(1, 1), (32, 33), (70, 5), (3, 200), (400, 301)] {
            let from = Mat::from_fn(rows, columns, |i, j| (i * 1000 + j) as f64);
            let mut to = Mat::zeros(columns, rows);
            transpose(from.as_ref(), to.as_mut());
            assert_eq!(to, from.transpose().to_owned());
        }
        for n in [1, 31, 32, 33, 65, 300] {
            let from = Mat::from_fn(n, n, |i, j| ((i * 37 + j * 11) % 101) as f64 / 3.0);
            let mut a = from.clone();
            symmetrise(a.as_mut());
            for j in 0..n {
                for i in 0..n {
                    assert_eq!(a[(i, j)], a[(j, i)]);
                    let mean = if i == j { from[(i, j)] } else { 0.5 * (from[(i, j)] + from[(j, i)]) };
                    assert_eq!(a[(i, j)], mean, "{n} {i} {j}");
                }
            }
        }
    }
}
