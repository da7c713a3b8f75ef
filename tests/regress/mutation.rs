//! Each number of each model and hardware file is changed; a change that moves a gated cost is noticed.
//!
//! A change is noticed when the file is refused, when `models check` fails, or when `check` finds a gated number that
//! moved. A thousandth of a number inside a `ceil` may move no cost at all; larger changes of it must then be noticed,
//! so that no number of a formula is without a gate. What prices nothing is listed by name.

use std::fs;
use std::path::PathBuf;

use breakeven::catalog::{self, Catalog, Mark};
use breakeven::parallel::Threads;
use breakeven::pipeline::cost_table_in;
use breakeven::pipeline::market::Market;
use breakeven::pipeline::plan::{Input, Plan};
use breakeven::pipeline::progress::Silent;
use breakeven::regress::compare::compare;
use breakeven::regress::table::CostTable;
use breakeven::regress::tolerance::Tolerances;
use serde_json::Value;

use super::{BRANCHES, MEASURED, repository};

/// Keys whose texts are formulas.
const FORMULAS: [&str; 6] = ["expression", "condition", "default", "low", "high", "growth"];

/// What happened to a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Refused,
    Failed,
    Drifted,
    Unnoticed,
}

/// The changes tried on a number, from the smallest on.
const FACTORS: [f64; 4] = [1.001, 1.1, 2.0, 1e3];

/// Every number of a file: its place, and the file with that number `factor` times as large.
fn mutants(file: &Value, factor: f64) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    walk(file, factor, "", "", &mut |place, change| {
        let mut mutant = file.clone();
        *mutant.pointer_mut(place.split('#').next().unwrap_or_default()).expect("a leaf") = change;
        out.push((place.to_owned(), mutant));
    });
    out
}

