//! Tensors as strided views of storages: described by the pickle, checked, gathered.

use crate::error::Result;
use crate::snapshot::array::{Array, Dtype, Values};
use crate::snapshot::decode::{Context, Endian, decode, element_count};
use crate::snapshot::weights::pickle::{Id, Pickle, Value};
use crate::snapshot::weights::torch::{damaged, storage_dtype};
use std::collections::HashMap;

/// A storage as the pickle names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StorageRef {
    pub(super) key: String,
    pub(super) dtype: Dtype,
    pub(super) len: usize,
}

/// A strided view of a storage.
pub(super) struct View {
    pub(super) storage: StorageRef,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Interprets the rebuilding call at `id`; wrappers (parameters, typed tensors) are looked through.
pub(super) fn view(pickle: &Pickle, id: Id, place: &str) -> Result<View> {
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

pub(super) struct Storages<'a> {
    pub(super) loaded: HashMap<String, (StorageRef, Values)>,
    pub(super) endian: Endian,
    pub(super) context: Context<'a>,
}

impl Storages<'_> {
    pub(super) fn add(&mut self, storage: &StorageRef, bytes: Option<Vec<u8>>, place: &str) -> Result<()> {
        let Some(bytes) = bytes else {
            return Err(damaged(place, format!("its storage 'data/{}' is missing", storage.key)));
        };
        let place = format!("{place}, storage 'data/{}'", storage.key);
        let array = decode(&place, storage.dtype, self.endian, vec![storage.len], &bytes, self.context)?;
        self.loaded.insert(storage.key.clone(), (storage.clone(), array.values));
        Ok(())
    }

    pub(super) fn gather(&self, view: &View, place: &str) -> Result<Array> {
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

    pub(super) fn release(self) {
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
