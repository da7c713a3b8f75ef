//! Zip archives with bounds on entries, sizes and ratios, for `.npz` and `.pt`.

use crate::error::{Error, Result};
use crate::snapshot::limits::Limits;
use std::collections::HashSet;
use std::io::{Cursor, Read};

/// An opened archive whose table of contents has been checked.
pub struct Archive<'a> {
    zip: zip::ZipArchive<Cursor<&'a [u8]>>,
    members: Vec<Member>,
    place: String,
}

/// One member of the archive.
#[derive(Debug, Clone)]
pub struct Member {
    /// Path inside the archive.
    pub name: String,
    /// Uncompressed size that the table of contents promises.
    pub size: u64,
    index: usize,
}

impl<'a> Archive<'a> {
    /// Opens an archive and checks its table of contents; nothing is decompressed yet.
    ///
    /// # Errors
    /// Input errors for damaged archives, duplicate names, encryption and bombs.
    pub fn open(bytes: &'a [u8], place: &str, limits: &Limits) -> Result<Self> {
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|cause| damaged(place, &cause.to_string()))?;
        let names = directory_names(bytes, zip.central_directory_start(), place, limits)?;
        let mut seen = HashSet::new();
        for name in &names {
            if !seen.insert(name.as_slice()) {
                let name = String::from_utf8_lossy(name);
                return Err(damaged(place, &format!("two members are named '{name}'")));
            }
        }
        if names.len() != zip.len() {
            return Err(damaged(place, "its table of contents contradicts itself"));
        }
        let mut members = Vec::with_capacity(zip.len());
        let mut total = 0u64;
        for index in 0..zip.len() {
            let member = zip.by_index_raw(index).map_err(|cause| damaged(place, &cause.to_string()))?;
            if member.is_dir() {
                continue;
            }
            let name = member.name().map_err(|cause| damaged(place, &cause.to_string()))?.into_owned();
            if member.encrypted() {
                return Err(damaged(place, &format!("member '{name}' is encrypted")));
            }
            let size = member.size();
            if size > limits.zip_free && size / member.compressed_size().max(1) > limits.zip_ratio {
                return Err(bomb(place, &name, size, member.compressed_size()));
            }
            total = total.saturating_add(size);
            members.push(Member { name, size, index });
        }
        // Overlapping members can each look honest; their sum cannot.
        if total > limits.zip_free && total / (bytes.len() as u64).max(1) > limits.zip_ratio {
            return Err(bomb(place, "all members together", total, bytes.len() as u64));
        }
        if total > limits.memory {
            return Err(Error::resource(
                "snapshot::memory",
                place,
                format!("its members unpack to {total} bytes, above the limit of {}", limits.memory),
                format!("raise --max-memory above {total}"),
            ));
        }
        Ok(Archive { zip, members, place: place.to_owned() })
    }

    /// The members, without folders, in the order of the table of contents.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Unpacks one member; its checksum and its promised size must hold.
    ///
    /// # Errors
    /// Input errors when they do not, or when the compression method is unknown.
    pub fn unpack(&mut self, member: &Member) -> Result<Vec<u8>> {
        let place = format!("{}: member '{}'", self.place, member.name);
        let file = self.zip.by_index(member.index).map_err(|cause| damaged(&place, &cause.to_string()))?;
        let mut bytes = Vec::new();
        file.take(member.size.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|cause| damaged(&place, &cause.to_string()))?;
        if bytes.len() as u64 != member.size {
            return Err(damaged(&place, &format!("it promises {} bytes and unpacks to another number", member.size)));
        }
        Ok(bytes)
    }
}

/// Names in the central directory as stored: the zip crate silently keeps one of two equal names.
fn directory_names(bytes: &[u8], start: u64, place: &str, limits: &Limits) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut rest = usize::try_from(start).ok().and_then(|s| bytes.get(s..)).unwrap_or_default();
    while let Some(head) = rest.first_chunk::<46>().filter(|h| h.starts_with(b"PK\x01\x02")) {
        let length = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let (name, extra, comment) = (length(28), length(30), length(32));
        let Some(bytes) = rest.get(46..46 + name) else {
            return Err(damaged(place, "its table of contents is truncated"));
        };
        names.push(bytes.to_vec());
        if names.len() > limits.zip_entries {
            return Err(damaged(place, &format!("more than {} members", limits.zip_entries)));
        }
        rest = rest.get(46 + name + extra + comment..).unwrap_or_default();
    }
    Ok(names)
}

fn bomb(place: &str, name: &str, size: u64, compressed: u64) -> Error {
    Error::input(
        "zip::bomb",
        place,
        format!("{name}: {compressed} bytes unpack to {size}, which no honest weights do"),
        "save the snapshot again, without compression",
    )
}

fn damaged(place: &str, what: &str) -> Error {
    Error::input(
        "zip::damaged",
        place,
        format!("not a sound archive: {what}"),
        "the file is truncated or damaged: save the snapshot again",
    )
}
