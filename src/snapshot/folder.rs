//! Files of one folder, on disk or embedded in the program, each read whole and digested once.

use crate::error::{Error, Result};
use crate::snapshot::limits::Limits;
use crate::snapshot::onnx_graph::ExternalFiles;
use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Where a file's bytes are.
#[derive(Debug, Clone)]
enum Source {
    Disk(PathBuf),
    Memory(Arc<[u8]>),
}

/// One file of the folder, or one that an option named.
#[derive(Debug, Clone)]
pub struct FileEntry {
    /// File name inside the folder, or the path as the user typed it.
    pub name: String,
    source: Source,
}

impl FileEntry {
    /// The file at `path`, called `name` in reports.
    pub fn on_disk(name: impl Into<String>, path: PathBuf) -> Self {
        FileEntry { name: name.into(), source: Source::Disk(path) }
    }

    /// What errors call this file.
    pub fn place(&self) -> String {
        match &self.source {
            Source::Disk(path) => path.display().to_string(),
            Source::Memory(_) => format!("embedded {}", self.name),
        }
    }

    /// The last component of the name.
    pub fn file_name(&self) -> &str {
        self.name.rsplit(['/', std::path::MAIN_SEPARATOR]).next().unwrap_or(&self.name)
    }

    /// The file name without its extension.
    pub fn stem(&self) -> &str {
        let name = self.file_name();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The extension in lower case.
    pub fn extension(&self) -> String {
        self.file_name().rsplit_once('.').map_or(String::new(), |(_, e)| e.to_ascii_lowercase())
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// Input errors when it is missing or no regular file, resource errors when it is too large.
    pub fn read(&self, limits: &Limits) -> Result<Vec<u8>> {
        match &self.source {
            Source::Memory(bytes) => Ok(bytes.to_vec()),
            Source::Disk(path) => read_file(path, limits),
        }
    }
}

/// Reads a regular file whole, with a cap. No memory map: a file that shrinks underneath must give an error.
fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let place = path.display();
    let meta = std::fs::metadata(path).map_err(|e| missing_or_io(path, &e))?;
    if !meta.is_file() {
        return Err(Error::input("file::kind", place, "not a regular file", "give the path of a file"));
    }
    if meta.len() > limits.file.min(limits.memory) {
        return Err(Error::resource(
            "file::size",
            place,
            format!("a file of {} bytes, above the limit of {}", meta.len(), limits.file.min(limits.memory)),
            "raise --max-memory, or analyse a smaller snapshot",
        ));
    }
    let file = File::open(path).map_err(|e| missing_or_io(path, &e))?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.take(meta.len() + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path.display(), &e))?;
    if bytes.len() as u64 != meta.len() {
        return Err(Error::input(
            "file::changed",
            path.display(),
            format!("its size changed from {} while it was read", meta.len()),
            "wait until the file is complete and run again",
        ));
    }
    Ok(bytes)
}

/// A missing file is the user's input at fault (exit 3); everything else is input and output (exit 6).
pub fn missing_or_io(path: &Path, cause: &std::io::Error) -> Error {
    match cause.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Error::input("file::missing", path.display(), "no such file or folder", "check the path")
        }
        _ => Error::io(path.display(), cause),
    }
}

/// The files of one folder, sorted by name; sub-folders and hidden files are left out.
#[derive(Debug)]
pub struct Folder {
    /// The folder as the user named it.
    pub label: String,
    /// Its path, unless it is embedded.
    pub root: Option<PathBuf>,
    /// Its files.
    pub files: Vec<FileEntry>,
    digests: RefCell<Vec<(String, String)>>,
}

