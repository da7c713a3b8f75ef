//! `breakeven crossover`: where a quantum and a classical cost cross.

use clap::Args;
use serde_json::{Value, json};

use super::ExitStatus;
use super::args::HELP;
use super::args::values::{Assignment, Range, last_wins};
use super::context::Context;
use super::output::{Output, Table, short_number};
use super::values::{Given, given};
use crate::catalog::{Catalog, Family, Model, Point, Spread};
use crate::crossover::{Cheapest, Coupling, Curve, Search, Side, search};
use crate::error::{Error, Result};

/// Arguments of `crossover`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven crossover --quantum dalzell2024 --classical ldlt --solve-for n --range 10:1e12 --set kappa=100 --set eps=1e-3 --set gate_time=1e-6 --set flops_per_second=1e13
  breakeven crossover --quantum q-newton --classical inverse --solve-for gate_time --range 1e-18:1 --set n=536 --set d=536 --set kappa=1e4 --set eps=1e-3 --set flops_per_second=1e13
")]
pub struct CrossoverArgs {
    /// Quantum model id.
    #[arg(long, value_name = "MODEL")]
    pub quantum: String,
    /// Classical model id.
    #[arg(long, value_name = "MODEL")]
    pub classical: String,
    /// The variable.
    #[arg(long, value_name = "VARIABLE")]
    pub solve_for: String,
    /// Where to look, low:high.
    #[arg(long, value_name = "LOW:HIGH", allow_hyphen_values = true)]
    pub range: Range,
    /// A variable, in SI units; a later one of the same name wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
    /// Hardware ids that fill gate time and rates.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub hardware: Vec<String>,
}

/// Prints every crossing of the two times in the range, or that there is none.
///
/// # Errors
/// An unknown model, variable or machine; a variable without a value.
pub fn run(args: CrossoverArgs, io: &Context) -> Result<ExitStatus> {
    let mut catalog = crate::catalog::load(io.models.as_deref())?;
    super::calibrate::add_when_asked(&mut catalog, &args.hardware, io)?;
    let pair = Pair::new(&catalog, &args.quantum, &args.classical)?;
    let set = last_wins(&args.set);
    let Given { point, notes } = given(&catalog, &pair.models(), &set, &args.hardware)?;
    for note in notes {
        io.note(note);
    }
    let (quantum, classical) = pair.curves(&point, &args.solve_for)?;
    let found =
        search(&Cheapest(vec![quantum.clone()]), &Cheapest(vec![classical.clone()]), args.range.low, args.range.high);
    io.emit(&output(&args, &pair, &found, [&quantum, &classical]))?;
    Ok(ExitStatus::Success)
}

/// A quantum and a classical model.
pub(super) struct Pair<'c> {
    /// The quantum model.
    pub quantum: &'c Model,
    /// The classical model.
    pub classical: &'c Model,
}

impl<'c> Pair<'c> {
    /// Finds both and checks what they price.
    pub fn new(catalog: &'c Catalog, quantum: &str, classical: &str) -> Result<Self> {
        let family = |option: &str, id: &str, wanted: Family, name: &str| -> Result<&'c Model> {
            let model = catalog.model(id)?;
            if model.family() != wanted || model.quantity("seconds").is_none() {
                let what = format!("`{id}` is no {name} solver with a time");
                return Err(Error::usage("cli::crossover", option, what, "see `breakeven models list`"));
            }
            Ok(model)
        };
        Ok(Pair {
            quantum: family("--quantum", quantum, Family::Quantum, "quantum")?,
            classical: family("--classical", classical, Family::Classical, "classical")?,
        })
    }

    /// Both models.
    pub fn models(&self) -> [&'c Model; 2] {
        [self.quantum, self.classical]
    }

    /// Both times along a variable.
    pub fn curves(&self, point: &Point, variable: &str) -> Result<(Curve, Curve)> {
        self.known(variable)?;
        Ok((curve(self.quantum, point, &[variable])?, curve(self.classical, point, &[variable])?))
    }

    /// Whether the variable belongs to either model.
    pub fn known(&self, variable: &str) -> Result<()> {
        if self.models().iter().any(|m| m.variable(variable).is_some()) {
            return Ok(());
        }
        let known = self.models().into_iter().flat_map(|m| m.variables.iter().map(|v| v.name.as_str()));
        let near = crate::catalog::nearest(variable, known.clone());
        let mut all: Vec<&str> = known.collect();
        all.sort_unstable();
        all.dedup();
        let help =
            near.map_or(format!("the variables here are {}", all.join(", ")), |n| format!("did you mean `{n}`?"));
        Err(Error::usage("cli::crossover", format!("--solve-for {variable}"), "neither model uses it", help))
    }
}

