//! One measured case, priced as curves: the estimates and rivals of a scenario on a pair of machines.

use super::curve::{Coupling, Curve};
use crate::catalog::{Bound, Catalog, Family, Hardware, HardwareKind, Model, Point, Quantity, Spread};
use crate::cost::{Scenario, on_machine, point, point_for, prices};
use crate::expr;
use crate::measurement::Measurement;

/// One priced estimate of the time to solve the system.
#[derive(Debug, Clone)]
pub struct Estimate<'c> {
    /// The model.
    pub model: &'c Model,
    /// Its `seconds`, of one bound.
    pub quantity: &'c Quantity,
    /// The machine.
    pub machine: &'c Hardware,
    /// Point at which it was priced.
    pub point: Point,
    /// Best value, in seconds.
    pub value: f64,
    /// Cheapest over the measured intervals.
    pub low: f64,
    /// Dearest over the measured intervals; `None` when nothing bounds it.
    pub high: Option<f64>,
}

impl Estimate<'_> {
    /// `model`, or `model (run)`.
    pub fn name(&self) -> String {
        if self.quantity.bound == Bound::Run {
            format!("{} (run)", self.model.id())
        } else {
            self.model.id().to_string()
        }
    }

    /// The time as a function of one variable.
    pub fn curve(&self, variable: &str, coupling: &Coupling) -> Curve {
        Curve::new(self.model, self.quantity, &self.point, variable, coupling)
    }
}

/// The quantum estimates of a scenario on a machine, cheapest first. Lower bounds are not estimates.
pub fn quantum<'c>(
    m: &Measurement,
    catalog: &'c Catalog,
    scenario: Scenario,
    machine: &'c Hardware,
) -> Vec<Estimate<'c>> {
    estimates(m, catalog, scenario, machine, &|model, q| {
        model.family() == Family::Quantum && q.bound != Bound::ProvenLower
    })
}

/// The lower bounds on every quantum solver, where they hold.
pub fn lower_bounds<'c>(
    m: &Measurement,
    catalog: &'c Catalog,
    scenario: Scenario,
    machine: &'c Hardware,
) -> Vec<Estimate<'c>> {
    estimates(m, catalog, scenario, machine, &|model, q| {
        model.family() == Family::Quantum && q.bound == Bound::ProvenLower
    })
}

/// The classical rivals on a machine, cheapest first: every rival model, and what real runs took.
pub fn rivals<'c>(
    m: &Measurement,
    catalog: &'c Catalog,
    scenario: Scenario,
    machine: &'c Hardware,
) -> Vec<Estimate<'c>> {
    estimates(m, catalog, scenario, machine, &|model, q| model.source.rival && !q.constant_unknown)
}

fn estimates<'c>(
    m: &Measurement,
    catalog: &'c Catalog,
    scenario: Scenario,
    machine: &'c Hardware,
    keep: &dyn Fn(&Model, &Quantity) -> bool,
) -> Vec<Estimate<'c>> {
    let mut all = Vec::new();
    for model in &catalog.models {
        if scenario.excludes(model).is_some() || !prices(model, machine) {
            continue;
        }
        let there = on_machine(&point_for(model, m), machine);
        for quantity in model.quantities.iter().filter(|q| q.id == "seconds" && keep(model, q)) {
            let outcome = model.price(quantity, &there);
            if let Some(value) = outcome.value {
                let low = outcome.low.unwrap_or(0.0);
                let point = there.clone();
                all.push(Estimate { model, quantity, machine, point, value, low, high: outcome.high });
            }
        }
    }
    all.sort_by(|a, b| a.value.total_cmp(&b.value));
    all
}

/// Machines of one kind, in order.
pub fn of_kind<'c>(machines: &[&'c Hardware], kind: HardwareKind) -> Vec<&'c Hardware> {
    machines.iter().copied().filter(|h| h.kind == kind).collect()
}

/// How the other variables follow when one is changed, and that in words.
///
/// A dense matrix (d of at least n/2) stays dense when n changes, a sparse one keeps its d; entries, the flops of a
/// Hessian-vector product and alpha follow. κ, ε and the machine stay.
pub fn coupling(m: &Measurement, variable: &str) -> (Coupling, &'static str) {
    let mut all = Coupling::new();
    let mut follow = |name: &str, text: String| {
        if let Ok(e) = expr::parse(&text) {
            all.follow.insert(name.to_string(), e);
        }
    };
    let at = point(m);
    let now = |name: &str| at.get(name).map(|s| s.value);
    let n = m.n.max(1) as f64;
    let d = m.row_sparsity.value.max(1) as f64;
    let words = match variable {
        "n" => {
            let dense = d >= 0.5 * n;
            if dense {
                follow("d", if d == n { "n".to_string() } else { format!("min(n, max(1, n*{:?}))", d / n) });
                follow("nnz", format!("n^2*{:?}", m.nonzeros as f64 / (n * n)));
            } else {
                follow("nnz", format!("n*{:?}", m.nonzeros as f64 / n));
            }
            if let Some(flops) = now("hvp_flops") {
                follow("hvp_flops", format!("n*{:?}", flops / n));
            }
            if let Some(f) = now("frobenius") {
                follow("frobenius", format!("min({f:?}, sqrt(n))"));
            }
            if dense {
                "d/n, entries/n^2 and flops per parameter of a product are kept; kappa, alpha and eps stay"
            } else {
                "d, entries/n and flops per parameter of a product are kept; kappa, alpha and eps stay"
            }
        }
        "d" => {
            follow("nnz", format!("d*{:?}", m.nonzeros as f64 / d));
            if let (Some(a), Some(f)) = (now("a_max"), now("frobenius")) {
                // The better of the two encodings; a_max cannot fall below 1/d.
                follow("a_max", format!("min(1, max({a:?}, 1/d))"));
                follow("alpha", format!("max(1, min(d*max({a:?}, 1/d), {f:?}))"));
            }
            "entries follow d, alpha is the better of the sparse and the Frobenius encoding; kappa stays"
        }
        "kappa" => {
            if let Some(x) = now("x_norm") {
                follow("x_norm", format!("min({x:?}, kappa)"));
            }
            "the other variables stay"
        }
        _ => "the other variables stay",
    };
    all.granted = match variable {
        "n" => vec![vec!["d"], vec!["d", "n"], vec!["frobenius", "n"]],
        "d" => vec![vec!["a_max"], vec!["a_max", "d"], vec!["frobenius", "n"]],
        "kappa" => vec![vec!["x_norm", "kappa"], vec!["alpha", "x_norm", "kappa"]],
        _ => Vec::new(),
    };
    (all, words)
}

/// The range in which a crossing is looked for.
pub fn range(m: &Measurement, variable: &str) -> [f64; 2] {
    match variable {
        "gate_time" => [1e-30, 1e6],
        "n" => [2.0, 1e15],
        "kappa" => [1.0, 1e16],
        "d" => [1.0, (m.n as f64).max(1.0)],
        _ => [1e-16, 1.0],
    }
}

/// An estimate with the ends of the measured intervals that favour the quantum side (or its rival) as values.
pub fn tilt(point: &Point, favour_quantum: bool, but: &str) -> Point {
    let mut tilted = point.clone();
    for (name, spread) in point.iter() {
        if name == but || spread.is_exact() {
            continue;
        }
        // Quantum costs rise with κ, 1/ε, gate time and constants; classical ones fall with the rates.
        let lower_is_quantum = !matches!(name, "eps");
        let end = if lower_is_quantum == favour_quantum { spread.low } else { spread.high };
        tilted.set(name, Spread::exact(end.unwrap_or(spread.value)));
    }
    tilted
}
