//! The body of the reproduction's report.

use super::claims::{DEFINITIONS, Prices, WEIGHTS, bound_use, described, error_decades, falls, kappa_of, median_kappa};
use super::figures;
use super::prices::{PAIRS, gate_time_of, median, operations};
use super::sizes::{EPS, ETA, Sizes};
use super::stages::{Measured, Seen};
use crate::pipeline::schedule_report::{policy_table, saving_table};
use crate::report::dossier::{DataTable, Datum, Section};
use crate::report::number::{digits, real};
use crate::schedule::{Estimator, Schedule};

/// All sections in order.
pub fn sections(sizes: &Sizes, m: &Measured, p: &Prices, strip: &Schedule) -> Vec<Section> {
    vec![
        savings(m, p, strip),
        kappa(m),
        threshold(p),
        pruning(m, p),
        regularisation(m, p),
        scaling(p),
        estimators(m, p),
        families(m, p),
        settings(sizes, m),
    ]
}

fn section(id: &str, title: &str, text: &[&str]) -> Section {
    Section {
        id: id.into(),
        title: title.into(),
        text: text.iter().map(|t| (*t).to_string()).collect(),
        ..Section::default()
    }
}

fn savings(m: &Measured, p: &Prices, strip: &Schedule) -> Section {
    let mut section = section(
        "savings",
        "Savings",
        &[
            "The same solves, priced four times. In the scenario paper a gate of the form d·κ·ln(Nκ/ε) costs one gate time and nothing \
           else counts; in oracle the cheapest solver with a proven or measured query count takes one gate time for each query. \
           Assembling the Hessian is in neither side, encoding, state preparation, readout and error correction are not counted.",
        ],
    );
    section.figures.push(figures::savings(p));
    section.figures.extend(figures::policies(p));
    section.figures.push(figures::strip(strip));
    section.figures.push(figures::losses(m));
    let columns = ["sides", "10 % at [s]", "50 % at [s]", "90 % at [s]", "90 %, deciding paid [s]", "proof"];
    let mut table = DataTable::new("savings", "Gate times at which so much of the classical time is saved", &columns);
    for (pair, s) in PAIRS.iter().zip(&p.run) {
        let at = |level: f64, paid: bool| Datum::from(gate_time_of(s, level, paid));
        let proof = s.savings.iter().filter(|r| r.gate_time.is_some()).all(|r| r.certified);
        table.push(vec![
            pair.title.into(),
            at(0.1, false),
            at(0.5, false),
            at(0.9, false),
            at(0.9, true),
            if proof { "certified" } else { "—" }.into(),
        ]);
    }
    section.tables.push(table);
    if let Some(s) = p.run.first() {
        let mut table = policy_table(s, "policies");
        table.title =
            format!("Policies in the paper's terms at {} s a gate (the superconducting preset)", real(s.gate_time));
        section.tables.push(table);
        section.tables.push(saving_table(s, "savings-paper"));
    }
    let columns = ["rule", "learning rate", "updates", "lowest loss", "time on the classical machine [s]"];
    let mut table = DataTable::new(
        "first-order",
        "First-order methods to the loss of the scheduled training (Q-Newton's updates solve systems, these do not)",
        &columns,
    );
    let seconds = |id: &str| p.run.first().and_then(|s| s.policy(id)?.seconds);
    for row in &m.first_order {
        table.push(vec![
            row.id.as_str().into(),
            row.rate.into(),
            row.updates.map_or("not reached".into(), Datum::from),
            row.loss.into(),
            seconds(&row.id).into(),
        ]);
    }
    let steps = m.run.losses.len().saturating_sub(1);
    table.push(vec![
        "q-newton, all classical by the best rival".into(),
        Datum::Empty,
        steps.into(),
        m.run.final_loss().into(),
        p.run.get(1).and_then(|s| s.policy("all-classical")?.seconds).into(),
    ]);
    section.tables.push(table);
    section
}

