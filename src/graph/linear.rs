//! Sums of tangents with coefficients, kept short.
//!
//! What has lanes is linear in the tangents, so a chain of pointwise derivatives p·(q·t) + r·t is one product
//! (pq + r)·t, whose coefficient has no lanes and is evaluated once per snapshot. The constructors of [`Program`] ask here
//! before they append a sum or product with lanes; a GELU of a dozen operators so costs its tangent one product.

use super::operator::Op;
use super::program::{NodeId, Program};

/// Terms of a sum that are looked at.
const TERMS: usize = 3;

/// c·w∘t; no `w` is 1.
#[derive(Debug, Clone, Copy)]
struct Term {
    scalar: f64,
    weight: Option<NodeId>,
    tangent: NodeId,
}

impl Program {
    /// A node with lanes as Σ c·w∘t over tangents of its own extents; the node itself where it is nothing else.
    fn terms(&self, x: NodeId) -> Vec<Term> {
        let mut out = Vec::new();
        self.collect(x, 1.0, &mut out);
        if out.len() > TERMS { vec![Term { scalar: 1.0, weight: None, tangent: x }] } else { out }
    }

    fn collect(&self, x: NodeId, sign: f64, out: &mut Vec<Term>) {
        let node = self.node(x);
        let whole = |t: NodeId| self.laned(t) && self.shape(t) == node.shape;
        match node.op {
            Op::Add if whole(node.args[0]) && whole(node.args[1]) => {
                self.collect(node.args[0], sign, out);
                self.collect(node.args[1], sign, out);
            }
            Op::Sub if whole(node.args[0]) && whole(node.args[1]) => {
                self.collect(node.args[0], sign, out);
                self.collect(node.args[1], -sign, out);
            }
            _ => {
                let term = self.term(x);
                out.push(Term { scalar: sign * term.scalar, ..term });
            }
        }
    }

    /// A single product c·w∘t.
    fn term(&self, x: NodeId) -> Term {
        let node = self.node(x);
        let plain = Term { scalar: 1.0, weight: None, tangent: x };
        match node.op {
            Op::Mul => {
                let (a, b) = (node.args[0], node.args[1]);
                let (w, t) = if self.laned(a) { (b, a) } else { (a, b) };
                if self.laned(w) || self.shape(t) != node.shape {
                    return plain;
                }
                Term { weight: Some(w), tangent: t, ..plain }
            }
            Op::Scale(c) => Term { scalar: c.get(), tangent: node.args[0], ..plain },
            _ => plain,
        }
    }

    /// w∘x for a weight without lanes and an `x` with lanes, where something can be joined.
    pub(super) fn weighted(&mut self, w: NodeId, x: NodeId) -> Option<NodeId> {
        let terms = self.terms(x);
        // a sum is only opened where its terms carry products already
        let joined = terms.iter().any(|t| t.tangent != x && (t.weight.is_some() || t.scalar != 1.0));
        let spans = self.spans(w, x);
        if !joined || !spans || terms.len() > 2 {
            return None;
        }
        let mut sum = None;
        for t in terms {
            let own = match t.weight {
                Some(v) => self.mul(w, v),
                None => w,
            };
            let own = self.scale(t.scalar, own);
            let product = self.mul(own, t.tangent);
            sum = Some(match sum {
                Some(sum) => self.add(sum, product),
                None => product,
            });
        }
        sum
    }

    /// c·x for an `x` with lanes, where the factor can be taken into a weight.
    pub(super) fn rescaled(&mut self, c: f64, x: NodeId) -> Option<NodeId> {
        let term = self.term(x);
        let weight = term.weight?;
        let weight = self.scale(c * term.scalar, weight);
        Some(self.mul(weight, term.tangent))
    }

    /// a + sign·b for two nodes with lanes, where both have terms with the same tangent.
    pub(super) fn joined(&mut self, a: NodeId, b: NodeId, sign: f64) -> Option<NodeId> {
        if self.shape(a) != self.shape(b) {
            return None;
        }
        let mut terms = self.terms(a);
        let count = terms.len();
        let mut shared = false;
        for t in self.terms(b) {
            let t = Term { scalar: sign * t.scalar, ..t };
            match terms[..count].iter().position(|s| s.tangent == t.tangent) {
                Some(at) => {
                    shared = true;
                    terms[at] = self.sum_of(terms[at], t);
                }
                None => terms.push(t),
            }
        }
        if !shared {
            return None;
        }
        let mut sum: Option<NodeId> = None;
        for t in terms {
            let product = match t.weight {
                Some(w) => self.mul(w, t.tangent),
                None => t.tangent,
            };
            let product = self.scale(t.scalar, product);
            sum = Some(match sum {
                Some(sum) => self.add(sum, product),
                None => product,
            });
        }
        sum
    }

    /// One term for two of the same tangent.
    fn sum_of(&mut self, a: Term, b: Term) -> Term {
        let tangent = a.tangent;
        match (a.weight, b.weight) {
            (None, None) => Term { scalar: a.scalar + b.scalar, weight: None, tangent },
            (Some(w), None) => {
                let w = self.scale(a.scalar, w);
                Term { scalar: 1.0, weight: Some(self.shift(w, b.scalar)), tangent }
            }
            (None, Some(_)) => self.sum_of(b, a),
            (Some(v), Some(w)) => {
                let (v, w) = (self.scale(a.scalar, v), self.scale(b.scalar, w));
                Term { scalar: 1.0, weight: Some(self.add(v, w)), tangent }
            }
        }
    }

    /// Whether w∘x has the extents of x.
    fn spans(&self, w: NodeId, x: NodeId) -> bool {
        let (w, x) = (self.shape(w), self.shape(x));
        w.len() == x.len() && w.iter().zip(x).all(|(&w, &x)| w == x || w == 1)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Func, Op, Program};

    #[test]
    fn a_chain_of_pointwise_derivatives_is_one_product() {
        // the tangent of x·tanh(x²) from that of x
        let mut p = Program::new();
        let (x, t) = (p.param(0, &[4, 3]), p.tangent(&[4, 3]));
        let square = p.mul(x, x);
        let tanh = p.map_func(Func::Tanh, square);
        let flat = p.mul(tanh, tanh);
        let flat = p.neg(flat);
        let slope = p.shift(flat, 1.0);
        let inner = p.mul(x, t);
        let inner = p.scale(2.0, inner);
        let outer = p.mul(slope, inner);
        let (left, right) = (p.mul(t, tanh), p.mul(x, outer));
        let sum = p.add(left, right);
        assert_eq!(p.node(sum).op, Op::Mul);
        assert!(p.node(sum).args.contains(&t));
    }

    #[test]
    fn a_tangent_and_its_multiples_are_added_once() {
        let mut p = Program::new();
        let (w, t) = (p.param(0, &[4]), p.tangent(&[4]));
        let (three, weighted) = (p.scale(3.0, t), p.mul(w, t));
        let sum = p.sub(three, weighted);
        assert_eq!(p.node(sum).op, Op::Mul);
        assert_eq!(p.sub(t, t), p.scale(0.0, t));
    }

    #[test]
    fn sums_of_other_tangents_are_left_alone() {
        let mut p = Program::new();
        let (w, t, u) = (p.param(0, &[4]), p.tangent(&[4]), p.tangent(&[4]));
        let sum = p.add(t, u);
        let product = p.mul(w, sum);
        assert_eq!(p.node(product).op, Op::Mul);
        assert!(p.node(product).args.contains(&sum));
    }
}
