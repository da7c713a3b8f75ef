//! The normal form: a sum of monomials over atoms, equal formulas to equal forms as far as algebra reaches.
//!
//! An atom is whatever algebra cannot look through: a variable, a call, a sum used as a factor. Atoms are interned,
//! so two formulas brought to normal form in the same [`Normalizer`] are compared by value.

use super::function::{Constant, Function, Reduction, Relation};
use super::rational::{Coefficient, Rational};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// Most terms that a product may be expanded into.
const EXPANSION_LIMIT: usize = 600;

/// Position of an atom in its normalizer.
pub(super) type AtomId = u32;

/// A product of powers of atoms, ascending by atom, no exponent zero.
pub(super) type Monomial = Vec<(AtomId, Rational)>;

/// A sum of monomials with coefficients, ascending by monomial, no coefficient zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Poly(pub Rc<Vec<(Monomial, Coefficient)>>);

/// What algebra does not look through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    Variable(String),
    Index(u32),
    Constant(Constant),
    /// A prime number under a root.
    Prime(i128),
    /// A number too large or too small for exact fractions, under a root.
    Number(u64),
    Call(Function, Poly),
    Power(Poly, Poly),
    /// A sum, or an opaque product, as a factor.
    Group(Poly),
    /// A factor that is never opened again: numbers or exponents beyond the exact range.
    Opaque(Poly),
    /// Smallest (true) or largest of sorted, distinct operands.
    Extreme(bool, Vec<Poly>),
    If(CondId, Poly, Poly),
    Reduce(Reduction, u32, Poly, Poly, Poly),
}

/// Position of a condition in its normalizer.
pub(super) type CondId = u32;

/// A condition in normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Cond {
    Truth(bool),
    Compare(Relation, Poly, Poly),
    Not(CondId),
    And(CondId, CondId),
    Or(CondId, CondId),
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Keep factors and logarithms as written: for people.
    Display,
    /// Expand products, split logarithms, one base of logarithms: for comparing.
    Canonical,
}

/// Interned atoms and conditions, and the algebra on polynomials over them.
#[derive(Debug)]
pub(super) struct Normalizer {
    pub mode: Mode,
    pub atoms: Vec<Atom>,
    pub conditions: Vec<Cond>,
    atom_ids: HashMap<Atom, AtomId>,
    condition_ids: HashMap<Cond, CondId>,
    /// Per atom: whether it is above zero wherever it is defined.
    positive: Vec<bool>,
    /// Variables assumed positive.
    assumed: BTreeSet<String>,
    /// Products of terms that expansion may still make; keeps hostile formulas from exploding.
    budget: usize,
}

impl Poly {
    pub fn zero() -> Poly {
        Poly(Rc::new(Vec::new()))
    }

    pub fn constant(c: Coefficient) -> Poly {
        if c.is_zero() { Poly::zero() } else { Poly(Rc::new(vec![(Vec::new(), c)])) }
    }

    pub fn term(monomial: Monomial, c: Coefficient) -> Poly {
        if c.is_zero() { Poly::zero() } else { Poly(Rc::new(vec![(monomial, c)])) }
    }

    pub fn as_constant(&self) -> Option<Coefficient> {
        match self.0.as_slice() {
            [] => Some(Coefficient::ZERO),
            [(monomial, c)] if monomial.is_empty() => Some(*c),
            _ => None,
        }
    }

    pub fn as_rational(&self) -> Option<Rational> {
        self.as_constant()?.exact()
    }

    pub fn single(&self) -> Option<(&Monomial, Coefficient)> {
        match self.0.as_slice() {
            [(monomial, c)] => Some((monomial, *c)),
            _ => None,
        }
    }

    pub fn negate(&self) -> Poly {
        Poly(Rc::new(self.0.iter().map(|(m, c)| (m.clone(), c.negate())).collect()))
    }

