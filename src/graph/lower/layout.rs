//! Reshapes, slices, concatenation, gathers: what moves elements and computes none.

use super::context::Node;
use super::value::{Ints, Value, positions};
use crate::error::Result;
use crate::snapshot::array::Values;
use crate::tensor::index::NOWHERE;
use crate::tensor::strides::{row_major, size};

/// Constant in all its forms.
pub(super) fn constant(n: &mut Node<'_, '_>) -> Result<()> {
    let value = if let Some(array) = n.tensor_attr("value")? {
        match n.fed(&array.shape.clone())? {
            Some(node) => Value::Float(node),
            None => n.literal(array)?,
        }
    } else if let Some(x) = n.float_attr("value_float")? {
        Value::Float(n.p().constant(vec![x], &[]))
    } else if let Some(x) = n.floats_attr("value_floats")? {
        let len = x.len();
        Value::Float(n.p().constant(x, &[len]))
    } else if let Some(i) = n.int_attr("value_int")? {
        Value::int(Vec::new(), vec![i])
    } else if let Some(i) = n.ints_attr("value_ints")? {
        Value::int(vec![i.len()], i)
    } else {
        return Err(n.refuse("holds no dense number", "sparse and string constants are not supported"));
    };
    n.set(0, value)
}

/// The extents of a value.
pub(super) fn shape(n: &mut Node<'_, '_>) -> Result<()> {
    let shape = n.shape(0)?;
    let rank = shape.len() as i64;
    let clamp = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let start = clamp(n.int_attr("start")?.unwrap_or(0));
    let end = clamp(n.int_attr("end")?.unwrap_or(rank)).max(start);
    let data: Vec<i64> = shape[start..end].iter().map(|&n| n as i64).collect();
    n.set(0, Value::int(vec![data.len()], data))
}

/// The number of elements.
pub(super) fn size_of(n: &mut Node<'_, '_>) -> Result<()> {
    let total = size(&n.shape(0)?) as i64;
    n.set(0, Value::int(Vec::new(), vec![total]))
}

/// Reshape with 0 (keep) and −1 (infer).
pub(super) fn reshape(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let wanted = n.ints(1)?.data;
    let allow_zero = n.int_attr("allowzero")?.unwrap_or(0) != 0;
    let mut shape = wanted.clone();
    for (i, extent) in shape.iter_mut().enumerate() {
        if *extent == 0 && !allow_zero {
            *extent = *from.get(i).ok_or_else(|| n.misfit(format!("extent {i} of {wanted:?} copies nothing")))? as i64;
        }
    }
    let open: Vec<usize> = (0..shape.len()).filter(|&i| shape[i] == -1).collect();
    let total = size(&from) as i64;
    if let [i] = open[..] {
        let rest: i64 = shape.iter().filter(|&&n| n != -1).try_fold(1i64, |t, &n| t.checked_mul(n)).unwrap_or(0);
        if rest <= 0 || total % rest != 0 {
            return Err(n.misfit(format!("{from:?} does not reshape to {wanted:?}")));
        }
        shape[i] = total / rest;
    }
    let shape = n.extents(&shape)?;
    if size(&shape) != size(&from) {
        return Err(n.misfit(format!("{from:?} does not reshape to {wanted:?}")));
    }
    let y = x.reshape(n.p(), &shape);
    n.set(0, y)
}

/// Flatten to two axes.
pub(super) fn flatten(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axis = n.int_attr("axis")?.unwrap_or(1);
    let axis = if axis == from.len() as i64 { from.len() } else { n.axis(axis, from.len())? };
    let y = x.reshape(n.p(), &[size(&from[..axis]), size(&from[axis..])]);
    n.set(0, y)
}

/// Transpose by a permutation, reversed by default.
pub(super) fn transpose(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let rank = n.shape(0)?.len();
    let perm = match n.ints_attr("perm")? {
        Some(perm) => n.axes(&perm, rank)?,
        None => (0..rank).rev().collect(),
    };
    if perm.len() != rank {
        return Err(n.misfit(format!("permutation {perm:?} of {rank} axes")));
    }
    let y = x.permute(n.p(), &perm);
    n.set(0, y)
}

