//! The solved matrix: what pruning and damping make of H, with its eigendecomposition and direct solutions.

use super::trust_region::{product, rotate, unrotate};
use crate::curvature::Objective;
use crate::curvature::damping::DampingRule;
use crate::curvature::pruning::{PruneRule, prune, row_wise};
use crate::error::{Error, Result};
use crate::measurement::{Pruning, RowWisePruning};
use crate::spectrum::condition::Eigenvalues;
use crate::spectrum::dense_eigen::{Eigen, decompose};
use crate::spectrum::lanczos::{Dense, spectral_norm};
use crate::spectrum::scale::{dot, frobenius, max_abs, norm, times_pow2};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

/// Eigenvalues with the bounds of their decomposition.
pub fn spectrum_of(eigen: &Eigen) -> Eigenvalues {
    Eigenvalues {
        values: eigen.values.clone(),
        value_error: eigen.certificate.value_error,
        backward_error: eigen.certificate.backward_error,
    }
}

/// What a damping rule may look at besides the matrix.
pub struct Local<'a> {
    /// The loss around the snapshot.
    pub objective: Option<&'a dyn Objective>,
    /// The gradient there.
    pub gradient: Option<&'a [f64]>,
    /// The matrix is 2^shift times the real one.
    pub shift: i32,
}

/// The solved matrix A in scaled units; its eigenvectors are those of the (pruned) matrix.
pub struct Solved {
    /// A.
    pub a: Mat<f64>,
    /// Eigenvalues of A, in the order of the eigenvectors.
    pub spectrum: Eigenvalues,
    /// λ in scaled units.
    pub lambda: f64,
    /// `H+λI` and the like.
    pub name: String,
}

/// Damps a matrix whose eigendecomposition is known.
///
/// # Errors
/// When Levenberg-Marquardt finds no λ.
pub fn damp(
    h: &Mat<f64>,
    eigen: &Eigen,
    rule: DampingRule,
    symbol: &str,
    local: &Local<'_>,
    par: Par,
) -> Result<Solved> {
    let n = h.nrows();
    let spectrum = spectrum_of(eigen);
    let mut lambda = match rule {
        DampingRule::Absolute(x) => times_pow2(x, local.shift),
        _ => rule.lambda(max_abs(h.as_ref())),
    };
    if !lambda.is_finite() {
        return Err(Error::usage(
            "damping::range",
            "--damping",
            "λ is more than 1e300 times the largest entry",
            "choose a smaller one",
        ));
    }
    if let DampingRule::LevenbergMarquardt(_) = rule {
        lambda = levenberg_marquardt(eigen, lambda, local, par)?;
    }
    if let DampingRule::SaddleFree(_) = rule {
        let scaled = Mat::from_fn(n, n, |i, j| eigen.vectors[(i, j)] * eigen.values[j].abs());
        let mut a = Mat::<f64>::zeros(n, n);
        matmul(a.as_mut(), Accum::Replace, scaled.as_ref(), eigen.vectors.transpose(), 1.0, par);
        let a = Mat::from_fn(n, n, |i, j| match i == j {
            true => a[(i, i)] + lambda,
            false => a[(i, j)] / 2.0 + a[(j, i)] / 2.0,
        });
        // A is made of computed pairs: their errors are errors of A
        let e = spectrum.value_error;
        let mut spectrum = spectrum.map(|x| x.abs() + lambda);
        spectrum.value_error += e;
        return Ok(Solved { a, spectrum, lambda, name: format!("|{symbol}|+λI") });
    }
    let mut a = h.clone();
    if lambda != 0.0 {
        for i in 0..n {
            a[(i, i)] += lambda;
        }
    }
    let name = if lambda == 0.0 { symbol.to_string() } else { format!("{symbol}+λI") };
    Ok(Solved { a, spectrum: spectrum.map(|x| x + lambda), lambda, name })
}

/// λ = λ₀·10ᵏ until H + λI is positive definite and the loss falls by at least a quarter of what the model predicts.
fn levenberg_marquardt(eigen: &Eigen, first: f64, local: &Local<'_>, par: Par) -> Result<f64> {
    let least = eigen.values.first().copied().unwrap_or(0.0);
    let floor = eigen.certificate.value_error;
    let known = match (local.objective, local.gradient) {
        (Some(objective), Some(g)) => {
            Some((objective, objective.loss_at(&vec![0.0; objective.dim()])?, rotate(eigen, g, par)))
        }
        _ => None,
    };
    let mut lambda = first.max(f64::MIN_POSITIVE);
    while lambda < 1e300 {
        if least + lambda > floor {
            let Some((objective, start, c)) = &known else { return Ok(lambda) };
            let p: Vec<f64> = c.iter().zip(&eigen.values).map(|(c, v)| -c / (v + lambda)).collect();
            // −cᵀp − ½pᵀΛp; in scaled units p is 2^shift too small and the matrix 2^shift too large
            let predicted: f64 = c.iter().zip(&p).zip(&eigen.values).map(|((c, p), v)| -p * (c + 0.5 * v * p)).sum();
            let step: Vec<f64> = unrotate(eigen, &p, par).iter().map(|&x| times_pow2(x, local.shift)).collect();
            let predicted = times_pow2(predicted, local.shift);
            let actual = objective.loss_at(&step).map_or(f64::NEG_INFINITY, |l| start - l);
            if actual >= predicted / 4.0 {
                return Ok(lambda);
            }
        }
        lambda *= 10.0;
    }
    Err(Error::certificate(
        "damping::levenberg_marquardt",
        "--damping levenberg-marquardt",
        "no λ makes the loss fall as the model predicts",
        "use relative:5e-3",
    ))
}

