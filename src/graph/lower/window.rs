//! Convolution and pooling in any number of spatial axes: windows gathered by an index map, then products or sums.

use super::context::Node;
use super::reduce::row_max;
use crate::error::Result;
use crate::graph::NodeId;
use crate::tensor::index::{IndexMap, NOWHERE};
use crate::tensor::strides::{row_major, size};

/// The sliding windows of a node.
struct Windows {
    /// Spatial extents of the input, the kernel and the output.
    input: Vec<usize>,
    kernel: Vec<usize>,
    output: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Padding before and after each axis.
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Windows {
    fn read(n: &mut Node<'_, '_>, input: &[usize], kernel: &[usize]) -> Result<Self> {
        let rank = input.len();
        let positive = |name: &'static str, n: &Node<'_, '_>| -> Result<Vec<usize>> {
            let given = n.ints_attr(name)?.unwrap_or_else(|| vec![1; rank]);
            let given = n.extents(&given)?;
            if given.len() != rank || given.contains(&0) {
                return Err(n.misfit(format!("{name} {given:?} for {rank} spatial axes")));
            }
            Ok(given)
        };
        let strides = positive("strides", n)?;
        let dilations = positive("dilations", n)?;
        let pads = match n.ints_attr("pads")? {
            Some(pads) => n.extents(&pads)?,
            None => vec![0; 2 * rank],
        };
        if pads.len() != 2 * rank || kernel.len() != rank || kernel.contains(&0) {
            return Err(n.misfit(format!("pads {pads:?}, kernel {kernel:?} for {rank} spatial axes")));
        }
        let ceil = n.int_attr("ceil_mode")?.unwrap_or(0) != 0;
        let auto = n.string_attr("auto_pad")?.unwrap_or("NOTSET");
        let (mut before, mut after) = (pads[..rank].to_vec(), pads[rank..].to_vec());
        let mut output = Vec::with_capacity(rank);
        for a in 0..rank {
            let reach = dilations[a].saturating_mul(kernel[a] - 1).saturating_add(1);
            if matches!(auto, "SAME_UPPER" | "SAME_LOWER") {
                let out = input[a].div_ceil(strides[a]);
                let total = ((out.max(1) - 1) * strides[a] + reach).saturating_sub(input[a]);
                let (small, large) = (total / 2, total - total / 2);
                (before[a], after[a]) = if auto == "SAME_UPPER" { (small, large) } else { (large, small) };
                output.push(out);
                continue;
            }
            if auto == "VALID" {
                (before[a], after[a]) = (0, 0);
            } else if auto != "NOTSET" {
                return Err(n.refuse(format!("has auto_pad `{auto}`"), ""));
            }
            let padded = input[a].saturating_add(before[a]).saturating_add(after[a]);
            let Some(room) = padded.checked_sub(reach) else {
                return Err(n.misfit(format!("a kernel that reaches over {reach} of {padded} padded positions")));
            };
            let mut out = if ceil { room.div_ceil(strides[a]) } else { room / strides[a] } + 1;
            // a last window that would start in the padding behind the input is dropped
            if ceil && (out - 1) * strides[a] >= input[a] + before[a] {
                out -= 1;
            }
            output.push(out);
        }
        Ok(Windows { input: input.to_vec(), kernel: kernel.to_vec(), output, strides, dilations, before, after })
    }

    /// For each output position and kernel element the offset in the input plane, or none in the padding; and whether
    /// the element lies in the declared padding.
    fn offsets(&self) -> Vec<(Option<usize>, bool)> {
        let plane = row_major(&self.input);
        let (out, ker) = (row_major(&self.output), row_major(&self.kernel));
        let (positions, elements) = (size(&self.output), size(&self.kernel));
        let mut offsets = Vec::with_capacity(positions * elements);
        for o in 0..positions {
            for k in 0..elements {
                let (mut at, mut inside, mut padded) = (0, true, true);
                for a in 0..self.input.len() {
                    let place = (o / out[a]) % self.output[a] * self.strides[a]
                        + (k / ker[a]) % self.kernel[a] * self.dilations[a];
                    match place.checked_sub(self.before[a]).filter(|&p| p < self.input[a]) {
                        Some(p) => at += p * plane[a],
                        None => inside = false,
                    }
                    padded &= place < self.before[a] + self.input[a] + self.after[a];
                }
                offsets.push((inside.then_some(at), padded));
            }
        }
        offsets
    }
}

