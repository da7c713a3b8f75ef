//! A system whose matrix fits: one certified eigendecomposition of H serves κ, inertia, ε and the direct solution.
//!
//! Everything runs on 2ᵏ·H with max|h_ij| ∈ [1, 2), an exact scaling that leaves every ratio's bits alone; quantities
//! with the matrix's units are scaled back at the end.

use super::input::{Companion, Progress, SystemInput, right_hand_side, symmetric};
use super::runs::{self, System};
use super::solved::{Local, Solved, damp, describe, direct, pruned, spectrum_of};
use super::sparsity::{self, ZERO};
use super::tolerance::{self, Setting};
use super::trust_region::{Basis, curvatures, rotate, unrotate};
use crate::curvature::Objective;
use crate::curvature::damping::DampingRule;
use crate::error::{Error, Result};
use crate::measurement::{Damping, Inertia, Measured, Measurement, Resolved, RowSparsity, Tolerance};
use crate::spectrum::condition::{Condition, Eigenvalues};
use crate::spectrum::dense_eigen::{self, Eigen, decompose};
use crate::spectrum::density::bins;
use crate::spectrum::inertia::{Factorization, Signs, count};
use crate::spectrum::lanczos::gaussian;
use crate::spectrum::scale::{exponent, frobenius, max_abs, norm, scale_in_place, scaled, times_pow2};
use faer::{Mat, Par};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// See [`super::measure`].
pub(super) fn measure(mut system: SystemInput<'_>, par: Par, progress: Progress<'_>) -> Result<Measurement> {
    let place = system.id.clone();
    let frame = frame(&system);
    let mut h = symmetric(std::mem::replace(&mut system.h, Mat::new()), &place)?;
    let n = h.nrows();
    let shift = -exponent(max_abs(h.as_ref()));
    let back = |x: f64| times_pow2(x, -shift);
    scale_in_place(&mut h, shift);
    let (b, is_gradient) = right_hand_side_of(&system, n, &place)?;
    let mut notes = Vec::new();
    let symbol = symbol(&system.curvature);

    progress("eigendecomposition", 0.02);
    let eigen = decompose(h.as_ref(), par)?;
    let spectrum = spectrum_of(&eigen);
    let inertia = spectrum.inertia();
    notes.extend(cross_check(&h, &spectrum, &inertia, par)?);

    progress("pruning and damping", 0.3);
    let local = Local { objective: system.objective, gradient: is_gradient.then_some(b.as_slice()), shift };
    let pruned = pruned(&h, spectrum.sigma_max(), system.prune, system.seed, par)?;
    let (base, own, base_symbol) = match &pruned {
        Some(p) => (&p.matrix, &p.eigen, format!("pruned {symbol}")),
        None => (&h, &eigen, symbol.to_string()),
    };
    let method = method(&own.certificate);
    let solved = damp(base, own, system.damping, &base_symbol, &local, par)?;
    let condition = solved.spectrum.condition(&solved.name, &method);

    progress("condition numbers", 0.4);
    let mut kappas = Vec::new();
    if solved.name != symbol {
        kappas.push(spectrum.condition(symbol, &method).kappa);
    }
    kappas.push(spectrum.range_kappa(&format!("range({symbol})"), &method));
    let lambda = solved.lambda;
    // the same λ without pruning
    let unpruned = match system.damping {
        _ if pruned.is_none() => None,
        DampingRule::SaddleFree(_) => Some(spectrum.map(|x| x.abs() + lambda)),
        _ => Some(spectrum.map(|x| x + lambda)),
    };
    let unpruned = unpruned.map(|u| {
        let name = solved.name.replace("pruned ", "");
        (u.condition(&name, &method), u)
    });
    if let Some((condition, _)) = &unpruned
        && condition.kappa.of.as_deref() != Some(symbol)
    {
        kappas.push(condition.kappa.clone());
    }
    if lambda > 0.0 && !(pruned.is_some() && matches!(system.damping, DampingRule::SaddleFree(_))) {
        let absolute = spectrum.map(|x| x.abs() + lambda);
        kappas.push(absolute.condition(&format!("|{symbol}|+λI"), &method).kappa);
    }
    for (name, companion) in [("GGN", &system.ggn), ("EF", &system.empirical_fisher)] {
        if let Some(companion) = companion {
            kappas.push(companion_kappa(name, companion, n, system.damping, par, &place)?);
        }
    }

    progress("sparsity", 0.5);
    let a = solved.a.as_ref();
    let max_a = max_abs(a);
    let fro_a = frobenius(a);
    let (d, nonzeros) = sparsity::kept(a, &[ZERO]).first().map_or((0, 0), |k| (k.d, k.nonzeros));
    let curve = sparsity::curve(h.as_ref(), spectrum.sigma_max(), system.seed)?;
    let sigma_max = solved.spectrum.sigma_max();
    let mut subnormalization = sparsity::subnormalization(d, max_a, fro_a, sigma_max);
    subnormalization.absolute = back(subnormalization.absolute);

    progress("direct solution", 0.6);
    let regular = condition.kappa.value.is_some();
    let unit: Vec<f64> = normalised(&b);
    let solution = regular.then(|| direct(own, &solved, &unit, par));
    // Of snapshots alone: a file's right-hand side may be another than the gradient measured here.
    let resolved = system.objective.is_some().then(|| Resolved {
        values: solved.spectrum.values.iter().map(|&x| back(x)).collect(),
        components: rotate(own, &unit, par),
    });
    let pruning = unpruned.map(|(before, u)| {
        let without = before.kappa.value.is_some().then(|| {
            let mut c = rotate(&eigen, &unit, par);
            c.iter_mut().zip(&u.values).for_each(|(c, v)| *c /= v);
            unrotate(&eigen, &c, par)
        });
        let definite = condition.inertia.positive == n;
        let mut p = describe(&h, system.prune, &before, definite, solution.as_deref(), without.as_deref());
        p.inertia_unpruned.tolerance = back(p.inertia_unpruned.tolerance);
        p
    });
    let x_norm = solution.as_ref().map(|x| (sigma_max * norm(x)).max(1.0)).filter(|x| x.is_finite());

    progress("tolerance", 0.65);
    let tolerance = tolerance_of(
        system.objective,
        &b,
        is_gradient,
        &h,
        &eigen,
        &solved,
        solution.as_deref(),
        shift,
        system.seed,
        par,
        progress,
    )?;

    progress("iterative solvers", 0.9);
    let dense = runs::Dense::new(a, par);
    let runs = runs::all(&System {
        apply: &|x, y| {
            dense.apply(x, y);
            Ok(())
        },
        cost: dense.cost(),
        diagonal: &dense.diagonal(),
        b: &unit,
        solution: solution.as_deref(),
        kappa: condition.kappa.value,
        definite: condition.inertia.negative == 0,
        eps: tolerance.value,
    })?;
    progress("done", 1.0);
    let (frobenius_error, spectral_error) =
        pruned.as_ref().map_or((0.0, 0.0), |p| (p.frobenius_error, p.spectral_error));

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
        row_sparsity: RowSparsity {
            value: d,
            threshold: ZERO,
            frobenius_error,
            spectral_error: Some(spectral_error),
            curve,
        },
        nonzeros,
        max_abs: back(max_a),
        frobenius_norm: back(fro_a),
        subnormalization,
        tolerance,
        x_norm,
        classical_runs: runs,
        spectrum: spectrum_bins,
        pruning,
        resolved,
        notes,
        ..frame
    })
}

