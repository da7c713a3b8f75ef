//! The only file that calls plotters: replays a scene as SVG or PNG on a canvas four times larger than the picture.
//!
//! The backends work in whole pixels, so a 4× canvas with a scaled viewBox keeps curves smooth; PNG is averaged down to 2×.

use std::sync::OnceLock;

use ab_glyph::{Font, ScaleFont};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::font;
use super::ink::{self, Ink};
use super::scene::{Align, Point, Scene, Shape};
use crate::error::{Class, Error, Result};

const SCALE: f64 = 4.0;
/// Picture pixels per logical pixel of a PNG.
const PNG_SCALE: usize = 2;

fn failed(what: impl std::fmt::Display) -> Error {
    Error::new(Class::Io, "report::drawing", "figure", what, "please report this with the report.json")
}

fn register() -> Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        plotters::style::register_font("sans-serif", plotters::style::FontStyle::Normal, font::DEJAVU).is_ok()
    });
    if *done { Ok(()) } else { Err(failed("the bundled font cannot be read")) }
}

fn px((x, y): Point) -> (i32, i32) {
    let round = |v: f64| (v * SCALE).round().clamp(-1e6, 1e6) as i32;
    (round(x), round(y))
}

fn colour(ink: Ink, alpha: f64) -> RGBAColor {
    let (r, g, b) = ink.rgb();
    RGBColor(r, g, b).mix(alpha)
}

/// A standalone SVG on white with literal colours, fit for any viewer.
///
/// # Errors
/// When the drawing library fails.
pub fn svg(scene: &Scene) -> Result<String> {
    draw_svg(scene, true)
}

/// An SVG element for a page: transparent, its colours being CSS variables of the two themes.
///
/// # Errors
/// When the drawing library fails.
pub fn svg_inline(scene: &Scene) -> Result<String> {
    Ok(ink::to_variables(&draw_svg(scene, false)?))
}

fn draw_svg(scene: &Scene, paper: bool) -> Result<String> {
    register()?;
    let size = ((scene.width * SCALE) as u32, (scene.height * SCALE) as u32);
    let mut buffer = String::new();
    {
        let area = SVGBackend::with_string(&mut buffer, size).into_drawing_area();
        if paper {
            area.fill(&colour(Ink::Paper, 1.0)).map_err(failed)?;
        }
        for shape in &scene.shapes {
            draw_shape(&area, shape)?;
            if let Shape::Text { at, text, em, align, vertical, ink } = shape {
                let anchor = match align {
                    Align::Start => HPos::Left,
                    Align::Middle => HPos::Center,
                    Align::End => HPos::Right,
                };
                // The SVG backend divides the size by 1.24.
                let paint = colour(*ink, 1.0);
                let mut style = TextStyle::from(("sans-serif", em * SCALE * 1.24).into_font())
                    .color(&paint)
                    .pos(Pos::new(anchor, VPos::Top));
                if *vertical {
                    style = style.transform(FontTransform::Rotate270);
                }
                area.draw_text(text, &style, px(*at)).map_err(failed)?;
            }
        }
        area.present().map_err(failed)?;
    }
    // The head tag is rewritten to the logical size; `dy` goes, because our points are on the baseline already.
    let body = buffer.split_once("<svg").and_then(|(_, rest)| rest.split_once('>')).map_or("", |(_, body)| body);
    let body = body
        .replace(" dy=\"0.76em\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        // Without it, neighbouring cells of a map show hairlines at fractional sizes.
        .replace("<rect ", "<rect shape-rendering=\"crispEdges\" ")
        .replace(">\n", ">")
        .replace("\n</text", "</text");
    let (w, h) = (scene.width, scene.height);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {} {}\" role=\"img\" \
         font-family=\"'DejaVu Sans',Verdana,'Segoe UI',Arial,sans-serif\"><title>{}</title>{}\n",
        size.0,
        size.1,
        crate::report::escape::html(&scene.alt),
        body.trim_end()
    ))
}

