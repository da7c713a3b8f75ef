//! Reductions and the softmax family.

use super::context::Node;
use super::value::Value;
use crate::error::Result;
use crate::graph::{Func, NodeId};
use crate::tensor::strides::size;

/// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd and their relatives.
pub(super) fn reduce(n: &mut Node<'_, '_>) -> Result<()> {
    let op = n.op();
    let from = n.shape(0)?;
    let keep = n.int_attr("keepdims")?.unwrap_or(1) != 0;
    let nothing = n.int_attr("noop_with_empty_axes")?.unwrap_or(0) != 0;
    let axes = n.ints_attr_or_input("axes", 1)?.unwrap_or_default();
    let mut axes = n.axes(&axes, from.len())?;
    if axes.is_empty() {
        if nothing {
            let x = n.value(0)?;
            return n.set(0, x);
        }
        axes = (0..from.len()).collect();
    }
    let mut kept = from.clone();
    for &a in &axes {
        kept[a] = 1;
    }
    let shape: Vec<usize> =
        if keep { kept.clone() } else { (0..from.len()).filter(|a| !axes.contains(a)).map(|a| from[a]).collect() };
    if let Value::Int(x) = n.value(0)? {
        return integers(n, op, &x.data, &from, &kept, shape);
    }
    let x = n.float(0)?;
    let count: usize = axes.iter().map(|&a| from[a]).product();
    let p = n.p();
    let y = match op {
        "ReduceSum" => p.sum_to(x, &kept),
        "ReduceMean" => {
            let s = p.sum_to(x, &kept);
            p.scale(1.0 / count as f64, s)
        }
        "ReduceSumSquare" | "ReduceL2" => {
            let square = p.mul(x, x);
            let s = p.sum_to(square, &kept);
            if op == "ReduceL2" { p.map_func(Func::Sqrt, s) } else { s }
        }
        "ReduceL1" => {
            let a = p.map_func(Func::Abs, x);
            p.sum_to(a, &kept)
        }
        "ReduceLogSumExp" | "ReduceMax" | "ReduceMin" => {
            let (rows, back) = last(n, x, &axes);
            let p = n.p();
            let y = match op {
                "ReduceLogSumExp" => p.log_sum_exp(rows),
                "ReduceMax" => row_max(p, rows),
                _ => {
                    let minus = p.neg(rows);
                    let top = row_max(p, minus);
                    p.neg(top)
                }
            };
            p.reshape(y, &back)
        }
        other => return Err(n.refuse(format!("{other} of floating-point values is not supported"), "")),
    };
    let y = n.p().reshape(y, &shape);
    n.set_float(y)
}

/// The reduced axes moved to the end and joined to one; and the extents of the result, the reduced axes kept.
fn last(n: &mut Node<'_, '_>, x: NodeId, axes: &[usize]) -> (NodeId, Vec<usize>) {
    let from = n.p().shape(x).to_vec();
    let mut perm: Vec<usize> = (0..from.len()).filter(|a| !axes.contains(a)).collect();
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    perm.extend(&sorted);
    let moved = n.p().permute(x, &perm);
    let cols = size(&axes.iter().map(|&a| from[a]).collect::<Vec<_>>());
    let mut shape: Vec<usize> = perm.iter().take(from.len() - axes.len()).map(|&a| from[a]).collect();
    shape.push(cols);
    let rows = n.p().reshape(moved, &shape);
    let kept = (0..from.len()).map(|a| if axes.contains(&a) { 1 } else { from[a] }).collect();
    (rows, kept)
}

/// The first maximum of each row, kept with extent 1; the rest of the row has no derivative.
pub(super) fn row_max(p: &mut crate::graph::Program, rows: NodeId) -> NodeId {
    let mask = p.argmax_mask(rows);
    // selected, not multiplied: 0·(−∞) is not a number
    let zero = p.fill(0.0, &vec![1; p.shape(rows).len()]);
    let top = p.select(mask, rows, zero);
    let axis = p.shape(rows).len() - 1;
    p.sum_axis(top, axis)
}

fn integers(
    n: &mut Node<'_, '_>,
    op: &str,
    x: &[i64],
    from: &[usize],
    kept: &[usize],
    shape: Vec<usize>,
) -> Result<()> {
    let strides = crate::tensor::strides::broadcast(kept, from);
    let mut out: Vec<Option<i64>> = vec![None; size(kept)];
    for (at, &v) in super::value::positions(from, &strides).zip(x) {
        let next = match (op, out[at]) {
            (_, None) => Some(v),
            ("ReduceSum", Some(t)) => t.checked_add(v),
            ("ReduceProd", Some(t)) => t.checked_mul(v),
            ("ReduceMax", Some(t)) => Some(t.max(v)),
            ("ReduceMin", Some(t)) => Some(t.min(v)),
            _ => return Err(n.refuse(format!("{op} of integers is not supported"), "")),
        };
        let Some(next) = next else { return Err(n.misfit("integer overflow")) };
        out[at] = Some(next);
    }
    let empty = i64::from(op == "ReduceProd");
    n.set(0, Value::int(shape, out.into_iter().map(|v| v.unwrap_or(empty)).collect()))
}

/// Softmax and LogSoftmax along one axis.
pub(super) fn softmax(n: &mut Node<'_, '_>) -> Result<()> {
    let log = n.op() == "LogSoftmax";
    let x = n.float(0)?;
    let rank = n.p().shape(x).len();
    let axis = n.axis(n.int_attr("axis")?.unwrap_or(-1), rank)?;
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(axis, rank - 1);
    let p = n.p();
    let moved = p.permute(x, &perm);
    let y = if log {
        let lse = p.log_sum_exp(moved);
        p.sub(moved, lse)
    } else {
        p.softmax(moved)
    };
    let y = p.permute(y, &perm);
    n.set_float(y)
}
