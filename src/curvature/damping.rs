//! Damping rules: what is added to a curvature matrix before it is solved.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// How a curvature matrix becomes the solved one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DampingRule {
    /// H as it is.
    None,
    /// H + λI with λ given, in the units of the matrix.
    Absolute(f64),
    /// H + λI with λ = F·max|a_ij| of the matrix being damped (Q-Newton's rule, F = 5e-3).
    Relative(f64),
    /// |H| + λI with λ = F·max|a_ij|, |H| = V|Λ|Vᵀ (saddle-free Newton, Dauphin et al., arXiv:1406.2572).
    SaddleFree(f64),
    /// H + λI with the least λ = F·max|a_ij|·10ᵏ, k ≥ 0, that makes H + λI positive definite and, where a loss can
    /// be evaluated, the gain ratio actual/predicted at least 1/4 (Levenberg-Marquardt; Nocedal and Wright, ch. 4).
    LevenbergMarquardt(f64),
}

impl DampingRule {
    /// The paper's default, `relative:5e-3`.
    pub const PAPER: DampingRule = DampingRule::Relative(5e-3);

    /// λ for a matrix whose largest absolute entry is `max_abs` (for Levenberg-Marquardt the first one tried).
    pub fn lambda(&self, max_abs: f64) -> f64 {
        match *self {
            DampingRule::None => 0.0,
            DampingRule::Absolute(lambda) => lambda,
            DampingRule::Relative(f) | DampingRule::SaddleFree(f) | DampingRule::LevenbergMarquardt(f) => f * max_abs,
        }
    }
}

impl fmt::Display for DampingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DampingRule::None => write!(f, "none"),
            DampingRule::Absolute(_) => write!(f, "absolute"),
            DampingRule::Relative(x) => write!(f, "relative:{}", short(*x)),
            DampingRule::SaddleFree(x) => write!(f, "saddle-free:{}", short(*x)),
            DampingRule::LevenbergMarquardt(x) => write!(f, "levenberg-marquardt:{}", short(*x)),
        }
    }
}

/// The shorter of the plain and the exponent form; both read back to the same number.
fn short(x: f64) -> String {
    let (plain, exponent) = (format!("{x}"), format!("{x:e}"));
    if plain.len() < exponent.len() { plain } else { exponent }
}

impl FromStr for DampingRule {
    type Err = Error;

    /// `none`, a number (absolute λ ≥ 0), `relative:F`, `saddle-free:F`, `levenberg-marquardt[:F]`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::usage(
                "damping::rule",
                format!("--damping {text}"),
                what,
                "use none, a number, relative:5e-3, saddle-free:5e-3 or levenberg-marquardt:5e-3",
            )
        };
        let number = |text: &str| -> Result<f64> {
            match text.parse::<f64>() {
                Ok(x) if x.is_finite() && x >= 0.0 => Ok(x),
                Ok(_) => Err(wrong("the number must be finite and not negative")),
                Err(_) => Err(wrong("not a damping rule")),
            }
        };
        match text.split_once(':') {
            None if text == "none" => Ok(DampingRule::None),
            None if text == "levenberg-marquardt" => Ok(DampingRule::LevenbergMarquardt(1e-3)),
            None => number(text).map(DampingRule::Absolute),
            Some(("relative", f)) => number(f).map(DampingRule::Relative),
            Some(("saddle-free", f)) => number(f).map(DampingRule::SaddleFree),
            Some(("levenberg-marquardt", f)) => {
                { number(f).and_then(|f| if f > 0.0 { Ok(f) } else { Err(wrong("the first λ must be positive")) }) }
                    .map(DampingRule::LevenbergMarquardt)
            }
            Some(_) => Err(wrong("not a damping rule")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_and_print() {
        for (text, rule) in [
            ("none", DampingRule::None),
            ("1e-4", DampingRule::Absolute(1e-4)),
            ("0", DampingRule::Absolute(0.0)),
            ("relative:5e-3", DampingRule::Relative(5e-3)),
            ("saddle-free:0.1", DampingRule::SaddleFree(0.1)),
            ("levenberg-marquardt", DampingRule::LevenbergMarquardt(1e-3)),
            ("levenberg-marquardt:2", DampingRule::LevenbergMarquardt(2.0)),
        ] {
            assert_eq!(text.parse::<DampingRule>().unwrap(), rule);
        }
        assert_eq!(DampingRule::Relative(5e-3).to_string(), "relative:5e-3");
        assert_eq!(DampingRule::Absolute(1e-4).to_string(), "absolute");
        for rule in [DampingRule::Relative(0.1), DampingRule::SaddleFree(1e-12), DampingRule::LevenbergMarquardt(3.0)] {
            assert_eq!(rule.to_string().parse::<DampingRule>().unwrap(), rule);
        }
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for text in ["", "rel", "relative:", "relative:-1", "relative:nan", "inf", "-1", "x:1", "levenberg-marquardt:0"]
        {
            let error = text.parse::<DampingRule>().unwrap_err();
            assert_eq!(error.class.exit_code(), 2, "{text}");
        }
    }
}