/// Removes axes of extent 1.
pub(super) fn squeeze(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axes = match n.ints_attr_or_input("axes", 1)? {
        Some(axes) => n.axes(&axes, from.len())?,
        None => (0..from.len()).filter(|&a| from[a] == 1).collect(),
    };
    if let Some(&a) = axes.iter().find(|&&a| from[a] != 1) {
        return Err(n.misfit(format!("axis {a} of {from:?} has not extent 1")));
    }
    let shape: Vec<usize> = (0..from.len()).filter(|a| !axes.contains(a)).map(|a| from[a]).collect();
    let y = x.reshape(n.p(), &shape);
    n.set(0, y)
}

/// Inserts axes of extent 1.
pub(super) fn unsqueeze(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axes = n.ints_attr_or_input("axes", 1)?.unwrap_or_default();
    let rank = from.len() + axes.len();
    let axes = n.axes(&axes, rank)?;
    let mut rest = from.into_iter();
    let shape: Vec<usize> = (0..rank).map(|a| if axes.contains(&a) { 1 } else { rest.next().unwrap_or(1) }).collect();
    n.check(&shape)?;
    let y = x.reshape(n.p(), &shape);
    n.set(0, y)
}

/// Joins values along an axis.
pub(super) fn concat(n: &mut Node<'_, '_>) -> Result<()> {
    let count = n.input_count();
    let values: Vec<Value> = (0..count).map(|i| n.value(i)).collect::<Result<_>>()?;
    let shapes: Vec<Vec<usize>> = (0..count).map(|i| n.shape(i)).collect::<Result<_>>()?;
    let Some(first) = shapes.first() else { return Err(n.misfit("nothing to join")) };
    let axis = n.int_attr("axis")?.ok_or_else(|| n.misfit("no axis"))?;
    let axis = n.axis(axis, first.len())?;
    for s in &shapes {
        let fits = s.len() == first.len() && s.iter().zip(first).enumerate().all(|(a, (x, y))| a == axis || x == y);
        if !fits {
            return Err(n.misfit(format!("{s:?} cannot be joined to {first:?} along axis {axis}")));
        }
    }
    let mut shape = first.clone();
    shape[axis] = shapes.iter().map(|s| s[axis]).sum();
    n.check(&shape)?;
    let inner = size(&first[axis + 1..]);
    let outer = size(&first[..axis]);
    let all_int = values.iter().all(|v| matches!(v, Value::Int(_)));
    if all_int {
        let mut data = Vec::with_capacity(size(&shape));
        for o in 0..outer {
            for (v, s) in values.iter().zip(&shapes) {
                if let Value::Int(i) = v {
                    let run = s[axis] * inner;
                    data.extend_from_slice(&i.data[o * run..(o + 1) * run]);
                }
            }
        }
        return n.set(0, Value::int(shape, data));
    }
    let masks = values.iter().all(|v| matches!(v, Value::Mask(_)));
    let row = shape[axis] * inner;
    let mut before = 0;
    let mut sum: Option<crate::graph::NodeId> = None;
    for (v, s) in values.iter().zip(&shapes) {
        let run = s[axis] * inner;
        let part = n.as_float(v)?;
        if run == 0 {
            continue;
        }
        let mut from = vec![NOWHERE; size(&shape)];
        for o in 0..outer {
            for i in 0..run {
                from[o * row + before + i] = (o * run + i) as u32;
            }
        }
        before += run;
        let part = Value::Float(part).take(n.p(), from, &shape);
        let Some(Value::Float(part)) = part else { return Err(n.misfit("a part is too large")) };
        sum = Some(match sum {
            Some(sum) => n.p().add(sum, part),
            None => part,
        });
    }
    let Some(y) = sum else { return Err(n.misfit("nothing to join")) };
    n.set(0, if masks { Value::Mask(y) } else { Value::Float(y) })
}