    /// Whether its first term is negative; decides the sign that odd and even functions take out.
    pub fn leads_negative(&self) -> bool {
        self.0.first().is_some_and(|(_, c)| c.is_negative())
    }
}

impl Normalizer {
    pub fn new(mode: Mode, assumed: BTreeSet<String>) -> Self {
        Normalizer {
            mode,
            atoms: vec![],
            conditions: vec![],
            atom_ids: HashMap::new(),
            condition_ids: HashMap::new(),
            positive: vec![],
            assumed,
            budget: 20_000,
        }
    }

    pub fn atom(&mut self, atom: Atom) -> Poly {
        let id = self.atom_id(atom);
        Poly::term(vec![(id, Rational::ONE)], Coefficient::ONE)
    }

    fn atom_id(&mut self, atom: Atom) -> AtomId {
        if let Some(&id) = self.atom_ids.get(&atom) {
            return id;
        }
        let positive = match &atom {
            Atom::Variable(name) => self.assumed.contains(name),
            Atom::Constant(_) | Atom::Prime(_) => true,
            Atom::Number(bits) => f64::from_bits(*bits) > 0.0,
            Atom::Call(Function::Exp | Function::Cosh, _) => true,
            Atom::Call(Function::Sqrt | Function::Cbrt, inside) => self.is_positive(inside),
            Atom::Group(inside) | Atom::Opaque(inside) => self.is_positive(inside),
            Atom::Power(base, _) => self.is_positive(base),
            Atom::Extreme(_, parts) => parts.iter().all(|p| self.is_positive(p)),
            Atom::If(_, a, b) => self.is_positive(a) && self.is_positive(b),
            _ => false,
        };
        let id = self.atoms.len() as AtomId;
        self.atoms.push(atom.clone());
        self.positive.push(positive);
        self.atom_ids.insert(atom, id);
        id
    }

    pub fn condition(&mut self, condition: Cond) -> CondId {
        if let Some(&id) = self.condition_ids.get(&condition) {
            return id;
        }
        let id = self.conditions.len() as CondId;
        self.conditions.push(condition.clone());
        self.condition_ids.insert(condition, id);
        id
    }

    /// Whether every factor of every term is known to be positive.
    pub fn is_positive(&self, poly: &Poly) -> bool {
        !poly.0.is_empty()
            && poly.0.iter().all(|(m, c)| !c.is_negative() && m.iter().all(|(a, _)| self.positive[*a as usize]))
    }

