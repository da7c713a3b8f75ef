//! What is asked of a training: optimiser, steps, precision, memory.

use std::fmt;
use std::str::FromStr;

use crate::curvature::damping::DampingRule;
use crate::curvature::pruning::PruneRule;
use crate::curvature::{Precision, Scope};
use crate::error::{Error, Result};

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The update rule.
    pub optimizer: Optimizer,
    /// Number of updates.
    pub steps: u64,
    /// Decides initial parameters, shuffles and masks.
    pub seed: u64,
    /// f32: parameters are rounded to single precision after every update, losses, gradients, Hessians and direct solves
    /// are computed in it.
    pub precision: Precision,
    /// A snapshot is written at step 0, at every multiple of this, and at the end.
    pub snapshot_every: u64,
    /// Bytes that the matrices of one block may take; `None`: no limit.
    pub max_memory: Option<u64>,
}

impl Config {
    /// Double precision, seed 0, ten snapshots, no memory limit.
    pub fn new(optimizer: Optimizer, steps: u64) -> Self {
        let snapshot_every = (steps / 10).max(1);
        Config { optimizer, steps, seed: 0, precision: Precision::F64, snapshot_every, max_memory: None }
    }

    /// Refuses what cannot be trained with.
    ///
    /// # Errors
    /// A usage error that names the option.
    pub fn check(&self) -> Result<()> {
        let refuse = |option: &str, what: String, remedy: &str| {
            Err(Error::usage("train::option", option.to_owned(), what, remedy.to_owned()))
        };
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if self.snapshot_every == 0 {
            return refuse("--snapshot-every 0", "there is no step between snapshots".into(), "give at least 1");
        }
        match &self.optimizer {
            Optimizer::Sgd { lr, momentum } => {
                if !positive(*lr) {
                    return refuse("--lr", format!("{lr} is not a positive number"), "try 0.1");
                }
                if !(0.0..1.0).contains(momentum) {
                    return refuse("--momentum", format!("{momentum} lies outside [0, 1)"), "try 0.9");
                }
            }
            Optimizer::Adam { lr, beta1, beta2, epsilon } => {
                if !positive(*lr) {
                    return refuse("--lr", format!("{lr} is not a positive number"), "try 1e-3");
                }
                if !(0.0..1.0).contains(beta1) || !(0.0..1.0).contains(beta2) || !positive(*epsilon) {
                    let what = format!("β₁ = {beta1}, β₂ = {beta2}, ε = {epsilon}");
                    return refuse("--optimizer adam", what, "β must lie in [0, 1) and ε above 0");
                }
            }
            Optimizer::Newton(rule) => {
                if !positive(rule.lr) {
                    return refuse("--lr", format!("{} is not a positive number", rule.lr), "try 1");
                }
                if !(rule.damping_floor.is_finite() && rule.damping_floor >= 0.0) {
                    let what = format!("{} is not a number of at least 0", rule.damping_floor);
                    return refuse("--damping-floor", what, "try 1e-6");
                }
                if let PruneRule::Ratio(r) = rule.prune
                    && !(r > 0.0 && r <= 1.0)
                {
                    return refuse("--keep", format!("the ratio {r} lies outside (0, 1]"), "1 keeps every entry");
                }
                if matches!(rule.scope, Scope::Layer(_)) {
                    let what = "one layer alone cannot be trained".to_owned();
                    return refuse("--scope", what, "give full, layers or module");
                }
            }
        }
        Ok(())
    }
}

/// An update rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Optimizer {
    /// v ← μ·v + g, θ ← θ − η·v (PyTorch's form: the first v is g).
    Sgd {
        /// η.
        lr: f64,
        /// μ.
        momentum: f64,
    },
    /// Kingma and Ba, arXiv:1412.6980, Algorithm 1; ε is added to √v̂.
    Adam {
        /// η.
        lr: f64,
        /// Decay of the mean of the gradients.
        beta1: f64,
        /// Decay of the mean of their squares.
        beta2: f64,
        /// ε.
        epsilon: f64,
    },
    /// θ ← θ + η·p with p = −A⁻¹g block by block, A made of a curvature matrix by pruning and damping.
    Newton(NewtonRule),
}

impl Optimizer {
    /// Plain gradient descent.
    pub fn sgd(lr: f64) -> Self {
        Optimizer::Sgd { lr, momentum: 0.0 }
    }

