//! SGD and Adam to the loss of the schedule: updates from the run's own series or trained for, times the price of a
//! gradient.

use std::path::Path;

use breakeven::catalog;
use breakeven::parallel::Threads;
use breakeven::snapshot::{Input, OpenOptions, open};
use breakeven::train::{Config, Optimizer, Problem, Request, RunOptions, Trainer, Unobserved, run};
use serde_json::Value;

use crate::cli::run as command;

const N: f64 = 310.0;
const SAMPLES: f64 = 100.0;

fn begin(out: &Path, optimizer: &str, steps: u64, lr: Option<f64>, every: u64) {
    let mut request = Request::new("digits", "mlp:64-4-10", optimizer, steps);
    (request.samples, request.lr, request.snapshot_every) = (Some(SAMPLES as usize), lr, Some(every));
    let options = RunOptions { max_memory: None, progress: &|_, _| {} };
    run::begin(&request, out, &options, &Threads::new(1).unwrap(), &mut Unobserved).unwrap();
}

fn schedule(run: &Path) -> Value {
    let path = run.display().to_string();
    let ended = command(&[
        "schedule",
        &path,
        "--snapshots",
        "q-newton_*",
        "--set",
        "gate_time=1e-9",
        "--hardware",
        "a100",
        "--format",
        "json",
        "--quiet",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

fn policy<'a>(found: &'a Value, id: &str) -> &'a Value {
    found["policies"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap()
}

fn rate() -> f64 {
    let catalog = catalog::load(None).unwrap();
    catalog.machine("a100").unwrap().flops_per_second.as_ref().unwrap().value
}

/// Flops of an update by its price; beside the gradient SGD does 2 an element and Adam 14.
fn update_flops(row: &Value) -> f64 {
    row["seconds"].as_f64().unwrap() / row["steps"].as_f64().unwrap() * rate()
}

#[test]
fn a_series_counts_up_to_its_first_snapshot_with_the_loss_of_the_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    begin(&out, "q-newton", 3, None, 1);
    begin(&out, "sgd", 400, Some(0.3), 20);
    begin(&out, "adam", 200, Some(1e-2), 10);
    let found = schedule(&out);
    let target = found["target_loss"].as_f64().unwrap();
    for id in ["sgd", "adam"] {
        let log = std::fs::read_to_string(out.join(format!("train/{id}.jsonl"))).unwrap();
        let every = if id == "sgd" { 20 } else { 10 };
        let losses: Vec<(u64, f64)> = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| (line["step"].as_u64().unwrap(), line["loss"].as_f64().unwrap()))
            .filter(|(step, _)| step % every == 0)
            .collect();
        let (step, loss) = losses.iter().find(|(_, loss)| *loss <= target).expect("the series gets there");
        assert!(*step > 0);
        let row = policy(&found, id);
        assert_eq!(row["steps"].as_u64(), Some(*step), "{row}");
        assert!((row["final_loss"].as_f64().unwrap() - loss).abs() < 1e-12 * loss);
        assert_eq!(row["overhead_seconds"], 0.0);
    }
    let (sgd, adam) = (update_flops(policy(&found, "sgd")), update_flops(policy(&found, "adam")));
    // The same gradient.
    assert!((adam - sgd - 12.0 * N).abs() < 1e-6 * sgd, "{sgd} {adam}");
    // Forward 2 flops a weight and sample, weights' gradients as many, activations' as many again in the second layer;
    // softmax, biases and ReLU come on top.
    let products = 2.0 * SAMPLES * (2.0 * 64.0 * 4.0 + 3.0 * 4.0 * 10.0);
    let gradient = sgd - 2.0 * N;
    assert!((1.0..1.5).contains(&(gradient / products)), "{gradient} {products}");
}

#[test]
fn a_missing_series_is_trained_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    begin(&out, "q-newton", 2, None, 1);
    let found = schedule(&out);
    let target = found["target_loss"].as_f64().unwrap();
    let Input::Run(read) = open(&out.join("q-newton_0000.safetensors"), &OpenOptions::default()).unwrap() else {
        panic!("a run")
    };
    let problem = Problem::of_run(*read).unwrap();
    let threads = Threads::new(1).unwrap();
    for id in ["sgd", "adam"] {
        let row = policy(&found, id);
        let why = row["why"].as_str().unwrap();
        let words: Vec<&str> = why.split_whitespace().collect();
        let at = words.iter().position(|w| *w == "rate").unwrap_or_else(|| panic!("{why}"));
        let lr: f64 = words[at + 1].trim_end_matches(':').parse().unwrap();
        let steps = row["steps"].as_u64().unwrap_or_else(|| panic!("{row}"));
        let optimizer = if id == "adam" { Optimizer::adam(lr) } else { Optimizer::sgd(lr) };
        let mut trainer = Trainer::new(problem.clone(), Config::new(optimizer, steps), &threads).unwrap();
        for step in 0..=steps {
            let loss = trainer.evaluate().unwrap().loss;
            assert_eq!(loss <= target, step == steps, "{id} at step {step}: {loss} for {target}");
            if step < steps {
                trainer.advance(&mut Unobserved).unwrap();
            }
        }
    }
}
