//! From graphs to the normal form and back.

use super::function::{Binary, Constant, Function, Reduction, Relation};
use super::graph::{Builder, Graph, Id, Node};
use super::normal::{Atom, AtomId, Cond, CondId, Mode, Monomial, Normalizer, Poly, factorise};
use super::rational::{Coefficient, Rational};
use super::span::Span;
use std::collections::{BTreeSet, HashMap};

/// The simplified formula, for people: like terms collected, factors and logarithms kept as written.
pub(crate) fn simplify(graph: &Graph) -> Graph {
    let mut normalizer = Normalizer::new(Mode::Display, BTreeSet::new());
    let Form::Number(poly) = normalize(graph, &mut normalizer) else { return rebuilt(graph) };
    let span = graph.spans.last().copied().unwrap_or_default();
    let mut emitter = Emitter {
        normalizer: &normalizer,
        builder: Builder::new(),
        atoms: HashMap::new(),
        conditions: HashMap::new(),
        indices: HashMap::new(),
        span,
    };
    let root = emitter.root(&poly);
    emitter.builder.finish(root)
}

fn rebuilt(graph: &Graph) -> Graph {
    let mut builder = Builder::new();
    let map = builder.import(graph, None, |_, _| None);
    builder.finish(map.last().copied().unwrap_or_default())
}

/// The normal form of a node.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Number(Poly),
    Truth(CondId),
}

/// The normal form of the root.
pub(super) fn normalize(graph: &Graph, normalizer: &mut Normalizer) -> Form {
    let mut forms: Vec<Form> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let number = |id: Id| match &forms[id as usize] {
            Form::Number(poly) => poly.clone(),
            Form::Truth(_) => Poly::zero(),
        };
        let truth = |id: Id| match &forms[id as usize] {
            Form::Truth(condition) => *condition,
            Form::Number(_) => 0,
        };
        let form = match *node {
            Node::Number(bits) => Form::Number(Poly::constant(Coefficient::from_f64(f64::from_bits(bits)))),
            Node::Constant(constant) => Form::Number(normalizer.atom(Atom::Constant(constant))),
            Node::Variable(name) => Form::Number(normalizer.atom(Atom::Variable(graph.names[name as usize].clone()))),
            Node::Index(index) => Form::Number(normalizer.atom(Atom::Index(index))),
            Node::Neg(a) => Form::Number(number(a).negate()),
            Node::Binary(op, a, b) => Form::Number(normalizer.binary(op, &number(a), &number(b))),
            Node::Call(function, a) => Form::Number(normalizer.call(function, &number(a))),
            Node::Truth(truth) => Form::Truth(normalizer.condition(Cond::Truth(truth))),
            Node::Compare(op, a, b) => Form::Truth(normalizer.compare(op, &number(a), &number(b))),
            Node::Not(a) => Form::Truth(normalizer.negation(truth(a))),
            Node::And(a, b) => Form::Truth(normalizer.connective(truth(a), truth(b), false)),
            Node::Or(a, b) => Form::Truth(normalizer.connective(truth(a), truth(b), true)),
            Node::If(c, a, b) => Form::Number(normalizer.choice(truth(c), number(a), number(b))),
            Node::Reduce(kind, index, first, last, body) => {
                Form::Number(normalizer.reduction(kind, index, number(first), number(last), number(body)))
            }
        };
        forms.push(form);
    }
    forms.pop().unwrap_or(Form::Number(Poly::zero()))
}

impl Normalizer {
    fn binary(&mut self, op: Binary, a: &Poly, b: &Poly) -> Poly {
        match op {
            Binary::Add => self.add(a, b),
            Binary::Sub => self.subtract(a, b),
            Binary::Mul => self.multiply(a, b),
            Binary::Div => {
                let inverse = self.power(b, Rational::whole(-1));
                self.multiply(a, &inverse)
            }
            Binary::Pow => self.general_power(a, b),
            Binary::Min => self.extreme(true, a, b),
            Binary::Max => self.extreme(false, a, b),
        }
    }

