//! A report about a question rather than about cases: claims with verdicts, sections with tables and figures.
//!
//! `schedule --out` and `reproduce` fill it; [`render`] gives one self-contained page, the same as Markdown and JSON, the
//! claims and all tables as CSV, and the figures. Nothing is computed here.

mod figure;
mod view;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::document::{Provenance, Tool};
use super::plot::Figure;
use super::{Options, escape, json, number, page, store};
use crate::error::Result;

pub use figure::{Drawing, LineSeries, Lines, Mark, Part, Strip, StripCell};

/// Version of the JSON layout.
pub const VERSION: &str = "1.0";

/// The whole report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Dossier {
    /// Version of this layout.
    pub schema_version: String,
    /// What made it.
    pub tool: Tool,
    /// `schedule` or `reproduction`.
    pub kind: String,
    /// Above the title.
    pub over: String,
    /// Title.
    pub title: String,
    /// The answer in a sentence or two.
    pub lead: String,
    /// From what it was made.
    pub provenance: Provenance,
    /// The claims, where the report is about some.
    pub claims: Vec<Claim>,
    /// The body.
    pub sections: Vec<Section>,
    /// What a reader should know about the whole run.
    pub notes: Vec<String>,
    /// The full numbers behind it, for programs.
    #[serde(default)]
    pub data: serde_json::Value,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The measurement agrees.
    Reproduced,
    /// It agrees under assumptions that are named.
    HoldsOnlyUnder,
    /// It does not agree.
    NotReproduced,
    /// It cannot be decided with what is public or with this machine.
    #[default]
    NotTestable,
}

impl Outcome {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Reproduced => "reproduced",
            Outcome::HoldsOnlyUnder => "holds only under",
            Outcome::NotReproduced => "not reproduced",
            Outcome::NotTestable => "not testable",
        }
    }

    /// Its colour: the class of a verdict that looks alike.
    pub fn class(self) -> &'static str {
        match self {
            Outcome::Reproduced => "breaks-even",
            Outcome::HoldsOnlyUnder => "unfavourable",
            Outcome::NotReproduced => "excluded",
            Outcome::NotTestable => "undecided",
        }
    }
}

/// A claim with its evidence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Claim {
    /// Short identifier.
    pub id: String,
    /// The claim.
    pub claim: String,
    /// What the paper says, and where.
    pub paper: String,
    /// What was measured.
    pub measured: String,
    /// Under which assumptions it holds.
    pub holds: String,
    /// Where it breaks.
    pub breaks: String,
    /// How the verdict follows from the numbers.
    pub rule: String,
    /// The verdict.
    pub verdict: Outcome,
    /// Completes "holds only under …"; empty otherwise.
    pub under: String,
    /// The numbers that the rule looks at.
    pub evidence: Vec<Evidence>,
}

/// A number behind a verdict.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is.
    pub name: String,
    /// Its value; `null` where none exists.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
}

impl Evidence {
    /// A number with its unit.
    pub fn new(name: impl Into<String>, value: impl Into<Option<f64>>, unit: &str) -> Self {
        Evidence { name: name.into(), value: value.into().filter(|x| x.is_finite()), unit: unit.into() }
    }
}

/// A part of the body.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Section {
    /// Anchor.
    pub id: String,
    /// Heading.
    pub title: String,
    /// Paragraphs.
    pub text: Vec<String>,
    /// Figures, before the tables.
    pub figures: Vec<Picture>,
    /// Tables.
    pub tables: Vec<DataTable>,
}

/// A figure with its words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Picture {
    /// File stem under `plots/`.
    pub name: String,
    /// Heading.
    pub title: String,
    /// Caption.
    pub caption: String,
    /// What is drawn.
    pub drawing: Drawing,
}

/// A table of words and numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DataTable {
    /// Identifier in `measurements.csv`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// Names of the columns, units in brackets.
    pub columns: Vec<String>,
    /// One cell per column.
    pub rows: Vec<Vec<Datum>>,
    /// Folded away on the page.
    #[serde(default)]
    pub folded: bool,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    /// A number.
    Number(f64),
    /// Words.
    Text(String),
    /// Nothing.
    #[default]
    Empty,
}

impl From<f64> for Datum {
    fn from(x: f64) -> Self {
        if x.is_finite() { Datum::Number(x) } else { Datum::Empty }
    }
}

impl From<Option<f64>> for Datum {
    fn from(x: Option<f64>) -> Self {
        x.map_or(Datum::Empty, Datum::from)
    }
}

impl From<usize> for Datum {
    fn from(x: usize) -> Self {
        Datum::Number(x as f64)
    }
}

