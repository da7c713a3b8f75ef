//! Renders a finished analysis; computes no number itself.
//!
//! [`write()`] puts `report.html`, `report.md`, `report.json`, `cases.csv` and the figures into a folder, whole or not at all.
//! The same [`Report`] gives the same bytes.

pub mod csv;
pub mod document;
pub mod dossier;
pub mod escape;
pub mod figure_data;
pub mod figures;
pub mod finite;
pub mod json;
pub mod number;
pub mod page;
pub mod plot;
pub mod store;
pub mod text;
pub mod view;
pub mod words;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::Result;
use crate::parallel::Threads;
use document::Report;
use plot::Figure;
use view::Pictures;

/// How to make a report.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Write the PNG beside the SVG of each figure (most of the time of a report).
    pub png: bool,
    /// Draws the figures on these threads; the bytes do not depend on it.
    pub threads: Option<&'a Threads>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { png: true, threads: None }
    }
}

/// Renders every file of a report in memory: path relative to the report's folder, and content.
///
/// # Errors
/// Exit class 5 when a number is NaN or infinite; otherwise only when a figure or template is broken.
pub fn render(report: &Report, options: Options<'_>) -> Result<Vec<store::Entry>> {
    // First, because it refuses numbers that must not be shown anywhere.
    let json = json::pretty(report, "report.json")?;
    let pictures = Pictures::of(report);
    let mut files = vec![
        ("report.html".to_string(), page::html(&view::view(report, &pictures, true)?)?.into_bytes()),
        ("report.md".to_string(), page::markdown(&view::view(report, &pictures, false)?)?.into_bytes()),
        ("report.json".to_string(), json.into_bytes()),
        ("cases.csv".to_string(), csv::cases(report)?.into_bytes()),
    ];
    let draw = |figure: &Figure| -> Result<Vec<store::Entry>> {
        let mut files = vec![(format!("plots/{}.svg", figure.name), figure.svg()?.into_bytes())];
        if options.png {
            files.push((format!("plots/{}.png", figure.name), figure.png()?));
        }
        Ok(files)
    };
    let figures: Vec<&Figure> = pictures.all().collect();
    let drawn: Result<Vec<Vec<store::Entry>>> = match options.threads {
        Some(threads) => threads.run(|| figures.par_iter().map(|f| draw(f)).collect()),
        None => figures.iter().map(|f| draw(f)).collect(),
    };
    files.extend(drawn?.into_iter().flatten());
    Ok(files)
}

/// Writes a report into the folder `out` and returns the paths of its files.
///
/// An earlier report there is replaced in one step; any other non-empty folder is refused. Check with
/// [`store::preflight`] before a long run.
///
/// # Errors
/// As [`render`], and exit class 6 when the folder cannot be written; it is then as it was before.
pub fn write(report: &Report, out: &Path, options: Options<'_>) -> Result<Vec<PathBuf>> {
    store::replace(out, &render(report, options)?)
}