    fn general_power(&mut self, base: &Poly, exponent: &Poly) -> Poly {
        if let Some(r) = exponent.as_rational() {
            return self.power(base, r);
        }
        if base.as_rational() == Some(Rational::ONE) {
            return base.clone();
        }
        let euler = self.atom(Atom::Constant(Constant::Euler));
        if *base == euler {
            return self.call(Function::Exp, exponent);
        }
        if self.mode == Mode::Canonical && self.is_positive(base) {
            let log = self.call(Function::Ln, base);
            let product = self.multiply(&log, exponent);
            return self.call(Function::Exp, &product);
        }
        self.atom(Atom::Power(base.clone(), exponent.clone()))
    }

    fn extreme(&mut self, least: bool, a: &Poly, b: &Poly) -> Poly {
        let mut parts = Vec::new();
        for poly in [a, b] {
            let nested = match poly.single() {
                Some((m, c)) if c == Coefficient::ONE && m.len() == 1 && m[0].1 == Rational::ONE => {
                    match &self.atoms[m[0].0 as usize] {
                        Atom::Extreme(kind, inner) if *kind == least => Some(inner.clone()),
                        _ => None,
                    }
                }
                _ => None,
            };
            parts.extend(nested.unwrap_or_else(|| vec![poly.clone()]));
        }
        let constant = parts
            .iter()
            .filter_map(Poly::as_constant)
            .reduce(|x, y| if (x.value() < y.value()) == least { x } else { y });
        parts.retain(|p| p.as_constant().is_none());
        parts.extend(constant.map(Poly::constant));
        parts.sort();
        parts.dedup();
        match parts.as_slice() {
            [one] => one.clone(),
            _ => self.atom(Atom::Extreme(least, parts)),
        }
    }