impl From<u64> for Datum {
    fn from(x: u64) -> Self {
        Datum::Number(x as f64)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Datum::Text(text.into())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Datum::Text(text)
    }
}

impl Datum {
    /// For reading.
    pub fn shown(&self) -> String {
        match self {
            Datum::Number(x) => number::count_real(*x),
            Datum::Text(text) => text.clone(),
            Datum::Empty => "—".into(),
        }
    }

    /// Every digit.
    pub fn exact(&self) -> String {
        match self {
            Datum::Number(x) => number::exact(*x),
            Datum::Text(text) => escape::csv_text(text),
            Datum::Empty => String::new(),
        }
    }
}

impl DataTable {
    /// An empty table.
    pub fn new(id: &str, title: &str, columns: &[&str]) -> Self {
        DataTable {
            id: id.into(),
            title: title.into(),
            columns: columns.iter().map(|c| (*c).to_string()).collect(),
            ..DataTable::default()
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Datum>) {
        self.rows.push(row);
    }
}

impl Dossier {
    /// The figures that have something to draw.
    pub fn figures(&self) -> Vec<Figure> {
        let draw = |p: &Picture| {
            let scene = p.drawing.scene(&p.title)?;
            Some(Figure { name: p.name.clone(), title: p.title.clone(), caption: p.caption.clone(), scene })
        };
        self.sections.iter().flat_map(|s| &s.figures).filter_map(draw).collect()
    }
}

/// Renders every file in memory: path relative to the folder, and content.
///
/// # Errors
/// Exit class 5 when a number is NaN or infinite; otherwise only when a figure or template is broken.
pub fn render(dossier: &Dossier, options: Options<'_>) -> Result<Vec<store::Entry>> {
    let json = json::pretty(dossier, "report.json")?;
    let figures = dossier.figures();
    let mut files = vec![
        ("report.html".to_string(), page::dossier_html(&view::view(dossier, &figures, true)?)?.into_bytes()),
        ("report.md".to_string(), page::dossier_markdown(&view::view(dossier, &figures, false)?)?.into_bytes()),
        ("report.json".to_string(), json.into_bytes()),
        ("measurements.csv".to_string(), measurements(dossier).into_bytes()),
    ];
    if !dossier.claims.is_empty() {
        files.push(("claims.csv".to_string(), claims(dossier).into_bytes()));
    }
    let draw = |figure: &Figure| -> Result<Vec<store::Entry>> {
        let mut files = vec![(format!("plots/{}.svg", figure.name), figure.svg()?.into_bytes())];
        if options.png {
            files.push((format!("plots/{}.png", figure.name), figure.png()?));
        }
        Ok(files)
    };
    let drawn: Result<Vec<Vec<store::Entry>>> = match options.threads {
        Some(threads) => threads.run(|| figures.par_iter().map(draw).collect()),
        None => figures.iter().map(draw).collect(),
    };
    files.extend(drawn?.into_iter().flatten());
    Ok(files)
}

/// Writes the report into a folder, whole or not at all, and returns the paths.
///
/// # Errors
/// As [`render`], and exit class 6 when the folder cannot be written.
pub fn write(dossier: &Dossier, out: &Path, options: Options<'_>) -> Result<Vec<PathBuf>> {
    store::replace(out, &render(dossier, options)?)
}

/// A line of CSV.
fn line(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

/// Every table in long form: table, row, column, value.
fn measurements(dossier: &Dossier) -> String {
    let mut out = String::from("table,row,column,value\n");
    for table in dossier.sections.iter().flat_map(|s| &s.tables) {
        for (i, row) in table.rows.iter().enumerate() {
            for (column, cell) in table.columns.iter().zip(row) {
                out += &line(&[table.id.clone(), (i + 1).to_string(), escape::csv_text(column), cell.exact()]);
            }
        }
    }
    out
}

/// One row per claim; the evidence as `name = value unit; …`.
fn claims(dossier: &Dossier) -> String {
    let mut out = String::from("id,claim,paper,measured,holds,breaks,rule,verdict,under,evidence\n");
    for c in &dossier.claims {
        let mut evidence = String::new();
        for e in &c.evidence {
            let value = e.value.map_or("none".to_string(), number::exact);
            let _ = write!(evidence, "{} = {value} {}; ", e.name, e.unit);
        }
        let text = |s: &str| escape::csv_text(s);
        out += &line(&[
            text(&c.id),
            text(&c.claim),
            text(&c.paper),
            text(&c.measured),
            text(&c.holds),
            text(&c.breaks),
            text(&c.rule),
            c.verdict.word().to_string(),
            text(&c.under),
            text(evidence.trim_end_matches("; ")),
        ]);
    }
    out
}
