//! The maximiser of Gᵀu + ½uᵀHu over the sphere ‖u‖ = r, from the eigendecomposition of H.
//!
//! Stationarity is (μI − H)u = G with μ ≥ λ_max; ‖u(μ)‖ falls monotonically, so the secular equation ‖u(μ)‖ = r has one
//! root there (Moré and Sorensen, SIAM J. Sci. Stat. Comput. 4, 1983), the hard case included.

use crate::spectrum::dense_eigen::Eigen;
use crate::spectrum::scale::norm;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// H = VΛVᵀ with a linear term, ready for every radius.
pub struct Sphere<'a> {
    eigen: &'a Eigen,
    /// VᵀG.
    linear: Vec<f64>,
    par: Par,
}

impl<'a> Sphere<'a> {
    /// Rotates the linear term G (length N) into the eigenbasis.
    pub fn new(eigen: &'a Eigen, gradient: &[f64], par: Par) -> Self {
        Sphere { eigen, linear: rotate(eigen, gradient, par), par }
    }

    /// The maximiser at radius r > 0, in the eigenbasis.
    pub fn coordinates(&self, radius: f64) -> Vec<f64> {
        let values = &self.eigen.values;
        let n = values.len();
        if n == 0 {
            return Vec::new();
        }
        let top = values[n - 1];
        let at = |mu: f64| -> Vec<f64> {
            let one = |(c, v): (&f64, &f64)| if *c == 0.0 { 0.0 } else { c / (mu - v) };
            self.linear.iter().zip(values).map(one).collect()
        };
        let total = norm(&self.linear);
        // ‖u(μ)‖ ≤ ‖G‖/(μ − λ_max): the root lies at or below this distance from λ_max
        let mut far = total / radius;
        let smallest = (top.abs().max(values[0].abs()) * f64::EPSILON).max(f64::MIN_POSITIVE);
        if far <= smallest || norm(&at(top + smallest)) < radius {
            return self.hard_case(at(top + smallest), radius);
        }
        let mut near = smallest;
        for _ in 0..100 {
            // geometric steps: the distance spans many magnitudes
            let middle = near.sqrt() * far.sqrt();
            if middle <= near || middle >= far {
                break;
            }
            if norm(&at(top + middle)) > radius {
                near = middle;
            } else {
                far = middle;
            }
        }
        let mut u = at(top + far);
        let length = norm(&u);
        u.iter_mut().for_each(|x| *x *= radius / length);
        u
    }

    /// G has (almost) nothing along the top eigenvector: fill up along it.
    fn hard_case(&self, mut u: Vec<f64>, radius: f64) -> Vec<f64> {
        let last = u.len() - 1;
        let sign = if self.linear[last] < 0.0 { -1.0 } else { 1.0 };
        u[last] = 0.0;
        let rest = norm(&u);
        if rest >= radius {
            u.iter_mut().for_each(|x| *x *= radius / rest);
            return u;
        }
        u[last] = sign * ((radius - rest) * (radius + rest)).sqrt();
        u
    }

    /// Gᵀu + ½uᵀHu for u in the eigenbasis.
    pub fn model(&self, u: &[f64]) -> f64 {
        let term = |((u, c), v): ((&f64, &f64), &f64)| u * (c + 0.5 * v * u);
        u.iter().zip(&self.linear).zip(&self.eigen.values).map(term).sum()
    }

    /// The maximiser at radius r > 0.
    pub fn maximiser(&self, radius: f64) -> Vec<f64> {
        unrotate(self.eigen, &self.coordinates(radius), self.par)
    }
}

/// Vᵀx.
pub fn rotate(eigen: &Eigen, x: &[f64], par: Par) -> Vec<f64> {
    product(eigen.vectors.transpose(), x, par)
}

/// V·y.
pub fn unrotate(eigen: &Eigen, y: &[f64], par: Par) -> Vec<f64> {
    product(eigen.vectors.as_ref(), y, par)
}

/// A·x for a column x.
pub fn product(a: MatRef<'_, f64>, x: &[f64], par: Par) -> Vec<f64> {
    let mut y = vec![0.0; a.nrows()];
    product_into(a, x, &mut y, par);
    y
}

/// y ← A·x.
pub fn product_into(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64], par: Par) {
    let (rows, columns) = (a.nrows(), a.ncols());
    matmul(
        MatMut::from_column_major_slice_mut(y, rows, 1),
        Accum::Replace,
        a,
        MatRef::from_column_major_slice(x, columns, 1),
        1.0,
        par,
    );
}

#[cfg(test)]
mod tests;
