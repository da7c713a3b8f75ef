//! A cost as a function of one variable, the others fixed or following it.

use crate::catalog::{KappaConvention, Model, Point, Quantity};
use crate::expr::{Condition, Expr, Interval, Truth};
use std::collections::BTreeMap;

/// How other variables follow the one that is solved for, such as `nnz` when `n` changes.
pub type Coupling = BTreeMap<String, Expr>;

/// A quantity of a model along one variable.
#[derive(Debug, Clone)]
pub struct Curve {
    expr: Expr,
    variable: String,
    fixed: BTreeMap<String, f64>,
    coupled: BTreeMap<String, Expr>,
    rules: Vec<(Condition, String)>,
    effective: bool,
    /// Why it has no value anywhere.
    nowhere: Option<String>,
    /// Defaults that were taken, in words.
    pub assumptions: Vec<String>,
}

/// What a curve is over an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Over {
    /// It has a value everywhere in the interval, contained in this one.
    Value(Interval),
    /// It has no value anywhere in the interval.
    Outside,
    /// Not decided at this width.
    Unknown,
}

impl Curve {
    /// A quantity along `variable`; the other variables come from `point`, `coupling` or the model's defaults.
    pub fn new(model: &Model, quantity: &Quantity, point: &Point, variable: &str, coupling: &Coupling) -> Curve {
        let mut fixed = BTreeMap::new();
        let mut coupled: BTreeMap<String, Expr> = BTreeMap::new();
        let mut assumptions = Vec::new();
        let moves = |e: &Expr, coupled: &BTreeMap<String, Expr>| {
            e.variables().iter().any(|n| n == variable || coupled.contains_key(n))
        };
        for v in model.variables.iter().filter(|v| v.name != variable) {
            if let Some(expr) = coupling.get(&v.name) {
                coupled.insert(v.name.clone(), expr.clone());
            } else if let Some(spread) = point.get(&v.name) {
                fixed.insert(v.name.clone(), spread.value);
            }
        }
        // Defaults that follow the variable follow it here too; the others are numbers.
        let resolved = model.resolve(point);
        for _ in 0..model.variables.len() {
            for v in model.variables.iter().filter(|v| v.name != variable) {
                if fixed.contains_key(&v.name) || coupled.contains_key(&v.name) {
                    continue;
                }
                let Some(default) = &v.default else { continue };
                if moves(default, &coupled) {
                    coupled.insert(v.name.clone(), default.clone());
                    assumptions.push(format!("{} = {}", v.name, v.default_text.clone().unwrap_or_default()));
                }
            }
        }
        for v in model.variables.iter().filter(|v| v.name != variable) {
            if fixed.contains_key(&v.name) || coupled.contains_key(&v.name) {
                continue;
            }
            if let Some(value) = resolved.value(&v.name) {
                fixed.insert(v.name.clone(), value);
                if v.default_text.as_deref() != Some("flops_per_second") {
                    assumptions.push(format!("{} = {}", v.name, crate::catalog::short(value)));
                }
            }
        }
        let mut expr = quantity.expression.clone();
        for _ in 0..coupled.len() {
            for (name, e) in &coupled {
                expr = expr.substitute(name, e);
            }
        }
        let rules = model.domain.iter().chain(&quantity.domain);
        let mut curve = Curve {
            expr,
            variable: variable.to_string(),
            fixed,
            coupled,
            rules: rules.map(|r| (r.condition.clone(), format!("{} ({})", r.why, r.text))).collect(),
            effective: model.source.kappa_convention == KappaConvention::KappaEff,
            nowhere: None,
            assumptions,
        };
        curve.settle(&resolved);
        curve
    }

    /// Decides the rules that do not depend on the variable, and finds missing values.
    fn settle(&mut self, resolved: &crate::catalog::Resolved<'_>) {
        let known = |name: &str, me: &Curve| {
            name == me.variable || me.fixed.contains_key(name) || me.coupled.contains_key(name)
        };
        let conditions = self.rules.iter().flat_map(|(c, _)| c.variables());
        let missing = self.expr.variables().into_iter().chain(conditions).find(|name| !known(name, self));
        if let Some(name) = missing {
            self.nowhere = Some(resolved.missing(&name));
            return;
        }
        let rules = std::mem::take(&mut self.rules);
        for (condition, why) in rules {
            let depends = condition.variables().iter().any(|n| {
                n == &self.variable
                    || self.coupled.contains_key(n)
                    || (self.effective && n == "kappa" && self.follows("alpha"))
            });
            if depends {
                self.rules.push((condition, why));
            } else if !matches!(condition.check(&|n| self.number(n, 0.0)), Ok(true)) {
                self.nowhere = Some(why);
            }
        }
    }