/// Splits a value along an axis.
pub(super) fn split(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axis = n.axis(n.int_attr("axis")?.unwrap_or(0), from.len())?;
    let parts = n.output_count();
    let declared = n.int_attr("num_outputs")?;
    let lengths = match n.ints_attr_or_input("split", 1)? {
        Some(lengths) => n.extents(&lengths)?,
        None => {
            let parts = declared.map_or(parts, |d| d.max(1) as usize);
            let each = from[axis].div_ceil(parts);
            (0..parts).map(|i| each.min(from[axis].saturating_sub(i * each))).collect()
        }
    };
    if lengths.iter().sum::<usize>() != from[axis] || lengths.len() < parts {
        return Err(n.misfit(format!("axis {axis} of {from:?} does not split into {lengths:?}")));
    }
    let mut start = 0;
    for (i, &len) in lengths.iter().enumerate().take(parts) {
        let picks: Vec<usize> = (start..start + len).collect();
        let part = pick(n, &x, axis, &picks)?;
        n.set(i, part)?;
        start += len;
    }
    Ok(())
}

/// The value restricted to some positions of an axis.
pub(super) fn pick(n: &mut Node<'_, '_>, x: &Value, axis: usize, picks: &[usize]) -> Result<Value> {
    let from = x.shape(n.p()).to_vec();
    let mut shape = from.clone();
    shape[axis] = picks.len();
    n.check(&shape)?;
    let (outer, inner) = (size(&from[..axis]), size(&from[axis + 1..]));
    let mut map = Vec::with_capacity(size(&shape));
    for o in 0..outer {
        for &i in picks {
            let start = (o * from[axis] + i) * inner;
            map.extend((start..start + inner).map(|at| at as u32));
        }
    }
    x.take(n.p(), map, &shape).ok_or_else(|| n.misfit("positions out of range"))
}

/// Slice with starts, ends, axes and steps as inputs.
pub(super) fn slice(n: &mut Node<'_, '_>) -> Result<()> {
    let mut x = n.value(0)?;
    let from = n.shape(0)?;
    let starts = n.ints(1)?.data;
    let ends = n.ints(2)?.data;
    let axes = if n.has(3) { n.ints(3)?.data } else { (0..starts.len() as i64).collect() };
    let axes = n.axes(&axes, from.len())?;
    let steps = if n.has(4) { n.ints(4)?.data } else { vec![1; starts.len()] };
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(n.misfit("starts, ends, axes and steps differ in length"));
    }
    for (i, &axis) in axes.iter().enumerate() {
        let len = from[axis] as i64;
        let step = steps[i];
        if step == 0 {
            return Err(n.misfit("a step of 0"));
        }
        let at = |x: i64| if x < 0 { x.saturating_add(len) } else { x };
        let mut picks = Vec::new();
        if step > 0 {
            let (mut k, end) = (at(starts[i]).clamp(0, len), at(ends[i]).clamp(0, len));
            while k < end {
                picks.push(k as usize);
                k = k.saturating_add(step);
            }
        } else {
            let (mut k, end) = (at(starts[i]).clamp(-1, len - 1), at(ends[i]).clamp(-1, len - 1));
            while k > end {
                picks.push(k as usize);
                k = k.saturating_add(step);
            }
        }
        if picks.len() as i64 != len || step < 0 {
            x = pick(n, &x, axis, &picks)?;
        }
    }
    n.set(0, x)
}

/// Gather along an axis by known indices.
pub(super) fn gather(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axis = n.axis(n.int_attr("axis")?.unwrap_or(0), from.len())?;
    let indices = n.ints(1)?;
    let len = from[axis] as i64;
    let mut picks = Vec::with_capacity(indices.data.len());
    for &i in &indices.data {
        let at = if i < 0 { i + len } else { i };
        if at < 0 || at >= len {
            return Err(n.misfit(format!("index {i} of an axis of extent {len}")));
        }
        picks.push(at as usize);
    }
    let y = pick(n, &x, axis, &picks)?;
    let mut shape = from[..axis].to_vec();
    shape.extend_from_slice(&indices.shape);
    shape.extend_from_slice(&from[axis + 1..]);
    n.check(&shape)?;
    let y = y.reshape(n.p(), &shape);
    n.set(0, y)
}

