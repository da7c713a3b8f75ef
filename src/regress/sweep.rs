//! Sweep files: cost models evaluated at points of the user's choice, without any matrix.
//!
//! ```toml
//! [[sweep]]
//! name = "published"            # first part of the rows' keys
//! models = ["dalzell2024", "costa2026"]
//! at = { kappa = [10, 100, 1e4], eps = [1e-2, 1e-10], alpha = 1 }   # every combination
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Result};

/// Combinations that one file may ask for.
pub const MAX_POINTS: usize = 1_000_000;

/// One point: a model and the values of its variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// `name/kappa=10,eps=0.01`: the case part of the key.
    pub case: String,
    /// Model id.
    pub model: String,
    /// Variables in name order.
    pub at: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sweep: Vec<Sweep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sweep {
    name: String,
    models: Vec<String>,
    #[serde(default)]
    at: BTreeMap<String, Axis>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Axis {
    One(f64),
    Many(Vec<f64>),
}

/// All points of a sweep file, in the file's order of models, combinations in the order of the variables' names.
///
/// # Errors
/// Bad TOML, unknown keys, non-finite values, an empty axis, too many combinations: exit 3.
pub fn parse(text: &str, place: &str) -> Result<Vec<Point>> {
    let bad = |at: String, what: String, remedy: &str| Error::input("regress::sweep", at, what, remedy);
    let file: File = toml::from_str(text)
        .map_err(|e| bad(place.into(), e.to_string().trim().into(), "see `breakeven table --help` for the form"))?;
    let mut out = Vec::new();
    for (i, sweep) in file.sweep.iter().enumerate() {
        let at = format!("{place}, sweep {} ({})", i + 1, sweep.name);
        let mut combinations: Vec<BTreeMap<String, f64>> = vec![BTreeMap::new()];
        for (variable, axis) in &sweep.at {
            let values = match axis {
                Axis::One(x) => std::slice::from_ref(x),
                Axis::Many(list) => list.as_slice(),
            };
            if values.is_empty() || values.iter().any(|x| !x.is_finite()) {
                return Err(bad(at, format!("{variable} has no values, or one is not finite"), "give finite numbers"));
            }
            if combinations.len().saturating_mul(values.len()).saturating_mul(sweep.models.len()) > MAX_POINTS {
                return Err(bad(at, format!("more than {MAX_POINTS} combinations"), "split the sweep"));
            }
            combinations = combinations
                .into_iter()
                .flat_map(|point| {
                    values.iter().map(move |&x| {
                        let mut next = point.clone();
                        next.insert(variable.clone(), x);
                        next
                    })
                })
                .collect();
        }
        for model in &sweep.models {
            for point in &combinations {
                let label: Vec<String> = point.iter().map(|(name, x)| format!("{name}={x:?}")).collect();
                let case = format!("{}/{}", sweep.name, label.join(","));
                out.push(Point { case, model: model.clone(), at: point.clone() });
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_combination_once() {
        let text = "[[sweep]]\nname='s'\nmodels=['a','b']\nat={kappa=[10,100],eps=0.5}\n";
        let points = parse(text, "x").unwrap();
        assert_eq!(points.len(), 4);
        assert_eq!(points[1].case, "s/eps=0.5,kappa=100.0");
        assert_eq!(points[1].at["kappa"], 100.0);
    }

    #[test]
    fn bad_files_are_refused() {
        let base = "[[sweep]]\nname='s'\nmodels=['a']\n";
        for bad in ["x=1", "at={kappa=[]}", "at={kappa=[inf]}", "at={kappa='a'}", "att={}", "at={a=[1"] {
            assert!(parse(&format!("{base}{bad}\n"), "x").is_err(), "{bad}");
        }
        let many: Vec<String> = (0..2000).map(|i| i.to_string()).collect();
        let many = many.join(",");
        assert!(parse(&format!("{base}at={{a=[{many}],b=[{many}]}}"), "x").is_err());
    }
}
