//! Torch archives (`.pt`, `.pth`): a zip of `data.pkl`, which names tensors, and one member per storage.
//!
//! Nothing is executed: the pickle is read by [`super::pickle`] with an allow-list, tensors are gathered from their
//! storages by size, stride and offset, and whatever is missing or short is refused, never replaced.

use crate::error::{Error, Result};
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::decode::{Context, Endian, decode, element_count};
use crate::snapshot::weights::archive::Archive;
use crate::snapshot::weights::pickle::{Id, Pickle, Value, load};
use std::collections::HashMap;

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

/// The one dictionary of tensors in the pickle: its root, or the value of a usual key.
fn state_dict(pickle: &Pickle, place: &str) -> Result<Vec<(String, Id)>> {
    let root = pairs(pickle, pickle.root()).ok_or_else(|| {
        Error::input(
            "torch::state_dict",
            place,
            "not a dictionary of tensors",
            "save the weights alone: torch.save(model.state_dict(), 'snapshot.pt')",
        )
    })?;
    if root.iter().any(|(_, value)| is_tensor(pickle, *value)) {
        return named_tensors(pickle, &root, place);
    }
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

/// A storage as the pickle names it.
#[derive(Debug, Clone, PartialEq)]
struct StorageRef {
    key: String,
    dtype: Dtype,
    len: usize,
}

/// A strided view of a storage.
struct View {
    storage: StorageRef,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Interprets the rebuilding call at `id`; wrappers (parameters, typed tensors) are looked through.
fn view(pickle: &Pickle, id: Id, place: &str) -> Result<View> {
    let wrong = || damaged(place, "a tensor that is not described as torch does");
    let mut id = id;
    // Parameter around typed tensor around tensor: three calls at most.
    for _ in 0..4 {
        let Value::Call(name, arguments) = pickle.get(id) else {
            return Err(wrong());
        };
        let items = pickle.items(*arguments).ok_or_else(wrong)?;
        match (name.as_str(), items) {
            ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", [data, ..]) => {
                id = *data
            }
            ("torch._tensor._rebuild_from_type_v2", [function, _, inner, ..]) => {
                // The inner call is stored unapplied: a function and its arguments.
                let Value::Global(function) = pickle.get(*function) else {
                    return Err(wrong());
                };
                if !function.starts_with("torch._utils._rebuild_tensor") {
                    return Err(wrong());
                }
                return plain_view(pickle, pickle.items(*inner).ok_or_else(wrong)?, place);
            }
            ("torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", items) => {
                return plain_view(pickle, items, place);
            }
            _ => return Err(wrong()),
        }
    }
    Err(wrong())
}

fn plain_view(pickle: &Pickle, items: &[Id], place: &str) -> Result<View> {
    let wrong = || damaged(place, "a tensor that is not described as torch does");
    let [storage, offset, size, strides, ..] = items else {
        return Err(wrong());
    };
    let Value::Persistent(storage) = pickle.get(*storage) else {
        return Err(damaged(place, "a tensor without a storage of the archive"));
    };
    let natural = |id: Id| pickle.int(id).and_then(|v| usize::try_from(v).ok());
    let extents = |id: Id| -> Option<Vec<usize>> {
        let id = match pickle.get(id) {
            Value::Call(name, arguments) if name == "torch.Size" => *pickle.items(*arguments)?.first()?,
            _ => id,
        };
        pickle.items(id)?.iter().map(|i| natural(*i)).collect()
    };
    let storage = match pickle.items(*storage) {
        Some(&[tag, kind, key, _, len, ..]) if pickle.text(tag) == Some("storage") => {
            let Value::Global(kind) = pickle.get(kind) else { return Err(wrong()) };
            let dtype = storage_dtype(kind).ok_or_else(wrong)?;
            let key = pickle.text(key).ok_or_else(wrong)?;
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(damaged(place, "a storage key that is no plain name"));
            }
            StorageRef { key: key.to_owned(), dtype, len: natural(len).ok_or_else(wrong)? }
        }
        _ => return Err(wrong()),
    };
    let negative = || damaged(place, "an offset, size or stride that is no natural number");
    let (shape, strides) = (extents(*size).ok_or_else(negative)?, extents(*strides).ok_or_else(negative)?);
    if shape.len() != strides.len() {
        return Err(damaged(place, "sizes and strides of different lengths"));
    }
    Ok(View { storage, offset: natural(*offset).ok_or_else(negative)?, shape, strides })
}

