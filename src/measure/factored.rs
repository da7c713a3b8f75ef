//! A curvature C = FFᵀ of rank ≪ N measured by its factor F (N × rank): N² numbers are never stored.
//!
//! The spectrum comes from the Gram matrix FᵀF, solutions from Woodbury's identity
//! (C + λI)⁻¹b = (b − F(FᵀF + λI)⁻¹Fᵀb)/λ, and d from products of row blocks of F with Fᵀ.

use super::dense::{frame, restore, right_hand_side_of, symbol};
use super::input::{Progress, SystemInput};
use super::low_rank::gram_matrix;
use super::runs::{self, System};
use super::sparsity::{self, THRESHOLDS, ZERO};
use super::tolerance::{self, Setting};
use super::trust_region::{Basis, Vectors, product};
use crate::curvature::damping::DampingRule;
use crate::curvature::pruning::PruneRule;
use crate::error::{Error, Result};
use crate::measurement::{Damping, Inertia, Measured, Measurement, RowSparsity, SparsityPoint, Tolerance};
use crate::spectrum::condition::{Condition, Eigenvalues};
use crate::spectrum::dense_eigen::{Eigen, decompose};
use crate::spectrum::density::bins;
use crate::spectrum::scale::{exponent, frobenius, max_abs, norm, scale_in_place, times_pow2};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

/// Flops that counting d may take (about ten seconds); above, d = N is reported as an upper bound.
const COUNT_BUDGET: f64 = 4e11;

/// Eigenvalues below this times the largest have no eigenvector here: F·q/√s loses its digits.
const RESOLVED: f64 = 1e-10;

/// F, its Gram matrix's eigenpairs and λ, all scaled.
struct Factored<'a> {
    f: MatRef<'a, f64>,
    eigen: Eigen,
    lambda: f64,
    par: Par,
}

impl Factored<'_> {
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let inner = product(self.f.transpose(), x, self.par);
        let outer = product(self.f, &inner, self.par);
        y.iter_mut().zip(outer).zip(x).for_each(|((y, o), x)| *y = o + self.lambda * x);
    }

    /// Woodbury, once refined.
    fn solve(&self, b: &[f64]) -> Vec<f64> {
        let once = |b: &[f64]| -> Vec<f64> {
            let inner = product(self.f.transpose(), b, self.par);
            let mut c = product(self.eigen.vectors.transpose(), &inner, self.par);
            c.iter_mut().zip(&self.eigen.values).for_each(|(c, s)| *c /= s.max(0.0) + self.lambda);
            let back = product(self.f, &product(self.eigen.vectors.as_ref(), &c, self.par), self.par);
            b.iter().zip(back).map(|(b, y)| (b - y) / self.lambda).collect()
        };
        let mut x = once(b);
        let mut ax = vec![0.0; b.len()];
        self.apply(&x, &mut ax);
        let r: Vec<f64> = b.iter().zip(&ax).map(|(b, y)| b - y).collect();
        x.iter_mut().zip(once(&r)).for_each(|(x, dx)| *x += dx);
        x
    }

    /// Orthonormal eigenvectors F·q/√s of the resolved part; C is (almost) zero on the complement.
    fn basis(&self) -> (Vec<f64>, Mat<f64>) {
        let largest = self.eigen.values.last().copied().unwrap_or(0.0);
        let kept: Vec<usize> =
            (0..self.eigen.values.len()).filter(|&i| self.eigen.values[i] > RESOLVED * largest).collect();
        let values: Vec<f64> = kept.iter().map(|&i| self.eigen.values[i]).collect();
        let q = Mat::from_fn(self.eigen.values.len(), kept.len(), |i, j| {
            self.eigen.vectors[(i, kept[j])] / values[j].sqrt()
        });
        let mut u = Mat::<f64>::zeros(self.f.nrows(), kept.len());
        matmul(u.as_mut(), Accum::Replace, self.f, q.as_ref(), 1.0, self.par);
        (values, u)
    }
}

