//! Growth: the leading order of a formula in several variables, with logarithms.
//!
//! Variables go to infinity or to zero, each on its own. A formula is expanded into terms
//! c · Π vᵃ (ln v)ᵇ (ln ln v)ᶜ, where v is the variable or, for one that goes to zero, its inverse; lower orders are
//! kept so that cancellations such as √(1 + ε) − 1 are seen. What the expansion cannot decide is
//! [`Growth::Unknown`] with the reason, never a guess.

use super::Expr;
use super::function::{Binary, Constant, Function, Reduction, Relation};
use super::graph::{Graph, Id, Node};
use super::rational::Rational;
use super::span::ParseError;
use std::collections::BTreeMap;
use std::fmt;

/// Where a variable goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Sizes, condition numbers.
    Infinity,
    /// Tolerances.
    Zero,
}

impl Limit {
    /// The convention of the cost models: `eps`, `delta` and `eta`, with any suffix, go to zero, all else to infinity.
    pub fn of(name: &str) -> Limit {
        let head = name.split('_').next().unwrap_or_default();
        if matches!(head, "eps" | "delta" | "eta" | "epsilon" | "tolerance") { Limit::Zero } else { Limit::Infinity }
    }
}

/// Powers of v, ln v and ln ln v of one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Order([Rational; 3]);

impl Order {
    const ONE: Order = Order([Rational::ZERO; 3]);
}

/// The order of a term in every variable.
type Orders = Vec<Order>;

/// The leading order.
#[derive(Debug, Clone, PartialEq)]
pub enum Growth {
    /// Θ of a sum of terms, none of which dominates another.
    Known(Leading),
    /// Not decided, and why.
    Unknown(String),
}

/// A sum of terms of incomparable growth.
#[derive(Debug, Clone, PartialEq)]
pub struct Leading {
    variables: Vec<(String, Limit)>,
    terms: Vec<Orders>,
}

impl Growth {
    /// The growth of a claim such as `kappa*ln(1/eps)`.
    ///
    /// # Errors
    /// When the claim is not a formula.
    pub fn parse(claim: &str, variables: &[&str]) -> Result<Growth, ParseError> {
        Ok(super::parse(claim)?.growth(variables))
    }

    /// Whether both are known and of the same order.
    pub fn same(&self, other: &Growth) -> Option<bool> {
        Some(self.at_most(other)? && other.at_most(self)?)
    }

    /// Whether this is O(other); `None` when either is unknown.
    pub fn at_most(&self, other: &Growth) -> Option<bool> {
        let (Growth::Known(a), Growth::Known(b)) = (self, other) else { return None };
        if a.variables != b.variables {
            return None;
        }
        Some(a.terms.iter().all(|term| covered(term, &b.terms)))
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Growth::Known(leading) => write!(f, "Θ({leading})"),
            Growth::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

impl fmt::Display for Leading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0");
        }
        // The common factor first, the rest in brackets.
        let mut common = self.terms[0].clone();
        for term in &self.terms[1..] {
            for (c, t) in common.iter_mut().zip(term) {
                for (x, y) in c.0.iter_mut().zip(t.0) {
                    *x = if x.num.signum() != y.num.signum() {
                        Rational::ZERO
                    } else if x.num > 0 {
                        (*x).min(y)
                    } else {
                        (*x).max(y)
                    };
                }
            }
        }
        let outside = self.product(&common);
        let mut inside: Vec<String> = Vec::new();
        for term in &self.terms {
            let rest: Orders = term
                .iter()
                .zip(&common)
                .map(|(t, c)| {
                    let mut order = t.0;
                    for (x, y) in order.iter_mut().zip(c.0) {
                        *x = x.plus(y.negate()).unwrap_or(*x);
                    }
                    Order(order)
                })
                .collect();
            inside.push(self.product(&rest));
        }
        match (outside.as_str(), inside.as_slice()) {
            (_, [_]) => f.write_str(&outside),
            ("1", _) => f.write_str(&inside.join(" + ")),
            _ => write!(f, "{outside}*({})", inside.join(" + ")),
        }
    }
}

