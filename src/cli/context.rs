//! What every command needs to run: where results go, threads, seed, memory, and how loud to be.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::args::{Format, Globals};
use super::output::{self, ExportFile, Output};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::parallel::ranks::Ranks;

/// The opened environment of one command.
#[derive(Debug)]
pub struct Context {
    /// The printed form; `None` when the user did not say.
    pub format: Option<Format>,
    /// The user's own models and hardware.
    pub models: Option<PathBuf>,
    /// Seed of every random choice.
    pub seed: u64,
    /// `--max-memory`, when given.
    pub max_memory: Option<u64>,
    /// No progress and no remarks.
    pub quiet: bool,
    threads: usize,
    ranks: Arc<Ranks>,
    export: Mutex<Option<ExportFile>>,
}

impl Context {
    /// Opens what the options name; the export target is created now, so that a bad path fails before the work.
    ///
    /// # Errors
    /// When the export target cannot be created or has an extension without a writer.
    pub fn new(globals: &Globals, ranks: Arc<Ranks>) -> Result<Self> {
        let export = globals.export.as_deref().map(ExportFile::create).transpose()?;
        Ok(Context {
            format: globals.format,
            models: globals.models.clone(),
            seed: globals.seed.unwrap_or(0),
            max_memory: globals.max_memory,
            quiet: globals.quiet,
            threads: globals.threads.map_or(0, usize::from),
            ranks,
            export: Mutex::new(export),
        })
    }

    /// The thread pool of this command, and the ranks that it may ask.
    ///
    /// # Errors
    /// When the operating system refuses the threads.
    pub fn threads(&self) -> Result<Threads> {
        Ok(Threads::new(self.threads)?.with_ranks(&self.ranks))
    }

    /// The printed form, text unless asked otherwise.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(Format::Text)
    }

    /// Prints a result on stdout in the form asked for, and writes it to the export file.
    ///
    /// # Errors
    /// When writing fails, or the result has no table and a table was asked for.
    pub fn emit(&self, result: &Output) -> Result<()> {
        let export = self.export.lock().map(|mut slot| slot.take()).unwrap_or(None);
        if let Some(file) = export {
            file.write(result)?;
        }
        output::print(&result.render(self.format())?)
    }

    /// A remark on stderr, unless `--quiet`.
    pub fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// Prints an error once, on stderr.
pub fn print_error(error: &Error, color: bool) {
    if color {
        eprintln!("\x1b[1;31merror\x1b[0m: {error}");
    } else {
        eprintln!("error: {error}");
    }
}

/// Ctrl-C ends the program with exit code 130 and leaves nothing half-written.
pub fn exit_130_on_interrupt() {
    // Without a handler the default action still ends the program, so a failure to install one is no error.
    let _ = ctrlc::set_handler(|| {
        output::remove_unfinished();
        eprintln!("\ninterrupted");
        std::process::exit(i32::from(crate::error::Class::Interrupted.exit_code()));
    });
}
