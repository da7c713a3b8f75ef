//! How far a gated number may move: relative, absolute and ulp tolerances by quantity, from a TOML file.
//!
//! ```toml
//! relative = 1e-6              # for every row, unless a rule says otherwise
//!
//! [[rule]]                     # the last rule that matches a row wins
//! quantity = "seconds"
//! model = "cg*"                # `*` stands for any characters
//! relative = 1e-3
//! ```

use serde::Deserialize;

use super::table::TableRow;
use crate::error::{Error, Result};

/// The default relative tolerance of the contract.
pub const DEFAULT_RELATIVE: f64 = 1e-6;

/// How far one number may move; a difference within any of the three passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// |new − old| / max(|old|, |new|).
    pub relative: f64,
    /// |new − old|, in the row's unit.
    pub absolute: f64,
    /// Representable numbers between old and new.
    pub ulp: u64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance { relative: DEFAULT_RELATIVE, absolute: 0.0, ulp: 0 }
    }
}

impl Tolerance {
    /// Whether `old → new` is within the tolerance.
    pub fn accepts(&self, old: f64, new: f64) -> bool {
        if old == new {
            return true;
        }
        let difference = (new - old).abs();
        difference <= self.absolute
            || difference <= self.relative * old.abs().max(new.abs())
            || ulp_distance(old, new) <= self.ulp
    }
}

/// Number of representable steps from `a` to `b`.
pub fn ulp_distance(a: f64, b: f64) -> u64 {
    // Maps the sign-magnitude bits to a monotone integer line.
    let line = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
    };
    line(a).abs_diff(line(b))
}

/// The tolerances in force.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerances {
    relative: Option<f64>,
    absolute: Option<f64>,
    ulp: Option<u64>,
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    key: Option<String>,
    model: Option<String>,
    scenario: Option<String>,
    hardware: Option<String>,
    quantity: Option<String>,
    relative: Option<f64>,
    absolute: Option<f64>,
    ulp: Option<u64>,
}

impl Tolerances {
    /// Reads a TOML file's text; `place` names it in errors.
    ///
    /// # Errors
    /// Bad TOML, an unknown key, a negative or non-finite tolerance, a rule that names nothing: exit 2.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        let tolerances: Tolerances = toml::from_str(text).map_err(|e| {
            Error::usage("regress::tolerances", place, e.to_string().trim(), "see `breakeven check --help`")
        })?;
        let bad = |x: Option<f64>| x.is_some_and(|x| !x.is_finite() || x < 0.0);
        for (i, rule) in tolerances.rule.iter().enumerate() {
            let at = format!("{place}, rule {}", i + 1);
            if bad(rule.relative) || bad(rule.absolute) {
                return Err(Error::usage(
                    "regress::tolerances",
                    at,
                    "a tolerance is negative or not finite",
                    "give 0 or more",
                ));
            }
            let names = [&rule.key, &rule.model, &rule.scenario, &rule.hardware, &rule.quantity];
            if names.iter().all(|n| n.is_none()) {
                let remedy = "name a key, model, scenario, hardware or quantity, or set the tolerance at the top";
                return Err(Error::usage("regress::tolerances", at, "the rule matches every row", remedy));
            }
        }
        if bad(tolerances.relative) || bad(tolerances.absolute) {
            return Err(Error::usage(
                "regress::tolerances",
                place,
                "a tolerance is negative or not finite",
                "give 0 or more",
            ));
        }
        Ok(tolerances)
    }

    /// One relative tolerance for every row.
    pub fn relative(relative: f64) -> Self {
        Tolerances { relative: Some(relative), ..Tolerances::default() }
    }

    /// The tolerance of a row.
    pub fn of(&self, row: &TableRow) -> Tolerance {
        let mut tolerance = Tolerance {
            relative: self.relative.unwrap_or(DEFAULT_RELATIVE),
            absolute: self.absolute.unwrap_or(0.0),
            ulp: self.ulp.unwrap_or(0),
        };
        for rule in self.rule.iter().filter(|rule| rule.matches(row)) {
            tolerance.relative = rule.relative.unwrap_or(tolerance.relative);
            tolerance.absolute = rule.absolute.unwrap_or(tolerance.absolute);
            tolerance.ulp = rule.ulp.unwrap_or(tolerance.ulp);
        }
        tolerance
    }
}

impl Rule {
    fn matches(&self, row: &TableRow) -> bool {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|p| glob(p, text));
        fits(&self.key, &row.key)
            && fits(&self.model, &row.model)
            && fits(&self.scenario, &row.scenario)
            && fits(&self.hardware, row.hardware.as_deref().unwrap_or("-"))
            && fits(&self.quantity, &row.quantity)
    }
}

/// `*` matches any run of characters, everything else itself.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut tail = None;
    for part in parts {
        if let Some(middle) = tail.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = rest.get(at + middle.len()..).unwrap_or_default(),
                None => return false,
            }
        }
    }
    match tail {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}