impl Leading {
    fn product(&self, orders: &Orders) -> String {
        let (mut top, mut bottom): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for ((name, limit), order) in self.variables.iter().zip(orders) {
            let large = match limit {
                Limit::Infinity => name.clone(),
                Limit::Zero => format!("1/{name}"),
            };
            let logs = format!("ln({large})");
            for (level, r) in order.0.iter().enumerate() {
                if r.num == 0 {
                    continue;
                }
                // 1/eps to a power is eps in the denominator.
                let up = (r.num > 0) != (level == 0 && *limit == Limit::Zero);
                let size = if r.num < 0 { r.negate() } else { *r };
                let base = match level {
                    0 => name.clone(),
                    1 => logs.clone(),
                    _ => format!("ln({logs})"),
                };
                let text = match size {
                    Rational { num: 1, den: 1 } => base,
                    Rational { num, den: 1 } => format!("{base}^{num}"),
                    Rational { num, den } => format!("{base}^({num}/{den})"),
                };
                if up { top.push(text) } else { bottom.push(text) }
            }
        }
        let product = |parts: &[String]| parts.join("*");
        match (top.len(), bottom.len()) {
            (0, 0) => "1".to_string(),
            (_, 0) => product(&top),
            (0, 1) => format!("1/{}", product(&bottom)),
            (0, _) => format!("1/({})", product(&bottom)),
            (_, 1) => format!("{}/{}", product(&top), product(&bottom)),
            _ => format!("{}/({})", product(&top), product(&bottom)),
        }
    }
}

/// Whether `a` is O(`b`): lexicographically at most in every variable.
fn dominated(a: &Orders, b: &Orders) -> bool {
    a.iter().zip(b).all(|(x, y)| x <= y)
}

/// Whether a term is O of a sum: under one term, or under a weighted geometric mean of two.
fn covered(term: &Orders, terms: &[Orders]) -> bool {
    if terms.iter().any(|t| dominated(term, t)) {
        return true;
    }
    for (i, a) in terms.iter().enumerate() {
        for b in &terms[i + 1..] {
            let flat = |o: &Orders| o.iter().flat_map(|x| x.0).collect::<Vec<Rational>>();
            let (t, a, b) = (flat(term), flat(a), flat(b));
            for j in 0..t.len() {
                if a[j] == b[j] {
                    continue;
                }
                // The weight at which the mean has the term's exponent here.
                let weight = (|| {
                    let top = t[j].plus(b[j].negate())?;
                    let bottom = a[j].plus(b[j].negate())?;
                    top.times(bottom.inverse()?)
                })();
                let Some(w) = weight.filter(|w| *w >= Rational::ZERO && *w <= Rational::ONE) else { continue };
                let mean: Option<Vec<Rational>> = a
                    .iter()
                    .zip(&b)
                    .map(|(x, y)| x.times(w)?.plus(y.times(Rational::ONE.plus(w.negate())?)?))
                    .collect();
                let Some(mean) = mean else { continue };
                let pack = |flat: &[Rational]| -> Orders {
                    flat.as_chunks::<3>().0.iter().map(|chunk| Order(*chunk)).collect()
                };
                if dominated(&pack(&t), &pack(&mean)) {
                    return true;
                }
            }
        }
    }
    false
}

/// A coefficient: known, or only known to stay between positive constants.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Weight {
    Known(f64),
    Positive,
}

/// An expansion: terms, and the orders of what was left out.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    terms: BTreeMap<Orders, Weight>,
    rest: Vec<Orders>,
}

type Expanded = Result<Series, String>;

/// How many orders below the leading one are kept, and how many terms.
const DEPTH: usize = 4;
const MOST_TERMS: usize = 60;
/// Relative size below which a coefficient counts as cancelled.
const CANCELLED: f64 = 1e-9;

impl Series {
    fn zero() -> Series {
        Series { terms: BTreeMap::new(), rest: vec![] }
    }

    fn term(orders: Orders, weight: Weight) -> Series {
        Series { terms: BTreeMap::from([(orders, weight)]), rest: vec![] }
    }

    fn number(x: f64, variables: usize) -> Series {
        if x == 0.0 { Series::zero() } else { Series::term(vec![Order::ONE; variables], Weight::Known(x)) }
    }

    fn constant(&self) -> Option<f64> {
        if !self.rest.is_empty() {
            return None;
        }
        match self.terms.iter().next() {
            None => Some(0.0),
            Some((orders, Weight::Known(c))) if self.terms.len() == 1 && orders.iter().all(|o| *o == Order::ONE) => {
                Some(*c)
            }
            _ => None,
        }
    }

    /// The terms that no other dominates.
    fn leading(&self) -> Vec<Orders> {
        maximal(self.terms.keys())
    }

    /// The one term that dominates all others, if there is one and nothing left out could matter beside it.
    fn sole(&self) -> Option<(Orders, Weight)> {
        let leading = self.leading();
        let [first] = leading.as_slice() else { return None };
        let hidden = self.rest.iter().any(|r| !strictly_below(r, first));
        (!hidden).then(|| (first.clone(), self.terms[first]))
    }

