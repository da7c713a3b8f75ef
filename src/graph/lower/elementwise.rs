//! Arithmetic, comparisons, activations, casts and selection.

use super::context::Node;
use super::integer;
use super::value::{Ints, Value, broadcast_shapes};
use crate::error::Result;
use crate::graph::{Cmp, Func, NodeId};

/// Add, Sub, Mul, Div, Mod, Pow, and the n-ary Sum, Max, Min, Mean.
pub(super) fn arithmetic(n: &mut Node<'_, '_>) -> Result<()> {
    let op = n.op();
    if op == "Mod" && n.int_attr("fmod")?.unwrap_or(0) != 0 {
        return Err(n.refuse("has fmod = 1", "only the integer form is supported"));
    }
    let count = n.input_count();
    if count == 0 {
        return Err(n.misfit("no operands"));
    }
    let mut y = n.value(0)?;
    for i in 1..count {
        let b = n.value(i)?;
        y = pair(n, op, &y, &b)?;
    }
    if op == "Mean" && count > 1 {
        let sum = n.as_float(&y)?;
        y = Value::Float(n.p().scale(1.0 / count as f64, sum));
    }
    n.set(0, y)
}

fn pair(n: &mut Node<'_, '_>, op: &str, a: &Value, b: &Value) -> Result<Value> {
    if let (Value::Int(a), Value::Int(b)) = (a, b)
        && let Some(f) = integer::arithmetic(op)
    {
        let Ints { shape, data } = integer::binary(n, a, b, f)?;
        return Ok(Value::int(shape, data));
    }
    if let ("Pow", Value::Float(x)) = (op, a) {
        return Ok(Value::Float(power(n, *x, b)?));
    }
    let (a, b) = (n.as_float(a)?, n.as_float(b)?);
    let (a, b) = n.aligned(a, b)?;
    let p = n.p();
    Ok(Value::Float(match op {
        "Add" | "Sum" | "Mean" => p.add(a, b),
        "Sub" => p.sub(a, b),
        "Mul" => p.mul(a, b),
        "Div" => match p.uniform(b) {
            // the reciprocal of a power of two is exact; of anything else it is one rounding
            Some(c) if p.shape(b).iter().all(|&n| n == 1) => p.scale(1.0 / c, a),
            _ => p.div(a, b),
        },
        // at a tie the first operand has the derivative
        "Max" => {
            let first = p.compare(Cmp::GreaterOrEqual, a, b);
            p.select(first, a, b)
        }
        "Min" => {
            let first = p.compare(Cmp::GreaterOrEqual, b, a);
            p.select(first, a, b)
        }
        other => return Err(n.refuse(format!("{other} of floating-point values is not supported"), "")),
    }))
}

/// x^e for a constant exponent, or exp(e·ln x).
fn power(n: &mut Node<'_, '_>, x: NodeId, exponent: &Value) -> Result<NodeId> {
    let e = n.as_float(exponent)?;
    let known = n.known(e);
    if let Some(values) = known
        && let Some(&first) = values.first()
        && values.iter().all(|&v| v == first)
    {
        let (x, e) = n.aligned(x, e)?;
        let p = n.p();
        let shape = broadcast_shapes(p.shape(x), p.shape(e)).unwrap_or_default();
        let y = p.pow(x, first);
        return Ok(p.expand(y, &shape));
    }
    let (x, e) = n.aligned(x, e)?;
    let p = n.p();
    let ln = p.map_func(Func::Ln, x);
    let product = p.mul(e, ln);
    Ok(p.map_func(Func::Exp, product))
}

/// One-operand functions.
pub(super) fn unary(n: &mut Node<'_, '_>) -> Result<()> {
    let op = n.op();
    if let Value::Int(ints) = n.value(0)?
        && matches!(op, "Neg" | "Abs" | "Sign" | "Floor" | "Ceil" | "Round")
    {
        let f = |&x: &i64| match op {
            "Neg" => x.checked_neg(),
            "Abs" => x.checked_abs(),
            "Sign" => Some(x.signum()),
            _ => Some(x),
        };
        let Some(data) = ints.data.iter().map(f).collect::<Option<Vec<i64>>>() else {
            return Err(n.misfit("integer overflow"));
        };
        return n.set(0, Value::int(ints.shape, data));
    }
    let x = n.float(0)?;
    let simple = match op {
        "Tanh" => Some(Func::Tanh),
        "Sigmoid" => Some(Func::Sigmoid),
        "Exp" => Some(Func::Exp),
        "Log" => Some(Func::Ln),
        "Sqrt" => Some(Func::Sqrt),
        "Reciprocal" => Some(Func::Recip),
        "Erf" => Some(Func::Erf),
        "Sin" => Some(Func::Sin),
        "Cos" => Some(Func::Cos),
        "Softplus" => Some(Func::Softplus),
        "Relu" => Some(Func::Relu),
        "Abs" => Some(Func::Abs),
        "Sign" => Some(Func::Sign),
        "Floor" => Some(Func::Floor),
        "Ceil" => Some(Func::Ceil),
        "Round" => Some(Func::Round),
        _ => None,
    };
    let y = match simple {
        Some(f) => n.p().map_func(f, x),
        None => activation(n, op, x)?,
    };
    n.set_float(y)
}

