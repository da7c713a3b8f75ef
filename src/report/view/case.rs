//! One case in words and tables: what was measured, how, and what follows.

use serde::Serialize;

use super::costs::{ScenarioCosts, scenario_costs};
use super::overview::{self, OtherView};
use super::{Cells, FigureView};
use crate::measurement::{Inertia, Measured};
use crate::report::document::{Case, Report};
use crate::report::{number, words};

/// A measured quantity as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fact {
    /// Name with its symbol.
    pub name: String,
    /// Value in few digits.
    pub value: String,
    /// All digits, for the tooltip.
    pub exact: String,
    /// The interval that contains it; empty for counts.
    pub interval: String,
    /// Unit; empty for pure numbers.
    pub unit: String,
    /// Of what, and how it was found.
    pub how: String,
}

/// A verdict as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictView {
    /// Scenario id.
    pub scenario: String,
    /// Its badge.
    pub badge: String,
    /// Quantum machine.
    pub quantum: String,
    /// Classical machine.
    pub classical: String,
    /// CSS class.
    pub class: String,
    /// Word.
    pub word: String,
    /// Rival.
    pub against: String,
    /// Outcomes against other rivals.
    pub others: Vec<OtherView>,
    /// Why.
    pub reason: String,
    /// What would turn it.
    pub lever: String,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseView {
    /// Running number; also the anchor and the number of its figures.
    pub number: usize,
    /// Id.
    pub id: String,
    /// Curvature, scope and damping in one line.
    pub what: String,
    /// Row of the table of cases, beside id and verdict.
    pub row: CaseRow,
    /// Headline verdict, as a CSS class; empty without one.
    pub class: String,
    /// Its word.
    pub word: String,
    /// Measured quantities.
    pub facts: Vec<Fact>,
    /// κ under the other definitions.
    pub kappas: Vec<Fact>,
    /// Sparsification curve.
    pub sparsity: Vec<Cells>,
    /// Solvers really run.
    pub runs: Vec<Cells>,
    /// Verdicts.
    pub verdicts: Vec<VerdictView>,
    /// What would turn the headline verdict, nearest first.
    pub levers: Vec<Cells>,
    /// Costs, one group for each scenario.
    pub costs: Vec<ScenarioCosts>,
    /// Crossovers.
    pub crossovers: Vec<Cells>,
    /// Verified claims.
    pub simulation: Vec<SimulationView>,
    /// Why it was not simulated.
    pub skipped: String,
    /// Models that were not simulated, with the reason.
    pub not_run: Vec<(String, String)>,
    /// Notes.
    pub notes: Vec<String>,
    /// Figures.
    pub figures: Vec<FigureView>,
}

/// What the table of cases shows of a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseRow {
    /// Step, or a dash.
    pub step: String,
    /// N.
    pub n: String,
    /// κ.
    pub kappa: String,
    /// Its bracket.
    pub bracket: String,
    /// Of what.
    pub kappa_of: String,
    /// d.
    pub d: String,
    /// Relative α with its encoding.
    pub alpha: String,
    /// ε.
    pub eps: String,
    /// Its range.
    pub eps_range: String,
    /// Inertia of H and of the solved matrix.
    pub inertia: String,
    /// Inertia of the solved matrix.
    pub inertia_solved: String,
    /// Loss.
    pub loss: String,
    /// Break-even gate time in the headline scenario.
    pub break_even: String,
}

/// A verified claim.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationView {
    /// Cells of its row.
    pub cells: Cells,
    /// The claim held.
    pub passed: bool,
    /// Notes.
    pub notes: String,
}

/// Builds one case.
pub fn case(report: &Report, case: &Case, index: usize, figures: Vec<FigureView>) -> CaseView {
    let m = &case.measurement;
    let damping = if m.damping.lambda == 0.0 {
        "undamped".to_string()
    } else {
        format!("λ = {} ({})", number::real(m.damping.lambda), m.damping.rule)
    };
    let verdict = case.verdict.as_ref();
    CaseView {
        number: index,
        id: m.id.clone(),
        what: format!("{} of {}, scope {}, {damping}", m.curvature, m.snapshot, m.scope),
        row: row(case),
        class: verdict.map_or(String::new(), |v| words::class_id(v.class).into()),
        word: verdict.map_or(String::new(), |v| words::class(v.class).into()),
        facts: facts(case),
        kappas: m.kappas.iter().map(|k| measured("κ", k, "")).collect(),
        sparsity: sparsity(case),
        runs: runs(case),
        verdicts: verdicts(case),
        levers: levers(case),
        costs: scenario_costs(report, case),
        crossovers: crossovers(case),
        simulation: simulation(case),
        skipped: case.simulation_skipped.clone().unwrap_or_default(),
        not_run: case.simulation_left_out.iter().map(|l| (l.model.clone(), l.why.clone())).collect(),
        notes: m.notes.clone(),
        figures,
    }
}

