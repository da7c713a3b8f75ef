//! `breakeven models`: the catalogue of cost models.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::ExitStatus;
use super::args::HELP;
use super::context::Context;
use super::cost::status;
use super::output::{Cell, Output, Table, short_number};
use crate::catalog::{Card, Catalog, Comparison, Mark, Model, Quantity, check, compare, derived_growth, trend};
use crate::error::Result;

/// Arguments of `models`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven models list
  breakeven models show costa2022 --format json
  breakeven models check
  breakeven models diff dalzell2024 costa2026
")]
pub struct ModelsArgs {
    /// What to do with the catalogue.
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// Actions on the catalogue.
#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// One line per model.
    List,
    /// Formula, growth, elasticities, domain, citation, examples.
    Show {
        /// Model id.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Lint every model and reproduce every worked example; exit 1 when one fails.
    Check,
    /// Whether two models are equal, different (with a witness) or undecided.
    Diff {
        /// Model id.
        #[arg(value_name = "A")]
        a: String,
        /// Model id.
        #[arg(value_name = "B")]
        b: String,
    },
    /// Measure the classical rates of this machine and print, or save, them as a hardware file.
    Calibrate {
        /// The file: DIR/hardware/this-machine.json of a folder given as --models.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Runs one action.
///
/// # Errors
/// An unknown model, a malformed file of the user's folder.
pub fn run(args: ModelsArgs, io: &Context) -> Result<ExitStatus> {
    if let ModelsAction::Calibrate { out } = args.action {
        return calibrate(out, io);
    }
    let catalog = crate::catalog::load(io.models.as_deref())?;
    match args.action {
        ModelsAction::List => io.emit(&list(&catalog))?,
        ModelsAction::Show { id } => io.emit(&show(&catalog, catalog.model(&id)?))?,
        ModelsAction::Check => {
            let cards = check(&catalog);
            io.emit(&report_card(&cards))?;
            if cards.iter().any(|c| c.mark == Mark::Fail) {
                return Ok(ExitStatus::Gate);
            }
        }
        ModelsAction::Diff { a, b } => io.emit(&diff(catalog.model(&a)?, catalog.model(&b)?))?,
        ModelsAction::Calibrate { .. } => {}
    }
    Ok(ExitStatus::Success)
}

fn list(catalog: &Catalog) -> Output {
    let mut table = Table::new(&["id", "family", "status", "quantity", "bound", "scenarios", "title"]);
    let mut rows = Vec::new();
    for model in &catalog.models {
        let bound = model.main().map_or("", |q| q.bound.name());
        rows.push(json!({
            "id": model.id(), "title": model.source.title, "family": model.family(), "status": status(model),
            "main": model.source.main, "bound": bound, "scenarios": model.source.scenarios, "file": model.file,
        }));
        let family = json!(model.family());
        table.push(vec![
            model.id().into(),
            family.as_str().unwrap_or_default().into(),
            status(model).into(),
            model.source.main.as_str().into(),
            bound.into(),
            model.source.scenarios.join(" ").into(),
            model.source.title.as_str().into(),
        ]);
    }
    Output::table(json!({ "models": rows, "hardware": catalog.hardware }), table)
}

/// The variables in which elasticities are given.
const ELASTIC: [&str; 8] = ["kappa", "eps", "d", "n", "alpha", "nnz", "rank", "x_norm"];

/// Longest elasticity that is printed as a formula.
const LONGEST: usize = 4000;

/// Elasticities of the trend: `ceil` and `floor` are left out, since between their jumps a cost does not move at all.
fn elasticities(catalog: &Catalog, model: &Model, quantity: &Quantity) -> Map<String, Value> {
    let mut all = Map::new();
    let trend = trend(model, &catalog.vocabulary);
    let expression = trend.as_ref().and_then(|m| m.quantity(&quantity.name())).map(|q| &q.expression);
    for name in ELASTIC.iter().filter(|n| quantity.names.iter().any(|q| q == *n)) {
        let text = expression.map_or("a sum over its index: not printed".into(), |e| e.elasticity(name).to_text());
        let shown = if text.len() > LONGEST { format!("{} characters: too long to print", text.len()) } else { text };
        all.insert((*name).to_string(), json!(shown));
    }
    all
}

fn latex(text: &str) -> Value {
    crate::expr::parse(text).map_or(Value::Null, |e| json!(e.to_latex()))
}

fn show(catalog: &Catalog, model: &Model) -> Output {
    let mut variables = Map::new();
    for v in &model.variables {
        variables.insert(
            v.name.clone(),
            json!({ "unit": v.unit, "meaning": v.meaning, "default": v.default_text, "note": v.note }),
        );
    }
    let cites = |q: &Quantity| -> Vec<Value> {
        let one = |c: &crate::catalog::CiteSource| {
            let arxiv = c.key.strip_prefix("arXiv:");
            let work = catalog.bibliography.get(&c.key);
            let work = work.map(|w| format!("{} ({}), {}", w.authors, w.year, w.title));
            json!({ "key": c.key, "arxiv": arxiv, "where": c.place, "work": work })
        };
        q.cite.iter().map(one).collect()
    };
    let quantities: Vec<Value> = model
        .quantities
        .iter()
        .map(|q| {
            json!({
                "id": q.id, "unit": q.unit, "bound": q.bound.name(), "expression": q.text, "latex": latex(&q.text),
                "growth": q.growth, "growth_derived": derived_growth(model, q).to_string(),
                "elasticity": elasticities(catalog, model, q), "constant_unknown": q.constant_unknown, "cite": cites(q),
                "domain": q.domain.iter().map(|r| json!({ "condition": r.text, "why": r.why })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let source = &model.source;
    let definitions: Vec<Value> = source
        .definitions
        .iter()
        .map(|d| json!({ "id": d.id, "expression": d.expression, "latex": latex(&d.expression), "unit": d.unit, "note": d.note }))
        .collect();
    let domain: Vec<Value> = model.domain.iter().map(|r| json!({ "condition": r.text, "why": r.why })).collect();
    let json = json!({
        "id": source.id, "title": source.title, "family": source.family, "status": source.status,
        "status_why": source.status_why, "kappa_convention": source.kappa_convention, "scenarios": source.scenarios,
        "main": source.main, "variables": variables, "definitions": definitions, "quantities": quantities,
        "domain": domain, "omits": source.omits, "exceptions": source.exceptions, "notes": source.notes,
        "examples": source.examples, "file": model.file, "blake3": model.digest,
    });
    Output::text(json, text(catalog, model))
}

/// The same for reading.
pub(super) fn text(catalog: &Catalog, model: &Model) -> String {
    let source = &model.source;
    let mut out = format!("{}: {}\n{}: {}\n", source.id, source.title, status(model), source.status_why);
    let convention = match source.kappa_convention {
        crate::catalog::KappaConvention::KappaEff => "kappa in the formulas is kappa_eff = alpha*kappa",
        crate::catalog::KappaConvention::Alpha => "kappa is that of the matrix; alpha stands in the formula",
        crate::catalog::KappaConvention::D => "kappa is that of the matrix; the sparsity d plays the part of alpha",
        crate::catalog::KappaConvention::Matrix => "kappa is that of the matrix",
    };
    out += &format!("{convention}\nscenarios: {}\n\nvariables\n", source.scenarios.join(", "));
    for v in &model.variables {
        let default = v.default_text.as_ref().map_or(String::new(), |d| format!(", default {d}"));
        let note = v.note.as_ref().map_or(String::new(), |n| format!("; {n}"));
        out += &format!("  {} [{}]: {}{default}{note}\n", v.name, v.unit, v.meaning);
    }
    if !source.definitions.is_empty() {
        out += "\ndefinitions\n";
        for d in &source.definitions {
            let note = d.note.as_ref().map_or(String::new(), |n| format!("   ({n})"));
            out += &format!("  {} = {}{note}\n", d.id, d.expression);
        }
    }
    for q in &model.quantities {
        out += &format!("\n{} [{}], {}\n  = {}\n", q.name(), q.unit, q.bound.name(), q.text);
        out += &format!("  growth: {} (derived: {})\n", q.growth, derived_growth(model, q));
        for (name, e) in elasticities(catalog, model, q) {
            let e = e.as_str().unwrap_or_default().to_string();
            let e = if e.len() > 100 { format!("a formula of {} characters, see --format json", e.len()) } else { e };
            out += &format!("  elasticity in {name}: {e}\n");
        }
        for c in &q.cite {
            let work = catalog
                .bibliography
                .get(&c.key)
                .map_or(String::new(), |w| format!(": {} ({}), {}", w.authors, w.year, w.title));
            out += &format!("  from {} {}{work}\n", c.key, c.place);
        }
        for r in &q.domain {
            out += &format!("  only where {}: {}\n", r.text, r.why);
        }
    }
    out += "\ndomain\n";
    for r in &model.domain {
        out += &format!("  {}: {}\n", r.text, r.why);
    }
    for (title, lines) in [("not counted", &source.omits), ("notes", &source.notes)] {
        if !lines.is_empty() {
            out += &format!("\n{title}\n");
            lines.iter().for_each(|l| out += &format!("  {l}\n"));
        }
    }
    for e in &source.exceptions {
        out += &format!("\nnot monotone: {} in {}: {}\n", e.quantity, e.variable, e.why);
    }
    out += "\nexamples\n";
    for e in &source.examples {
        let at: Vec<String> = e.at.0.iter().map(|(n, x)| format!("{n} = {}", short_number(*x))).collect();
        out += &format!("  {} at {}: {} ({})\n", e.quantity, at.join(", "), e.value, e.source);
    }
    out
}

fn report_card(cards: &[Card]) -> Output {
    let mut table = Table::new(&["model", "mark", "examples", "points", "remarks"]);
    let mut text = String::new();
    for card in cards {
        let [good, total] = card.examples;
        table.push(vec![
            card.model.as_str().into(),
            card.mark.name().into(),
            format!("{good}/{total}").into(),
            card.points.into(),
            card.findings.len().into(),
        ]);
    }
    text += &table.aligned();
    for card in cards.iter().filter(|c| !c.findings.is_empty()) {
        text += &format!("\n{}\n", card.model);
        for f in &card.findings {
            text += &format!("  {} {}: {}\n", if f.fails { "FAIL" } else { "note" }, f.check, f.what);
        }
    }
    let count = |mark: Mark| cards.iter().filter(|c| c.mark == mark).count();
    let (pass, open, fail) = (count(Mark::Pass), count(Mark::Unverified), count(Mark::Fail));
    text += &format!("\n{} models: {pass} PASS, {open} UNVERIFIED, {fail} FAIL\n", cards.len());
    let json = json!({ "models": cards, "pass": pass, "unverified": open, "fail": fail });
    let mut result = Output::table(json, table);
    result.text = text;
    result
}

fn diff(a: &Model, b: &Model) -> Output {
    let answers = compare(a, b);
    let mut table = Table::new(&["quantity", "answer", "witness", "a", "b"]);
    for (name, answer) in &answers {
        let word = json!(answer).get("answer").and_then(Value::as_str).unwrap_or_default().to_string();
        let (witness, x, y) = match answer {
            Comparison::Different { at, a, b } => {
                // In full: the values can be looked up with `cost --set`.
                let at: Vec<String> = at.iter().map(|(n, x)| format!("{n}={x:?}")).collect();
                let full = |x: &Option<f64>| x.map_or("no value".to_string(), |x| format!("{x:?}"));
                (at.join(" "), Cell::from(full(a)), Cell::from(full(b)))
            }
            Comparison::EqualFormula { note } => ((*note).to_string(), Cell::Empty, Cell::Empty),
            Comparison::Undecided { points } => (format!("agree at {points} points"), Cell::Empty, Cell::Empty),
            _ => (String::new(), Cell::Empty, Cell::Empty),
        };
        table.push(vec![name.as_str().into(), word.into(), witness.into(), x, y]);
    }
    let only = |m: &Model, other: &Model| -> Vec<String> {
        m.quantities.iter().map(Quantity::name).filter(|n| other.quantity(n).is_none()).collect()
    };
    let (left, right) = (only(a, b), only(b, a));
    let quantities: Vec<Value> = answers
        .iter()
        .map(|(name, answer)| {
            let mut row = Map::new();
            row.insert("quantity".into(), json!(name));
            if let Value::Object(rest) = json!(answer) {
                row.extend(rest);
            }
            Value::Object(row)
        })
        .collect();
    let json = json!({ "a": a.id(), "b": b.id(), "quantities": quantities, "only_a": left, "only_b": right });
    let mut text = table.aligned();
    for (id, names) in [(a.id(), &left), (b.id(), &right)] {
        if !names.is_empty() {
            text += &format!("only in {id}: {}\n", names.join(", "));
        }
    }
    let mut result = Output::table(json, table);
    result.text = text;
    result
}

fn calibrate(out: Option<PathBuf>, io: &Context) -> Result<ExitStatus> {
    let machine = crate::pipeline::calibration::calibrate(&io.threads()?)?;
    let json = json!(machine);
    let text = serde_json::to_string_pretty(&json).unwrap_or_default() + "\n";
    match out {
        Some(path) => {
            let io_error = |e: std::io::Error| crate::error::Error::io(path.display(), &e);
            if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(io_error)?;
            }
            std::fs::write(&path, &text).map_err(io_error)?;
            io.note(format!("saved {}", path.display()));
        }
        None => io.emit(&Output::text(json, text))?,
    }
    Ok(ExitStatus::Success)
}
