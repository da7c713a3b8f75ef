//! Curvature matrices kept for later: written with a sidecar that says from what, found again by the hash of that.
//!
//! What is stored is the matrix before pruning and damping, so that one file serves every rule. The hash covers the
//! graph, the batch, the loss, the snapshot's tensors, the block, the curvature and the precision, by content: neither
//! file names nor weight formats matter.

use super::jobs::Job;
use super::plan::{Curvature, Plan, Precision, precision_text};
use super::progress::Progress;
use crate::curvature::Block;
use crate::error::{Error, Result};
use crate::report::document::InputDigest;
use crate::snapshot::array::{Array, Values};
use crate::snapshot::folder::digest;
use crate::snapshot::limits::Limits;
use crate::snapshot::matrix::sidecar::{self, About};
use crate::snapshot::weights::WeightFormat;
use crate::snapshot::{OpenOptions, RunInput, Snapshot, matrix, write};
use faer::Mat;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The convention of rows, in words.
const VEC: &str = "row-major elements of each tensor, one tensor after the other in the order of `block`";

/// Where matrices go to and come from.
#[derive(Debug, Default)]
pub struct Store {
    file: Option<PathBuf>,
    folder: Option<PathBuf>,
    kept: Vec<(PathBuf, About)>,
    names: RefCell<BTreeSet<String>>,
    max_memory: Option<u64>,
}

impl Store {
    /// Checks before the long run that the outputs can be written and the inputs read.
    ///
    /// # Errors
    /// Several cases for one file, an unknown extension, a run directory as the target (usage); a folder that cannot be
    /// written (input-output); stored matrices that are missing or whose sidecar is damaged (input).
    pub fn open(plan: &Plan, jobs: &[Job]) -> Result<Self> {
        let mut store = Store { max_memory: plan.max_memory, ..Store::default() };
        if let Some(path) = &plan.export_hessian {
            let cases: usize = jobs.iter().filter(|j| j.network.is_some()).map(|j| j.cases(plan).len()).sum();
            store.target(path, cases)?;
        }
        if let Some(path) = &plan.reuse_hessian {
            store.kept = stored_at(path)?;
        }
        if plan.matrix_free && (plan.export_hessian.is_some() || plan.reuse_hessian.is_some()) {
            return Err(Error::usage(
                "pipeline::stored",
                "--matrix-free",
                "forms no matrix that could be stored or reused",
                "leave --matrix-free out",
            ));
        }
        Ok(store)
    }

    fn target(&mut self, path: &Path, cases: usize) -> Result<()> {
        let usage = |what: String, remedy: &str| Err(Error::usage("pipeline::export", path.display(), what, remedy));
        if cases == 0 {
            return usage("a plain matrix is its own file".into(), "--export-hessian needs a network");
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        let folder = match extension.as_str() {
            _ if path.is_dir() => path,
            "npy" | "safetensors" | "mtx" if cases > 1 => {
                return usage(
                    format!("one file cannot hold the matrices of {cases} cases"),
                    "give a folder, or choose one case with --snapshots and --scope layer:NAME",
                );
            }
            "npy" | "safetensors" | "mtx" => match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
            "npz" | "csv" | "txt" | "json" | "pt" | "mat" | "rsa" | "rb" | "h5" => {
                return usage(format!("matrices are not written as .{extension}"), "use .npy, .safetensors or .mtx");
            }
            _ => path,
        };
        if extension != "npy" && extension != "mtx" && holds_graph(folder) {
            return usage(
                "this is a run directory: every weight file in it is read as a snapshot".into(),
                "choose a folder of its own",
            );
        }
        if folder == path {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder.display(), &e))?;
            self.folder = Some(path.to_owned());
        } else {
            self.file = Some(path.to_owned());
        }
        // Found now rather than after the long run.
        tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::io(folder.display(), &e))?;
        Ok(())
    }

    /// The stored matrix of a case, with the digest of its file; `None` when none was stored for it.
    ///
    /// # Errors
    /// A matrix that was stored for this case from other inputs, or whose file is damaged.
    pub fn find(&self, case: &Case<'_>) -> Result<Option<(Mat<f64>, InputDigest)>> {
        if self.kept.is_empty() {
            return Ok(None);
        }
        let facts = case.facts();
        let key = key(&facts);
        let Some((path, about)) = self.kept.iter().find(|(_, a)| a.key == key) else {
            let Some((path, about)) = self.kept.iter().find(|(_, a)| a.case == case.id) else { return Ok(None) };
            let other: Vec<&str> = facts
                .iter()
                .filter(|(name, value)| !about.made_from.iter().any(|(n, v)| n == name && v == value))
                .map(|(name, _)| name.as_str())
                .collect();
            let what = if other.is_empty() {
                "its hash is not that of what it says it was made from".to_string()
            } else {
                format!("was stored for {} from other inputs: {} differ", case.id, other.join(", "))
            };
            let remedy = "export it again with --export-hessian, or leave --reuse-hessian out";
            return Err(Error::input("pipeline::stale", path.display(), what, remedy));
        };
        let options = OpenOptions { max_memory: self.max_memory, ..OpenOptions::default() };
        let input = matrix::open(path, &options)?;
        if input.n != case.block.len {
            return Err(Error::input(
                "pipeline::stale",
                path.display(),
                format!("N = {}, but {} has N = {}", input.n, case.id, case.block.len),
                "export it again",
            ));
        }
        let file = InputDigest { path: about.file.trim_end_matches(".json").to_owned(), blake3: input.digest.clone() };
        Ok(Some((input.to_dense(self.max_memory.unwrap_or(u64::MAX))?, file)))
    }

    /// Writes the matrix of a case where it belongs, and says so.
    ///
    /// # Errors
    /// Input-output errors.
    pub fn keep(&self, case: &Case<'_>, h: &Mat<f64>, seed: u64, progress: &dyn Progress) -> Result<()> {
        let path = match (&self.file, &self.folder) {
            (Some(file), _) => file.clone(),
            (None, Some(folder)) => folder.join(self.name(case.id)),
            (None, None) => return Ok(()),
        };
        write::hessian(&path, case.block.len, |i, j| h[(i, j)], case.describe(seed))?;
        progress.remark(&format!("{}: stored in {}", case.id, path.display()));
        Ok(())
    }

    /// A file name of a case id, unlike all before.
    fn name(&self, id: &str) -> String {
        let plain: String = id
            .replace('/', "__")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
            .collect();
        let plain = plain.trim_start_matches('.').to_owned();
        let mut names = self.names.borrow_mut();
        let mut name = plain.clone();
        let mut count = 1;
        while !names.insert(name.to_lowercase()) {
            count += 1;
            name = format!("{plain}-{count}");
        }
        format!("{name}.safetensors")
    }
}

