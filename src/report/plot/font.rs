//! The bundled font: registered once with the drawing library, and measured here so that layouts never clip a label.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, ScaleFont};

/// DejaVu Sans, unmodified; its licence stands in `src/report/fonts/LICENSE`.
pub static DEJAVU: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

/// The parsed font; `None` only if the bundled file were broken.
pub fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(DEJAVU).ok()).as_ref()
}

/// Pixel height (ascent to descent) that belongs to an em size: rasterisers scale by height, SVG by em.
pub fn height_of_em(em: f64) -> f64 {
    font().map_or(em * 1.164, |f| {
        let upem = f64::from(f.units_per_em().unwrap_or(2048.0));
        em * f64::from(f.height_unscaled()) / upem
    })
}

/// Width of `text` at an em size, in the same unit as `em`.
pub fn width(text: &str, em: f64) -> f64 {
    let Some(font) = font() else { return 0.62 * em * text.chars().count() as f64 };
    let scaled = font.as_scaled(height_of_em(em) as f32);
    let (mut x, mut previous) = (0.0_f32, None);
    for c in text.chars() {
        let glyph = scaled.glyph_id(c);
        if let Some(before) = previous {
            x += scaled.kern(before, glyph);
        }
        x += scaled.h_advance(glyph);
        previous = Some(glyph);
    }
    f64::from(x)
}

/// `text` cut in its middle, so that both ends of an id stay.
pub fn fit_middle(text: &str, em: f64, limit: f64) -> String {
    if width(text, em) <= limit {
        return text.to_string();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut kept = chars.len();
    loop {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let cut: String = chars.iter().take(head).chain(&['…']).chain(chars.iter().skip(chars.len() - tail)).collect();
        if kept == 0 || width(&cut, em) <= limit {
            return cut;
        }
        kept -= 1;
    }
}

/// `text` cut with an ellipsis so that it is not wider than `limit`.
pub fn fit(text: &str, em: f64, limit: f64) -> String {
    if width(text, em) <= limit {
        return text.to_string();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept, em) + width("…", em) > limit {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}
