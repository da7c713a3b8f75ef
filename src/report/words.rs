//! The fixed words of a report: badges of the scenarios, names of the classes, the headline, the glossary.

use super::document::{Case, Report};
use super::figure_data::AxisMark;
use super::number;
use crate::crossover::{Verdict, VerdictClass};

/// The badge that every number of a scenario carries.
pub fn badge(scenario: &str) -> &'static str {
    match scenario {
        "paper" => "as published",
        "oracle" => "query counts",
        "end-to-end" => "end to end",
        "fault-tolerant" => "error-corrected",
        _ => "custom",
    }
}

/// What a scenario counts, in one sentence.
pub fn scenario(id: &str) -> &'static str {
    match id {
        "paper" => {
            "Q-Newton's own count: d·κ·ln(N·κ/ε) gates times one gate time, against the inverse's 2N³ flops, as the paper does. \
             Constant 1, no proof; the outcome against the best classical rival stands beside it."
        }
        "oracle" => {
            "Non-asymptotic query counts at κ_eff = α·κ; seconds are queries times one gate time, which is an assumption in favour \
             of the quantum side. Rivals: LDLᵀ, CG and MINRES (bound and really run), CG with Hessian-vector products, Woodbury. \
             Reading the solution out is not counted."
        }
        "end-to-end" => {
            "The oracle count plus the block encoding, state preparation, norm estimation and the readout of all N components to ε."
        }
        "fault-tolerant" => {
            "End to end plus error correction: code distance, logical cycle time, magic-state factories, physical qubits."
        }
        _ => "A scenario of this run's own model files.",
    }
}

/// The word for a verdict class.
pub fn class(class: VerdictClass) -> &'static str {
    super::plot::class_style(class).2
}

/// The stable name of a verdict class, as in the JSON.
pub fn class_id(class: VerdictClass) -> &'static str {
    match class {
        VerdictClass::Excluded => "excluded",
        VerdictClass::Unfavourable => "unfavourable",
        VerdictClass::Undecided => "undecided",
        VerdictClass::BreaksEven => "breaks-even",
    }
}

/// The rival that the paper compares with.
pub const PAPER_RIVAL: &str = "inverse";

/// Which classical rival a break-even is wanted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The one that the verdict names.
    Verdict,
    /// The paper's own.
    Paper,
    /// Any but the paper's own.
    Others,
}

/// The break-even gate time of a case in a scenario against the verdict's rival: of several quantum models the one with the
/// longest admissible gate time.
pub fn break_even(case: &Case, scenario: &str) -> Option<AxisMark> {
    break_even_against(case, scenario, Against::Verdict)
}

/// The same against a chosen rival.
pub fn break_even_against(case: &Case, scenario: &str, rival: Against) -> Option<AxisMark> {
    let headline = case.verdict.iter().chain(&case.verdicts).find(|v| v.scenario == scenario);
    // A rival that was really run is named `minres (run)`, its crossover by the model alone.
    let named = headline.map(|v| v.against.trim_end_matches(" (run)"));
    let rows = || {
        let wanted = |c: &&crate::crossover::CrossoverRow| c.scenario == scenario && c.variable == "gate_time";
        case.crossovers.iter().filter(wanted).filter(|c| match rival {
            Against::Verdict => true,
            Against::Paper => c.classical == PAPER_RIVAL,
            Against::Others => c.classical != PAPER_RIVAL,
        })
    };
    let same =
        |c: &&crate::crossover::CrossoverRow| rival != Against::Verdict || named.is_none_or(|n| c.classical == n);
    // Where the verdict's rival has no crossovers of its own, those that were computed must do.
    let known = rows().any(|c| same(&c));
    rows()
        .filter(|c| !known || same(c))
        .filter_map(|c| c.at.map(|at| AxisMark { at, low: c.low, high: c.high, label: c.quantum.clone() }))
        .max_by(|a, b| a.at.total_cmp(&b.at))
}

/// The verdict of the whole run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headline {
    /// The sentence on top of the report.
    pub sentence: String,
    /// The class that all cases share; absent when they differ.
    pub class: Option<VerdictClass>,
}

