//! One ONNX node: typed access to its inputs and attributes, and errors that name it.

use super::super::execute::{Leaves, Primal};
use super::super::program::{NodeId, Program};
use super::super::schedule::Schedule;
use super::value::{Ints, Value, broadcast_shapes};
use super::{Lowering, MAX_ELEMENTS};
use crate::error::{Error, Result};
use crate::snapshot::array::Array;
use crate::snapshot::onnx_graph::{Attribute, OnnxNode};
use crate::tensor::strides::MAX_RANK;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

/// A node being lowered.
pub(super) struct Node<'l, 'a> {
    lowering: &'l mut Lowering,
    node: &'a OnnxNode,
    read: RefCell<HashSet<&'static str>>,
}

impl<'l, 'a> Node<'l, 'a> {
    pub fn new(lowering: &'l mut Lowering, node: &'a OnnxNode) -> Self {
        Node { lowering, node, read: RefCell::new(HashSet::new()) }
    }

    /// Refuses attributes that no rule has read: an unread attribute may change the meaning.
    pub fn finish(self) -> Result<()> {
        let read = self.read.borrow();
        for (name, value) in &self.node.attributes {
            if !read.contains(name.as_str()) {
                let what = match value {
                    Attribute::Graph => "a subgraph".to_string(),
                    _ => format!("attribute `{name}`, which is not supported"),
                };
                return Err(self.refuse(format!("has {what}"), "export the model without it"));
            }
        }
        Ok(())
    }

    pub fn p(&mut self) -> &mut Program {
        &mut self.lowering.program
    }

