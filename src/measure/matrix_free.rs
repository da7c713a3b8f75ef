//! A system whose matrix is known by its products alone: Lanczos for the ends of the spectrum, streamed columns for the
//! entries, MINRES for the solution. What this cannot know is left out or bounded, and said.

use super::dense::{frame, normalised, right_hand_side_of, same_block, symbol};
use super::input::{Progress, SystemInput};
use super::runs::{self, System};
use super::sparsity::{self, THRESHOLDS, ZERO};
use super::tolerance::{self, Setting};
use super::trust_region::{Basis, Vectors};
use crate::curvature::SymmetricOperator;
use crate::curvature::damping::DampingRule;
use crate::curvature::pruning::PruneRule;
use crate::error::{Error, Result};
use crate::measurement::{Damping, Inertia, Measured, Measurement, RowSparsity, SparsityPoint, Tolerance};
use crate::spectrum::density::estimated;
use crate::spectrum::iterative::{Method, Problem, run};
use crate::spectrum::lanczos::{Extremes, Options, extremes, gaussian, krylov};
use crate::spectrum::scale::norm;
use faer::{Mat, MatMut, MatRef, Par};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Above this no columns are streamed.
const STREAMED: usize = 50_000;

/// Columns per product while streaming.
const BLOCK: usize = 64;

/// Steps of the Krylov spaces behind ε.
const KRYLOV: usize = 80;

/// A + λI by products.
struct Shifted<'a> {
    operator: &'a dyn SymmetricOperator,
    lambda: f64,
}

impl SymmetricOperator for Shifted<'_> {
    fn dim(&self) -> usize {
        self.operator.dim()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) -> Result<()> {
        self.operator.apply_many(x, y.as_mut())?;
        for j in 0..x.ncols() {
            y.as_mut().col_mut(j).iter_mut().zip(x.col(j).iter()).for_each(|(y, x)| *y += self.lambda * x);
        }
        Ok(())
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        let mut a = self.operator.to_dense()?;
        for i in 0..a.nrows() {
            a[(i, i)] += self.lambda;
        }
        Ok(a)
    }
}

/// What one pass over the columns finds.
struct Entries {
    max: f64,
    off_diagonal: f64,
    frobenius: f64,
    diagonal: Vec<f64>,
}

