//! `breakeven explain`: the derivation of one reported number, from file to formula to value; or a model, a quantity,
//! a variable, a topic.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::ExitStatus;
use super::args::HELP;
use super::context::Context;
use super::output::{Output, short_number};
use crate::catalog::{Bound, Catalog, Model, Quantity};
use crate::cost::{CostRow, on_machine, point_for};
use crate::error::{Error, Result};
use crate::measurement::{Measured, Measurement};
use crate::report::document::{Case, Report};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven explain sgd_0200/hessian/full kappa
  breakeven explain sgd_0200/hessian/full costa2026.queries --report reports/sample
  breakeven explain costa2026
  breakeven explain kappa_eff
")]
pub struct ExplainArgs {
    /// Id of a case in the report; alone: a model, a quantity, a variable or a topic.
    #[arg(value_name = "CASE|TOPIC")]
    pub case: String,
    /// A measured quantity, MODEL.QUANTITY, or `verdict`.
    #[arg(value_name = "QUANTITY")]
    pub quantity: Option<String>,
    /// The report: report.json or its folder (default: the newest under reports/).
    #[arg(long, value_name = "PATH")]
    pub report: Option<PathBuf>,
}

/// Prints the derivation.
///
/// # Errors
/// No such report, case, model or quantity.
pub fn run(args: ExplainArgs, io: &Context) -> Result<ExitStatus> {
    let catalog = crate::catalog::load(io.models.as_deref())?;
    let result = match &args.quantity {
        None => topic(&catalog, &args.case)?,
        // `explain MODEL QUANTITY`: the formula alone, without a report.
        Some(quantity) if catalog.model(&args.case).is_ok_and(|m| m.quantity(quantity).is_some()) => {
            topic(&catalog, &args.case)?
        }
        Some(quantity) => {
            let path = match &args.report {
                Some(path) => path.clone(),
                None => newest(Path::new("reports"))?,
            };
            let report = report(&path)?;
            let case = case(&report, &args.case)?;
            derive(&catalog, &report, case, quantity)?
        }
    };
    io.emit(&result)?;
    Ok(ExitStatus::Success)
}

fn usage(place: impl std::fmt::Display, what: String, help: &str) -> Error {
    Error::usage("cli::explain", place, what, help)
}

/// A report from its file or its folder.
///
/// # Errors
/// When it cannot be read or is no report.
pub(super) fn report(path: &Path) -> Result<Report> {
    let value = super::diff::read_report(path)?;
    serde_json::from_value(value).map_err(|e| {
        let what = format!("not a report of this version: {e}");
        Error::input("cli::report", path.display(), what, "make it anew with `breakeven analyze`")
    })
}

/// The report.json that was written last under a folder.
fn newest(folder: &Path) -> Result<PathBuf> {
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.path().join("report.json");
        if let Ok(time) = std::fs::metadata(&file).and_then(|m| m.modified()) {
            found.push((time, file));
        }
    }
    found.into_iter().max().map(|(_, file)| file).ok_or_else(|| {
        usage(
            "--report",
            format!("no report under {}/", folder.display()),
            "run `breakeven analyze`, or name one with --report",
        )
    })
}

fn case<'r>(report: &'r Report, id: &str) -> Result<&'r Case> {
    report.cases.iter().find(|c| c.measurement.id == id).ok_or_else(|| {
        let ids = report.cases.iter().map(|c| c.measurement.id.as_str());
        let near = crate::catalog::nearest(id, ids.clone()).map(str::to_string);
        let few: Vec<&str> = ids.take(8).collect();
        let help = near.map_or(format!("cases are {}, …", few.join(", ")), |n| format!("did you mean `{n}`?"));
        usage(id, "no such case in the report".into(), &help)
    })
}

/// A derivation: lines for people, steps for programs.
struct Derivation {
    steps: Vec<Value>,
    text: String,
}

impl Derivation {
    fn new(title: String) -> Self {
        Derivation { steps: Vec::new(), text: title + "\n" }
    }

    fn step(&mut self, name: &str, value: Value, from: &str) {
        let shown = match &value {
            Value::Number(x) => x.as_f64().map_or(x.to_string(), short_number),
            Value::String(s) => s.clone(),
            Value::Null => "none".into(),
            other => other.to_string(),
        };
        self.text += &format!("  {name} = {shown}   ({from})\n");
        self.steps.push(json!({ "name": name, "value": value, "from": from }));
    }

