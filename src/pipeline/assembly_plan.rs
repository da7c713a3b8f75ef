//! What `--explain-plan` says: the route of each pair of tensors, its cost and the reason.

use crate::curvature::{Block, PairPlan};

/// How a Hessian is assembled, pair by pair, and in sum.
pub fn explained(id: &str, block: &Block, pairs: &[PairPlan]) -> String {
    let mut text = format!("plan of {id}: {n} x {n} entries\n", n = block.len);
    let name = |pair: &PairPlan| format!("{} x {}", pair.tensors.0, pair.tensors.1);
    let width = pairs.iter().map(|pair| name(pair).len()).max().unwrap_or(0);
    let mut line = |what: &str, route: &str, flops: f64, bytes: f64, why: &str| {
        text.push_str(&format!(
            "  {what:width$}  {route:7}  {:10.4} GFLOP  {:10.4} MB  {why}\n",
            flops / 1e9,
            bytes / 1e6
        ));
    };
    for pair in pairs {
        line(&name(pair), pair.route, pair.flops, pair.bytes, pair.why);
    }
    for (route, what) in [
        ("outputs", "tangents seeded at the pre-activations of the first tensor, then products of matrices"),
        ("columns", "tangents seeded at the elements of the first tensor"),
    ] {
        let chosen = || pairs.iter().filter(|pair| pair.route == route);
        if chosen().next().is_some() {
            let flops = chosen().map(|pair| pair.flops).sum();
            line("all", route, flops, chosen().map(|pair| pair.bytes).sum(), what);
        }
    }
    text.truncate(text.trim_end().len());
    text
}
