//! The generalised Gauss-Newton matrix Jᵀ·H_out·J over a block.
//!
//! J is the Jacobian of the graph's output with respect to the parameters, H_out the Hessian of the loss with respect
//! to the output (Schraudolph 2002; Martens 2014, arXiv:1412.1193, §8). H_out is block diagonal over positions for the
//! losses here, so H_out = S·Sᵀ position by position, and the matrix is F·Fᵀ with F = Jᵀ·S:
//!
//! | loss | S at a position of weight w |
//! |---|---|
//! | cross-entropy | √w·(diag √p − p·√pᵀ), p = softmax(z) (S·Sᵀ = w·(diag p − p·pᵀ) because Σp = 1) |
//! | mse | √(2w) |
//! | bce with logits | √(w·σ(z)·σ(−z)) |

use super::SymmetricOperator;
use super::block::Block;
use super::columns::{Columns, Products};
use super::lanes::{Draft, Linear, Part, Plan, Source};
use super::prepared::{Precision, Prepared};
use crate::autodiff::{jvp, vjp};
use crate::error::{Error, Result};
use crate::graph::execute::Primal;
use crate::graph::{Func, NodeId, Program, Schedule};
use crate::snapshot::loss::LossKind;
use crate::tensor::Real;
use crate::tensor::softmax::softmax;
use faer::{Mat, MatMut, MatRef};

/// Jᵀ·H_out·J over a block.
pub struct GaussNewton<'p> {
    columns: Columns<'p>,
}

impl<'p> GaussNewton<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Result<Self> {
        if prepared.network.output_gradient.is_none() {
            return Err(Error::input(
                "curvature::no_output",
                "--curvature ggn",
                "the graph computes its loss itself, so there is no output to linearise at",
                "export a graph that stops at the logits and name the loss in loss.json",
            ));
        }
        Ok(GaussNewton { columns: Columns::new(prepared, block, Products::Of(products)) })
    }

    /// Floating-point operations of one product with a vector.
    pub fn product_flops(&self) -> u64 {
        self.columns.flops()
    }

    /// Largest possible rank: the number of output elements.
    pub fn rank_bound(&self) -> usize {
        let network = &self.columns.prepared().network;
        network.lowered.program.size(network.lowered.output)
    }

    /// The whole matrix, exactly symmetric; `progress` is told the work done and the whole work.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn to_dense_with(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Mat<f64>> {
        self.columns.to_dense(progress)
    }

    /// F (dim × output elements): the matrix is F·Fᵀ. Worth its memory where [`GaussNewton::rank_bound`] is below the
    /// dimension.
    ///
    /// # Errors
    /// When an entry is not finite.
    pub fn factor(&self) -> Result<Mat<f64>> {
        let prepared = self.columns.prepared();
        match prepared.precision {
            Precision::F64 => self.factor_in::<f64>(prepared),
            Precision::F32 => self.factor_in::<f32>(prepared),
        }
    }

    fn factor_in<T: Real>(&self, prepared: &Prepared<'_>) -> Result<Mat<f64>> {
        let network = &prepared.network;
        let block = self.columns.block();
        let mut program = network.lowered.program.clone();
        let output = network.lowered.output;
        let shape = program.shape(output).to_vec();
        let count = program.size(output);
        let classes = match network.loss.kind {
            LossKind::CrossEntropy => shape.last().copied().unwrap_or(1).max(1),
            LossKind::Mse | LossKind::BceWithLogits | LossKind::Output => 1,
        };
        let roots = roots(prepared, classes);
        let cotangent = program.tangent(&shape);
        let params: Vec<NodeId> = block.tensors.iter().map(|t| network.lowered.params[t.index]).collect();
        let rows = vjp(&mut program, &[(output, cotangent)], &params);
        let parts = block.tensors.iter().zip(rows);
        let outputs = parts.map(|(t, node)| Part { node, offset: t.offset, size: t.size }).collect();
        let inputs = vec![Part { node: Some(cotangent), offset: 0, size: count }];
        let plans = Plan::each(vec![Draft { program, inputs, outputs }]).into_iter();
        let sources = plans.map(|plan| Source { plan, leaves: prepared.leaves.clone() }).collect();
        let map = Linear::<T>::new(sources, prepared.threads);
        let mut factor = Mat::<f64>::zeros(block.len, count);
        let fill = |row: usize, tangent: &mut [T]| {
            tangent.fill(T::ZERO);
            let first = row / classes * classes;
            for c in 0..classes {
                tangent[first + c] = T::of(roots[(first + c) * classes + row % classes]);
            }
        };
        map.each(factor.as_mut(), prepared.threads, &fill)?;
        Ok(factor)
    }
}

/// S position by position: row `position·classes + c` holds S\[c, ·\].
fn roots(prepared: &Prepared<'_>, classes: usize) -> Vec<f64> {
    let network = &prepared.network;
    let schedule = Schedule::new(network.program(), &[network.lowered.output]);
    let mut primal = Primal::new(&schedule, prepared.leaves.clone());
    prepared.threads.run(|| primal.run(&schedule, prepared.threads.faer()));
    let z = primal.output(&schedule, 0);
    let weights = &network.lowered.weights;
    match network.loss.kind {
        LossKind::CrossEntropy => {
            let mut p = vec![0.0; z.len()];
            softmax(&mut p, z, classes);
            let mut roots = Vec::with_capacity(z.len() * classes);
            for (p, w) in p.chunks_exact(classes).zip(weights) {
                for i in 0..classes {
                    let row = (0..classes).map(|j| w.sqrt() * p[j].sqrt() * (f64::from(i == j) - p[i]));
                    roots.extend(row);
                }
            }
            roots
        }
        LossKind::Mse => weights.iter().map(|w| (2.0 * w).sqrt()).collect(),
        LossKind::BceWithLogits => {
            let curvature = |z: f64| Func::Sigmoid.eval(z) * Func::Sigmoid.eval(-z);
            z.iter().zip(weights).map(|(&z, w)| (w * curvature(z)).sqrt()).collect()
        }
        LossKind::Output => Vec::new(),
    }
}

/// Rows of Jᵀ·H_out·J·v: tangents of the output, through the loss's gradient at the output, back to the parameters.
fn products(
    prepared: &Prepared<'_>,
    program: &mut Program,
    seeds: &[(NodeId, NodeId)],
    rows: &[usize],
) -> Vec<Option<NodeId>> {
    let network = &prepared.network;
    let none = vec![None; rows.len()];
    let Some(hidden) = network.output_gradient else { return none };
    let output = network.lowered.output;
    let Some(forward) = jvp(program, seeds, &[output])[0] else { return none };
    let Some(curved) = jvp(program, &[(output, forward)], &[hidden])[0] else { return none };
    let params: Vec<NodeId> = rows.iter().map(|&i| network.lowered.params[i]).collect();
    vjp(program, &[(output, curved)], &params)
}

impl SymmetricOperator for GaussNewton<'_> {
    fn dim(&self) -> usize {
        self.columns.dim()
    }

    fn apply_many(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) -> Result<()> {
        self.columns.apply_many(x, y)
    }

    fn to_dense(&self) -> Result<Mat<f64>> {
        self.to_dense_with(&|_, _| {})
    }

    fn low_rank(&self) -> Result<Option<Mat<f64>>> {
        if self.rank_bound() < self.dim() { self.factor().map(Some) } else { Ok(None) }
    }
}