fn kappa(m: &Measured) -> Section {
    let (inside, of) = bound_use(&m.run);
    let mut section = section(
        "kappa",
        "κ during training",
        &[
            "κ of what? The paper solves H + λI with λ = η·max|h|. For a positive semidefinite H this rule alone nearly fixes κ: \
           max|h| ≤ λ_max ≤ N·max|h|, so with a null space 1 + 1/η ≤ κ = 1 + λ_max/λ ≤ 1 + N/η, whatever the training does. An \
           indefinite H can exceed that when an eigenvalue −|λ_i| comes close to −λ: then damping makes κ worse.",
        ],
    );
    section.text.push(format!(
        "{inside} of {of} measured systems obey κ(H+λI) ≤ 1 + N/η. The undamped H is singular for a softmax classifier, so its κ \
         exists on its numerical range alone."
    ));
    section.figures.extend(figures::trajectory(&m.run));
    section.figures.push(figures::all_blocks(&m.run));
    let mut table = DataTable::new(
        "kappa-falls",
        "How far κ falls, by definition (weight blocks)",
        &["block", "definition", "κ at the first step", "smallest later κ", "fall [times]"],
    );
    for f in falls(&m.run) {
        table.push(vec![f.block.into(), f.of.into(), f.first.into(), f.least.into(), (f.first / f.least).into()]);
    }
    section.tables.push(table);
    let mut columns = vec!["block", "step", "N", "negative eigenvalues", "λ"];
    columns.extend(DEFINITIONS);
    columns.extend(["1 + N/η", "κ(H+λI) over the bound"]);
    let mut table = DataTable::new("kappa", "Every measured system", &columns);
    table.folded = true;
    for s in m.run.measured.iter().filter(|s| s.n >= WEIGHTS) {
        let bound = 1.0 + s.n as f64 / ETA;
        let mut row: Vec<Datum> = vec![
            s.scope.trim_start_matches("layer:").into(),
            s.step.map_or(Datum::Empty, Datum::from),
            s.n.into(),
            s.inertia.negative.into(),
            s.damping.lambda.into(),
        ];
        row.extend(DEFINITIONS.iter().map(|of| Datum::from(kappa_of(s, of))));
        row.extend([bound.into(), s.kappa.value.map(|k| k / bound).into()]);
        table.push(row);
    }
    section.tables.push(table);
    section
}

fn threshold(p: &Prices) -> Section {
    let mut section = section(
        "threshold",
        "The limit κ > 1e4",
        &[
            "A fixed limit on κ is the same as comparing prices only where the gate time, N, d and the classical rate put the \
           break-even κ at 1e4. Far to the left every solve is cheaper on the quantum side and the limit sends some away; far to \
           the right none is and the limit keeps some.",
        ],
    );
    section.figures.extend(figures::threshold(p));
    section
}

fn sweep_table(id: &str, title: &str, variable: &str, sweep: &[(f64, Seen)], prices: &[(f64, Schedule)]) -> DataTable {
    let columns = [
        variable,
        "final loss",
        "accuracy [%]",
        "held out [%]",
        "median κ",
        "largest κ",
        "d of the largest block",
        "gates of the training",
        "90 % saved at [s]",
        "remark",
    ];
    let mut table = DataTable::new(id, title, &columns);
    for (x, s) in sweep {
        let priced = prices.iter().find(|(y, _)| y == x).map(|(_, s)| s);
        let largest = s.largest();
        let d = s
            .solved
            .iter()
            .filter(|v| Some(v.block.as_str()) == largest)
            .filter_map(|v| v.value("d"))
            .fold(0.0, f64::max);
        let most = s.solved.iter().filter_map(|v| v.value("kappa")).fold(f64::NEG_INFINITY, f64::max);
        table.push(vec![
            (*x).into(),
            s.final_loss().into(),
            s.accuracy.map(|a| 100.0 * a).into(),
            s.held_out.map(|a| 100.0 * a).into(),
            median_kappa(s).into(),
            most.into(),
            d.into(),
            priced.and_then(operations).into(),
            priced.and_then(|s| gate_time_of(s, 0.9, false)).into(),
            s.stopped.as_str().into(),
        ]);
    }
    table
}