    fn truth_of(&self, id: CondId) -> Option<bool> {
        match self.conditions[id as usize] {
            Cond::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    fn compare(&mut self, op: Relation, a: &Poly, b: &Poly) -> CondId {
        let difference = self.subtract(a, b);
        if let Some(c) = difference.as_rational() {
            return self.condition(Cond::Truth(op.holds(c.value(), 0.0)));
        }
        if self.mode == Mode::Display {
            return self.condition(Cond::Compare(op, a.clone(), b.clone()));
        }
        // One direction, zero on the right.
        let (op, difference) = match op {
            Relation::Greater => (Relation::Less, difference.negate()),
            Relation::GreaterEqual => (Relation::LessEqual, difference.negate()),
            Relation::Equal | Relation::NotEqual if difference.leads_negative() => (op, difference.negate()),
            _ => (op, difference),
        };
        self.condition(Cond::Compare(op, difference, Poly::zero()))
    }

    fn negation(&mut self, id: CondId) -> CondId {
        match self.conditions[id as usize].clone() {
            Cond::Truth(truth) => self.condition(Cond::Truth(!truth)),
            Cond::Not(inner) => inner,
            Cond::Compare(op, a, b) => {
                let op = match op {
                    Relation::Less => Relation::GreaterEqual,
                    Relation::LessEqual => Relation::Greater,
                    Relation::Greater => Relation::LessEqual,
                    Relation::GreaterEqual => Relation::Less,
                    Relation::Equal => Relation::NotEqual,
                    Relation::NotEqual => Relation::Equal,
                };
                self.compare(op, &a, &b)
            }
            _ => self.condition(Cond::Not(id)),
        }
    }

    fn connective(&mut self, a: CondId, b: CondId, settles: bool) -> CondId {
        for (one, other) in [(a, b), (b, a)] {
            match self.truth_of(one) {
                Some(truth) if truth == settles => return one,
                Some(_) => return other,
                None => {}
            }
        }
        if a == b {
            return a;
        }
        // Where both are defined their order does not matter.
        let (a, b) = if self.mode == Mode::Canonical && b < a { (b, a) } else { (a, b) };
        self.condition(if settles { Cond::Or(a, b) } else { Cond::And(a, b) })
    }

    fn choice(&mut self, condition: CondId, a: Poly, b: Poly) -> Poly {
        match self.truth_of(condition) {
            Some(true) => a,
            Some(false) => b,
            None if a == b => a,
            None => self.atom(Atom::If(condition, a, b)),
        }
    }

    fn reduction(&mut self, kind: Reduction, index: u32, first: Poly, last: Poly, body: Poly) -> Poly {
        let neutral = match kind {
            Reduction::Sum => Coefficient::ZERO,
            Reduction::Product => Coefficient::ONE,
        };
        let empty = match (first.as_rational(), last.as_rational()) {
            (Some(first), Some(last)) => last < first,
            _ => false,
        };
        if empty || body.as_constant() == Some(neutral) {
            return Poly::constant(neutral);
        }
        self.atom(Atom::Reduce(kind, index, first, last, body))
    }

    fn call(&mut self, function: Function, x: &Poly) -> Poly {
        let c = x.as_rational();
        let canonical = self.mode == Mode::Canonical;
        let whole = |r: Rational| Poly::constant(Coefficient::Exact(r));
        match function {
            Function::Sqrt => return self.power(x, Rational::HALF),
            Function::Cbrt if self.is_positive(x) => return self.power(x, Rational { num: 1, den: 3 }),
            Function::Exp => {
                if c.is_some() {
                    let euler = self.atom(Atom::Constant(Constant::Euler));
                    return self.general_power_of_euler(&euler, x);
                }
                if canonical {
                    return self.exponential(x);
                }
                if let Some(inside) = self.logarithm_inside(x) {
                    return inside;
                }
            }
            Function::Expm1 if canonical => {
                let power = self.call(Function::Exp, x);
                return self.subtract(&power, &Poly::constant(Coefficient::ONE));
            }
            Function::Ln1p if canonical => {
                let sum = self.add(x, &Poly::constant(Coefficient::ONE));
                return self.call(Function::Ln, &sum);
            }
            Function::Ln => {
                if let Some(value) = self.logarithm(x) {
                    return value;
                }
            }
            Function::Log2 | Function::Log10 => {
                let base = if function == Function::Log2 { 2 } else { 10 };
                if let Some(n) = c.and_then(|c| exact_log(c, base)) {
                    return whole(Rational::whole(n));
                }
                if canonical {
                    let top = self.call(Function::Ln, x);
                    let bottom = self.call(Function::Ln, &whole(Rational::whole(base)));
                    let inverse = self.power(&bottom, Rational::whole(-1));
                    return self.multiply(&top, &inverse);
                }
            }
            Function::Floor | Function::Ceil => {
                if let Some(c) = c {
                    let floor = c.floor();
                    let value = if function == Function::Floor { floor } else { c.negate().floor().negate() };
                    return whole(value);
                }
                let nested = match x.single() {
                    Some((m, k)) if k == Coefficient::ONE && m.len() == 1 && m[0].1 == Rational::ONE => {
                        matches!(self.atoms[m[0].0 as usize], Atom::Call(Function::Floor | Function::Ceil, _))
                    }
                    _ => false,
                };
                if nested {
                    return x.clone();
                }
            }
            Function::Abs => {
                if let Some(c) = c {
                    return whole(if c.num < 0 { c.negate() } else { c });
                }
                if self.is_positive(x) {
                    return x.clone();
                }
                if x.leads_negative() {
                    return self.call(Function::Abs, &x.negate());
                }
            }
            Function::Cos | Function::Cosh => {
                if c == Some(Rational::ZERO) {
                    return Poly::constant(Coefficient::ONE);
                }
                if x.leads_negative() {
                    return self.call(function, &x.negate());
                }
            }
            Function::Sin
            | Function::Tan
            | Function::Asin
            | Function::Atan
            | Function::Sinh
            | Function::Tanh
            | Function::Asinh
            | Function::Atanh
            | Function::Cbrt => {
                if c == Some(Rational::ZERO) {
                    return Poly::zero();
                }
                if x.leads_negative() {
                    return self.call(function, &x.negate()).negate();
                }
            }
            Function::Acosh if c == Some(Rational::ONE) => return Poly::zero(),
            _ => {}
        }
        self.atom(Atom::Call(function, x.clone()))
    }

    fn general_power_of_euler(&mut self, euler: &Poly, exponent: &Poly) -> Poly {
        match exponent.as_rational() {
            Some(r) => self.power(euler, r),
            None => self.atom(Atom::Call(Function::Exp, exponent.clone())),
        }
    }

    /// `q^c` when the argument is `c * ln(q)`.
    fn logarithm_inside(&mut self, x: &Poly) -> Option<Poly> {
        let (monomial, c) = x.single()?;
        let [(atom, r)] = monomial.as_slice() else { return None };
        let (Atom::Call(Function::Ln, inside), true) = (&self.atoms[*atom as usize], *r == Rational::ONE) else {
            return None;
        };
        let (inside, c) = (inside.clone(), c.exact()?);
        Some(self.power(&inside, c))
    }

    /// The exponential of a sum as a product, with rational multiples as powers.
    fn exponential(&mut self, x: &Poly) -> Poly {
        let mut all = Poly::constant(Coefficient::ONE);
        for (monomial, c) in x.0.clone().iter() {
            let term = Poly::term(monomial.clone(), *c);
            let factor = match (self.logarithm_inside(&term), c.exact()) {
                (Some(inside), _) => inside,
                (None, Some(c)) if monomial.is_empty() => {
                    let euler = self.atom(Atom::Constant(Constant::Euler));
                    self.power(&euler, c)
                }
                (None, Some(c)) => {
                    let one = Poly::term(monomial.clone(), Coefficient::ONE);
                    let base = self.atom(Atom::Call(Function::Exp, one));
                    self.power(&base, c)
                }
                (None, None) => self.atom(Atom::Call(Function::Exp, term)),
            };
            all = self.multiply(&all, &factor);
        }
        all
    }

    /// Logarithms that are known or, for comparing, split.
    fn logarithm(&mut self, x: &Poly) -> Option<Poly> {
        if x.as_rational() == Some(Rational::ONE) {
            return Some(Poly::zero());
        }
        let canonical = self.mode == Mode::Canonical;
        if let Some((monomial, c)) = x.single() {
            // ln(e^r), ln(exp(q)^r)
            if let ([(atom, r)], true) = (monomial.as_slice(), c == Coefficient::ONE) {
                let r = Poly::constant(Coefficient::Exact(*r));
                match self.atoms[*atom as usize].clone() {
                    Atom::Constant(Constant::Euler) => return Some(r),
                    Atom::Call(Function::Exp, inside) => return Some(self.multiply(&r, &inside)),
                    _ => {}
                }
            }
            if !canonical || !self.is_positive(x) {
                return None;
            }
            let mut all = self.logarithm_of_number(c)?;
            for (atom, r) in monomial.clone() {
                let base = Poly::term(vec![(atom, Rational::ONE)], Coefficient::ONE);
                let log = match self.atoms[atom as usize].clone() {
                    Atom::Call(Function::Exp, inside) => inside,
                    Atom::Constant(Constant::Euler) => Poly::constant(Coefficient::ONE),
                    Atom::Prime(p) => self.logarithm_of_number(Coefficient::Exact(Rational::whole(p)))?,
                    Atom::Power(base, exponent) => {
                        let log = self.call(Function::Ln, &base);
                        self.multiply(&log, &exponent)
                    }
                    Atom::Group(inside) if inside != *x => self.atom(Atom::Call(Function::Ln, inside)),
                    _ => self.atom(Atom::Call(Function::Ln, base)),
                };
                let scaled = self.multiply(&Poly::constant(Coefficient::Exact(r)), &log);
                all = self.add(&all, &scaled);
            }
            return Some(all);
        }
        if !canonical {
            return None;
        }
        // A sum: take out the largest monomial common to all terms, when it is positive.
        let mut common: Monomial = x.0[0].0.clone();
        for (monomial, _) in x.0.iter().skip(1) {
            common.retain_mut(|(atom, r)| {
                let here = monomial.iter().find(|(other, _)| other == atom).map(|(_, e)| *e);
                match here {
                    Some(e) => *r = (*r).min(e),
                    None => *r = (*r).min(Rational::ZERO),
                }
                r.num != 0
            });
        }
        // Negative powers that only some terms have are common too.
        for (monomial, _) in x.0.iter() {
            for (atom, r) in monomial {
                if r.num < 0 && !common.iter().any(|(other, _)| other == atom) {
                    common.push((*atom, *r));
                } else if let Some(known) = common.iter_mut().find(|(other, _)| other == atom) {
                    known.1 = known.1.min(*r);
                }
            }
        }
        common.sort_unstable();
        let inverse: Monomial = common.iter().map(|(atom, r)| (*atom, r.negate())).collect();
        let outside = Poly::term(common, Coefficient::ONE);
        let rest = if self.is_positive(&outside) {
            self.multiply(x, &Poly::term(inverse, Coefficient::ONE))
        } else {
            x.clone()
        };
        let content = rest.0.iter().map(|(_, c)| c.exact()).collect::<Option<Vec<_>>>().and_then(|all| {
            let mut all = all.into_iter();
            let first = all.next()?;
            all.try_fold(first, Rational::common)
        })?;
        let content = if content.num < 0 { content.negate() } else { content };
        let scale = Poly::constant(Coefficient::Exact(content.inverse()?));
        let rest = self.multiply(&rest, &scale);
        let mut all = self.logarithm_of_number(Coefficient::Exact(content))?;
        let inner = match rest.single() {
            Some(_) => self.call(Function::Ln, &rest),
            None => self.atom(Atom::Call(Function::Ln, rest)),
        };
        all = self.add(&all, &inner);
        if self.is_positive(&outside) && outside.as_constant().is_none() {
            let log = self.call(Function::Ln, &outside);
            all = self.add(&all, &log);
        }
        Some(all)
    }

    /// The logarithm of a positive number, by its prime factors.
    fn logarithm_of_number(&mut self, c: Coefficient) -> Option<Poly> {
        let exact = c.exact()?;
        let mut all = Poly::zero();
        for (prime, e) in factorise(exact)? {
            let inside = Poly::constant(Coefficient::Exact(Rational::whole(prime)));
            let log = self.atom(Atom::Call(Function::Ln, inside));
            let scaled = self.multiply(&Poly::constant(Coefficient::Exact(Rational::whole(e))), &log);
            all = self.add(&all, &scaled);
        }
        Some(all)
    }
}

/// n when `x` is `base^n`.
fn exact_log(x: Rational, base: i128) -> Option<i128> {
    let (mut large, sign) = if x.den == 1 { (x.num, 1) } else { (x.den, -1) };
    if large < 1 || (sign < 0 && x.num != 1) {
        return None;
    }
    let mut n = 0;
    while large % base == 0 {
        large /= base;
        n += 1;
    }
    (large == 1).then_some(sign * n)
}

/// Writes normal forms back as graphs.
struct Emitter<'n> {
    normalizer: &'n Normalizer,
    builder: Builder,
    atoms: HashMap<AtomId, Id>,
    conditions: HashMap<CondId, Id>,
    indices: HashMap<u32, u32>,
    span: Span,
}

impl Emitter<'_> {
    /// Atoms only mention earlier ones, so ascending order needs no recursion.
    fn root(&mut self, poly: &Poly) -> Id {
        let normalizer = self.normalizer;
        let mut wanted: BTreeSet<AtomId> = BTreeSet::new();
        let mut conditions: BTreeSet<CondId> = BTreeSet::new();
        let mut polys: Vec<&Poly> = vec![poly];
        let mut open: Vec<CondId> = Vec::new();
        while !polys.is_empty() || !open.is_empty() {
            while let Some(poly) = polys.pop() {
                for (atom, _) in poly.0.iter().flat_map(|(m, _)| m) {
                    if !wanted.insert(*atom) {
                        continue;
                    }
                    match &normalizer.atoms[*atom as usize] {
                        Atom::Call(_, a) | Atom::Group(a) | Atom::Opaque(a) => polys.push(a),
                        Atom::Power(a, b) => polys.extend([a, b]),
                        Atom::Extreme(_, parts) => polys.extend(parts),
                        Atom::If(c, a, b) => {
                            polys.extend([a, b]);
                            open.push(*c);
                        }
                        Atom::Reduce(_, _, a, b, c) => polys.extend([a, b, c]),
                        _ => {}
                    }
                }
            }
            if let Some(condition) = open.pop()
                && conditions.insert(condition)
            {
                match &normalizer.conditions[condition as usize] {
                    Cond::Truth(_) => {}
                    Cond::Compare(_, a, b) => polys.extend([a, b]),
                    Cond::Not(a) => open.push(*a),
                    Cond::And(a, b) | Cond::Or(a, b) => open.extend([*a, *b]),
                }
            }
        }
        for atom in wanted {
            let id = self.atom(atom);
            self.atoms.insert(atom, id);
        }
        self.poly(poly)
    }

