//! Names and texts from outside as payloads: nothing may be executed, nothing may deceive.

use breakeven::report::document::Report;
use breakeven::report::escape::is_deceptive;
use breakeven::report::{Options, render, text};

use super::synthetic;

/// Pictures take most of the time and are looked at elsewhere.
const QUICK: Options<'static> = Options { png: false, threads: None };

const PAYLOADS: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title><svg onload=alert(1)>",
    "</style><script>1</script>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% for x in y %}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "-2+3",
    "a\u{1b}[31mred\u{1b}[0m",
    "\u{202e}gnp.exe",
    "zero\u{200b}width",
    "new\nline | cell |\n# heading",
    "[click](javascript:alert(1))",
    "![x](http://evil/x.png)",
    "`code` **bold** http://evil.example www.evil.example a@evil.example",
    "../../../etc/passwd",
    "CON\0NUL",
    "&lt;b&gt; &amp;",
    "]]><!--",
];

fn poison(report: &mut Report, payload: &str) {
    report.title = payload.into();
    report.notes = vec![payload.into()];
    report.provenance.inputs[0].path = payload.into();
    report.provenance.options.insert(payload.into(), payload.into());
    report.tool.version = payload.into();
    report.models[0].title = payload.into();
    report.models[0].cite = payload.into();
    report.machines[0].title = payload.into();
    report.machines[0].id = payload.into();
    report.figures.break_even[0].scenario = payload.into();
    report.figures.break_even[0].series[0].title = payload.into();
    report.figures.break_even[0].marks[0].label = payload.into();
    report.figures.break_even[0].held = payload.into();
    report.figures.break_even[0].x.name = payload.into();
    report.figures.tornado[0].bars[0].lever = payload.into();
    report.figures.tornado[0].bars[0].low_label = payload.into();
    report.figures.kappa_d[0].z_name = payload.into();
    for case in &mut report.cases {
        let m = &mut case.measurement;
        (m.id, m.snapshot, m.series, m.scope) = (payload.into(), payload.into(), payload.into(), payload.into());
        m.notes = vec![payload.into()];
        m.kappa.method = payload.into();
        m.kappa.of = Some(payload.into());
        m.damping.rule = payload.into();
        m.tolerance.method = payload.into();
        m.subnormalization.encoding = payload.into();
        m.classical_runs[0].note = Some(payload.into());
        case.costs[0].model = payload.into();
        case.costs[0].assumptions = vec![payload.into()];
        case.costs[1].domain.why = payload.into();
        case.verdicts[0].reason = payload.into();
        case.verdicts[0].nearest_lever = payload.into();
        case.verdicts[0].outcomes[1].against = payload.into();
        case.crossovers[0].hardware_quantum = Some(payload.into());
        case.crossovers[0].note = payload.into();
        if let Some(v) = &mut case.verdict {
            v.against = payload.into();
        }
        if let Some(s) = case.simulation.first_mut() {
            s.model = payload.into();
            s.notes = vec![payload.into()];
        }
    }
}

/// Tags and attributes of a page, texts left out.
fn tags(html: &str) -> Vec<String> {
    html.split('<').skip(1).map(|t| t.split('>').next().unwrap_or("").to_string()).collect()
}

#[test]
fn nothing_is_executed_and_nothing_deceives() {
    let mut clean = synthetic::report();
    clean.cases.truncate(2);
    let kinds = |html: &str| {
        let mut names: Vec<String> =
            tags(html).iter().map(|t| t.split_whitespace().next().unwrap_or("").to_string()).collect();
        names.sort();
        names.dedup();
        names
    };
    let known = {
        let files = render(&clean, QUICK).unwrap();
        kinds(std::str::from_utf8(&files[0].1).unwrap())
    };
    for payload in PAYLOADS {
        let mut report = clean.clone();
        poison(&mut report, payload);
        let files = render(&report, QUICK).unwrap();
        for (name, bytes) in &files {
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric() || "-./".contains(c)) && !name.contains(".."),
                "{name:?}"
            );
            let text = std::str::from_utf8(bytes).unwrap();
            let bad = text.chars().find(|c| *c != '\n' && is_deceptive(*c));
            assert_eq!(bad, None, "{payload:?} in {name}");
            if name.ends_with(".svg") || name.ends_with(".html") {
                for tag in &tags(text) {
                    let inside_quotes_removed: String = tag.split('"').step_by(2).collect();
                    assert!(
                        !inside_quotes_removed.contains(" on") && !inside_quotes_removed.contains('\''),
                        "{payload:?} in {name}: <{tag}>"
                    );
                    for address in ["href=\"", "src=\"", "action=\""] {
                        for value in tag.split(address).skip(1) {
                            let value = value.split('"').next().unwrap_or("");
                            assert!(!value.contains(':'), "{payload:?} in {name}: <{tag}>");
                        }
                    }
                }
            }
            match name.as_str() {
                "report.html" => assert!(kinds(text).iter().all(|k| known.contains(k)), "{payload:?}"),
                "report.md" => {
                    assert!(!text.contains("<script") && !text.contains("<img"), "{payload:?}");
                    let unescaped = text.replace("\\]", "");
                    assert!(!unescaped.contains("](javascript") && !unescaped.contains("](http"), "{payload:?}");
                    let at = text.find("://").or(text.replace("www.png", "").find("www."));
                    assert_eq!(at.map(|i| &text[i.saturating_sub(80)..i + 10]), None, "{payload:?}");
                    let rows: Vec<usize> = text
                        .lines()
                        .skip_while(|l| !l.starts_with("| case | N |"))
                        .take_while(|l| !l.is_empty())
                        .map(|l| l.matches('|').count())
                        .collect();
                    assert!(rows.len() == 4 && rows.iter().all(|n| *n == rows[0]), "{payload:?}: {rows:?}");
                }
                "cases.csv" => {
                    let mut reader = csv::Reader::from_reader(bytes.as_slice());
                    for record in reader.records() {
                        for cell in &record.unwrap() {
                            let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '|', '%']);
                            assert!(!formula || cell.parse::<f64>().is_ok(), "{payload:?}: {cell:?}");
                        }
                    }
                }
                "report.json" => assert_eq!(serde_json::from_str::<Report>(text).unwrap(), report),
                _ => {}
            }
        }
        let shown = text::summary(&report, text::Look::default());
        assert!(!shown.chars().any(|c| c != '\n' && is_deceptive(c)), "{payload:?}");
    }
}

#[test]
fn absurd_numbers_do_not_break_the_figures() {
    let mut report = synthetic::report();
    report.cases.truncate(3);
    for (i, x) in [1e-300, 1e300, 0.0].into_iter().enumerate() {
        let m = &mut report.cases[i].measurement;
        m.kappa.value = Some(x);
        m.damping.lambda = x;
        m.inertia.tolerance = x;
        m.spectrum.iter_mut().for_each(|b| b.high = x);
        m.row_sparsity.curve.iter_mut().for_each(|p| p.frobenius_error = x);
        report.cases[i].crossovers.iter_mut().for_each(|c| c.at = Some(x));
        report.cases[i].simulation.iter_mut().for_each(|s| s.error_target = x);
        report.figures.break_even[0].series[i].points.iter_mut().for_each(|p| p.value = Some(x));
        report.figures.tornado[0].bars[i].low = Some(x);
    }
    report.figures.kappa_d[0].z[3][3] = Some(-1e300);
    report.figures.kappa_d[0].z[5].clear();
    report.figures.kappa_d[0].xs.truncate(7);
    render(&report, QUICK).unwrap();
}
