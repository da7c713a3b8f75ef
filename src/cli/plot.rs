//! `breakeven plot`: one figure.

use std::path::{Path, PathBuf};

use clap::Args;

use super::ExitStatus;
use super::args::HELP;
use super::args::values::{Assignment, Range, last_wins};
use super::context::Context;
use super::crossover::{Pair, curve};
use super::output::{print, short_number};
use super::values::{Given, given};
use crate::catalog::{Bound, Catalog, Model, Point, Spread};
use crate::crossover::{Cheapest, Cost, Search, Side as Cheaper, search, surface};
use crate::error::{Error, Result};
use crate::report::figure_data::{AxisMark, AxisSpec, CurveFigure, CurvePoint, CurveSeries, MapFigure, Side};
use crate::report::plot::{Figure, curves, map};

/// Arguments of `plot`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven plot crossover --quantum dalzell2024 --classical ldlt --over n --range 10:1e12 --set kappa=100 --set eps=1e-3 --set gate_time=1e-6 --set flops_per_second=1e13 --out curve.svg
  breakeven plot map --quantum dalzell2024 --classical ldlt --over kappa --range 2:1e8 --over n --range 10:1e8 --set eps=1e-3 --hardware qubit_gate_ns_e3,a100 --out map.png
  breakeven plot break-even-oracle --report reports/sample --out break-even.svg
")]
pub struct PlotArgs {
    /// crossover (curves over one variable), map (over two), or the name of a figure of a report.
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// Quantum model id.
    #[arg(long, value_name = "MODEL")]
    pub quantum: Option<String>,
    /// Classical model id.
    #[arg(long, value_name = "MODEL")]
    pub classical: Option<String>,
    /// The variable of the horizontal axis; a second one makes a map.
    #[arg(long, value_name = "VARIABLE")]
    pub over: Vec<String>,
    /// Range of each variable, low:high.
    #[arg(long, value_name = "LOW:HIGH")]
    pub range: Vec<Range>,
    /// A variable, in SI units; a later one of the same name wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
    /// Hardware ids that fill gate time and rates.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub hardware: Vec<String>,
    /// The report whose figure is wanted: report.json or its folder.
    #[arg(long, value_name = "PATH")]
    pub report: Option<PathBuf>,
    /// The file, .svg or .png (default: SVG on stdout).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Draws the figure.
///
/// # Errors
/// An unknown kind, model or variable; a range that is not positive; nothing to draw.
pub fn run(args: PlotArgs, io: &Context) -> Result<ExitStatus> {
    if let Some(path) = &args.report {
        return write(&from_report(&args.kind, path)?, args.out.as_deref(), io);
    }
    let mut catalog = crate::catalog::load(io.models.as_deref())?;
    super::calibrate::add_when_asked(&mut catalog, &args.hardware, io)?;
    let figure = match (args.kind.as_str(), args.over.len()) {
        ("crossover" | "map", 2) => over_two(&args, &catalog, io)?,
        ("crossover", 1) => over_one(&args, &catalog, io)?,
        ("crossover" | "map", _) => {
            let help = "crossover takes one --over NAME --range LOW:HIGH, map takes two";
            return Err(usage("--over", format!("{} variables for `{}`", args.over.len(), args.kind), help));
        }
        (kind, _) => {
            let help = "kinds are crossover and map; the figures of a report need --report PATH";
            return Err(usage("KIND", format!("no figure `{kind}`"), help));
        }
    };
    write(&figure, args.out.as_deref(), io)
}

fn usage(place: &str, what: String, help: &str) -> Error {
    Error::usage("cli::plot", place, what, help)
}

fn pair<'c>(args: &PlotArgs, catalog: &'c Catalog) -> Result<Pair<'c>> {
    let named = |option: &str, id: &Option<String>| -> Result<String> {
        id.clone().ok_or_else(|| usage(option, "a model is needed".into(), "see `breakeven models list`"))
    };
    Pair::new(catalog, &named("--quantum", &args.quantum)?, &named("--classical", &args.classical)?)
}

fn ranges(args: &PlotArgs) -> Result<Vec<[f64; 2]>> {
    if args.range.len() != args.over.len() {
        let what = format!("{} ranges for {} variables", args.range.len(), args.over.len());
        return Err(usage("--range", what, "give one --range LOW:HIGH for each --over"));
    }
    let all: Vec<[f64; 2]> = args.range.iter().map(|r| [r.low, r.high]).collect();
    if all.iter().any(|r| r[0] <= 0.0) {
        return Err(usage("--range", "the axes are logarithmic".into(), "start above 0"));
    }
    Ok(all)
}

