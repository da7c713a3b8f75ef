//! A model with its formulas read: what the engine evaluates.

use super::source::{Bound, CiteSource, DomainSource, Family, KappaConvention, ModelSource, QuantitySource, Status};
use super::variable::Vocabulary;
use crate::error::{Error, Result};
use crate::expr::{Condition, Expr, Scope};
use std::collections::BTreeSet;

/// A cost model, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Model {
    /// What the file says.
    pub source: ModelSource,
    /// The file, as named in messages and in the provenance.
    pub file: String,
    /// BLAKE3 of the file's bytes, in hexadecimal.
    pub digest: String,
    /// Its variables, in the order of the file.
    pub variables: Vec<ModelVariable>,
    /// Its quantities, in the order of the file.
    pub quantities: Vec<Quantity>,
    /// Where it holds.
    pub domain: Vec<Rule>,
}

/// A variable as one model uses it.
#[derive(Debug, Clone)]
pub struct ModelVariable {
    /// Its name.
    pub name: String,
    /// Its unit in this model.
    pub unit: String,
    /// What it is.
    pub meaning: String,
    /// What this model says about it.
    pub note: Option<String>,
    /// Where the lint samples it.
    pub sample: [f64; 2],
    /// Its value when none is given.
    pub default: Option<Expr>,
    /// Source of the default, for people.
    pub default_text: Option<String>,
    /// Ends of the band that the default stands for.
    pub band: [Option<Expr>; 2],
}

/// A priced quantity.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// `gates`, `queries`, `flops`, `seconds`, …
    pub id: String,
    /// Its unit.
    pub unit: String,
    /// How it bounds the true cost.
    pub bound: Bound,
    /// The formula as written.
    pub text: String,
    /// The formula in the model's variables alone, κ being that of the matrix.
    pub expression: Expr,
    /// The variables of the formula.
    pub names: Vec<String>,
    /// The formula with earlier quantities left as names (`queries * gate_time`), and their positions; κ as in
    /// `expression`.
    pub(crate) outer: (Expr, Vec<usize>),
    /// The claimed leading order.
    pub growth: String,
    /// Where it comes from.
    pub cite: Vec<CiteSource>,
    /// The constant in front is a guess.
    pub constant_unknown: bool,
    /// Conditions beside the model's.
    pub domain: Vec<Rule>,
}

/// A condition of validity with its explanation.
#[derive(Debug, Clone)]
pub struct Rule {
    /// In terms of the model's variables; `kappa` stands for κ_eff where the model's convention says so.
    pub condition: Condition,
    /// The variables it mentions.
    pub names: Vec<String>,
    /// The condition as written.
    pub text: String,
    /// What to say when it fails.
    pub why: String,
}

impl Quantity {
    /// `id`, or `id:run` for what a real run took.
    pub fn name(&self) -> String {
        if self.bound == Bound::Run { format!("{}:run", self.id) } else { self.id.clone() }
    }
}

impl Model {
    /// The model's id.
    pub fn id(&self) -> &str {
        &self.source.id
    }

    /// What it prices.
    pub fn family(&self) -> Family {
        self.source.family
    }

    /// Not confirmed by a second source.
    pub fn unverified(&self) -> bool {
        self.source.status == Status::Unverified
    }

    /// The quantity of this name (`flops`, `flops:run`).
    pub fn quantity(&self, name: &str) -> Option<&Quantity> {
        self.quantities.iter().find(|q| q.name() == name)
    }

    /// The quantity that stands for the model's cost.
    pub fn main(&self) -> Option<&Quantity> {
        self.quantity(&self.source.main)
    }

    /// Whether it has a value in a scenario.
    pub fn in_scenario(&self, scenario: &str) -> bool {
        self.source.scenarios.iter().any(|s| s == scenario)
    }

    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<&ModelVariable> {
        self.variables.iter().find(|v| v.name == name)
    }

