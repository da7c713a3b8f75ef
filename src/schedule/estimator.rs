//! What a scheduler may know of κ before it decides, and what finding out costs.
//!
//! | estimator | what | cost in flops |
//! |---|---|---|
//! | `published` | the formula of the paper's code, in double arithmetic as there | a determinant: 2N³/3 |
//! | `merikoski` | the bound that the code means (Merikoski, Urpala, Virtanen, Tam and Uhlig, Linear Algebra Appl. 254, 1997) | N³/3 |
//! | `lanczos:K` | K products: κ from below | 2KN² |
//! | `factored` | LBLᵀ once, Lanczos on A and on A⁻¹: κ to the digits of both ends | N³/3 + 2(K + L)N² |
//! | `inertia` | the same, checked by Sylvester's counts at four shifts: a bracket | 5N³/3 + 2(K + L)N² |
//! | `eigen` | every eigenvalue | 4N³/3 |
//! | `auto` | `eigen` up to N = 1,500, where products at the speed of memory would take longer, else `factored` | |
//! | `given` | κ is known from elsewhere | 0 |
//!
//! A factorisation solves the system; whoever estimates κ by one pays for the classical solve. That is counted, not hidden.

use std::fmt;
use std::str::FromStr;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use serde::{Deserialize, Serialize};

use crate::curvature::SymmetricOperator;
use crate::error::{Error, Result};
use crate::spectrum::condition::Eigenvalues;
use crate::spectrum::dense_eigen::values;
use crate::spectrum::inertia::Factorization;
use crate::spectrum::lanczos::{Dense, Options, extremes};
use crate::spectrum::scale::frobenius;

/// Products of `lanczos` when none are named.
pub const PRODUCTS: usize = 30;
/// Most products of each Lanczos run of `factored` and `inertia`.
const MOST: usize = 120;
/// Residual at which those stop, relative to the largest Ritz value; an eigenvalue is then right to about its square.
const RESIDUAL: f64 = 1e-5;
/// Size up to which `auto` takes all eigenvalues.
const SMALL: usize = 1_500;
/// Relative distance of the checked shifts from the Ritz values.
const MARGIN: f64 = 1e-3;

/// How κ is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estimator {
    /// The formula of the published code.
    Published,
    /// The bound it was taken from.
    Merikoski,
    /// So many products with A.
    Lanczos(usize),
    /// One factorisation.
    Factored,
    /// One factorisation and four counts.
    Inertia,
    /// All eigenvalues.
    Eigen,
    /// All eigenvalues of small matrices, one factorisation of large ones.
    Auto,
    /// Not estimated at all.
    Given,
}

impl Estimator {
    /// Those that look at a matrix, in the order of the table above.
    pub const ALL: [Estimator; 6] = [
        Estimator::Published,
        Estimator::Merikoski,
        Estimator::Lanczos(PRODUCTS),
        Estimator::Factored,
        Estimator::Inertia,
        Estimator::Eigen,
    ];
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Estimator::Published => f.write_str("published"),
            Estimator::Merikoski => f.write_str("merikoski"),
            Estimator::Lanczos(k) => write!(f, "lanczos:{k}"),
            Estimator::Factored => f.write_str("factored"),
            Estimator::Inertia => f.write_str("inertia"),
            Estimator::Eigen => f.write_str("eigen"),
            Estimator::Auto => f.write_str("auto"),
            Estimator::Given => f.write_str("given"),
        }
    }
}

impl FromStr for Estimator {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            let help = "use auto, published, merikoski, lanczos:30, factored, inertia, eigen or given";
            Error::usage("schedule::estimator", format!("--estimator {text}"), what, help)
        };
        match text.split_once(':') {
            None => match text {
                "published" => Ok(Estimator::Published),
                "merikoski" => Ok(Estimator::Merikoski),
                "lanczos" => Ok(Estimator::Lanczos(PRODUCTS)),
                "factored" => Ok(Estimator::Factored),
                "inertia" => Ok(Estimator::Inertia),
                "eigen" => Ok(Estimator::Eigen),
                "auto" => Ok(Estimator::Auto),
                "given" => Ok(Estimator::Given),
                _ => Err(wrong("no such estimator")),
            },
            Some(("lanczos", k)) => match k.parse::<usize>() {
                Ok(k) if (1..=100_000).contains(&k) => Ok(Estimator::Lanczos(k)),
                _ => Err(wrong("the number of products must lie between 1 and 100,000")),
            },
            Some(_) => Err(wrong("no such estimator")),
        }
    }
}

