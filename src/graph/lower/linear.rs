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

/// Einsum of one or two operands without ellipsis.
pub(super) fn einsum(n: &mut Node<'_, '_>) -> Result<()> {
    let Some(equation) = n.string_attr("equation")? else { return Err(n.misfit("no equation")) };
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left.to_string(), right.to_string()),
        None => {
            // by definition the labels that occur once, sorted
            let mut once: Vec<char> = equation.chars().filter(|c| c.is_alphabetic()).collect();
            once.sort_unstable();
            let count = |c: &char| equation.chars().filter(|x| x == c).count();
            (equation.clone(), once.iter().filter(|c| count(c) == 1).collect())
        }
    };
    let terms: Vec<Vec<char>> = left.split(',').map(|t| t.chars().collect()).collect();
    let result: Vec<char> = right.chars().collect();
    let repeated = |t: &[char]| (1..t.len()).any(|i| t[..i].contains(&t[i]));
    let plain = terms.iter().chain([&result]).all(|t| t.iter().all(|c| c.is_alphabetic()) && !repeated(t));
    if !plain || terms.len() != n.input_count() || terms.len() > 2 {
        return Err(n.refuse(
            format!("the equation `{equation}` has an ellipsis, a diagonal or more than two operands"),
            "write it as products of two",
        ));
    }
    let mut extent: std::collections::HashMap<char, usize> = std::collections::HashMap::new();
    let mut operands = Vec::new();
    for (i, labels) in terms.iter().enumerate() {
        let x = n.float(i)?;
        let shape = n.p().shape(x).to_vec();
        let fits =
            shape.len() == labels.len() && labels.iter().zip(&shape).all(|(&c, &s)| *extent.entry(c).or_insert(s) == s);
        if !fits {
            return Err(n.misfit(format!("operand {i} of extents {shape:?} in `{equation}`")));
        }
        // labels that occur in this operand alone and not in the result are summed at once
        let elsewhere =
            |c: char| result.contains(&c) || terms.iter().enumerate().any(|(j, t)| j != i && t.contains(&c));
        let kept: Vec<usize> = labels.iter().zip(&shape).map(|(&c, &s)| if elsewhere(c) { s } else { 1 }).collect();
        let labels: Vec<char> = labels.iter().copied().filter(|&c| elsewhere(c)).collect();
        let x = n.p().sum_to(x, &kept);
        let shape: Vec<usize> = labels.iter().map(|c| extent[c]).collect();
        operands.push((n.p().reshape(x, &shape), labels));
    }
    if result.iter().any(|c| !extent.contains_key(c)) {
        return Err(n.misfit(format!("`{equation}` makes a label out of nothing")));
    }
    let (y, labels) = match &operands[..] {
        [(x, labels)] => (*x, labels.clone()),
        [(a, la), (b, lb)] => {
            let pick = |from: &[char], f: &dyn Fn(char) -> bool| -> Vec<char> {
                from.iter().copied().filter(|&c| f(c)).collect()
            };
            let batch = pick(la, &|c| lb.contains(&c) && result.contains(&c));
            let inner = pick(la, &|c| lb.contains(&c) && !result.contains(&c));
            let rows = pick(la, &|c| !lb.contains(&c));
            let cols = pick(lb, &|c| !la.contains(&c));
            let arrange = |n: &mut Node<'_, '_>, x: NodeId, from: &[char], parts: [&[char]; 3]| {
                let order: Vec<char> = parts.concat();
                let perm: Vec<usize> =
                    order.iter().map(|c| from.iter().position(|f| f == c).unwrap_or_default()).collect();
                let extents = parts.map(|part| part.iter().map(|c| extent[c]).product::<usize>());
                let x = n.p().permute(x, &perm);
                n.p().reshape(x, &extents)
            };
            let a = arrange(n, *a, la, [&batch, &rows, &inner]);
            let b = arrange(n, *b, lb, [&batch, &inner, &cols]);
            let labels = [&batch[..], &rows, &cols].concat();
            let shape: Vec<usize> = labels.iter().map(|c| extent[c]).collect();
            n.check(&shape)?;
            let y = n.p().matmul(a, false, b, false);
            (n.p().reshape(y, &shape), labels)
        }
        _ => return Err(n.misfit("no operands")),
    };
    let perm: Vec<usize> = result.iter().map(|c| labels.iter().position(|l| l == c).unwrap_or_default()).collect();
    let y = n.p().permute(y, &perm);
    n.set_float(y)
}