fn row(case: &Case) -> CaseRow {
    let m = &case.measurement;
    let mark = case.verdict.as_ref().and_then(|v| words::break_even(case, &v.scenario));
    CaseRow {
        step: m.step.map_or("—".into(), number::count),
        n: number::count(m.n as u64),
        kappa: m.kappa.value.map_or("singular".into(), number::real),
        bracket: number::interval(m.kappa.low, m.kappa.high),
        kappa_of: m.kappa.of.clone().unwrap_or_default(),
        d: number::count(m.row_sparsity.value as u64),
        alpha: format!("{} ({})", number::real(m.subnormalization.relative), m.subnormalization.encoding),
        eps: number::real(m.tolerance.value),
        eps_range: number::interval(Some(m.tolerance.low), Some(m.tolerance.high)),
        inertia: inertia(&m.inertia),
        inertia_solved: inertia(&m.inertia_solved),
        loss: number::optional(m.loss),
        break_even: mark.map_or("—".into(), |mark| number::seconds(mark.at)),
    }
}

fn inertia(i: &Inertia) -> String {
    format!("+{} −{} 0:{}", i.positive, i.negative, i.zero)
}

fn measured(name: &str, m: &Measured, unit: &str) -> Fact {
    let of = m.of.as_deref().map(|of| format!("of {of}")).unwrap_or_default();
    let how = [of, m.method.clone()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("; ");
    Fact {
        name: name.into(),
        value: m.value.map_or_else(|| "none (singular)".into(), number::real),
        exact: m.value.map_or_else(String::new, number::exact),
        interval: number::interval(m.low, m.high),
        unit: unit.into(),
        how,
    }
}

fn plain(name: &str, value: f64, unit: &str, how: impl Into<String>) -> Fact {
    Fact {
        name: name.into(),
        value: number::real(value),
        exact: number::exact(value),
        interval: String::new(),
        unit: unit.into(),
        how: how.into(),
    }
}

fn counted(name: &str, n: u64, unit: &str, how: impl Into<String>) -> Fact {
    Fact {
        name: name.into(),
        value: number::count(n),
        exact: n.to_string(),
        interval: String::new(),
        unit: unit.into(),
        how: how.into(),
    }
}

const OF_H: &str = "units of H";

fn facts(case: &Case) -> Vec<Fact> {
    let m = &case.measurement;
    let mut facts = vec![counted("size N", m.n as u64, "parameters", format!("scope {}", m.scope))];
    facts.extend(m.loss.map(|x| plain("loss", x, "units of the loss", "at the snapshot, over the whole batch")));
    facts.extend(
        m.gradient_norm.map(|x| plain("gradient norm ‖g‖₂", x, "loss per unit parameter", "exact reverse mode")),
    );
    facts.extend(m.batch.map(|b| counted("batch", b as u64, "samples", "")));
    facts.push(plain("damping λ", m.damping.lambda, OF_H, format!("rule {}", m.damping.rule)));
    facts.push(measured("condition number κ", &m.kappa, ""));
    facts.push(measured("σ_max", &m.sigma_max, OF_H));
    facts.push(measured("σ_min", &m.sigma_min, OF_H));
    facts.push(counted("rank", m.rank as u64, "", "of the solved matrix, counted with the inertia tolerance"));
    let tolerance = |i: &Inertia| format!("counted as zero within {} {OF_H}", number::real(i.tolerance));
    let counts = |name: &str, i: &Inertia| Fact {
        name: name.into(),
        value: format!("{} positive, {} negative, {} zero", i.positive, i.negative, i.zero),
        exact: String::new(),
        interval: String::new(),
        unit: "eigenvalues".into(),
        how: tolerance(i),
    };
    facts.push(counts("inertia of H", &m.inertia));
    facts.push(counts("inertia of the solved matrix", &m.inertia_solved));
    let s = &m.row_sparsity;
    let pruned = if s.frobenius_error == 0.0 {
        "nothing pruned".to_string()
    } else {
        let spectral =
            s.spectral_error.map(|e| format!(", {} in the spectral norm", number::real(e))).unwrap_or_default();
        format!("pruning lost {} of ‖H‖_F{spectral}", number::real(s.frobenius_error))
    };
    let how = format!("entries above {} of the largest in the fullest row; {pruned}", number::real(s.threshold));
    facts.push(counted("row sparsity d", s.value as u64, "entries", how));
    facts.push(counted("nonzeros", m.nonzeros, "entries", "of the solved matrix"));
    facts.push(plain("largest entry max|a|", m.max_abs, OF_H, "of the solved matrix"));
    facts.push(plain("Frobenius norm ‖A‖_F", m.frobenius_norm, OF_H, "of the solved matrix"));
    let a = &m.subnormalization;
    facts.push(plain(
        "subnormalization α/σ_max",
        a.relative,
        "",
        format!("encoding {}; enters κ_eff = α·κ once", a.encoding),
    ));
    facts.push(plain("subnormalization α", a.absolute, OF_H, format!("encoding {}", a.encoding)));
    let t = &m.tolerance;
    facts.push(Fact {
        name: "tolerance ε".into(),
        value: number::real(t.value),
        exact: number::exact(t.value),
        interval: number::interval(Some(t.low), Some(t.high)),
        unit: String::new(),
        how: format!("{}; {} of the loss decrease may be lost", t.method, number::real(t.loss_fraction)),
    });
    facts.extend(m.x_norm.map(|x| plain("solution norm ‖A⁻¹b‖", x, "", "for ‖A‖ = ‖b‖ = 1, between 1 and κ")));
    facts.extend(m.low_rank.map(|r| counted("low rank", r as u64, "", "of the part before λI, by construction")));
    facts.extend(m.hvp_flops.map(|f| plain("Hessian-vector product", f, "flops", "counted on the program")));
    if let Some(parts) = &m.subsample {
        for (name, bar) in [("κ", &parts.kappa), ("d", &parts.row_sparsity), ("ε", &parts.tolerance)] {
            facts.push(measured(&format!("{name} over parts of the batch"), bar, ""));
        }
        let singular =
            if parts.singular > 0 { format!("singular on {} of them", parts.singular) } else { String::new() };
        facts.push(counted("parts of the batch", parts.halves as u64, "measured", singular));
    }
    if !case.verdict_subsample.is_empty() {
        let counts: Vec<String> =
            case.verdict_subsample.iter().map(|c| format!("{} {}×", words::class(c.class), c.count)).collect();
        facts.push(Fact {
            name: "verdict over parts of the batch".into(),
            value: counts.join(", "),
            exact: String::new(),
            interval: String::new(),
            unit: String::new(),
            how: "the headline verdict of each part, priced as the whole".into(),
        });
    }
    facts
}

fn sparsity(case: &Case) -> Vec<Cells> {
    case.measurement
        .row_sparsity
        .curve
        .iter()
        .map(|p| {
            vec![
                number::real(p.threshold),
                number::count(p.d as u64),
                number::count(p.nonzeros),
                number::real(p.frobenius_error),
                number::optional(p.spectral_error),
            ]
        })
        .collect()
}

fn runs(case: &Case) -> Vec<Cells> {
    case.measurement
        .classical_runs
        .iter()
        .map(|r| {
            vec![
                r.solver.clone(),
                r.iterations.map_or("—".into(), number::count),
                r.bound.map_or("—".into(), number::count_real),
                number::optional(r.relative_residual),
                number::optional(r.relative_error),
                r.note.clone().unwrap_or_default(),
            ]
        })
        .collect()
}

fn verdicts(case: &Case) -> Vec<VerdictView> {
    case.verdicts
        .iter()
        .map(|v| VerdictView {
            scenario: v.scenario.clone(),
            badge: words::badge(&v.scenario).into(),
            quantum: v.hardware_quantum.clone(),
            classical: v.hardware_classical.clone(),
            class: words::class_id(v.class).into(),
            word: words::class(v.class).into(),
            against: v.against.clone(),
            others: overview::others(&[v]),
            reason: v.reason.clone(),
            lever: v.nearest_lever.clone(),
        })
        .collect()
}

fn levers(case: &Case) -> Vec<Cells> {
    let levers = case.verdict.iter().flat_map(|v| &v.levers);
    levers
        .map(|l| {
            let unit = if l.variable == "gate_time" { "s" } else { "" };
            vec![
                l.variable.clone(),
                number::with_unit(l.now, unit),
                number::with_unit(l.at, unit),
                number::digits(l.decades, 3),
                proof(l.certified),
            ]
        })
        .collect()
}

fn proof(certified: bool) -> String {
    if certified { "certified".into() } else { "not certified".into() }
}

fn crossovers(case: &Case) -> Vec<Cells> {
    case.crossovers
        .iter()
        .map(|c| {
            let unit = if c.variable == "gate_time" { "s" } else { "" };
            vec![
                c.scenario.clone(),
                c.quantum.clone(),
                c.classical.clone(),
                [&c.hardware_quantum, &c.hardware_classical]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" / "),
                c.variable.clone(),
                c.at.map_or("none in range".into(), |x| number::with_unit(x, unit)),
                number::interval(c.low, c.high),
                proof(c.certified),
                c.note.clone(),
            ]
        })
        .collect()
}

fn simulation(case: &Case) -> Vec<SimulationView> {
    case.simulation
        .iter()
        .map(|s| SimulationView {
            cells: vec![
                s.model.clone(),
                s.level.clone(),
                number::count(s.n as u64),
                number::real(s.kappa),
                format!("{} {}", number::count(s.queries_counted), s.unit).trim_end().to_string(),
                s.queries_predicted.map_or("—".into(), number::count_real),
                s.queries_needed.map_or("—".into(), number::count),
                number::optional(s.calibration),
                number::real(s.error_target),
                number::optional(s.error_reached),
                number::optional(s.success_probability),
                number::optional(s.largest_error_rate),
            ],
            passed: s.passed,
            notes: std::iter::once(format!("right-hand side: {}", s.rhs))
                .filter(|_| !s.rhs.is_empty())
                .chain(s.notes.iter().cloned())
                .collect::<Vec<_>>()
                .join("; "),
        })
        .collect()
}
