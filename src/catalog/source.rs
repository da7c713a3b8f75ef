//! The shape of a model file: what is written, before formulas are read. Unknown and repeated keys are refused.

use super::variable::{Amount, Usage};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// A model file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSource {
    /// The file name without its extension.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What it prices.
    pub family: Family,
    /// Whether a second source or a derivation confirms it.
    pub status: Status,
    /// Why it has that status.
    pub status_why: String,
    /// What `kappa` stands for in the formulas.
    pub kappa_convention: KappaConvention,
    /// The scenarios in which it has a value.
    pub scenarios: Vec<String>,
    /// Classical models: whether verdicts are taken against it.
    #[serde(default)]
    pub rival: bool,
    /// The quantity that stands for its cost.
    pub main: String,
    /// The variables it takes.
    pub variables: Ordered<Usage>,
    /// Named parts of the formulas, each using earlier ones only.
    pub definitions: Vec<DefinitionSource>,
    /// What it prices, in order; later ones may use earlier ones by name.
    pub quantities: Vec<QuantitySource>,
    /// Where it holds.
    pub domain: Vec<DomainSource>,
    /// What it leaves out.
    pub omits: Vec<String>,
    /// Where it is allowed not to rise with κ, 1/ε, d or n.
    #[serde(default)]
    pub exceptions: Vec<ExceptionSource>,
    /// What the reader should know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Worked values that `models check` reproduces.
    pub examples: Vec<ExampleSource>,
}

/// What a model prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A quantum linear solver.
    Quantum,
    /// A classical solver.
    Classical,
    /// A block encoding.
    Encoding,
}

/// How far a model is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// By a second source, or a derivation with numbers.
    Verified,
    /// One source only, or from memory.
    Unverified,
}

/// What `kappa` stands for in a model's formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KappaConvention {
    /// κ_eff = alpha·kappa; the engine puts it in, once.
    KappaEff,
    /// κ of the matrix; alpha stands in the formula.
    Alpha,
    /// κ of the matrix; the sparsity d in the formula plays the part of alpha.
    D,
    /// κ of the matrix, and no block encoding is involved.
    Matrix,
}

/// How a number bounds the true cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The count itself.
    Exact,
    /// A theorem says it suffices.
    ProvenUpper,
    /// A theorem says less does not suffice.
    ProvenLower,
    /// A constant measured on samples.
    Measured,
    /// The leading order only.
    LeadingOrder,
    /// What a real run took.
    Run,
}

impl Bound {
    /// As written in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Exact => "exact",
            Bound::ProvenUpper => "proven-upper",
            Bound::ProvenLower => "proven-lower",
            Bound::Measured => "measured",
            Bound::LeadingOrder => "leading-order",
            Bound::Run => "run",
        }
    }
}

/// A named part of the formulas.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefinitionSource {
    /// Its name.
    pub id: String,
    /// Its formula.
    pub expression: String,
    /// Its unit, where it is not 1.
    pub unit: Option<String>,
    /// What it is.
    pub note: Option<String>,
}

/// One priced quantity.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantitySource {
    /// `gates`, `queries`, `flops`, `seconds`, …
    pub id: String,
    /// Its unit.
    pub unit: String,
    /// How it bounds the true cost.
    pub bound: Bound,
    /// Its formula, of variables, definitions and earlier quantities.
    pub expression: String,
    /// Its leading order, compared with the one derived.
    pub growth: String,
    /// Where it comes from.
    pub cite: Vec<CiteSource>,
    /// `unknown` when the constant in front is a guess.
    #[serde(default)]
    pub constant: ConstantKnown,
    /// Conditions beside the model's.
    #[serde(default)]
    pub domain: Vec<DomainSource>,
}

/// Whether the constant in front of a leading order is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConstantKnown {
    /// It is part of the formula.
    #[default]
    Known,
    /// A placeholder, usually 1.
    Unknown,
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CiteSource {
    /// Key of the bibliography, such as `arXiv:2406.12086`.
    pub key: String,
    /// Theorem, equation or section.
    #[serde(rename = "where")]
    pub place: String,
}

/// A condition of validity.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainSource {
    /// Of variables and definitions.
    pub condition: String,
    /// What to say when it fails.
    pub why: String,
}

/// A declared failure to be monotone.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptionSource {
    /// The quantity.
    pub quantity: String,
    /// The variable in which it is not monotone.
    pub variable: String,
    /// The reason.
    pub why: String,
}

/// A worked value.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExampleSource {
    /// The quantity; `flops:run` names the quantity of bound `run`.
    pub quantity: String,
    /// The point.
    pub at: Ordered<f64>,
    /// The value.
    pub value: f64,
    /// Largest relative difference allowed.
    pub tolerance: f64,
    /// Where the value comes from.
    pub source: String,
}

/// A JSON object whose order is kept and whose keys may not repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Ordered<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all: Vec<(String, T)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if all.iter().any(|(k, _)| *k == key) {
                        return Err(A::Error::custom(format!("`{key}` stands twice")));
                    }
                    all.push((key, value));
                }
                Ok(Ordered(all))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

impl<T: JsonSchema> JsonSchema for Ordered<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Object_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}

impl Amount {
    pub(super) fn is_finite(&self) -> bool {
        !matches!(self, Amount::Number(x) if !x.is_finite())
    }
}