/// GatherElements by known indices.
pub(super) fn gather_elements(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let axis = n.axis(n.int_attr("axis")?.unwrap_or(0), from.len())?;
    let Ints { shape, data } = n.ints(1)?;
    let fits = shape.len() == from.len() && (0..from.len()).all(|a| a == axis || shape[a] <= from[a]);
    if !fits {
        return Err(n.misfit(format!("indices of extents {shape:?} into {from:?}")));
    }
    let mut strides = row_major(&from);
    let along = std::mem::take(&mut strides[axis]);
    let len = from[axis] as i64;
    let mut map = Vec::with_capacity(data.len());
    for (base, &i) in positions(&shape, &strides).zip(&data) {
        let at = if i < 0 { i + len } else { i };
        if at < 0 || at >= len {
            return Err(n.misfit(format!("index {i} of an axis of extent {len}")));
        }
        map.push((base + at as usize * along) as u32);
    }
    let y = x.take(n.p(), map, &shape).ok_or_else(|| n.misfit("indices out of range"))?;
    n.set(0, y)
}

/// Broadcast to given extents.
pub(super) fn expand(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let wanted = n.extents(&n.ints(1)?.data)?;
    let Some(shape) = super::value::broadcast_shapes(&from, &wanted) else {
        return Err(n.misfit(format!("{from:?} does not expand to {wanted:?}")));
    };
    n.check(&shape)?;
    let y = x.expand(n.p(), &shape);
    n.set(0, y)
}

/// Repeats a value along every axis.
pub(super) fn tile(n: &mut Node<'_, '_>) -> Result<()> {
    let mut x = n.value(0)?;
    let from = n.shape(0)?;
    let repeats = n.extents(&n.ints(1)?.data)?;
    if repeats.len() != from.len() {
        return Err(n.misfit(format!("{} repeats for {} axes", repeats.len(), from.len())));
    }
    let grown: Vec<usize> = from.iter().zip(&repeats).map(|(a, b)| a.saturating_mul(*b)).collect();
    n.check(&grown)?;
    for (axis, &r) in repeats.iter().enumerate() {
        if r != 1 {
            let picks: Vec<usize> = (0..r).flat_map(|_| 0..from[axis]).collect();
            x = pick(n, &x, axis, &picks)?;
        }
    }
    n.set(0, x)
}

/// Pads with a constant, the edge, a reflection, or periodically.
pub(super) fn pad(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let from = n.shape(0)?;
    let mode = n.string_attr("mode")?.unwrap_or("constant");
    let pads = n.ints(1)?.data;
    let axes = if n.has(3) { n.axes(&n.ints(3)?.data, from.len())? } else { (0..from.len()).collect() };
    if pads.len() != 2 * axes.len() {
        return Err(n.misfit(format!("{} pads for {} axes", pads.len(), axes.len())));
    }
    let fill = if mode == "constant" && n.has(2) {
        let node = n.float(2)?;
        match n.known(node).as_deref() {
            Some([x]) => *x,
            _ => return Err(n.refuse("pads with a value that is not a constant scalar", "")),
        }
    } else {
        0.0
    };
    // for each axis the source position of every target position, or none
    let mut sources: Vec<Vec<Option<usize>>> = from.iter().map(|&len| (0..len).map(Some).collect()).collect();
    for (i, &axis) in axes.iter().enumerate() {
        let (before, after) = (pads[i], pads[i + axes.len()]);
        let len = from[axis] as i64;
        let end = len.checked_add(after).ok_or_else(|| n.misfit("a pad that is too large"))?;
        let target = before.saturating_add(end).max(0);
        n.extents(&[target])?;
        let at = |k: i64| -> Option<i64> {
            if (0..len).contains(&k) {
                return Some(k);
            }
            match mode {
                "edge" => Some(k.clamp(0, len - 1)),
                "reflect" if len > 1 => {
                    let m = k.rem_euclid(2 * (len - 1));
                    Some(if m < len { m } else { 2 * (len - 1) - m })
                }
                "reflect" => Some(0),
                "wrap" => Some(k.rem_euclid(len)),
                _ => None,
            }
        };
        if !matches!(mode, "constant" | "edge" | "reflect" | "wrap") || len == 0 {
            return Err(n.refuse(format!("pads in mode `{mode}`"), ""));
        }
        sources[axis] = (-before..end).map(|k| at(k).map(|k| k as usize)).collect();
    }
    let shape: Vec<usize> = sources.iter().map(Vec::len).collect();
    n.check(&shape)?;
    let strides = row_major(&from);
    let mut map = vec![0u32; size(&shape)];
    let steps = row_major(&shape);
    for (o, slot) in map.iter_mut().enumerate() {
        let mut at = 0usize;
        let mut inside = true;
        for axis in 0..shape.len() {
            match sources[axis][(o / steps[axis]) % shape[axis]] {
                Some(k) => at += k * strides[axis],
                None => inside = false,
            }
        }
        *slot = if inside { at as u32 } else { NOWHERE };
    }
    let outside: Vec<f64> = map.iter().map(|&m| if m == NOWHERE { fill } else { 0.0 }).collect();
    let y = x.take(n.p(), map, &shape).ok_or_else(|| n.misfit("pads out of range"))?;
    let y = match y {
        Value::Float(y) if fill != 0.0 => {
            let frame = n.p().constant(outside, &shape);
            Value::Float(n.p().add(y, frame))
        }
        _ if fill != 0.0 => return Err(n.refuse("pads integers with a value other than 0", "")),
        y => y,
    };
    n.set(0, y)
}

