//! A realistic report made from the fixtures' ground truth: seven snapshots of one network, two scenarios, three quantum
//! machines. The costs are simple closed forms; what is tested is what the report does with them.

use std::path::Path;

use breakeven::cost::{CostRow, DomainCheck};
use breakeven::crossover::{CrossoverRow, Lever, Outcome, Verdict, VerdictClass};
use breakeven::measurement::{
    ClassicalRun, Damping, Inertia, Measured, Measurement, RowSparsity, SparsityPoint, SpectrumBin, Subnormalization,
    Tolerance,
};
use breakeven::report::document::{
    Case, InputDigest, MachineNote, ModelNote, Provenance, Report, SCHEMA_VERSION, Tool,
};
use breakeven::report::figure_data::{
    AxisMark, AxisSpec, CurveFigure, CurvePoint, CurveSeries, Dot, FigureData, MapFigure, Side, TornadoBar,
    TornadoFigure,
};
use breakeven::simulate::SimulationRow;
use serde_json::Value;

const FLOPS: f64 = 9.7e12;
const MACHINES: [(&str, &str, f64); 3] = [
    ("qubit_gate_ns_e3", "superconducting preset (50 ns gates)", 5e-8),
    ("qubit_gate_us_e3", "ion-trap preset (100 µs gates)", 1e-4),
    ("attosecond", "attosecond hypothesis", 1e-18),
];

/// The models of the sample: id, side, verified, seconds per (n, d, κ, ε, α) at gate time or rate 1, bound.
type Price = fn(f64, f64, f64, f64, f64) -> f64;
const MODELS: [(&str, Side, bool, &str, Price); 9] = [
    ("q-newton", Side::Quantum, true, "leading-order", |n, d, k, e, _| d * k * (n * k / e).ln()),
    ("design-card", Side::Quantum, true, "leading-order", |n, d, k, e, _| d * k * (n / e).ln()),
    ("dalzell2024", Side::Quantum, true, "proven-upper", |_, _, k, e, a| 56.0 * a * k + 1.05 * a * k * (2.0 / e).ln()),
    ("dalzell2024-known-norm", Side::Quantum, true, "proven-upper", |_, _, k, e, a| a * k * (2.8 / e).ln()),
    ("costa2026", Side::Quantum, false, "measured", |_, _, k, e, a| 2.0 * a * k * (1.4 / e).ln()),
    ("inverse", Side::Classical, true, "exact", |n, _, _, _, _| 2.0 * n * n * n),
    ("ldlt", Side::Classical, true, "leading-order", |n, _, _, _, _| n * n * n / 3.0),
    ("cg", Side::Classical, true, "proven-upper", |n, d, k, e, _| k.sqrt() * (2.0 / e).ln() / 2.0 * 2.0 * n * d),
    ("minres", Side::Classical, true, "proven-upper", |n, d, k, e, _| k * (2.0 / e).ln() * 2.0 * n * d),
];

