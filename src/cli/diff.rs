//! `breakeven diff`: two reports side by side.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::args::{Format, HELP};
use super::context::Context;
use super::output::{Cell, Output, Table};
use super::{ExitStatus, unfit_option};
use crate::error::{Error, Result};
use crate::regress::diff;

/// Largest report that is read: far above any real one.
const MAX_REPORT_BYTES: u64 = 1 << 30;

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven diff reports/monday reports/tuesday
  breakeven diff old/report.json new/report.json --tolerance 1e-6 --format markdown
  breakeven diff old new --export diff.html
")]
pub struct DiffArgs {
    /// report.json, or its folder.
    #[arg(value_name = "REPORT")]
    pub left: PathBuf,
    /// report.json, or its folder.
    #[arg(value_name = "REPORT")]
    pub right: PathBuf,
    /// Numbers this close, relatively, count as equal.
    #[arg(long, value_name = "X", default_value = "0", value_parser = super::args::values::parse_number)]
    pub tolerance: f64,
}

/// Prints the differences; they are no failure.
///
/// # Errors
/// When either side is no report.
pub fn run(args: DiffArgs, io: &Context) -> Result<ExitStatus> {
    if args.tolerance < 0.0 {
        return Err(unfit_option("--tolerance", "a tolerance is not negative", ""));
    }
    let (left, right) = (read_report(&args.left)?, read_report(&args.right)?);
    let places = [args.left.display().to_string(), args.right.display().to_string()];
    let differences = diff::diff(&left, &right, [&places[0], &places[1]], args.tolerance)?;
    let mut table = Table::new(&["case", "path", "left", "right", "relative"]);
    for d in &differences {
        let words = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
        table.push(vec![
            d.case.clone().into(),
            d.path.clone().into(),
            words(&d.left).into(),
            words(&d.right).into(),
            Cell::from(d.relative),
        ]);
    }
    let result = Output::table(json!({ "differences": differences }), table)
        .with_form(Format::Text, diff::text(&differences))
        .with_form(Format::Markdown, diff::markdown(&differences))
        .with_form(Format::Html, diff::html(&differences, [&places[0], &places[1]]));
    io.emit(&result)?;
    Ok(ExitStatus::Success)
}

/// Reads `report.json`, given itself or its folder.
///
/// # Errors
/// When it is missing, too large or not JSON.
pub fn read_report(path: &Path) -> Result<Value> {
    let path = if path.is_dir() { path.join("report.json") } else { path.to_path_buf() };
    let place = path.display().to_string();
    let bad =
        |what: String| Error::input("cli::report", &place, what, "give a report.json written by `breakeven analyze`");
    let size = match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(bad("no such file".into())),
        Err(e) => return Err(Error::io(&place, &e)),
        Ok(meta) => meta.len(),
    };
    if size > MAX_REPORT_BYTES {
        return Err(bad(format!("{size} bytes are more than a report has")));
    }
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&place, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| bad(format!("is not JSON: {e}")))
}