fn pruning(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "pruning",
        "Pruning",
        &[
            "Symmetric pruning keeps an entry with its mirror image while both rows have room, so that rows and columns have at most d \
           entries. The published code keeps the k largest entries of each row on its own: the result is not symmetric, and a \
           column can hold many more than k.",
        ],
    );
    section.figures.push(figures::accuracy(
        "pruning-accuracy",
        "Accuracy over the kept ratio",
        "ratio of entries kept",
        &m.keeps,
    ));
    section.figures.push(figures::cost(
        "pruning-cost",
        "What pruning does to κ, d and the gates",
        "ratio of entries kept",
        &m.keeps,
        &p.keeps,
    ));
    section.tables.push(sweep_table(
        "pruning",
        "The sweep over the kept ratio (symmetric)",
        "kept",
        &m.keeps,
        &p.keeps,
    ));
    let columns = [
        "kept",
        "block",
        "k",
        "‖P − Pᵀ‖_F/‖H‖_F",
        "largest column",
        "angle to the whole step, by rows [°]",
        "the same, symmetric [°]",
        "loss decrease, whole",
        "by rows",
        "symmetric",
    ];
    let mut table =
        DataTable::new("row-wise", "Row-wise against symmetric pruning, first step of the sweep's network", &columns);
    for (keep, s) in &m.keeps {
        for r in s.rows.iter().filter(|r| r.k > 1) {
            let [whole, rows, symmetric] = r.decrease;
            table.push(vec![
                (*keep).into(),
                r.block.as_str().into(),
                r.k.into(),
                r.asymmetry.into(),
                r.d_column.into(),
                r.angle_rows.into(),
                r.angle_symmetric.into(),
                whole.into(),
                rows.into(),
                symmetric.into(),
            ]);
        }
    }
    table.folded = true;
    section.tables.push(table);
    section
}

fn regularisation(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "regularisation",
        "Regularisation",
        &[
            "λ = η·max|h|. A larger η lowers κ and with it the gates, and turns the Newton step into a short gradient step.",
        ],
    );
    section.figures.push(figures::accuracy(
        "regularisation-accuracy",
        "Accuracy over the damping factor",
        "damping factor η",
        &m.etas,
    ));
    section.figures.push(figures::cost(
        "regularisation-cost",
        "What damping does to κ, d and the gates",
        "damping factor η",
        &m.etas,
        &p.etas,
    ));
    section.tables.push(sweep_table("regularisation", "The sweep over η", "η", &m.etas, &p.etas));
    section
}

fn scaling(p: &Prices) -> Section {
    let mut section = section(
        "scaling",
        "Scaling",
        &[
            "MLPs with two hidden layers of width h, exact Hessian blocks. The first weight block has N = 64·h here and 784·h in the \
           paper; what changes with N is the exponent, which is fitted.",
        ],
    );
    section.figures.push(figures::growth(p));
    let columns = [
        "h",
        "N",
        "κ",
        "d",
        "gates",
        "inverse [s]",
        "best rival [s]",
        "best rival is",
        "90 % against the inverse at [s]",
        "against the best at [s]",
    ];
    let mut table = DataTable::new("scaling", "The largest block of each network", &columns);
    for (h, inverse, best) in &p.widths {
        let (Some(a), Some(b)) = (inverse.solves.iter().max_by_key(|d| d.n), best.solves.iter().max_by_key(|d| d.n))
        else {
            continue;
        };
        table.push(vec![
            (*h).into(),
            a.n.into(),
            a.kappa_estimate.into(),
            a.d.into(),
            a.quantum_seconds.map(|q| q / inverse.gate_time).into(),
            a.classical_seconds.into(),
            b.classical_seconds.into(),
            b.classical.as_str().into(),
            gate_time_of(inverse, 0.9, false).into(),
            gate_time_of(best, 0.9, false).into(),
        ]);
    }
    section.tables.push(table);
    section
}

