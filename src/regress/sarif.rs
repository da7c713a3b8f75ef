//! SARIF 2.1.0 for code scanning: each drifted, missing or added row is a result that points into its model file.

use serde_json::{Value, json};

use super::compare::Comparison;

/// Results beyond this number are left out: code-scanning services keep at most 5,000 of a run.
pub const MAX_RESULTS: usize = 5000;

/// Where a model's quantity stands: file (relative to the repository) and line, when it is known.
pub type Locate<'a> = &'a dyn Fn(&str, &str) -> Option<(String, usize)>;

/// The SARIF log of a check; `fallback` is the file that results without a model file point to (the baseline).
pub fn sarif(comparison: &Comparison, version: &str, fallback: &str, locate: Locate<'_>) -> Value {
    let mut results = Vec::new();
    let mut push = |rule: &str, key: &str, text: String, at: Option<(String, usize)>| {
        let (file, line) = at.unwrap_or_else(|| (fallback.to_owned(), 1));
        results.push(json!({
            "ruleId": rule,
            "level": "error",
            "message": { "text": text },
            "locations": [ { "physicalLocation": {
                "artifactLocation": { "uri": uri(&file) },
                "region": { "startLine": line.max(1) }
            } } ],
            "partialFingerprints": { "costTableKey/v1": key }
        }));
    };
    for d in &comparison.drifted {
        let number = |v: Option<f64>| v.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
        let moved = d.relative.map_or_else(String::new, |r| format!(" ({:+.3} %)", 100.0 * r));
        let text =
            format!("{}: {} moved from {} to {}{moved}. {}", d.key, d.field, number(d.old), number(d.new), d.why);
        push("cost-drift", &d.key, text, locate(&d.model, &d.quantity));
    }
    for key in &comparison.missing {
        push("cost-missing", key, format!("{key} stands in the baseline and is gone"), None);
    }
    for key in &comparison.added {
        push("cost-added", key, format!("{key} is not in the baseline; accept it with --update"), None);
    }
    results.truncate(MAX_RESULTS);
    let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [ {
            "tool": { "driver": {
                "name": "breakeven",
                "version": version,
                "informationUri": "https://github.com/breakeven-rs/breakeven",
                "rules": [
                    rule("cost-drift", "A modelled cost left its tolerance"),
                    rule("cost-missing", "A gated cost disappeared"),
                    rule("cost-added", "A cost is not in the baseline")
                ]
            } },
            "columnKind": "unicodeCodePoints",
            "results": results
        } ]
    })
}

/// A relative URI: the characters that RFC 3986 does not allow in a path are percent-encoded.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
