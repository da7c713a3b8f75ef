//! The reproduction at toy sizes, and the rules of its verdicts.

use breakeven::parallel::Threads;
use breakeven::pipeline::first_order::Decades;
use breakeven::pipeline::progress::Silent;
use breakeven::pipeline::reproduction::claims::{FLOORED, error_decades, exponent, falls, rank_correlation};
use breakeven::pipeline::reproduction::sizes::{Sizes, Training};
use breakeven::pipeline::reproduction::{Order, finished, of_sizes, q_newton, stages};
use breakeven::report::Options;
use breakeven::report::dossier::{Dossier, Outcome, render};

use crate::cli::run;

fn tiny() -> Sizes {
    let base = Sizes::new(true, "digits", 64, 0);
    let small =
        |t: &Training, network: &str, steps: u64| Training { network: network.into(), batch: 48, steps, ..t.clone() };
    Sizes {
        run: small(&base.run, "mlp:64-3-10", 4),
        measured_every: 2,
        sweep: small(&base.sweep, "mlp:64-3-10", 2),
        keeps: vec![1.0, 0.1],
        etas: vec![5e-3, 10.0],
        hidden: vec![2, 4],
        scaling: small(&base.scaling, "", 1),
        published: Some(small(&base.run, "mlp:64-2-2-10", 1)),
        families: vec![("GPT".into(), Training { batch: 4, ..small(&base.families[3].1, "gpt:8,1,2,16", 1) })],
        most_updates: 5,
    }
}

fn replay(order: &Order) -> Dossier {
    of_sizes(&tiny(), order, &Threads::new(1).unwrap(), &Silent).unwrap()
}

#[test]
fn a_small_reproduction_is_whole_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("parts");
    let order = Order { quick: true, checkpoints: Some(parts.clone()), ..Order::default() };
    let first = replay(&order);
    let kept = std::fs::read_dir(&parts).unwrap().count();
    assert!(kept >= 8, "{kept} parts");
    // A second run reads the parts: one that was tampered with shows.
    let path = parts.join("hidden-2.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let tampered = text.replace("\"n\":128.0", "\"n\":129.0");
    assert_ne!(text, tampered);
    std::fs::write(&path, tampered).unwrap();
    let second = replay(&order);
    assert_ne!(first, second);
    // Half a part, or one of other settings, is made anew.
    std::fs::write(&path, "{").unwrap();
    assert_eq!(first, replay(&order));
    finished(&order);
    assert!(!parts.exists());

    assert_eq!(first.claims.len(), 9);
    for claim in &first.claims {
        assert!(!claim.rule.is_empty() && !claim.measured.is_empty() && !claim.evidence.is_empty(), "{}", claim.id);
        assert_eq!(claim.under.is_empty(), claim.verdict != Outcome::HoldsOnlyUnder, "{}", claim.id);
        let verdict = claim.verdict.word();
        assert!(["reproduced", "holds only under", "not reproduced", "not testable"].contains(&verdict));
    }
    // A gate time that saves nine tenths in the paper's terms is shorter against a cheaper rival.
    let saving = &first.claims[0];
    let value = |name: &str| saving.evidence.iter().find(|e| e.name.contains(name)).and_then(|e| e.value);
    let (own, best) = (value("paper against the inverse, deciding free"), value("paper against the best rival"));
    assert!(own.unwrap() > best.unwrap());

    let files = render(&first, Options { png: false, threads: None }).unwrap();
    let text = |name: &str| {
        let (_, bytes) = files.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8(bytes.clone()).unwrap()
    };
    let html = text("report.html");
    assert!(
        html.contains("default-src 'none'") && !html.contains("<script") && html.contains("prefers-color-scheme: dark")
    );
    assert!(text("report.md").contains("## The claims and what became of them"));
    assert_eq!(text("claims.csv").lines().count(), 10);
    assert!(text("measurements.csv").lines().count() > 100);
    assert!(text("report.md").contains("The paper's smallest MLP, exact Hessian blocks"));
    let back: Dossier = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(back.claims, first.claims);
}

