//! `breakeven cost`: a cost model at a point or along a sweep.

use clap::Args;
use serde_json::{Map, Value, json};

use super::ExitStatus;
use super::args::HELP;
use super::args::values::{Assignment, Sweep, last_wins};
use super::context::Context;
use super::output::{Cell, Output, Table, short_number};
use super::values::{Given, given};
use crate::catalog::{Bound, Model, Point, Spread};
use crate::error::{Error, Result};

/// Arguments of `cost`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven cost qsvt --set kappa=1e4 --set eps=1e-6 --set alpha=1
  breakeven cost q-newton --set n=536 --set d=536 --set eps=1e-3 --sweep kappa=1:1e8:log:200 --format csv
  breakeven cost cg --set n=1e6 --set kappa=1e4 --set eps=1e-6 --set nnz=1e7 --set flops_per_second=1e12
")]
pub struct CostArgs {
    /// Model id (see `breakeven models list`).
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// A variable, in SI units; a later one of the same name wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
    /// Evaluate along a grid, such as kappa=1:1e8:log:200; several sweeps make a product.
    #[arg(long, value_name = "NAME=LOW:HIGH[:log|:lin[:POINTS]]")]
    pub sweep: Vec<Sweep>,
    /// Hardware id that turns operations into seconds.
    #[arg(long, value_name = "ID")]
    pub hardware: Option<String>,
    /// Exit with 2 when a point is outside the model's domain.
    #[arg(long)]
    pub strict: bool,
}

/// Most points of all sweeps together.
const MAX_POINTS: usize = 1_000_000;

/// Prints every quantity of the model at every point.
///
/// # Errors
/// An unknown model, variable or machine; too many points.
pub fn run(args: CostArgs, io: &Context) -> Result<ExitStatus> {
    let mut catalog = crate::catalog::load(io.models.as_deref())?;
    let ids: Vec<String> = args.hardware.iter().cloned().collect();
    super::calibrate::add_when_asked(&mut catalog, &ids, io)?;
    let model = catalog.model(&args.model)?;
    let mut names = last_wins(&args.set);
    names.extend(args.sweep.iter().map(|s| (s.name.clone(), s.low)));
    let Given { point, notes } = given(&catalog, &[model], &names, &ids)?;
    for note in notes {
        io.note(note);
    }
    for sweep in &args.sweep {
        if model.variable(&sweep.name).is_none() {
            let what = format!("`{}` does not use `{}`", model.id(), sweep.name);
            return Err(Error::usage("cli::sweep", format!("--sweep {}", sweep.name), what, variables(model)));
        }
    }
    let all = points(&point, &args.sweep)?;
    let (result, outside) = price(model, &all, &args.sweep, names_of(&args));
    io.emit(&result)?;
    Ok(if args.strict && outside { ExitStatus::OutOfDomain } else { ExitStatus::Success })
}

fn names_of(args: &CostArgs) -> Vec<String> {
    last_wins(&args.set).into_iter().map(|(name, _)| name).collect()
}

/// The variables of a model, as a remedy.
pub(super) fn variables(model: &Model) -> String {
    let all: Vec<&str> = model.variables.iter().map(|v| v.name.as_str()).collect();
    format!("its variables are {}", all.join(", "))
}

/// The product of the sweeps, the last one running fastest.
fn points(point: &Point, sweeps: &[Sweep]) -> Result<Vec<Point>> {
    let total = sweeps.iter().try_fold(1usize, |all, s| all.checked_mul(s.points)).unwrap_or(usize::MAX);
    if total > MAX_POINTS {
        let what = format!("the sweeps make more than {MAX_POINTS} points");
        return Err(Error::resource("cli::sweep", "--sweep", what, "take fewer points"));
    }
    let mut all = vec![point.clone()];
    for sweep in sweeps {
        let values = sweep.values();
        all = all.iter().flat_map(|p| values.iter().map(|x| p.clone().with(&sweep.name, Spread::exact(*x)))).collect();
    }
    Ok(all)
}

