//! Plain data about one linear system of a training run: the door between the numerics and the symbolic wing.
//!
//! Everything here can be stored as JSON and read again, so that costs can be evaluated without weights.
//! Definitions of the quantities stand in `docs/quantities.md`. No number here is ever NaN or infinite:
//! a quantity that does not exist (κ of a singular matrix) is `None`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measured number with the interval that contains it and the way it was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Best value; `null` where none exists (κ of a singular matrix).
    pub value: Option<f64>,
    /// Lower end of the interval that contains the true value.
    pub low: Option<f64>,
    /// Upper end; `null` when nothing bounds it.
    pub high: Option<f64>,
    /// How it was found, in words, with the certificate or the sample size.
    pub method: String,
    /// What it is a property of, for example `H + λI`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

impl Measured {
    /// A number with its bracket; non-finite ends become `None`.
    pub fn new(value: f64, low: f64, high: f64, method: impl Into<String>) -> Self {
        let keep = |x: f64| x.is_finite().then_some(x);
        Measured { value: keep(value), low: keep(low), high: keep(high), method: method.into(), of: None }
    }

    /// A number that is exact by construction (a count).
    pub fn exact(value: f64, method: impl Into<String>) -> Self {
        Self::new(value, value, value, method)
    }

    /// The same measurement, said to be `of` something.
    #[must_use]
    pub fn of(mut self, what: impl Into<String>) -> Self {
        self.of = Some(what.into());
        self
    }
}

/// Counts of positive, negative and (numerically) zero eigenvalues.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Inertia {
    /// Eigenvalues above the tolerance.
    pub positive: usize,
    /// Eigenvalues below minus the tolerance.
    pub negative: usize,
    /// Eigenvalues within the tolerance of zero.
    pub zero: usize,
    /// The absolute tolerance: N·2⁻⁵²·σ_max plus the backward error of the factorisation.
    pub tolerance: f64,
}

/// The damping that turned H into the solved matrix.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Damping {
    /// `none`, `absolute` or `relative:F` (λ = F·max|a_ij|).
    pub rule: String,
    /// λ, in the units of the matrix.
    pub lambda: f64,
}

/// One point of the sparsification curve of H (before λ is added).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SparsityPoint {
    /// Entries with |h_ij| ≤ threshold·max|h_ij| are dropped.
    pub threshold: f64,
    /// Largest number of kept entries in a row.
    pub d: usize,
    /// Kept entries in the whole matrix.
    pub nonzeros: u64,
    /// ‖dropped‖_F / ‖H‖_F.
    pub frobenius_error: f64,
    /// ‖dropped‖₂ / ‖H‖₂, where it was computed.
    pub spectral_error: Option<f64>,
}

/// Row sparsity d of the solved matrix.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RowSparsity {
    /// Largest number of entries with |a_ij| > threshold·max|a| in a row.
    pub value: usize,
    /// Relative threshold under which an entry counts as zero (1e-12).
    pub threshold: f64,
    /// ‖H − pruned‖_F/‖H‖_F of the pruning that was applied (0 without pruning).
    pub frobenius_error: f64,
    /// ‖H − pruned‖₂/‖H‖₂ of the pruning that was applied (0 without pruning).
    pub spectral_error: Option<f64>,
    /// d and the errors at several thresholds.
    pub curve: Vec<SparsityPoint>,
}

/// Subnormalization α of the best block encoding considered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Subnormalization {
    /// α in the units of the matrix.
    pub absolute: f64,
    /// α/σ_max ≥ 1: the models' variable `alpha`.
    pub relative: f64,
    /// `sparse` (d·max|a_ij|) or `frobenius` (‖A‖_F).
    pub encoding: String,
}

/// The tolerance ε that the Newton step stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tolerance {
    /// Along the maximiser of the local quadratic model.
    pub value: f64,
    /// Smallest over the adversarial directions tried.
    pub low: f64,
    /// The 5 % quantile over random directions.
    pub high: f64,
    /// How it was found, or `assumed`.
    pub method: String,
    /// The fraction f of the loss decrease that may be lost.
    pub loss_fraction: f64,
}

/// One iterative solver really run on the system to ε.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ClassicalRun {
    /// `cg`, `cg-jacobi`, `minres`, `minres-jacobi`.
    pub solver: String,
    /// Iterations until the relative 2-norm error against the direct solution is at most ε (the relative residual
    /// where no direct solution exists); `null` when it broke down (CG on an indefinite matrix) or ran out.
    pub iterations: Option<u64>,
    /// Iterations until the norm of the bound is below ε: the energy norm for CG, the residual for MINRES (with a
    /// preconditioner in its inner product).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations_bound_norm: Option<u64>,
    /// The a-priori bound on the iterations in that norm, where one holds.
    pub bound: Option<f64>,
    /// ‖b − Ax‖/‖b‖ reached.
    pub relative_residual: Option<f64>,
    /// ‖x − A⁻¹b‖/‖A⁻¹b‖ reached, where the direct solution is known.
    #[serde(default)]
    pub relative_error: Option<f64>,
    /// Why it stopped, when not by converging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What pruning did to a system, beside what is measured of the pruned one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pruning {
    /// `d:K`, `ratio:R` or `threshold:T`.
    pub rule: String,
    /// The target d, for the rules that have one; the diagonal counts towards it.
    pub target: Option<usize>,
    /// κ of the damped matrix without pruning, with the same λ.
    pub kappa_unpruned: Measured,
    /// Inertia of the damped matrix without pruning.
    pub inertia_unpruned: Inertia,
    /// Whether the damped matrix was positive definite before pruning.
    pub definite_before: bool,
    /// Whether it is so after.
    pub definite_after: bool,
    /// Angle between the Newton steps with and without pruning, in degrees; `null` when either matrix is singular.
    pub step_angle_degrees: Option<f64>,
    /// Norm of the pruned step over that of the unpruned one.
    pub step_length_ratio: Option<f64>,
    /// What the paper's row-wise rule does at the same target.
    pub row_wise: Option<RowWisePruning>,
}

