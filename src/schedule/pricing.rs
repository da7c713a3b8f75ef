//! Both sides' prices of one solve under a scenario, a classical machine and a gate time.
//!
//! Prices are those of the cost table: the same models, the same point, the same machine, to the last bit.

use crate::catalog::{Bound, Catalog, Family, Hardware, Model, Point, Quantity, Spread};
use crate::cost::{Scenario, on_machine, point_for};
use crate::crossover::{Cheapest, Coupling, Curve};
use crate::error::{Error, Result};
use crate::measurement::Measurement;

/// The gate times in which crossings are looked for, as in `crossover`.
pub const GATE_TIMES: [f64; 2] = [1e-30, 1e6];

/// Which model stands for a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// One model, `id` or `id:run` (what a real run took).
    Named(String),
    /// The cheapest of those that the scenario prices, solve by solve.
    Best,
}

impl Side {
    /// `best`, or the id of a model.
    pub fn from_text(text: &str) -> Side {
        if text == "best" { Side::Best } else { Side::Named(text.to_string()) }
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Side::Named(id) => id,
            Side::Best => "best",
        }
    }
}

/// What prices rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The scenario.
    pub scenario: Scenario,
    /// The quantum side.
    pub quantum: Side,
    /// The classical side.
    pub classical: Side,
    /// Id of the classical machine.
    pub hardware: String,
    /// Seconds of one gate or query.
    pub gate_time: f64,
    /// Variables that are set rather than measured; the last of a name wins.
    pub set: Vec<(String, f64)>,
}

impl Settings {
    /// The scenario's customary pair: the paper's form against the inverse; in `oracle` the headline bound of the
    /// kernel-reflection solver against the best rival.
    pub fn new(scenario: Scenario, hardware: &str, gate_time: f64) -> Self {
        let (quantum, classical) = match scenario {
            Scenario::Paper => (Side::Named("q-newton".into()), Side::Named("inverse".into())),
            Scenario::Oracle => (Side::Named("dalzell2024".into()), Side::Best),
        };
        Settings { scenario, quantum, classical, hardware: hardware.into(), gate_time, set: Vec::new() }
    }
}

/// The time of one side for one solve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Price {
    /// Seconds; none out of the model's domain.
    pub seconds: Option<f64>,
    /// The model, `id` or `id (run)`.
    pub model: String,
    /// Why there is no price.
    pub why: String,
}

/// What is known of one system.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A full measurement.
    Measured(&'a Measurement),
    /// Values of variables.
    Point(&'a Point),
}

impl Subject<'_> {
    /// The point at which a model is priced, with κ replaced by an estimate where one is given.
    pub fn point(&self, model: &Model, kappa: Option<f64>) -> Point {
        let mut point = match self {
            Subject::Measured(m) => point_for(model, m),
            Subject::Point(point) => (*point).clone(),
        };
        if let Some(kappa) = kappa {
            let kappa = kappa.max(1.0);
            point.set("kappa", Spread::exact(kappa));
            if let Some(x) = point.get("x_norm").copied() {
                point.set("x_norm", Spread::exact(x.value.min(kappa)));
            }
        }
        point
    }
}

/// The models and the machine behind the prices.
#[derive(Debug, Clone)]
pub struct Pricing<'c> {
    settings: Settings,
    machine: &'c Hardware,
    quantum: Vec<(&'c Model, &'c Quantity)>,
    classical: Vec<(&'c Model, &'c Quantity)>,
    catalog: &'c Catalog,
}

