//! Fills the templates; whatever comes from outside is made harmless by the writer of the page's kind, not by the template.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, State, Value, context};

use serde::Serialize;

use super::plot::ink;
use super::view::View;
use super::{escape, words};
use crate::error::{Class, Error, Result};

/// `report.html`: one self-contained page without scripts.
///
/// # Errors
/// When a template is broken.
pub fn html(view: &View) -> Result<String> {
    render(
        "report.html",
        view,
        |out, state, value| put(out, state, value, escape::html),
        [("report.css", include_str!("templates/report.css")), ("report.html", include_str!("templates/report.html"))],
    )
}

/// `report.md`: the same content for a repository or a ticket.
///
/// # Errors
/// When a template is broken.
pub fn markdown(view: &View) -> Result<String> {
    let text = render(
        "report.md",
        view,
        |out, state, value| put(out, state, value, escape::markdown),
        [("report.md", include_str!("templates/report.md"))],
    )?;
    Ok(squeeze(&text))
}

/// `report.html` of a dossier.
///
/// # Errors
/// When a template is broken.
pub fn dossier_html(view: &impl Serialize) -> Result<String> {
    render(
        "dossier.html",
        view,
        |out, state, value| put(out, state, value, escape::html),
        [
            ("report.css", include_str!("templates/report.css")),
            ("dossier.css", include_str!("templates/dossier.css")),
            ("dossier.html", include_str!("templates/dossier.html")),
        ],
    )
}

/// `report.md` of a dossier.
///
/// # Errors
/// When a template is broken.
pub fn dossier_markdown(view: &impl Serialize) -> Result<String> {
    let text = render(
        "dossier.md",
        view,
        |out, state, value| put(out, state, value, escape::markdown),
        [("dossier.md", include_str!("templates/dossier.md"))],
    )?;
    Ok(squeeze(&text))
}

fn render<const N: usize>(
    name: &str,
    view: &impl Serialize,
    write: impl Fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> std::result::Result<(), minijinja::Error>
    + Send
    + Sync
    + 'static,
    templates: [(&'static str, &'static str); N],
) -> Result<String> {
    let failed = |e: minijinja::Error| {
        Error::new(Class::Io, "report::template", name, format!("{e:#}"), "this is a defect: please report it")
    };
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(failed)?;
    env.set_syntax(syntax);
    // Which kind does not matter, the formatter decides; but macros return safe strings only when escaping is on.
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    env.set_formatter(write);
    for (template, source) in templates {
        env.add_template(template, source).map_err(failed)?;
    }
    let light = Value::from_safe_string(ink::css_variables(false));
    let dark = Value::from_safe_string(ink::css_variables(true));
    let page = env.get_template(name).map_err(failed)?;
    page.render(context! { v => Serde(view), light, dark, methods => Serde(words::METHODS) }).map_err(failed)
}

fn put(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
    escape: fn(&str) -> String,
) -> std::result::Result<(), minijinja::Error> {
    let text = value.to_string();
    let text = if value.is_safe() { text } else { escape(&text) };
    out.write_str(&text).map_err(|e| minijinja::Error::new(minijinja::ErrorKind::WriteFailure, e.to_string()))
}

/// At most one empty line in a row, and none at the end.
fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    format!("{}\n", out.trim_end())
}