/// Quotes the pipeline's sentence, or composes one from the verdicts: the headline scenario first, then both outcomes of
/// `paper`, against the paper's own rival and against the best one.
pub fn headline(report: &Report) -> Headline {
    let verdicts: Vec<&Verdict> = report.cases.iter().filter_map(|c| c.verdict.as_ref()).collect();
    let class = verdicts.first().map(|v| v.class).filter(|first| verdicts.iter().all(|v| v.class == *first));
    if let Some(sentence) = &report.headline {
        return Headline { sentence: sentence.clone(), class };
    }
    let Some(first) = verdicts.first() else {
        let sentence = if report.cases.is_empty() {
            "No verdict: no case was analysed."
        } else {
            "No verdict: the cases were measured, but no scenario was evaluated."
        };
        return Headline { sentence: sentence.into(), class };
    };
    let mut parts = Vec::new();
    if first.scenario != "paper" {
        let own: Vec<VerdictClass> = verdicts.iter().map(|v| v.class).collect();
        parts.push(format!(
            "A quantum linear solver on {} against {} on {} ({}, {}): {}.",
            machine(report, &first.hardware_quantum),
            rivals(&verdicts),
            machine(report, &first.hardware_classical),
            first.scenario,
            badge(&first.scenario),
            tally(&own)
        ));
    }
    parts.extend(paper(report));
    if let [only] = verdicts[..] {
        parts.push(sentence(&only.reason));
    }
    // The lever of the case that comes nearest to a break-even.
    let reach = |case: &&Case| break_even(case, &first.scenario).map_or(f64::NEG_INFINITY, |mark| mark.at);
    let levered = report.cases.iter().filter(|c| c.verdict.as_ref().is_some_and(|v| !v.nearest_lever.is_empty()));
    // `max_by` keeps the last of equals; reversed, that is the first case.
    let nearest = levered.rev().max_by(|a, b| reach(a).total_cmp(&reach(b)));
    if let Some((case, verdict)) = nearest.and_then(|c| c.verdict.as_ref().map(|v| (c, v))) {
        let of = if verdicts.len() > 1 { format!(" (of {})", case.measurement.id) } else { String::new() };
        parts.push(format!("Nearest lever{of}: {}", sentence(&verdict.nearest_lever)));
    }
    Headline { sentence: parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" "), class }
}

fn paper(report: &Report) -> Option<String> {
    let pair = report.cases.iter().flat_map(|c| &c.verdicts).find(|v| v.scenario == "paper")?;
    let own = |v: &&Verdict| {
        v.scenario == "paper"
            && v.hardware_quantum == pair.hardware_quantum
            && v.hardware_classical == pair.hardware_classical
    };
    let all: Vec<&Verdict> = report.cases.iter().flat_map(|c| c.verdicts.iter().filter(own)).collect();
    // Both outcomes, whether they stand in one verdict or in one each.
    let (mut published, mut best) = (Vec::new(), Vec::new());
    let mut names: Vec<&str> = Vec::new();
    for v in &all {
        let own = [(v.against.as_str(), v.class)];
        let stated = v.outcomes.iter().map(|o| (o.against.as_str(), o.class));
        for (against, class) in stated.chain(own.into_iter().filter(|_| v.outcomes.is_empty())) {
            if against == PAPER_RIVAL {
                published.push(class);
            } else {
                best.push(class);
                if !names.contains(&against) {
                    names.push(against);
                }
            }
        }
    }
    Some(match (published.is_empty(), best.is_empty()) {
        (false, false) => format!(
            "As published (paper): {} against the paper's rival, the inverse in 2N³ flops; {} against the best classical rival, {}.",
            tally(&published),
            tally(&best),
            listed(&names)
        ),
        _ => {
            let classes: Vec<VerdictClass> = all.iter().map(|v| v.class).collect();
            format!("As published (paper): {} against {}; {}", tally(&classes), rivals(&all), sentence(&pair.reason))
        }
    })
}

fn machine(report: &Report, id: &str) -> String {
    match report.machines.iter().find(|m| m.id == id) {
        Some(m) if !m.title.is_empty() => m.title.clone(),
        _ => id.to_string(),
    }
}

fn rivals(verdicts: &[&Verdict]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for v in verdicts {
        if !v.against.is_empty() && !names.contains(&v.against.as_str()) {
            names.push(&v.against);
        }
    }
    listed(&names)
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "the classical rivals".into(),
        [one] => (*one).into(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text.to_string() } else { format!("{text}.") }
}

/// `unfavourable in all 7 cases`; `breaks even in 1 of 7 cases, unfavourable in 6`.
pub fn tally(classes: &[VerdictClass]) -> String {
    use VerdictClass::{BreaksEven, Excluded, Undecided, Unfavourable};
    let total = classes.len();
    let parts: Vec<(usize, &str)> = [BreaksEven, Undecided, Unfavourable, Excluded]
        .into_iter()
        .map(|c| (classes.iter().filter(|own| **own == c).count(), class(c)))
        .filter(|(n, _)| *n > 0)
        .collect();
    match parts[..] {
        [] => "no verdict".into(),
        [(1, word)] => word.into(),
        [(2, word)] => format!("{word} in both cases"),
        [(n, word)] => format!("{word} in all {} cases", number::count(n as u64)),
        _ => {
            let first = parts.iter().take(1).map(|(n, word)| format!("{word} in {n} of {total} cases"));
            let rest = parts.iter().skip(1).map(|(n, word)| format!("{word} in {n}"));
            first.chain(rest).collect::<Vec<_>>().join(", ")
        }
    }
}