impl<'c> Pricing<'c> {
    /// Finds the models and the machine.
    ///
    /// # Errors
    /// An unknown model, machine or variable; a model of the wrong side or without a value in the scenario; a gate time
    /// that is not above 0 (all usage).
    pub fn new(catalog: &'c Catalog, settings: Settings) -> Result<Self> {
        let machine = catalog.machine(&settings.hardware)?;
        if machine.flops_per_second.is_none() {
            let what = format!("`{}` is no classical machine", machine.id);
            return Err(Error::usage("schedule::hardware", "--hardware", what, "name a classical one, such as a100"));
        }
        if !(settings.gate_time.is_finite() && settings.gate_time > 0.0) {
            let what = format!("a gate time of {} s", settings.gate_time);
            return Err(Error::usage("schedule::gate_time", "--set gate_time", what, "give seconds above 0, as 1e-9"));
        }
        let quantum = side(catalog, &settings, Family::Quantum)?;
        let classical = side(catalog, &settings, Family::Classical)?;
        let used = |name: &str| quantum.iter().chain(&classical).any(|(m, _)| m.variable(name).is_some());
        for (name, value) in &settings.set {
            let known = catalog.vocabulary.contains_key(name) || used(name);
            if !known {
                let near = crate::catalog::nearest(name, catalog.vocabulary.keys().map(String::as_str));
                let help = near.map_or("see `breakeven models show MODEL`".into(), |n| format!("did you mean `{n}`?"));
                let what = format!("no variable `{name}`");
                return Err(Error::usage("schedule::set", format!("--set {name}"), what, help));
            }
            if !value.is_finite() {
                return Err(Error::usage("schedule::set", format!("--set {name}"), "not a finite number", ""));
            }
        }
        Ok(Pricing { settings, machine, quantum, classical, catalog })
    }

    /// What the prices rest on.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same with another gate time.
    #[must_use]
    pub fn at_gate_time(&self, gate_time: f64) -> Self {
        let mut other = self.clone();
        other.settings.gate_time = gate_time;
        other
    }

    fn there(&self, subject: Subject<'_>, model: &Model, kappa: Option<f64>) -> Point {
        let mut point = on_machine(&subject.point(model, kappa), self.machine);
        point.set("gate_time", Spread::exact(self.settings.gate_time));
        for (name, value) in &self.settings.set {
            // A rate that is set also governs stored-matrix work, unless that is set too.
            if name == "flops_per_second" && !self.settings.set.iter().any(|(n, _)| n == "matvec_flops_per_second") {
                point.forget("matvec_flops_per_second");
            }
            // The gate time has its own field, which sweeps move.
            if name != "gate_time" {
                point.set(name, Spread::exact(*value));
            }
        }
        point
    }

    /// The cheapest of a side's models that has a price; the reason of the first one when none has.
    fn cheapest(&self, models: &[(&Model, &Quantity)], subject: Subject<'_>, kappa: Option<f64>) -> Price {
        let mut best: Option<Price> = None;
        let mut why = None;
        for (model, quantity) in models {
            let outcome = model.price(quantity, &self.there(subject, model, kappa));
            match outcome.value {
                Some(seconds) if best.as_ref().and_then(|b| b.seconds).is_none_or(|b| seconds < b) => {
                    best = Some(Price { seconds: Some(seconds), model: name(model, quantity), why: String::new() });
                }
                Some(_) => {}
                None => {
                    why.get_or_insert_with(|| (name(model, quantity), outcome.why));
                }
            }
        }
        best.unwrap_or_else(|| {
            let (model, why) = why.unwrap_or_default();
            Price { seconds: None, model, why }
        })
    }

    /// The quantum side; `kappa` replaces the measured one where given.
    pub fn quantum(&self, subject: Subject<'_>, kappa: Option<f64>) -> Price {
        self.cheapest(&self.quantum, subject, kappa)
    }

    /// The classical side.
    pub fn classical(&self, subject: Subject<'_>) -> Price {
        self.cheapest(&self.classical, subject, None)
    }

