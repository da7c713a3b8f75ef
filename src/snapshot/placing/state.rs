//! What the rules have settled so far: bindings, tied names, what is left.

use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::OnnxModel;
use crate::snapshot::placing::names::{self, Prefix};
use crate::snapshot::placing::slots::Stored;
use crate::snapshot::placing::{Binding, PlacedBy, Placement, trace};
use std::collections::{BTreeMap, HashMap};

/// What has been settled so far.
pub(super) struct State<'a> {
    pub(super) stored: &'a [Stored<'a>],
    pub(super) snapshot: &'a [(String, Array)],
    pub(super) prefix: Prefix,
    /// Parameter to the rule that placed it first.
    pub(super) placed_by: HashMap<&'a str, PlacedBy>,
    /// Value of the graph to parameter, orientation and rule.
    pub(super) bound: BTreeMap<&'a str, (&'a str, bool, PlacedBy)>,
    /// Second names of tied tensors to their first.
    pub(super) aliases: HashMap<&'a str, &'a str>,
    /// Placeholders of the traces whose parameter is known.
    pub(super) tokens: HashMap<String, &'a str>,
}

impl<'a> State<'a> {
    pub(super) fn new(stored: &'a [Stored<'a>], snapshot: &'a [(String, Array)], prefix: Prefix) -> Self {
        State {
            stored,
            snapshot,
            prefix,
            placed_by: HashMap::new(),
            bound: BTreeMap::new(),
            aliases: HashMap::new(),
            tokens: HashMap::new(),
        }
    }

    /// The tensor that the graph calls `name`.
    pub(super) fn tensor(&self, name: &str) -> Option<&'a (String, Array)> {
        self.snapshot.iter().find(|(n, _)| self.prefix.apply(n) == name)
    }

    pub(super) fn array(&self, parameter: &str) -> Option<&'a Array> {
        self.snapshot.iter().find(|(n, _)| n == parameter).map(|(_, a)| a)
    }

    pub(super) fn bind(&mut self, parameter: &'a str, value: &'a str, transposed: bool, by: PlacedBy) {
        self.bound.insert(value, (parameter, transposed, by));
        self.placed_by.entry(parameter).or_insert(by);
    }

    /// Parameters without a place; a tied tensor is placed when its twin is.
    pub(super) fn unplaced(&self) -> Vec<(&'a str, &'a Array)> {
        let open = |name: &str| !self.placed_by.contains_key(name) && !self.aliases.contains_key(name);
        self.snapshot.iter().map(|(n, a)| (n.as_str(), a)).filter(|(n, _)| open(n)).collect()
    }

    /// Values that no parameter feeds.
    pub(super) fn free(&self) -> Vec<&'a Stored<'a>> {
        self.stored.iter().filter(|v| !self.is_claimed(v)).collect()
    }

    /// Whether a value, or the one it repeats, is fed by a parameter.
    pub(super) fn is_claimed(&self, value: &Stored<'_>) -> bool {
        let mut name = value.name;
        loop {
            if self.bound.contains_key(name) {
                return true;
            }
            match self.stored.iter().find(|v| v.name == name).and_then(|v| v.copy_of) {
                Some(source) => name = source,
                None => return false,
            }
        }
    }

    /// Joins tensors that are one under several names: the first name takes all places.
    ///
    /// Equal in every snapshot while they moved, they are tied. Equal where nothing moved yet, they are tied only if
    /// the graph runs the module of one without giving it a place, or uses one as an embedding and the other in a
    /// product: layers that began as copies of each other are not, nor is a copy that the graph does not know.
    pub(super) fn merge_aliases(&mut self, model: &OnnxModel, all: &[&[(String, Array)]]) {
        for (alias, first) in names::aliases(all) {
            let find = |name: &str| self.snapshot.iter().find(|(n, _)| n == name).map(|(n, _)| n.as_str());
            let (Some(alias), Some(first)) = (find(alias), find(first)) else {
                continue;
            };
            let homeless = [alias, first].iter().any(|p| !self.placed_by.contains_key(p) && self.is_run(model, p));
            let embeds = self.is_looked_up(model, alias) != self.is_looked_up(model, first);
            if !(names::has_moved(all, first) || homeless || embeds) || self.stored_apart(alias, first) {
                continue;
            }
            self.aliases.insert(alias, first);
            if let Some(by) = self.placed_by.remove(alias) {
                self.placed_by.entry(first).or_insert(by);
            }
            for (parameter, _, _) in self.bound.values_mut().filter(|(p, _, _)| *p == alias) {
                *parameter = first;
            }
            for parameter in self.tokens.values_mut().filter(|p| **p == alias) {
                *parameter = first;
            }
        }
    }

    pub(super) fn values_of(&self, parameter: &str) -> impl Iterator<Item = (&'a Stored<'a>, bool)> {
        self.stored.iter().filter_map(move |v| match self.bound.get(v.name) {
            Some((p, transposed, _)) if *p == parameter => Some((v, *transposed)),
            _ => None,
        })
    }

    /// Whether the exporter's traces mention the parameter, or a node runs in its module.
    pub(super) fn is_run(&self, model: &OnnxModel, parameter: &str) -> bool {
        let name = self.prefix.apply(parameter);
        let module = name.rsplit_once('.').map_or("", |(module, _)| module);
        trace::signature(model).values().any(|p| p.target == name)
            || model.nodes.iter().any(|n| trace::module_paths(n).iter().any(|path| path == module))
    }

    pub(super) fn is_looked_up(&self, model: &OnnxModel, parameter: &str) -> bool {
        self.values_of(parameter).any(|(v, _)| v.uses.iter().any(|u| model.nodes[u.node].op_type == "Gather"))
    }

    /// Two initializers with different values show that the graph does not tie the tensors.
    pub(super) fn stored_apart(&self, a: &str, b: &str) -> bool {
        self.values_of(a).any(|(x, turned_x)| {
            self.values_of(b).any(|(y, turned_y)| {
                let (plain, turned) = names::equality(x.array, y.array);
                if turned_x == turned_y { !plain } else { !turned }
            })
        })
    }

    pub(super) fn finish(self) -> Placement {
        let mut parameters: Vec<(String, PlacedBy)> = Vec::new();
        // Stored values come in order of first use.
        for value in self.stored {
            if let Some(&(name, _, _)) = self.bound.get(value.name)
                && let Some(&by) = self.placed_by.get(name)
                && !parameters.iter().any(|(n, _)| n == name)
            {
                parameters.push((name.to_owned(), by));
            }
        }
        let mut bindings: Vec<Binding> = Vec::new();
        for (parameter, _) in &parameters {
            for value in self.stored {
                if let Some(&(name, transposed, _)) = self.bound.get(value.name)
                    && name == parameter
                {
                    bindings.push(Binding {
                        parameter: name.to_owned(),
                        initializer: value.name.to_owned(),
                        transposed,
                    });
                }
            }
        }
        let constants =
            self.stored.iter().filter(|v| v.initializer && !self.is_claimed(v)).map(|v| v.name.to_owned()).collect();
        let mut aliases: Vec<(String, String)> =
            self.aliases.iter().map(|(alias, first)| ((*alias).to_owned(), (*first).to_owned())).collect();
        aliases.sort();
        Placement { parameters, bindings, constants, aliases }
    }
}
