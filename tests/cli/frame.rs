//! What holds for every command: help, usage errors, configuration, streams.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::run;

#[test]
fn help_begins_with_examples_and_lists_every_command() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.err.is_empty());
    let examples = help.out.find("Examples:").expect("examples");
    assert!(examples < help.out.find("Usage:").expect("usage"));
    assert!(help.out.contains("Exit codes: 0 ok, 1 regression"));
    // Every command listed can be asked for help, and shows an example with its own name.
    let commands = help.out.split("Commands:").nth(1).expect("commands").split("\n\n").next().expect("a list");
    let mut seen = 0;
    for line in commands.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   ")) {
        let name = line.split_whitespace().next().expect("a name");
        let page = run(&[name, "--help"]);
        assert_eq!(page.code, 0, "{name}");
        assert!(page.out.contains(&format!("breakeven {name}")), "{name} shows no example");
        seen += 1;
    }
    assert!(seen >= 3, "{commands}");
}

#[test]
fn usage_errors_exit_with_2_and_keep_stdout_clean() {
    let cases: [&[&str]; 7] = [
        &[],
        &["conquer"],
        &["completions"],
        &["completions", "bash", "--frobnicate"],
        &["completions", "bash", "--threads", "0"],
        &["completions", "bash", "--max-memory", "8 apples"],
        &["completions", "bash", "--seed", "-1"],
    ];
    for args in cases {
        let ended = run(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.err);
        assert!(ended.out.is_empty(), "{args:?}");
        assert!(!ended.err.is_empty(), "{args:?}");
    }
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("breakeven.toml");
    let text = path.to_str().expect("utf-8");
    for (content, code) in [
        ("threads = 2\nseed = 7\nmax-memory = \"8GiB\"\n", 0),
        ("max_memory = \"8GiB\"\nscope = \"layers\"\n", 0),
        ("thread = 2\n", 2),
        ("threads = \"many\"\n", 2),
        ("threads = 0\n", 2),
        ("max_memory = \"8 apples\"\n", 2),
        ("threads = = 2\n", 2),
    ] {
        std::fs::write(&path, content).expect("written");
        let ended = run(&["--config", text, "completions", "bash"]);
        assert_eq!(ended.code, code, "{content}: {}", ended.err);
        if code != 0 {
            assert!(ended.err.contains(text), "the file is not named: {}", ended.err);
            assert!(ended.err.starts_with("error: "), "{}", ended.err);
        }
    }
    let missing = run(&["--config", "/nonexistent/breakeven.toml", "completions", "bash"]);
    assert_eq!(missing.code, 2, "{}", missing.err);
}

#[test]
fn an_export_without_a_writer_or_a_folder_is_refused_before_any_work() {
    for (file, code) in [("result.exe", 2), ("result", 2), ("/nonexistent/result.json", 6)] {
        let ended = run(&["completions", "bash", "--export", file]);
        assert_eq!(ended.code, code, "{file}: {}", ended.err);
        assert!(ended.out.is_empty());
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_breakeven"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    // Reads one line, then drops the pipe while the rest is still to come or already buffered.
    BufReader::with_capacity(16, child.stdout.take().expect("stdout")).read_line(&mut first).expect("a line");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[cfg(unix)]
#[test]
fn completions_and_man_pages_name_the_commands() {
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let ended = run(&["completions", shell]);
        assert_eq!(ended.code, 0);
        assert!(ended.out.contains("breakeven"), "{shell}");
    }
    let page = run(&["man"]);
    assert!(page.out.contains(".TH breakeven 1"));
    let folder = tempfile::tempdir().expect("folder");
    let ended = run(&["man", "--out", folder.path().to_str().expect("utf-8")]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(folder.path().join("breakeven-completions.1").exists());
}

#[test]
fn diff_finds_what_changed() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, kappa: f64| {
        let path = folder.path().join(name);
        let report = serde_json::json!({
            "schema_version": "1.0",
            "tool": { "name": "breakeven", "version": "0.1.0" },
            "cases": [ { "id": "a", "kappa": { "value": kappa } } ]
        });
        std::fs::write(&path, report.to_string()).expect("written");
        path.to_str().expect("utf-8").to_string()
    };
    let (left, right) = (write("left.json", 10.0), write("right.json", 20.0));
    let ended = run(&["diff", &left, &right, "--format", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let result: serde_json::Value = serde_json::from_str(&ended.out).expect("json");
    let list = result["differences"].as_array().expect("list");
    assert_eq!(list.len(), 1);
    assert_eq!((&list[0]["left"], &list[0]["right"]), (&10.0.into(), &20.0.into()));
    assert_eq!(run(&["diff", &left, &left, "--format", "json"]).out.matches("left").count(), 0);
    assert_eq!(run(&["diff", &left, "/nonexistent"]).code, 3);
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{").expect("written");
    assert_eq!(run(&["diff", &left, broken.to_str().expect("utf-8")]).code, 3);
}
