//! What a name stands for during lowering, and the layout operations that all kinds of values share.

use super::super::program::{NodeId, Program};
use crate::tensor::index::{IndexMap, NOWHERE};
use crate::tensor::strides::{MAX_RANK, broadcast, row_major, size};

/// A value of the graph.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Floating point: a node.
    Float(NodeId),
    /// Boolean: a node of zeros and ones without derivative.
    Mask(NodeId),
    /// Integers: known data.
    Int(Ints),
}

/// Known integers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ints {
    pub shape: Vec<usize>,
    pub data: Vec<i64>,
}

impl Value {
    pub fn int(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Value::Int(Ints { shape, data })
    }

    pub fn shape<'a>(&'a self, p: &'a Program) -> &'a [usize] {
        match self {
            Value::Float(n) | Value::Mask(n) => p.shape(*n),
            Value::Int(i) => &i.shape,
        }
    }

    /// The same kind of value around another node.
    fn with(&self, node: NodeId) -> Self {
        match self {
            Value::Mask(_) => Value::Mask(node),
            _ => Value::Float(node),
        }
    }

    /// The same elements with other extents (their product unchanged).
    pub fn reshape(&self, p: &mut Program, shape: &[usize]) -> Self {
        match self {
            Value::Float(n) | Value::Mask(n) => self.with(p.reshape(*n, shape)),
            Value::Int(i) => Value::int(shape.to_vec(), i.data.clone()),
        }
    }

    /// Axis i of the result is axis `perm[i]`.
    pub fn permute(&self, p: &mut Program, perm: &[usize]) -> Self {
        match self {
            Value::Float(n) | Value::Mask(n) => self.with(p.permute(*n, perm)),
            Value::Int(i) => {
                let shape: Vec<usize> = perm.iter().map(|&a| i.shape[a]).collect();
                let strides = row_major(&i.shape);
                let strides: Vec<usize> = perm.iter().map(|&a| strides[a]).collect();
                let data = positions(&shape, &strides).map(|at| i.data[at]).collect();
                Value::int(shape, data)
            }
        }
    }

    /// Element o of the result is element `from[o]`, or 0; `None` when an index is out of range.
    pub fn take(&self, p: &mut Program, from: Vec<u32>, shape: &[usize]) -> Option<Self> {
        match self {
            Value::Float(n) | Value::Mask(n) => {
                let map = IndexMap::new(p.size(*n), from)?;
                let map = p.index_map(map);
                Some(self.with(p.gather(*n, map, shape)))
            }
            Value::Int(i) => {
                let pick = |&at: &u32| if at == NOWHERE { Some(0) } else { i.data.get(at as usize).copied() };
                let data: Option<Vec<i64>> = from.iter().map(pick).collect();
                Some(Value::int(shape.to_vec(), data?))
            }
        }
    }

    /// Repeated to `shape`, which must be a broadcast of this value's extents.
    pub fn expand(&self, p: &mut Program, shape: &[usize]) -> Self {
        let mut padded = vec![1; shape.len() - self.shape(p).len()];
        padded.extend_from_slice(self.shape(p));
        let value = self.reshape(p, &padded);
        match &value {
            Value::Float(n) | Value::Mask(n) => value.with(p.expand(*n, shape)),
            Value::Int(i) => {
                let strides = broadcast(&padded, shape);
                let data = positions(shape, &strides).map(|at| i.data[at]).collect();
                Value::int(shape.to_vec(), data)
            }
        }
    }
}

/// Offsets of a row-major walk over `shape` with the given strides.
pub(super) fn positions(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> {
    let total = size(shape);
    let mut index = [0usize; MAX_RANK + 2];
    let mut at = 0;
    let (shape, strides) = (shape.to_vec(), strides.to_vec());
    (0..total).map(move |_| {
        let here = at;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
        here
    })
}

/// The extents that two operands share after broadcasting; `None` where they do not fit.
pub(super) fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| if axis + s.len() < rank { 1 } else { s[axis + s.len() - rank] };
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}
