//! What is checked of an eigendecomposition, and the bound on its values that follows.

use super::scale::{frobenius, norm_one};
use faer::MatRef;

/// The largest residual ratio that passes, LAPACK's own threshold.
pub const RATIO_LIMIT: f64 = 30.0;

/// Half a unit in the last place.
pub(super) const UNIT: f64 = f64::EPSILON / 2.0;

/// What was checked about a decomposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// ‖AV − VΛ‖₁/(‖A‖₁·N·2⁻⁵²); for values alone the trace and Frobenius identities on the same scale.
    pub residual_ratio: f64,
    /// ‖VᵀV − I‖₁/(N·2⁻⁵²); 0 for values alone.
    pub orthogonality_ratio: f64,
    /// Measured backward error ‖AV − VΛ‖_F (for values alone N·2⁻⁵²·σ_max, the customary size).
    pub backward_error: f64,
    /// Every eigenvalue of A, in order, lies within this of the computed one.
    pub value_error: f64,
    /// Which algorithm answered.
    pub algorithm: &'static str,
}

/// Norms of A, R = AV − VΛ, VᵀV − I and V, as computed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Norms {
    pub matrix_one: f64,
    pub matrix_frobenius: f64,
    pub residual_one: f64,
    pub residual_frobenius: f64,
    pub skew_one: f64,
    pub skew_frobenius: f64,
    pub vectors_frobenius: f64,
}

impl Norms {
    /// The norms of A and V, those of the residuals to be filled in.
    pub fn of(a: MatRef<'_, f64>, v: MatRef<'_, f64>) -> Self {
        Norms {
            matrix_one: norm_one(a),
            matrix_frobenius: frobenius(a),
            vectors_frobenius: frobenius(v),
            ..Norms::default()
        }
    }

    /// The certificate of sorted `values`.
    pub fn certificate(&self, values: &[f64], algorithm: &'static str) -> Certificate {
        let size = values.len() as f64;
        let gamma = (size + 2.0) * UNIT / (1.0 - (size + 2.0) * UNIT);
        let slack = 1.0 + size * size * UNIT;
        let residual = self.residual_frobenius * slack;
        let v_norm = self.vectors_frobenius * slack;
        let skew = self.skew_frobenius * slack + gamma * v_norm * v_norm;
        let sigma = values.first().map_or(0.0, |x| x.abs()).max(values.last().map_or(0.0, |x| x.abs()));
        let rounding = gamma * self.matrix_frobenius * slack * v_norm + 2.0 * UNIT * sigma * v_norm;
        let value_error = if skew < 1.0 { (residual + rounding) / (1.0 - skew).sqrt() } else { f64::INFINITY };
        // NaN must not pass for small; the largest column sum may have passed over one, the Frobenius norm has not.
        let ratio = |one: f64, frobenius: f64| if (one + frobenius).is_finite() { one } else { f64::INFINITY };
        Certificate {
            residual_ratio: ratio(self.residual_one / (self.matrix_one * size * f64::EPSILON), self.residual_frobenius),
            orthogonality_ratio: ratio(self.skew_one / (size * f64::EPSILON), self.skew_frobenius),
            backward_error: residual,
            value_error,
            algorithm,
        }
    }
}