/// See [`super::measure_low_rank`].
pub(super) fn measure(
    system: SystemInput<'_>,
    mut factor: Mat<f64>,
    par: Par,
    progress: Progress<'_>,
) -> Result<Measurement> {
    let place = system.id.clone();
    let (n, rank) = (factor.nrows(), factor.ncols());
    if system.prune != PruneRule::None {
        return Err(Error::usage(
            "pruning::factored",
            "--prune",
            format!("{place} is known by its factor of rank {rank}; pruning needs all of its N² entries"),
            "prune smaller blocks (--scope layers), or none",
        ));
    }
    let max = max_abs(factor.as_ref());
    if n == 0 || !max.is_finite() {
        let what = "the factor is empty, or an entry is NaN or infinite";
        return Err(Error::input("measure::factor", &place, what, "check the snapshot and the batch"));
    }
    let k = -exponent(max);
    let shift = 2 * k;
    let back = |x: f64| times_pow2(x, -shift);
    scale_in_place(&mut factor, k);
    let f = factor.as_ref();
    let (b, is_gradient) = right_hand_side_of(&system, n, &place)?;
    let symbol = symbol(&system.curvature);

    progress("Gram matrix", 0.02);
    let gram = gram_matrix(f, par);
    let eigen = decompose(gram.as_ref(), par)?;
    let spectrum = spectrum(&eigen, f);
    let inertia = spectrum.inertia();
    let diagonal = diagonal(f);
    let max_c = diagonal.iter().copied().fold(0.0, f64::max);
    let lambda = damping(&system, &eigen, f, max_c, shift, &b, is_gradient, par)?;
    let whole = Factored { f, eigen, lambda, par };
    let method = format!(
        "Gram matrix of the rank-{rank} factor, residual ratio {:.2} of at most 30",
        whole.eigen.certificate.residual_ratio
    );
    let of = match system.damping {
        DampingRule::SaddleFree(_) => format!("|{symbol}|+λI"),
        _ if lambda == 0.0 => symbol.to_string(),
        _ => format!("{symbol}+λI"),
    };
    let condition = condition(&spectrum, lambda, rank, &of, &method);
    let mut kappas = Vec::new();
    if lambda != 0.0 {
        kappas.push(spectrum.condition(symbol, &method).kappa);
    }
    kappas.push(spectrum.range_kappa(&format!("range({symbol})"), &method));
    if lambda != 0.0 {
        // C has no negative eigenvalue
        kappas.push(condition.kappa.clone().of(format!("|{symbol}|+λI")));
    }

    progress("sparsity", 0.2);
    let max_a = max_c + lambda;
    let sigma_max = spectrum.sigma_max() + lambda;
    let squares = spectrum.values.iter().map(|s| (s + lambda) * (s + lambda)).sum::<f64>();
    let fro_a = squares.sqrt();
    let mut notes = vec![format!(
        "{symbol} is known by its factor of rank {rank}: spectrum through the Gram matrix, solutions by Woodbury; the \
         inertia's zeros are the {} dimensions that the factor does not reach and what is within the tolerance",
        n.saturating_sub(rank)
    )];
    let counted = count(f, lambda, max_a, max_c, par);
    if counted.is_none() {
        notes.push(format!("d = N is an upper bound: counting would take {:.1e} flops", flops(f)));
    }
    let norm_c = spectrum.values.iter().map(|s| s * s).sum::<f64>().sqrt();
    let (d, nonzeros, curve) = counted.map_or((n, (n as u64).saturating_mul(n as u64), Vec::new()), |c| {
        let point = |p: (f64, sparsity::Kept)| SparsityPoint {
            threshold: p.0,
            d: p.1.d,
            nonzeros: p.1.nonzeros,
            frobenius_error: if norm_c > 0.0 { p.1.dropped / norm_c } else { 0.0 },
            spectral_error: None,
        };
        (c.solved.d, c.solved.nonzeros, THRESHOLDS.into_iter().zip(c.curve).map(point).collect())
    });
    let mut subnormalization = sparsity::subnormalization(d, max_a, fro_a, sigma_max);
    subnormalization.absolute = back(subnormalization.absolute);

    progress("direct solution", 0.6);
    let unit = super::dense::normalised(&b);
    let regular = condition.kappa.value.is_some() && lambda > 0.0;
    let solution = regular.then(|| whole.solve(&unit));
    let x_norm = solution.as_ref().map(|x| (sigma_max * norm(x)).max(1.0)).filter(|x| x.is_finite());

    progress("tolerance", 0.65);
    let tolerance = epsilon(&system, &whole, &b, is_gradient, solution.as_deref(), shift, &of, progress)?;

    progress("iterative solvers", 0.9);
    let solved_diagonal: Vec<f64> = diagonal.iter().map(|x| x + lambda).collect();
    let classical_runs = runs::all(&System {
        apply: &|x, y| {
            whole.apply(x, y);
            Ok(())
        },
        cost: 2.0 * n as f64 * rank.max(1) as f64,
        diagonal: &solved_diagonal,
        b: &unit,
        solution: solution.as_deref(),
        kappa: condition.kappa.value,
        definite: true,
        eps: tolerance.value,
    })?;
    progress("done", 1.0);

    let condition = restore(condition, &back);
    let spectrum_bins = bins(&spectrum.values.iter().map(|&x| back(x)).collect::<Vec<_>>(), back(inertia.tolerance));
    Ok(Measurement {
        damping: Damping { rule: system.damping.to_string(), lambda: back(lambda) },
        n,
        gradient_norm: is_gradient.then(|| norm(&b)),
        kappa: condition.kappa,
        kappas,
        sigma_max: condition.sigma_max,
        sigma_min: condition.sigma_min,
        rank: condition.rank,
        inertia: Inertia { tolerance: back(inertia.tolerance), ..inertia },
        inertia_solved: condition.inertia,
        row_sparsity: RowSparsity { value: d, threshold: ZERO, frobenius_error: 0.0, spectral_error: Some(0.0), curve },
        nonzeros,
        max_abs: back(max_a),
        frobenius_norm: back(fro_a),
        subnormalization,
        tolerance,
        x_norm,
        low_rank: Some(rank.min(n)),
        classical_runs,
        spectrum: spectrum_bins,
        notes,
        ..frame(&system)
    })
}