    /// Reads the formulas of a model file.
    ///
    /// # Errors
    /// With the file, the key and a caret under the fault.
    pub fn compile(source: ModelSource, file: &str, digest: String, vocabulary: &Vocabulary) -> Result<Model> {
        let bad = |place: String, what: String, help: &str| Error::input("catalog::model", place, what, help);
        check_header(&source, file)?;
        let mut variables = Vec::new();
        let names: Vec<&str> = source.variables.0.iter().map(|(name, _)| name.as_str()).collect();
        let plain = Scope::with_variables(names.iter().copied());
        for (name, usage) in &source.variables.0 {
            let place = format!("{file}: variables.{name}");
            let known = vocabulary.get(name);
            let missing = |what: &str| {
                let help = "give the variable unit, meaning and sample in the model, or use a known one";
                bad(place.clone(), format!("`{name}` is not a known variable and has no {what}"), help)
            };
            let unit = usage.unit.clone().or_else(|| known.map(|v| v.unit.clone())).ok_or_else(|| missing("unit"))?;
            let meaning =
                usage.meaning.clone().or_else(|| known.map(|v| v.meaning.clone())).ok_or_else(|| missing("meaning"))?;
            let sample = usage.sample.or(known.map(|v| v.sample)).ok_or_else(|| missing("sample range"))?;
            if !(sample[0].is_finite() && sample[1].is_finite() && sample[0] <= sample[1]) {
                return Err(bad(place, "the sample range must rise".into(), ""));
            }
            let read = |key: &str, amount: &Option<super::variable::Amount>| -> Result<Option<Expr>> {
                let Some(amount) = amount else { return Ok(None) };
                let text = amount.source();
                let place = format!("{place}.{key}");
                if !amount.is_finite() {
                    return Err(bad(place, "not a finite number".into(), ""));
                }
                plain.parse(&text).map(Some).map_err(|e| e.to_error(&text, &place))
            };
            let default = read("default", &usage.default)?;
            if default.as_ref().is_some_and(|e| e.variables().contains(name)) {
                return Err(bad(format!("{place}.default"), format!("`{name}` is defined by itself"), ""));
            }
            let band = [read("low", &usage.low)?, read("high", &usage.high)?];
            if default.is_none() && band.iter().any(Option::is_some) {
                return Err(bad(place, "a band needs a default".into(), ""));
            }
            let default_text = usage.default.as_ref().map(super::variable::Amount::source);
            let note = usage.note.clone();
            variables.push(ModelVariable {
                name: name.clone(),
                unit,
                meaning,
                note,
                sample,
                default,
                default_text,
                band,
            });
        }
        let mut scope = plain;
        let mut open = Scope::with_variables(
            names
                .iter()
                .copied()
                .chain(source.quantities.iter().filter(|q| q.bound != Bound::Run).map(|q| q.id.as_str())),
        );
        for (i, definition) in source.definitions.iter().enumerate() {
            let place = format!("{file}: definitions[{i}] ({})", definition.id);
            scope
                .define(&definition.id, &definition.expression)
                .map_err(|e| e.to_error(&definition.expression, &place))?;
            open.define(&definition.id, &definition.expression)
                .map_err(|e| e.to_error(&definition.expression, &place))?;
        }
        let domain = rules(&source.domain, &scope, &format!("{file}: domain"))?;
        let mut quantities: Vec<Quantity> = Vec::new();
        for (i, q) in source.quantities.iter().enumerate() {
            let place = format!("{file}: quantities[{i}] ({})", q.id);
            let quantity = quantity(q, &source, [&scope, &open], &quantities, &place)?;
            if quantities.iter().any(|other| other.name() == quantity.name()) {
                return Err(bad(place, "this quantity stands twice".into(), "only the bound `run` may repeat an id"));
            }
            if q.bound != Bound::Run {
                scope.define(&q.id, &q.expression).map_err(|e| e.to_error(&q.expression, &place))?;
            }
            quantities.push(quantity);
        }
        if !quantities.iter().any(|q| q.name() == source.main) {
            let help = "`main` names one of the quantities";
            return Err(bad(format!("{file}: main"), format!("no quantity `{}`", source.main), help));
        }
        check_examples(&source, &names, &quantities, file)?;
        Ok(Model { source, file: file.to_string(), digest, variables, quantities, domain })
    }
}