    fn add(&mut self, node: Node) -> Id {
        self.builder.add(node, self.span)
    }

    fn number(&mut self, x: f64) -> Id {
        self.builder.number(x, self.span)
    }

    fn binary(&mut self, op: Binary, a: Id, b: Id) -> Id {
        self.add(Node::Binary(op, a, b))
    }

    /// Depth is that of the condition alone: conditions inside numbers are atoms, written before.
    fn condition(&mut self, id: CondId) -> Id {
        if let Some(&known) = self.conditions.get(&id) {
            return known;
        }
        // Conditions only mention earlier ones: write all earlier ones that are needed, in order.
        let mut needed = BTreeSet::from([id]);
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            let (a, b) = match self.normalizer.conditions[at as usize] {
                Cond::Not(a) => (Some(a), None),
                Cond::And(a, b) | Cond::Or(a, b) => (Some(a), Some(b)),
                _ => (None, None),
            };
            for child in [a, b].into_iter().flatten() {
                if needed.insert(child) {
                    open.push(child);
                }
            }
        }
        for at in needed {
            let known = |this: &Self, id: CondId| this.conditions.get(&id).copied().unwrap_or_default();
            let node = match self.normalizer.conditions[at as usize].clone() {
                Cond::Truth(truth) => Node::Truth(truth),
                Cond::Compare(op, a, b) => {
                    let (a, b) = (self.poly(&a), self.poly(&b));
                    Node::Compare(op, a, b)
                }
                Cond::Not(a) => Node::Not(known(self, a)),
                Cond::And(a, b) => Node::And(known(self, a), known(self, b)),
                Cond::Or(a, b) => Node::Or(known(self, a), known(self, b)),
            };
            let id = self.add(node);
            self.conditions.insert(at, id);
        }
        self.conditions.get(&id).copied().unwrap_or_default()
    }

    fn index(&mut self, index: u32) -> u32 {
        if let Some(&known) = self.indices.get(&index) {
            return known;
        }
        let fresh = self.builder.fresh_index();
        self.indices.insert(index, fresh);
        fresh
    }

    fn atom(&mut self, id: AtomId) -> Id {
        match self.normalizer.atoms[id as usize].clone() {
            Atom::Variable(name) => self.builder.variable(&name, self.span),
            Atom::Index(index) => {
                let index = self.index(index);
                self.add(Node::Index(index))
            }
            Atom::Constant(constant) => self.add(Node::Constant(constant)),
            Atom::Prime(p) => self.number(p as f64),
            Atom::Number(bits) => self.number(f64::from_bits(bits)),
            Atom::Call(function, inside) => {
                let inside = self.poly(&inside);
                self.add(Node::Call(function, inside))
            }
            Atom::Power(base, exponent) => {
                let (base, exponent) = (self.poly(&base), self.poly(&exponent));
                self.binary(Binary::Pow, base, exponent)
            }
            Atom::Group(inside) | Atom::Opaque(inside) => self.poly(&inside),
            Atom::Extreme(least, parts) => {
                let op = if least { Binary::Min } else { Binary::Max };
                let ids: Vec<Id> = parts.iter().map(|p| self.poly(p)).collect();
                let mut all = ids[0];
                for &id in &ids[1..] {
                    all = self.binary(op, all, id);
                }
                all
            }
            Atom::If(condition, a, b) => {
                let (condition, a, b) = (self.condition(condition), self.poly(&a), self.poly(&b));
                self.add(Node::If(condition, a, b))
            }
            Atom::Reduce(kind, index, first, last, body) => {
                let index = self.index(index);
                let (first, last, body) = (self.poly(&first), self.poly(&last), self.poly(&body));
                self.builder.reduce(kind, index, first, last, body, self.span)
            }
        }
    }

    fn poly(&mut self, poly: &Poly) -> Id {
        let mut terms: Vec<(&Monomial, Coefficient)> = poly.0.iter().map(|(m, c)| (m, *c)).collect();
        let degree = |m: &Monomial| m.iter().map(|(_, r)| r.value()).sum::<f64>();
        // Highest degree first, constants last, a positive term in front if there is one.
        terms.sort_by(|a, b| {
            a.0.is_empty().cmp(&b.0.is_empty()).then(degree(b.0).total_cmp(&degree(a.0))).then(a.0.cmp(b.0))
        });
        if let Some(position) = terms.iter().position(|(_, c)| !c.is_negative()) {
            let first = terms.remove(position);
            terms.insert(0, first);
        }
        let mut all: Option<Id> = None;
        for (monomial, c) in terms {
            let (size, negative) = if c.is_negative() { (c.negate(), true) } else { (c, false) };
            all = Some(match all {
                None => self.term(monomial, c),
                Some(before) => {
                    let term = self.term(monomial, size);
                    self.binary(if negative { Binary::Sub } else { Binary::Add }, before, term)
                }
            });
        }
        match all {
            Some(id) => id,
            None => self.number(0.0),
        }
    }

    /// Coefficient and positive powers over negative powers.
    fn term(&mut self, monomial: &Monomial, c: Coefficient) -> Id {
        let (mut top, mut bottom): (Vec<Id>, Vec<Id>) = (Vec::new(), Vec::new());
        let negative = c.is_negative();
        let size = if negative { c.negate() } else { c };
        let (numerator, denominator) = match size {
            Coefficient::Approximate(bits) => (f64::from_bits(bits), 1.0),
            Coefficient::Exact(x) => match x.decimal() {
                Some(value) => (value, 1.0),
                None if x.den < 1 << 53 => (x.num as f64, x.den as f64),
                None => (x.value(), 1.0),
            },
        };
        // A sign goes into the leading number, if there is one.
        let signed = negative && numerator != 1.0;
        if numerator != 1.0 {
            top.push(self.number(if signed { -numerator } else { numerator }));
        }
        if denominator != 1.0 {
            bottom.push(self.number(denominator));
        }
        for (atom, r) in monomial {
            let base = self.atoms.get(atom).copied().unwrap_or_default();
            let (list, r) = if r.num < 0 { (&mut bottom, r.negate()) } else { (&mut top, *r) };
            let factor = if r == Rational::ONE {
                base
            } else if r == Rational::HALF {
                self.builder.add(Node::Call(Function::Sqrt, base), self.span)
            } else {
                let exponent = match r.decimal() {
                    Some(x) => self.builder.number(x, self.span),
                    None => {
                        let top = self.builder.number(r.num as f64, self.span);
                        let bottom = self.builder.number(r.den as f64, self.span);
                        self.builder.add(Node::Binary(Binary::Div, top, bottom), self.span)
                    }
                };
                self.builder.add(Node::Binary(Binary::Pow, base, exponent), self.span)
            };
            list.push(factor);
        }
        let product = |this: &mut Self, parts: &[Id]| {
            let mut parts = parts.iter().copied();
            let first = parts.next();
            first.map(|first| parts.fold(first, |all, part| this.binary(Binary::Mul, all, part)))
        };
        let bottom = product(self, &bottom);
        let top = match product(self, &top) {
            Some(top) => top,
            None => self.number(1.0),
        };
        let value = match bottom {
            Some(bottom) => self.binary(Binary::Div, top, bottom),
            None => top,
        };
        if negative && !signed { self.add(Node::Neg(value)) } else { value }
    }
}
