//! The paper's claims replayed: trainings, sweeps, prices, verdicts, one report.
//!
//! | part | what |
//! |---|---|
//! | [`sizes`] | what is trained, at which sizes, and whose choice each is |
//! | [`stages`], [`probe`] | the trainings, and what is written down of every solve |
//! | [`checkpoint`] | finished parts kept for a second run |
//! | [`prices`] | the same solves in every scenario |
//! | [`mod@claims`] | verdicts by stated rules |
//! | [`sections`], [`figures`] | the report |

pub mod checkpoint;
pub mod claims;
pub mod figures;
pub mod prices;
pub mod probe;
pub mod sections;
pub mod sizes;
pub mod stages;

use std::collections::BTreeMap;
use std::path::PathBuf;

use self::checkpoint::Checkpoints;
use self::claims::{PRESETS, Prices, claims};
use self::prices::{PAIRS, gate_time_of, scheduled};
use self::sizes::Sizes;
use super::progress::Progress;
use super::schedule_report::tool;
use crate::catalog::{self, Catalog, HardwareKind};
use crate::error::{Error, Result};
use crate::parallel::Threads;
use crate::report::document::{InputDigest, Provenance};
use crate::report::dossier::{Claim, Dossier, Outcome, VERSION};

/// What `reproduce q-newton` was asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Order {
    /// Reduced sizes.
    pub quick: bool,
    /// `mnist:DIR` for blocks of the published size; none: the embedded digits and text alone.
    pub data: Option<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Where finished parts are kept; none: nowhere.
    pub checkpoints: Option<PathBuf>,
    /// The user's own models.
    pub models: Option<PathBuf>,
    /// Classical machine; none: the catalogue's default.
    pub hardware: Option<String>,
}

/// Replays the claims of arXiv:2405.00252.
///
/// # Errors
/// Data that cannot be read (exit 3 or 6), faulty model files, what training meets.
pub fn q_newton(order: &Order, threads: &Threads, progress: &dyn Progress) -> Result<Dossier> {
    let data = order.data.as_deref().unwrap_or("digits");
    let sizes = Sizes::new(order.quick, data, inputs(data)?, order.seed);
    of_sizes(&sizes, order, threads, progress)
}

/// The same at sizes of one's own.
///
/// # Errors
/// As [`q_newton`].
pub fn of_sizes(sizes: &Sizes, order: &Order, threads: &Threads, progress: &dyn Progress) -> Result<Dossier> {
    let catalog = catalog::load(order.models.as_deref())?;
    let hardware = machine(&catalog, order.hardware.as_deref())?;
    let data = order.data.as_deref().unwrap_or("digits");
    let kept = match &order.checkpoints {
        Some(folder) => Checkpoints::in_folder(folder)?,
        None => Checkpoints::none(),
    };
    let measured = stages::measure(sizes, &kept, threads, progress)?;
    progress.update(1.0, "prices");
    let prices = price(&measured, &hardware, &catalog)?;
    // Shown where the two sides are even: elsewhere every cell looks alike.
    let half = prices.run.first().and_then(|s| gate_time_of(s, 0.5, false)).unwrap_or(PRESETS[0]);
    let strip = scheduled(&measured.run, &[], PAIRS[0], &hardware, half, &catalog)?;
    let claims = claims(&measured, &prices);
    let mut options = BTreeMap::new();
    for (name, value) in [
        ("form", if order.quick { "quick".to_string() } else { "full".to_string() }),
        ("data", data.split(':').next().unwrap_or(data).to_string()),
        ("hardware", hardware.clone()),
    ] {
        options.insert(name.to_string(), value);
    }
    let form = if order.quick { "quick form" } else { "full form" };
    Ok(Dossier {
        schema_version: VERSION.into(),
        tool: tool(),
        kind: "reproduction".into(),
        over: format!("Reproduction of arXiv:2405.00252, {form}"),
        title: "Q-Newton, replayed".into(),
        lead: lead(&claims, &prices),
        provenance: Provenance {
            inputs: files(&catalog, &hardware, data)?,
            seed: order.seed,
            threads: threads.count(),
            precision: "f64".into(),
            hardware: vec![hardware],
            options,
        },
        sections: sections::sections(sizes, &measured, &prices, &strip),
        claims,
        notes: vec![
            "Every time here is modelled: operations counted on real systems, divided by a machine's rate. Nothing ran on a quantum \
             computer."
                .into(),
            "Left out because this build does not have them yet: the scenarios end-to-end and fault-tolerant.".into(),
        ],
        data: serde_json::to_value(sizes.without_paths()).unwrap_or_default(),
    })
}

/// Removes what was kept, once the report is whole.
pub fn finished(order: &Order) {
    if let Some(folder) = &order.checkpoints
        && let Ok(kept) = Checkpoints::in_folder(folder)
    {
        kept.clear();
    }
}

