//! The representation: a hash-consed directed acyclic graph in one flat array, children before parents.
//!
//! Equal subexpressions are one node, so sharing is free, every pass is a loop (no recursion, hence no stack to
//! overflow), and two formulas of the same structure have the same array.

use super::function::{Binary, Constant, Function, Reduction, Relation};
use super::hash::Map;
use super::span::Span;
use std::collections::HashMap;

/// Position of a node in its graph.
pub(crate) type Id = u32;

/// Bound indices from here on are provisional names, used while a graph is being built.
pub(crate) const PROVISIONAL: u32 = 1 << 16;

/// One operation; operands are positions of earlier nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// Bits of a finite f64.
    Number(u64),
    Constant(Constant),
    /// Position in the table of names.
    Variable(u32),
    /// Index of an enclosing sum or product, numbered from the innermost outwards.
    Index(u32),
    Neg(Id),
    Binary(Binary, Id, Id),
    Call(Function, Id),
    Truth(bool),
    Compare(Relation, Id, Id),
    Not(Id),
    And(Id, Id),
    Or(Id, Id),
    If(Id, Id, Id),
    /// Kind, index, first, last, body.
    Reduce(Reduction, u32, Id, Id, Id),
}

impl Node {
    /// The operands in order, padded by the count.
    pub fn children(&self) -> ([Id; 3], usize) {
        match *self {
            Node::Number(_) | Node::Constant(_) | Node::Variable(_) | Node::Index(_) | Node::Truth(_) => ([0; 3], 0),
            Node::Neg(a) | Node::Call(_, a) | Node::Not(a) => ([a, 0, 0], 1),
            Node::Binary(_, a, b) | Node::Compare(_, a, b) | Node::And(a, b) | Node::Or(a, b) => ([a, b, 0], 2),
            Node::If(a, b, c) | Node::Reduce(_, _, a, b, c) => ([a, b, c], 3),
        }
    }

    /// The same operation on other operands.
    pub fn with(&self, map: impl Fn(Id) -> Id) -> Node {
        match *self {
            Node::Neg(a) => Node::Neg(map(a)),
            Node::Call(f, a) => Node::Call(f, map(a)),
            Node::Not(a) => Node::Not(map(a)),
            Node::Binary(op, a, b) => Node::Binary(op, map(a), map(b)),
            Node::Compare(op, a, b) => Node::Compare(op, map(a), map(b)),
            Node::And(a, b) => Node::And(map(a), map(b)),
            Node::Or(a, b) => Node::Or(map(a), map(b)),
            Node::If(a, b, c) => Node::If(map(a), map(b), map(c)),
            Node::Reduce(kind, index, a, b, c) => Node::Reduce(kind, index, map(a), map(b), map(c)),
            leaf => leaf,
        }
    }

    pub fn number(self) -> Option<f64> {
        match self {
            Node::Number(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }
}

/// A finished graph; its root is the last node.
#[derive(Debug)]
pub(crate) struct Graph {
    pub nodes: Vec<Node>,
    pub spans: Vec<Span>,
    pub names: Vec<String>,
    /// The free bound indices of each node, ascending.
    pub free: Vec<Vec<u32>>,
    /// For each reduction: the nodes to evaluate anew for every value of its index, in order.
    pub bodies: HashMap<Id, Vec<Id>>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes && self.names == other.names
    }
}

impl Graph {
    pub fn root(&self) -> Id {
        (self.nodes.len() - 1) as Id
    }

    /// Marks the nodes that `root` needs.
    pub fn reachable(nodes: &[Node], root: Id) -> Vec<bool> {
        let mut wanted = vec![false; root as usize + 1];
        wanted[root as usize] = true;
        for at in (0..=root as usize).rev() {
            if wanted[at] {
                let (children, count) = nodes[at].children();
                for &child in &children[..count] {
                    wanted[child as usize] = true;
                }
            }
        }
        wanted
    }
}

/// Builds graphs: every node is made at most once.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    nodes: Vec<Node>,
    spans: Vec<Span>,
    names: Vec<String>,
    seen: Map<Node, Id>,
    name_ids: HashMap<String, u32>,
    provisional: u32,
}