/// The time of a model along the first of `free`; every other variable must have a value.
pub(super) fn curve(model: &Model, point: &Point, free: &[&str]) -> Result<Curve> {
    let missing = || Error::usage("cli::crossover", model.id(), "the model has no `seconds`", "");
    let quantity = model.quantity("seconds").ok_or_else(missing)?;
    // With some number for the free variables, whatever still lacks a value lacks it everywhere.
    let tried = free.iter().fold(point.clone(), |p, name| p.with(name, Spread::exact(1.0)));
    let resolved = model.resolve(&tried);
    let mut needed: Vec<&String> = quantity.names.iter().collect();
    needed.extend(model.domain.iter().chain(&quantity.domain).flat_map(|rule| &rule.names));
    needed.retain(|name| resolved.value(name).is_none());
    needed.sort();
    needed.dedup();
    let lacking = needed;
    if let Some(first) = lacking.first() {
        let names: Vec<&str> = lacking.iter().map(|n| n.as_str()).collect();
        let what = format!("no value for {}", names.join(", "));
        let first = first.strip_prefix("matvec_").unwrap_or(first);
        let rate = matches!(first, "gate_time" | "flops_per_second");
        let help = if rate { format!("--set {first}=VALUE or --hardware ID") } else { format!("--set {first}=VALUE") };
        return Err(Error::usage("cli::crossover", model.id(), what, help));
    }
    let variable = free.first().copied().unwrap_or("n");
    Ok(Curve::new(model, quantity, point, variable, &Coupling::new()))
}

fn side(side: Side) -> Value {
    match side {
        Side::First => json!("quantum"),
        Side::Second => json!("classical"),
        Side::Tie => json!("tie"),
        Side::Outside | Side::Unknown => Value::Null,
    }
}

fn output(args: &CrossoverArgs, pair: &Pair, found: &Search, curves: [&Curve; 2]) -> Output {
    let mut assumptions = Vec::new();
    for (model, curve) in pair.models().iter().zip(curves) {
        if model.unverified() {
            assumptions.push(format!("{} is UNVERIFIED: {}", model.id(), model.source.status_why));
        }
        assumptions.extend(curve.assumptions.iter().map(|a| format!("{}: {a}", model.id())));
        let gate = model.variable("gate_time").and_then(|v| v.note.clone());
        assumptions.extend(gate.map(|note| format!("{}: {note}", model.id())));
    }
    let note = note(args, found, curves);
    let mut table = Table::new(&["at", "low", "high", "certified", "cheaper_below", "cheaper_above"]);
    let mut crossovers = Vec::new();
    for c in &found.crossings {
        let (below, above) = (side(c.below), side(c.above));
        let word = |v: &Value| v.as_str().unwrap_or("unknown").to_string();
        table.push(vec![
            c.at.into(),
            c.low.into(),
            c.high.into(),
            c.certified.to_string().into(),
            word(&below).into(),
            word(&above).into(),
        ]);
        crossovers.push(json!({
            "at": c.at, "low": c.low, "high": c.high, "certified": c.certified,
            "cheaper_below": below, "cheaper_above": above,
        }));
    }
    let mut text = format!("{} against {} in {}\n", args.quantum, args.classical, args.solve_for);
    for c in &found.crossings {
        let word = |s: Side| side(s).as_str().unwrap_or("unknown").to_string();
        text += &format!(
            "{} = {:?}  [{:?}, {:?}]  {}  cheaper below: {}, above: {}\n",
            args.solve_for,
            c.at,
            c.low,
            c.high,
            if c.certified { "certified" } else { "not certified" },
            word(c.below),
            word(c.above)
        );
    }
    text += &format!("{note}\n");
    for a in &assumptions {
        text += &format!("assumed: {a}\n");
    }
    let json = json!({
        "quantum": args.quantum, "classical": args.classical, "variable": args.solve_for,
        "range": [args.range.low, args.range.high], "assumptions": assumptions, "crossovers": crossovers, "note": note,
    });
    let mut result = Output::table(json, table);
    result.text = text;
    result
}

fn note(args: &CrossoverArgs, found: &Search, [quantum, classical]: [&Curve; 2]) -> String {
    let (low, high) = (short_number(args.range.low), short_number(args.range.high));
    let mut parts = Vec::new();
    let every = |ids: &str| format!("every crossing in [{low}, {high}] is listed{ids}");
    if found.crossings.is_empty() {
        let proof = if found.complete { "proven" } else { "not proven" };
        parts.push(format!("no crossing in [{low}, {high}], {proof}"));
    } else if found.complete {
        parts.push(every(", proven"));
    } else {
        parts.push(every(", not proven: the interval arithmetic gave up"));
    }
    for [a, b] in &found.outside {
        let why = quantum.why_outside(a.midpoint(*b)).or(classical.why_outside(a.midpoint(*b))).unwrap_or("");
        let (a, b) = (short_number(*a), short_number(*b));
        parts.push(format!("no value on [{a}, {b}]: {why}"));
    }
    for [a, b] in &found.open {
        parts.push(format!(
            "undecided on [{}, {}]: the costs agree there to rounding",
            short_number(*a),
            short_number(*b)
        ));
    }
    if found.crossings.is_empty()
        && let Some(x) = [args.range.low, args.range.low.midpoint(args.range.high), args.range.high]
            .into_iter()
            .find(|x| quantum.value(*x).is_some() && classical.value(*x).is_some())
        && let (Some(q), Some(c)) = (quantum.value(x), classical.value(x))
    {
        let cheaper = if q < c { "quantum" } else { "classical" };
        let x = short_number(x);
        parts.push(format!(
            "{cheaper} is cheaper, {} s against {} s at {x}",
            short_number(q.min(c)),
            short_number(q.max(c))
        ));
    }
    parts.join("; ")
}