    /// Leading terms that are certain: nothing left out reaches them.
    fn certain(&self) -> Result<Vec<Orders>, String> {
        let leading = self.leading();
        if self.rest.iter().any(|r| !leading.iter().any(|l| strictly_below(r, l))) {
            return Err("a cancellation goes beyond the orders that are kept".to_string());
        }
        Ok(leading)
    }

    fn trimmed(mut self) -> Series {
        let mut keep: BTreeMap<Orders, Weight> = BTreeMap::new();
        let mut left = std::mem::take(&mut self.terms);
        for _ in 0..DEPTH {
            if keep.len() >= MOST_TERMS {
                break;
            }
            for orders in maximal(left.keys()) {
                if let Some(weight) = left.remove(&orders) {
                    keep.insert(orders, weight);
                }
            }
        }
        self.rest.extend(left.into_keys());
        self.rest = maximal(self.rest.iter());
        self.terms = keep;
        self
    }

    fn plus(&self, other: &Series) -> Expanded {
        let mut sum = self.clone();
        for (orders, weight) in &other.terms {
            match (sum.terms.get(orders).copied(), *weight) {
                (None, w) => {
                    sum.terms.insert(orders.clone(), w);
                }
                (Some(Weight::Known(a)), Weight::Known(b)) => {
                    if (a + b).abs() <= CANCELLED * a.abs().max(b.abs()) {
                        sum.terms.remove(orders);
                    } else {
                        sum.terms.insert(orders.clone(), Weight::Known(a + b));
                    }
                }
                (Some(a), b) => {
                    let positive = |w: Weight| !matches!(w, Weight::Known(x) if x < 0.0);
                    if !(positive(a) && positive(b)) {
                        return Err(
                            "terms of the same order are subtracted and their constants are not known".to_string()
                        );
                    }
                    sum.terms.insert(orders.clone(), Weight::Positive);
                }
            }
        }
        sum.rest.extend(other.rest.iter().cloned());
        Ok(sum.trimmed())
    }

    fn scaled(&self, c: f64) -> Expanded {
        let mut scaled = self.clone();
        for weight in scaled.terms.values_mut() {
            *weight = match *weight {
                Weight::Known(x) => Weight::Known(x * c),
                Weight::Positive if c > 0.0 => Weight::Positive,
                Weight::Positive => return Err("a term whose constant is not known is subtracted".to_string()),
            };
        }
        Ok(scaled)
    }

    fn times(&self, other: &Series) -> Expanded {
        let mut product = Series::zero();
        for (a, x) in &self.terms {
            for (b, y) in &other.terms {
                let weight = match (*x, *y) {
                    (Weight::Known(x), Weight::Known(y)) => Weight::Known(x * y),
                    (Weight::Known(x), _) | (_, Weight::Known(x)) if x < 0.0 => {
                        return Err("the sign of a term is not known".to_string());
                    }
                    _ => Weight::Positive,
                };
                product = product.plus(&Series::term(join(a, b)?, weight))?;
            }
        }
        let all = |s: &Series| s.terms.keys().chain(&s.rest).cloned().collect::<Vec<_>>();
        for (rest, others) in [(&self.rest, all(other)), (&other.rest, all(self))] {
            for a in rest {
                for b in &others {
                    product.rest.push(join(a, b)?);
                }
            }
        }
        Ok(product.trimmed())
    }