fn machine(catalog: &Catalog, id: Option<&str>) -> Result<String> {
    let machine = match id {
        Some(id) => catalog.machine(id)?,
        None => {
            catalog.machines(&[])?.into_iter().find(|h| h.kind == HardwareKind::Classical).ok_or_else(|| {
                Error::usage("reproduction::hardware", "--hardware", "no classical machine", "name one")
            })?
        }
    };
    if machine.kind != HardwareKind::Classical {
        let what = format!("`{}` is no classical machine", machine.id);
        return Err(Error::usage(
            "reproduction::hardware",
            "--hardware",
            what,
            "gate times are swept; name a100 or your own",
        ));
    }
    Ok(machine.id.clone())
}

/// Features of a sample of the given data.
fn inputs(data: &str) -> Result<usize> {
    match data.split_once(':') {
        None if data == "digits" => Ok(64),
        Some(("mnist", folder)) => {
            // Read once now, so that a missing folder or too few samples are found before the long run.
            let samples = Some(sizes::PUBLISHED_BATCH);
            let options = crate::train::data::DataOptions { samples, batch: Some(1), ..Default::default() };
            let network = crate::train::Network::parse("mlp:784-10")?;
            let split = crate::train::data::open(&format!("mnist:{folder}"), &network, &options).map_err(|e| {
                let help = "the published batch has 2048 samples: give more images, or leave --data out";
                if e.code == "train::samples" { Error::input("reproduction::data", folder, e.what, help) } else { e }
            })?;
            match split.train.interface {
                crate::train::network::Interface::Vectors { features, .. } => Ok(features),
                crate::train::network::Interface::Tokens { .. } => Ok(784),
            }
        }
        _ => Err(Error::usage(
            "reproduction::data",
            format!("--data {data}"),
            "the reproduction takes digits (embedded) or MNIST",
            "give mnist:DIR or leave --data out",
        )),
    }
}

fn price(m: &stages::Measured, hardware: &str, catalog: &Catalog) -> Result<Prices> {
    let gate_time = PRESETS[0];
    let of = |seen: &stages::Seen, pair: usize| scheduled(seen, &[], PAIRS[pair], hardware, gate_time, catalog);
    let mut run = Vec::new();
    for pair in PAIRS {
        run.push(scheduled(&m.run, &m.first_order, pair, hardware, gate_time, catalog)?);
    }
    let sweep =
        |list: &[(f64, stages::Seen)]| list.iter().map(|(x, s)| Ok((*x, of(s, 0)?))).collect::<Result<Vec<_>>>();
    Ok(Prices {
        run,
        keeps: sweep(&m.keeps)?,
        etas: sweep(&m.etas)?,
        widths: m.widths.iter().map(|(h, s)| Ok((*h, of(s, 0)?, of(s, 1)?))).collect::<Result<Vec<_>>>()?,
        published: m.published.as_ref().map(|(_, s)| Ok((of(s, 0)?, of(s, 1)?))).transpose()?,
        families: m
            .families
            .iter()
            .map(|(k, _, s)| Ok((k.clone(), of(s, 0)?, of(s, 1)?)))
            .collect::<Result<Vec<_>>>()?,
    })
}

fn lead(claims: &[Claim], p: &Prices) -> String {
    let count = |o: Outcome| claims.iter().filter(|c| c.verdict == o).count();
    let mut parts = Vec::new();
    for outcome in [Outcome::Reproduced, Outcome::HoldsOnlyUnder, Outcome::NotReproduced, Outcome::NotTestable] {
        let n = count(outcome);
        if n > 0 {
            parts.push(match outcome {
                Outcome::HoldsOnlyUnder => format!("{n} hold only under assumptions that are named"),
                Outcome::Reproduced => format!("{n} reproduced"),
                Outcome::NotReproduced => format!("{n} not reproduced"),
                Outcome::NotTestable => format!("{n} not testable"),
            });
        }
    }
    let ninety = p.run.first().and_then(|s| gate_time_of(s, 0.9, false));
    let best = p.run.get(1).and_then(|s| gate_time_of(s, 0.9, false));
    let speed = |t: Option<f64>| {
        t.map_or("never".into(), |t| format!("at gates of {} s or shorter", crate::report::number::real(t)))
    };
    format!(
        "Of {} claims: {}. The headline, 90 % less training time, needs the paper's own count and its own rival {}; against the best \
         classical rival {}.",
        claims.len(),
        parts.join(", "),
        speed(ninety),
        speed(best)
    )
}

/// Models, machine and data; of files only the names.
fn files(catalog: &Catalog, hardware: &str, data: &str) -> Result<Vec<InputDigest>> {
    let machines = catalog.hardware.iter().filter(|h| h.id == hardware).map(|h| (&h.file, &h.digest));
    let models = catalog.models.iter().map(|m| (&m.file, &m.digest));
    let mut list: Vec<InputDigest> = models
        .chain(machines)
        .map(|(path, blake3)| InputDigest { path: path.clone(), blake3: blake3.clone() })
        .collect();
    for path in crate::train::data::files(data) {
        let bytes = std::fs::read(&path).map_err(|e| Error::io(path.display(), &e))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        list.push(InputDigest { path: name, blake3: blake3::hash(&bytes).to_hex().to_string() });
    }
    list.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(list)
}