fn truth(network: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(network).join("truth/truth.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The sample.
pub fn report() -> Report {
    let truth = truth("mlp_tanh_digits");
    let n = truth["N"].as_u64().unwrap() as usize;
    let mut cases: Vec<Case> =
        truth["snapshots"].as_object().unwrap().iter().map(|(name, snapshot)| case(name, n, snapshot)).collect();
    cases.sort_by(|a, b| {
        let key = |c: &Case| (c.measurement.series.clone(), c.measurement.step);
        key(a).cmp(&key(b))
    });
    simulate(&mut cases);
    let figures = figures(&cases);
    Report {
        schema_version: SCHEMA_VERSION.into(),
        tool: Tool { name: "breakeven".into(), version: "0.1.0".into() },
        provenance: Provenance {
            inputs: ["batch.safetensors", "loss.json", "model_legacy17.onnx", "sgd_0000.safetensors"]
                .map(|f| InputDigest { path: f.into(), blake3: format!("{:0>64}", f.len()) })
                .to_vec(),
            seed: 0,
            threads: 2,
            precision: "f64".into(),
            hardware: MACHINES.iter().map(|m| m.0.to_string()).chain(["a100_fp64".to_string()]).collect(),
            options: [("curvature", "hessian"), ("damping", "relative:5e-3"), ("scope", "full")]
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .into(),
        },
        cases,
        title: "mlp_tanh_digits".into(),
        models: MODELS
            .iter()
            .map(|(id, side, verified, _, _)| ModelNote {
                id: (*id).into(),
                title: format!("the {id} model of the sample"),
                side: *side,
                status: if *verified { "verified" } else { "unverified" }.into(),
                formula: "2*ceil(kappa*ln(2*sqrt(2)/eps)/2)".into(),
                status_why: "read in several sources".into(),
                cite: "arXiv:2406.12086, Theorem 1, Eq. 48".into(),
                omits: vec!["readout".into(), "norm estimation".into()],
            })
            .collect(),
        machines: MACHINES
            .iter()
            .map(|(id, title, gate)| MachineNote {
                id: (*id).into(),
                title: (*title).into(),
                side: Side::Quantum,
                gate_time: Some(*gate),
                source: "Azure Quantum Resource Estimator presets, arXiv:2211.07629 Table V".into(),
                ..MachineNote::default()
            })
            .chain([MachineNote {
                id: "a100_fp64".into(),
                title: "A100-class GPU, f64".into(),
                side: Side::Classical,
                flops_per_second: Some(FLOPS),
                source: "NVIDIA A100 data sheet, 9.7 Tflop/s".into(),
                ..MachineNote::default()
            }])
            .collect(),
        figures,
        ..Report::default()
    }
}

fn case(name: &str, n: usize, truth: &Value) -> Case {
    let s = &truth["spectrum"];
    let get = |key: &str| s[key].as_f64().unwrap();
    let (series, step) = name.rsplit_once('_').unwrap();
    let kappa = get("kappa_damped");
    let lambda = get("damping");
    let sigma_max = get("abs_max") + lambda;
    let tol = get("tol");
    let count = |key: &str| s[key].as_u64().unwrap() as usize;
    let curve: Vec<SparsityPoint> =
        ["thr_0.1", "thr_0.01", "thr_0.001", "thr_0.0001", "thr_1e-05", "thr_1e-06", "thr_1e-08"]
            .iter()
            .map(|key| {
                let p = &truth["sparsity"][key];
                let fro = p["rel_fro_dropped"].as_f64().unwrap();
                SparsityPoint {
                    threshold: key[4..].parse().unwrap(),
                    d: p["d_max"].as_u64().unwrap() as usize,
                    nonzeros: p["nnz"].as_u64().unwrap(),
                    frobenius_error: fro,
                    spectral_error: Some(fro * 0.4),
                }
            })
            .collect();
    let d = truth["sparsity"]["nnz_max_row_exact_nonzero"].as_u64().unwrap() as usize;
    let fro = truth["fro"].as_f64().unwrap();
    let alpha = fro / sigma_max;
    let eps = 0.03;
    let m = Measurement {
        id: format!("{name}/hessian/full"),
        snapshot: name.into(),
        series: format!("{series}_"),
        step: step.parse().ok(),
        curvature: "hessian".into(),
        scope: "full".into(),
        damping: Damping { rule: "relative:5e-3".into(), lambda },
        n,
        loss: truth["loss"].as_f64(),
        gradient_norm: truth["grad_norm"].as_f64(),
        kappa: Measured::new(kappa, kappa * 0.97, kappa * 1.05, "dense LDLᵀ counts at ±s").of("H + λI"),
        kappas: vec![
            Measured { value: None, low: Some(get("abs_max") / tol), high: None, method: "rank 491".into(), of: None }
                .of("H"),
            Measured::new(get("kappa_abs_damped"), get("kappa_abs_damped"), get("kappa_abs_damped"), "dense")
                .of("|H| + λI"),
        ],
        sigma_max: Measured::new(sigma_max, sigma_max, sigma_max * 1.0001, "Lanczos with a count").of("H + λI"),
        sigma_min: Measured::new(sigma_max / kappa, sigma_max / kappa * 0.95, sigma_max / kappa * 1.03, "counts")
            .of("H + λI"),
        rank: n,
        inertia: Inertia { positive: count("n_pos"), negative: count("n_neg"), zero: count("n_zero"), tolerance: tol },
        inertia_solved: Inertia {
            positive: n - count("damped_n_neg"),
            negative: count("damped_n_neg"),
            zero: 0,
            tolerance: tol,
        },
        row_sparsity: RowSparsity {
            value: d,
            threshold: 1e-12,
            frobenius_error: 0.0,
            spectral_error: Some(0.0),
            curve,
        },
        nonzeros: (n * d) as u64,
        max_abs: get("max_abs_entry"),
        frobenius_norm: fro,
        subnormalization: Subnormalization { absolute: fro, relative: alpha, encoding: "frobenius".into() },
        tolerance: Tolerance {
            value: eps,
            low: 0.011,
            high: 0.19,
            method: "loss evaluations along the maximiser".into(),
            loss_fraction: 0.01,
        },
        x_norm: Some(12.5),
        batch: Some(256),
        low_rank: None,
        hvp_flops: Some(1.2e6),
        classical_runs: vec![
            ClassicalRun {
                solver: "cg".into(),
                note: Some("broke down: negative curvature".into()),
                ..ClassicalRun::default()
            },
            ClassicalRun {
                solver: "minres".into(),
                iterations: Some(341),
                bound: Some(kappa * 4.0),
                relative_residual: Some(2.9e-2),
                relative_error: Some(0.4),
                ..ClassicalRun::default()
            },
        ],
        spectrum: bins(s),
        ..Measurement::default()
    };
    let mut case = Case { measurement: m, ..Case::default() };
    price(&mut case);
    case
}

/// Bins of a made-up spread with the true counts and ends.
fn bins(s: &Value) -> Vec<SpectrumBin> {
    let mut bins = Vec::new();
    let low = 1e-9_f64;
    for (sign, count, top) in
        [(-1_i8, "n_neg", s["lambda_min"].as_f64().unwrap().abs()), (1, "n_pos", s["lambda_max"].as_f64().unwrap())]
    {
        let total = s[count].as_u64().unwrap();
        let steps = 24_u32;
        let ratio = (top / low).powf(1.0 / f64::from(steps));
        let mut left = total;
        for i in 0..steps {
            let share = (total * u64::from(if i < 12 { i + 1 } else { steps - i }) / 156).min(left);
            let share = if i == steps - 1 { left } else { share };
            left -= share;
            let a = low * ratio.powi(i as i32);
            bins.push(SpectrumBin { sign, low: a, high: a * ratio, count: share });
        }
    }
    bins.push(SpectrumBin {
        sign: 0,
        low: 0.0,
        high: s["tol"].as_f64().unwrap(),
        count: s["n_zero"].as_u64().unwrap(),
    });
    bins
}

fn price(case: &mut Case) {
    let m = &case.measurement;
    let (n, d, k, e, a) = (
        m.n as f64,
        m.row_sparsity.value as f64,
        m.kappa.value.unwrap(),
        m.tolerance.value,
        m.subnormalization.relative,
    );
    for scenario in ["paper", "oracle"] {
        for (id, side, _, bound, price) in MODELS {
            let card = matches!(id, "q-newton" | "design-card");
            let quantity = match (side, card) {
                (Side::Classical, _) => "flops",
                (_, true) => "gates",
                _ => "queries",
            };
            let row = CostRow {
                model: id.into(),
                scenario: scenario.into(),
                quantity: quantity.into(),
                unit: quantity.into(),
                bound: bound.into(),
                domain: DomainCheck { ok: true, why: String::new() },
                assumptions: vec!["κ_eff = α·κ with the Frobenius encoding".into()],
                ..CostRow::default()
            };
            let outside = match (scenario, side, card) {
                ("oracle", _, true) => "no proven constant",
                ("paper", Side::Quantum, false) => "not part of the paper's scenario",
                _ => "",
            };
            if !outside.is_empty() {
                case.costs.push(CostRow { domain: DomainCheck { ok: false, why: outside.into() }, ..row.clone() });
                continue;
            }
            let value = price(n, d, k, e, a);
            let (low, high) = (price(n, d, k * 0.97, e, a), price(n, d, k * 1.05, e, a));
            case.costs.push(CostRow { value: Some(value), low: Some(low), high: Some(high), ..row.clone() });
            let machines: Vec<(&str, f64)> = match side {
                Side::Classical => vec![("a100_fp64", 1.0 / FLOPS)],
                _ => MACHINES.iter().map(|(id, _, gate)| (*id, *gate)).collect(),
            };
            for (machine, each) in machines {
                case.costs.push(CostRow {
                    hardware: Some(machine.into()),
                    quantity: "seconds".into(),
                    unit: "s".into(),
                    value: Some(value * each),
                    low: Some(low * each),
                    high: Some(high * each),
                    assumptions: vec![
                        "κ_eff = α·κ with the Frobenius encoding".into(),
                        "one query takes one gate time".into(),
                    ],
                    ..row.clone()
                });
            }
        }
        cross(case, scenario, (n, d, k, e, a));
    }
    case.verdict =
        case.verdicts.iter().find(|v| v.scenario == "oracle" && v.hardware_quantum == MACHINES[0].0).cloned();
}

fn cross(case: &mut Case, scenario: &str, (n, d, k, e, a): (f64, f64, f64, f64, f64)) {
    let rival = |id: &str| MODELS.iter().find(|m| m.0 == id).unwrap().4(n, d, k, e, a) / FLOPS;
    let quantum: Vec<_> = MODELS
        .iter()
        .filter(|m| m.1 == Side::Quantum && matches!(m.0, "q-newton" | "design-card") == (scenario == "paper"))
        .collect();
    let rivals = if scenario == "paper" { vec!["inverse", "ldlt"] } else { vec!["ldlt"] };
    for rival_id in &rivals {
        for (id, _, _, _, price) in &quantum {
            let at = rival(rival_id) / price(n, d, k, e, a);
            case.crossovers.push(CrossoverRow {
                quantum: (*id).into(),
                classical: (*rival_id).into(),
                scenario: scenario.into(),
                variable: "gate_time".into(),
                at: Some(at),
                low: Some(at * 0.95),
                high: Some(at * 1.03),
                certified: true,
                hardware_quantum: Some(MACHINES[0].0.into()),
                hardware_classical: Some("a100_fp64".into()),
                note: "range 1e-30 to 1 s".into(),
                ..CrossoverRow::default()
            });
        }
    }
    let (best, operations) =
        quantum.iter().map(|m| (m.0, m.4(n, d, k, e, a))).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    for (machine, _, gate) in MACHINES {
        let seconds = operations * gate;
        let outcomes: Vec<Outcome> = rivals
            .iter()
            .map(|id| Outcome {
                class: if seconds < rival(id) { VerdictClass::BreaksEven } else { VerdictClass::Unfavourable },
                quantum: best.into(),
                against: (*id).into(),
                quantum_seconds: seconds,
                classical_seconds: rival(id),
            })
            .collect();
        let first = &outcomes[0];
        case.verdicts.push(Verdict {
            scenario: scenario.into(),
            hardware_quantum: machine.into(),
            hardware_classical: "a100_fp64".into(),
            class: first.class,
            against: first.against.clone(),
            reason: format!("{best} takes {seconds:.3e} s, {} {:.3e} s", first.against, first.classical_seconds),
            nearest_lever: format!("gate_time: {:.1e} instead of {gate:.0e}", rival(rivals[0]) / operations),
            levers: vec![Lever {
                variable: "gate_time".into(),
                now: gate,
                at: rival(rivals[0]) / operations,
                decades: (rival(rivals[0]) / operations / gate).log10().abs(),
                certified: true,
            }],
            outcomes,
            ..Verdict::default()
        });
    }
}

fn simulate(cases: &mut [Case]) {
    for (i, case) in cases.iter_mut().enumerate() {
        if i % 2 == 0 {
            case.simulation_skipped = Some("every machine of the run loses by more than a factor 10".into());
            continue;
        }
        let k = case.measurement.kappa.value.unwrap();
        for (model, factor) in [("dalzell2024-known-norm", 0.91), ("costa2026", 0.22)] {
            let predicted = k * 5.0;
            case.simulation.push(SimulationRow {
                model: model.into(),
                level: "L1".into(),
                n: case.measurement.n,
                kappa: k,
                alpha: 1.0,
                rhs: "gradient".into(),
                queries_counted: predicted as u64,
                queries_predicted: Some(predicted),
                queries_needed: Some((predicted * factor) as u64),
                error_target: 0.03,
                error_reached: Some(if i == 3 && factor > 0.5 { 0.05 } else { 0.02 * factor }),
                success_probability: Some(0.41),
                passed: !(i == 3 && factor > 0.5),
                notes: vec!["dilation encoding".into()],
                unit: "queries".into(),
                calibration: Some(factor),
                largest_error_rate: Some(1.3e-7),
                ..SimulationRow::default()
            });
        }
    }
}

fn grid(low: f64, high: f64, steps: usize) -> Vec<f64> {
    (0..steps).map(|i| low * (high / low).powf(i as f64 / (steps - 1) as f64)).collect()
}

fn figures(cases: &[Case]) -> FigureData {
    let m = &cases[0].measurement;
    let (d, k, e, a) =
        (m.row_sparsity.value as f64, m.kappa.value.unwrap(), m.tolerance.value, m.subnormalization.relative);
    let series = |id: &str, spread: f64| {
        let (id, side, _, bound, price) = *MODELS.iter().find(|m| m.0 == id).unwrap();
        let each = if side == Side::Classical { 1.0 / FLOPS } else { MACHINES[0].2 };
        CurveSeries {
            id: id.into(),
            title: id.into(),
            side,
            bound: bound.into(),
            points: grid(10.0, 1e9, 120)
                .into_iter()
                .map(|n| {
                    let y = price(n, d.min(n), k, e, a) * each;
                    CurvePoint { x: n, value: Some(y), low: Some(y / spread), high: Some(y * spread.sqrt()) }
                })
                .collect(),
        }
    };
    let dots = cases
        .iter()
        .flat_map(|c| c.costs.iter().map(move |r| (c, r)))
        .filter(|(_, r)| r.scenario == "oracle" && r.quantity == "seconds")
        .filter(|(_, r)| matches!(r.hardware.as_deref(), Some("qubit_gate_ns_e3" | "a100_fp64")))
        .filter(|(_, r)| matches!(r.model.as_str(), "dalzell2024" | "dalzell2024-known-norm" | "ldlt" | "cg"))
        .map(|(c, r)| Dot {
            series: r.model.clone(),
            label: c.measurement.id.clone(),
            x: c.measurement.n as f64,
            y: r.value.unwrap(),
            low: r.low,
            high: r.high,
        })
        .collect();
    let (xs, ys) = (grid(10.0, 1e7, 60), grid(2.0, 536.0, 40));
    let n = m.n as f64;
    let z = ys
        .iter()
        .map(|_| {
            xs.iter()
                .map(|k| (*k < 3e6).then(|| ((n * n * n / 3.0 / FLOPS) / (a * k * (2.8 / e).ln() * 1e-13)).log10()))
                .collect()
        })
        .collect::<Vec<Vec<Option<f64>>>>();
    let z = z
        .into_iter()
        .zip(&ys)
        .map(|(row, d)| row.into_iter().map(|v| v.map(|v: f64| v - d.log10() + 1.5)).collect())
        .collect();
    FigureData {
        break_even: vec![CurveFigure {
            scenario: "oracle".into(),
            x: AxisSpec::log("size N", "parameters"),
            y: AxisSpec::log("time to solution", "s"),
            series: vec![
                series("dalzell2024-known-norm", 30.0),
                series("dalzell2024", 1.0),
                series("inverse", 1.0),
                series("ldlt", 1.0),
                series("cg", 4.0),
            ],
            dots,
            advantage: vec![[4.1e6, 1e9]],
            marks: vec![AxisMark {
                at: 4.1e6,
                label: "dalzell2024-known-norm = ldlt: N = 4.1e6".into(),
                ..AxisMark::default()
            }],
            held: format!(
                "Held as measured in {}: κ = {k:.3e}, d = {d}, ε = {e}, α/σ_max = {a:.3}; superconducting preset, A100-class GPU",
                m.id
            ),
        }],
        kappa_d: vec![MapFigure {
            scenario: "oracle".into(),
            quantum: "dalzell2024-known-norm".into(),
            classical: "ldlt".into(),
            x: AxisSpec::log("κ of the solved matrix", "1"),
            y: AxisSpec::log("row sparsity d", "1"),
            z_name: "log10(classical time / quantum time)".into(),
            xs,
            ys,
            z,
            held: "N = 536, ε = 0.03, gate time 1e-13 s".into(),
        }],
        tornado: vec![TornadoFigure {
            scenario: "oracle".into(),
            x: AxisSpec::log("break-even gate time", "s"),
            base: 3.2e-13,
            bars: [
                ("κ", Some(2e-15), Some(4e-11), "κ = 8e5 (step 0)", "κ = 1.1e3 (|H|)"),
                ("α", Some(1.1e-13), Some(9e-13), "Frobenius", "α = σ_max"),
                ("ε", Some(2.9e-13), Some(4.4e-13), "ε = 0.011", "ε = 0.19"),
                ("classical rate", Some(3e-14), Some(3.2e-12), "one core", "eight GPUs"),
                ("readout", None, Some(3.2e-13), "all N components", "not counted"),
            ]
            .into_iter()
            .map(|(lever, low, high, low_label, high_label)| TornadoBar {
                lever: lever.into(),
                low,
                high,
                low_label: low_label.into(),
                high_label: high_label.into(),
            })
            .collect(),
            held: String::new(),
        }],
    }
}