/// What an estimator found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KappaEstimate {
    /// Which estimator.
    pub estimator: String,
    /// ln κ; absent where the estimator has no answer. Bounds by determinants exceed the range of κ itself.
    pub ln_kappa: Option<f64>,
    /// κ is at least this.
    pub low: Option<f64>,
    /// κ is at most this.
    pub high: Option<f64>,
    /// ‖A‖₂, where it was found on the way.
    pub sigma_max: Option<f64>,
    /// Whether A is positive definite, where it was found on the way.
    pub definite: Option<bool>,
    /// Flops of dense work (factorisations).
    pub dense_flops: f64,
    /// Flops of products with the stored matrix.
    pub stored_flops: f64,
    /// Why there is no answer, or what it is worth.
    pub why: String,
}

impl KappaEstimate {
    /// κ, where it fits a double.
    pub fn kappa(&self) -> Option<f64> {
        self.ln_kappa.map(f64::exp).filter(|k| k.is_finite())
    }

    /// A κ known from elsewhere, free of charge.
    pub fn given(kappa: Option<f64>, why: &str) -> Self {
        KappaEstimate {
            estimator: Estimator::Given.to_string(),
            ln_kappa: kappa.map(f64::ln),
            low: kappa,
            high: kappa,
            why: why.to_string(),
            ..KappaEstimate::default()
        }
    }
}

/// Estimates κ₂ of a symmetric matrix (N × N, both triangles filled).
///
/// A matrix that is singular, or on which the formula has no value, is an answer (`ln_kappa` absent, `why` says so).
///
/// # Errors
/// A matrix that is not square or not finite; [`Estimator::Given`], which looks at nothing.
pub fn estimate(a: MatRef<'_, f64>, estimator: Estimator, seed: u64, par: Par) -> Result<KappaEstimate> {
    let mut found = match estimator {
        Estimator::Published => published(a, par)?,
        Estimator::Merikoski => merikoski(a, par)?,
        Estimator::Lanczos(products) => lanczos(a, products, seed, par)?,
        Estimator::Factored => factored(a, false, seed, par)?,
        Estimator::Inertia => factored(a, true, seed, par)?,
        Estimator::Auto if a.nrows() > SMALL => factored(a, false, seed, par)?,
        Estimator::Eigen | Estimator::Auto => eigen(a, par)?,
        Estimator::Given => {
            let what = "κ is to be given, and a matrix was";
            return Err(Error::usage("schedule::estimator", "given", what, "choose auto or lanczos:30"));
        }
    };
    found.estimator = estimator.to_string();
    Ok(found)
}

/// κ of C + λI for an operator C ⪰ 0 with a null space (an empirical Fisher or Gauss-Newton matrix of rank below N):
/// σ_min is λ exactly, σ_max comes from `products` products. `product_flops` is the price of one.
///
/// # Errors
/// When a product is not finite.
pub fn estimate_semidefinite(
    c: &dyn SymmetricOperator,
    lambda: f64,
    products: usize,
    product_flops: f64,
    seed: u64,
) -> Result<KappaEstimate> {
    let options = Options { max_steps: products, tolerance: RESIDUAL, seed, both_ends: false, ..Options::default() };
    let found = extremes(c, options)?;
    let (low, high) = (found.max.value.max(0.0), found.max.value.max(0.0) + found.max.residual);
    let at = |sigma: f64| (sigma + lambda) / lambda;
    let answer = lambda > 0.0 && at(low).is_finite();
    Ok(KappaEstimate {
        estimator: format!("lanczos:{products}"),
        ln_kappa: answer.then(|| at(low).ln()),
        low: answer.then(|| at(low)),
        high: None,
        sigma_max: Some(low + lambda),
        definite: Some(lambda > 0.0),
        dense_flops: 0.0,
        stored_flops: found.steps as f64 * product_flops + orthogonalising(c.dim(), found.steps),
        why: if answer {
            format!("σ_min = λ by construction; σ_max/λ near {:.4e} from {} products", at(high), found.steps)
        } else {
            "λ = 0: the matrix is singular by construction".to_string()
        },
    })
}