/// start, start + step, … below the limit, on known numbers.
pub(super) fn range(n: &mut Node<'_, '_>) -> Result<()> {
    let all_int = (0..3).all(|i| matches!(n.value(i), Ok(Value::Int(_))));
    if all_int {
        let (start, limit, step) = (n.ints(0)?, n.ints(1)?, n.ints(2)?);
        let (Some(&start), Some(&limit), Some(&step)) = (start.data.first(), limit.data.first(), step.data.first())
        else {
            return Err(n.misfit("an empty limit"));
        };
        if step == 0 {
            return Err(n.misfit("a step of 0"));
        }
        let count = ((limit as i128 - start as i128) as f64 / step as f64).ceil().max(0.0);
        let count = n.extents(&[if count < 9e15 { count as i64 } else { i64::MAX }])?[0];
        let data = (0..count as i64).map(|i| start + i * step).collect();
        return n.set(0, Value::int(vec![count], data));
    }
    let mut known = [0.0; 3];
    for (i, slot) in known.iter_mut().enumerate() {
        let node = n.float(i)?;
        match n.known(node).as_deref() {
            Some([x]) => *slot = *x,
            _ => return Err(n.refuse("has a limit that depends on parameters (a dynamic shape)", "")),
        }
    }
    let [start, limit, step] = known;
    let count = ((limit - start) / step).ceil().max(0.0);
    let count = n.extents(&[if count < 9e15 { count as i64 } else { i64::MAX }])?[0];
    let data = (0..count).map(|i| start + i as f64 * step).collect();
    let y = n.p().constant(data, &[count]);
    n.set_float(y)
}

/// A constant of given extents.
pub(super) fn constant_of_shape(n: &mut Node<'_, '_>) -> Result<()> {
    let shape = n.extents(&n.ints(0)?.data)?;
    let value = match n.tensor_attr("value")? {
        None => {
            let zero = n.p().fill(0.0, &shape);
            Value::Float(zero)
        }
        Some(array) => match &array.values {
            Values::Float(x) if x.len() == 1 => Value::Float(n.p().fill(x[0], &shape)),
            Values::Int(x) if x.len() == 1 => Value::int(shape.clone(), vec![x[0]; size(&shape)]),
            Values::Bool(x) if x.len() == 1 => Value::Mask(n.p().fill(f64::from(x[0]), &shape)),
            _ => return Err(n.misfit("a fill value that is not one number")),
        },
    };
    n.set(0, value)
}

