//! Files into models: size limits, strict JSON with the line at fault, the embedded set, a user's folder.

use super::hardware::Hardware;
use super::model::Model;
use super::source::ModelSource;
use super::variable::Vocabulary;
use super::{Bibliography, Catalog};
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Largest file that is read.
const MAX_FILE: u64 = 1 << 20;
/// Most files of a user's folder.
const MAX_FILES: usize = 100_000;

/// Strict JSON; an error shows the line.
///
/// # Errors
/// Malformed JSON, unknown, missing or repeated keys, numbers beyond f64.
pub(super) fn json<T: DeserializeOwned>(text: &str, file: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        let line: String = text.lines().nth(e.line().saturating_sub(1)).unwrap_or_default().to_string();
        let at = e.column().saturating_sub(1);
        let (shown, caret) = window(&line, at);
        let what = e.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(message, _)| message);
        let place = format!("{file}:{}:{}", e.line(), e.column());
        Error::input("catalog::json", place, format!("{what}\n  {shown}\n  {caret}^"), "")
    })
}

/// At most 100 characters of a line around a byte, and the blanks before the caret.
fn window(line: &str, at: usize) -> (String, String) {
    let chars: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let position = line.get(..at.min(line.len())).map_or(0, |head| head.chars().count());
    let from = position.saturating_sub(60);
    let shown: String = chars.iter().skip(from).take(100).collect();
    (shown, " ".repeat(position - from))
}

/// A model from the text of its file.
///
/// # Errors
/// With the file, the key and the place in it.
pub fn model(text: &str, file: &str, vocabulary: &Vocabulary) -> Result<Model> {
    let source: ModelSource = json(text, file)?;
    Model::compile(source, file, blake3::hash(text.as_bytes()).to_hex().to_string(), vocabulary)
}

/// The catalogue that is part of the program.
///
/// # Errors
/// When an embedded file is malformed, which the tests exclude.
pub(super) fn embedded() -> Result<Catalog> {
    let vocabulary: Vocabulary = json(super::embedded::VARIABLES, "models/variables.json")?;
    let bibliography: Bibliography = json(super::embedded::BIBLIOGRAPHY, "models/bibliography.json")?;
    let mut catalog = Catalog { vocabulary, bibliography, ..Catalog::default() };
    for (file, text) in super::embedded::MODELS {
        catalog.models.push(model(text, file, &catalog.vocabulary)?);
    }
    for (file, text) in super::embedded::HARDWARE {
        catalog.hardware.push(Hardware::read(text, file)?);
    }
    Ok(catalog)
}

/// Adds a user's folder: models (`*.json`, `solvers/`, `encodings/`), machines (`hardware/`), `bibliography.json`.
///
/// # Errors
/// An unreadable folder, a malformed file, an id that is taken.
pub(super) fn add_folder(catalog: &mut Catalog, folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    for sub in ["", "solvers", "encodings", "hardware"] {
        list(&folder.join(sub), !sub.is_empty(), &mut files)?;
    }
    if files.is_empty() {
        let help = "it holds models and machines as *.json, in itself or in solvers/, encodings/, hardware/";
        return Err(Error::input("catalog::folder", folder.display(), "no *.json file in the folder", help));
    }
    files.sort();
    let mut taken: std::collections::HashSet<String> = catalog
        .models
        .iter()
        .map(|m| m.id().to_string())
        .chain(catalog.hardware.iter().map(|h| h.id.clone()))
        .collect();
    let mut later = Vec::new();
    for path in files {
        let text = text(&path)?;
        let name = path.display().to_string();
        match path.file_name().and_then(|n| n.to_str()) {
            Some("bibliography.json") => {
                let more: Bibliography = json(&text, &name)?;
                for (key, entry) in more {
                    if catalog.bibliography.insert(key.clone(), entry).is_some() {
                        return Err(clash(&name, &key));
                    }
                }
            }
            Some("variables.json") => {
                let more: Vocabulary = json(&text, &name)?;
                for (key, variable) in more {
                    if catalog.vocabulary.insert(key.clone(), variable).is_some() {
                        return Err(clash(&name, &key));
                    }
                }
            }
            _ => later.push((name, text)),
        }
    }
    let loaded = read_all(&later, catalog);
    for ((name, _), read) in later.iter().zip(loaded) {
        let id = match read? {
            Loaded::Machine(machine) => {
                let id = machine.id.clone();
                catalog.hardware.push(*machine);
                id
            }
            Loaded::Model(model) => {
                let id = model.id().to_string();
                catalog.models.push(*model);
                id
            }
        };
        if !taken.insert(id.clone()) {
            return Err(clash(name, &id));
        }
    }
    Ok(())
}

/// What a file of a user's folder holds.
enum Loaded {
    Machine(Box<Hardware>),
    Model(Box<Model>),
}

/// Reads and lints every file, in order; many files on as many threads as there are cores.
fn read_all(files: &[(String, String)], catalog: &Catalog) -> Vec<Result<Loaded>> {
    /// Below this many files a thread costs more than it saves.
    const SHARE: usize = 64;
    let read = |(name, text): &(String, String)| -> Result<Loaded> {
        if is_hardware(text) {
            return Hardware::read(text, name).map(|machine| Loaded::Machine(Box::new(machine)));
        }
        let model = model(text, name, &catalog.vocabulary)?;
        super::check::on_load(&model, &catalog.bibliography)?;
        Ok(Loaded::Model(Box::new(model)))
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let share = files.len().div_ceil(cores).max(SHARE);
    if files.len() <= share {
        return files.iter().map(read).collect();
    }
    std::thread::scope(|scope| {
        let work = |chunk| scope.spawn(move || -> Vec<Result<Loaded>> { <[_]>::iter(chunk).map(read).collect() });
        let workers: Vec<_> = files.chunks(share).map(work).collect();
        let joined = workers.into_iter().map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    })
}

fn clash(file: &str, id: &str) -> Error {
    Error::input("catalog::clash", file, format!("`{id}` is already taken"), "choose another id: nothing is overridden")
}

/// A machine has a `kind`, a model a `family`.
fn is_hardware(text: &str) -> bool {
    #[derive(serde::Deserialize, Default)]
    struct Head {
        kind: Option<serde::de::IgnoredAny>,
        family: Option<serde::de::IgnoredAny>,
    }
    let head: Head = serde_json::from_str(text).unwrap_or_default();
    head.kind.is_some() && head.family.is_none()
}

fn list(folder: &Path, optional: bool, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if optional && e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| Error::io(folder.display(), &e))?,
    };
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder.display(), &e))?.path();
        if path.extension().is_some_and(|e| e == "json") && path.is_file() {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let what = format!("more than {MAX_FILES} files");
            return Err(Error::resource("catalog::folder", folder.display(), what, "split the folder"));
        }
    }
    Ok(())
}

pub(super) fn text(path: &Path) -> Result<String> {
    use std::io::Read;
    let place = path.display();
    let file = std::fs::File::open(path).map_err(|e| Error::io(&place, &e))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| Error::io(&place, &e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::input("catalog::size", &place, "larger than 1 MiB", "a model is a few kilobytes"));
    }
    String::from_utf8(bytes).map_err(|_| Error::input("catalog::utf8", &place, "not UTF-8 text", ""))
}