/// See [`super::measure_operator`].
pub(super) fn measure(
    system: SystemInput<'_>,
    operator: &dyn SymmetricOperator,
    par: Par,
    progress: Progress<'_>,
) -> Result<Measurement> {
    let place = system.id.clone();
    let n = operator.dim();
    if n == 0 {
        return Err(Error::input("measure::shape", &place, "the matrix is empty", "give a matrix of at least one row"));
    }
    let (b, is_gradient) = right_hand_side_of(&system, n, &place)?;
    let symbol = symbol(&system.curvature);
    refuse(&system, n, &place)?;

    progress("entries", 0.02);
    let entries = if n <= STREAMED { Some(entries(operator, &|f| progress("entries", 0.02 + 0.2 * f))?) } else { None };
    let lambda = match (&entries, system.damping) {
        (Some(e), rule) => rule.lambda(e.max),
        (None, rule) => rule.lambda(0.0),
    };
    let solved = Shifted { operator, lambda };
    let of = if lambda == 0.0 { symbol.to_string() } else { format!("{symbol}+λI") };

    progress("Lanczos", 0.25);
    let options = Options { lanes: 2, max_steps: 300, tolerance: 1e-10, seed: system.seed, both_ends: true };
    let ends = extremes(&solved, options)?;
    let semidefinite = matches!(system.curvature.as_str(), "ggn" | "empirical-fisher");
    let ends = Ends::new(&ends, lambda, semidefinite);
    let method = format!(
        "Lanczos on products, full reorthogonalisation, {} steps of 2 lanes{}; low ends from inside the spectrum, high \
         ends by the residual (they hold unless both random starts miss the end)",
        ends.steps,
        if ends.converged { "" } else { ", not converged" }
    );
    let (kappa, sigma_max, sigma_min) = ends.condition(&of, &method);

    progress("sparsity", 0.45);
    let mut notes = vec![
        "the matrix is known by its products alone: inertia and spectrum are estimated from a quadrature of the spectral \
         density, the other definitions of κ need all eigenvalues and are left out"
            .to_string(),
    ];
    let counted = match &entries {
        Some(e) => Some(count(operator, e, lambda, &|f| progress("sparsity", 0.45 + 0.15 * f))?),
        None => {
            notes.push(format!(
                "N is above {STREAMED}: d = N is an upper bound, max|a_ij| and ‖A‖_F are bounds by σ_max"
            ));
            None
        }
    };
    let max_a = entries.as_ref().map_or(ends.sigma_max, |e| e.max_with(lambda));
    let frobenius = entries.as_ref().map_or(ends.sigma_max * (n as f64).sqrt(), |e| {
        let shift: f64 = e.diagonal.iter().map(|x| (x + lambda).powi(2) - x * x).sum();
        (e.frobenius * e.frobenius + shift).max(0.0).sqrt()
    });
    let (d, nonzeros, curve) = counted.unwrap_or((n, (n as u64).saturating_mul(n as u64), Vec::new()));
    let subnormalization = sparsity::subnormalization(d, max_a, frobenius, ends.sigma_max);

    progress("solution by MINRES", 0.6);
    let unit = normalised(&b);
    let apply = |x: &[f64], y: &mut [f64]| -> Result<()> {
        let x = MatRef::from_column_major_slice(x, n, 1);
        solved.apply_many(x, MatMut::from_column_major_slice_mut(y, n, 1))
    };
    let problem = Problem { apply: &apply, b: &unit, jacobi: None, solution: None, eps: 1e-10, limit: 3000 };
    let reference = run(Method::Minres, &problem)?;
    let solution = reference.iterations.is_some().then_some(reference.x);
    if solution.is_none() {
        notes.push(format!(
            "MINRES did not reach residual 1e-10 in {} steps (reached {:.1e}): no reference solution",
            reference.done, reference.relative_residual
        ));
    }
    let x_norm = solution.as_ref().map(|x| (ends.sigma_max * norm(x)).max(1.0)).filter(|x| x.is_finite());

    progress("tolerance", 0.7);
    let context = Context { system: &system, operator, lambda, of: &of, par };
    let tolerance = context.epsilon(&b, is_gradient, solution.as_deref(), progress)?;

    progress("iterative solvers", 0.9);
    let diagonal = entries.as_ref().map_or_else(Vec::new, |e| e.diagonal.iter().map(|x| x + lambda).collect());
    let mut classical_runs = runs::all(&System {
        apply: &apply,
        cost: (n as f64).powi(2),
        diagonal: if diagonal.is_empty() { &unit } else { &diagonal },
        b: &unit,
        solution: solution.as_deref(),
        kappa: kappa.value,
        definite: ends.definite,
        eps: tolerance.value,
    })?;
    if diagonal.is_empty() {
        classical_runs.retain(|r| !r.solver.ends_with("jacobi"));
    }
    progress("done", 1.0);

    let floor = n as f64 * f64::EPSILON * ends.sigma_max + 1e-10 * ends.sigma_max;
    let nodes: Vec<(f64, f64)> = ends.nodes.iter().map(|(t, w)| (t - lambda, *w)).collect();
    let inertia = inertia(&nodes, n, floor);
    let inertia_solved = inertia_of_solved(&ends, n, floor);
    Ok(Measurement {
        damping: Damping { rule: system.damping.to_string(), lambda },
        n,
        gradient_norm: is_gradient.then(|| norm(&b)),
        kappa,
        kappas: Vec::new(),
        sigma_max,
        sigma_min,
        rank: inertia_solved.positive + inertia_solved.negative,
        spectrum: estimated(&nodes, n, floor),
        inertia,
        inertia_solved,
        row_sparsity: RowSparsity { value: d, threshold: ZERO, frobenius_error: 0.0, spectral_error: Some(0.0), curve },
        nonzeros,
        max_abs: max_a,
        frobenius_norm: frobenius,
        subnormalization,
        tolerance,
        x_norm,
        classical_runs,
        notes,
        ..frame(&system)
    })
}

fn refuse(system: &SystemInput<'_>, n: usize, place: &str) -> Result<()> {
    let wrong = |option: &str, why: &str| {
        let what = format!("{place} (N = {n}) is known by its products alone, and {why}");
        Err(Error::usage("measure::matrix_free", option, what, "measure smaller blocks (--scope layers)"))
    };
    if system.prune != PruneRule::None {
        return wrong("--prune", "pruning needs all of its entries");
    }
    match system.damping {
        DampingRule::SaddleFree(_) | DampingRule::LevenbergMarquardt(_) => {
            wrong("--damping", "this rule needs all of its eigenvalues")
        }
        DampingRule::Relative(_) if n > STREAMED => {
            wrong("--damping", "max|h_ij| would take N products: give λ itself")
        }
        _ => Ok(()),
    }
}

