//! Tests of `plot`.

use super::axis::{Axis, Scale, range};
use super::clip;
use super::frame::Frame;
use super::ink::{Ink, css_variables, to_variables};
use super::scene::{DASHED, Rect, SOLID};
use super::*;

#[test]
fn a_log_axis_has_about_one_label_per_decade() {
    for (low, high) in [(1.0, 1e3), (1e-18, 1e-4), (1e-200, 1e200), (3.0, 4.0), (1e-30, 1e-28), (5e-324, 1e308)] {
        let axis = Axis::log("x", (low, high), 10);
        let labels = axis.ticks.iter().filter(|t| t.label.is_some()).count();
        assert!((2..=11).contains(&labels), "{low:e}…{high:e}: {labels}");
        assert!(axis.ticks.windows(2).all(|w| w[0].value < w[1].value), "{low:e}…{high:e}");
        // Labels below 2e-16 are there too, which the drawing library's own axis would lose.
        assert!(axis.ticks.iter().all(|t| t.value > 0.0 && t.value.is_finite()));
    }
    let axis = Axis::log("x", (1.0, 1e4), 10);
    assert!((axis.place(100.0) - 0.5).abs() < 1e-12);
    assert!(axis.place(-1.0) < 0.0 && axis.place(0.0) < 0.0);
    let named: Vec<&str> = axis.ticks.iter().filter_map(|t| t.label.as_deref()).collect();
    assert_eq!(named, ["1", "10", "100", "1,000", "10,000"]);
}

#[test]
fn a_linear_axis_has_round_steps() {
    let axis = Axis::linear("x", (0.0, 536.0), 9);
    let named: Vec<&str> = axis.ticks.iter().filter_map(|t| t.label.as_deref()).collect();
    assert_eq!(named, ["0", "100", "200", "300", "400", "500"]);
    let flat = Axis::linear("x", (2.0, 2.0), 5);
    assert!(flat.low < 2.0 && flat.high > 2.0);
}

#[test]
fn ranges_skip_what_cannot_be_placed() {
    let values = [f64::NAN, -3.0, 0.0, 2.0, f64::INFINITY, 9.0];
    assert_eq!(range(values, Scale::Log), Some((2.0, 9.0)));
    assert_eq!(range(values, Scale::Linear), Some((-3.0, 9.0)));
    assert_eq!(range([f64::NAN], Scale::Linear), None);
}

#[test]
fn lines_and_areas_end_at_the_frame() {
    let frame = Rect::new(0.0, 0.0, 10.0, 10.0);
    let pieces = clip::polyline(&[(-5.0, 5.0), (5.0, 5.0), (5.0, 20.0), (8.0, 20.0), (8.0, 5.0)], &frame);
    assert_eq!(pieces, [vec![(0.0, 5.0), (5.0, 5.0), (5.0, 10.0)], vec![(8.0, 10.0), (8.0, 5.0)]]);
    assert!(clip::polyline(&[(-5.0, -5.0), (-1.0, 20.0)], &frame).is_empty());
    // The area of a clipped square is the overlap's.
    let square = [(5.0, 5.0), (15.0, 5.0), (15.0, 15.0), (5.0, 15.0)];
    let cut = clip::polygon(&square, &frame);
    let area: f64 = (0..cut.len())
        .map(|i| {
            let (a, b) = (cut[i], cut[(i + 1) % cut.len()]);
            a.0 * b.1 - b.0 * a.1
        })
        .sum::<f64>()
        .abs()
        / 2.0;
    assert!((area - 25.0).abs() < 1e-12, "{area}");
}

#[test]
fn dashes_cover_their_share_of_a_line() {
    let line = [(0.0, 0.0), (60.0, 0.0), (60.0, 50.0)];
    let length = |pieces: &[Vec<(f64, f64)>]| -> f64 {
        pieces.iter().flat_map(|p| p.windows(2)).map(|w| (w[1].0 - w[0].0).hypot(w[1].1 - w[0].1)).sum()
    };
    // 110 pixels are exactly ten periods of 7 on and 4 off.
    assert!((length(&clip::dashes(&line, DASHED)) - 70.0).abs() < 1e-9);
    assert!((length(&clip::dashes(&line, SOLID)) - 110.0).abs() < 1e-9);
}

