//! Names: wrappers that prefix all of them, and tensors that are one under two names.

use crate::snapshot::array::Array;
use std::collections::HashSet;

/// What wrappers put before the names of one side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prefix {
    /// To remove from the snapshot's names.
    pub remove: String,
    /// To put before them then.
    pub add: String,
}

impl Prefix {
    /// The name under which the graph knows the snapshot's tensor `name`.
    pub fn apply(&self, name: &str) -> String {
        format!("{}{}", self.add, name.strip_prefix(self.remove.as_str()).unwrap_or(name))
    }
}

/// Finds the prefix (`module.`, `_orig_mod.`, `model.`) by which all names of one side differ from the other's.
///
/// It counts only when no name agrees as it is and the prefix is the same for all.
pub fn prefix(tensors: &[&str], graph: &HashSet<&str>) -> Prefix {
    let as_it_is = Prefix::default();
    if tensors.is_empty() || tensors.iter().any(|t| graph.contains(t)) {
        return as_it_is;
    }
    let mut remove = String::new();
    while let Some((head, _)) = tensors[0][remove.len()..].split_once('.') {
        remove.push_str(head);
        remove.push('.');
        if !tensors.iter().all(|t| t.starts_with(&remove)) {
            break;
        }
        if tensors.iter().any(|t| graph.contains(&t[remove.len()..])) {
            return Prefix { remove, add: String::new() };
        }
    }
    let mut added: HashSet<&str> = HashSet::new();
    for tensor in tensors {
        added.extend(graph.iter().filter_map(|name| name.strip_suffix(tensor)).filter(|p| p.ends_with('.')));
    }
    let mut added = added.into_iter();
    match (added.next(), added.next()) {
        (Some(one), None) => Prefix { remove: String::new(), add: one.to_owned() },
        _ => as_it_is,
    }
}

/// Pairs (alias, first name) of tensors that are equal bit by bit in every snapshot and not constant: tied weights
/// that a state_dict lists under each of their names.
pub fn aliases<'a>(snapshots: &[&'a [(String, Array)]]) -> Vec<(&'a str, &'a str)> {
    let Some(first) = snapshots.first() else {
        return Vec::new();
    };
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (index, (name, array)) in first.iter().enumerate() {
        let twin = first[..index].iter().find(|(other, candidate)| {
            candidate.shape == array.shape
                && !found.iter().any(|(alias, _)| alias == other)
                && candidate.first_difference(array).is_none()
                && !is_constant(array)
                && snapshots.iter().skip(1).all(|s| same_in(s, name, other))
        });
        if let Some((other, _)) = twin {
            found.push((name, other));
        }
    }
    found
}

/// Whether a tensor has different values in some two snapshots.
pub fn has_moved(snapshots: &[&[(String, Array)]], name: &str) -> bool {
    let values = |s: &&[(String, Array)]| s.iter().find(|(n, _)| n == name).map(|(_, a)| a.clone());
    let first = snapshots.first().and_then(values);
    snapshots.iter().skip(1).any(|s| match (&first, values(s)) {
        (Some(a), Some(b)) => a.first_difference(&b).is_some(),
        _ => false,
    })
}

fn same_in(snapshot: &[(String, Array)], a: &str, b: &str) -> bool {
    let find = |name: &str| snapshot.iter().find(|(n, _)| n == name).map(|(_, array)| array);
    match (find(a), find(b)) {
        (Some(a), Some(b)) => a.first_difference(b).is_none(),
        _ => false,
    }
}

/// Whether all elements are the same, as in fresh biases and gains: equality then proves nothing.
pub fn is_constant(array: &Array) -> bool {
    array.floats().is_none_or(|v| v.iter().all(|x| x.to_bits() == v[0].to_bits()))
}

/// Whether `value` is `parameter`, plain or transposed: `(plain, transposed)`.
pub fn equality(parameter: &Array, value: &Array) -> (bool, bool) {
    let plain = parameter.shape == value.shape && parameter.first_difference(value).is_none();
    let transposed = match (&parameter.shape[..], &value.shape[..], parameter.floats(), value.floats()) {
        (&[rows, columns], &[c, r], Some(p), Some(v)) if (rows, columns) == (r, c) => {
            (0..rows).all(|i| (0..columns).all(|j| p[i * columns + j].to_bits() == v[j * rows + i].to_bits()))
        }
        _ => false,
    };
    (plain, transposed)
}