/// Calls `f` with every column, a block at a time.
fn columns(operator: &dyn SymmetricOperator, tick: &dyn Fn(f64), mut f: impl FnMut(usize, &[f64])) -> Result<()> {
    let n = operator.dim();
    let mut y = Mat::<f64>::zeros(n, BLOCK.min(n));
    for start in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - start);
        let x = Mat::from_fn(n, width, |i, j| if i == start + j { 1.0 } else { 0.0 });
        let mut y = y.as_mut().subcols_mut(0, width);
        operator.apply_many(x.as_ref(), y.as_mut())?;
        for j in 0..width {
            let column: Vec<f64> = y.as_ref().col(j).iter().copied().collect();
            if !column.iter().all(|x| x.is_finite()) {
                let what = "a product is NaN or infinite";
                return Err(Error::input("measure::not_finite", "column", what, "check the snapshot and the batch"));
            }
            f(start + j, &column);
        }
        tick((start + width) as f64 / n as f64);
    }
    Ok(())
}

fn entries(operator: &dyn SymmetricOperator, tick: &dyn Fn(f64)) -> Result<Entries> {
    let mut found = Entries { max: 0.0, off_diagonal: 0.0, frobenius: 0.0, diagonal: vec![0.0; operator.dim()] };
    let mut squares = 0.0f64;
    columns(operator, tick, |j, column| {
        let others = column.iter().enumerate().filter(|&(i, _)| i != j);
        found.off_diagonal = others.fold(found.off_diagonal, |m, (_, x)| m.max(x.abs()));
        found.max = found.off_diagonal.max(found.max).max(column[j].abs());
        squares += column.iter().map(|x| x * x).sum::<f64>();
        found.diagonal[j] = column[j];
    })?;
    found.frobenius = squares.sqrt();
    Ok(found)
}

impl Entries {
    /// max|a_ij| of the matrix with λ on its diagonal.
    fn max_with(&self, lambda: f64) -> f64 {
        self.diagonal.iter().fold(self.off_diagonal, |m, x| m.max((x + lambda).abs()))
    }
}

type CountedEntries = (usize, u64, Vec<SparsityPoint>);

fn count(
    operator: &dyn SymmetricOperator,
    entries: &Entries,
    lambda: f64,
    tick: &dyn Fn(f64),
) -> Result<CountedEntries> {
    let max_a = entries.max_with(lambda);
    let (mut d, mut nonzeros) = (0usize, 0u64);
    let mut curve: Vec<SparsityPoint> =
        THRESHOLDS.iter().map(|&threshold| SparsityPoint { threshold, ..SparsityPoint::default() }).collect();
    columns(operator, tick, |j, column| {
        let cut = ZERO * max_a;
        let own =
            column.iter().enumerate().filter(|&(i, x)| (if i == j { x + lambda } else { *x }).abs() > cut).count();
        d = d.max(own);
        nonzeros += own as u64;
        for point in &mut curve {
            let cut = point.threshold * entries.max;
            let kept = column.iter().filter(|x| x.abs() > cut).count();
            point.d = point.d.max(kept);
            point.nonzeros += kept as u64;
            // squares for now
            point.frobenius_error += column.iter().filter(|x| x.abs() <= cut).map(|x| x * x).sum::<f64>();
        }
    })?;
    for point in &mut curve {
        let dropped = point.frobenius_error.sqrt();
        point.frobenius_error = if entries.frobenius > 0.0 { dropped / entries.frobenius } else { 0.0 };
    }
    Ok((d, nonzeros, curve))
}

/// The ends of the spectrum of A = H + λI.
struct Ends {
    sigma_max: f64,
    sigma_max_residual: f64,
    /// Least eigenvalue found, its residual.
    least: f64,
    least_residual: f64,
    sigma_min_above: f64,
    definite: bool,
    semidefinite_by: Option<f64>,
    steps: usize,
    converged: bool,
    nodes: Vec<(f64, f64)>,
}

impl Ends {
    fn new(found: &Extremes, lambda: f64, semidefinite: bool) -> Self {
        let top = if found.max.value.abs() >= found.min.value.abs() { found.max } else { found.min };
        Ends {
            sigma_max: top.value.abs(),
            sigma_max_residual: top.residual,
            least: found.min.value,
            least_residual: found.min.residual,
            sigma_min_above: found.sigma_min_above,
            definite: found.min.value - found.min.residual > 0.0 || semidefinite && lambda > 0.0,
            semidefinite_by: (semidefinite && lambda > 0.0).then_some(lambda),
            steps: found.steps,
            converged: found.converged,
            nodes: found.nodes.clone(),
        }
    }

