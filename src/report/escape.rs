//! Text from outside (tensor names, paths, notes) made harmless for each place where it is shown.
//!
//! Control characters, ANSI escapes, bidirectional overrides and invisible characters become visible escapes first; then the
//! characters that mean something in the target are escaped.

use std::fmt::Write;

/// Whether a character could deceive a reader or steer a terminal.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with every deceptive character written as `\u{202e}`, and not longer than 2,000 characters.
pub fn visible(text: &str) -> String {
    const LONGEST: usize = 2000;
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_deceptive(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// For HTML text and attribute values.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For Markdown text and table cells: no markup, no HTML, no new cell, no link.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let shown = visible(text);
    let mut chars = shown.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An escaped pipe still ends a cell in some renderers; the entity never does.
            '|' => out.push_str("&#124;"),
            // Bare addresses become links in many renderers.
            ':' if next == '/' => out.push_str("&#58;"),
            '.' if out.len() >= 3 && out.as_bytes()[out.len() - 3..].eq_ignore_ascii_case(b"www") => {
                out.push_str("&#46;")
            }
            '@' => out.push_str("&#64;"),
            ']' if matches!(next, '(' | '[' | ':') => out.push_str("\\]"),
            '\\' | '`' | '*' | '_' | '#' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// For a text cell of a CSV file: a leading character that a spreadsheet takes for a formula is disarmed by an apostrophe.
pub fn csv_text(text: &str) -> String {
    let shown = visible(text);
    let armed = shown.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
    if armed { format!("'{shown}") } else { shown }
}

/// For the inside of JSON text that is already valid: deceptive characters beyond ASCII become `\uXXXX`, which reads back
/// as the same string.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_deceptive(c) {
            out.push(c);
        } else {
            let mut units = [0_u16; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_deceptive_survives() {
        let nasty = "a\u{1b}[31m\u{202e}b\u{200b}\u{7f}\u{9b}\r\n\u{2066}\0";
        let shown = visible(nasty);
        assert!(!shown.chars().any(is_deceptive), "{shown:?}");
        assert!(shown.starts_with("a\\u{1b}[31m\\u{202e}b"), "{shown}");
        assert_eq!(visible(&"x".repeat(5000)).chars().count(), 2001);
    }

    #[test]
    fn each_target_is_disarmed() {
        assert_eq!(html("<script>alert('1')</script>\""), "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;");
        assert_eq!(markdown("a|b<i>[x](http://e)`"), "a&#124;b&lt;i&gt;[x\\](http&#58;//e)\\`");
        assert_eq!(markdown("www.x.y a@b _c_ [1, 2]"), "www&#46;x.y a&#64;b \\_c\\_ [1, 2]");
        for armed in ["=1+1", "+1", "-1", "@x", " =cmd|' /C calc'!A0", "\t=1", "＝1"] {
            let cell = csv_text(armed);
            assert!(cell.starts_with('\'') || cell.starts_with('\\'), "{cell}");
        }
        assert_eq!(csv_text("layers.0.weight"), "layers.0.weight");
    }

    #[test]
    fn json_reads_back() {
        let original = "bidi \u{202e} tag \u{e0041} csi \u{9b}";
        let text = json(&serde_json::to_string(original).unwrap());
        assert!(text.is_ascii(), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), original);
    }
}
