//! The short summary on the terminal: the verdict, and one line for each case.

use super::document::Report;
use super::{escape, number, words};
use crate::crossover::VerdictClass;

/// How the summary may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Colours are allowed (a terminal, and no `NO_COLOR`).
    pub colour: bool,
    /// Columns to wrap sentences at.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Look { colour: false, width: 100 }
    }
}

/// Cases beyond these are left to the files.
const MOST_CASES: usize = 40;

/// The summary, ending with a newline.
pub fn summary(report: &Report, look: Look) -> String {
    let headline = words::headline(report);
    let mut out = String::new();
    for line in wrap(&escape::visible(&headline.sentence), look.width) {
        out.push_str(&paint(&line, headline.class, look));
        out.push('\n');
    }
    if report.cases.is_empty() {
        return out;
    }
    let head = ["case", "N", "κ", "[low, high]", "d", "ε", "break-even gate time", "verdict"];
    let mut rows: Vec<[String; 8]> = vec![head.map(String::from)];
    for case in report.cases.iter().take(MOST_CASES) {
        let m = &case.measurement;
        let mark = case.verdict.as_ref().and_then(|v| words::break_even(case, &v.scenario));
        rows.push([
            shorten(&escape::visible(&m.id), 36),
            number::count(m.n as u64),
            m.kappa.value.map_or("singular".into(), number::real),
            number::interval(m.kappa.low, m.kappa.high),
            number::count(m.row_sparsity.value as u64),
            number::real(m.tolerance.value),
            mark.map_or("—".into(), |mark| format!("{} s", number::real(mark.at))),
            case.verdict.as_ref().map_or("—", |v| words::class(v.class)).to_string(),
        ]);
    }
    let widths: Vec<usize> = (0..8).map(|i| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0)).collect();
    out.push('\n');
    for (i, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (k, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            // Names and words to the left, numbers to the right.
            let right = matches!(k, 1 | 2 | 4 | 5 | 6);
            let cell = if k == 7 && i > 0 {
                let class = report.cases.get(i - 1).and_then(|c| c.verdict.as_ref()).map(|v| v.class);
                paint(cell, class, look)
            } else {
                cell.clone()
            };
            let gap = if k == 0 { "" } else { "  " };
            line.push_str(&if right { format!("{gap}{pad}{cell}") } else { format!("{gap}{cell}{pad}") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if report.cases.len() > MOST_CASES {
        out.push_str(&format!("… and {} more cases, see cases.csv\n", report.cases.len() - MOST_CASES));
    }
    let unverified = report.models.iter().filter(|m| !m.status.eq_ignore_ascii_case("verified")).count();
    if unverified > 0 {
        out.push_str(&format!(
            "\nUNVERIFIED: {unverified} of {} formulas in use, marked in the report\n",
            report.models.len()
        ));
    }
    out
}

fn paint(text: &str, class: Option<VerdictClass>, look: Look) -> String {
    let code = match class {
        Some(VerdictClass::BreaksEven) => "32",
        Some(VerdictClass::Unfavourable) => "33",
        Some(VerdictClass::Excluded) => "31",
        Some(VerdictClass::Undecided) | None => "1",
    };
    if look.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_string() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
