//! A quantity of a model at a point: its domain, its value, and its interval over the measured intervals.

use super::model::{Model, ModelVariable, Quantity, Rule};
use super::source::KappaConvention;
use crate::expr::Interval;
use std::collections::BTreeMap;

/// A number with the interval that contains it; an unknown end is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Best value.
    pub value: f64,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Spread {
    /// A number without uncertainty.
    pub fn exact(value: f64) -> Self {
        Spread { value, low: Some(value), high: Some(value) }
    }

    /// A number with both ends; they are widened to contain it.
    pub fn new(value: f64, low: f64, high: f64) -> Self {
        Spread { value, low: Some(low.min(value)), high: Some(high.max(value)) }
    }

    /// Whether both ends equal the value.
    pub fn is_exact(&self) -> bool {
        self.low == Some(self.value) && self.high == Some(self.value)
    }
}

/// Values of variables, and reasons why others have none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    given: BTreeMap<String, Spread>,
    absent: BTreeMap<String, String>,
}

impl Point {
    /// No values.
    pub fn new() -> Self {
        Point::default()
    }

    /// From numbers without uncertainty.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        pairs.into_iter().fold(Point::new(), |point, (name, value)| point.with(name, Spread::exact(value)))
    }

    /// With one more value; a later one of the same name wins.
    #[must_use]
    pub fn with(mut self, name: &str, spread: Spread) -> Self {
        self.set(name, spread);
        self
    }

    /// Adds a value; a later one of the same name wins.
    pub fn set(&mut self, name: &str, spread: Spread) {
        self.absent.remove(name);
        self.given.insert(name.to_string(), spread);
    }

    /// Says why a variable has no value.
    pub fn without(&mut self, name: &str, why: &str) {
        self.given.remove(name);
        self.absent.insert(name.to_string(), why.to_string());
    }

    /// Takes a value away.
    pub fn forget(&mut self, name: &str) {
        self.given.remove(name);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Spread> {
        self.given.get(name)
    }

    /// The values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Spread)> {
        self.given.iter().map(|(name, spread)| (name.as_str(), spread))
    }
}

/// What an evaluation gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The value; none out of the domain or when a variable is missing.
    pub value: Option<f64>,
    /// Smallest value over the intervals of the variables.
    pub low: Option<f64>,
    /// Largest value over the intervals of the variables.
    pub high: Option<f64>,
    /// The point lies in the domain.
    pub in_domain: bool,
    /// Why there is no value, or no end of the interval.
    pub why: String,
}