/// The published code's rule for comparison: every row keeps its k largest entries on its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RowWisePruning {
    /// Entries kept in every row.
    pub k: usize,
    /// ‖P − Pᵀ‖_F/‖H‖_F: the pruned matrix P is no longer symmetric.
    pub asymmetry: f64,
    /// Largest number of entries in a column of P.
    pub d_column: usize,
    /// d when (i, j) is kept if either row chose it.
    pub d_union: usize,
    /// d when (i, j) is kept if both rows chose it.
    pub d_intersection: usize,
}

/// The same case measured on random parts of the batch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Subsample {
    /// How many parts (halves, unless another fraction was asked for); those with a gradient of zero are left out.
    pub halves: usize,
    /// The share of the samples in each.
    #[serde(default)]
    pub fraction: f64,
    /// κ of the solved matrix: median over the parts where it exists, least and greatest.
    pub kappa: Measured,
    /// d.
    pub row_sparsity: Measured,
    /// ε.
    pub tolerance: Measured,
    /// Parts on which the solved matrix was singular.
    pub singular: usize,
}

/// One bin of the spectrum on a signed logarithmic axis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SpectrumBin {
    /// −1, 0 (numerically zero) or +1.
    pub sign: i8,
    /// Lower end of |λ| (0 for the zero bin).
    pub low: f64,
    /// Upper end of |λ|.
    pub high: f64,
    /// Eigenvalues in the bin.
    pub count: u64,
}

/// A system in the eigenbasis of its matrix, as far as measuring it has found that.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resolved {
    /// Eigenvalues of the solved matrix.
    pub values: Vec<f64>,
    /// ⟨v_i|b⟩ of the normalised right-hand side, in the order of the values.
    pub components: Vec<f64>,
}

/// Everything measured about one linear system A p = g of one snapshot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// Stable identifier: snapshot stem, curvature, scope.
    pub id: String,
    /// Snapshot stem, or the matrix file's name.
    pub snapshot: String,
    /// The stem without its last digits.
    pub series: String,
    /// The last digits of the stem; `null` when there are none.
    pub step: Option<u64>,
    /// `hessian`, `ggn`, `empirical-fisher` or `matrix`.
    pub curvature: String,
    /// `full`, or `layer:NAME`, `module:NAME`.
    pub scope: String,
    /// How H was damped.
    pub damping: Damping,
    /// Size N.
    pub n: usize,
    /// Loss at the snapshot (absent for a plain matrix).
    pub loss: Option<f64>,
    /// ‖g‖₂ (absent for a plain matrix).
    pub gradient_norm: Option<f64>,
    /// κ of the solved matrix.
    pub kappa: Measured,
    /// κ under the other definitions, each saying what it is of.
    pub kappas: Vec<Measured>,
    /// Largest singular value of the solved matrix.
    pub sigma_max: Measured,
    /// Smallest singular value of the solved matrix.
    pub sigma_min: Measured,
    /// Numerical rank of the solved matrix.
    pub rank: usize,
    /// Inertia of H.
    pub inertia: Inertia,
    /// Inertia of the solved matrix.
    pub inertia_solved: Inertia,
    /// Row sparsity d.
    pub row_sparsity: RowSparsity,
    /// Entries above the threshold in the solved matrix.
    pub nonzeros: u64,
    /// max|a_ij| of the solved matrix.
    pub max_abs: f64,
    /// ‖A‖_F of the solved matrix.
    pub frobenius_norm: f64,
    /// Subnormalization α.
    pub subnormalization: Subnormalization,
    /// Tolerance ε.
    pub tolerance: Tolerance,
    /// ‖A⁻¹b‖ for ‖A‖ = ‖b‖ = 1, in [1, κ]; `null` when A is singular.
    pub x_norm: Option<f64>,
    /// Samples in the batch (absent for a plain matrix).
    pub batch: Option<usize>,
    /// Rank of the low-rank part, for curvatures that are low-rank plus λI by construction.
    pub low_rank: Option<usize>,
    /// Flops of one Hessian-vector product, from the program's operation count.
    pub hvp_flops: Option<f64>,
    /// CG and MINRES really run.
    pub classical_runs: Vec<ClassicalRun>,
    /// Spectrum of H in bins, for the figure.
    pub spectrum: Vec<SpectrumBin>,
    /// What pruning did; absent without pruning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruning: Option<Pruning>,
    /// The eigensystem that was decomposed on the way, for the simulator; never stored.
    #[serde(skip)]
    pub resolved: Option<Resolved>,
    /// Bars over random parts of the batch; absent unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsample: Option<Subsample>,
    /// What a reader should know: degraded methods, warnings.
    pub notes: Vec<String>,
}