impl Builder {
    pub fn new() -> Self {
        Builder::default()
    }

    pub fn node(&self, id: Id) -> Node {
        self.nodes[id as usize]
    }

    pub fn number_of(&self, id: Id) -> Option<f64> {
        self.node(id).number()
    }

    /// The node, new or known. A negated number becomes a number, so that `-2` has one form.
    pub fn add(&mut self, node: Node, span: Span) -> Id {
        if let Node::Neg(a) = node
            && let Some(x) = self.number_of(a)
        {
            return self.number(-x, span);
        }
        if let Some(&id) = self.seen.get(&node) {
            return id;
        }
        let id = self.nodes.len() as Id;
        self.nodes.push(node);
        self.spans.push(span);
        self.seen.insert(node, id);
        id
    }

    pub fn number(&mut self, x: f64, span: Span) -> Id {
        // One zero only.
        let x = if x == 0.0 { 0.0 } else { x };
        self.add(Node::Number(x.to_bits()), span)
    }

    pub fn variable(&mut self, name: &str, span: Span) -> Id {
        let id = match self.name_ids.get(name) {
            Some(&id) => id,
            None => {
                let id = self.names.len() as u32;
                self.names.push(name.to_string());
                self.name_ids.insert(name.to_string(), id);
                id
            }
        };
        self.add(Node::Variable(id), span)
    }

    /// A bound index with a name of its own until [`Builder::reduce`] closes it.
    pub fn fresh_index(&mut self) -> u32 {
        self.provisional += 1;
        PROVISIONAL + self.provisional
    }

    /// Closes the provisional `index` of `body`. Indices are numbered by the nesting inside the body, so that
    /// formulas that differ only in the names of indices are the same and none is ever captured.
    pub fn reduce(&mut self, kind: Reduction, index: u32, first: Id, last: Id, body: Id, span: Span) -> Id {
        let wanted = Graph::reachable(&self.nodes, body);
        let mut level = 0;
        for (at, _) in wanted.iter().enumerate().filter(|(_, w)| **w) {
            if let Node::Reduce(_, inner, ..) = self.nodes[at] {
                level = level.max(inner + 1);
            }
        }
        let mut map: Vec<Id> = (0..wanted.len() as Id).collect();
        for at in 0..wanted.len() {
            if wanted[at] {
                let node = match self.nodes[at] {
                    Node::Index(i) if i == index => Node::Index(level),
                    node => node.with(|child| map[child as usize]),
                };
                map[at] = self.add(node, self.spans[at]);
            }
        }
        self.add(Node::Reduce(kind, level, first, last, map[body as usize]), span)
    }

    /// Copies a graph in and tells which provisional index stands for which of its own, so that a caller can close
    /// bodies of its own making.
    pub fn import_open(&mut self, graph: &Graph) -> (Vec<Id>, HashMap<u32, u32>) {
        let mut indices = HashMap::new();
        let map = self.import_with(graph, None, &mut indices, |_, _| None);
        (map, indices)
    }

    /// Copies a graph in; `replace` may put another node in place of a copied variable. With `span`, all copied
    /// nodes point there (the place of use in the new formula).
    pub fn import(
        &mut self,
        graph: &Graph,
        span: Option<Span>,
        replace: impl FnMut(&mut Builder, &str) -> Option<Id>,
    ) -> Vec<Id> {
        self.import_with(graph, span, &mut HashMap::new(), replace)
    }

