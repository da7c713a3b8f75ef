//! The options in force as words, for the report's provenance.

use std::collections::BTreeMap;

use super::opened::name_of;
use super::plan::{Input, Plan, damping_text, scope_text};
use super::sample;

/// Every option that moves a number, by name.
pub fn of(plan: &Plan) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        options.insert(name.to_string(), value);
    };
    set("curvature", plan.curvature.to_string());
    set("scope", plan.scope.as_ref().map_or_else(|| "default".into(), scope_text));
    set("damping", plan.damping.as_ref().map_or_else(|| "default".into(), damping_text));
    set("prune", plan.prune.to_string());
    if let Some(parts) = &plan.subsample {
        set("subsample", parts.to_string());
    }
    if plan.matrix_free {
        set("matrix_free", "true".into());
    }
    if let Some(pattern) = &plan.snapshots {
        set("snapshots", pattern.clone());
    }
    options
}

/// What was analysed, in a word.
pub fn title(plan: &Plan) -> String {
    match &plan.input {
        Input::Sample => sample::NAME.to_string(),
        Input::Paths(paths) => paths.iter().map(|p| name_of(p)).collect::<Vec<_>>().join(", "),
    }
}
