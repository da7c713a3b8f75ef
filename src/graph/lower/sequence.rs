//! Sequences of tensors, as unoptimised exports leave them where a tensor is split: known parts, picked by position.

use super::context::Node;
use super::layout::pick;
use super::value::Value;
use crate::error::Result;

/// More parts than any model has; each is a node.
const MAX_PARTS: usize = 4096;

/// SplitToSequence: parts along an axis, by one extent for all, by extents, or of extent 1.
pub(super) fn split(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axis = n.axis(n.int_attr("axis")?.unwrap_or(0), from.len())?;
    let keep = n.int_attr("keepdims")?.unwrap_or(1) != 0;
    let given = if n.has(1) { Some(n.ints(1)?) } else { None };
    let lengths = match &given {
        None => vec![1; from[axis]],
        Some(one) if one.shape.is_empty() => {
            let each = n.extents(&one.data)?[0];
            if each == 0 {
                return Err(n.misfit("parts of extent 0"));
            }
            (0..from[axis].div_ceil(each)).map(|i| each.min(from[axis] - i * each)).collect()
        }
        Some(several) => n.extents(&several.data)?,
    };
    if lengths.len() > MAX_PARTS {
        return Err(n.refuse(format!("{} parts; at most {MAX_PARTS} are supported", lengths.len()), ""));
    }
    if lengths.iter().sum::<usize>() != from[axis] {
        return Err(n.misfit(format!("axis {axis} of {from:?} does not split into {lengths:?}")));
    }
    let mut parts: Vec<Value> = Vec::with_capacity(lengths.len());
    let mut start = 0;
    for len in lengths {
        let part = pick(n, &x, axis, &(start..start + len).collect::<Vec<usize>>())?;
        // the attribute counts only where no extents are given
        parts.push(if keep || given.is_some() {
            part
        } else {
            let mut shape = from.clone();
            shape.remove(axis);
            part.reshape(n.p(), &shape)
        });
        start += len;
    }
    n.set_sequence(parts)
}

/// SequenceAt: the part at a known position, counted from the end when negative.
pub(super) fn at(n: &mut Node<'_, '_>) -> Result<()> {
    let position = n.ints(1)?.data;
    let parts = n.sequence(0)?;
    let &[position] = &position[..] else {
        return Err(n.misfit("the position must be one number"));
    };
    let count = parts.len() as i64;
    let index = if position < 0 { position + count } else { position };
    let Some(part) = usize::try_from(index).ok().and_then(|i| parts.get(i).cloned()) else {
        return Err(n.misfit(format!("position {position} of a sequence of {count}")));
    };
    n.set(0, part)
}
