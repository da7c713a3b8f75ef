//! Every crossing of two costs in a range, or a proof that there is none.
//!
//! The range is halved (in equal ratios) until interval arithmetic decides on each piece which cost is the larger or
//! that one of them has no value there. What stays undecided at the resolution of f64 encloses the crossings: a
//! change of side across such a piece proves one inside it, at a root or at a jump. Costs that cross back and forth
//! on the teeth of a `ceil` within a relative width of 1e-5 are enclosed as one crossing with low < high. Costs that
//! touch within a relative width of 1e-12 without a change of side are not reported: f64 cannot tell them apart.

use super::curve::{Cheapest, Over};
use crate::expr::Interval;

/// One crossing.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossing {
    /// A point inside.
    pub at: f64,
    /// Lower end of the enclosure.
    pub low: f64,
    /// Upper end of the enclosure.
    pub high: f64,
    /// Proven: the sides are different, and decided, on both sides.
    pub certified: bool,
    /// Which cost is the lower just below.
    pub below: Side,
    /// Which cost is the lower just above.
    pub above: Side,
}

/// Which of two costs is the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    First,
    /// The second.
    Second,
    /// Equal over an interval.
    Tie,
    /// One of them has no value.
    Outside,
    /// Not decided.
    Unknown,
}

/// The answer over a range.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Search {
    /// Crossings in rising order.
    pub crossings: Vec<Crossing>,
    /// Pieces on which one of the costs has no value.
    pub outside: Vec<[f64; 2]>,
    /// Pieces left undecided without a change of side: the costs may touch there.
    pub open: Vec<[f64; 2]>,
    /// The answer is a proof: no open piece, every crossing certified.
    pub complete: bool,
    /// Interval evaluations used.
    pub evaluations: usize,
}

/// Most interval evaluations of one search.
const BUDGET: usize = 6_000;
/// Most for one cluster of crossings, such as the teeth of a `ceil` that cross back and forth.
const CLUSTER: usize = 1_500;
/// Width, relative, at which undecided pieces become clusters.
const COARSE: f64 = 1e-5;

#[derive(Clone)]
struct Piece {
    x: Interval,
    side: Side,
}

/// Compares two costs over `[low, high]`.
pub fn search(first: &Cheapest, second: &Cheapest, low: f64, high: f64) -> Search {
    let mut found = Search::default();
    let same = matches!((first.0.as_slice(), second.0.as_slice()), ([a], [b]) if a.same(b));
    let whole = Interval { lo: low, hi: high };
    let (coarse, exhausted) = divide(first, second, whole, same, COARSE, BUDGET, &mut found.evaluations);
    let mut pieces: Vec<Piece> = Vec::new();
    for piece in coarse {
        if piece.side != Side::Unknown || piece.x.hi <= next_grid(piece.x.lo) {
            push(&mut pieces, piece);
            continue;
        }
        if exhausted && piece.x.hi > piece.x.lo * (1.0 + 2.0 * COARSE) {
            by_points(first, second, piece).into_iter().for_each(|p| push(&mut pieces, p));
            continue;
        }
        let mut used = 0;
        let (fine, too_many) = divide(first, second, piece.x, same, 0.0, CLUSTER, &mut used);
        found.evaluations += used;
        if too_many {
            pieces.push(piece);
        } else {
            fine.into_iter().for_each(|p| push(&mut pieces, p));
        }
    }
    let ends = [low, high].map(|x| compare(first, second, Interval::point(x), same));
    assemble(first, second, &pieces, ends, exhausted, &mut found);
    found
}