/// The lower or upper triangle of the last two axes.
pub(super) fn trilu(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let shape = n.shape(0)?;
    let upper = n.int_attr("upper")?.unwrap_or(1) != 0;
    let k = if n.has(1) { n.ints(1)?.data.first().copied().unwrap_or(0) } else { 0 };
    if shape.len() < 2 {
        return Err(n.misfit("fewer than two axes"));
    }
    let (rows, cols) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let map = (0..size(&shape))
        .map(|o| {
            let (r, c) = (((o / cols) % rows) as i64, (o % cols) as i64);
            let keep = if upper { c - r >= k } else { c - r <= k };
            if keep { o as u32 } else { NOWHERE }
        })
        .collect();
    let y = x.take(n.p(), map, &shape).ok_or_else(|| n.misfit("too large"))?;
    n.set(0, y)
}

/// Rows of the identity picked by known indices.
pub(super) fn one_hot(n: &mut Node<'_, '_>) -> Result<()> {
    let Ints { mut shape, data } = n.ints(0)?;
    let depth = n.ints(1)?.data.first().copied().unwrap_or(0);
    let axis = n.int_attr("axis")?.unwrap_or(-1);
    if axis != -1 && axis != shape.len() as i64 {
        return Err(n.refuse("has an axis other than the last", ""));
    }
    let values = n.value(2)?;
    let values = n.as_float(&values)?;
    let Some([off, on]) = n.known(values).and_then(|v| <[f64; 2]>::try_from(v).ok()) else {
        return Err(n.refuse("has values that are not two constants", ""));
    };
    shape.push(n.extents(&[depth])?[0]);
    n.check(&shape)?;
    let mut y = vec![off; size(&shape)];
    for (row, &i) in y.chunks_exact_mut((depth as usize).max(1)).zip(&data) {
        let at = if i < 0 { i + depth } else { i };
        if let Some(slot) = usize::try_from(at).ok().and_then(|at| row.get_mut(at)) {
            *slot = on;
        }
    }
    let y = n.p().constant(y, &shape);
    n.set_float(y)
}

/// Running sums of known integers.
pub(super) fn cum_sum(n: &mut Node<'_, '_>) -> Result<()> {
    let (exclusive, reverse) = (n.int_attr("exclusive")?.unwrap_or(0) != 0, n.int_attr("reverse")?.unwrap_or(0) != 0);
    let axis = n.ints(1)?.data.first().copied().unwrap_or(0);
    let shape = n.shape(0)?;
    let axis = n.axis(axis, shape.len())?;
    let Value::Int(x) = n.value(0)? else {
        // a product with a triangle of ones
        return running_sum(n, axis, &shape, exclusive, reverse);
    };
    let (len, inner) = (shape[axis], size(&shape[axis + 1..]));
    let mut data = x.data.clone();
    for o in 0..size(&shape[..axis]) {
        for i in 0..inner {
            let mut total = 0i64;
            for step in 0..len {
                let k = if reverse { len - 1 - step } else { step };
                let at = (o * len + k) * inner + i;
                let own = x.data[at];
                data[at] = if exclusive { total } else { total.wrapping_add(own) };
                total = total.wrapping_add(own);
            }
        }
    }
    n.set(0, Value::int(shape, data))
}

fn running_sum(n: &mut Node<'_, '_>, axis: usize, shape: &[usize], exclusive: bool, reverse: bool) -> Result<()> {
    let x = n.float(0)?;
    let (len, rank) = (shape[axis], shape.len());
    n.check(&[len, len])?;
    let ones = (0..len * len)
        .map(|at| {
            let (from, to) = (at / len, at % len);
            let (from, to) = if reverse { (to, from) } else { (from, to) };
            f64::from(from < to || (from == to && !exclusive))
        })
        .collect();
    let mut perm: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
    perm.push(axis);
    let mut back = vec![0; rank];
    for (i, &a) in perm.iter().enumerate() {
        back[a] = i;
    }
    let p = n.p();
    let triangle = p.constant(ones, &[1, len, len]);
    let moved = p.permute(x, &perm);
    let moved_shape = p.shape(moved).to_vec();
    let rows = size(&moved_shape[..rank - 1]);
    let flat = p.reshape(moved, &[1, rows, len]);
    let y = p.matmul(flat, false, triangle, false);
    let y = p.reshape(y, &moved_shape);
    let y = p.permute(y, &back);
    n.set_float(y)
}
