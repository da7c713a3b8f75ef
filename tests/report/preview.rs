//! Writes the sample report to look at: `cargo test --test main report::preview -- --ignored`.

use super::synthetic;

#[test]
#[ignore = "writes files to look at, checks nothing"]
fn preview() {
    let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-preview");
    let start = std::time::Instant::now();
    breakeven::report::write(&synthetic::report(), &out, breakeven::report::Options::default()).unwrap();
    println!("{} in {:?}", out.display(), start.elapsed());
    print!("{}", breakeven::report::text::summary(&synthetic::report(), breakeven::report::text::Look::default()));
}
