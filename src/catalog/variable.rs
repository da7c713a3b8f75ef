//! The vocabulary of the models: what each variable means, its unit, and where it is sampled by the lint.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A variable that models may use.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Unit, such as `1`, `seconds` or `flops/seconds`.
    pub unit: String,
    /// What it is, in words.
    pub meaning: String,
    /// The range over which the lint samples it.
    pub sample: [f64; 2],
}

/// All variables by name.
pub type Vocabulary = BTreeMap<String, Variable>;

/// How one model uses a variable.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Unit in this model, where it differs from the vocabulary (seconds *per query*).
    pub unit: Option<String>,
    /// Value when the user gives none: a number, or a formula of the other variables.
    pub default: Option<Amount>,
    /// Lower end of the band that the default stands for.
    pub low: Option<Amount>,
    /// Upper end of that band.
    pub high: Option<Amount>,
    /// What the reader should know.
    pub note: Option<String>,
    /// What it is, for variables that the vocabulary does not know.
    pub meaning: Option<String>,
    /// Where the lint samples it, for variables that the vocabulary does not know.
    pub sample: Option<[f64; 2]>,
}

/// A number or a formula.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// A number.
    Number(f64),
    /// A formula of the model's other variables.
    Formula(String),
}

impl Amount {
    /// As the source of a formula.
    pub fn source(&self) -> String {
        match self {
            Amount::Number(x) => format!("{x:?}"),
            Amount::Formula(text) => text.clone(),
        }
    }
}
