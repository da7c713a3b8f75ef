//! `report.json`: the report exactly, pretty, with every number reading back as itself.

use serde::Serialize;

use super::{escape, finite};
use crate::error::{Error, Result};

/// Pretty JSON with a final newline.
///
/// Numbers are the shortest text that reads back as the same f64; invisible and bidirectional characters are escaped, so the
/// file can be shown on a terminal.
///
/// # Errors
/// Exit class 5 when a number is NaN or infinite, naming its place: such a number must never leave the program.
pub fn pretty<T: Serialize + ?Sized>(value: &T, place: &str) -> Result<String> {
    finite::check(value).map_err(|e| {
        Error::certificate("report::not_finite", place, e, "this is a defect: please report it with the input's digest")
    })?;
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::certificate("report::json", place, e, "this is a defect: please report it"))?;
    text.push('\n');
    Ok(escape::json(&text))
}