    /// The rational power of a positive series.
    fn power(&self, r: Rational) -> Expanded {
        let variables = self.terms.keys().next().map_or(0, Vec::len);
        if r == Rational::ONE {
            return Ok(self.clone());
        }
        if r.num == 0 {
            return Ok(Series::number(1.0, variables));
        }
        if self.terms.is_empty() && self.rest.is_empty() {
            return if r.num > 0 { Ok(Series::zero()) } else { Err("division by zero".to_string()) };
        }
        let Some((orders, weight)) = self.sole() else {
            if r.is_whole() && (2..=8).contains(&r.num) {
                let mut all = self.clone();
                for _ in 1..r.num {
                    all = all.times(self)?;
                }
                return Ok(all);
            }
            let leading = self.certain()?;
            if r.num < 0 {
                return Err("it divides by a sum of incomparable terms".to_string());
            }
            if self.terms.iter().any(|(o, w)| leading.contains(o) && matches!(w, Weight::Known(x) if *x < 0.0)) {
                return Err("the sign under a root is not known".to_string());
            }
            // (a + b)^r is of the order of a^r + b^r.
            let mut all = Series::zero();
            for orders in leading {
                all = all.plus(&Series::term(raise(&orders, r)?, Weight::Positive))?;
            }
            return Ok(all);
        };
        let front = match weight {
            Weight::Positive => Weight::Positive,
            Weight::Known(c) if c > 0.0 || r.is_whole() => Weight::Known(c.powf(r.value())),
            Weight::Known(_) => return Err("a root of a negative number".to_string()),
        };
        let lead = Series::term(raise(&orders, r)?, front);
        let Weight::Known(c) = weight else {
            // Only the leading order is known.
            return Ok(Series { rest: lead.terms.keys().cloned().collect(), ..Series::zero() }
                .plus(&lead)?
                .without_rest());
        };
        // c t (1 + d): the binomial series in d.
        let inverse = raise(&orders, Rational::whole(-1))?;
        let mut small = self.clone();
        small.terms.remove(&orders);
        let small = small.times(&Series::term(inverse, Weight::Known(1.0 / c)))?;
        let x = r.value();
        let coefficients = [1.0, x, x * (x - 1.0) / 2.0, x * (x - 1.0) * (x - 2.0) / 6.0];
        lead.times(&taylor(&small, &coefficients, variables)?)
    }

    fn without_rest(mut self) -> Series {
        self.rest.clear();
        self
    }

    /// Logarithm of a positive series.
    fn logarithm(&self, limits: &[(String, Limit)]) -> Expanded {
        let variables = limits.len();
        let leading = self.certain()?;
        if leading.is_empty() {
            return Err("the logarithm of zero".to_string());
        }
        if let Some((orders, weight)) = self.sole() {
            let mut all = Series::zero();
            match weight {
                Weight::Known(c) if c > 0.0 => all = Series::number(if c == 1.0 { 0.0 } else { c.ln() }, variables),
                Weight::Known(_) => return Err("the logarithm of a negative number".to_string()),
                Weight::Positive => {
                    if orders.iter().all(|o| *o == Order::ONE) {
                        return Err("the logarithm of a number that is not known".to_string());
                    }
                    // Bounded either way: below every logarithm, so left out.
                    all.rest.push(vec![Order::ONE; variables]);
                }
            }
            for (position, order) in orders.iter().enumerate() {
                for (level, r) in order.0.iter().enumerate().filter(|(_, r)| r.num != 0) {
                    let mut log = vec![Order::ONE; variables];
                    match log[position].0.get_mut(level + 1) {
                        Some(power) => *power = Rational::ONE,
                        None => return Err("a logarithm of a logarithm of a logarithm".to_string()),
                    }
                    all = all.plus(&Series::term(log, Weight::Known(r.value())))?;
                }
            }
            if let Weight::Known(c) = weight {
                let mut small = self.clone();
                small.terms.remove(&orders);
                if !small.terms.is_empty() || !small.rest.is_empty() {
                    let inverse = Series::term(raise(&orders, Rational::whole(-1))?, Weight::Known(1.0 / c));
                    let small = small.times(&inverse)?;
                    all = all.plus(&taylor(&small, &[0.0, 1.0, -0.5, 1.0 / 3.0], variables)?)?;
                }
            }
            return Ok(all);
        }
        // ln of the largest of several growing terms is of the order of the sum of their variables' logarithms.
        let mut powers: BTreeMap<(usize, usize), i8> = BTreeMap::new();
        for (i, orders) in leading.iter().enumerate() {
            if matches!(self.terms.get(&leading[i]), Some(Weight::Known(c)) if *c < 0.0) {
                return Err("the sign inside a logarithm is not known".to_string());
            }
            for (position, order) in orders.iter().enumerate() {
                if let Some(level) = order.0.iter().position(|r| r.num != 0) {
                    if order.0[level].num < 0 {
                        return Err("a logarithm of terms that grow and shrink".to_string());
                    }
                    powers.insert((position, level), 1);
                }
            }
        }
        let mut all = Series::zero();
        for (position, level) in powers.into_keys() {
            let mut log = vec![Order::ONE; variables];
            match log[position].0.get_mut(level + 1) {
                Some(power) => *power = Rational::ONE,
                None => return Err("a logarithm of a logarithm of a logarithm".to_string()),
            }
            all = all.plus(&Series::term(log, Weight::Positive))?;
        }
        Ok(all)
    }

