//! Torch archives (`.pt`, `.pth`): a zip of `data.pkl`, which names tensors, and one member per storage.
//!
//! Nothing is executed: the pickle is read by [`super::pickle`] with an allow-list, tensors are gathered from their
//! storages by size, stride and offset, and whatever is missing or short is refused, never replaced.

mod views;

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype};
use crate::snapshot::decode::{Context, Endian};
use crate::snapshot::weights::archive::Archive;
use crate::snapshot::weights::pickle::{Id, Pickle, Value, load};
use std::collections::HashMap;
use views::{Storages, view};

/// Keys under which checkpoints keep their state_dict.
const NESTED: [&str; 6] = ["state_dict", "model_state_dict", "model", "module", "net", "network"];

/// Reads the tensors of the state_dict, in its order.
///
/// # Errors
/// Input errors for legacy files (with the command that converts them), TorchScript archives, whole pickled models,
/// globals outside the allow-list, storages that are missing, short or contradictory, strides beyond the storage.
pub fn read(bytes: &[u8], place: &str, context: Context<'_>) -> Result<Vec<(String, Array)>> {
    refuse_legacy(bytes, place)?;
    let mut archive = Archive::open(bytes, place, context.limits)?;
    let members = archive.members().to_vec();
    let pickles: Vec<&str> =
        members.iter().map(|m| m.name.as_str()).filter(|n| *n == "data.pkl" || n.ends_with("/data.pkl")).collect();
    let [pickle_name] = pickles[..] else {
        return Err(damaged(place, format!("{} members named data.pkl instead of one", pickles.len())));
    };
    let root = pickle_name.strip_suffix("data.pkl").unwrap_or_default().to_owned();
    if members.iter().any(|m| m.name == format!("{root}constants.pkl")) {
        return Err(Error::input(
            "torch::script",
            place,
            "a TorchScript archive, which holds a program",
            "save the weights alone: torch.save(model.state_dict(), 'snapshot.pt')",
        ));
    }
    let mut member = |name: &str| -> Result<Option<Vec<u8>>> {
        match members.iter().find(|m| m.name == format!("{root}{name}")) {
            Some(member) => archive.unpack(member).map(Some),
            None => Ok(None),
        }
    };
    let endian = match member("byteorder")?.as_deref().map(<[u8]>::trim_ascii) {
        None | Some(b"little") => Endian::Little,
        Some(b"big") => Endian::Big,
        Some(_) => return Err(damaged(place, "the byte order is neither little nor big")),
    };
    let pickle_bytes = member("data.pkl")?.unwrap_or_default();
    let pickle_place = format!("{place}: data.pkl");
    let pickle = load(&pickle_bytes, &pickle_place, &is_allowed, context.limits.depth)?;
    let entries = state_dict(&pickle, place)?;
    if entries.len() > context.limits.tensors {
        return Err(damaged(place, "more tensors than any honest model has"));
    }
    let mut storages = Storages { loaded: HashMap::new(), endian, context };
    let mut arrays = Vec::with_capacity(entries.len());
    for (name, id) in entries {
        let place = format!("{place}: tensor '{name}'");
        let view = view(&pickle, id, &place)?;
        if !storages.loaded.contains_key(&view.storage.key) {
            let bytes = member(&format!("data/{}", view.storage.key))?;
            storages.add(&view.storage, bytes, &place)?;
        }
        arrays.push((name, storages.gather(&view, &place)?));
    }
    storages.release();
    Ok(arrays)
}

/// Globals that only describe tensors.
fn is_allowed(name: &str) -> bool {
    storage_dtype(name).is_some()
        || matches!(
            name,
            "collections.OrderedDict"
                | "collections.defaultdict"
                | "torch._utils._rebuild_tensor_v2"
                | "torch._utils._rebuild_tensor"
                | "torch._utils._rebuild_parameter"
                | "torch._utils._rebuild_parameter_with_state"
                | "torch._tensor._rebuild_from_type_v2"
                | "torch.nn.parameter.Parameter"
                | "torch.Tensor"
                | "torch.Size"
                | "torch.device"
        )
        || name.strip_prefix("torch.").is_some_and(|n| {
            matches!(
                n,
                "float16"
                    | "bfloat16"
                    | "float32"
                    | "float64"
                    | "int8"
                    | "int16"
                    | "int32"
                    | "int64"
                    | "uint8"
                    | "bool"
            )
        })
}

