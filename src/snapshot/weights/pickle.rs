//! A restricted pickle machine: it builds plain values, and calls nothing.
//!
//! Every global must be on the caller's allow-list when it is named, so that a hostile pickle is refused before its
//! first call. Calls of allowed globals become [`Value::Call`] nodes, which the caller interprets.

mod machine;

use crate::error::{Error, Result};
use machine::Machine;
use std::collections::HashMap;

/// Index of a value in a [`Pickle`].
pub type Id = usize;

/// A value that a pickle builds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A wider integer; nothing here needs its value.
    BigInt,
    /// A float.
    Float(f64),
    /// A string.
    Text(String),
    /// Bytes; nothing here needs their value.
    Bytes,
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list or a set.
    List(Vec<Id>),
    /// A dictionary, ordered.
    Dict(Vec<(Id, Id)>),
    /// An allowed global, `module.name`.
    Global(String),
    /// An allowed global applied to a tuple.
    Call(String, Id),
    /// A persistent id: a storage of the archive.
    Persistent(Id),
}

/// The values of a pickle; shared values are one.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// A value.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// The value that the pickle leaves.
    pub fn root(&self) -> Id {
        self.root
    }

    /// The text at `id`.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of the tuple or list at `id`.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The integer at `id`.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }
}

/// Runs a pickle. `allowed` says which globals (`module.name`) may be named; `depth` caps the nesting.
///
/// # Errors
/// Input errors for truncated or malformed pickles, globals outside the allow-list, cycles and deep nesting.
pub fn load(bytes: &[u8], place: &str, allowed: &dyn Fn(&str) -> bool, depth: usize) -> Result<Pickle> {
    let mut machine = Machine {
        bytes,
        at: 0,
        place,
        allowed,
        depth,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    let pickle = Pickle { values: machine.values, root };
    check_tree(&pickle, place, depth)?;
    Ok(pickle)
}

const REMEDY: &str = "save the weights alone: torch.save(model.state_dict(), 'snapshot.pt')";

fn deep(place: &str, depth: usize) -> Error {
    Error::input("pickle::depth", place, format!("values nested deeper than {depth}"), REMEDY)
}

/// Refuses cycles and deep nesting, without recursion.
fn check_tree(pickle: &Pickle, place: &str, limit: usize) -> Result<()> {
    const UNSEEN: usize = usize::MAX;
    const OPEN: usize = usize::MAX - 1;
    let mut depth = vec![UNSEEN; pickle.values.len()];
    let mut work = vec![(pickle.root, false)];
    while let Some((id, done)) = work.pop() {
        let children: Vec<Id> = match pickle.get(id) {
            Value::Tuple(items) | Value::List(items) => items.clone(),
            Value::Dict(pairs) => pairs.iter().flat_map(|(k, v)| [*k, *v]).collect(),
            Value::Call(_, id) | Value::Persistent(id) => vec![*id],
            _ => Vec::new(),
        };
        if done {
            let below = children.iter().filter_map(|c| depth.get(*c)).max().copied().unwrap_or(0);
            depth[id] = below + 1;
            if below + 1 > limit {
                return Err(deep(place, limit));
            }
            continue;
        }
        if depth[id] != UNSEEN {
            continue;
        }
        depth[id] = OPEN;
        work.push((id, true));
        for child in children {
            match depth.get(child).copied() {
                Some(UNSEEN) => work.push((child, false)),
                Some(OPEN) => {
                    return Err(Error::input("pickle::cycle", place, "a value that contains itself", REMEDY));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
