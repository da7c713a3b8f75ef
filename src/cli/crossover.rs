//! `breakeven crossover`: where a quantum and a classical cost cross.

use clap::Args;
use serde_json::{Value, json};

use super::ExitStatus;
use super::args::HELP;
use super::args::values::{Assignment, Interval, Range, last_wins};
use super::context::Context;
use super::output::{Cell, Output, Table, short_number};
use super::values::{Given, given};
use crate::catalog::{Catalog, Family, Model, Point, Quantity, Spread};
use crate::crossover::{Cheapest, Coupling, Curve, Search, Side, Uncertain, Uncertainty, search};
use crate::error::{Error, Result};

/// Arguments of `crossover`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven crossover --quantum dalzell2024 --classical ldlt --solve-for n --range 10:1e12 --set kappa=100 --set eps=1e-3 --set gate_time=1e-6 --set flops_per_second=1e13
  breakeven crossover --quantum q-newton --classical inverse --solve-for gate_time --range 1e-18:1 --set n=536 --set d=536 --set kappa=1e4 --set eps=1e-3 --set flops_per_second=1e13
  breakeven crossover --quantum costa2026 --classical ldlt --solve-for n --range 10:1e9 --set kappa=300 --uncertain kappa=100:900 --set eps=1e-3 --hardware qubit_gate_ns_e3,a100 --samples 2000
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
    /// Interval of a variable: the central 95 % of a log-normal distribution about its value (if none is set, about
    /// the geometric mean).
    #[arg(long, value_name = "NAME=LOW:HIGH")]
    pub uncertain: Vec<Interval>,
    /// Draw the uncertain variables (those of --uncertain, rates of hardware, constants of models that have a band) so
    /// many times and print the spread of every crossing.
    #[arg(long, value_name = "DRAWS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub samples: Option<u32>,
}

/// Draws when intervals are given and their number is not.
const SAMPLES: u32 = 1000;

/// Prints every crossing of the two times in the range, or that there is none.
///
/// # Errors
/// An unknown model, variable or machine; a variable without a value.
pub fn run(args: CrossoverArgs, io: &Context) -> Result<ExitStatus> {
    let mut catalog = crate::catalog::load(io.models.as_deref())?;
    super::calibrate::add_when_asked(&mut catalog, &args.hardware, io)?;
    let pair = Pair::new(&catalog, &args.quantum, &args.classical)?;
    let mut set = last_wins(&args.set);
    if let Some(u) = args.uncertain.iter().find(|u| u.name == args.solve_for) {
        let what = format!("`{}` is the variable that is solved for", u.name);
        return Err(Error::usage("cli::crossover", format!("--uncertain {}", u.name), what, "leave its interval out"));
    }
    for u in &args.uncertain {
        if !set.iter().any(|(name, _)| *name == u.name) {
            set.push((u.name.clone(), (u.low * u.high).sqrt()));
        }
    }
    let Given { mut point, notes } = given(&catalog, &pair.models(), &set, &args.hardware)?;
    for note in notes {
        io.note(note);
    }
    for u in &args.uncertain {
        let value = point.get(&u.name).map_or(u.low, |s| s.value);
        if !(u.low..=u.high).contains(&value) {
            let what = format!("the value {} lies outside", short_number(value));
            return Err(Error::usage("cli::crossover", format!("--uncertain {}", u.name), what, "widen the interval"));
        }
        point.set(&u.name, Spread::new(value, u.low, u.high));
    }
    let (quantum, classical) = pair.curves(&point, &args.solve_for)?;
    let found =
        search(&Cheapest(vec![quantum.clone()]), &Cheapest(vec![classical.clone()]), args.range.low, args.range.high);
    let spreads = match args.samples {
        None if args.uncertain.is_empty() => None,
        samples => Some(spreads(&args, &pair, &point, &found, samples.unwrap_or(SAMPLES), io.seed)?),
    };
    io.emit(&output(&args, &pair, &found, [&quantum, &classical], spreads.as_ref()))?;
    Ok(ExitStatus::Success)
}

/// The uncertainty of every crossing, and what was varied.
struct Spreads {
    varied: Vec<String>,
    draws: u32,
    seed: u64,
    crossings: Vec<Uncertainty>,
}

