//! A run directory: which file is the graph, the batch, the loss, and which are snapshots.

use crate::error::{Error, Result};
use crate::snapshot::folder::{FileEntry, Folder, missing_or_io};
use crate::snapshot::weights::WeightFormat;
use std::path::{Path, PathBuf};

/// The files of a run, by their part in it.
#[derive(Debug)]
pub struct Manifest {
    /// The ONNX graph.
    pub graph: FileEntry,
    /// The batch, in one or more formats.
    pub batch: Vec<FileEntry>,
    /// `loss.json`, when there is one.
    pub loss: Option<FileEntry>,
    /// Snapshots to analyse, each in one or more formats, by series and step.
    pub chosen: Vec<SnapshotFiles>,
    /// All other snapshots of the folder; they may show where the graph's weights belong.
    pub others: Vec<SnapshotFiles>,
}

/// One snapshot, that is one stem.
#[derive(Debug, Clone)]
pub struct SnapshotFiles {
    /// File name without extension.
    pub stem: String,
    /// The stem without its last group of digits.
    pub series: String,
    /// The last group of digits of the stem.
    pub step: Option<u64>,
    /// The same tensors in several formats.
    pub files: Vec<(WeightFormat, FileEntry)>,
}

/// What the options name instead of the folder's own files.
#[derive(Debug, Clone, Default)]
pub struct Choice<'a> {
    /// `--graph`
    pub graph: Option<&'a Path>,
    /// `--batch`
    pub batch: Option<&'a Path>,
    /// `--snapshots`
    pub snapshots: Option<&'a str>,
    /// One snapshot file given as the path to analyse.
    pub only: Option<&'a str>,
}

/// Sorts the files of a folder.
///
/// # Errors
/// Input errors when a part is missing or ambiguous; the message lists the candidates.
pub fn discover(folder: &Folder, choice: &Choice<'_>) -> Result<Manifest> {
    let graph = match choice.graph {
        Some(path) => named_file(folder, path)?,
        None => {
            let graphs: Vec<&FileEntry> = folder.files.iter().filter(|f| f.extension() == "onnx").collect();
            match graphs.as_slice() {
                [one] => (*one).clone(),
                [] => {
                    return Err(Error::input(
                        "run::graph",
                        &folder.label,
                        "no ONNX graph in this folder",
                        "export the model into it with torch.onnx.export(model, x, 'model.onnx'), or give --graph FILE",
                    ));
                }
                several => return Err(ambiguous(folder, "graphs", "--graph FILE", several)),
            }
        }
    };
    let batch = match choice.batch {
        Some(path) => vec![named_file(folder, path)?],
        None => {
            let batches: Vec<FileEntry> = folder.files.iter().filter(|f| is_batch(f)).cloned().collect();
            if batches.is_empty() {
                return Err(Error::input(
                    "run::batch",
                    &folder.label,
                    "no batch.npz or batch.safetensors in this folder",
                    "save one with the graph's inputs and the target 'y', or give --batch FILE",
                ));
            }
            batches
        }
    };
    let taken = |file: &FileEntry| is_batch(file) || batch.iter().any(|b| b.name == file.name);
    let mut all: Vec<SnapshotFiles> = Vec::new();
    for file in folder.files.iter().filter(|f| !taken(f)) {
        let Some(format) = WeightFormat::of(&file.name) else {
            continue;
        };
        match all.iter_mut().find(|s| s.stem == file.stem()) {
            Some(snapshot) => snapshot.files.push((format, file.clone())),
            None => {
                let (series, step) = series_and_step(file.stem());
                all.push(SnapshotFiles {
                    stem: file.stem().to_owned(),
                    series,
                    step,
                    files: vec![(format, file.clone())],
                });
            }
        }
    }
    all.sort_by(|a, b| (&a.series, a.step, &a.stem).cmp(&(&b.series, b.step, &b.stem)));
    for snapshot in &mut all {
        snapshot.files.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    }
    let (chosen, others) = choose(folder, choice, all)?;
    let loss = folder.files.iter().find(|f| f.name == "loss.json").cloned();
    Ok(Manifest { graph, batch, loss, chosen, others })
}

