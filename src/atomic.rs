//! Files that appear whole or not at all: temporary file beside the target, fsync, rename, fsync of the folder.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".partial-";
/// A file is locked soon after it was made.
const UNLOCKED: Duration = Duration::from_secs(2);

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
    let mut temporary = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).map_err(fail)?;
    // where files cannot be locked, none is swept away either
    let _ = temporary.as_file().try_lock();
    write(temporary.as_file_mut()).map_err(fail)?;
    set_default_permissions(temporary.as_file(), path).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    temporary.persist(path).map_err(|e| fail(e.error))?;
    sync_folder(folder).map_err(fail)
}

/// Removes what killed writers left in `folder`; files that a living one works on are locked by it, and stay. What cannot be
/// removed costs space only.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let abandoned = || std::fs::File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if unfinished && age().is_some_and(|age| age >= UNLOCKED) && abandoned() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
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
    use super::{UNLOCKED, sweep, write_file, write_with};
    use std::fs::File;
    use std::time::SystemTime;

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
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<String> =
                std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        for (name, age) in [(".partial-left", 2), (".partial-new", 0), ("partial", 2), ("a.partial-b", 2)] {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age * UNLOCKED).unwrap();
        }
        let path = dir.path().join("whole");
        write_with(&path, |out| {
            out.write_all(b"half")?;
            // as old as the one that is left, but at work
            for name in names().iter().filter(|name| name.starts_with(".partial-") && *name != ".partial-new") {
                File::options()
                    .append(true)
                    .open(dir.path().join(name))?
                    .set_modified(SystemTime::now() - 2 * UNLOCKED)?;
            }
            sweep(dir.path());
            out.write_all(b" and half")
        })
        .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"half and half");
        assert_eq!(names(), [".partial-new", "a.partial-b", "partial", "whole"]);
        // there is nothing to sweep
        sweep(&dir.path().join("no such folder"));
    }

    #[test]
    fn a_missing_folder_is_an_io_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_file(&dir.path().join("no/such/file"), b"x").unwrap_err();
        assert_eq!(error.class, crate::error::Class::Io);
    }
}