    /// One classical model by its id: what a real run took where there is one, else its formula.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn by_id(&self, id: &str, subject: Subject<'_>) -> Result<Price> {
        let model = self.catalog.model(id)?;
        let real: Vec<_> = model.quantities.iter().filter(|q| q.id == "seconds" && q.bound == Bound::Run).collect();
        let formula = model.quantities.iter().filter(|q| q.id == "seconds" && q.bound != Bound::Run);
        for quantity in real.into_iter().chain(formula) {
            let price = self.cheapest(&[(model, quantity)], subject, None);
            if price.seconds.is_some() || quantity.bound != Bound::Run {
                return Ok(price);
            }
        }
        Ok(Price { model: id.into(), why: "the model prices no time".into(), ..Price::default() })
    }

    /// The quantum side's time over the gate time.
    pub fn quantum_curve(&self, subject: Subject<'_>) -> Cheapest {
        self.curve(&self.quantum, subject)
    }

    /// The classical side's time over the gate time: constant.
    pub fn classical_curve(&self, subject: Subject<'_>) -> Cheapest {
        self.curve(&self.classical, subject)
    }

    fn curve(&self, models: &[(&Model, &Quantity)], subject: Subject<'_>) -> Cheapest {
        let one = |(model, quantity): &(&Model, &Quantity)| {
            Curve::new(model, quantity, &self.there(subject, model, None), "gate_time", &Coupling::new())
        };
        Cheapest(models.iter().map(one).filter(|c| c.nowhere().is_none()).collect())
    }

    /// Seconds of work beside the solves: dense flops, and flops of products with a stored matrix.
    pub fn work(&self, dense_flops: f64, stored_flops: f64) -> f64 {
        let set = |name: &str| self.settings.set.iter().rev().find(|(n, _)| n == name).map(|(_, x)| *x);
        let of = |rate: &Option<crate::catalog::Rate>| rate.as_ref().map(|r| r.value);
        let dense = set("flops_per_second").or(of(&self.machine.flops_per_second)).unwrap_or(f64::INFINITY);
        let stored = set("matvec_flops_per_second")
            .or(set("flops_per_second"))
            .or(of(&self.machine.matvec_flops_per_second))
            .unwrap_or(dense);
        dense_flops / dense + stored_flops / stored
    }
}

fn name(model: &Model, quantity: &Quantity) -> String {
    if quantity.bound == Bound::Run { format!("{} (run)", model.id()) } else { model.id().to_string() }
}

/// The `seconds` of the models that stand for a side.
fn side<'c>(catalog: &'c Catalog, settings: &Settings, family: Family) -> Result<Vec<(&'c Model, &'c Quantity)>> {
    let quantum = family == Family::Quantum;
    let (choice, option) =
        if quantum { (&settings.quantum, "--quantum") } else { (&settings.classical, "--classical") };
    let Side::Named(id) = choice else {
        let fits = |m: &&Model| m.family() == family && settings.scenario.excludes(m).is_none();
        let counts = |m: &Model, q: &Quantity| {
            q.id == "seconds"
                && if quantum { q.bound != Bound::ProvenLower } else { m.source.rival && !q.constant_unknown }
        };
        let all = catalog.models.iter().filter(fits);
        return Ok(all.flat_map(|m| m.quantities.iter().filter(move |q| counts(m, q)).map(move |q| (m, q))).collect());
    };
    let (stem, real) = match id.split_once(':') {
        Some((stem, "run")) => (stem, true),
        _ => (id.as_str(), false),
    };
    let model = catalog.model(stem)?;
    let refused = |what: String, help: &str| Error::usage("schedule::model", format!("{option} {id}"), what, help);
    let word = if quantum { "quantum" } else { "classical" };
    if model.family() != family {
        return Err(refused(format!("`{stem}` is no {word} solver"), "see `breakeven models list`"));
    }
    if let Some(why) = settings.scenario.excludes(model) {
        let what = format!("`{stem}` has no value in the scenario `{}`: {why}", settings.scenario.id());
        return Err(refused(what, "choose another --scenario or model"));
    }
    let wanted = if real { "seconds:run" } else { "seconds" };
    match model.quantity(wanted) {
        Some(quantity) => Ok(vec![(model, quantity)]),
        None => Err(refused(format!("`{stem}` prices no {wanted}"), "see `breakeven models show`")),
    }
}
