//! Eigenvalues of D(1 − |b⟩⟨b|)D for a diagonal D: what kernel reflection and projection see of a system.
//!
//! With d_i² the poles and Σb_i² = 1, the kernel is spanned by b_i/d_i and the other eigenvalues are the roots of the
//! secular equation Σ b_i²/(d_i² − λ) = 0, one between each pair of neighbouring poles (Golub, SIAM Review 15, 318
//! (1973)). A root is stored as its distance from the nearer pole, so that every difference d_i² − λ keeps its relative
//! accuracy however small the gap; a polynomial of any degree then costs O(N) at its roots and O(N²) on a vector.

use rayon::prelude::*;

/// Poles that agree to this relative distance are one.
const SAME: f64 = 4.0 * f64::EPSILON;

/// A root between two poles.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Root {
    /// The nearer pole.
    origin: usize,
    /// λ − (that pole).
    offset: f64,
    /// Norm of the eigenvector w_i/(d_i² − λ).
    norm: f64,
}

/// The spectrum of D(1 − |b⟩⟨b|)D.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelSpectrum {
    /// |d| of each group of equal poles, increasing.
    sizes: Vec<f64>,
    /// √(Σ b_i²) of the group.
    weights: Vec<f64>,
    /// Group of each basis state; `None` where b_i = 0.
    group: Vec<Option<usize>>,
    /// Share of the basis state in its group's direction, signed as d_i·b_i.
    share: Vec<f64>,
    /// |d| of each basis state.
    own: Vec<f64>,
    roots: Vec<Root>,
    /// The kernel vector, normalised.
    kernel: Vec<f64>,
}

impl KernelSpectrum {
    /// From the diagonal (no entry 0) and the unit vector b.
    pub fn new(diagonal: &[f64], b: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..diagonal.len()).filter(|&i| b[i] != 0.0).collect();
        order.sort_by(|&i, &j| diagonal[i].abs().total_cmp(&diagonal[j].abs()));
        let (mut sizes, mut squares): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut group = vec![None; diagonal.len()];
        for i in order {
            let d = diagonal[i].abs();
            match sizes.last() {
                Some(&last) if d - last <= SAME * last => {}
                _ => {
                    sizes.push(d);
                    squares.push(0.0);
                }
            }
            group[i] = Some(sizes.len() - 1);
            squares[sizes.len() - 1] += b[i] * b[i];
        }
        let weights: Vec<f64> = squares.iter().map(|s| s.sqrt()).collect();
        let share =
            (0..diagonal.len()).map(|i| group[i].map_or(0.0, |g| diagonal[i].signum() * b[i] / weights[g])).collect();
        let roots = (1..sizes.len()).into_par_iter().map(|k| root(&sizes, &weights, k)).collect();
        let kernel: Vec<f64> = b.iter().zip(diagonal).map(|(b, d)| b / d).collect();
        let length = super::instance::norm(&kernel);
        let kernel = kernel.into_iter().map(|x| x / length).collect();
        let own = diagonal.iter().map(|d| d.abs()).collect();
        KernelSpectrum { sizes, weights, group, share, own, roots, kernel }
    }

    /// Number of eigenvalues found.
    pub fn roots(&self) -> usize {
        self.roots.len()
    }

    /// For each eigenvalue λ beside the kernel's: ½·arccos u(λ) = asin √((λ − g²)/(1 − g²)) for the gap g, and the
    /// squared component of basis state `i` on its eigenvector.
    pub fn measure_of(&self, i: usize, gap: f64) -> Vec<(f64, f64)> {
        let own = angle(self.own[i] - gap, self.own[i] + gap, 0.0, gap);
        let Some(g) = self.group[i] else { return vec![(own, 1.0)] };
        let direction = self.sizes[g] * self.weights[g] * self.share[i];
        let mut measure: Vec<(f64, f64)> = self
            .roots
            .iter()
            .map(|root| {
                let component = direction / (self.difference(g, root) * root.norm);
                (self.angle(root, gap), component * component)
            })
            .collect();
        // Beside its group's direction the state is an eigenvector of its own pole.
        let beside = 1.0 - self.share[i] * self.share[i];
        if beside > f64::EPSILON {
            measure.push((own, beside));
        }
        measure
    }

    /// f(D(1 − |b⟩⟨b|)D)|v⟩: `kernel` is f(0), `f` takes the angle of [`Self::measure_of`] of any other eigenvalue.
    pub fn apply(&self, v: &[f64], gap: f64, kernel: f64, f: impl Fn(f64) -> f64 + Sync) -> Vec<f64> {
        let groups = self.sizes.len();
        let mut along = vec![0.0; groups];
        for (i, x) in v.iter().enumerate() {
            if let Some(g) = self.group[i] {
                along[g] += self.share[i] * x;
            }
        }
        let w: Vec<f64> = self.sizes.iter().zip(&self.weights).map(|(d, b)| d * b).collect();
        // Coefficients on the eigenvectors, already multiplied by f and by the second normalisation.
        let scaled: Vec<f64> = self
            .roots
            .par_iter()
            .map(|root| {
                let overlap: f64 = (0..groups).map(|g| w[g] * along[g] / self.difference(g, root)).sum();
                f(self.angle(root, gap)) * overlap / (root.norm * root.norm)
            })
            .collect();
        let mut out_along: Vec<f64> = (0..groups)
            .into_par_iter()
            .map(|g| w[g] * self.roots.iter().zip(&scaled).map(|(r, c)| c / self.difference(g, r)).sum::<f64>())
            .collect();
        let overlap: f64 = self.kernel.iter().zip(v).map(|(k, x)| k * x).sum();
        for (i, k) in self.kernel.iter().enumerate() {
            if let Some(g) = self.group[i] {
                out_along[g] += kernel * overlap * k * self.share[i];
            }
        }
        v.iter()
            .enumerate()
            .map(|(i, x)| {
                let here = f(angle(self.own[i] - gap, self.own[i] + gap, 0.0, gap));
                match self.group[i] {
                    // Beside the group's direction the matrix is d_i².
                    Some(g) => self.share[i] * out_along[g] + here * (x - self.share[i] * along[g]),
                    None => here * x,
                }
            })
            .collect()
    }

    /// d_g² − λ.
    fn difference(&self, g: usize, root: &Root) -> f64 {
        difference(&self.sizes, g, root.origin) - root.offset
    }

    fn angle(&self, root: &Root, gap: f64) -> f64 {
        let d = self.sizes[root.origin];
        angle(d - gap, d + gap, root.offset, gap)
    }
}

