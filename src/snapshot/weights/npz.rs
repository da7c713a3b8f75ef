//! `.npz`: a zip of `.npy` members.

use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::decode::Context;
use crate::snapshot::weights::archive::Archive;
use crate::snapshot::weights::npy;

/// Reads every member, in the archive's order; the name of an array is its member's without `.npy`.
pub fn read(bytes: &[u8], place: &str, context: Context<'_>) -> Result<Vec<(String, Array)>> {
    let mut archive = Archive::open(bytes, place, context.limits)?;
    let members = archive.members().to_vec();
    let mut arrays = Vec::with_capacity(members.len());
    for member in &members {
        let Some(name) = member.name.strip_suffix(".npy") else {
            return Err(Error::input(
                "npz::member",
                place,
                format!("member '{}' is not a .npy array", member.name),
                "save the arrays with numpy.savez",
            ));
        };
        let content = archive.unpack(member)?;
        arrays.push((name.to_owned(), npy::read(&content, &format!("{place}: array '{name}'"), context)?));
    }
    Ok(arrays)
}