/// What identifies a matrix.
pub struct Case<'a> {
    /// Id of the case.
    pub id: &'a str,
    /// The run.
    pub run: &'a RunInput,
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// The block and its scope in words.
    pub block: &'a Block,
    /// `full`, `layer:NAME`, `module:NAME`.
    pub scope: &'a str,
    /// Which matrix.
    pub curvature: Curvature,
    /// Arithmetic of the curvature.
    pub precision: Precision,
    /// Loss at the snapshot.
    pub loss: f64,
    /// Gradient over the block.
    pub gradient: &'a [f64],
}

impl Case<'_> {
    /// The hash of everything the matrix depends on.
    pub fn key(&self) -> String {
        key(&self.facts())
    }

    /// Everything the matrix depends on, by name.
    fn facts(&self) -> Vec<(String, String)> {
        let run = self.run;
        let graph: Vec<String> = run
            .digests
            .iter()
            .filter(|(name, _)| WeightFormat::of(name).is_none() && !name.ends_with("loss.json"))
            .map(|(_, digest)| digest.clone())
            .collect();
        let batch: Vec<&(String, Array)> = run.batch.inputs.iter().chain(&run.batch.target).collect();
        let loss = &run.loss;
        let block: Vec<String> = self.block.tensors.iter().map(|t| format!("{} {:?}", t.name, t.shape)).collect();
        [
            ("graph", digest(graph.join("\n").as_bytes())),
            ("batch", content(&batch)),
            (
                "loss",
                format!(
                    "{} {} ignore_index {:?} label_smoothing {:?}",
                    loss.kind, loss.reduction, loss.ignore_index, loss.label_smoothing
                ),
            ),
            ("snapshot", content(&self.snapshot.params.iter().collect::<Vec<_>>())),
            ("block", block.join("; ")),
            ("curvature", self.curvature.to_string()),
            ("precision", precision_text(self.precision).to_string()),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into()
    }

    fn describe(&self, seed: u64) -> Map<String, Value> {
        let facts = self.facts();
        let tensors: Vec<Value> = (self.block.tensors.iter())
            .map(|t| json!({ "name": t.name, "shape": t.shape, "offset": t.offset, "size": t.size }))
            .collect();
        let made_from: Map<String, Value> = facts.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let all = json!({
            "kind": sidecar::MARK,
            "case": self.id,
            "snapshot": self.snapshot.name,
            "series": self.snapshot.series,
            "step": self.snapshot.step,
            "curvature": self.curvature.to_string(),
            "scope": self.scope,
            "matrix": "before pruning and damping",
            "loss": self.loss,
            "gradient": self.gradient,
            "block": tensors,
            "vec": VEC,
            "precision": precision_text(self.precision),
            "seed": seed,
            "made_from": made_from,
            "key": key(&facts),
            "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        });
        match all {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

fn key(facts: &[(String, String)]) -> String {
    let text: Vec<String> = facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    digest(text.join("\n").as_bytes())
}

/// Digest of names, extents and elements.
fn content(arrays: &[&(String, Array)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, array) in arrays {
        hasher.update(format!("{name} {:?}\n", array.shape).as_bytes());
        match &array.values {
            Values::Float(v) => v.iter().for_each(|x| {
                hasher.update(&x.to_le_bytes());
            }),
            Values::Int(v) => v.iter().for_each(|x| {
                hasher.update(&x.to_le_bytes());
            }),
            Values::Bool(v) => v.iter().for_each(|x| {
                hasher.update(&[u8::from(*x)]);
            }),
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn holds_graph(folder: &Path) -> bool {
    let Ok(list) = std::fs::read_dir(folder) else { return false };
    list.flatten().any(|e| e.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")))
}

/// The matrices at a path that have a sidecar of this program.
fn stored_at(path: &Path) -> Result<Vec<(PathBuf, About)>> {
    let limits = Limits::default();
    let none = |what: &str| {
        let remedy = "give a file or folder written by --export-hessian";
        Err(Error::input("pipeline::stored", path.display(), what, remedy))
    };
    if path.is_file() {
        return match sidecar::beside(path, &limits)? {
            Some(about) => Ok(vec![(path.to_owned(), about)]),
            None => none("has no sidecar that says what it was made from"),
        };
    }
    let list = std::fs::read_dir(path).map_err(|e| crate::snapshot::folder::missing_or_io(path, &e))?;
    let mut files: Vec<PathBuf> = list.flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        if file.extension().is_some_and(|e| e == "json") {
            continue;
        }
        if let Some(about) = sidecar::beside(&file, &limits)? {
            found.push((file, about));
        }
    }
    if found.is_empty() { none("holds no stored matrix with its sidecar") } else { Ok(found) }
}