/// asin √((λ − g²)/(1 − g²)) for λ − g² = below·above + offset.
fn angle(below: f64, above: f64, offset: f64, gap: f64) -> f64 {
    ((below * above + offset) / ((1.0 - gap) * (1.0 + gap))).clamp(0.0, 1.0).sqrt().asin()
}

/// d_i² − d_k² without cancellation.
fn difference(sizes: &[f64], i: usize, k: usize) -> f64 {
    (sizes[i] - sizes[k]) * (sizes[i] + sizes[k])
}

/// The root between poles k − 1 and k.
fn root(sizes: &[f64], weights: &[f64], k: usize) -> Root {
    let secular = |origin: usize, offset: f64| -> f64 {
        sizes.iter().zip(weights).map(|(d, b)| b * b / ((d - sizes[origin]) * (d + sizes[origin]) - offset)).sum()
    };
    // The function rises from −∞ at the lower pole to +∞ at the upper.
    let half = 0.5 * difference(sizes, k, k - 1);
    let (origin, sign) = if secular(k - 1, half) > 0.0 { (k - 1, 1.0) } else { (k, -1.0) };
    // Bisection over the bits of the distance: 64 steps give every digit at any scale.
    let (mut low, mut high) = (0_u64, half.to_bits());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let above = secular(origin, sign * f64::from_bits(middle)) * sign > 0.0;
        if above { high = middle } else { low = middle }
    }
    let offset = sign * f64::from_bits(high);
    let norm2: f64 = sizes
        .iter()
        .enumerate()
        .zip(weights)
        .map(|((i, d), b)| (d * b / (difference(sizes, i, origin) - offset)).powi(2))
        .sum();
    Root { origin, offset, norm: norm2.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dense D(1 − |b⟩⟨b|)D applied to v.
    fn product(d: &[f64], b: &[f64], v: &[f64]) -> Vec<f64> {
        let dv: Vec<f64> = d.iter().zip(v).map(|(d, v)| d * v).collect();
        let overlap: f64 = dv.iter().zip(b).map(|(x, b)| x * b).sum();
        dv.iter().zip(b).zip(d).map(|((x, b), d)| d * (x - overlap * b)).collect()
    }

    #[test]
    fn functions_of_the_matrix_agree_with_products() {
        // A pair ±d, a pole without weight, two poles that nearly touch, five decades of scale.
        let d = [1.0, -1.0, 0.3, 0.3 * (1.0 + 1e-9), -1e-5, 2e-5, 0.7, 0.05];
        let raw = [0.3, -0.5, 0.2, 0.4, 1e-7, 0.6, 0.0, 0.9];
        let length = super::super::instance::norm(&raw);
        let b: Vec<f64> = raw.iter().map(|x| x / length).collect();
        let spectrum = KernelSpectrum::new(&d, &b);
        assert_eq!(spectrum.roots(), 5);
        let v: Vec<f64> = (0..d.len()).map(|i| (i as f64 + 1.0).sin()).collect();
        // λ = (1 − g²)·sin²(angle) + g².
        let gap = 1e-5_f64;
        let eigenvalue = |angle: f64| (1.0 - gap * gap) * angle.sin().powi(2) + gap * gap;
        let same = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(same(&spectrum.apply(&v, gap, 1.0, |_| 1.0), &v) < 1e-13);
        assert!(same(&spectrum.apply(&v, gap, 0.0, eigenvalue), &product(&d, &b, &v)) < 1e-13);
        let twice = product(&d, &b, &product(&d, &b, &v));
        assert!(same(&spectrum.apply(&v, gap, 0.0, |a| eigenvalue(a).powi(2)), &twice) < 1e-13);
        // The squares of a basis state's components add up to 1 with the kernel's.
        for i in 0..d.len() {
            let total: f64 = spectrum.measure_of(i, gap).iter().map(|(_, p)| p).sum();
            assert!((total + spectrum.kernel[i].powi(2) - 1.0).abs() < 1e-13, "{i}: {total}");
        }
    }
}