/// Halves an interval until every piece is decided or narrow; false once the budget is spent.
fn divide(
    first: &Cheapest,
    second: &Cheapest,
    whole: Interval,
    same: bool,
    width: f64,
    budget: usize,
    evaluations: &mut usize,
) -> (Vec<Piece>, bool) {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut stack = vec![whole];
    while let Some(x) = stack.pop() {
        if *evaluations >= budget {
            push(&mut pieces, Piece { x, side: Side::Unknown });
            continue;
        }
        *evaluations += 1;
        let side = compare(first, second, x, same);
        if side != Side::Unknown {
            push(&mut pieces, Piece { x, side });
            continue;
        }
        if let Some(decided) = monotone(first, second, x, evaluations) {
            decided.into_iter().for_each(|p| push(&mut pieces, p));
        } else if x.hi <= next_grid(x.lo).max(x.lo + width * x.lo.abs()) {
            push(&mut pieces, Piece { x, side });
        } else {
            let middle = middle(x);
            stack.push(Interval { lo: middle, hi: x.hi });
            stack.push(Interval { lo: x.lo, hi: middle });
        }
    }
    (pieces, *evaluations >= budget)
}

/// Which side an interval lies on.
fn compare(first: &Cheapest, second: &Cheapest, x: Interval, same: bool) -> Side {
    let a = match first.over(x) {
        Over::Value(v) => v,
        Over::Outside => return Side::Outside,
        Over::Unknown => {
            return if second.over(x) == Over::Outside { Side::Outside } else { Side::Unknown };
        }
    };
    let b = match second.over(x) {
        Over::Value(v) => v,
        Over::Outside => return Side::Outside,
        Over::Unknown => return Side::Unknown,
    };
    if same || (a.is_point() && a == b) {
        Side::Tie
    } else if a.hi < b.lo {
        Side::First
    } else if b.hi < a.lo {
        Side::Second
    } else if flat(a) && flat(b) && (x.width() > 1e-6 * x.hi.abs() || level(first, x) && level(second, x)) {
        // Equal to rounding, and constant: to rounding on a wide piece, or exactly, between the jumps of a `ceil`.
        Side::Tie
    } else {
        Side::Unknown
    }
}

/// Where the difference or the ratio of the costs is monotone there is at most one root: the ends decide the piece,
/// or a root is enclosed between two decided points.
fn monotone(first: &Cheapest, second: &Cheapest, x: Interval, evaluations: &mut usize) -> Option<Vec<Piece>> {
    // Wide pieces are hopeless: the slope is taken only where the costs change by small factors.
    if x.lo <= 0.0 || x.hi > 64.0 * x.lo {
        return None;
    }
    *evaluations += 2;
    let (a, b) = (first.slope(x)?, second.slope(x)?);
    let (da, db) = (a.derivative?, b.derivative?);
    let difference = (da.lo - db.hi, da.hi - db.lo);
    let sided = |(lo, hi): (f64, f64)| lo > 0.0 || hi < 0.0;
    if !sided(difference) && !sided(relative(da, a.value, db, b.value)?) {
        return None;
    }
    let (left, right) = (at(first, second, x.lo, evaluations)?, at(first, second, x.hi, evaluations)?);
    if left == right {
        return Some(vec![Piece { x, side: left }]);
    }
    let (mut lo, mut hi) = (x.lo, x.hi);
    while hi > next_grid(lo) {
        let m = next_point(first, second, lo, hi);
        match at(first, second, m, evaluations) {
            Some(side) if side == left => lo = m,
            Some(_) => hi = m,
            // Equal to rounding: the root lies within a hair of m.
            None => {
                let (near, far) = around(first, second, m, lo, hi, left, evaluations)?;
                (lo, hi) = (near, far);
                break;
            }
        }
    }
    Some(vec![
        Piece { x: Interval { lo: x.lo, hi: lo }, side: left },
        Piece { x: Interval { lo, hi }, side: Side::Unknown },
        Piece { x: Interval { lo: hi, hi: x.hi }, side: right },
    ])
}

/// The derivative of ln(a/b), up to a positive factor; outward by a hair that covers the rounding.
fn relative(da: Interval, a: Interval, db: Interval, b: Interval) -> Option<(f64, f64)> {
    if a.lo <= 0.0 || b.lo <= 0.0 {
        return None;
    }
    let over = |d: Interval, v: Interval| {
        let ends = [d.lo / v.lo, d.lo / v.hi, d.hi / v.lo, d.hi / v.hi];
        (ends.iter().copied().fold(f64::MAX, f64::min), ends.iter().copied().fold(f64::MIN, f64::max))
    };
    let (p, q) = (over(da, a), over(db, b));
    let slack = 1e-14 * (p.0.abs() + p.1.abs() + q.0.abs() + q.1.abs());
    Some((p.0 - q.1 - slack, p.1 - q.0 + slack))
}

