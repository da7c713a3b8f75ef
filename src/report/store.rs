//! Puts a report on disk whole or not at all.
//!
//! Everything is written into a hidden folder beside the target, flushed to the disk, and then takes the target's place in one
//! step. A folder that is not a report of ours is never touched.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Class, Error, Result};

/// A file of the report: path relative to its folder, and content.
pub type Entry = (String, Vec<u8>);

const FILES: [&str; 6] = ["report.html", "report.md", "report.json", "cases.csv", "claims.csv", "measurements.csv"];

/// Checks before a long run that a report could be written to `out`: absent, empty, or an earlier report.
///
/// # Errors
/// Exit class 6 when something else is there, naming it.
pub fn preflight(out: &Path) -> Result<()> {
    resolve(out).map(|_| ())
}

/// Writes all files at once and returns their paths.
///
/// # Errors
/// Exit class 6; the target is then as it was before.
pub fn replace(out: &Path, entries: &[Entry]) -> Result<Vec<PathBuf>> {
    let (target, exists) = resolve(out)?;
    let parent = match target.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(|e| Error::io(parent.display(), &e))?;
    let name = target.file_name().unwrap_or(OsStr::new("report"));
    let staging = stage(&parent, name)?;
    fill(staging.path(), entries)?;
    if exists {
        exchange(staging.path(), &target).map_err(|e| Error::io(out.display(), &e))?;
        // The staging path now holds the old report; dropping it removes that.
    } else {
        fs::rename(staging.path(), &target).map_err(|e| Error::io(out.display(), &e))?;
    }
    sync_dir(&parent);
    drop(staging);
    Ok(entries.iter().map(|(name, _)| out.join(name)).collect())
}

/// The folder that is really meant, and whether it exists.
fn resolve(out: &Path) -> Result<(PathBuf, bool)> {
    let refused = |what: String| {
        Error::new(
            Class::Io,
            "report::foreign_target",
            out.display(),
            what,
            "choose another folder with --out, or move this one away",
        )
    };
    match fs::symlink_metadata(out) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if out.file_name().is_none() {
                return Err(refused("is not the name of a folder".into()));
            }
            Ok((out.to_path_buf(), false))
        }
        Err(e) => Err(Error::io(out.display(), &e)),
        Ok(_) => {
            let target = fs::canonicalize(out).map_err(|e| Error::io(out.display(), &e))?;
            if !target.is_dir() {
                return Err(refused("exists and is not a folder".into()));
            }
            if target.file_name().is_none() {
                return Err(refused("cannot be replaced".into()));
            }
            recognise(&target).map_err(refused)?;
            Ok((target, true))
        }
    }
}

/// Whether a folder is empty or an earlier report and nothing else.
fn recognise(folder: &Path) -> std::result::Result<(), String> {
    let unreadable = |e: io::Error| format!("exists and cannot be read: {e}");
    let mut empty = true;
    let mut own = false;
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        empty = false;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(unreadable)?;
        let known = if kind.is_dir() { name == "plots" } else { kind.is_file() && FILES.contains(&name.as_str()) };
        if !known {
            return Err(foreign(&name));
        }
        if kind.is_dir() {
            for plot in fs::read_dir(entry.path()).map_err(unreadable)? {
                let plot = plot.map_err(unreadable)?;
                let name = plot.file_name().to_string_lossy().into_owned();
                let drawn = name.ends_with(".svg") || name.ends_with(".png");
                if !drawn || !plot.file_type().map_err(unreadable)?.is_file() {
                    return Err(foreign(&format!("plots/{name}")));
                }
            }
        }
        if name == "report.json" {
            own = is_ours(&entry.path());
        }
    }
    if empty || own { Ok(()) } else { Err("exists and is not a Breakeven report".into()) }
}

fn foreign(name: &str) -> String {
    format!("exists and holds {:?}, which is not part of a report and would be lost", super::escape::visible(name))
}

fn is_ours(path: &Path) -> bool {
    #[derive(serde::Deserialize)]
    struct Head {
        schema_version: String,
        tool: Tool,
    }
    #[derive(serde::Deserialize)]
    struct Tool {
        name: String,
    }
    let Ok(file) = File::open(path) else { return false };
    serde_json::from_reader::<_, Head>(io::BufReader::new(file))
        .is_ok_and(|head| head.tool.name == "breakeven" && !head.schema_version.is_empty())
}

fn stage(parent: &Path, name: &OsStr) -> Result<tempfile::TempDir> {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".writing-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        // The finished report is an ordinary folder: let the umask decide who may read it.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent).map_err(|e| Error::io(parent.display(), &e))
}

fn fill(folder: &Path, entries: &[Entry]) -> Result<()> {
    let mut folders = vec![folder.to_path_buf()];
    for (name, content) in entries {
        let path = folder.join(name);
        let failed = |e: io::Error| Error::io(name, &e);
        if let Some(parent) = path.parent().filter(|p| !folders.iter().any(|f| f == p)) {
            fs::create_dir_all(parent).map_err(failed)?;
            folders.push(parent.to_path_buf());
        }
        let mut file = File::create_new(&path).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.sync_all().map_err(failed)?;
    }
    folders.iter().rev().for_each(|f| sync_dir(f));
    Ok(())
}

/// Flushes a folder's entries where the system can; a failure here loses no content.
fn sync_dir(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        let _ = handle.sync_all();
    }
}

/// Makes two folders change places, in one step where the file system can.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // Two steps: between them the old report lies whole under the other name.
    let mut aside = new.as_os_str().to_os_string();
    aside.push(".old");
    let aside = PathBuf::from(aside);
    fs::rename(old, &aside)?;
    if let Err(e) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(e);
    }
    fs::rename(&aside, new)
}

#[cfg(test)]
mod tests;