#[test]
fn what_the_probe_writes_down_is_what_measuring_finds() {
    let threads = Threads::new(1).unwrap();
    let sizes = tiny();
    let look = breakeven::pipeline::reproduction::probe::Look { every: 1, measured_every: 2, rows_at: 0.25 };
    let seen = stages::train(&sizes.run, look, &threads, &|_| {}).unwrap();
    assert_eq!(seen.losses.len(), 5);
    // Four tensors, four updates; measured at steps 0 and 2.
    assert_eq!((seen.solved.len(), seen.measured.len(), seen.rows.len()), (16, 8, 4));
    for m in &seen.measured {
        let block = m.scope.trim_start_matches("layer:");
        let s = seen.solved.iter().find(|s| s.block == block && Some(s.step) == m.step).unwrap();
        let at = |name: &str| s.value(name).unwrap();
        // λ = η·(max|h| + 1e-6) in the trainer, η·max|h| in a measurement.
        approx::assert_relative_eq!(at("kappa"), m.kappa.value.unwrap(), max_relative = 1e-4);
        approx::assert_relative_eq!(at("alpha"), m.subnormalization.relative, max_relative = 1e-4);
        assert_eq!(at("d") as usize, m.row_sparsity.value);
        assert_eq!(at("nnz") as u64, m.nonzeros);
        assert_eq!(at("definite") == 1.0, m.inertia_solved.negative == 0);
        approx::assert_relative_eq!(s.lambda, m.damping.lambda, epsilon = 1e-8);
    }
    for e in &seen.estimates {
        assert_eq!(e.all.len(), 6);
    }
    // Row-wise pruning of a symmetric matrix is not symmetric; the symmetric rule stays nearer to a Hessian's step or not,
    // but both are steps.
    assert!(seen.rows.iter().any(|r| r.asymmetry > 0.0));
}

#[test]
fn the_floor_of_the_published_damping_ends_the_tie_of_lambda_to_h() {
    let threads = Threads::new(1).unwrap();
    let sizes = tiny();
    let long = Training { network: "mlp:64-6-10".into(), batch: 20, steps: 60, ..sizes.run };
    let look = breakeven::pipeline::reproduction::probe::Look { every: 1, measured_every: 59, rows_at: 0.0 };
    let seen = stages::train(&long, look, &threads, &|_| {}).unwrap();
    assert!(seen.final_loss().unwrap() < 1e-8, "{:?}", seen.final_loss());
    // Estimates are judged by the spectrum of the very matrix, whose λ has the floor; a measurement's has not.
    let mut floored = 0;
    for e in seen.estimates.iter().filter(|e| e.n > 100) {
        for name in ["eigen", "factored"] {
            let error = error_decades(e, name).unwrap();
            assert!(error.abs() < 1e-3, "{name} at step {}: {error}", e.step);
        }
        let m =
            seen.measured.iter().find(|m| m.scope == format!("layer:{}", e.block) && m.step == Some(e.step)).unwrap();
        floored += usize::from(m.kappa.value.unwrap() > 2.0 * e.kappa.unwrap());
    }
    assert!(floored > 0, "the floor never ruled: the test shows nothing");
    let all = falls(&seen);
    let fall = |of: &str| {
        let f = all.iter().find(|f| f.block == "layers.0.weight" && f.of == of).unwrap();
        f.first / f.least
    };
    let first = seen.solved.iter().find(|s| s.block == "layers.0.weight").unwrap().value("kappa").unwrap();
    let least = seen.solved.iter().filter(|s| s.block == "layers.0.weight" && s.step > 0);
    let least = least.filter_map(|s| s.value("kappa")).fold(f64::INFINITY, f64::min);
    assert_eq!(fall(FLOORED), first / least);
    assert!(fall(FLOORED) > 4.0 * fall("H+λI"), "{} {}", fall(FLOORED), fall("H+λI"));
}

#[test]
fn decades_are_reached_once_each() {
    let mut d = Decades::default();
    for (step, loss) in [(0, 2.3), (1, f64::NAN), (2, 0.5), (3, 0.7), (4, 0.004), (5, 0.01)] {
        d.reach(step, loss);
    }
    assert_eq!(d.0, [(1.0, 2), (0.1, 4), (0.01, 4)]);
}