/// The identity of a case and what is passed through.
pub(super) fn frame(system: &SystemInput<'_>) -> Measurement {
    Measurement {
        id: system.id.clone(),
        snapshot: system.snapshot.clone(),
        series: system.series.clone(),
        step: system.step,
        curvature: system.curvature.clone(),
        scope: system.scope.clone(),
        loss: system.loss,
        batch: system.batch,
        low_rank: system.low_rank,
        hvp_flops: system.hvp_flops,
        ..Measurement::default()
    }
}

/// Singular values and tolerance in the units of the input again.
pub(super) fn restore(mut c: Condition, back: &dyn Fn(f64) -> f64) -> Condition {
    for m in [&mut c.sigma_max, &mut c.sigma_min] {
        for x in [&mut m.value, &mut m.low, &mut m.high] {
            *x = x.map(back).filter(|x| x.is_finite());
        }
    }
    c.inertia.tolerance = back(c.inertia.tolerance);
    c
}

/// How the matrix is written in formulas.
pub(super) fn symbol(curvature: &str) -> &'static str {
    match curvature {
        "ggn" => "GGN",
        "empirical-fisher" => "EF",
        _ => "H",
    }
}

fn method(certificate: &dense_eigen::Certificate) -> String {
    format!(
        "dense eigendecomposition ({}), residual ratio {:.2}, orthogonality ratio {:.2} of at most 30; \
         the interval is the eigenvalue bound ‖AV − VΛ‖/σ_min(V)",
        certificate.algorithm, certificate.residual_ratio, certificate.orthogonality_ratio
    )
}