    /// κ, σ_max and σ_min with what bounds them.
    fn condition(&self, of: &str, method: &str) -> (Measured, Measured, Measured) {
        let ulp = 16.0 * f64::EPSILON;
        let max_low = self.sigma_max * (1.0 - ulp);
        let max_high = (self.sigma_max + self.sigma_max_residual) * (1.0 + ulp);
        let sigma_max = Measured::new(self.sigma_max, max_low, max_high, method).of(of);
        if self.definite {
            let low = self.semidefinite_by.unwrap_or(0.0).max((self.least - self.least_residual) * (1.0 - ulp));
            let min = self.least.max(low);
            let sigma_min = Measured::new(min, low, min.max(low) * (1.0 + ulp), method).of(of);
            let high = if low > 0.0 { max_high / low } else { f64::INFINITY };
            let kappa = Measured::new(self.sigma_max / min, max_low / (min * (1.0 + ulp)), high, method);
            return (kappa.of(of), sigma_max, sigma_min);
        }
        let above = self.sigma_min_above;
        let method = format!("{method}; indefinite: σ_min is only bounded from above, by σ_min of the Lanczos matrix");
        let sigma_min = Measured { value: None, low: Some(0.0), high: Some(above), method: method.clone(), of: None };
        let low = (max_low / above).max(1.0);
        let low = if low.is_finite() { low } else { 1.0 };
        let kappa = Measured { value: None, low: Some(low), high: None, method, of: None };
        (kappa.of(of), sigma_max, sigma_min.of(of))
    }
}

/// Estimated counts from the quadrature.
fn inertia(nodes: &[(f64, f64)], n: usize, tolerance: f64) -> Inertia {
    let weight = |keep: &dyn Fn(f64) -> bool| nodes.iter().filter(|x| keep(x.0)).map(|x| x.1).sum::<f64>();
    let positive = ((weight(&|x| x > tolerance) * n as f64).round() as usize).min(n);
    let negative = ((weight(&|x| x < -tolerance) * n as f64).round() as usize).min(n - positive);
    Inertia { positive, negative, zero: n - positive - negative, tolerance }
}

fn inertia_of_solved(ends: &Ends, n: usize, tolerance: f64) -> Inertia {
    if ends.definite {
        return Inertia { positive: n, negative: 0, zero: 0, tolerance };
    }
    inertia(&ends.nodes, n, tolerance)
}

struct Context<'a> {
    system: &'a SystemInput<'a>,
    operator: &'a dyn SymmetricOperator,
    lambda: f64,
    of: &'a str,
    par: Par,
}

impl Context<'_> {
    fn epsilon(
        &self,
        b: &[f64],
        is_gradient: bool,
        solution: Option<&[f64]>,
        progress: Progress<'_>,
    ) -> Result<Tolerance> {
        let (Some(objective), true) = (self.system.objective, is_gradient) else {
            return Ok(tolerance::assumed("no loss to evaluate"));
        };
        let n = b.len();
        same_block(objective, n)?;
        let length = norm(b);
        let mut steps = Vec::new();
        if let Some(x) = solution {
            steps.push((format!("({})⁻¹g by MINRES", self.of), x.iter().map(|x| x * length).collect()));
        }
        if self.lambda > 0.0 {
            // (|H| + λI)⁻¹g in the Krylov space of g
            let space = krylov(self.operator, b, 2 * KRYLOV)?;
            let mut x = vec![0.0; n];
            for (j, value) in space.values.iter().enumerate() {
                let v = space.vectors.col(j);
                let c = v.iter().zip(b).map(|(v, b)| v * b).sum::<f64>() / (value.abs() + self.lambda);
                x.iter_mut().zip(v.iter()).for_each(|(x, v)| *x += c * v);
            }
            steps.push(("(|H|+λI)⁻¹g in a Krylov space".to_string(), x));
        }
        if steps.is_empty() {
            return Ok(tolerance::assumed("no Newton step was found by products alone"));
        }
        let start = gaussian(n, &mut ChaCha8Rng::seed_from_u64(self.system.seed));
        let space = krylov(self.operator, &start, KRYLOV)?;
        let top = space.vectors.col(space.values.len() - 1).iter().copied().collect();
        let setting = Setting {
            objective,
            basis: &|gradient| {
                let mut rng = ChaCha8Rng::seed_from_u64(self.system.seed);
                // a zero gradient leaves every direction as good as another
                let zero = gradient.iter().all(|x| *x == 0.0);
                let start = if zero { gaussian(n, &mut rng) } else { gradient.to_vec() };
                let space = krylov(self.operator, &start, KRYLOV)?;
                Ok(Basis { values: space.values, vectors: Vectors::Owned(space.vectors), complement: None })
            },
            curvatures: &|d| {
                let mut hd = Mat::<f64>::zeros(n, d.ncols());
                self.operator.apply_many(d, hd.as_mut())?;
                let one = |j: usize| d.col(j).iter().zip(hd.col(j).iter()).map(|(x, y)| x * y).sum();
                Ok((0..d.ncols()).map(one).collect())
            },
            top,
            exponent: 0,
            steps,
            seed: self.system.seed,
            par: self.par,
        };
        tolerance::measure(&setting, &|done| progress("tolerance", 0.7 + 0.2 * done))
    }
}

#[cfg(test)]
mod tests;
