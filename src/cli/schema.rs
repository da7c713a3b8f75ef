//! `breakeven schema`: the published JSON Schemas.

use std::path::PathBuf;

use clap::Args;

use super::ExitStatus;
use super::args::HELP;
use super::context::Context;
use super::output;
use crate::atomic;
use crate::error::{Error, Result};
use crate::pipeline::schemas::Document;

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven schema model                 the JSON Schema of a model file
  breakeven schema --all models/schema   every schema, as files
")]
pub struct SchemaArgs {
    /// report, measurement, cost-table, check, model or hardware.
    #[arg(value_name = "KIND", required_unless_present = "all")]
    pub kind: Option<Document>,
    /// Write every schema into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "kind")]
    pub all: Option<PathBuf>,
}

/// Prints one schema or writes all.
///
/// # Errors
/// When a file cannot be written.
pub fn run(args: SchemaArgs, io: &Context) -> Result<ExitStatus> {
    if let Some(folder) = args.all {
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(folder.display(), &e))?;
        for document in Document::ALL {
            atomic::write_file(&folder.join(format!("{document}.json")), &document.bytes()?)?;
        }
        io.note(format_args!("{}: {} schemas", folder.display(), Document::ALL.len()));
    } else if let Some(document) = args.kind {
        output::print(&String::from_utf8_lossy(&document.bytes()?))?;
    }
    Ok(ExitStatus::Success)
}
