//! A dossier as strings: what the templates print.

use serde::Serialize;

use super::{Claim, DataTable, Datum, Dossier};
use crate::error::Result;
use crate::report::number;
use crate::report::plot::Figure;
use crate::report::view::FigureView;

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DossierView {
    tool: String,
    schema: String,
    over: String,
    title: String,
    lead: String,
    claims: Vec<ClaimView>,
    sections: Vec<SectionView>,
    inputs: Vec<(String, String)>,
    options: Vec<(String, String)>,
    notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ClaimView {
    number: usize,
    id: String,
    claim: String,
    paper: String,
    measured: String,
    holds: String,
    breaks: String,
    rule: String,
    word: String,
    under: String,
    class: String,
    evidence: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct SectionView {
    id: String,
    title: String,
    text: Vec<String>,
    figures: Vec<FigureView>,
    tables: Vec<TableView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct TableView {
    id: String,
    title: String,
    columns: Vec<String>,
    folded: bool,
    rows: Vec<Vec<CellView>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct CellView {
    text: String,
    exact: String,
    class: &'static str,
}

/// Builds the view; `inline` says whether the SVG elements are wanted.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn view(dossier: &Dossier, figures: &[Figure], inline: bool) -> Result<DossierView> {
    let mut sections = Vec::new();
    for section in &dossier.sections {
        let mut shown = Vec::new();
        for picture in &section.figures {
            let Some(figure) = figures.iter().find(|f| f.name == picture.name) else { continue };
            let svg = if inline { figure.svg_inline()? } else { String::new() };
            shown.push(FigureView {
                name: figure.name.clone(),
                title: figure.title.clone(),
                caption: figure.caption.clone(),
                svg,
            });
        }
        sections.push(SectionView {
            id: section.id.clone(),
            title: section.title.clone(),
            text: section.text.clone(),
            figures: shown,
            tables: section.tables.iter().map(table).collect(),
        });
    }
    let p = &dossier.provenance;
    let mut options: Vec<(String, String)> = p.options.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    options.push(("seed".into(), p.seed.to_string()));
    options.push(("precision".into(), p.precision.clone()));
    Ok(DossierView {
        tool: format!("{} {}", dossier.tool.name, dossier.tool.version),
        schema: dossier.schema_version.clone(),
        over: dossier.over.clone(),
        title: dossier.title.clone(),
        lead: dossier.lead.clone(),
        claims: dossier.claims.iter().enumerate().map(|(i, c)| claim(i + 1, c)).collect(),
        sections,
        inputs: p.inputs.iter().map(|i| (i.path.clone(), i.blake3.clone())).collect(),
        options,
        notes: dossier.notes.clone(),
    })
}

fn claim(number: usize, c: &Claim) -> ClaimView {
    ClaimView {
        number,
        id: c.id.clone(),
        claim: c.claim.clone(),
        paper: c.paper.clone(),
        measured: c.measured.clone(),
        holds: c.holds.clone(),
        breaks: c.breaks.clone(),
        rule: c.rule.clone(),
        word: c.verdict.word().into(),
        under: c.under.clone(),
        class: c.verdict.class().into(),
        evidence: c
            .evidence
            .iter()
            .map(|e| (e.name.clone(), e.value.map_or("—".into(), number::real), e.unit.clone()))
            .collect(),
    }
}

fn table(t: &DataTable) -> TableView {
    let cell = |d: &Datum| CellView {
        text: d.shown(),
        exact: if matches!(d, Datum::Number(_)) { d.exact() } else { String::new() },
        class: match d {
            Datum::Text(text) if text.chars().count() > 24 => "prose",
            Datum::Number(_) => "n",
            _ => "",
        },
    };
    TableView {
        id: t.id.clone(),
        title: t.title.clone(),
        columns: t.columns.clone(),
        folded: t.folded,
        rows: t.rows.iter().map(|r| r.iter().map(cell).collect()).collect(),
    }
}
