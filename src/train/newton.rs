//! Newton and Q-Newton: curvature blocks assembled at the weights of the step, pruned, damped, solved; clipping and line
//! search on the direction of all blocks together.

pub mod matrix;
pub mod solve;

use super::config::{Clip, NewtonRule};
use super::observer::{BlockSolve, Observer, SolveRecord};
use crate::curvature::{Block, Prepared};
use crate::error::Result;
use crate::parallel::Threads;
use crate::spectrum::scale::{dot, norm};
use matrix::Matrix;
use solve::{Solved, solve};

/// Armijo's fraction of the predicted decrease (Nocedal and Wright, Numerical Optimization, §3.1).
const ARMIJO: f64 = 1e-4;
/// Halvings before a line search stays where it is.
const HALVINGS: u32 = 30;

/// The direction over all parameters, blocks in state_dict order.
pub(super) struct Direction {
    pub p: Vec<f64>,
    pub solves: Vec<SolveRecord>,
}

/// Solves every block at the parameters of `prepared`.
pub(super) fn direction(
    prepared: &Prepared<'_>,
    rule: &NewtonRule,
    step: u64,
    limit: Option<u64>,
    threads: &Threads,
    observer: &mut dyn Observer,
) -> Result<Direction> {
    let network = prepared.network();
    let mut starts = Vec::new();
    let mut total = 0usize;
    for (_, shape) in network.params() {
        starts.push(total);
        total += shape.iter().product::<usize>();
    }
    let mut p = vec![0.0; total];
    let mut solves = Vec::new();
    for block in network.blocks(&rule.scope)? {
        let gradient = prepared.block_gradient(&block);
        let matrix = Matrix::new(prepared, &block, rule, limit)?;
        let place = format!("step {step}, block `{}` (N = {})", block.name, block.len);
        let objective = || prepared.objective(&block);
        let Solved { direction, lambda, method } = solve(&matrix, &gradient, rule, &objective, threads, &place)?;
        let solve = BlockSolve {
            step,
            block: &block,
            n: block.len,
            gradient: &gradient,
            direction: &direction,
            lambda,
            rule,
            method,
            matrix: &matrix,
            prepared,
            threads,
        };
        observer.solved(&solve)?;
        solves.push(solve.record());
        place_direction(&block, &starts, &direction, &mut p);
    }
    clip(&mut p, rule.clip);
    Ok(Direction { p, solves })
}

fn place_direction(block: &Block, starts: &[usize], direction: &[f64], p: &mut [f64]) {
    for t in &block.tensors {
        let start = starts[t.index];
        p[start..start + t.size].copy_from_slice(&direction[t.offset..t.offset + t.size]);
    }
}

fn clip(p: &mut [f64], clip: Clip) {
    match clip {
        Clip::None => {}
        Clip::Element(c) => p.iter_mut().for_each(|x| *x = x.clamp(-c, c)),
        Clip::Norm(c) => {
            let length = norm(p);
            if length > c {
                p.iter_mut().for_each(|x| *x *= c / length);
            }
        }
    }
}

/// What a line search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Length {
    /// η; 0 where no length makes the loss fall.
    pub eta: f64,
    /// −g took the place of a direction that does not descend.
    pub gradient_instead: bool,
}

/// Halves η from `first` until Armijo's condition holds; `p` becomes −g where it does not descend.
pub(super) fn backtrack(
    p: &mut [f64],
    gradient: &[f64],
    loss: f64,
    first: f64,
    mut loss_along: impl FnMut(&[f64], f64) -> f64,
) -> Length {
    let mut slope = dot(gradient, p);
    let gradient_instead = !(slope < 0.0 && slope.is_finite());
    if gradient_instead {
        p.iter_mut().zip(gradient).for_each(|(p, g)| *p = -g);
        slope = -dot(gradient, gradient);
    }
    let mut eta = first;
    for _ in 0..=HALVINGS {
        if loss_along(p, eta) <= loss + ARMIJO * eta * slope {
            return Length { eta, gradient_instead };
        }
        eta /= 2.0;
    }
    Length { eta: 0.0, gradient_instead }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_cut_elements_or_the_norm() {
        let mut p = vec![3.0, -4.0];
        clip(&mut p, Clip::Element(3.5));
        assert_eq!(p, [3.0, -3.5]);
        let mut p = vec![3.0, -4.0];
        clip(&mut p, Clip::Norm(1.0));
        assert!((p[0] - 0.6).abs() < 1e-15 && (p[1] + 0.8).abs() < 1e-15);
        clip(&mut p, Clip::Norm(2.0));
        assert!((norm(&p) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn backtracking_ends_at_armijos_condition_and_replaces_ascent() {
        // L(x) = x²/2 at x = 1, p = −16: the first η with (1 − 16η)²/2 ≤ ½ − 1.6e-3·η is 1/16
        let along = |p: &[f64], eta: f64| (1.0 + eta * p[0]).powi(2) / 2.0;
        let mut p = vec![-16.0];
        assert_eq!(backtrack(&mut p, &[1.0], 0.5, 1.0, along), Length { eta: 0.0625, gradient_instead: false });
        let mut p = vec![2.0];
        assert_eq!(backtrack(&mut p, &[1.0], 0.5, 1.0, along), Length { eta: 1.0, gradient_instead: true });
        assert_eq!(p, [-1.0]);
        let mut p = vec![-1.0];
        assert_eq!(backtrack(&mut p, &[1.0], 0.5, 1.0, |_, _| f64::NAN).eta, 0.0);
    }
}