struct Storages<'a> {
    loaded: HashMap<String, (StorageRef, Values)>,
    endian: Endian,
    context: Context<'a>,
}

impl Storages<'_> {
    fn add(&mut self, storage: &StorageRef, bytes: Option<Vec<u8>>, place: &str) -> Result<()> {
        let Some(bytes) = bytes else {
            return Err(damaged(place, format!("its storage 'data/{}' is missing", storage.key)));
        };
        let place = format!("{place}, storage 'data/{}'", storage.key);
        let array = decode(&place, storage.dtype, self.endian, vec![storage.len], &bytes, self.context)?;
        self.loaded.insert(storage.key.clone(), (storage.clone(), array.values));
        Ok(())
    }

    fn gather(&self, view: &View, place: &str) -> Result<Array> {
        let Some((loaded, values)) = self.loaded.get(&view.storage.key) else {
            return Err(damaged(place, "its storage is missing"));
        };
        if *loaded != view.storage {
            return Err(damaged(place, format!("its storage 'data/{}' is described in two ways", view.storage.key)));
        }
        let count = element_count(place, &view.shape, self.context.limits)?;
        self.check_bounds(view, count, place)?;
        self.context.meter.claim(place, count, self.context.limits)?;
        let values = match values {
            Values::Float(v) => Values::Float(strided(v, view, count)),
            Values::Int(v) => Values::Int(strided(v, view, count)),
            Values::Bool(v) => Values::Bool(strided(v, view, count)),
        };
        Ok(Array { dtype: view.storage.dtype, shape: view.shape.clone(), values })
    }

    fn check_bounds(&self, view: &View, count: usize, place: &str) -> Result<()> {
        let len = view.storage.len;
        if count == 0 {
            return Ok(());
        }
        let last = view.shape.iter().zip(&view.strides).try_fold(view.offset, |at, (extent, stride)| {
            (extent - 1).checked_mul(*stride).and_then(|reach| at.checked_add(reach))
        });
        if last.is_none_or(|last| last >= len) {
            return Err(damaged(
                place,
                format!(
                    "sizes {:?} with strides {:?} from {} on reach beyond its storage of {len} elements",
                    view.shape, view.strides, view.offset
                ),
            ));
        }
        // A stride of 0 repeats elements: a small file may not ask for a huge array that way.
        let (limits, len) = (self.context.limits, len.max(1) as u64);
        if count as u64 * 8 > limits.zip_free && count as u64 / len > limits.zip_ratio {
            return Err(damaged(place, format!("{len} stored elements are repeated to {count}")));
        }
        Ok(())
    }

    fn release(self) {
        self.context.meter.release(self.loaded.values().map(|(s, _)| s.len).sum());
    }
}

/// The elements of a view, row-major. The bounds have been checked.
fn strided<T: Copy>(storage: &[T], view: &View, count: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0usize; view.shape.len()];
    let mut at = view.offset;
    for _ in 0..count {
        values.push(storage[at]);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            at += view.strides[axis];
            if index[axis] < view.shape[axis] {
                break;
            }
            at -= view.strides[axis] * index[axis];
            index[axis] = 0;
        }
    }
    values
}

fn damaged(place: &str, what: impl std::fmt::Display) -> Error {
    Error::input(
        "torch::damaged",
        place,
        what,
        "the file is damaged: save it again with torch.save(model.state_dict(), 'snapshot.pt')",
    )
}