/// The right-hand side and whether it is the gradient.
pub(super) fn right_hand_side_of(system: &SystemInput<'_>, n: usize, place: &str) -> Result<(Vec<f64>, bool)> {
    if let Some(b) = &system.gradient {
        right_hand_side(b, n, &format!("{place}, gradient"))?;
        return Ok((b.to_vec(), true));
    }
    if let Some(b) = &system.rhs {
        right_hand_side(b, n, &format!("{place}, right-hand side"))?;
        return Ok((b.to_vec(), false));
    }
    Ok((normalised(&gaussian(n, &mut ChaCha8Rng::seed_from_u64(system.seed))), false))
}

/// b/‖b‖.
pub(super) fn normalised(b: &[f64]) -> Vec<f64> {
    // by a power of two first, so that the division cannot overflow
    let k = -exponent(norm(b));
    let scaled: Vec<f64> = b.iter().map(|&x| times_pow2(x, k)).collect();
    let length = norm(&scaled);
    scaled.into_iter().map(|x| x / length).collect()
}

/// Sylvester's counts against the eigenvalues' own; a note where the two differ within their error bounds.
fn cross_check(h: &Mat<f64>, spectrum: &Eigenvalues, inertia: &Inertia, par: Par) -> Result<Option<String>> {
    let signs = count(h.as_ref(), inertia.tolerance, par)?;
    let own = Signs { positive: inertia.positive, negative: inertia.negative, zero: inertia.zero };
    if signs == own {
        return Ok(None);
    }
    let mut band = spectrum.value_error;
    for shift in [inertia.tolerance, -inertia.tolerance] {
        band = band
            .max(spectrum.value_error + Factorization::new(h.as_ref(), shift, par)?.backward_error(h.as_ref(), shift));
    }
    let near = spectrum.values.iter().filter(|x| (x.abs() - inertia.tolerance).abs() <= band).count();
    let off = signs.positive.abs_diff(own.positive).max(signs.negative.abs_diff(own.negative));
    if off > near {
        let what = format!(
            "the eigenvalues give {own:?}, the factorisation {signs:?}, and only {near} are near the tolerance"
        );
        return Err(Error::certificate(
            "spectrum::inertia",
            "inertia",
            what,
            "run with --threads 1 and report the matrix",
        ));
    }
    Ok(Some(format!(
        "inertia: {near} eigenvalues lie within the error bound of ±tolerance; the LBLᵀ factorisation counts {} positive, \
         {} negative, {} zero",
        signs.positive, signs.negative, signs.zero
    )))
}