    /// The limit when the series tends to a constant: its value and the small remainder.
    fn at_constant(&self, variables: usize) -> Result<Option<(f64, Series)>, String> {
        let one = vec![Order::ONE; variables];
        let mut small = self.clone();
        let value = match small.terms.remove(&one) {
            None => 0.0,
            Some(Weight::Known(c)) => c,
            Some(Weight::Positive) => return Err("a constant is not known".to_string()),
        };
        let vanishing = small.terms.keys().chain(&small.rest).all(|o| strictly_below(o, &one));
        Ok(vanishing.then_some((value, small)))
    }

    fn grows(&self) -> bool {
        let leading = self.leading();
        !leading.is_empty()
            && leading
                .iter()
                .all(|orders| orders.iter().all(|o| *o >= Order::ONE) && orders.iter().any(|o| *o > Order::ONE))
    }
}

/// Σ cₖ dᵏ for a small series d, with the remainder of the next order.
fn taylor(small: &Series, coefficients: &[f64], variables: usize) -> Expanded {
    let one = vec![Order::ONE; variables];
    if !small.terms.keys().chain(&small.rest).all(|o| strictly_below(o, &one)) {
        return Err("terms of incomparable size are expanded".to_string());
    }
    let mut all = Series::number(coefficients[0], variables);
    let mut power = Series::number(1.0, variables);
    for &c in &coefficients[1..] {
        power = power.times(small)?;
        if c != 0.0 {
            all = all.plus(&power.scaled(c)?)?;
        }
    }
    let next = power.times(small)?;
    all.rest.extend(next.terms.into_keys().chain(next.rest));
    Ok(all.trimmed())
}

fn strictly_below(a: &Orders, b: &Orders) -> bool {
    a != b && dominated(a, b)
}

fn maximal<'o>(all: impl Iterator<Item = &'o Orders>) -> Vec<Orders> {
    let mut kept: Vec<Orders> = Vec::new();
    for orders in all {
        if kept.iter().any(|k| dominated(orders, k)) {
            continue;
        }
        kept.retain(|k| !dominated(k, orders));
        kept.push(orders.clone());
    }
    kept.sort();
    kept
}

fn join(a: &Orders, b: &Orders) -> Result<Orders, String> {
    map_orders(a, b, |x, y| x.plus(y))
}

fn raise(a: &Orders, r: Rational) -> Result<Orders, String> {
    map_orders(a, a, |x, _| x.times(r))
}

fn map_orders(a: &Orders, b: &Orders, f: impl Fn(Rational, Rational) -> Option<Rational>) -> Result<Orders, String> {
    let mut result = a.clone();
    for (x, y) in result.iter_mut().zip(b) {
        for (p, q) in x.0.iter_mut().zip(y.0) {
            *p = f(*p, q).filter(|r| r.num.abs() < 1 << 60 && r.den < 1 << 60).ok_or("a power is out of range")?;
        }
    }
    Ok(result)
}

impl Expr {
    /// The leading order as the variables go to their usual limits ([`Limit::of`]); other variables count as
    /// positive constants.
    pub fn growth(&self, variables: &[&str]) -> Growth {
        let limits: Vec<(&str, Limit)> = variables.iter().map(|name| (*name, Limit::of(name))).collect();
        self.growth_to(&limits)
    }

    /// The leading order as the variables go to the given limits.
    pub fn growth_to(&self, variables: &[(&str, Limit)]) -> Growth {
        let limits: Vec<(String, Limit)> = variables.iter().map(|(name, limit)| (name.to_string(), *limit)).collect();
        let result = expand(&self.graph, &limits).and_then(|series| series.certain());
        match result {
            Ok(leading) => {
                let mut terms = leading.clone();
                for term in &leading {
                    let others: Vec<Orders> = terms.iter().filter(|t| *t != term).cloned().collect();
                    if covered(term, &others) {
                        terms = others;
                    }
                }
                Growth::Known(Leading { variables: limits, terms })
            }
            Err(why) => Growth::Unknown(why),
        }
    }
}

fn expand(graph: &Graph, limits: &[(String, Limit)]) -> Expanded {
    let mut all: Vec<Expanded> = Vec::with_capacity(graph.nodes.len());
    for at in 0..graph.nodes.len() as Id {
        let series = node(graph, at, &all, limits);
        all.push(series);
    }
    all.pop().unwrap_or_else(|| Ok(Series::zero()))
}