fn point(args: &PlotArgs, catalog: &Catalog, pair: &Pair, io: &Context) -> Result<Point> {
    let Given { point, notes } = given(catalog, &pair.models(), &last_wins(&args.set), &args.hardware)?;
    for note in notes {
        io.note(note);
    }
    for variable in &args.over {
        pair.known(variable)?;
    }
    Ok(point)
}

/// An axis with the variable's name and unit.
fn axis(pair: &Pair, name: &str) -> AxisSpec {
    let unit = pair.models().iter().find_map(|m| m.variable(name)).map_or("", |v| v.unit.as_str());
    let unit = if name == "gate_time" { "s" } else { unit };
    let symbol = match name {
        "kappa" => "κ",
        "eps" => "ε",
        "alpha" => "α",
        "n" => "N",
        other => other,
    };
    AxisSpec::log(symbol, unit)
}

fn held(pair: &Pair, point: &Point, free: &[String]) -> String {
    let mut all: Vec<String> = point
        .iter()
        .filter(|(n, _)| !free.iter().any(|f| f == n))
        .map(|(n, s)| format!("{n} = {}", short_number(s.value)))
        .collect();
    for model in pair.models() {
        for (name, value) in &model.resolve(point).assumed {
            if !free.iter().any(|f| f == name) {
                all.push(format!("{name} = {} ({}'s default)", short_number(*value), model.id()));
            }
        }
    }
    all.dedup();
    all.join(", ")
}

/// Points of a curve.
const POINTS: usize = 241;

fn over_one(args: &PlotArgs, catalog: &Catalog, io: &Context) -> Result<Figure> {
    let pair = pair(args, catalog)?;
    let point = point(args, catalog, &pair, io)?;
    let (name, [low, high]) =
        (args.over.first().cloned().unwrap_or_default(), ranges(args)?.first().copied().unwrap_or_default());
    let (q, c) = pair.curves(&point, &name)?;
    let found = search(&Cheapest(vec![q]), &Cheapest(vec![c]), low, high);
    let xs: Vec<f64> = (0..POINTS)
        .map(|i| if i + 1 == POINTS { high } else { low * (high / low).powf(i as f64 / (POINTS - 1) as f64) })
        .collect();
    let series = |model: &Model, side: Side| {
        let quantity = model.quantities.iter().find(|q| q.id == "seconds" && q.bound != Bound::Run)?;
        let points = xs.iter().map(|&x| {
            let outcome = model.price(quantity, &point.clone().with(&name, Spread::exact(x)));
            CurvePoint { x, value: outcome.value, low: outcome.low, high: outcome.high }
        });
        let mark = if model.unverified() { " UNVERIFIED" } else { "" };
        Some(CurveSeries {
            id: model.id().into(),
            title: format!("{}{mark}", model.id()),
            side,
            bound: quantity.bound.name().into(),
            points: points.collect(),
        })
    };
    let data = CurveFigure {
        x: axis(&pair, &name),
        y: AxisSpec::log("time of one solve", "s"),
        series: [series(pair.quantum, Side::Quantum), series(pair.classical, Side::Classical)]
            .into_iter()
            .flatten()
            .collect(),
        marks: found
            .crossings
            .iter()
            .take(6)
            .map(|c| AxisMark {
                at: c.at,
                low: Some(c.low),
                high: Some(c.high),
                label: format!("{name} = {}", short_number(c.at)),
            })
            .collect(),
        advantage: advantage(&found, low, high, &pair, &point, &name),
        held: held(&pair, &point, &args.over),
        ..CurveFigure::default()
    };
    let scene = curves(&data).ok_or_else(|| nothing(&args.kind))?;
    Ok(Figure {
        name: "crossover".into(),
        title: format!("{} against {}", pair.quantum.id(), pair.classical.id()),
        caption: data.held.clone(),
        scene,
    })
}

fn nothing(kind: &str) -> Error {
    usage(kind, "nothing to draw: no value anywhere in the range".into(), "see `breakeven crossover` for the reason")
}

