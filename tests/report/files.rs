//! The files of a report: complete, self-contained, the same bytes each time.

use breakeven::report::document::Report;
use breakeven::report::{Options, figures, json, render, text, write};

use super::synthetic;

/// Pictures take most of the time and are looked at elsewhere.
const QUICK: Options<'static> = Options { png: false, threads: None };

fn file<'a>(files: &'a [(String, Vec<u8>)], name: &str) -> &'a str {
    let (_, bytes) = files.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name} is missing"));
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_file_and_figure_is_there_and_the_bytes_repeat() {
    let report = synthetic::report();
    let files = render(&report, Options::default()).unwrap();
    let names: Vec<&str> = files.iter().map(|(n, _)| n.as_str()).collect();
    for name in ["report.html", "report.md", "report.json", "cases.csv"] {
        assert!(names.contains(&name), "{name}");
    }
    for figure in
        ["break-even-oracle", "gate-time", "timeline", "kappa-d-oracle", "tornado-oracle", "spectrum-01", "pruning-07"]
    {
        assert!(names.contains(&format!("plots/{figure}.svg").as_str()), "{figure}: {names:?}");
        let (_, png) = files.iter().find(|(n, _)| *n == format!("plots/{figure}.png")).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    }
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "no name twice");
    let threads = breakeven::parallel::Threads::new(2).unwrap();
    assert_eq!(files, render(&report, Options { png: true, threads: Some(&threads) }).unwrap());
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let report = synthetic::report();
    let files = render(&report, QUICK).unwrap();
    let html = file(&files, "report.html");
    assert!(html.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    for forbidden in
        ["<script", "javascript:", "http://", "https://", "@import", "url(", " onload", " onerror", "<iframe", "<link"]
    {
        let found: Vec<&str> = html.match_indices(forbidden).map(|(i, _)| &html[i..(i + 60).min(html.len())]).collect();
        let found: Vec<_> = found.iter().filter(|f| !f.starts_with("http://www.w3.org/2000/svg")).collect();
        assert!(found.is_empty(), "{forbidden}: {found:?}");
    }
    // Every variable that a figure uses is declared for both themes.
    for used in html.split("var(").skip(1).map(|rest| rest.split([',', ')']).next().unwrap()) {
        assert_eq!(html.matches(&format!("{used}:#")).count(), 2, "{used}");
    }
    // Links inside the page and to the files beside it resolve.
    for target in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        match target.strip_prefix('#') {
            Some(id) => assert!(html.contains(&format!("id=\"{id}\"")), "{target}"),
            None if target.ends_with(".png") => {}
            None => assert!(files.iter().any(|(n, _)| n == target), "{target}"),
        }
    }
}

#[test]
fn what_the_contract_asks_for_is_on_the_page() {
    let report = synthetic::report();
    let files = render(&report, QUICK).unwrap();
    for name in ["report.html", "report.md"] {
        let page = file(&files, name);
        for text in [
            "unfavourable in all 7 cases",
            "against the paper's rival, the inverse in 2N³ flops",
            "against the best classical rival, ldlt",
            "as published",
            "UNVERIFIED",
            "no proven constant",
            "Not simulated: every machine of the run loses by more than a factor 10",
            "broke down: negative curvature",
            "Theorem 1, Eq. 48",
            "none (singular)",
            "FAILED",
        ] {
            let page = page.replace("&#39;", "'").replace("\\_", "_");
            assert!(page.contains(text), "{name}: {text}");
        }
    }
    // Ground truth, in full digits, from report.json back.
    let back: Report = serde_json::from_str(file(&files, "report.json")).unwrap();
    assert_eq!(back, report);
    assert!(file(&files, "report.json").ends_with("}\n"));
}