    fn line(&mut self, text: &str) {
        self.text += &format!("{text}\n");
    }
}

fn derive(catalog: &Catalog, report: &Report, case: &Case, quantity: &str) -> Result<Output> {
    let m = &case.measurement;
    let mut d = Derivation::new(format!("{} of {}", quantity, m.id));
    let value = match quantity.split_once('.') {
        Some((model, name)) => priced(catalog, case, model, name, &mut d)?,
        None if quantity == "verdict" => verdict(case, &mut d),
        None => measured(m, quantity, &mut d)?,
    };
    d.line("from");
    for input in &report.provenance.inputs {
        let own = input.path.starts_with("models/");
        if !own || quantity.split_once('.').is_some_and(|(model, _)| input.path.ends_with(&format!("/{model}.json"))) {
            d.line(&format!("  {}  blake3 {}", input.path, input.blake3));
        }
    }
    let json = json!({ "case": m.id, "quantity": quantity, "value": value, "steps": d.steps });
    Ok(Output::text(json, d.text))
}

fn verdict(case: &Case, d: &mut Derivation) -> Value {
    for v in &case.verdicts {
        let pair = format!("{} on {} against {}", v.scenario, v.hardware_quantum, v.hardware_classical);
        d.step(&pair, json!(v.class.name()), &format!("{}; nearest lever {}", v.reason, v.nearest_lever));
    }
    case.verdict.as_ref().map_or(Value::Null, |v| json!(v.class.name()))
}

/// Measured quantities: the value, its interval and the method.
fn measured(m: &Measurement, name: &str, d: &mut Derivation) -> Result<Value> {
    let full = |d: &mut Derivation, name: &str, x: &Measured| {
        d.step(name, json!(x.value), &x.method);
        let of = x.of.clone().unwrap_or_else(|| "the solved matrix".into());
        let ends = [x.low, x.high].map(|e| e.map_or("none".to_string(), short_number));
        d.line(&format!("  of {of}, in [{}, {}]", ends[0], ends[1]));
        json!(x.value)
    };
    let value = match name {
        "kappa" => {
            let value = full(d, "kappa", &m.kappa);
            full(d, "sigma_max", &m.sigma_max);
            full(d, "sigma_min", &m.sigma_min);
            d.step("lambda", json!(m.damping.lambda), &format!("damping {}", m.damping.rule));
            for other in &m.kappas {
                full(d, &format!("kappa of {}", other.of.clone().unwrap_or_default()), other);
            }
            value
        }
        "sigma_max" => full(d, name, &m.sigma_max),
        "sigma_min" => full(d, name, &m.sigma_min),
        "n" => {
            d.step("n", json!(m.n), &format!("scope {}", m.scope));
            json!(m.n)
        }
        "d" | "row_sparsity" => {
            let s = &m.row_sparsity;
            let how = format!(
                "largest number of entries with |a_ij| > {:e} max|a| in a row of the solved matrix",
                s.threshold
            );
            d.step("d", json!(s.value), &how);
            json!(s.value)
        }
        "alpha" | "subnormalization" => {
            let s = &m.subnormalization;
            d.step("alpha (absolute)", json!(s.absolute), &format!("{} encoding", s.encoding));
            full(d, "sigma_max", &m.sigma_max);
            d.step("alpha", json!(s.relative), "absolute / sigma_max");
            json!(s.relative)
        }
        "eps" | "tolerance" => {
            let t = &m.tolerance;
            d.step("eps", json!(t.value), &t.method);
            d.line(&format!(
                "  in [{}, {}], losing {} of the step's decrease",
                short_number(t.low),
                short_number(t.high),
                t.loss_fraction
            ));
            json!(t.value)
        }
        "x_norm" => {
            d.step("x_norm", json!(m.x_norm), "norm of the solution for a matrix and a right-hand side of norm 1");
            json!(m.x_norm)
        }
        "rank" => {
            d.step("rank", json!(m.rank), "singular values above the inertia tolerance");
            json!(m.rank)
        }
        "inertia" | "inertia_solved" => {
            let i = if name == "inertia" { &m.inertia } else { &m.inertia_solved };
            d.step(
                name,
                json!([i.positive, i.negative, i.zero]),
                &format!("positive, negative, zero; tolerance {:e}", i.tolerance),
            );
            json!(i)
        }
        "loss" => {
            d.step("loss", json!(m.loss), "at the snapshot");
            json!(m.loss)
        }
        "gradient_norm" => {
            d.step("gradient_norm", json!(m.gradient_norm), "at the snapshot");
            json!(m.gradient_norm)
        }
        _ => {
            let help = "measured: n, kappa, sigma_max, sigma_min, rank, inertia, inertia_solved, d, alpha, eps, x_norm, loss, \
                        gradient_norm; priced: MODEL.QUANTITY; or verdict";
            return Err(usage(name, "no such quantity".into(), help));
        }
    };
    Ok(value)
}

