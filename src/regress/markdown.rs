//! Text and Markdown of a comparison: the summary of a pull request, and the reviewable diff of `--update`.

use std::fmt::Write;

use super::compare::Comparison;

/// Rows shown per section before the rest is counted.
const SHOWN: usize = 50;

/// A Markdown summary.
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let verdict = if comparison.passed() { "unchanged" } else { "**changed**" };
    let _ = writeln!(
        out,
        "### Cost table: {verdict}\n\n{} compared, {} unchanged, {} drifted, {} missing, {} added\n",
        comparison.compared,
        comparison.unchanged,
        comparison.drifted.len(),
        comparison.missing.len(),
        comparison.added.len()
    );
    if !comparison.drifted.is_empty() {
        out.push_str("| key | field | old | new | change | why |\n|---|---|---:|---:|---:|---|\n");
        for d in comparison.drifted.iter().take(SHOWN) {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                cell(&d.key),
                d.field,
                number(d.old),
                number(d.new),
                percent(d.relative),
                cell(&d.why)
            );
        }
        rest(&mut out, comparison.drifted.len());
    }
    for (title, keys) in [("Missing", &comparison.missing), ("Added", &comparison.added)] {
        if keys.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}:\n");
        for key in keys.iter().take(SHOWN) {
            let _ = writeln!(out, "- {}", cell(key));
        }
        rest(&mut out, keys.len());
    }
    out
}

/// Plain text, one line per finding: what `check` prints and what `--update` shows for review.
pub fn text(comparison: &Comparison) -> String {
    let mut out = String::new();
    for d in &comparison.drifted {
        let _ = writeln!(
            out,
            "~ {} {}: {} -> {} ({}) {}",
            d.key,
            d.field,
            number(d.old),
            number(d.new),
            percent(d.relative),
            d.why
        );
    }
    for key in &comparison.missing {
        let _ = writeln!(out, "- {key}");
    }
    for key in &comparison.added {
        let _ = writeln!(out, "+ {key}");
    }
    let _ = writeln!(
        out,
        "{} compared, {} unchanged, {} drifted, {} missing, {} added",
        comparison.compared,
        comparison.unchanged,
        comparison.drifted.len(),
        comparison.missing.len(),
        comparison.added.len()
    );
    out
}

fn rest(out: &mut String, total: usize) {
    if total > SHOWN {
        let _ = writeln!(out, "\n… and {} more", total - SHOWN);
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "none".into(), |v| format!("{v:?}"))
}

fn percent(relative: Option<f64>) -> String {
    relative.map_or_else(|| "".into(), |r| format!("{:+.4} %", 100.0 * r))
}

/// Table cells keep their row: pipes and line ends are escaped, HTML is not interpreted.
pub fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