/// κ of FFᵀ + λI by products with the factor F (N × rank): N² numbers never exist, so neither does a determinant.
///
/// # Errors
/// When a product is not finite.
pub fn estimate_factor(f: MatRef<'_, f64>, lambda: f64, products: usize, seed: u64, par: Par) -> Result<KappaEstimate> {
    let each = 4.0 * f.nrows() as f64 * f.ncols() as f64;
    estimate_semidefinite(&Outer(f, par), lambda, products, each, seed)
}

/// FFᵀ by its factor.
struct Outer<'a>(MatRef<'a, f64>, Par);

impl SymmetricOperator for Outer<'_> {
    fn dim(&self) -> usize {
        self.0.nrows()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        let mut inner = Mat::<f64>::zeros(self.0.ncols(), x.ncols());
        matmul(inner.as_mut(), Accum::Replace, self.0.transpose(), x, 1.0, self.1);
        matmul(y, Accum::Replace, self.0, inner.as_ref(), 1.0, self.1);
        Ok(())
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        let n = self.dim();
        let mut out = Mat::<f64>::zeros(n, n);
        matmul(out.as_mut(), Accum::Replace, self.0, self.0.transpose(), 1.0, self.1);
        Ok(out)
    }
}

fn published(a: MatRef<'_, f64>, par: Par) -> Result<KappaEstimate> {
    let n = a.nrows() as f64;
    let determinant = Factorization::new(a, 0.0, par)?.ln_abs_determinant().exp();
    let t = (1.0 - (1.0 - n / frobenius(a)).powf(n) * determinant * determinant).sqrt();
    let kappa = ((1.0 + t) / (1.0 - t)).sqrt();
    let why = if kappa.is_nan() {
        "the published formula takes the root of a negative number: NaN"
    } else if kappa.is_infinite() {
        "the determinant or its factor underflows: the published formula divides by zero"
    } else {
        "the published formula (1 − n/‖A‖_F)^n·det²; no bound holds for it"
    };
    Ok(KappaEstimate {
        ln_kappa: kappa.is_finite().then(|| kappa.ln()),
        dense_flops: 2.0 / 3.0 * n.powi(3),
        stored_flops: 2.0 * n * n,
        why: why.to_string(),
        ..KappaEstimate::default()
    })
}

/// ln κ ≤ ln(1 + √(1 − y)) − ½ln y with y = (n/‖A‖_F²)ⁿ·det², in logarithms because y underflows from N of some hundreds.
fn merikoski(a: MatRef<'_, f64>, par: Par) -> Result<KappaEstimate> {
    let n = a.nrows() as f64;
    let ln_det = Factorization::new(a, 0.0, par)?.ln_abs_determinant();
    let ln_y = (n * (n.ln() - 2.0 * frobenius(a).ln()) + 2.0 * ln_det).min(0.0);
    let ln_kappa = (1.0 - ln_y.exp()).max(0.0).sqrt().ln_1p() - 0.5 * ln_y;
    let answer = ln_kappa.is_finite();
    Ok(KappaEstimate {
        ln_kappa: answer.then_some(ln_kappa),
        low: answer.then_some(1.0),
        high: Some(ln_kappa.exp()).filter(|k| k.is_finite()),
        dense_flops: n.powi(3) / 3.0,
        stored_flops: 2.0 * n * n,
        why: if answer { "an upper bound".into() } else { "the matrix is singular: its determinant is zero".into() },
        ..KappaEstimate::default()
    })
}

fn lanczos(a: MatRef<'_, f64>, products: usize, seed: u64, par: Par) -> Result<KappaEstimate> {
    let n = a.nrows();
    let options = Options { max_steps: products, tolerance: 1e-14, seed, ..Options::default() };
    let found = extremes(&Dense(a, par), options)?;
    let sigma_max = found.max.value.abs().max(found.min.value.abs());
    let kappa = (sigma_max / found.sigma_min_above).max(1.0);
    let answer = kappa.is_finite() && sigma_max > 0.0;
    Ok(KappaEstimate {
        ln_kappa: answer.then(|| kappa.ln()),
        low: answer.then_some(kappa),
        sigma_max: Some(sigma_max),
        definite: (found.min.value < 0.0).then_some(false),
        stored_flops: product(n) * found.steps as f64 + orthogonalising(n, found.steps),
        why: if answer {
            format!("{} products: a bound from below", found.steps)
        } else {
            "the smallest Ritz value is zero".into()
        },
        ..KappaEstimate::default()
    })
}

/// A⁻¹ through a factorisation.
struct Inverse<'a>(&'a Factorization, usize);

