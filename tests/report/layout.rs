//! Every figure as a reader sees it: no label clipped, no two labels on top of each other.

use breakeven::measurement::{SparsityPoint, SpectrumBin};
use breakeven::report::document::Report;
use breakeven::report::figure_data::{AxisMark, CurveSeries, Side};
use breakeven::report::plot::scene::Scene;
use breakeven::report::view::Pictures;

use super::synthetic;

fn check(name: &str, scene: &Scene) {
    let boxes = scene.text_boxes();
    assert!(!boxes.is_empty(), "{name}");
    for (i, (text, a)) in boxes.iter().enumerate() {
        let inside = a.left >= 0.0 && a.top >= 0.0 && a.right <= scene.width && a.bottom <= scene.height;
        assert!(inside, "{name}: {text:?} is clipped: {a:?} in {} × {}", scene.width, scene.height);
        for (other, b) in &boxes[i + 1..] {
            assert!(!a.overlaps(b), "{name}: {text:?} and {other:?} overlap: {a:?} {b:?}");
        }
    }
}

fn check_all(what: &str, report: &Report) {
    let pictures = Pictures::of(report);
    for figure in pictures.all() {
        check(&format!("{what}, {}", figure.name), &figure.scene);
    }
}

#[test]
fn labels_are_whole_and_apart() {
    check_all("sample", &synthetic::report());
}

#[test]
fn labels_stay_whole_with_long_names_and_other_ranges() {
    let long =
        "a very long name of something that a user called like this, with layers.12.attention.q_proj.weight in it";
    let mut report = synthetic::report();
    for case in &mut report.cases {
        case.measurement.id = format!("{} {long}", case.measurement.id);
        case.measurement.series = format!("{}{long}", case.measurement.series);
    }
    for machine in &mut report.machines {
        machine.title = format!("{} {long}", machine.title);
    }
    let figure = &mut report.figures.break_even[0];
    figure.y.name = long.repeat(3);
    for series in &mut figure.series {
        series.title = format!("{} {long}", series.title);
    }
    figure.marks.push(AxisMark { at: 2e8, label: long.into(), ..AxisMark::default() });
    for bar in &mut report.figures.tornado[0].bars {
        (bar.lever, bar.low_label, bar.high_label) = (long.into(), long.into(), long.into());
    }
    check_all("long names", &report);

    for (scale, what) in [(1e-40, "tiny"), (1e40, "huge"), (1.0, "narrow")] {
        let mut report = synthetic::report();
        for case in &mut report.cases {
            let m = &mut case.measurement;
            for x in [&mut m.kappa.value, &mut m.kappa.low, &mut m.kappa.high] {
                *x = x.map(|v| if scale == 1.0 { 4.2e5 } else { v * scale });
            }
            m.step = m.step.map(|s| if scale > 1.0 { s * 1_000_000 } else { s });
            m.spectrum.iter_mut().for_each(|b| (b.low, b.high) = (b.low * scale, b.high * scale));
            m.row_sparsity.curve.iter_mut().for_each(|p: &mut SparsityPoint| p.frobenius_error *= scale.min(1.0));
            for c in &mut case.crossovers {
                c.at = c.at.map(|v| v * scale);
                (c.low, c.high) = (None, None);
            }
        }
        report.figures.break_even[0].series.iter_mut().flat_map(|s| &mut s.points).for_each(|p| {
            p.value = p.value.map(|v| v * scale);
        });
        check_all(what, &report);
    }
}

#[test]
fn a_crowd_is_still_readable() {
    let mut report = synthetic::report();
    let some = report.cases.clone();
    for i in 0..9 {
        report.cases.extend(some.iter().cloned().map(|mut c| {
            c.measurement.series = format!("series{i}_");
            c.measurement.step = c.measurement.step.map(|s| s + i);
            c.measurement.kappa.value = c.measurement.kappa.value.map(|k| k * (1.0 + i as f64));
            c
        }));
    }
    let template = report.figures.break_even[0].series[0].clone();
    for i in 0..14 {
        let side = if i % 2 == 0 { Side::Quantum } else { Side::Classical };
        report.figures.break_even[0].series.push(CurveSeries {
            id: format!("m{i}"),
            title: format!("model {i}"),
            side,
            ..template.clone()
        });
    }
    for i in 0..8_i32 {
        let mut machine = report.machines[0].clone();
        (machine.id, machine.gate_time) = (format!("m{i}"), Some(1e-8 * 1.3_f64.powi(i)));
        report.machines.push(machine);
    }
    check_all("crowd", &report);
}

#[test]
fn spectra_of_every_kind() {
    let bin = |sign, low: f64, high: f64, count| SpectrumBin { sign, low, high, count };
    for (what, bins) in [
        ("only zeros", vec![bin(0, 0.0, 1e-16, 12)]),
        ("one value", vec![bin(1, 2.0, 2.0, 5)]),
        ("definite", vec![bin(1, 1e-3, 1e-2, 3), bin(1, 1.0, 10.0, 4000)]),
        ("negative", vec![bin(-1, 1e-3, 1e-2, 3), bin(-1, 1.0, 10.0, 40)]),
        ("wide", vec![bin(-1, 1e-200, 1e-199, 3), bin(0, 0.0, 1e-220, 2), bin(1, 1e100, 1e101, 40)]),
    ] {
        let scene = breakeven::report::plot::spectrum(&bins, &[], "").unwrap_or_else(|| panic!("{what}"));
        check(what, &scene);
    }
    assert!(breakeven::report::plot::spectrum(&[bin(1, 1.0, 2.0, 0)], &[], "").is_none());
}
