//! `breakeven reproduce q-newton`: the paper's claims replayed.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::ExitStatus;
use super::args::{Format, HELP};
use super::context::Context;
use super::output::{Output, Table};
use super::progress::Reporter;
use crate::error::{Class, Error, Result};
use crate::pipeline::reproduction::{Order, finished, q_newton};
use crate::report::{self, dossier::Dossier, store};

/// Which paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Paper {
    /// arXiv:2405.00252.
    QNewton,
}

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
#[command(help_template = HELP, before_help = "Examples:
  breakeven reproduce q-newton --quick --out reports/q-newton
  breakeven reproduce q-newton --out reports/q-newton              minutes; stop and run again to go on
  breakeven reproduce q-newton --data mnist:MNIST/ --out reports/q-newton
")]
pub struct ReproduceArgs {
    /// The paper whose claims are replayed.
    #[arg(value_name = "PAPER", value_enum)]
    pub paper: Paper,
    /// Reduced sizes, under two minutes, from embedded data alone.
    #[arg(long)]
    pub quick: bool,
    /// Folder of the report (default: reports/q-newton).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// mnist:DIR for blocks of the published size (default: embedded digits and text alone).
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<String>,
    /// Classical machine (default: a100).
    #[arg(long, value_name = "ID")]
    pub hardware: Option<String>,
}

/// Replays, writes the report, prints the table of claims.
///
/// # Errors
/// Whatever a stage meets.
pub fn run(args: ReproduceArgs, io: &Context) -> Result<ExitStatus> {
    let Paper::QNewton = args.paper;
    let out = args.out.unwrap_or_else(|| Path::new("reports").join("q-newton"));
    store::preflight(&out)?;
    if args.quick && args.data.is_some() {
        let what = "the quick form takes no external data";
        return Err(super::unfit_option("--data", what, "leave --quick or --data out"));
    }
    let order = Order {
        quick: args.quick,
        data: args.data,
        seed: io.seed,
        checkpoints: (!args.quick).then(|| beside(&out)),
        models: io.models.clone(),
        hardware: args.hardware,
    };
    let threads = io.threads()?;
    if let Some(folder) = &order.checkpoints {
        io.note(format_args!("finished parts are kept in {} until the report is whole", folder.display()));
    }
    let reporter = Reporter::new(io.quiet);
    let dossier = q_newton(&order, &threads, &reporter)?;
    reporter.finish();
    let options = report::Options { png: true, threads: Some(&threads) };
    report::dossier::write(&dossier, &out, options)?;
    finished(&order);
    let json = serde_json::to_value(&dossier).map_err(|e| Error::new(Class::Io, "cli::json", "the report", e, ""))?;
    io.emit(&Output::table(json, table(&dossier)).with_form(Format::Text, text(&dossier, &out)))?;
    Ok(ExitStatus::Success)
}

/// `reports/q-newton` → `reports/.q-newton.parts`.
fn beside(out: &Path) -> PathBuf {
    let name = out.file_name().map_or_else(|| "report".into(), |n| n.to_string_lossy().into_owned());
    out.with_file_name(format!(".{name}.parts"))
}

fn table(dossier: &Dossier) -> Table {
    let mut table = Table::new(&["claim", "verdict", "under", "measured"]);
    for c in &dossier.claims {
        table.push(vec![
            c.claim.clone().into(),
            c.verdict.word().into(),
            c.under.clone().into(),
            c.measured.clone().into(),
        ]);
    }
    table
}

fn text(dossier: &Dossier, out: &Path) -> String {
    let mut short = Table::new(&["claim", "verdict"]);
    for c in &dossier.claims {
        let verdict =
            if c.under.is_empty() { c.verdict.word().to_string() } else { format!("{} {}", c.verdict.word(), c.under) };
        short.push(vec![c.claim.clone().into(), verdict.into()]);
    }
    format!("{}\n\n{}\n{}\n", dossier.lead, short.aligned(), out.join("report.html").display())
}
