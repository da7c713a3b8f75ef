//! Normalisations, as compositions.

use super::context::Node;
use crate::error::Result;
use crate::graph::{NodeId, Program};
use crate::tensor::strides::size;

/// (x − mean)/√(variance + ε) over the axes whose extent is 1 in `kept`; the variance is the biased one.
fn standardise(p: &mut Program, x: NodeId, kept: &[usize], epsilon: f64) -> NodeId {
    let count = p.size(x) / size(kept).max(1);
    let sum = p.sum_to(x, kept);
    let mean = p.scale(1.0 / count as f64, sum);
    let centred = p.sub(x, mean);
    let square = p.mul(centred, centred);
    let sum = p.sum_to(square, kept);
    let variance = p.scale(1.0 / count as f64, sum);
    let shifted = p.shift(variance, epsilon);
    let inverse = p.pow(shifted, -0.5);
    p.mul(centred, inverse)
}

/// LayerNormalization over the axes from `axis` on.
pub(super) fn layer(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.float(0)?;
    let shape = n.p().shape(x).to_vec();
    let axis = n.axis(n.int_attr("axis")?.unwrap_or(-1), shape.len())?;
    let epsilon = n.float_attr("epsilon")?.unwrap_or(f64::from(1e-5f32));
    // the precision of the statistics in mixed-precision models; here there is one precision
    let _ = n.int_attr("stash_type")?;
    n.only_first_output()?;
    let mut kept = shape.clone();
    kept[axis..].fill(1);
    let mut y = standardise(n.p(), x, &kept, epsilon);
    let scale = n.float(1)?;
    let (a, b) = n.aligned(y, scale)?;
    y = n.p().mul(a, b);
    if n.has(2) {
        let bias = n.float(2)?;
        let (a, b) = n.aligned(y, bias)?;
        y = n.p().add(a, b);
    }
    if n.p().shape(y) != shape {
        return Err(n.misfit("scale or bias are larger than the input"));
    }
    n.set_float(y)
}

/// A vector per channel in the extents of [batch, channels, …].
fn per_channel(n: &mut Node<'_, '_>, input: usize, channels: usize, rank: usize) -> Result<NodeId> {
    let v = n.float(input)?;
    if n.p().shape(v) != [channels] {
        return Err(n.misfit(format!("input {input} must hold one number for each of {channels} channels")));
    }
    let mut shape = vec![1; rank];
    shape[1] = channels;
    Ok(n.p().reshape(v, &shape))
}

/// BatchNormalization in its inference form.
pub(super) fn batch(n: &mut Node<'_, '_>) -> Result<()> {
    if n.int_attr("training_mode")?.unwrap_or(0) != 0 {
        return Err(n.refuse(
            "is in training mode: batch statistics couple the samples",
            "call model.eval() before the export",
        ));
    }
    let _ = n.float_attr("momentum")?;
    let epsilon = n.float_attr("epsilon")?.unwrap_or(f64::from(1e-5f32));
    n.only_first_output()?;
    let x = n.float(0)?;
    let shape = n.p().shape(x).to_vec();
    if shape.len() < 2 {
        return Err(n.misfit("fewer than two axes"));
    }
    let (channels, rank) = (shape[1], shape.len());
    let scale = per_channel(n, 1, channels, rank)?;
    let bias = per_channel(n, 2, channels, rank)?;
    let mean = per_channel(n, 3, channels, rank)?;
    let variance = per_channel(n, 4, channels, rank)?;
    let p = n.p();
    let shifted = p.shift(variance, epsilon);
    let inverse = p.pow(shifted, -0.5);
    let gain = p.mul(scale, inverse);
    let centred = p.sub(x, mean);
    let scaled = p.mul(centred, gain);
    let y = p.add(scaled, bias);
    n.set_float(y)
}

/// InstanceNormalization and GroupNormalization.
pub(super) fn group(n: &mut Node<'_, '_>) -> Result<()> {
    let epsilon = n.float_attr("epsilon")?.unwrap_or(f64::from(1e-5f32));
    let _ = n.int_attr("stash_type")?;
    let x = n.float(0)?;
    let shape = n.p().shape(x).to_vec();
    if shape.len() < 3 {
        return Err(n.misfit("fewer than three axes"));
    }
    let channels = shape[1];
    let groups = if n.op() == "GroupNormalization" {
        let groups = n.int_attr("num_groups")?.unwrap_or(0);
        usize::try_from(groups).ok().filter(|&g| g > 0 && channels.is_multiple_of(g))
    } else {
        Some(channels)
    };
    let Some(groups) = groups else { return Err(n.misfit(format!("{channels} channels do not divide into groups"))) };
    let rest = size(&shape[2..]) * (channels / groups);
    let grouped = n.p().reshape(x, &[shape[0], groups, rest]);
    let y = standardise(n.p(), grouped, &[shape[0], groups, 1], epsilon);
    // before opset 21 the scale of a group is shared by its channels
    let given = n.shape(1)?;
    let y = if given == [groups] && groups != channels {
        let scale = per_channel(n, 1, groups, 3)?;
        let bias = per_channel(n, 2, groups, 3)?;
        let scaled = n.p().mul(y, scale);
        let y = n.p().add(scaled, bias);
        n.p().reshape(y, &shape)
    } else {
        let scale = per_channel(n, 1, channels, shape.len())?;
        let bias = per_channel(n, 2, channels, shape.len())?;
        let y = n.p().reshape(y, &shape);
        let scaled = n.p().mul(y, scale);
        n.p().add(scaled, bias)
    };
    n.set_float(y)
}