/// The variables of a model at a point, defaults filled in.
#[derive(Debug, Clone)]
pub struct Resolved<'m> {
    model: &'m Model,
    values: Vec<(&'m str, Option<Spread>)>,
    reasons: BTreeMap<&'m str, String>,
    /// Variables that took their default, with its source.
    pub assumed: Vec<(&'m str, f64)>,
}

impl Model {
    /// Fills in defaults at a point.
    pub fn resolve<'m>(&'m self, point: &Point) -> Resolved<'m> {
        let mut resolved = Resolved {
            model: self,
            values: self.variables.iter().map(|v| (v.name.as_str(), point.get(&v.name).copied())).collect(),
            reasons: point
                .absent
                .iter()
                .filter_map(|(name, why)| self.variable(name).map(|v| (v.name.as_str(), why.clone())))
                .collect(),
            assumed: Vec::new(),
        };
        // A default may use other defaults: as many rounds as there are variables settle every chain.
        for _ in 0..self.variables.len() {
            let mut changed = false;
            for (i, variable) in self.variables.iter().enumerate() {
                if resolved.values[i].1.is_some() {
                    continue;
                }
                if let Some(spread) = resolved.default_of(variable) {
                    resolved.values[i].1 = Some(spread);
                    resolved.reasons.remove(variable.name.as_str());
                    resolved.assumed.push((&variable.name, spread.value));
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        resolved
    }

    /// The value, domain and interval of a quantity at a point.
    pub fn price(&self, quantity: &Quantity, point: &Point) -> Outcome {
        self.resolve(point).price(quantity)
    }
}

impl<'m> Resolved<'m> {
    fn default_of(&self, variable: &ModelVariable) -> Option<Spread> {
        let at = |name: &str| self.value(name);
        let value = variable.default.as_ref()?.evaluate(&at).ok()?;
        let end = |e: &Option<crate::expr::Expr>| match e {
            None => Some(value),
            Some(e) => e.evaluate(&at).ok(),
        };
        Some(Spread { value, low: end(&variable.band[0]), high: end(&variable.band[1]) })
    }

    /// The best value of a variable.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.spread(name).map(|s| s.value)
    }

    /// The value and interval of a variable.
    pub fn spread(&self, name: &str) -> Option<Spread> {
        self.values.iter().find(|(n, _)| *n == name).and_then(|(_, s)| *s)
    }

    /// `kappa` as the formulas of the model's domain understand it.
    fn convention(&self, name: &str, at: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
        if name == "kappa" && self.model.source.kappa_convention == KappaConvention::KappaEff {
            Some(at("alpha")? * at("kappa")?)
        } else {
            at(name)
        }
    }

    /// The first rule of the quantity's domain that fails, with its explanation.
    pub fn outside(&self, quantity: &Quantity, at: &dyn Fn(&str) -> Option<f64>) -> Option<String> {
        self.model.domain.iter().chain(&quantity.domain).find_map(|rule| self.broken(rule, at))
    }

    fn broken(&self, rule: &Rule, at: &dyn Fn(&str) -> Option<f64>) -> Option<String> {
        if let Some(name) = rule.condition.variables().iter().find(|name| at(name).is_none()) {
            return Some(self.missing(name));
        }
        match rule.condition.check(&|name| self.convention(name, at)) {
            Ok(true) => None,
            Ok(false) => {
                let shown: Vec<String> = rule
                    .condition
                    .variables()
                    .iter()
                    .filter_map(|name| {
                        self.convention(name, at).map(|x| format!("{} = {}", self.shown(name), short(x)))
                    })
                    .collect();
                Some(format!("{} ({} fails at {})", rule.why, rule.text, shown.join(", ")))
            }
            Err(e) => Some(format!("{} ({} cannot be evaluated: {e})", rule.why, rule.text)),
        }
    }

    /// How a variable of a domain condition is called.
    fn shown<'a>(&self, name: &'a str) -> &'a str {
        let effective = self.model.source.kappa_convention == KappaConvention::KappaEff;
        if effective && name == "kappa" { "kappa_eff" } else { name }
    }

    /// Why a variable has no value, in words.
    pub fn missing(&self, name: &str) -> String {
        if let Some(why) = self.reasons.get(name) {
            return why.clone();
        }
        let meaning = self.model.variable(name).map_or("", |v| v.meaning.as_str());
        format!("needs `{name}` ({meaning})")
    }

    /// The value, domain and interval of a quantity.
    pub fn price(&self, quantity: &Quantity) -> Outcome {
        let at = |name: &str| self.value(name);
        if let Some(why) = self.outside(quantity, &at) {
            return Outcome { why, ..Outcome::default() };
        }
        let names = quantity.expression.variables();
        if let Some(name) = names.iter().find(|name| at(name).is_none()) {
            return Outcome { in_domain: true, why: self.missing(name), ..Outcome::default() };
        }
        let value = match quantity.expression.evaluate(&at) {
            Ok(value) => value,
            Err(e) => return Outcome { why: format!("no value here: {e}"), ..Outcome::default() },
        };
        let mut outcome =
            Outcome { value: Some(value), low: Some(value), high: Some(value), in_domain: true, why: String::new() };
        let wide: Vec<(&str, Spread)> = names
            .iter()
            .filter_map(|name| self.spread(name).filter(|s| !s.is_exact()).map(|s| (name.as_str(), s)))
            .collect();
        if !wide.is_empty() {
            self.widen(quantity, &wide, &mut outcome);
        }
        outcome
    }

    /// Extremes over the box of the uncertain variables: corners, middles and edges of every combination.
    fn widen(&self, quantity: &Quantity, wide: &[(&str, Spread)], outcome: &mut Outcome) {
        let open = wide.iter().any(|(_, s)| s.low.is_none() || s.high.is_none());
        let between = wide.len() < 2;
        let grid: Vec<(&str, Vec<f64>)> = wide.iter().map(|(name, s)| (*name, samples(s, between))).collect();
        let mut point: Vec<usize> = vec![0; grid.len()];
        let mut lost = None;
        loop {
            let at = |name: &str| match grid.iter().position(|(n, _)| *n == name) {
                Some(i) => grid[i].1.get(point[i]).copied(),
                None => self.value(name),
            };
            // Without an end of a variable only the other side is known; rising and falling ends are sorted below.
            if let Some(why) = self.outside(quantity, &at) {
                lost = Some(why);
            } else {
                match quantity.expression.evaluate(&at) {
                    Ok(x) => {
                        outcome.low = outcome.low.map(|low| low.min(x));
                        outcome.high = outcome.high.map(|high| high.max(x));
                    }
                    Err(e) => lost = Some(e.to_string()),
                }
            }
            let Some(i) = (0..grid.len()).find(|&i| point[i] + 1 < grid[i].1.len()) else { break };
            point[i] += 1;
            point[..i].fill(0);
        }
        if let Some(why) = lost {
            outcome.why = format!("part of the measured interval lies outside: {why}");
            outcome.high = None;
        }
        if open {
            self.open_ends(quantity, wide, outcome);
        }
    }

    /// An end of a variable that nobody knows takes away the end of the cost that it governs.
    fn open_ends(&self, quantity: &Quantity, wide: &[(&str, Spread)], outcome: &mut Outcome) {
        for (name, spread) in wide {
            let up = self.value_with(quantity, name, spread.value * 1.01);
            let Some((up, here)) = up.zip(outcome.value) else { continue };
            let rises = up >= here;
            if spread.high.is_none() {
                if rises { outcome.high = None } else { outcome.low = None }
            }
            if spread.low.is_none() {
                if rises { outcome.low = None } else { outcome.high = None }
            }
        }
    }

    fn value_with(&self, quantity: &Quantity, name: &str, x: f64) -> Option<f64> {
        quantity.expression.evaluate(&|n| if n == name { Some(x) } else { self.value(n) }).ok()
    }

    /// An enclosure of a quantity while one variable runs over an interval and the others stay at their values.
    ///
    /// # Errors
    /// When the formula is undefined somewhere in the interval; `certain` says whether everywhere.
    pub fn enclose(
        &self,
        quantity: &Quantity,
        variable: &str,
        over: Interval,
    ) -> Result<Interval, crate::expr::EvalError> {
        quantity.expression.evaluate_interval(&|name| {
            if name == variable { Some(over) } else { self.value(name).map(Interval::point) }
        })
    }
}

/// Both ends, the value, and points between in equal ratios where asked.
fn samples(s: &Spread, between: bool) -> Vec<f64> {
    let low = s.low.unwrap_or(s.value);
    let high = s.high.unwrap_or(s.value);
    let mut all = vec![low, s.value, high];
    if between && low > 0.0 {
        all.extend([(low * s.value).sqrt(), (s.value * high).sqrt()]);
    }
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

/// Up to six digits.
pub(crate) fn short(x: f64) -> String {
    if x != 0.0 && !(1e-4..1e7).contains(&x.abs()) {
        let text = format!("{x:.5e}");
        match text.split_once('e') {
            Some((digits, exponent)) if digits.contains('.') => {
                format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => text,
        }
    } else {
        let decimals = (5 - x.abs().max(1e-9).log10().floor() as i32).clamp(0, 9) as usize;
        let text = format!("{x:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    }
}