/// What was simulated, in one sentence; empty when simulation was off.
pub fn simulated(report: &Report) -> String {
    let rows = || report.cases.iter().flat_map(|c| &c.simulation);
    let (claims, failed) = (rows().count(), rows().filter(|r| !r.passed).count());
    let touched = report.cases.iter().filter(|c| !c.simulation.is_empty()).count();
    if claims == 0 && report.cases.iter().all(|c| c.simulation_skipped.is_none()) {
        return String::new();
    }
    let verdict = if failed == 0 { "every one held".to_string() } else { format!("{failed} FAILED") };
    let outcome = if claims == 0 { String::new() } else { format!(": {claims} claims were run, {verdict}") };
    format!("{touched} of {} cases were simulated{outcome}.", report.cases.len())
}

/// Terms a reader may not know, in reading order.
pub const GLOSSARY: &[(&str, &str)] = &[
    ("N", "Size of the linear system: the number of parameters in the scope."),
    (
        "H, A",
        "H is the curvature matrix (Hessian, Gauss-Newton or empirical Fisher); A = H + λI is the matrix that is solved.",
    ),
    (
        "κ",
        "Condition number σ_max/σ_min of the solved matrix unless another matrix is named. A singular matrix has no κ, only a lower end.",
    ),
    (
        "[low, high]",
        "An interval that contains the true value, certified for κ and σ; an open end means that nothing bounds it.",
    ),
    (
        "inertia",
        "Counts of positive, negative and numerically zero eigenvalues; zero means within the printed tolerance.",
    ),
    (
        "d",
        "Row sparsity: the largest number of entries above 1e-12 of the largest one in a row of the solved matrix, a diagonal entry counting like any other.",
    ),
    (
        "α",
        "Subnormalization of the block encoding divided by σ_max; κ_eff = α·κ is what query counts depend on. It enters once.",
    ),
    (
        "ε",
        "The largest relative error of the Newton step that keeps 99 % of the exact step's loss decrease, found on real loss evaluations; assumed 1e-2 for a matrix without a loss.",
    ),
    (
        "query",
        "One use of the block encoding of the matrix. Sparse-oracle calls, walk steps and simulated time are different units and are never added.",
    ),
    (
        "bound",
        "exact: a count; proven-upper or proven-lower: a theorem with constants; measured: a constant found by simulation; leading-order: no constant is proven; run: the solver was really run.",
    ),
    ("UNVERIFIED", "The formula rests on a single source or could not be checked against published numbers."),
    (
        "excluded",
        "Within the oracle model named, a lower bound on the quantum cost exceeds the cost of a listed classical rival. Never proved for one matrix alone.",
    ),
    ("breaks even", "A proven upper bound on the quantum cost is below the cheapest estimate of every listed rival."),
    (
        "unfavourable",
        "Every listed in-domain quantum estimate, the most optimistic included, exceeds the cheapest rival: an estimate, not a proof.",
    ),
    ("undecided", "None of the other classes holds on these numbers."),
    (
        "crossover",
        "The value of a variable at which both times are equal; certified means that interval arithmetic proves it lies in [low, high].",
    ),
];

/// How the numbers came about, in a few paragraphs.
pub const METHODS: &[&str] = &[
    "Curvature. The matrix is assembled exactly by reverse mode and forward-over-reverse tangents on the program of the network, in the precision named under provenance, at the snapshot's weights and over the whole batch. It is symmetric by construction. Nothing is sampled.",
    "Spectrum. σ_max, σ_min and κ carry intervals that contain the true values of the assembled matrix; how each was certified stands beside it. Eigenvalues within the inertia tolerance N·2⁻⁵²·σ_max plus the backward error of the factorisation count as zero. A singular matrix has no κ.",
    "Tolerance. ε is the largest relative error of the Newton step that still keeps the stated share of the loss decrease, found by evaluating the real loss; it is the accuracy that a solver must reach for training, not a free choice.",
    "Costs. Every formula is a data file with unit, kind of bound, domain, citation and worked examples. Outside a model's domain there is no number, only the reason. [low, high] of a cost carries the intervals of the measured variables through the formula.",
    "Times. Quantum seconds are operations times the gate time of the machine named, classical seconds are flops divided by its rate; both are assumptions of the machine files listed above. The verdict compares the best in-domain estimates as the class's definition says.",
    "Crossovers are found by interval arithmetic: a certified one is proven to lie in its interval; \"none in range\" is a result.",
];

#[cfg(test)]
mod tests;
