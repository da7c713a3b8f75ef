//! `breakeven completions SHELL`: a completion script on stdout, from the same structs as the help pages.

use clap::Args;
use clap_complete::Shell;

use super::ExitStatus;
use super::args::HELP;
use super::context::Context;
use super::output;
use crate::error::Result;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven completions bash > ~/.local/share/bash-completion/completions/breakeven
  breakeven completions fish > ~/.config/fish/completions/breakeven.fish
")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: CompletionsArgs, _io: &Context) -> Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "breakeven", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Success)
}