/// A priced quantity: the formula, the variables, the value, recomputed.
fn priced(catalog: &Catalog, case: &Case, id: &str, name: &str, d: &mut Derivation) -> Result<Value> {
    let model = catalog.model(id)?;
    let rows: Vec<&CostRow> = case.costs.iter().filter(|r| r.model == id && r.quantity == name).collect();
    if rows.is_empty() {
        let mut names: Vec<&str> = case.costs.iter().filter(|r| r.model == id).map(|r| r.quantity.as_str()).collect();
        names.dedup();
        return Err(usage(
            format!("{id}.{name}"),
            "no such row in the report".into(),
            &format!("{id} has {}", names.join(", ")),
        ));
    }
    formula(catalog, model, name, d);
    let mut value = Value::Null;
    for row in rows {
        let on = row.hardware.as_ref().map_or(String::new(), |h| format!(" on {h}"));
        d.line(&format!("{}{on}, {}", row.scenario, row.bound));
        let Some(reported) = row.value else {
            d.line(&format!("  no value: {}", row.domain.why));
            continue;
        };
        let mut point = point_for(model, &case.measurement);
        if let Some(machine) = row.hardware.as_ref().and_then(|h| catalog.machine(h).ok()) {
            point = on_machine(&point, machine);
        }
        let quantity = model.quantities.iter().find(|q| q.id == name && q.bound.name() == row.bound);
        let resolved = model.resolve(&point);
        for variable in quantity.map(|q| q.expression.variables()).unwrap_or_default() {
            let assumed = resolved.assumed.iter().any(|(n, _)| *n == variable);
            let from = if assumed { "the model's default" } else { "measured, or the machine's" };
            d.step(&variable, json!(resolved.value(&variable)), from);
        }
        d.step(name, json!(reported), &format!("{} to {}", end(row.low), end(row.high)));
        if let Some(again) = quantity.and_then(|q| model.price(q, &point).value) {
            let same = (again - reported).abs() <= 1e-12 * reported.abs();
            let words = if same {
                "computed again now: the same"
            } else {
                "computed again now: DIFFERENT, the model or the machine changed"
            };
            d.step("again", json!(again), words);
        }
        for a in &row.assumptions {
            d.line(&format!("  assumed: {a}"));
        }
        if value.is_null() {
            value = json!(reported);
        }
    }
    Ok(value)
}

fn end(x: Option<f64>) -> String {
    x.map_or("unbounded".into(), short_number)
}

fn formula(catalog: &Catalog, model: &Model, name: &str, d: &mut Derivation) {
    for q in model.quantities.iter().filter(|q| q.id == name && q.bound != Bound::Run) {
        d.line(&format!("{} = {}", q.id, q.text));
        for earlier in
            model.quantities.iter().filter(|e| e.id != q.id && q.text.contains(&e.id) && e.bound != Bound::Run)
        {
            d.line(&format!("{} = {}", earlier.id, earlier.text));
        }
        for definition in &model.source.definitions {
            d.line(&format!("  {} = {}", definition.id, definition.expression));
        }
        cites(catalog, q, d);
    }
}

fn cites(catalog: &Catalog, q: &Quantity, d: &mut Derivation) {
    for c in &q.cite {
        let work = catalog.bibliography.get(&c.key);
        let work = work.map_or(String::new(), |w| format!(": {} ({}), {}", w.authors, w.year, w.title));
        d.line(&format!("  source: {} {}{work}", c.key, c.place));
    }
}

