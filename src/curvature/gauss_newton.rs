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
use super::columns::Columns;
use super::lanes::{Linear, Part};
use super::prepared::{Precision, Prepared};
use crate::autodiff::{jvp, vjp};
use crate::error::{Error, Result};
use crate::graph::{NodeId, Program};
use crate::tensor::Real;
use faer::{Mat, MatMut, MatRef};

/// Jᵀ·H_out·J over a block.
pub struct GaussNewton<'p> {
    columns: Columns<'p>,
    hidden: NodeId,
}

impl<'p> GaussNewton<'p> {
    pub(super) fn new(prepared: &'p Prepared<'p>, block: &Block) -> Result<Self> {
        let Some(hidden) = prepared.network.output_gradient else {
            return Err(Error::input(
                "curvature::no_output",
                "--curvature ggn",
                "the graph computes its loss itself, so there is no output to linearise at",
                "export a graph that stops at the logits and name the loss in loss.json",
            ));
        };
        Ok(GaussNewton { columns: Columns::new(prepared, block, products), hidden })
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
    /// When an entry is not finite, or where H_out is not positive semidefinite.
    pub fn factor(&self) -> Result<Mat<f64>> {
        let prepared = self.columns.prepared();
        match prepared.precision {
            Precision::F64 => self.factor_in::<f64>(prepared),
            Precision::F32 => self.factor_in::<f32>(prepared),
        }
    }

    fn factor_in<T: Real>(&self, prepared: &Prepared<'_>) -> Result<Mat<f64>> {
        let leaves = &prepared.leaves;
        let network = &prepared.network;
        let block = self.columns.block();
        let mut program = network.lowered.program.clone();
        let output = network.lowered.output;
        let shape = program.shape(output).to_vec();
        let count = program.size(output);
        // one position's row of H_out for each class: tangents of the output gradient
        let classes = shape.last().copied().unwrap_or(1).max(1);
        let direction = program.tangent(&shape);
        let curved = jvp(&mut program, &[(output, direction)], &[self.hidden])[0];
        let own = |node| vec![Part { node, offset: 0, size: count }];
        let map = Linear::<T>::new(program.clone(), leaves, &own(Some(direction)), own(curved), prepared.threads);
        let mut curvature = Mat::<f64>::zeros(count, classes);
        map.each(
            curvature.as_mut(),
            prepared.threads,
            &|class, tangent| {
                for (i, t) in tangent.iter_mut().enumerate() {
                    *t = if i % classes == class { T::ONE } else { T::ZERO };
                }
            },
            &|_| {},
        )?;
        let roots = roots(&curvature, classes)?;

        let mut program = network.lowered.program.clone();
        let cotangent = program.tangent(&shape);
        let params: Vec<NodeId> = block.tensors.iter().map(|t| network.lowered.params[t.index]).collect();
        let rows = vjp(&mut program, &[(output, cotangent)], &params);
        let outputs =
            block.tensors.iter().zip(rows).map(|(t, node)| Part { node, offset: t.offset, size: t.size }).collect();
        let map = Linear::<T>::new(program, leaves, &own(Some(cotangent)), outputs, prepared.threads);
        let mut factor = Mat::<f64>::zeros(block.len, count);
        map.each(
            factor.as_mut(),
            prepared.threads,
            &|row, tangent| {
                tangent.fill(T::ZERO);
                let first = row / classes * classes;
                for c in 0..classes {
                    tangent[first + c] = T::of(roots[(first + c, row % classes)]);
                }
            },
            &|_| {},
        )?;
        Ok(factor)
    }
}

/// Position by position a root S of H_out = S·Sᵀ by the LDLᵀ of a positive semidefinite matrix without pivoting: a
/// column whose pivot vanishes (against the largest entry) is zero.
fn roots(curvature: &Mat<f64>, classes: usize) -> Result<Mat<f64>> {
    let mut roots = Mat::<f64>::zeros(curvature.nrows(), classes);
    for first in (0..curvature.nrows()).step_by(classes) {
        let mut a =
            Mat::from_fn(classes, classes, |i, j| 0.5 * (curvature[(first + i, j)] + curvature[(first + j, i)]));
        let top = (0..classes).map(|i| a[(i, i)].abs()).fold(0.0, f64::max);
        let floor = top * f64::EPSILON * 16.0 * classes as f64;
        for k in 0..classes {
            let pivot = a[(k, k)];
            if pivot < -floor {
                return Err(Error::input(
                    "curvature::indefinite_loss",
                    "loss",
                    format!("its Hessian at the outputs has the pivot {pivot}: the loss is not convex there"),
                    "use the matrix-free form",
                ));
            }
            if pivot <= floor {
                continue;
            }
            let root = pivot.sqrt();
            for i in k..classes {
                roots[(first + i, k)] = a[(i, k)] / root;
            }
            for j in k + 1..classes {
                for i in k + 1..classes {
                    a[(i, j)] -= roots[(first + i, k)] * roots[(first + j, k)];
                }
            }
        }
    }
    Ok(roots)
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