fn estimators(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "estimators",
        "Estimating κ before the solve",
        &[
            "A scheduler must know κ before it decides. The published formula needs a determinant, that is a factorisation, and has the \
           wrong factor: (1 − n/‖A‖_F)ⁿ where the bound has (n/‖A‖_F²)ⁿ. Even the right bound is exponentially loose. A \
           factorisation with Lanczos on A and A⁻¹ gives κ to many digits, but whoever has it has also solved the system.",
        ],
    );
    section.figures.push(figures::estimators(m));
    let columns = [
        "estimator",
        "answers",
        "of",
        "median error [decades]",
        "largest error [decades]",
        "cost over one LDLᵀ solve (median, N ≥ 100)",
    ];
    let mut table = DataTable::new("estimators", "The estimators on every measured system", &columns);
    let known: Vec<_> = m.run.estimates.iter().filter(|e| e.kappa.is_some()).collect();
    for e in Estimator::ALL {
        let name = e.to_string();
        let stem = name.split(':').next().unwrap_or(&name).to_string();
        let errors: Vec<f64> = known.iter().filter_map(|x| error_decades(x, &stem)).map(f64::abs).collect();
        let ratio = m.run.estimates.iter().filter(|x| x.n >= WEIGHTS).filter_map(|x| {
            let found = x.all.iter().find(|k| k.estimator.starts_with(&stem))?;
            let n = x.n as f64;
            Some((found.dense_flops + found.stored_flops) / (n.powi(3) / 3.0 + 2.0 * n * n))
        });
        table.push(vec![
            name.into(),
            errors.len().into(),
            known.len().into(),
            median(errors.iter().copied()).into(),
            errors.iter().copied().fold(f64::NEG_INFINITY, f64::max).into(),
            median(ratio).into(),
        ]);
    }
    section.tables.push(table);
    if let Some(s) = p.run.first() {
        let overhead = s.policy("q-newton").and_then(|p| p.overhead_seconds);
        let classical = s.policy("all-classical").and_then(|p| p.seconds);
        if let Some((o, c)) = overhead.zip(classical) {
            section.text.push(format!(
                "In the schedule above deciding (factored, and one pass to count d) takes {} s against {} s of inverses: {} % of the \
                 classical time, so no gate time can save more than {} %.",
                real(o),
                real(c),
                digits(100.0 * o / c, 3),
                digits(100.0 * (1.0 - o / c), 3)
            ));
        }
    }
    section
}

fn families(m: &Measured, p: &Prices) -> Section {
    let mut section = section(
        "families",
        "DNN, CNN, BERT, GPT",
        &[
            "For its large models the published code takes the empirical Fisher matrix of each weight as the Hessian: Σ g_i g_iᵀ over \
           the batch, of rank at most the batch. It is kept here as its N × batch factor, so blocks of the published sizes never \
           need N² numbers, and Woodbury solves them exactly in about 2NB² flops. (For three-dimensional inputs the published code \
           transposes the per-sample gradients against the weight; that error is not reproduced.)",
        ],
    );
    let columns = [
        "kind",
        "network",
        "blocks",
        "largest N",
        "rank",
        "κ of the largest",
        "d of the largest",
        "inverse [s]",
        "best rival [s]",
        "inverse over best",
        "90 % against the inverse at [s]",
        "against the best at [s]",
    ];
    let mut table = DataTable::new("families", "Empirical Fisher blocks, first and last step", &columns);
    for ((kind, training, seen), (_, inverse, best)) in m.families.iter().zip(&p.families) {
        let largest =
            seen.solved.iter().max_by(|a, b| a.value("n").unwrap_or(0.0).total_cmp(&b.value("n").unwrap_or(0.0)));
        let (a, b) = (
            inverse.policy("all-classical").and_then(|p| p.seconds),
            best.policy("all-classical").and_then(|p| p.seconds),
        );
        let mut blocks: Vec<&str> = seen.solved.iter().map(|s| s.block.as_str()).collect();
        blocks.sort_unstable();
        blocks.dedup();
        table.push(vec![
            kind.as_str().into(),
            described(training, seen).into(),
            blocks.len().into(),
            largest.and_then(|s| s.value("n")).into(),
            largest.and_then(|s| s.value("rank")).into(),
            largest.and_then(|s| s.value("kappa")).into(),
            largest.and_then(|s| s.value("d")).into(),
            a.into(),
            b.into(),
            a.zip(b).map(|(a, b)| a / b).into(),
            gate_time_of(inverse, 0.9, false).into(),
            gate_time_of(best, 0.9, false).into(),
        ]);
    }
    section.tables.push(table);
    section
}

