//! The curvature matrix of a block, and how it is held: all N² entries, a factor of low rank, or products alone.

use super::plan::{Curvature, Plan, PruneRule};
use crate::curvature::{Block, Checkpoint, Network, Prepared, SymmetricOperator};
use crate::error::{Error, Result};
use crate::measure::Companion;
use faer::Mat;

/// A factor is used when its rank is below N by this factor: N² is then the larger part of the memory and time.
const LOW_RANK: usize = 8;

/// How the matrix of a case is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// All N² entries.
    Dense,
    /// C = FFᵀ by F, N × rank: never N² numbers.
    Factored {
        /// Columns of F.
        rank: usize,
    },
    /// Products with vectors.
    Products,
}

/// The route of a block under a plan.
pub fn route(plan: &Plan, network: &Network, n: usize) -> Route {
    let rank = match plan.curvature {
        Curvature::Hessian => None,
        Curvature::Ggn => network.outputs(),
        Curvature::EmpiricalFisher => network.samples(),
    };
    let stored = plan.export_hessian.is_some() || plan.reuse_hessian.is_some();
    match rank {
        Some(rank) if rank.saturating_mul(LOW_RANK) <= n && plan.prune == PruneRule::None && !stored => {
            Route::Factored { rank }
        }
        // The Fisher matrix is its factor.
        Some(rank) if plan.matrix_free && rank < n => Route::Factored { rank },
        _ if plan.matrix_free && plan.curvature != Curvature::EmpiricalFisher => Route::Products,
        _ => Route::Dense,
    }
}

/// The matrix of a case and the other curvatures of the same loss.
pub struct Parts {
    /// All entries; empty when `factor` is there.
    pub matrix: Mat<f64>,
    /// F with C = FFᵀ.
    pub factor: Option<Mat<f64>>,
    /// The Gauss-Newton matrix beside a Hessian.
    pub ggn: Option<Companion>,
    /// The empirical Fisher matrix beside a Hessian.
    pub empirical_fisher: Option<Companion>,
    /// Rank by construction.
    pub low_rank: Option<usize>,
    /// Operations of one product with a vector.
    pub product_flops: f64,
}

/// What to compute.
pub struct Wanted<'a> {
    /// Which matrix.
    pub kind: Curvature,
    /// How it is held; not [`Route::Products`].
    pub route: Route,
    /// The other curvatures too.
    pub companions: bool,
    /// The matrix as it was stored before.
    pub stored: Option<Mat<f64>>,
    /// Where an unfinished Hessian is kept.
    pub kept: Option<&'a Checkpoint<'a>>,
    /// Told the fraction done.
    pub tell: &'a (dyn Fn(f64) + Sync),
}

/// Computes the matrix of a block.
///
/// # Errors
/// Whatever differentiating meets.
pub fn curvatures(prepared: &Prepared<'_>, block: &Block, wanted: Wanted<'_>) -> Result<Parts> {
    let tell = wanted.tell;
    let part = |from: f64, width: f64| move |done: u64, all: u64| tell(from + width * done as f64 / all.max(1) as f64);
    let n = block.len;
    let alone = |matrix, factor, low_rank, product_flops| Parts {
        matrix,
        factor,
        ggn: None,
        empirical_fisher: None,
        low_rank,
        product_flops,
    };
    match wanted.kind {
        Curvature::Hessian => {
            let hessian = prepared.hessian(block);
            let matrix = match wanted.stored {
                Some(matrix) => matrix,
                None => hessian.to_dense_with(wanted.kept, &part(0.0, 0.5))?,
            };
            let mut parts = alone(matrix, None, None, hessian.product_flops() as f64);
            if wanted.companions {
                // A graph that computes its own loss has neither outputs to linearise at nor samples.
                parts.ggn = match prepared.gauss_newton(block) {
                    Ok(ggn) if ggn.rank_bound() < n => Some(Companion::Factor(ggn.factor()?)),
                    Ok(ggn) => Some(Companion::Dense(ggn.to_dense_with(&part(0.5, 0.5))?)),
                    Err(_) => None,
                };
                let fisher = prepared.empirical_fisher(block).ok();
                parts.empirical_fisher = fisher.map(|f| Companion::Factor(f.factor().to_owned()));
            }
            Ok(parts)
        }
        Curvature::Ggn => {
            let ggn = prepared.gauss_newton(block)?;
            let low_rank = (ggn.rank_bound() < n).then(|| ggn.rank_bound());
            let flops = ggn.product_flops() as f64;
            Ok(match (wanted.stored, wanted.route) {
                (Some(matrix), _) => alone(matrix, None, low_rank, flops),
                (None, Route::Factored { .. }) => alone(Mat::new(), Some(ggn.factor()?), low_rank, flops),
                (None, _) => alone(ggn.to_dense_with(&part(0.0, 1.0))?, None, low_rank, flops),
            })
        }
        Curvature::EmpiricalFisher => {
            let fisher = prepared.empirical_fisher(block)?;
            let rank = fisher.rank_bound();
            // Two products with the N × rank factor.
            let flops = 4.0 * n as f64 * rank as f64;
            let low_rank = (rank < n).then_some(rank);
            Ok(match (wanted.stored, wanted.route) {
                (Some(matrix), _) => alone(matrix, None, low_rank, flops),
                (None, Route::Factored { .. }) => alone(Mat::new(), Some(fisher.factor().to_owned()), low_rank, flops),
                (None, _) => alone(fisher.to_dense()?, None, low_rank, flops),
            })
        }
    }
}

/// The operator behind a case that is measured by products, and the operations of one product.
///
/// # Errors
/// For the empirical Fisher matrix, which is measured by its factor; whatever differentiating meets.
pub fn operator<'p>(
    prepared: &'p Prepared<'p>,
    block: &Block,
    kind: Curvature,
) -> Result<(Box<dyn SymmetricOperator + 'p>, f64)> {
    match kind {
        Curvature::Hessian => {
            let hessian = prepared.hessian(block);
            let flops = hessian.product_flops() as f64;
            Ok((Box::new(hessian), flops))
        }
        Curvature::Ggn => {
            let ggn = prepared.gauss_newton(block)?;
            let flops = ggn.product_flops() as f64;
            Ok((Box::new(ggn), flops))
        }
        Curvature::EmpiricalFisher => Err(Error::usage(
            "pipeline::products",
            "--matrix-free",
            "the empirical Fisher matrix of this block has as many samples as rows",
            "leave --matrix-free out",
        )),
    }
}