fn storage_dtype(global: &str) -> Option<Dtype> {
    Some(match global.strip_prefix("torch.")? {
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

fn refuse_legacy(bytes: &[u8], place: &str) -> Result<()> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Ok(());
    }
    let tar = bytes.get(257..262) == Some(b"ustar");
    let pickle = bytes.first() == Some(&0x80) || bytes.first() == Some(&b'(') || bytes.first() == Some(&b'}');
    if !tar && !pickle {
        return Err(damaged(place, "neither a zip archive nor a legacy torch file"));
    }
    let kind = if tar { "tar" } else { "pickle" };
    // Quotes in the name would end the string of the command.
    let file: String = place.chars().map(|c| if c == '\'' || c == '\\' || c.is_control() { '?' } else { c }).collect();
    Err(Error::input(
        "torch::legacy",
        place,
        format!("a legacy torch file ({kind}), as torch before 1.6 wrote it"),
        format!(
            "convert it: python -c \"import torch; torch.save(torch.load('{file}', map_location='cpu', \
             weights_only=True), '{file}')\""
        ),
    ))
}

/// The one dictionary of tensors in the pickle: the value of a usual key, or else the root.
///
/// A checkpoint may hold other tensors beside its state_dict (a random generator's state); a state_dict never holds
/// another dictionary of tensors.
fn state_dict(pickle: &Pickle, place: &str) -> Result<Vec<(String, Id)>> {
    let root = pairs(pickle, pickle.root()).ok_or_else(|| {
        Error::input(
            "torch::state_dict",
            place,
            "not a dictionary of tensors",
            "save the weights alone: torch.save(model.state_dict(), 'snapshot.pt')",
        )
    })?;
    let mut found = Vec::new();
    for (key, value) in &root {
        let Some(key) = pickle.text(*key).filter(|k| NESTED.contains(k)) else {
            continue;
        };
        if let Some(inner) = pairs(pickle, *value)
            && inner.iter().any(|(_, v)| is_tensor(pickle, *v))
        {
            found.push((key, inner));
        }
    }
    match found.as_slice() {
        [(_, inner)] => named_tensors(pickle, inner, place),
        [] if root.iter().any(|(_, value)| is_tensor(pickle, *value)) => named_tensors(pickle, &root, place),
        [] => Err(Error::input(
            "torch::state_dict",
            place,
            format!("no tensors at the top, nor under one of the keys {}", NESTED.join(", ")),
            "save the weights alone: torch.save(model.state_dict(), 'snapshot.pt')",
        )),
        several => {
            let keys: Vec<&str> = several.iter().map(|(key, _)| *key).collect();
            Err(Error::input(
                "torch::state_dict",
                place,
                format!("several dictionaries of tensors: {}", keys.join(", ")),
                "save the one to analyse alone: torch.save(model.state_dict(), 'snapshot.pt')",
            ))
        }
    }
}

fn named_tensors(pickle: &Pickle, pairs: &[(Id, Id)], place: &str) -> Result<Vec<(String, Id)>> {
    let mut entries: Vec<(String, Id)> = Vec::with_capacity(pairs.len());
    let mut seen = std::collections::HashSet::new();
    for (key, value) in pairs {
        let Some(name) = pickle.text(*key) else {
            return Err(damaged(place, "a tensor whose key is not text"));
        };
        if !is_tensor(pickle, *value) {
            return Err(Error::input(
                "torch::state_dict",
                format!("{place}: '{name}'"),
                "the entry is no tensor",
                "save the weights alone: torch.save(model.state_dict(), 'snapshot.pt')",
            ));
        }
        if !seen.insert(name) {
            return Err(damaged(place, format!("two tensors are named '{name}'")));
        }
        entries.push((name.to_owned(), *value));
    }
    Ok(entries)
}

/// The entries of a dictionary, also of one made by `OrderedDict([(key, value), …])`.
fn pairs(pickle: &Pickle, id: Id) -> Option<Vec<(Id, Id)>> {
    match pickle.get(id) {
        Value::Dict(pairs) => Some(pairs.clone()),
        Value::Call(name, arguments) if name == "collections.OrderedDict" => {
            let [list] = pickle.items(*arguments)? else { return None };
            pickle
                .items(*list)?
                .iter()
                .map(|pair| match pickle.items(*pair) {
                    Some([key, value]) => Some((*key, *value)),
                    _ => None,
                })
                .collect()
        }
        _ => None,
    }
}

fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    matches!(pickle.get(id), Value::Call(name, _) if name.contains("._rebuild_"))
}

fn damaged(place: &str, what: impl std::fmt::Display) -> Error {
    Error::input(
        "torch::damaged",
        place,
        what,
        "the file is damaged: save it again with torch.save(model.state_dict(), 'snapshot.pt')",
    )
}
