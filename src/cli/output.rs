//! Results as text, JSON, CSV or Markdown, on stdout and into files that appear whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;

use super::args::Format;
use crate::error::{Class, Error, Result};

/// Code of the error that stands for a reader who closed the pipe; the program then ends with 0.
pub const BROKEN_PIPE: &str = "io::broken_pipe";

/// A result in every form: the whole as JSON, a table where it is one, and words for reading.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Everything, for `--format json`.
    pub json: Value,
    /// The rows, for `--format csv` and `markdown`.
    pub table: Option<Table>,
    /// What `--format text` prints; empty: the table, aligned.
    pub text: String,
    /// Finished text for other formats; these go before the table.
    pub forms: Vec<(Format, String)>,
}

/// Named columns and rows of cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Names of the columns, units included.
    pub columns: Vec<String>,
    /// One cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Empty,
    /// Words.
    Text(String),
    /// A number; written in full in files, shortened for reading.
    Number(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(x: f64) -> Self {
        if x.is_finite() { Cell::Number(x) } else { Cell::Empty }
    }
}

impl From<Option<f64>> for Cell {
    fn from(x: Option<f64>) -> Self {
        x.map_or(Cell::Empty, Cell::from)
    }
}

impl From<usize> for Cell {
    fn from(x: usize) -> Self {
        Cell::Text(x.to_string())
    }
}

impl Cell {
    /// Every digit, so that the number round-trips.
    fn exact(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone(),
            Cell::Number(x) => number(*x),
        }
    }

    /// Five digits, for reading.
    fn short(&self) -> String {
        match self {
            Cell::Number(x) => short_number(*x),
            other => other.exact(),
        }
    }
}

/// The shortest form that reads back as the same number.
pub fn number(x: f64) -> String {
    serde_json::Number::from_f64(x).map_or(String::new(), |n| n.to_string())
}

/// At most five significant digits.
pub fn short_number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        "0".into()
    } else if x.fract() == 0.0 && size < 1e7 {
        format!("{x}")
    } else if (1e-3..1e6).contains(&size) {
        let decimals = (4 - size.log10().floor() as i32).clamp(0, 8) as usize;
        let text = format!("{x:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    } else {
        let text = format!("{x:.4e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Output {
    /// A result that is a table and the same rows as JSON.
    pub fn table(json: Value, table: Table) -> Self {
        Output { json, table: Some(table), ..Output::default() }
    }

    /// A result that reads as prose and has no table.
    pub fn text(json: Value, text: impl Into<String>) -> Self {
        Output { json, text: text.into(), ..Output::default() }
    }

    /// The same result with a finished text for one more format.
    #[must_use]
    pub fn with_form(mut self, format: Format, text: impl Into<String>) -> Self {
        self.forms.push((format, text.into()));
        self
    }

    /// The result in one form, with a newline at the end.
    ///
    /// # Errors
    /// When a table is asked for and there is none.
    pub fn render(&self, format: Format) -> Result<String> {
        let table = || {
            self.table.as_ref().ok_or_else(|| {
                Error::usage("cli::format", "--format", "this result is not a table", "use text or json")
            })
        };
        let with_newline = |text: &str| if text.ends_with('\n') { text.to_string() } else { format!("{text}\n") };
        if let Some((_, text)) = self.forms.iter().find(|(f, _)| *f == format) {
            return Ok(with_newline(text));
        }
        match format {
            Format::Json => {
                let mut text = serde_json::to_string_pretty(&self.json)
                    .map_err(|e| Error::new(Class::Io, "cli::json", "the result", e, ""))?;
                text.push('\n');
                Ok(text)
            }
            Format::Csv => table()?.csv(),
            Format::Markdown => Ok(table()?.markdown()),
            Format::Text if self.text.is_empty() => Ok(self.table.as_ref().map_or(String::new(), Table::aligned)),
            Format::Text => Ok(with_newline(&self.text)),
            Format::Html
            | Format::Junit
            | Format::Sarif
            | Format::Bencher
            | Format::Github
            | Format::GithubBenchmark => Err(Error::usage(
                "cli::format",
                "--format",
                "this command does not write that format",
                "use text, json, csv or markdown",
            )),
        }
    }
}

impl Table {
    /// A table with these columns and no rows yet.
    pub fn new(columns: &[&str]) -> Self {
        Table { columns: columns.iter().map(|c| (*c).to_string()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    fn csv(&self) -> Result<String> {
        let bad = |e: &dyn std::fmt::Display| Error::new(Class::Io, "cli::csv", "the table", e, "");
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns).map_err(|e| bad(&e))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::exact)).map_err(|e| bad(&e))?;
        }
        let bytes = writer.into_inner().map_err(|e| bad(&e))?;
        String::from_utf8(bytes).map_err(|e| bad(&e))
    }

    /// As a Markdown table, every digit.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let clean = |text: String| text.replace('|', "\\|").replace('\n', " ");
        let mut out = line(self.columns.iter().cloned().map(clean).collect());
        out.push_str(&line(self.columns.iter().map(|_| "---".to_string()).collect()));
        for row in &self.rows {
            out.push_str(&line(row.iter().map(|c| clean(c.exact())).collect()));
        }
        out
    }

    /// Columns under each other, numbers to the right.
    pub fn aligned(&self) -> String {
        let cells: Vec<Vec<String>> = self.rows.iter().map(|r| r.iter().map(Cell::short).collect()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                let width = |text: Option<&String>| text.map_or(0, |t| t.chars().count());
                cells.iter().map(|r| width(r.get(i))).fold(width(self.columns.get(i)), usize::max)
            })
            .collect();
        let mut out = String::new();
        let mut line = |row: &[String], numeric: &dyn Fn(usize) -> bool| {
            let mut text = String::new();
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                let gap = if i == 0 { "" } else { "  " };
                text += &if numeric(i) { format!("{gap}{pad}{cell}") } else { format!("{gap}{cell}{pad}") };
            }
            out.push_str(text.trim_end());
            out.push('\n');
        };
        // Found once: a sweep has many rows.
        let numeric: Vec<bool> = (0..self.columns.len())
            .map(|i| self.rows.iter().any(|r| matches!(r.get(i), Some(Cell::Number(_)))))
            .collect();
        let is_number = |i: usize| numeric.get(i).copied().unwrap_or_default();
        line(&self.columns, &is_number);
        for row in &cells {
            line(row, &is_number);
        }
        out
    }
}