    /// Adam with β = (0.9, 0.999), ε = 1e-8.
    pub fn adam(lr: f64) -> Self {
        Optimizer::Adam { lr, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }

    /// The name after `--optimizer`; snapshots are called `NAME_0000`.
    pub fn name(&self) -> &'static str {
        match self {
            Optimizer::Sgd { .. } => "sgd",
            Optimizer::Adam { .. } => "adam",
            Optimizer::Newton(NewtonRule { name: NewtonName::Newton, .. }) => "newton",
            Optimizer::Newton(NewtonRule { name: NewtonName::QNewton, .. }) => "q-newton",
        }
    }
}

/// Which of the two second-order methods; they differ in their defaults alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewtonName {
    /// Classical Newton: one block of all parameters.
    Newton,
    /// Q-Newton (arXiv:2405.00252): a block for each tensor, λ = 5e-3·max|h_ij|.
    QNewton,
}

/// Which curvature matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurvatureKind {
    /// The exact Hessian.
    Hessian,
    /// The generalised Gauss-Newton matrix.
    GaussNewton,
    /// The empirical Fisher matrix: what Q-Newton's code takes for large models.
    EmpiricalFisher,
}

impl CurvatureKind {
    /// H, GGN or EF.
    pub fn symbol(self) -> &'static str {
        match self {
            CurvatureKind::Hessian => "H",
            CurvatureKind::GaussNewton => "GGN",
            CurvatureKind::EmpiricalFisher => "EF",
        }
    }
}

impl fmt::Display for CurvatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CurvatureKind::Hessian => "hessian",
            CurvatureKind::GaussNewton => "ggn",
            CurvatureKind::EmpiricalFisher => "empirical-fisher",
        })
    }
}

/// What keeps a direction p from being too long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clip {
    /// Nothing.
    None,
    /// Every element is cut to [−c, c].
    Element(f64),
    /// p is scaled so that ‖p‖₂ ≤ c.
    Norm(f64),
}

impl FromStr for Clip {
    type Err = Error;

    /// `none`, a number (elements), `norm:C`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::usage("train::clip", format!("--clip {text}"), "not a bound", "use none, 100 or norm:10");
        let number = |text: &str| text.parse::<f64>().ok().filter(|c| c.is_finite() && *c > 0.0).ok_or_else(wrong);
        match text.split_once(':') {
            None if text == "none" => Ok(Clip::None),
            None => number(text).map(Clip::Element),
            Some(("norm", c)) => number(c).map(Clip::Norm),
            Some(_) => Err(wrong()),
        }
    }
}

impl fmt::Display for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clip::None => write!(f, "none"),
            Clip::Element(c) => write!(f, "{c}"),
            Clip::Norm(c) => write!(f, "norm:{c}"),
        }
    }
}

/// A second-order update.
#[derive(Debug, Clone, PartialEq)]
pub struct NewtonRule {
    /// Names the snapshots.
    pub name: NewtonName,
    /// Length of the step along p; with a line search the first length that is tried.
    pub lr: f64,
    /// The matrix.
    pub curvature: CurvatureKind,
    /// Its blocks: full, layers (one for each tensor) or module.
    pub scope: Scope,
    /// From the pruned matrix to the solved one.
    pub damping: DampingRule,
    /// Relative rules take λ = F·(max|a_ij| + floor), as Q-Newton's code does, so that a block of zeros stays solvable.
    pub damping_floor: f64,
    /// Which entries are kept, symmetrically; Q-Newton's ratio r is [`PruneRule::Ratio`].
    pub prune: PruneRule,
    /// Applied to p.
    pub clip: Clip,
    /// Backtracking to Armijo's condition L(θ + ηp) ≤ L(θ) + 10⁻⁴·η·gᵀp; where p does not descend, −g takes its place.
    pub line_search: bool,
}

impl NewtonRule {
    /// Q-Newton's settings, with a line search.
    pub fn q_newton() -> Self {
        NewtonRule {
            name: NewtonName::QNewton,
            lr: 1.0,
            curvature: CurvatureKind::Hessian,
            scope: Scope::Layers,
            damping: DampingRule::PAPER,
            damping_floor: 1e-6,
            prune: PruneRule::None,
            clip: Clip::None,
            line_search: true,
        }
    }

    /// Classical Newton on all parameters together, damped like Q-Newton.
    pub fn newton() -> Self {
        NewtonRule { name: NewtonName::Newton, scope: Scope::Full, ..Self::q_newton() }
    }

    /// Whether λ follows the size of the matrix.
    pub fn is_relative(&self) -> bool {
        !matches!(self.damping, DampingRule::None | DampingRule::Absolute(_))
    }

    /// λ for a matrix whose largest absolute entry is `max_abs`.
    pub fn lambda(&self, max_abs: f64) -> f64 {
        let floor = if self.is_relative() { self.damping_floor } else { 0.0 };
        self.damping.lambda(max_abs + floor)
    }
}