/// Functions that are compositions.
fn activation(n: &mut Node<'_, '_>, op: &str, x: NodeId) -> Result<NodeId> {
    Ok(match op {
        "Neg" => n.p().neg(x),
        "LeakyRelu" => {
            let slope = n.float_attr("alpha")?.unwrap_or(f64::from(0.01f32));
            let p = n.p();
            let below = p.scale(slope, x);
            positive(p, x, x, below)
        }
        "Elu" | "Selu" => {
            let selu = op == "Selu";
            let alpha = n.float_attr("alpha")?.unwrap_or(if selu { f64::from(1.673_263_2_f32) } else { 1.0 });
            let gamma = if selu { n.float_attr("gamma")?.unwrap_or(f64::from(1.050_701_f32)) } else { 1.0 };
            let p = n.p();
            let zero = p.scale(0.0, x);
            // the exponential sees only the negative half, so that it cannot overflow on the other
            let low = positive(p, x, zero, x);
            let e = p.map_func(Func::Exp, low);
            let e = p.shift(e, -1.0);
            let e = p.scale(alpha, e);
            let y = positive(p, x, x, e);
            p.scale(gamma, y)
        }
        "Gelu" => match n.string_attr("approximate")?.unwrap_or("none") {
            "none" => {
                let p = n.p();
                let u = p.scale(std::f64::consts::FRAC_1_SQRT_2, x);
                let e = p.map_func(Func::Erf, u);
                half_one_plus(p, x, e)
            }
            "tanh" => {
                let p = n.p();
                let square = p.mul(x, x);
                let cube = p.mul(square, x);
                let cube = p.scale(0.044715, cube);
                let inner = p.add(x, cube);
                let inner = p.scale((2.0 / std::f64::consts::PI).sqrt(), inner);
                let t = p.map_func(Func::Tanh, inner);
                half_one_plus(p, x, t)
            }
            other => return Err(n.refuse(format!("approximation `{other}` is not supported"), "")),
        },
        "Softsign" => {
            let p = n.p();
            let a = p.map_func(Func::Abs, x);
            let a = p.shift(a, 1.0);
            p.div(x, a)
        }
        "Mish" => {
            let p = n.p();
            let s = p.map_func(Func::Softplus, x);
            let t = p.map_func(Func::Tanh, s);
            p.mul(x, t)
        }
        "HardSigmoid" | "HardSwish" => {
            let swish = op == "HardSwish";
            let alpha = if swish { 1.0 / 6.0 } else { n.float_attr("alpha")?.unwrap_or(f64::from(0.2f32)) };
            let beta = if swish { 0.5 } else { n.float_attr("beta")?.unwrap_or(0.5) };
            let p = n.p();
            let line = p.scale(alpha, x);
            let line = p.shift(line, beta);
            let gate = clamp(p, line, 0.0, 1.0);
            if swish { p.mul(x, gate) } else { gate }
        }
        other => return Err(n.refuse(format!("{other} is not supported"), "")),
    })
}

/// 0.5·x·(1 + u).
fn half_one_plus(p: &mut crate::graph::Program, x: NodeId, u: NodeId) -> NodeId {
    let one = p.shift(u, 1.0);
    let half = p.scale(0.5, x);
    p.mul(half, one)
}

/// x > 0 ? a : b.
fn positive(p: &mut crate::graph::Program, x: NodeId, a: NodeId, b: NodeId) -> NodeId {
    let mask = p.map_func(Func::Step, x);
    p.select(mask, a, b)
}