#[test]
fn every_ink_has_colours_of_its_own() {
    let all = Ink::all();
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            assert_ne!(a.colours().0, b.colours().0, "{a:?} {b:?}");
            assert_ne!(a.variable(), b.variable());
        }
        assert!(css_variables(true).contains(&format!("{}:{};", a.variable(), a.colours().1)));
    }
    assert_eq!(to_variables("<a fill=\"#1B1F24\">#1B1F24</a>"), "<a fill=\"var(--text,#1B1F24)\">#1B1F24</a>");
}

#[test]
fn text_is_readable_on_both_pages() {
    let luminance = |hex: &str| -> f64 {
        let channel = |i: usize| {
            let c = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let contrast = |a: &str, b: &str| {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    };
    let (light, dark) = Ink::Paper.colours();
    for ink in [Ink::Text, Ink::Muted, Ink::Good, Ink::Bad, Ink::Against, Ink::Mark] {
        let (on_light, on_dark) = ink.colours();
        // The Web's accessibility guideline asks for 4.5.
        assert!(contrast(on_light, light) >= 4.5, "{ink:?} on light: {}", contrast(on_light, light));
        assert!(contrast(on_dark, dark) >= 4.5, "{ink:?} on dark: {}", contrast(on_dark, dark));
    }
    for ink in Ink::all().into_iter().filter(|i| matches!(i, Ink::Quantum(_) | Ink::Classical(_) | Ink::Series(_))) {
        let (on_light, on_dark) = ink.colours();
        // And 3 for graphics.
        assert!(contrast(on_light, light) >= 2.9, "{ink:?} on light: {}", contrast(on_light, light));
        assert!(contrast(on_dark, dark) >= 3.0, "{ink:?} on dark: {}", contrast(on_dark, dark));
    }
}

#[test]
fn points_land_where_the_axes_say() {
    let frame = Frame::new("test", 300.0, Axis::log("x", (1.0, 1e6), 8), Axis::linear("y", (0.0, 10.0), 5), &[]);
    let (x, y) = frame.at(1e3, 5.0);
    assert!((x - f64::midpoint(frame.area.left, frame.area.right)).abs() < 1e-9);
    assert!((y - f64::midpoint(frame.area.top, frame.area.bottom)).abs() < 1e-9);
    assert!(frame.px(1e300).is_finite() && frame.px(-1.0).is_finite());
}

#[test]
fn a_picture_has_the_size_it_says() {
    let mut frame = Frame::new("test", 200.0, Axis::log("x", (1.0, 1e6), 8), Axis::linear("y", (0.0, 10.0), 5), &[]);
    frame.scene.text((400.0, 100.0), "κ ≤ 10⁻⁶ <&>", 12.0, scene::Align::Middle, Ink::Text);
    let svg = canvas::svg(&frame.scene).unwrap();
    assert!(svg.contains("width=\"860\" height=\"200\" viewBox=\"0 0 3440 800\""), "{}", &svg[..200]);
    assert!(svg.contains("κ ≤ 10⁻⁶ &lt;&amp;&gt;"));
    let picture = canvas::png(&frame.scene).unwrap();
    let mut reader = png::Decoder::new(picture.as_slice()).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (1720, 400));
    // The corner is paper, and the text in the middle left ink.
    assert_eq!(pixels[..3], [255, 255, 255]);
    let row = |y: usize| &pixels[y * 1720 * 3 + 760 * 3..y * 1720 * 3 + 860 * 3];
    assert!((180..200).any(|y| row(y).iter().any(|&c| c < 90)));
}

#[test]
fn names_are_cut_to_measure() {
    let long = "a name that is far too long for the place it gets";
    let cut = font::fit(long, 12.0, 100.0);
    assert!(font::width(&cut, 12.0) <= 100.0 && cut.ends_with('…'), "{cut}");
    assert_eq!(font::fit("short", 12.0, 100.0), "short");
    let id = "sgd_0200/hessian/layer:layers.3.weight";
    let cut = font::fit_middle(id, 12.0, 150.0);
    assert!(cut.starts_with("sgd_02") && cut.ends_with(".weight") && font::width(&cut, 12.0) <= 150.0, "{cut}");
}