/// A PNG on white, two pixels per logical pixel.
///
/// # Errors
/// When the drawing library fails.
pub fn png(scene: &Scene) -> Result<Vec<u8>> {
    register()?;
    let (w, h) = ((scene.width * SCALE) as usize, (scene.height * SCALE) as usize);
    let mut pixels = vec![0_u8; w * h * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (w as u32, h as u32)).into_drawing_area();
        area.fill(&colour(Ink::Paper, 1.0)).map_err(failed)?;
        for shape in &scene.shapes {
            draw_shape(&area, shape)?;
            if let Shape::Text { at, text, em, align, vertical, ink } = shape {
                draw_glyphs(&area, *at, text, *em, *align, *vertical, *ink)?;
            }
        }
        area.present().map_err(failed)?;
    }
    encode(&shrink(&pixels, w, h), w / PNG_SCALE, h / PNG_SCALE)
}

fn draw_shape<B: DrawingBackend>(area: &DrawingArea<B, plotters::coord::Shift>, shape: &Shape) -> Result<()> {
    match shape {
        Shape::Line { points, ink, width, alpha } => {
            // Even, because the bitmap backend truncates half pixels, which would tilt the ends of a line.
            let stroke = 2 * ((width * SCALE / 2.0).round() as u32).max(1);
            let style = colour(*ink, *alpha).stroke_width(stroke);
            let points: Vec<_> = points.iter().map(|&p| px(p)).collect();
            area.draw(&PathElement::new(points, style)).map_err(failed)
        }
        Shape::Area { points, ink, alpha } => {
            let points: Vec<_> = points.iter().map(|&p| px(p)).collect();
            area.draw(&Polygon::new(points, colour(*ink, *alpha))).map_err(failed)
        }
        Shape::Box { rect, ink, alpha } => {
            let corners = [px((rect.left, rect.top)), px((rect.right, rect.bottom))];
            area.draw(&Rectangle::new(corners, colour(*ink, *alpha).filled())).map_err(failed)
        }
        Shape::Disc { at, radius, ink } => {
            area.draw(&Circle::new(px(*at), radius * SCALE, colour(*ink, 1.0).filled())).map_err(failed)
        }
        Shape::Text { .. } => Ok(()),
    }
}

/// Sets text glyph by glyph: the library's own bitmap text leaves out the side bearings.
fn draw_glyphs<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    at: Point,
    text: &str,
    em: f64,
    align: Align,
    vertical: bool,
    ink: Ink,
) -> Result<()> {
    let Some(face) = font::font() else { return Ok(()) };
    let scaled = face.as_scaled((font::height_of_em(em) * SCALE) as f32);
    let back = match align {
        Align::Start => 0.0,
        Align::Middle => font::width(text, em) / 2.0,
        Align::End => font::width(text, em),
    };
    let (x0, y0) = (at.0 * SCALE, at.1 * SCALE);
    let (mut pen, mut previous) = ((-back * SCALE) as f32, None);
    let mut outcome = Ok(());
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        if let Some(before) = previous {
            pen += scaled.kern(before, id);
        }
        let glyph = id.with_scale_and_position(scaled.scale(), ab_glyph::point(pen, 0.0));
        if let Some(outline) = scaled.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|gx, gy, cover| {
                if cover <= 0.0 || outcome.is_err() {
                    return;
                }
                let (dx, dy) = (f64::from(corner.x + gx as f32), f64::from(corner.y + gy as f32));
                let (x, y) = if vertical { (x0 + dy, y0 - dx) } else { (x0 + dx, y0 + dy) };
                let style = colour(ink, f64::from(cover.min(1.0)));
                outcome = area.draw_pixel((x.round() as i32, y.round() as i32), &style).map_err(failed);
            });
        }
        pen += scaled.h_advance(id);
        previous = Some(id);
    }
    outcome
}

/// Averages blocks of pixels down to the resolution of the file.
fn shrink(pixels: &[u8], w: usize, h: usize) -> Vec<u8> {
    let step = SCALE as usize / PNG_SCALE;
    let (out_w, out_h) = (w / step, h / step);
    let mut out = Vec::with_capacity(out_w * out_h * 3);
    for y in 0..out_h {
        for x in 0..out_w {
            for channel in 0..3 {
                let mut sum = 0_usize;
                for dy in 0..step {
                    for dx in 0..step {
                        let at = ((y * step + dy) * w + x * step + dx) * 3 + channel;
                        sum += usize::from(pixels.get(at).copied().unwrap_or(255));
                    }
                }
                out.push((sum / (step * step)) as u8);
            }
        }
    }
    out
}

fn encode(pixels: &[u8], w: usize, h: usize) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, w as u32, h as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}