fn node(graph: &Graph, at: Id, done: &[Expanded], limits: &[(String, Limit)]) -> Expanded {
    let count = limits.len();
    let get = |id: Id| done[id as usize].clone();
    match graph.nodes[at as usize] {
        Node::Number(bits) => Ok(Series::number(f64::from_bits(bits), count)),
        Node::Constant(Constant::Pi) => Ok(Series::number(std::f64::consts::PI, count)),
        Node::Constant(Constant::Euler) => Ok(Series::number(std::f64::consts::E, count)),
        Node::Variable(name) => {
            let name = &graph.names[name as usize];
            let mut orders = vec![Order::ONE; count];
            match limits.iter().position(|(known, _)| known == name) {
                None => Ok(Series::term(orders, Weight::Positive)),
                Some(position) => {
                    let power = if limits[position].1 == Limit::Zero { -1 } else { 1 };
                    orders[position].0[0] = Rational::whole(power);
                    Ok(Series::term(orders, Weight::Known(1.0)))
                }
            }
        }
        Node::Index(_) => Err("a sum whose terms depend on its index".to_string()),
        Node::Neg(a) => get(a)?.scaled(-1.0),
        Node::Binary(op, a, b) => binary(op, get(a)?, get(b)?, count, limits),
        Node::Call(function, a) => call(function, get(a)?, limits),
        Node::If(condition, a, b) => match decided(graph, condition, done) {
            Some(true) => get(a),
            Some(false) => get(b),
            None => {
                let (a, b) = (get(a)?, get(b)?);
                if a.certain()? == b.certain()? {
                    return positive(&a);
                }
                Err("the branches of a condition grow differently".to_string())
            }
        },
        Node::Reduce(Reduction::Sum, index, first, last, body) => {
            if graph.free[body as usize].contains(&index) {
                return Err("a sum whose terms depend on its index".to_string());
            }
            let terms = get(last)?.plus(&get(first)?.scaled(-1.0)?)?.plus(&Series::number(1.0, count))?;
            terms.times(&get(body)?)
        }
        Node::Reduce(Reduction::Product, ..) => Err("a product over an index".to_string()),
        Node::Truth(_) | Node::Compare(..) | Node::Not(_) | Node::And(..) | Node::Or(..) => Ok(Series::zero()),
    }
}

