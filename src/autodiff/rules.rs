//! Derivatives of the scalar functions, as nodes.

use crate::graph::{Func, NodeId, Program};

/// f′(x) as a node, where y = f(x) is the node of the function itself; `None` where f is flat.
pub(super) fn derivative(p: &mut Program, f: Func, x: NodeId, y: NodeId) -> Option<NodeId> {
    if f.is_flat() {
        return None;
    }
    Some(match f {
        Func::Tanh => {
            let square = p.mul(y, y);
            let minus = p.neg(square);
            p.shift(minus, 1.0)
        }
        Func::Sigmoid => {
            // σ(x)·σ(−x): 1 − σ(x) would lose the digits of a saturated unit
            let minus = p.neg(x);
            let other = p.map_func(Func::Sigmoid, minus);
            p.mul(y, other)
        }
        Func::Exp => y,
        Func::Ln => p.map_func(Func::Recip, x),
        Func::Sqrt => {
            let r = p.map_func(Func::Recip, y);
            p.scale(0.5, r)
        }
        Func::Recip => {
            let square = p.mul(y, y);
            p.neg(square)
        }
        Func::Erf => {
            let square = p.mul(x, x);
            let minus = p.neg(square);
            let e = p.map_func(Func::Exp, minus);
            p.scale(std::f64::consts::FRAC_2_SQRT_PI, e)
        }
        Func::Sin => p.map_func(Func::Cos, x),
        Func::Cos => {
            let s = p.map_func(Func::Sin, x);
            p.neg(s)
        }
        Func::Softplus => p.map_func(Func::Sigmoid, x),
        Func::Relu => p.map_func(Func::Step, x),
        Func::Abs => p.map_func(Func::Sign, x),
        Func::Pow(e) => {
            let e = e.get();
            if e == 0.0 {
                return None;
            }
            let less = p.pow(x, e - 1.0);
            p.scale(e, less)
        }
        Func::Step | Func::Sign | Func::Floor | Func::Ceil | Func::Round => return None,
    })
}