fn settings(sizes: &Sizes, m: &Measured) -> Section {
    let mut section = section(
        "settings",
        "What is the paper's and what is ours",
        &[
            "The paper's text was not available to this program's authors beyond its abstract, its project page and its code; the gate time, \
           the throughput model and the result tables are not public there. What follows says where each number comes from.",
        ],
    );
    let mut table = DataTable::new("settings", "Settings", &["setting", "here", "published", "whose"]);
    let published = "MLP 784-h-h-10, h = 16 … 54, batch 2048; BERT and Mistral-like with hidden 64, 3 layers, 4 heads, ffn 256, batch 128";
    let mut row = |setting: &str, here: String, published: &str, whose: &str| {
        table.push(vec![setting.into(), here.into(), published.into(), whose.into()]);
    };
    row("scheduled training", described(&sizes.run, &m.run), published, "reduced: 8 × 8 digits for MNIST");
    if let Some((_, s)) = m.keeps.first() {
        row("sweeps", described(&sizes.sweep, s), published, "reduced");
    }
    if let Some((_, s)) = m.widths.first() {
        row(
            "scaling",
            described(&sizes.scaled(sizes.hidden.first().copied().unwrap_or(16)), s),
            published,
            "reduced: 64 inputs for 784",
        );
    }
    for (kind, t, s) in &m.families {
        let paper_size = t.network.contains("64,3,4,256") || kind.contains("published");
        row(
            kind,
            described(t, s),
            published,
            if paper_size { "the paper's sizes; embedded text or the given data" } else { "reduced" },
        );
    }
    row(
        "damping of exact Hessians",
        format!("λ = {}·(max|h| + 1e-6)", real(ETA)),
        "η = 5e-3; sweeps 1e-3 … 1e4",
        "the paper's",
    );
    row("damping of Fisher blocks", format!("λ = {}·(max|f| + 1e-6)", real(ETA)), "η = 5e-3", "the paper's");
    row("blocks", "one per parameter tensor".into(), "one per layer's weight", "the paper's, biases added");
    row("pruning", "symmetric greedy, k = ⌊ratio·N⌋".into(), "top k of each row", "ours; the published rule beside it");
    row("step", "length 1 with backtracking to Armijo's condition".into(), "not public", "ours");
    row(
        "ε of a solve",
        format!("1 % of the step's loss decrease where measured, else {}", real(EPS)),
        "not public",
        "ours",
    );
    row(
        "gate time",
        "swept from 1e-20 to 1e-2 s".into(),
        "“reduced, possibly by attosecond physics”; no number",
        "ours",
    );
    row(
        "quantum cost",
        "d·κ·ln(Nκ/ε), constant 1 (paper); non-asymptotic queries (oracle)".into(),
        "O(dκ log(Nκ/ε))",
        "the paper's; ours",
    );
    row("classical machine", "A100-class file, 70 % of the fp64 peak".into(), "not public", "ours");
    row("scenarios", "paper, oracle; end-to-end and fault-tolerant are not in this build".into(), "—", "ours");
    section.tables.push(table);
    section
}