/// The truth of a condition in the limit, when its sides are ordered by growth.
fn decided(graph: &Graph, condition: Id, done: &[Expanded]) -> Option<bool> {
    match graph.nodes[condition as usize] {
        Node::Truth(truth) => Some(truth),
        Node::Not(a) => decided_leaf(graph, a, done).map(|t| !t),
        Node::And(a, b) => match (decided_leaf(graph, a, done), decided_leaf(graph, b, done)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Node::Or(a, b) => match (decided_leaf(graph, a, done), decided_leaf(graph, b, done)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        _ => decided_leaf(graph, condition, done),
    }
}

fn decided_leaf(graph: &Graph, condition: Id, done: &[Expanded]) -> Option<bool> {
    let Node::Compare(op, a, b) = graph.nodes[condition as usize] else { return None };
    let minus = done[b as usize].as_ref().ok()?.scaled(-1.0).ok()?;
    let difference = done[a as usize].as_ref().ok()?.plus(&minus).ok()?;
    let (_, weight) = difference.sole()?;
    let positive = match weight {
        Weight::Known(c) => c > 0.0,
        Weight::Positive => true,
    };
    Some(match op {
        Relation::Greater | Relation::GreaterEqual => positive,
        Relation::Less | Relation::LessEqual => !positive,
        Relation::Equal => false,
        Relation::NotEqual => true,
    })
}

/// The leading terms with their constants forgotten.
fn positive(series: &Series) -> Expanded {
    let mut all = Series::zero();
    for orders in series.certain()? {
        if matches!(series.terms.get(&orders), Some(Weight::Known(c)) if *c < 0.0) {
            return Err("the sign of a term is not known".to_string());
        }
        all.terms.insert(orders, Weight::Positive);
    }
    Ok(all)
}

fn binary(op: Binary, a: Series, b: Series, count: usize, limits: &[(String, Limit)]) -> Expanded {
    match op {
        Binary::Add => a.plus(&b),
        Binary::Sub => a.plus(&b.scaled(-1.0)?),
        Binary::Mul => a.times(&b),
        Binary::Div => a.times(&b.power(Rational::whole(-1))?),
        Binary::Pow => match b.constant().and_then(rational_near) {
            Some(r) => a.power(r),
            None => match (a.constant(), b.at_constant(count)?) {
                (Some(base), Some((limit, _))) if base > 0.0 => {
                    // The exponent tends to a constant.
                    Ok(Series { rest: vec![], ..Series::number(base.powf(limit), count) }).and_then(|s| positive(&s))
                }
                _ => call(Function::Exp, a.logarithm(limits)?.times(&b)?, limits),
            },
        },
        Binary::Max => {
            let (a, b) = (positive(&a)?, positive(&b)?);
            a.plus(&b)
        }
        Binary::Min => {
            let (left, right) = (a.certain()?, b.certain()?);
            if left.iter().all(|t| covered(t, &right)) {
                positive(&a)
            } else if right.iter().all(|t| covered(t, &left)) {
                positive(&b)
            } else {
                Err("the smaller of two incomparable terms".to_string())
            }
        }
    }
}

/// The fraction with a small denominator that a constant exponent stands for.
fn rational_near(x: f64) -> Option<Rational> {
    (1..=64).find_map(|den| {
        let num = (x * f64::from(den)).round();
        let near = (num / f64::from(den) - x).abs() <= 1e-12 * x.abs();
        (near && num.abs() < 1e9).then(|| Rational::new(num as i128, i128::from(den))).flatten()
    })
}

fn call(function: Function, x: Series, limits: &[(String, Limit)]) -> Expanded {
    let count = limits.len();
    use Function as F;
    match function {
        F::Ln => return x.logarithm(limits),
        F::Log2 => return x.logarithm(limits)?.scaled(std::f64::consts::LOG2_E),
        F::Log10 => return x.logarithm(limits)?.scaled(std::f64::consts::LOG10_E),
        F::Ln1p => return x.plus(&Series::number(1.0, count))?.logarithm(limits),
        F::Sqrt => return x.power(Rational::HALF),
        F::Cbrt => return x.power(Rational { num: 1, den: 3 }),
        F::Abs => {
            let negative = x.sole().is_some_and(|(_, w)| matches!(w, Weight::Known(c) if c < 0.0));
            return if negative { x.scaled(-1.0) } else { Ok(x) };
        }
        F::Floor | F::Ceil => {
            if let Some(c) = x.constant() {
                return Ok(Series::number(function.value(c), count));
            }
            if x.grows() {
                let mut rounded = x;
                rounded.rest.push(vec![Order::ONE; count]);
                return Ok(rounded.trimmed_constant(count));
            }
            return match x.at_constant(count) {
                Ok(Some((c, _))) if c > 0.0 && c.fract() != 0.0 => Ok(Series::number(function.value(c), count)),
                Ok(Some((c, small))) if c >= 0.0 && function == F::Ceil => {
                    // Just above or below a whole number.
                    match small.sole() {
                        Some((_, Weight::Known(w))) if w < 0.0 => Ok(Series::number(c, count)),
                        Some(_) => Ok(Series::number(c + 1.0, count)),
                        None => Err("rounding near a whole number".to_string()),
                    }
                }
                _ => Err("rounding of something that neither grows nor settles".to_string()),
            };
        }
        _ => {}
    }
    if let Some((c, small)) = x.at_constant(count)? {
        return at_limit(function, c, &small, count);
    }
    if x.grows() && x.sole().is_none_or(|(_, w)| !matches!(w, Weight::Known(c) if c < 0.0)) {
        return match function {
            F::Atan => Ok(Series::number(std::f64::consts::FRAC_PI_2, count)),
            F::Tanh => Ok(Series::number(1.0, count)),
            // acosh x and asinh x are ln(2x) and a vanishing rest.
            F::Acosh | F::Asinh => x.scaled(2.0)?.logarithm(limits),
            F::Exp => exponential(&x, limits),
            F::Sinh | F::Cosh | F::Expm1 => Err("it grows exponentially".to_string()),
            _ => Err(format!("`{}` of a growing argument", function.name())),
        };
    }
    if function == F::Exp {
        return exponential(&x, limits);
    }
    Err(format!("`{}` of an argument without a limit", function.name()))
}

/// exp of a sum of logarithms is a product of powers; anything larger is exponential.
fn exponential(x: &Series, limits: &[(String, Limit)]) -> Expanded {
    let count = limits.len();
    let mut product = Series::number(1.0, count);
    for (orders, weight) in &x.terms {
        let Weight::Known(c) = *weight else { return Err("it grows exponentially".to_string()) };
        let mut result = vec![Order::ONE; count];
        let mut found = 0;
        for (position, order) in orders.iter().enumerate() {
            for level in 1..3 {
                if order.0[level] == Rational::ONE {
                    found += 1;
                    result[position].0[level - 1] = rational_near(c).ok_or("a power that is not a fraction")?;
                } else if order.0[level].num != 0 {
                    found += 2;
                }
            }
            if order.0[0].num != 0 {
                found += 2;
            }
        }
        let factor = match found {
            0 => Series::number(c.exp(), count),
            1 => Series::term(result, Weight::Known(1.0)),
            _ if orders.iter().all(|o| *o <= Order::ONE) => Series::number(1.0, count),
            _ => return Err("it grows or shrinks exponentially".to_string()),
        };
        product = product.times(&factor)?;
    }
    if x.rest.iter().any(|o| !o.iter().all(|x| *x <= Order::ONE)) {
        return Err("an exponential of terms that were left out".to_string());
    }
    positive(&product)
}

impl Series {
    /// Forgets the constant term, which rounding blurs.
    fn trimmed_constant(mut self, count: usize) -> Series {
        self.terms.remove(&vec![Order::ONE; count]);
        self.trimmed()
    }
}

/// Taylor series at a constant limit, and the roots at the ends of the domains of acosh and acos.
fn at_limit(function: Function, c: f64, small: &Series, count: usize) -> Expanded {
    use Function as F;
    let exact = small.terms.is_empty() && small.rest.is_empty();
    if exact && function.defined(c) && function.value(c).is_finite() {
        return Ok(Series::number(function.value(c), count));
    }
    if matches!((function, c), (F::Acosh, 1.0)) {
        // acosh(1 + d) = sqrt(2d)(1 - d/12 + …)
        let root = small.scaled(2.0)?.power(Rational::HALF)?;
        return root.times(&taylor(small, &[1.0, -1.0 / 12.0, 3.0 / 160.0], count)?);
    }
    if matches!((function, c), (F::Acos, 1.0)) {
        let minus = small.scaled(-1.0)?;
        let root = minus.scaled(2.0)?.power(Rational::HALF)?;
        return root.times(&taylor(&minus, &[1.0, 1.0 / 12.0, 3.0 / 160.0], count)?);
    }
    let derivatives: [f64; 4] = match function {
        F::Exp => [c.exp(); 4],
        F::Expm1 => [c.exp_m1(), c.exp(), c.exp(), c.exp()],
        F::Sin => [c.sin(), c.cos(), -c.sin(), -c.cos()],
        F::Cos => [c.cos(), -c.sin(), -c.cos(), c.sin()],
        F::Tan => {
            let (t, s) = (c.tan(), 1.0 + c.tan() * c.tan());
            [t, s, 2.0 * t * s, 2.0 * s * (s + 2.0 * t * t)]
        }
        F::Asin | F::Acos if c.abs() < 1.0 => {
            let s = 1.0 - c * c;
            let d = [s.powf(-0.5), c * s.powf(-1.5), (1.0 + 2.0 * c * c) * s.powf(-2.5)];
            let sign = if function == F::Asin { 1.0 } else { -1.0 };
            [function.value(c), sign * d[0], sign * d[1], sign * d[2]]
        }
        F::Atan => {
            let s = 1.0 + c * c;
            [c.atan(), 1.0 / s, -2.0 * c / (s * s), (6.0 * c * c - 2.0) / (s * s * s)]
        }
        F::Sinh => [c.sinh(), c.cosh(), c.sinh(), c.cosh()],
        F::Cosh => [c.cosh(), c.sinh(), c.cosh(), c.sinh()],
        F::Tanh => {
            let t = c.tanh();
            let s = 1.0 - t * t;
            [t, s, -2.0 * t * s, -2.0 * s * (1.0 - 3.0 * t * t)]
        }
        F::Asinh => {
            let s = 1.0 + c * c;
            [function.value(c), s.powf(-0.5), -c * s.powf(-1.5), (2.0 * c * c - 1.0) * s.powf(-2.5)]
        }
        F::Acosh if c > 1.0 => {
            let s = c * c - 1.0;
            [function.value(c), s.powf(-0.5), -c * s.powf(-1.5), (2.0 * c * c + 1.0) * s.powf(-2.5)]
        }
        F::Atanh if c.abs() < 1.0 => {
            let s = 1.0 - c * c;
            [function.value(c), 1.0 / s, 2.0 * c / (s * s), (2.0 + 6.0 * c * c) / (s * s * s)]
        }
        _ => return Err(format!("`{}` at the edge of its domain", function.name())),
    };
    let [f, d1, d2, d3] = derivatives;
    taylor(small, &[f, d1, d2 / 2.0, d3 / 6.0], count)
}