    fn import_with(
        &mut self,
        graph: &Graph,
        span: Option<Span>,
        indices: &mut HashMap<u32, u32>,
        mut replace: impl FnMut(&mut Builder, &str) -> Option<Id>,
    ) -> Vec<Id> {
        let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
        for (at, node) in graph.nodes.iter().enumerate() {
            let span = span.unwrap_or(graph.spans[at]);
            let id = match *node {
                Node::Variable(name) => {
                    let name = &graph.names[name as usize];
                    match replace(self, name) {
                        Some(id) => id,
                        None => self.variable(name, span),
                    }
                }
                Node::Index(index) => {
                    let provisional = self.provisional_for(indices, index);
                    self.add(Node::Index(provisional), span)
                }
                Node::Reduce(kind, index, first, last, body) => {
                    let provisional = self.provisional_for(indices, index);
                    let [first, last, body] = [first, last, body].map(|id| map[id as usize]);
                    self.reduce(kind, provisional, first, last, body, span)
                }
                node => self.add(node.with(|child| map[child as usize]), span),
            };
            map.push(id);
        }
        map
    }

    fn provisional_for(&mut self, indices: &mut HashMap<u32, u32>, index: u32) -> u32 {
        match indices.get(&index) {
            Some(&known) => known,
            None => {
                let fresh = self.fresh_index();
                indices.insert(index, fresh);
                fresh
            }
        }
    }

    /// The graph of `root` alone, numbered in post-order: equal structure, equal graph.
    pub fn finish(&self, root: Id) -> Graph {
        self.finish_all(&[root]).0
    }

    /// One graph of several roots, and where they are in it.
    pub fn finish_all(&self, roots: &[Id]) -> (Graph, Vec<Id>) {
        // Where each node went; `NONE`: nowhere yet.
        const NONE: Id = Id::MAX;
        let mut map: Vec<Id> = vec![NONE; self.nodes.len()];
        let mut name_map: Map<u32, u32> = Map::default();
        let mut graph = Graph { nodes: vec![], spans: vec![], names: vec![], free: vec![], bodies: HashMap::new() };
        let mut stack: Vec<(Id, bool)> = roots.iter().rev().map(|root| (*root, false)).collect();
        while let Some((id, ready)) = stack.pop() {
            if map[id as usize] != NONE {
                continue;
            }
            let node = self.nodes[id as usize];
            let (children, count) = node.children();
            if !ready {
                stack.push((id, true));
                stack.extend(children[..count].iter().rev().map(|&child| (child, false)));
                continue;
            }
            let node = match node {
                Node::Variable(name) => {
                    let next = graph.names.len() as u32;
                    let name_id = *name_map.entry(name).or_insert(next);
                    if name_id == next {
                        graph.names.push(self.names[name as usize].clone());
                    }
                    Node::Variable(name_id)
                }
                node => node.with(|child| map[child as usize]),
            };
            map[id as usize] = graph.nodes.len() as Id;
            graph.nodes.push(node);
            graph.spans.push(self.spans[id as usize]);
        }
        plan(&mut graph);
        let found = roots.iter().map(|root| map[*root as usize]).collect();
        (graph, found)
    }
}

/// Fills in which nodes depend on which indices, and the loop body of every reduction.
fn plan(graph: &mut Graph) {
    for (at, node) in graph.nodes.iter().enumerate() {
        let (children, count) = node.children();
        let mut free: Vec<u32> = Vec::new();
        if let Node::Index(index) = node {
            free.push(*index);
        }
        for (position, &child) in children[..count].iter().enumerate() {
            let bound = match node {
                Node::Reduce(_, index, ..) if position == 2 => Some(*index),
                _ => None,
            };
            free.extend(graph.free[child as usize].iter().filter(|i| Some(**i) != bound));
        }
        free.sort_unstable();
        free.dedup();
        graph.free.push(free);
        if let Node::Reduce(_, index, _, _, body) = *node {
            let wanted = Graph::reachable(&graph.nodes, body);
            // A node whose innermost free index is this one changes in this loop; those of deeper loops are theirs.
            let inside: Vec<Id> = (0..wanted.len())
                .filter(|&i| wanted[i] && graph.free[i].first() == Some(&index))
                .map(|i| i as Id)
                .collect();
            graph.bodies.insert(at as Id, inside);
        }
    }
}