    pub fn add(&mut self, a: &Poly, b: &Poly) -> Poly {
        if a.0.is_empty() {
            return b.clone();
        }
        if b.0.is_empty() {
            return a.clone();
        }
        let (mut left, mut right) = (a.0.iter().peekable(), b.0.iter().peekable());
        let mut terms = Vec::with_capacity(a.0.len() + b.0.len());
        loop {
            match (left.peek(), right.peek()) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    match x.1.plus(y.1) {
                        Some(sum) if sum.is_zero() => {}
                        Some(sum) => terms.push((x.0.clone(), sum)),
                        // Beyond f64: leave both terms, one hidden in a group.
                        None => {
                            let hidden = self.opaque_id(Poly::term(y.0.clone(), y.1));
                            terms.push((x.0.clone(), x.1));
                            terms.push((vec![(hidden, Rational::ONE)], Coefficient::ONE));
                            terms.sort();
                        }
                    }
                    left.next();
                    right.next();
                }
                (Some(x), Some(y)) if x.0 < y.0 => terms.extend(left.next().cloned()),
                (Some(_), Some(_)) | (None, Some(_)) => terms.extend(right.next().cloned()),
                (Some(_), None) => terms.extend(left.next().cloned()),
                (None, None) => break,
            }
        }
        Poly(Rc::new(terms))
    }

    pub fn subtract(&mut self, a: &Poly, b: &Poly) -> Poly {
        self.add(a, &b.negate())
    }

    fn group_id(&mut self, poly: Poly) -> AtomId {
        self.atom_id(Atom::Group(poly))
    }

    fn opaque_id(&mut self, poly: Poly) -> AtomId {
        self.atom_id(Atom::Opaque(poly))
    }

    /// The sum as one factor: a common coefficient (only for comparing) and the group of the rest.
    fn as_factor(&mut self, poly: &Poly) -> (Monomial, Coefficient) {
        if let Some((m, c)) = poly.single() {
            return (m.clone(), c);
        }
        let mut content = Coefficient::ONE;
        let mut rest = poly.clone();
        if self.mode == Mode::Canonical || poly.0.iter().all(|(_, c)| c.is_negative()) {
            let exact: Option<Vec<Rational>> = poly.0.iter().map(|(_, c)| c.exact()).collect();
            let mut common = Some(Rational::ONE);
            if self.mode == Mode::Canonical {
                common = exact.and_then(|all| {
                    let mut all = all.into_iter();
                    let first = all.next()?;
                    all.try_fold(first, Rational::common)
                });
            }
            if let Some(mut common) = common {
                if common.num < 0 {
                    common = common.negate();
                }
                if poly.leads_negative() {
                    common = common.negate();
                }
                let inverse = common.inverse().map(Coefficient::Exact);
                let scaled: Option<Vec<_>> =
                    poly.0.iter().map(|(m, c)| Some((m.clone(), c.times(inverse?)?))).collect();
                if let Some(scaled) = scaled {
                    content = Coefficient::Exact(common);
                    rest = Poly(Rc::new(scaled));
                }
            }
        }
        let id = self.group_id(rest);
        (vec![(id, Rational::ONE)], content)
    }

    /// The product of two terms, finished by [`Normalizer::settle`].
    fn term_product(&mut self, a: (&Monomial, Coefficient), b: (&Monomial, Coefficient)) -> Poly {
        let Some(c) = a.1.times(b.1) else {
            let hidden = self.opaque_id(Poly::constant(b.1));
            let rest = self.term_product(a, (b.0, Coefficient::ONE));
            return self.term_product_poly(&rest, hidden);
        };
        let mut exponents: BTreeMap<AtomId, Rational> = a.0.iter().copied().collect();
        let mut overflow = Vec::new();
        for &(atom, r) in b.0 {
            let sum = exponents.get(&atom).copied().unwrap_or(Rational::ZERO).plus(r);
            match sum {
                Some(sum) => {
                    exponents.insert(atom, sum);
                }
                None => overflow.push((atom, r)),
            }
        }
        exponents.retain(|_, r| r.num != 0);
        let mut monomial: Monomial = exponents.into_iter().collect();
        if !overflow.is_empty() {
            let hidden = self.opaque_id(Poly::term(overflow, Coefficient::ONE));
            monomial.push((hidden, Rational::ONE));
            monomial.sort_unstable();
        }
        self.settle(monomial, c)
    }

    fn term_product_poly(&mut self, poly: &Poly, atom: AtomId) -> Poly {
        match poly.single() {
            Some((m, c)) => {
                let mut monomial = m.clone();
                monomial.push((atom, Rational::ONE));
                monomial.sort_unstable();
                Poly::term(monomial, c)
            }
            None => poly.clone(),
        }
    }

    /// Takes whole powers of primes into the coefficient and opens groups that need no longer be closed.
    pub fn settle(&mut self, mut monomial: Monomial, mut c: Coefficient) -> Poly {
        for factor in &mut monomial {
            if let Atom::Prime(p) = self.atoms[factor.0 as usize] {
                let whole = factor.1.floor();
                let taken = Rational::whole(p).whole_power(whole.num).and_then(|x| c.times(Coefficient::Exact(x)));
                if let (Some(taken), Some(left)) = (taken, factor.1.plus(whole.negate())) {
                    c = taken;
                    factor.1 = left;
                }
            }
        }
        monomial.retain(|(_, r)| r.num != 0);
        let opens = |(atom, r): &(AtomId, Rational)| {
            r.is_whole()
                && match &self.atoms[*atom as usize] {
                    Atom::Group(inside) if inside.single().is_some() => inside.as_constant().is_none(),
                    Atom::Group(inside) => {
                        r.num > 0
                            && self.mode == Mode::Canonical
                            && r.num <= 16
                            && self.budget > 0
                            && inside.0.len().saturating_pow(r.num as u32) <= EXPANSION_LIMIT
                    }
                    _ => false,
                }
        };
        if let Some(position) = monomial.iter().position(opens) {
            let (atom, r) = monomial.remove(position);
            let Atom::Group(inside) = self.atoms[atom as usize].clone() else { return Poly::term(monomial, c) };
            let opened = self.power(&inside, r);
            return self.multiply(&Poly::term(monomial, c), &opened);
        }
        if let ([(atom, r)], Mode::Display) = (monomial.as_slice(), self.mode)
            && *r == Rational::ONE
            && c == Coefficient::ONE
            && let Atom::Group(inside) = &self.atoms[*atom as usize]
        {
            return inside.clone();
        }
        Poly::term(monomial, c)
    }

    pub fn multiply(&mut self, a: &Poly, b: &Poly) -> Poly {
        if a.0.is_empty() || b.0.is_empty() {
            return Poly::zero();
        }
        if let (Some(x), Some(y)) = (a.single(), b.single()) {
            return self.term_product(x, y);
        }
        for (one, other) in [(a, b), (b, a)] {
            match one.as_constant() {
                Some(c) if c == Coefficient::ONE => return other.clone(),
                Some(c) if c == Coefficient::ONE.negate() => return other.negate(),
                _ => {}
            }
        }
        if self.mode == Mode::Canonical
            && a.0.len() * b.0.len() <= EXPANSION_LIMIT.min(self.budget)
            && !self.cancels(a, b)
            && !self.cancels(b, a)
        {
            self.budget -= a.0.len() * b.0.len();
            let mut all = Poly::zero();
            for x in a.0.iter() {
                for y in b.0.iter() {
                    let product = self.term_product((&x.0, x.1), (&y.0, y.1));
                    all = self.add(&all, &product);
                }
            }
            return all;
        }
        let left = self.as_factor(a);
        let right = self.as_factor(b);
        self.term_product((&left.0, left.1), (&right.0, right.1))
    }

    /// Whether the sum `a` stands in a denominator of the term `b`: then it is kept whole to cancel.
    fn cancels(&mut self, a: &Poly, b: &Poly) -> bool {
        if a.single().is_some() {
            return false;
        }
        let Some((monomial, _)) = b.single() else { return false };
        let negative: Vec<AtomId> = monomial.iter().filter(|(_, r)| r.num < 0).map(|(atom, _)| *atom).collect();
        if !negative.iter().any(|atom| matches!(self.atoms[*atom as usize], Atom::Group(_))) {
            return false;
        }
        let (factor, _) = self.as_factor(a);
        factor.first().is_some_and(|(atom, _)| negative.contains(atom))
    }

    /// A rational power.
    pub fn power(&mut self, base: &Poly, r: Rational) -> Poly {
        if r.num == 0 {
            return Poly::constant(Coefficient::ONE);
        }
        if r == Rational::ONE {
            return base.clone();
        }
        if let Some(c) = base.as_constant() {
            return self.constant_power(c, r);
        }
        let Some((monomial, c)) = base.single() else {
            if self.mode == Mode::Canonical
                && r.is_whole()
                && (2..=16).contains(&r.num)
                && self.budget > 0
                && base.0.len().saturating_pow(r.num as u32) <= EXPANSION_LIMIT
            {
                let mut all = base.clone();
                for _ in 1..r.num {
                    all = self.multiply(&all, base);
                }
                return all;
            }
            let (factor, content) = self.as_factor(base);
            if content == Coefficient::ONE {
                return self.settle(vec![(factor[0].0, r)], Coefficient::ONE);
            }
            if content.is_negative() && !r.is_whole() {
                // A negative content under a root stays inside.
                let whole = self.group_id(base.clone());
                return Poly::term(vec![(whole, r)], Coefficient::ONE);
            }
            let outside = self.constant_power(content, r);
            let inside = Poly::term(vec![(factor[0].0, r)], Coefficient::ONE);
            return self.multiply(&outside, &inside);
        };
        let monomial = monomial.clone();
        // (x^a)^r is x^(a r) for whole r, for positive x, and for a = 1.
        let alone = monomial.len() == 1 && c == Coefficient::ONE && monomial[0].1 == Rational::ONE;
        let free = |this: &Self, atom: AtomId| r.is_whole() || alone || this.positive[atom as usize];
        let (outside, inside): (Monomial, Monomial) = monomial.iter().partition(|(atom, _)| free(self, *atom));
        let inner = if c.is_negative() && !r.is_whole() { c } else { Coefficient::ONE };
        let outer = if inner == Coefficient::ONE { c } else { Coefficient::ONE };
        let raised: Option<Monomial> = outside.iter().map(|(atom, e)| Some((*atom, e.times(r)?))).collect();
        let Some(raised) = raised else {
            let whole = self.opaque_id(base.clone());
            return Poly::term(vec![(whole, r)], Coefficient::ONE);
        };
        let mut all = self.constant_power(outer, r);
        let opened = self.settle(raised, Coefficient::ONE);
        all = self.multiply(&all, &opened);
        if !inside.is_empty() || inner != Coefficient::ONE {
            let group = self.group_id(Poly::term(inside, inner));
            all = self.multiply(&all, &Poly::term(vec![(group, r)], Coefficient::ONE));
        }
        all
    }

    /// A rational power of a number: exact, or a product of roots of primes.
    fn constant_power(&mut self, c: Coefficient, r: Rational) -> Poly {
        let opaque = |this: &mut Self| {
            let id = match c.exact() {
                Some(_) => this.opaque_id(Poly::constant(c)),
                None => this.atom_id(Atom::Number(c.value().to_bits())),
            };
            Poly::term(vec![(id, r)], Coefficient::ONE)
        };
        let Some(x) = c.exact() else { return opaque(self) };
        if x == Rational::ONE {
            return Poly::constant(c);
        }
        if x.num == 0 {
            return if r.num > 0 { Poly::zero() } else { opaque(self) };
        }
        if r.is_whole()
            && let Some(power) = x.whole_power(r.num)
        {
            return Poly::constant(Coefficient::Exact(power));
        }
        if x.num < 0 || r.is_whole() {
            return opaque(self);
        }
        let mut monomial: BTreeMap<AtomId, Rational> = BTreeMap::new();
        let Some(factors) = factorise(x) else { return opaque(self) };
        for (prime, e) in factors {
            let Some(exponent) = Rational::whole(e).times(r) else { return opaque(self) };
            monomial.insert(self.atom_id(Atom::Prime(prime)), exponent);
        }
        self.settle(monomial.into_iter().collect(), Coefficient::ONE)
    }
}

/// Prime factors with exponents; `None` when a factor is too large to split.
pub(super) fn factorise(x: Rational) -> Option<Vec<(i128, i128)>> {
    let mut factors = BTreeMap::new();
    for (mut n, sign) in [(x.num, 1), (x.den, -1)] {
        let mut p = 2;
        while p * p <= n && p < 2000 {
            while n % p == 0 {
                n /= p;
                *factors.entry(p).or_insert(0) += sign;
            }
            p += 1;
        }
        if n > 1 {
            if n >= 4_000_000 {
                return None;
            }
            *factors.entry(n).or_insert(0) += sign;
        }
    }
    Some(factors.into_iter().collect())
}