#[test]
fn a_report_names_its_data_and_not_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = vec![0u8, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 8, 0, 0, 0, 8];
    images.extend((0..60 * 64).map(|p| (p * p % 251) as u8));
    let mut labels = vec![0u8, 0, 8, 1, 0, 0, 0, 60];
    labels.extend((0..60).map(|i| i % 10));
    std::fs::write(folder.path().join("train-images-idx3-ubyte"), &images).unwrap();
    std::fs::write(folder.path().join("train-labels-idx1-ubyte"), labels).unwrap();
    let data = format!("mnist:{}", folder.path().display());
    let mut sizes = tiny();
    sizes.published = sizes.published.map(|t| Training { data: data.clone(), ..t });
    let order = Order { data: Some(data), ..Order::default() };
    let found = of_sizes(&sizes, &order, &Threads::new(1).unwrap(), &Silent).unwrap();
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains(&folder.path().display().to_string()));
    let digest = blake3::hash(&images).to_hex().to_string();
    assert!(found.provenance.inputs.iter().any(|i| i.path == "train-images-idx3-ubyte" && i.blake3 == digest));
    // too few samples for the published batch are found before anything is trained
    let error = q_newton(&order, &Threads::new(1).unwrap(), &Silent).unwrap_err().to_string();
    assert!(error.contains("2048") && error.contains("54"), "{error}");
}

#[test]
fn statistics_of_the_rules() {
    let cubic: Vec<(f64, f64)> = [3.0, 7.0, 20.0, 55.0].iter().map(|n: &f64| (*n, 0.1 * n.powi(3))).collect();
    approx::assert_relative_eq!(exponent(&cubic).unwrap(), 3.0, max_relative = 1e-12);
    assert_eq!(exponent(&[(1.0, 2.0)]), None);
    // Ranks 1 2 3 4 5 against 5 6 7 8 7 by hand: ties share their rank.
    let pairs = [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0), (4.0, 8.0), (5.0, 7.0)];
    approx::assert_relative_eq!(rank_correlation(&pairs).unwrap(), 0.820_782_681_668_123_3, max_relative = 1e-12);
    let falling: Vec<(f64, f64)> = (1..9).map(|i| (f64::from(i), 1.0 / f64::from(i))).collect();
    approx::assert_relative_eq!(rank_correlation(&falling).unwrap(), -1.0, max_relative = 1e-12);
}

#[test]
fn bad_input_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    for (more, word) in [
        (&["--data", "text"][..], "mnist:DIR"),
        (&["--quick", "--data", "mnist:x"], "--quick"),
        (&["--hardware", "attosecond"], "classical"),
        (&["--hardware", "a10"], "a100"),
        (&["--data", "mnist:/no/such/folder"], "/no/such/folder"),
    ] {
        let mut args = vec!["reproduce", "q-newton", "--out", &out, "--quiet"];
        args.extend(more);
        let ended = run(&args);
        assert!([2, 3, 6].contains(&ended.code), "{more:?}: {} {}", ended.code, ended.err);
        assert!(ended.err.contains(word), "{more:?}: {}", ended.err);
        assert!(!std::path::Path::new(&out).exists());
    }
    assert_eq!(run(&["reproduce", "another-paper"]).code, 2);
    std::fs::write(folder.path().join("mine.txt"), "x").unwrap();
    let foreign = folder.path().display().to_string();
    assert_eq!(run(&["reproduce", "q-newton", "--quick", "--out", &foreign, "--quiet"]).code, 6);
}

#[test]
#[ignore = "two minutes: the quick form as a user runs it"]
fn the_quick_form_through_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("q-newton");
    let target = out.display().to_string();
    let start = std::time::Instant::now();
    let status = crate::cli::breakeven()
        .timeout(std::time::Duration::from_secs(1200))
        .args(["reproduce", "q-newton", "--quick", "--out", &target, "--quiet"])
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    eprintln!("{:.1} s", start.elapsed().as_secs_f64());
    assert!(out.join("report.html").exists());
}