/// Every quantity at every point, and whether a point was out of the domain.
fn price(model: &Model, points: &[Point], sweeps: &[Sweep], set: Vec<String>) -> (Output, bool) {
    let quantities: Vec<_> = model
        .quantities
        .iter()
        .filter(|q| q.bound != Bound::Run || set.iter().any(|n| n == "run_iterations"))
        .collect();
    let mut shown: Vec<&str> =
        set.iter().map(String::as_str).filter(|n| !sweeps.iter().any(|s| s.name == *n)).collect();
    shown.extend(sweeps.iter().map(|s| s.name.as_str()));
    let mut columns: Vec<String> = sweeps.iter().map(|s| s.name.clone()).collect();
    columns.extend(["quantity", "unit", "value", "low", "high", "bound", "domain"].map(String::from));
    let mut table = Table { columns, rows: Vec::new() };
    let mut rows: Vec<Value> = Vec::new();
    let mut outside = false;
    for point in points {
        let resolved = model.resolve(point);
        let mut priced: Vec<Value> = Vec::new();
        for quantity in &quantities {
            let outcome = resolved.price(quantity);
            outside |= !outcome.in_domain;
            priced.push(json!({
                "id": quantity.id, "unit": quantity.unit, "value": outcome.value, "low": outcome.low,
                "high": outcome.high, "bound": quantity.bound.name(),
                "domain": { "ok": outcome.in_domain, "why": outcome.why },
            }));
            let mut cells: Vec<Cell> = sweeps.iter().map(|s| Cell::from(point.get(&s.name).map(|x| x.value))).collect();
            let domain = match (outcome.in_domain, outcome.why.as_str()) {
                (true, "") => "ok".to_string(),
                (_, why) => why.to_string(),
            };
            cells.extend([
                quantity.id.clone().into(),
                quantity.unit.clone().into(),
                outcome.value.into(),
                outcome.low.into(),
                outcome.high.into(),
                quantity.bound.name().into(),
                domain.into(),
            ]);
            table.push(cells);
        }
        let at: Map<String, Value> =
            shown.iter().filter_map(|n| point.get(n).map(|s| ((*n).to_string(), json!(s.value)))).collect();
        let mut assumed = Map::new();
        for (name, value) in &resolved.assumed {
            assumed.insert((*name).to_string(), json!(value));
        }
        rows.push(json!({ "at": at, "assumed": assumed, "quantities": priced }));
    }
    let text = heading(model, points, sweeps) + &table.aligned();
    let json = match (sweeps.is_empty(), rows.pop()) {
        (true, Some(Value::Object(row))) => {
            let mut whole = Map::new();
            whole.insert("model".into(), json!(model.id()));
            whole.extend(row);
            whole.insert("status".into(), json!(status(model)));
            Value::Object(whole)
        }
        (_, last) => {
            rows.extend(last);
            json!({ "model": model.id(), "status": status(model), "points": rows })
        }
    };
    let mut result = Output::table(json, table);
    result.text = text;
    (result, outside)
}

/// `VERIFIED` or `UNVERIFIED`.
pub(super) fn status(model: &Model) -> &'static str {
    if model.unverified() { "UNVERIFIED" } else { "VERIFIED" }
}

fn heading(model: &Model, points: &[Point], sweeps: &[Sweep]) -> String {
    let mut text = format!("{}: {}\n", model.id(), model.source.title);
    if model.unverified() {
        text += &format!("UNVERIFIED: {}\n", model.source.status_why);
    }
    if let (true, Some(point)) = (sweeps.is_empty(), points.first()) {
        let resolved = model.resolve(point);
        let pair = |(name, value): (&str, f64)| format!("{name} = {}", short_number(value));
        let at: Vec<String> = point.iter().map(|(n, s)| pair((n, s.value))).collect();
        let assumed: Vec<String> = resolved.assumed.iter().map(|(n, v)| pair((n, *v))).collect();
        text += &format!("at {}\n", at.join(", "));
        if !assumed.is_empty() {
            text += &format!("assumed {}\n", assumed.join(", "));
        }
    }
    text + "\n"
}