impl Folder {
    /// Lists the folder at `path`.
    ///
    /// # Errors
    /// An input error when there is none, an input-output error when it cannot be listed.
    pub fn list(path: &Path) -> Result<Self> {
        // The parent of a bare file name is the empty path.
        let shown = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(shown).map_err(|e| missing_or_io(shown, &e))? {
            let path = entry.map_err(|e| Error::io(shown.display(), &e))?.path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else {
                continue;
            };
            if !name.starts_with('.') && path.is_file() {
                files.push(FileEntry::on_disk(name, path));
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Folder {
            label: shown.display().to_string(),
            root: Some(shown.to_owned()),
            files,
            digests: RefCell::default(),
        })
    }

    /// A folder of embedded files.
    pub fn embedded(label: &str, files: &[(&str, &[u8])]) -> Self {
        let mut files: Vec<FileEntry> = files
            .iter()
            .map(|(name, bytes)| FileEntry { name: (*name).to_owned(), source: Source::Memory(Arc::from(*bytes)) })
            .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Folder { label: label.to_owned(), root: None, files, digests: RefCell::default() }
    }

    /// The folder's own name, for reports.
    pub fn name(&self) -> String {
        let last = |path: &Path| path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
        let root = self.root.as_deref();
        root.and_then(|p| last(p).or_else(|| p.canonicalize().ok().as_deref().and_then(last)))
            .unwrap_or_else(|| self.label.clone())
    }

    /// Reads a file and notes its digest among the inputs.
    pub fn read(&self, file: &FileEntry, limits: &Limits) -> Result<(Vec<u8>, String)> {
        let bytes = file.read(limits)?;
        let digest = digest(&bytes);
        self.note(&file.name, &digest);
        Ok((bytes, digest))
    }

    /// The inputs read so far with their digests, sorted by name.
    pub fn digests(&self) -> Vec<(String, String)> {
        let mut all = self.digests.borrow().clone();
        all.sort();
        all
    }

    fn note(&self, name: &str, digest: &str) {
        let mut digests = self.digests.borrow_mut();
        if !digests.iter().any(|(n, _)| n == name) {
            digests.push((name.to_owned(), digest.to_owned()));
        }
    }
}

/// The BLAKE3 digest in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// External tensor data of a model, contained in the model's own folder.
pub struct Contained<'a> {
    folder: &'a Folder,
    /// The folder of the model file.
    base: Option<PathBuf>,
    limits: &'a Limits,
}

impl<'a> Contained<'a> {
    /// External data beside the model `file`.
    pub fn beside(folder: &'a Folder, file: &FileEntry, limits: &'a Limits) -> Self {
        let base = match &file.source {
            Source::Disk(path) => Some(path.parent().map(Path::to_owned).unwrap_or_default()),
            Source::Memory(_) => None,
        };
        Contained { folder, base, limits }
    }
}

impl ExternalFiles for Contained<'_> {
    fn read(&mut self, place: &str, location: &str, offset: u64, length: usize) -> Result<Vec<u8>> {
        let refuse = |what: String| {
            Error::input("onnx::external", place, what, "keep external data in the model's own folder and export again")
        };
        let relative = Path::new(location);
        let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
        // A backslash or a colon would be a separator or a drive on other systems.
        if location.is_empty() || !plain || location.contains(['\\', ':', '\0']) {
            return Err(refuse(format!("external data at '{location}', outside the model's folder")));
        }
        let Some(base) = &self.base else {
            return Err(refuse(format!("external data at '{location}' of an embedded model")));
        };
        let base = if base.as_os_str().is_empty() { Path::new(".") } else { base.as_path() };
        let path = base.join(relative);
        let root = base.canonicalize().map_err(|e| missing_or_io(base, &e))?;
        let real = path.canonicalize().map_err(|e| match e.kind() {
            ErrorKind::NotFound => refuse(format!("its external data '{location}' is missing")),
            _ => Error::io(path.display(), &e),
        })?;
        if !real.starts_with(&root) {
            return Err(refuse(format!("external data at '{location}' leads out of the model's folder")));
        }
        let meta = std::fs::metadata(&real).map_err(|e| Error::io(path.display(), &e))?;
        if !meta.is_file() {
            return Err(refuse(format!("external data at '{location}' is no regular file")));
        }
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > meta.len()) {
            return Err(refuse(format!(
                "external data '{location}' holds {} bytes, but {length} from byte {offset} on are needed",
                meta.len()
            )));
        }
        if length as u64 > self.limits.memory {
            return Err(Error::resource(
                "snapshot::memory",
                place,
                format!("{length} bytes of external data, above the limit of {}", self.limits.memory),
                "raise --max-memory",
            ));
        }
        let mut file = File::open(&real).map_err(|e| Error::io(path.display(), &e))?;
        if !self.folder.digests.borrow().iter().any(|(n, _)| n == location) {
            let mut hasher = blake3::Hasher::new();
            std::io::copy(&mut file, &mut hasher).map_err(|e| Error::io(path.display(), &e))?;
            self.folder.note(location, &hasher.finalize().to_hex());
        }
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io(path.display(), &e))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).map_err(|e| Error::io(path.display(), &e))?;
        Ok(bytes)
    }
}