impl SymmetricOperator for Inverse<'_> {
    fn dim(&self) -> usize {
        self.1
    }

    fn apply_many(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) -> Result<()> {
        for j in 0..x.ncols() {
            let mut b: Vec<f64> = x.col(j).iter().copied().collect();
            self.0.solve(&mut b);
            y.as_mut().col_mut(j).iter_mut().zip(b).for_each(|(y, b)| *y = b);
        }
        Ok(())
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        let n = self.1;
        let mut out = Mat::<f64>::zeros(n, n);
        self.apply_many(Mat::<f64>::identity(n, n).as_ref(), out.as_mut())?;
        Ok(out)
    }
}

fn factored(a: MatRef<'_, f64>, check: bool, seed: u64, par: Par) -> Result<KappaEstimate> {
    let n = a.nrows();
    let factorisation = (n as f64).powi(3) / 3.0;
    let factors = Factorization::new(a, 0.0, par)?;
    let signs = factors.signs();
    let mut found = KappaEstimate { dense_flops: factorisation, ..KappaEstimate::default() };
    if signs.zero > 0 {
        found.why = format!("singular: {} of {n} pivots are zero", signs.zero);
        return Ok(found);
    }
    let options = Options { max_steps: MOST, tolerance: RESIDUAL, seed, both_ends: false, ..Options::default() };
    let largest = extremes(&Dense(a, par), options)?;
    let Ok(inverse) = extremes(&Inverse(&factors, n), options) else {
        found.why = "singular to working precision: a solution is not finite".into();
        return Ok(found);
    };
    let size = |e: &crate::spectrum::lanczos::Extremes| e.max.value.abs().max(e.min.value.abs());
    let (sigma_max, sigma_min) = (size(&largest), 1.0 / size(&inverse));
    let kappa = (sigma_max / sigma_min).max(1.0);
    let steps = largest.steps + inverse.steps;
    found.stored_flops =
        product(n) * steps as f64 + orthogonalising(n, largest.steps) + orthogonalising(n, inverse.steps);
    found.sigma_max = Some(sigma_max);
    found.definite = Some(signs.negative == 0);
    if !kappa.is_finite() {
        found.why = "singular to working precision".into();
        return Ok(found);
    }
    found.ln_kappa = Some(kappa.ln());
    found.low = Some(kappa * (1.0 - 4.0 * f64::EPSILON));
    found.why = format!("one factorisation, {steps} products and solves");
    if check {
        found.dense_flops += 4.0 * factorisation;
        let (above, below) = (sigma_max * (1.0 + MARGIN), sigma_min * (1.0 - MARGIN));
        let positive = |shift: f64| -> Result<usize> { Ok(Factorization::new(a, -shift, par)?.signs().positive) };
        // No eigenvalue beyond ±above, none within ±below.
        let enclosed = positive(above)? == 0 && positive(-above)? == n && positive(below)? == positive(-below)?;
        if enclosed {
            found.high = Some(above / below);
            found.why += "; no eigenvalue outside the bracket by Sylvester's counts";
        } else {
            found.why += "; the counts find eigenvalues beyond the Ritz values: only a bound from below";
        }
    }
    Ok(found)
}

fn eigen(a: MatRef<'_, f64>, par: Par) -> Result<KappaEstimate> {
    let n = a.nrows() as f64;
    let (values, certificate) = values(a, par)?;
    let spectrum =
        Eigenvalues { values, value_error: certificate.value_error, backward_error: certificate.backward_error };
    let condition = spectrum.condition("A", "eigenvalues");
    let kappa = condition.kappa;
    Ok(KappaEstimate {
        ln_kappa: kappa.value.map(f64::ln),
        low: kappa.low,
        high: kappa.high,
        sigma_max: condition.sigma_max.value,
        definite: Some(condition.inertia.negative == 0 && condition.inertia.zero == 0),
        dense_flops: 4.0 / 3.0 * n.powi(3),
        why: if kappa.value.is_some() { "every eigenvalue".into() } else { kappa.method },
        ..KappaEstimate::default()
    })
}

/// One product of a stored N × N matrix with a vector, or one pair of triangular solves.
fn product(n: usize) -> f64 {
    2.0 * (n as f64).powi(2)
}

/// Two passes of Gram-Schmidt against the basis so far, in each of `k` steps.
fn orthogonalising(n: usize, k: usize) -> f64 {
    4.0 * n as f64 * (k as f64).powi(2)
}