fn check_header(source: &ModelSource, file: &str) -> Result<()> {
    let bad =
        |key: &str, what: String, help: &str| Err(Error::input("catalog::model", format!("{file}: {key}"), what, help));
    let stem = file.rsplit(['/', '\\']).next().and_then(|f| f.strip_suffix(".json")).unwrap_or_default();
    if source.id != stem {
        return bad("id", format!("`{}` is not the file's name `{stem}`", source.id), "the id is the file name");
    }
    if !plain_id(&source.id) {
        return bad("id", format!("`{}` is no id", source.id), "ids are lower-case letters, digits, `-` and `_`");
    }
    if source.title.trim().is_empty() {
        return bad("title", "the title is empty".into(), "");
    }
    for scenario in &source.scenarios {
        if !super::SCENARIOS.contains(&scenario.as_str()) {
            let help = format!("scenarios are {}", super::SCENARIOS.join(", "));
            return bad("scenarios", format!("no scenario `{scenario}`"), &help);
        }
    }
    if source.rival && source.family != Family::Classical {
        return bad("rival", "only a classical model can be a rival".into(), "");
    }
    Ok(())
}

/// Lower-case letters, digits, `-` and `_`, at most 64.
pub(super) fn plain_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn rules(sources: &[DomainSource], scope: &Scope, place: &str) -> Result<Vec<Rule>> {
    let read = |(i, s): (usize, &DomainSource)| -> Result<Rule> {
        let condition =
            scope.parse_condition(&s.condition).map_err(|e| e.to_error(&s.condition, &format!("{place}[{i}]")))?;
        let names = condition.variables().into_iter().collect();
        Ok(Rule { condition, names, text: s.condition.clone(), why: s.why.clone() })
    };
    sources.iter().enumerate().map(read).collect()
}

fn quantity(
    q: &QuantitySource,
    source: &ModelSource,
    [scope, open]: [&Scope; 2],
    earlier: &[Quantity],
    place: &str,
) -> Result<Quantity> {
    let mut expression = scope.parse(&q.expression).map_err(|e| e.to_error(&q.expression, place))?;
    let mut outer = open.parse(&q.expression).map_err(|e| e.to_error(&q.expression, place))?;
    if source.kappa_convention == KappaConvention::KappaEff {
        if source.variables.get("alpha").is_none() {
            let help = "declare `alpha`, or choose another kappa_convention";
            return Err(Error::input("catalog::model", place, "kappa_eff needs the variable `alpha`", help));
        }
        let product = crate::expr::parse("alpha * kappa").map_err(|e| e.to_error("alpha * kappa", place))?;
        expression = expression.substitute("kappa", &product);
        outer = outer.substitute("kappa", &product);
    }
    let mentioned = outer.variables();
    let inner = earlier.iter().enumerate().filter(|(_, e)| e.bound != Bound::Run && mentioned.contains(&e.id));
    let inner = inner.map(|(i, _)| i).collect();
    Ok(Quantity {
        id: q.id.clone(),
        unit: q.unit.clone(),
        bound: q.bound,
        text: q.expression.clone(),
        names: expression.variables().into_iter().collect(),
        expression,
        outer: (outer, inner),
        growth: q.growth.clone(),
        cite: q.cite.clone(),
        constant_unknown: q.constant == super::source::ConstantKnown::Unknown,
        domain: rules(&q.domain, scope, &format!("{place}.domain"))?,
    })
}

fn check_examples(source: &ModelSource, names: &[&str], quantities: &[Quantity], file: &str) -> Result<()> {
    let known: BTreeSet<&str> = names.iter().copied().collect();
    for (i, example) in source.examples.iter().enumerate() {
        let place = format!("{file}: examples[{i}]");
        if !quantities.iter().any(|q| q.name() == example.quantity) {
            let what = format!("no quantity `{}`", example.quantity);
            return Err(Error::input("catalog::model", place, what, "examples name a quantity of the model"));
        }
        if let Some((name, _)) = example.at.0.iter().find(|(name, _)| !known.contains(name.as_str())) {
            let help = format!("its variables are {}", names.join(", "));
            return Err(Error::input("catalog::model", place, format!("no variable `{name}`"), help));
        }
        if !(example.tolerance >= 0.0 && example.tolerance <= 0.1) {
            return Err(Error::input("catalog::model", place, "the tolerance must lie in [0, 0.1]", ""));
        }
    }
    Ok(())
}