#[test]
fn the_table_carries_units_and_every_digit() {
    let report = synthetic::report();
    let files = render(&report, QUICK).unwrap();
    let mut reader = csv::Reader::from_reader(file(&files, "cases.csv").as_bytes());
    let head: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    let column = |name: &str| head.iter().position(|h| h == name).unwrap_or_else(|| panic!("{name}"));
    let rows: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    assert_eq!(rows.len(), report.cases.len());
    for (row, case) in rows.iter().zip(&report.cases) {
        let m = &case.measurement;
        assert_eq!(row[column("kappa [1]")].parse::<f64>().unwrap(), m.kappa.value.unwrap());
        assert_eq!(row[column("lambda [units of H]")].parse::<f64>().unwrap(), m.damping.lambda);
        assert_eq!(row[column("n [parameters]")], *"536");
        assert_eq!(row[column("verdict")], *"unfavourable");
        assert_eq!(row[column("cg_run [iterations]")], *"", "CG broke down");
        // The kindest of the quantum models against the verdict's rival.
        let at: f64 = row[column("break_even_gate_time [s]")].parse().unwrap();
        let all = case.crossovers.iter().filter(|c| c.scenario == "oracle" && c.classical == "ldlt");
        assert_eq!(at, all.filter_map(|c| c.at).fold(0.0, f64::max));
    }
}

#[test]
fn a_number_that_is_not_finite_is_refused_with_its_place() {
    let mut report = synthetic::report();
    report.cases[2].costs[5].value = Some(f64::NAN);
    let error = render(&report, QUICK).unwrap_err();
    assert_eq!(error.class.exit_code(), 5);
    assert!(error.to_string().contains("cases.2.costs.5.value is NaN"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    assert!(write(&report, &out, Options::default()).is_err());
    assert!(!out.exists(), "nothing half-written");
    assert!(json::pretty(&[1.0, f64::INFINITY], "x").unwrap_err().to_string().contains("1 is inf"));
}

#[test]
fn a_report_with_little_in_it_still_renders() {
    for mut report in [Report::default(), synthetic::report()] {
        report.figures = Default::default();
        report.models.clear();
        report.machines.clear();
        for case in &mut report.cases {
            case.costs.clear();
            case.crossovers.clear();
            case.verdicts.clear();
            case.verdict = None;
            case.measurement.spectrum.clear();
            case.measurement.row_sparsity.curve.clear();
            case.measurement.kappa.value = None;
            case.measurement.kappa.high = None;
            case.measurement.step = None;
            case.simulation.clear();
        }
        let files = render(&report, QUICK).unwrap();
        assert!(file(&files, "report.html").contains("No verdict"));
        assert!(text::summary(&report, text::Look::default()).contains("No verdict"));
    }
}

#[test]
fn many_cases_stay_readable() {
    let mut report = synthetic::report();
    let some = report.cases.clone();
    for i in 0..8 {
        let copies = some.iter().cloned().map(|mut c| {
            c.measurement.scope = format!("layer:layers.{i}.weight");
            c.measurement.id = format!("{} layer:layers.{i}.weight", c.measurement.snapshot);
            c
        });
        report.cases.extend(copies.collect::<Vec<_>>());
    }
    let files = render(&report, QUICK).unwrap();
    let html = file(&files, "report.html");
    assert_eq!(html.matches("<details class=\"case\"").count(), report.cases.len());
    let drawn = files.iter().filter(|(n, _)| n.starts_with("plots/spectrum-")).count();
    assert_eq!(drawn, figures::MOST_CASES);
    assert!(html.len() < 12_000_000, "{}", html.len());
}

#[test]
fn the_summary_on_the_terminal() {
    let report = synthetic::report();
    let plain = text::summary(&report, text::Look { colour: false, width: 80 });
    assert!(!plain.contains('\u{1b}'));
    assert!(plain.lines().take_while(|l| !l.is_empty()).all(|l| l.chars().count() <= 80));
    assert_eq!(plain.lines().filter(|l| l.contains("/hessian/full") && l.ends_with("unfavourable")).count(), 7);
    let coloured = text::summary(&report, text::Look { colour: true, width: 80 });
    assert!(coloured.contains("\u{1b}[33m"));
}
