//! The report as strings: what the templates of HTML and Markdown print, in one place so that they agree.

use serde::Serialize;

use super::document::{Case, Report};
use super::figures;
use super::plot::Figure;
use super::words;
use crate::error::Result;

mod case;
mod costs;
mod overview;

pub use case::{CaseView, Fact};

/// A figure ready for a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureView {
    /// File stem under `plots/`.
    pub name: String,
    /// Heading.
    pub title: String,
    /// Caption.
    pub caption: String,
    /// The SVG element with themed colours; empty for Markdown.
    pub svg: String,
}

/// A row of a table: cells, the first being the row's name.
pub type Cells = Vec<String>;

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// What was analysed.
    pub title: String,
    /// Program and version.
    pub tool: String,
    /// Layout version of the JSON.
    pub schema: String,
    /// The verdict in one sentence.
    pub sentence: String,
    /// Class shared by all cases, as a CSS class; empty when they differ.
    pub class: String,
    /// Its word.
    pub class_word: String,
    /// Number of cases.
    pub count: usize,
    /// One entry per scenario of the run.
    pub scenarios: Vec<overview::ScenarioView>,
    /// What was simulated and what not.
    pub simulation: overview::SimulationView,
    /// Figures about the whole run.
    pub figures: Vec<FigureView>,
    /// Every case in detail.
    pub cases: Vec<CaseView>,
    /// Models in use.
    pub models: Vec<overview::ModelView>,
    /// How many of them are unverified.
    pub unverified: usize,
    /// Machines in use.
    pub machines: Vec<overview::MachineView>,
    /// Digests of the inputs.
    pub inputs: Vec<(String, String)>,
    /// Options, seed, precision.
    pub options: Vec<(String, String)>,
    /// Notes about the run.
    pub notes: Vec<String>,
    /// Terms.
    pub glossary: Vec<(&'static str, &'static str)>,
    /// More cases than get figures of their own.
    pub figures_left_out: usize,
}

/// Figures of a report: of the whole run, and of each case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pictures {
    /// About the whole run.
    pub overview: Vec<Figure>,
    /// One list for each case, in order.
    pub cases: Vec<Vec<Figure>>,
}

impl Pictures {
    /// Draws everything that the report has numbers for.
    pub fn of(report: &Report) -> Self {
        let own = |(i, case): (usize, &Case)| {
            if i < figures::MOST_CASES { figures::of_case(case, i + 1) } else { Vec::new() }
        };
        Pictures { overview: figures::overview(report), cases: report.cases.iter().enumerate().map(own).collect() }
    }

    /// All of them in order.
    pub fn all(&self) -> impl Iterator<Item = &Figure> {
        self.overview.iter().chain(self.cases.iter().flatten())
    }
}

/// Builds the view; `inline` says whether the SVG elements are wanted.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn view(report: &Report, pictures: &Pictures, inline: bool) -> Result<View> {
    let show = |figures: &[Figure]| -> Result<Vec<FigureView>> {
        figures
            .iter()
            .map(|f| {
                let svg = if inline { f.svg_inline()? } else { String::new() };
                Ok(FigureView { name: f.name.clone(), title: f.title.clone(), caption: f.caption.clone(), svg })
            })
            .collect()
    };
    let headline = words::headline(report);
    let none = Vec::new();
    let cases = report
        .cases
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let figures = show(pictures.cases.get(i).unwrap_or(&none))?;
            Ok(case::case(report, c, i + 1, figures))
        })
        .collect::<Result<Vec<_>>>()?;
    let models = overview::models(report);
    Ok(View {
        title: if report.title.is_empty() { "Break-even report".into() } else { report.title.clone() },
        tool: format!("{} {}", report.tool.name, report.tool.version),
        schema: report.schema_version.clone(),
        sentence: headline.sentence,
        class: headline.class.map_or(String::new(), |c| words::class_id(c).into()),
        class_word: headline.class.map_or(String::new(), |c| words::class(c).into()),
        count: report.cases.len(),
        scenarios: overview::scenarios(report),
        simulation: overview::simulation(report),
        figures: show(&pictures.overview)?,
        unverified: models.iter().filter(|m| m.unverified).count(),
        models,
        machines: overview::machines(report),
        inputs: report.provenance.inputs.iter().map(|i| (i.path.clone(), i.blake3.clone())).collect(),
        options: overview::options(report),
        notes: report.notes.clone(),
        glossary: words::GLOSSARY.to_vec(),
        figures_left_out: report.cases.len().saturating_sub(figures::MOST_CASES),
        cases,
    })
}

/// Whether the report knows a model and its formula is not verified.
fn is_unverified(report: &Report, model: &str) -> bool {
    report.models.iter().any(|m| m.id == model && !m.status.eq_ignore_ascii_case("verified"))
}