/// The proven side at a point.
fn at(first: &Cheapest, second: &Cheapest, x: f64, evaluations: &mut usize) -> Option<Side> {
    *evaluations += 1;
    let side = compare(first, second, Interval::point(x), false);
    matches!(side, Side::First | Side::Second).then_some(side)
}

/// A secant step in logarithms, kept inside; halving when it fails.
fn next_point(first: &Cheapest, second: &Cheapest, lo: f64, hi: f64) -> f64 {
    let gap = |x: f64| Some((first.value(x)? / second.value(x)?).ln());
    let whole = Interval { lo, hi };
    let (Some(a), Some(b)) = (gap(lo), gap(hi)) else { return middle(whole) };
    let t = a / (a - b);
    let guess = lo * (hi / lo).powf(t);
    // Close to an end the secant creeps: step a little beyond the root so that the far end moves too.
    let width = hi - lo;
    if !guess.is_finite() || guess <= lo || guess >= hi {
        return middle(whole);
    }
    if guess - lo < 1e-3 * width {
        (lo + 4.0 * (guess - lo).max(lo * 4e-16)).min(middle(whole))
    } else if hi - guess < 1e-3 * width {
        (hi - 4.0 * (hi - guess).max(hi * 4e-16)).max(middle(whole))
    } else {
        guess
    }
}

/// Decided points on both sides of `m`, a few hairs away.
fn around(
    first: &Cheapest,
    second: &Cheapest,
    m: f64,
    lo: f64,
    hi: f64,
    left: Side,
    evaluations: &mut usize,
) -> Option<(f64, f64)> {
    let mut step = 4e-16;
    for _ in 0..30 {
        let (a, b) = ((m * (1.0 - step)).max(lo), (m * (1.0 + step)).min(hi));
        let sides = (at(first, second, a, evaluations), at(first, second, b, evaluations));
        if let (Some(p), Some(q)) = sides
            && p == left
            && q != left
        {
            return Some((a, b));
        }
        step *= 2.0;
    }
    None
}

/// Whether a cost is proven not to move over an interval.
fn level(cost: &Cheapest, x: Interval) -> bool {
    let slope = cost.slope(x).and_then(|s| s.derivative);
    !x.is_point() && slope.is_some_and(|d| d.lo == 0.0 && d.hi == 0.0)
}

fn flat(v: Interval) -> bool {
    v.width() <= 1e-14 * v.hi.abs().max(v.lo.abs())
}

/// The end of the smallest piece that starts at `x`: four units in the last place.
fn next_grid(x: f64) -> f64 {
    x.next_up().next_up().next_up().next_up()
}

/// Halves in equal ratios where both ends are positive and far apart.
fn middle(x: Interval) -> f64 {
    let m = if x.lo > 0.0 && x.hi > 1.5 * x.lo { x.lo.sqrt() * x.hi.sqrt() } else { x.lo + 0.5 * (x.hi - x.lo) };
    if m > x.lo && m < x.hi { m } else { x.lo.next_up() }
}

/// Joins a piece to the last one of the same side.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut() {
        Some(last) if last.side == piece.side => last.x.hi = piece.x.hi,
        _ => pieces.push(piece),
    }
}