fn spreads(args: &CrossoverArgs, pair: &Pair, point: &Point, found: &Search, draws: u32, seed: u64) -> Result<Spreads> {
    // Constants of a model with a band of their own vary too; what follows other variables follows them.
    let mut point = point.clone();
    point.forget(&args.solve_for);
    for model in pair.models() {
        let resolved = model.resolve(&point);
        let own = model.variables.iter().filter(|v| v.name != args.solve_for && point.get(&v.name).is_none());
        let own = own.filter(|v| v.default.as_ref().is_some_and(|d| d.variables().is_empty()));
        let bands: Vec<(&str, Spread)> = own
            .filter_map(|v| Some((v.name.as_str(), resolved.spread(&v.name)?)))
            .filter(|(_, s)| !s.is_exact())
            .collect();
        for (name, spread) in bands {
            point.set(name, spread);
        }
    }
    // What neither model uses would only be drawn in vain.
    let used = |name: &str| pair.models().iter().any(|m| m.variable(name).is_some());
    let unused: Vec<String> = point.iter().map(|(n, _)| n.to_string()).filter(|n| !used(n)).collect();
    unused.iter().for_each(|name| point.forget(name));
    let (q, c) = (time_of(pair.quantum)?, time_of(pair.classical)?);
    let none = Coupling::new();
    let uncertain = Uncertain {
        first: &|p| Curve::new(pair.quantum, q, p, &args.solve_for, &none),
        second: &|p| Curve::new(pair.classical, c, p, &args.solve_for, &none),
        point: &point,
        range: [args.range.low, args.range.high],
    };
    let crossings = uncertain.spread(&found.crossings, draws as usize, seed)?;
    let varied = point.iter().filter(|(_, s)| !s.is_exact()).map(|(name, _)| name.to_string()).collect();
    Ok(Spreads { varied, draws, seed, crossings })
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

fn time_of(model: &Model) -> Result<&Quantity> {
    let missing = || Error::usage("cli::crossover", model.id(), "the model has no `seconds`", "");
    model.quantity("seconds").ok_or_else(missing)
}

/// The time of a model along the first of `free`; every other variable must have a value.
pub(super) fn curve(model: &Model, point: &Point, free: &[&str]) -> Result<Curve> {
    let quantity = time_of(model)?;
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

fn output(args: &CrossoverArgs, pair: &Pair, found: &Search, curves: [&Curve; 2], spreads: Option<&Spreads>) -> Output {
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
    let mut columns = vec!["at", "low", "high", "certified", "cheaper_below", "cheaper_above"];
    if spreads.is_some() {
        columns.extend(["ends_low", "ends_high", "q05", "median", "q95", "draws_that_cross"]);
    }
    let mut table = Table::new(&columns);
    let mut crossovers = Vec::new();
    for (i, c) in found.crossings.iter().enumerate() {
        let (below, above) = (side(c.below), side(c.above));
        let word = |v: &Value| v.as_str().unwrap_or("unknown").to_string();
        let mut row = vec![
            c.at.into(),
            c.low.into(),
            c.high.into(),
            c.certified.to_string().into(),
            word(&below).into(),
            word(&above).into(),
        ];
        let mut crossover = json!({
            "at": c.at, "low": c.low, "high": c.high, "certified": c.certified,
            "cheaper_below": below, "cheaper_above": above,
        });
        if let Some(u) = spreads.and_then(|s| s.crossings.get(i)) {
            let band = u.sampled.as_ref();
            row.extend([u.ends.map(|e| e[0]).into(), u.ends.map(|e| e[1]).into()]);
            row.extend([band.map(|b| b.low).into(), band.map(|b| b.median).into(), band.map(|b| b.high).into()]);
            row.push(band.map_or(Cell::Empty, |b| b.samples.into()));
            crossover["ends"] = json!(u.ends);
            crossover["sampled"] = json!(u.sampled);
        }
        table.push(row);
        crossovers.push(crossover);
    }
    let mut text = format!("{} against {} in {}\n", args.quantum, args.classical, args.solve_for);
    for (i, c) in found.crossings.iter().enumerate() {
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
        if let Some(u) = spreads.and_then(|s| s.crossings.get(i)) {
            text += &spread_text(u);
        }
    }
    if let Some(s) = spreads {
        let varied = if s.varied.is_empty() { "nothing".to_string() } else { s.varied.join(", ") };
        text += &format!("uncertain: {varied}; {} draws, seed {}\n", s.draws, s.seed);
    }
    text += &format!("{note}\n");
    for a in &assumptions {
        text += &format!("assumed: {a}\n");
    }
    let mut json = json!({
        "quantum": args.quantum, "classical": args.classical, "variable": args.solve_for,
        "range": [args.range.low, args.range.high], "assumptions": assumptions, "crossovers": crossovers, "note": note,
    });
    if let Some(s) = spreads {
        json["uncertain"] = json!({ "variables": s.varied, "draws": s.draws, "seed": s.seed });
    }
    let mut result = Output::table(json, table);
    result.text = text;
    result
}

fn spread_text(u: &Uncertainty) -> String {
    let ends = u.ends.map_or("not at every end of the intervals".to_string(), |[a, b]| {
        format!("{} to {} over the ends of the intervals", short_number(a), short_number(b))
    });
    let sampled = u.sampled.as_ref().map_or("no draw crosses".to_string(), |b| {
        let [low, median, high] = [b.low, b.median, b.high].map(short_number);
        format!("5 % {low}, median {median}, 95 % {high} ({} of {} draws cross)", b.samples, b.drawn)
    });
    format!("  {ends}; {sampled}\n")
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
    // Neighbours with the same reason are one piece.
    let mut outside: Vec<([f64; 2], String)> = Vec::new();
    for [a, b] in &found.outside {
        let middle = a.midpoint(*b);
        let why = quantum.why_outside(middle).or_else(|| classical.why_outside(middle)).unwrap_or_default();
        match outside.last_mut() {
            Some((last, same)) if last[1] == *a && *same == why => last[1] = *b,
            _ => outside.push(([*a, *b], why)),
        }
    }
    for ([a, b], why) in outside {
        parts.push(format!("no value on [{}, {}]: {why}", short_number(a), short_number(b)));
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