/// Convolution with groups, strides, pads and dilations.
pub(super) fn conv(n: &mut Node<'_, '_>) -> Result<()> {
    let (x, w) = (n.float(0)?, n.float(1)?);
    let (sx, sw) = (n.p().shape(x).to_vec(), n.p().shape(w).to_vec());
    if sx.len() < 3 || sw.len() != sx.len() {
        return Err(n.misfit(format!("input {sx:?} and weight {sw:?}")));
    }
    let group = n.int_attr("group")?.unwrap_or(1);
    let (batch, channels, filters) = (sx[0], sx[1], sw[0]);
    let groups = usize::try_from(group).ok().filter(|&g| g > 0 && channels == sw[1] * g && filters.is_multiple_of(g));
    let Some(groups) = groups else {
        return Err(n.misfit(format!("input {sx:?} and weight {sw:?} in {group} groups")));
    };
    if let Some(kernel) = n.ints_attr("kernel_shape")?
        && n.extents(&kernel)? != sw[2..]
    {
        return Err(n.misfit(format!("kernel_shape {kernel:?} and weight {sw:?}")));
    }
    let windows = Windows::read(n, &sx[2..], &sw[2..])?;
    let (positions, elements, plane) = (size(&windows.output), size(&windows.kernel), size(&sx[2..]));
    let each = sw[1];
    n.check(&[groups, batch, positions, each, elements])?;
    // [group][sample][position][channel][kernel element]
    let offsets = windows.offsets();
    let mut from = Vec::with_capacity(channels * batch * positions * elements);
    for g in 0..groups {
        for b in 0..batch {
            for o in 0..positions {
                for c in 0..each {
                    let base = (b * channels + g * each + c) * plane;
                    let row = &offsets[o * elements..(o + 1) * elements];
                    from.extend(row.iter().map(|(at, _)| at.map_or(NOWHERE, |at| (base + at) as u32)));
                }
            }
        }
    }
    let columns = gather(n, x, from, &[groups, batch * positions, each * elements])?;
    let p = n.p();
    let w = p.reshape(w, &[groups, filters / groups, each * elements]);
    let y = p.matmul(columns, false, w, true);
    let y = p.reshape(y, &[groups, batch, positions, filters / groups]);
    let y = p.permute(y, &[1, 0, 3, 2]);
    let mut shape = vec![batch, filters];
    shape.extend(&windows.output);
    let mut y = p.reshape(y, &shape);
    if n.has(2) {
        let bias = n.float(2)?;
        if n.p().shape(bias) != [filters] {
            return Err(n.misfit(format!("a bias of other than {filters} elements")));
        }
        let mut extents = vec![1; shape.len()];
        extents[1] = filters;
        let bias = n.p().reshape(bias, &extents);
        y = n.p().add(y, bias);
    }
    n.set_float(y)
}

fn gather(n: &mut Node<'_, '_>, x: NodeId, from: Vec<u32>, shape: &[usize]) -> Result<NodeId> {
    let total = n.p().size(x);
    let Some(map) = IndexMap::new(total, from) else { return Err(n.misfit("windows that are too large")) };
    let map = n.p().index_map(map);
    Ok(n.p().gather(x, map, shape))
}

/// AveragePool and MaxPool.
pub(super) fn pool(n: &mut Node<'_, '_>) -> Result<()> {
    let max = n.op() == "MaxPool";
    let include = n.int_attr("count_include_pad")?.unwrap_or(0) != 0;
    // the layout of the indices, which are refused
    let _ = n.int_attr("storage_order")?;
    n.only_first_output()?;
    let x = n.float(0)?;
    let sx = n.p().shape(x).to_vec();
    let Some(kernel) = n.ints_attr("kernel_shape")? else { return Err(n.misfit("no kernel_shape")) };
    let kernel = n.extents(&kernel)?;
    if sx.len() < 3 {
        return Err(n.misfit(format!("input {sx:?}")));
    }
    let windows = Windows::read(n, &sx[2..], &kernel)?;
    let (positions, elements, plane) = (size(&windows.output), size(&kernel), size(&sx[2..]));
    let planes = sx[0] * sx[1];
    n.check(&[planes, positions, elements])?;
    let offsets = windows.offsets();
    let mut from = Vec::with_capacity(planes * positions * elements);
    for c in 0..planes {
        from.extend(offsets.iter().map(|(at, _)| at.map_or(NOWHERE, |at| (c * plane + at) as u32)));
    }
    let rows = gather(n, x, from, &[planes, positions, elements])?;
    let p = n.p();
    let y = if max {
        let inside: Vec<f64> = offsets.iter().map(|(at, _)| f64::from(at.is_some())).collect();
        let rows = if inside.contains(&0.0) {
            let inside = p.constant(inside, &[1, positions, elements]);
            let bottom = p.fill(f64::NEG_INFINITY, &[1, 1, 1]);
            p.select(inside, rows, bottom)
        } else {
            rows
        };
        row_max(p, rows)
    } else {
        let share: Vec<f64> = offsets
            .chunks_exact(elements)
            .map(|w| w.iter().filter(|(at, padded)| at.is_some() || (include && *padded)).count())
            .map(|count| 1.0 / count.max(1) as f64)
            .collect();
        let share = p.constant(share, &[1, positions, 1]);
        let sum = p.sum_axis(rows, 2);
        p.mul(sum, share)
    };
    let mut shape = sx[..2].to_vec();
    shape.extend(&windows.output);
    let y = p.reshape(y, &shape);
    n.set_float(y)
}

/// GlobalAveragePool and GlobalMaxPool.
pub(super) fn global(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.float(0)?;
    let shape = n.p().shape(x).to_vec();
    if shape.len() < 3 {
        return Err(n.misfit(format!("input {shape:?}")));
    }
    let plane = size(&shape[2..]);
    let mut kept = shape.clone();
    kept[2..].fill(1);
    let max = n.op() == "GlobalMaxPool";
    let p = n.p();
    let y = if max {
        let rows = p.reshape(x, &[shape[0], shape[1], plane]);
        let y = row_max(p, rows);
        p.reshape(y, &kept)
    } else {
        let sum = p.sum_to(x, &kept);
        p.scale(1.0 / plane as f64, sum)
    };
    n.set_float(y)
}