/// Eigenvalues of C with the zeros that the factor leaves, and the Gram product's own rounding.
fn spectrum(eigen: &Eigen, f: MatRef<'_, f64>) -> Eigenvalues {
    let n = f.nrows();
    let fro = frobenius(f);
    let mut values: Vec<f64> = eigen.values.iter().map(|x| x.max(0.0)).collect();
    // with more columns than rows the smallest of the Gram matrix's eigenvalues are zeros that C does not have
    if values.len() > n {
        values.drain(..values.len() - n);
    }
    values.resize(n, 0.0);
    Eigenvalues {
        values,
        value_error: eigen.certificate.value_error + n as f64 * f64::EPSILON * fro * fro,
        backward_error: eigen.certificate.backward_error,
    }
}

fn diagonal(f: MatRef<'_, f64>) -> Vec<f64> {
    let mut out = vec![0.0; f.nrows()];
    for j in 0..f.ncols() {
        out.iter_mut().zip(f.col(j).iter()).for_each(|(d, x)| *d += x * x);
    }
    out
}

/// λ in scaled units.
#[allow(clippy::too_many_arguments)]
fn damping(
    system: &SystemInput<'_>,
    eigen: &Eigen,
    f: MatRef<'_, f64>,
    max_c: f64,
    shift: i32,
    b: &[f64],
    is_gradient: bool,
    par: Par,
) -> Result<f64> {
    match (system.damping, system.objective) {
        (DampingRule::Absolute(x), _) => Ok(times_pow2(x, shift)),
        (rule @ DampingRule::LevenbergMarquardt(_), Some(objective)) if is_gradient => {
            let start = objective.loss_at(&vec![0.0; b.len()])?;
            let mut lambda = rule.lambda(max_c).max(f64::MIN_POSITIVE);
            while lambda < 1e300 {
                let whole = Factored { f, eigen: eigen.clone(), lambda, par };
                let p: Vec<f64> = whole.solve(b).iter().map(|x| -x).collect();
                let fp = product(f.transpose(), &p, par);
                let predicted = -crate::spectrum::scale::dot(b, &p) - 0.5 * crate::spectrum::scale::dot(&fp, &fp);
                let step: Vec<f64> = p.iter().map(|&x| times_pow2(x, shift)).collect();
                let actual = objective.loss_at(&step).map_or(f64::NEG_INFINITY, |l| start - l);
                if actual >= times_pow2(predicted, shift) / 4.0 {
                    return Ok(lambda);
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
        (rule, _) => Ok(rule.lambda(max_c)),
    }
}

/// κ and σ's of C + λI; σ_min is λ exactly where the factor does not reach all dimensions.
fn condition(spectrum: &Eigenvalues, lambda: f64, rank: usize, of: &str, method: &str) -> Condition {
    let mut found = spectrum.map(|x| x + lambda).condition(of, method);
    let n = spectrum.values.len();
    if lambda > 0.0 && rank < n {
        let (max, e) = (spectrum.sigma_max(), spectrum.value_error);
        let at = |max: f64| (max.max(0.0) + lambda) / lambda;
        let method = format!("{method}; σ_min = λ because the rank is below N");
        let ulp = 4.0 * f64::EPSILON;
        found.kappa = Measured::new(at(max), (at(max - e) * (1.0 - ulp)).max(1.0), at(max + e) * (1.0 + ulp), &*method);
        found.kappa.of = Some(of.to_string());
        found.sigma_min = Measured::exact(lambda, method).of(of);
        found.rank = n;
        found.inertia = Inertia { positive: n, negative: 0, zero: 0, tolerance: 0.0 };
    }
    found
}

struct Counted {
    solved: sparsity::Kept,
    curve: Vec<sparsity::Kept>,
}

fn flops(f: MatRef<'_, f64>) -> f64 {
    2.0 * (f.nrows() as f64).powi(2) * f.ncols() as f64
}

/// d of C + λI and the curve of C, from blocks of rows; `None` when it would take too long.
fn count(f: MatRef<'_, f64>, lambda: f64, max_a: f64, max_c: f64, par: Par) -> Option<Counted> {
    if flops(f) > COUNT_BUDGET {
        return None;
    }
    let n = f.nrows();
    let height = (4_000_000 / n.max(1)).clamp(1, n.max(1));
    let empty = || sparsity::Kept { d: 0, nonzeros: 0, dropped: 0.0 };
    let mut total = Counted { solved: empty(), curve: THRESHOLDS.iter().map(|_| empty()).collect() };
    let mut squares = vec![0.0f64; THRESHOLDS.len()];
    let mut block = Mat::<f64>::zeros(n, height);
    for start in (0..n).step_by(height) {
        let rows = height.min(n - start);
        let mut block = block.as_mut().subcols_mut(0, rows);
        // C is symmetric: columns are rows
        matmul(block.as_mut(), Accum::Replace, f, f.subrows(start, rows).transpose(), 1.0, par);
        for j in 0..rows {
            let column: Vec<f64> = block.as_ref().col(j).iter().map(|x| x.abs()).collect();
            for (kept, (t, square)) in total.curve.iter_mut().zip(THRESHOLDS.iter().zip(&mut squares)) {
                let cut = t * max_c;
                let d = column.iter().filter(|&&x| x > cut).count();
                kept.d = kept.d.max(d);
                kept.nonzeros += d as u64;
                *square += column.iter().filter(|&&x| x <= cut).map(|x| x * x).sum::<f64>();
            }
            let cut = ZERO * max_a;
            let off = column.iter().enumerate().filter(|&(i, &x)| i != start + j && x > cut).count();
            let d = off + usize::from(column.get(start + j).is_some_and(|x| x + lambda > cut));
            total.solved.d = total.solved.d.max(d);
            total.solved.nonzeros += d as u64;
        }
    }
    total.curve.iter_mut().zip(squares).for_each(|(k, s)| k.dropped = s.sqrt());
    Some(total)
}

#[allow(clippy::too_many_arguments)]
fn epsilon(
    system: &SystemInput<'_>,
    whole: &Factored<'_>,
    b: &[f64],
    is_gradient: bool,
    solution: Option<&[f64]>,
    shift: i32,
    of: &str,
    progress: Progress<'_>,
) -> Result<Tolerance> {
    let (Some(objective), true) = (system.objective, is_gradient) else {
        return Ok(tolerance::assumed("no loss to evaluate"));
    };
    super::dense::same_block(objective, b.len())?;
    let Some(x) = solution else {
        return Ok(tolerance::assumed("the solved matrix is singular, so there is no Newton step"));
    };
    let length = norm(b);
    let step = x.iter().map(|&x| times_pow2(x, shift) * length).collect();
    let (values, u) = whole.basis();
    let Some(last) = values.len().checked_sub(1) else {
        return Ok(tolerance::assumed("the curvature is zero"));
    };
    let setting = Setting {
        objective,
        basis: &|_| Ok(Basis { values: values.clone(), vectors: Vectors::Borrowed(u.as_ref()), complement: Some(0.0) }),
        curvatures: &|d| {
            let mut fd = Mat::<f64>::zeros(whole.f.ncols(), d.ncols());
            matmul(fd.as_mut(), Accum::Replace, whole.f.transpose(), d, 1.0, whole.par);
            Ok((0..d.ncols()).map(|j| fd.col(j).iter().map(|x| x * x).sum()).collect())
        },
        top: u.col(last).iter().copied().collect(),
        exponent: shift,
        steps: vec![(format!("({of})⁻¹g"), step)],
        seed: system.seed,
        par: whole.par,
    };
    tolerance::measure(&setting, &|done| progress("tolerance", 0.65 + 0.25 * done))
}

#[cfg(test)]
mod tests;
