//! Writes the sample report to look at: `cargo test --test main report::preview -- --ignored`.

use super::synthetic;

#[test]
#[ignore = "writes files to look at, checks nothing"]
fn many() {
    let mut report = synthetic::report();
    let some = report.cases.clone();
    for i in 0..8 {
        report.cases.extend(some.iter().cloned().map(|mut c| {
            let m = &mut c.measurement;
            (m.scope, m.n) = (format!("layer:layers.{i}.weight"), 60 * (i + 1));
            m.id = format!("{}/hessian/layer:layers.{i}.weight", m.snapshot);
            m.kappa.value = if i == 3 { None } else { m.kappa.value.map(|k| k / (i + 2) as f64) };
            c
        }));
    }
    let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-preview-many");
    let options = breakeven::report::Options { png: false, threads: None };
    breakeven::report::write(&report, &out, options).unwrap();
}

#[test]
#[ignore = "writes files to look at, checks nothing"]
fn preview() {
    let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-preview");
    let start = std::time::Instant::now();
    breakeven::report::write(&synthetic::report(), &out, breakeven::report::Options::default()).unwrap();
    println!("{} in {:?}", out.display(), start.elapsed());
    print!("{}", breakeven::report::text::summary(&synthetic::report(), breakeven::report::text::Look::default()));
}