fn walk(value: &Value, factor: f64, key: &str, place: &str, found: &mut dyn FnMut(&str, Value)) {
    match value {
        Value::Object(map) => {
            for (k, v) in map {
                walk(v, factor, k, &format!("{place}/{}", k.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => {
            for (i, v) in list.iter().enumerate() {
                walk(v, factor, key, &format!("{place}/{i}"), found);
            }
        }
        Value::Number(x) => found(place, moved(x.as_f64().expect("a double"), factor).into()),
        Value::String(text) if FORMULAS.contains(&key) => {
            for (i, (start, end)) in numbers(text).into_iter().enumerate() {
                let x: f64 = text[start..end].parse().expect("a number");
                found(
                    &format!("{place}#{i}"),
                    format!("{}{:?}{}", &text[..start], moved(x, factor), &text[end..]).into(),
                );
            }
        }
        _ => {}
    }
}

fn moved(x: f64, factor: f64) -> f64 {
    if x == 0.0 { factor - 1.0 } else { x * factor }
}

/// Where the numbers of a formula stand; digits inside names are none.
fn numbers(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(b' ');
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        if at(i).is_ascii_alphabetic() || at(i) == b'_' {
            while at(i).is_ascii_alphanumeric() || at(i) == b'_' {
                i += 1;
            }
        } else if at(i).is_ascii_digit() {
            let start = i;
            while at(i).is_ascii_digit() || at(i) == b'.' {
                i += 1;
            }
            if matches!(at(i), b'e' | b'E') && (at(i + 1).is_ascii_digit() || at(i + 2).is_ascii_digit()) {
                i += 2;
                while at(i).is_ascii_digit() {
                    i += 1;
                }
            }
            out.push((start, i));
        } else {
            i += 1;
        }
    }
    out
}

/// The costs of the examples and of the embedded sample's measurements, in `catalog` alone.
fn table(catalog: &Catalog, plan: &Plan) -> CostTable {
    let market = Market::open(plan, &Threads::new(1).expect("threads")).expect("market");
    cost_table_in(&Market { catalog: catalog.clone(), ..market }, plan, &Silent).expect("table")
}

fn fate(before: &CostTable, catalog: &Catalog, plan: &Plan) -> Fate {
    if !compare(before, &table(catalog, plan), &Tolerances::default(), "x").is_ok_and(|c| c.passed()) {
        Fate::Drifted
    } else if catalog::check(catalog).iter().any(|card| card.mark == Mark::Fail) {
        Fate::Failed
    } else {
        Fate::Unnoticed
    }
}

fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = folders
        .iter()
        .flat_map(|f| fs::read_dir(repository(f)).expect("folder").map(|e| e.expect("entry").path()))
        .collect();
    out.sort();
    out
}

fn read(path: &PathBuf) -> (String, Value) {
    let name = path.file_name().expect("name").to_string_lossy().into_owned();
    (name, serde_json::from_slice(&fs::read(path).expect("file")).expect("json"))
}

/// The stored measurements of one step, the worked examples, and the points of the other branches of `model` (all:
/// `None`).
fn plan(folder: &std::path::Path, model: Option<&str>) -> Plan {
    let mut stored: Value = serde_json::from_slice(&fs::read(repository(MEASURED)).expect("file")).expect("json");
    stored["cases"].as_array_mut().expect("cases").truncate(1);
    let (measured, branches) = (folder.join("one.json"), folder.join("branches.toml"));
    fs::write(&measured, stored.to_string()).expect("written");
    let text = fs::read_to_string(repository(BRANCHES)).expect("file");
    let mut sweeps: toml::Table = text.parse().expect("toml");
    let list = sweeps["sweep"].as_array_mut().expect("sweeps");
    if let Some(model) = model {
        list.retain_mut(|sweep| {
            let models = sweep["models"].as_array_mut().expect("models");
            models.retain(|m| m.as_str() == Some(model));
            !models.is_empty()
        });
    }
    let mut paths = vec!["examples".into(), measured];
    if !list.is_empty() {
        fs::write(&branches, sweeps.to_string()).expect("written");
        paths.push(branches);
    }
    Plan { input: Input::Paths(paths), ..Plan::default() }
}

/// Numbers that price nothing: where the lint samples, where a formula stops being valid, what it is said to grow
/// like, how far an example may be off, and an example's value within that.
fn may_pass(file: &Value, place: &str) -> bool {
    let tolerant = place.strip_suffix("/value").is_some_and(|example| {
        file.pointer(&format!("{example}/tolerance")).and_then(Value::as_f64).is_some_and(|t| t >= 1e-3)
    });
    tolerant
        || ["/sample/", "/condition", "/growth"].iter().any(|part| place.contains(part))
        || place.ends_with("/tolerance")
}

/// Numbers that move no cost by 1e-6, however far they go: which of two branches that agree where they meet is taken
/// (Lemma 12's segments), how far a sum runs whose tail is below rounding, and corrections of 1e-9.
const BELOW_TOLERANCE: [&str; 7] = [
    "cks-fourier.json/definitions/3/expression#0",
    "cks-fourier.json/definitions/6/expression#0",
    "cks-fourier.json/definitions/6/expression#1",
    "cks-fourier.json/definitions/6/expression#2",
    "cks-fourier.json/definitions/7/expression#8",
    "cks-fourier.json/definitions/7/expression#9",
    "hhl.json/definitions/3/expression#0",
];

#[test]
fn every_number_of_every_model_is_gated() {
    let folder = tempfile::tempdir().expect("folder");
    let whole = catalog::load(None).expect("catalogue");
    let alone = |model| Catalog { models: vec![model], ..whole.clone() };
    let mut counts = [0usize; 4];
    let (mut idle, mut steps, mut unnoticed) = (0, 0, Vec::new());
    for path in files(&["models/solvers", "models/encodings"]) {
        let (name, file) = read(&path);
        let model = catalog::read_model(&file.to_string(), &name, &whole.vocabulary).expect("a model");
        let plan = plan(folder.path(), Some(model.id()));
        let before = table(&alone(model), &plan);
        let mut left: Option<Vec<String>> = None;
        for factor in FACTORS {
            let mut quiet = Vec::new();
            for (place, mutant) in mutants(&file, factor) {
                if may_pass(&file, &place) {
                    idle += usize::from(left.is_none());
                    continue;
                }
                if left.as_ref().is_some_and(|left| !left.contains(&place)) {
                    continue;
                }
                let fate = match catalog::read_model(&mutant.to_string(), &name, &whole.vocabulary) {
                    Err(_) => Fate::Refused,
                    Ok(model) => fate(&before, &alone(model), &plan),
                };
                if left.is_none() {
                    counts[fate as usize] += 1;
                }
                if fate == Fate::Unnoticed {
                    quiet.push(place);
                } else if left.is_some() {
                    steps += 1;
                }
            }
            left = Some(quiet);
        }
        let left = left.unwrap_or_default().into_iter().map(|place| format!("{name}{place}"));
        unnoticed.extend(left.filter(|place| !BELOW_TOLERANCE.contains(&place.as_str())));
    }
    let [refused, failed, drifted, passed] = counts;
    eprintln!(
        "by a thousandth: {refused} refused, {failed} fail `models check`, {drifted} drifted, {passed} move no cost"
    );
    eprintln!("{steps} of these are noticed when they move further; {idle} numbers price nothing");
    assert!(drifted > 300, "{counts:?}");
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn every_rate_of_every_machine_is_gated() {
    let folder = tempfile::tempdir().expect("folder");
    let plan = plan(folder.path(), None);
    let whole = catalog::load(None).expect("catalogue");
    let before = table(&whole, &plan);
    let mut unnoticed = Vec::new();
    let mut noticed = 0;
    for path in files(&["models/hardware"]) {
        let (name, file) = read(&path);
        for (place, mutant) in mutants(&file, FACTORS[0]) {
            let Ok(machine) = catalog::Hardware::read(&mutant.to_string(), &name) else {
                noticed += 1;
                continue;
            };
            let mut catalog = whole.clone();
            let at = catalog.hardware.iter().position(|h| h.id == machine.id).expect("a machine");
            catalog.hardware[at] = machine;
            match fate(&before, &catalog, &plan) {
                Fate::Unnoticed => unnoticed.push(format!("{name}{place}")),
                _ => noticed += 1,
            }
        }
    }
    // What stands in a file for the reader alone prices nothing.
    unnoticed.retain(|place| {
        !["/peak_flops_per_second", "/sustained_fraction", "/memory_bytes_per_second", "/physical/"]
            .iter()
            .any(|known| place.contains(known))
    });
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(noticed >= 6, "{noticed}");
}