/// Where the quantum time is below the classical one.
fn advantage(found: &Search, low: f64, high: f64, pair: &Pair, point: &Point, name: &str) -> Vec<[f64; 2]> {
    let mut all = Vec::new();
    let mut start = None;
    let first = found.crossings.first();
    let at = |model: &Model, x: f64| {
        let q = model.quantities.iter().find(|q| q.id == "seconds" && q.bound != Bound::Run)?;
        model.price(q, &point.clone().with(name, Spread::exact(x))).value
    };
    let cheaper_at = |x: f64| at(pair.quantum, x).zip(at(pair.classical, x)).is_some_and(|(q, c)| q < c);
    if first.map_or_else(|| cheaper_at((low * high).sqrt()), |c| c.below == Cheaper::First) {
        start = Some(low);
    }
    for c in &found.crossings {
        match c.above {
            Cheaper::First => start = start.or(Some(c.at)),
            _ => all.extend(start.take().map(|s| [s, c.at])),
        }
    }
    all.extend(start.map(|s| [s, high]));
    all
}

/// Cells along each axis of a map.
const CELLS: usize = 64;

fn over_two(args: &PlotArgs, catalog: &Catalog, io: &Context) -> Result<Figure> {
    let pair = pair(args, catalog)?;
    let point = point(args, catalog, &pair, io)?;
    let ranges = ranges(args)?;
    let ([x_name, y_name], [x, y]) = (args.over.as_slice(), ranges.as_slice()) else { return Err(nothing(&args.kind)) };
    // Refuses a variable without a value before the work.
    for model in pair.models() {
        curve(model, &point, &[x_name, y_name])?;
    }
    let cost = |model: &'_ Model| model.quantities.iter().position(|q| q.id == "seconds" && q.bound != Bound::Run);
    let (Some(i), Some(j)) = (cost(pair.quantum), cost(pair.classical)) else { return Err(nothing(&args.kind)) };
    let first = Cost { model: pair.quantum, quantity: &pair.quantum.quantities[i], point: &point };
    let second = Cost { model: pair.classical, quantity: &pair.classical.quantities[j], point: &point };
    let grid = surface(first, second, [x_name, y_name], *x, *y, CELLS);
    let data = MapFigure {
        quantum: pair.quantum.id().into(),
        classical: pair.classical.id().into(),
        x: axis(&pair, x_name),
        y: axis(&pair, y_name),
        z_name: "log10(classical time / quantum time)".into(),
        xs: grid.xs,
        ys: grid.ys,
        z: grid.z,
        held: held(&pair, &point, &args.over),
        ..MapFigure::default()
    };
    let scene = map(&data, &[]).ok_or_else(|| nothing(&args.kind))?;
    Ok(Figure {
        name: "map".into(),
        title: format!("{} against {}", pair.quantum.id(), pair.classical.id()),
        caption: data.held.clone(),
        scene,
    })
}

/// A figure of a stored report, by its name.
fn from_report(kind: &str, path: &Path) -> Result<Figure> {
    let report = super::explain::report(path)?;
    let mut all = crate::report::figures::overview(&report);
    for (i, case) in report.cases.iter().enumerate() {
        all.extend(crate::report::figures::of_case(case, i + 1));
    }
    let names: Vec<String> = all.iter().map(|f| f.name.clone()).collect();
    all.into_iter().find(|f| f.name == kind).ok_or_else(|| {
        usage("KIND", format!("the report has no figure `{kind}`"), &format!("it has {}", names.join(", ")))
    })
}

fn write(figure: &Figure, out: Option<&Path>, io: &Context) -> Result<ExitStatus> {
    let Some(path) = out else {
        print(&figure.svg()?)?;
        return Ok(ExitStatus::Success);
    };
    let bytes = match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => figure.svg()?.into_bytes(),
        Some("png") => figure.png()?,
        _ => {
            return Err(usage(
                "--out",
                format!("{}: no figure format", path.display()),
                "end the name in .svg or .png",
            ));
        }
    };
    let place = path.display().to_string();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |e: &std::io::Error| Error::io(&place, e);
    let mut file = tempfile::Builder::new().prefix(".breakeven-").tempfile_in(folder).map_err(|e| failed(&e))?;
    std::io::Write::write_all(&mut file, &bytes).map_err(|e| failed(&e))?;
    super::output::set_usual_permissions(file.path());
    file.persist(path).map_err(|e| failed(&e.error))?;
    io.note(format!("{}: {}", place, figure.caption));
    Ok(ExitStatus::Success)
}