/// What a name means: a topic, a model, a variable, a quantity.
fn topic(catalog: &Catalog, name: &str) -> Result<Output> {
    if let Some((_, text)) = TOPICS.iter().find(|(topic, _)| *topic == name) {
        return Ok(Output::text(json!({ "topic": name, "text": text }), format!("{name}\n{text}")));
    }
    if let Some(model) = catalog.models.iter().find(|m| m.id() == name) {
        let text = super::models::text(catalog, model);
        return Ok(Output::text(json!({ "topic": name, "text": text }), text));
    }
    if let Some(machine) = catalog.hardware.iter().find(|h| h.id == name) {
        let json = json!({ "topic": name, "hardware": machine });
        let text =
            format!("{}: {}\n{}", machine.id, machine.title, serde_json::to_string_pretty(machine).unwrap_or_default());
        return Ok(Output::text(json, text));
    }
    let users: Vec<String> = catalog
        .models
        .iter()
        .flat_map(|m| {
            m.quantities
                .iter()
                .filter(|q| q.id == name)
                .map(|q| format!("{} [{}, {}]: {}", m.id(), q.unit, q.bound.name(), q.text))
        })
        .collect();
    if let Some(variable) = catalog.vocabulary.get(name) {
        let models: Vec<&str> = catalog.models.iter().filter(|m| m.variable(name).is_some()).map(|m| m.id()).collect();
        let text = format!("{name} [{}]: {}\nused by {}", variable.unit, variable.meaning, models.join(", "));
        return Ok(Output::text(
            json!({ "topic": name, "unit": variable.unit, "meaning": variable.meaning, "models": models }),
            text,
        ));
    }
    if !users.is_empty() {
        return Ok(Output::text(json!({ "topic": name, "models": users }), format!("{name}\n{}", users.join("\n"))));
    }
    let known = TOPICS
        .iter()
        .map(|(t, _)| *t)
        .chain(catalog.models.iter().map(Model::id))
        .chain(catalog.vocabulary.keys().map(String::as_str));
    let near = crate::catalog::nearest(name, known).map_or(String::new(), |n| format!("did you mean `{n}`? "));
    let topics: Vec<&str> = TOPICS.iter().map(|(t, _)| *t).collect();
    let help = format!(
        "{near}topics are {}; or a model, variable, quantity or machine; with a case: explain CASE QUANTITY",
        topics.join(", ")
    );
    Err(usage(name, "nothing of this name".into(), &help))
}

/// Short texts; the long ones are in docs/.
const TOPICS: &[(&str, &str)] = &[
    (
        "kappa_eff",
        "kappa_eff = alpha*kappa: the condition number that a block encoding of subnormalisation alpha (relative to the norm) presents to the solver. It enters once: a model file says whether its kappa is kappa_eff, or alpha or the sparsity d stands in the formula.",
    ),
    (
        "paper",
        "Scenario: Q-Newton's own count, d*kappa*ln(N*kappa/eps) gates (and the older d*kappa*ln(N/eps)) times one gate time, against the inverse's 2N^3 flops. Constant 1, no proof. The outcome against the best classical rival stands beside it.",
    ),
    (
        "oracle",
        "Scenario: non-asymptotic query counts at kappa_eff, one gate time a query, against LDL^T, CG, MINRES (bounds and real runs), CG with Hessian-vector products and Woodbury. Not counted: the encoding, state preparation, the norm, readout, error correction.",
    ),
    (
        "excluded",
        "Verdict: within the oracle model named, a lower bound on every quantum solver exceeds the cost of a listed rival. It is about the class of matrices, never a proof for this matrix.",
    ),
    (
        "breaks-even",
        "Verdict: a proven upper bound on the quantum cost, at its dearest over the measured intervals, is below the cheapest estimate of every listed rival.",
    ),
    (
        "unfavourable",
        "Verdict: every listed in-domain quantum estimate, the most optimistic at its cheapest included, exceeds the dearest estimate of the cheapest rival. An estimate, not a proof.",
    ),
    ("undecided", "Verdict: none of excluded, breaks-even, unfavourable; or no quantum model is in its domain."),
    (
        "crossover-relevant",
        "A case whose break-even gate time, in some scenario of the run, lies inside the range of the run's machines widened by --simulate-band on both sides: its answer depends on the machine, so it is worth simulating.",
    ),
    (
        "certified",
        "Found by interval arithmetic: between the ends of the enclosure the cheaper side changes, and every other piece of the range is proven to have no crossing.",
    ),
];