/// x limited to \[low, high\], with derivative 1 at the limits.
fn clamp(p: &mut crate::graph::Program, x: NodeId, low: f64, high: f64) -> NodeId {
    let ones = vec![1; p.shape(x).len()];
    let mut y = x;
    if low > f64::NEG_INFINITY {
        let bound = p.fill(low, &ones);
        let inside = p.compare(Cmp::GreaterOrEqual, x, bound);
        y = p.select(inside, y, bound);
    }
    if high < f64::INFINITY {
        let bound = p.fill(high, &ones);
        let inside = p.compare(Cmp::GreaterOrEqual, bound, x);
        y = p.select(inside, y, bound);
    }
    y
}

/// Clip with constant limits.
pub(super) fn clip(n: &mut Node<'_, '_>) -> Result<()> {
    let limit = |n: &mut Node<'_, '_>, i: usize, missing: f64| -> Result<f64> {
        if !n.has(i) {
            return Ok(missing);
        }
        let node = n.float(i)?;
        match n.known(node).as_deref() {
            Some([x]) => Ok(*x),
            _ => Err(n.refuse("has a limit that is not a constant scalar", "")),
        }
    };
    let low = limit(n, 1, f64::NEG_INFINITY)?;
    let high = limit(n, 2, f64::INFINITY)?;
    if let Value::Int(ints) = n.value(0)? {
        let data = ints.data.iter().map(|&x| (x as f64).max(low).min(high) as i64).collect();
        return n.set(0, Value::int(ints.shape, data));
    }
    let x = n.float(0)?;
    let y = clamp(n.p(), x, low, high);
    n.set_float(y)
}

/// x > 0 ? x : slope·x with a tensor of slopes.
pub(super) fn prelu(n: &mut Node<'_, '_>) -> Result<()> {
    let (x, slope) = (n.float(0)?, n.float(1)?);
    let (x, slope) = n.aligned(x, slope)?;
    let p = n.p();
    let below = p.mul(x, slope);
    let y = positive(p, x, x, below);
    n.set_float(y)
}

/// Greater, GreaterOrEqual, Less, LessOrEqual, Equal.
pub(super) fn compare(n: &mut Node<'_, '_>) -> Result<()> {
    let op = n.op();
    let (a, b) = (n.value(0)?, n.value(1)?);
    if let (Value::Int(a), Value::Int(b)) = (&a, &b) {
        let known = integer::binary(n, a, b, |x, y| {
            Some(i64::from(match op {
                "Greater" => x > y,
                "GreaterOrEqual" => x >= y,
                "Less" => x < y,
                "LessOrEqual" => x <= y,
                _ => x == y,
            }))
        })?;
        let mask = integer::mask(n, &known);
        return n.set(0, mask);
    }
    let (a, b) = (n.as_float(&a)?, n.as_float(&b)?);
    let (a, b) = n.aligned(a, b)?;
    let p = n.p();
    let at_zero = p.uniform(b) == Some(0.0) && broadcast_shapes(p.shape(a), p.shape(b)).as_deref() == Some(p.shape(a));
    let mask = match op {
        // a step at zero is a kink that is reported
        "Greater" if at_zero => p.map_func(Func::Step, a),
        "Greater" => p.compare(Cmp::Greater, a, b),
        "GreaterOrEqual" => p.compare(Cmp::GreaterOrEqual, a, b),
        "Less" => p.compare(Cmp::Greater, b, a),
        "LessOrEqual" => p.compare(Cmp::GreaterOrEqual, b, a),
        _ => p.compare(Cmp::Equal, a, b),
    };
    n.set(0, Value::Mask(mask))
}

/// And, Or, Xor, Not.
pub(super) fn logic(n: &mut Node<'_, '_>) -> Result<()> {
    let op = n.op();
    let a = n.mask(0)?;
    if op == "Not" {
        let p = n.p();
        let minus = p.neg(a);
        let not = p.shift(minus, 1.0);
        return n.set(0, Value::Mask(not));
    }
    let b = n.mask(1)?;
    let (a, b) = n.aligned(a, b)?;
    let p = n.p();
    let mask = match op {
        "And" => p.mul(a, b),
        "Or" => p.select(a, a, b),
        _ => {
            let same = p.compare(Cmp::Equal, a, b);
            let minus = p.neg(same);
            p.shift(minus, 1.0)
        }
    };
    n.set(0, Value::Mask(mask))
}

/// IsNaN: the only value that differs from itself.
pub(super) fn is_nan(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.float(0)?;
    let p = n.p();
    let same = p.compare(Cmp::Equal, x, x);
    let minus = p.neg(same);
    let mask = p.shift(minus, 1.0);
    n.set(0, Value::Mask(mask))
}