/// Writes to stdout; a closed pipe becomes [`BROKEN_PIPE`].
///
/// # Errors
/// When stdout cannot be written.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| {
        let mut error = Error::io("stdout", &e);
        if e.kind() == std::io::ErrorKind::BrokenPipe {
            error.code = BROKEN_PIPE;
        }
        error
    })
}

/// Files that are being written and have not their name yet.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes what an interrupted command leaves.
pub fn remove_unfinished() {
    for path in UNFINISHED.lock().map(|mut list| std::mem::take(&mut *list)).unwrap_or_default() {
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

/// Has `path` removed when the program is interrupted, until [`finished`] is called.
pub fn unfinished(path: &Path) {
    if let Ok(mut list) = UNFINISHED.lock() {
        list.push(path.to_path_buf());
    }
}

/// The file has its name, or is gone.
pub fn finished(path: &Path) {
    if let Ok(mut list) = UNFINISHED.lock() {
        list.retain(|p| p != path);
    }
}

/// The file of `--export`, created under another name until it is whole.
#[derive(Debug)]
pub struct ExportFile {
    path: PathBuf,
    format: Format,
    file: tempfile::NamedTempFile,
}

impl ExportFile {
    /// Creates the file beside its final place.
    ///
    /// # Errors
    /// When the extension has no writer or the folder cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let place = format!("--export {}", path.display());
        let format = match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Format::Json,
            Some("csv") => Format::Csv,
            Some("md" | "markdown") => Format::Markdown,
            Some("txt" | "text") => Format::Text,
            Some("html") => Format::Html,
            Some("xml") => Format::Junit,
            Some("sarif") => Format::Sarif,
            _ => {
                return Err(Error::usage(
                    "cli::export",
                    place,
                    "the extension names no format",
                    "end the file name in .json, .csv, .md or .txt",
                ));
            }
        };
        if path.is_dir() {
            return Err(Error::new(Class::Io, "io::failed", place, "is a folder", "name a file"));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file =
            tempfile::Builder::new().prefix(".breakeven-").tempfile_in(folder).map_err(|e| Error::io(&place, &e))?;
        unfinished(file.path());
        Ok(ExportFile { path: path.to_path_buf(), format, file })
    }

    /// Fills the file and gives it its name.
    ///
    /// # Errors
    /// When writing fails; nothing is left then.
    pub fn write(mut self, result: &Output) -> Result<()> {
        let place = format!("--export {}", self.path.display());
        let text = result.render(self.format)?;
        let temporary = self.file.path().to_path_buf();
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.as_file().sync_all())
            .map_err(|e| Error::io(&place, &e))?;
        set_usual_permissions(self.file.path());
        self.file.persist(&self.path).map_err(|e| Error::io(&place, &e.error))?;
        finished(&temporary);
        Ok(())
    }
}

/// Temporary files are private; results are readable like any other file.
pub fn set_usual_permissions(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = path;
}

#[cfg(test)]
mod tests;