/// A⁻¹b through the eigenbasis, once refined.
pub fn direct(eigen: &Eigen, solved: &Solved, b: &[f64], par: Par) -> Vec<f64> {
    let apply = |b: &[f64]| -> Vec<f64> {
        let mut c = rotate(eigen, b, par);
        c.iter_mut().zip(&solved.spectrum.values).for_each(|(c, v)| *c /= v);
        unrotate(eigen, &c, par)
    };
    let mut x = apply(b);
    let ax = product(solved.a.as_ref(), &x, par);
    let r: Vec<f64> = b.iter().zip(&ax).map(|(b, y)| b - y).collect();
    x.iter_mut().zip(apply(&r)).for_each(|(x, dx)| *x += dx);
    x
}

/// The pruned matrix with its eigendecomposition and its distance from H.
pub struct Pruned {
    /// The matrix, in the units of H.
    pub matrix: Mat<f64>,
    /// Its eigendecomposition.
    pub eigen: Eigen,
    /// ‖H − pruned‖_F/‖H‖_F.
    pub frobenius_error: f64,
    /// ‖H − pruned‖₂/‖H‖₂.
    pub spectral_error: f64,
}

/// Prunes H; `None` when the rule is none.
///
/// # Errors
/// When the pruned matrix has no certified eigendecomposition.
pub fn pruned(h: &Mat<f64>, sigma_max: f64, rule: PruneRule, seed: u64, par: Par) -> Result<Option<Pruned>> {
    if rule == PruneRule::None {
        return Ok(None);
    }
    let n = h.nrows();
    let matrix = prune(h.as_ref(), rule);
    let dropped = Mat::from_fn(n, n, |i, j| h[(i, j)] - matrix[(i, j)]);
    let (whole, lost) = (frobenius(h.as_ref()), frobenius(dropped.as_ref()));
    let relative = |x: f64, of: f64| if of > 0.0 { x / of } else { 0.0 };
    let spectral = if lost == 0.0 { 0.0 } else { spectral_norm(&Dense(dropped.as_ref(), par), seed)?.min(lost) };
    drop(dropped);
    let eigen = decompose(matrix.as_ref(), par)?;
    Ok(Some(Pruned {
        matrix,
        eigen,
        frobenius_error: relative(lost, whole),
        spectral_error: relative(spectral, sigma_max),
    }))
}

/// What the pruning of H to `solved` did; `step` and `unpruned_step` are A⁻¹b of both, where they exist.
pub fn describe(
    h: &Mat<f64>,
    rule: PruneRule,
    before: &crate::spectrum::Condition,
    definite_after: bool,
    step: Option<&[f64]>,
    unpruned_step: Option<&[f64]>,
) -> Pruning {
    let n = h.nrows();
    let (mut angle, mut ratio) = (None, None);
    if let (Some(x), Some(y)) = (step, unpruned_step) {
        let (lx, ly) = (norm(x), norm(y));
        // 2·atan2(‖x̂ − ŷ‖, ‖x̂ + ŷ‖) is accurate for small angles too, where acos is not
        let half = |sign: f64| -> f64 {
            let v: Vec<f64> = x.iter().zip(y).map(|(x, y)| x / lx + sign * y / ly).collect();
            dot(&v, &v).sqrt()
        };
        let found = (2.0 * half(-1.0).atan2(half(1.0))).to_degrees();
        angle = Some(found).filter(|x| x.is_finite());
        ratio = Some(lx / ly).filter(|x| x.is_finite());
    }
    let row_wise = rule.target(n).map(|k| {
        let found = row_wise(h.as_ref(), k);
        RowWisePruning {
            k: found.k,
            asymmetry: found.asymmetry,
            d_column: found.d_column,
            d_union: found.d_union,
            d_intersection: found.d_intersection,
        }
    });
    Pruning {
        rule: rule.to_string(),
        target: rule.target(n),
        kappa_unpruned: before.kappa.clone(),
        inertia_unpruned: before.inertia.clone(),
        definite_before: before.inertia.positive == n,
        definite_after,
        step_angle_degrees: angle,
        step_length_ratio: ratio,
        row_wise,
    }
}
