//! Files that appear whole or not at all: temporary file beside the target, fsync, rename, fsync of the folder.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `bytes` to `path` so that a reader, or a crash at any moment, sees the old file or the new one, whole.
///
/// # Errors
/// When the folder does not exist or the operating system refuses; the old file is then untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// As [`write_file`], for contents that are made piece by piece.
///
/// # Errors
/// As [`write_file`], and what `write` returns.
pub fn write_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(path.display(), &e);
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder).map_err(fail)?;
    write(temporary.as_file_mut()).map_err(fail)?;
    set_default_permissions(temporary.as_file(), path).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(path).map_err(|e| fail(e.error))?;
    sync_folder(folder).map_err(fail)
}

/// Makes a rename in `folder` durable.
///
/// # Errors
/// When the folder cannot be opened or synchronised.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    // Windows cannot open a folder as a file; a rename is durable there without it.
    if cfg!(windows) { Ok(()) } else { std::fs::File::open(folder)?.sync_all() }
}

/// Temporary files are private; the result keeps the old file's mode, or gets the usual 0644.
#[cfg(unix)]
fn set_default_permissions(file: &std::fs::File, target: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(target).map_or(0o644, |m| m.permissions().mode() & 0o7777);
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_default_permissions(_: &std::fs::File, _: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write_file;

    #[test]
    fn replaces_whole_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_file(&path, b"old").unwrap();
        write_file(&path, b"new bytes").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new bytes");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_io_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_file(&dir.path().join("no/such/file"), b"x").unwrap_err();
        assert_eq!(error.class, crate::error::Class::Io);
    }
}
