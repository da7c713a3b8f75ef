//! A cost as a function of one variable, the others fixed or following it.

use crate::catalog::{KappaConvention, Model, Point, Quantity};
use crate::expr::{Along, Condition, Expr, Interval, Slope, Truth};
use std::collections::BTreeMap;

/// How other variables follow the one that is solved for, such as `nnz` when `n` changes.
#[derive(Debug, Clone, Default)]
pub struct Coupling {
    /// Formulas of the variable.
    pub follow: BTreeMap<String, Expr>,
    /// Sets of variables whose conditions the coupling keeps by construction (`d <= n` when d = n).
    pub granted: Vec<Vec<&'static str>>,
}

impl Coupling {
    /// Nothing follows.
    pub fn new() -> Self {
        Coupling::default()
    }

    fn grants(&self, condition: &Condition) -> bool {
        let names = condition.variables();
        self.granted.iter().any(|set| names.len() == set.len() && set.iter().all(|name| names.contains(*name)))
    }
}

/// A quantity of a model along one variable.
#[derive(Debug, Clone)]
pub struct Curve {
    expr: Expr,
    variable: String,
    fixed: BTreeMap<String, f64>,
    coupled: BTreeMap<String, Expr>,
    /// Earlier quantities that do not depend on the variable: value and enclosure.
    settled: BTreeMap<String, (f64, Interval)>,
    rules: Vec<(Condition, String)>,
    effective: bool,
    /// Why it has no value anywhere.
    nowhere: Option<String>,
    /// Its value, when it does not depend on the variable.
    constant: Option<Interval>,
    /// The formula with all that does not move computed.
    along: Option<Along>,
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
            if let Some(expr) = coupling.follow.get(&v.name) {
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
        let along = |formula: &Expr| {
            let mut expr = formula.clone();
            for _ in 0..coupled.len() {
                for (name, e) in &coupled {
                    expr = expr.substitute(name, e);
                }
            }
            expr
        };
        // What does not move is evaluated once: `queries` when the gate time is solved for.
        let (mut expr, mut settled) = (along(&quantity.outer.0), BTreeMap::new());
        for inner in quantity.outer.1.iter().filter_map(|i| model.quantities.get(*i)) {
            let formula = along(&inner.expression);
            let number = |n: &str| fixed.get(n).copied();
            let value = formula.evaluate(&number);
            let enclosure = formula.evaluate_interval(&|n| number(n).map(Interval::point));
            match (formula.variables().contains(variable), value, enclosure) {
                (false, Ok(value), Ok(enclosure)) => {
                    settled.insert(inner.id.clone(), (value, enclosure));
                }
                _ => expr = expr.substitute(&inner.id, &formula),
            }
        }
        let rules = model.domain.iter().chain(&quantity.domain).filter(|r| !coupling.grants(&r.condition));
        let mut curve = Curve {
            expr,
            variable: variable.to_string(),
            fixed,
            coupled,
            settled,
            rules: rules.map(|r| (r.condition.clone(), format!("{} ({})", r.why, r.text))).collect(),
            effective: model.source.kappa_convention == KappaConvention::KappaEff,
            nowhere: None,
            constant: None,
            along: None,
            assumptions,
        };
        curve.settle(&resolved);
        if curve.nowhere.is_none() && !curve.expr.variables().contains(variable) {
            curve.constant = curve.expr.evaluate_interval(&|n| curve.plain_interval(n, Interval::point(1.0))).ok();
        }
        if curve.nowhere.is_none() {
            // The couplings are part of the formula, so the variable itself is the only thing that moves.
            let stays = |n: &str| n != variable;
            let number = |n: &str| stays(n).then(|| curve.plain(n, 1.0)).flatten();
            let enclosure = |n: &str| stays(n).then(|| curve.plain_interval(n, Interval::point(1.0))).flatten();
            curve.along = Some(Along::new(&curve.expr, variable, &number, &enclosure));
        }
        curve
    }

    /// Decides the rules that do not depend on the variable, and finds missing values.
    fn settle(&mut self, resolved: &crate::catalog::Resolved<'_>) {
        let known = |name: &str, me: &Curve| {
            name == me.variable
                || me.fixed.contains_key(name)
                || me.coupled.contains_key(name)
                || me.settled.contains_key(name)
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
        if let Some(value) = self.fixed.get(name).or(self.settled.get(name).map(|(value, _)| value)) {
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
        if let Some((_, enclosure)) = self.settled.get(name) {
            return Some(*enclosure);
        }
        self.coupled.get(name)?.evaluate_interval(&|n| if n == name { None } else { self.plain_interval(n, x) }).ok()
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
        self.along.as_ref()?.value(x)
    }

    /// The curve over an interval.
    pub fn over(&self, x: Interval) -> Over {
        let Some(along) = &self.along else { return Over::Outside };
        for (rule, _) in &self.rules {
            match rule.check_interval(&|n| self.interval(n, x)) {
                Ok(Truth::True) => {}
                Ok(Truth::False) => return Over::Outside,
                Err(e) if e.certain => return Over::Outside,
                Ok(Truth::Maybe) | Err(_) => return Over::Unknown,
            }
        }
        if let Some(value) = self.constant {
            return Over::Value(value);
        }
        match along.over(x) {
            Ok(value) => Over::Value(value),
            Err(nothing) if nothing.certain => Over::Outside,
            Err(_) => Over::Unknown,
        }
    }

    /// Value and derivative over an interval on which the curve is defined.
    pub fn slope(&self, x: Interval) -> Option<Slope> {
        if let Some(value) = self.constant {
            return Some(Slope { value, derivative: Some(Interval::point(0.0)) });
        }
        self.along.as_ref()?.slope(x).ok()
    }

    /// Why there is no value at a point: the rule that fails, or what the formula does there.
    pub fn why_outside(&self, x: f64) -> Option<String> {
        if let Some(why) = &self.nowhere {
            return Some(why.clone());
        }
        let failing = self.rules.iter().find(|(rule, _)| !matches!(rule.check(&|n| self.number(n, x)), Ok(true)));
        failing
            .map(|(_, why)| why.clone())
            .or_else(|| self.expr.evaluate(&|n| self.plain(n, x)).err().map(|e| e.message))
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

    /// Value and derivative over an interval, where one curve is the cheapest throughout.
    pub fn slope(&self, x: Interval) -> Option<Slope> {
        let mut values = Vec::new();
        for curve in &self.0 {
            match curve.over(x) {
                Over::Value(v) => values.push((v, curve)),
                Over::Outside => {}
                Over::Unknown => return None,
            }
        }
        let (best, curve) = values.iter().min_by(|a, b| a.0.hi.total_cmp(&b.0.hi))?;
        let alone = values.iter().all(|(v, c)| std::ptr::eq(*c, *curve) || v.lo > best.hi);
        if alone { curve.slope(x) } else { None }
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
