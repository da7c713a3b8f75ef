//! A program that is killed while it writes a baseline leaves the old file or the new one, whole.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{BRANCHES, EXAMPLES, repository};

/// Kills `times` updates at random moments; returns how many left the new file.
fn kill(times: usize) -> usize {
    let folder = tempfile::tempdir().expect("folder");
    let baseline = folder.path().join("golden.json");
    let new = fs::read(repository(EXAMPLES)).expect("golden table");
    let mut table: serde_json::Value = serde_json::from_slice(&new).expect("json");
    table["provenance"]["version"] = "0.0.0".into();
    let old = serde_json::to_vec_pretty(&table).expect("json");
    let update = || {
        Command::new(env!("CARGO_BIN_EXE_breakeven"))
            .args(["check", "examples", "--update", "--quiet", "--baseline"])
            .arg(&baseline)
            .arg(repository(BRANCHES))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts")
    };
    // How long an undisturbed update takes, so that the moments cover all of it.
    fs::write(&baseline, &old).expect("written");
    let start = Instant::now();
    assert!(update().wait().expect("ends").success());
    let whole = start.elapsed();
    assert!(fs::read(&baseline).expect("file") == new, "the golden table is not what the program writes");

    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut accepted = 0;
    for i in 0..times {
        fs::write(&baseline, &old).expect("written");
        let mut child = update();
        std::thread::sleep(whole.mul_f64(rng.random_range(0.0..1.2)).min(Duration::from_secs(2)));
        child.kill().expect("SIGKILL");
        child.wait().expect("ends");
        let left = fs::read(&baseline).expect("the baseline is gone");
        assert!(left == old || left == new, "kill {i}: {} bytes, neither the old nor the new file", left.len());
        accepted += usize::from(left == new);
    }
    accepted
}

#[test]
fn a_hundred_killed_updates_leave_whole_files() {
    let accepted = kill(100);
    assert!((1..100).contains(&accepted), "the kills came all too early or all too late: {accepted}");
}

#[test]
#[ignore = "a thousand kills take a minute"]
fn a_thousand_killed_updates_leave_whole_files() {
    let accepted = kill(1000);
    assert!((1..1000).contains(&accepted), "{accepted}");
}
