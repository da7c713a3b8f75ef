//! Opens what the plan names: run directories, snapshots, matrices, or the embedded sample.

use std::path::{Path, PathBuf};

use super::plan::{Input as Named, Plan};
use super::{memory, sample};
use crate::error::{Error, Result};
use crate::snapshot::{self, Input, OpenOptions, RunInput, manifest};

/// One opened path.
#[derive(Debug)]
pub struct Opened {
    /// What errors and reports call it.
    pub label: String,
    /// Its name, without folders and extension.
    pub name: String,
    /// What it holds.
    pub input: Input,
}

/// Opens every path of the plan.
///
/// # Errors
/// As [`snapshot::open`].
pub fn open(plan: &Plan) -> Result<Vec<Opened>> {
    match &plan.input {
        Named::Sample => Ok(vec![open_sample(plan)?]),
        Named::Paths(paths) => paths.iter().map(|path| open_path(path, plan)).collect(),
    }
}

/// The options of the plan that the readers need.
pub fn open_options(plan: &Plan) -> OpenOptions {
    let free = memory::available();
    OpenOptions {
        graph: plan.graph.clone(),
        batch: plan.batch.clone(),
        snapshots: plan.snapshots.clone(),
        rhs: plan.rhs.clone(),
        max_memory: plan.max_memory.or(free),
        seed: plan.seed,
        ..OpenOptions::default()
    }
}

fn open_path(path: &Path, plan: &Plan) -> Result<Opened> {
    let input = snapshot::open(path, &open_options(plan))?;
    Ok(Opened { label: path.display().to_string(), name: name_of(path), input })
}

/// `runs/mlp/` → `mlp`, `H.mtx` → `H`; `.` gets the folder's real name.
pub fn name_of(path: &Path) -> String {
    let named = if path.file_name().is_some() { path.to_path_buf() } else { path.canonicalize().unwrap_or_default() };
    let part = if named.is_dir() { named.file_name() } else { named.file_stem() };
    part.map_or_else(|| "run".into(), |n| n.to_string_lossy().into_owned())
}

fn open_sample(plan: &Plan) -> Result<Opened> {
    let unfit = |option: &str| {
        Error::usage(
            "pipeline::sample",
            option,
            "the embedded sample takes no other file",
            "give the path of a run directory too",
        )
    };
    for (option, value) in [("--graph", &plan.graph), ("--batch", &plan.batch), ("--rhs", &plan.rhs)] {
        if value.is_some() {
            return Err(unfit(option));
        }
    }
    let Input::Run(mut run) = snapshot::open_embedded(sample::FILES)? else { return Err(unfit("the sample")) };
    if let Some(pattern) = &plan.snapshots {
        choose_snapshots(&mut run, pattern)?;
    }
    Ok(Opened { label: "the embedded sample".into(), name: sample::NAME.into(), input: Input::Run(run) })
}

fn choose_snapshots(run: &mut RunInput, pattern: &str) -> Result<()> {
    let names: Vec<String> = run.snapshots.iter().map(|s| s.name.clone()).collect();
    run.snapshots.retain(|s| manifest::glob(pattern, &s.name) || manifest::glob(pattern, &s.file));
    if run.snapshots.is_empty() {
        return Err(Error::input(
            "run::snapshots",
            "the embedded sample",
            format!("no snapshot matches '{pattern}'"),
            format!("there are: {}", names.join(", ")),
        ));
    }
    Ok(())
}

/// The default folder of the report: `reports/NAME`.
pub fn default_report_folder(plan: &Plan) -> PathBuf {
    let name = match &plan.input {
        Named::Sample => sample::NAME.to_string(),
        Named::Paths(paths) => match paths.as_slice() {
            [] => sample::NAME.to_string(),
            [one] => name_of(one),
            [first, rest @ ..] => format!("{}-and-{}-more", name_of(first), rest.len()),
        },
    };
    Path::new("reports").join(name)
}
