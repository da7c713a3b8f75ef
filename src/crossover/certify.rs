//! Every crossing of two costs in a range, or a proof that there is none.
//!
//! The range is halved (in equal ratios) until interval arithmetic decides on each piece which cost is the larger or
//! that one of them has no value there. What stays undecided at the resolution of f64 encloses the crossings: a
//! change of side across such a piece proves one inside it, at a root or at a jump.

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

struct Piece {
    x: Interval,
    side: Side,
}

/// Compares two costs over `[low, high]`.
pub fn search(first: &Cheapest, second: &Cheapest, low: f64, high: f64) -> Search {
    let mut found = Search::default();
    let same = matches!((first.0.as_slice(), second.0.as_slice()), ([a], [b]) if a.same(b));
    let mut pieces: Vec<Piece> = Vec::new();
    let mut stack = vec![Interval { lo: low, hi: high }];
    while let Some(x) = stack.pop() {
        let mut side = Side::Unknown;
        if found.evaluations < BUDGET {
            found.evaluations += 1;
            side = compare(first, second, x, same);
        }
        let narrow = x.hi <= next_grid(x.lo);
        if side != Side::Unknown || narrow || found.evaluations >= BUDGET {
            push(&mut pieces, Piece { x, side });
            continue;
        }
        let middle = middle(x);
        stack.push(Interval { lo: middle, hi: x.hi });
        stack.push(Interval { lo: x.lo, hi: middle });
    }
    let exhausted = found.evaluations >= BUDGET;
    if exhausted {
        pieces = pieces.into_iter().flat_map(|p| by_points(first, second, p)).collect();
    }
    assemble(&pieces, &mut found, exhausted);
    found
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
    } else if flat(a) && flat(b) && x.width() > 1e-6 * x.hi.abs() {
        // Both constant to rounding on a wide piece, and equal to rounding.
        Side::Tie
    } else {
        Side::Unknown
    }
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
fn assemble(pieces: &[Piece], found: &mut Search, exhausted: bool) {
    let decided = |side: Side| matches!(side, Side::First | Side::Second);
    let mut i = 0;
    while i < pieces.len() {
        let piece = &pieces[i];
        if piece.side == Side::Outside {
            found.outside.push([piece.x.lo, piece.x.hi]);
        }
        if !matches!(piece.side, Side::Unknown | Side::Tie) {
            // Two decided pieces that meet without a gap cannot differ: they share a point.
            i += 1;
            continue;
        }
        let start = i;
        while i < pieces.len() && matches!(pieces[i].side, Side::Unknown | Side::Tie) {
            i += 1;
        }
        let run = &pieces[start..i];
        let (low, high) = (run[0].x.lo, run[run.len() - 1].x.hi);
        let below = if start == 0 { Side::Unknown } else { pieces[start - 1].side };
        let above = pieces.get(i).map_or(Side::Unknown, |p| p.side);
        let tie = run.iter().find(|p| p.side == Side::Tie);
        let edge = below == Side::Outside || above == Side::Outside;
        if let Some(tie) = tie {
            let whole = |side: Side| if decided(side) { side } else { Side::Tie };
            let crossing = Crossing {
                at: middle(tie.x),
                low: tie.x.lo,
                high: tie.x.hi,
                certified: !exhausted && run.iter().all(|p| p.side == Side::Tie || p.x.hi <= next_grid(next_grid(p.x.lo))),
                below: whole(below),
                above: whole(above),
            };
            found.crossings.push(crossing);
        } else if decided(below) && decided(above) && below != above {
            let at = if high > next_grid(low) { middle(Interval { lo: low, hi: high }) } else { low.midpoint(high) };
            found.crossings.push(Crossing { at, low, high, certified: !exhausted, below, above });
        } else if !edge {
            found.open.push([low, high]);
        }
    }
    found.complete = !exhausted && found.open.is_empty() && found.crossings.iter().all(|c| c.certified);
}