    fn follows(&self, name: &str) -> bool {
        name == self.variable || self.coupled.contains_key(name)
    }

    /// Why the curve has no value anywhere, if so.
    pub fn nowhere(&self) -> Option<&str> {
        self.nowhere.as_deref()
    }

    /// A variable as the domain's conditions understand it, at `x`.
    fn number(&self, name: &str, x: f64) -> Option<f64> {
        if name == "kappa" && self.effective {
            return Some(self.plain("alpha", x)? * self.plain("kappa", x)?);
        }
        self.plain(name, x)
    }

    fn plain(&self, name: &str, x: f64) -> Option<f64> {
        if name == self.variable {
            return Some(x);
        }
        if let Some(value) = self.fixed.get(name) {
            return Some(*value);
        }
        // Couplings chain at most as deep as there are variables; reading guards against loops.
        self.coupled.get(name)?.evaluate(&|n| if n == name { None } else { self.plain(n, x) }).ok()
    }

    fn interval(&self, name: &str, x: Interval) -> Option<Interval> {
        if name == "kappa" && self.effective {
            let (a, k) = (self.plain_interval("alpha", x)?, self.plain_interval("kappa", x)?);
            // Both are positive.
            return Interval::new((a.lo * k.lo).next_down(), (a.hi * k.hi).next_up());
        }
        self.plain_interval(name, x)
    }

    fn plain_interval(&self, name: &str, x: Interval) -> Option<Interval> {
        if name == self.variable {
            return Some(x);
        }
        if let Some(value) = self.fixed.get(name) {
            return Some(Interval::point(*value));
        }
        self.coupled
            .get(name)?
            .evaluate_interval(&|n| if n == name { None } else { self.plain_interval(n, x) })
            .ok()
    }

    /// The value at a point; none outside the domain.
    pub fn value(&self, x: f64) -> Option<f64> {
        if self.nowhere.is_some() {
            return None;
        }
        for (rule, _) in &self.rules {
            if !matches!(rule.check(&|n| self.number(n, x)), Ok(true)) {
                return None;
            }
        }
        self.expr.evaluate(&|n| self.plain(n, x)).ok()
    }

    /// The curve over an interval.
    pub fn over(&self, x: Interval) -> Over {
        if self.nowhere.is_some() {
            return Over::Outside;
        }
        for (rule, _) in &self.rules {
            match rule.check_interval(&|n| self.interval(n, x)) {
                Ok(Truth::True) => {}
                Ok(Truth::False) => return Over::Outside,
                Err(e) if e.certain => return Over::Outside,
                Ok(Truth::Maybe) | Err(_) => return Over::Unknown,
            }
        }
        match self.expr.evaluate_interval(&|n| self.plain_interval(n, x)) {
            Ok(value) => Over::Value(value),
            Err(e) if e.certain => Over::Outside,
            Err(_) => Over::Unknown,
        }
    }

    /// The rule that fails at a point, if one does.
    pub fn why_outside(&self, x: f64) -> Option<&str> {
        if let Some(why) = &self.nowhere {
            return Some(why);
        }
        self.rules
            .iter()
            .find(|(rule, _)| !matches!(rule.check(&|n| self.number(n, x)), Ok(true)))
            .map(|(_, why)| why.as_str())
    }

    /// Whether both curves are the same formula with the same numbers.
    pub fn same(&self, other: &Curve) -> bool {
        self.expr == other.expr && self.fixed_used() == other.fixed_used() && self.nowhere.is_none()
    }

    fn fixed_used(&self) -> Vec<(String, u64)> {
        let used = self.expr.variables();
        self.fixed.iter().filter(|(n, _)| used.contains(*n)).map(|(n, x)| (n.clone(), x.to_bits())).collect()
    }
}

/// The cheapest of several curves, where any has a value.
#[derive(Debug, Clone)]
pub struct Cheapest(pub Vec<Curve>);

impl Cheapest {
    /// The smallest value at a point.
    pub fn value(&self, x: f64) -> Option<f64> {
        self.0.iter().filter_map(|c| c.value(x)).min_by(f64::total_cmp)
    }

    /// Over an interval.
    pub fn over(&self, x: Interval) -> Over {
        let mut best: Option<Interval> = None;
        let mut unknown = false;
        for curve in &self.0 {
            match curve.over(x) {
                Over::Value(v) => {
                    best = Some(match best {
                        None => v,
                        Some(b) => Interval { lo: b.lo.min(v.lo), hi: b.hi.min(v.hi) },
                    });
                }
                Over::Outside => {}
                Over::Unknown => unknown = true,
            }
        }
        match best {
            _ if unknown => Over::Unknown,
            Some(v) => Over::Value(v),
            None => Over::Outside,
        }
    }
}
