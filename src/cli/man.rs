//! `breakeven man`: the man page on stdout, or one page per command into a folder.

use std::path::PathBuf;

use clap::Args;

use super::ExitStatus;
use super::args::HELP;
use super::context::Context;
use super::output;
use crate::error::{Error, Result};

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven man | man -l -
  breakeven man --out ~/.local/share/man/man1
")]
pub struct ManArgs {
    /// Write one page per command into DIR.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// When stdout or the folder cannot be written.
pub fn run(args: ManArgs, io: &Context) -> Result<ExitStatus> {
    let command = super::command();
    let Some(folder) = args.out else {
        output::print(&page(&command)?)?;
        return Ok(ExitStatus::Success);
    };
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(folder.display(), &e))?;
    clap_mangen::generate_to(command, &folder).map_err(|e| Error::io(folder.display(), &e))?;
    io.note(format_args!("man pages in {}", folder.display()));
    Ok(ExitStatus::Success)
}

fn page(command: &clap::Command) -> Result<String> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut bytes).map_err(|e| Error::io("man page", &e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