/// Without budget left: the sides at points, which prove nothing.
fn by_points(first: &Cheapest, second: &Cheapest, piece: Piece) -> Vec<Piece> {
    if piece.side != Side::Unknown || piece.x.hi <= next_grid(piece.x.lo) {
        return vec![piece];
    }
    const STEPS: u32 = 64;
    let side = |x: f64| match (first.value(x), second.value(x)) {
        (Some(a), Some(b)) if a < b => Side::First,
        (Some(a), Some(b)) if a > b => Side::Second,
        (Some(_), Some(_)) => Side::Tie,
        _ => Side::Outside,
    };
    let (lo, hi) = (piece.x.lo, piece.x.hi);
    let at = |k: u32| {
        let t = f64::from(k) / f64::from(STEPS);
        if k == STEPS {
            hi
        } else if lo > 0.0 {
            lo * (hi / lo).powf(t)
        } else {
            lo + (hi - lo) * t
        }
    };
    let mut pieces: Vec<Piece> = Vec::new();
    for k in 0..STEPS {
        let (mut a, mut b) = (at(k), at(k + 1));
        let (left, right) = (side(a), side(b));
        if left == right {
            push(&mut pieces, Piece { x: Interval { lo: a, hi: b }, side: left });
            continue;
        }
        let (start, end) = (a, b);
        while b > next_grid(a) {
            let m = middle(Interval { lo: a, hi: b });
            if side(m) == left { a = m } else { b = m }
        }
        push(&mut pieces, Piece { x: Interval { lo: start, hi: a }, side: left });
        push(&mut pieces, Piece { x: Interval { lo: a, hi: b }, side: Side::Unknown });
        push(&mut pieces, Piece { x: Interval { lo: b, hi: end }, side: right });
    }
    pieces
}

/// Crossings are the undecided runs between decided pieces of different sides, and ties.
fn assemble(
    first: &Cheapest,
    second: &Cheapest,
    pieces: &[Piece],
    ends: [Side; 2],
    exhausted: bool,
    found: &mut Search,
) {
    let decided = |side: Side| matches!(side, Side::First | Side::Second);
    let mut i = 0;
    while let Some(piece) = pieces.get(i) {
        if piece.side == Side::Outside {
            found.outside.push([piece.x.lo, piece.x.hi]);
        }
        if !matches!(piece.side, Side::Unknown | Side::Tie) {
            // Two decided pieces that meet without a gap cannot differ: they share a point.
            i += 1;
            continue;
        }
        let start = i;
        while pieces.get(i).is_some_and(|p| matches!(p.side, Side::Unknown | Side::Tie)) {
            i += 1;
        }
        let run = &pieces[start..i];
        let (low, high) = (run[0].x.lo, run[run.len() - 1].x.hi);
        let below = if start == 0 { ends[0] } else { pieces[start - 1].side };
        let above = pieces.get(i).map_or(ends[1], |p| p.side);
        let narrow = high <= low + 1e-12 * low.abs().max(f64::MIN_POSITIVE);
        if let Some(tie) = run.iter().find(|p| p.side == Side::Tie) {
            let side = |side: Side| if decided(side) { side } else { Side::Tie };
            // Beside it lie at most the jumps that end it, a few roundings wide; the enclosure takes them in.
            let exact = run.iter().all(|p| p.side == Side::Tie || p.x.hi <= p.x.lo + 1e-12 * p.x.lo.abs());
            let [low, high] = if exact { [low, high] } else { [tie.x.lo, tie.x.hi] };
            found.crossings.push(Crossing {
                at: middle(tie.x),
                low,
                high,
                certified: !exhausted && exact,
                below: side(below),
                above: side(above),
            });
        } else if decided(below) && decided(above) && below != above {
            let at = inside(first, second, low, high, below);
            found.crossings.push(Crossing { at, low, high, certified: !exhausted, below, above });
        } else if below != Side::Outside && above != Side::Outside && !narrow {
            found.open.push([low, high]);
        }
    }
    found.complete = !exhausted && found.open.is_empty() && found.crossings.iter().all(|c| c.certified);
}

/// A point of a cluster at which the side changes, by halving.
fn inside(first: &Cheapest, second: &Cheapest, low: f64, high: f64, below: Side) -> f64 {
    let (mut lo, mut hi) = (low, high);
    while hi > next_grid(lo) {
        let m = middle(Interval { lo, hi });
        let side = match (first.value(m), second.value(m)) {
            (Some(a), Some(b)) if a < b => Side::First,
            (Some(a), Some(b)) if a > b => Side::Second,
            _ => return m,
        };
        if side == below { lo = m } else { hi = m }
    }
    lo.midpoint(hi)
}
