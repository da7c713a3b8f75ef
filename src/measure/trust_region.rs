//! The maximiser of Gᵀu + ½uᵀHu over the sphere ‖u‖ = r, from the eigendecomposition of H.
//!
//! Stationarity is (μI − H)u = G with μ ≥ λ_max; ‖u(μ)‖ falls monotonically, so the secular equation ‖u(μ)‖ = r has one
//! root there (Moré and Sorensen, SIAM J. Sci. Stat. Comput. 4, 1983), the hard case included.

use crate::spectrum::dense_eigen::Eigen;
use crate::spectrum::scale::norm;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// Orthonormal vectors, borrowed or made for the occasion.
pub enum Vectors<'a> {
    /// Of a decomposition that lives elsewhere.
    Borrowed(MatRef<'a, f64>),
    /// Of a Krylov space.
    Owned(Mat<f64>),
}

impl Vectors<'_> {
    fn view(&self) -> MatRef<'_, f64> {
        match self {
            Vectors::Borrowed(v) => *v,
            Vectors::Owned(v) => v.as_ref(),
        }
    }
}

/// Eigenpairs of H, all of them or those of a subspace.
pub struct Basis<'a> {
    /// Eigenvalues, one per column of `vectors`.
    pub values: Vec<f64>,
    /// Orthonormal eigenvectors (N × k).
    pub vectors: Vectors<'a>,
    /// The eigenvalue on the orthogonal complement, where the subspace is not everything and H is known there; it must
    /// not exceed the largest of `values`.
    pub complement: Option<f64>,
}

impl<'a> Basis<'a> {
    /// All eigenpairs of a matrix.
    pub fn whole(eigen: &'a Eigen) -> Self {
        Basis { values: eigen.values.clone(), vectors: Vectors::Borrowed(eigen.vectors.as_ref()), complement: None }
    }
}

/// H with a linear term, ready for every radius.
pub struct Sphere<'a> {
    values: Vec<f64>,
    vectors: Vectors<'a>,
    /// The linear term in the eigenbasis; its part in the complement first, where there is one.
    linear: Vec<f64>,
    /// Unit vector of that part.
    rest: Option<Vec<f64>>,
    /// Position of the largest eigenvalue.
    top: usize,
    par: Par,
}

impl<'a> Sphere<'a> {
    /// Rotates the linear term G (length N) into the basis.
    pub fn new(basis: Basis<'a>, gradient: &[f64], par: Par) -> Self {
        let Basis { mut values, vectors, complement } = basis;
        let mut linear = product(vectors.view().transpose(), gradient, par);
        let mut rest = None;
        if let Some(value) = complement {
            let inside = product(vectors.view(), &linear, par);
            let mut outside: Vec<f64> = gradient.iter().zip(&inside).map(|(g, x)| g - x).collect();
            let length = norm(&outside);
            if length > 1e-14 * norm(gradient) {
                outside.iter_mut().for_each(|x| *x /= length);
                linear.insert(0, length);
                values.insert(0, value);
                rest = Some(outside);
            }
        }
        let top = (0..values.len()).max_by(|&i, &j| values[i].total_cmp(&values[j])).unwrap_or(0);
        Sphere { values, vectors, linear, rest, top, par }
    }

    /// The maximiser at radius r > 0, in the eigenbasis.
    pub fn coordinates(&self, radius: f64) -> Vec<f64> {
        let values = &self.values;
        let Some(&top) = values.get(self.top) else { return Vec::new() };
        let size = values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let at = |mu: f64| -> Vec<f64> {
            let one = |(c, v): (&f64, &f64)| if *c == 0.0 { 0.0 } else { c / (mu - v) };
            self.linear.iter().zip(values).map(one).collect()
        };
        let total = norm(&self.linear);
        // ‖u(μ)‖ ≤ ‖G‖/(μ − λ_max): the root lies at or below this distance from λ_max
        let mut far = total / radius;
        let smallest = (size * f64::EPSILON).max(f64::MIN_POSITIVE);
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
        let last = self.top;
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
        u.iter().zip(&self.linear).zip(&self.values).map(term).sum()
    }

    /// The maximiser at radius r > 0.
    pub fn maximiser(&self, radius: f64) -> Vec<f64> {
        let u = self.coordinates(radius);
        let skip = usize::from(self.rest.is_some());
        let mut out = product(self.vectors.view(), &u[skip..], self.par);
        if let (Some(rest), Some(c)) = (&self.rest, u.first()) {
            out.iter_mut().zip(rest).for_each(|(x, r)| *x += c * r);
        }
        out
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

/// dᵀAd for every column d.
pub fn curvatures(a: MatRef<'_, f64>, d: MatRef<'_, f64>, par: Par) -> Vec<f64> {
    let mut ad = Mat::<f64>::zeros(d.nrows(), d.ncols());
    matmul(ad.as_mut(), Accum::Replace, a, d, 1.0, par);
    let one = |j: usize| d.col(j).iter().zip(ad.col(j).iter()).map(|(x, y)| x * y).sum();
    (0..d.ncols()).map(one).collect()
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
