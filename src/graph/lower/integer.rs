//! Folded integer arithmetic: what exporters use to compute extents.

use super::context::Node;
use super::value::{Ints, Value, broadcast_shapes, positions};
use crate::error::Result;
use crate::tensor::strides::broadcast;

/// Applies an integer operator elementwise with broadcasting.
pub(super) fn binary(n: &Node<'_, '_>, a: &Ints, b: &Ints, f: impl Fn(i64, i64) -> Option<i64>) -> Result<Ints> {
    let Some(shape) = broadcast_shapes(&a.shape, &b.shape) else {
        return Err(n.misfit(format!("extents {:?} and {:?} do not broadcast", a.shape, b.shape)));
    };
    n.check(&shape)?;
    let read = |x: &Ints| {
        let mut padded = vec![1; shape.len() - x.shape.len()];
        padded.extend_from_slice(&x.shape);
        broadcast(&padded, &shape)
    };
    let (ra, rb) = (read(a), read(b));
    let data: Option<Vec<i64>> =
        positions(&shape, &ra).zip(positions(&shape, &rb)).map(|(i, j)| f(a.data[i], b.data[j])).collect();
    match data {
        Some(data) => Ok(Ints { shape, data }),
        None => Err(n.misfit("integer arithmetic overflows or divides by zero")),
    }
}

/// The operator as ONNX defines it on integers; `None` on overflow and division by zero.
pub(super) fn arithmetic(op: &str) -> Option<fn(i64, i64) -> Option<i64>> {
    Some(match op {
        "Add" | "Sum" => i64::checked_add,
        "Sub" => i64::checked_sub,
        "Mul" => i64::checked_mul,
        // truncated, as in C
        "Div" => i64::checked_div,
        "Max" => |a, b| Some(a.max(b)),
        "Min" => |a, b| Some(a.min(b)),
        "Pow" => |a, b| a.checked_pow(u32::try_from(b).ok()?),
        // sign of the divisor (fmod = 0)
        "Mod" => |a, b| {
            let r = a.checked_rem(b)?;
            Some(if r != 0 && (r < 0) != (b < 0) { r + b } else { r })
        },
        _ => return None,
    })
}

/// Known integers as a mask.
pub(super) fn mask(n: &mut Node<'_, '_>, ints: &Ints) -> Value {
    let data = ints.data.iter().map(|&x| f64::from(x != 0)).collect();
    Value::Mask(n.p().constant(data, &ints.shape))
}