    pub fn op(&self) -> &'a str {
        &self.node.op_type
    }

    /// Where the node is, for messages.
    pub fn place(&self) -> String {
        place(self.node)
    }

    pub fn refuse(&self, what: impl std::fmt::Display, remedy: impl std::fmt::Display) -> Error {
        Error::input("graph::unsupported", self.place(), what, remedy)
    }

    /// The extents do not fit together.
    pub fn misfit(&self, what: impl std::fmt::Display) -> Error {
        Error::input(
            "graph::shape",
            self.place(),
            what,
            "check that the batch has the extents the graph was exported for",
        )
    }

    pub fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    pub fn output_count(&self) -> usize {
        self.node.outputs.len()
    }

    pub fn has(&self, i: usize) -> bool {
        self.node.inputs.get(i).is_some_and(|n| !n.is_empty())
    }

    pub fn value(&self, i: usize) -> Result<Value> {
        let Some(name) = self.node.inputs.get(i).filter(|n| !n.is_empty()) else {
            return Err(Error::input("graph::dangling", self.place(), format!("input {i} is missing"), ""));
        };
        self.lowering.values.get(name).cloned().ok_or_else(|| {
            if self.lowering.sequences.contains_key(name) {
                return self.refuse(format!("input `{name}` is a sequence of tensors"), "export the model without it");
            }
            Error::input(
                "graph::dangling",
                self.place(),
                format!("input `{name}` is produced by no node, initializer or graph input"),
                "export the model again",
            )
        })
    }

    pub fn shape(&mut self, i: usize) -> Result<Vec<usize>> {
        let value = self.value(i)?;
        Ok(value.shape(self.p()).to_vec())
    }

    /// Input i as floating point; integers become a constant, masks zeros and ones.
    pub fn float(&mut self, i: usize) -> Result<NodeId> {
        let value = self.value(i)?;
        self.as_float(&value)
    }

    pub fn as_float(&mut self, value: &Value) -> Result<NodeId> {
        Ok(match value {
            Value::Float(n) | Value::Mask(n) => *n,
            Value::Int(i) => {
                let data = i.data.iter().map(|&x| x as f64).collect();
                self.p().constant(data, &i.shape)
            }
        })
    }

    pub fn mask(&self, i: usize) -> Result<NodeId> {
        match self.value(i)? {
            Value::Mask(n) => Ok(n),
            _ => Err(self.refuse(format!("input {i} is not boolean"), "")),
        }
    }

    /// Input i as known integers.
    pub fn ints(&self, i: usize) -> Result<Ints> {
        match self.value(i)? {
            Value::Int(ints) => Ok(ints),
            _ => Err(self.refuse(
                format!("input {i} must be known integers"),
                "integers that depend on parameters or on float inputs are not supported (dynamic shapes)",
            )),
        }
    }

    /// Values of a node that depends on constants only.
    pub fn known(&mut self, node: NodeId) -> Option<Vec<f64>> {
        if !self.p().is_constant(node) {
            return None;
        }
        let schedule = Schedule::new(self.p(), &[node]);
        let mut primal = Primal::<f64>::new(&schedule, Leaves { params: Vec::new(), inputs: Arc::default() });
        primal.run(&schedule, faer::Par::Seq);
        Some(primal.output(&schedule, 0).to_vec())
    }

    fn attribute(&self, name: &'static str) -> Option<&'a Attribute> {
        self.read.borrow_mut().insert(name);
        self.node.attributes.iter().find(|(n, _)| n == name).map(|(_, a)| a)
    }

    fn wrong_type(&self, name: &str) -> Error {
        Error::input("graph::attribute", self.place(), format!("attribute `{name}` has the wrong type"), "")
    }

    pub fn int_attr(&self, name: &'static str) -> Result<Option<i64>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Int(i)) => Ok(Some(*i)),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    pub fn ints_attr(&self, name: &'static str) -> Result<Option<Vec<i64>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(i)) => Ok(Some(i.clone())),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    /// A float attribute, widened exactly.
    pub fn float_attr(&self, name: &'static str) -> Result<Option<f64>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Float(x)) => Ok(Some(f64::from(*x))),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    pub fn floats_attr(&self, name: &'static str) -> Result<Option<Vec<f64>>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Floats(x)) => Ok(Some(x.iter().map(|&x| f64::from(x)).collect())),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    pub fn string_attr(&self, name: &'static str) -> Result<Option<&'a str>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::String(s)) => Ok(Some(s)),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    pub fn tensor_attr(&self, name: &'static str) -> Result<Option<&'a Array>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Tensor(t)) => Ok(Some(t)),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    /// Axes or other integers that were an attribute in old opsets and are an input in new ones.
    pub fn ints_attr_or_input(&self, name: &'static str, input: usize) -> Result<Option<Vec<i64>>> {
        if let Some(ints) = self.ints_attr(name)? {
            return Ok(Some(ints));
        }
        if self.has(input) { Ok(Some(self.ints(input)?.data)) } else { Ok(None) }
    }

    /// An axis counted from the end when negative.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        if at < 0 || at >= rank as i64 {
            return Err(self.misfit(format!("axis {axis} of a tensor with {rank} axes")));
        }
        Ok(at as usize)
    }

    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
        let mut found = Vec::new();
        for &a in axes {
            let a = self.axis(a, rank)?;
            if found.contains(&a) {
                return Err(self.misfit(format!("axis {a} is named twice")));
            }
            found.push(a);
        }
        Ok(found)
    }

    /// Extents from integers; refuses negative ones and tensors that are too large.
    pub fn extents(&self, shape: &[i64]) -> Result<Vec<usize>> {
        let mut total = 1usize;
        let mut extents = Vec::with_capacity(shape.len());
        for &n in shape {
            let n = usize::try_from(n).map_err(|_| self.misfit(format!("extent {n}")))?;
            total = total.saturating_mul(n.max(1));
            extents.push(n);
        }
        self.check_size(&extents, total)?;
        Ok(extents)
    }

    pub fn check(&self, shape: &[usize]) -> Result<()> {
        let total = shape.iter().fold(1usize, |t, &n| t.saturating_mul(n.max(1)));
        self.check_size(shape, total)
    }

    fn check_size(&self, shape: &[usize], total: usize) -> Result<()> {
        if shape.len() > MAX_RANK {
            return Err(self.refuse(format!("a value of {} axes; at most {MAX_RANK} are supported", shape.len()), ""));
        }
        if total > MAX_ELEMENTS {
            return Err(Error::resource(
                "graph::too_large",
                self.place(),
                format!("a value of extents {shape:?} has more than {MAX_ELEMENTS} elements"),
                "use a smaller batch",
            ));
        }
        Ok(())
    }

    /// Two nodes brought to one rank, their extents checked to broadcast.
    pub fn aligned(&mut self, a: NodeId, b: NodeId) -> Result<(NodeId, NodeId)> {
        let (sa, sb) = (self.p().shape(a).to_vec(), self.p().shape(b).to_vec());
        let Some(shape) = broadcast_shapes(&sa, &sb) else {
            return Err(self.misfit(format!("extents {sa:?} and {sb:?} do not broadcast")));
        };
        self.check(&shape)?;
        Ok((self.padded(a, shape.len()), self.padded(b, shape.len())))
    }

    /// A node with leading axes of extent 1 up to `rank`.
    pub fn padded(&mut self, a: NodeId, rank: usize) -> NodeId {
        let shape = self.p().shape(a).to_vec();
        let mut padded = vec![1; rank - shape.len()];
        padded.extend(shape);
        self.p().reshape(a, &padded)
    }

    pub fn literal(&mut self, array: &Array) -> Result<Value> {
        let place = self.place();
        self.lowering.literal(array, &place)
    }

    /// The parameter that feeds this Constant node, if one does.
    pub fn fed(&mut self, shape: &[usize]) -> Result<Option<NodeId>> {
        let Some(name) = self.node.outputs.first() else { return Ok(None) };
        match self.lowering.fixed.get(name).copied() {
            Some(node) => self.lowering.fit(node, name, shape).map(Some),
            None => Ok(None),
        }
    }

    pub fn set(&mut self, i: usize, value: Value) -> Result<()> {
        let Some(name) = self.node.outputs.get(i).filter(|n| !n.is_empty()) else { return Ok(()) };
        let shape = value.shape(self.p()).to_vec();
        self.check(&shape)?;
        if self.lowering.values.insert(name.clone(), value).is_some() {
            return Err(Error::input("graph::duplicate", self.place(), format!("`{name}` is produced twice"), ""));
        }
        Ok(())
    }

    /// Input i as a sequence of tensors.
    pub fn sequence(&self, i: usize) -> Result<Vec<Value>> {
        let parts = self.node.inputs.get(i).and_then(|name| self.lowering.sequences.get(name));
        parts.cloned().ok_or_else(|| self.refuse(format!("input {i} is not a sequence that a node made"), ""))
    }

    /// The output is a sequence of tensors.
    pub fn set_sequence(&mut self, parts: Vec<Value>) -> Result<()> {
        let Some(name) = self.node.outputs.first().filter(|n| !n.is_empty()) else { return Ok(()) };
        if self.lowering.sequences.insert(name.clone(), parts).is_some() || self.lowering.values.contains_key(name) {
            return Err(Error::input("graph::duplicate", self.place(), format!("`{name}` is produced twice"), ""));
        }
        Ok(())
    }

    pub fn set_float(&mut self, node: NodeId) -> Result<()> {
        self.set(0, Value::Float(node))
    }

    /// Refuses outputs beyond the first, when they are wanted.
    pub fn only_first_output(&self) -> Result<()> {
        match self.node.outputs.iter().skip(1).find(|n| !n.is_empty()) {
            Some(n) => Err(self.refuse(format!("has a second output `{n}`, which is not supported"), "")),
            None => Ok(()),
        }
    }
}

/// Where a node is, for messages.
pub(super) fn place(node: &OnnxNode) -> String {
    let name = if node.name.is_empty() { node.outputs.first().map_or("", |s| s.as_str()) } else { &node.name };
    format!("graph node `{name}` ({})", node.op_type)
}