fn choose(
    folder: &Folder,
    choice: &Choice<'_>,
    all: Vec<SnapshotFiles>,
) -> Result<(Vec<SnapshotFiles>, Vec<SnapshotFiles>)> {
    if let Some(only) = choice.only {
        let (mut chosen, mut others) = (Vec::new(), Vec::new());
        for mut snapshot in all {
            match snapshot.files.iter().position(|(_, f)| f.name == only) {
                Some(index) => {
                    let file = snapshot.files.swap_remove(index);
                    snapshot.files = vec![file];
                    chosen.push(snapshot);
                }
                None => others.push(snapshot),
            }
        }
        return Ok((chosen, others));
    }
    let Some(pattern) = choice.snapshots else {
        return Ok((all, Vec::new()));
    };
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for mut snapshot in all {
        let (wanted, left): (Vec<_>, Vec<_>) =
            snapshot.files.iter().cloned().partition(|(_, f)| glob(pattern, &f.name) || glob(pattern, f.stem()));
        if wanted.is_empty() {
            snapshot.files = left;
            others.push(snapshot);
        } else {
            snapshot.files = wanted;
            chosen.push(snapshot);
        }
    }
    if chosen.is_empty() {
        let names: Vec<&str> = others.iter().map(|s| s.stem.as_str()).collect();
        return Err(Error::input(
            "run::snapshots",
            &folder.label,
            format!("no snapshot matches '{pattern}'"),
            format!("there are: {}", listed(&names)),
        ));
    }
    Ok((chosen, others))
}

/// Splits a stem at its last group of digits: `adam_0300` is step 300 of series `adam_`.
pub fn series_and_step(stem: &str) -> (String, Option<u64>) {
    let Some(end) = stem.rfind(|c: char| c.is_ascii_digit()).map(|i| i + 1) else {
        return (stem.to_owned(), None);
    };
    let start = stem[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |i| {
        // The character before the digits may be longer than a byte.
        i + stem[i..].chars().next().map_or(1, char::len_utf8)
    });
    match stem[start..end].parse() {
        Ok(step) => (format!("{}{}", &stem[..start], &stem[end..]), Some(step)),
        Err(_) => (stem.to_owned(), None),
    }
}

fn is_batch(file: &FileEntry) -> bool {
    file.stem() == "batch" && WeightFormat::of(&file.name).is_some()
}

/// A file that an option names: as typed, or inside the folder.
fn named_file(folder: &Folder, path: &Path) -> Result<FileEntry> {
    if let Some(name) = path.to_str()
        && let Some(file) = folder.files.iter().find(|f| f.name == name)
        && !path.exists()
    {
        return Ok(file.clone());
    }
    let inside: Option<PathBuf> = folder.root.as_ref().map(|root| root.join(path)).filter(|p| p.is_file());
    let found = if path.is_file() { Some(path.to_owned()) } else { inside };
    match found {
        Some(found) => {
            // A file of the folder keeps its short name, so that reports agree however it was named.
            let same = |f: &&FileEntry| {
                folder.root.as_ref().is_some_and(|root| {
                    match (root.join(&f.name).canonicalize(), found.canonicalize()) {
                        (Ok(a), Ok(b)) => a == b,
                        _ => false,
                    }
                })
            };
            match folder.files.iter().find(same) {
                Some(file) => Ok(file.clone()),
                None => Ok(FileEntry::on_disk(path.display().to_string(), found)),
            }
        }
        None if path.is_dir() => {
            Err(Error::input("file::kind", path.display(), "a folder, not a file", "give the path of a file"))
        }
        None => Err(missing_or_io(path, &std::io::Error::from(std::io::ErrorKind::NotFound))),
    }
}

fn ambiguous(folder: &Folder, what: &str, option: &str, files: &[&FileEntry]) -> Error {
    let names: Vec<&str> = files.iter().map(|f| f.name.as_str()).collect();
    Error::input(
        "run::ambiguous",
        &folder.label,
        format!("several {what}: {}", listed(&names)),
        format!("choose one with {option}"),
    )
}

fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(12).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 12 {
        text.push_str(&format!(" and {} more", names.len() - 12));
    }
    text
}

/// Shell-like matching: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}` are understood; `*` does not stop at dots.
pub fn glob(pattern: &str, name: &str) -> bool {
    if let Some((head, rest)) = pattern.split_once('{')
        && let Some((choices, tail)) = rest.split_once('}')
    {
        return choices.split(',').any(|c| glob(&format!("{head}{c}{tail}"), name));
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Iterative with one backtrack point: linear memory, quadratic time at worst.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
            continue;
        }
        if let Some(width) = matches_one(&pattern[p..], name[n]) {
            p += width;
            n += 1;
            continue;
        }
        match &mut star {
            Some((after, from)) => {
                *from += 1;
                (p, n) = (*after, *from);
            }
            None => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Length of the pattern element at the head of `pattern` when it accepts `symbol`.
fn matches_one(pattern: &[char], symbol: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let close = 2 + pattern.get(2..)?.iter().position(|c| *c == ']')?;
            let (negated, set) =
                if matches!(pattern[1], '!' | '^') { (true, &pattern[2..close]) } else { (false, &pattern[1..close]) };
            let mut inside = false;
            let mut i = 0;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == '-' {
                    inside |= (set[i]..=set[i + 2]).contains(&symbol);
                    i += 3;
                } else {
                    inside |= set[i] == symbol;
                    i += 1;
                }
            }
            (inside != negated).then_some(close + 1)
        }
        c => (*c == symbol).then_some(1),
    }
}
