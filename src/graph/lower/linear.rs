//! Gemm and MatMul.

use super::context::Node;
use super::value::broadcast_shapes;
use crate::error::Result;
use crate::graph::NodeId;
use crate::tensor::strides::size;

/// α·op(A)·op(B) + β·C.
pub(super) fn gemm(n: &mut Node<'_, '_>) -> Result<()> {
    let (a, b) = (n.float(0)?, n.float(1)?);
    let (ta, tb) = (n.int_attr("transA")?.unwrap_or(0) != 0, n.int_attr("transB")?.unwrap_or(0) != 0);
    let (alpha, beta) = (n.float_attr("alpha")?.unwrap_or(1.0), n.float_attr("beta")?.unwrap_or(1.0));
    let (sa, sb) = (n.p().shape(a).to_vec(), n.p().shape(b).to_vec());
    if sa.len() != 2 || sb.len() != 2 {
        return Err(n.misfit(format!("operands of extents {sa:?} and {sb:?}; two axes each are wanted")));
    }
    let (m, k) = if ta { (sa[1], sa[0]) } else { (sa[0], sa[1]) };
    let (k2, cols) = if tb { (sb[1], sb[0]) } else { (sb[0], sb[1]) };
    if k != k2 {
        return Err(n.misfit(format!("operands of extents {sa:?} and {sb:?} do not fit (inner {k} and {k2})")));
    }
    n.check(&[m, cols])?;
    let a = n.p().reshape(a, &[1, sa[0], sa[1]]);
    let b = n.p().reshape(b, &[1, sb[0], sb[1]]);
    let product = n.p().matmul(a, ta, b, tb);
    let product = n.p().reshape(product, &[m, cols]);
    let mut y = n.p().scale(alpha, product);
    if n.has(2) {
        let c = n.float(2)?;
        let sc = n.p().shape(c).to_vec();
        if broadcast_shapes(&sc, &[m, cols]).as_deref() != Some(&[m, cols]) {
            return Err(n.misfit(format!("C of extents {sc:?} does not broadcast to [{m}, {cols}]")));
        }
        let c = n.padded(c, 2);
        let c = n.p().scale(beta, c);
        y = n.p().add(y, c);
    }
    n.set_float(y)
}

/// The product of numpy's `matmul`.
pub(super) fn matmul(n: &mut Node<'_, '_>) -> Result<()> {
    let (a, b) = (n.float(0)?, n.float(1)?);
    let y = product(n, a, b)?;
    n.set_float(y)
}

/// Batched product with broadcasting; a vector is a row on the left and a column on the right.
pub(super) fn product(n: &mut Node<'_, '_>, a: NodeId, b: NodeId) -> Result<NodeId> {
    let (sa, sb) = (n.p().shape(a).to_vec(), n.p().shape(b).to_vec());
    if sa.is_empty() || sb.is_empty() {
        return Err(n.misfit("a scalar operand"));
    }
    let (row, column) = (sa.len() == 1, sb.len() == 1);
    let sa2 = if row { vec![1, sa[0]] } else { sa.clone() };
    let sb2 = if column { vec![sb[0], 1] } else { sb.clone() };
    let (m, k) = (sa2[sa2.len() - 2], sa2[sa2.len() - 1]);
    let (k2, cols) = (sb2[sb2.len() - 2], sb2[sb2.len() - 1]);
    let (batch_a, batch_b) = (&sa2[..sa2.len() - 2], &sb2[..sb2.len() - 2]);
    let Some(batch) = broadcast_shapes(batch_a, batch_b).filter(|_| k == k2) else {
        return Err(n.misfit(format!("operands of extents {sa:?} and {sb:?} do not fit")));
    };
    let mut shape = batch.clone();
    if !row {
        shape.push(m);
    }
    if !column {
        shape.push(cols);
    }
    n.check(&shape)?;
    let total = size(&batch);
    let flat = |n: &mut Node<'_, '_>, x: NodeId, from: &[usize], rows: usize, cols: usize| {
        let own = size(from);
        if own == 1 || own == total {
            return n.p().reshape(x, &[own, rows, cols]);
        }
        let mut full = batch.clone();
        full.extend([rows, cols]);
        let mut inner = from.to_vec();
        inner.extend([rows, cols]);
        let x = n.p().reshape(x, &inner);
        let x = n.padded(x, full.len());
        let x = n.p().expand(x, &full);
        n.p().reshape(x, &[total, rows, cols])
    };
    let a = flat(n, a, batch_a, m, k);
    let b = flat(n, b, batch_b, k, cols);
    let y = n.p().matmul(a, false, b, false);
    Ok(n.p().reshape(y, &shape))
}