/// mask ? a : b.
pub(super) fn select(n: &mut Node<'_, '_>) -> Result<()> {
    let mask = n.mask(0)?;
    let (a, b) = (n.value(1)?, n.value(2)?);
    if let (Value::Int(a), Value::Int(b)) = (&a, &b) {
        let Some(known) = n.known(mask) else {
            return Err(n.refuse("selects integers by a mask that depends on parameters", ""));
        };
        let mask =
            Ints { shape: n.p().shape(mask).to_vec(), data: known.iter().map(|&x| i64::from(x != 0.0)).collect() };
        let zero = Ints { shape: Vec::new(), data: vec![0] };
        // where the mask holds, a; elsewhere 0, and the other way round
        let from_a = integer::binary(n, &mask, a, |m, x| Some(if m != 0 { x } else { 0 }))?;
        let from_b = integer::binary(n, &mask, b, |m, x| Some(if m != 0 { 0 } else { x }))?;
        let both = integer::binary(n, &from_a, &from_b, |x, y| x.checked_add(y))?;
        let Ints { shape, data } = integer::binary(n, &both, &zero, |x, _| Some(x))?;
        return n.set(0, Value::int(shape, data));
    }
    let masks = matches!((&a, &b), (Value::Mask(_), Value::Mask(_)));
    let (a, b) = (n.as_float(&a)?, n.as_float(&b)?);
    let (a, b) = n.aligned(a, b)?;
    let (mask, a) = n.aligned(mask, a)?;
    let (mask, b) = n.aligned(mask, b)?;
    let rank = n.p().shape(mask).len();
    let a = n.padded(a, rank);
    let y = n.p().select(mask, a, b);
    n.set(0, if masks { Value::Mask(y) } else { Value::Float(y) })
}

/// Cast and CastLike. Casts between float types keep the value: the program has one precision.
pub(super) fn cast(n: &mut Node<'_, '_>) -> Result<()> {
    let x = n.value(0)?;
    let target = if n.op() == "CastLike" {
        match n.value(1)? {
            Value::Float(_) => Kind::Float,
            Value::Mask(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
        }
    } else {
        // data types of the ONNX format
        match n.int_attr("to")?.unwrap_or(0) {
            1 | 10 | 11 | 16 => Kind::Float,
            2..=7 | 12 | 13 => Kind::Int,
            9 => Kind::Bool,
            other => return Err(n.refuse(format!("casts to data type {other}, which is not supported"), "")),
        }
    };
    let _ = n.int_attr("saturate")?;
    let y = match (target, x) {
        (Kind::Float, x) => Value::Float(n.as_float(&x)?),
        (Kind::Int, x @ Value::Int(_)) => x,
        (Kind::Bool, x @ Value::Mask(_)) => x,
        (Kind::Bool, Value::Int(i)) => integer::mask(n, &i),
        (Kind::Bool, Value::Float(x)) => {
            let p = n.p();
            let zero = p.fill(0.0, &vec![1; p.shape(x).len()]);
            let same = p.compare(Cmp::Equal, x, zero);
            let minus = p.neg(same);
            Value::Mask(p.shift(minus, 1.0))
        }
        (Kind::Int, Value::Float(x) | Value::Mask(x)) => {
            let Some(known) = n.known(x) else {
                return Err(n.refuse(
                    "makes integers of values that depend on parameters or on float inputs",
                    "dynamic shapes and integer arithmetic on activations are not supported",
                ));
            };
            if known.iter().any(|v| !v.is_finite() || v.abs() >= 9.2e18) {
                return Err(n.misfit("a value that no integer can hold"));
            }
            let shape = n.p().shape(x).to_vec();
            Value::int(shape, known.iter().map(|v| v.trunc() as i64).collect())
        }
    };
    n.set(0, y)
}

enum Kind {
    Float,
    Int,
    Bool,
}

/// Identity, and Dropout in its inference form.
pub(super) fn identity(n: &mut Node<'_, '_>) -> Result<()> {
    if n.op() == "Dropout" {
        let _ = (n.float_attr("ratio")?, n.int_attr("seed")?);
        let training = if n.has(2) {
            let mask = n.mask(2)?;
            n.known(mask).is_none_or(|v| v.iter().any(|&x| x != 0.0))
        } else {
            false
        };
        if training {
            return Err(n.refuse(
                "is in training mode: two passes would give two losses",
                "call model.eval() before the export",
            ));
        }
        n.only_first_output()?;
    }
    let x = n.value(0)?;
    n.set(0, x)
}