/// κ of C + λI for another curvature C, with λ by the same rule from C's own largest entry.
fn companion_kappa(
    name: &str,
    companion: &Companion,
    n: usize,
    rule: DampingRule,
    par: Par,
    place: &str,
) -> Result<Measured> {
    match companion {
        Companion::Dense(c) => {
            let c = symmetric(c.clone(), &format!("{place}, {name}"))?;
            let k = -exponent(max_abs(c.as_ref()));
            let c = scaled(c.as_ref(), k);
            let lambda = match rule {
                DampingRule::Absolute(x) => times_pow2(x, k),
                _ => rule.lambda(max_abs(c.as_ref())),
            };
            let (values, certificate) = dense_eigen::values(c.as_ref(), par)?;
            let spectrum = Eigenvalues {
                values,
                value_error: certificate.value_error,
                backward_error: certificate.backward_error,
            };
            let method = format!("dense eigenvalues of the {name}, λ = {:.6e}", times_pow2(lambda, -k));
            let of = if lambda == 0.0 { name.to_string() } else { format!("{name}+λI") };
            Ok(spectrum.map(|x| x + lambda).condition(&of, &method).kappa)
        }
        Companion::Factor(f) => super::low_rank::kappa(name, f, n, rule, par, place),
    }
}

/// Checks that the loss has as many parameters as the matrix.
pub(super) fn same_block(objective: &dyn Objective, n: usize) -> Result<()> {
    if objective.dim() == n {
        return Ok(());
    }
    let what = format!("the loss has {} parameters, the matrix {n}", objective.dim());
    Err(Error::input("measure::objective", "loss", what, "restrict both to the same block"))
}

#[allow(clippy::too_many_arguments)]
fn tolerance_of(
    objective: Option<&dyn Objective>,
    gradient: &[f64],
    is_gradient: bool,
    h: &Mat<f64>,
    eigen: &Eigen,
    solved: &Solved,
    solution: Option<&[f64]>,
    shift: i32,
    seed: u64,
    par: Par,
    progress: Progress<'_>,
) -> Result<Tolerance> {
    let (Some(objective), true) = (objective, is_gradient) else {
        return Ok(tolerance::assumed("no loss to evaluate"));
    };
    same_block(objective, gradient.len())?;
    let length = norm(gradient);
    let mut steps = Vec::new();
    if let Some(x) = solution {
        // `solution` is for 2^shift·A and the normalised right-hand side
        let s = x.iter().map(|&x| times_pow2(x, shift) * length).collect();
        steps.push((format!("({})⁻¹g", solved.name), s));
    }
    let absolute: Vec<f64> = eigen.values.iter().map(|x| x.abs() + solved.lambda).collect();
    let floor = absolute.len() as f64 * f64::EPSILON * absolute.iter().fold(0.0f64, |m, &x| m.max(x));
    if absolute.iter().all(|&x| x > floor) {
        let mut c = rotate(eigen, gradient, par);
        c.iter_mut().zip(&absolute).for_each(|(c, v)| *c /= v);
        let s = unrotate(eigen, &c, par).iter().map(|&x| times_pow2(x, shift)).collect();
        steps.push(("(|H|+λI)⁻¹g".to_string(), s));
    }
    if steps.is_empty() {
        return Ok(tolerance::assumed("the solved matrix is singular, so there is no Newton step"));
    }
    let setting = Setting {
        objective,
        basis: &|_| Ok(Basis::whole(eigen)),
        curvatures: &|d| Ok(curvatures(h.as_ref(), d, par)),
        top: eigen.vectors.col(h.nrows() - 1).iter().copied().collect(),
        exponent: shift,
        steps,
        seed,
        par,
    };
    tolerance::measure(&setting, &|done| progress("tolerance", 0.65 + 0.25 * done))
}

#[cfg(test)]
mod tests;
