//! Tests of the command line: exit codes, streams, shapes of the JSON, and what bad input does.

mod bad_input;
mod checkpoint;
mod frame;
mod hostile_formats;
#[cfg(feature = "mpi")]
mod mpi;
mod routes;
mod shapes;
mod stored;
mod subsample;

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A folder of the test data.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The program, deaf to the caller's environment.
pub fn breakeven() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakeven"));
    for name in ["CONFIG", "FORMAT", "MODELS", "THREADS", "SEED", "MAX_MEMORY"] {
        command.env_remove(format!("BREAKEVEN_{name}"));
    }
    command.env("NO_COLOR", "1").timeout(std::time::Duration::from_secs(120));
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program with these arguments.
pub fn run(args: &[&str]) -> Ended {
    let output = breakeven().args(args).output().expect("the program starts");
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
