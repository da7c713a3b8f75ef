//! Chebyshev series: coefficients from values, evaluation, and the three series of the solvers.

use super::fft::Fft;

/// Coefficients c_0 … c_degree of the polynomial of that degree with the given values: Σ c_k T_k(x).
pub fn coefficients(degree: usize, value: impl Fn(f64) -> f64) -> Vec<f64> {
    let plan = Fft::new(2 * degree + 2);
    let half = plan.size() / 2;
    let mut values = vec![0.0; plan.size()];
    for (j, x) in values[..=half].iter_mut().enumerate() {
        *x = value(plan.root(j).0);
    }
    from_values(&plan, degree, values)
}

/// The same for an odd polynomial, from its values at x > 0; even terms are exactly 0.
pub fn odd_coefficients(degree: usize, value: impl Fn(f64) -> f64) -> Vec<f64> {
    let plan = Fft::new((2 * degree + 2).max(4));
    let half = plan.size() / 2;
    let mut values = vec![0.0; plan.size()];
    for j in 0..half / 2 {
        values[j] = value(plan.root(j).0);
        values[half - j] = -values[j];
    }
    let mut c = from_values(&plan, degree, values);
    c.iter_mut().step_by(2).for_each(|c| *c = 0.0);
    c
}

/// From the values at cos(2πj/m), j ≤ m/2, the rest of the m places being free: a polynomial of degree d is determined by
/// those of m > 2d.
fn from_values(plan: &Fft, degree: usize, mut re: Vec<f64>) -> Vec<f64> {
    let m = plan.size();
    for j in m / 2 + 1..m {
        re[j] = re[m - j];
    }
    let mut im = vec![0.0; m];
    plan.forward(&mut re, &mut im);
    re.truncate(degree + 1);
    re.iter_mut().enumerate().for_each(|(k, c)| *c *= if k == 0 { 1.0 } else { 2.0 } / m as f64);
    re
}

/// Σ c_k T_k(x) by Clenshaw's recurrence.
pub fn evaluate(coefficients: &[f64], x: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for &c in coefficients.iter().skip(1).rev() {
        (b1, b2) = (2.0 * x * b1 - b2 + c, b1);
    }
    coefficients.first().copied().unwrap_or(0.0) + x * b1 - b2
}

/// Largest |Σ c_k T_k| on [−1, 1], to about 1e-6 relative (values on a grid 8 times finer than the degree).
pub fn largest(coefficients: &[f64]) -> f64 {
    let plan = Fft::new(8 * coefficients.len().max(2));
    let m = plan.size();
    let mut re = vec![0.0; m];
    re[..coefficients.len()].copy_from_slice(coefficients);
    let mut im = vec![0.0; m];
    plan.forward(&mut re, &mut im);
    let (best, size) =
        re.iter().enumerate().fold((0, 0.0), |(i, best), (j, v)| if v.abs() > best { (j, v.abs()) } else { (i, best) });
    // One parabola through the neighbours of the largest value.
    let (left, right) = (re[(best + m - 1) % m].abs(), re[(best + 1) % m].abs());
    let curvature = left - 2.0 * size + right;
    if curvature < 0.0 { size - (right - left).powi(2) / (8.0 * curvature) } else { size }
}
