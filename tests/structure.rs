//! The architecture, enforced: floors, wings, and a few habits, read from the source text itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module uses only floors below its own, or its own (docs/architecture.md).
const FLOORS: &[(&str, u8)] = &[
    ("elementary", 0),
    ("error", 0),
    ("atomic", 0),
    ("parallel", 0),
    ("tensor", 1),
    ("snapshot", 1),
    ("graph", 2),
    ("measurement", 3),
    ("autodiff", 3),
    ("expr", 4),
    ("curvature", 4),
    ("catalog", 5),
    ("spectrum", 5),
    ("cost", 6),
    ("simulate", 6),
    ("crossover", 7),
    ("regress", 7),
    ("measure", 7),
    ("schedule", 8),
    ("report", 9),
    ("train", 9),
    ("pipeline", 10),
    ("cli", 11),
];

/// Works from a stored measurement alone.
const SYMBOLIC_WING: &[&str] = &["expr", "catalog", "cost", "crossover", "regress"];

/// Fills a measurement from weights.
const NUMERICS_WING: &[&str] =
    &["tensor", "graph", "autodiff", "curvature", "spectrum", "measure", "snapshot", "simulate"];

fn source_files() -> Vec<PathBuf> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("readable folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out.sort();
    assert!(out.len() > 20, "the source tree was not found");
    out
}

/// `src/cli/args.rs` → `cli`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("inside src");
    let first = inside.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|s| s == "tests") || path.components().any(|c| c.as_os_str() == "tests")
}

/// The code before a unit-test module at the foot of a file, comments left out.
fn production_code(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.trim_end() == "mod tests {" {
            break;
        }
        out.push_str(line.split("//").next().unwrap_or(""));
        out.push('\n');
    }
    out
}

/// The modules named in `crate::x` paths and in `use crate::{x, y::z}` groups.
fn modules_used(code: &str) -> BTreeSet<String> {
    let identifier =
        |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut out = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && c.is_ascii_alphabetic() => {
                        out.insert(identifier(&group[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            out.insert(identifier(rest));
        }
    }
    out
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

#[test]
fn the_reader_of_paths_sees_every_form() {
    let code = "use crate::error::Result;\nuse crate::{cost::{A, B}, expr, report::document::Report};\nlet x = crate::measure::f();";
    let used: Vec<String> = modules_used(code).into_iter().collect();
    assert_eq!(used, ["cost", "error", "expr", "measure", "report"]);
}

#[test]
fn every_module_has_a_floor() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    for line in lib.lines() {
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|l| l.strip_suffix(';')) {
            assert!(floor(name).is_some(), "the module {name} has no floor in tests/structure.rs");
        }
    }
}

#[test]
fn modules_use_only_floors_below_or_their_own() {
    let mut wrong = Vec::new();
    for path in source_files().iter().filter(|p| !is_test_file(p)) {
        let module = module_of(path);
        let Some(own) = floor(&module) else { continue };
        for used in modules_used(&production_code(&fs::read_to_string(path).expect("text"))) {
            match floor(&used) {
                Some(other) if other > own => {
                    wrong.push(format!("{} (floor {own}) uses {used} (floor {other})", path.display()));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_symbolic_wing_never_imports_the_numerics_wing() {
    let mut wrong = Vec::new();
    for path in source_files().iter().filter(|p| !is_test_file(p)) {
        if !SYMBOLIC_WING.contains(&module_of(path).as_str()) {
            continue;
        }
        let code = production_code(&fs::read_to_string(path).expect("text"));
        for used in modules_used(&code) {
            if NUMERICS_WING.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
        if code.contains("faer::") {
            wrong.push(format!("{} uses faer", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_simulator_never_sees_a_snapshot_and_only_the_plots_see_plotters() {
    for path in source_files().iter().filter(|p| !is_test_file(p)) {
        let module = module_of(path);
        let code = production_code(&fs::read_to_string(path).expect("text"));
        if module == "simulate" {
            for forbidden in ["snapshot", "graph", "autodiff", "curvature"] {
                assert!(!modules_used(&code).contains(forbidden), "{} uses {forbidden}", path.display());
            }
        }
        if code.contains("plotters::") {
            assert!(path.to_string_lossy().contains("report/plot"), "{} uses plotters", path.display());
        }
        if code.contains("self_adjoint_eigen") {
            assert_eq!(module, "spectrum", "{} calls the eigensolver around its wrapper", path.display());
        }
    }
}

#[test]
fn every_source_file_says_what_is_in_it() {
    for path in source_files() {
        let text = fs::read_to_string(&path).expect("text");
        if path.ends_with("src/lib.rs") || !text.trim().is_empty() {
            assert!(text.starts_with("//!"), "{} does not begin with a //! line", path.display());
        }
    }
}
